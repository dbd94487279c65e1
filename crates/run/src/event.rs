//! What happens to a run and its steps.

use roboppi_ipc::{CancelReason, CoreEvent, JobId, ProcessIdentity, WorkerKind, WorkerResult};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::{AttemptRef, RunId, RunOutcome, StepId, StepState};

/// One fact about a run, tagged by `type` in JSON.
///
/// A kind of a newer version decodes to [`RunEvent::Unknown`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase", remote = "Self")]
pub enum RunEvent {
    /// The run began. First record of every journal.
    RunStarted {
        /// `runId`.
        run_id: RunId,
        /// `name` of the workflow.
        name: String,
        /// `workflow`: path of the file.
        workflow: String,
        /// `workspace`: where the steps work.
        workspace: String,
        /// `contextDir`: where artifacts and metadata go.
        context_dir: String,
        /// `mode`.
        mode: RunMode,
        /// `timeoutMs` of the whole run.
        timeout_ms: u64,
        /// `concurrency`: attempts at a time.
        concurrency: u32,
        /// `streamStdio`: whether stdout and stderr of workers are shown live. The log has them in any case.
        stream_stdio: bool,
        /// `steps` in the order of the file.
        steps: Vec<StepPlan>,
    },
    /// A core is there.
    CoreStarted {
        /// `incarnation`: 1 for the first core of the run.
        incarnation: u32,
        /// `process`, when the core said it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        process: Option<ProcessIdentity>,
        /// `protocol` it speaks.
        protocol: u32,
        /// `version` it says it has.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        version: String,
    },
    /// The core is gone although the run was not over. Its jobs are lost.
    CoreLost {
        /// `incarnation`.
        incarnation: u32,
        /// `detail`: how it was noticed, how it ended, what it last said.
        detail: String,
    },
    /// The core reports something that belongs to no attempt, or to its processes.
    CoreReport {
        /// `event`.
        event: CoreEvent,
    },
    /// A step changed its state.
    StepChanged {
        /// `step`.
        step: StepId,
        /// `state`.
        state: StepState,
        /// `detail`: why, for people; absent when the state says it all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
        /// `durationMs`: of all attempts and waits, on final states of steps that started.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        duration_ms: Option<u64>,
        /// `allowedToFail`: it failed, and the run counts it as success.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        allowed_to_fail: bool,
    },
    /// An attempt is about to be handed to the core. From here on its files may exist.
    AttemptStarted {
        /// `of`.
        of: AttemptRef,
        /// `jobId`.
        job_id: JobId,
        /// `base`: path of its files inside the run directory, without extension.
        base: String,
    },
    /// An attempt came a stage further.
    AttemptPhase {
        /// `of`.
        of: AttemptRef,
        /// `phase`.
        phase: AttemptPhase,
    },
    /// An attempt ended. Nothing is written to its files after this.
    AttemptFinished {
        /// `of`.
        of: AttemptRef,
        /// `result`.
        result: WorkerResult,
        /// `lastSeq` of its events, absent when there was none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last_seq: Option<u64>,
        /// `logBytes`: logical length of its log.
        log_bytes: u64,
        /// `eventsBytes`: length of its event file.
        events_bytes: u64,
    },
    /// An artifact was put into the context directory.
    ArtifactCollected {
        /// `step` that made it.
        step: StepId,
        /// `name`.
        name: String,
        /// `path` where it is now.
        path: String,
    },
    /// The run is being ended; nothing new starts.
    RunEnding {
        /// `reason`.
        reason: CancelReason,
        /// `force`: workers are killed at once.
        force: bool,
    },
    /// The run ended. Last record of every journal whose supervisor lived.
    RunFinished {
        /// `outcome`.
        outcome: RunOutcome,
        /// `exitCode` of the command.
        exit_code: u8,
        /// `durationMs`, monotonic.
        duration_ms: u64,
        /// `detail`: why, for people.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    /// Something a person should know and that changes nothing.
    Warning {
        /// `message`.
        message: String,
        /// `step` it is about.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<StepId>,
    },
    /// A kind of a newer version.
    Unknown {
        /// `raw`: the JSON, as it is in the journal.
        raw: String,
    },
}

const KINDS: [&str; 13] = [
    "run_started",
    "core_started",
    "core_lost",
    "core_report",
    "step_changed",
    "attempt_started",
    "attempt_phase",
    "attempt_finished",
    "artifact_collected",
    "run_ending",
    "run_finished",
    "warning",
    "unknown",
];

impl Serialize for RunEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for RunEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;

        #[derive(Deserialize)]
        struct Tag {
            #[serde(rename = "type")]
            kind: String,
        }

        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let tag: Tag = serde_json::from_str(raw.get()).map_err(D::Error::custom)?;
        if KINDS.contains(&tag.kind.as_str()) {
            Self::deserialize(&mut serde_json::Deserializer::from_str(raw.get())).map_err(D::Error::custom)
        } else {
            Ok(Self::Unknown { raw: String::from(Box::<str>::from(raw)) })
        }
    }
}

/// Who starts the workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunMode {
    /// `supervised`: a core process.
    Supervised,
    /// `direct`: a core inside the supervisor process.
    Direct,
}

/// What is known of a step before it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepPlan {
    /// `step`.
    pub step: StepId,
    /// `worker`.
    pub worker: WorkerKind,
    /// `dependsOn`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<StepId>,
    /// `description`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// `timeoutMs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// `maxAttempts` an iteration may have.
    pub max_attempts: u32,
}

/// A stage of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum AttemptPhase {
    /// `waiting_permit`: the core has no leave to give yet.
    WaitingPermit {
        /// `detail`: why.
        detail: String,
    },
    /// `running`: the worker is alive.
    Running {
        /// `process`: leader of its session; absent with a protocol 1 core.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        process: Option<ProcessIdentity>,
    },
    /// `terminating`: TERM was sent.
    Terminating {
        /// `reason`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<CancelReason>,
        /// `limitMs`: grace time.
        limit_ms: u64,
    },
    /// `killing`: KILL was sent.
    Killing {
        /// `reason`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<CancelReason>,
    },
    /// `draining`: the worker has ended, something holds its pipes.
    Draining {
        /// `limitMs`: drain time.
        limit_ms: u64,
    },
}
