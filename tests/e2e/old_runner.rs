//! The core as runners of protocol 1 know it: no hello, no arguments, a pipe or a socket, and answers in whatever
//! order they come.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::os::unix::net::UnixListener;

use serde_json::{Value, json};

use crate::env::{Running, TestEnv};
use crate::wire_peer::{WirePeer, job};

/// How a runner is connected with its core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    Stdio,
    Unix,
    Tcp,
}

const EVERYWHERE: [Over; 3] = [Over::Stdio, Over::Unix, Over::Tcp];

/// A core, and what is between it and the test.
struct OldRunner<'e> {
    core: Running<'e>,
    wire: WirePeer,
    close: Box<dyn FnOnce()>,
}

impl<'e> OldRunner<'e> {
    fn start(env: &'e TestEnv, over: Over) -> Self {
        Self::start_with(env, over, &[])
    }

    fn start_with(env: &'e TestEnv, over: Over, vars: &[(&str, &str)]) -> Self {
        let mut program = env.roboppi([""; 0]);
        for (name, value) in vars {
            program = program.env(name, value);
        }
        type Ends = (Box<dyn Read + Send>, Box<dyn Write>, Box<dyn FnOnce()>);
        let (core, ends): (_, Ends) = match over {
            Over::Stdio => {
                let (core, stdin, stdout) = program.start_with_pipes();
                (core, (Box::new(stdout), Box::new(stdin), Box::new(|| ())))
            }
            Over::Unix => {
                let path = env.path("tmp/core.sock");
                let listener = UnixListener::bind(&path).unwrap();
                let (core, stdin, stdout) = program
                    .env("ROBOPPI_IPC_SOCKET_PATH", format!(" {} ", path.display()))
                    .start_with_pipes();
                let (stream, _) = listener.accept().unwrap();
                let (reader, end) = (stream.try_clone().unwrap(), stream.try_clone().unwrap());
                // The pipes stay open, as with the existing runner.
                let close = move || {
                    end.shutdown(Shutdown::Both).unwrap();
                    drop((stdin, stdout));
                };
                (core, (Box::new(reader), Box::new(stream), Box::new(close)))
            }
            Over::Tcp => {
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                let port = listener.local_addr().unwrap().port().to_string();
                // A port wins over a path.
                let (core, stdin, stdout) = program
                    .env("ROBOPPI_IPC_SOCKET_PATH", "/nowhere")
                    .env("ROBOPPI_IPC_SOCKET_PORT", port)
                    .start_with_pipes();
                let (stream, _) = listener.accept().unwrap();
                let (reader, end) = (stream.try_clone().unwrap(), stream.try_clone().unwrap());
                let close = move || {
                    end.shutdown(Shutdown::Both).unwrap();
                    drop((stdin, stdout));
                };
                (core, (Box::new(reader), Box::new(stream), Box::new(close)))
            }
        };
        let (reader, writer, close) = ends;
        Self { core, wire: WirePeer::new(reader, writer), close }
    }

    fn say(&mut self, message: &Value) {
        self.wire.say(message);
    }

    fn say_line(&mut self, line: &str) {
        self.wire.say_line(line);
    }

    fn submit(&mut self, job: &Value) {
        self.say(&json!({"type": "submit_job", "requestId": format!("submit {}", job["jobId"]), "job": job}));
    }

    fn ask(&mut self, job: &Value) {
        let request = format!("permit {}", job["jobId"]);
        self.say(&json!({"type": "request_permit", "requestId": request, "job": job, "attemptIndex": 0}));
    }

    fn cancel(&mut self, job: &str) {
        let request = format!("cancel {job}");
        self.say(
            &json!({"type": "cancel_job", "requestId": request, "jobId": job, "reason": "step:x aborted"}),
        );
    }

    fn next(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        self.wire.next(what, wanted)
    }

