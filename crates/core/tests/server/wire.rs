//! What is said on the wire besides jobs.

use roboppi_core::CoreSettings;
use serde_json::json;

use crate::client::{Client, job, run};

#[test]
fn heartbeats_are_answered_with_the_clock_of_the_core() {
    run(|| async {
        let mut client = Client::connect(CoreSettings::default()).await;
        client.send(json!({"type": "heartbeat", "timestamp": 5})).await;
        assert!(client.next("heartbeat_ack").await["timestamp"].as_u64().unwrap() > 1_000_000);
        client.done().await;
    });
}

#[test]
fn bad_lines_are_answered_when_somebody_waits_and_harm_nobody() {
    run(|| async {
        let mut client = Client::connect(CoreSettings::default()).await;
        client.send_line("this is not JSON").await;
        client.send_line(&"x".repeat(11 * 1024 * 1024)).await;
        client.send(json!({"type": "hologram", "requestId": "h"})).await;
        client.send(json!({"type": "cancel_job", "requestId": "c", "jobId": 7, "reason": "x"})).await;
        let error = client.next("error").await;
        assert_eq!((&error["code"], &error["requestId"]), (&json!("BAD_MESSAGE"), &json!("c")));
        for part in ["not JSON", "longer than"] {
            let of = |message: &serde_json::Value| {
                message["event"]["message"].as_str().is_some_and(|m| m.contains(part))
            };
            client.find(of).await;
        }
        client.start(&job("a", "true")).await;
        client.until_completed("a").await;
        client.done().await;
    });
}

#[test]
fn a_full_job_table_refuses_and_goes_on_reading() {
    run(|| async {
        let settings = CoreSettings { max_jobs: 2, ..CoreSettings::default() };
        let mut client = Client::connect(settings).await;
        for id in ["a", "b", "c"] {
            client.send(json!({"type": "submit_job", "requestId": id, "job": job(id, "true")})).await;
        }
        let error = client.next("error").await;
        assert_eq!((&error["code"], &error["requestId"]), (&json!("OVERLOADED"), &json!("c")));
        client.start(&job("c", "true")).await;
        assert_eq!(client.next("permit_rejected").await["rejection"]["reason"], "GLOBAL_SHED");
        client.start(&job("a", "true")).await;
        client.until_completed("a").await;
        client.start(&job("c", "true")).await;
        client.until_completed("c").await;
        client.done().await;
    });
}

#[test]
fn answers_nobody_reads_are_not_lost() {
    run(|| async {
        let mut client = Client::connect(CoreSettings::default()).await;
        let sent = 20_000;
        let mut sender = client.take_writer();
        let sending = tokio::task::spawn_local(async move {
            for number in 0..sent {
                sender.send(json!({"type": "cancel_job", "requestId": format!("r{number}"), "jobId": "x", "reason": "y"})).await;
            }
            sender
        });
        for number in 0..sent {
            assert_eq!(client.next("error").await["requestId"], format!("r{number}"));
        }
        client.give_writer(sending.await.unwrap());
        client.done().await;
    });
}
