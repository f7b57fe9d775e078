//! From text to a pattern.
//!
//! # Normal form
//!
//! A pattern becomes a sequence of [`Atom`]s. Each matches one segment, save [`Deep`](Atom::Deep), which
//! matches any number. Every wildcard of the grammar is one of these or two in a row:
//!
//! | text | atoms |
//! |---|---|
//! | `+`, or a `*` before the end | `One` |
//! | `**` | `Deep` |
//! | `*` at the end | `One Deep` |
//! | `ab*` at the end | `Prefix(ab) Deep` |
//!
//! In a run of `One` and `Deep` the order does not matter and one `Deep` does for several; the normal form
//! puts the `One`s first. Hence a `Deep` is always followed by a `Literal`, by a `Prefix` or by the end,
//! which matching and the index rely on.

use std::sync::Arc;

use super::{PatternError, Repr, Shape, TopicPattern, Wild};
use crate::topic::{Topic, scan};

/// One step of a pattern in its normal form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Atom<'a> {
    /// A segment with this text.
    Literal(&'a str),
    /// Any one segment.
    One,
    /// Any number of segments, none included.
    Deep,
    /// A segment that starts with this text. Always followed by a `Deep`, and that by the end.
    Prefix(&'a str),
}

/// An [`Atom`] that names its text by place, so that a pattern can own both.
#[derive(Clone, Copy, Debug)]
pub(super) enum Piece {
    Literal { start: u16, end: u16 },
    One,
    Deep,
    Prefix { start: u16, end: u16 },
}

impl Piece {
    /// Looks up the text.
    pub(super) fn atom(self, text: &str) -> Atom<'_> {
        let part = |start: u16, end: u16| &text[usize::from(start)..usize::from(end)];
        match self {
            Self::Literal { start, end } => Atom::Literal(part(start, end)),
            Self::One => Atom::One,
            Self::Deep => Atom::Deep,
            Self::Prefix { start, end } => Atom::Prefix(part(start, end)),
        }
    }
}

/// Checks a text and parses it.
pub(super) fn parse(text: &str) -> Result<TopicPattern, PatternError> {
    let Some(first) = text.find(['*', '+']) else { return Ok(Topic::new(text)?.into()) };
    scan(text, true)?;
    check_wildcards(text)?;
    let shape = if first == text.len() - 1 && text.ends_with('*') {
        Shape::StartsWith
    } else {
        Shape::Pieces(pieces(text).collect())
    };
    Ok(TopicPattern { repr: Repr::Wild(Arc::new(Wild { text: text.into(), shape })) })
}

/// Refuses wildcards in places where they mean nothing, and too many `**`.
fn check_wildcards(text: &str) -> Result<(), PatternError> {
    let mut start = 0;
    let mut deep = 0;
    for segment in text.split('.') {
        let end = start + segment.len();
        match segment {
            "*" | "+" => {}
            "**" if deep == TopicPattern::MAX_DEEP => {
                return Err(PatternError::TooManyDeep { position: start, max: TopicPattern::MAX_DEEP });
            }
            "**" => deep += 1,
            _ => {
                let raw_prefix = end == text.len() && segment.ends_with('*');
                let literal = if raw_prefix { &segment[..segment.len() - 1] } else { segment };
                if let Some((at, character)) = literal.char_indices().find(|(_, c)| matches!(c, '*' | '+')) {
                    return Err(PatternError::Wildcard { character, position: start + at });
                }
            }
        }
        start = end + 1;
    }
    Ok(())
}

/// Yields the normal form of a text that was checked.
pub(super) fn pieces(text: &str) -> impl Iterator<Item = Piece> {
    let mut start = 0;
    let mut pending_deep = false;
    text.split('.')
        .map(Some)
        .chain([None]) // the end: lets a pending `Deep` out
        .flat_map(move |segment| {
            let Some(segment) = segment else {
                return [pending_deep.then_some(Piece::Deep), None];
            };
            let (from, end) = (start, start + segment.len());
            let last = end == text.len();
            start = end + 1;
            // A `Deep` waits until the run of wildcards that it stands in is over.
            match segment {
                "**" => {
                    pending_deep = true;
                    [None, None]
                }
                "*" | "+" => {
                    pending_deep |= last && segment == "*";
                    [Some(Piece::One), None]
                }
                _ => {
                    let deep = pending_deep.then_some(Piece::Deep);
                    pending_deep = last && segment.ends_with('*');
                    let piece = if pending_deep {
                        Piece::Prefix { start: narrow(from), end: narrow(end - 1) }
                    } else {
                        Piece::Literal { start: narrow(from), end: narrow(end) }
                    };
                    [deep, Some(piece)]
                }
            }
        })
        .flatten()
}

/// A place in a pattern as it is stored.
fn narrow(place: usize) -> u16 {
    u16::try_from(place).expect("a checked pattern has at most 256 bytes")
}

#[cfg(test)]
mod tests {
    use super::Atom::{Deep, Literal, One, Prefix};
    use super::*;

    #[test]
    fn the_normal_form_says_what_the_text_says() {
        let table: &[(&str, &[Atom<'_>])] = &[
            ("a.b", &[Literal("a"), Literal("b")]),
            ("*", &[One, Deep]),
            ("**", &[Deep]),
            ("a.*", &[Literal("a"), One, Deep]),
            ("a.bc*", &[Literal("a"), Prefix("bc"), Deep]),
            ("bc*", &[Prefix("bc"), Deep]),
            ("a.*.b", &[Literal("a"), One, Literal("b")]),
            ("+.*", &[One, One, Deep]),
            ("**.*", &[One, Deep]),
            ("**.+.**", &[One, Deep]),
            ("a.**.+.**.b", &[Literal("a"), One, Deep, Literal("b")]),
            ("**.ab*", &[Deep, Prefix("ab"), Deep]),
            ("+.**.é*", &[One, Deep, Prefix("é"), Deep]),
        ];
        for (text, atoms) in table {
            let pattern = TopicPattern::new(text).expect("a pattern");
            assert_eq!(pattern.atoms().as_slice(), *atoms, "{text}");
            assert_eq!(pattern.as_str(), *text);
        }
    }
}