    fn of_type(&mut self, kind: &str, job: &str) -> Value {
        self.next(&format!("{kind} of {job}"), |message| {
            let named = message["jobId"].as_str().or(message["permit"]["jobId"].as_str());
            message["type"] == kind && named == Some(job)
        })
    }

    /// Everything about a job until it has completed, and its completion.
    fn events_and_end(&mut self, job: &str) -> (Vec<Value>, Value) {
        let mut events = Vec::new();
        loop {
            let message = self.next(&format!("anything of {job}"), |message| message["jobId"] == job);
            match message["type"].as_str() {
                Some("job_event") => events.push(message),
                Some("job_completed") => return (events, message),
                _ => {}
            }
        }
    }

    /// Closes the wire, and waits until the core is gone.
    fn leave(self) {
        let Self { core, wire, close } = self;
        drop(wire);
        close();
        let _ = core.wait().code(0);
    }
}

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

#[test]
fn a_job_runs_over_every_transport() {
    for over in EVERYWHERE {
        let env = TestEnv::new();
        let mut runner = OldRunner::start(&env, over);
        let script = "echo one; echo two >&2; echo '::progress percent=50::half'; echo; printf three; exit 3";
        let job = job(&env, "a", script);
        runner.submit(&job);
        let ack = runner.of_type("ack", "a");
        assert_eq!(ack, json!({"type": "ack", "requestId": "submit \"a\"", "jobId": "a"}), "{over:?}");
        runner.ask(&job);
        let granted = runner.of_type("permit_granted", "a");
        assert_eq!(granted["requestId"], "permit \"a\"");
        assert_eq!(keys(&granted), ["permit", "requestId", "type"]);
        let permit = &granted["permit"];
        assert_eq!(
            keys(permit),
            ["attemptIndex", "circuitStateSnapshot", "deadlineAt", "jobId", "permitId", "tokensGranted"]
        );
        assert_eq!(permit["tokensGranted"], json!({"concurrency": 1, "rps": 1}));
        assert_eq!(permit["circuitStateSnapshot"], json!({}));
        let (events, end) = runner.events_and_end("a");
        for (seq, event) in events.iter().enumerate() {
            assert_eq!(event["seq"], seq);
            assert_eq!(keys(event), ["event", "jobId", "seq", "ts", "type"]);
        }
        let mut said: Vec<_> = events.iter().map(|event| event["event"].clone()).collect();
        // Two streams have no order between them.
        said.sort_by_key(|event| event["type"].to_string());
        let expected = [
            json!({"type": "progress", "message": "half", "percent": 50}),
            json!({"type": "stderr", "data": "two"}),
            json!({"type": "stdout", "data": "one"}),
            json!({"type": "stdout", "data": "::progress percent=50::half"}),
            json!({"type": "stdout", "data": "three"}),
        ];
        assert_eq!(said, expected, "{over:?}");
        assert_eq!(keys(&end), ["errorClass", "jobId", "outcome", "result", "type"]);
        assert_eq!((&end["outcome"], &end["errorClass"]), (&json!("failed"), &json!("NON_RETRYABLE")));
        let result = &end["result"];
        assert_eq!((&result["status"], &result["exitCode"]), (&json!("FAILED"), &json!(3)));
        for key in ["artifacts", "observations", "cost", "durationMs"] {
            assert!(!result[key].is_null(), "{key} of {result}");
        }
        runner.leave();
        env.wait_until_nothing_is_left();
    }
}

