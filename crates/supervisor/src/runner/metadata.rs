//! Writes the metadata of the context directory as the run goes on.

use roboppi_run::{AttemptRef, RunOutcome, StepPath, StepState};

use super::{RunContext, step_workspace};
use crate::clock;
use crate::context_dir::{
    ResolvedLimits, StepMeta, StepMetaArtifact, WorkerCost, WorkflowLimits, WorkflowMeta,
};
use crate::convert::{duration_ms, path_text};

impl RunContext {
    /// Has `_workflow.json` written: at the start, and with its outcome at the end.
    pub(super) fn add_workflow_meta(&self, outcome: Option<RunOutcome>) {
        let workflow = &self.settings.source.workflow;
        self.context.add_workflow(&WorkflowMeta {
            id: self.run_id.as_str(),
            name: &workflow.name,
            started_at: self.started_at,
            status: match outcome {
                None => WorkflowMeta::RUNNING,
                Some(RunOutcome::Succeeded) => "SUCCEEDED",
                Some(RunOutcome::Failed | RunOutcome::Lost | RunOutcome::Unknown(_)) => "FAILED",
                Some(RunOutcome::Cancelled) => "CANCELLED",
                Some(RunOutcome::TimedOut) => "TIMED_OUT",
            },
            completed_at: outcome.map(|_| clock::now()),
            resolved: WorkflowLimits {
                timeout_ms: duration_ms(workflow.timeout),
                concurrency: workflow.concurrency,
            },
            abort_reason: match outcome {
                Some(RunOutcome::TimedOut) => Some("timeout"),
                Some(RunOutcome::Cancelled) => Some("external"),
                None
                | Some(
                    RunOutcome::Succeeded | RunOutcome::Failed | RunOutcome::Lost | RunOutcome::Unknown(_),
                ) => None,
            },
            run_dir: self.run_dir.path(),
            branch: self.branches.meta(),
            outputs: workflow
                .steps
                .iter()
                .map(|(step, what)| {
                    (step.as_str(), what.outputs.iter().map(|output| output.name.as_str()).collect())
                })
                .collect(),
        });
    }

    /// Has the metadata of a step that has ended written.
    pub(super) fn add_step_meta(
        &self,
        id: &StepPath,
        state: StepState,
        detail: Option<&str>,
        wall_time_ms: u64,
    ) {
        let mut error = detail.filter(|_| state != StepState::Succeeded).map(str::to_owned);
        error.iter_mut().for_each(|error| self.recorder().hide(error));
        let Some(node) = self.node(id) else { return };
        let step = &node.step;
        let facts = self.facts.borrow();
        let Some(facts) = facts.get(id) else { return };
        let last = facts.last.clone().unwrap_or_else(|| AttemptRef::first(id.clone()));
        let log = facts.log.clone().unwrap_or_else(|| self.run_dir.path().join(last.base() + ".log"));
        let (completed_at, wall_time_ms) = facts.ended.unwrap_or_else(|| (clock::now(), wall_time_ms));
        let workspace = step_workspace(&self.settings.workspace, step);
        let meta = StepMeta {
            step_id: id.as_str(),
            run_id: self.run_id.as_str(),
            status: match state {
                StepState::Succeeded => "SUCCEEDED",
                StepState::Incomplete => "INCOMPLETE",
                StepState::Cancelled => "CANCELLED",
                StepState::Skipped => "SKIPPED",
                StepState::Pending
                | StepState::Ready
                | StepState::Starting
                | StepState::Running
                | StepState::Retrying
                | StepState::Ending
                | StepState::Failed
                | StepState::Lost
                | StepState::Unknown(_) => "FAILED",
            },
            started_at: facts.started_at.unwrap_or(self.started_at),
            completed_at: Some(completed_at),
            wall_time_ms,
            attempts: facts.attempts,
            iterations: last.iteration,
            max_iterations: node.repeat.map_or(1, |repeat| repeat.max_iterations.unwrap_or(u32::MAX)),
            worker_kind: step.worker.name(),
            artifacts: facts
                .artifacts
                .iter()
                .map(|artifact| StepMetaArtifact {
                    name: artifact.name.clone(),
                    path: path_text(&artifact.path),
                    kind: artifact.kind.clone(),
                })
                .collect(),
            worker_result: facts.result.as_ref().map(|result| WorkerCost { cost: result.cost }),
            exit_code: facts.result.as_ref().and_then(|result| result.exit_code),
            error_class: facts.result.as_ref().and_then(|result| result.error_class),
            error: error.as_deref(),
            log: &log,
            resolved: ResolvedLimits {
                timeout_ms: duration_ms(step.time_limit()),
                workspace_ref: &workspace,
                worker_kind: step.worker.name(),
                capabilities: step.capabilities.iter().map(roboppi_ipc::Capability::name).collect(),
            },
        };
        self.context.add_step(id, &meta);
    }

    /// Waits until all metadata is on its way to the disk, and says what could not be written.
    pub(super) fn finish_metadata(&self) {
        for problem in self.context.finish() {
            self.recorder().warn(problem, None);
        }
        self.context_notice(None);
    }
}
