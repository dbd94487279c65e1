//! What happens to a run and its steps.
//!
//! What is said of a step once and read by every view of the run is shared by them: views have no copy of their own.

mod kinds;

use std::collections::BTreeMap;
use std::sync::Arc;

use roboppi_ipc::{
    CancelReason, CoreEvent, JobId, ProcessIdentity, UnknownTagged, UtcMillis, WorkerFacts, WorkerKind,
    WorkerResult, decode_tagged_by, value_enum,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    AttemptRef, HostId, Resumed, Role, RunCommand, RunHandle, RunId, RunOutcome, StepFingerprint, StepPath,
    StepState,
};

/// One fact about a run, tagged by `type` in JSON.
///
/// A kind of a newer version decodes to [`RunEvent::Unknown`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum RunEvent {
    /// The run began. First record of every journal.
    RunStarted {
        /// `runId`.
        run_id: RunId,
        /// `handle`: the short name of the run, such as `r17`; absent in records of versions without, and where there was
        /// no place for one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        handle: Option<RunHandle>,
        /// `name` of the workflow.
        name: String,
        /// `workflow`: path of the file; empty when there is none.
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
        steps: Vec<Arc<StepPlan>>,
        /// `only`: the steps to which the command line limited the run, with those they depend on; absent for a whole workflow.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        only: Vec<StepPath>,
        /// `resumes`: the run this one goes on with, and what of it counts.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        resumes: Option<Box<Resumed>>,
    },
    /// A core is there.
    CoreStarted {
        /// `host` on which it works; absent for the host of the supervisor.
        #[serde(default, skip_serializing_if = "HostId::is_here")]
        host: HostId,
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
        /// `workers`: what it says of the kinds of the run's steps that do not come with roboppi.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        workers: Vec<WorkerFacts>,
    },
    /// The core is gone although the run was not over. Its jobs are lost.
    CoreLost {
        /// `host` on which it worked; absent for the host of the supervisor.
        #[serde(default, skip_serializing_if = "HostId::is_here")]
        host: HostId,
        /// `incarnation`.
        incarnation: u32,
        /// `detail`: how it was noticed, how it ended, what it last said.
        detail: String,
    },
    /// The core reports something that belongs to no attempt, or to its processes.
    CoreReport {
        /// `host` on which it works; absent for the host of the supervisor.
        #[serde(default, skip_serializing_if = "HostId::is_here")]
        host: HostId,
        /// `event`.
        event: CoreEvent,
    },
    /// A step changed its state.
    StepChanged {
        /// `step`.
        step: StepPath,
        /// `state`.
        state: StepState,
        /// `detail`: why, for people; absent when the state says it all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
        /// `durationMs`: of all attempts and waits, on final states of steps that started.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        duration_ms: Option<u64>,
        /// `allowedToFail`: it failed or was skipped by a person, and the run counts it as success.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        allowed_to_fail: bool,
        /// `limitUntil`: until when a usage limit holds, in UTC milliseconds: the step waits for that time, or has failed because
        /// of the limit.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit_until: Option<UtcMillis>,
    },
    /// The plan grew while the run was going on: these steps are now part of it.
    PlanExtended {
        /// `nodes`: the new steps, in the order in which they are shown, behind those there are.
        nodes: Vec<Arc<StepPlan>>,
    },
    /// The next iteration of a step begins. The first one begins with its first attempt and has no event.
    IterationStarted {
        /// `step`.
        step: StepPath,
        /// `iteration`, from 2.
        iteration: u32,
        /// `maxIterations` the step may have; absent without a limit.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_iterations: Option<u32>,
        /// `detail`: why the one before was not enough, for people.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    /// An attempt is about to be handed to the core. From here on its files may exist.
    AttemptStarted {
        /// `of`.
        of: AttemptRef,
        /// `jobId`.
        job_id: JobId,
        /// `base`: path of its files inside the run directory, without extension.
        base: String,
        /// `fingerprint` of what it is made of; absent in records of earlier versions.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fingerprint: Option<Arc<StepFingerprint>>,
        /// `resumedSession`: the session of the agent that an earlier attempt began and this one continues; absent when it begins
        /// anew.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        resumed_session: Option<String>,
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
        result: Arc<WorkerResult>,
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
        step: StepPath,
        /// `name`.
        name: String,
        /// `path` where it is now.
        path: String,
        /// `sha256` of it with everything in it; absent in records of earlier versions.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sha256: Option<String>,
    },
    /// Values are known that steps are given: the inputs of the run, or what a step has set.
    ValuesSet {
        /// `step` that has set them; absent for the inputs of the run.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<StepPath>,
        /// `values` by name: all of them.
        values: BTreeMap<String, String>,
    },
    /// A command of a person, with its outcome; `wish` in records of earlier versions.
    #[serde(alias = "wish")]
    Command {
        /// `command`, in records of earlier versions `wish`.
        #[serde(alias = "wish")]
        command: RunCommand,
        /// `by`: the process that brought it; absent when it is the one that owns the run.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<ProcessIdentity>,
        /// `user` on whose behalf that process asked, as it says; absent when it says none, and in records of earlier versions.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
        /// `refused`: why nothing came of it; absent when it was done.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        refused: Option<String>,
    },
    /// The run is being ended; nothing new starts.
    RunEnding {
        /// `reason`.
        reason: CancelReason,
        /// `force`: workers are killed at once.
        force: bool,
        /// `signal` that asked for it, as `SIGTERM`; absent when it was none, and in records of earlier versions.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signal: Option<String>,
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
        /// `flaky`: steps that succeeded on a retry only; absent when there is none, and in records of earlier versions.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        flaky: Vec<StepPath>,
    },
    /// Something a person should know and that changes nothing.
    Warning {
        /// `message`.
        message: String,
        /// `step` it is about.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<StepPath>,
    },
    /// A kind of a newer version.
    #[cfg_attr(feature = "schema", schemars(skip))]
    Unknown {
        /// `raw`: the JSON, its keys in alphabetical order.
        raw: String,
    },
}

