//! A place in the events of an attempt.

use roboppi_ipc::WorkerEvent;
use roboppi_run::AttemptRecord;

/// A place in an event file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventPosition {
    /// Bytes before it.
    pub(crate) offset: u64,
    /// Events before it, with those that are missing.
    pub(crate) events: u64,
    /// Number and offset after the event before it.
    pub(crate) after: (u64, u64),
}

impl EventPosition {
    /// A position `offset` bytes or records into the events, before which there are `events` of them, with those that are
    /// missing. The event before it ended with the number `next_seq` and at `log_bytes` of the log.
    #[must_use]
    pub const fn new(offset: u64, events: u64, next_seq: u64, log_bytes: u64) -> Self {
        Self { offset, events, after: (next_seq, log_bytes) }
    }

    /// Bytes or records before it, whatever its reader counts.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// Number and offset after the event before it.
    pub(crate) const fn after(&self) -> (u64, u64) {
        self.after
    }

    /// The position behind a record, `offset` into the events.
    pub(crate) fn behind(mut self, record: &AttemptRecord, offset: u64) -> Self {
        self.offset = offset;
        match &record.event {
            WorkerEvent::Gap(gap) => {
                self.events += gap.events;
                self.after = (self.after.0.max(gap.to_seq), self.after.1.max(gap.to_offset));
            }
            _ => {
                self.events += 1;
                self.after = (record.seq + 1, record.at);
            }
        }
        self
    }

    /// Events before it, with those that are missing.
    #[must_use]
    pub const fn events_before(&self) -> u64 {
        self.events
    }
}
