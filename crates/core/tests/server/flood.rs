//! Workers that print more than anybody reads.

use roboppi_core::CoreSettings;
use roboppi_process::is_alive;
use serde_json::{Value, json};

use crate::client::{Client, job, run};

/// What a careful reader adds up.
#[derive(Default)]
struct Account {
    next_seq: u64,
    next_offset: u64,
    shown: u64,
    missing: u64,
    notes: usize,
    gaps: usize,
}

impl Account {
    fn add(&mut self, message: &Value) {
        let event = &message["event"];
        let number = |field: &str| event[field].as_u64().unwrap();
        match event["type"].as_str().unwrap() {
            "stdout" => {
                assert_eq!(
                    (message["seq"].as_u64(), number("offset")),
                    (Some(self.next_seq), self.next_offset)
                );
                assert_eq!(event["data"].as_str().unwrap().len() as u64, number("len"));
                self.next_seq += 1;
                self.next_offset += number("len");
                self.shown += number("len");
            }
            "gap" => {
                assert_eq!((number("fromSeq"), number("fromOffset")), (self.next_seq, self.next_offset));
                (self.next_seq, self.next_offset) = (number("toSeq"), number("toOffset"));
                self.missing += number("bytes");
                self.gaps += 1;
            }
            "progress" if event["message"] == "(logs truncated)" => self.notes += 1,
            "progress" => {
                assert_eq!(message["seq"].as_u64(), Some(self.next_seq));
                self.next_seq += 1;
            }
            other => panic!("unexpected {other}"),
        }
    }
}

#[test]
fn a_slow_reader_is_told_exactly_what_it_missed() {
    run(|| async {
        let mut client = Client::connect(CoreSettings::default()).await;
        let size = 64 * 1024 * 1024;
        let script = format!(
            "head -c {size} /dev/zero | tr '\\0' 'x'; echo; echo ::progress::flooded; sleep 0.3; echo newest"
        );
        client.start(&job("a", &script)).await;
        client.worker().await;
        let mut account = Account::default();
        let mut newest = false;
        loop {
            let message = client.find(|_| true).await;
            match message["type"].as_str().unwrap() {
                "job_event" => {
                    account.add(&message);
                    newest |= message["event"]["data"] == "newest\n";
                }
                "job_completed" => {
                    let details = &message["result"]["details"];
                    assert_eq!(details["logBytes"], json!(account.next_offset));
                    assert_eq!(details["lastSeq"], json!(account.next_seq - 1));
                    break;
                }
                _ => {}
            }
        }
        assert!(newest, "after the flood the newest output flows");
        assert_eq!(account.shown + account.missing, account.next_offset);
        assert!(account.gaps > 0 && account.notes > 0 && account.notes <= account.gaps);
        client.done().await;
    });
}

#[test]
fn nobody_waits_for_a_supervisor_that_does_not_read() {
    run(|| async {
        let dir = tempfile::tempdir().unwrap();
        let mut client = Client::connect(CoreSettings::default()).await;
        let mut flood = job("a", "head -c 20000000 /dev/zero; touch done; exec sleep 1000");
        flood["payload"]["workspaceRef"] = json!(dir.path());
        client.start(&flood).await;
        let worker = client.worker().await;
        // Not a line is read until the worker has printed everything and was ended.
        client.until(|| dir.path().join("done").exists()).await;
        client.cancel("a", "user").await;
        client.until(|| !is_alive(worker)).await;
        let said = client.until_completed("a").await;
        assert_eq!(said.last().unwrap()["result"]["details"]["logBytes"], json!(20_000_000));
        client.done().await;
    });
}

#[test]
fn a_loud_job_does_not_silence_a_quiet_one() {
    run(|| async {
        let mut client = Client::connect(CoreSettings::default()).await;
        client.start(&job("loud", "exec yes a loud worker")).await;
        client.worker().await;
        for round in 0..5 {
            let id = format!("quiet{round}");
            client.start(&job(&id, "echo here I am")).await;
            client.until_completed(&id).await;
        }
        client.cancel("loud", "user").await;
        client.until_completed("loud").await;
        client.done().await;
    });
}
