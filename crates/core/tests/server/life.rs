//! Jobs from their submission to their end.

use roboppi_core::{CoreSettings, GateSettings};
use serde_json::{Value, json};

use crate::client::{Client, job, kinds, run, text};

#[test]
fn a_job_runs_and_says_what_it_does() {
    run(|| async {
        let mut client = Client::connect(CoreSettings::default()).await;
        let script = "echo out; echo err >&2; echo '::progress percent=50 phase=x::half'; exit 3";
        client.send(json!({"type": "submit_job", "requestId": "r1", "job": job("a", script)})).await;
        assert_eq!(client.next("ack").await, json!({"type": "ack", "requestId": "r1", "jobId": "a"}));
        client.start(&job("a", script)).await;
        let said = client.until_completed("a").await;
        let order = kinds(&said);
        assert_eq!(order[..2], ["permit_granted", "worker_started"]);
        assert_eq!(order.last().map(String::as_str), Some("job_completed"));
        assert_eq!(text(&said, "stdout"), "out\n::progress percent=50 phase=x::half\n");
        assert_eq!(text(&said, "stderr"), "err\n");
        let progress = said.iter().find(|message| message["event"]["type"] == "progress").unwrap();
        assert_eq!(
            progress["event"],
            json!({"type": "progress", "message": "half", "percent": 50, "phase": "x"})
        );
        let completed = said.last().unwrap();
        assert_eq!(
            (&completed["outcome"], &completed["errorClass"]),
            (&json!("failed"), &json!("NON_RETRYABLE"))
        );
        let result = &completed["result"];
        assert_eq!((&result["status"], &result["exitCode"]), (&json!("FAILED"), &json!(3)));
        assert_eq!(result["observations"][1]["summary"], "[stderr]\nerr");
        let events = said.iter().filter(|message| message["type"] == "job_event").count() as u64;
        assert_eq!(result["details"]["lastSeq"], json!(events - 1));
        assert_eq!(result["details"]["logBytes"], json!(text(&said, "stdout").len() + 4));
        client.done().await;
    });
}

#[test]
fn numbers_rise_by_one_and_output_covers_the_log() {
    run(|| async {
        let mut client = Client::connect(CoreSettings::default()).await;
        let script = "for i in 1 2 3 4 5; do echo $i; echo e$i >&2; echo ::progress::$i; sleep 0.02; done";
        client.start(&job("a", script)).await;
        let said = client.until_completed("a").await;
        let events: Vec<&Value> = said.iter().filter(|message| message["type"] == "job_event").collect();
        let mut offset = 0;
        for (seq, message) in events.iter().enumerate() {
            assert_eq!(message["seq"], json!(seq));
            if let Some(at) = message["event"]["offset"].as_u64() {
                assert_eq!(at, offset);
                offset += message["event"]["len"].as_u64().unwrap();
            }
        }
        let last = events.iter().rev().find(|message| message["event"]["type"] == "progress").unwrap();
        assert_eq!(last["event"]["message"], "5", "the last progress is always shown");
        assert_eq!(said.last().unwrap()["result"]["details"]["logBytes"], json!(offset));
        client.done().await;
    });
}

#[test]
fn a_full_core_refuses_until_a_permit_is_back() {
    run(|| async {
        let settings = CoreSettings { gate: GateSettings::with_concurrency(1), ..CoreSettings::default() };
        let mut client = Client::connect(settings).await;
        client.start(&job("a", "sleep 1000")).await;
        client.next("permit_granted").await;
        client.worker().await;
        client.start(&job("b", "true")).await;
        let rejected = client.next("permit_rejected").await;
        assert_eq!(
            rejected["rejection"],
            json!({"reason": "CONCURRENCY_LIMIT", "detail": "Execution budget check failed"})
        );
        client.start(&job("a", "true")).await;
        let rejected = client.next("permit_rejected").await;
        assert_eq!(
            rejected["rejection"],
            json!({"reason": "DUPLICATE_PERMIT", "detail": "Job a already has active permit permit-1"})
        );
        client.cancel("a", "user").await;
        client.until_completed("a").await;
        client.start(&job("b", "true")).await;
        assert_eq!(client.until_completed("b").await.last().unwrap()["outcome"], "succeeded");
        let mut used_up = job("c", "true");
        used_up["limits"]["maxAttempts"] = json!(0);
        client.start(&used_up).await;
        assert_eq!(client.next("permit_rejected").await["rejection"]["reason"], "BUDGET_EXHAUSTED");
        client.done().await;
    });
}

#[test]
fn permits_are_told_when_they_change() {
    run(|| async {
        let mut client = Client::connect(CoreSettings::default()).await;
        client.start(&job("a", "true")).await;
        client.until_completed("a").await;
        let is_back =
            |message: &Value| message["event"] == json!({"type": "permits", "active": 0, "limit": 10});
        client.find(is_back).await;
        client.done().await;
    });
}

