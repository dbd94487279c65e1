//! What is packed of an attempt: its activity, its changes of files, long texts, and its log.

use std::collections::VecDeque;

use roboppi_record::RecordError;
use roboppi_run::AttemptRef;
use serde_json::{Value, json};

use super::lines::PackedLines;
use super::{PackedRun, embedded};
use crate::api::item::{Item, PAGE_TEXT};
use crate::api::line::LogGap;
use crate::logs::{AttemptLog, KnownLog};
use crate::problem::Problem;
use crate::routes::read_diffs;

/// Why a part of a log is missing in the file.
const REASON: &str = "left out of this file";

/// Bytes of the gap that says it.
const GAP: u64 = 200;

/// An attempt as JSON, of at most its share of the file.
#[derive(Debug, Default)]
pub(super) struct PackedAttempt {
    /// A JSON object; empty when nothing fits.
    pub(super) json: String,
    /// What does not fit, in words.
    pub(super) left_out: Vec<String>,
    /// What could not be read, in words.
    pub(super) unreadable: Vec<String>,
}

/// Items as JSON, the latest ones.
#[derive(Debug, Default)]
struct PackedItems {
    items: VecDeque<String>,
    bytes: u64,
    /// Items that were left out before them, and the last one of those.
    left_out: u64,
    before: Option<(u64, u64)>,
    /// Long texts of the items.
    blobs: Vec<String>,
}

impl PackedAttempt {
    /// Reads what fits in `room` bytes.
    pub(super) fn read(subject: &PackedRun<'_>, of: &AttemptRef, room: u64) -> Self {
        /// Names of members and facts of the log, in bytes.
        const FRAME: u64 = 1024;
        let mut packed = Self::default();
        let Some(mut room) = room.checked_sub(FRAME) else {
            packed.left_out.push("everything".to_owned());
            return packed;
        };
        let mut members = Vec::new();
        let (items, blobs) = packed.items(subject, of, room * 2 / 5);
        room -= take(&mut members, items, room);
        let diffs = packed.diffs(subject, of, room / 3);
        room -= take(&mut members, diffs, room);
        let log = packed.log(subject, of, room);
        room -= take(&mut members, log, room);
        let blobs = packed.blobs(subject, &blobs, room);
        take(&mut members, blobs, room);
        packed.json = format!("{{{}}}", members.join(","));
        packed
    }

    fn note<T>(&mut self, what: &str, read: Result<T, Problem>) -> Option<T> {
        read.map_err(|problem| self.unreadable.push(format!("{what}: {}", problem.detail))).ok()
    }

    fn items(
        &mut self,
        subject: &PackedRun<'_>,
        of: &AttemptRef,
        room: u64,
    ) -> (Option<String>, Vec<String>) {
        let read = PackedItems::read(subject, of, room);
        let Some(mut items) = self.note("its activity", read) else { return (None, Vec::new()) };
        if let Some((seq, at)) = items.before {
            self.left_out.push(format!("the first events ({})", items.left_out));
            let gap = json!({"seq": seq, "at": at, "kind": "gap", "events": items.left_out, "bytes": 0,
                "recorded": items.left_out});
            items.items.push_front(embedded(&gap));
        }
        let member = (!items.items.is_empty()).then(|| array("items", &items.items));
        (member, items.blobs)
    }

    fn diffs(&mut self, subject: &PackedRun<'_>, of: &AttemptRef, room: u64) -> Option<String> {
        let read = read_diffs(subject.run.record().as_ref(), of);
        let diffs = self.note("its changes of files", read)?;
        let (mut files, mut bytes, mut left_out) = (VecDeque::new(), 0, diffs.left_out);
        for diff in &diffs.files {
            let text = embedded(diff);
            if bytes + text.len() as u64 + 1 > room {
                left_out += 1;
                continue;
            }
            bytes += text.len() as u64 + 1;
            files.push_back(text);
        }
        if left_out > 0 {
            self.left_out.push(format!("changes of files ({left_out})"));
        }
        (!files.is_empty()).then(|| array("diffs", &files))
    }

