//! The screen as a person sees it, at every size.

use std::sync::Arc;

use insta::assert_snapshot;
use jiff::tz::TimeZone;
use proptest::prelude::*;
use ratatui::buffer::Buffer;
use ratatui::layout::{Rect, Size};
use roboppi_board::{
    AgentRow, Category, Change, Current, EventRow, NeedsYou, OutputLine, RowState, RunRow, StepNumbers, Usage,
};
use roboppi_ipc::{OutputStream, UtcMillis};
use roboppi_run::{Progress, ProgressBasis, RunHandle, RunId, RunMode, RunOutcome};

use super::model::Model;
use super::settings::{DashboardSettings, DashboardTab};
use super::update::{Action, Message, update};
use super::view;
use crate::Colours;
use crate::keymap::Key;
use crate::test_run::{START, text_of};

const MINUTE: u64 = 60_000;

fn empty(columns: u16, rows: u16) -> Model {
    let settings = DashboardSettings {
        colours: Colours::None,
        ascii: false,
        mouse: false,
        version: "1.2.3".to_owned(),
        host: "vm".to_owned(),
        tab: DashboardTab::Runs,
    };
    Model::new(settings, false, TimeZone::UTC, Size::new(columns, rows), UtcMillis(START))
}

fn id(number: usize) -> RunId {
    RunId::parse(&format!("run-{number:05}")).unwrap()
}

fn row(number: usize, name: &str, state: RowState) -> RunRow {
    let mut row = RunRow::new(id(number));
    row.handle = RunHandle::parse(&format!("r{number}"));
    row.name = name.to_owned();
    row.workspace = "/home/me/project".to_owned();
    row.host = "vm".to_owned();
    row.mode = Some(RunMode::Supervised);
    row.state = state;
    row.started_at = Some(UtcMillis(START - 20 * MINUTE));
    row.last_at = row.started_at;
    row.steps = StepNumbers { total: 12, succeeded: 12, running: 0, failed: 0, other: 0 };
    if !state.may_live() {
        row.finished_at = Some(UtcMillis(START - 5 * MINUTE - number as u64));
        row.duration_ms = Some(15 * MINUTE);
        row.usage = Some(Usage { tokens: 1, cost_usd: Some(0.42), is_lower_bound: false });
    }
    row
}

fn live(number: usize, name: &str, step: &str, words: &str) -> RunRow {
    let mut row = row(number, name, RowState::Running);
    row.steps = StepNumbers { total: 40, succeeded: 12, running: 1, failed: 0, other: 0 };
    row.current = Some(Current {
        step: step.to_owned(),
        words: words.to_owned(),
        since: UtcMillis(START - MINUTE),
        until: None,
    });
    row
}

fn event(model: &mut Model, number: usize, category: Category, kind: &'static str, text: &str) {
    let event = EventRow {
        number: 0,
        at: UtcMillis(START),
        run: id(number),
        run_name: Arc::from(format!("r{number}")),
        step: Some("test".into()),
        category,
        kind,
        text: text.to_owned(),
        failed: text.contains("failed"),
        transition: (category == Category::Step).then(|| ("running".to_owned(), text.to_owned())),
    };
    update(model, Message::Change(Change::Event(event)));
}

fn known(model: &mut Model, rows: impl IntoIterator<Item = RunRow>) {
    for row in rows {
        update(model, Message::Change(Change::Row(row.shared())));
    }
    update(model, Message::Change(Change::Listed));
}

