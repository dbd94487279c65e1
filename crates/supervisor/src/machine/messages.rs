//! What a core says beside its answers.

use roboppi_ipc::{CoreEvent, EndingPhase, JobCompleted, Message, ProcessIdentity};
use roboppi_run::{AttemptPhase, AttemptRef, HostId, RunEvent};
use roboppi_workflow::RunInput;

use super::attempt::AttemptInput;
use super::{SupervisorEffect, SupervisorMachine};

impl SupervisorMachine {
    pub(super) fn message(&mut self, host: &HostId, message: Message, out: &mut Vec<SupervisorEffect>) {
        match message {
            Message::JobCompleted(completed) => self.job_completed(host, completed, out),
            Message::CoreEvent(report) => self.core_event(host, report.event, out),
            Message::Mask(mask) => out.push(SupervisorEffect::Mask(mask.value)),
            Message::Escalation(escalation) => {
                let message = format!("the core escalates: {}", escalation.event.summary());
                out.push(SupervisorEffect::Record(RunEvent::Warning { message, step: None }));
            }
            // Answers that come too late, and requests, which a core does not make.
            _ => {}
        }
    }

    fn job_completed(&mut self, host: &HostId, completed: JobCompleted, out: &mut Vec<SupervisorEffect>) {
        if let Some(of) = self.attempts.of_job(host, &completed.job_id).cloned() {
            self.attempt(&of, AttemptInput::Completed(Box::new(completed)), out);
        }
        self.permit_freed(out);
    }

    fn core_event(&mut self, host: &HostId, event: CoreEvent, out: &mut Vec<SupervisorEffect>) {
        match event {
            CoreEvent::WorkerStarted { job_id, process } => {
                if let Some(of) = self.attempts.of_job(host, &job_id).cloned() {
                    self.attempt_live(of, Some(process), out);
                }
            }
            CoreEvent::WorkerEnding { job_id, phase, reason, limit_ms } => {
                if let Some(of) = self.attempts.of_job(host, &job_id).cloned() {
                    let shown = AttemptPhase::of_ending(phase, reason, limit_ms);
                    out.push(SupervisorEffect::Record(RunEvent::AttemptPhase {
                        of: of.clone(),
                        phase: shown,
                    }));
                    if phase != EndingPhase::Draining {
                        self.news.push_back(RunInput::AttemptEnding { of });
                    }
                }
            }
            event @ CoreEvent::Warning { .. } => {
                out.extend(self.warning(host, event).map(SupervisorEffect::Record));
            }
            event => {
                out.push(SupervisorEffect::Record(RunEvent::CoreReport { host: host.clone(), event }));
            }
        }
    }

    /// A core knows jobs by their numbers, people know steps.
    fn warning(&self, host: &HostId, event: CoreEvent) -> Option<RunEvent> {
        if let CoreEvent::Warning { job_id: Some(job), message } = event.clone().with_job_from_text()
            && let Some(of) = self.attempts.of_job(host, &job)
        {
            return Some(RunEvent::Warning { message, step: Some(of.step.clone()) });
        }
        match event.with_job_in_text() {
            CoreEvent::Warning { message, .. } => Some(RunEvent::Warning { message, step: None }),
            _ => None,
        }
    }

    /// The worker of an attempt runs.
    pub(super) fn attempt_live(
        &mut self,
        of: AttemptRef,
        process: Option<ProcessIdentity>,
        out: &mut Vec<SupervisorEffect>,
    ) {
        let phase = AttemptPhase::Running { process };
        out.push(SupervisorEffect::Record(RunEvent::AttemptPhase { of: of.clone(), phase }));
        self.news.push_back(RunInput::AttemptLive { of });
    }
}
