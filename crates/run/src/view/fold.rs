//! The one place that works a view out of records.

use std::collections::BTreeMap;
use std::sync::Arc;

use roboppi_ipc::{CoreEvent, EndingPhase, UnknownTagged, UtcMillis};

use super::{
    ArtifactView, AttemptActivity, AttemptStatus, AttemptView, CommandView, CoreStatus, CoreView,
    IterationView, KeptFrom, RunHead, RunStatus, RunView, StepView, WarningView,
};
use crate::{
    AttemptPhase, AttemptRecord, AttemptRef, HostId, JournalRecord, KeptStep, RunCommand, RunEvent,
    RunRecord, StepPath, StepPlan, StepState,
};

impl RunView {
    /// Folds one record in. A record that was folded before changes nothing, so a snapshot and a
    /// stream that overlap are harmless.
    pub fn apply(&mut self, record: &RunRecord) {
        match record {
            RunRecord::Journal(record) => self.apply_journal(record),
            RunRecord::Attempt(of, record) => self.apply_attempt(of, record),
        }
    }

    /// Folds one line of the journal in.
    pub fn apply_journal(&mut self, record: &JournalRecord) {
        if record.seq <= self.position.journal_seq {
            return;
        }
        self.position.journal_seq = record.seq;
        let ts = record.ts;
        match &record.event {
            RunEvent::RunStarted {
                run_id,
                handle,
                name,
                workflow,
                workspace,
                context_dir,
                mode,
                timeout_ms,
                concurrency,
                stream_stdio,
                steps,
                only,
                resumes,
            } => {
                self.head = Some(RunHead {
                    run_id: run_id.clone(),
                    handle: *handle,
                    name: name.clone(),
                    workflow: workflow.clone(),
                    workspace: workspace.clone(),
                    context_dir: context_dir.clone(),
                    mode: *mode,
                    timeout_ms: *timeout_ms,
                    concurrency: *concurrency,
                    stream_stdio: *stream_stdio,
                    only: only.clone(),
                    resumes: resumes.as_ref().map(|resumed| resumed.run.clone()),
                    started_at: ts,
                });
                self.status = RunStatus::Running;
                self.steps =
                    steps.iter().map(|plan| Arc::new(StepView::planned(Arc::clone(plan), ts))).collect();
                self.find_places();
                for kept in resumes.iter().flat_map(|resumed| &resumed.kept) {
                    if let Some(step) = self.step_mut(&kept.step) {
                        step.keep(kept);
                    }
                }
            }
            RunEvent::CoreStarted { host, incarnation, process, protocol, version, workers } => {
                let core = self.core_mut(host);
                core.status = CoreStatus::Alive;
                core.incarnation = *incarnation;
                core.process = *process;
                core.protocol = *protocol;
                core.version.clone_from(version);
                for step in &mut self.steps {
                    if let Some(facts) = workers.iter().find(|facts| facts.kind == step.plan.worker) {
                        Arc::make_mut(step).facts = Some(*facts);
                    }
                }
            }
            RunEvent::CoreLost { host, detail, .. } => {
                self.core_mut(host).status = CoreStatus::Lost { detail: detail.clone() }
            }
            RunEvent::CoreReport { host, event } => self.core_mut(host).report(ts, event),
            RunEvent::StepChanged { step, state, detail, duration_ms, allowed_to_fail, limit_until } => {
                if let Some(step) = self.step_mut(step) {
                    step.state = *state;
                    step.detail.clone_from(detail);
                    step.duration_ms = *duration_ms;
                    step.allowed_to_fail = *allowed_to_fail;
                    step.limit_until = *limit_until;
                    step.changed_at = ts;
                }
            }
            RunEvent::PlanExtended { nodes } => self.extend_plan(nodes, ts),
            RunEvent::IterationStarted { step, iteration, max_iterations, detail } => {
                if let Some(step) = self.step_mut(step) {
                    step.begin_iteration(IterationView {
                        iteration: *iteration,
                        max_iterations: *max_iterations,
                        started_at: ts,
                        detail: detail.clone(),
                    });
                }
            }
            RunEvent::AttemptStarted { of, job_id, base, fingerprint, resumed_session } => {
                if let Some(place) = self.index.get(&of.step).copied() {
                    self.jobs.insert(job_id.clone(), place);
                    let step = Arc::make_mut(&mut self.steps[place]);
                    step.started_at.get_or_insert(ts);
                    // A check is made of something else than what it checks.
                    if of.role == step.plan.role {
                        step.fingerprint.clone_from(fingerprint);
                    }
                    let attempt = step.attempt_entry(of, ts);
                    attempt.job_id = job_id.clone();
                    attempt.other_base = (*base != of.base()).then(|| base.as_str().into());
                    attempt.resumed_session = resumed_session.as_deref().map(Into::into);
                    attempt.started_at = ts;
                    attempt.status_at = ts;
                }
            }
            RunEvent::AttemptPhase { of, phase } => {
                if let Some(attempt) = self.attempt_mut(of) {
                    if let AttemptPhase::Running { process } = phase {
                        attempt.process = *process;
                        attempt.working_at.get_or_insert(ts);
                    }
                    attempt.status = AttemptStatus::Phase(phase.clone());
                    attempt.status_at = ts;
                }
            }
            RunEvent::AttemptFinished { of, result, log_bytes, .. } => {
                if let Some(attempt) = self.attempt_mut(of) {
                    attempt.finished_at = Some(ts);
                    attempt.status_at = ts;
                    attempt.activity.log_bytes = attempt.activity.log_bytes.max(*log_bytes);
                    attempt.status =
                        AttemptStatus::Finished { result: Arc::clone(result), log_bytes: *log_bytes };
                }
            }
            RunEvent::ArtifactCollected { step, name, path, sha256 } => {
                if let Some(step) = self.step_mut(step) {
                    step.artifacts.retain(|artifact| artifact.name != *name);
                    step.artifacts.push(ArtifactView {
                        name: name.clone(),
                        path: path.clone(),
                        sha256: sha256.clone(),
                    });
                }
            }
            RunEvent::ValuesSet { step: None, values } => self.inputs.clone_from(values),
            RunEvent::ValuesSet { step: Some(step), values } => {
                if let Some(step) = self.step_mut(step) {
                    step.outputs.clone_from(values);
                }
            }
            RunEvent::Command { command, by, user, refused } => {
                if let (RunCommand::RetryStep(step), None) = (command, refused) {
                    self.supersede(step);
                }
                if self.commands.len() == Self::COMMANDS {
                    self.commands.remove(0);
                }
                self.commands.push(CommandView {
                    ts,
                    command: command.clone(),
                    by: *by,
                    user: user.clone(),
                    refused: refused.clone(),
                });
            }
            RunEvent::RunEnding { reason, force, signal } => {
                self.status = RunStatus::Ending { reason: *reason, force: *force, signal: signal.clone() };
            }
            RunEvent::RunFinished { outcome, exit_code, duration_ms, detail, flaky: _ } => {
                self.status = RunStatus::Finished {
                    outcome: *outcome,
                    exit_code: *exit_code,
                    duration_ms: *duration_ms,
                    at: ts,
                    detail: detail.clone(),
                };
            }
            RunEvent::Warning { message, step } => {
                self.warnings_total += 1;
                if self.warnings.len() == Self::WARNINGS {
                    self.warnings.remove(0);
                }
                self.warnings.push(WarningView { ts, message: message.clone(), step: step.clone() });
            }
            RunEvent::Unknown { .. } => {}
        }
    }

