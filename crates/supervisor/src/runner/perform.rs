//! Performs what the machine asks for.

use std::rc::Rc;
use std::time::Duration;

use roboppi_ipc::io::Peer;
use roboppi_ipc::{Dialect, JobId, JobRequest, Message};
use roboppi_run::{AttemptRef, HostId, RunEvent, StepState, TakenInput};
use roboppi_workflow::RunEffect;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{Instrument, info};

use super::Runner;
use super::convergence::Checked;
use super::job::AttemptJob;
use super::requests::{request_id, unique_id};
use crate::context_dir::{ArtifactError, Collected, Copied, Stop};
use crate::convert::duration_ms;
use crate::machine::attempt::AttemptStop;
use crate::machine::{AttemptRequest, AttemptTask, CoreRef, SupervisorEffect, SupervisorInput};
use crate::spans;

/// How long cores may take to pause their workers.
const PAUSE_PATIENCE: Duration = Duration::from_secs(1);

/// What a task has brought to its end.
pub(super) enum TaskDone {
    Placed(AttemptRef, Result<Vec<TakenInput>, AttemptStop>),
    /// A step that runs a workflow has its inputs, or cannot have them.
    Opened(AttemptRef, Result<Vec<TakenInput>, AttemptStop>),
    Collected(AttemptRef, Result<Copied<Collected>, ArtifactError>),
    Decided(AttemptRef, Checked),
}

/// An attempt under way.
pub(super) struct PreparedAttempt {
    job_id: JobId,
    /// What was placed for it.
    inputs: Vec<TakenInput>,
    /// Stops placing it.
    stop: Stop,
}

impl PreparedAttempt {
    pub(super) fn stop(&self) {
        self.stop.stop();
    }
}

impl Runner {
    pub(super) fn perform(&mut self, effect: SupervisorEffect) {
        match effect {
            SupervisorEffect::Connect(core) => self.connect(core),
            SupervisorEffect::Record(event) => self.context.recorder().event(event),
            SupervisorEffect::CoreKeepsNoRecord => self.context.core_keeps_no_record(),
            SupervisorEffect::Mask(value) => self.context.mask(value),
            SupervisorEffect::Prepare { of, host, continues } => self.prepare(of, host, continues),
            SupervisorEffect::StopPreparing { of } => {
                if let Some(attempt) = self.attempts.get(&of) {
                    attempt.stop();
                }
            }
            SupervisorEffect::HandOver { of, job_id, dialect, core } => {
                spans::attempt(&of).in_scope(|| {
                    info!(job = job_id.as_str(), core = core.incarnation, "a job of the core");
                });
                // First: the job is that of a session that is continued, or of a new one.
                let resumed_session = self.context.resumed_session(&of, dialect);
                let job = AttemptJob::new(&self.context, &of, &job_id).ok();
                // A core of protocol 2 translates what its agents print.
                let task = job.filter(|_| dialect == Dialect::V1).map(|job| job.worker_task());
                self.context.expect_job(&job_id, &of, (&core.host, dialect), task.as_ref());
                self.open_mirror(&of, &core.host);
                let inputs = self.attempts.get_mut(&of).map(|attempt| std::mem::take(&mut attempt.inputs));
                let node = self.context.node(&of.step);
                // A check is made of something else than what it checks, and later runs look at that alone.
                let fingerprint = node
                    .filter(|node| of.role == node.role)
                    .map(|node| self.context.fingerprint(&node, inputs.unwrap_or_default()));
                let base = of.base();
                self.context.recorder().event(RunEvent::AttemptStarted {
                    of,
                    job_id,
                    base,
                    fingerprint,
                    resumed_session,
                });
            }
            SupervisorEffect::Request { of, core, request } => self.request(&of, &core, request),
            SupervisorEffect::AttemptFinished { of, done } => {
                self.timers.clear(&of);
                if let Some(attempt) = self.attempts.remove(&of) {
                    self.context.forget_job(&attempt.job_id);
                }
                self.context.attempt_finished(&of, &done);
                self.close_mirror(&of);
                spans::attempt(&of).in_scope(|| {
                    info!(status = done.result.status.name(), "the attempt has ended");
                });
            }
            SupervisorEffect::StopCollecting { of } => {
                if let Some(stop) = self.collecting.get(&of) {
                    stop.stop();
                }
            }
            SupervisorEffect::Run(effect) => self.perform_for_run(effect),
            SupervisorEffect::SetTimer { timer, after } => self.timers.set(timer, after),
            SupervisorEffect::Answer { refused } => self.answer(refused),
            SupervisorEffect::Finish(finish) => self.finished = Some(finish),
        }
    }

