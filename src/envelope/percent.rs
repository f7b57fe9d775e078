//! Values of headers that are printable ASCII only, as the HTTP binding of CloudEvents has it.
//!
//! What is written has no spaces, quotes or line ends in it, so nobody can break out of a header.

/// Encodes a value: a space, a double quote, a percent sign, and all that is not printable ASCII.
pub(super) fn encode(value: &str) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'"' | b'%' => {}
            b'!'..=b'~' => {
                out.push(char::from(byte));
                continue;
            }
            _ => {}
        }
        out.push('%');
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 0xf)]));
    }
    out
}

/// Decodes a value, in quotes or not; `None` if it is not UTF-8 then.
///
/// A percent sign without two digits after it stands for itself: there are senders that encode nothing.
pub(super) fn decode(value: &str) -> Option<String> {
    let value = value.trim_matches([' ', '\t']);
    let mut out = Vec::with_capacity(value.len());
    match value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(quoted) => unescape(quoted.as_bytes(), &mut out),
        None => out.extend_from_slice(value.as_bytes()),
    }
    // In place: no value grows.
    let (mut read, mut written) = (0, 0);
    while let Some(&byte) = out.get(read) {
        let encoded = match (byte, out.get(read + 1), out.get(read + 2)) {
            (b'%', Some(&high), Some(&low)) => digit(high).zip(digit(low)),
            _ => None,
        };
        let (byte, length) = encoded.map_or((byte, 1), |(high, low)| (high << 4 | low, 3));
        out[written] = byte;
        read += length;
        written += 1;
    }
    out.truncate(written);
    String::from_utf8(out).ok()
}

/// Takes the backslashes out of what stood between quotes.
fn unescape(quoted: &[u8], out: &mut Vec<u8>) {
    let mut bytes = quoted.iter();
    while let Some(&byte) = bytes.next() {
        let escaped = if byte == b'\\' { bytes.next() } else { None };
        out.push(*escaped.unwrap_or(&byte));
    }
}

/// Reads a hexadecimal digit.
const fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_specification() {
        assert_eq!(encode("Euro € 😀"), "Euro%20%E2%82%AC%20%F0%9F%98%80");
        assert_eq!(decode("Euro%20%E2%82%AC%20%F0%9F%98%80").as_deref(), Some("Euro € 😀"));
        assert_eq!(decode("%C0%A0"), None);
    }

    #[test]
    fn whatever_is_encoded_comes_back_and_is_ascii() {
        let every: String = ('\0'..='\u{2ff}').collect();
        for text in ["", "a", "%", "%41", "\"a\"", " a ", "a\r\nb: c", "\\\"", every.as_str()] {
            let encoded = encode(text);
            assert!(encoded.bytes().all(|b| matches!(b, b'!'..=b'~') && b != b'"'), "{encoded}");
            assert_eq!(decode(&encoded).as_deref(), Some(text));
        }
    }

    #[test]
    fn what_others_write_is_read() {
        for (text, value) in [
            ("%e2%82%ac", "€"),
            ("%41", "A"),
            ("\"a \\\"b\\\" \\\\ %41\"", "a \"b\" \\ A"),
            ("\"\"", ""),
            ("\"", "\""),
            ("  a b\t", "a b"),
            ("100%", "100%"),
            ("%4", "%4"),
            ("%zz%%41", "%zz%A"),
            ("%2541", "%41"),
            ("größe", "größe"),
            ("\"a\\\"", "a\\"),
        ] {
            assert_eq!(decode(text).as_deref(), Some(value), "{text}");
        }
    }
}
