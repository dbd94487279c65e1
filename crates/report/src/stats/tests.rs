use std::sync::Arc;

use roboppi_attach::Statistic;
use roboppi_ipc::UtcMillis;
use roboppi_run::{RunId, RunOutcome};
use roboppi_stats::{
    AgentFigures, Group, Outcome, Recent, RecentKind, RunFigures, RunState, Selection, StepFigures, Totals,
};
use serde_json::Value;

use super::*;

/// Names that would act on a terminal, on JSON and on Prometheus.
const HOSTILE: &str = "\x1b[2Jb\"a\\d\n##[x]\u{202e}";

fn figures(number: u64, finished: Option<RunOutcome>) -> RunFigures {
    let at = UtcMillis(1_000_000 + number * 1_000);
    let step = |step: &str, outcome| StepFigures {
        step: step.to_owned(),
        outcome,
        started_at: Some(at),
        ended_at: (outcome != Outcome::Running).then_some(UtcMillis(at.0 + 40)),
        duration_ms: (outcome != Outcome::Running).then_some(40),
    };
    let mut tool = Group::default();
    (0..19).for_each(|_| tool.add(Outcome::Succeeded, Some(45)));
    tool.add(Outcome::Failed, Some(100));
    tool.add(Outcome::Lost, None);
    let recent = Recent {
        at,
        step: "fix".to_owned(),
        kind: RecentKind::Tool("write-file".to_owned()),
        outcome: Outcome::Succeeded,
        duration_ms: Some(45),
    };
    let last = if finished.is_some() { Outcome::Succeeded } else { Outcome::Running };
    RunFigures {
        id: RunId::parse(&format!("run-{number}")).unwrap(),
        handle: None,
        name: "flow".to_owned(),
        workflow: "/w/flow.yaml".to_owned(),
        started_at: at,
        last_at: UtcMillis(at.0 + 90),
        finished: finished.map(|outcome| (outcome, 90)),
        steps: vec![step("fix", Outcome::Succeeded), step(HOSTILE, last)],
        more_steps: Group::default(),
        agents: [("CLAUDE_CODE".to_owned(), AgentFigures::default())].into(),
        tools: [("write-file".to_owned(), tool), (HOSTILE.to_owned(), Group::default())].into(),
        events_missing: 0,
        recent: vec![recent],
    }
}

fn statistic() -> Statistic {
    let runs = [
        (figures(1, Some(RunOutcome::Succeeded)), RunState::Finished),
        (figures(2, Some(RunOutcome::Failed)), RunState::Finished),
        (figures(3, Some(RunOutcome::Cancelled)), RunState::Finished),
        (figures(4, None), RunState::Lost),
        (figures(5, None), RunState::Live),
    ];
    let mut totals = Totals::default();
    runs.iter().for_each(|(run, state)| totals.add(run, *state));
    let runs = runs.into_iter().rev().map(|(run, state)| (Arc::new(run), state)).collect();
    Statistic { totals, runs, unreadable: 1, problems: vec!["run-9: it is damaged".to_owned()] }
}

