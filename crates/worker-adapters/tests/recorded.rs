//! What real agents printed, and what it is taken for.
//!
//! `tests/transcripts/AGENT/NAME.jsonl` is the standard output of one run against a scripted model, `NAME.stderr` its
//! standard error where that matters, and a line `NAME code N` or `NAME signal N` of the file `ends` how it ended, with
//! `after L` where its own end is line L and not the last one. Each
//! goes through the kit; the snapshot shows the events and the result.
#![expect(clippy::disallowed_methods, reason = "what was recorded is in files; the adapters read none")]

use std::fmt::Write;
use std::path::{Path, PathBuf};

use roboppi_ipc::{TaskBudget, UtcMillis, WorkerTask};
use roboppi_worker_adapters::conformance::{Outcome, Transcript, check};
use roboppi_worker_adapters::{
    ClaudeAdapter, CodexAdapter, ExitKind, GeminiAdapter, OpenCodeAdapter, WorkerAdapter,
};

fn task(adapter: &dyn WorkerAdapter) -> WorkerTask {
    WorkerTask::new("t", adapter.describe().kind, "/ws", "Please do the task.", TaskBudget::new(UtcMillis(0)))
        .with_model(Some("fake/fake-model".into()))
}

fn folder(agent: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts").join(agent)
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn transcripts(adapter: &dyn WorkerAdapter, agent: &str) -> Vec<(String, Transcript)> {
    let folder = folder(agent);
    let ends = String::from_utf8(read(&folder.join("ends"))).expect("names and numbers");
    let transcripts: Vec<_> = ends
        .lines()
        .map(|line| {
            let (line, end) =
                line.split_once(" after ").map_or((line, None), |(line, end)| (line, Some(end)));
            let (name, exit) = match line.split(' ').collect::<Vec<_>>().as_slice() {
                [name, "code", code] => (*name, ExitKind::Code(code.parse().expect("a number"))),
                [name, "signal", signal] => (*name, ExitKind::Signal(signal.parse().expect("a number"))),
                _ => panic!("{agent}/ends: {line}"),
            };
            let stdout = read(&folder.join(format!("{name}.jsonl")));
            let mut transcript = Transcript::new(task(adapter)).exit(exit);
            let stderr = folder.join(format!("{name}.stderr"));
            if stderr.exists() {
                transcript = transcript.stderr(&read(&stderr));
            }
            let transcript = transcript.stdout(&stdout);
            let transcript = match end {
                Some(lines) => transcript.complete_after(lines.parse().expect("a number")),
                None => transcript,
            };
            (name.to_owned(), transcript)
        })
        .collect();
    let recorded = std::fs::read_dir(&folder).expect("the folder").filter_map(Result::ok);
    let recorded = recorded.filter(|entry| entry.path().extension().is_some_and(|found| found == "jsonl"));
    assert_eq!(recorded.count(), transcripts.len(), "every transcript of {agent} has its end");
    transcripts
}

/// Events one a line, then the result, without what is the same for all.
fn shown(outcome: &Outcome) -> String {
    let mut text = String::new();
    for event in &outcome.events {
        let _ = writeln!(text, "{}", serde_json::to_string(event).expect("events are JSON"));
    }
    let mut result = serde_json::to_value(&outcome.result).expect("a result is JSON");
    if let Some(result) = result.as_object_mut() {
        result.remove("durationMs");
        result.remove("cost");
        for observation in result["observations"].as_array_mut().into_iter().flatten() {
            // Standard error is quoted; here the stack traces of Node would be all one sees.
            if let Some(text) = observation["summary"].as_str().filter(|text| text.starts_with("[stderr]")) {
                let first: Vec<_> = text.lines().take(3).collect();
                observation["summary"] = first.join("\n").into();
            }
        }
    }
    let _ = write!(text, "{}", serde_json::to_string_pretty(&result).expect("a result is JSON"));
    text
}

fn all_of(adapter: &dyn WorkerAdapter, agent: &str) {
    for (name, transcript) in transcripts(adapter, agent) {
        let outcome =
            check(adapter, &transcript).unwrap_or_else(|violation| panic!("{agent}/{name}: {violation}"));
        insta::assert_snapshot!(format!("{agent}__{name}"), shown(&outcome));
    }
}

#[test]
fn claude() {
    all_of(&ClaudeAdapter, "claude");
}

#[test]
fn codex() {
    all_of(&CodexAdapter, "codex");
}

#[test]
fn opencode() {
    all_of(&OpenCodeAdapter, "opencode");
}

#[test]
fn gemini() {
    all_of(&GeminiAdapter, "gemini");
}
