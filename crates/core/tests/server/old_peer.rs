//! A peer that knows nothing of hello.

use std::time::Duration;

use roboppi_core::CoreSettings;
use serde_json::{Value, json};

use crate::client::{Client, job, kinds, run};

async fn old(settings: CoreSettings) -> Client {
    let mut client = Client::connect_old(settings).await;
    client.send(json!({"type": "heartbeat", "timestamp": 1})).await;
    client.next("heartbeat_ack").await;
    client
}

#[test]
fn it_gets_lines_and_nothing_it_does_not_know() {
    run(|| async {
        let mut client = old(CoreSettings::default()).await;
        let script =
            "printf 'one\\n\\ntwo'; printf 'err\\n' >&2; echo ::progress percent=7 phase=x::go; exit 1";
        client
            .start(&job("a", &script.replace("::progress", "'\n::progress").replace("::go", "::go'")))
            .await;
        let said = client.until_completed("a").await;
        let events: Vec<&Value> = said.iter().filter(|message| message["type"] == "job_event").collect();
        for (seq, event) in events.iter().enumerate() {
            assert_eq!(event["seq"], json!(seq));
            assert!(event.get("at").is_none());
            assert!(event["event"].get("offset").is_none());
        }
        let mut bodies: Vec<String> = events.iter().map(|event| event["event"].to_string()).collect();
        bodies.sort();
        assert_eq!(
            bodies,
            [
                r#"{"data":"::progress percent=7 phase=x::go","type":"stdout"}"#,
                r#"{"data":"err","type":"stderr"}"#,
                r#"{"data":"one","type":"stdout"}"#,
                r#"{"data":"two","type":"stdout"}"#,
                r#"{"message":"go","percent":7,"type":"progress"}"#,
            ]
        );
        let completed = said.last().unwrap();
        assert!(completed["result"].get("details").is_none());
        assert!(!said.iter().any(|message| message["type"] == "core_event"));
        client.done().await;
    });
}

#[test]
fn what_was_never_started_has_no_result() {
    run(|| async {
        let mut client = old(CoreSettings::default()).await;
        let mut nowhere = job("a", "true");
        nowhere["payload"]["workspaceRef"] = json!("/no/such/place");
        client.start(&nowhere).await;
        let said = client.until_completed("a").await;
        assert_eq!(
            said.last().unwrap(),
            &json!({"type": "job_completed", "jobId": "a", "outcome": "failed", "errorClass": "NON_RETRYABLE"})
        );
        client.done().await;
    });
}

#[test]
fn a_bad_line_has_no_answer() {
    run(|| async {
        let mut client = Client::connect_old(CoreSettings::default()).await;
        client.send(json!({"type": "cancel_job", "requestId": "c", "jobId": 7, "reason": "x"})).await;
        client.send(json!({"type": "pause_job", "requestId": "p", "jobId": "x"})).await;
        client.send(json!({"type": "heartbeat", "timestamp": 1})).await;
        client.next("heartbeat_ack").await;
        client.close().await;
        assert!(client.end().await.is_empty());
    });
}

#[test]
fn a_full_job_table_is_said_by_refusing_the_permit() {
    run(|| async {
        let mut client = old(CoreSettings { max_jobs: 0, ..CoreSettings::default() }).await;
        client.send(json!({"type": "submit_job", "requestId": "s", "job": job("a", "true")})).await;
        client.next("ack").await;
        client.start(&job("a", "true")).await;
        assert_eq!(client.next("permit_rejected").await["rejection"]["reason"], "GLOBAL_SHED");
        client.done().await;
    });
}

#[test]
fn its_core_is_gone_before_it_loses_patience() {
    run(|| async {
        let settings = CoreSettings { grace: Duration::from_secs(3600), ..CoreSettings::default() };
        let mut client = old(settings).await;
        client.start(&job("a", "trap '' TERM; echo ready; while :; do sleep 1000; done")).await;
        client.output("ready").await;
        client.close().await;
        let rest = client.end().await;
        assert_eq!(kinds(&rest).last().map(String::as_str), Some("job_completed"));
    });
}
