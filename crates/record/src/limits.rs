//! How much of the disk a record may take.

use std::cell::Cell;

/// Bounds of the log of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogLimits {
    /// Bytes of the log, its index and its events. Beyond them the beginning of the log, which is half of it, and its
    /// end are kept. Events take an eighth at most, and so does the index before it becomes coarse.
    pub bytes: u64,
    /// Bytes that must stay free on the disk. With less nothing is written.
    pub min_free: u64,
}

impl LogLimits {
    /// The smallest bound of a log; less is rounded up.
    pub const SMALLEST: u64 = 1024 * 1024;

    /// Bytes that events may always have, even if nothing else fits into the run.
    pub(crate) const EVENTS_ALWAYS: u64 = 1024 * 1024;

    /// Bytes that events may take.
    pub(crate) const fn events(&self) -> u64 {
        if self.bytes > Self::SMALLEST { self.bytes / 8 } else { Self::SMALLEST / 8 }
    }

    /// No bounds.
    pub const NONE: Self = Self { bytes: u64::MAX, min_free: 0 };
}

/// The bound that made a writer give something up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// That of the file itself, in bytes.
    File(u64),
    /// That of all logs of the run together, in bytes.
    Run(u64),
}

/// What all logs of a run take together, as their writers in this process count it. When there is no room for more,
/// each log keeps what it has, and the last 128 KiB of what comes.
#[derive(Debug)]
pub struct RunUsage {
    limit: u64,
    used: Cell<u64>,
}

impl RunUsage {
    /// Nothing is used but `used` bytes of earlier writers.
    #[must_use]
    pub const fn new(limit: u64, used: u64) -> Self {
        Self { limit, used: Cell::new(used) }
    }

    pub(crate) fn has_room(&self, more: u64) -> bool {
        self.used.get().saturating_add(more) <= self.limit
    }

    pub(crate) fn add(&self, bytes: u64) {
        self.used.set(self.used.get().saturating_add(bytes));
    }

    pub(crate) fn give_back(&self, bytes: u64) {
        self.used.set(self.used.get().saturating_sub(bytes));
    }

    pub(crate) const fn limit(&self) -> u64 {
        self.limit
    }

    /// Bytes in use.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.used.get()
    }
}
