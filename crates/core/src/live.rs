//! The live plane of one job: what is shown while it runs, in bounded memory.
//!
//! Nothing here is the record. Everything was recorded before it is offered here, so under load output
//! may be shed; what was shed is always said with numbers and offsets ([`Gap`](roboppi_ipc::Gap)).

mod batch;
mod dialect;
mod growth;
mod line_tail;
mod offered;
mod progress;
mod queue;

use std::time::Duration;

use roboppi_ipc::{UtcMillis, WorkerEvent};

pub(crate) use dialect::LiveEncoder;
pub use offered::Offered;
pub(crate) use progress::ProgressThinner;
pub use queue::{LiveQueue, ReadBack, StoredRange};

/// Bounds of what waits to be sent for one job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveLimits {
    /// Events that may wait before output is shed.
    pub events: usize,
    /// Bytes that may wait before output is shed.
    pub bytes: usize,
    /// Bytes of other events that may wait in memory; more wait in the event file.
    pub state_bytes: usize,
    /// Longest output event, in bytes of the log.
    pub batch_bytes: usize,
    /// Output that comes within this time of the event before it waits for more.
    pub batch_time: Duration,
    /// Of progress that comes faster than this only the latest is shown.
    pub progress_time: Duration,
    /// Whether each line of output is an event of its own, at once, as protocol 1 has it, and the oldest ones are left out
    /// when there are too many.
    pub by_line: bool,
}

impl Default for LiveLimits {
    fn default() -> Self {
        Self {
            events: 500,
            bytes: 1024 * 1024,
            state_bytes: 4 * 1024 * 1024,
            batch_bytes: 16 * 1024,
            batch_time: Duration::from_millis(16),
            progress_time: Duration::from_millis(100),
            by_line: false,
        }
    }
}

/// A numbered event of a job, as it is shown.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveEvent {
    /// Numbers of one job rise by one. A gap, and the note that a shed has begun, carry the number of the
    /// first event that is missing.
    pub seq: u64,
    /// When it came.
    pub ts: UtcMillis,
    /// Length of the attempt's log when it came.
    pub at: u64,
    /// What it says.
    pub event: WorkerEvent,
}
