//! Lines that were sent once and must be understood for ever. A file of `fixtures/` is never changed, only added
//! to: `protocol-1` is what the existing program sends, with all it leaves out and puts in; `protocol-2` is ours.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use roboppi_ipc::{CoreEvent, Message, WorkerEvent, decode};

use crate::samples::kinds;

/// All lines of all fixtures, with where they are.
pub(crate) fn fixtures() -> Vec<(String, String)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/protocol/fixtures");
    let mut lines = Vec::new();
    for name in ["protocol-1.jsonl", "protocol-2.jsonl"] {
        let text = fs::read_to_string(dir.join(name)).unwrap();
        lines.extend(
            text.lines().zip(1..).map(|(line, number)| (format!("{name}:{number}"), line.to_owned())),
        );
    }
    lines
}

#[test]
fn every_fixture_is_understood() {
    for (place, line) in fixtures() {
        let message =
            decode(line.as_bytes()).expect(&place).unwrap_or_else(|error| panic!("{place}: {error}: {line}"));
        match &message {
            Message::Unknown { kind } => panic!("{place}: nobody knows {kind}"),
            Message::JobEvent(event) => {
                assert!(!matches!(event.event, WorkerEvent::Unknown { .. }), "{place}");
            }
            Message::CoreEvent(event) => {
                assert!(!matches!(event.event, CoreEvent::Unknown { .. }), "{place}");
            }
            Message::SubmitJob(submit) => drop(submit.job.worker_task().unwrap()),
            Message::RequestPermit(ask) => drop(ask.job.worker_task().unwrap()),
            _ => {}
        }
        // What was read once means the same when we have written it.
        let mut again = Vec::new();
        message.encode(&mut again);
        assert_eq!(decode(&again).unwrap().unwrap(), message, "{place}");
    }
}

#[test]
fn every_message_has_a_fixture() {
    let seen: BTreeSet<String> = fixtures()
        .iter()
        .map(|(_, line)| decode(line.as_bytes()).unwrap().unwrap().kind().to_owned())
        .collect();
    let missing: Vec<_> = kinds().into_iter().filter(|kind| !seen.contains(*kind)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