    fn perform_for_run(&mut self, effect: RunEffect) {
        match effect {
            RunEffect::CollectOutputs { of }
                if !self.context.has_outputs(&of.step) && !self.context.branches.is_transition(&of.step) =>
            {
                let nothing = Copied { done: Vec::new(), notices: Vec::new() };
                self.done_at_once.push_back(TaskDone::Collected(of, Ok(nothing)));
            }
            RunEffect::CollectOutputs { of } => {
                let (context, stop) = (Rc::clone(&self.context), Stop::default());
                self.collecting.insert(of.clone(), stop.clone());
                self.tasks.spawn_local(async move {
                    let collected = context.collect_outputs(&of, stop).await;
                    TaskDone::Collected(of, collected)
                });
            }
            RunEffect::OpenGroup { of } => self.open_group(of),
            RunEffect::GroupClosed { of, end } => self.group_closed(&of, end),
            RunEffect::DecideIteration { of } => match self.context.decided_at_once(&of) {
                Some(decision) => self.done_at_once.push_back(TaskDone::Decided(of, decision.into())),
                None => {
                    let context = Rc::clone(&self.context);
                    self.tasks.spawn_local(async move {
                        let decision = context.decide(&of).await;
                        TaskDone::Decided(of, decision)
                    });
                }
            },
            RunEffect::StepChanged { step, state, detail, allowed_to_fail, duration, limit_until } => {
                let duration_ms = duration.map(duration_ms);
                let kept = self.context.kept_from(&step).map(|run| format!("kept from run {run}"));
                let satisfies = matches!(state, StepState::Succeeded | StepState::Incomplete);
                if satisfies && kept.is_none() {
                    self.context.step_succeeded(&step);
                }
                if state == StepState::Pending {
                    self.context.step_waits_again(&step);
                }
                if state.is_final() && state != StepState::Skipped {
                    self.context.add_step_meta(&step, state, detail.as_deref(), duration_ms.unwrap_or(0));
                }
                let detail = detail.or(kept);
                let event =
                    RunEvent::StepChanged { step, state, detail, duration_ms, allowed_to_fail, limit_until };
                self.context.recorder().event(event);
            }
            RunEffect::PlanExtended { nodes } => self.context.plan_extended(nodes),
            // The others are performed by the machine.
            _ => {}
        }
    }

    fn prepare(&mut self, of: AttemptRef, host: HostId, continues: bool) {
        self.context.attempt_begins(&of, host, continues);
        let stop = Stop::default();
        let job_id = JobId::new(unique_id().to_string());
        self.attempts.insert(of.clone(), PreparedAttempt { job_id, inputs: Vec::new(), stop: stop.clone() });
        if self.context.decision_place(&of).is_some() {
            let context = Rc::clone(&self.context);
            self.tasks.spawn_local(async move {
                let prepared = context.prepare_decision(&of).await;
                TaskDone::Placed(of, prepared.map(|()| Vec::new()))
            });
            return;
        }
        let is_guarded = self.context.branches.guards(&of) && self.context.host_of_last(&of.step).is_here();
        if !is_guarded && !self.context.has_inputs(&of) {
            self.done_at_once.push_back(TaskDone::Placed(of, Ok(Vec::new())));
            return;
        }
        let context = Rc::clone(&self.context);
        let span = spans::attempt(&of);
        let placing = async move {
            if is_guarded && let Err(stop) = context.branches.check().await {
                return TaskDone::Placed(of, Err(stop));
            }
            let placed =
                if context.has_inputs(&of) { context.place_inputs(&of, &stop).await } else { Ok(Vec::new()) };
            TaskDone::Placed(of, placed)
        };
        self.tasks.spawn_local(placing.instrument(span));
    }

    pub(super) fn task_done(&mut self, done: TaskDone) {
        let input = self.input_of(done);
        self.handle(input);
    }

    /// What it means for the machine.
    pub(super) fn input_of(&mut self, done: TaskDone) -> SupervisorInput {
        match done {
            TaskDone::Placed(of, placed) => {
                let result = placed.and_then(|inputs| self.task_of(&of, inputs));
                SupervisorInput::AttemptPrepared { of, result }
            }
            TaskDone::Opened(of, placed) => self.group_opened(of, placed),
            TaskDone::Collected(of, result) => {
                self.collecting.remove(&of);
                let result = result.map_err(|error| error.to_string());
                let result = result.map(|collected| self.context.artifacts_collected(&of, collected));
                SupervisorInput::OutputsCollected { of, result }
            }
            TaskDone::Decided(of, decision) => {
                let decision = self.context.converged(&of, decision);
                let decision = self.context.with_changes(&of, decision);
                SupervisorInput::IterationDecided { of, decision }
            }
        }
    }

    /// What an attempt is for a core, now that it has its inputs.
    fn task_of(&mut self, of: &AttemptRef, inputs: Vec<TakenInput>) -> Result<AttemptTask, AttemptStop> {
        let Some(attempt) = self.attempts.get_mut(of) else {
            return Err(AttemptStop::Failed(None, "the attempt is not under way".to_owned()));
        };
        attempt.inputs = inputs;
        AttemptJob::new(&self.context, of, &attempt.job_id).map(|job| job.task())
    }

    fn request(&mut self, of: &AttemptRef, core: &CoreRef, request: AttemptRequest) {
        let (Some(peer), Some(attempt)) = (self.peer(core), self.attempts.get(of)) else { return };
        let cost_left = self.machine.run().cost_left(&of.step);
        if let Ok(job) = AttemptJob::new(&self.context, of, &attempt.job_id).map(|job| job.within(cost_left))
        {
            self.requests.ask(&job, peer, request);
        }
    }

    fn peer(&self, core: &CoreRef) -> Option<Peer> {
        let (there, link) = self.links.get(&core.host)?;
        (there == core).then(|| link.peer.clone())
    }

    /// Asks cores to pause all workers and their timers, or to let them go on. A core that does not answer soon is not
    /// waited for: it is the terminal that wants the run to stand still.
    pub(super) async fn pause_workers(&self, pause: bool) {
        let mut asked = JoinSet::new();
        for (core, job_id) in self.machine.pausable_jobs() {
            let Some(peer) = self.peer(core) else { continue };
            let request = JobRequest { request_id: request_id(), job_id: job_id.clone() };
            let message = if pause { Message::PauseJob(request) } else { Message::ResumeJob(request) };
            asked.spawn_local(async move { drop(peer.request(message).await) });
        }
        let _ = timeout(PAUSE_PATIENCE, asked.join_all()).await;
    }
}
