//! How an event is read. The first one has all steps of the run, and of the others there are many, so nothing is kept of
//! one in between.

use std::collections::BTreeMap;
use std::sync::Arc;

use roboppi_ipc::{
    CancelReason, CoreEvent, JobId, ProcessIdentity, UtcMillis, WorkerFacts, WorkerResult, decode_kind_first,
};
use serde::{Deserialize, Deserializer};

use super::{AttemptPhase, RunEvent, RunMode, StepPlan};
use crate::{
    AttemptRef, HostId, Resumed, RunCommand, RunHandle, RunId, RunOutcome, StepFingerprint, StepPath,
    StepState,
};

/// Kinds in the spelling of the record; anything else decodes to [`RunEvent::Unknown`].
pub(super) const KINDS: [&str; 18] = [
    "run_started",
    "core_started",
    "core_lost",
    "core_report",
    "step_changed",
    "plan_extended",
    "iteration_started",
    "attempt_started",
    "attempt_phase",
    "attempt_finished",
    "artifact_collected",
    "values_set",
    "command",
    "wish",
    "run_ending",
    "run_finished",
    "warning",
    "unknown",
];

/// The variants of [`RunEvent`], as they are read once their kind is known.
#[derive(Deserialize)]
#[serde(remote = "RunEvent", rename_all = "snake_case", rename_all_fields = "camelCase")]
enum Variants {
    RunStarted {
        run_id: RunId,
        #[serde(default)]
        handle: Option<RunHandle>,
        name: String,
        workflow: String,
        workspace: String,
        context_dir: String,
        mode: RunMode,
        timeout_ms: u64,
        concurrency: u32,
        stream_stdio: bool,
        steps: Vec<Arc<StepPlan>>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        only: Vec<StepPath>,
        #[serde(default)]
        resumes: Option<Box<Resumed>>,
    },
    CoreStarted {
        #[serde(default)]
        host: HostId,
        incarnation: u32,
        #[serde(default)]
        process: Option<ProcessIdentity>,
        protocol: u32,
        #[serde(default)]
        version: String,
        #[serde(default)]
        workers: Vec<WorkerFacts>,
    },
    CoreLost {
        #[serde(default)]
        host: HostId,
        incarnation: u32,
        detail: String,
    },
    CoreReport {
        #[serde(default)]
        host: HostId,
        event: CoreEvent,
    },
    StepChanged {
        step: StepPath,
        state: StepState,
        #[serde(default)]
        detail: Option<String>,
        #[serde(default)]
        duration_ms: Option<u64>,
        #[serde(default)]
        allowed_to_fail: bool,
        #[serde(default)]
        limit_until: Option<UtcMillis>,
    },
    PlanExtended {
        nodes: Vec<Arc<StepPlan>>,
    },
    IterationStarted {
        step: StepPath,
        iteration: u32,
        #[serde(default)]
        max_iterations: Option<u32>,
        #[serde(default)]
        detail: Option<String>,
    },
    AttemptStarted {
        of: AttemptRef,
        job_id: JobId,
        base: String,
        #[serde(default)]
        fingerprint: Option<Arc<StepFingerprint>>,
        #[serde(default)]
        resumed_session: Option<String>,
    },
    AttemptPhase {
        of: AttemptRef,
        phase: AttemptPhase,
    },
    AttemptFinished {
        of: AttemptRef,
        result: Arc<WorkerResult>,
        #[serde(default)]
        last_seq: Option<u64>,
        log_bytes: u64,
        events_bytes: u64,
    },
    ArtifactCollected {
        step: StepPath,
        name: String,
        path: String,
        #[serde(default)]
        sha256: Option<String>,
    },
    ValuesSet {
        #[serde(default)]
        step: Option<StepPath>,
        values: BTreeMap<String, String>,
    },
    #[serde(alias = "wish")]
    Command {
        #[serde(alias = "wish")]
        command: RunCommand,
        #[serde(default)]
        by: Option<ProcessIdentity>,
        #[serde(default)]
        user: Option<String>,
        #[serde(default)]
        refused: Option<String>,
    },
    RunEnding {
        reason: CancelReason,
        force: bool,
        #[serde(default)]
        signal: Option<String>,
    },
    RunFinished {
        outcome: RunOutcome,
        exit_code: u8,
        duration_ms: u64,
        #[serde(default)]
        detail: Option<String>,
        #[serde(default)]
        flaky: Vec<StepPath>,
    },
    Warning {
        message: String,
        #[serde(default)]
        step: Option<StepPath>,
    },
    Unknown {
        raw: String,
    },
}

/// An event of a known kind.
#[derive(Deserialize)]
#[serde(transparent)]
struct Known(#[serde(with = "Variants")] RunEvent);

impl From<Known> for RunEvent {
    fn from(Known(event): Known) -> Self {
        event
    }
}

impl<'de> Deserialize<'de> for RunEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        decode_kind_first::<Known, _, _>(deserializer, &KINDS, |raw| Self::Unknown { raw })
    }
}
