//! The meaning of patterns in ten lines, without a thought of speed.

/// Tells whether a topic matches a pattern, both cut at the dots.
pub(crate) fn matches(pattern: &[&str], topic: &[&str]) -> bool {
    match (pattern, topic) {
        ([], _) => topic.is_empty(),
        (["**", rest @ ..], _) => (0..=topic.len()).any(|taken| matches(rest, &topic[taken..])),
        (_, []) => false,
        (["*"], _) => true,
        (["*" | "+", rest @ ..], [_, tail @ ..]) => matches(rest, tail),
        ([last], [segment, ..]) if last.ends_with('*') => segment.starts_with(last.trim_end_matches('*')),
        ([literal, rest @ ..], [segment, tail @ ..]) => literal == segment && matches(rest, tail),
    }
}
