//! What a worker did, as one sees it: its own events, paired and bounded.

use std::collections::VecDeque;
use std::sync::Arc;

use roboppi_ipc::{
    AgentText, ChangeKind, Patch, PlanItem, Progress, SessionInfo, ToolResult, Usage, UtcMillis, Waiting,
    WorkspaceChanges,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::sub_agent::SubAgentView;

/// What a worker did.
///
/// Folded from the attempt's own events only, so it does not matter how those are interleaved with the journal.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Activity {
    /// Number of the last recorded event folded, or known to be missing.
    pub last_seq: Option<u64>,
    /// Recorded events folded.
    pub events: u64,
    /// Recorded events that are known to be missing: with any, all that is counted here is a lower bound.
    pub events_missing: u64,
    /// Its latest progress, in its own words or counted from its plan.
    pub progress: Option<Progress>,
    /// Its patches, the latest [`Activity::PATCHES`].
    pub patches: Vec<PatchView>,
    /// Patches there were in all.
    pub patches_total: u64,
    /// Files that changed and of which there is no diff: the first [`Activity::PATCHES`].
    pub undiffed: Vec<String>,
    /// Tokens and money so far.
    pub usage: Option<Usage>,
    /// Its session.
    pub session: Option<SessionInfo>,
    /// What it waits for; cleared by whatever it does next.
    pub waiting: Option<Waiting>,
    /// What it means to do, the latest it said; empty when it keeps no list.
    pub plan: Vec<PlanItem>,
    /// What it said and did, oldest first: the latest [`Activity::ITEMS`], fewer when they are long.
    pub items: VecDeque<Arc<ActivityItem>>,
    /// Items there were in all; those that are not in `items` were given up.
    pub items_total: u64,
    /// Number of the latest item that was given up. All before it are, except calls that ran then; [`HistoryPage`](super::HistoryPage)
    /// reads them again.
    pub last_given_up: Option<u64>,
    /// Tool calls so far.
    pub tool_calls: u64,
    /// Tool calls that failed or were refused so far.
    pub tool_failures: u64,
    /// Lines its adapter did not know.
    pub unknown: u64,
    /// Its sub-agents in the order of their beginnings: the latest [`Activity::SUB_AGENTS`].
    pub agents: Vec<SubAgentView>,
    /// Sub-agents there were in all.
    pub agents_total: u64,
    /// What it had to do without, or is about to: the first [`Activity::REMARKS`], each once.
    pub remarks: Vec<String>,
    /// Files of its workspace that changed, once that was found out.
    pub workspace: Option<WorkspaceChanges>,
    /// When its last recorded event was.
    pub last_at: Option<UtcMillis>,
    /// Bytes of text in `items`.
    pub(super) weight: usize,
    /// Number behind the last gap that was counted.
    pub(super) missing_to: u64,
}

impl Activity {
    /// Of a worker that did nothing yet.
    pub(super) const fn nothing() -> Self {
        Self {
            last_seq: None,
            events: 0,
            events_missing: 0,
            progress: None,
            patches: Vec::new(),
            patches_total: 0,
            undiffed: Vec::new(),
            usage: None,
            session: None,
            waiting: None,
            plan: Vec::new(),
            items: VecDeque::new(),
            items_total: 0,
            last_given_up: None,
            tool_calls: 0,
            tool_failures: 0,
            unknown: 0,
            agents: Vec::new(),
            agents_total: 0,
            remarks: Vec::new(),
            workspace: None,
            last_at: None,
            weight: 0,
            missing_to: 0,
        }
    }

    /// Patches kept.
    pub const PATCHES: usize = 500;
    /// Items kept.
    pub const ITEMS: usize = 1000;
    /// Bytes of text in the items that are kept; the latest item is kept however long it is.
    pub const ITEM_BYTES: usize = 4 * 1024 * 1024;

    /// Remarks kept.
    pub const REMARKS: usize = 100;

    /// Longest line of a worker that is kept because nobody knows what it says, in bytes.
    pub const UNKNOWN_BYTES: usize = 4 * 1024;

    /// Items that were given up.
    #[must_use]
    pub fn items_given_up(&self) -> u64 {
        self.items_total - self.items.len() as u64
    }

    /// Whether its counts are lower bounds, because events are missing.
    #[must_use]
    pub const fn counts_are_lower_bounds(&self) -> bool {
        self.events_missing > 0
    }

    /// The tool call of an id, when it is still kept.
    #[must_use]
    pub fn tool(&self, id: &str) -> Option<&ToolUse> {
        self.items.iter().rev().find_map(|item| item.tool().filter(|tool| tool.id == id))
    }

    /// The patch with the number of its event, when it is still kept.
    #[must_use]
    pub fn patch(&self, seq: u64) -> Option<&PatchView> {
        self.patches.binary_search_by_key(&seq, |patch| patch.seq).ok().map(|index| &self.patches[index])
    }

