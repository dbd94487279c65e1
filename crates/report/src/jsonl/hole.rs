//! What was told of an attempt, and what was not.

use roboppi_ipc::{Gap, UtcMillis, WorkerEvent};
use roboppi_run::AttemptRecord;

/// How far an attempt was told.
#[derive(Debug, Default)]
pub(super) struct EmittedUpTo {
    /// First number that was neither told nor said to be missing.
    next: u64,
    /// Recorded events from there on that were told already, or said to be missing: their numbers, and how many they are.
    beyond: Vec<(u64, u64)>,
    /// Length of the log that was told or said to be missing.
    offset: u64,
    /// Live events may have been missed since the last one.
    missed: bool,
    /// When the last event was.
    ts: UtcMillis,
}

impl EmittedUpTo {
    /// Live events were missed: the next one shows how many.
    pub(super) fn missed(&mut self) {
        self.missed = true;
    }

    /// Takes a live event. Returns the hole before it, when it was this reader who missed something.
    pub(super) fn live(&mut self, record: &AttemptRecord) -> Option<AttemptRecord> {
        self.ts = record.ts;
        if let WorkerEvent::Gap(gap) = &record.event {
            // Said by the core; it has no number of its own.
            self.emitted_up_to(gap.to_seq);
            self.offset = self.offset.max(gap.to_offset);
            return None;
        }
        let (start, end) = match &record.event {
            WorkerEvent::Stdout(output) | WorkerEvent::Stderr(output) => {
                let start = output.offset.unwrap_or(record.at);
                (start, start + output.len.unwrap_or(0))
            }
            WorkerEvent::LogGrew(grew) => (grew.offset, grew.end()),
            _ => (record.at, record.at),
        };
        let missed = std::mem::take(&mut self.missed);
        let hole = if missed { self.hole(record.seq, start).filter(|gap| gap.events > 0) } else { None };
        let hole = hole.map(|gap| self.record(gap));
        self.emitted_up_to(record.seq + 1);
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

    /// Takes a recorded event that was not seen live.
    pub(super) fn recorded(&mut self, record: &AttemptRecord) {
        self.ts = record.ts;
        match &record.event {
            WorkerEvent::Gap(gap) => self.beyond.push((gap.to_seq.saturating_sub(1), gap.recorded)),
            _ if record.seq == self.next && self.beyond.is_empty() => self.next += 1,
            _ => self.beyond.push((record.seq, 1)),
        }
    }

    /// The numbers below `to` and the bytes below `to_offset` that were not told.
    fn hole(&self, to: u64, to_offset: u64) -> Option<Gap> {
        let to = to.max(self.next);
        let to_offset = to_offset.max(self.offset);
        let emitted: u64 = self.beyond.iter().filter(|(seq, _)| *seq < to).map(|(_, events)| events).sum();
        let (events, bytes) = ((to - self.next).saturating_sub(emitted), to_offset - self.offset);
        let (from_seq, from_offset) = (self.next, self.offset);
        let gap = Gap::new(from_seq..to, from_offset..to_offset).with_missing(events, bytes);
        (events > 0 || bytes > 0).then_some(gap)
    }

    fn record(&self, gap: Gap) -> AttemptRecord {
        AttemptRecord { seq: gap.from_seq, ts: self.ts, at: gap.to_offset, event: WorkerEvent::Gap(gap) }
    }

    fn emitted_up_to(&mut self, next: u64) {
        self.next = self.next.max(next);
        let next = self.next;
        self.beyond.retain(|(seq, _)| *seq >= next);
    }
}