fn some(columns: u16, rows: u16) -> Model {
    let mut model = empty(columns, rows);
    let mut waits = live(21, "deploy", "release", "");
    let request = NeedsYou {
        step: "release".into(),
        why: "approve \"release 1.4\"".into(),
        since: UtcMillis(START - 4 * MINUTE),
    };
    waits.needs_you.push(request);
    let mut agent = live(20, "claude", "fix", "Bash npm test");
    agent.steps = StepNumbers { total: 1, succeeded: 0, running: 1, failed: 0, other: 0 };
    agent.agents.push(AgentRow {
        step: "fix".into(),
        worker: "CLAUDE_CODE".into(),
        model: Some("claude-sonnet-4-5".into()),
        started_at: UtcMillis(START - 6 * MINUTE),
        last_seen: UtcMillis(START - 2_000),
        words: "Bash npm test".into(),
        tool_calls: 3,
        needs_you: false,
    });
    let mut nightly = live(19, "nightly", "test-linux", "running 41 of 64");
    nightly.progress = Some(Progress {
        done: 12,
        total: 40,
        basis: ProgressBasis::Estimate,
        runs: 5,
        ends_at: Some(UtcMillis(START + 4 * MINUTE)),
    });
    let mut failed = row(18, "review", RowState::Finished(RunOutcome::Failed));
    failed.detail = Some("lint: 3 errors in src/main.rs".into());
    let rows = [
        waits,
        nightly,
        agent,
        failed,
        row(17, "build", RowState::Finished(RunOutcome::Succeeded)),
        row(16, "docs", RowState::Finished(RunOutcome::Cancelled)),
        row(15, "bench", RowState::Lost),
        row(14, "abroad", RowState::Elsewhere),
    ];
    known(&mut model, rows);
    event(&mut model, 19, Category::Step, "step.state", "succeeded");
    event(&mut model, 20, Category::Tool, "tool.call", "Bash npm test");
    event(&mut model, 20, Category::Tool, "tool.result", "Bash npm test: failed, 1.2s");
    event(&mut model, 18, Category::Step, "step.state", "failed");
    let line = OutputLine {
        number: 0,
        at: Some(UtcMillis(START)),
        run: id(19),
        run_name: "r19".into(),
        step: "test-linux".into(),
        stream: OutputStream::Stderr,
        text: "test words::joins ... FAILED".into(),
        skipped: 3,
    };
    update(&mut model, Message::Change(Change::Output(line)));
    model
}

fn press(model: &mut Model, keys: &str) -> Option<Action> {
    let mut action = None;
    for key in keys.chars() {
        let key = match key {
            '\r' => Key::Enter,
            '\x1b' => Key::Esc,
            '\t' => Key::Tab,
            key => Key::Char(key),
        };
        action = update(model, Message::Key(key)).or(action);
    }
    action
}

fn screen(model: &Model) -> String {
    let mut buffer = Buffer::empty(Rect::from(model.size));
    view::draw(model, &mut buffer);
    text_of(&buffer)
}

const SIZES: [(u16, u16); 4] = [(120, 30), (80, 24), (40, 12), (20, 5)];

fn at_all_sizes(make: &dyn Fn(u16, u16) -> Model, keys: &str) -> String {
    let screens = SIZES.map(|(columns, rows)| {
        let mut model = make(columns, rows);
        press(&mut model, keys);
        format!("{columns}x{rows}\n{}", screen(&model))
    });
    screens.join("\n")
}

#[test]
fn every_tab_at_every_size() {
    for (key, tab) in "1234567890".chars().zip(DashboardTab::ALL) {
        assert_snapshot!(format!("tab_{}", tab.name()), at_all_sizes(&some, &key.to_string()));
    }
    assert_snapshot!("help", at_all_sizes(&some, "?"));
}

#[test]
fn without_runs_the_way_to_one_is_shown() {
    let none = |columns, rows| {
        let mut model = empty(columns, rows);
        known(&mut model, []);
        model
    };
    assert_snapshot!("no_runs", at_all_sizes(&none, ""));
    assert_snapshot!("no_runs_events", at_all_sizes(&none, "2"));
    assert_snapshot!("reading", screen(&empty(80, 24)));
}

