//! A secret never changes what an event says happened: whatever of an event is structure (keys, kinds, words of
//! enumerations, ids, names, paths of the record) stays as it is, whichever value is a secret. And what is free text is
//! hidden.
//!
//! There is one sample of each kind, with every field; a kind without one does not pass `kinds_are_complete`.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use roboppi_ipc::{CoreEvent, FreeText, WorkerEvent, WorkerResult};
use roboppi_redact::{SHORTEST, Secrets};
use roboppi_run::{AttemptPhase, RunEvent};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Every free text of a sample begins like this, and nothing else does.
const FREE: &str = "free text ";

/// A number that is long enough to be a secret.
const N: u64 = 12_345_678;

fn attempt() -> Value {
    json!({"step": "run-postgres", "iteration": N, "role": "cleanup", "attempt": N})
}

fn process() -> Value {
    json!({"pid": N, "startTime": N})
}

fn usage() -> Value {
    json!({
        "inputTokens": N,
        "outputTokens": N,
        "cacheReadTokens": N,
        "cacheWriteTokens": N,
        "costUsd": 1234.56789,
        "turns": N,
    })
}

fn result() -> Value {
    json!({
        "status": "SUCCEEDED",
        "artifacts": [{"type": "file_change", "ref": "free text 1", "content": "free text 2"}],
        "observations": [{"summary": "free text 3", "command": "free text 4", "filesChanged": ["free text 5"]}],
        "cost": {"wallTimeMs": N, "estimatedTokens": N, "instructionBytes": N},
        "durationMs": N,
        "exitCode": N,
        "errorClass": "RETRYABLE_RATE_LIMIT",
        "details": {
            "cancelReason": "timeout",
            "signal": 15,
            "killed": true,
            "error": "free text 6",
            "leaked": [{"process": process(), "command": "free text 7"}],
            "logBytes": N,
            "eventsBytes": N,
            "lastSeq": N,
            "answer": "free text 8",
            "sessionId": "session-postgres",
            "model": "model-postgres",
            "turns": N,
            "usage": usage(),
            "denials": ["free text 9"],
            "errorKind": "kind-postgres",
            "waitedFor": "free text 10",
            "notes": ["free text 11"],
        },
    })
}

fn fingerprint() -> Value {
    json!({
        "definition": "0123456789abcdef",
        "inputs": [{"from": "database", "artifact": "artifact-in", "sha256": "123456789abcdef0"}],
        "upstream": [{"step": "database", "sha256": "23456789abcdef01"}],
    })
}

fn plan() -> Value {
    json!({
        "step": "run-postgres",
        "worker": "CLAUDE_CODE",
        "dependsOn": ["database"],
        "description": "free text 1",
        "timeoutMs": N,
        "maxAttempts": N,
        "maxIterations": N,
        "role": "check",
    })
}

fn run_started() -> Value {
    let kept = json!({
        "step": "database",
        "run": "0192aaaa-bbbb",
        "attempt": attempt(),
        "fingerprint": fingerprint(),
        "artifacts": [{"name": "artifact-out", "path": "/workspace/context/a", "sha256": "fedcba9876543210"}],
    });
    json!({
        "type": "run_started",
        "runId": "0194aaaa-bbbb",
        "name": "workflow-postgres",
        "workflow": "/workspace/flow.yaml",
        "workspace": "/workspace",
        "contextDir": "/workspace/context",
        "mode": "supervised",
        "timeoutMs": N,
        "concurrency": N,
        "streamStdio": true,
        "steps": [plan()],
        "resumes": {"run": "0193aaaa-bbbb", "kept": [kept]},
    })
}

