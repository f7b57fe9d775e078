//! What the keys do.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::control::{Asked, Control};
use super::sort::Sort;

fn press(control: &mut Control, code: KeyCode) -> Asked {
    control.key(KeyEvent::new(code, KeyModifiers::NONE))
}

#[test]
fn q_escape_and_control_c_quit() {
    let mut control = Control::default();
    for code in [KeyCode::Char('q'), KeyCode::Esc] {
        assert_eq!(press(&mut control, code), Asked::Quit);
    }
    let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(control.key(interrupt), Asked::Quit);
    assert_eq!(press(&mut control, KeyCode::Char('c')), Asked::GoOn);
    assert_eq!(control, Control::default());
}

#[test]
fn a_key_that_is_let_go_does_nothing() {
    let mut control = Control::default();
    let released = KeyEvent::new_with_kind(KeyCode::Char('q'), KeyModifiers::NONE, KeyEventKind::Release);
    assert_eq!(control.key(released), Asked::GoOn);
}

#[test]
fn pause_and_help_are_switches() {
    let mut control = Control::default();
    for expected in [true, false] {
        assert_eq!(press(&mut control, KeyCode::Char('p')), Asked::GoOn);
        assert_eq!(press(&mut control, KeyCode::Char('?')), Asked::GoOn);
        assert_eq!((control.paused, control.help), (expected, expected));
    }
}

#[test]
fn the_order_goes_through_all_columns_and_back() {
    let mut control = Control::default();
    let mut seen = Vec::new();
    for _ in Sort::ALL {
        seen.push(control.sort);
        assert_eq!(press(&mut control, KeyCode::Char('s')), Asked::GoOn);
    }
    assert_eq!((seen.as_slice(), control.sort), (&Sort::ALL[..], Sort::Registration));
    assert_eq!(press(&mut control, KeyCode::Char('S')), Asked::GoOn);
    assert_eq!(control.sort, Sort::Dropped);
}

#[test]
fn scrolling_by_lines_by_pages_and_to_the_ends() {
    let mut control = Control { page: 10, ..Control::default() };
    let steps = [
        (KeyCode::Up, 0),
        (KeyCode::Char('j'), 1),
        (KeyCode::Down, 2),
        (KeyCode::PageDown, 12),
        (KeyCode::Char('k'), 11),
        (KeyCode::PageUp, 1),
        (KeyCode::PageUp, 0),
        (KeyCode::End, usize::MAX),
        (KeyCode::Down, usize::MAX),
        (KeyCode::Home, 0),
        (KeyCode::Char('G'), usize::MAX),
        (KeyCode::Char('g'), 0),
    ];
    for (code, expected) in steps {
        assert_eq!(press(&mut control, code), Asked::GoOn);
        assert_eq!(control.scroll, expected, "{code:?}");
    }
}
