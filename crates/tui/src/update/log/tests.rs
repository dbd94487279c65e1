//! Scripts of reading a log: what was pressed, what came of it.

use ratatui::style::Style;
use roboppi_attach::RunCommand;
use roboppi_ipc::{JobId, OutputStream};
use roboppi_run::{AttemptRef, RunEvent};

use super::super::{log_request, update};
use crate::keymap::Key;
use crate::layout::Focus;
use crate::log_pane::{
    Anchor, Copied, Direction, Found, LogReply, LogRow, LogWindow, RowPos, Sought, TextPos,
};
use crate::message::{Action, Message};
use crate::model::Model;
use crate::tab::Tab;
use crate::test_run::{TestRun, of, plan, press, running, serve_log};

#[test]
fn a_log_is_followed_until_it_is_scrolled_and_again_at_its_end() {
    let log: Vec<_> = (0..100)
        .map(|number| LogRow {
            place: RowPos { line: number, part: 0 },
            stream: OutputStream::Stdout,
            ts: None,
            column: 0,
            runs: Vec::new(),
            cut: false,
            hits: Vec::new(),
            lost: 0,
        })
        .collect();
    let mut model = running().model(80, 24);
    press(&mut model, "2 Enter");
    let request = log_request(&model).unwrap();
    assert_eq!((request.of, request.anchor, request.rows), (of("build", 2), Anchor::End, 19));
    serve_log(&mut model, &log);

    let steps = [
        ("k", Some(80)),
        ("PgUp", Some(62)),
        ("Home", Some(0)),
        ("k", Some(0)),
        ("PgDn", Some(18)),
        ("j j", Some(20)),
        ("End", None),
        ("PgUp", Some(63)),
        ("PgDn", None),
        ("g", Some(0)),
        ("G", None),
    ];
    for (keys, from) in steps {
        press(&mut model, keys);
        serve_log(&mut model, &log);
        let top = match log_request(&model).unwrap().anchor {
            Anchor::End => None,
            Anchor::At { place, .. } => Some(place.line),
        };
        assert_eq!(top, from, "{keys}");
    }
    assert!(!model.follow, "who reads is not taken to another step");
}

/// A log of a hundred lines, the second attempt of `build` in front.
pub(in crate::update) fn reading() -> (Model, Vec<LogRow>) {
    let rows = (0..100).map(|number| LogRow {
        place: RowPos { line: number, part: 0 },
        stream: OutputStream::Stdout,
        ts: None,
        column: 0,
        runs: vec![(format!("line {number}"), Style::new())],
        cut: false,
        hits: Vec::new(),
        lost: 0,
    });
    let rows: Vec<_> = rows.collect();
    let mut model = running().model(80, 24);
    press(&mut model, "2 Enter");
    serve_log(&mut model, &rows);
    (model, rows)
}

fn sought(model: &Model) -> Option<(Direction, u64)> {
    let seek = log_request(model)?.seek?;
    Some((seek.direction, seek.from))
}

/// The log_service has found a line.
fn find(model: &mut Model, line: Option<u64>, wrapped: bool) {
    let number = model.log.seek.as_ref().unwrap().number;
    let at = line.map(|line| TextPos { line, column: 5 });
    update(model, Message::Log(LogReply::Sought(Found { number, at, wrapped, error: None })));
}

#[test]
fn a_search_goes_through_the_log_and_around_its_end() {
    let (mut model, rows) = reading();
    press(&mut model, "/ 4 2 Enter");
    assert_eq!(sought(&model), Some((Direction::Forward, 81)), "from what is on screen");
    find(&mut model, Some(42), true);
    assert_eq!(model.notice.as_deref(), Some("search wrapped to the top"));
    serve_log(&mut model, &rows);
    assert!(model.log.window.rows.iter().any(|row| row.place.line == 42), "it is in sight");
    assert!(!model.log.follows());

    press(&mut model, "n");
    assert_eq!(sought(&model), Some((Direction::Forward, 43)));
    find(&mut model, None, false);
    assert_eq!(model.notice.as_deref(), Some("no line has \"42\""));
    press(&mut model, "N");
    assert_eq!(sought(&model), Some((Direction::Backward, 42)));
    find(&mut model, Some(7), false);
    press(&mut model, "? Enter n");
    assert_eq!(sought(&model), Some((Direction::Backward, 7)), "the same again, the other way");

    press(&mut model, "Esc");
    assert_eq!(
        (log_request(&model).unwrap().query, model.focus),
        (None, Focus::Pane),
        "looks for nothing any more"
    );
    press(&mut model, "Esc");
    assert_eq!(model.focus, Focus::Steps);
}

