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
    assert_eq!(names, ["RUN demo", "a", "attempt 1", "attempt 2", "wait", "execute_tool Bash"]);
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
fn an_agent_with_many_tool_calls_takes_no_place_from_a_step() {
    let mut run = LiveRun::new();
    run.event(run_started(&[("a", 1), ("b", 1)]));
    let (first, second) = (attempt("a", 1), attempt("b", 1));
    run.start(&first);
    for number in 0..10 {
        let id = format!("c{number}");
        run.does(&first, WorkerEvent::ToolCall(ToolCall::new(&id, "Bash", serde_json::json!({}))));
        run.does(&first, WorkerEvent::ToolResult(ToolResult::new(&id, true, "")));
    }
    run.event(attempt_finished(&first, 0, None, 0));
    run.start(&second);
    let source = run.source();
    let view = source.follow().view;
    let timeline = timeline(source.record(), &view);
    let ids = TraceIds::new(&view.head.as_ref().unwrap().run_id, None);
    let names = |most: usize| {
        let (spans, left_out) = span::spans(&ids, &view, &timeline, Liveness::Lost, most);
        (spans.into_iter().map(|span| span.name).collect::<Vec<_>>(), left_out)
    };
    let structure = ["RUN demo", "a", "b", "attempt 1", "attempt 1"];
    let (all, none) = names(100);
    assert_eq!((all[..5].iter().map(String::as_str).collect::<Vec<_>>(), none), (structure.to_vec(), 0));
    let (some, left_out) = names(7);
    assert_eq!((&some[..], left_out), (&all[..7], all.len() - 7));
    let (few, left_out) = names(2);
    assert_eq!((&few[..], left_out), (&all[..2], all.len() - 2));
}

#[test]
fn texts_are_masked_before_they_are_cut_and_numbers_have_a_sign() {
    let mut run = LiveRun::new();
    run.event(run_started(&[("a", 1)]));
    run.start(&attempt("a", 1));
    let source = run.source();
    let view = source.follow().view;
    let mut resource = Attributes::default();
    resource.text("long", &format!("{}SECRET", "x".repeat(997)));
    resource.number("most", u64::MAX);
    let spans = Spans::of(source.record(), &view, Liveness::Lost, resource);
    let spans = spans.masked(&|text| text.replace("SECRET", "***").replace("demo", "***"));
    let (_, request) = spans.requests().next().unwrap();
    let text = request.to_string();
    assert!(text.contains("x***\"") && text.contains("RUN ***") && !text.contains("SEC"), "{text}");
    assert!(text.contains(&format!("\"intValue\":\"{}\"", i64::MAX)), "{text}");
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
