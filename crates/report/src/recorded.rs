//! What of an attempt is recorded and was not seen live.

use roboppi_ipc::{Gap, UtcMillis, WorkerEvent};
use roboppi_record::{EventPosition, Events, RecordError, RecordStore};
use roboppi_run::{AttemptActivity, AttemptRecord, AttemptRef};

/// What was handed out of the recorded events of an attempt, or said to be missing.
#[derive(Debug, Default)]
pub(super) struct EmittedUpTo {
    last: Option<u64>,
    events: u64,
    /// Where its event file was read to.
    position: EventPosition,
}

/// What is known of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// Number of its last recorded event.
    last: Option<u64>,
    /// Recorded events up to that one, with those that are missing.
    events: u64,
    /// When that one was.
    at: UtcMillis,
    log_bytes: u64,
}

impl Known {
    pub(super) fn of(activity: &AttemptActivity) -> Self {
        Self {
            last: activity.last_seq,
            events: activity.events + activity.events_missing,
            at: activity.last_at.unwrap_or_default(),
            log_bytes: activity.log_bytes,
        }
    }
}

impl EmittedUpTo {
    /// Everything that is known now counts as handed out.
    pub(super) fn all_of(activity: &AttemptActivity) -> Self {
        let Known { last, events, .. } = Known::of(activity);
        Self { last, events, position: EventPosition::default() }
    }

    /// Takes a live event into account.
    pub(super) fn take(&mut self, record: &AttemptRecord) {
        let (last, events) = match &record.event {
            WorkerEvent::Gap(gap) if gap.recorded > 0 => (gap.to_seq.saturating_sub(1), gap.recorded),
            event if event.is_recorded() => (record.seq, 1),
            _ => return,
        };
        if self.last.is_none_or(|emitted| emitted < last) {
            self.last = Some(last);
            self.events += events;
        }
    }

    /// Whether something of what is known was not handed out.
    pub(super) fn lacks(&self, known: Known) -> bool {
        known.last > self.last
    }
}

/// Reads the event file of an attempt from where it was read last, up to what is known.
#[derive(Debug)]
pub(super) struct Filling {
    of: AttemptRef,
    file: Option<Box<dyn Events>>,
    known: Known,
}

impl Filling {
    pub(super) fn begin(
        record: &dyn RecordStore,
        of: AttemptRef,
        emitted: &EmittedUpTo,
        known: Known,
    ) -> Self {
        // Without the file all is missing, which is said.
        let mut file = record.events(&of).ok();
        if let Some(file) = &mut file {
            file.resume(emitted.position);
        }
        Self { of, file, known }
    }

    pub(super) const fn of(&self) -> &AttemptRef {
        &self.of
    }

    /// The next event that was not told, or what is missing; `None` when all that is known was told.
    pub(super) fn next(&mut self, emitted: &mut EmittedUpTo) -> Option<AttemptRecord> {
        if !emitted.lacks(self.known) {
            return None;
        }
        while let Some(file) = &mut self.file {
            emitted.position = file.resume_point();
            let record = match file.next() {
                Some(Ok(record)) => record,
                Some(Err(RecordError::BadJson { .. })) => continue,
                Some(Err(_)) | None => break,
            };
            let end = match &record.event {
                WorkerEvent::Gap(gap) => gap.to_seq.saturating_sub(1),
                _ => record.seq,
            };
            if emitted.last.is_some_and(|last| end <= last) {
                continue;
            }
            if Some(record.seq) > self.known.last {
                // Behind what is known: it will come live.
                break;
            }
            let before = file.resume_point().events_before();
            let WorkerEvent::Gap(gap) = record.event else {
                // Damaged lines before it are missing.
                emitted.last = Some(end);
                emitted.events = before.max(emitted.events + 1);
                return Some(record);
            };
            let (to, events) = if Some(end) > self.known.last {
                (self.known.last?, self.known.events)
            } else {
                (end, before)
            };
            return Some(self.missing(emitted, to, events, gap.at_least, record.ts));
        }
        self.file = None;
        let (to, at) = (self.known.last?, self.known.at);
        Some(self.missing(emitted, to, self.known.events, false, at))
    }

    /// A gap from what was told up to the number `last`, up to which there are `events`.
    fn missing(
        &self,
        emitted: &mut EmittedUpTo,
        last: u64,
        events: u64,
        at_least: bool,
        ts: UtcMillis,
    ) -> AttemptRecord {
        let from_seq = emitted.last.map_or(0, |last| last + 1);
        let recorded = events.saturating_sub(emitted.events).max(1);
        let gap = Gap::new(from_seq..last + 1, self.known.log_bytes..self.known.log_bytes)
            .with_missing(recorded, 0)
            .with_recorded(recorded)
            .with_at_least(at_least);
        emitted.last = Some(last);
        emitted.events = events.max(emitted.events);
        AttemptRecord { seq: from_seq, ts, at: self.known.log_bytes, event: WorkerEvent::Gap(gap) }
    }
}
