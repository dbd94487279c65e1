//! The record comes first.

use roboppi_core::CoreSettings;
use roboppi_ipc::WorkerEvent;
use roboppi_record::RunDir;
use serde_json::{Value, json};

use crate::client::{Client, job, run, text};

fn recorded(id: &str, script: &str, dir: &std::path::Path) -> Value {
    let mut job = job(id, script);
    job["payload"]["roboppi"] = json!({"record": {"dir": dir, "base": format!("steps/{id}/i1-a1")}});
    job
}

#[test]
fn the_last_line_is_recorded_before_the_job_is_completed() {
    run(|| async {
        let dir = tempfile::tempdir().unwrap();
        let run_dir = RunDir::at(dir.path().to_owned());
        let mut client = Client::connect(CoreSettings::default()).await;
        for round in 0..100 {
            let ids: Vec<String> = (0..10).map(|number| format!("j{round}-{number}")).collect();
            for id in &ids {
                let script = format!("echo first; echo problem {id} >&2; echo last {id}");
                client.start(&recorded(id, &script, dir.path())).await;
            }
            for id in &ids {
                let said = client.until_completed(id).await;
                let log =
                    std::fs::read_to_string(run_dir.log_path(&format!("steps/{id}/i1-a1")).unwrap()).unwrap();
                // Two pipes: only within one stream there is an order.
                let (err, out): (Vec<&str>, Vec<&str>) =
                    log.lines().partition(|line| line.starts_with("problem"));
                assert_eq!(out, ["first", &format!("last {id}")]);
                assert_eq!(err, [format!("problem {id}")]);
                assert_eq!(text(&said, "stdout"), format!("first\nlast {id}\n"));
                assert_eq!(text(&said, "stderr"), format!("problem {id}\n"));
                assert_eq!(said.last().unwrap()["result"]["details"]["logBytes"], json!(log.len()));
            }
        }
        client.done().await;
    });
}

#[test]
fn typed_events_are_in_the_event_file_with_their_numbers() {
    run(|| async {
        let dir = tempfile::tempdir().unwrap();
        let mut client = Client::connect(CoreSettings::default()).await;
        client
            .start(&recorded(
                "a",
                "echo x; echo ::progress::one; sleep 0.2; echo ::progress::two",
                dir.path(),
            ))
            .await;
        let said = client.until_completed("a").await;
        let mut reader = RunDir::at(dir.path().to_owned()).events("steps/a/i1-a1").unwrap();
        let records: Vec<_> = reader.by_ref().map(Result::unwrap).collect();
        let live: Vec<&Value> =
            said.iter().filter(|message| message["event"]["type"] == "progress").collect();
        assert_eq!(records.len(), 2);
        for (record, message) in records.iter().zip(live) {
            assert_eq!(json!(record.seq), message["seq"]);
            assert_eq!(json!(record.at), message["at"]);
            assert!(matches!(record.event, WorkerEvent::Progress(_)));
        }
        let size = std::fs::metadata(reader.path()).unwrap().len();
        assert_eq!(said.last().unwrap()["result"]["details"]["eventsBytes"], json!(size));
        client.done().await;
    });
}

/// A client that reads logs, and says so.
async fn log_reader() -> Client {
    let mut client = Client::connect_old(CoreSettings::default()).await;
    let hello = json!({
        "type": "hello", "protocol": {"min": 1, "max": 2}, "capabilities": ["log_grew"], "version": "test",
    });
    client.send(hello).await;
    client
}

#[test]
fn who_reads_logs_is_told_how_far_they_reach_and_not_what_is_in_them() {
    run(|| async {
        let dir = tempfile::tempdir().unwrap();
        let mut client = log_reader().await;
        let script = "echo one; echo two >&2; echo ::progress::half; seq 100000; echo end";
        client.start(&recorded("a", script, dir.path())).await;
        let said = client.until_completed("a").await;
        let log = RunDir::at(dir.path().to_owned()).log("steps/a/i1-a1").unwrap();
        let (mut reached, mut next, mut streams) = (0, 0, [false; 2]);
        for message in said.iter().filter(|message| message["type"] == "job_event") {
            assert_eq!(message["seq"], json!(next));
            next += 1;
            let event = &message["event"];
            match event["type"].as_str().unwrap() {
                "log_grew" => {
                    assert_eq!(event["offset"], json!(reached));
                    reached += event["len"].as_u64().unwrap();
                    assert_eq!(message["at"], json!(reached));
                    streams[0] |= event["stdout"] == true;
                    streams[1] |= event["stderr"] == true;
                }
                // All output before it is announced.
                "progress" => assert_eq!(message["at"], json!(reached)),
                other => panic!("{other}"),
            }
        }
        assert_eq!((reached, streams), (log.len(), [true; 2]));
        assert_eq!(said.last().unwrap()["result"]["details"]["lastSeq"], json!(next - 1));
        client.done().await;
    });
}

#[test]
fn without_a_log_to_read_there_is_text() {
    run(|| async {
        let dir = tempfile::tempdir().unwrap();
        let not_a_dir = dir.path().join("file");
        std::fs::write(&not_a_dir, "").unwrap();
        let mut client = log_reader().await;
        client.start(&job("nowhere", "echo text")).await;
        assert_eq!(text(&client.until_completed("nowhere").await, "stdout"), "text\n");
        client.start(&recorded("unwritable", "echo text", &not_a_dir)).await;
        assert_eq!(text(&client.until_completed("unwritable").await, "stdout"), "text\n");
        client.done().await;
    });
}

#[test]
fn a_record_that_cannot_be_written_is_told_once_and_the_job_goes_on() {
    run(|| async {
        let dir = tempfile::tempdir().unwrap();
        let not_a_dir = dir.path().join("file");
        std::fs::write(&not_a_dir, "").unwrap();
        let mut client = Client::connect(CoreSettings::default()).await;
        let script = "for i in 1 2 3; do echo $i; echo ::progress::$i; sleep 0.05; done";
        for (id, dir, base) in [("a", not_a_dir.as_path(), "steps/a/i1-a1"), ("b", dir.path(), "../escape")] {
            let mut job = job(id, script);
            job["payload"]["roboppi"] = json!({"record": {"dir": dir, "base": base}});
            client.start(&job).await;
            let said = client.until_completed(id).await;
            assert_eq!(said.last().unwrap()["outcome"], "succeeded");
            assert!(text(&said, "stdout").contains('3'));
            let of_job = |message: &Value| {
                let warning = message["event"]["type"] == "warning";
                warning
                    && message["event"]["message"]
                        .as_str()
                        .is_some_and(|text| text.starts_with(&format!("job {id}: ")))
            };
            client.find(of_job).await;
            assert!(!client.has_unread(of_job));
        }
        client.done().await;
    });
}
