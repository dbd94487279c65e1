//! One sub-agent of an attempt, and how many there are of which status.

use roboppi_ipc::{SubAgentStatus, UtcMillis};
use serde::{Deserialize, Serialize};

/// A sub-agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubAgentView {
    /// Its id: the `parent` of its items.
    pub id: String,
    /// Short description of its task; empty when there is none.
    pub name: String,
    /// Id of the sub-agent that started it.
    pub parent: Option<String>,
    /// Number of the item of the call that started it.
    pub call: u64,
    /// When it was started.
    pub started: UtcMillis,
    /// Its status, the latest that was reported.
    pub status: SubAgentStatus,
    /// Its last message, or the reason of its end.
    pub message: Option<String>,
    /// When it ended; `None` while it is at work.
    pub ended: Option<UtcMillis>,
    /// Its calls so far.
    pub calls: u64,
    /// Its calls that failed so far.
    pub failures: u64,
    /// Number of the item of its latest call.
    pub latest: Option<u64>,
}

impl SubAgentView {
    /// Milliseconds it has taken, up to `now` while it is at work.
    #[must_use]
    pub fn duration_ms(&self, now: UtcMillis) -> u64 {
        self.ended.unwrap_or(now).0.saturating_sub(self.started.0)
    }
}

/// Sub-agents by their status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SubAgentCounts {
    /// At work, or about to be.
    pub running: usize,
    /// Done.
    pub completed: usize,
    /// Failed.
    pub failed: usize,
    /// Terminated before they were done.
    pub stopped: usize,
}
