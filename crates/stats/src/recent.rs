//! What was done last.

use roboppi_ipc::UtcMillis;
use serde::{Deserialize, Serialize};

use crate::Outcome;

/// Entries that are kept.
pub const RECENT: usize = 100;

/// One thing that ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recent {
    /// When it ended.
    pub at: UtcMillis,
    /// The step.
    pub step: String,
    /// What it is.
    pub kind: RecentKind,
    /// How it ended.
    pub outcome: Outcome,
    /// Milliseconds it took, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
}

/// What ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecentKind {
    /// A step.
    Step,
    /// A call of the tool of this name.
    Tool(String),
}

/// Keeps the latest entries of a list that is in no order.
pub(crate) fn keep_latest(list: &mut Vec<Recent>, most: usize) {
    list.sort_by_key(|entry| std::cmp::Reverse(entry.at));
    list.truncate(most);
}
