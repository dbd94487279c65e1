//! Screens of an agent at work.

use std::sync::Arc;

use insta::assert_snapshot;
use roboppi_ipc::{
    AgentDelta, AgentText, ChangeKind, Patch, PlanItem, PlanStatus, Progress, RemarkLevel, SessionInfo,
    SubAgent, SubAgentStatus, ToolCall, ToolResult, Usage, WaitCause, Waiting, WorkerEvent, WorkerKind,
};
use roboppi_run::{Activity, HistoryPage, RunRecord, Stretch};
use serde_json::json;

use super::tests::at_all_sizes;
use crate::Colours;
use crate::activity_pane::EarlierRead;
use crate::fetch::Wanted;
use crate::message::Message;
use crate::tab::Tab;
use crate::test_run::{TestRun, draw, of, plan, press, screen};
use crate::theme::Theme;
use crate::update::{prepare, update, wanted_of_record};

fn call(id: &str, name: &str, input: serde_json::Value, parent: Option<&str>) -> WorkerEvent {
    let (id, name, parent) = (id.to_owned(), name.to_owned(), parent.map(str::to_owned));
    WorkerEvent::ToolCall(ToolCall::new(id, name, input).with_parent(parent))
}

fn returned(id: &str, ok: bool, preview: &str) -> WorkerEvent {
    let (bytes, blob) = (preview.len() as u64, None);
    WorkerEvent::ToolResult(ToolResult::new(id, ok, preview).with_bytes(bytes).with_blob(blob))
}

/// An agent that has done some things and is about to do more.
fn at_work() -> TestRun {
    let mut step = plan("fix", &[]);
    step.worker = WorkerKind::CLAUDE_CODE;
    let mut run = TestRun::with(vec![step, plan("publish", &["fix"])], true);
    run.running("fix", 1, 4711);
    let of = of("fix", 1);
    let mut say = |ms: u64, event: WorkerEvent| run.after(ms).event(&of, event);
    let model = Some("claude-sonnet-4-5".to_owned());
    say(100, WorkerEvent::Session(SessionInfo::new("s-1").with_model(model)));
    let todo = |text: &str, status| PlanItem::new(text, status);
    let items = vec![
        todo("Read the tests", PlanStatus::Completed),
        todo("Mend the parser", PlanStatus::InProgress),
        todo("Run everything", PlanStatus::Pending),
    ];
    say(100, WorkerEvent::Plan { items });
    say(100, WorkerEvent::Thinking(AgentText::new("The parser is at fault.\nOr the lexer.")));
    say(
        500,
        WorkerEvent::Text(AgentText::new(
            "## What I found\n\nThe **parser** drops the last token. I will:\n- mend `next()`\n- run the tests\n\u{1b}[31mred?",
        )),
    );
    say(10, call("t1", "Bash", json!({"command": "npm test"}), None));
    say(
        12_300,
        returned("t1", false, "3 tests failed\n  parser.test.js\n\u{1b}]0;title\u{7}  lexer.test.js"),
    );
    let waiting =
        Waiting::new("the service is overloaded").with_cause(Some(WaitCause::Retry)).with_delay_ms(Some(500));
    say(10, WorkerEvent::Waiting(waiting.clone()));
    say(900, WorkerEvent::Waiting(waiting));
    say(600, call("t2", "Edit", json!({"file_path": "/home/me/app/src/parser.js"}), None));
    say(50, returned("t2", true, "done"));
    let path = "/home/me/app/src/parser.js".to_owned();
    say(
        0,
        WorkerEvent::FileChanged {
            path: path.clone(),
            action: ChangeKind::Modified,
            by: Some("t2".into()),
            seen: false,
        },
    );
    let diff = "--- a/src/parser.js\n+++ b/src/parser.js\n@@ -1,3 +1,3 @@\n const a = 1;\n-return tokens.slice(1);\n+return tokens;\n";
    say(0, WorkerEvent::Patch(Patch::new(path, diff)));
    say(10, call("t3", "Task", json!({"description": "Review the change"}), None));
    say(10, call("t4", "Grep", json!({"pattern": "slice"}), Some("t3")));
    say(40, returned("t4", true, "1 file"));
    let usage = Usage::new(34_000, 1_200).with_cost_usd(Some(0.0144)).with_turns(Some(4));
    say(10, WorkerEvent::Usage(usage));
    let delta = |text: &str| AgentDelta::new(text).with_id(Some("m9".into()));
    say(10, WorkerEvent::TextDelta(delta("While it looks, I ")));
    say(3_000, WorkerEvent::TextDelta(delta("write the **note**")));
    run
}

