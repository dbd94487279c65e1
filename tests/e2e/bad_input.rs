//! Malformed input on the wire, in both directions, and jobs that make no sense. Whoever reads it stays healthy: what comes
//! next is done, and what can be answered is.

mod from_core;

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::thread;

use serde_json::{Value, json};

use crate::env::{Running, TestEnv, before_summary};
use crate::flow::Flow;
use crate::wire_peer::{WirePeer, job};

const MIB: usize = 1024 * 1024;
/// Would be seen if the tail of a line that is too long were taken for a line.
const TAIL: &str = r#"{"type":"cancel_job","requestId":"the tail","jobId":"nobody","reason":"user"}"#;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    V1,
    V2,
}

fn core(env: &TestEnv, dialect: Dialect) -> (Running<'_>, WirePeer) {
    let (core, stdin, stdout) = env.roboppi(["core"]).start_with_pipes();
    let mut wire = WirePeer::new(stdout, stdin);
    if dialect == Dialect::V2 {
        wire.say(&json!({"type": "hello", "protocol": {"min": 1, "max": 2}, "version": "test"}));
    }
    (core, wire)
}

/// A job runs as if nothing had happened.
fn expect_healthy(env: &TestEnv, wire: &mut WirePeer, after: &str) {
    wire.say(&json!({"type": "heartbeat", "timestamp": 1}));
    let _ = wire.next(&format!("anything after {after}"), |message| message["type"] == "heartbeat_ack");
    wire.start(&job(env, after, "printf fine"));
    let end = wire.completed(after);
    assert_eq!(end["outcome"], "succeeded", "{after}");
    assert!(end["result"]["observations"].to_string().contains("fine"), "{after}: {end}");
}

/// Bytes that are no message, by name, and whether somebody can be told so.
fn malformed() -> Vec<(&'static str, Vec<u8>, Option<&'static str>)> {
    let long = |text: &str, end: &str| [" ".repeat(20 * MIB).as_str(), text, end].concat().into_bytes();
    let mut deep = b"{\"type\":\"submit_job\",\"requestId\":\"deep\",\"job\":".to_vec();
    deep.extend(std::iter::repeat_n(b'[', 100_000));
    deep.push(b'\n');
    vec![
        ("nothing", b"\n \r\n\n".to_vec(), None),
        ("no JSON", b"console.log('hello')\n".to_vec(), None),
        ("half of JSON", b"{\"type\":\"heartbeat\",\n".to_vec(), None),
        ("two in one line", b"{\"type\":\"heartbeat\",\"timestamp\":1}{\"type\":\"heartbeat\",\"timestamp\":1}\n".to_vec(), None),
        ("an array", b"[{\"type\":\"heartbeat\",\"timestamp\":1}]\n".to_vec(), None),
        ("a number", b"7\n".to_vec(), None),
        ("a string", b"\"heartbeat\"\n".to_vec(), None),
        ("null", b"null\n".to_vec(), None),
        ("no type", b"{\"requestId\":\"untyped\"}\n".to_vec(), None),
        ("a type that is a number", b"{\"type\":5,\"requestId\":\"five\"}\n".to_vec(), None),
        ("a type nobody knows", b"{\"type\":\"order_pizza\",\"requestId\":\"pizza\"}\n".to_vec(), None),
        ("an answer nobody waits for", b"{\"type\":\"ack\",\"requestId\":\"r\",\"jobId\":\"j\"}\n".to_vec(), None),
        ("a field of the wrong type", b"{\"type\":\"cancel_job\",\"requestId\":\"typed\",\"jobId\":7,\"reason\":\"x\"}\n".to_vec(), Some("typed")),
        ("a missing field", b"{\"type\":\"cancel_job\",\"requestId\":\"missing\",\"jobId\":\"j\"}\n".to_vec(), Some("missing")),
        ("a requestId that is none", b"{\"type\":\"cancel_job\",\"requestId\":{\"a\":1},\"jobId\":\"j\",\"reason\":\"\"}\n".to_vec(), None),
        ("a job without limits", b"{\"type\":\"submit_job\",\"requestId\":\"limits\",\"job\":{\"jobId\":\"j\",\"type\":\"WORKER_TASK\"}}\n".to_vec(), Some("limits")),
        ("deep nesting", deep, None),
        ("bytes that are no UTF-8", b"{\"type\":\"heartbeat\",\"\xff\xfe\":1}\n".to_vec(), None),
        ("NUL", b"\0\0{\"type\":\"heartbeat\",\"timestamp\":1}\0\n".to_vec(), None),
        ("a byte order mark", b"\xef\xbb\xbf{\"type\":\"heartbeat\",\"timestamp\":1}\n".to_vec(), None),
        ("20 MiB in a line", long(TAIL, "\n"), None),
        ("20 MiB without an end", long(TAIL, ""), None),
        ("the end of that", format!("{TAIL}\n").into_bytes(), None),
    ]
}

