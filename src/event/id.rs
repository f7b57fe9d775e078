//! The identity of an event.

use std::fmt;
use std::str::FromStr;

use uuid::{NoContext, Timestamp, Uuid};

/// The identity of an event: a UUID of version 7, whose time is the event's time.
///
/// Ids sort by the millisecond of their events; within one millisecond the order is random. An id
/// that was given by a publisher may be any UUID.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(Uuid);

impl EventId {
    /// Makes a new id for an event of that time, in nanoseconds since 1970.
    ///
    /// 74 bits are random: a billion ids of one and the same millisecond collide with a chance of one
    /// in 37,000. They come from the operating system each time, so that a forked process does not
    /// repeat its parent's.
    pub(crate) fn generate(wall_ns: u64) -> Self {
        let (seconds, nanos) = (wall_ns / 1_000_000_000, wall_ns % 1_000_000_000);
        // A remainder of 10^9 fits in 32 bits.
        let nanos = u32::try_from(nanos).unwrap_or(0);
        Self(Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, nanos)))
    }

    /// Returns the id of that number, as [`as_u128`](Self::as_u128) tells it.
    #[must_use]
    pub const fn from_u128(number: u128) -> Self {
        Self(Uuid::from_u128(number))
    }

    /// Returns the id as a number, most significant byte first.
    #[must_use]
    pub const fn as_u128(&self) -> u128 {
        self.0.as_u128()
    }
}

/// Prints the usual 36 characters, such as `01890a5d-ac96-774b-bcce-b302099a8057`.
impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0.hyphenated().encode_lower(&mut Uuid::encode_buffer()))
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventId({self})")
    }
}

impl FromStr for EventId {
    type Err = ParseEventIdError;

    /// Parses any of the usual notations of a UUID of any version.
    fn from_str(text: &str) -> Result<Self, ParseEventIdError> {
        Uuid::try_parse(text).map(Self).map_err(|_| ParseEventIdError(()))
    }
}

/// The text is not a UUID.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event id must be a UUID")]
pub struct ParseEventIdError(());

#[cfg(all(test, not(loom)))]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::sync::thread;

    const NS: u64 = 1_780_000_000_123_456_789;

    #[test]
    fn an_id_is_a_uuid_of_version_7_with_the_time_of_the_event() {
        let id = EventId::generate(NS);
        assert_eq!(id.as_u128() >> 80, u128::from(NS / 1_000_000));
        assert_eq!((id.as_u128() >> 76) & 0xf, 7);
        assert_eq!((id.as_u128() >> 62) & 0b11, 0b10);
    }

    #[test]
    fn times_at_both_ends_make_ids() {
        assert_eq!(EventId::generate(0).as_u128() >> 80, 0);
        assert_eq!(EventId::generate(u64::MAX).as_u128() >> 80, u128::from(u64::MAX / 1_000_000));
    }

    #[test]
    fn ids_sort_by_time() {
        assert!(EventId::generate(NS) < EventId::generate(NS + 1_000_000));
    }

    #[test]
    fn ids_of_one_moment_made_by_many_threads_differ() {
        let threads: Vec<_> = (0..8)
            .map(|n| {
                let make = move || (0..5_000).map(|_| EventId::generate(NS)).collect::<Vec<_>>();
                thread::Builder::new().name(format!("id {n}")).spawn(make).expect("a thread")
            })
            .collect();
        let mut seen = HashSet::new();
        for thread in threads {
            for id in thread.join().expect("no panic") {
                assert!(seen.insert(id), "{id} was made twice");
            }
        }
        assert_eq!(seen.len(), 40_000);
    }

    #[test]
    fn an_id_survives_text_and_number() {
        let id = EventId::generate(NS);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(EventId::from_u128(id.as_u128()), id);
        assert_eq!(id.to_string().len(), 36);
        let known = EventId::from_u128(0x01890a5d_ac96_774b_bcce_b302099a8057);
        assert_eq!(known.to_string(), "01890a5d-ac96-774b-bcce-b302099a8057");
        assert_eq!(format!("{known:?}"), "EventId(01890a5d-ac96-774b-bcce-b302099a8057)");
        assert_eq!("01890A5D-AC96-774B-BCCE-B302099A8057".parse(), Ok(known));
    }

    #[test]
    fn what_is_not_a_uuid_is_refused() {
        for text in ["", "x", "01890a5d-ac96-774b-bcce-b302099a805", "01890a5d-ac96-774b-bcce-b302099a8057 "]
        {
            let error = text.parse::<EventId>().expect_err(text);
            assert_eq!(error.to_string(), "an event id must be a UUID");
        }
    }
}