    /// Things of the plan that are done, and all of them; `None` without a plan.
    #[must_use]
    pub fn plan_done(&self) -> Option<(usize, usize)> {
        let done = self.plan.iter().filter(|item| item.status == roboppi_ipc::PlanStatus::Completed).count();
        (!self.plan.is_empty()).then_some((done, self.plan.len()))
    }
}

/// A change of one file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PatchView {
    /// Number of its event.
    pub seq: u64,
    /// When.
    pub ts: UtcMillis,
    /// The change.
    pub patch: Arc<Patch>,
}

/// One thing a worker said or did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActivityItem {
    /// Number of the event that began it; no other item of the attempt has it.
    pub seq: u64,
    /// When it began.
    pub ts: UtcMillis,
    /// Length of the attempt's log then.
    pub at: u64,
    /// Id of the tool call (sub-agent) it belongs to.
    pub parent: Option<String>,
    /// What it is.
    pub what: Act,
}

/// What an [`ActivityItem`] is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Act {
    /// It said something.
    Text(AgentText),
    /// It thought something.
    Thought(AgentText),
    /// It used a tool.
    Tool(ToolUse),
    /// A file changed.
    File(FileChange),
    /// It waited for something outside.
    Wait(Wait),
    /// Something is missing, does not count, or is about to run out.
    Remark(String),
    /// It printed a line its adapter does not know.
    Unknown {
        /// The line as it came.
        raw: String,
    },
    /// What it said and did here is not known.
    Missing {
        /// Events that are missing.
        events: u64,
        /// There may be more: whoever left them out did not say how many.
        at_least: bool,
    },
}

/// A tool call with what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolUse {
    /// Its id.
    pub id: String,
    /// Name of the tool; empty when only the result was seen.
    pub name: String,
    /// What it was given.
    pub input: Value,
    /// Name of the recorded whole input, when `input` is not all.
    pub blob: Option<String>,
    /// What came of it; `None` while it runs.
    pub result: Option<ToolOutcome>,
}

/// How a tool call ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolOutcome {
    /// The result as it was reported.
    pub result: ToolResult,
    /// When.
    pub ts: UtcMillis,
}

impl ToolUse {
    /// Milliseconds it took, by what the worker says or by the times of its two events.
    /// `started` is when it began; `None` while it runs.
    #[must_use]
    pub fn duration_ms(&self, started: UtcMillis) -> Option<u64> {
        let outcome = self.result.as_ref()?;
        outcome.result.duration_ms.or_else(|| outcome.ts.0.checked_sub(started.0))
    }
}

/// A change of a file, as the worker tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileChange {
    /// Its path, in the worker's words.
    pub path: String,
    /// What happened to it, when that was said.
    pub action: Option<ChangeKind>,
    /// Id of the tool call that did it.
    pub by: Option<String>,
    /// Number of the event with its diff: see [`Activity::patch`].
    pub patch: Option<u64>,
    /// It was found in the workspace, and the worker did not report it.
    #[serde(default)]
    pub seen: bool,
}

/// A time of waiting. Waits for the same thing that follow each other are one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// What for, as it was said last.
    pub waiting: Waiting,
    /// How often it was said.
    pub times: u32,
    /// When it was said last.
    pub last: UtcMillis,
    /// When the worker went on; `None` while it waits.
    pub over: Option<UtcMillis>,
}

impl ActivityItem {
    /// The tool call, if it is one.
    #[must_use]
    pub const fn tool(&self) -> Option<&ToolUse> {
        match &self.what {
            Act::Tool(tool) => Some(tool),
            _ => None,
        }
    }

    /// Whether it is a tool call that has no result yet.
    #[must_use]
    pub const fn is_running(&self) -> bool {
        matches!(&self.what, Act::Tool(ToolUse { result: None, .. }))
    }

    /// Bytes of text it holds.
    pub(super) fn weight(&self) -> usize {
        match &self.what {
            Act::Text(text) | Act::Thought(text) => text.text.len(),
            Act::Tool(tool) => {
                weight_of(&tool.input)
                    + tool.result.as_ref().map_or(0, |outcome| outcome.result.preview.len())
            }
            Act::File(change) => change.path.len(),
            Act::Wait(wait) => wait.waiting.why.len(),
            Act::Remark(text) => text.len(),
            Act::Unknown { raw } => raw.len(),
            Act::Missing { .. } => 0,
        }
    }
}

fn weight_of(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
        Value::String(text) => text.len(),
        Value::Array(values) => values.iter().map(weight_of).sum(),
        Value::Object(fields) => fields.iter().map(|(name, value)| name.len() + weight_of(value)).sum(),
    }
}
