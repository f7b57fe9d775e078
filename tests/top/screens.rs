//! What is drawn: the whole screen to the letter, and what becomes of it in little room.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Color, Modifier};
use trolleybus::SubscriptionKind;

use super::control::Control;
use super::model::Model;
use super::once::rendered;
use super::sample::{at, model, subscription};
use super::sort::Sort;
use super::view::{draw, text_of};

const GOLDEN: &str = include_str!("screen.txt");

const README: &str = include_str!("../../README.md");

fn drawn(model: &Model, width: u16, height: u16, control: &mut Control) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a backend");
    terminal.draw(|frame| draw(frame, frame.area(), model, control)).expect("a test's backend does not fail");
    terminal.backend().buffer().clone()
}

fn text(width: u16, height: u16, control: &mut Control) -> String {
    text_of(&drawn(&model(), width, height, control))
}

/// The cell in which a text begins.
fn cell<'a>(buffer: &'a Buffer, line: &str, what: &str) -> &'a ratatui::buffer::Cell {
    let text = text_of(buffer);
    let (y, found) = text.lines().enumerate().find(|(_, text)| text.starts_with(line)).expect("the line");
    let before = &found[..found.find(what).expect("the text")];
    let place = |number: usize| u16::try_from(number).expect("on the screen");
    &buffer[(place(before.chars().count()), place(y))]
}

/// The names of the subscriptions, from the top.
fn names(text: &str) -> Vec<&str> {
    let rows = text.lines().skip_while(|line| !line.starts_with("NAME")).skip(1);
    rows.map_while(|line| line.split_whitespace().next()).collect()
}

#[test]
fn a_screen_to_the_letter() {
    let screen = rendered(&model(), 120, 18).expect("it is drawn");
    assert_eq!(screen, GOLDEN, "\n{screen}");
}

#[test]
fn the_readme_shows_that_screen() {
    let shown = format!("```text\n{GOLDEN}```\n");
    assert!(README.contains(&shown), "README.md does not show tests/top/screen.txt");
}

#[test]
fn there_is_no_size_that_it_cannot_be_drawn_in() {
    for help in [false, true] {
        for width in (0..24).chain([40, 80, 120, 300]) {
            for height in (0..24).chain([60]) {
                let mut control = Control { help, scroll: usize::MAX, ..Control::default() };
                for model in [model(), Model::default()] {
                    drawn(&model, width, height, &mut control);
                }
            }
        }
    }
}

#[test]
fn it_stays_in_its_part_of_the_frame() {
    let mut terminal = Terminal::new(TestBackend::new(60, 12)).expect("a backend");
    let part = Rect::new(4, 3, 50, 8);
    let corner = Rect::new(55, 11, 100, 100);
    terminal
        .draw(|frame| {
            for line in frame.area().rows() {
                frame.buffer_mut().set_string(0, line.y, "x".repeat(60), Color::Reset);
            }
            draw(frame, part, &model(), &mut Control { help: true, ..Control::default() });
            // Larger than the frame, and beside it.
            draw(frame, corner, &Model::default(), &mut Control::default());
            draw(frame, Rect::new(70, 20, 5, 5), &model(), &mut Control::default());
        })
        .expect("it is drawn");
    let buffer = terminal.backend().buffer();
    let outside = |place: &Position| !part.contains(*place) && !corner.contains(*place);
    for place in buffer.area.positions().filter(outside) {
        assert_eq!(buffer[place].symbol(), "x", "{place}\n{}", text_of(buffer));
    }
}

#[test]
fn a_narrow_terminal_keeps_what_matters_most() {
    let text = text(44, 19, &mut Control::default());
    let heading = text.lines().find(|line| line.starts_with("NAME")).expect("a heading");
    let columns: Vec<&str> = heading.split_whitespace().collect();
    assert_eq!(columns, ["NAME", "DELIVERED/s", "QUEUE"], "{text}");
    let heading = text.lines().find(|line| line.starts_with("ENGINE")).expect("a heading");
    let columns: Vec<&str> = heading.split_whitespace().collect();
    assert_eq!(columns, ["ENGINE", "STATE", "DELIVERED/s", "DROPPED"], "{text}");
    // No figure of the bus is cut in two.
    assert!(text.contains("lifecycle dropped 0/s 0\n"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 44), "{text}");
}

#[test]
fn a_short_terminal_gives_its_lines_to_the_subscriptions() {
    let mut control = Control::default();
    assert_eq!(text(120, 1, &mut control).lines().count(), 1);
    let three = text(120, 3, &mut control);
    assert_eq!(names(&three), ["meter"], "{three}");
    let eight = text(120, 8, &mut control);
    assert!(
        eight.contains("published 4.32k/s")
            && eight.contains("lifecycle dropped")
            && eight.contains("q quit")
    );
    assert_eq!(names(&eight)[0], "meter", "{eight}");
    let twelve = text(120, 12, &mut control);
    assert!(twelve.contains("\nENGINE ") && !twelve.contains("──"), "{twelve}");
    assert_eq!(names(&twelve)[0], "meter", "{twelve}");
    assert!(text(120, 15, &mut control).contains("── engines"), "captions come last");
}

#[test]
fn drops_are_told_by_reason() {
    let text = text(160, 19, &mut Control::default());
    assert!(
        text.contains("  full 451k +2.62k/s\n") && text.contains("  full 3, timeout 41 +2.0/s\n"),
        "{text}"
    );
}

