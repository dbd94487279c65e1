//! Lines of a journal that could not be written yet.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use roboppi_ipc::UtcMillis;
use roboppi_run::{JournalRecord, RunEvent};

use crate::RecordError;

/// Bytes that may wait.
const MOST: usize = 16 * 1024 * 1024;

/// Keeps lines in order. When they are too many, the oldest are given up and counted.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    lines: VecDeque<Line>,
    bytes: usize,
    /// Records that were given up, and the last of them.
    given_up: u64,
    last: Option<(u64, UtcMillis)>,
    /// The warning that counts them is in its place.
    is_reported: bool,
    /// Anything was ever given up.
    misses: Arc<AtomicBool>,
}

#[derive(Debug)]
struct Line {
    seq: u64,
    ts: UtcMillis,
    text: Box<[u8]>,
}

impl Waiting {
    /// Adds the line of a record.
    pub(super) fn push(&mut self, seq: u64, ts: UtcMillis, line: &[u8]) {
        self.bytes += line.len();
        self.lines.push_back(Line { seq, ts, text: line.into() });
        while self.bytes > MOST && self.lines.len() > 1 {
            self.give_up();
        }
    }

    fn give_up(&mut self) {
        if let Some(line) = self.lines.pop_front() {
            self.bytes -= line.text.len();
            self.given_up += 1;
            self.misses.store(true, Ordering::Release);
            self.last = Some((line.seq, line.ts));
            self.is_reported = false;
        }
    }

    /// What is to be written next, if anything is.
    pub(super) fn first(&self) -> Result<Option<Vec<u8>>, RecordError> {
        if let Some(warning) = self.warning()? {
            return Ok(Some(warning));
        }
        Ok(self.lines.front().map(|line| line.text.to_vec()))
    }

    /// What was to be written next is written.
    pub(super) fn written(&mut self) {
        if self.given_up > 0 && !self.is_reported {
            self.is_reported = true;
        } else if let Some(line) = self.lines.pop_front() {
            self.bytes -= line.text.len();
        }
    }

    /// Says what was given up, with the number of the last record of it.
    fn warning(&self) -> Result<Option<Vec<u8>>, RecordError> {
        let Some((seq, ts)) = self.last.filter(|_| !self.is_reported) else { return Ok(None) };
        let message =
            format!("{} events before this one could not be recorded: the disk was full", self.given_up);
        let record = JournalRecord { seq, ts, event: RunEvent::Warning { message, step: None } };
        let mut line = serde_json::to_vec(&record)
            .map_err(|source| RecordError::Encode { path: "journal.jsonl".into(), source })?;
        line.push(b'\n');
        Ok(Some(line))
    }

    /// Gives up all but the last `count` lines, and gives what is then to be written.
    pub(super) fn keep_last(&mut self, count: usize) -> Result<Vec<u8>, RecordError> {
        while self.lines.len() > count {
            self.give_up();
        }
        let mut all = self.warning()?.unwrap_or_default();
        for line in &self.lines {
            all.extend_from_slice(&line.text);
        }
        Ok(all)
    }

    /// Lines that wait.
    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether anything was ever given up, for other threads. It is so before the journal says it.
    pub(super) fn misses(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.misses)
    }

    /// Records that were given up.
    pub(super) const fn given_up(&self) -> u64 {
        self.given_up
    }
}
