//! The process-wide table of names that live for ever.
//!
//! It only grows, hence its two caps: what it can leak is bounded, however many buses and topics come
//! and go. It belongs to the process and not to a bus so that creating and dropping buses over and
//! over does not leak the same names again.
//!
//! Under loom there is no table: a loom lock cannot live in a static.

#[cfg(any(loom, test))]
use super::Topic;

/// The most names that the process keeps for ever.
#[cfg(not(loom))]
const MAX_NAMES: usize = 16_384;

/// The most bytes of text that the process keeps for ever: 1 MiB.
#[cfg(not(loom))]
const MAX_BYTES: usize = 1 << 20;

#[cfg(not(loom))]
mod table {
    use std::borrow::Cow;
    use std::sync::OnceLock;

    use hashbrown::HashMap;

    use super::super::{Name, Repr, Topic};
    use super::{MAX_BYTES, MAX_NAMES};
    use crate::sync::Mutex;

    /// Leaked names by their text, up to a cap.
    #[derive(Debug)]
    pub(super) struct Table {
        names: HashMap<&'static str, &'static Name, ahash::RandomState>,
        bytes: usize,
        max_names: usize,
        max_bytes: usize,
        refusals: u64,
    }

    impl Table {
        /// An empty table with its caps.
        pub(super) fn new(max_names: usize, max_bytes: usize) -> Self {
            Self {
                names: HashMap::with_hasher(ahash::RandomState::new()),
                bytes: 0,
                max_names,
                max_bytes,
                refusals: 0,
            }
        }

        /// The table of the process.
        pub(super) fn of_the_process() -> &'static Mutex<Self> {
            static TABLE: OnceLock<Mutex<Table>> = OnceLock::new();
            TABLE.get_or_init(|| Mutex::new(Self::new(MAX_NAMES, MAX_BYTES)))
        }

        /// Returns the name that lives for ever, or the topic as it was when the table is full.
        pub(super) fn intern(&mut self, topic: Topic) -> Topic {
            let text = topic.as_str();
            if let Some(name) = self.names.get(text) {
                return Topic::from_name(name);
            }
            if self.names.len() >= self.max_names || text.len() > self.max_bytes - self.bytes {
                self.refusals = self.refusals.saturating_add(1);
                return topic;
            }
            self.bytes += text.len();
            let text: &'static str = Box::leak(Box::from(text));
            let name: &'static Name = Box::leak(Box::new(Name { text: Cow::Borrowed(text) }));
            self.names.insert(text, name);
            Topic::from_name(name)
        }

        /// How often the table was too full.
        pub(super) fn refusals(&self) -> u64 {
            self.refusals
        }
    }

    impl Topic {
        /// Returns this topic in the form that costs nothing to clone, if the process has room for it.
        ///
        /// The same text gives the same name every time. A name that lives for ever already is returned as
        /// it is. Takes a lock for the length of a look-up: call it where a topic becomes known, not
        /// where it is used.
        pub(crate) fn intern(self) -> Self {
            match self.repr {
                Repr::Static(_) => self,
                Repr::Shared(_) => Table::of_the_process().lock().intern(self),
            }
        }
    }
}

#[cfg(loom)]
impl Topic {
    /// Returns the topic as it is: loom has no statics.
    pub(crate) fn intern(self) -> Self {
        self
    }
}

/// How many times a topic could not be interned since the process started, for want of room.
pub(crate) fn intern_refusals() -> u64 {
    #[cfg(not(loom))]
    return table::Table::of_the_process().lock().refusals();
    #[cfg(loom)]
    return 0;
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::Repr;
    use super::table::Table;
    use super::*;

    fn topic(name: &str) -> Topic {
        Topic::new(name).expect("a topic")
    }

    fn address(topic: &Topic) -> Option<*const super::super::Name> {
        match topic.repr {
            Repr::Static(name) => Some(std::ptr::from_ref(name)),
            Repr::Shared(_) => None,
        }
    }

    #[test]
    fn the_same_text_gives_the_same_name() {
        let first = topic("intern.same").intern();
        let second = topic("intern.same").intern();
        assert!(address(&first).is_some());
        assert_eq!(address(&first), address(&second));
        assert_eq!(address(&first), address(&first.clone().intern()));
        assert_ne!(address(&first), address(&topic("intern.other").intern()));
        assert_eq!(first, "intern.same");
    }

    #[test]
    fn a_full_table_refuses_and_counts_but_still_finds() {
        let mut by_count = Table::new(2, 100);
        assert!(address(&by_count.intern(topic("a"))).is_some());
        assert!(address(&by_count.intern(topic("b"))).is_some());
        assert_eq!(by_count.refusals(), 0);
        let refused = by_count.intern(topic("c"));
        assert_eq!((address(&refused), by_count.refusals()), (None, 1));
        assert_eq!(refused, "c");
        assert!(address(&by_count.intern(topic("a"))).is_some(), "known names are found in a full table");
        assert_eq!(by_count.refusals(), 1);

        let mut by_bytes = Table::new(100, 5);
        assert!(address(&by_bytes.intern(topic("abc"))).is_some());
        assert!(address(&by_bytes.intern(topic("abcd"))).is_none(), "four bytes, two are left");
        assert!(address(&by_bytes.intern(topic("ab"))).is_some(), "exactly full");
        assert!(address(&by_bytes.intern(topic("a"))).is_none());
        assert_eq!(by_bytes.refusals(), 2);
    }
}
