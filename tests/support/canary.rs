//! A secret, and a look whether it has got out.

use std::fmt::Write as _;

/// With characters that the encodings change.
pub(crate) const CANARY: &str = "hunter2/+é?&canary";

/// The canary in each form in which it could turn up.
pub(crate) fn forms() -> Vec<String> {
    let mut url = String::new();
    for byte in CANARY.bytes() {
        if byte.is_ascii_alphanumeric() {
            url.push(char::from(byte));
        } else {
            write!(url, "%{byte:02X}").expect("a string");
        }
    }
    let mut forms = vec!["hunter2".to_owned(), "canary".to_owned(), url.to_lowercase(), url];
    // In base64 the text looks different at each of three offsets.
    for offset in 0..3 {
        let shifted = format!("{}{CANARY}", "x".repeat(offset));
        let text = base64(shifted.as_bytes());
        forms.push(text[4..text.len() - 4].to_owned());
        forms.push(text[4..text.len() - 4].replace('+', "-").replace('/', "_"));
    }
    forms
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word =
            chunk.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for digit in 0..=chunk.len() {
            text.push(char::from(DIGITS[(word >> (18 - 6 * digit) & 63) as usize]));
        }
    }
    text
}

#[track_caller]
pub(crate) fn clean(text: &str) {
    for form in forms() {
        let line = text.lines().find(|line| line.contains(&form));
        assert!(line.is_none(), "{form} is in: {line:?}");
    }
}