value_enum! {
    /// Who starts the workers.
    pub enum RunMode {
        /// `supervised`: a core process.
        Supervised = "supervised",
        /// `direct`: a core inside the supervisor process.
        Direct = "direct",
        /// `emitted`: none; a program records itself.
        Emitted = "emitted",
    }
}

/// What is known of a step before it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct StepPlan {
    /// `step`.
    pub step: StepPath,
    /// `worker`.
    pub worker: WorkerKind,
    /// `dependsOn`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<StepPath>,
    /// `description`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// `timeoutMs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// `maxAttempts` an iteration may have.
    pub max_attempts: u32,
    /// `maxIterations`: absent when the step has one only, or no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_iterations: Option<u32>,
    /// `role` of the step in the plan; absent when it is `work`.
    #[serde(default, skip_serializing_if = "Role::is_work")]
    pub role: Role,
    /// `check`: the kind of worker that checks whether an iteration is complete; absent without a check, and in records of
    /// earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<WorkerKind>,
    /// `host` on which it works; absent for the host of the supervisor.
    #[serde(default, skip_serializing_if = "HostId::is_here")]
    pub host: HostId,
}

impl StepPlan {
    /// The kind of a step that runs a workflow of its own in place of a worker.
    pub const WORKFLOW: &'static str = "WORKFLOW";

    /// Whether it runs a workflow: then it has no worker, no process and no log.
    #[must_use]
    pub fn runs_a_workflow(&self) -> bool {
        self.worker.name() == Self::WORKFLOW
    }
}

/// A stage of an attempt, tagged by `name` in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "name", rename_all = "snake_case", rename_all_fields = "camelCase", remote = "Self")]
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
    /// A stage of a newer version.
    #[serde(skip)]
    Unknown(UnknownTagged),
}

const PHASES: [&str; 5] = ["waiting_permit", "running", "terminating", "killing", "draining"];

impl Serialize for AttemptPhase {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Unknown(other) => other.serialize(serializer),
            known => Self::serialize(known, serializer),
        }
    }
}

