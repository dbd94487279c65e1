//! The core as a command of its own, driven by its lines.

use serde_json::{Value, json};

use crate::env::TestEnv;
use crate::flow::Flow;

fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

#[test]
fn a_core_says_hello_answers_and_leaves_at_the_end_of_its_input() {
    let env = TestEnv::new();
    let heartbeat = json!({ "type": "heartbeat", "timestamp": 1 });
    let printed = env.roboppi(["core"]).stdin(format!("this is no message\n{heartbeat}\n")).output().code(0);
    let lines = lines(&printed.text());
    assert_eq!(lines[0]["type"], "hello");
    assert!(lines.iter().any(|line| line["type"] == "heartbeat_ack"), "{lines:?}");
}

#[test]
fn one_that_is_started_the_old_way_says_hello_only_to_those_who_do() {
    let old_ways = [
        &[][..],
        &["server"],
        &["server", "--no-tui"],
        &["--no-tui"],
        &["--plain", "--concurrency", "3"],
        &["server", "--log-level", "debug", "--tui", "--rps", "7"],
    ];
    for arguments in old_ways {
        let env = TestEnv::new();
        let job = json!({ "jobId": "j", "type": "WORKER_TASK", "priority": { "value": 0, "class": "BATCH" },
            "limits": { "timeoutMs": 1, "maxAttempts": 1 }, "context": { "traceId": "t", "correlationId": "c" },
            "payload": {} });
        let submit = json!({ "type": "submit_job", "requestId": "r1", "job": job });
        let heartbeat = json!({ "type": "heartbeat", "timestamp": 1 });
        let kinds = |input: String| -> Vec<String> {
            let printed = env.roboppi(arguments).stdin(input).output().code(0);
            lines(&printed.text()).iter().map(|line| line["type"].as_str().unwrap().to_owned()).collect()
        };
        let old = kinds(format!("{submit}\n{heartbeat}\n"));
        assert_eq!(old, ["ack", "heartbeat_ack"], "{arguments:?}");
        let hello = json!({ "type": "hello", "protocol": { "min": 1, "max": 2 }, "capabilities": [] });
        let new = kinds(format!("{hello}\n{heartbeat}\n{hello}\n"));
        assert_eq!(new, ["hello", "heartbeat_ack"], "{arguments:?}");
    }
    let env = TestEnv::new();
    let _ = env.roboppi(["server", "--log-level", "loud"]).output().code(2);
}

#[test]
fn a_supervisor_of_ours_and_a_core_that_waits_for_its_hello_speak_the_newest_protocol() {
    for transport in ["stdio", "socket", "tcp"] {
        let env = TestEnv::new();
        let run = env.run(&Flow::of("echo from the worker")).args(["--core", env!("CARGO_BIN_EXE_roboppi")]);
        let _ = run.env("ROBOPPI_SUPERVISED_IPC_TRANSPORT", transport).output().code(0);
        let run = env.the_run();
        assert_eq!(run.events("core_started")[0]["protocol"], 2, "{transport}");
        assert_eq!(run.text("work", 1), "from the worker\n");
    }
}

#[test]
fn an_old_runner_can_run_a_job() {
    let env = TestEnv::new();
    let work = env.work();
    let job = json!({
        "jobId": "2f1b7c54-0000-4000-8000-000000000001",
        "type": "WORKER_TASK",
        "priority": { "value": 0, "class": "INTERACTIVE" },
        "limits": { "timeoutMs": 60_000, "maxAttempts": 1 },
        "context": { "traceId": "t", "correlationId": "c" },
        "payload": {
            "workerTaskId": "2f1b7c54-0000-4000-8000-000000000002",
            "workerKind": "CUSTOM",
            "workspaceRef": work,
            "instructions": "echo from the worker",
            "capabilities": ["RUN_COMMANDS"],
            "outputMode": "STREAM",
            "budget": { "deadlineAt": 4_000_000_000_000_u64 },
        },
    });
    let submit = json!({ "type": "submit_job", "requestId": "r1", "job": job });
    let permit = json!({ "type": "request_permit", "requestId": "r2", "job": job, "attemptIndex": 0 });
    // The runner keeps its end open until the job is over.
    let script = "coproc CORE { $ROBOPPI core; }
        exec 9>&${CORE[1]}
        printf '%s\\n%s\\n' \"$SUBMIT\" \"$PERMIT\" >&9
        while IFS= read -r line <&${CORE[0]}; do
          printf '%s\\n' \"$line\"
          case $line in *job_completed*) break ;; esac
        done";
    let printed =
        env.shell(script).env("SUBMIT", submit.to_string()).env("PERMIT", permit.to_string()).output();
    let lines = lines(&printed.code(0).text());
    let of = |kind: &str| {
        lines.iter().find(|line| line["type"] == kind).unwrap_or_else(|| panic!("{kind}: {lines:?}"))
    };
    assert_eq!(of("ack")["requestId"], "r1");
    assert_eq!(of("permit_granted")["requestId"], "r2");
    assert_eq!(of("job_event")["event"], json!({ "type": "stdout", "data": "from the worker" }));
    assert_eq!(of("job_event")["seq"], 0);
    assert_eq!(of("job_completed")["outcome"], "succeeded");
    env.wait_until_nothing_is_left();
}

#[test]
fn in_a_terminal_it_helps_instead() {
    let env = TestEnv::new();
    let mut on_screen = env.roboppi([""; 0]).start_in_terminal(40, 100);
    on_screen.wait_for_text("workflow");
    assert!(!on_screen.terminal.look(|screen| screen.contents().contains("\"hello\"")));
    let _ = crate::wait::until(|| on_screen.terminal.exit_status().unwrap()).expect("it ends");
}
