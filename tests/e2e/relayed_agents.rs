//! Agents of a core of protocol 1, which relays what they print and translates nothing: the record, and with it every view,
//! has what a core of ours would have found in the same lines.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::env::{Invocation, Outcome, TestEnv};

macro_rules! recording {
    ($path:literal) => {
        include_str!(concat!("../../crates/worker-adapters/tests/transcripts/", $path, ".jsonl"))
    };
}

/// Sends the lines of the file `events` as those of the one job, and ends with `completed`.
const CORE: &str = r#"#!/usr/bin/env bash
field() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" <<< "$line"; }
if [ -f hello ]; then cat hello; fi
while IFS= read -r line; do
  case $line in
    *'"type":"heartbeat"'*) echo '{"type":"heartbeat_ack","timestamp":1790000000000}' ;;
    *'"type":"submit_job"'*)
      job=$(field jobId)
      printf '{"type":"ack","requestId":"%s","jobId":"%s"}\n' "$(field requestId)" "$job" ;;
    *'"type":"request_permit"'*)
      printf '{"type":"permit_granted","requestId":"%s","permit":{"permitId":"p","jobId":"%s","deadlineAt":4000000000000,"attemptIndex":0,"tokensGranted":{"concurrency":1,"rps":1},"circuitStateSnapshot":{}}}\n' "$(field requestId)" "$job"
      sed "s/THE-JOB/$job/" events completed ;;
  esac
done
"#;

/// What a core of protocol 1 makes of a line on standard output.
fn relayed(worker: &str, line: &str) -> Value {
    const LONGEST: usize = 16 * 1024;

    let cut = |text: &str| match text.len() {
        0..=LONGEST => text.to_owned(),
        _ => format!("{}...(truncated)", &text[..text.floor_char_boundary(LONGEST)]),
    };
    let json = serde_json::from_str::<Value>(line).ok();
    match json.as_ref().filter(|_| worker == "CLAUDE_CODE") {
        Some(line) if line["type"] == "assistant" => {
            json!({"type": "progress", "message": cut(&line["message"].to_string())})
        }
        _ => json!({"type": "stdout", "data": cut(line)}),
    }
}

/// A run whose core relays.
struct Relay<'a> {
    worker: &'a str,
    events: Vec<(u64, Value)>,
    completed: Value,
}

impl<'a> Relay<'a> {
    fn of(worker: &'a str, output: &str) -> Self {
        let lines = output.lines().filter(|line| !line.trim().is_empty());
        let events = (0..).zip(lines.map(|line| relayed(worker, line))).collect();
        Self { worker, events, completed: json!({}) }.ending(0)
    }

    /// As the core reports an exit code: no more than that.
    fn ending(mut self, code: i32) -> Self {
        let (outcome, status) = if code == 0 { ("succeeded", "SUCCEEDED") } else { ("failed", "FAILED") };
        let mut result = json!({"status": status, "artifacts": [], "observations": [], "cost": {"wallTimeMs": 7},
            "durationMs": 7, "exitCode": code});
        self.completed = json!({"type": "job_completed", "jobId": "THE-JOB", "outcome": outcome});
        if code != 0 {
            result["errorClass"] = json!("NON_RETRYABLE");
            self.completed["errorClass"] = json!("NON_RETRYABLE");
        }
        self.completed["result"] = result;
        self
    }

    /// Puts events in place of one of them, as numbers and contents.
    fn with(mut self, change: impl FnOnce(&mut Vec<(u64, Value)>)) -> Self {
        change(&mut self.events);
        self
    }

