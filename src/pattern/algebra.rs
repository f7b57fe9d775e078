//! A pattern against a pattern.
//!
//! A pattern in its normal form is a small automaton that reads segments: state `i` stands before atom `i`,
//! the state behind the last atom accepts, `Deep` loops in its state and may be left without reading. Both
//! questions are answered by walking two automata at once, one segment per round, at most
//! [`Topic::MAX_SEGMENTS`] rounds. Of all topics that lead to a pair of states, the walk remembers the length
//! of the shortest: more than [`Topic::MAX_LEN`] bytes are no topic. Hence the answers are exact.

use std::collections::BTreeMap;

use super::Atom;
use crate::topic::Topic;

/// No text within the limit leads to a pair of states.
const NO_WAY: usize = usize::MAX;

/// Tells whether some topic takes both patterns to their ends.
pub(super) fn intersect(left: &[Atom<'_>], right: &[Atom<'_>]) -> bool {
    // For each pair of states the length of the shortest text that leads there.
    let width = right.len() + 1;
    let mut live = vec![NO_WAY; (left.len() + 1) * width];
    live[0] = 0;
    for round in 0..=Topic::MAX_SEGMENTS {
        let mut next = vec![NO_WAY; live.len()];
        // Moves that read nothing lead upwards, hence one pass in order follows them all.
        for i in 0..=left.len() {
            for j in 0..=right.len() {
                let len = live[i * width + j];
                if len == NO_WAY {
                    continue;
                }
                let (a, b) = match (left.get(i), right.get(j)) {
                    // No topic is empty: both ends in round 0 mean nothing.
                    (None, None) if round > 0 => return true,
                    (a, b) => (a.copied(), b.copied()),
                };
                let lead = |row: &mut [usize], i: usize, j: usize, len: usize| {
                    let known = &mut row[i * width + j];
                    *known = len.min(*known);
                };
                if a == Some(Atom::Deep) {
                    lead(&mut live, i + 1, j, len);
                }
                if b == Some(Atom::Deep) {
                    lead(&mut live, i, j + 1, len);
                }
                let (Some(a), Some(b)) = (a, b) else { continue };
                let Some(segment) = shortest_common(a, b) else { continue };
                let len = len + usize::from(round > 0) + segment;
                if len <= Topic::MAX_LEN {
                    lead(&mut next, after(a, i), after(b, j), len);
                }
            }
        }
        live = next;
    }
    false
}

/// Tells whether `outer` matches every topic that `inner` matches.
///
/// Looks for a topic of `inner` that `outer` does not match. Where `inner` leaves the segment open, it is
/// enough to try the segment that is hardest for `outer`: one short word that does not occur in `outer`, so
/// that only its wildcards take it. So `inner` has few topics to try, told apart by how many segments its `Deep`s take.
pub(super) fn covers(outer: &[Atom<'_>], inner: &[Atom<'_>]) -> bool {
    // A state of `inner` and the set of states of `outer`, with the length of the shortest text that leads
    // there.
    let mut live: BTreeMap<(usize, States), usize> = BTreeMap::from([((0, States::START.settle(outer)), 0)]);
    for round in 0..=Topic::MAX_SEGMENTS {
        let mut settled = BTreeMap::new();
        for ((mut i, states), len) in live {
            shorten(&mut settled, (i, states), len);
            while inner.get(i) == Some(&Atom::Deep) {
                i += 1;
                shorten(&mut settled, (i, states), len);
            }
        }
        if round > 0 && settled.keys().any(|&(i, states)| i == inner.len() && !states.contains(outer.len())) {
            return false;
        }
        let mut next = BTreeMap::new();
        for ((i, states), len) in settled {
            let Some(&atom) = inner.get(i) else { continue };
            let hardest = match atom {
                Atom::Literal(text) => [Some(Word::Exactly(text)), None],
                Atom::One | Atom::Deep => [Some(Word::Beyond("")), None],
                // The prefix alone may be easier for `outer` to take, but it is one byte shorter.
                Atom::Prefix(text) => [Some(Word::Beyond(text)), Some(Word::Exactly(text))],
            };
            for word in hardest.into_iter().flatten() {
                let len = len + usize::from(round > 0) + word.len();
                if len <= Topic::MAX_LEN {
                    shorten(&mut next, (after(atom, i), states.read(outer, word)), len);
                }
            }
        }
        live = next;
    }
    true
}

/// Remembers a way to a state if none shorter is known.
fn shorten<K: Ord>(live: &mut BTreeMap<K, usize>, state: K, len: usize) {
    let known = live.entry(state).or_insert(len);
    *known = len.min(*known);
}

/// The state behind an atom that has read a segment in state `i`.
fn after(atom: Atom<'_>, i: usize) -> usize {
    if atom == Atom::Deep { i } else { i + 1 }
}

