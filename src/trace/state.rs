//! What a `tracestate` may look like, by the first level of the recommendation.

use std::collections::HashSet;

use crate::sync::hash_keys;

/// The most bytes.
const LONGEST: usize = 512;

/// The most entries.
const MOST: usize = 32;

/// Says whether a text is a list of entries of different keys, within the limits.
pub(super) fn is_valid(text: &str) -> bool {
    let mut keys = HashSet::with_hasher(hash_keys());
    // An entry may be empty.
    let mut entries =
        text.split(',').map(|entry| entry.trim_matches([' ', '\t'])).filter(|entry| !entry.is_empty());
    text.len() <= LONGEST
        && entries.all(|entry| {
            entry
                .split_once('=')
                .is_some_and(|(key, value)| is_key(key) && is_value(value) && keys.insert(key))
        })
        && keys.len() <= MOST
}

/// A name, or a tenant and a system.
fn is_key(key: &str) -> bool {
    let is_part = |part: &str, most: usize, first: fn(u8) -> bool| {
        part.len() <= most && part.bytes().next().is_some_and(first) && part.bytes().all(is_key_byte)
    };
    let is_letter = |byte: u8| byte.is_ascii_lowercase();
    match key.split_once('@') {
        None => is_part(key, 256, is_letter),
        Some((tenant, system)) => {
            let or_digit = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
            is_part(tenant, 241, or_digit) && is_part(system, 14, is_letter)
        }
    }
}

fn is_key_byte(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-' | b'*' | b'/')
}

/// 1 to 256 printable characters but comma and equals sign, with no space at the end.
fn is_value(value: &str) -> bool {
    (1..=256).contains(&value.len())
        && !value.ends_with(' ')
        && value.bytes().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b',' | b'='))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn lists_within_the_rules_are_valid() {
        let longest_key = format!("{}=1", "k".repeat(256));
        let longest_tenant = format!("0{}@{}=1", "t".repeat(240), "s".repeat(14));
        let longest_value = format!("k={}", "v".repeat(256));
        let most = (0..32).map(|n| format!("k{n}=v")).collect::<Vec<_>>().join(",");
        let fixed = ["", ",", "a=1", "a=1,b=2", " a=1 \t,\t b=2,,", "a= !~", "a_-*/0=x", "0t@s=1"];
        for text in fixed.into_iter().chain([&*longest_key, &*longest_tenant, &*longest_value, &*most]) {
            assert!(is_valid(text), "{text:?}");
        }
    }

    #[test]
    fn lists_against_the_rules_are_not() {
        let too_long = format!("a={},b={}", "v".repeat(255), "w".repeat(253));
        assert_eq!(too_long.len(), 513);
        let more = [
            format!("{}=1", "k".repeat(257)),
            format!("t@{}=1", "s".repeat(15)),
            format!("{}@s=1", "t".repeat(242)),
            format!("k={}", "v".repeat(257)),
            (0..33).map(|n| format!("k{n}=v")).collect::<Vec<_>>().join(","),
            too_long,
        ];
        let fixed = [
            "a", "=1", "a=", "A=1", "0=1", "a=1,a=2", "a=1=2", "a b=1", "a=é", "a=\n", "@s=1", "t@=1",
            "t@0=1", "a@b@c=1",
        ];
        for text in fixed.into_iter().chain(more.iter().map(String::as_str)) {
            assert!(!is_valid(text), "{text:?}");
        }
    }
}