    /// Folds one event of an attempt in. Touches nothing but that attempt's activity.
    pub fn apply_attempt(&mut self, of: &AttemptRef, record: &AttemptRecord) {
        if let Some(step) = self.step_mut(&of.step) {
            step.attempt_entry(of, record.ts).activity.apply(record);
        }
    }

    /// Takes what an attempt did up to some event for what is known of it, in place of folding its events up to there.
    pub fn restore_activity(&mut self, of: &AttemptRef, activity: AttemptActivity) {
        if let Some(attempt) = self.attempt_mut(of) {
            attempt.activity = activity;
        }
    }

    /// Adds steps behind those there are. One that is there already stays what it is.
    fn extend_plan(&mut self, nodes: &[Arc<StepPlan>], ts: UtcMillis) {
        for plan in nodes {
            if !self.index.contains_key(&plan.step) {
                Arc::make_mut(&mut self.index).insert(plan.step.clone(), self.steps.len());
                self.steps.push(Arc::new(StepView::planned(Arc::clone(plan), ts)));
            }
        }
    }

    /// The attempts of a step so far are those before a person asked for another one.
    fn supersede(&mut self, step: &StepPath) {
        if let Some(step) = self.step_mut(step) {
            step.attempts.iter_mut().for_each(|attempt| attempt.superseded = true);
        }
    }

