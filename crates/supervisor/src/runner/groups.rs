//! Steps that run a workflow of their own: what they take and export, and what the record has of them.

use std::rc::Rc;
use std::sync::Arc;

use roboppi_ipc::{CancelReason, JobId, Mono, OutputStream, ResultDetails, WorkerResult, WorkerStatus};
use roboppi_process::aside;
use roboppi_record::{LogLimits, SpoolWriter};
use roboppi_run::{AttemptPhase, AttemptRef, HostId, RunEvent, StepPath, TakenInput};
use roboppi_workflow::AttemptEnd;
use tracing::Instrument;

use super::perform::TaskDone;
use super::requests::unique_id;
use super::{RunContext, Runner};
use crate::clock;
use crate::context_dir::{ArtifactError, Collected, Copied, Limits, Stop};
use crate::convert::duration_ms;
use crate::machine::attempt::AttemptStop;
use crate::machine::{AttemptDone, SupervisorInput};
use crate::spans;

/// Variables of the steps of a subworkflow: the step that runs it, its iteration, and the id of its present run.
const PARENT_STEP: &str = "ROBOPPI_SUBWORKFLOW_PARENT_STEP";
const ITERATION: &str = "ROBOPPI_SUBWORKFLOW_ITERATION";
const RUN_ID: &str = "ROBOPPI_SUBWORKFLOW_RUN_ID";
const EVENT_PREFIX: &str = "ROBOPPI_SUBWORKFLOW_EVENT_PREFIX";

/// A subworkflow under way.
#[derive(Debug)]
pub(super) struct OpenGroup {
    began: Mono,
}

impl Runner {
    /// Gives a step that runs a workflow what it takes.
    pub(super) fn open_group(&mut self, of: AttemptRef) {
        self.context.attempt_begins(&of, HostId::here(), false);
        if !self.context.has_inputs(&of) {
            self.done_at_once.push_back(TaskDone::Opened(of, Ok(Vec::new())));
            return;
        }
        let (context, stop) = (Rc::clone(&self.context), Stop::default());
        self.collecting.insert(of.clone(), stop.clone());
        let span = spans::attempt(&of);
        let placing = async move {
            let placed = context.place_inputs(&of, &stop).await;
            TaskDone::Opened(of, placed)
        };
        self.tasks.spawn_local(placing.instrument(span));
    }

    /// It has what it takes, or cannot have it. Its attempt is in the record from here on.
    pub(super) fn group_opened(
        &mut self,
        of: AttemptRef,
        placed: Result<Vec<TakenInput>, AttemptStop>,
    ) -> SupervisorInput {
        self.collecting.remove(&of);
        self.groups.insert(of.clone(), OpenGroup { began: self.context.clock.now() });
        let (inputs, result) = match placed {
            Ok(inputs) => (inputs, Ok(())),
            Err(stop) => (Vec::new(), Err(end_of(stop))),
        };
        self.context.group_begun(&of, inputs);
        self.context.write_group_log(&of);
        SupervisorInput::GroupOpened { of, result }
    }

    /// The steps of its workflow are over.
    pub(super) fn group_closed(&mut self, of: &AttemptRef, end: AttemptEnd) {
        self.collecting.remove(of);
        let open = self.groups.remove(of);
        let began = open.as_ref().map_or(Mono::ZERO, |open| open.began);
        let took_ms = duration_ms(self.context.clock.now().since(began));
        let mut result = result_of(&end).with_duration_ms(took_ms);
        let site = self.context.sites.get(&HostId::here());
        if let (Some(details), Some(site)) = (&mut result.details, site) {
            details.log_bytes = site.fetch_log(of, None).log_bytes;
        }
        let result = Arc::new(result);
        self.context.attempt_finished(of, &AttemptDone { end, result, started: open.is_some() });
    }
}

impl RunContext {
    fn group_begun(&self, of: &AttemptRef, inputs: Vec<TakenInput>) {
        let fingerprint = self.node(&of.step).map(|node| self.fingerprint(&node, inputs));
        let event = RunEvent::AttemptStarted {
            of: of.clone(),
            job_id: JobId::new(unique_id().to_string()),
            base: of.base(),
            fingerprint,
            resumed_session: None,
        };
        self.recorder().event(event);
        let phase = AttemptPhase::Running { process: None };
        self.recorder().event(RunEvent::AttemptPhase { of: of.clone(), phase });
    }