#[test]
fn what_cannot_be_executed_gets_a_permit_and_fails_at_once() {
    run(|| async {
        let settings = CoreSettings { gate: GateSettings::with_concurrency(1), ..CoreSettings::default() };
        let mut client = Client::connect(settings).await;
        let mut bad = job("bad", "true");
        bad["payload"]["capabilities"] = json!(["FLY"]);
        let mut other = job("other", "true");
        other["type"] = json!("LLM");
        for (id, job) in [("bad", bad), ("other", other)] {
            client.start(&job).await;
            let said = client.until_completed(id).await;
            assert_eq!(kinds(&said), ["permit_granted", "job_completed"]);
            let expected = json!({
                "type": "job_completed", "jobId": id, "outcome": "failed", "errorClass": "NON_RETRYABLE"
            });
            assert_eq!(said[1], expected, "and no result");
            client.find(|message| message["event"]["type"] == "warning").await;
        }
        client.start(&job("good", "true")).await;
        assert_eq!(client.until_completed("good").await.last().unwrap()["outcome"], "succeeded");
        client.done().await;
    });
}

#[test]
fn a_worker_that_cannot_be_started_says_why() {
    run(|| async {
        let mut client = Client::connect(CoreSettings::default()).await;
        let mut nowhere = job("a", "true");
        nowhere["payload"]["workspaceRef"] = json!("/no/such/place");
        client.start(&nowhere).await;
        let said = client.until_completed("a").await;
        let completed = said.last().unwrap();
        assert_eq!(
            (&completed["outcome"], &completed["errorClass"]),
            (&json!("failed"), &json!("NON_RETRYABLE"))
        );
        let error = completed["result"]["details"]["error"].as_str().unwrap();
        assert!(error.contains("the working directory `/no/such/place` does not exist"), "{error}");
        client.done().await;
    });
}

#[test]
fn events_can_be_left_out() {
    run(|| async {
        let mut client = Client::connect(CoreSettings::default()).await;
        // A child of another test, between its start and its program, may hold a pipe of this one for a moment.
        let kinds = |said: &[Value]| -> Vec<String> {
            kinds(said).into_iter().filter(|kind| kind != "worker_ending").collect()
        };
        let script = "echo text; echo ::progress::here";
        let mut batch = job("batch", script);
        batch["payload"]["outputMode"] = json!("BATCH");
        client.start(&batch).await;
        let said = client.until_completed("batch").await;
        assert_eq!(kinds(&said), ["permit_granted", "worker_started", "job_completed"]);
        let summary = &said.last().unwrap()["result"]["observations"][0]["summary"];
        assert_eq!(summary, "text\n::progress::here\n", "the result is the same");
        let mut silent = job("silent", script);
        silent["payload"]["roboppi"] = json!({"stdio": false});
        client.start(&silent).await;
        let said = client.until_completed("silent").await;
        assert_eq!(kinds(&said), ["permit_granted", "worker_started", "progress", "job_completed"]);
        client.done().await;
    });
}

#[test]
fn a_worker_sees_the_environment_it_should() {
    run(|| async {
        let mut client = Client::connect(CoreSettings::default()).await;
        let mut with_env = job("a", "echo \"$GREETING $ROBOPPI_COMPONENT [$ROBOPPI_IPC_SOCKET_PATH]\"; cat");
        with_env["payload"]["env"] = json!({"GREETING": "hi", "ROBOPPI_IPC_SOCKET_PATH": "/wrong"});
        client.start(&with_env).await;
        let said = client.until_completed("a").await;
        assert_eq!(text(&said, "stdout"), "hi core []\n", "and its standard input is empty");
        client.done().await;
    });
}

#[test]
fn a_paused_worker_does_nothing_until_it_goes_on() {
    run(|| async {
        let mut client = Client::connect(CoreSettings::default()).await;
        client.start(&job("a", "echo ready; while read -t 0.01 x < /dev/zero; do :; done; while :; do echo tick; sleep 0.01; done")).await;
        client.output("ready").await;
        client.output("tick").await;
        let worker = client.worker().await;
        client.send(json!({"type": "pause_job", "requestId": "p", "jobId": "a"})).await;
        client.next("ack").await;
        client.until(|| state_of(worker.pid) == Some('T')).await;
        client.send(json!({"type": "resume_job", "requestId": "q", "jobId": "a"})).await;
        client.next("ack").await;
        client.until(|| state_of(worker.pid) != Some('T')).await;
        client.send(json!({"type": "pause_job", "requestId": "x", "jobId": "none"})).await;
        assert_eq!(client.next("error").await["code"], "JOB_NOT_FOUND");
        client.cancel("a", "user").await;
        client.until_completed("a").await;
        client.done().await;
    });
}

/// The letter of a process's state in `/proc`.
fn state_of(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(')').next()?.trim().chars().next()
}