    fn start<'e>(&self, env: &'e TestEnv, more: &[&str]) -> Invocation<'e> {
        let mut events = String::new();
        for (seq, event) in &self.events {
            let message = json!({"type": "job_event", "jobId": "THE-JOB", "ts": 1_790_000_000_000_u64, "seq": seq, "event": event});
            let _ = writeln!(events, "{message}");
        }
        env.write("events", &events);
        env.write("completed", &format!("{}\n", self.completed));
        if self.worker == "GEMINI" {
            // Only one that names them has such workers.
            let facts = json!([{"kind": "GEMINI", "agent": true}]);
            let hello = json!({"type": "hello", "protocol": {"min": 1, "max": 1}, "software": "theirs", "version": "1",
                "capabilities": [], "workers": facts});
            env.write("hello", &format!("{hello}\n"));
        }
        let core = env.write_program("relaying-core", CORE);
        env.write("flow.yaml", &flow(self.worker));
        env.roboppi(["workflow", "run", "flow.yaml", "--no-tui", "--core"]).arg(core).args(more)
    }

    fn run(&self, env: &TestEnv, more: &[&str]) -> Outcome {
        self.start(env, more).output()
    }
}

fn flow(worker: &str) -> String {
    format!(
        "name: agents\nversion: \"1\"\ntimeout: 5m\nsteps:\n  fix:\n    worker: {worker}\n    capabilities: [READ, EDIT]\n    \
         instructions: Fix it.\n"
    )
}

/// The run of the same step by our own core, whose agent prints the same.
fn by_our_own(worker: &str, program: &str, output: &str) -> TestEnv {
    let env = TestEnv::new();
    env.write("output", output);
    let path = env.path(&format!("bin/{program}"));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, "#!/bin/sh\ncat > /dev/null\ncat output\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    env.write("flow.yaml", &flow(worker));
    let dirs = [env.path("bin"), "/usr/local/bin".into(), "/usr/bin".into(), "/bin".into()];
    let run = env.roboppi(["workflow", "run", "flow.yaml", "--no-tui"]);
    let _ = run.env("PATH", std::env::join_paths(dirs).unwrap()).output();
    env
}

/// What the agent did, without the times of this machine.
fn did(env: &TestEnv) -> Vec<Value> {
    let records = env.the_run().attempt_events("fix", 1).into_iter();
    let mut events: Vec<Value> = records.map(|mut record| record["event"].take()).collect();
    // A core that only relays does not compare files.
    events.retain(|event| event["type"] != "workspace_changes" && event["seen"] != true);
    for event in &mut events {
        if let Some(fields) = event.as_object_mut() {
            fields.remove("duration_ms");
            fields.remove("durationMs");
        }
    }
    events
}

fn result(env: &TestEnv) -> Value {
    env.the_run().events("attempt_finished").pop().unwrap()["result"].take()
}

const WRITE_EDIT: [(&str, &str, &str); 4] = [
    ("CLAUDE_CODE", "claude", recording!("claude/write_edit")),
    ("CODEX_CLI", "codex", recording!("codex/write_edit")),
    ("OPENCODE", "opencode", recording!("opencode/write_edit")),
    ("GEMINI", "gemini", recording!("gemini/write_edit")),
];

#[test]
fn the_record_has_what_a_core_of_ours_would_have_found() {
    for (worker, program, output) in WRITE_EDIT {
        let env = TestEnv::new();
        let text = Relay::of(worker, output).run(&env, &[]).code(0).text();
        let own = by_our_own(worker, program, output);
        let (relayed, ours) = (did(&env), did(&own));
        assert!(ours.len() > 5, "{worker}: {ours:?}");
        assert_eq!(relayed, ours, "{worker}");
        let (relayed, ours) = (result(&env), result(&own));
        for field in ["answer", "sessionId", "model", "turns", "usage", "notes"] {
            assert_eq!(relayed["details"][field], ours["details"][field], "{worker} {field}");
        }
        for field in ["status", "artifacts", "exitCode"] {
            assert_eq!(relayed[field], ours[field], "{worker} {field}");
        }
        assert_eq!(relayed["cost"]["estimatedTokens"], ours["cost"]["estimatedTokens"], "{worker}");
        // Every view has it from there.
        assert!(text.contains("hello.txt") && !text.contains("\"type\""), "{worker}: {text}");
        let answer = ours["details"]["answer"].as_str().unwrap().lines().next().unwrap().to_owned();
        for command in [&["show"][..], &["attach", "--no-tui"], &["replay", "--speed", "max", "--no-tui"]] {
            let shown = env.roboppi(command).output().code(0).all();
            assert!(shown.contains(&answer), "{worker} {command:?}: {shown}");
        }
        let logs = env.roboppi(["logs", "-1", "fix"]).output().code(0).text();
        assert!(logs.contains("\"type\""), "the log has the lines: {logs}");
    }
}

