//! Changes of files that were found in the workspace of a worker.

use serde::{Deserialize, Serialize};

use super::ChangeKind;
use crate::with_fields::with_fields;

/// The files that are not what they were before the worker started. The last event about them is the valid one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct WorkspaceChanges {
    /// `complete`: whether these are all changes.
    pub complete: bool,
    /// `missed`: why they are not all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed: Option<String>,
    /// `changes`: number of changed files.
    pub changes: u64,
    /// `shared`: another worker had the same files at the same time; its changes are among these.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shared: bool,
    /// `list`: name of the list in the record, a JSON object per line; absent without changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<String>,
    /// `diffs`: name of the unified diffs in the record, one after the other; absent without any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diffs: Option<String>,
}

with_fields!(WorkspaceChanges {
    with_complete(complete: bool),
    with_missed(missed: Option<String>),
    with_changes(changes: u64),
    with_shared(shared: bool),
    with_list(list: Option<String>),
    with_diffs(diffs: Option<String>),
});

/// A line of the list of a [`WorkspaceChanges`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct WorkspaceChange {
    /// `path`: path relative to the workspace.
    pub path: String,
    /// `action`: what happened to the file in the end.
    pub action: ChangeKind,
    /// `cause`: cause of the change.
    pub cause: ChangeCause,
    /// `added`: lines added; absent where there is no diff.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub added: Option<u64>,
    /// `removed`: lines removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed: Option<u64>,
    /// `bytes`: length of the file at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// `diffAt`: offset of its diff.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diff_at: Option<u64>,
    /// `diffLen`: length of its diff in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diff_len: Option<u64>,
}

impl WorkspaceChange {
    /// A change without a diff.
    #[must_use]
    pub const fn new(path: String, action: ChangeKind, cause: ChangeCause) -> Self {
        Self { path, action, cause, added: None, removed: None, bytes: None, diff_at: None, diff_len: None }
    }
}

value_enum! {
    /// Cause of a change of a file.
    pub enum ChangeCause {
        /// `tool`: a tool call of the agent names the file at the time of the change.
        Tool = "tool",
        /// `other`: anything else, such as a command or another program.
        Other = "other",
    }
}
