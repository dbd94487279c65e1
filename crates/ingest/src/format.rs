//! The formats of foreign files, and how their lines become reports.

use std::collections::BTreeMap;
use std::time::Duration;

use regex::Regex;
use roboppi_ipc::{Mono, WorkerKind};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::emission::Emission;
use crate::lines::{LONGEST_LINE, Line};
use crate::pyjama::Pyjama;
use crate::records::{self, GROUPS, Record};
use crate::report::{Counts, Report, Session};
use crate::session_file::SessionFile;
use crate::victor::{self, Sessions};
use crate::{Stamp, claude};

/// The kind of worker of a session of Victor.
pub const VICTOR: WorkerKind = WorkerKind::from_static("VICTOR");

/// The kind of worker of an agent of Pyjama.
pub const PYJAMA: WorkerKind = WorkerKind::from_static("PYJAMA");

/// How long the session of a file whose end was reported must be silent before its run ends.
const AFTER_END: Duration = Duration::from_secs(2);

/// How long a record of several lines waits for the next line.
const NEXT_LINE: Duration = Duration::from_millis(500);

/// Bytes of the lines that follow a record and belong to it.
const CONTINUED: usize = 64 * 1024;

/// The format of a file.
#[derive(Clone, Debug)]
pub enum Format {
    /// The log of Victor.
    Victor,
    /// The file of events of Victor.
    VictorJsonl,
    /// JSON lines: reports, or records of a log.
    Jsonl,
    /// Lines that a pattern describes.
    Regex(Regex),
    /// The file that agents of Pyjama share.
    Pyjama,
    /// The session files of Claude Code.
    ClaudeProject,
}

/// Why a format cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FormatError {
    /// There is no such format.
    #[error("`{0}` is no format: victor, victor-jsonl, jsonl, pyjama, claude-project or regex:PATTERN")]
    Unknown(String),
    /// The pattern is none.
    #[error("the pattern cannot be used: {0}")]
    Pattern(String),
    /// A group of the pattern has no meaning.
    #[error("the group `{0}` of the pattern has no meaning; groups are {list}", list = GROUPS.join(", "))]
    Group(String),
}

impl Format {
    /// Reads the name of a format.
    ///
    /// # Errors
    /// When there is none of this name, or its pattern is none.
    pub fn read(text: &str) -> Result<Self, FormatError> {
        Ok(match text {
            "victor" => Self::Victor,
            "victor-jsonl" => Self::VictorJsonl,
            "jsonl" => Self::Jsonl,
            "pyjama" => Self::Pyjama,
            "claude-project" => Self::ClaudeProject,
            other => {
                let pattern =
                    other.strip_prefix("regex:").ok_or_else(|| FormatError::Unknown(other.to_owned()))?;
                let pattern = Regex::new(pattern).map_err(|error| FormatError::Pattern(error.to_string()))?;
                if let Some(group) = pattern.capture_names().flatten().find(|name| !GROUPS.contains(name)) {
                    return Err(FormatError::Group(group.to_owned()));
                }
                Self::Regex(pattern)
            }
        })
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Victor => "victor",
            Self::VictorJsonl => "victor-jsonl",
            Self::Jsonl => "jsonl",
            Self::Regex(_) => "regex",
            Self::Pyjama => "pyjama",
            Self::ClaudeProject => "claude-project",
        }
    }

    /// Whether the file is one document that is written again with each change, and not lines.
    #[must_use]
    pub const fn is_document(&self) -> bool {
        matches!(self, Self::Pyjama)
    }

    /// Whether each file is a session of its own.
    #[must_use]
    pub const fn is_session_each(&self) -> bool {
        matches!(self, Self::ClaudeProject)
    }

    /// The kind of worker of its sessions, if it is known.
    #[must_use]
    pub const fn worker(&self) -> Option<WorkerKind> {
        match self {
            Self::Victor | Self::VictorJsonl => Some(VICTOR),
            Self::Pyjama => Some(PYJAMA),
            Self::ClaudeProject => Some(claude::WORKER),
            Self::Jsonl | Self::Regex(_) => None,
        }
    }
}

/// A report and its place: position and part.
pub type Placed = (Report, Option<(u64, u32)>);

/// A record whose further lines may follow.
#[derive(Clone, Debug)]
struct Pending {
    at: u64,
    session: Session,
    stamp: Option<Stamp>,
    phase: String,
    text: String,
    since: Mono,
}

/// What is remembered from line to line, and kept in a checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// What was counted.
    pub counts: Counts,
    sessions: Sessions,
    files: BTreeMap<String, SessionFile>,
    pyjama: Pyjama,
    /// Sessions that ended, with how; their runs end when nothing more comes.
    ended: BTreeMap<String, (Session, Ended)>,
    /// The session of the last line.
    last: Option<Session>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Ended {
    outcome: crate::Ending,
    detail: Option<String>,
    /// When the last line of the session came, as long as the process lives.
    #[serde(skip)]
    since: Option<Mono>,
    at: Option<u64>,
}

