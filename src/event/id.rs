//! The identity of an event.

use std::cell::Cell;
use std::fmt;
use std::str::FromStr;

use uuid::{Builder, NoContext, Timestamp, Uuid};

use crate::sync::clock;

/// The identity of an event: a UUID of version 7, whose time is the event's time.
///
/// Ids sort by the millisecond of their events; within one millisecond the order is random. An id
/// that was given by a publisher may be any UUID. Ids are unique, not secret: whoever has seen some may
/// guess others.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(Uuid);

impl EventId {
    /// Makes a new id for an event of that time, in nanoseconds since 1970.
    ///
    /// 74 bits are random: a billion ids of one and the same millisecond collide with a chance of one
    /// in 37,000.
    pub(crate) fn generate(wall_ns: u64) -> Self {
        let [_, _, _, _, _, _, random @ ..] = random().to_le_bytes();
        Self(Builder::from_unix_timestamp_millis(wall_ns / 1_000_000, &random).into_uuid())
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

/// Returns the next number of this thread's generator; the high bits are the best.
///
/// The operating system's random numbers cost a system call each, ten times what an event costs. They only seed
/// the generator of a thread: a linear congruential one of 128 bits, whose step also adds the time, so
/// that a forked copy of the process goes its own way.
pub(crate) fn random() -> u128 {
    /// Multiplier of the 128-bit generators of the PCG family.
    const STEP: u128 = 0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645;
    thread_local! {
        /// Zero before the seed. No destructor, hence usable in those of other thread-locals.
        static STATE: Cell<u128> = const { Cell::new(0) };
    }
    STATE.with(|state| {
        let last = match state.get() {
            0 => seed(),
            last => last,
        };
        let next = last.wrapping_mul(STEP).wrapping_add(u128::from(clock::nanos()) << 1 | 1);
        state.set(next);
        mix(next)
    })
}

/// Returns 124 bits or more from the operating system, by way of the random parts of two ids.
#[cold]
fn seed() -> u128 {
    let id = || Uuid::new_v7(Timestamp::from_unix(NoContext, 0, 0)).as_u128();
    id().rotate_left(64) ^ id()
}

/// Spreads every bit of the state over all bits of the result; no two states have the same result.
const fn mix(state: u128) -> u128 {
    /// Any odd number with no pattern in its bits: the golden ratio's.
    const SPREAD: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
    let state = (state ^ (state >> 67)).wrapping_mul(SPREAD);
    let state = (state ^ (state >> 61)).wrapping_mul(SPREAD);
    state ^ (state >> 64)
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
    fn every_random_bit_of_an_id_is_set_half_of_the_time() {
        let mut ones = [0_u32; 128];
        const IDS: u32 = 20_000;
        for _ in 0..IDS {
            let id = EventId::generate(NS).as_u128();
            for (bit, ones) in ones.iter_mut().enumerate() {
                *ones += u32::from(id >> bit & 1 == 1);
            }
        }
        let random = (0..62).chain(64..76);
        for bit in random {
            // Half of them, give or take ten standard deviations (71 each).
            assert!(ones[bit].abs_diff(IDS / 2) < 710, "bit {bit} is set in {} of {IDS} ids", ones[bit]);
        }
    }

    #[test]
    fn neighbouring_states_differ_in_about_half_of_the_bits_that_ids_take() {
        for state in (1..1000_u128).chain((1..1000).map(|n| n << 100)) {
            let differ = ((mix(state) ^ mix(state + 1)) >> 48).count_ones();
            assert!((12..=68).contains(&differ), "{differ} of 80 bits differ after {state}");
        }
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
