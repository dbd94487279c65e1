use roboppi_ipc::{ToolCall, ToolResult, WorkerEvent};
use roboppi_run::{AttemptPhase, RunEvent, RunOutcome, StepState};

use super::*;
use crate::fixtures::{
    LiveRun, attempt, attempt_finished, attempt_running, attempt_started, ended, run_finished, run_started,
};

fn spans(run: &LiveRun, liveness: Liveness) -> Spans {
    let source = run.source();
    let view = source.follow().view;
    Spans::of(source.record(), &view, liveness, Attributes::default())
}

#[test]
fn a_run_has_spans_for_steps_attempts_tools_and_waits() {
    let mut run = LiveRun::new();
    run.event(run_started(&[("a", 2), ("never", 1)]));
    let (first, second) = (attempt("a", 1), attempt("a", 2));
    run.event(attempt_started(&first));
    run.event(RunEvent::AttemptPhase {
        of: first.clone(),
        phase: AttemptPhase::WaitingPermit { detail: "busy".to_owned() },
    });
    run.event(attempt_running(&first));
    run.does(
        &first,
        WorkerEvent::ToolCall(ToolCall::new("c1", "Bash", serde_json::json!({"command": "ls"}))),
    );
    run.does(&first, WorkerEvent::ToolResult(ToolResult::new("c1", false, "no")));
    run.event(attempt_finished(&first, 3, None, 0));
    run.event(attempt_started(&second));
    run.event(attempt_running(&second));
    run.event(attempt_finished(&second, 0, None, 0));
    run.event(ended("a", StepState::Succeeded, "", 1_500));
    run.event(run_finished(RunOutcome::Succeeded, 65_000, ""));
    let spans = spans(&run, Liveness::Finished(RunOutcome::Succeeded));
    let mut out = Vec::new();
    spans.write(&mut out).unwrap();
    let request: Value = serde_json::from_slice(&out).unwrap();
    let found = request["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap();
    let id = |name: &str| found.iter().find(|span| span["name"] == name).unwrap()["spanId"].clone();
    let parent = |name: &str| found.iter().find(|span| span["name"] == name).unwrap()["parentSpanId"].clone();
    let names: Vec<_> = found.iter().map(|span| span["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["RUN demo", "a", "attempt 1", "wait", "execute_tool Bash", "attempt 2"]);
    assert_eq!(parent("RUN demo"), Value::Null);
    assert_eq!(
        [parent("a"), parent("attempt 1"), parent("wait"), parent("execute_tool Bash")],
        [id("RUN demo"), id("a"), id("attempt 1"), id("attempt 1")]
    );
    let status =
        |name: &str| found.iter().find(|span| span["name"] == name).unwrap()["status"]["code"].clone();
    assert_eq!([status("a"), status("attempt 1"), status("execute_tool Bash")], [1, 2, 2].map(Value::from));
    let of_step = &found[1]["attributes"];
    let flaky =
        of_step.as_array().unwrap().iter().find(|found| found["key"] == "roboppi.step.flaky").unwrap();
    assert_eq!(flaky["value"], serde_json::json!({"boolValue": true}));
}

#[test]
fn a_run_without_an_end_has_spans_up_to_the_last_moment_that_is_known() {
    let mut run = LiveRun::new();
    run.event(run_started(&[("a", 1)]));
    let first = attempt("a", 1);
    run.start(&first);
    let spans = spans(&run, Liveness::Lost);
    assert_eq!(spans.len(), 3);
    let (count, request) = spans.requests().next().unwrap();
    assert_eq!(count, 3);
    let found = request["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap();
    assert_eq!(found[1]["status"]["code"], 2);
    let nanos = |span: &Value, name: &str| span[name].as_str().unwrap().parse::<u64>().unwrap();
    assert!(found.iter().all(|span| nanos(span, "endTimeUnixNano") >= nanos(span, "startTimeUnixNano")));
}

#[test]
fn many_spans_are_sent_in_parts_and_more_are_counted() {
    let names: Vec<String> = (0..25_100).map(|number| format!("s{number}")).collect();
    let mut run = LiveRun::new();
    run.event(run_started(&names.iter().map(|name| (name.as_str(), 1)).collect::<Vec<_>>()));
    for name in &names {
        let of = attempt(name, 1);
        run.event(attempt_started(&of));
        run.event(attempt_finished(&of, 0, None, 0));
    }
    run.event(run_finished(RunOutcome::Succeeded, 65_000, ""));
    let spans = spans(&run, Liveness::Finished(RunOutcome::Succeeded));
    assert_eq!(spans.len(), MOST);
    assert_eq!(spans.requests().map(|(count, _)| count).sum::<usize>(), MOST);
    assert!(spans.requests().all(|(count, _)| count <= BATCH));
}