    fn step_mut(&mut self, step: &StepPath) -> Option<&mut StepView> {
        self.index.get(step).and_then(|index| self.steps.get_mut(*index)).map(Arc::make_mut)
    }

    fn attempt_mut(&mut self, of: &AttemptRef) -> Option<&mut AttemptView> {
        let step = self.step_mut(&of.step)?;
        step.attempts.iter_mut().rev().find(|attempt| attempt.of == *of)
    }
}

impl StepView {
    fn planned(plan: Arc<StepPlan>, ts: UtcMillis) -> Self {
        Self {
            plan,
            state: StepState::Pending,
            detail: None,
            allowed_to_fail: false,
            limit_until: None,
            started_at: None,
            changed_at: ts,
            duration_ms: None,
            iterations: Vec::new(),
            attempts: Vec::new(),
            artifacts: Vec::new(),
            outputs: BTreeMap::new(),
            fingerprint: None,
            kept: None,
            facts: None,
        }
    }

    fn keep(&mut self, kept: &KeptStep) {
        self.state = StepState::Succeeded;
        self.detail = Some(format!("kept from run {}", kept.run));
        self.kept = Some(Box::new(KeptFrom { run: kept.run.clone(), attempt: kept.attempt.clone() }));
        self.fingerprint = Some(Arc::new(kept.fingerprint.clone()));
        let artifacts = kept.artifacts.iter().map(|artifact| ArtifactView {
            name: artifact.name.clone(),
            path: artifact.path.clone(),
            sha256: Some(artifact.sha256.clone()),
        });
        self.artifacts = artifacts.collect();
    }

    fn begin_iteration(&mut self, iteration: IterationView) {
        if self.iterations.len() == Self::ITERATIONS {
            self.iterations.remove(0);
        }
        self.iterations.push(iteration);
    }

    /// The attempt of `of`, made when its own events are read before the journal names it.
    fn attempt_entry(&mut self, of: &AttemptRef, ts: UtcMillis) -> &mut AttemptView {
        let index = self.attempts.iter().rposition(|attempt| attempt.of == *of).unwrap_or_else(|| {
            let place = self.attempts.partition_point(|attempt| attempt.of < *of);
            // Nearly every step has one attempt.
            if self.attempts.len() < 4 {
                self.attempts.reserve_exact(1);
            }
            self.attempts.insert(
                place,
                AttemptView {
                    of: AttemptRef { step: self.plan.step.clone(), ..of.clone() },
                    job_id: "".into(),
                    other_base: None,
                    resumed_session: None,
                    started_at: ts,
                    working_at: None,
                    status: AttemptStatus::Started,
                    status_at: ts,
                    process: None,
                    activity: AttemptActivity::default(),
                    finished_at: None,
                    superseded: false,
                },
            );
            place
        });
        &mut self.attempts[index]
    }
}

impl RunView {
    fn core_mut(&mut self, host: &HostId) -> &mut CoreView {
        self.cores.entry(host.clone()).or_default()
    }
}

impl CoreView {
    fn report(&mut self, ts: UtcMillis, event: &CoreEvent) {
        match event {
            CoreEvent::Permits { active, limit } => self.permits = Some((*active, *limit)),
            _ => {
                if self.reports.len() == Self::REPORTS {
                    self.reports.remove(0);
                }
                self.reports.push((ts, event.clone()));
            }
        }
    }
}

impl AttemptPhase {
    /// The phase a core's report of an ending worker means.
    #[must_use]
    pub fn of_ending(phase: EndingPhase, reason: Option<roboppi_ipc::CancelReason>, limit_ms: u64) -> Self {
        match phase {
            EndingPhase::Terminating => Self::Terminating { reason, limit_ms },
            EndingPhase::Killing => Self::Killing { reason },
            EndingPhase::Draining => Self::Draining { limit_ms },
            EndingPhase::Unknown(tag) => {
                let mut object = serde_json::json!({"name": tag, "limitMs": limit_ms});
                if let Some(reason) = reason {
                    object["reason"] = reason.name().into();
                }
                Self::Unknown(UnknownTagged { tag, object })
            }
        }
    }
}
