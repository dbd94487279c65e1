//! Scripts: what was pressed, what came of it.

use std::sync::Arc;

use proptest::prelude::*;
use ratatui::layout::Size;
use ratatui::style::Style;
use roboppi_attach::Wish;
use roboppi_ipc::{CancelReason, JobId, OutputStream, UtcMillis, WorkerEvent, WorkerOutput, WorkerStatus};
use roboppi_run::{AttemptRef, RunEvent, RunOutcome, RunRecord, RunView, StepId, StepState};

use super::{log_request, prepare, update};
use crate::keymap::Key;
use crate::log_pane::{
    Anchor, Copied, CoreTail, Direction, Found, LogReply, LogRow, LogWindow, Place, Sought, Spot,
};
use crate::message::{Action, Message};
use crate::model::{Focus, Model, Question};
use crate::mouse::Mouse;
use crate::tab::Tab;
use crate::test_run::{
    TestRun, draw, empty, ending, failed, of, plan, press, result, running, screen, serve_log, settings,
    succeeded,
};

fn selected(model: &Model) -> &str {
    model.selected.as_ref().map_or("", StepId::as_str)
}

fn wish(wish: Wish) -> Vec<Action> {
    vec![Action::Wish(wish)]
}

/// Without a question, `y` copies and does nothing else.
fn only_copies(actions: &[Action]) -> bool {
    matches!(actions, [Action::Copy(_)])
}

/// Tells the model what `run` says since it had `before` records.
fn tell(model: &mut Model, run: &TestRun, before: usize) -> Vec<Action> {
    let mut actions = Vec::new();
    for record in &run.records[before..] {
        actions.extend(update(model, Message::Record(Arc::clone(record))));
    }
    prepare(model);
    actions
}

#[test]
fn quitting_a_running_run_asks_first() {
    let mut model = running().model(80, 24);
    assert_eq!(press(&mut model, "q"), []);
    assert_eq!(model.question, Some(Question::EndRun));
    assert_eq!(press(&mut model, "n"), []);
    assert_eq!(model.question, None);
    assert_eq!(press(&mut model, "q Enter j q"), [], "neither Enter nor the same key is a yes");
    assert_eq!(press(&mut model, "q y"), wish(Wish::CancelRun { force: false }));
    assert!(only_copies(&press(&mut model, "q y")), "it is being ended already");
}

#[test]
fn an_interrupt_goes_a_stage_further_each_time() {
    let mut model = running().model(80, 24);
    assert_eq!(press(&mut model, "C-c"), wish(Wish::CancelRun { force: false }));
    assert!(screen(&model).contains("Ctrl-C again kills now"));
    assert_eq!(press(&mut model, "C-c"), wish(Wish::CancelRun { force: true }));
    assert!(screen(&model).contains("Ctrl-C again leaves at once"));
    assert_eq!(press(&mut model, "C-c"), [Action::Wish(Wish::LeaveNow), Action::Leave]);
}

#[test]
fn a_run_that_is_ended_by_something_else_is_a_stage_further() {
    let mut model = ending().model(80, 24);
    assert_eq!(press(&mut model, "C-c"), wish(Wish::CancelRun { force: true }));
    let mut run = ending();
    run.journal(RunEvent::RunEnding { reason: CancelReason::Timeout, force: true });
    let mut model = run.model(80, 24);
    assert_eq!(press(&mut model, "C-c"), [Action::Wish(Wish::LeaveNow), Action::Leave]);
}

#[test]
fn an_interrupt_is_heard_while_a_question_is_open() {
    let mut model = running().model(80, 24);
    assert_eq!(press(&mut model, "x C-c"), wish(Wish::CancelRun { force: false }));
    assert_eq!(model.question, None);
}

#[test]
fn after_the_end_one_key_leaves() {
    for key in ["q", "C-c"] {
        assert_eq!(press(&mut failed().model(80, 24), key), [Action::Leave]);
    }
    let mut model = empty(80, 24);
    update(&mut model, Message::Ended);
    assert_eq!(press(&mut model, "q"), [Action::Leave]);
}

