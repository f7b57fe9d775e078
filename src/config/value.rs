//! What every format and the environment is read into: a tree whose every key and value knows its place.

use std::fmt;
use std::sync::Arc;

use super::scalar;

/// Where a key or a value stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// The file's name, or what else it came from.
    pub(crate) source: Arc<str>,
    /// From 1; 0 where there are no lines.
    pub(crate) line: u32,
    /// In characters, from 1; 0 where there are no lines.
    pub(crate) column: u32,
}

impl Place {
    /// A place in a text.
    pub(crate) fn new(source: &Arc<str>, line: u32, column: u32) -> Self {
        Self { source: Arc::clone(source), line, column }
    }

    /// Something without lines: a variable, a call.
    pub(crate) fn whole(source: impl Into<Arc<str>>) -> Self {
        Self { source: source.into(), line: 0, column: 0 }
    }

    /// The line of code that calls.
    #[track_caller]
    pub(crate) fn caller() -> Self {
        let at = std::panic::Location::caller();
        Self { source: at.file().into(), line: at.line(), column: at.column() }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.source.chars() {
            // A file's name may be anything; a log line stays one line.
            if character.is_control() {
                write!(f, "{}", character.escape_default())?;
            } else {
                write!(f, "{character}")?;
            }
        }
        match (self.line, self.column) {
            (0, _) => Ok(()),
            (line, column) => write!(f, ":{line}:{column}"),
        }
    }
}

/// A key of a map.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) name: String,
    pub(crate) at: Place,
}

/// A value and where it stands.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) at: Place,
}

/// A value. It has no `Debug`: what it holds may be a secret.
#[derive(Clone)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    /// From the environment or from code, where nothing says which type it has: what is asked for.
    Untyped(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

impl Value {
    /// What it is, without what it holds.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "a flag",
            Self::Int(_) => "an integer",
            Self::Float(_) => "a number",
            Self::Text(_) | Self::Untyped(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }

    /// What a text without a type would be in a file.
    pub(crate) fn resolved(&self) -> Self {
        match self {
            Self::Untyped(text) => scalar::resolve(text),
            other => other.clone(),
        }
    }
}

impl Node {
    /// An empty map.
    pub(crate) fn map(at: Place) -> Self {
        Self { value: Value::Map(Vec::new()), at }
    }

    /// The value of a key.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|(key, _)| key.name == name).map(|(_, node)| node),
            _ => None,
        }
    }

    /// How many levels of lists and maps it has.
    pub(crate) fn depth(&self) -> usize {
        match &self.value {
            Value::List(items) => 1 + items.iter().map(Self::depth).max().unwrap_or(0),
            Value::Map(entries) => 1 + entries.iter().map(|(_, node)| node.depth()).max().unwrap_or(0),
            _ => 0,
        }
    }

    /// How many nodes it has, itself included.
    pub(crate) fn count(&self) -> usize {
        match &self.value {
            Value::List(items) => 1 + items.iter().map(Self::count).sum::<usize>(),
            Value::Map(entries) => 1 + entries.iter().map(|(_, node)| node.count()).sum::<usize>(),
            _ => 1,
        }
    }

    /// How long its texts and keys are together.
    pub(crate) fn bytes(&self) -> usize {
        match &self.value {
            Value::Text(text) | Value::Untyped(text) => text.len(),
            Value::List(items) => items.iter().map(Self::bytes).sum(),
            Value::Map(entries) => entries.iter().map(|(key, node)| key.name.len() + node.bytes()).sum(),
            _ => 0,
        }
    }
}

/// The same content; places do not count, nor does the order of keys.
impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        match (&self.value, &other.value) {
            (Value::Null, Value::Null) => true,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Int(a), Value::Int(b)) => a == b,
            (Value::Float(a), Value::Float(b)) => a == b || (a.is_nan() && b.is_nan()),
            (Value::Text(a), Value::Text(b)) => a == b,
            (Value::List(a), Value::List(b)) => a == b,
            (Value::Map(a), Value::Map(b)) => {
                a.len() == b.len() && a.iter().all(|(key, node)| other.get(&key.name) == Some(node))
            }
            (Value::Untyped(text), _) => Self { value: scalar::resolve(text), at: self.at.clone() } == *other,
            (_, Value::Untyped(text)) => *self == Self { value: scalar::resolve(text), at: other.at.clone() },
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(value: Value) -> Node {
        Node { value, at: Place::whole("test") }
    }

    #[test]
    fn a_place_is_a_line_of_a_log() {
        let source: Arc<str> = "a\nb.yaml".into();
        assert_eq!(Place::new(&source, 3, 7).to_string(), "a\\nb.yaml:3:7");
        assert_eq!(Place::whole("code").to_string(), "code");
    }

    #[test]
    fn what_has_no_type_is_equal_to_what_it_would_be_in_a_file() {
        let untyped = |text: &str| node(Value::Untyped(text.to_owned()));
        assert!(untyped("5") == node(Value::Int(5)) && node(Value::Int(5)) == untyped("5"));
        assert!(untyped("5") == untyped("5") && untyped("0x5") == untyped("5"));
        assert!(untyped("five") == node(Value::Text("five".to_owned())));
        assert!(untyped("5") != node(Value::Text("5".to_owned())));
        assert!(node(Value::Float(f64::NAN)) == node(Value::Float(f64::NAN)));
    }

    #[test]
    fn depth_and_count_are_those_of_the_tree() {
        let leaf = node(Value::Null);
        assert_eq!((leaf.depth(), leaf.count()), (0, 1));
        let key = Key { name: "a".to_owned(), at: leaf.at.clone() };
        let tree = node(Value::List(vec![leaf.clone(), node(Value::Map(vec![(key, leaf)]))]));
        assert_eq!((tree.depth(), tree.count()), (2, 4));
    }
}
