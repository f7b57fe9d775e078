//! Single values as texts: what a plain one is, durations, sizes, and how they are printed.

use std::time::Duration;

use super::value::Value;

/// What a text without quotes is, by the core schema of YAML 1.2: `no` and `on` are texts.
pub(crate) fn resolve(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Value::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Value::Float(f64::NEG_INFINITY),
        ".nan" | ".NaN" | ".NAN" => Value::Float(f64::NAN),
        _ => number(text).unwrap_or_else(|| Value::Text(text.to_owned())),
    }
}

/// A number in the notation of YAML, JSON and TOML.
pub(crate) fn number(text: &str) -> Option<Value> {
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(digits) = text.strip_prefix(prefix) {
            // A sign would be taken here.
            let plain = digits.starts_with(|c: char| c.is_ascii_alphanumeric());
            return i128::from_str_radix(digits, radix).ok().filter(|_| plain).map(Value::Int);
        }
    }
    // Rust takes `inf` and `nan` for numbers as well.
    let digits = text.trim_start_matches(['+', '-']);
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    if let Ok(integer) = text.parse() {
        return Some(Value::Int(integer));
    }
    text.parse().ok().filter(|float: &f64| float.is_finite()).map(Value::Float)
}

/// A float that is a whole number, as that.
pub(crate) fn whole(float: f64) -> Option<i128> {
    // 2^53: above, a float does not tell neighbours apart.
    let exact = float.fract() == 0.0 && float.abs() <= 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, reason = "whole, and in the range of both")]
    exact.then_some(float as i128)
}

/// A duration with units, such as `1h 30m`.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    // Without a unit it would be anybody's guess; humantime takes a bare 0.
    (text.trim() != "0").then(|| humantime::parse_duration(text.trim()).ok()).flatten()
}

/// A number of seconds.
pub(crate) fn seconds(value: &Value) -> Option<Duration> {
    match value {
        Value::Int(seconds) => u64::try_from(*seconds).ok().map(Duration::from_secs),
        Value::Float(seconds) => Duration::try_from_secs_f64(*seconds).ok(),
        _ => None,
    }
}

/// The units of sizes, the larger ones first where one ends like another.
const UNITS: [(&str, u64); 9] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("B", 1),
];

/// A size with a unit, such as `16MiB`.
pub(crate) fn size(text: &str) -> Option<u64> {
    let text = text.trim();
    let (digits, unit) = UNITS.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, unit)))?;
    let digits = digits.trim_end();
    let plain = digits.starts_with(|c: char| c.is_ascii_digit());
    digits.parse::<u64>().ok().filter(|_| plain)?.checked_mul(*unit)
}

/// A duration in the notation that [`duration`] reads.
pub(crate) fn print_duration(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

/// A size in the largest unit that leaves no rest.
pub(crate) fn print_size(bytes: u64) -> String {
    let unit = UNITS.iter().filter(|(name, _)| name.ends_with("iB")).rev();
    match unit.into_iter().find(|(_, unit)| bytes != 0 && bytes.is_multiple_of(*unit)) {
        Some((name, unit)) => format!("{}{name}", bytes / unit),
        None => format!("{bytes}B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(text: &str) -> &'static str {
        resolve(text).kind()
    }

    #[test]
    fn plain_texts_are_what_yaml_says() {
        for text in ["5", "-5", "+5", "0", "0x1F", "0o17", "007"] {
            assert_eq!(kind(text), "an integer", "{text}");
        }
        for text in ["1.5", ".5", "5.", "-1e3", "1E+3", ".inf", "-.INF", ".nan"] {
            assert_eq!(kind(text), "a number", "{text}");
        }
        for text in
            ["no", "on", "y", "inf", "nan", "-inf", "0x", "0x-1", "0o9", "1_000", "1e999", "-", ".", "+"]
        {
            assert_eq!(kind(text), "a text", "{text}");
        }
        assert_eq!(
            (kind("~"), kind("null"), kind("TRUE"), kind("false")),
            ("nothing", "nothing", "a flag", "a flag")
        );
    }

    #[test]
    fn durations_need_a_unit_and_numbers_are_seconds() {
        assert_eq!(duration("30s"), Some(Duration::from_secs(30)));
        assert_eq!(duration(" 1h 30m "), Some(Duration::from_secs(5400)));
        assert_eq!(duration("100us"), Some(Duration::from_micros(100)));
        assert_eq!(duration("0s"), Some(Duration::ZERO));
        for text in ["", "0", "30", "s", "-1s", "30 parsecs", "99999999999999999999s"] {
            assert_eq!(duration(text), None, "{text}");
        }
        // The original's sample: EventTTL 3600 is one hour.
        assert_eq!(seconds(&Value::Int(3600)), Some(Duration::from_secs(3600)));
        assert_eq!(seconds(&Value::Float(0.25)), Some(Duration::from_millis(250)));
        for number in [f64::NAN, f64::INFINITY, -1.0, 1e300] {
            assert_eq!(seconds(&Value::Float(number)), None);
        }
        assert_eq!(seconds(&Value::Int(-1)), None);
    }

    #[test]
    fn sizes_have_binary_and_decimal_units() {
        for (text, bytes) in
            [("16MiB", 16 << 20), ("1 KiB", 1024), ("2GiB", 2 << 30), ("10kB", 10_000), ("7B", 7), ("0B", 0)]
        {
            assert_eq!(size(text), Some(bytes), "{text}");
        }
        for text in ["", "16", "MiB", "-1B", "+1B", "1.5MiB", "99999999999TiB", "1MIB", "1m"] {
            assert_eq!(size(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_printed_reads_back() {
        for bytes in [0, 1, 1023, 1024, 1 << 20, 16 << 20, (1 << 30) + 1, u64::MAX] {
            assert_eq!(size(&print_size(bytes)), Some(bytes));
        }
        for time in
            [Duration::ZERO, Duration::from_nanos(1), Duration::from_micros(100), Duration::from_secs(5_431)]
        {
            assert_eq!(duration(&print_duration(time)), Some(time));
        }
        assert_eq!((print_size(16 << 20), print_size(1500)), ("16MiB".to_owned(), "1500B".to_owned()));
    }

    #[test]
    fn whole_floats_are_integers() {
        assert_eq!((whole(5.0), whole(-2.0), whole(1e15)), (Some(5), Some(-2), Some(1_000_000_000_000_000)));
        assert_eq!(
            (whole(5.5), whole(f64::NAN), whole(1e300), whole(f64::INFINITY)),
            (None, None, None, None)
        );
    }
}
