//! Jobs that are ended, and cores that are.

use std::time::Duration;

use roboppi_core::CoreSettings;
use roboppi_ipc::{Cancel, CancelReason};
use roboppi_process::is_alive;
use serde_json::json;

use crate::client::{Client, job, kinds, run};

/// A worker that TERM does not end, nor its child.
const STUBBORN: &str = "trap '' TERM; echo ready; while :; do sleep 1000; done";

fn impatient() -> CoreSettings {
    CoreSettings { grace: Duration::from_millis(100), ..CoreSettings::default() }
}

#[test]
fn a_worker_that_ignores_term_is_killed_after_the_grace_time() {
    run(|| async {
        let mut client = Client::connect(impatient()).await;
        client.start(&job("a", STUBBORN)).await;
        client.output("ready").await;
        let worker = client.worker().await;
        client.cancel("a", "user").await;
        let said = client.until_completed("a").await;
        let expected =
            json!({"type": "job_cancelled", "jobId": "a", "reason": "user", "requestId": "cancel-a"});
        assert!(said.contains(&expected), "{said:#?}");
        let phases: Vec<_> = said
            .iter()
            .filter(|message| message["event"]["type"] == "worker_ending")
            .map(|message| (&message["event"]["phase"], &message["event"]["reason"]))
            .collect();
        assert_eq!(phases[0], (&json!("terminating"), &json!("user")));
        assert_eq!(phases[1], (&json!("killing"), &json!("user")));
        let completed = said.last().unwrap();
        assert_eq!(completed["outcome"], "cancelled");
        let result = &completed["result"];
        assert_eq!((&result["status"], &result["exitCode"]), (&json!("CANCELLED"), &json!(137)));
        assert_eq!(result["errorClass"], "RETRYABLE_TRANSIENT");
        let details = &result["details"];
        assert_eq!(
            (&details["cancelReason"], &details["killed"], &details["signal"]),
            (&json!("user"), &json!(true), &json!(9))
        );
        assert!(!is_alive(worker));
        client.done().await;
    });
}

#[test]
fn a_second_cancel_with_force_does_not_wait() {
    run(|| async {
        let patient = CoreSettings { grace: Duration::from_secs(3600), ..CoreSettings::default() };
        let mut client = Client::connect(patient).await;
        client.start(&job("a", STUBBORN)).await;
        client.output("ready").await;
        client.cancel("a", "user").await;
        client.next("job_cancelled").await;
        client
            .send(json!({"type": "cancel_job", "requestId": "f", "jobId": "a", "reason": "user", "force": true}))
            .await;
        let said = client.until_completed("a").await;
        assert_eq!(said.last().unwrap()["result"]["details"]["killed"], true);
        client.done().await;
    });
}

#[test]
fn a_worker_whose_time_is_over_has_failed() {
    run(|| async {
        let mut client = Client::connect(impatient()).await;
        let mut short = job("short", "sleep 1000");
        short["payload"]["roboppi"] = json!({"timeoutMs": 50});
        let mut past = job("past", "sleep 1000");
        past["payload"]["budget"]["deadlineAt"] = json!(1000);
        let mut permit = job("permit", "sleep 1000");
        permit["limits"]["timeoutMs"] = json!(50);
        for (id, job) in [("short", short), ("past", past), ("permit", permit)] {
            client.start(&job).await;
            let said = client.until_completed(id).await;
            let completed = said.last().unwrap();
            assert_eq!(completed["outcome"], "failed", "{id}");
            assert_eq!(completed["errorClass"], "RETRYABLE_TRANSIENT", "{id}");
            assert_eq!(completed["result"]["details"]["cancelReason"], "timeout", "{id}");
        }
        client.done().await;
    });
}