fn with<T>(statistic: &Statistic, render: impl Fn(&Subject<'_>) -> T) -> T {
    let selection = Selection::default();
    let now = UtcMillis(1_001_000 + 3_600_000);
    render(&Subject { statistic, selection: &selection, workflow: None, now })
}

#[test]
fn pyjama_has_its_shape() {
    let value: Value = serde_json::from_str(&with(&statistic(), metrics)).unwrap();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!(keys(&value), "agents global recent-logs specs tools");
    let agent = &value["agents"]["run-5"];
    assert_eq!(
        keys(agent),
        "current-step current-step-start end-time last-seen spec start-time status steps workflow"
    );
    assert_eq!((&agent["status"], &agent["end-time"]), (&"running".into(), &Value::Null));
    assert_eq!(agent["current-step"], HOSTILE);
    assert_eq!(keys(&agent["steps"][0]), "end-time start-time status step-id");
    assert_eq!(agent["workflow"]["total-steps"], 2);
    let states: Vec<_> = (1..5).map(|run| value["agents"][format!("run-{run}")]["status"].clone()).collect();
    assert_eq!(states, ["completed", "failed", "cancelled", "lost"]);
    let tool = &value["tools"]["write-file"];
    assert_eq!(keys(tool), "count durations error success total-duration");
    assert_eq!((&tool["count"], &tool["success"], &tool["error"]), (&100.into(), &95.into(), &5.into()));
    assert_eq!(tool["total-duration"], 5 * (19 * 45 + 100));
    assert_eq!(tool["durations"].as_array().unwrap().len(), 5);
    assert_eq!(value["global"]["count"], 100);
    assert_eq!(keys(&value["recent-logs"][0]), "agent-id status timestamp tool");
    assert_eq!(value["recent-logs"][0]["status"], "ok");
    let times: Vec<_> = value["recent-logs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|log| log["timestamp"].as_u64().unwrap())
        .collect();
    assert!(times.is_sorted(), "the latest is the last: {times:?}");
}

#[test]
fn json_has_every_outcome_under_its_name() {
    for on_one_line in [true, false] {
        let text = with(&statistic(), |subject| object(subject, on_one_line));
        assert_eq!(text.lines().count() == 1, on_one_line);
        let value: Value = serde_json::from_str(&text).unwrap();
        let runs = &value["runs"];
        for outcome in ["succeeded", "failed", "cancelled", "lost", "running"] {
            assert_eq!(runs[outcome], 1, "{outcome}");
        }
        assert_eq!((&runs["count"], &runs["rate"]), (&5.into(), &0.5.into()));
        assert_eq!((&value["calls"]["perHour"], &value["calls"]["lost"]), (&100.0.into(), &5.into()));
        assert_eq!(value["tools"][1]["succeededMs"]["p95"], 45);
        assert_eq!(value["recent"][0]["run"], "run-5");
        assert_eq!(
            (&value["unreadableRuns"], &value["problems"][0]),
            (&1.into(), &"run-9: it is damaged".into())
        );
    }
}

#[test]
fn prometheus_reads_every_line() {
    let text = with(&statistic(), exposition);
    let line = regex::Regex::new(
        r#"^(# (HELP|TYPE) \w+ .+|roboppi_\w+(\{\w+="([^"\\]|\\.)*"(,\w+="([^"\\]|\\.)*")*\})? \d+(\.\d+)?)$"#,
    )
    .unwrap();
    for found in text.lines() {
        assert!(line.is_match(found), "{found}");
    }
    let mut series: Vec<_> =
        text.lines().filter_map(|line| line.rsplit_once(' ')).map(|(name, _)| name).collect();
    let all = series.len();
    series.sort_unstable();
    series.dedup();
    assert_eq!(series.len(), all, "a series comes once");
    for expected in [
        r#"roboppi_runs{workflow="flow",outcome="cancelled"} 1"#,
        r#"roboppi_tool_calls{tool="write-file",outcome="failed"} 5"#,
        r#"roboppi_tool_call_duration_seconds{tool="write-file",outcome="succeeded",quantile="0.5"} 0.045"#,
        r#"roboppi_tool_call_duration_seconds_sum{tool="write-file",outcome="succeeded"} 4.275"#,
        "roboppi_stats_unreadable_runs 1",
    ] {
        assert!(text.lines().any(|line| line == expected), "{expected}\n{text}");
    }
    assert!(!text.contains('\x1b') && !text.contains('\u{202e}'));
}

#[test]
fn tables_have_columns_for_what_there_is() {
    let text = with(&statistic(), |subject| super::text(subject, TextStyle::default()));
    let row = |start: &str| {
        let found = text.lines().find(|line| line.starts_with(start));
        found
            .unwrap_or_else(|| panic!("no {start} in\n{text}"))
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(
        row("WORKFLOW"),
        "WORKFLOW COUNT SUCCEEDED FAILED CANCELLED LOST RUNNING RATE TOTAL MEAN P50 P95 PER HOUR"
    );
    assert_eq!(row("flow  "), "flow 5 1 1 1 1 1 50.0% 180ms 90ms 90ms 90ms 2.0");
    assert_eq!(row("write-file"), "write-file 105 95 5 5 95.0% 4.7s 45ms 45ms 45ms 100.0");
    assert!(text.starts_with("5 runs, the first one 60m ago, 1 running\n"), "{text}");
    assert!(
        text.contains("warning: run-9: it is damaged") && text.contains("1 run is not counted"),
        "{text}"
    );
    assert!(!text.contains('\x1b') && !text.contains("##[") && !text.contains('\u{202e}'), "{text}");
    let style = TextStyle { colour: true, height: Some(5) };
    let short = with(&statistic(), |subject| super::text(subject, style));
    assert_eq!((short.lines().count(), short.contains("\x1b[2m")), (4, true));
    assert!(redrawn(&short).ends_with("\x1b[J") && !redrawn("a\n").contains("\x1b[2J"));
    let none = with(&Statistic::default(), |subject| super::text(subject, TextStyle::default()));
    assert_eq!(none, "0 runs\n");
}
