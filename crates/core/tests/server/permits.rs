//! The gate as a supervisor meets it.

use roboppi_core::{BreakerSettings, CoreSettings, GateSettings};
use serde_json::{Value, json};

use crate::client::{Client, job, run};

/// A job of an agent for which no adapter is there, so that none ever starts.
fn broken_agent(id: &str) -> Value {
    let mut job = job(id, "do it");
    job["payload"]["workerKind"] = json!("CLAUDE_CODE");
    job
}

#[test]
fn agents_that_never_start_are_isolated_and_that_is_told() {
    run(|| async {
        let breaker = BreakerSettings { failures: 2, ..BreakerSettings::default() };
        let gate = GateSettings { breaker, ..GateSettings::default() };
        let mut client = Client::connect(CoreSettings { gate, ..CoreSettings::default() }).await;
        for id in ["a", "b"] {
            client.start(&broken_agent(id)).await;
            assert_eq!(client.next("job_completed").await["outcome"], "failed");
        }
        let told = client.next("escalation").await;
        assert_eq!(told["event"]["target"], "CLAUDE_CODE");
        assert_eq!(told["event"]["action"], "ISOLATE");
        client.start(&broken_agent("c")).await;
        assert_eq!(
            client.next("permit_rejected").await["rejection"],
            json!({"reason": "CIRCUIT_OPEN", "detail": "Circuit breaker open for provider: CLAUDE_CODE"})
        );
        client.start(&job("plain", "true")).await;
        let granted = client.find(|message| message["permit"]["jobId"] == "plain").await;
        assert_eq!(granted["permit"]["circuitStateSnapshot"], json!({"CLAUDE_CODE": "OPEN"}));
        assert_eq!(client.next("job_completed").await["outcome"], "succeeded");
        client.done().await;
    });
}

#[test]
fn a_queue_that_is_reported_as_long_puts_permits_off_until_it_is_short() {
    run(|| async {
        let mut client = Client::connect(CoreSettings::default()).await;
        for (age, reason) in [(20_000, "GLOBAL_SHED"), (8_000, "DEFERRED")] {
            report(&mut client, age).await;
            client.start(&job("a", "true")).await;
            assert_eq!(client.next("permit_rejected").await["rejection"]["reason"], reason);
        }
        report(&mut client, 0).await;
        client.start(&job("a", "true")).await;
        assert_eq!(client.next("job_completed").await["outcome"], "succeeded");
        client.done().await;
    });
}

async fn report(client: &mut Client, oldest_job_age_ms: u64) {
    client
        .send(json!({
            "type": "report_queue_metrics", "requestId": "q", "queueDepth": 1,
            "oldestJobAgeMs": oldest_job_age_ms, "backlogCount": 0,
        }))
        .await;
}