    fn log(&mut self, subject: &PackedRun<'_>, of: &AttemptRef, room: u64) -> Option<String> {
        let known = KnownLog::of(subject.view, subject.liveness, of);
        let read = read_log(subject, of, known, room);
        let (lines, facts) = self.note("its log", read)?;
        if let Some(range) = &lines.left_out {
            self.left_out.push(format!("lines {} to {} of the log", range.start + 1, range.end));
        }
        if lines.cut > 0 {
            self.left_out.push(format!("what is behind 16 KiB in long lines ({}) of the log", lines.cut));
        }
        Some(format!("{},\"log\":{}", array("lines", &lines.lines), embedded(&facts)))
    }

    fn blobs(&mut self, subject: &PackedRun<'_>, names: &[String], room: u64) -> Option<String> {
        let record = subject.run.record();
        let (mut members, mut bytes, mut left_out) = (Vec::new(), 0, 0);
        // The latest ones first.
        for name in names.iter().rev() {
            let Ok(Some(content)) = record.blob(name) else { continue };
            let member = format!("{}:{}", embedded(name), embedded(&String::from_utf8_lossy(&content)));
            if bytes + member.len() as u64 + 1 > room {
                left_out += 1;
                continue;
            }
            bytes += member.len() as u64 + 1;
            members.push(member);
        }
        if left_out > 0 {
            self.left_out.push(format!("the ends of long texts ({left_out})"));
        }
        (!members.is_empty()).then(|| format!("\"blobs\":{{{}}}", members.join(",")))
    }
}

/// Takes a member, and returns its bytes.
fn take(members: &mut Vec<String>, member: Option<String>, room: u64) -> u64 {
    let Some(member) = member else { return 0 };
    let bytes = (member.len() as u64 + 1).min(room);
    members.push(member);
    bytes
}

fn array(name: &str, values: &VecDeque<String>) -> String {
    let mut text = format!("\"{name}\":[");
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        text.push_str(value);
    }
    text.push(']');
    text
}

fn read_log(
    subject: &PackedRun<'_>,
    of: &AttemptRef,
    known: KnownLog,
    room: u64,
) -> Result<(PackedLines, Value), Problem> {
    let mut log = AttemptLog::of_record(subject.run.record().as_ref(), of, known)?;
    let mut facts = log.page(0, 0)?;
    let beside = embedded(&facts).len() as u64 + GAP;
    let lines = PackedLines::read(&mut log, room.saturating_sub(beside))?;
    if let Some(range) = &lines.left_out {
        let (from, to) = (log.offset_of(range.start)?, log.offset_of(range.end)?);
        facts.complete = false;
        facts.gaps.push(LogGap { from, to, reason: REASON.to_owned() });
    }
    let facts = json!({"total": facts.total, "bytes": facts.bytes, "complete": facts.complete, "lag": facts.lag,
        "gaps": facts.gaps});
    Ok((lines, facts))
}

impl PackedItems {
    fn read(subject: &PackedRun<'_>, of: &AttemptRef, room: u64) -> Result<Self, Problem> {
        let mut packed = Self::default();
        let mut sizes: VecDeque<(u64, u64, u64)> = VecDeque::new();
        for record in subject.run.record().events(of)? {
            let record = match record {
                Ok(record) => record,
                Err(RecordError::BadJson { .. }) => continue,
                Err(error) => return Err(error.into()),
            };
            let Some(item) = Item::of(&record, PAGE_TEXT) else { continue };
            if let Some(blob) = item.fields.get("blob").and_then(Value::as_str) {
                packed.blobs.push(blob.to_owned());
            }
            let text = embedded(&item);
            let bytes = text.len() as u64 + 1;
            packed.bytes += bytes;
            sizes.push_back((item.seq, item.at, bytes));
            packed.items.push_back(text);
            while packed.bytes > room
                && let Some((seq, at, bytes)) = sizes.pop_front()
            {
                packed.items.pop_front();
                packed.bytes -= bytes;
                packed.left_out += 1;
                packed.before = Some((seq, at));
            }
        }
        Ok(packed)
    }
}