#[test]
fn when_nobody_stays_the_end_leaves() {
    let mut model = running().model(80, 24);
    model.settings.stay = false;
    let mut run = running();
    let before = run.records.len();
    run.finished(RunOutcome::Succeeded, 0);
    assert_eq!(tell(&mut model, &run, before), [Action::Leave]);
    let mut model = Model::new(
        crate::TuiSettings { stay: false, ..settings() },
        jiff::tz::TimeZone::UTC,
        Size::new(80, 24),
        UtcMillis(0),
    );
    assert_eq!(update(&mut model, Message::Follow(Box::new(succeeded().view()))), [Action::Leave]);
}

#[test]
fn one_step_is_ended_after_a_question() {
    let mut model = running().model(80, 24);
    assert_eq!(press(&mut model, "x y"), wish(Wish::CancelStep(StepId::from("build"))));
    assert!(only_copies(&press(&mut model, "g x y")), "fetch is over");
}

#[test]
fn a_question_is_void_when_its_subject_is_gone() {
    let mut run = running();
    let before = run.records.len();
    let mut model = run.model(80, 24);
    press(&mut model, "x");
    run.ended(&of("build", 2), result(WorkerStatus::Succeeded, Some(0))).state("build", StepState::Succeeded);
    tell(&mut model, &run, before);
    assert_eq!(model.question, None);
    press(&mut model, "q");
    let before = run.records.len();
    run.finished(RunOutcome::Succeeded, 0);
    tell(&mut model, &run, before);
    assert_eq!(model.question, None);
    assert!(only_copies(&press(&mut model, "y")));
}

#[test]
fn the_selection_follows_the_run_until_the_person_moves() {
    let mut run = TestRun::release();
    let mut model = run.model(80, 24);
    assert_eq!(selected(&model), "fetch");
    let before = run.records.len();
    run.done("fetch", 1, result(WorkerStatus::Succeeded, Some(0))).running("build", 1, 1);
    tell(&mut model, &run, before);
    assert_eq!(selected(&model), "build");

    press(&mut model, "j j");
    assert_eq!((selected(&model), model.follow), ("lint", false));
    let before = run.records.len();
    run.ended(&of("build", 1), result(WorkerStatus::Failed, Some(1))).state("build", StepState::Failed);
    run.running("test", 1, 2);
    tell(&mut model, &run, before);
    assert_eq!(selected(&model), "lint");

    press(&mut model, "f");
    assert_eq!((selected(&model), model.follow), ("test", true));
    press(&mut model, "f");
    assert!(!model.follow);
}

#[test]
fn a_followed_step_is_kept_while_it_is_at_work() {
    let mut run = TestRun::release();
    run.running("test", 1, 1);
    let before = run.records.len();
    let mut model = run.model(80, 24);
    assert_eq!(selected(&model), "test");
    run.running("build", 1, 2);
    tell(&mut model, &run, before);
    assert_eq!(selected(&model), "test");
}

#[test]
fn the_end_selects_what_failed_unless_the_person_looks_elsewhere() {
    assert_eq!(selected(&failed().model(80, 24)), "test");
    let run = failed();
    let mut model = empty(80, 24);
    let last = run.records.len() - 1;
    for record in &run.records[..last] {
        update(&mut model, Message::Record(Arc::clone(record)));
    }
    press(&mut model, "g");
    tell(&mut model, &run, last);
    assert_eq!(selected(&model), "fetch");
}

#[test]
fn a_new_view_after_a_lag_keeps_what_was_chosen() {
    let mut model = running().model(80, 24);
    press(&mut model, "g j j 2");
    update(&mut model, Message::Follow(Box::new(failed().view())));
    assert_eq!((selected(&model), model.tab), ("test", Tab::Logs));
    update(&mut model, Message::Follow(Box::new(TestRun::with(vec![plan("other", &[])], true).view())));
    assert_eq!(selected(&model), "other");
}

