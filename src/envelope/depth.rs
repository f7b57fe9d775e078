//! How deep JSON is nested, told before anything parses it.

/// Says whether brackets and braces are nested at most so deep.
///
/// A scan of the bytes that skips texts. It takes anything: whether it is JSON is found out later, by a parser
/// that may then recurse.
pub(super) fn is_within_depth(text: &[u8], limit: usize) -> bool {
    let mut depth = 0_usize;
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'[' | b'{' => {
                depth += 1;
                if depth > limit {
                    return false;
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'"' => {
                while let Some(byte) = bytes.next() {
                    match byte {
                        b'"' => break,
                        b'\\' => _ = bytes.next(),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    true
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_brackets_outside_of_texts() {
        for (text, depth) in [
            ("", 0),
            ("1", 0),
            ("[]", 1),
            ("{\"a\":[1,[2]],\"b\":{}}", 3),
            (r#"["[[[[","\"[[","\\",["\\\"["]]"#, 2),
            ("[][][]", 1),
            ("]]][", 1),
            ("\"[[[", 0),
            ("\"\\", 0),
        ] {
            assert!(is_within_depth(text.as_bytes(), depth), "{text}");
            assert!(depth == 0 || !is_within_depth(text.as_bytes(), depth - 1), "{text}");
        }
        assert!(!is_within_depth("[".repeat(10_000).as_bytes(), 9_999));
    }
}
