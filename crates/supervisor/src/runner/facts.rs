//! What is known of steps beyond what the machine needs.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use roboppi_ipc::{UtcMillis, WorkerResult};
use roboppi_run::{AttemptRef, HostId, StepFingerprint, StepPath};
use roboppi_workflow::{Plan, Progress};

use crate::context_dir::Collected;
use crate::settings::RunSettings;

/// What is known of a step.
#[derive(Debug, Default)]
pub(super) struct StepFacts {
    pub(super) started_at: Option<UtcMillis>,
    pub(super) attempts: u32,
    /// Where its last attempt works, or worked.
    pub(super) host: HostId,
    /// The last one that did its work.
    pub(super) last: Option<AttemptRef>,
    pub(super) result: Option<Arc<WorkerResult>>,
    /// The last session of the agent that is known, and the attempt that told of it.
    pub(super) session: Option<(AttemptRef, String)>,
    /// The session that the present attempt continues.
    pub(super) continued: Option<String>,
    pub(super) artifacts: Vec<Collected>,
    /// What its last attempt was made of.
    pub(super) fingerprint: Option<Arc<StepFingerprint>>,
    /// The hash of what came of it, once it has succeeded.
    pub(super) outcome: Option<Arc<str>>,
    /// When it ended and how long it took, of a step that is kept.
    pub(super) ended: Option<(UtcMillis, u64)>,
    /// Its log, of a step that is kept.
    pub(super) log: Option<PathBuf>,
    /// Its last check.
    pub(super) check: Option<CheckFacts>,
    /// What the last check that found it incomplete found.
    pub(super) incomplete: Option<IncompleteFacts>,
    /// Where its loop stands.
    pub(super) progress: Progress,
}

/// What there was when a step was found incomplete.
#[derive(Clone, Debug)]
pub(super) struct IncompleteFacts {
    pub(super) detail: Option<String>,
    /// The hashes of its outputs by their names.
    pub(super) outputs: BTreeMap<String, Option<String>>,
}

/// What is known of the check of an iteration.
#[derive(Clone, Debug)]
pub(super) struct CheckFacts {
    /// Its id, which its worker is given: a decision has to be of it.
    pub(super) id: String,
    pub(super) began_at: UtcMillis,
    pub(super) result: Option<Arc<WorkerResult>>,
}

/// What is known of steps that are kept, before anything happens.
pub(super) fn facts_of_kept(settings: &RunSettings, plan: &Plan) -> HashMap<StepPath, Box<StepFacts>> {
    let Some(resume) = &settings.resume else { return HashMap::new() };
    let facts = resume.resumed.kept.iter().map(|kept| {
        let known = resume.kept.get(&kept.step);
        let outputs = plan.node(&kept.step).map(|node| &node.step.outputs);
        let artifacts = kept.artifacts.iter().map(|artifact| Collected {
            name: artifact.name.clone(),
            path: artifact.path.clone().into(),
            kind: outputs
                .and_then(|outputs| outputs.iter().find(|output| output.name == artifact.name)?.kind.clone()),
            sha256: Some(artifact.sha256.clone()),
        });
        let facts = StepFacts {
            started_at: known.and_then(|known| known.started_at),
            ended: known.map(|known| (known.ended_at, known.took_ms)),
            attempts: known.map_or(1, |known| known.attempts),
            host: HostId::here(),
            last: Some(kept.attempt.clone()),
            result: known.and_then(|known| known.worker_result.clone()).map(Arc::new),
            session: None,
            continued: None,
            artifacts: artifacts.collect(),
            fingerprint: Some(Arc::new(kept.fingerprint.clone())),
            outcome: known.map(|known| known.result.as_str().into()),
            log: known.map(|known| known.log.clone()),
            check: None,
            incomplete: None,
            progress: Progress::default(),
        };
        (kept.step.clone(), Box::new(facts))
    });
    facts.collect()
}