#[test]
fn a_failure_that_only_the_agent_reports_is_one() {
    for (worker, output, code, class, kind) in [
        // The core looks at the exit code alone.
        ("CLAUDE_CODE", recording!("claude/err_429"), 0, "RETRYABLE_RATE_LIMIT", "rate_limit_error"),
        ("CODEX_CLI", recording!("codex/usage_limit"), 1, "RETRYABLE_RATE_LIMIT", "usage_limit"),
        ("OPENCODE", recording!("opencode/err_400"), 0, "NON_RETRYABLE", "APIError"),
    ] {
        let env = TestEnv::new();
        // Whether its limit is over already depends on the time of day.
        let ended = Relay::of(worker, output).ending(code).run(&env, &[]);
        assert!([1, 75].contains(&ended.exit_code()), "{ended}");
        let result = result(&env);
        assert_eq!(result["status"], "FAILED", "{worker}");
        assert_eq!(
            (&result["errorClass"], &result["details"]["errorKind"]),
            (&class.into(), &kind.into()),
            "{result}"
        );
        assert!(result["details"]["error"].as_str().is_some_and(|error| !error.is_empty()), "{result}");
    }
}

#[test]
fn lines_that_did_not_come_are_no_failure_and_are_counted() {
    let output = recording!("claude/write_edit");
    // Neither the end nor anything else of it.
    let nothing = Relay::of("CLAUDE_CODE", "");
    let without_end = Relay::of("CLAUDE_CODE", output).with(|events| {
        events.pop();
    });
    let note = json!({"type": "progress", "message": "(logs truncated)"});
    let dropped = Relay::of("CLAUDE_CODE", output).with(|events| {
        events.truncate(4);
        events.push((4, note.clone()));
    });
    let jumped = Relay::of("CLAUDE_CODE", output).with(|events| {
        events.remove(1);
    });
    for (relay, gaps) in [(nothing, 0), (without_end, 0), (dropped, 1), (jumped, 1)] {
        let env = TestEnv::new();
        let _ = relay.run(&env, &[]).code(0);
        assert_eq!(result(&env)["status"], "SUCCEEDED");
        let shown = env.roboppi(["events", "--workers", "--kind", "gap", "--json"]).output().code(0).text();
        assert_eq!(shown.matches("\"atLeast\":true").count(), gaps, "{shown}");
        let warned = env.the_run().events("warning");
        let warned = warned.iter().filter(|warning| warning.to_string().contains("left out a part"));
        assert_eq!(warned.count(), gaps);
    }
    // A failure that a later line, which did not come, may have taken back.
    let env = TestEnv::new();
    let relay = Relay::of("CLAUDE_CODE", recording!("claude/err_429")).with(|events| {
        let next = events.len() as u64;
        events.push((next, note.clone()));
    });
    let _ = relay.run(&env, &[]).code(0);
    assert_eq!(result(&env)["details"]["errorKind"], Value::Null);
}