#[test]
fn jobs_that_are_not_there_or_do_not_run() {
    run(|| async {
        let mut client = Client::connect(CoreSettings::default()).await;
        client.cancel("none", "user").await;
        let expected = json!({
            "type": "error", "code": "JOB_NOT_FOUND", "message": "Job none not found", "requestId": "cancel-none"
        });
        assert_eq!(client.next("error").await, expected);
        client.send(json!({"type": "submit_job", "requestId": "s", "job": job("a", "true")})).await;
        client.next("ack").await;
        client.cancel("a", "changed my mind").await;
        assert_eq!(client.next("job_cancelled").await["reason"], "changed my mind");
        client.cancel("a", "again").await;
        assert_eq!(client.next("error").await["message"], "Job a not found");
        client.start(&job("b", "true")).await;
        client.until_completed("b").await;
        client.cancel("b", "too late").await;
        assert_eq!(client.next("error").await["message"], "Job b not found");
        client.done().await;
    });
}

#[test]
fn the_end_of_the_wire_ends_the_workers() {
    run(|| async {
        let mut client = Client::connect(impatient()).await;
        client.start(&job("a", STUBBORN)).await;
        client.output("ready").await;
        client.start(&job("b", "echo steady; exec sleep 1000")).await;
        client.output("steady").await;
        let workers = [client.worker().await, client.worker().await];
        client.close().await;
        let rest = client.end().await;
        for worker in workers {
            assert!(!is_alive(worker));
        }
        for id in ["a", "b"] {
            let completed = rest.iter().find(|m| m["type"] == "job_completed" && m["jobId"] == id).unwrap();
            assert_eq!(
                completed["result"]["details"]["cancelReason"],
                "parent",
                "{}",
                kinds(&rest).join(" ")
            );
        }
    });
}

#[test]
fn a_supervisor_that_vanishes_without_reading_keeps_nobody_alive() {
    run(|| async {
        let mut client = Client::connect(impatient()).await;
        client.start(&job("a", "echo ready; exec yes")).await;
        let worker = client.worker().await;
        client.vanish();
        client.core_returned().await;
        assert!(!is_alive(worker));
    });
}

#[test]
fn a_core_that_is_told_to_stop_ends_its_workers_and_then_returns() {
    run(|| async {
        let mut client = Client::connect(impatient()).await;
        client.start(&job("a", STUBBORN)).await;
        client.output("ready").await;
        let worker = client.worker().await;
        client.stop.send(Cancel::graceful(CancelReason::Parent)).await.unwrap();
        let completed = client.next("job_completed").await;
        assert_eq!(completed["result"]["details"]["cancelReason"], "parent");
        assert!(!is_alive(worker));
        client.end().await;
    });
}

#[test]
fn a_core_that_is_told_twice_kills() {
    run(|| async {
        let patient = CoreSettings { grace: Duration::from_secs(3600), ..CoreSettings::default() };
        let mut client = Client::connect(patient).await;
        client.start(&job("a", STUBBORN)).await;
        client.output("ready").await;
        client.stop.send(Cancel::graceful(CancelReason::Parent)).await.unwrap();
        client.find(|message| message["event"]["phase"] == "terminating").await;
        client.stop.send(Cancel::forced(CancelReason::Parent)).await.unwrap();
        let completed = client.next("job_completed").await;
        assert_eq!(completed["result"]["details"]["killed"], true);
        client.end().await;
    });
}

#[test]
fn a_stopping_core_gives_no_permits() {
    run(|| async {
        let mut client =
            Client::connect(CoreSettings { grace: Duration::from_secs(3600), ..impatient() }).await;
        client.start(&job("a", STUBBORN)).await;
        client.output("ready").await;
        let worker = client.worker().await;
        client.stop.send(Cancel::graceful(CancelReason::Parent)).await.unwrap();
        client.find(|message| message["event"]["phase"] == "terminating").await;
        client.start(&job("b", "true")).await;
        assert_eq!(client.next("permit_rejected").await["rejection"]["reason"], "FATAL_MODE");
        client.stop.send(Cancel::forced(CancelReason::Parent)).await.unwrap();
        client.end().await;
        assert!(!is_alive(worker));
    });
}
