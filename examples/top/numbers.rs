//! Numbers in at most six columns, so that nothing moves while they change.

use std::time::Duration;

/// A count in at most five characters, rounded down: `999`, `9.99k`, `12.3k`, `456k`, `1.23M`.
pub(crate) fn count(number: u64) -> String {
    if number < 1000 {
        return number.to_string();
    }
    // Thousandths of the unit.
    let mut scaled = number;
    for unit in ["k", "M", "G", "T", "P"] {
        if scaled < 1_000_000 {
            return in_three_digits(scaled, unit);
        }
        scaled /= 1000;
    }
    in_three_digits(scaled, "E")
}

fn in_three_digits(thousandths: u64, unit: &str) -> String {
    let (whole, part) = (thousandths / 1000, thousandths % 1000);
    match whole {
        0..10 => format!("{whole}.{:02}{unit}", part / 10),
        10..100 => format!("{whole}.{}{unit}", part / 100),
        _ => format!("{whole}{unit}"),
    }
}

/// A rate that is given in tenths per second: with its tenths below ten.
pub(crate) fn rate(tenths: u64) -> String {
    match tenths {
        0 => "0".to_owned(),
        1..100 => format!("{}.{}", tenths / 10, tenths % 10),
        _ => count(tenths / 10),
    }
}

/// A time in at most six characters, rounded down: `12ms`, `3.4s`, `2m05s`, `3h20m`, `5d`.
pub(crate) fn age(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0 => format!("{}ms", time.as_millis()),
        1..60 => format!("{seconds}.{}s", time.subsec_millis() / 100),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d", count(seconds / 86_400)),
    }
}
