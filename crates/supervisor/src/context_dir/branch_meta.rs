//! What the metadata of a run says of its git branch.

use serde::Serialize;

/// What `_workflow.json` says of the branch, with the names of the existing program.
#[derive(Debug, Serialize)]
pub(crate) struct BranchMeta {
    pub(crate) create_branch: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expected_work_branch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expected_current_branch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) startup_toplevel: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) startup_branch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) startup_head_sha: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) effective_base_branch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) effective_base_branch_source: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) effective_base_sha: Option<String>,
    pub(crate) protected_branches: Vec<String>,
    pub(crate) protected_branches_source: &'static str,
    pub(crate) allow_protected_branch: bool,
    pub(crate) branch_lock_enabled: bool,
}
