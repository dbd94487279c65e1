//! Values of the future: of each list of words that is sent or stored there is a fixture with a word that nobody knows yet.
//!
//! The word is the name of the enum with `_of_tomorrow` behind it. `future.jsonl` has lines of the wire, `future-record.txt`
//! lines of files of a run and of its socket, each behind a word for which.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::fs;
use std::path::{Path, PathBuf};

use roboppi_attach::{Answer, Request};
use roboppi_ipc::{Job, Message, WorkspaceChange, decode};
use roboppi_run::{AttemptRecord, JournalRecord, Manifest, RunRecord, RunView};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::fixtures::lines_of;
use crate::schema::schema;

/// Enums that are read and are no list of words. Tagged ones keep a kind they do not know. The others are never read by
/// another version: what they are in is made anew when it cannot be read, or comes from the same program.
const NO_WORDS: [&str; 13] = [
    // Tagged, and a kind that is not known becomes `Unknown`.
    "Answer",
    "AttemptPhase",
    "CoreEvent",
    "RunEvent",
    "WorkerEvent",
    // The variants of `RunEvent` and `WorkerEvent`, once it is known that the kind is one of theirs.
    "Variants",
    // How `RunCommand` looks in JSON.
    "Tagged",
    // Of snapshots, which say nothing that the journal does not say.
    "Act",
    "AttemptStatus",
    "CoreStatus",
    "RunStatus",
    // Of a foreign core it may be any JSON, and is kept.
    "EscalationEvent",
    // A line of stderr that is none of them is one of the core.
    "GuardReport",
];

/// Tagged enums that are written back as they came.
const KEPT_WHOLE: [&str; 3] = ["Answer", "AttemptPhase", "RunCommand"];

/// A line with today's names for names of earlier versions.
fn with_current_names(line: &str) -> String {
    line.replace(r#""type":"wish","wish":"#, r#""type":"command","command":"#)
}

/// Reads a line and writes it: it must be the same. Returns what was understood.
fn there_and_back<T: DeserializeOwned + Serialize + Debug>(place: &str, line: &str) -> (T, String) {
    let value: T = serde_json::from_str(line).unwrap_or_else(|error| panic!("{place}: {error}: {line}"));
    assert_eq!(serde_json::to_string(&value).unwrap(), with_current_names(line), "{place}");
    let shown = format!("{value:?}");
    (value, shown)
}

/// What is understood of each line of the wire.
fn of_the_wire() -> Vec<String> {
    let mut understood = Vec::new();
    for (place, line) in lines_of(&["future.jsonl"]) {
        let message =
            decode(line.as_bytes()).unwrap().unwrap_or_else(|error| panic!("{place}: {error}: {line}"));
        let mut again = Vec::new();
        message.encode(&mut again);
        assert_eq!(String::from_utf8(again).unwrap().trim_end(), line, "{place}");
        understood.push(format!("{message:?}"));
        if let Message::SubmitJob(submit) = &message
            && let Ok(task) = Job::worker_task(&submit.job)
        {
            assert_eq!(serde_json::to_value(&task).unwrap(), submit.job.payload, "{place}");
            understood.push(format!("{task:?}"));
        }
    }
    understood
}

/// What is understood of each line of a record, and the view that comes of it.
fn of_the_record() -> (Vec<String>, RunView) {
    let (mut understood, mut view) = (Vec::new(), RunView::default());
    for (place, line) in lines_of(&["future-record.txt"]) {
        let (what, line) = line.split_once(' ').unwrap();
        understood.push(match what {
            "journal" => {
                let (record, shown) = there_and_back::<JournalRecord>(&place, line);
                view.apply(&RunRecord::Journal(record));
                shown
            }
            "attempt" => there_and_back::<AttemptRecord>(&place, line).1,
            "manifest" => there_and_back::<Manifest>(&place, line).1,
            // Owners of earlier versions read the name of earlier versions.
            "request" => {
                let request: Request = serde_json::from_str(line).unwrap();
                let sent = line.replace(r#","command":"#, r#","wish":"#);
                assert_eq!(serde_json::to_string(&request).unwrap(), sent, "{place}");
                format!("{request:?}")
            }
            "change" => there_and_back::<WorkspaceChange>(&place, line).1,
            "answer" => there_and_back::<Answer>(&place, line).1,
            other => panic!("{place}: what is {other}?"),
        });
    }
    (understood, view)
}

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Names of enums by how they are declared: lists of words, and others that are read.
fn declared() -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut words, mut others) = (BTreeSet::new(), BTreeSet::new());
    let mut files = Vec::new();
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates");
    for name in ["attach", "core", "ipc", "process", "record", "run", "supervisor", "tui", "workflow"] {
        sources(&crates.join(name).join("src"), &mut files);
    }
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let (mut in_macro, mut reads) = (false, false);
        for line in text.lines().map(str::trim).filter(|line| !line.starts_with("//")) {
            let declaration = line.strip_prefix("pub ").unwrap_or(line);
            let declaration = declaration.strip_prefix("pub(crate) ").unwrap_or(declaration);
            if line == "value_enum! {" {
                in_macro = true;
            } else if line.starts_with("#[derive(") {
                reads |= line.contains("Deserialize");
            } else if let Some(name) = declaration.strip_prefix("enum ") {
                let name = name.split(|c: char| !c.is_alphanumeric()).next().unwrap().to_owned();
                if in_macro {
                    words.insert(name);
                } else if reads {
                    others.insert(name);
                }
                (in_macro, reads) = (false, false);
            } else if !line.starts_with("#[") {
                reads = false;
            }
        }
    }
    (words, others)
}