#[test]
fn an_agent_at_work() {
    let run = at_work();
    assert_snapshot!("activity_80x24", screen(&run.model(80, 24)));
    assert_snapshot!("activity_120x40", screen(&run.model(120, 40)));
    let mut small = run.model(40, 12);
    press(&mut small, "Enter");
    assert_snapshot!("activity_40x12", screen(&small));
    assert_snapshot!("all_sizes_activity", at_all_sizes(&run, "6"));
    assert_snapshot!("all_sizes_usage", at_all_sizes(&run, "7"));
}

#[test]
fn results_fold_and_unfold() {
    let run = at_work();
    let mut model = run.model(120, 40);
    press(&mut model, "Enter < < < < Space");
    assert_snapshot!("activity_unfolded_120x40", screen(&model));
    press(&mut model, "z g");
    assert_snapshot!("activity_all_unfolded_120x40", screen(&model));
}

fn did(run: &mut TestRun, number: usize) {
    let id = format!("t{number}");
    run.event(&of("fix", 1), call(&id, "Bash", json!({"command": format!("do {number};")}), None));
    run.event(&of("fix", 1), returned(&id, true, "done"));
}

/// An agent that has done so many things.
fn busy(things: usize) -> TestRun {
    let mut step = plan("fix", &[]);
    step.worker = WorkerKind::CLAUDE_CODE;
    let mut run = TestRun::with(vec![step], true);
    run.running("fix", 1, 4711);
    (0..things).for_each(|number| did(&mut run, number));
    run
}

#[test]
fn what_is_read_stays_while_more_happens() {
    let mut run = busy(Activity::ITEMS);
    let mut model = run.model(80, 24);
    assert!(screen(&model).contains("do 999;"));
    press(&mut model, "PgUp PgUp PgUp");
    prepare(&mut model);
    let read: Vec<String> =
        screen(&model).lines().filter(|line| line.contains("do 9")).map(str::to_owned).collect();
    assert!(read.len() > 10 && !screen(&model).contains("do 999;"), "{read:?}");
    for number in 0..100 {
        let before = run.records.len();
        did(&mut run, Activity::ITEMS + number);
        for record in &run.records[before..] {
            update(&mut model, Message::Record(Arc::clone(record)));
        }
        prepare(&mut model);
        let now = screen(&model);
        // A line above them tells of what is no longer kept, and takes the place of the last one.
        let still = &read[..read.len() - 1];
        assert!(still.iter().all(|line| now.contains(line.as_str())), "{read:#?}\n{now}");
    }
    press(&mut model, "Enter End");
    assert!(screen(&model).contains("do 1099;"));
}

#[test]
fn a_key_between_what_came_before_and_its_frame_goes_one_page() {
    let run = busy(Activity::ITEMS + 500);
    let mut model = run.model(80, 24);
    press(&mut model, "Enter g");
    let Some(Wanted::Earlier(request)) = wanted_of_record(&model) else { panic!("it is not wanted") };
    assert_eq!(request.stretch, Stretch::Behind(None));
    // Who changes their mind before it is read stays at the end.
    press(&mut model, "G");
    assert!(!matches!(wanted_of_record(&model), Some(Wanted::Earlier(_))));
    assert!(screen(&model).contains("do 1499;"));
    // Up to the first thing that is kept, and beyond.
    let request = loop {
        press(&mut model, "PgUp");
        if let Some(Wanted::Earlier(request)) = wanted_of_record(&model) {
            break request;
        }
    };
    let mut earlier = HistoryPage::new(request.stretch);
    for record in &run.records {
        if let RunRecord::Attempt(_, record) = &**record
            && earlier.take(record).is_break()
        {
            break;
        }
    }
    let found = Ok(Arc::new(earlier.finish()));
    update(&mut model, Message::Earlier(EarlierRead { request, found }));
    press(&mut model, "PgUp");
    let shown = screen(&model);
    assert!(shown.contains("1–500 of 1500 things"), "{shown}");
    assert!(shown.contains("do 480;") && !shown.contains("do 499;") && !shown.contains("do 0;"), "{shown}");
}

