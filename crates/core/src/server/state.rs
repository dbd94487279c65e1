//! What a core knows: its jobs, its permits, what waits to be written.

use std::collections::HashMap;
use std::io::{self, Write as _};
use std::rc::Rc;
use std::time::Duration;

use roboppi_ipc::{
    CAPABILITY_EXACT, CAPABILITY_LOG_GREW, CAPABILITY_MASK, CoreEvent, CoreLimits, DecodeError, Dialect,
    ErrorReply, Escalation, FreeText, Heartbeat, Hello, Job, JobId, Leaked, Mask, Message, PermitRejected,
    PermitRejection, RejectionReason, RequestId, SecretText, WorkerTask, error_code,
};
use roboppi_process::guard::cannot_be_ended;
use roboppi_redact::looks_secret;
use roboppi_worker_adapters::Adapters;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::outbox::Outbox;
use super::{Served, StopRequest};
use crate::job::not_found;
use crate::orphans::Leftovers;
use crate::worker::{WorkerHandle, WorkerHost, WorkerNotice, WorkerOptions, start_worker};
use crate::{Clock, CoreSettings, JobEffect, JobInput, JobMachine, Orphans, PermitGate, WorkerOutcome};

/// How often the core looks after itself while workers run.
const LOOK: Duration = Duration::from_secs(1);

/// Time an old runner gives its core to end: a little less than the 5 s after which it kills.
const OLD_RUNNER_PATIENCE: Duration = Duration::from_secs(4);

#[derive(Debug)]
pub(super) struct CoreState {
    settings: CoreSettings,
    adapters: Adapters,
    clock: Clock,
    host: WorkerHost,
    dialect: Option<Dialect>,
    gate: PermitGate,
    jobs: HashMap<JobId, KnownJob>,
    pub(super) outbox: Outbox,
    news: Rc<Notify>,
    /// `ROBOPPI_TUI_STREAM_STDIO`: whether output may be streamed at all.
    stream_stdio: bool,
    malformed_reported: bool,
    said_hello: bool,
    /// The supervisor wants to know of values that are hidden on the way.
    tells_secrets: bool,
    /// The supervisor reads the logs of its jobs.
    reads_logs: bool,
    /// Values that it knows of.
    told_secrets: usize,
}

#[derive(Debug)]
struct KnownJob {
    machine: JobMachine,
    worker: Option<WorkerHandle>,
}

impl CoreState {
    pub(super) fn new(settings: CoreSettings, adapters: Adapters, clock: Clock, news: Rc<Notify>) -> Self {
        let host = WorkerHost::new(clock);
        let host = match settings.sockets.clone() {
            Some(dir) => host.with_sockets_in(dir),
            None => host,
        };
        Self {
            gate: PermitGate::new(settings.gate),
            settings,
            adapters,
            clock,
            told_secrets: host.secrets.len(),
            host,
            tells_secrets: false,
            reads_logs: false,
            dialect: None,
            jobs: HashMap::new(),
            outbox: Outbox::new(),
            news,
            stream_stdio: std::env::var("ROBOPPI_TUI_STREAM_STDIO").map_or(true, |value| !is_no(&value)),
            malformed_reported: false,
            said_hello: false,
        }
    }

    /// Says hello first, unless the peer is to begin.
    pub(super) fn greet(&mut self) {
        if !self.settings.awaits_hello {
            self.say_hello();
        }
    }

    pub(super) fn orphans(&self) -> Rc<Orphans> {
        Rc::clone(&self.host.orphans)
    }

    fn say_hello(&mut self) {
        if std::mem::replace(&mut self.said_hello, true) {
            return;
        }
        let mut hello = Hello::ours(&self.settings.version);
        hello.capabilities.extend([CAPABILITY_EXACT, CAPABILITY_LOG_GREW].map(str::to_owned));
        hello.process = roboppi_process::identity(std::process::id()).ok();
        hello.limits = Some(CoreLimits { concurrency: self.settings.gate.concurrency });
        self.outbox.answer(Message::Hello(hello));
    }

    /// Takes one message of the peer.
    pub(super) fn message(served: &Rc<Served>, message: Message) {
        let effects = served.state.borrow_mut().decide(message);
        Self::perform(served, effects);
    }

    /// Takes a line that is no message.
    pub(super) fn bad_line(&mut self, error: &DecodeError) {
        self.fix_dialect(Dialect::V1);
        match &error.request_id {
            Some(_) if self.dialect == Some(Dialect::V2) => self.outbox.answer(Message::Error(ErrorReply {
                code: error_code::BAD_MESSAGE.to_owned(),
                message: error.to_string(),
                request_id: error.request_id.clone(),
            })),
            _ => self.dropped(&error.to_string()),
        }
    }

