//! Has the site of a host place and collect artifacts, away from the thread that runs the steps.

use std::collections::HashSet;
use std::time::Duration;

use roboppi_ipc::{CancelReason, ErrorClass};
use roboppi_process::aside;
use roboppi_run::{AttemptRef, RunEvent, StepPath, StepState, TakenInput};

use super::RunContext;
use crate::context_dir::{ArtifactError, ArtifactName, Collected, Copied, Limits, Stop};
use crate::convert::path_text;
use crate::machine::attempt::AttemptStop;

/// Placing inputs that takes no longer is not worth a word.
const LONG: Duration = Duration::from_secs(1);

impl RunContext {
    /// Whether there is something to collect when a step has ended.
    pub(super) fn has_outputs(&self, step: &StepPath) -> bool {
        self.node(step).is_some_and(|node| !node.step.outputs.is_empty())
    }

    /// Whether there is something to place before an attempt starts.
    pub(super) fn has_inputs(&self, of: &AttemptRef) -> bool {
        self.node(&of.step).is_some_and(|node| !node.task(of.role).inputs.is_empty())
    }

    /// Copies what a step made into the context directory, until it is told to stop.
    pub(super) async fn collect_outputs(
        &self,
        of: &AttemptRef,
        stop: Stop,
    ) -> Result<Copied<Collected>, ArtifactError> {
        let limits = self.limits(stop);
        if self.branches.is_transition(&of.step) {
            self.branches.follow().await.map_err(ArtifactError::Branch)?;
        }
        if let Some(exported) = self.collect_exports(of, &limits).await {
            self.context_notice(Some(&of.step));
            return exported;
        }
        let outputs = self.node(&of.step).map(|node| node.step.outputs.clone()).unwrap_or_default();
        let (site, id) = (self.site_of(&of.step)?, of.step.clone());
        let collecting = move || site.collect_outputs(&id, &outputs, &limits);
        let collected = aside(collecting).await;
        self.context_notice(Some(&of.step));
        collected.unwrap_or_else(|error| Err(ArtifactError::Unanswered(error)))
    }

    /// Copies the inputs of a step into the workspace, until it is told to stop. The time of an attempt holds already.
    pub(super) async fn place_inputs(
        &self,
        of: &AttemptRef,
        stop: &Stop,
    ) -> Result<Vec<TakenInput>, AttemptStop> {
        let Some(node) = self.node(&of.step) else { return Ok(Vec::new()) };
        let step = &node.step;
        let site = self.site_of(&of.step).map_err(|error| failed(&error))?;
        let (limits, id) = (self.limits(stop.clone()), of.step.clone());
        let (taking, made) = (step.clone(), self.made(step));
        let mut placing = aside(move || site.place_inputs(&id, &taking, &made, &limits));
        let time = async {
            match step.timeout {
                Some(limit) => self.clock.wait(limit).await,
                None => std::future::pending().await,
            }
        };
        let long = self.clock.wait(LONG);
        tokio::pin!(time, long);
        let (mut is_overdue, mut announced) = (false, false);
        let placed = loop {
            tokio::select! {
                biased;
                placed = &mut placing => break placed,
                () = &mut time, if !is_overdue => {
                    is_overdue = true;
                    stop.stop();
                }
                () = &mut long, if !announced && !stop.is_stopped() => {
                    announced = true;
                    self.starting(&of.step, Some("placing its inputs"));
                }
            }
        };
        if announced && !stop.is_stopped() {
            self.starting(&of.step, None);
        }
        self.context_notice(Some(&of.step));
        let placed = placed.unwrap_or_else(|error| Err(ArtifactError::Unanswered(error)));
        match placed {
            _ if is_overdue => Err(AttemptStop::Cancelled(CancelReason::Timeout)),
            Err(error) => Err(failed(&error)),
            Ok(Copied { done, notices }) => {
                // Of an attempt that is to end nothing more is said.
                if !stop.is_stopped() {
                    self.notices(&of.step, notices);
                }
                Ok(done)
            }
        }
    }

    /// What a step does before its worker starts.
    fn starting(&self, step: &StepPath, detail: Option<&str>) {
        let (step, detail) = (step.clone(), detail.map(str::to_owned));
        let state = StepState::Starting;
        let event = RunEvent::StepChanged {
            step,
            state,
            detail,
            duration_ms: None,
            allowed_to_fail: false,
            limit_until: None,
        };
        self.recorder().event(event);
    }

    /// Writes down what was collected. The step succeeds next.
    pub(super) fn artifacts_collected(&self, of: &AttemptRef, collected: Copied<Collected>) {
        for artifact in &collected.done {
            self.recorder().event(RunEvent::ArtifactCollected {
                step: of.step.clone(),
                name: artifact.name.clone(),
                path: path_text(&artifact.path),
                sha256: artifact.sha256.clone(),
            });
        }
        self.notices(&of.step, collected.notices);
        self.facts.borrow_mut().entry(of.step.clone()).or_default().artifacts = collected.done;
    }

    /// What had to be done to the context directory itself, if anything.
    pub(super) fn context_notice(&self, step: Option<&StepPath>) {
        if let Some(notice) = self.context.notice() {
            self.recorder().warn(notice, step.cloned());
        }
    }

    fn notices(&self, step: &StepPath, notices: Vec<String>) {
        for notice in notices {
            self.recorder().warn(notice, Some(step.clone()));
        }
    }

    /// What this run has of the artifacts a step takes: what it collected, or kept from an earlier one.
    fn made(&self, step: &roboppi_workflow::Step) -> HashSet<ArtifactName> {
        self.made_by(step.inputs.iter().map(|input| &input.from))
    }

    /// What this run has of the artifacts of steps.
    pub(super) fn made_by<'s>(&self, steps: impl Iterator<Item = &'s StepPath>) -> HashSet<ArtifactName> {
        let facts = self.facts.borrow();
        let of_step = |from: &StepPath| {
            let made = facts.get(from).into_iter().flat_map(|facts| &facts.artifacts);
            made.map(|artifact| (from.clone(), artifact.name.clone())).collect::<Vec<_>>()
        };
        steps.flat_map(of_step).collect()
    }

    fn limits(&self, stop: Stop) -> Limits {
        Limits { stop, min_free: self.settings.record_limits.min_free_bytes }
    }
}

/// An attempt that cannot have its inputs.
fn failed(error: &ArtifactError) -> AttemptStop {
    AttemptStop::Failed(Some(ErrorClass::NonRetryable), error.to_string())
}