fn run_events() -> Vec<Value> {
    let (of, free) = (attempt(), "free text 1");
    let phases = [
        json!({"name": "waiting_permit", "detail": free}),
        json!({"name": "running", "process": process()}),
        json!({"name": "terminating", "reason": "timeout", "limitMs": N}),
        json!({"name": "killing", "reason": "budget"}),
        json!({"name": "draining", "limitMs": N}),
    ];
    let commands = [
        json!({"type": "cancel_run", "force": true}),
        json!({"type": "cancel_step", "step": "run-postgres"}),
        json!({"type": "retry_step", "step": "run-postgres"}),
        json!({"type": "skip_step", "step": "run-postgres"}),
        json!({"type": "hang_up"}),
        json!({"type": "leave_now"}),
    ];
    let mut events = vec![
        run_started(),
        json!({"type": "core_started", "incarnation": N, "process": process(), "protocol": 2, "version": "version-1.2.3"}),
        json!({"type": "core_lost", "incarnation": N, "detail": free}),
        json!({"type": "step_changed", "step": "run-postgres", "state": "succeeded", "detail": free, "durationMs": N, "allowedToFail": true}),
        json!({"type": "plan_extended", "nodes": [plan()]}),
        json!({"type": "iteration_started", "step": "run-postgres", "iteration": N, "maxIterations": N, "detail": free}),
        json!({"type": "attempt_started", "of": of, "jobId": "job-postgres", "base": "steps/run-postgres/i1-a1", "fingerprint": fingerprint()}),
        json!({"type": "attempt_finished", "of": of, "result": result(), "lastSeq": N, "logBytes": N, "eventsBytes": N}),
        json!({"type": "artifact_collected", "step": "run-postgres", "name": "artifact-out", "path": "/workspace/context/x/artifact-out", "sha256": "fedcba9876543210"}),
        json!({"type": "values_set", "step": "run-postgres", "values": {"version": free}}),
        json!({"type": "run_ending", "reason": "parent", "force": true}),
        json!({"type": "run_finished", "outcome": "timed_out", "exitCode": 124, "durationMs": N, "detail": free}),
        json!({"type": "warning", "message": free, "step": "run-postgres"}),
        json!({"type": "unknown", "raw": free}),
    ];
    events.extend(phases.map(|phase| json!({"type": "attempt_phase", "of": of, "phase": phase})));
    events.extend(
        commands
            .map(|command| json!({"type": "command", "command": command, "by": process(), "refused": free})),
    );
    events.extend(core_events().into_iter().map(|event| json!({"type": "core_report", "event": event})));
    events
}

fn core_events() -> Vec<Value> {
    let unknown = r#"{"kind":"kind-postgres","message":"free text 1","type":"core_sleeps"}"#;
    let leaked = json!({"process": process(), "command": "free text 1"});
    let mut events = vec![
        json!({"type": "worker_started", "jobId": "job-postgres", "process": process()}),
        json!({"type": "leaked", "jobId": "job-postgres", "leaked": leaked}),
        json!({"type": "permits", "active": N, "limit": N}),
        json!({"type": "warning", "message": "free text 1"}),
        json!({"type": "unknown", "raw": "free text 1"}),
        json!({"type": "unknown", "raw": unknown}),
    ];
    events.extend(["terminating", "killing", "draining"].map(
        |phase| json!({"type": "worker_ending", "jobId": "job-postgres", "phase": phase, "reason": "lost", "limitMs": N}),
    ));
    events
}

