//! What was told of an attempt, and what was not.

use std::io;
use std::path::Path;

use roboppi_ipc::{Gap, UtcMillis, WorkerEvent};
use roboppi_journal::{RecordError, RunDir};
use roboppi_run::{AttemptRecord, AttemptRef};

/// How far an attempt was told.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// First number that was neither told nor said to be missing.
    next: u64,
    /// Recorded events from there on that were told already.
    beyond: Vec<u64>,
    /// Length of the log that was told or said to be missing.
    offset: u64,
    /// Live events may have been missed since the last one.
    missed: bool,
    /// When the last event was.
    ts: UtcMillis,
    /// Bytes of the event file that were read.
    position: u64,
}

impl Told {
    /// Live events were missed: the next one shows how many.
    pub(super) fn missed(&mut self) {
        self.missed = true;
    }

    /// Whether the number was told.
    pub(super) fn knows(&self, seq: u64) -> bool {
        seq < self.next || self.beyond.last().is_some_and(|last| seq <= *last)
    }

    /// Takes a live event. Returns the hole before it, when it was this reader who missed something.
    pub(super) fn live(&mut self, record: &AttemptRecord) -> Option<AttemptRecord> {
        self.ts = record.ts;
        if let WorkerEvent::Gap(gap) = &record.event {
            // Said by the core; it has no number of its own.
            self.told_up_to(gap.to_seq);
            self.offset = self.offset.max(gap.to_offset);
            return None;
        }
        let (start, end) = match &record.event {
            WorkerEvent::Stdout(output) | WorkerEvent::Stderr(output) => {
                let start = output.offset.unwrap_or(record.at);
                (start, start + output.len.unwrap_or(0))
            }
            _ => (record.at, record.at),
        };
        let missed = std::mem::take(&mut self.missed);
        let hole = if missed { self.hole(record.seq, start).filter(|gap| gap.events > 0) } else { None };
        let hole = hole.map(|gap| self.record(gap));
        self.told_up_to(record.seq + 1);
        self.offset = self.offset.max(end);
        hole
    }

    /// The attempt is over. Returns the hole at its end.
    pub(super) fn end(
        &mut self,
        last_seq: Option<u64>,
        log_bytes: u64,
        ended: UtcMillis,
    ) -> Option<AttemptRecord> {
        if self.ts == UtcMillis::default() {
            // Nothing was told, so nothing else says when.
            self.ts = ended;
        }
        let end = last_seq.map_or(self.next, |last| last + 1);
        // Without the last number, which a lost core did not say, the bytes tell that output is missing.
        let gap = self.hole(end, log_bytes).filter(|gap| gap.events > 0 || last_seq.is_none());
        gap.map(|gap| self.record(gap))
    }

    /// Reads recorded events behind the last one told, up to `until` or to the end of the file, and hands
    /// them to `tell`. A file that cannot be read leaves a hole, which is said later.
    pub(super) fn read_recorded(
        &mut self,
        run_dir: &Path,
        of: &AttemptRef,
        until: Option<u64>,
        mut tell: impl FnMut(&AttemptRecord) -> io::Result<()>,
    ) -> io::Result<()> {
        let Ok(mut events) = RunDir::at(run_dir.to_owned()).events(&of.base()) else { return Ok(()) };
        events.seek(self.position);
        loop {
            self.position = events.position();
            match events.next() {
                Some(Ok(record)) if self.knows(record.seq) => {}
                Some(Ok(record)) if until.is_some_and(|until| record.seq > until) => break,
                Some(Ok(record)) => {
                    tell(&record)?;
                    self.ts = record.ts;
                    self.beyond.push(record.seq);
                }
                Some(Err(RecordError::BadJson { .. })) => {}
                Some(Err(_)) | None => break,
            }
        }
        Ok(())
    }

    /// The numbers below `to` and the bytes below `to_offset` that were not told.
    fn hole(&self, to: u64, to_offset: u64) -> Option<Gap> {
        let to = to.max(self.next);
        let to_offset = to_offset.max(self.offset);
        let told = self.beyond.iter().filter(|seq| **seq < to).count() as u64;
        let (events, bytes) = (to - self.next - told, to_offset - self.offset);
        let gap = Gap { from_seq: self.next, to_seq: to, from_offset: self.offset, to_offset, events, bytes };
        (events > 0 || bytes > 0).then_some(gap)
    }

    fn record(&self, gap: Gap) -> AttemptRecord {
        AttemptRecord { seq: gap.from_seq, ts: self.ts, at: gap.to_offset, event: WorkerEvent::Gap(gap) }
    }

    fn told_up_to(&mut self, next: u64) {
        self.next = self.next.max(next);
        let next = self.next;
        self.beyond.retain(|seq| *seq >= next);
    }
}
