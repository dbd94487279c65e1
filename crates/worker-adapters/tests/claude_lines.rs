//! Lines of Claude Code that no recording has: streams that are cut and begun anew, to-do lists, versions that count
//! differently, texts cut within a character, and lines of many megabytes.

use std::time::Duration;

use roboppi_ipc::{
    JobOptions, Mono, OutputStream, PlanStatus, TaskBudget, UtcMillis, WorkerEvent, WorkerKind, WorkerResult,
    WorkerStatus, WorkerTask,
};
use roboppi_worker_adapters::{
    ClaudeAdapter, ExitKind, SessionEffect, Translation, WorkerAdapter, WorkerEnd,
};
use serde_json::json;

const DONE: &str = r#"{"type":"result","subtype":"success","is_error":false,"result":"done"}"#;

fn task(resume: Option<&str>) -> WorkerTask {
    WorkerTask::new("t", WorkerKind::CLAUDE_CODE, "/ws", "fix the tests", TaskBudget::new(UtcMillis(0)))
        .with_roboppi(Some(JobOptions::default().with_resume(resume.map(str::to_owned))))
}

/// Events and result of a run that prints these lines and exits with 0.
fn run(resume: Option<&str>, lines: &[String]) -> (Vec<WorkerEvent>, WorkerResult) {
    let task = task(resume);
    let spec = ClaudeAdapter.plan(&task).expect("a command");
    let mut translation = Translation::new(ClaudeAdapter.session(&task), &spec);
    let mut out = Vec::new();
    translation.started(Mono::ZERO, &mut out);
    for line in lines {
        translation.output(Mono::ZERO, OutputStream::Stdout, format!("{line}\n").as_bytes(), &mut out);
    }
    let end = |output| WorkerEnd::new(ExitKind::Code(0), output, Duration::from_secs(1));
    translation.exit(Mono::ZERO, end, &mut out);
    let mut events = Vec::new();
    let mut result = None;
    for effect in out {
        match effect {
            SessionEffect::Event(event) => events.push(event),
            SessionEffect::Result(said) => result = Some(said),
            _ => {}
        }
    }
    (events, result.expect("a result"))
}

fn stream(event: &serde_json::Value) -> String {
    json!({"type": "stream_event", "event": event, "parent_tool_use_id": null}).to_string()
}

/// The beginning of a message with a text, and a piece of it.
fn begun(message: &str, piece: &str) -> [String; 3] {
    [
        stream(&json!({"type": "message_start", "message": {"id": message}})),
        stream(&json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text"}})),
        stream(
            &json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}),
        ),
    ]
}

fn whole(message: &str, text: &str) -> String {
    let content = json!([{"type": "text", "text": text}]);
    json!({"type": "assistant", "message": {"id": message, "content": content}}).to_string()
}

#[test]
fn pieces_of_an_abandoned_text_are_void() {
    let retry = json!({"type": "system", "subtype": "api_retry", "attempt": 1, "max_retries": 10,
        "retry_delay_ms": 500.7, "error_status": null, "error": "unknown"});
    let stop = stream(&json!({"type": "message_stop", "abandoned_blocks": [0]}));
    for between in [vec![stop], vec![retry.to_string()], vec![]] {
        let lines: Vec<String> = begun("m1", "Hel")
            .into_iter()
            .chain(between)
            .chain(begun("m2", "Hello"))
            .chain([whole("m2", "Hello."), DONE.to_owned()])
            .collect();
        let (events, result) = run(None, &lines);
        let texts: Vec<_> = events
            .iter()
            .filter_map(|event| match event {
                WorkerEvent::TextDelta(piece) => Some((piece.id.clone(), piece.delta.clone(), piece.restart)),
                WorkerEvent::Text(text) => Some((text.id.clone(), text.text.clone(), false)),
                _ => None,
            })
            .collect();
        let id = |id: &str| Some(id.to_owned());
        let expected = [
            (id("m1/0"), "Hel".to_owned(), false),
            (id("m1/0"), String::new(), true),
            (id("m2/0"), "Hello".to_owned(), false),
            (id("m2/0"), "Hello.".to_owned(), false),
        ];
        assert_eq!(texts, expected);
        assert_eq!(result.status, WorkerStatus::Succeeded);
    }
}

