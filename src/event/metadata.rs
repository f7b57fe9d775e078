//! Names and values that travel with an event.

use std::fmt;

/// A short list of names and values, in the order in which they were first set.
///
/// Empty metadata is one null pointer. Names are 1 to 256 bytes without control characters, values
/// are any text up to 8 KiB, and there are at most 64 entries. `Debug` prints the names and hides the
/// values, which may be secrets.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    entries: Option<Box<Entries>>,
}

/// The entries of metadata that is not empty.
#[derive(Clone, PartialEq, Eq)]
struct Entries {
    list: Vec<Entry>,
}

/// A name and its value, in one allocation.
#[derive(Clone, PartialEq, Eq)]
struct Entry {
    /// The name, directly followed by the value.
    text: Box<str>,
    /// Where the name ends.
    split: usize,
}

impl Entry {
    fn new(name: &str, value: &str) -> Self {
        let mut text = String::with_capacity(name.len() + value.len());
        text.push_str(name);
        text.push_str(value);
        Self { text: text.into_boxed_str(), split: name.len() }
    }

    fn name(&self) -> &str {
        &self.text[..self.split]
    }

    fn value(&self) -> &str {
        &self.text[self.split..]
    }
}

impl Metadata {
    /// The longest name, in bytes.
    pub const MAX_NAME_LEN: usize = 256;

    /// The longest value, in bytes.
    pub const MAX_VALUE_LEN: usize = 8 * 1024;

    /// The most entries.
    pub const MAX_ENTRIES: usize = 64;

    /// Creates empty metadata; allocates nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { entries: None }
    }

    /// Sets a value; one that was set before under this name is replaced in its place.
    ///
    /// # Errors
    ///
    /// Refuses names and values outside of the limits, and an entry too many; nothing changes then.
    pub fn set(&mut self, name: impl AsRef<str>, value: impl AsRef<str>) -> Result<(), MetadataError> {
        let (name, value) = (name.as_ref(), value.as_ref());
        check(name, value)?;
        let found = self.list().iter().position(|entry| entry.name() == name);
        if found.is_none() && self.len() >= Self::MAX_ENTRIES {
            return Err(MetadataError::TooManyEntries);
        }
        let list = &mut self.entries.get_or_insert_with(|| Box::new(Entries { list: Vec::new() })).list;
        let entry = Entry::new(name, value);
        match found {
            Some(at) => list[at] = entry,
            None => list.push(entry),
        }
        Ok(())
    }

    /// Removes the value under a name; false if there is none.
    pub fn remove(&mut self, name: &str) -> bool {
        let Some(at) = self.list().iter().position(|entry| entry.name() == name) else { return false };
        if let Some(entries) = &mut self.entries {
            entries.list.remove(at);
        }
        // Equal to metadata that was always empty.
        self.entries.take_if(|entries| entries.list.is_empty());
        true
    }

    /// Returns the value under a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.list().iter().find(|entry| entry.name() == name).map(Entry::value)
    }

    /// Returns the names and values, in the order in which the names were first set.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.list().iter().map(|entry| (entry.name(), entry.value()))
    }

    /// Returns the number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list().len()
    }

    /// Says whether there are no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list().is_empty()
    }

    fn list(&self) -> &[Entry] {
        self.entries.as_ref().map_or(&[], |entries| &entries.list)
    }
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metadata")?;
        f.debug_set().entries(self.iter().map(|(name, _)| name)).finish()
    }
}

/// Checks a name and a value against the limits.
fn check(name: &str, value: &str) -> Result<(), MetadataError> {
    if name.is_empty() {
        return Err(MetadataError::EmptyName);
    }
    if name.len() > Metadata::MAX_NAME_LEN {
        return Err(MetadataError::NameTooLong { length: name.len() });
    }
    if let Some((position, _)) = name.char_indices().find(|(_, c)| c.is_control()) {
        return Err(MetadataError::ControlInName { position });
    }
    if value.len() > Metadata::MAX_VALUE_LEN {
        return Err(MetadataError::ValueTooLong { name: name.into(), length: value.len() });
    }
    Ok(())
}

