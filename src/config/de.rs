//! A serde deserializer over a tree, whose errors know the place and the path of the innermost key.

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, IntoDeserializer, MapAccess, SeqAccess, VariantAccess,
    Visitor,
};

use super::de_error::{Path, ReadError};
use super::problem::ConfigProblemKind;
use super::scalar;
use super::secret::NAME;
use super::value::{Key, Node, Value};

/// Deserializes a node.
pub(crate) struct TreeDeserializer<'de, 'p> {
    node: &'de Node,
    path: &'p Path<'p>,
}

impl<'de, 'p> TreeDeserializer<'de, 'p> {
    pub(crate) fn new(node: &'de Node, path: &'p Path<'p>) -> Self {
        Self { node, path }
    }

    /// Gives what is there, texts as they are written.
    fn visit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.node.value {
            Value::List(items) => {
                visitor.visit_seq(Items { items: items.iter().enumerate(), path: self.path })
            }
            Value::Map(entries) => {
                visitor.visit_map(Entries { entries: entries.iter(), value: None, path: self.path })
            }
            single => give(single, visitor),
        }
        .map_err(|error| error.or_at(&self.node.at, self.path))
    }

    /// Gives what is there; a text without a type as what it would be in a file.
    fn typed<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.node.value {
            Value::Untyped(text) => {
                give(&scalar::resolve(text), visitor).map_err(|error| error.or_at(&self.node.at, self.path))
            }
            _ => self.visit(visitor),
        }
    }
}

/// Gives a single value of the type that it has.
fn give<'de, V: Visitor<'de>>(value: &Value, visitor: V) -> Result<V::Value, ReadError> {
    match value {
        Value::Bool(flag) => visitor.visit_bool(*flag),
        Value::Int(number) => match (i64::try_from(*number), u64::try_from(*number)) {
            (Ok(number), _) => visitor.visit_i64(number),
            (_, Ok(number)) => visitor.visit_u64(number),
            _ => visitor.visit_i128(*number),
        },
        Value::Float(number) => visitor.visit_f64(*number),
        Value::Text(text) | Value::Untyped(text) => visitor.visit_str(text),
        Value::Null | Value::List(_) | Value::Map(_) => visitor.visit_unit(),
    }
}

/// Numbers and flags: the environment has none.
macro_rules! typed {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
            self.typed(visitor)
        })*
    };
}

/// Whole numbers: JSON and TOML write them as floats, too.
macro_rules! integers {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
            match &self.node.value {
                Value::Float(float) => {
                    let value = scalar::whole(*float).map_or(Value::Float(*float), Value::Int);
                    give(&value, visitor).map_err(|error| error.or_at(&self.node.at, self.path))
                }
                _ => self.typed(visitor),
            }
        })*
    };
}

/// Texts, as they are written.
macro_rules! texts {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
            self.visit(visitor)
        })*
    };
}

impl<'de> Deserializer<'de> for TreeDeserializer<'de, '_> {
    type Error = ReadError;

    typed! { deserialize_any deserialize_bool deserialize_f32 deserialize_f64 deserialize_unit deserialize_seq deserialize_map }

    integers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
    }

    texts! { deserialize_char deserialize_str deserialize_string deserialize_bytes deserialize_byte_buf deserialize_identifier }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let (at, path) = (&self.node.at, self.path);
        match &self.node.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
        .map_err(|error| error.or_at(at, path))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        let (at, path) = (&self.node.at, self.path);
        match &self.node.value {
            Value::Text(text) | Value::Untyped(text) if name == NAME => visitor.visit_str(text),
            _ => visitor.visit_newtype_struct(self),
        }
        .map_err(|error| error.or_at(at, path))
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.typed(visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, ReadError> {
        self.typed(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.typed(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.typed(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        let (at, path) = (&self.node.at, self.path);
        match &self.node.value {
            Value::Text(text) | Value::Untyped(text) => {
                let name: StrDeserializer<'_, ReadError> = text.as_str().into_deserializer();
                visitor.visit_enum(name)
            }
            Value::Map(entries) if entries.len() == 1 => {
                let (key, value) = &entries[0];
                visitor.visit_enum(Variant { key, value, path })
            }
            other => Err(ReadError::of(ConfigProblemKind::WrongType {
                found: other.kind().to_owned(),
                expected: "a name, or a map with a name as its only key".to_owned(),
            })),
        }
        .map_err(|error| error.or_at(at, path))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_unit()
    }
}

struct Items<'de, 'p> {
    items: std::iter::Enumerate<std::slice::Iter<'de, Node>>,
    path: &'p Path<'p>,
}

impl<'de> SeqAccess<'de> for Items<'de, '_> {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, ReadError> {
        let Some((index, node)) = self.items.next() else { return Ok(None) };
        let path = Path::Index(self.path, index);
        let result = seed.deserialize(TreeDeserializer::new(node, &path));
        result.map(Some).map_err(|error| error.or_at(&node.at, &path))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

struct Entries<'de, 'p> {
    entries: std::slice::Iter<'de, (Key, Node)>,
    value: Option<(&'de str, &'de Node)>,
    path: &'p Path<'p>,
}

impl<'de> MapAccess<'de> for Entries<'de, '_> {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ReadError> {
        let Some((key, node)) = self.entries.next() else { return Ok(None) };
        self.value = Some((&key.name, node));
        name(key, self.path, seed).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ReadError> {
        let Some((key, node)) = self.value.take() else {
            return Err(ReadError::custom("a value was asked for before its key"));
        };
        let path = Path::Key(self.path, key);
        seed.deserialize(TreeDeserializer::new(node, &path)).map_err(|error| error.or_at(&node.at, &path))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.entries.len())
    }
}

/// Reads the name of a key.
fn name<'de, K: DeserializeSeed<'de>>(
    key: &'de Key,
    path: &Path<'_>,
    seed: K,
) -> Result<K::Value, ReadError> {
    let name: StrDeserializer<'_, ReadError> = key.name.as_str().into_deserializer();
    seed.deserialize(name).map_err(|error| error.or_at(&key.at, &Path::Key(path, &key.name)))
}

/// A variant that holds something.
struct Variant<'de, 'p> {
    key: &'de Key,
    value: &'de Node,
    path: &'p Path<'p>,
}

impl<'de> EnumAccess<'de> for Variant<'de, '_> {
    type Error = ReadError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), ReadError> {
        Ok((name(self.key, self.path, seed)?, self))
    }
}

impl Variant<'_, '_> {
    /// Does something with what the variant holds.
    fn inside<'de, T>(
        key: &'de Key,
        value: &'de Node,
        path: &Path<'_>,
        read: impl FnOnce(TreeDeserializer<'de, '_>) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        let path = Path::Key(path, &key.name);
        read(TreeDeserializer::new(value, &path)).map_err(|error| error.or_at(&value.at, &path))
    }
}

impl<'de> VariantAccess<'de> for Variant<'de, '_> {
    type Error = ReadError;

    fn unit_variant(self) -> Result<(), ReadError> {
        Self::inside(self.key, self.value, self.path, |inside| serde::Deserialize::deserialize(inside))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, ReadError> {
        Self::inside(self.key, self.value, self.path, |inside| seed.deserialize(inside))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, ReadError> {
        Self::inside(self.key, self.value, self.path, |inside| inside.typed(visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        Self::inside(self.key, self.value, self.path, |inside| inside.typed(visitor))
    }
}
