//! What a run left on disk.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// The directory of one run, read as anybody may read it.
#[derive(Clone, Debug)]
pub(crate) struct RunFiles {
    pub(crate) dir: PathBuf,
}

impl RunFiles {
    /// Events of the journal, each with `seq` and `type`.
    pub(crate) fn journal(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.dir.join("journal.jsonl")).unwrap_or_default();
        text.split_inclusive('\n')
            .filter(|line| line.ends_with('\n'))
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
            .collect()
    }

    /// Events of one kind.
    pub(crate) fn events(&self, kind: &str) -> Vec<Value> {
        let mut events: Vec<_> =
            self.journal().into_iter().map(|mut record| record["event"].take()).collect();
        events.retain(|event| event["type"] == kind);
        events
    }

    /// The last state of a step.
    pub(crate) fn state(&self, step: &str) -> String {
        let changes = self.events("step_changed");
        let last = changes.iter().rev().find(|event| event["step"] == step);
        last.map_or("none", |event| event["state"].as_str().unwrap()).to_owned()
    }

    /// The exit code of the last attempt of a step; 128 and the number of the signal when one ended it.
    pub(crate) fn exit_code(&self, step: &str) -> Option<i64> {
        let finished = self.events("attempt_finished");
        finished.iter().rev().find(|event| event["of"]["step"] == step)?["result"]["exitCode"].as_i64()
    }

    /// How the run ended; `None` when its journal does not say.
    pub(crate) fn outcome(&self) -> Option<String> {
        self.events("run_finished").first().map(|event| event["outcome"].as_str().unwrap().to_owned())
    }

    /// Path of the log of an attempt, from 1.
    pub(crate) fn log_path(&self, step: &str, attempt: u32) -> PathBuf {
        self.dir.join(format!("steps/{step}/i1-a{attempt}.log"))
    }

    /// The log of an attempt; empty when there is none.
    pub(crate) fn log(&self, step: &str, attempt: u32) -> Vec<u8> {
        fs::read(self.log_path(step, attempt)).unwrap_or_default()
    }

    /// The log of an attempt as text.
    pub(crate) fn text(&self, step: &str, attempt: u32) -> String {
        String::from_utf8(self.log(step, attempt)).unwrap()
    }

    /// Recorded events of an attempt.
    pub(crate) fn attempt_events(&self, step: &str, attempt: u32) -> Vec<Value> {
        let path = self.dir.join(format!("steps/{step}/i1-a{attempt}.events.jsonl"));
        let text = fs::read_to_string(path).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Pid of the core, as soon as the journal says it.
    pub(crate) fn core_pid(&self) -> Option<i32> {
        let started = self.events("core_started");
        i32::try_from(started.last()?["process"]["pid"].as_i64()?).ok()
    }

    /// The ends of its texts, for messages.
    pub(crate) fn tail(&self) -> String {
        let mut shown = String::new();
        for file in ["journal.jsonl", "core.stderr"] {
            let text = fs::read(self.dir.join(file)).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            let lines: Vec<_> = text.lines().rev().take(12).collect();
            shown.push_str(&format!("--- {file} ends with ---\n"));
            for line in lines.iter().rev() {
                shown.push_str(line);
                shown.push('\n');
            }
        }
        shown
    }
}

/// Every file and directory below, the directory itself included.
pub(crate) fn walk(dir: &Path) -> Vec<PathBuf> {
    let mut found = vec![dir.to_owned()];
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(walk(&path));
        } else {
            found.push(path);
        }
    }
    found
}