fn worker_events() -> Vec<Value> {
    let output =
        |kind: &str| json!({"type": kind, "data": "free text 1", "offset": N, "len": N, "partial": true});
    let text = |kind: &str| json!({"type": kind, "id": "part-postgres", "text": "free text 1", "parent": "tool-parent", "blob": "blob-postgres"});
    let delta = |kind: &str| json!({"type": kind, "id": "part-postgres", "delta": "free text 1", "parent": "tool-parent", "restart": true});
    let changed = |action: &str| json!({"type": "file_changed", "path": "free text 1", "action": action, "by": "tool-postgres"});
    let waiting = |cause: &str| json!({"type": "waiting", "why": "free text 1", "cause": cause, "delayMs": N, "until": N});
    let items = json!([
        {"text": "free text 1", "status": "pending"},
        {"text": "free text 2", "status": "in_progress"},
        {"text": "free text 3", "status": "completed"},
    ]);
    let input = json!({"file_path": "free text 1", "command": ["free text 2"]});
    let unknown = r#"{"subtype":"kind-postgres","text":"free text 1","type":"item.completed"}"#;
    let mut used = usage();
    used["type"] = "usage".into();
    vec![
        output("stdout"),
        output("stderr"),
        json!({"type": "progress", "message": "free text 1", "percent": 12.345_678_9, "phase": "free text 2", "basis": "free text 3"}),
        json!({"type": "patch", "filePath": "free text 1", "diff": "free text 2"}),
        text("text"),
        text("thinking"),
        delta("text_delta"),
        delta("thinking_delta"),
        json!({"type": "plan", "items": items}),
        json!({"type": "resources", "cpuMs": N, "cpuPercent": 98, "memoryBytes": N, "peakMemoryBytes": N}),
        json!({"type": "tool_call", "id": "tool-postgres", "name": "mcp__postgres__query", "input": input, "blob": "blob-postgres", "parent": "tool-parent"}),
        json!({"type": "tool_result", "id": "tool-postgres", "ok": true, "preview": "free text 1", "bytes": N, "blob": "blob-postgres", "durationMs": N}),
        changed("created"),
        changed("modified"),
        changed("deleted"),
        used,
        json!({"type": "session", "id": "session-postgres", "model": "model-postgres", "version": "version-1.2.3"}),
        waiting("retry"),
        waiting("rate_limit"),
        waiting("permission"),
        waiting("other"),
        json!({"type": "gap", "fromSeq": N, "toSeq": N, "fromOffset": N, "toOffset": N, "events": N, "bytes": N}),
        json!({"type": "log_grew", "offset": N, "len": N, "stdout": true, "stderr": true}),
        json!({"type": "unknown", "raw": "free text 1"}),
        json!({"type": "unknown", "raw": unknown}),
    ]
}

/// What a value holds: its keys, and its texts and numbers as they are written.
fn words(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::Null | Value::Bool(_) => {}
        Value::Number(number) => {
            into.insert(number.to_string());
        }
        Value::String(text) => {
            // What is not known is JSON within JSON, sometimes.
            match serde_json::from_str(text) {
                Ok(inner @ Value::Object(_)) => words(&inner, into),
                _ => drop(into.insert(text.clone())),
            }
        }
        Value::Array(items) => items.iter().for_each(|item| words(item, into)),
        Value::Object(fields) => {
            into.extend(fields.keys().cloned());
            fields.values().for_each(|field| words(field, into));
        }
    }
}

/// The event as it is recorded with these secrets.
fn recorded<T: FreeText + Clone>(event: &T, secrets: &Secrets) -> T {
    let mut event = event.clone();
    event.visit_text(&mut |text| secrets.redact(text));
    event
}

fn check<T: FreeText + Clone + PartialEq + Debug + Serialize + DeserializeOwned>(sample: &Value) {
    let event: T = serde_json::from_value(sample.clone()).unwrap_or_else(|error| panic!("{error}: {sample}"));
    let json = serde_json::to_value(&event).unwrap();
    assert_eq!(&json, sample, "a field is missing in the sample, or is not read");

    let mut all = BTreeSet::new();
    words(&json, &mut all);
    let (free, structure): (Vec<_>, Vec<_>) = all.into_iter().partition(|word| word.starts_with(FREE));
    let mut values: BTreeSet<String> = structure.into_iter().filter(|word| word.len() >= SHORTEST).collect();
    // Every stretch of the line as well, quotes and braces included, that is in none of the free texts.
    let line: Vec<char> = json.to_string().chars().collect();
    for length in [SHORTEST, 13, 29] {
        let stretches = line.windows(length).map(|stretch| stretch.iter().collect::<String>());
        values.extend(stretches.filter(|stretch| !free.iter().any(|text| text.contains(stretch.as_str()))));
    }
    for value in &values {
        let secrets = Secrets::new([("S", value)]);
        assert_eq!(recorded(&event, &secrets), event, "`{value}` is a secret");
    }
    let secrets = Secrets::new(values.iter().map(|value| ("S", value)));
    assert_eq!(recorded(&event, &secrets), event, "all of it is secret");

    // What is free is hidden, and what is left can be read.
    let secrets = Secrets::new([("S", FREE.trim_end())]);
    let hidden = recorded(&event, &secrets);
    let line = serde_json::to_string(&hidden).unwrap();
    assert!(!line.contains(FREE.trim_end()), "{line}");
    assert_eq!(serde_json::from_str::<T>(&line).unwrap(), hidden);
    assert_eq!(free.is_empty(), hidden == event, "{line}");
}

