//! A run in one JSON object, for programs that want to know how it ended and not how it came there.

use std::io;
use std::path::Path;

use roboppi_ipc::{CancelReason, ErrorClass, Usage, UtcMillis, WorkerKind, WorkerStatus};
use roboppi_record::{RecordPart, RecordStore};
use roboppi_run::{
    ArtifactView, AttemptView, IterationView, Role, RunHandle, RunId, RunMode, RunOutcome, RunStatus,
    RunView, StepPath, StepState, StepView,
};
use roboppi_untrusted as untrusted;
use serde::Serialize;

use crate::units::limit_time;

mod github;

pub use github::github_output;

const VERSION: u32 = 1;

/// A run at its end, or as far as it is known.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Summary<'a> {
    /// `v`: version of the form, 1.
    v: u32,
    /// `run`: its id.
    run: Option<&'a RunId>,
    /// `handle`: its short name; `null` where it has none.
    handle: Option<RunHandle>,
    /// `name` of the workflow.
    name: &'a str,
    /// `workflow`: path of the file; empty when there is none.
    workflow: &'a str,
    /// `workspace`: where the steps work.
    workspace: &'a str,
    /// `contextDir`: where artifacts and metadata go.
    context_dir: &'a str,
    /// `record`: the run directory; `null` when the run has none.
    record: Option<String>,
    /// `mode`: which process starts the workers.
    mode: Option<RunMode>,
    /// `resumes`: the run it goes on with.
    resumes: Option<&'a RunId>,
    /// `outcome`; `null` while the run goes on, and when it ended without one.
    outcome: Option<RunOutcome>,
    /// `exitCode` of the command.
    exit_code: Option<u8>,
    /// `detail`: why, for people.
    detail: Option<&'a str>,
    /// `startedAt`: UTC in milliseconds.
    started_at: Option<UtcMillis>,
    /// `endedAt`: UTC in milliseconds.
    ended_at: Option<UtcMillis>,
    /// `durationMs`, monotonic.
    duration_ms: Option<u64>,
    /// `resumeCommand`: the command that goes on with the run, when there is something to go on with.
    resume_command: Option<String>,
    /// `counts` of steps by what became of them.
    counts: Counts,
    /// `flaky`: steps that succeeded on a retry only.
    flaky: Vec<&'a StepPath>,
    /// `usage` of all agents together; `null` when no worker reported any.
    usage: Option<Usage>,
    /// `steps` in the order of the file.
    steps: Vec<Step<'a>>,
    /// `warnings`: the latest 200.
    warnings: Vec<Warning<'a>>,
    /// `warningsTotal`: all there were.
    warnings_total: u64,
}

/// Counts of steps.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct Counts {
    /// `total`.
    total: usize,
    /// `succeeded`, those included that an earlier run did.
    succeeded: usize,
    /// `incomplete` after their last iteration, and counted as success.
    incomplete: usize,
    /// `failed`, without those that were allowed to.
    failed: usize,
    /// `allowedToFail`: failed or skipped, and counted as success.
    allowed_to_fail: usize,
    /// `skipped`: never started.
    skipped: usize,
    /// `cancelled`.
    cancelled: usize,
    /// `lost` with a core.
    lost: usize,
    /// `unfinished`: not over.
    unfinished: usize,
    /// `flaky`: among those that succeeded.
    flaky: usize,
}

/// A step.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct Step<'a> {
    /// `step`: its path.
    step: &'a StepPath,
    /// `worker`.
    worker: WorkerKind,
    /// `state`.
    state: StepState,
    /// `detail`: why, for people.
    detail: Option<String>,
    /// `allowedToFail`: it failed or was skipped by a person, and the run counts it as success.
    allowed_to_fail: bool,
    /// `flaky`: it succeeded on a retry only.
    flaky: bool,
    /// `startedAt` of its first attempt.
    started_at: Option<UtcMillis>,
    /// `durationMs` of all attempts and waits.
    duration_ms: Option<u64>,
    /// `check`: the kind of worker that checks whether it is complete.
    check: Option<WorkerKind>,
    /// `iterations` it has had.
    iterations: u32,
    /// `maxIterations` it may have.
    max_iterations: Option<u32>,
    /// `repeated`: why it had each iteration behind the first one, the latest 200.
    repeated: Vec<Repeated<'a>>,
    /// `attempts` by iteration, role and number.
    attempts: Vec<Attempt<'a>>,
    /// `artifacts` it put into the context directory.
    artifacts: Vec<Artifact<'a>>,
    /// `keptFrom`: the run that did it, when this one did not do it again.
    kept_from: Option<&'a RunId>,
}

