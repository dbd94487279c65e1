//! Who may run: the bounds of a core on its command line, and what is shown when it puts its foot down.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::env::TestEnv;
use crate::flow::Flow;

/// Asks for permits all at once, in order, and gives the answers: `granted`, or why not.
fn asked(env: &TestEnv, flags: &[&str], jobs: &[Value]) -> Vec<String> {
    let ask = |(number, job): (usize, &Value)| {
        let ask =
            json!({"type": "request_permit", "requestId": number.to_string(), "job": job, "attemptIndex": 0});
        format!("{ask}\n")
    };
    let asks: String = jobs.iter().enumerate().map(ask).collect();
    let printed = env.roboppi(["core"]).args(flags).stdin(asks).output().code(0).text();
    let answers = printed.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    answers
        .filter_map(|line| match line["type"].as_str() {
            Some("permit_granted") => Some("granted".to_owned()),
            Some("permit_rejected") => Some(line["rejection"]["reason"].as_str()?.to_owned()),
            _ => None,
        })
        .collect()
}

fn job(env: &TestEnv, id: &str, kind: &str) -> Value {
    json!({
        "jobId": id, "type": "WORKER_TASK", "priority": {"value": 1, "class": "INTERACTIVE"},
        "limits": {"timeoutMs": 60_000, "maxAttempts": 1, "costHint": 0.6},
        "context": {"traceId": "t", "correlationId": "c"},
        "payload": {
            "workerTaskId": id, "workerKind": kind, "workspaceRef": env.work(), "instructions": "sleep 1000",
            "capabilities": ["RUN_COMMANDS"], "outputMode": "BATCH",
            "budget": {"deadlineAt": 4_000_000_000_000_u64},
        },
    })
}

#[test]
fn a_core_keeps_to_the_bounds_of_its_command_line() {
    let env = TestEnv::new();
    let [a, b, c] = ["a", "b", "c"].map(|id| job(&env, id, "CUSTOM"));
    let [x, y] = ["x", "y"].map(|id| job(&env, id, "OPENCODE"));
    let rows: [(&[&str], [&Value; 3], [&str; 3]); 5] = [
        (&["--concurrency", "2"], [&a, &b, &c], ["granted", "granted", "CONCURRENCY_LIMIT"]),
        (&["--rps", "1"], [&x, &y, &a], ["granted", "RATE_LIMIT", "granted"]),
        (&["--max-cost", "1"], [&x, &y, &a], ["granted", "BUDGET_EXHAUSTED", "granted"]),
        (&["--bp-reject", "0"], [&a, &b, &x], ["GLOBAL_SHED"; 3]),
        (&["--bp-defer", "0"], [&a, &b, &x], ["DEFERRED"; 3]),
    ];
    for (flags, jobs, expected) in rows {
        assert_eq!(asked(&env, flags, &jobs.map(Clone::clone)), expected, "{flags:?}");
    }
    env.wait_until_nothing_is_left();
}

#[test]
fn bounds_that_make_no_sense_are_refused() {
    let env = TestEnv::new();
    for flag in ["--concurrency=0", "--max-cost=-1", "--bp-reject=NaN", "--cb-reset-ms=soon"] {
        let refused = env.roboppi(["core", flag]).output().code(2).all();
        let (name, _) = flag.split_once('=').unwrap();
        assert!(refused.contains(name), "{refused}");
    }
}

/// A core that has something to say and then does its job.
const CORE: &str = r#"#!/bin/sh
echo '{"type":"escalation","event":{"scope":"GLOBAL","action":"STOP","target":"system","reason":"agents do not end","timestamp":1,"severity":"fatal"}}'
exec "$ROBOPPI_REAL" core
"#;

#[test]
fn what_a_core_escalates_is_shown_and_recorded() {
    let env = TestEnv::new();
    let core = env.write("alarmed", CORE);
    fs::set_permissions(&core, fs::Permissions::from_mode(0o700)).unwrap();
    let real = env!("CARGO_BIN_EXE_roboppi");
    let shown =
        env.run(&Flow::of("true")).arg("--core").arg(core).env("ROBOPPI_REAL", real).output().code(0).all();
    assert!(shown.contains("system: agents do not end"), "{shown}");
    assert!(
        env.the_run().events("warning").iter().any(|event| event.to_string().contains("agents do not end"))
    );
}

/// An agent that works until the file `go` is there.
const AGENT: &str = r#"#!/bin/sh
[ "$1" = --version ] && echo "2.1.329 (Claude Code)" && exit
cat > /dev/null
echo > up
until [ -e go ]; do sleep 0.01; done
echo '{"type":"result","subtype":"success","is_error":false,"result":"done","session_id":"s","uuid":"u"}'
"#;

const TWO_AGENTS: &str = r#"
name: agents
version: "1"
timeout: 5m
steps:
  first: {worker: CLAUDE_CODE, capabilities: [EDIT], instructions: x}
  between: {worker: CUSTOM, capabilities: [RUN_COMMANDS], instructions: "until [ -e up ]; do sleep 0.01; done"}
  second: {worker: CLAUDE_CODE, capabilities: [EDIT], instructions: x, depends_on: [between]}
"#;

#[test]
fn every_view_says_which_step_another_one_waits_for() {
    let env = TestEnv::new();
    env.write_program("bin/claude", AGENT);
    env.write("agents.yaml", TWO_AGENTS);
    let dirs = [env.work().join("bin"), "/usr/local/bin".into(), "/usr/bin".into(), "/bin".into()];
    let path = std::env::join_paths(dirs).unwrap();
    let running = env.roboppi(["workflow", "run", "agents.yaml", "--no-tui", "-v"]).env("PATH", path).start();
    env.wait_for("the wait", || {
        let phases = env.runs().first()?.events("attempt_phase");
        phases.iter().any(|event| event.to_string().contains("being edited")).then_some(())
    });
    let reason = "is being edited by `first`";
    let page = env.roboppi(["show"]).output().code(0).text();
    let row = page.lines().find(|line| line.starts_with("second ")).unwrap_or_default();
    assert!(row.contains(" queued ") && row.ends_with(reason), "{page}");
    let object: Value =
        serde_json::from_str(&env.roboppi(["show", "--json"]).output().code(0).text()).unwrap();
    let why = object["steps"][2]["why"].as_str().unwrap_or_default();
    assert!(why.starts_with("waits for a permit: ") && why.ends_with(reason), "{object:#}");
    let mut screen = env.roboppi(["attach", "--tui"]).start_in_terminal(40, 160);
    screen.wait_for_text("◷ second queued");
    screen.wait_for_text("●1 ◷1");
    screen.press("G");
    screen.wait_for_text(reason);
    screen.press("q");
    screen.expect_code(0);
    env.write("go", "");
    let lines = running.wait().code(0).all();
    assert!(lines.contains("second  waits for a permit: Workspace ") && lines.contains(reason), "{lines}");
    let page = env.roboppi(["show"]).output().code(0).text();
    assert!(!page.contains("waits for a permit"), "{page}");
}