#[test]
fn a_job_is_cancelled_and_one_nobody_knows_is_not() {
    for over in EVERYWHERE {
        let env = TestEnv::new();
        let mut runner = OldRunner::start(&env, over);
        runner.ask(&job(&env, "a", "echo up; sleep 1000"));
        let _ = runner.of_type("job_event", "a");
        runner.cancel("a");
        let cancelled = runner.of_type("job_cancelled", "a");
        let expected = json!({
            "type": "job_cancelled", "jobId": "a", "reason": "step:x aborted", "requestId": "cancel a",
        });
        assert_eq!(cancelled, expected);
        let (_, end) = runner.events_and_end("a");
        assert_eq!((&end["outcome"], &end["result"]["status"]), (&json!("cancelled"), &json!("CANCELLED")));
        for unknown in ["a", "never"] {
            runner.cancel(unknown);
            let error = runner.next("an error", |message| message["type"] == "error");
            let expected = json!({
                "type": "error", "code": "JOB_NOT_FOUND", "message": format!("Job {unknown} not found"),
                "requestId": format!("cancel {unknown}"),
            });
            assert_eq!(error, expected);
        }
        // Submitted and never given a permit: forgotten.
        let forgotten = job(&env, "b", "true");
        runner.submit(&forgotten);
        runner.cancel("b");
        let _ = runner.of_type("job_cancelled", "b");
        runner.cancel("b");
        let error = runner.next("an error", |message| message["type"] == "error");
        assert_eq!(error["message"], "Job b not found");
        runner.leave();
    }
}

#[test]
fn ten_run_at_once_and_the_rest_is_refused_until_one_has_ended() {
    let env = TestEnv::new();
    let mut runner = OldRunner::start(&env, Over::Stdio);
    let ids: Vec<String> = (0..12).map(|number| format!("job-{number}")).collect();
    // All at once, before a single answer is read.
    for id in &ids {
        let job = job(&env, id, &format!("echo {id}; read -r _ < go-{id}"));
        assert!(
            std::process::Command::new("mkfifo")
                .arg(env.work().join(format!("go-{id}")))
                .status()
                .unwrap()
                .success()
        );
        runner.submit(&job);
        runner.ask(&job);
    }
    for id in &ids[..10] {
        let _ = runner.of_type("permit_granted", id);
        assert_eq!(runner.of_type("job_event", id)["event"]["data"], id.as_str());
    }
    for id in &ids[10..] {
        let request = format!("permit \"{id}\"");
        let refused = runner.next("a refusal", |message| message["requestId"] == request.as_str());
        let rejection = json!({"reason": "CONCURRENCY_LIMIT", "detail": "Execution budget check failed"});
        assert_eq!(refused, json!({"type": "permit_rejected", "requestId": request, "rejection": rejection}));
    }
    let go = |id: &str| std::fs::write(env.work().join(format!("go-{id}")), "go\n").unwrap();
    go(&ids[0]);
    let (_, end) = runner.events_and_end(&ids[0]);
    assert_eq!(end["outcome"], "succeeded");
    runner.ask(&job(&env, &ids[10], "echo at last"));
    let (events, end) = runner.events_and_end(&ids[10]);
    assert_eq!((&events[0]["event"]["data"], &end["outcome"]), (&json!("at last"), &json!("succeeded")));
    for id in &ids[1..10] {
        go(id);
        assert_eq!(runner.events_and_end(id).1["outcome"], "succeeded", "{id}");
    }
    runner.leave();
}

#[test]
fn a_runner_need_not_wait_for_answers() {
    let env = TestEnv::new();
    let mut runner = OldRunner::start(&env, Over::Stdio);
    let job = job(&env, "a", "sleep 1000");
    // All in one go: what comes back is in the order in which it was asked.
    runner.submit(&job);
    runner.ask(&job);
    runner.ask(&job);
    runner.cancel("a");
    runner.say(&json!({"type": "heartbeat", "timestamp": 1}));
    let kinds: Vec<_> = (0..6).map(|_| runner.next("an answer", |_| true)).collect();
    let permit = &kinds[1]["permit"]["permitId"];
    let twice = format!("Job a already has active permit {}", permit.as_str().unwrap());
    assert_eq!(kinds[2]["rejection"], json!({"reason": "DUPLICATE_PERMIT", "detail": twice}));
    let kinds: Vec<_> = kinds.iter().filter_map(|message| message["type"].as_str()).collect();
    let (answers, end): (Vec<&str>, Vec<_>) = kinds.iter().partition(|kind| **kind != "job_completed");
    assert_eq!(
        (answers, end),
        (
            vec!["ack", "permit_granted", "permit_rejected", "job_cancelled", "heartbeat_ack"],
            vec!["job_completed"]
        )
    );
    let cancelled = kinds.iter().position(|kind| *kind == "job_cancelled");
    assert!(cancelled < kinds.iter().position(|kind| *kind == "job_completed"), "{kinds:?}");
    // It may run again.
    runner.ask(&self::job(&env, "a", "echo again"));
    let (events, end) = runner.events_and_end("a");
    assert_eq!((&events[0]["event"]["data"], &end["outcome"]), (&json!("again"), &json!("succeeded")));
    runner.leave();
}

