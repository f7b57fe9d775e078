//! Times as RFC 3339 writes them.
//!
//! The text is taken apart here, since jiff reads much more than RFC 3339 allows; the calendar is jiff's.

use std::time::SystemTime;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

/// The second at which the year 0 begins. Years before have a sign, and RFC 3339 knows none; where they end is
/// where jiff ends.
const YEAR_0: i64 = -62_167_219_200;

/// Writes a time in UTC, to the nanosecond; `None` outside of the years 0 to 9999.
pub(super) fn format(time: SystemTime) -> Option<String> {
    within(Timestamp::try_from(time).ok()?).map(|timestamp| timestamp.to_string())
}

/// Refuses what can be read with an offset from UTC, but not written in UTC.
fn within(timestamp: Timestamp) -> Option<Timestamp> {
    let first = Timestamp::from_second(YEAR_0).ok()?;
    (timestamp >= first).then_some(timestamp)
}

/// Reads a time. What is finer than a nanosecond is cut off; a leap second is the second before it.
pub(super) fn parse(text: &str) -> Option<SystemTime> {
    let bytes = text.as_bytes();
    let (head, rest) = bytes.split_at_checked("0000-00-00T00:00:00".len())?;
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if marks.iter().any(|&(at, mark)| head[at].to_ascii_uppercase() != mark) {
        return None;
    }
    let number = |from: usize, to: usize| digits(&head[from..to]);
    let (nanosecond, zone) = fraction(rest)?;
    let second = match number(17, 19)? {
        60 => 59,
        second => second,
    };
    let local = DateTime::new(
        i16::try_from(number(0, 4)?).ok()?,
        i8::try_from(number(5, 7)?).ok()?,
        i8::try_from(number(8, 10)?).ok()?,
        i8::try_from(number(11, 13)?).ok()?,
        i8::try_from(number(14, 16)?).ok()?,
        i8::try_from(second).ok()?,
        nanosecond,
    )
    .ok()?;
    SystemTime::try_from(within(offset(zone)?.to_timestamp(local).ok()?)?).ok()
}

/// Reads a fraction of a second, if there is one, and returns what follows.
fn fraction(text: &[u8]) -> Option<(i32, &[u8])> {
    let Some(text) = text.strip_prefix(b".") else { return Some((0, text)) };
    let length = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let (figures, rest) = text.split_at(length);
    if figures.is_empty() {
        return None;
    }
    let padded = figures.iter().chain(std::iter::repeat(&b'0')).take(9);
    Some((padded.fold(0, |sum, &b| sum * 10 + i32::from(b - b'0')), rest))
}

/// Reads the distance from UTC.
fn offset(zone: &[u8]) -> Option<Offset> {
    let (sign, hours, minutes) = match zone {
        b"Z" | b"z" => return Some(Offset::UTC),
        [b'+', a, b, b':', c, d] => (1, digits(&[*a, *b])?, digits(&[*c, *d])?),
        [b'-', a, b, b':', c, d] => (-1, digits(&[*a, *b])?, digits(&[*c, *d])?),
        _ => return None,
    };
    if hours > 23 || minutes > 59 {
        return None;
    }
    Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok()
}

/// Reads up to four digits.
fn digits(text: &[u8]) -> Option<i32> {
    text.iter().try_fold(0, |sum, &b| b.is_ascii_digit().then(|| sum * 10 + i32::from(b - b'0')))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::time::Duration;

    use super::*;

    fn after_1970(seconds: u64, nanos: u32) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos)
    }

    #[test]
    fn times_of_rfc_3339_are_read() {
        for (text, seconds, nanos) in [
            ("1970-01-01T00:00:00Z", 0, 0),
            ("2018-04-05T17:31:00Z", 1_522_949_460, 0),
            ("2018-04-05t17:31:00z", 1_522_949_460, 0),
            ("2018-04-05T17:31:00.5+00:00", 1_522_949_460, 500_000_000),
            ("2018-04-05T19:31:00.123456789+02:00", 1_522_949_460, 123_456_789),
            ("2018-04-05T19:31:00.1234567899999+02:00", 1_522_949_460, 123_456_789),
            ("2018-04-05T12:01:00-05:30", 1_522_949_460, 0),
            ("2018-04-05T17:31:00-00:00", 1_522_949_460, 0),
            ("2016-12-31T23:59:60Z", 1_483_228_799, 0),
            ("2024-02-29T00:00:00Z", 1_709_164_800, 0),
        ] {
            assert_eq!(parse(text), Some(after_1970(seconds, nanos)), "{text}");
        }
        let before = parse("0001-01-01T00:00:00Z").expect("the zero time of Go");
        assert_eq!(format(before).as_deref(), Some("0001-01-01T00:00:00Z"));
    }

    #[test]
    fn what_is_near_to_it_is_not() {
        for text in [
            "",
            "2018",
            "2018-04-05",
            "2018-04-05T17:31Z",
            "2018-04-05T17:31:00",
            "2018-04-05 17:31:00Z",
            "2018-04-05T17:31:00.Z",
            "2018-04-05T17:31:00,5Z",
            "2018-04-05T17:31:00+0200",
            "2018-04-05T17:31:00+02",
            "2018-04-05T17:31:00+24:00",
            "2018-04-05T17:31:00+02:60",
            "2018-04-05T17:31:00Z ",
            " 2018-04-05T17:31:00Z",
            "2018-04-05T17:31:00Z[UTC]",
            "2018-04-05T24:00:00Z",
            "2018-04-05T17:31:61Z",
            "2018-02-29T17:31:00Z",
            "2018-13-01T17:31:00Z",
            "2018-00-01T17:31:00Z",
            "+018-04-05T17:31:00Z",
            "-2018-04-05T17:31:00Z",
            "2018-04-05T17:31:00é",
            "２018-04-05T17:31:00Z",
            "20180405T173100Z",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn times_come_back_to_the_nanosecond() {
        for time in [
            after_1970(0, 0),
            after_1970(1_780_000_000, 123_456_789),
            after_1970(1_780_000_000, 100),
            SystemTime::UNIX_EPOCH - Duration::new(86_400 * 365 * 500, 1),
        ] {
            let text = format(time).expect("within the years");
            assert_eq!(parse(&text), Some(time), "{text}");
        }
    }

    #[test]
    fn years_of_more_than_four_digits_have_no_text() {
        let second = Duration::from_secs(1);
        let last = parse("9999-12-30T00:00:00Z").expect("a time");
        assert!(format(last).is_some());
        assert_eq!(format(last + second * 86_400 * 3), None);
        let first = parse("0000-01-01T00:00:00Z").expect("a time");
        assert_eq!(format(first).as_deref(), Some("0000-01-01T00:00:00Z"));
        assert_eq!(format(first - Duration::from_nanos(1)), None);
        assert_eq!(parse("0000-01-01T00:00:00+00:01"), None);
        assert_eq!(parse("9999-12-31T23:59:59-01:00"), None);
    }
}