    /// Every attempt has a log. That of one without a worker names the file whose steps are its work.
    fn write_group_log(&self, of: &AttemptRef) {
        let Some(node) = self.node(&of.step) else { return };
        let Some(call) = &node.step.call else { return };
        let mut text = format!("runs the steps of {}\n", call.file);
        self.recorder().hide(&mut text);
        let limits = self.settings.record_limits;
        let limits = LogLimits { bytes: limits.log_bytes, min_free: limits.min_free_bytes };
        let written =
            SpoolWriter::within(self.run_dir.path(), &of.base(), limits, None).and_then(|mut log| {
                log.append(OutputStream::Stdout, text.as_bytes(), clock::now())?;
                log.close()
            });
        if let Err(error) = written {
            self.recorder().warn(format!("its log cannot be written: {error}"), Some(of.step.clone()));
        }
    }

    /// Copies what a subworkflow exports; `None` for a step that has a worker.
    pub(super) async fn collect_exports(
        &self,
        of: &AttemptRef,
        limits: &Limits,
    ) -> Option<Result<Copied<Collected>, ArtifactError>> {
        let call = Arc::clone(self.node(&of.step)?.step.call.as_ref()?);
        let (context, id, limits) = (Arc::clone(&self.context), of.step.clone(), limits.clone());
        let made = self.made_by(call.exports.iter().map(|export| &export.from));
        let copied = aside(move || context.copy_exports(&id, &call, &made, &limits)).await;
        Some(copied.unwrap_or_else(|error| Err(ArtifactError::Unanswered(error))))
    }

    /// What the steps of a subworkflow are told of it; nothing for others.
    pub(super) fn subworkflow_variables(&self, step: &StepPath) -> Vec<(&'static str, String)> {
        let Some(node) = step.parent().and_then(|above| self.node(&above)) else { return Vec::new() };
        let Some(call) = &node.step.call else { return Vec::new() };
        let last = self.facts.borrow().get(&node.path).and_then(|facts| facts.last.clone());
        let of = last.unwrap_or_else(|| AttemptRef::first(node.path.clone()));
        let known = [
            (PARENT_STEP, node.path.to_string()),
            (ITERATION, of.iteration.to_string()),
            (RUN_ID, format!("{}/{of}", self.run_id)),
        ];
        known.into_iter().chain(call.event_prefix.clone().map(|prefix| (EVENT_PREFIX, prefix))).collect()
    }

    /// A step that was over waits again: what it had made is that of its next attempt no more.
    pub(super) fn step_waits_again(&self, step: &StepPath) {
        if let Some(facts) = self.facts.borrow_mut().get_mut(step) {
            facts.artifacts.clear();
            facts.outcome = None;
            facts.ended = None;
            facts.log = None;
        }
    }
}

/// How an attempt ends that cannot have its inputs.
fn end_of(stop: AttemptStop) -> AttemptEnd {
    match stop {
        AttemptStop::Failed(class, detail) => AttemptEnd::Failed { class, detail, retry_at: None },
        AttemptStop::Cancelled(CancelReason::Timeout) => {
            AttemptEnd::TimedOut { detail: "(`timeout`) while its inputs were placed".to_owned() }
        }
        AttemptStop::Cancelled(reason) => {
            AttemptEnd::Cancelled { reason, detail: "while its inputs were placed".to_owned() }
        }
        AttemptStop::Lost(detail) => AttemptEnd::Lost { detail },
    }
}

/// The result of an attempt that had no worker.
fn result_of(end: &AttemptEnd) -> WorkerResult {
    let ended = |status, reason: Option<CancelReason>, error: &str| {
        let error = (!error.is_empty()).then(|| error.to_owned());
        let details = ResultDetails::default().with_cancel_reason(reason).with_error(error);
        WorkerResult::of_status(status).with_details(details)
    };
    match end {
        AttemptEnd::Succeeded => WorkerResult::of_status(WorkerStatus::Succeeded),
        AttemptEnd::Failed { class, detail, .. } => {
            ended(WorkerStatus::Failed, None, detail).with_error_class(*class)
        }
        AttemptEnd::TimedOut { detail } => ended(WorkerStatus::Failed, Some(CancelReason::Timeout), detail),
        AttemptEnd::Cancelled { reason, detail } => ended(WorkerStatus::Cancelled, Some(*reason), detail),
        AttemptEnd::Lost { detail } => ended(WorkerStatus::Cancelled, Some(CancelReason::Lost), detail),
    }
}