#[test]
fn an_old_runner_may_be_sloppy() {
    let env = TestEnv::new();
    let mut runner = OldRunner::start(&env, Over::Stdio);
    for line in
        ["", "   ", "no json", "[1]", "{\"type\":7}", "{\"type\":\"order_pizza\",\"requestId\":\"x\"}"]
    {
        runner.say_line(line);
    }
    // Never submitted, with fields nobody knows, spaces around it and the other end of line.
    let mut first = job(&env, "a", "echo fine");
    first["colour"] = json!("green");
    first["payload"]["budget"]["maxSteps"] = json!(5);
    let ask =
        json!({"attemptIndex": 0, "job": first, "extra": null, "requestId": "r", "type": "request_permit"});
    runner.say_line(&format!("  {ask} \r"));
    assert_eq!(runner.of_type("permit_granted", "a")["requestId"], "r");
    let (events, end) = runner.events_and_end("a");
    assert_eq!((&events[0]["event"]["data"], &end["outcome"]), (&json!("fine"), &json!("succeeded")));
    // A second try is one too many, and is said so.
    let mut again = job(&env, "b", "true");
    again["limits"]["maxAttempts"] = json!(1);
    runner.say(&json!({"type": "request_permit", "requestId": "r2", "job": again, "attemptIndex": 1}));
    let refused = runner.next("a refusal", |message| message["requestId"] == "r2");
    assert_eq!(refused["rejection"]["reason"], "BUDGET_EXHAUSTED");
    // A null is not an absent field: the payload is none, which is said after the permit.
    let mut odd = job(&env, "c", "true");
    odd["payload"]["model"] = Value::Null;
    runner.ask(&odd);
    let _ = runner.of_type("permit_granted", "c");
    let end = runner.of_type("job_completed", "c");
    let expected = json!({
        "type": "job_completed", "jobId": "c", "outcome": "failed", "errorClass": "NON_RETRYABLE",
    });
    assert_eq!(end, expected);
    runner.leave();
}

#[test]
fn long_lines_and_long_logs_are_cut_as_the_existing_core_cuts_them() {
    let env = TestEnv::new();
    let mut runner = OldRunner::start(&env, Over::Stdio);
    runner.ask(&job(&env, "a", "printf '%016384d\\n' 0; printf '%016385d\\n' 0; echo end"));
    let (events, _) = runner.events_and_end("a");
    let data: Vec<_> = events.iter().map(|event| event["event"]["data"].as_str().unwrap()).collect();
    assert_eq!(data[0], "0".repeat(16_384));
    assert_eq!(data[1], "0".repeat(16_384) + "...(truncated)");
    assert_eq!(data[2..], ["end"]);
    // Nobody reads while 200,000 lines come; how many are kept is the core's to say, that some are not is told
    // once for each shed, and the last line is there.
    runner.ask(&job(&env, "b", "seq 200000; echo done > b-done"));
    env.wait_for_file("b-done");
    let (events, end) = runner.events_and_end("b");
    assert_eq!(end["outcome"], "succeeded");
    let notes: Vec<_> = events.iter().filter(|event| event["event"]["type"] == "progress").collect();
    assert!(!notes.is_empty());
    assert!(
        notes.iter().all(|note| note["event"] == json!({"type": "progress", "message": "(logs truncated)"}))
    );
    assert_eq!(events.last().unwrap()["event"]["data"], "200000");
    runner.leave();
}

