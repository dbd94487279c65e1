//! Events of runs, as they are documented. `feed::written` writes them.

use serde_json::Value;

/// An event of a run, as documented. The server writes it once for all clients, and adds the cursor of each.
#[cfg(feature = "schema")]
#[derive(Debug, serde::Serialize, schemars::JsonSchema)]
pub(crate) struct Event {
    /// The position behind it; opaque.
    pub(crate) cursor: String,
    /// When.
    pub(crate) at: u64,
    /// Path of the step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) step: Option<String>,
    /// Id of the attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) attempt: Option<String>,
    /// `stepChanged`, `attemptChanged`, `runChanged`, `activity`, `warning`, `command`, or `other`.
    pub(crate) kind: String,
    /// What changed, under the name of its kind: `step`, `attempt`, `run`, `item`, `warning`, `command`.
    #[serde(flatten)]
    pub(crate) fields: serde_json::Map<String, Value>,
}
