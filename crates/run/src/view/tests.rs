//! Views of what agents do.

use proptest::prelude::*;
use roboppi_ipc::{
    AgentDelta, AgentText, ChangeKind, Gap, OutputStream, Patch, PlanItem, PlanStatus, ToolCall, ToolResult,
    Usage, UtcMillis, WaitCause, Waiting, WorkerEvent, WorkerKind, WorkerOutput,
};

use super::*;
use crate::{AttemptRecord, JournalRecord, RunEvent};

const STEPS: [&str; 2] = ["plan", "build"];

fn run() -> RunView {
    let plan = |step: &str| StepPlan {
        step: step.into(),
        worker: WorkerKind::CLAUDE_CODE,
        depends_on: Vec::new(),
        description: None,
        timeout_ms: None,
        max_attempts: 2,
        max_iterations: None,
        role: crate::Role::Work,
        check: None,
        host: crate::HostId::here(),
    };
    let mut view = RunView::default();
    let event = RunEvent::RunStarted {
        run_id: RunId::parse("r").unwrap(),
        handle: None,
        name: "n".into(),
        workflow: "w".into(),
        workspace: "/w".into(),
        context_dir: "/c".into(),
        mode: RunMode::Direct,
        timeout_ms: 1,
        concurrency: 1,
        stream_stdio: true,
        steps: STEPS.map(|step| Arc::new(plan(step))).into(),
        only: Vec::new(),
        resumes: None,
    };
    view.apply_journal(&JournalRecord { seq: 1, ts: UtcMillis(0), event });
    view
}

fn of(step: &str) -> AttemptRef {
    AttemptRef::first(step.into())
}

fn record(seq: u64, event: WorkerEvent) -> AttemptRecord {
    AttemptRecord { seq, ts: UtcMillis(1000 + seq * 10), at: seq, event }
}

fn activity(events: impl IntoIterator<Item = WorkerEvent>) -> Activity {
    let mut activity = Activity::default();
    (0..).zip(events).for_each(|(seq, event)| activity.apply(&record(seq, event)));
    activity
}

fn call(id: &str, parent: Option<&str>) -> WorkerEvent {
    let input = serde_json::json!({ "command": "npm test" });
    let parent = parent.map(str::to_owned);
    WorkerEvent::ToolCall(ToolCall::new(id, "Bash", input).with_parent(parent))
}

fn result(id: &str, ok: bool) -> WorkerEvent {
    let (preview, bytes, blob) = ("out".to_owned(), 3, None);
    WorkerEvent::ToolResult(ToolResult::new(id, ok, preview).with_bytes(bytes).with_blob(blob))
}

fn text(text: &str) -> WorkerEvent {
    WorkerEvent::Text(AgentText::new(text))
}

fn waiting(why: &str, cause: WaitCause) -> WorkerEvent {
    WorkerEvent::Waiting(Waiting::new(why).with_cause(Some(cause)).with_delay_ms(Some(5)))
}

fn changed(path: &str) -> WorkerEvent {
    let (path, by) = (path.to_owned(), Some("t1".to_owned()));
    WorkerEvent::FileChanged { path, action: ChangeKind::Modified, by, seen: false }
}

fn patch(path: &str) -> WorkerEvent {
    WorkerEvent::Patch(Patch::new(path, "-a\n+b\n"))
}

fn plan(done: usize, all: usize) -> WorkerEvent {
    let status = |index: usize| match index.cmp(&done) {
        std::cmp::Ordering::Less => PlanStatus::Completed,
        std::cmp::Ordering::Equal => PlanStatus::InProgress,
        std::cmp::Ordering::Greater => PlanStatus::Pending,
    };
    let items = (0..all).map(|index| PlanItem::new(format!("thing {index}"), status(index)));
    WorkerEvent::Plan { items: items.collect() }
}

