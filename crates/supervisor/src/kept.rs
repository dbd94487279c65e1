//! What a run has from an earlier one.

use std::collections::HashMap;
use std::path::PathBuf;

use roboppi_ipc::{UtcMillis, WorkerResult};
use roboppi_run::{Resumed, RunId, StepPath};

use crate::context_dir::ArtifactName;

/// What a run takes over from an earlier one.
#[derive(Clone, Debug)]
pub struct Resume {
    /// The run, and the steps that are kept.
    pub(crate) resumed: Resumed,
    /// What is known of kept steps besides.
    pub(crate) kept: HashMap<StepPath, KeptFacts>,
    /// Artifacts of steps that are done again.
    pub(crate) stale: Vec<ArtifactName>,
    /// Steps that do not begin with their first iteration, with the one they begin with.
    pub(crate) iterations: Vec<(StepPath, u32)>,
}

/// What is known of a kept step.
#[derive(Clone, Debug)]
pub(crate) struct KeptFacts {
    /// The run that did it.
    pub(crate) run: RunId,
    /// The hash of what came of it.
    pub(crate) result: String,
    /// Its log.
    pub(crate) log: PathBuf,
    pub(crate) attempts: u32,
    pub(crate) started_at: Option<UtcMillis>,
    pub(crate) ended_at: UtcMillis,
    pub(crate) took_ms: u64,
    pub(crate) worker_result: Option<WorkerResult>,
}
