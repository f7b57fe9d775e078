//! A pattern against a topic.

use super::parse::{Atom, Piece};

/// Tells whether a topic matches the normal form of a pattern; calls `compared` for each segment that it
/// looks at.
///
/// Greedy: each `Deep` first takes nothing, and one segment more each time that what follows fails. What
/// follows a later `Deep` is tried only once all before it has matched at the earliest place, and an earlier
/// place leaves the rest more to choose from, so a `Deep` that has been passed is never revisited. Hence
/// each piece meets each segment at most once.
pub(super) fn matches(text: &str, pieces: &[Piece], topic: &str, mut compared: impl FnMut()) -> bool {
    // What is left of the topic; `None` when no segment is.
    let mut rest = Some(topic);
    let mut at = 0;
    // After a `Deep`: the piece behind it, and the part of the topic where that is tried next.
    let mut retry: Option<(usize, &str)> = None;
    loop {
        match (pieces.get(at), rest) {
            (None, None) => return true,
            (Some(Piece::Deep), _) if at + 1 == pieces.len() => return true,
            (Some(Piece::Deep), Some(tail)) => {
                at += 1;
                retry = Some((at, tail));
                continue;
            }
            // Segments are missing, and a `Deep` that takes more leaves fewer.
            (Some(_), None) => return false,
            (Some(piece), Some(tail)) => {
                compared();
                let (segment, after) = split(tail);
                if accepts(piece.atom(text), segment) {
                    at += 1;
                    rest = after;
                    continue;
                }
            }
            (None, Some(_)) => {}
        }
        let Some((behind, tail)) = retry else { return false };
        let (_, Some(after)) = split(tail) else { return false };
        retry = Some((behind, after));
        at = behind;
        rest = Some(after);
    }
}

/// Cuts the first segment off.
pub(crate) fn split(topic: &str) -> (&str, Option<&str>) {
    // Segments are short: a plain loop finds the dot before `split_once` has set up its search.
    match topic.bytes().position(|byte| byte == b'.') {
        Some(dot) => (&topic[..dot], Some(&topic[dot + 1..])),
        None => (topic, None),
    }
}

/// Tells whether an atom takes a segment.
fn accepts(atom: Atom<'_>, segment: &str) -> bool {
    match atom {
        Atom::Literal(text) => segment == text,
        Atom::Prefix(text) => segment.starts_with(text),
        Atom::One | Atom::Deep => true,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Repr, Shape, TopicPattern};
    use super::*;

    fn comparisons(pattern: &str, topic: &str) -> usize {
        let pattern = TopicPattern::new(pattern).expect("a pattern");
        let Repr::Wild(wild) = &pattern.repr else { panic!("wildcards") };
        let Shape::Pieces(pieces) = &wild.shape else { panic!("more than a prefix") };
        let mut count = 0;
        matches(&wild.text, pieces, topic, || count += 1);
        count
    }

    #[test]
    fn m1_a_segment_is_never_compared_twice_with_the_same_piece() {
        let topic = ["a"; 32].join(".");
        for pattern in [
            format!("**.{}.b", ["a"; 30].join(".")),
            format!("**.{}.b.**", ["a"; 15].join(".")),
            format!("**.{0}.**.{0}.**.{0}.b", ["a"; 8].join(".")),
            format!("**.{0}.b.**.{0}.b.**.{0}.b.**.b", ["a"; 6].join(".")),
            "**.a.**.a.**.a.**.b".to_owned(),
        ] {
            let segments = pattern.split('.').count();
            let count = comparisons(&pattern, &topic);
            assert!(count <= segments * 32, "{pattern}: {count}");
        }
        assert_eq!(comparisons("**.a.**.a.**.a.**.b", &topic), 32);
        assert!(comparisons("+.+.b", &topic) <= 3, "without a ** each piece is tried once");
    }
}
