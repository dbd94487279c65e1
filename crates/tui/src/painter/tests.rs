//! What a terminal shows after the bytes it was sent.

use std::num::NonZero;

use proptest::prelude::*;
use ratatui::layout::Size;
use roboppi_ipc::{OutputStream, UtcMillis};

use super::Painter;
use crate::log_pane::{LogRow, RowPos};
use crate::message::Message;
use crate::model::Model;
use crate::sanitise::styled_line;
use crate::test_run::{draw, empty, ending, failed, press, running, screen, serve_log, succeeded, text_of};
use crate::update::{prepare, update};

/// What a terminal shows, without blanks at the ends of lines.
fn shown(terminal: &vt100::Parser) -> String {
    let screen = terminal.screen();
    let mut text = String::new();
    for row in screen.rows(0, screen.size().1.into()) {
        text.push_str(row.trim_end());
        text.push('\n');
    }
    text
}

fn terminal_of(model: &Model) -> vt100::Parser {
    let [rows, columns] = [model.size.height, model.size.width].map(|length| NonZero::new(length).unwrap());
    vt100::Parser::new(rows, columns, 0)
}

#[test]
fn a_terminal_shows_what_was_drawn() {
    let mut model = running().model(80, 24);
    let mut painter = Painter::new(model.size);
    let mut terminal = terminal_of(&model);
    for keys in ["1", "3", "4", "5", "6", "7", "q", "n", "g", "Enter", "End", "Esc"] {
        press(&mut model, keys);
        terminal.process(&painter.paint(&model).unwrap());
        assert_eq!(shown(&terminal), screen(&model), "{keys}");
    }
}

/// The emulator shows each character of a sign by itself, as many terminals do.
#[test]
fn nothing_is_left_of_signs_whose_width_terminals_disagree_about() {
    let mut model = running().model(80, 24);
    let mut painter = Painter::new(model.size);
    let mut terminal = terminal_of(&model);
    press(&mut model, "2");
    let rows = |text: &str| {
        let row = |line| LogRow {
            place: RowPos { line, part: 0 },
            stream: OutputStream::Stdout,
            ts: None,
            column: 0,
            runs: styled_line(text.as_bytes(), 50, true).runs,
            cut: false,
            hits: Vec::new(),
            lost: 0,
        };
        (0..60).map(row).collect::<Vec<_>>()
    };
    let signs = "🇯🇵 👩‍👩‍👧‍👦 👍🏽 ☺️ 🇯🇵";
    for text in [signs, "", &format!("  {signs}"), "1", &format!("{signs}{signs}"), signs, "12345 78"] {
        serve_log(&mut model, &rows(text));
        terminal.process(&painter.paint(&model).unwrap());
        assert_eq!(painter.paint(&model).unwrap(), b"", "nothing changed");
        if text.is_ascii() {
            assert_eq!(shown(&terminal), screen(&model), "{text}");
        }
    }
}

#[test]
fn a_frame_is_one_synchronised_update_and_nothing_is_sent_when_nothing_changed() {
    let mut model = running().model(80, 24);
    let mut painter = Painter::new(model.size);
    let first = painter.paint(&model).unwrap();
    assert!(first.starts_with(b"\x1b[?2026h") && first.ends_with(b"\x1b[?2026l"));
    assert_eq!(painter.paint(&model).unwrap(), b"");
    let now = UtcMillis(model.now.0 + 1_000);
    update(&mut model, Message::Tick(now));
    let second = painter.paint(&model).unwrap();
    assert!(!second.is_empty() && second.len() < first.len() / 4, "only what changed is sent");
}

#[test]
fn what_others_wrote_over_the_screen_is_repaired() {
    let model = running().model(80, 24);
    let mut painter = Painter::new(model.size);
    let mut terminal = terminal_of(&model);
    terminal.process(&painter.paint(&model).unwrap());
    terminal.process(b"\x1b[Hmessage of something else\n\n\nmore");
    painter.forget();
    terminal.process(&painter.paint(&model).unwrap());
    assert_eq!(shown(&terminal), screen(&model));
}

#[test]
fn no_colour_is_sent_without_colour() {
    let model = failed().model(80, 24);
    let bytes = Painter::new(model.size).paint(&model).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    for code in text.split("\x1b[").skip(1).filter_map(|part| part.split_once('m')).map(|(code, _)| code) {
        let plain = ["0", "1", "2", "4", "7", "22", "24", "27", "39", "49", "59"];
        let attributes = code.split(';').all(|number| plain.contains(&number));
        assert!(attributes || !code.chars().all(|char| char.is_ascii_digit() || char == ';'), "{code}");
    }
}

proptest! {
    #[test]
    fn a_storm_of_resizes_leaves_the_last_screen(
        sizes in prop::collection::vec((0u16..130, 0u16..45, any::<bool>()), 1..20),
    ) {
        let mut model = empty(80, 24);
        let mut painter = Painter::new(model.size);
        let runs = [running(), ending(), failed(), succeeded()];
        for (at, (columns, rows, changes)) in sizes.into_iter().enumerate() {
            let size = Size::new(columns, rows);
            painter.resize(size);
            update(&mut model, Message::Resize(size));
            if changes {
                update(&mut model, Message::Follow(Box::new(runs[at % runs.len()].view())));
            }
            prepare(&mut model);
            let bytes = painter.paint(&model).unwrap();
            if columns > 0 && rows > 0 {
                let mut terminal = terminal_of(&model);
                terminal.process(b"left over from before");
                terminal.process(&bytes);
                prop_assert_eq!(shown(&terminal), text_of(&draw(&model)));
            }
        }
    }
}