impl<'de> Deserialize<'de> for AttemptPhase {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        decode_tagged_by("name", deserializer, &PHASES, Self::deserialize, Self::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{KeptArtifact, KeptStep, TakenInput, UpstreamResult};

    /// One of each kind, so that a kind that cannot be read back is found here and not in a journal.
    fn one_of_each() -> Vec<RunEvent> {
        let values = BTreeMap::from([("version".to_owned(), "1.2".to_owned())]);
        let of = AttemptRef::first("build".into());
        let result: WorkerResult = serde_json::from_str(
            r#"{"status":"FAILED","cost":{"wallTimeMs":1},"durationMs":1,"exitCode":2,"details":{"cancelReason":"timeout"}}"#,
        )
        .unwrap();
        let plan = StepPlan {
            step: "build".into(),
            worker: WorkerKind::CUSTOM,
            depends_on: vec!["prepare".into()],
            description: Some("makes it".into()),
            timeout_ms: Some(5),
            max_attempts: 2,
            max_iterations: None,
            role: Role::Work,
            check: None,
            host: HostId::here(),
        };
        let check = StepPlan {
            role: Role::Check,
            max_iterations: Some(3),
            check: Some(WorkerKind::CUSTOM),
            ..plan.clone()
        };
        let fingerprint = StepFingerprint {
            definition: "a".into(),
            inputs: vec![TakenInput { from: "prepare".into(), artifact: "x".into(), sha256: None }],
            upstream: vec![UpstreamResult { step: "prepare".into(), sha256: Some("b".into()) }],
        };
        vec![
            RunEvent::RunStarted {
                run_id: RunId::parse("r1").unwrap(),
                handle: None,
                name: "n".into(),
                workflow: "/w.yaml".into(),
                workspace: "/w".into(),
                context_dir: "/w/context".into(),
                mode: RunMode::Direct,
                timeout_ms: 1,
                concurrency: 2,
                stream_stdio: true,
                steps: vec![Arc::new(plan)],
                only: vec!["build".into()],
                resumes: Some(Box::new(Resumed {
                    run: RunId::parse("r0").unwrap(),
                    kept: vec![KeptStep {
                        step: "build".into(),
                        run: RunId::parse("r0").unwrap(),
                        attempt: of.clone(),
                        fingerprint: fingerprint.clone(),
                        artifacts: vec![KeptArtifact {
                            name: "a".into(),
                            path: "/p".into(),
                            sha256: "c".into(),
                        }],
                    }],
                })),
            },
            RunEvent::CoreStarted {
                host: HostId::here(),
                incarnation: 1,
                process: Some(ProcessIdentity { pid: 2, start_time: 3 }),
                protocol: 2,
                version: "0.1.0".into(),
                workers: vec![WorkerFacts::command(WorkerKind::from_static("SCRIBE"))],
            },
            RunEvent::CoreLost { host: HostId::here(), incarnation: 1, detail: "gone".into() },
            RunEvent::CoreReport { host: HostId::here(), event: CoreEvent::Permits { active: 1, limit: 2 } },
            RunEvent::StepChanged {
                step: "build".into(),
                state: StepState::Failed,
                detail: Some("exit code 1".into()),
                duration_ms: Some(4),
                allowed_to_fail: true,
                limit_until: Some(UtcMillis(7)),
            },
            RunEvent::PlanExtended { nodes: vec![Arc::new(check)] },
            RunEvent::IterationStarted {
                step: "build".into(),
                iteration: 2,
                max_iterations: Some(3),
                detail: Some("two tests fail".into()),
            },
            RunEvent::AttemptStarted {
                of: of.clone(),
                job_id: "j".into(),
                base: of.base(),
                fingerprint: Some(Arc::new(fingerprint)),
                resumed_session: Some("session-1".into()),
            },
            RunEvent::AttemptPhase {
                of: of.clone(),
                phase: AttemptPhase::Terminating { reason: Some(CancelReason::User), limit_ms: 5 },
            },
            RunEvent::AttemptFinished {
                of,
                result: result.into(),
                last_seq: Some(3),
                log_bytes: 4,
                events_bytes: 5,
            },
            RunEvent::ArtifactCollected {
                step: "build".into(),
                name: "a".into(),
                path: "/p".into(),
                sha256: Some("c".into()),
            },
            RunEvent::ValuesSet { step: None, values: values.clone() },
            RunEvent::ValuesSet { step: Some("build".into()), values },
            RunEvent::Command {
                command: RunCommand::RetryStep("build".into()),
                by: Some(ProcessIdentity { pid: 2, start_time: 3 }),
                user: Some("operator".into()),
                refused: Some("`build` succeeded".into()),
            },
            RunEvent::RunEnding { reason: CancelReason::Parent, force: true, signal: Some("SIGTERM".into()) },
            RunEvent::RunFinished {
                outcome: RunOutcome::TimedOut,
                exit_code: 124,
                duration_ms: 6,
                detail: None,
                flaky: vec!["build".into()],
            },
            RunEvent::Warning { message: "m".into(), step: None },
            RunEvent::Unknown { raw: "{}".into() },
        ]
    }

    #[test]
    fn every_kind_is_read_back_as_it_was_written() {
        let events = one_of_each();
        // `wish` is an earlier name of `command`, and values are set in two ways.
        assert_eq!(events.len(), kinds::KINDS.len());
        for event in events {
            let text = serde_json::to_string(&event).unwrap();
            assert_eq!(serde_json::from_str::<RunEvent>(&text).unwrap(), event, "{text}");
        }
    }

    #[test]
    fn a_kind_of_a_newer_version_keeps_its_text() {
        let text = r#"{"type":"run_paused","why":"night"}"#;
        let event: RunEvent = serde_json::from_str(text).unwrap();
        assert_eq!(event, RunEvent::Unknown { raw: text.to_owned() });
    }

    #[test]
    fn a_known_kind_with_a_wrong_field_is_an_error() {
        assert!(serde_json::from_str::<RunEvent>(r#"{"type":"warning","message":7}"#).is_err());
        assert!(serde_json::from_str::<RunEvent>("[]").is_err());
    }
}