/// Why metadata refused a name or a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MetadataError {
    /// The name is empty.
    #[error("a metadata name must not be empty")]
    EmptyName,
    /// The name is longer than [`Metadata::MAX_NAME_LEN`].
    #[error("a metadata name of {length} bytes is too long, {max} are allowed", max = Metadata::MAX_NAME_LEN)]
    NameTooLong {
        /// The name's length in bytes.
        length: usize,
    },
    /// The name contains a control character.
    #[error("a metadata name must not contain a control character, there is one at byte {position}")]
    ControlInName {
        /// The character's position in bytes.
        position: usize,
    },
    /// The value is longer than [`Metadata::MAX_VALUE_LEN`].
    #[error("the metadata value of {name:?} has {length} bytes, {max} are allowed", max = Metadata::MAX_VALUE_LEN)]
    ValueTooLong {
        /// The entry's name.
        name: Box<str>,
        /// The value's length in bytes.
        length: usize,
    },
    /// There are [`Metadata::MAX_ENTRIES`] entries already.
    #[error("an event carries at most {max} metadata entries", max = Metadata::MAX_ENTRIES)]
    TooManyEntries,
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn filled(entries: &[(&str, &str)]) -> Metadata {
        let mut metadata = Metadata::new();
        for (name, value) in entries {
            metadata.set(name, value).expect("within the limits");
        }
        metadata
    }

    #[test]
    fn empty_metadata_is_one_null_pointer() {
        assert_eq!(size_of::<Metadata>(), size_of::<usize>());
        let metadata = Metadata::new();
        assert!(metadata.entries.is_none());
        assert!(metadata.is_empty());
        assert_eq!(metadata.get("a"), None);
        assert_eq!(metadata.iter().len(), 0);
    }

    #[test]
    fn entries_keep_the_order_in_which_they_were_first_set() {
        let metadata = filled(&[("z", "1"), ("a", "2"), ("m", ""), ("z", "3")]);
        assert_eq!(metadata.iter().collect::<Vec<_>>(), [("z", "3"), ("a", "2"), ("m", "")]);
        assert_eq!(metadata.len(), 3);
        assert_eq!(metadata.get("z"), Some("3"));
        assert_eq!(metadata.get("m"), Some(""));
        assert_eq!(metadata.get("za"), None);
        assert_eq!(metadata.get(""), None);
    }

    #[test]
    fn a_name_and_a_value_do_not_run_into_each_other() {
        let metadata = filled(&[("ab", "c"), ("a", "bc")]);
        assert_eq!(metadata.get("ab"), Some("c"));
        assert_eq!(metadata.get("a"), Some("bc"));
        assert_ne!(filled(&[("ab", "c")]), filled(&[("a", "bc")]));
    }

    #[test]
    fn names_and_values_of_any_script_are_kept() {
        let metadata = filled(&[("größe", "十二"), ("with space", "line\nbreak")]);
        assert_eq!(metadata.get("größe"), Some("十二"));
        assert_eq!(metadata.get("with space"), Some("line\nbreak"));
    }

    #[test]
    fn names_outside_of_the_limits_are_refused() {
        let mut metadata = Metadata::new();
        assert_eq!(metadata.set("", "v"), Err(MetadataError::EmptyName));
        let longest = "n".repeat(Metadata::MAX_NAME_LEN);
        assert_eq!(metadata.set(&longest, "v"), Ok(()));
        let longer = longest + "n";
        assert_eq!(metadata.set(longer, "v"), Err(MetadataError::NameTooLong { length: 257 }));
        for (name, position) in [("a\r\nb", 1), ("\0", 0), ("ab\u{7f}", 2), ("é\u{85}", 2), ("\x1b[0m", 0)] {
            assert_eq!(metadata.set(name, "v"), Err(MetadataError::ControlInName { position }), "{name:?}");
        }
        assert_eq!(metadata.len(), 1);
    }

    #[test]
    fn a_value_too_long_is_refused_and_changes_nothing() {
        let mut metadata = filled(&[("a", "old")]);
        let longest = "v".repeat(Metadata::MAX_VALUE_LEN);
        let error = metadata.set("a", format!("{longest}v")).expect_err("one byte too long");
        assert_eq!(error, MetadataError::ValueTooLong { name: "a".into(), length: 8193 });
        assert_eq!(error.to_string(), "the metadata value of \"a\" has 8193 bytes, 8192 are allowed");
        assert_eq!(metadata.get("a"), Some("old"));
        assert_eq!(metadata.set("a", &longest), Ok(()));
        assert_eq!(metadata.get("a"), Some(&*longest));
    }

    #[test]
    fn an_entry_too_many_is_refused_while_others_can_still_be_replaced() {
        let mut metadata = Metadata::new();
        for n in 0..Metadata::MAX_ENTRIES {
            assert_eq!(metadata.set(n.to_string(), "v"), Ok(()));
        }
        assert_eq!(metadata.set("one more", "v"), Err(MetadataError::TooManyEntries));
        assert_eq!(metadata.set("63", "w"), Ok(()));
        assert_eq!(metadata.get("63"), Some("w"));
        assert_eq!(metadata.len(), Metadata::MAX_ENTRIES);
    }

    #[test]
    fn what_is_removed_is_gone_and_the_rest_keeps_its_order() {
        let mut metadata = filled(&[("z", "1"), ("a", "2"), ("m", "3")]);
        assert!(metadata.remove("a") && !metadata.remove("a"));
        assert_eq!(metadata.iter().collect::<Vec<_>>(), [("z", "1"), ("m", "3")]);
        assert!(metadata.remove("m") && metadata.remove("z") && !metadata.remove("z"));
        assert_eq!(metadata, Metadata::new());
    }

    #[test]
    fn debug_hides_the_values() {
        let printed = format!("{:?}", filled(&[("authorization", "Bearer canary"), ("b", "canary")]));
        assert_eq!(printed, r#"Metadata{"authorization", "b"}"#);
    }
}