#[test]
fn tabs_by_number_and_in_turn() {
    let mut model = running().model(80, 24);
    for (keys, tab) in [
        ("2", Tab::Logs),
        ("Tab", Tab::Diffs),
        ("S-Tab S-Tab S-Tab", Tab::Help),
        ("Tab", Tab::Overview),
        ("7", Tab::Help),
    ] {
        press(&mut model, keys);
        assert_eq!(model.tab, tab, "{keys}");
        assert_eq!(model.focus, Focus::Steps);
    }
}

#[test]
fn a_small_screen_shows_one_side_at_a_time() {
    let mut model = running().model(40, 12);
    assert!(screen(&model).contains("fetch"));
    press(&mut model, "2");
    assert_eq!(model.focus, Focus::Pane);
    assert!(!screen(&model).contains("fetch"));
    press(&mut model, "Esc");
    assert!(screen(&model).contains("fetch"));
    press(&mut model, "Enter");
    assert!(screen(&model).contains("Reading the log"));
}

#[test]
fn a_log_is_followed_until_it_is_scrolled_and_again_at_its_end() {
    let log: Vec<_> = (0..100)
        .map(|number| LogRow {
            place: Place { line: number, part: 0 },
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
pub(super) fn reading() -> (Model, Vec<LogRow>) {
    let rows = (0..100).map(|number| LogRow {
        place: Place { line: number, part: 0 },
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

/// The desk has found a line.
fn find(model: &mut Model, line: Option<u64>, wrapped: bool) {
    let number = model.log.seek.as_ref().unwrap().number;
    let at = line.map(|line| Spot { line, column: 5 });
    update(model, Message::Log(LogReply::Sought(Found { number, at, wrapped, error: None })));
}

#[test]
fn a_search_goes_through_the_log_and_around_its_end() {
    let (mut model, rows) = reading();
    press(&mut model, "/ 4 2 Enter");
    assert_eq!(sought(&model), Some((Direction::Forward, 81)), "from what is on screen");
    find(&mut model, Some(42), true);
    assert_eq!(model.notice.as_deref(), Some("went on from the beginning"));
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
    assert_eq!(before, Anchor::At { place: Place { line: 18, part: 0 }, delta: 0 });
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
        press(&mut model, "C-c").contains(&Action::Wish(Wish::CancelRun { force: false })),
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
fn help_is_scrolled_and_left_for_what_was_there_before() {
    let mut model = running().model(100, 30);
    for (before, help, back) in [("2", "?", "?"), ("2 Enter", "F1", "Esc"), ("1 Enter", "?", "h")] {
        press(&mut model, before);
        let (tab, focus, selected_before) = (model.tab, model.focus, selected(&model).to_owned());
        press(&mut model, help);
        assert_eq!((model.tab, model.focus), (Tab::Help, Focus::Pane));
        press(&mut model, "j j");
        assert_eq!(model.scroll[Tab::Help.index()].top, 2);
        press(&mut model, back);
        assert_eq!((model.tab, model.focus, selected(&model)), (tab, focus, selected_before.as_str()));
        press(&mut model, "F1 g Esc h");
    }
    press(&mut model, "? 1 Enter Esc");
    assert_eq!((model.tab, model.focus), (Tab::Overview, Focus::Steps), "who goes on does not come back");
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
    assert_eq!((copy.from, copy.to), (Spot { line: 81, column: 0 }, Spot { line: 99, column: 7 }));
    let copied = Copied { number: copy.number, text: "line 81".into(), cut: false };
    let actions = update(&mut model, Message::Log(LogReply::Copied(copied.clone())));
    assert_eq!(actions, [Action::Copy("line 81".into())]);
    assert_eq!(update(&mut model, Message::Log(LogReply::Copied(copied))), [], "once");
    let actions = press(&mut model, "Y");
    assert_eq!(actions, [Action::Copy("/state/runs/0194/steps/build/i1-a2.log".into())]);
}

#[test]
fn attempts_are_chosen_with_brackets() {
    let mut model = running().model(80, 24);
    press(&mut model, "2");
    assert_eq!(log_request(&model).unwrap().of, of("build", 2));
    press(&mut model, "[");
    assert_eq!(log_request(&model).unwrap().of, of("build", 1));
    press(&mut model, "[");
    assert_eq!(log_request(&model).unwrap().of, of("build", 1));
    press(&mut model, "]");
    assert_eq!((log_request(&model).unwrap().of, model.attempt), (of("build", 2), None));
}

/// Two files, one of them changed twice.
fn changed() -> TestRun {
    let mut run = running();
    let build = of("build", 2);
    run.patch(
        &build,
        "src/a.rs",
        "--- a/src/a.rs\n+++ b/src/a.rs\n@@ -1 +1 @@\n-one\n+two\n@@ -9 +9 @@\n+nine\n",
    );
    run.patch(&build, "src/b.rs", "@@ -1,0 +1,2 @@\n+first\n+second\n");
    run.patch(&build, "src/a.rs", "@@ -20 +20 @@\n-twenty\n");
    run
}

#[test]
fn changes_of_a_file_stand_together_and_are_folded() {
    let mut model = changed().model(80, 30);
    press(&mut model, "3");
    let all = screen(&model);
    for line in ["▾ src/a.rs +2 −2", "▾ @@ -9 +9 @@", "+nine", "-twenty", "▾ src/b.rs +2 −0", "+second"]
    {
        assert!(all.contains(line), "{line}\n{all}");
    }
    assert!(all.find("-twenty") < all.find("▾ src/b.rs"), "{all}");
    assert!(!all.contains("+++ b/src/a.rs"), "the name is there already");

    // The latest change is in the first file.
    press(&mut model, "Space");
    let folded = screen(&model);
    assert!(folded.contains("▸ src/a.rs +2 −2") && !folded.contains("nine"), "{folded}");
    press(&mut model, "Space > Space");
    let folded = screen(&model);
    assert!(folded.contains("▸ @@ -1 +1 @@  (2 lines)") && !folded.contains("+two"), "{folded}");
    assert!(folded.contains("+nine"), "{folded}");
    press(&mut model, "z");
    assert!(!screen(&model).contains("second") && !screen(&model).contains("nine"), "{}", screen(&model));
    press(&mut model, "z");
    assert!(screen(&model).contains("+two"), "everything is unfolded");
}

#[test]
fn one_goes_from_heading_to_heading_and_the_latest_change_is_gone_to_until_then() {
    let mut run = running();
    for path in ["a", "b", "c"] {
        run.patch(&of("build", 2), path, &"+line\n".repeat(40));
    }
    let mut model = run.model(80, 24);
    press(&mut model, "3");
    assert!(screen(&model).contains("▾ c"), "{}", screen(&model));
    assert!(screen(&model).contains("› c"), "the list says so, too");
    press(&mut model, "< <");
    assert!(screen(&model).contains("▾ a") && screen(&model).contains("› a"));
    press(&mut model, "> > >");
    assert!(screen(&model).contains("› c"));
    let before = run.records.len();
    press(&mut model, "<");
    run.patch(&of("build", 2), "d", "+line");
    tell(&mut model, &run, before);
    assert!(screen(&model).contains("› b"), "nothing moves under a person");
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

#[test]
fn pages_are_scrolled_within_their_length() {
    let mut model = failed().model(80, 12);
    press(&mut model, "Enter End");
    let bottom = screen(&model);
    assert!(bottom.contains("Exit code   1"), "{bottom}");
    press(&mut model, "j j PgDn");
    assert_eq!(screen(&model), bottom);
    press(&mut model, "Home");
    assert!(screen(&model).contains("✗ failed: exit 1"));
}

#[test]
fn output_of_what_is_not_shown_draws_nothing() {
    let output = |step: &str| {
        let mut run = running();
        let before = run.records.len();
        run.event(&of(step, 2), WorkerEvent::Stdout(WorkerOutput::default()));
        Message::Record(Arc::clone(&run.records[before]))
    };
    let mut model = running().model(80, 24);
    for (keys, step, dirty) in [("1", "build", false), ("2", "build", true), ("2", "test", false)] {
        press(&mut model, keys);
        model.dirty = false;
        update(&mut model, output(step));
        assert_eq!(model.dirty, dirty, "{keys} {step}");
    }
}

/// Something a random test does.
#[derive(Clone, Debug)]
enum Op {
    Key(Key),
    Resize(u16, u16),
    Tick(u64),
    Record(usize),
    View(usize, usize),
    Mouse(u16, u16, u16),
    Pull,
    Log(u8),
    Core,
    Ended,
}

fn keys() -> impl Strategy<Value = Key> {
    prop_oneof![
        4 => prop::sample::select(vec![
            Key::Up, Key::Down, Key::Left, Key::Right, Key::PageUp, Key::PageDown, Key::Home, Key::End,
            Key::Enter, Key::Esc, Key::Tab, Key::BackTab, Key::Ctrl('c'), Key::Backspace,
        ]),
        4 => prop::sample::select("1234567qyn xfogGjk[]<>?vm/&".chars().map(Key::Char).collect::<Vec<_>>()),
        1 => any::<char>().prop_map(Key::Char),
    ]
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let size = || prop_oneof![0u16..12, 15u16..45, 70u16..130];
    prop::collection::vec(
        prop_oneof![
            8 => keys().prop_map(Op::Key),
            2 => (size(), size()).prop_map(|(columns, rows)| Op::Resize(columns, rows)),
            2 => (0u64..100_000).prop_map(Op::Tick),
            8 => (0usize..80).prop_map(Op::Record),
            1 => (0usize..6, 0usize..80).prop_map(|(run, upto)| Op::View(run, upto)),
            8 => (prop::sample::select(vec![0u16, 3, 16, 32, 64, 65, 66, 67]), 0u16..130, 0u16..45)
                .prop_map(|(number, x, y)| Op::Mouse(number, x, y)),
            1 => Just(Op::Pull),
            2 => any::<u8>().prop_map(Op::Log),
            1 => Just(Op::Core),
            1 => Just(Op::Ended),
        ],
        0..60,
    )
}

fn runs(hostile: &str) -> Vec<TestRun> {
    let mut evil = TestRun::with(vec![plan(hostile, &[hostile]), plan("b", &[])], false);
    evil.running(hostile, 1, 1).patch(&of(hostile, 1), hostile, hostile);
    evil.progress(&of(hostile, 1), f64::NAN, hostile, hostile);
    evil.journal(RunEvent::Warning { message: hostile.to_owned(), step: Some(StepId::from(hostile)) });
    evil.journal(RunEvent::CoreLost { incarnation: 1, detail: hostile.to_owned() });
    evil.state_because(hostile, StepState::Lost, Some(hostile));
    vec![running(), ending(), failed(), succeeded(), evil, TestRun::with(Vec::new(), true)]
}

fn perform(model: &mut Model, op: &Op, runs: &[TestRun], hostile: &str) {
    let message = match op {
        Op::Key(key) => Message::Key(*key),
        Op::Resize(columns, rows) => Message::Resize(Size::new(*columns, *rows)),
        Op::Mouse(number, x, y) => match Mouse::reported(number & !3, *x, *y, number & 3 == 3) {
            Some(mouse) => Message::Mouse(mouse, model.now),
            None => return,
        },
        Op::Pull => Message::Pull,
        Op::Tick(ms) => Message::Tick(UtcMillis(model.now.0.saturating_add(*ms))),
        // Records in an order no run would have.
        Op::Record(index) => {
            let records: Vec<&Arc<RunRecord>> = runs.iter().flat_map(|run| &run.records).collect();
            Message::Record(Arc::clone(records[index * 7 % records.len()]))
        }
        Op::View(run, upto) => {
            let mut view = RunView::default();
            runs[*run].records.iter().take(*upto).for_each(|record| view.apply(record));
            Message::Follow(Box::new(view))
        }
        Op::Log(lines) => {
            let styled = crate::sanitise::styled_line(hostile.as_bytes(), 60, true);
            let log: Vec<_> = (0..u64::from(*lines))
                .map(|number| LogRow {
                    place: Place { line: number, part: 0 },
                    stream: OutputStream::Stderr,
                    ts: None,
                    column: 0,
                    runs: styled.runs.clone(),
                    cut: styled.cut,
                    hits: Vec::new(),
                    lost: number % 3,
                })
                .collect();
            return serve_log(model, &log);
        }
        Op::Core => Message::CoreTail(CoreTail {
            lines: vec![crate::sanitise::line(hostile); 50],
            skipped: 7,
            path: hostile.to_owned(),
            error: None,
        }),
        Op::Ended => Message::Ended,
    };
    update(model, message);
}

proptest! {
    #[test]
    fn whatever_happens_a_frame_can_be_drawn_and_is_harmless(
        ops in ops(),
        columns in 0u16..130,
        rows in 0u16..45,
        hostile in prop_oneof![any::<String>(), Just("\x1b[2J\u{9b}0m\r\n\t\u{202e}漢字 👩‍👩‍👧 e\u{301}".to_owned())],
    ) {
        let runs = runs(&hostile);
        let mut model = empty(columns, rows);
        for op in &ops {
            perform(&mut model, op, &runs, &hostile);
            prepare(&mut model);
            for cell in draw(&model).content() {
                prop_assert!(!cell.symbol().chars().any(char::is_control), "{:?}", cell);
                prop_assert!(!cell.symbol().contains('\u{202e}'), "{:?}", cell);
            }
            let steps = &model.view.steps;
            prop_assert!(steps.is_empty() || model.selected_index().is_some());
            let list = crate::layout::Areas::of(model.size, model.focus).steps.height;
            if let Some(at) = model.selected_index().filter(|_| list > 0) {
                prop_assert!((model.list_top..model.list_top + usize::from(list)).contains(&at));
            }
        }
    }
}

#[test]
fn a_step_that_has_not_started_is_left_out_after_a_question() {
    let mut model = running().model(80, 24);
    assert_eq!(press(&mut model, "G x"), []);
    assert_eq!(model.question, Some(Question::SkipStep(StepId::from("publish"))));
    assert_eq!(press(&mut model, "n x y"), wish(Wish::SkipStep(StepId::from("publish"))));
    assert!(screen(&model).contains("asked to skip publish"));
}

#[test]
fn a_step_without_success_is_tried_again_while_the_run_goes_on() {
    let mut run = TestRun::release();
    run.done("fetch", 1, result(WorkerStatus::Succeeded, Some(0)));
    run.done("build", 1, result(WorkerStatus::Failed, Some(1)));
    let mut model = run.model(80, 24);
    assert_eq!(press(&mut model, "g r"), [], "fetch succeeded");
    assert_eq!(press(&mut model, "j r"), wish(Wish::RetryStep(StepId::from("build"))));

    // Why nothing came of it.
    let before = run.records.len();
    let refused = Some("`build` needs `fetch`".to_owned());
    run.journal(RunEvent::Wish { wish: Wish::RetryStep("build".into()), by: None, refused });
    tell(&mut model, &run, before);
    assert!(screen(&model).contains("not done: `build` needs `fetch`"));

    // Nobody is there to do it any more; one is told who will.
    let before = run.records.len();
    run.finished(RunOutcome::Failed, 1);
    tell(&mut model, &run, before);
    assert_eq!(press(&mut model, "r"), []);
    let said = model.notice.clone().unwrap_or_default();
    assert!(said.contains("roboppi workflow run /home/me/app/release.yaml --resume 0194-test"), "{said}");
}

#[test]
fn what_earlier_runs_tell_is_shown_as_what_is_left() {
    let mut run = TestRun::release();
    for step in ["fetch", "build", "test", "lint", "publish"] {
        run.state(step, StepState::Succeeded);
    }
    let history = roboppi_attach::History::of([run.view()]);
    let mut model = running().model(120, 24);
    assert!(!screen(&model).contains("left"), "nothing is invented");
    update(&mut model, Message::History(history));
    prepare(&mut model);
    assert!(screen(&model).contains("about 9s left"), "{}", screen(&model));
}