#[test]
fn one_run_and_many() {
    let of = |count: usize| {
        move |columns, rows| {
            let mut model = empty(columns, rows);
            known(&mut model, (1..=count).map(|number| live(number, "nightly", "test", "running")));
            model
        }
    };
    assert_snapshot!("runs_1", at_all_sizes(&of(1), ""));
    assert_snapshot!("runs_60", at_all_sizes(&of(60), ""));
    assert_snapshot!("runs_2000", at_all_sizes(&of(2_000), "G"));
}

#[test]
fn a_selection_stays_on_its_run_whatever_comes_above() {
    let mut model = some(120, 30);
    press(&mut model, "jj");
    let Some(Action::Open(opened)) = press(&mut model, "\r") else { panic!("nothing is opened") };
    assert!(model.opening && press(&mut model, "\r").is_none(), "once");
    let mut urgent = live(99, "urgent", "s", "");
    urgent.needs_you.push(NeedsYou { step: "s".into(), why: "now".into(), since: UtcMillis(1) });
    known(&mut model, [urgent]);
    update(&mut model, Message::Closed(None));
    assert_eq!(press(&mut model, "\r"), Some(Action::Open(opened)));
}

#[test]
fn the_newest_event_is_in_sight_after_thousands() {
    let mut model = some(120, 30);
    press(&mut model, "2");
    for number in 0..10_000 {
        event(&mut model, 20, Category::Tool, "tool.result", &format!("call {number}"));
    }
    let shown = screen(&model);
    assert!(shown.contains("call 9999") && shown.contains("call 9990"), "{shown}");
    let place = |text: &str| shown.find(text).unwrap();
    assert!(place("call 9999") < place("call 9990"), "newest first");
    press(&mut model, "oG");
    let shown = screen(&model);
    assert!(shown.find("call 9990").unwrap() < shown.find("call 9999").unwrap(), "newest last\n{shown}");
}

#[test]
fn a_paused_view_stays_as_it_is_and_says_what_is_new() {
    let mut model = some(120, 30);
    press(&mut model, "2p");
    let before = screen(&model).lines().skip(2).map(str::to_owned).collect::<Vec<_>>();
    event(&mut model, 20, Category::Tool, "tool.call", "something new");
    let paused = screen(&model);
    assert!(paused.contains("paused, 1 new"), "{paused}");
    assert_eq!(paused.lines().skip(2).take(20).collect::<Vec<_>>(), before[..20]);
    press(&mut model, "p");
    assert!(screen(&model).contains("something new"));
}

#[test]
fn texts_of_others_are_made_safe() {
    let mut model = empty(100, 20);
    let mut hostile = live(1, "\x1b]0;x\x07evil\u{202e}", "\x1b[2J", "\x1b[31mred");
    hostile.workspace = "\x1b]52;c;eA==\x07".into();
    known(&mut model, [hostile]);
    event(&mut model, 1, Category::Text, "text", "\x1b[2Jtext\u{9b}31m");
    for tab in "1234567890".chars() {
        press(&mut model, &tab.to_string());
        let shown = screen(&model);
        assert!(!shown.contains(['\x1b', '\x07', '\u{202e}', '\u{9b}']), "{shown:?}");
    }
}

#[test]
fn without_unicode_the_same_is_shown() {
    for tab in "1234567890?".chars() {
        let mut model = some(100, 30);
        model.settings.ascii = true;
        press(&mut model, &tab.to_string());
        assert!(screen(&model).is_ascii(), "{}", screen(&model));
    }
}

proptest! {
    #[test]
    fn any_keys_at_any_size_draw_something(
        keys in prop::collection::vec(prop::sample::select("1234567890jkgGnNfrpmcCo?/ab\r\x1b\t ".chars().collect::<Vec<_>>()), 0..30),
        columns in 0u16..140,
        rows in 0u16..40,
    ) {
        let mut model = some(columns, rows);
        let keys: String = keys.into_iter().collect();
        press(&mut model, &keys);
        screen(&model);
    }
}
