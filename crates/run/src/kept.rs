//! What lets a later run know that a step need not be done again.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{AttemptRef, RunId, StepPath};

/// What an attempt was made of, as far as that decides what comes of it. Hashes are SHA-256 in hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct StepFingerprint {
    /// `definition`: hash of what the workflow says of the step, as far as it matters for what comes of it.
    pub definition: String,
    /// `inputs` it took, in the order of the workflow.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<TakenInput>,
    /// `upstream`: what came of the steps it depends on, in the order of the workflow.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub upstream: Vec<UpstreamResult>,
}

/// An artifact that was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TakenInput {
    /// `from`: the step that made it.
    pub from: StepPath,
    /// `artifact`: its name there.
    pub artifact: String,
    /// `sha256` of it with everything in it; absent when it was not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// What came of a step that another one depends on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct UpstreamResult {
    /// `step`.
    pub step: StepPath,
    /// `sha256` of its fingerprint and its artifacts; absent when it had not succeeded. The fingerprints of all steps after it
    /// share it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Arc<str>>,
}

/// What a run has of an earlier one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Resumed {
    /// `run` it goes on with.
    pub run: RunId,
    /// `kept`: steps that succeeded there and are not done again, in the order of the workflow.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<KeptStep>,
}

/// A step that was done by an earlier run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct KeptStep {
    /// `step`.
    pub step: StepPath,
    /// `run` that did it: the one that was resumed, or one that it had resumed.
    pub run: RunId,
    /// `attempt` that succeeded there; its log is in the directory of that run.
    pub attempt: AttemptRef,
    /// `fingerprint` of that attempt.
    pub fingerprint: StepFingerprint,
    /// `artifacts` it made, which were there when this run began.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub artifacts: Vec<KeptArtifact>,
}

/// An artifact that is still what it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct KeptArtifact {
    /// `name`.
    pub name: String,
    /// `path` where it is.
    pub path: String,
    /// `sha256` of it with everything in it.
    pub sha256: String,
}