#[test]
fn what_is_not_a_line_of_the_agent_changes_nothing_around_it() {
    let output = recording!("codex/write_edit");
    let whole: Vec<&str> = output.lines().collect();
    let middle = whole.len() / 2;
    let mut lines: Vec<String> = whole.iter().map(|line| (*line).to_owned()).collect();
    // Half of a line, no JSON, a line of a megabyte, and lines after the end.
    let huge = json!({"type": "item.completed", "item": {"id": "item_99", "type": "agent_message", "text": "y".repeat(1 << 20)}});
    lines.insert(middle, whole[middle][..whole[middle].len() / 2].to_owned());
    lines.insert(middle, "npm warn: no JSON, \u{1b}[31mred\u{1b}[0m ::error:: all the same".to_owned());
    lines.insert(middle, huge.to_string());
    let env = TestEnv::new();
    let mut relay = Relay::of("CODEX_CLI", &lines.join("\n"));
    let late = json!({"type": "job_event", "jobId": "THE-JOB", "ts": 1, "seq": 900,
        "event": {"type": "stdout", "data": "{\"type\":\"turn.failed\",\"error\":{\"message\":\"late\"}}"}});
    let text = relay.run(&env, &["--stream"]).code(0).text();
    let plain = TestEnv::new();
    let _ = Relay::of("CODEX_CLI", output).run(&plain, &[]).code(0);
    let (mut disturbed, undisturbed) = (did(&env), did(&plain));
    let unknown = disturbed.iter().filter(|event| event["type"] == "unknown").count();
    disturbed.retain(|event| event["type"] != "unknown");
    assert_eq!((disturbed, unknown), (undisturbed, 2), "the cut one is no event");
    assert!(!text.contains('\u{1b}'), "{text:?}");
    let notes = result(&env)["details"]["notes"].to_string();
    assert!(notes.contains("2 of its lines were not understood"), "{notes}");
    assert!(notes.contains("1 of its lines was too long to be read"), "{notes}");

    // What a core sends of a job that is over is not of it.
    let env = TestEnv::new();
    relay = Relay::of("CODEX_CLI", output);
    let invocation = relay.start(&env, &[]);
    let completed = env.read("completed");
    env.write("completed", &format!("{completed}{late}\n{completed}"));
    let _ = invocation.output().code(0);
    assert_eq!(result(&env)["status"], "SUCCEEDED");
    assert_eq!(env.the_run().events("attempt_finished").len(), 1);
    env.wait_until_nothing_is_left();
}

#[test]
fn a_line_of_a_megabyte_that_came_whole_is_read() {
    let env = TestEnv::new();
    let text = "y".repeat(1 << 20);
    let item =
        json!({"type": "item.completed", "item": {"id": "item_99", "type": "agent_message", "text": text}});
    let relay = Relay::of("CODEX_CLI", recording!("codex/text")).with(|events| {
        let end = events.len() - 1;
        events.insert(end, (0, json!({"type": "stdout", "data": item.to_string()})));
        for (seq, event) in events.iter_mut().enumerate() {
            event.0 = seq as u64;
        }
    });
    let _ = relay.run(&env, &[]).code(0);
    let events = did(&env);
    let long =
        events.iter().find(|event| event["blob"].is_string()).expect("the text is a file of the record");
    assert_eq!(long["text"].as_str().map(str::len), Some(16 * 1024));
    assert_eq!(result(&env)["details"]["answer"].as_str().map(str::len), Some(1 << 20));
}

#[test]
fn a_secret_in_the_lines_is_in_no_view() {
    let env = TestEnv::new();
    let output = recording!("claude/write_edit").replace("second line", "correct-horse-battery");
    let text = Relay::of("CLAUDE_CODE", &output)
        .start(&env, &["--stream"])
        .env("API_KEY", "correct-horse-battery")
        .output()
        .code(0)
        .all();
    assert!(!text.contains("correct-horse"), "{text}");
    for event in did(&env) {
        assert!(!event.to_string().contains("correct-horse"), "{event}");
    }
    let found = env.roboppi(["logs", "-1", "fix"]).output().code(0).text();
    assert!(found.contains("***") && !found.contains("correct-horse"), "{found}");
}