    /// Takes note of a line that was too long to be read.
    pub(super) fn long_line(&mut self, limit: usize) {
        self.fix_dialect(Dialect::V1);
        self.dropped(&format!("it is longer than {limit} bytes"));
    }

    /// A line is told of that has no answer. An old runner has no message for it; it passes on what a core writes
    /// to stderr, where one line has to do: a flood there could make the core wait.
    fn dropped(&mut self, why: &str) {
        if self.dialect == Some(Dialect::V2) {
            self.warn(format!("a line of the supervisor was dropped: {why}"));
        } else if !std::mem::replace(&mut self.malformed_reported, true) {
            let _ = writeln!(
                io::stderr().lock(),
                "a line of the runner was dropped: {why}; further ones are not reported"
            );
        }
    }

    /// Ends all jobs, and gives no more permits.
    pub(super) fn stop(served: &Rc<Served>, how: StopRequest) {
        let mut effects = Vec::new();
        {
            let mut state = served.state.borrow_mut();
            state.gate.close();
            let ids: Vec<JobId> = state.jobs.keys().cloned().collect();
            for id in ids {
                let input = JobInput::CoreStops { force: how == StopRequest::Kill };
                effects.extend(state.tell(&id, input));
            }
        }
        Self::perform(served, effects);
    }

    pub(super) fn has_workers(&self) -> bool {
        self.jobs.values().any(|job| job.worker.is_some())
    }

    /// How long the ladder may take before KILL, when the peer is an old runner.
    pub(super) fn ladder_limit(&self) -> Option<Duration> {
        (self.dialect == Some(Dialect::V1)).then(|| OLD_RUNNER_PATIENCE.saturating_sub(self.settings.drain))
    }

    /// Passes on what workers have to say about themselves.
    pub(super) fn take_notices(served: &Rc<Served>) {
        let mut state = served.state.borrow_mut();
        let mut notices = Vec::new();
        for (job_id, handle) in state.outbox.handles() {
            while let Some(notice) = handle.take_notice() {
                notices.push((job_id.clone(), notice));
            }
        }
        for (job_id, notice) in notices {
            state.notice(job_id, notice);
        }
        state.tell_secrets();
    }

    /// Tells the supervisor what workers have had hidden since, before anything that they say after it: it hides that
    /// in its own words, and tells the next core, should this one be lost.
    fn tell_secrets(&mut self) {
        let known = self.host.secrets.len();
        if self.tells_secrets && known > self.told_secrets {
            for value in self.host.secrets.values_from(self.told_secrets) {
                let value = SecretText::new(String::from_utf8_lossy(&value));
                self.outbox.answer(Message::Mask(Mask { value }));
            }
        }
        self.told_secrets = known;
    }

    fn notice(&mut self, job_id: JobId, notice: WorkerNotice) {
        // The machine knows of no effects here: a notice changes where a job is, nothing else.
        match notice {
            WorkerNotice::Started(process) => {
                self.tell(&job_id, JobInput::WorkerStarted);
                self.outbox.core_event(self.clock, CoreEvent::WorkerStarted { job_id, process });
            }
            WorkerNotice::Ending { phase, reason, limit } => {
                self.tell(&job_id, JobInput::WorkerEnding);
                let limit_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
                let event = CoreEvent::WorkerEnding { job_id, phase, reason, limit_ms };
                self.outbox.core_event(self.clock, event);
            }
            WorkerNotice::Leaked { job_id, leaked } => self.leaked(job_id, leaked),
            WorkerNotice::Warning(message) => self.warn_of(Some(&job_id), message),
        }
    }

    /// Tells what was found when all jobs had ended.
    pub(super) fn left_at_the_end(&mut self, left: Leftovers) {
        let Leftovers { own, others, unkillable } = left;
        for (job_id, leaked) in own.into_iter().map(|leaked| (None, leaked)).chain(others) {
            self.leaked(job_id, leaked);
        }
        for left in unkillable {
            self.warn(cannot_be_ended(&left));
        }
    }

    fn leaked(&mut self, job_id: Option<JobId>, mut leaked: Leaked) {
        leaked.visit_text(&mut |text| self.host.secrets.redact(text));
        self.outbox.core_event(self.clock, CoreEvent::Leaked { job_id, leaked });
    }

    fn warn(&mut self, message: String) {
        self.warn_of(None, message);
    }