#[test]
fn the_whole_of_a_long_result_is_read_when_it_is_unfolded() {
    let mut step = plan("fix", &[]);
    step.worker = WorkerKind::CLAUDE_CODE;
    let mut run = TestRun::with(vec![step], true);
    run.running("fix", 1, 4711);
    run.event(&of("fix", 1), call("t1", "Bash", json!({"command": "cat long"}), None));
    let mut result = returned("t1", true, "the beginning");
    if let WorkerEvent::ToolResult(result) = &mut result {
        result.blob = Some("0f00".into());
        result.bytes = 5_000;
    }
    run.event(&of("fix", 1), result);
    let mut model = run.model(80, 24);
    let _ = screen(&model);
    assert_eq!(wanted_of_record(&model), None);
    press(&mut model, "Space");
    prepare(&mut model);
    assert_eq!(wanted_of_record(&model), Some(Wanted::Whole("0f00".to_owned())));
    assert!(screen(&model).contains("in all, in the record"));
    update(&mut model, Message::Whole("0f00".into(), "the beginning\nand the end".into()));
    prepare(&mut model);
    assert!(screen(&model).contains("and the end"));
    assert_eq!(wanted_of_record(&model), None);
}

#[test]
fn what_the_record_does_not_have_is_said_where_it_is_missing() {
    let mut step = plan("fix", &[]);
    step.worker = WorkerKind::CLAUDE_CODE;
    let mut run = TestRun::with(vec![step], true);
    run.running("fix", 1, 4711);
    run.event(&of("fix", 1), call("t1", "Bash", json!({"command": "cat long"}), None));
    let mut cut = returned("t1", true, "the beginning");
    if let WorkerEvent::ToolResult(result) = &mut cut {
        result.bytes = 5_000;
    }
    run.event(&of("fix", 1), cut);
    run.ended(&of("fix", 1), crate::test_run::result(roboppi_ipc::WorkerStatus::Succeeded, Some(0)));
    let mut model = run.model(80, 24);
    press(&mut model, "Space");
    prepare(&mut model);
    assert!(screen(&model).contains("4.8 KiB in all, the rest is not in the record"), "{}", screen(&model));
    assert_eq!(wanted_of_record(&model), None);
}