#[test]
fn every_word_of_tomorrow_is_kept() {
    let understood = [of_the_wire(), of_the_record().0].concat().join("\n");
    let (words, others) = declared();
    assert!(words.len() > 15, "{words:?}");
    for name in words {
        let kept = ["of_tomorrow", "OF_TOMORROW"].map(|end| format!("Unknown(\"{name}_{end}\")"));
        assert!(
            kept.iter().any(|word| understood.contains(word)),
            "no fixture has a word of tomorrow for {name}: {understood}"
        );
    }
    for name in KEPT_WHOLE {
        let kept = format!("Unknown(UnknownTagged {{ tag: \"{name}_of_tomorrow\"");
        assert!(understood.contains(&kept), "no fixture has a {name} of tomorrow: {understood}");
    }
    let known = NO_WORDS.map(str::to_owned).into();
    let closed: Vec<_> = others.difference(&known).collect();
    assert!(
        closed.is_empty(),
        "{closed:?}: one new word makes what is around it unreadable; declare it by `value_enum!`"
    );
}

/// The fixtures of the wire have all lists that the schema has.
#[test]
fn the_schema_says_that_there_may_be_other_words() {
    let schema = schema();
    let (words, _) = declared();
    for (name, definition) in schema["$defs"].as_object().unwrap() {
        let is_list = |of: &str| {
            let choices = definition[of].as_array();
            choices.is_some_and(|choices| choices.iter().any(|choice| choice["const"].is_string()))
        };
        assert!(!is_list("oneOf") && definition["enum"].is_null(), "{name} is closed");
        assert_eq!(is_list("anyOf"), words.contains(name), "{name}");
    }
}

#[test]
fn what_is_around_a_word_of_tomorrow_is_read() {
    let (_, view) = of_the_record();
    let step = &view.steps[0];
    assert_eq!((step.state.name(), step.state.is_final()), ("StepState_of_tomorrow", false));
    assert_eq!((step.plan.worker.name(), step.attempts.len()), ("WorkerKind_OF_TOMORROW", 1));
    assert_eq!(view.counts().unknown, 1);
    let added = &view.steps[1];
    assert_eq!((added.plan.role.name(), added.iteration()), ("Role_of_tomorrow", 2));
    let attempt = &added.attempts[0].of;
    assert_eq!(
        (attempt.role.name(), attempt.base().as_str()),
        ("Role_of_tomorrow", &*added.attempts[0].base())
    );
    assert!(view.is_finished() && view.resume_command().is_some(), "{:?}", view.status);
    assert_eq!(view.commands[0].command.in_words(), "`Wish_of_tomorrow`, which this version does not know");
}