#[test]
fn no_secret_changes_what_an_event_says() {
    run_events().iter().for_each(check::<RunEvent>);
    core_events().iter().for_each(check::<CoreEvent>);
    worker_events().iter().for_each(check::<WorkerEvent>);
    check::<WorkerResult>(&result());
}

fn kind_of_run_event(event: &RunEvent) -> usize {
    match event {
        RunEvent::RunStarted { .. } => 0,
        RunEvent::CoreStarted { .. } => 1,
        RunEvent::CoreLost { .. } => 2,
        RunEvent::CoreReport { .. } => 3,
        RunEvent::StepChanged { .. } => 4,
        RunEvent::AttemptStarted { .. } => 5,
        RunEvent::AttemptPhase { phase, .. } => match phase {
            AttemptPhase::WaitingPermit { .. } => 6,
            AttemptPhase::Running { .. } => 7,
            AttemptPhase::Terminating { .. } => 8,
            AttemptPhase::Killing { .. } => 9,
            AttemptPhase::Draining { .. } => 10,
            AttemptPhase::Unknown(_) => panic!("not written by this version"),
        },
        RunEvent::AttemptFinished { .. } => 11,
        RunEvent::ArtifactCollected { .. } => 12,
        RunEvent::Command { .. } => 13,
        RunEvent::RunEnding { .. } => 14,
        RunEvent::RunFinished { .. } => 15,
        RunEvent::Warning { .. } => 16,
        RunEvent::Unknown { .. } => 17,
        RunEvent::PlanExtended { .. } => 18,
        RunEvent::IterationStarted { .. } => 19,
        RunEvent::ValuesSet { .. } => 20,
    }
}

fn kind_of_core_event(event: &CoreEvent) -> usize {
    match event {
        CoreEvent::WorkerStarted { .. } => 0,
        CoreEvent::WorkerEnding { .. } => 1,
        CoreEvent::Leaked { .. } => 2,
        CoreEvent::Permits { .. } => 3,
        CoreEvent::Warning { .. } => 4,
        CoreEvent::Unknown { .. } => 5,
    }
}

fn kind_of_worker_event(event: &WorkerEvent) -> usize {
    match event {
        WorkerEvent::Stdout(_) => 0,
        WorkerEvent::Stderr(_) => 1,
        WorkerEvent::Progress(_) => 2,
        WorkerEvent::Patch(_) => 3,
        WorkerEvent::Text(_) => 4,
        WorkerEvent::TextDelta(_) => 5,
        WorkerEvent::Thinking(_) => 6,
        WorkerEvent::ThinkingDelta(_) => 7,
        WorkerEvent::Plan { .. } => 8,
        WorkerEvent::ToolCall(_) => 9,
        WorkerEvent::ToolResult(_) => 10,
        WorkerEvent::FileChanged { .. } => 11,
        WorkerEvent::Usage(_) => 12,
        WorkerEvent::Session(_) => 13,
        WorkerEvent::Waiting(_) => 14,
        WorkerEvent::Gap(_) => 15,
        WorkerEvent::Unknown { .. } => 16,
        WorkerEvent::LogGrew(_) => 17,
        WorkerEvent::Resources(_) => 18,
        WorkerEvent::WorkspaceChanges(_) => 19,
    }
}

fn kinds<T: DeserializeOwned>(samples: Vec<Value>, kind: fn(&T) -> usize) -> BTreeMap<usize, usize> {
    let mut counts = BTreeMap::new();
    for sample in samples {
        *counts.entry(kind(&serde_json::from_value(sample).unwrap())).or_default() += 1;
    }
    counts
}

/// A kind that is new has to be named above, and to be given a sample.
#[test]
fn kinds_are_complete() {
    assert!(kinds(run_events(), kind_of_run_event).into_keys().eq(0..21));
    assert!(kinds(core_events(), kind_of_core_event).into_keys().eq(0..6));
    assert!(kinds(worker_events(), kind_of_worker_event).into_keys().eq(0..19));
}