/// Length of the shortest segment that both atoms take, if there is one.
fn shortest_common(a: Atom<'_>, b: Atom<'_>) -> Option<usize> {
    match (a, b) {
        (Atom::One | Atom::Deep, Atom::One | Atom::Deep) => Some(1),
        (Atom::Literal(text) | Atom::Prefix(text), Atom::One | Atom::Deep)
        | (Atom::One | Atom::Deep, Atom::Literal(text) | Atom::Prefix(text)) => Some(text.len()),
        (Atom::Literal(a), Atom::Literal(b)) => (a == b).then_some(a.len()),
        (Atom::Literal(text), Atom::Prefix(prefix)) | (Atom::Prefix(prefix), Atom::Literal(text)) => {
            text.starts_with(prefix).then_some(text.len())
        }
        (Atom::Prefix(a), Atom::Prefix(b)) => {
            (a.starts_with(b) || b.starts_with(a)).then_some(a.len().max(b.len()))
        }
    }
}

/// A segment to try.
#[derive(Clone, Copy)]
enum Word<'a> {
    /// This text.
    Exactly(&'a str),
    /// This text and one ASCII character more, with which no literal and no prefix of `outer` goes on. There
    /// is one: a pattern has fewer than 34 atoms, and 91 characters will do.
    Beyond(&'a str),
}

impl Word<'_> {
    fn len(self) -> usize {
        match self {
            Self::Exactly(text) => text.len(),
            Self::Beyond(text) => text.len() + 1,
        }
    }

    /// Tells whether an atom takes this word.
    fn is_taken_by(self, atom: Atom<'_>) -> bool {
        match (atom, self) {
            (Atom::One | Atom::Deep, _) => true,
            (Atom::Literal(literal), Self::Exactly(text)) => literal == text,
            (Atom::Literal(_), Self::Beyond(_)) => false,
            (Atom::Prefix(prefix), Self::Exactly(text) | Self::Beyond(text)) => text.starts_with(prefix),
        }
    }
}

/// A set of states of a pattern: bit `i` is state `i`. There are at most 34: 32 segments, a trailing `*` is
/// two atoms, and the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct States(u64);

impl States {
    const START: Self = Self(1);

    fn contains(self, state: usize) -> bool {
        self.0 >> state & 1 == 1
    }

    /// Adds the states that are reached without reading, and takes away those that no longer matter: from a
    /// `Deep` everything can be reached that can be reached from a state before it, for every way from there
    /// to the end leads through the `Deep`, which takes whatever was read on the way.
    fn settle(self, atoms: &[Atom<'_>]) -> Self {
        let mut states = self.0;
        for (i, atom) in atoms.iter().enumerate() {
            if *atom == Atom::Deep && states >> i & 1 == 1 {
                states = (states >> i | 0b10) << i;
            }
        }
        Self(states)
    }

    /// The states after one more segment.
    fn read(self, atoms: &[Atom<'_>], word: Word<'_>) -> Self {
        let mut next = 0;
        for (i, &atom) in atoms.iter().enumerate() {
            if self.contains(i) && word.is_taken_by(atom) {
                next |= 1 << after(atom, i);
            }
        }
        Self(next).settle(atoms)
    }
}

#[cfg(test)]
mod tests {
    use super::super::TopicPattern;

    fn pattern(text: &str) -> TopicPattern {
        TopicPattern::new(text).expect("a pattern")
    }

    #[test]
    fn the_limits_of_a_topic_count() {
        // Two patterns that meet only in topics that are too long to exist.
        let (x, y) = ("x".repeat(127), "y".repeat(128));
        assert!(pattern(&format!("{x}.**")).intersects(&pattern(&format!("**.{y}"))), "256 bytes");
        assert!(!pattern(&format!("{x}x.**")).intersects(&pattern(&format!("**.{y}"))), "257 bytes");

        // 33 segments; 32 exist.
        let half = ["a"; 16].join(".");
        assert!(pattern(&format!("{half}.**")).intersects(&pattern(&format!("**.b.{}", &half[2..]))));
        assert!(!pattern(&format!("{half}.**")).intersects(&pattern(&format!("**.b.{half}"))));

        // 32 segments at least are 32 segments.
        let exactly = ["+"; 32].join(".");
        let at_least = format!("{}.*", ["+"; 31].join("."));
        assert!(pattern(&exactly).covers(&pattern(&at_least)));
        assert!(!pattern(&exactly[2..]).covers(&pattern(&at_least[2..])));

        // A prefix of 254 bytes leaves room for no second segment but one of a single character...
        let near = "x".repeat(254);
        assert!(!pattern("+").covers(&pattern(&format!("{near}*"))));
        // ... and one of 255 bytes for none at all.
        assert!(pattern("+").covers(&pattern(&format!("{near}x*"))));
        assert!(!pattern(&format!("{near}x")).covers(&pattern(&format!("{near}x*"))), "one character fits");
    }

    #[test]
    fn every_choice_of_many_deeps_is_walked_in_bounded_work() {
        // The work is bounded by the cap on `**`; without it this would not end.
        let left = pattern("**.a.+.+.+.**.b.+.+.**.a.+.+.+.+.**.b.+.+.+.+.+.+.+");
        let right = pattern("**.a.+.+.+.+.**.b.+.+.+.**.a.+.+.+.+.+.**.b.+.+.+.+.+.+.+");
        assert!(left.covers(&right));
        assert!(!right.covers(&left));
        assert!(left.intersects(&right));
    }
}