fn lines(activity: &Activity) -> Vec<String> {
    let line = |item: &ActivityItem| match &item.what {
        Act::Text(text) => format!("text {}", text.text),
        Act::Thought(text) => format!("thought {}", text.text),
        Act::Tool(tool) => {
            let state = tool
                .result
                .as_ref()
                .map_or("running", |outcome| if outcome.result.ok { "ok" } else { "failed" });
            format!("{} {} {state} {:?} in {:?}", tool.name, tool.id, tool.duration_ms(item.ts), item.parent)
        }
        Act::File(change) => format!("file {} {:?} {:?}", change.path, change.action, change.patch),
        Act::Wait(wait) => format!("wait {} {} {:?}", wait.waiting.why, wait.times, wait.over),
        Act::Remark(text) => format!("remark {text}"),
        Act::Unknown { raw } => format!("unknown {raw}"),
        Act::Missing { events, at_least } => format!("missing {events} {at_least}"),
    };
    activity.items.iter().map(|item| format!("{} {}", item.seq, line(item))).collect()
}

#[test]
fn calls_are_paired_changes_get_their_diffs_and_waits_are_one() {
    let activity = activity([
        text("I look."),
        call("t1", None),
        call("t2", Some("t1")),
        result("t2", false),
        changed("a.rs"),
        patch("a.rs"),
        patch("b.rs"),
        result("t1", true),
        waiting("try 1", WaitCause::Retry),
        waiting("try 2", WaitCause::Retry),
        waiting("too many", WaitCause::RateLimit),
        result("t9", true),
        WorkerEvent::Unknown { raw: "{}".into() },
    ]);
    insta::assert_snapshot!(lines(&activity).join("\n"), @r#"
    0 text I look.
    1 Bash t1 ok Some(60) in None
    2 Bash t2 failed Some(10) in Some("t1")
    4 file a.rs Some(Modified) Some(5)
    6 file b.rs None Some(6)
    8 wait try 2 2 Some(UtcMillis(1100))
    10 wait too many 1 Some(UtcMillis(1110))
    11  t9 ok Some(0) in None
    12 unknown {}
    "#);
    assert_eq!((activity.tool_calls, activity.tool_failures, activity.unknown), (2, 1, 1));
    assert_eq!(activity.patch(6).unwrap().patch.file_path, "b.rs");
    assert_eq!(activity.patch(4), None);
    assert!(activity.waiting.is_none());
}

#[test]
fn a_text_that_broke_off_and_came_again_is_one() {
    let part = |id: &str, text: &str| WorkerEvent::Text(AgentText::new(text).with_id(Some(id.to_owned())));
    let activity = activity([
        part("p1", "The begin"),
        part("p1", "The beginning and the end."),
        part("p2", "The beginning and the end."),
        part("p2", "Something else."),
        text("The"),
        text("The"),
    ]);
    insta::assert_snapshot!(lines(&activity).join("\n"), @r"
    0 text The beginning and the end.
    2 text The beginning and the end.
    3 text Something else.
    4 text The
    5 text The
    ");
    assert_eq!(activity.weight, activity.items.iter().map(|item| item.weight()).sum::<usize>());
}

#[test]
fn progress_is_counted_from_a_plan() {
    let progress = activity([plan(1, 4)]).progress.unwrap();
    assert_eq!(
        (progress.message.as_str(), progress.percent, progress.basis.as_deref()),
        ("thing 1", Some(25.0), Some("steps"))
    );
    assert_eq!(activity([plan(4, 4)]).progress.unwrap().percent, Some(100.0));
    assert_eq!(activity([plan(0, 0), text("no list")]).progress, None, "never invented");
}

#[test]
fn a_call_that_runs_is_kept_longer_than_what_is_over() {
    let many = Activity::ITEMS + 50;
    let events = std::iter::once(call("agent", None)).chain((0..many).map(|n| text(&n.to_string())));
    let activity = activity(events.chain([result("agent", true)]));
    assert_eq!(activity.items.len(), Activity::ITEMS);
    assert_eq!(activity.items_given_up(), 51);
    assert!(activity.tool("agent").unwrap().result.is_some());
    assert_eq!(lines(&activity).last().unwrap(), &format!("{many} text {}", many - 1));
}

#[test]
fn long_texts_leave_room_for_few() {
    let activity = activity((0..10).map(|_| text(&"x".repeat(1024 * 1024))));
    assert_eq!((activity.items.len(), activity.items_given_up()), (4, 6));
    let one = super::tests::activity([text("short"), text(&"x".repeat(Activity::ITEM_BYTES + 1))]);
    assert_eq!(one.items.len(), 1, "the latest is kept however long it is");
}

#[test]
fn usage_is_added_up_over_attempts_and_steps() {
    let mut view = run();
    let usage =
        |input_tokens, cost_usd, turns| Usage::new(input_tokens, 0).with_cost_usd(cost_usd).with_turns(turns);
    let second = AttemptRef { attempt: 2, ..of("plan") };
    for (of, usage) in [
        (of("plan"), usage(10, Some(0.5), Some(3))),
        (second, usage(10, None, Some(1))),
        (of("build"), usage(10, Some(0.25), None)),
    ] {
        view.apply_attempt(&of, &record(1, WorkerEvent::Usage(usage)));
    }
    assert_eq!(
        view.spent().unwrap(),
        Spent { usage: usage(30, Some(0.75), Some(4)), attempts: 3, without_cost: 1 }
    );
    assert_eq!(view.step(&"plan".into()).unwrap().spent().unwrap().usage, usage(20, Some(0.5), Some(4)));
    assert_eq!(run().spent(), None);
}

fn any_event() -> impl Strategy<Value = WorkerEvent> {
    let id = prop::sample::select(vec!["t1", "t2", "t3"]);
    let path = prop::sample::select(vec!["a", "b"]);
    prop_oneof![
        (id.clone(), prop::option::of(id.clone())).prop_map(|(id, parent)| call(id, parent)),
        (id.clone(), any::<bool>()).prop_map(|(id, ok)| result(id, ok)),
        ".{0,9}".prop_map(|words| text(&words)),
        (0..2_000_000_usize).prop_map(|length| text(&"x".repeat(length))),
        ".{0,9}".prop_map(|words| WorkerEvent::Thinking(AgentText::new(words))),
        (".{0,9}", any::<bool>()).prop_map(|(why, retry)| {
            waiting(&why, if retry { WaitCause::Retry } else { WaitCause::RateLimit })
        }),
        path.clone().prop_map(changed),
        path.prop_map(patch),
        (0..4_usize, 0..4_usize).prop_map(|(done, all)| plan(done, all)),
        ".{0,9}".prop_map(|raw| WorkerEvent::Unknown { raw }),
        any::<u32>().prop_map(|n| WorkerEvent::Usage(Usage::new(n.into(), 0))),
    ]
}

/// Something that exists live only.
fn live_only() -> impl Strategy<Value = WorkerEvent> {
    let output = WorkerOutput::new("x").with_range(0, 1);
    let gap = Gap::new(0..1, 0..1).with_missing(1, 1);
    prop::sample::select(vec![
        WorkerEvent::output(OutputStream::Stdout, output),
        WorkerEvent::TextDelta(AgentDelta::new("x")),
        WorkerEvent::Gap(gap),
    ])
}

fn records(events: Vec<WorkerEvent>) -> Vec<AttemptRecord> {
    (1..).zip(events).map(|(seq, event)| record(seq, event)).collect()
}

#[test]
fn missing_events_are_counted_once_in_their_place_and_what_was_left_out_of_output_is_not() {
    let gap = |from_seq, to_seq, recorded| {
        WorkerEvent::Gap(
            Gap::new(from_seq..to_seq, 0..0).with_missing(to_seq - from_seq, 0).with_recorded(recorded),
        )
    };
    let mut activity = Activity::default();
    let events = [
        record(1, call("a", None)),
        record(2, gap(2, 5, 0)),
        record(5, text("known")),
        record(6, gap(6, 20, 9)),
        record(20, text("after")),
        // As a file of an earlier version says it: at the end, whatever came in between.
        record(8, gap(8, 40, 3)),
    ];
    for _ in 0..2 {
        events.iter().for_each(|event| activity.apply(event));
    }
    assert_eq!((activity.events, activity.events_missing, activity.last_seq), (3, 12, Some(39)));
    assert!(activity.counts_are_lower_bounds());
    assert_eq!(activity.counted(activity.tool_calls), "at least 1");
    let expected = [
        "1 Bash a running None in None",
        "5 text known",
        "6 missing 9 false",
        "20 text after",
        "8 missing 3 false",
    ];
    assert_eq!(lines(&activity), expected);
}

#[test]
fn that_output_is_left_out_is_no_progress() {
    let mut activity = Activity::default();
    let progress = |message: &str| WorkerEvent::Progress(roboppi_ipc::Progress::new(message));
    activity.apply(&record(1, progress("half")));
    activity.apply(&record(2, progress(roboppi_ipc::LOGS_TRUNCATED)));
    assert_eq!(activity.progress.map(|progress| progress.message).as_deref(), Some("half"));
    assert_eq!(activity.last_seq, Some(1));
}

/// The items of a stretch.
fn stretch(records: &[AttemptRecord], stretch: Stretch) -> Activity {
    let mut earlier = HistoryPage::new(stretch);
    let _ = records.iter().try_for_each(|record| match earlier.take(record) {
        std::ops::ControlFlow::Continue(()) => Ok(()),
        std::ops::ControlFlow::Break(()) => Err(()),
    });
    earlier.finish()
}

#[test]
fn what_was_given_up_is_read_again_backwards_and_forwards() {
    // Calls that end at once, late, or never; changes that get their diffs; texts.
    let mut events = Vec::new();
    for number in 0..2_800_usize {
        match number % 8 {
            0 | 1 => events.push(call(&format!("t{number}"), None)),
            2 => events.push(result(&format!("t{}", number - 1), true)),
            3 if number > 1_203 => events.push(result(&format!("t{}", (number - 1_203) / 16 * 16), false)),
            4 => events.push(changed(&format!("{number}.rs"))),
            5 => events.push(patch(&format!("{}.rs", number - 1))),
            _ => events.push(text(&number.to_string())),
        }
    }
    let records = records(events);
    // What there is, without bounds: the last that was known of each item.
    let mut all = std::collections::BTreeMap::new();
    let mut live = Activity::default();
    for record in &records {
        live.apply(record);
        all.extend(live.items.iter().map(|item| (item.seq, std::sync::Arc::clone(item))));
    }
    let total = live.items_total;
    assert_eq!(all.len() as u64, total);
    let expected = lines(&Activity { items: all.into_values().collect(), ..Activity::default() });
    let in_a_row = |activity: &Activity| {
        let from = activity.items.iter().position(|item| Some(item.seq) > activity.last_given_up).unwrap();
        lines(activity).split_off(from)
    };

    let (mut pages, mut at) = (vec![in_a_row(&live)], live.last_given_up);
    while let Some(last) = at {
        let page = stretch(&records, Stretch::UpTo(last));
        assert_eq!(page.items.back().map(|item| item.seq), Some(last));
        at = page.last_given_up;
        pages.push(lines(&page));
    }
    let backwards: Vec<_> = pages.into_iter().rev().flatten().collect();
    assert_eq!(backwards, expected);

    let (mut forwards, mut behind) = (Vec::new(), None);
    loop {
        let page = stretch(&records, Stretch::Behind(behind));
        forwards.extend(lines(&page));
        assert_eq!(page.items_total, forwards.len() as u64);
        assert!(page.items.len() <= Stretch::ITEMS && page.last_given_up == behind);
        behind = page.items.back().map(|item| item.seq);
        if page.items_total == total {
            break;
        }
    }
    assert_eq!(forwards, expected);
}

#[test]
fn a_stretch_of_long_things_is_short() {
    let records = records((0..60).map(|_| text(&"x".repeat(100 * 1024))).collect());
    let page = stretch(&records, Stretch::Behind(Some(9)));
    assert_eq!(page.items.front().map(|item| item.seq), Some(10));
    assert!((15..25).contains(&page.items.len()), "{}", page.items.len());
    assert!(stretch(&records, Stretch::Behind(Some(60))).items.is_empty());
    assert!(stretch(&[], Stretch::UpTo(7)).items.is_empty());
}

/// The same as `view`, with nothing in common.
fn apart(view: &RunView) -> RunView {
    serde_json::from_str(&serde_json::to_string(view).unwrap()).unwrap()
}

fn changed_to(seq: u64, step: &str, state: StepState) -> JournalRecord {
    let event = RunEvent::StepChanged {
        step: step.into(),
        state,
        detail: None,
        duration_ms: Some(1),
        allowed_to_fail: false,
        limit_until: None,
    };
    JournalRecord { seq, ts: UtcMillis(seq), event }
}

#[test]
fn steps_that_are_over_are_shared_and_the_others_are_not() {
    let mut theirs = run();
    theirs.apply_journal(&changed_to(2, "plan", StepState::Succeeded));
    theirs.apply_journal(&changed_to(3, "build", StepState::Running));
    let mut mine = apart(&theirs);
    mine.share(&theirs);
    assert_eq!(mine, theirs);
    let shared: Vec<_> =
        mine.steps.iter().zip(&theirs.steps).map(|(one, two)| Arc::ptr_eq(one, two)).collect();
    assert_eq!(shared, [true, false]);
    assert!(mine.step(&"build".into()).is_some());
}

#[test]
fn views_that_share_go_on_by_themselves() {
    let mut theirs = run();
    theirs.apply_journal(&changed_to(2, "plan", StepState::Failed));
    let mut mine = apart(&theirs);
    mine.share(&theirs);
    let before = apart(&mine);
    theirs.apply_journal(&changed_to(3, "plan", StepState::Running));
    assert_eq!(mine, before, "what another view learns is not known here");
    mine.share(&theirs);
    assert_eq!(mine, before, "one that is behind stays behind");
    mine.apply_journal(&changed_to(3, "plan", StepState::Running));
    assert_eq!(mine, theirs);
}

#[test]
fn what_the_journal_says_of_a_step_is_not_copied_for_a_snapshot_when_its_worker_told_nothing() {
    let mut view = run();
    view.apply_attempt(&of("build"), &record(1, text("done")));
    let snapshot = view.of_journal();
    assert!(Arc::ptr_eq(&snapshot.steps[0], &view.steps[0]));
    assert!(!Arc::ptr_eq(&snapshot.steps[1], &view.steps[1]));
    assert_eq!(snapshot.attempt(&of("build")), None, "a snapshot is not looked into by path");
    assert_eq!(snapshot.steps[1].attempts[0].activity, AttemptActivity::default());
    assert_eq!(view.attempt(&of("build")).unwrap().activity.items.len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_snapshot_anywhere_and_the_rest_are_the_whole(
        events in prop::collection::vec(any_event(), 0..60),
        at in any::<prop::sample::Index>(),
        overlap in 0..4_usize,
    ) {
        let records = records(events);
        let fold = |view: &mut RunView, part: &[AttemptRecord]| {
            part.iter().for_each(|record| view.apply_attempt(&of("build"), record));
        };
        let mut whole = run();
        fold(&mut whole, &records);
        let cut = at.index(records.len() + 1);
        let mut first = run();
        fold(&mut first, &records[..cut]);
        let text = serde_json::to_string(&first).unwrap();
        let mut view: RunView = serde_json::from_str(&text).unwrap();
        fold(&mut view, &records[cut.saturating_sub(overlap)..]);
        prop_assert_eq!(&view, &whole);
        if let Some(attempt) = whole.attempt(&of("build")) {
            let activity = &attempt.activity;
            let weight: usize = activity.items.iter().map(|item| item.weight()).sum();
            prop_assert_eq!(activity.weight, weight);
            prop_assert!(weight <= Activity::ITEM_BYTES || activity.items.len() == 1);
        }
    }

    #[test]
    fn how_attempts_are_interleaved_and_what_is_live_only_changes_nothing(
        one in prop::collection::vec(any_event(), 0..30),
        other in prop::collection::vec(any_event(), 0..30),
        order in prop::collection::vec(any::<bool>(), 0..60),
        live in prop::collection::vec(live_only(), 0..10),
    ) {
        let (one, other) = (records(one), records(other));
        let mut apart = run();
        one.iter().for_each(|record| apart.apply_attempt(&of("plan"), record));
        other.iter().for_each(|record| apart.apply_attempt(&of("build"), record));
        let mut mixed = run();
        let (mut one, mut other, mut live) = (one.iter(), other.iter(), live.into_iter());
        for first in order.into_iter().chain(std::iter::repeat_n(true, 30)).chain(std::iter::repeat_n(false, 30)) {
            if let Some(event) = live.next() {
                mixed.apply_attempt(&of("plan"), &AttemptRecord { seq: 0, ts: UtcMillis(1), at: 0, event });
            }
            let (step, next) = if first { ("plan", one.next()) } else { ("build", other.next()) };
            if let Some(record) = next {
                mixed.apply_attempt(&of(step), record);
            }
        }
        for step in STEPS {
            let of_view = |view: &RunView| view.attempt(&of(step)).map(|attempt| {
                let mut activity = attempt.activity.clone();
                activity.log_bytes = 0;
                activity
            });
            let (apart, mixed) = (of_view(&apart), of_view(&mixed));
            prop_assert_eq!(apart.unwrap_or_default(), mixed.unwrap_or_default());
        }
    }
}
