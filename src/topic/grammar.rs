//! The character rules that topics and patterns share, as a `const fn`.

use super::{Topic, TopicError};

/// Checks everything but the place of wildcards, which it allows or not.
pub(crate) const fn scan(name: &str, wildcards: bool) -> Result<(), TopicError> {
    let bytes = name.as_bytes();
    if bytes.is_empty() {
        return Err(TopicError::Empty);
    }
    if bytes.len() > Topic::MAX_LEN {
        return Err(TopicError::TooLong { len: bytes.len(), max: Topic::MAX_LEN });
    }
    let mut position = 0;
    let mut segment_start = 0;
    let mut segments = 1;
    while position < bytes.len() {
        if PLAIN[bytes[position] as usize] {
            position += 1;
            continue;
        }
        let (character, width) = decode(bytes, position);
        match character {
            '.' if position == segment_start => return Err(TopicError::EmptySegment { position }),
            '.' if segments == Topic::MAX_SEGMENTS => {
                return Err(TopicError::TooManySegments { position: position + 1, max: Topic::MAX_SEGMENTS });
            }
            '.' => {
                segments += 1;
                segment_start = position + 1;
            }
            '*' | '+' if !wildcards => return Err(TopicError::Wildcard { character, position }),
            _ if is_control(character) => return Err(TopicError::Control { character, position }),
            _ if character.is_whitespace() => return Err(TopicError::WhiteSpace { character, position }),
            _ => {}
        }
        position += width;
    }
    if segment_start == bytes.len() {
        return Err(TopicError::EmptySegment { position: segment_start });
    }
    Ok(())
}

/// The bytes that are a character of their own and may stand anywhere: most of most names.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = b'!';
    while byte <= b'~' {
        plain[byte as usize] = !matches!(byte, b'.' | b'*' | b'+');
        byte += 1;
    }
    plain
};

/// Control characters (C0, DEL and C1) and the two line separators, which end a line in many readers.
const fn is_control(character: char) -> bool {
    matches!(character, '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{2028}' | '\u{2029}')
}

/// Decodes the character at `at` and says how many bytes it takes. `bytes` are those of a `str` and `at`
/// is a boundary, hence nothing is checked. (`str::chars` is not const.)
const fn decode(bytes: &[u8], at: usize) -> (char, usize) {
    /// The payload of a continuation byte.
    const fn tail(bytes: &[u8], at: usize) -> u32 {
        (bytes[at] & 0x3f) as u32
    }

    let first = bytes[at] as u32;
    let (code, width) = match first {
        0..0x80 => (first, 1),
        0x80..0xe0 => ((first & 0x1f) << 6 | tail(bytes, at + 1), 2),
        0xe0..0xf0 => ((first & 0x0f) << 12 | tail(bytes, at + 1) << 6 | tail(bytes, at + 2), 3),
        _ => (
            (first & 0x07) << 18 | tail(bytes, at + 1) << 12 | tail(bytes, at + 2) << 6 | tail(bytes, at + 3),
            4,
        ),
    };
    match char::from_u32(code) {
        Some(character) => (character, width),
        None => panic!("a str holds only valid characters"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_is_judged_as_the_standard_library_does() {
        for character in char::MIN..=char::MAX {
            let name = format!("a{character}b");
            let position = 1;
            let expected = match character {
                '.' => Ok(()),
                '*' | '+' => Err(TopicError::Wildcard { character, position }),
                '\u{2028}' | '\u{2029}' => Err(TopicError::Control { character, position }),
                _ if character.is_control() => Err(TopicError::Control { character, position }),
                _ if character.is_whitespace() => Err(TopicError::WhiteSpace { character, position }),
                _ => Ok(()),
            };
            assert_eq!(scan(&name, false), expected, "{character:?}");
            let in_a_pattern = if matches!(character, '*' | '+') { Ok(()) } else { expected };
            assert_eq!(scan(&name, true), in_a_pattern, "{character:?}");
        }
    }
}