    /// The name of a job is no text: a reader finds its step by it.
    fn warn_of(&mut self, job: Option<&JobId>, mut message: String) {
        self.host.secrets.redact(&mut message);
        if let Some(job) = job {
            message.insert_str(0, &format!("job {job}: "));
        }
        self.outbox.core_event(self.clock, CoreEvent::Warning { message });
    }

    fn fix_dialect(&mut self, dialect: Dialect) {
        if self.dialect.is_none() {
            self.dialect = Some(dialect);
            self.outbox.set_dialect(dialect);
        }
    }

    fn decide(&mut self, message: Message) -> Vec<(JobId, JobEffect)> {
        if let Message::Hello(hello) = &message {
            if self.dialect.is_none() {
                self.say_hello();
            }
            self.fix_dialect(Dialect::agree(hello.protocol).unwrap_or(Dialect::V1));
            let is_able = |ability| {
                self.dialect == Some(Dialect::V2) && hello.capabilities.iter().any(|name| name == ability)
            };
            (self.tells_secrets, self.reads_logs) = (is_able(CAPABILITY_MASK), is_able(CAPABILITY_LOG_GREW));
        }
        self.fix_dialect(Dialect::V1);
        match message {
            Message::SubmitJob(submit) => {
                let (request, id) = (submit.request_id, submit.job.job_id);
                if !self.jobs.contains_key(&id) && !self.has_room() {
                    self.no_room_for_job(request, id);
                    return Vec::new();
                }
                self.know(&id);
                self.tell(&id, JobInput::Submit { request })
            }
            Message::RequestPermit(ask) => self.request_permit(ask.request_id, ask.job, ask.attempt_index),
            Message::CancelJob(cancel) => {
                let (request, reason, force) = (cancel.request_id, cancel.reason, cancel.force);
                self.tell_known(&cancel.job_id, request, |request| JobInput::Cancel {
                    request,
                    reason,
                    force,
                })
            }
            Message::PauseJob(pause) if self.dialect == Some(Dialect::V2) => {
                self.tell_known(&pause.job_id, pause.request_id, |request| JobInput::Pause { request })
            }
            Message::ResumeJob(resume) if self.dialect == Some(Dialect::V2) => {
                self.tell_known(&resume.job_id, resume.request_id, |request| JobInput::Resume { request })
            }
            Message::Heartbeat(_) => {
                let timestamp = self.clock.utc();
                self.outbox.answer(Message::HeartbeatAck(Heartbeat { timestamp }));
                Vec::new()
            }
            Message::ReportQueueMetrics(metrics) => {
                self.gate.queue(metrics.queue_depth, metrics.oldest_job_age_ms);
                self.look();
                Vec::new()
            }
            // Not for a core, or not known: ignored, as both protocols ask.
            _ => Vec::new(),
        }
    }

    fn has_room(&self) -> bool {
        self.jobs.len() < self.settings.max_jobs
    }

    fn no_room_for_job(&mut self, request: RequestId, id: JobId) {
        // An old runner takes an error for an acknowledgement, so it is refused when it asks for a permit.
        self.outbox.answer(match self.dialect {
            Some(Dialect::V2) => Message::Error(ErrorReply {
                code: error_code::OVERLOADED.to_owned(),
                message: format!("{} jobs are known already; wait until some have ended", self.jobs.len()),
                request_id: Some(request),
            }),
            _ => Message::Ack(roboppi_ipc::Ack { request_id: request, job_id: id }),
        });
    }

    fn request_permit(
        &mut self,
        request: RequestId,
        job: Job,
        attempt_index: f64,
    ) -> Vec<(JobId, JobEffect)> {
        let id = job.job_id.clone();
        if !self.jobs.contains_key(&id) && !self.has_room() {
            let detail = Some("The job table is full".to_owned());
            let rejection = PermitRejection { reason: RejectionReason::GlobalShed, detail };
            self.outbox.answer(Message::PermitRejected(PermitRejected { request_id: request, rejection }));
            return Vec::new();
        }
        self.know(&id);
        self.tell(&id, JobInput::RequestPermit { request, job: Box::new(job), attempt_index })
    }

    fn know(&mut self, id: &JobId) {
        if !self.jobs.contains_key(id) {
            let job = KnownJob { machine: JobMachine::new(id.clone()), worker: None };
            self.jobs.insert(id.clone(), job);
        }
    }

    fn tell_known(
        &mut self,
        id: &JobId,
        request: RequestId,
        input: impl FnOnce(RequestId) -> JobInput,
    ) -> Vec<(JobId, JobEffect)> {
        if self.jobs.contains_key(id) {
            return self.tell(id, input(request));
        }
        self.outbox.answer(not_found(request, format!("Job {id} not found")));
        Vec::new()
    }