#[test]
fn a_core_survives_malformed_input_and_answers_what_can_be_answered() {
    for dialect in [Dialect::V1, Dialect::V2] {
        let env = TestEnv::new();
        let (core, mut wire) = core(&env, dialect);
        for (name, bytes, waits) in malformed() {
            wire.say_bytes(&bytes);
            if let (Dialect::V2, Some(request)) = (dialect, waits) {
                let error = wire.next(name, |message| message["requestId"] == request);
                assert_eq!(
                    (&error["type"], &error["code"]),
                    (&json!("error"), &json!("BAD_MESSAGE")),
                    "{name}"
                );
            }
            if !bytes.ends_with(b"\n") {
                continue;
            }
            expect_healthy(&env, &mut wire, name);
        }
        // Lines with spaces around them and the other line end are messages all the same, and so is one that
        // comes byte by byte.
        wire.say_bytes(b" \t{\"type\":\"heartbeat\",\"timestamp\":1} \r\n");
        let _ = wire.next("an answer", |message| message["type"] == "heartbeat_ack");
        for byte in job_request(&env, "bytewise") {
            wire.say_bytes(&[byte]);
        }
        assert_eq!(wire.completed("bytewise")["outcome"], "succeeded");
        if dialect == Dialect::V1 {
            wire.say(&json!({"type": "cancel_job", "requestId": "last", "jobId": "nobody", "reason": ""}));
            let only = wire.next("an error", |message| message["type"] == "error");
            assert_eq!(only["requestId"], "last", "an old runner takes an error for an answer");
        }
        // Half a line is none.
        wire.say_bytes(&job_request(&env, "unfinished")[..40]);
        if dialect == Dialect::V2 {
            for said in ["not JSON", "not an object", "longer than 10485760 bytes"] {
                let _ = wire.next(said, |message| {
                    message["type"] == "core_event" && message["event"].to_string().contains(said)
                });
            }
        }
        drop(wire);
        // What an old runner has no message for is told to people, once.
        let told = core.wait().code(0).stderr.matches("a line of the runner was dropped: not JSON").count();
        assert_eq!(told, usize::from(dialect == Dialect::V1));
    }
}

fn job_request(env: &TestEnv, id: &str) -> Vec<u8> {
    let job = job(env, id, "printf fine");
    let ask = json!({"type": "request_permit", "requestId": id, "job": job, "attemptIndex": 0});
    format!("{ask}\n").into_bytes()
}