/// Makes reports of the lines of a source.
#[derive(Debug)]
pub struct Translator {
    format: Format,
    /// Categories that were asked for; all when there is none.
    categories: Vec<String>,
    memory: Memory,
    pending: Option<Pending>,
}

impl Translator {
    /// Continues from what is remembered.
    #[must_use]
    pub fn new(format: Format, categories: Vec<String>, memory: Memory) -> Self {
        let categories = categories.into_iter().map(|name| name.to_uppercase()).collect();
        Self { format, categories, memory, pending: None }
    }

    /// What a checkpoint keeps. A record that waits for further lines is not in it: see [`Self::begin_of_pending`].
    #[must_use]
    pub const fn memory(&self) -> &Memory {
        &self.memory
    }

    /// The counts, to add what was seen of the file.
    pub const fn counts(&mut self) -> &mut Counts {
        &mut self.memory.counts
    }

    /// The session of the last report.
    #[must_use]
    pub const fn last_session(&self) -> Option<&Session> {
        self.memory.last.as_ref()
    }

    /// Position of the record that waits for further lines.
    #[must_use]
    pub fn begin_of_pending(&self) -> Option<u64> {
        self.pending.as_ref().map(|pending| pending.at)
    }

    /// Whether time matters: something waits for nothing more to come.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.pending.is_some() || !self.memory.ended.is_empty()
    }

    /// Takes a line. `file` is the name of its file, where each is a session.
    pub fn line(&mut self, now: Mono, file: &str, line: &Line, out: &mut Vec<Placed>) {
        self.memory.counts.lines += 1;
        if line.is_cut {
            return self.bad(line.at, &line.text, out);
        }
        match &self.format {
            Format::Victor => self.victor(now, line, out),
            Format::VictorJsonl => match victor::record(&line.text) {
                Some((session, stamp, event)) => self.event(now, line.at, &session, stamp, &event, out),
                None => self.bad(line.at, &line.text, out),
            },
            Format::Jsonl => self.record(now, line, records::json(&line.text), out),
            Format::Regex(pattern) => {
                let record = records::matched(pattern, &line.text, line.at);
                self.matched(now, line, record, out);
            }
            Format::ClaudeProject => self.session_file(line, file, out),
            // It has no lines.
            Format::Pyjama => {}
        }
    }

    /// Takes a whole document.
    ///
    /// # Errors
    /// When it is none. It is counted by [`Self::bad_document`] only if it stays so.
    pub fn document(&mut self, text: &str, out: &mut Vec<Placed>) -> Result<(), String> {
        let placed = self.memory.pyjama.read(text)?;
        self.memory.counts.lines += 1;
        if let Some((report, _)) = placed.last() {
            self.memory.last = Some(report.session.clone());
        }
        out.extend(
            placed.into_iter().map(|(report, place)| (Report { worker: Some(PYJAMA), ..report }, place)),
        );
        Ok(())
    }

    /// Counts a document that is none.
    pub const fn bad_document(&mut self) {
        self.memory.counts.bad += 1;
    }

    /// Nothing more comes of a file: what waits for further lines is complete.
    pub fn flush(&mut self, out: &mut Vec<Placed>) {
        let Some(pending) = self.pending.take() else { return };
        let emission = records::log(&pending.phase, pending.text, None);
        self.push(pending.session, pending.stamp, (pending.at, 0), emission, out);
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Mono, out: &mut Vec<Placed>) {
        if self.pending.as_ref().is_some_and(|pending| now.since(pending.since) >= NEXT_LINE) {
            self.flush(out);
        }
        let over: Vec<_> = self
            .memory
            .ended
            .iter_mut()
            .filter_map(|(id, (_, ended))| {
                let since = *ended.since.get_or_insert(now);
                (now.since(since) >= AFTER_END).then(|| id.clone())
            })
            .collect();
        for id in over {
            self.complete(&id, out);
        }
    }

    /// The end: whatever waits is complete.
    pub fn finish(&mut self, out: &mut Vec<Placed>) {
        self.flush(out);
        let over: Vec<_> = self.memory.ended.keys().cloned().collect();
        over.iter().for_each(|id| self.complete(id, out));
    }

    fn complete(&mut self, id: &str, out: &mut Vec<Placed>) {
        if let Some((session, ended)) = self.memory.ended.remove(id) {
            let emission = Emission::Complete { outcome: ended.outcome, detail: ended.detail };
            let at = ended.at.map(|at| Stamp::Utc(roboppi_ipc::UtcMillis(at)));
            out.push((Report { session, at, emission, worker: None }, None));
        }
    }

    fn push(
        &mut self,
        session: Session,
        at: Option<Stamp>,
        place: (u64, u32),
        emission: Emission,
        out: &mut Vec<Placed>,
    ) {
        self.memory.last = Some(session.clone());
        out.push((Report { session, at, emission, worker: self.format.worker() }, Some(place)));
    }

    /// Keeps a line that is no record as it is.
    pub fn bad(&mut self, at: u64, text: &str, out: &mut Vec<Placed>) {
        self.flush(out);
        self.memory.counts.bad += 1;
        let session = self.memory.last.clone().unwrap_or_default();
        self.push(session, None, (at, 0), Emission::Unknown { raw: text.to_owned() }, out);
    }

    fn victor(&mut self, now: Mono, line: &Line, out: &mut Vec<Placed>) {
        let Some(found) = victor::log_line(&line.text) else { return self.continued(line, out) };
        self.flush(out);
        let session = Session::of(found.session);
        match victor::event(&found) {
            Some(event) => self.event(now, line.at, &session, Some(found.at), &event, out),
            None => self.log_record(now, line.at, session, Some(found.at), found.level, &log_text(&found)),
        }
    }

    /// A line without a prefix belongs to the record before it, if that is one of several lines.
    fn continued(&mut self, line: &Line, out: &mut Vec<Placed>) {
        match &mut self.pending {
            Some(pending) if pending.text.len() + line.text.len() < CONTINUED => {
                pending.text.push('\n');
                pending.text.push_str(&line.text);
            }
            _ => self.bad(line.at, &line.text, out),
        }
    }

    /// A record of a log, whose further lines may follow.
    fn log_record(
        &mut self,
        now: Mono,
        at: u64,
        session: Session,
        stamp: Option<Stamp>,
        level: &str,
        text: &str,
    ) {
        self.touch(now, &session);
        let (phase, text) = (level.to_owned(), text.to_owned());
        self.pending = Some(Pending { at, session, stamp, phase, text, since: now });
    }

    fn event(
        &mut self,
        now: Mono,
        at: u64,
        session: &Session,
        stamp: Option<Stamp>,
        event: &victor::Event,
        out: &mut Vec<Placed>,
    ) {
        let is_life = event.category == "LIFECYCLE";
        if !is_life && !self.categories.is_empty() && !self.categories.contains(&event.category) {
            self.memory.counts.filtered += 1;
            return;
        }
        self.touch(now, session);
        let emissions = self.memory.sessions.emissions(&session.id, at, event);
        for (emission, part) in emissions.into_iter().zip(0..) {
            match emission {
                Emission::Complete { outcome, detail } => {
                    let time = match stamp {
                        Some(Stamp::Utc(time)) => Some(time.0),
                        _ => None,
                    };
                    let ended = Ended { outcome, detail, since: Some(now), at: time };
                    self.memory.ended.insert(session.id.clone(), (session.clone(), ended));
                }
                emission => self.push(session.clone(), stamp, (at, part), emission, out),
            }
        }
    }

    /// A session that reports something has not ended long ago.
    fn touch(&mut self, now: Mono, session: &Session) {
        if let Some((_, ended)) = self.memory.ended.get_mut(&session.id) {
            ended.since = Some(now);
        }
    }

    fn record(&mut self, now: Mono, line: &Line, record: Option<Record>, out: &mut Vec<Placed>) {
        let Some(record) = record else { return self.bad(line.at, &line.text, out) };
        self.touch(now, &record.session);
        for (emission, part) in record.emissions.into_iter().zip(0..) {
            self.push(record.session.clone(), record.at, (line.at, part), emission, out);
        }
    }

    /// A line of a file that a pattern describes. An indented one that does not match continues the record before it.
    fn matched(&mut self, now: Mono, line: &Line, record: Option<Record>, out: &mut Vec<Placed>) {
        let Some(record) = record else {
            let is_indented = line.text.starts_with([' ', '\t']);
            return if is_indented { self.continued(line, out) } else { self.bad(line.at, &line.text, out) };
        };
        self.flush(out);
        match &record.emissions[..] {
            [Emission::Progress { message, phase, step: None, .. }] => {
                let level = phase.as_deref().unwrap_or_default();
                self.log_record(now, line.at, record.session, record.at, level, message);
            }
            _ => self.record(now, line, Some(record), out),
        }
    }

    fn session_file(&mut self, line: &Line, file: &str, out: &mut Vec<Placed>) {
        /// Session files that are remembered.
        const FILES: usize = 1_024;
        if self.memory.files.len() >= FILES && !self.memory.files.contains_key(file) {
            self.memory.files.pop_first();
        }
        let memory = self.memory.files.entry(file.to_owned()).or_default();
        let Some(read) = memory.read(&line.text) else {
            self.memory.last = Some(Session::of(file));
            return self.bad(line.at, &line.text, out);
        };
        let session = Session { id: file.to_owned(), cwd: read.session.and_then(|session| session.cwd) };
        for (emission, part) in read.emissions.into_iter().zip(0..) {
            self.push(session.clone(), read.at, (line.at, part), emission, out);
        }
    }
}

/// A record of the log that is no event, as a text.
fn log_text(line: &victor::LogLine<'_>) -> String {
    format!("{}: {}", line.logger, line.message)
}

const _: () = assert!(CONTINUED < LONGEST_LINE);

#[cfg(test)]
mod tests;