    fn tell(&mut self, id: &JobId, input: JobInput) -> Vec<(JobId, JobEffect)> {
        let Some(job) = self.jobs.get_mut(id) else { return Vec::new() };
        let mut effects = Vec::new();
        self.gate.advance(self.clock.now());
        let before = self.gate.active();
        job.machine.handle(self.clock.utc(), &mut self.gate, input, &mut effects);
        if self.gate.active() != before {
            self.outbox.permits(self.gate.active(), self.gate.limit());
        }
        self.pass_on_alerts();
        effects.into_iter().map(|effect| (id.clone(), effect)).collect()
    }

    /// Time passes while workers run.
    pub(super) fn look(&mut self) {
        self.gate.advance(self.clock.now());
        self.pass_on_alerts();
    }

    fn pass_on_alerts(&mut self) {
        for alert in self.gate.take_alerts() {
            let event = alert.event(self.clock.utc());
            self.outbox.answer(Message::Escalation(Escalation { event }));
        }
    }

    fn perform(served: &Rc<Served>, effects: Vec<(JobId, JobEffect)>) {
        let mut state = served.state.borrow_mut();
        for (id, effect) in effects {
            match effect {
                JobEffect::Answer(message) => state.outbox.answer(*message),
                JobEffect::Start { task, lifetime } => state.start(served, id, *task, lifetime),
                JobEffect::Control(control) => {
                    if let Some(worker) = state.jobs.get(&id).and_then(|job| job.worker.as_ref()) {
                        worker.control(control);
                    }
                }
                JobEffect::Complete(completion) => state.outbox.complete(completion),
                JobEffect::Refused(message) => state.warn(message),
                JobEffect::Forget => {
                    state.jobs.remove(&id);
                }
            }
        }
        drop(state);
        served.news.notify_one();
    }

    /// Waits for a worker, and looks after all of them meanwhile.
    async fn watch(served: &Rc<Served>, handle: &WorkerHandle) -> WorkerOutcome {
        let mut result = std::pin::pin!(handle.result());
        loop {
            match timeout(LOOK, &mut result).await {
                Ok(outcome) => return outcome,
                Err(_) => served.state.borrow_mut().look(),
            }
            served.news.notify_one();
        }
    }

    fn start(&mut self, served: &Rc<Served>, id: JobId, task: WorkerTask, lifetime: Duration) {
        let mut options = WorkerOptions::for_task(&task, &self.settings, self.clock.utc());
        if task.roboppi.as_ref().is_none_or(|ours| ours.timeout_ms.is_none()) {
            options.timeout = options.timeout.map(|left| left.min(lifetime));
        }
        self.tell_secrets();
        for value in task.roboppi.iter().flat_map(|ours| &ours.redact) {
            let _taken = self.host.secrets.add("secrets", value.reveal().as_bytes());
        }
        for (name, value) in task.env.iter().filter(|(name, _)| looks_secret(name)) {
            let _taken = self.host.secrets.add(name, value.as_bytes());
        }
        // These it knows.
        self.told_secrets = self.host.secrets.len();
        options.stdio &= self.stream_stdio;
        options.log_grew = self.reads_logs;
        options.limits.by_line = self.dialect == Some(Dialect::V1);
        let adapter = self.adapters.get(task.worker_kind);
        let news = Rc::clone(&self.news);
        let handle = start_worker(&self.host, id.clone(), adapter, task, options, news);
        self.outbox.open_lane(id.clone(), handle.clone());
        if let Some(job) = self.jobs.get_mut(&id) {
            job.worker = Some(handle.clone());
        }
        let served = Rc::clone(served);
        tokio::task::spawn_local(async move {
            let outcome = Self::watch(&served, &handle).await;
            Self::take_notices(&served);
            let effects = served.state.borrow_mut().tell(&id, JobInput::WorkerEnded(Box::new(outcome)));
            Self::perform(&served, effects);
            served.ended.notify_one();
        });
    }
}

/// Whether a value of the environment says no.
fn is_no(value: &str) -> bool {
    ["0", "false", "no", "off"].contains(&value.trim().to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_no_is_a_no() {
        for no in ["0", "false", "NO", " off ", "Off"] {
            assert!(is_no(no), "{no:?}");
        }
        for yes in ["", "1", "true", "on", "nope", "00"] {
            assert!(!is_no(yes), "{yes:?}");
        }
    }
}
