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

/// Tells whether a text over letters, dots and wildcards is a pattern, limits aside.
pub(crate) fn is_pattern(segments: &[&str]) -> bool {
    let letters = |text: &str| !text.is_empty() && !text.contains(['*', '+']);
    segments.iter().enumerate().all(|(i, segment)| {
        let last = i + 1 == segments.len();
        matches!(*segment, "*" | "+" | "**")
            || letters(segment)
            || last && segment.strip_suffix('*').is_some_and(letters)
    })
}
