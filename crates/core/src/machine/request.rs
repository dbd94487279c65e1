//! Requests of the supervisor, and what becomes of the jobs they are about.

use roboppi_ipc::{
    Ack, Dialect, Heartbeat, JobId, Message, PermitRejected, PermitRejection, RejectionReason, RequestId,
    RequestPermit, SubmitJob, error_code,
};

use super::{CoreEffect, CoreMachine, CoreTime, KnownJob, answer};
use crate::job::error_reply;
use crate::{JobEffect, JobInput, JobMachine};

impl CoreMachine {
    pub(super) fn message(&mut self, now: CoreTime, message: Message, out: &mut Vec<CoreEffect>) {
        if let Message::Hello(hello) = &message {
            self.agree(hello, out);
        }
        self.fix_dialect(Dialect::V1, out);
        let is_new = self.peer.dialect == Some(Dialect::V2);
        match message {
            Message::SubmitJob(submit) => self.submit(now, submit, out),
            Message::RequestPermit(ask) => self.request_permit(now, ask, out),
            Message::CancelJob(cancel) => {
                let (reason, force) = (cancel.reason, cancel.force);
                let input = |request| JobInput::Cancel { request, reason, force };
                self.known_job(now, &cancel.job_id, cancel.request_id, input, out);
            }
            Message::PauseJob(pause) if is_new => {
                let input = |request| JobInput::Pause { request };
                self.known_job(now, &pause.job_id, pause.request_id, input, out);
            }
            Message::ResumeJob(resume) if is_new => {
                let input = |request| JobInput::Resume { request };
                self.known_job(now, &resume.job_id, resume.request_id, input, out);
            }
            Message::Heartbeat(_) => answer(Message::HeartbeatAck(Heartbeat { timestamp: now.utc }), out),
            Message::ReportQueueMetrics(metrics) => {
                self.gate.queue(metrics.queue_depth, metrics.oldest_job_age_ms);
                self.advance_gate(now, out);
            }
            // Not for a core, or not known: ignored, as both protocols ask.
            _ => {}
        }
    }

    fn submit(&mut self, now: CoreTime, submit: SubmitJob, out: &mut Vec<CoreEffect>) {
        let (request, id) = (submit.request_id, submit.job.job_id);
        if self.has_room_for(&id) {
            self.know(&id);
            return self.job_input(now, &id, JobInput::Submit { request }, out);
        }
        // An old runner takes an error for an acknowledgement, so it is refused when it asks for a permit.
        let reply = match self.peer.dialect {
            Some(Dialect::V2) => {
                let known = self.jobs.len();
                let why = format!("{known} jobs are known already; wait until some have ended");
                error_reply(error_code::OVERLOADED, request, why)
            }
            _ => Message::Ack(Ack { request_id: request, job_id: id }),
        };
        answer(reply, out);
    }

    fn request_permit(&mut self, now: CoreTime, ask: RequestPermit, out: &mut Vec<CoreEffect>) {
        let RequestPermit { request_id: request, job, attempt_index } = ask;
        let id = job.job_id.clone();
        if self.has_room_for(&id) {
            self.know(&id);
            let input = JobInput::RequestPermit { request, job: Box::new(job), attempt_index };
            return self.job_input(now, &id, input, out);
        }
        let detail = Some("The job table is full".to_owned());
        let rejection = PermitRejection { reason: RejectionReason::GlobalShed, detail };
        answer(Message::PermitRejected(PermitRejected { request_id: request, rejection }), out);
    }

    fn has_room_for(&self, id: &JobId) -> bool {
        self.jobs.len() < self.settings.max_jobs || self.jobs.contains_key(id)
    }

    fn know(&mut self, id: &JobId) {
        if !self.jobs.contains_key(id) {
            let job = KnownJob { machine: JobMachine::new(id.clone()), has_worker: false };
            self.jobs.insert(id.clone(), job);
        }
    }

    /// Passes a request on to a job, or answers that there is none.
    fn known_job(
        &mut self,
        now: CoreTime,
        id: &JobId,
        request: RequestId,
        input: impl FnOnce(RequestId) -> JobInput,
        out: &mut Vec<CoreEffect>,
    ) {
        if self.jobs.contains_key(id) {
            self.job_input(now, id, input(request), out);
        } else {
            answer(error_reply(error_code::JOB_NOT_FOUND, request, format!("Job {id} not found")), out);
        }
    }

    /// Gives one input to a job and asks for what follows from it. Nothing happens when the job is not known.
    pub(super) fn job_input(
        &mut self,
        now: CoreTime,
        id: &JobId,
        input: JobInput,
        out: &mut Vec<CoreEffect>,
    ) {
        let Some(job) = self.jobs.get_mut(id) else { return };
        self.gate.advance(now.mono);
        let before = self.gate.active();
        if matches!(input, JobInput::WorkerEnded(_)) {
            job.has_worker = false;
        }
        let mut effects = std::mem::take(&mut self.job_effects);
        job.machine.handle(now.utc, &mut self.gate, input, &mut effects);
        let (active, limit) = self.permits();
        if active != before {
            out.push(CoreEffect::ReportPermits { active, limit });
        }
        self.report_alerts(now, out);
        for effect in effects.drain(..) {
            self.job_effect(id, effect, out);
        }
        self.job_effects = effects;
    }

    fn job_effect(&mut self, id: &JobId, effect: JobEffect, out: &mut Vec<CoreEffect>) {
        let job_id = id.clone();
        match effect {
            JobEffect::Answer(message) => out.push(CoreEffect::Answer(message)),
            JobEffect::Start { task, lifetime } => {
                if let Some(job) = self.jobs.get_mut(id) {
                    job.has_worker = true;
                }
                out.push(CoreEffect::Start { job_id, task, lifetime });
            }
            JobEffect::Control(control) => {
                if self.jobs.get(id).is_some_and(|job| job.has_worker) {
                    out.push(CoreEffect::Control { job_id, control });
                }
            }
            JobEffect::Complete(completion) => out.push(CoreEffect::Complete(completion)),
            JobEffect::Refused(message) => self.warn(Some(job_id), message, out),
            JobEffect::Forget => {
                self.jobs.remove(id);
            }
        }
    }
}