#[test]
fn no_answer_is_lost_on_a_peer_that_reads_late() {
    const REQUESTS: usize = 200_000;

    let env = TestEnv::new();
    let (core, mut stdin, mut stdout) = env.roboppi(["core"]).start_with_pipes();
    // More than fits into its pipes, and less than it takes before it waits.
    const AHEAD: usize = 150 * 1024;

    let mut requests = Vec::new();
    for number in 0..REQUESTS {
        // The same id twice, one after the other: each is answered.
        let request = format!("r{}", number / 2);
        let line = format!(r#"{{"type":"cancel_job","requestId":"{request}","jobId":"nobody","reason":""}}"#);
        requests.extend_from_slice(line.as_bytes());
        requests.push(b'\n');
    }
    stdin.write_all(&requests[..AHEAD]).unwrap();
    let writing = thread::spawn(move || {
        stdin.write_all(&requests[AHEAD..]).unwrap();
        // The core leaves when all is answered.
        drop(stdin);
    });
    let mut answers = String::new();
    stdout.read_to_string(&mut answers).unwrap();
    writing.join().unwrap();
    let of = |kind: &str| answers.matches(kind).count();
    assert_eq!(of("JOB_NOT_FOUND"), REQUESTS);
    assert_eq!(of("\"requestId\":\"r7\"}"), 2);
    let _ = core.wait().code(0);
}

#[test]
fn a_worker_does_not_wait_for_a_peer_that_does_not_read() {
    let env = TestEnv::new();
    let (core, mut stdin, stdout) = env.roboppi(["core"]).start_with_pipes();
    {
        let hello = r#"{"type":"hello","protocol":{"min":1,"max":2},"version":"test"}"#;
        let flood = job(&env, "flood", "seq 3000000; echo done > flooded");
        let ask = json!({"type": "request_permit", "requestId": "r", "job": flood, "attemptIndex": 0});
        stdin.write_all(format!("{hello}\n{ask}\n").as_bytes()).unwrap();
    }
    // It has written everything before a single line of it is read.
    env.wait_for_file("flooded");
    let mut wire = WirePeer::new(stdout, stdin);
    let end = wire.completed("flood");
    assert_eq!(end["outcome"], "succeeded");
    let log_bytes = end["result"]["details"]["logBytes"].as_u64().unwrap();
    let expected: u64 = (1..=3_000_000_u64).map(|number| number.to_string().len() as u64 + 1).sum();
    assert_eq!(log_bytes, expected);
    // Numbers and places have no hole that was not said.
    let (mut seq, mut offset) = (0, 0);
    loop {
        let event = wire.next("an event", |message| message["type"] == "job_event");
        let said = &event["event"];
        match said["type"].as_str().unwrap() {
            "gap" => {
                assert_eq!((&said["fromSeq"], &said["fromOffset"]), (&json!(seq), &json!(offset)));
                (seq, offset) = (said["toSeq"].as_u64().unwrap(), said["toOffset"].as_u64().unwrap());
            }
            "progress" => {}
            _ => {
                assert_eq!((&event["seq"], &said["offset"]), (&json!(seq), &json!(offset)));
                (seq, offset) = (seq + 1, offset + said["len"].as_u64().unwrap());
            }
        }
        if offset == log_bytes {
            break;
        }
    }
    expect_healthy(&env, &mut wire, "a flood");
    drop(wire);
    let _ = core.wait().code(0);
}

#[test]
fn a_peer_that_closes_its_end_ends_the_core() {
    let env = TestEnv::new();
    let (core, mut stdin, stdout) = env.roboppi(["core"]).start_with_pipes();
    {
        stdin.write_all(&job_request(&env, "a")).unwrap();
        let loud = job(&env, "b", "echo up > up; while :; do echo more; sleep 0.01; done");
        let ask = json!({"type": "request_permit", "requestId": "r", "job": loud, "attemptIndex": 0});
        stdin.write_all(format!("{ask}\n").as_bytes()).unwrap();
    }
    env.wait_for_file("up");
    drop(stdout);
    let _ = core.wait().code(0);
    env.wait_until_nothing_is_left();
    drop(stdin);
}

/// Jobs that make no sense, by name, and what comes of them: a refusal, or how they end and a part of the reason.
#[test]
fn jobs_that_make_no_sense_are_refused_or_fail_and_say_why() {
    let env = TestEnv::new();
    let (core, mut wire) = core(&env, Dialect::V2);
    let with = |id: &str, script: &str, pointer: &str, value: Value| {
        let mut job = job(&env, id, script);
        *job.pointer_mut(pointer).unwrap() = value;
        job
    };
    let text = |len: usize| format!("echo begin\n: {}\necho end", "x".repeat(len));
    let deadline = "/payload/budget/deadlineAt";
    let rows: Vec<(Value, &str, &str)> = vec![
        (with("no time", "sleep 1000", "/limits/timeoutMs", json!(-1)), "failed", "timeout"),
        (with("for ever", "echo fine", "/limits/timeoutMs", json!(1e308)), "succeeded", "fine"),
        (with("no try", "true", "/limits/maxAttempts", json!(-1)), "BUDGET_EXHAUSTED", ""),
        (with("many tries", "echo fine", "/limits/maxAttempts", json!(1e308)), "succeeded", "fine"),
        (with("no deadline", "true", deadline, json!(-1)), "failed", ""),
        (with("late deadline", "true", deadline, json!(1e300)), "succeeded", ""),
        (with("odd deadline", "true", deadline, json!("soon")), "failed", ""),
        (
            with("no workspace", "true", "/payload/workspaceRef", json!("/nowhere/at/all")),
            "failed",
            "/nowhere/at/all",
        ),
        (with("relative workspace", "true", "/payload/workspaceRef", json!("here")), "failed", "here"),
        (with("odd kind", "true", "/payload/workerKind", json!("ABACUS")), "failed", ""),
        (with("odd type", "true", "/type", json!("LLM")), "failed", ""),
        (job(&env, "long text", &text(2 * MIB)), "succeeded", "end"),
        (job(&env, "NUL", "echo a\0b"), "failed", "NUL"),
        (job(&env, "nothing", ""), "succeeded", ""),
        (job(&env, "", "echo fine"), "succeeded", "fine"),
    ];
    for (job, expected, said) in rows {
        let id = job["jobId"].as_str().unwrap().to_owned();
        wire.start(&job);
        let end = wire.next(&id, |message| {
            message["type"] == "permit_rejected"
                || message["type"] == "job_completed"
                || message["type"] == "error"
        });
        let outcome = end["outcome"].as_str().or(end["rejection"]["reason"].as_str()).unwrap_or_default();
        assert_eq!(outcome, expected, "{id}: {end}");
        assert!(end.to_string().contains(said), "{id}: {end}");
    }
    expect_healthy(&env, &mut wire, "all of that");
    drop(wire);
    let _ = core.wait().code(0);
}

#[test]
fn a_job_that_is_cancelled_before_its_permit_never_runs() {
    let env = TestEnv::new();
    let (core, mut wire) = core(&env, Dialect::V2);
    let early = job(&env, "early", "echo ran > ran");
    let submit = json!({"type": "submit_job", "requestId": "s", "job": early});
    let cancel = json!({"type": "cancel_job", "requestId": "c", "jobId": "early", "reason": "user"});
    wire.say_line(&format!("{submit}\n{cancel}"));
    assert_eq!(wire.next("an ack", |message| message["requestId"] == "s")["type"], "ack");
    assert_eq!(wire.next("an answer", |message| message["requestId"] == "c")["type"], "job_cancelled");
    expect_healthy(&env, &mut wire, "a job that was cancelled early");
    assert!(!env.work().join("ran").exists());
    drop(wire);
    let _ = core.wait().code(0);
}

#[test]
fn output_is_recorded_as_it_is_whatever_it_is() {
    let env = TestEnv::new();
    let every_byte: Vec<u8> = (0..=255_u8).cycle().take(100_000).collect();
    fs::write(env.work().join("bytes"), &every_byte).unwrap();
    let flow = Flow::of("cat bytes").step("line", "head -c 52428800 /dev/zero | tr '\\0' x");
    let _ = env.run(&flow).output().code(0);
    let run = env.the_run();
    assert_eq!(run.log("work", 1), every_byte);
    let line = run.log("line", 1);
    assert_eq!(line.len(), 50 * MIB);
    assert!(line.iter().all(|byte| *byte == b'x'));
}

/// Our core, with malformed input behind each of the first things it says.
const RUDE_CORE: &str = r#"#!/bin/bash
"$ROBOPPI_REAL" core | while IFS= read -r line; do
  printf '%s\n' "$line"
  [ $((n++)) -lt 4 ] && cat malformed
done
"#;

#[test]
fn a_supervisor_survives_malformed_input() {
    let env = TestEnv::new();
    let mut all = Vec::new();
    for (_, bytes, _) in malformed() {
        all.extend(bytes);
    }
    let late = [
        json!({"type": "job_event", "jobId": "nobody", "ts": 1, "seq": 0, "event": {"type": "stdout", "data": "x"}}),
        json!({"type": "job_completed", "jobId": "nobody", "outcome": "succeeded"}),
        json!({"type": "permit_granted", "requestId": "nobody", "permit": {}}),
        json!({"type": "core_event", "ts": 1, "event": {"type": "leaked", "leaked": 7}}),
        json!({"type": "job_event", "jobId": "nobody", "ts": -1, "seq": 1e300, "event": {"type": "stdout"}}),
    ];
    for message in late {
        all.extend(format!("{message}\n").into_bytes());
    }
    fs::write(env.work().join("malformed"), &all).unwrap();
    let core = env.write("rude", RUDE_CORE);
    fs::set_permissions(&core, fs::Permissions::from_mode(0o700)).unwrap();
    let flow = Flow::of("echo fine").step_with("after", "echo after", &["depends_on: [work]"]);
    let run = env.run(&flow).arg("--core").arg(core).env("ROBOPPI_REAL", env!("CARGO_BIN_EXE_roboppi"));
    let printed = run.output().code(0).all();
    let run = env.the_run();
    assert_eq!((run.text("work", 1), run.text("after", 1)), ("fine\n".into(), "after\n".into()));
    assert_eq!(
        before_summary(&printed).matches("the core sends lines that are not messages").count(),
        1,
        "{printed}"
    );
}

#[test]
fn a_step_waits_for_the_step_whose_name_it_gives() {
    let env = TestEnv::new();
    let flow = Flow::new()
        .step("2.0", "until [ -e go ]; do sleep 0.01; done; touch done-first")
        .step("2", "touch go")
        .step_with("after", "test -e done-first", &["depends_on: [2.0]"]);
    let _ = env.run(&flow).output().code(0);
    env.write(
        "wrong.yaml",
        &Flow::new().step("1.0", "true").step_with("b", "true", &["depends_on: [1.00]"]).text(),
    );
    let said = env.roboppi(["workflow", "validate", "wrong.yaml"]).output().code(2).all();
    assert!(said.contains("there is no step `1.00`") && said.contains("`1.0`"), "{said}");
}