#[test]
fn a_long_text_ends_with_an_ellipsis_and_a_wide_one_in_its_column() {
    let mut model = model();
    model.subscriptions = vec![
        subscription("購読者の名前はとても長い", "a.very.long.pattern.**", SubscriptionKind::Async),
        subscription("narrow\u{7}\u{1b}[31m", "b", SubscriptionKind::Inline),
    ];
    let text = text_of(&drawn(&model, 40, 19, &mut Control::default()));
    let row = text.lines().find(|line| line.starts_with("購読")).expect("a row");
    assert!(row.contains('…'), "{text}");
    // What a terminal would obey is not drawn.
    assert!(!text.contains(['\u{7}', '\u{1b}']), "{text}");
}

#[test]
fn a_paused_view_says_so() {
    let mut control = Control { paused: true, ..Control::default() };
    assert!(text(120, 19, &mut control).starts_with("trolleybus top  PAUSED  7 subscriptions"));
    assert!(!text(120, 19, &mut Control::default()).contains("PAUSED"));
}

#[test]
fn without_counting_publishers_there_is_nothing_about_them() {
    let mut model = model();
    (model.bus.published, model.bus.unmatched, model.bus.refused) = (None, None, None);
    let text = text_of(&drawn(&model, 120, 19, &mut Control::default()));
    assert!(!text.contains("published ") && !text.contains("unmatched"), "{text}");
    assert!(text.contains("\noffered 12.1k/s 2.41M "), "{text}");
}

#[test]
fn each_order_puts_the_highest_first_and_keeps_ties() {
    let shown = |sort| {
        let text = text(120, 19, &mut Control { sort, ..Control::default() });
        names(&text).iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    let expected = [
        "meter billing search scan nightly archive #7",
        "#7 archive billing meter nightly scan search",
        "meter search scan billing nightly archive #7",
        "meter search billing scan archive #7 nightly",
        "nightly scan search meter billing archive #7",
        "nightly scan search meter billing archive #7",
        "billing meter scan search nightly archive #7",
        "billing meter search scan nightly archive #7",
        "scan #7 search meter billing nightly archive",
    ];
    for (sort, expected) in Sort::ALL.into_iter().zip(expected) {
        // The keys stand below, after an empty line.
        assert_eq!(shown(sort).split(" q").next(), Some(expected), "{sort:?}");
    }
}

#[test]
fn the_column_that_it_is_sorted_by_stands_out() {
    let mut control = Control { sort: Sort::Dropped, ..Control::default() };
    let buffer = drawn(&model(), 120, 19, &mut control);
    assert!(cell(&buffer, "NAME", "DROPPED").modifier.contains(Modifier::REVERSED));
    assert!(!cell(&buffer, "NAME", "FAILED").modifier.contains(Modifier::REVERSED));
    assert!(text_of(&buffer).contains("── subscriptions, by dropped ──"));
}

#[test]
fn what_goes_wrong_is_red_and_what_went_wrong_is_yellow() {
    let buffer = drawn(&model(), 120, 19, &mut Control::default());
    let colour = |line, what| cell(&buffer, line, what).fg;
    assert_eq!(colour("scan", "full"), Color::Red);
    assert_eq!(colour("search", "oldest"), Color::Yellow);
    assert_eq!(colour("meter", "4.31k"), Color::Reset);
    assert_eq!(colour("billing", "1.86k"), Color::Red);
    assert_eq!(colour("scan", "64/64"), Color::Red);
    assert_eq!(colour("nightly", "5.35k/8.19k"), Color::Yellow);
    assert_eq!(colour("search", "22/128"), Color::Reset);
    assert_eq!(colour("nightly", "paused"), Color::Yellow);
    assert_eq!(colour("memory", "connected"), Color::Green);
    assert_eq!(colour("sensors", "degraded"), Color::Red);
}

#[test]
fn what_does_not_fit_is_scrolled_to_and_not_further() {
    let mut model = model();
    model.subscriptions =
        (0..40).map(|number| subscription(&format!("s{number}"), "a", SubscriptionKind::Async)).collect();
    model.engines.clear();
    let mut control = Control { scroll: 5, ..Control::default() };
    let text = text_of(&drawn(&model, 120, 20, &mut control));
    assert!(text.contains(&format!("subscriptions 6-{} of 40", 5 + control.page)), "{text}");
    assert_eq!(names(&text).first(), Some(&"s5"), "{text}");
    control.scroll = usize::MAX;
    let text = text_of(&drawn(&model, 120, 20, &mut control));
    assert_eq!(control.scroll, 40 - control.page);
    assert!(text.contains("s39"), "{text}");
    // More room: what was scrolled away comes back.
    drawn(&model, 120, 60, &mut control);
    assert_eq!(control.scroll, 0);
}

#[test]
fn many_engines_leave_room_for_the_subscriptions() {
    let mut model = model();
    let engine = model.engines[0].clone();
    model.engines.extend(std::iter::repeat_n(engine, 40));
    let text = text_of(&drawn(&model, 120, 30, &mut Control::default()));
    assert!(text.contains("── engines, ") && text.contains(" more ──"), "{text}");
    assert!(text.contains("\nmeter ") && text.contains("\n#7 "), "{text}");
}

#[test]
fn the_help_covers_the_screen_and_names_every_key() {
    let text = text(120, 24, &mut Control { help: true, ..Control::default() });
    for what in ["quit", "hold the view", "sort by", "scroll by a page", "OLDEST"] {
        assert!(text.contains(what), "{what}\n{text}");
    }
}

#[test]
fn a_rate_needs_two_samples() {
    let model = Model { interval: std::time::Duration::ZERO, ..model() };
    let text = text_of(&drawn(&model, 120, 19, &mut Control::default()));
    assert!(text.contains("no rates yet"), "{text}");
    assert_eq!(at(1, 1).tenths, 10);
}
