//! What is a pattern, in ten lines.

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
