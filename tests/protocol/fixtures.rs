//! Lines that were sent once and must be understood for ever. A file of `fixtures/` is never changed, only added
//! to: `protocol-1` is what the existing program sends, with all it leaves out and puts in; `protocol-2` is ours;
//! `tolerated` is what nobody should send and is understood all the same; `future` has a word that nobody knows yet for
//! each list of words.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use roboppi_ipc::{CoreEvent, ErrorClass, Job, JobType, Message, UtcMillis, WorkerEvent, decode};
use serde_json::Value;

use crate::samples::{kinds, samples};
use crate::schema::schema;

/// All lines of all fixtures that fit the schema, with where they are.
pub(crate) fn fixtures() -> Vec<(String, String)> {
    lines_of(&["protocol-1.jsonl", "protocol-2.jsonl", "future.jsonl"])
}

pub(crate) fn lines_of(names: &[&str]) -> Vec<(String, String)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/protocol/fixtures");
    let mut lines = Vec::new();
    for name in names {
        let text = fs::read_to_string(dir.join(name)).unwrap();
        lines.extend(
            text.lines().zip(1..).map(|(line, number)| (format!("{name}:{number}"), line.to_owned())),
        );
    }
    lines
}

#[test]
fn every_fixture_is_understood() {
    for (place, line) in fixtures().into_iter().chain(lines_of(&["tolerated.jsonl"])) {
        let message =
            decode(line.as_bytes()).expect(&place).unwrap_or_else(|error| panic!("{place}: {error}: {line}"));
        match &message {
            Message::Unknown { kind } => panic!("{place}: nobody knows {kind}"),
            Message::JobEvent(event) => {
                let is_unknown = matches!(event.event, WorkerEvent::Unknown { .. });
                assert_eq!(is_unknown, line.contains(r#""type":"unknown""#), "{place}");
            }
            Message::CoreEvent(event) => {
                let is_unknown = matches!(event.event, CoreEvent::Unknown { .. });
                assert_eq!(is_unknown, line.contains(r#""type":"unknown""#), "{place}");
            }
            Message::SubmitJob(submit) => understand(&place, &submit.job),
            Message::RequestPermit(ask) => understand(&place, &ask.job),
            _ => {}
        }
        // What was read once means the same when we have written it.
        let mut again = Vec::new();
        message.encode(&mut again);
        assert_eq!(decode(&again).unwrap().unwrap(), message, "{place}");
    }
}

fn understand(place: &str, job: &Job) {
    assert_eq!(job.worker_task().is_ok(), job.job_type == JobType::WorkerTask, "{place}");
}

#[test]
fn what_is_tolerated_means_what_is_nearest() {
    let messages: Vec<Message> = lines_of(&["tolerated.jsonl"])
        .iter()
        .map(|(place, line)| decode(line.as_bytes()).expect(place).expect(place))
        .collect();
    let deadline = messages.iter().find_map(|message| match message {
        Message::SubmitJob(submit) => Some(submit.job.worker_task().unwrap().budget.deadline_at),
        _ => None,
    });
    assert_eq!(deadline, Some(UtcMillis(1_893_460_000_000)));
    let granted = messages.iter().find_map(|message| match message {
        Message::PermitGranted(granted) => Some(granted.permit.deadline_at),
        _ => None,
    });
    assert_eq!(granted, Some(UtcMillis(1_893_460_000_001)));
    let durations: Vec<u64> = messages
        .iter()
        .filter_map(|message| match message {
            Message::JobCompleted(completed) => {
                completed.result.as_ref().map(|result| result.cost.wall_time_ms)
            }
            _ => None,
        })
        .collect();
    assert_eq!(durations, [12, 0]);
    let of_tomorrow = messages.iter().any(|message| {
        matches!(message, Message::JobCompleted(completed)
            if completed.error_class == Some(ErrorClass::from_name("A_CLASS_OF_TOMORROW")))
    });
    assert!(of_tomorrow, "a class nobody knows is kept");
}

/// What the schema, and so the types, know: kinds of messages and events, words of lists, names of fields. Each has a
/// fixture, and each that we write has a sample.
#[test]
fn everything_there_is_has_a_fixture_and_a_sample() {
    let (mut words, mut fields) = (BTreeSet::new(), BTreeSet::new());
    known(&schema()["$defs"], &mut words, &mut fields);
    assert!(words.len() > 70 && fields.len() > 90, "{} words, {} fields", words.len(), fields.len());

    let (mut said, mut used) = (BTreeSet::new(), BTreeSet::new());
    for (_, line) in fixtures() {
        mentioned(&serde_json::from_str(&line).unwrap(), &mut said, &mut used);
    }
    let missing: Vec<_> = words.difference(&said).chain(fields.difference(&used)).collect();
    assert!(missing.is_empty(), "no fixture has {missing:?}");

    let (mut said, mut used) = (BTreeSet::new(), BTreeSet::new());
    for message in samples() {
        mentioned(&serde_json::to_value(message).unwrap(), &mut said, &mut used);
    }
    // Nothing is carried here that only schedulers of others fill in.
    let theirs = ["retryBudgetMs", "userId", "sessionId", "content"].map(str::to_owned).into();
    let missing: Vec<_> =
        fields.difference(&used).filter(|name| !BTreeSet::contains(&theirs, *name)).collect();
    assert!(missing.is_empty(), "no sample has {missing:?}");
}

/// Collects the words and the names of fields of a schema.
fn known(schema: &Value, words: &mut BTreeSet<String>, fields: &mut BTreeSet<String>) {
    match schema {
        Value::Object(object) => {
            words.extend(object.get("const").and_then(Value::as_str).map(str::to_owned));
            let listed = object.get("enum").and_then(Value::as_array).into_iter().flatten();
            words.extend(listed.filter_map(Value::as_str).map(str::to_owned));
            if let Some(properties) = object.get("properties").and_then(Value::as_object) {
                fields.extend(properties.keys().cloned());
            }
            object.values().for_each(|value| known(value, words, fields));
        }
        Value::Array(values) => values.iter().for_each(|value| known(value, words, fields)),
        _ => {}
    }
}

/// Collects the texts and the names of fields of a message.
fn mentioned(message: &Value, words: &mut BTreeSet<String>, fields: &mut BTreeSet<String>) {
    match message {
        Value::Object(object) => {
            fields.extend(object.keys().cloned());
            object.values().for_each(|value| mentioned(value, words, fields));
        }
        Value::Array(values) => values.iter().for_each(|value| mentioned(value, words, fields)),
        Value::String(text) => drop(words.insert(text.clone())),
        _ => {}
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
