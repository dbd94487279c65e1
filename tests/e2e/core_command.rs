//! The core as a command of its own, driven by its lines.

use serde_json::{Value, json};

use crate::env::TestEnv;

fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

#[test]
fn a_core_says_hello_answers_and_leaves_at_the_end_of_its_input() {
    let env = TestEnv::new();
    for arguments in [&["core"][..], &["server"], &[]] {
        let heartbeat = json!({ "type": "heartbeat", "timestamp": 1 });
        let input = format!("this is no message\n{heartbeat}\n");
        let printed = env.roboppi(arguments).stdin(input).output().code(0);
        let lines = lines(&printed.text());
        assert_eq!(lines[0]["type"], "hello", "{arguments:?}");
        assert!(lines.iter().any(|line| line["type"] == "heartbeat_ack"), "{arguments:?}: {lines:?}");
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