#[test]
fn events_that_are_missing_are_said_in_their_place_and_counts_are_lower_bounds() {
    let mut step = plan("fix", &[]);
    step.worker = WorkerKind::CLAUDE_CODE;
    let mut run = TestRun::with(vec![step], true);
    run.running("fix", 1, 4711);
    run.event(&of("fix", 1), call("t1", "Bash", json!({"command": "first"}), None));
    run.event(&of("fix", 1), returned("t1", true, ""));
    let gap = roboppi_ipc::Gap::new(1_000..1_012, 0..0).with_missing(12, 0).with_recorded(12);
    run.event(&of("fix", 1), WorkerEvent::Gap(gap));
    let shown = screen(&run.model(80, 24));
    for words in ["at least 1 call", "… 12 events are not in the record"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
}

#[test]
fn without_colour_words_and_signs_say_the_same() {
    let mut model = at_work().model(80, 24);
    model.settings.colours = Colours::None;
    model.theme = Theme::new(Colours::None);
    assert_snapshot!("activity_no_colour_80x24", screen(&model));
    let buffer = draw(&model);
    let coloured = buffer.content().iter().filter(|cell| cell.fg != ratatui::style::Color::Reset).count();
    assert_eq!(coloured, 0);
}

#[test]
fn what_it_used_has_a_tab_of_its_own() {
    let mut model = at_work().model(80, 24);
    press(&mut model, "7");
    assert_snapshot!("usage_80x24", screen(&model));
}

#[test]
fn the_first_tab_is_that_of_the_worker_and_a_choice_stays() {
    let run = at_work();
    let mut model = run.model(120, 40);
    assert!(screen(&model).contains("6 Activity"));
    assert_eq!(model.tab, Tab::Activity);
    press(&mut model, "j");
    assert_eq!(model.tab, Tab::Logs);
    assert!(screen(&model).contains("2 Logs") && !screen(&model).contains("Activity"));
    press(&mut model, "6");
    assert_eq!(model.tab, Tab::Logs, "a command has no such tab");
    // What shows a step at work is chosen for each kind, everything else for both.
    press(&mut model, "k 2 j k");
    assert_eq!(model.tab, Tab::Logs);
    press(&mut model, "6 j 4 k");
    assert_eq!(model.tab, Tab::Result);
    press(&mut model, "6 j");
    assert_eq!(model.tab, Tab::Result);
    press(&mut model, "5 k");
    assert_eq!(model.tab, Tab::Timeline);
}

fn sub_agent(id: &str, status: SubAgentStatus) -> Vec<SubAgent> {
    vec![SubAgent::new(id, status).with_name(Some(format!("survey part {id}")))]
}

/// An agent with so many sub-agents that work at the same time. Those whose number `ends` gives a status have ended.
fn with_sub_agents(count: usize, ends: impl Fn(usize) -> Option<SubAgentStatus>) -> TestRun {
    let mut step = plan("fix", &[]);
    step.worker = WorkerKind::CLAUDE_CODE;
    let mut run = TestRun::with(vec![step], true);
    run.running("fix", 1, 4711);
    let of = of("fix", 1);
    for number in 1..=count {
        let id = number.to_string();
        let input = json!({ "description": format!("survey part {id}") });
        let call = ToolCall::new(&*id, "Agent", input).with_agents(sub_agent(&id, SubAgentStatus::Running));
        run.after(10).event(&of, WorkerEvent::ToolCall(call));
    }
    for turn in 1..=5 {
        for number in 1..=count {
            let (id, parent) = (format!("{number}.{turn}"), number.to_string());
            let input = json!({ "command": format!("grep {turn} part{number}") });
            run.after(10).event(&of, self::call(&id, "Bash", input, Some(&parent)));
            run.after(10).event(&of, returned(&id, true, "found"));
        }
    }
    for number in 1..=count {
        if let Some(status) = ends(number) {
            let (id, ok) = (number.to_string(), status == SubAgentStatus::Completed);
            let result = ToolResult::new(&*id, ok, if ok { "done" } else { "it broke" });
            let result = result.with_agents(sub_agent(&id, status));
            run.after(10).event(&of, WorkerEvent::ToolResult(result));
        }
    }
    run
}

#[test]
fn many_sub_agents_are_a_line_each_and_unfold() {
    let run = with_sub_agents(40, |number| match number {
        1..=30 => Some(SubAgentStatus::Completed),
        31 => Some(SubAgentStatus::Failed),
        32 => Some(SubAgentStatus::Stopped),
        _ => None,
    });
    assert_snapshot!("sub_agents_many_100x50", screen(&run.model(100, 50)));
    let mut model = run.model(100, 70);
    press(&mut model, "Enter < Space");
    let unfolded = screen(&model);
    assert!(
        unfolded.contains("│ ✓ Bash grep 1 part40") && unfolded.contains("│ ✓ Bash grep 5 part40"),
        "{unfolded}"
    );
    assert!(!unfolded.contains("Bash grep 1 part39"), "{unfolded}");
}

#[test]
fn few_sub_agents_at_work_show_what_they_did_last_and_done_ones_a_line() {
    let run = with_sub_agents(3, |number| (number == 2).then_some(SubAgentStatus::Completed));
    assert_snapshot!("sub_agents_few_80x24", screen(&run.model(80, 24)));
}

#[test]
fn remarks_waits_and_sessions_are_on_the_screen() {
    let mut step = plan("fix", &[]);
    step.worker = WorkerKind::CLAUDE_CODE;
    let mut run = TestRun::with(vec![step], true);
    run.running("fix", 1, 4711);
    let of = of("fix", 1);
    run.event(&of, WorkerEvent::Session(SessionInfo::new("s-1")));
    let remark = "the MCP server \"github\" could not be started, so its tools were not there";
    let remark = Progress::new(remark).with_level(Some(RemarkLevel::Warning));
    run.event(&of, WorkerEvent::Progress(remark));
    let (path, by) = ("src/a.rs".to_owned(), None);
    run.event(&of, WorkerEvent::FileChanged { path, action: ChangeKind::Modified, by, seen: false });
    run.event(&of, WorkerEvent::Patch(Patch::new("src/b.rs", "@@ -1 +1 @@\n-a\n+b\n")));
    let waiting = Waiting::new("the request failed").with_delay_ms(Some(250_000));
    run.event(&of, WorkerEvent::Waiting(waiting));
    run.after(10_000).event(&of, WorkerEvent::Usage(Usage::new(1, 1)));
    let waiting = Waiting::new("the request failed").with_delay_ms(Some(250_000));
    run.event(&of, WorkerEvent::Waiting(waiting));
    let mut model = run.model(120, 30);
    let activity = screen(&model);
    for words in ["! the MCP server \"github\" could not be started", "(4m10s left)", "⠋!fix waits 4m10s"] {
        assert!(activity.contains(words), "no {words:?} in\n{activity}");
    }
    model.tab = crate::tab::Tab::Overview;
    let overview = screen(&model);
    for words in
        ["roboppi run --worker claude-code --resume s-1 \"Go on.\"", "(4m10s left)", "! the MCP server"]
    {
        assert!(overview.contains(words), "no {words:?} in\n{overview}");
    }
    model.tab = crate::tab::Tab::Diffs;
    let diffs = screen(&model);
    assert!(
        diffs.contains("1 file changed, no diff told: src/a.rs") && diffs.contains("src/b.rs"),
        "{diffs}"
    );
}