/// Why a step was repeated.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct Repeated<'a> {
    /// `iteration` that began, from 2.
    iteration: u32,
    /// `why` the one before was not complete.
    why: Option<&'a str>,
    /// `filesChanged` by the one before, as far as its agent has reported them.
    files_changed: Vec<&'a str>,
}

/// An attempt of a step.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct Attempt<'a> {
    /// `iteration` of the step, from 1.
    iteration: u32,
    /// `role`.
    role: Role,
    /// `attempt` of this role within the iteration, from 1.
    attempt: u32,
    /// `status`; `null` while it goes on, and when it ended without one.
    status: Option<WorkerStatus>,
    /// `exitCode` of the worker; 128 + n for signal n.
    exit_code: Option<i32>,
    /// `signal`: number of the signal that ended the worker.
    signal: Option<i32>,
    /// `cancelReason`: why the worker was terminated.
    cancel_reason: Option<CancelReason>,
    /// `errorClass`.
    error_class: Option<ErrorClass>,
    /// `error`: readable error.
    error: Option<&'a str>,
    /// `startedAt`.
    started_at: UtcMillis,
    /// `endedAt`.
    ended_at: Option<UtcMillis>,
    /// `logBytes`: length of its log.
    log_bytes: u64,
    /// `log`: its log inside the run directory.
    log: String,
    /// `answer`: the final text of an agent.
    answer: Option<&'a str>,
    /// `sessionId`: session of the agent.
    session_id: Option<&'a str>,
    /// `model` that answered.
    model: Option<&'a str>,
    /// `usage`: tokens and cost.
    usage: Option<Usage>,
}

/// Something a step made.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct Artifact<'a> {
    /// `name` in the workflow.
    name: &'a str,
    /// `path` where it is.
    path: &'a str,
    /// `sha256` of it with everything in it.
    sha256: Option<&'a str>,
}

/// Something a person should know.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct Warning<'a> {
    /// `ts`: UTC in milliseconds.
    ts: UtcMillis,
    /// `message`.
    message: &'a str,
    /// `step` it is about.
    step: Option<&'a StepPath>,
}

impl<'a> Summary<'a> {
    /// The summary of a run, as far as it is known.
    #[must_use]
    pub fn new(record: &dyn RecordStore, view: &'a RunView) -> Self {
        let head = view.head.as_ref();
        let text =
            |get: fn(&'a roboppi_run::RunHead) -> &'a String| head.map_or("", |head| get(head).as_str());
        let (outcome, exit_code, duration_ms, ended_at, detail) = match &view.status {
            RunStatus::Finished { outcome, exit_code, duration_ms, at, detail } => {
                (Some(*outcome), Some(*exit_code), Some(*duration_ms), Some(*at), detail.as_deref())
            }
            RunStatus::Unknown | RunStatus::Running | RunStatus::Ending { .. } => {
                (None, None, None, None, None)
            }
        };
        let location = record.location(RecordPart::Run);
        Self {
            v: VERSION,
            run: head.map(|head| &head.run_id),
            handle: head.and_then(|head| head.handle),
            name: text(|head| &head.name),
            workflow: text(|head| &head.workflow),
            workspace: text(|head| &head.workspace),
            context_dir: text(|head| &head.context_dir),
            record: location.as_deref().map(Path::to_string_lossy).map(Into::into),
            mode: head.map(|head| head.mode),
            resumes: head.and_then(|head| head.resumes.as_ref()),
            outcome,
            exit_code,
            detail,
            started_at: head.map(|head| head.started_at),
            ended_at,
            duration_ms,
            resume_command: view.resume_command(),
            counts: Counts::of(view),
            flaky: view.flaky_steps().map(|step| &step.plan.step).collect(),
            usage: view.spent().map(|spent| spent.usage),
            steps: view.steps().map(Step::of).collect(),
            warnings: view
                .warnings
                .iter()
                .map(|warning| Warning {
                    ts: warning.ts,
                    message: &warning.message,
                    step: warning.step.as_ref(),
                })
                .collect(),
            warnings_total: view.warnings_total,
        }
    }

    /// Writes it as one JSON object, harmless wherever it is printed.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn write(&self, out: &mut dyn io::Write) -> io::Result<()> {
        let text = serde_json::to_string(self)?;
        out.write_all(untrusted::json(&text).as_bytes())?;
        out.write_all(b"\n")
    }
}