#[test]
fn rows_that_were_asked_for_twice_are_gone_once() {
    let (mut model, rows) = reading();
    press(&mut model, "g");
    serve_log(&mut model, &rows);
    press(&mut model, "PgDn");
    let twice = model.log.window.clone();
    serve_log(&mut model, &rows);
    let answer = LogWindow { delta: 18, epoch: model.log.epoch - 1, ..twice };
    let before = log_request(&model).unwrap().anchor;
    update(&mut model, Message::Log(LogReply::Window(answer)));
    assert_eq!(log_request(&model).unwrap().anchor, before);
    assert_eq!(before, Anchor::At { place: RowPos { line: 18, part: 0 }, delta: 0 });
}

#[test]
fn what_is_typed_goes_to_the_prompt_and_nowhere_else() {
    let (mut model, _) = reading();
    press(&mut model, "/ q x n");
    assert_eq!(model.log.prompt.as_ref().map(|prompt| prompt.text.as_str()), Some("qxn"));
    assert_eq!((&model.question, model.tab), (&None, Tab::Logs));
    press(&mut model, "Esc");
    assert_eq!((&model.log.prompt, &model.log.query), (&None, &None));
    press(&mut model, "/ (");
    let typed = Key::Ctrl('r');
    update(&mut model, Message::Key(typed));
    press(&mut model, "Enter");
    assert!(model.notice.as_deref().is_some_and(|notice| notice.contains("not a regular expression")));
    press(&mut model, "/ a");
    assert!(
        press(&mut model, "C-c").contains(&Action::Request(RunCommand::CancelRun { force: false })),
        "never out of place"
    );
}

#[test]
fn one_goes_to_lines_parts_and_times() {
    let (mut model, rows) = reading();
    press(&mut model, ": 3 0 Enter");
    serve_log(&mut model, &rows);
    assert!(model.log.window.rows.iter().any(|row| row.place.line == 29));
    press(&mut model, ": 2 5 % Enter");
    serve_log(&mut model, &rows);
    assert!(model.log.window.rows.iter().any(|row| row.place.line == 25));
    press(&mut model, ": x Enter");
    assert!(model.notice.as_deref().is_some_and(|notice| notice.contains("is no line")));
    press(&mut model, ": 2 3 : 5 9 Enter");
    assert!(log_request(&model).unwrap().seek.is_some_and(|seek| matches!(seek.what, Sought::Time(_))));
}

#[test]
fn one_goes_to_attempts_and_iterations() {
    let mut run = running();
    for (iteration, attempt) in [(2, 1), (2, 2), (2, 3)] {
        let of = AttemptRef { iteration, ..of("build", attempt) };
        run.journal(RunEvent::AttemptStarted {
            job_id: JobId::new(of.to_string()),
            base: of.base(),
            fingerprint: None,
            resumed_session: None,
            of,
        });
    }
    let mut model = run.model(100, 30);
    press(&mut model, "2 Enter");
    let shown = |model: &Model| model.shown_attempt().map(|shown| (shown.of.iteration, shown.of.attempt));
    for (keys, expected) in [
        (": a 1 Enter", (2, 1)),
        (": i 1 Enter", (1, 2)),
        (": a 1 Enter", (1, 1)),
        (": i 2 a 2 Enter", (2, 2)),
        (": i 2 Enter", (2, 3)),
    ] {
        press(&mut model, keys);
        assert_eq!((shown(&model), model.notice.as_deref()), (Some(expected), None), "{keys}");
        assert!(log_request(&model).unwrap().of == model.shown_attempt().unwrap().of);
    }
    assert_eq!(model.attempt, None, "the latest stays the latest");
    for (keys, words) in [
        (": a 7 Enter", "build has no attempt 7, only 1 to 3"),
        (": i 3 Enter", "build has no iteration 3, only 1 to 2"),
        (": i 3 a 1 Enter", "build has no iteration 3, only 1 to 2"),
    ] {
        press(&mut model, keys);
        assert_eq!((shown(&model), model.notice.as_deref()), (Some((2, 3)), Some(words)));
    }
}

#[test]
fn a_copy_is_of_what_is_on_screen() {
    let (mut model, _) = reading();
    press(&mut model, "y");
    let copy = log_request(&model).unwrap().copy.unwrap();
    assert_eq!((copy.from, copy.to), (TextPos { line: 81, column: 0 }, TextPos { line: 99, column: 7 }));
    let copied = Copied { number: copy.number, text: "line 81".into(), cut: false };
    let actions = update(&mut model, Message::Log(LogReply::Copied(copied.clone())));
    assert_eq!(actions, [Action::Copy("line 81".into())]);
    assert_eq!(update(&mut model, Message::Log(LogReply::Copied(copied))), [], "once");
    let actions = press(&mut model, "Y");
    assert_eq!(actions, [Action::Copy("/state/runs/0194/steps/build/i1-a2.log".into())]);
}

#[test]
fn a_log_of_a_run_that_does_not_stream_is_opened_on_demand() {
    let mut run = TestRun::with(vec![plan("build", &[])], false);
    run.running("build", 1, 7);
    let mut model = run.model(80, 24);
    press(&mut model, "2");
    assert_eq!(log_request(&model), None);
    press(&mut model, "o");
    assert!(log_request(&model).is_some());
}