#[test]
fn the_end_of_a_log_always_arrives() {
    // However much it is, and whatever else the machine does: two workers keep it busy meanwhile.
    let env = TestEnv::new();
    let mut runner = OldRunner::start(&env, Over::Stdio);
    for busy in ["busy-1", "busy-2"] {
        runner.ask(&job(&env, busy, "echo up; while :; do :; done"));
        let _ = runner.of_type("job_event", busy);
    }
    for (id, lines) in [("a", 2_000), ("b", 200_000), ("c", 2_000), ("d", 200_000)] {
        runner.ask(&job(&env, id, &format!("seq {lines}; echo ::progress::over")));
        let (events, end) = runner.events_and_end(id);
        assert_eq!(end["outcome"], "succeeded");
        let seqs: Vec<_> = events.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
        assert_eq!(seqs, (0..events.len() as u64).collect::<Vec<_>>());
        let data = |event: &Value| event["event"]["data"].as_str().map(str::to_owned);
        let told: Vec<String> = events.iter().filter_map(data).collect();
        let numbers: Vec<u32> = told.iter().filter_map(|line| line.parse().ok()).collect();
        assert!(numbers.is_sorted_by(|one, next| one < next), "in order, and none twice");
        let last = u32::try_from(numbers.len().min(100)).unwrap();
        assert_eq!(numbers[numbers.len() - last as usize..], Vec::from_iter(lines - last + 1..=lines));
        let is_note = |event: &&Value| event["event"]["message"] == "(logs truncated)";
        let notes = events.iter().filter(is_note).count();
        assert_eq!(notes > 0, numbers.len() < lines as usize, "{notes} notes for {} lines", numbers.len());
        assert!(events.iter().any(|event| event["event"]["message"] == "over"));
    }
    for busy in ["busy-1", "busy-2"] {
        runner.cancel(busy);
        let _ = runner.of_type("job_completed", busy);
    }
    runner.leave();
}

#[test]
fn output_is_not_streamed_when_the_environment_says_so() {
    let env = TestEnv::new();
    let mut runner = OldRunner::start_with(&env, Over::Stdio, &[("ROBOPPI_TUI_STREAM_STDIO", " Off ")]);
    runner.ask(&job(&env, "a", "echo unseen; echo ::progress::seen"));
    let (events, end) = runner.events_and_end("a");
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!((&events[0]["seq"], &events[0]["event"]["message"]), (&json!(0), &json!("seen")));
    assert_eq!(end["outcome"], "succeeded");
    runner.leave();
}

#[test]
fn workers_are_not_told_where_the_wire_is() {
    for over in EVERYWHERE {
        let env = TestEnv::new();
        let transport = ("ROBOPPI_SUPERVISED_IPC_TRANSPORT", "socket");
        let mut runner = OldRunner::start_with(&env, over, &[transport]);
        runner.ask(&job(&env, "a", "env | grep -E '^ROBOPPI_(IPC_SOCKET|SUPERVISED)' || echo clean"));
        let (events, _) = runner.events_and_end("a");
        assert_eq!(events.len(), 1, "{over:?}: {events:?}");
        assert_eq!(events[0]["event"]["data"], "clean");
        runner.leave();
    }
}

#[test]
fn the_end_of_the_wire_ends_the_core_and_its_workers() {
    for over in EVERYWHERE {
        let env = TestEnv::new();
        let mut runner = OldRunner::start(&env, over);
        runner.ask(&job(&env, "a", "trap '' TERM; echo up; while :; do sleep 0.05; done"));
        let _ = runner.of_type("job_event", "a");
        runner.leave();
        env.wait_until_nothing_is_left();
    }
}