#[test]
fn a_to_do_list_written_at_once_is_a_plan() {
    let todos = json!([
        {"content": "read", "status": "completed"},
        {"content": "write", "status": "in_progress"},
        {"content": "test", "status": "pending"},
    ]);
    let call = |id: &str, parent: Option<&str>| {
        let block = json!({"type": "tool_use", "id": id, "name": "TodoWrite", "input": {"todos": todos}});
        json!({"type": "assistant", "message": {"id": id, "content": [block]}, "parent_tool_use_id": parent})
            .to_string()
    };
    let (events, _) = run(None, &[call("a", None), call("b", None), call("c", Some("agent"))]);
    let plans: Vec<_> = events
        .into_iter()
        .filter_map(|event| match event {
            WorkerEvent::Plan { items } => {
                Some(items.into_iter().map(|item| (item.text, item.status)).collect::<Vec<_>>())
            }
            _ => None,
        })
        .collect();
    let expected = vec![
        ("read".to_owned(), PlanStatus::Completed),
        ("write".to_owned(), PlanStatus::InProgress),
        ("test".to_owned(), PlanStatus::Pending),
    ];
    assert_eq!(plans, [expected], "told once, and not that of a sub-agent");
}

/// Tokens read and money of a resumed session, as a version tells of them.
fn resumed(version: &str, since_last: bool) -> (u64, Option<f64>) {
    let model = |tokens: u64, cost: f64| json!({"m": {"inputTokens": tokens, "costUSD": cost}});
    let init =
        json!({"type": "system", "subtype": "init", "session_id": "s", "claude_code_version": version});
    let mut result = json!({"type": "result", "subtype": "success", "is_error": false,
        "usage": {"input_tokens": 200}, "total_cost_usd": 0.75, "modelUsage": model(300, 0.75)});
    if since_last {
        result["model_usage_since_last_result"] = model(200, 0.5);
    }
    let (_, result) = run(Some("s"), &[init.to_string(), result.to_string()]);
    let usage = result.details.and_then(|details| details.usage).expect("usage");
    (usage.input_tokens, usage.cost_usd)
}

#[test]
fn what_an_earlier_attempt_used_is_not_counted_again() {
    assert_eq!(resumed("2.1.329", true), (200, Some(0.5)), "it says what is new");
    assert_eq!(resumed("2.1.197", false), (300, Some(0.75)), "it begins at nothing");
    assert_eq!(resumed("2.1.250", false), (200, None), "what is old cannot be told apart");
}

#[test]
fn a_text_that_was_cut_within_a_character_is_read() {
    let line = r#"{"type":"assistant","message":{"id":"m","content":[{"type":"text","text":"cut \ud83d"}]}}"#;
    let (events, result) = run(None, &[line.to_owned(), DONE.to_owned()]);
    assert!(
        matches!(&events[..], [WorkerEvent::Text(text), ..] if text.text == "cut \u{fffd}"),
        "{events:?}"
    );
    assert_eq!(result.status, WorkerStatus::Succeeded);
}

#[test]
fn a_result_that_comes_twice_is_told_once() {
    let call = json!({"type": "assistant", "message": {"id": "m",
        "content": [{"type": "tool_use", "id": "c", "name": "Bash", "input": {"command": "ls"}}]}});
    let result = json!({"type": "user", "message": {"role": "user",
        "content": [{"type": "tool_result", "tool_use_id": "c", "content": "a"}]}});
    let lines = [&call, &call, &result, &result].map(ToString::to_string);
    let (events, _) = run(None, &lines);
    let tools = events.iter().map(|event| match event {
        WorkerEvent::ToolCall(_) => "call",
        WorkerEvent::ToolResult(_) => "result",
        _ => "other",
    });
    assert_eq!(tools.collect::<Vec<_>>(), ["call", "result"]);
}

#[test]
fn a_line_of_many_megabytes_is_read_and_a_longer_one_is_counted() {
    let text = "x".repeat(9 << 20);
    let (events, result) = run(None, &[whole("m", &text), DONE.to_owned()]);
    assert!(events.iter().any(|event| matches!(event, WorkerEvent::Text(whole) if whole.text == text)));
    assert_eq!(result.status, WorkerStatus::Succeeded);

    let (events, result) = run(None, &[whole("m", &"x".repeat(11 << 20)), DONE.to_owned()]);
    assert!(!events.iter().any(|event| matches!(event, WorkerEvent::Text(_))));
    let notes = &result.details.as_ref().unwrap().notes;
    assert_eq!(notes, &["1 of its lines was too long to be read; see the log"]);
}
