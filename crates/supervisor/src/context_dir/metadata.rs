//! The metadata files of the context directory. Their shape is that of the existing program, with more in it.

use std::collections::BTreeMap;
use std::path::Path;

use roboppi_ipc::{Cost, ErrorClass, UtcMillis};
use serde::{Serialize, Serializer};

use super::branch_meta::BranchMeta;

/// Name of the metadata of the run.
pub(super) const WORKFLOW: &str = "_workflow.json";
/// Name of the metadata of a step.
pub(super) const META: &str = "_meta.json";
/// Name of the same file where the existing program has what was in force for a step.
pub(super) const RESOLVED: &str = "_resolved.json";

/// `_workflow.json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WorkflowMeta<'a> {
    pub(crate) id: &'a str,
    pub(crate) name: &'a str,
    pub(crate) started_at: UtcMillis,
    pub(crate) status: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) completed_at: Option<UtcMillis>,
    pub(crate) resolved: WorkflowLimits,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) abort_reason: Option<&'a str>,
    #[serde(serialize_with = "as_text")]
    pub(crate) run_dir: &'a Path,
    #[serde(flatten)]
    pub(crate) branch: BranchMeta,
    /// Names of the artifacts that steps may make: what of the directory is the run's, whatever becomes of it.
    pub(crate) outputs: BTreeMap<&'a str, Vec<&'a str>>,
}

impl WorkflowMeta<'_> {
    /// `status` of a run that is not over.
    pub(crate) const RUNNING: &'static str = "RUNNING";
}

/// What was in force for the run.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WorkflowLimits {
    pub(crate) timeout_ms: u64,
    /// `null` when the workflow does not say.
    pub(crate) concurrency: Option<u32>,
}

/// `_meta.json` and `_resolved.json` of a step. The existing program writes two files, of which one has all that the other
/// has; here it is one with two names.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StepMeta<'a> {
    pub(crate) step_id: &'a str,
    /// The run that writes this.
    pub(crate) run_id: &'a str,
    pub(crate) status: &'a str,
    pub(crate) started_at: UtcMillis,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) completed_at: Option<UtcMillis>,
    pub(crate) wall_time_ms: u64,
    pub(crate) attempts: u32,
    pub(crate) iterations: u32,
    pub(crate) max_iterations: u32,
    pub(crate) worker_kind: &'a str,
    pub(crate) artifacts: Vec<StepMetaArtifact>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) worker_result: Option<WorkerCost>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) exit_code: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error_class: Option<ErrorClass>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<&'a str>,
    #[serde(serialize_with = "as_text")]
    pub(crate) log: &'a Path,
    pub(crate) resolved: ResolvedLimits<'a>,
}

/// The part of a result the existing program stores.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct WorkerCost {
    pub(crate) cost: Cost,
}

/// An artifact in `_meta.json`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct StepMetaArtifact {
    pub(crate) name: String,
    pub(crate) path: String,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<String>,
}

/// What was in force for a step.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ResolvedLimits<'a> {
    pub(crate) timeout_ms: u64,
    #[serde(serialize_with = "as_text")]
    pub(crate) workspace_ref: &'a Path,
    pub(crate) worker_kind: &'a str,
    pub(crate) capabilities: Vec<&'a str>,
}

/// A path for people: what of it is no text is replaced.
fn as_text<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}
