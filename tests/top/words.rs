//! Numbers, times and texts in little room.

use std::time::Duration;

use super::columns::{clipped, width_of};
use super::numbers::{age, count, rate};

#[test]
fn counts_are_short_and_never_more_than_there_were() {
    let expected = [
        (0, "0"),
        (999, "999"),
        (1000, "1.00k"),
        (9_999, "9.99k"),
        (12_345, "12.3k"),
        (999_999, "999k"),
        (1_000_000, "1.00M"),
        (2_345_678_901, "2.34G"),
        (5_000_000_000_000, "5.00T"),
        (7_654_321_000_000_000, "7.65P"),
        (u64::MAX, "18.4E"),
    ];
    for (number, text) in expected {
        assert_eq!(count(number), text);
    }
}

#[test]
fn rates_have_tenths_below_ten() {
    for (tenths, text) in [(0, "0"), (1, "0.1"), (99, "9.9"), (100, "10"), (9_999, "999"), (123_456, "12.3k")]
    {
        assert_eq!(rate(tenths), text);
    }
}

#[test]
fn ages_are_in_the_units_that_people_think_in() {
    let expected = [
        (0, "0ms"),
        (999, "999ms"),
        (1000, "1.0s"),
        (59_999, "59.9s"),
        (125_000, "2m05s"),
        (3_599_999, "59m59s"),
        (12_000_000, "3h20m"),
        (86_399_999, "23h59m"),
        (432_000_000, "5d"),
    ];
    for (millis, text) in expected {
        assert_eq!(age(Duration::from_millis(millis)), text);
    }
    assert!(age(Duration::MAX).len() <= 6);
}

#[test]
fn a_clipped_text_is_never_wider_than_its_place() {
    for text in ["", "a", "order.**", "購読者", "e\u{301}tude", "🚎🚎🚎"] {
        for width in 0..10 {
            let clipped = clipped(text, width);
            assert!(width_of(&clipped) <= width, "{clipped:?} in {width}");
            if width_of(text) <= width {
                assert_eq!(clipped, text);
            }
        }
    }
    assert_eq!(clipped("order.**", 7), "order.…");
}