impl Counts {
    fn of(view: &RunView) -> Self {
        let count = |fits: &dyn Fn(&StepView) -> bool| view.steps().filter(|step| fits(step)).count();
        let of_state = |state: StepState| count(&|step| step.state == state && !step.allowed_to_fail);
        Self {
            total: view.steps.len(),
            succeeded: of_state(StepState::Succeeded),
            incomplete: of_state(StepState::Incomplete),
            failed: of_state(StepState::Failed),
            allowed_to_fail: count(&|step| step.allowed_to_fail),
            skipped: of_state(StepState::Skipped),
            cancelled: of_state(StepState::Cancelled),
            lost: of_state(StepState::Lost),
            unfinished: count(&|step| !step.state.is_final()),
            flaky: view.flaky_steps().count(),
        }
    }
}

impl<'a> Step<'a> {
    fn of(step: &'a StepView) -> Self {
        Self {
            step: &step.plan.step,
            worker: step.plan.worker,
            state: step.state,
            detail: step.reason(limit_time).map(Into::into),
            allowed_to_fail: step.allowed_to_fail,
            flaky: step.is_flaky(),
            started_at: step.started_at,
            duration_ms: step.duration_ms,
            check: step.plan.check,
            iterations: step.iteration(),
            max_iterations: step.plan.max_iterations,
            repeated: step.iterations.iter().map(|begun| Repeated::of(step, begun)).collect(),
            attempts: step.attempts.iter().map(Attempt::of).collect(),
            artifacts: step.artifacts.iter().map(Artifact::of).collect(),
            kept_from: step.kept.as_ref().map(|kept| &kept.run),
        }
    }
}

impl<'a> Repeated<'a> {
    fn of(step: &'a StepView, begun: &'a IterationView) -> Self {
        Self {
            iteration: begun.iteration,
            why: begun.detail.as_deref(),
            files_changed: step.files_changed_in(begun.iteration.saturating_sub(1)),
        }
    }
}

impl<'a> Attempt<'a> {
    fn of(attempt: &'a AttemptView) -> Self {
        let result = attempt.result();
        let details = result.and_then(|result| result.details.as_deref());
        Self {
            iteration: attempt.of.iteration,
            role: attempt.of.role,
            attempt: attempt.of.attempt,
            status: result.map(|result| result.status),
            exit_code: result.and_then(|result| result.exit_code),
            signal: details.and_then(|details| details.signal),
            cancel_reason: details.and_then(|details| details.cancel_reason),
            error_class: result.and_then(|result| result.error_class),
            error: details.and_then(|details| details.error.as_deref()),
            started_at: attempt.started_at,
            ended_at: attempt.finished_at,
            log_bytes: attempt.log_bytes(),
            log: format!("{}.log", attempt.base()),
            answer: details.and_then(|details| details.answer.as_deref()),
            session_id: attempt.session_id(),
            model: details.and_then(|details| details.model.as_deref()),
            usage: attempt.usage(),
        }
    }
}

impl<'a> Artifact<'a> {
    fn of(artifact: &'a ArtifactView) -> Self {
        let ArtifactView { name, path, sha256 } = artifact;
        Self { name, path, sha256: sha256.as_deref() }
    }
}
