//! A run as one page in a file: the page of the server with the record packed into it.
//!
//! The file needs no server and no network, and is never longer than its bound: the run itself is always in it, and what there is
//! room for of the logs and the activity of its attempts. The page and the caller are told what was left out.

use std::io::{self, Write};

use roboppi_attach::{Liveness, LocalRun};
use roboppi_ipc::UtcMillis;
use roboppi_run::{AttemptRef, RunView, StepState};
use serde_json::json;
use thiserror::Error;

use crate::api::run::{Run, RunFacts};
use crate::api::text::shortened;

mod attempt;
mod lines;
mod page;
mod share;

use attempt::PackedAttempt;
use page::Page;
use share::{Need, shares};

/// Entries of the list of what was left out.
const LISTED: usize = 20;

/// Bytes that are kept free for the list of what was left out, and for the frame of the record.
const LIST_BYTES: u64 = 32 * 1024;

/// Longest entry of that list, in bytes.
const ENTRY: usize = 200;

/// How much more room a failed attempt gets than another one, when there is not enough for all.
const FAILED: u64 = 4;

/// What is packed.
#[derive(Debug)]
pub struct PackedRun<'a> {
    /// The run.
    pub run: &'a LocalRun,
    /// Its view, with what its workers did.
    pub view: &'a RunView,
    /// How it is.
    pub liveness: Liveness,
    /// The time: the page shows the run as of then.
    pub at: UtcMillis,
    /// Version of the program.
    pub version: &'a str,
}

/// A run that does not become a page.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PackError {
    /// The page and the run without any log are longer.
    #[error("the page and the list of steps need {needed} bytes, and at most {most} are allowed")]
    TooSmall {
        /// Bytes that are needed at least.
        needed: u64,
        /// Bytes that are allowed.
        most: u64,
    },
    /// The program has no page.
    #[error("this program was built without its page")]
    NoPage,
}

/// A page in a file.
#[derive(Debug)]
pub struct PackedPage {
    parts: Vec<String>,
    left_out: Vec<String>,
    unreadable: Vec<String>,
    is_short_of_room: bool,
}

impl PackedPage {
    /// Packs a run into a page of at most `most` bytes. Reads the record of the run.
    ///
    /// # Errors
    /// When not even the run without its logs fits.
    pub fn new(subject: &PackedRun<'_>, most: u64) -> Result<Self, PackError> {
        let facts = RunFacts::of(subject.run);
        let host = facts.host.clone().unwrap_or_default();
        let run = Run::of(&facts, subject.view, subject.liveness, subject.at, String::new());
        let page = Page::new(&run.row.name).ok_or(PackError::NoPage)?;
        let head = embedded(
            &json!({"version": 1, "at": subject.at.0, "host": host, "roboppi": subject.version, "runs": [run]}),
        );
        let id = embedded(&json!(facts.id));
        let needed = page.len() + head.len() as u64 + id.len() as u64 + LIST_BYTES;
        let room = most.checked_sub(needed).ok_or(PackError::TooSmall { needed, most })?;
        let mut packed = Self {
            parts: vec![page.head],
            left_out: Vec::new(),
            unreadable: Vec::new(),
            is_short_of_room: false,
        };
        if subject.liveness.may_live() {
            packed
                .left_out
                .push("what came later: the run was still going on when this file was made".to_owned());
        }
        packed.kept_steps(subject.view);
        let attempts = packed.attempts(subject, room);
        // The record goes on behind its first keys.
        packed.parts.push(head[..head.len() - 1].to_owned());
        packed.parts.push(format!(",\"attempts\":{{{id}:{{{}}}}}", attempts.join(",")));
        packed.parts.push(format!(",\"leftOut\":{}}}", embedded(&json!(packed.listed()))));
        packed.parts.push(page.tail);
        Ok(packed)
    }

    /// Writes the file.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        self.parts.iter().try_for_each(|part| out.write_all(part.as_bytes()))
    }

    /// What is not in it, in words.
    #[must_use]
    pub fn left_out(&self) -> &[String] {
        &self.left_out
    }

    /// Whether a larger bound leaves less out.
    #[must_use]
    pub const fn is_short_of_room(&self) -> bool {
        self.is_short_of_room
    }

    /// What of it could not be read, in words.
    #[must_use]
    pub fn unreadable(&self) -> &[String] {
        &self.unreadable
    }

    /// Steps of which another run has the logs.
    fn kept_steps(&mut self, view: &RunView) {
        for step in &view.steps {
            if let Some(kept) = &step.kept {
                let (step, run) = (roboppi_untrusted::words(step.plan.step.as_str()), &kept.run);
                self.left_out.push(format!("the logs of {step}, which run {run} has done"));
            }
        }
    }

    /// The attempts that fit, as members of a JSON object.
    fn attempts(&mut self, subject: &PackedRun<'_>, room: u64) -> Vec<String> {
        let needs: Vec<(AttemptRef, Need)> = subject
            .view
            .steps
            .iter()
            .flat_map(|step| {
                let failed = matches!(step.state, StepState::Failed | StepState::Lost | StepState::Cancelled);
                step.attempts.iter().map(move |attempt| {
                    let weight = if failed { FAILED } else { 1 };
                    (attempt.of.clone(), Need { bytes: attempt.log_bytes(), weight })
                })
            })
            .collect();
        let mut found = vec![String::new(); needs.len()];
        let mut left = shares(needs.iter().map(|(_, need)| *need), room);
        while let Some((index, share)) = left.next() {
            let of = &needs[index].0;
            let key = embedded(&json!(of.to_string()));
            let frame = key.len() as u64 + 2;
            let attempt = PackedAttempt::read(subject, of, share.saturating_sub(frame));
            let name = roboppi_untrusted::words(&of.to_string());
            self.is_short_of_room |= !attempt.left_out.is_empty();
            self.left_out.extend(attempt.left_out.into_iter().map(|what| format!("{what} of {name}")));
            self.unreadable.extend(attempt.unreadable.into_iter().map(|what| format!("{name}: {what}")));
            if attempt.json.len() > 2 {
                left.took(attempt.json.len() as u64 + frame);
                found[index] = format!("{key}:{}", attempt.json);
            }
        }
        found.retain(|attempt| !attempt.is_empty());
        found
    }

    /// What was left out, as many entries as there is room for.
    fn listed(&self) -> Vec<String> {
        let all = self.left_out.iter().chain(&self.unreadable);
        let more = (self.left_out.len() + self.unreadable.len()).saturating_sub(LISTED);
        let mut listed: Vec<String> = all.take(LISTED).map(|what| shortened(what, ENTRY)).collect();
        if more > 0 {
            listed.push(format!("and {more} more"));
        }
        listed
    }
}

/// JSON for a script element. No text in it begins a tag or a comment, so nothing in it ends the element.
fn embedded(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default().replace('<', "\\u003c")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_ends_the_element_it_is_in() {
        let text = embedded(&json!({"</script>": "<!-- <script> ]]>"}));
        assert!(!text.contains('<'), "{text}");
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["</script>"], "<!-- <script> ]]>");
    }

    #[test]
    fn the_list_of_what_was_left_out_has_room() {
        let left_out = vec!["<".repeat(10_000); 5000];
        let page = PackedPage { parts: Vec::new(), left_out, unreadable: Vec::new(), is_short_of_room: true };
        let listed = page.listed();
        assert_eq!(listed.last().unwrap(), "and 4980 more");
        assert!((embedded(&json!(listed)).len() as u64) < LIST_BYTES - 1024);
    }
}
