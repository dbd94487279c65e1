//! The loop of a core: its permits, its jobs, and the ways in which it ends.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use std::time::Duration;

use roboppi_core::worker::WorkerOptions;
use roboppi_core::{CoreSettings, GateSettings, JobEffect, JobInput, JobMachine, PermitGate, WorkerOutcome};
use roboppi_ipc::{
    CancelReason, CoreEvent, CoreEventMessage, ErrorReply, Hello, JobId, Message, RequestId, UtcMillis,
    WorkerTask, error_code,
};
use roboppi_process::machine::{Limits, SWEEP_TIME};

use crate::agenda::{Due, Event, Owed};
use crate::child::{Worker, first_controls};
use crate::faults::{Bug, Fault};
use crate::link::{Packet, Wire};
use crate::plan::{HUNG, Nature, OUTBOX, SLACK, whole};
use crate::promise::Promise;
use crate::story::Seen;
use crate::world::World;

/// One incarnation of the core.
pub(crate) struct Core {
    pub(crate) to_core: Wire,
    pub(crate) to_supervisor: Wire,
    pub(crate) gone: bool,
    /// Gone before it was told to.
    pub(crate) died: bool,
    /// When nothing of what it had started is left.
    pub(crate) swept_at: u64,
    /// SIGSTOP, until then.
    pub(crate) stopped_until: u64,
    pub(crate) stopped_total: u64,
    /// It was told to end, or its supervisor is gone.
    pub(crate) ending: bool,
    gate: PermitGate,
    jobs: BTreeMap<JobId, KnownJob>,
    granted: BTreeSet<JobId>,
    answered: BTreeSet<RequestId>,
    /// Likely to die of what it does.
    frail: bool,
    /// Ends of jobs that are not on the wire yet.
    unsaid: u32,
}

struct KnownJob {
    machine: JobMachine,
    worker: Option<usize>,
}

impl Core {
    pub(crate) fn new(permits: u32) -> Self {
        Self {
            to_core: Wire::default(),
            to_supervisor: Wire::default(),
            gone: false,
            died: false,
            swept_at: 0,
            stopped_until: 0,
            stopped_total: 0,
            ending: false,
            gate: PermitGate::new(GateSettings::with_concurrency(permits)),
            jobs: BTreeMap::new(),
            granted: BTreeSet::new(),
            answered: BTreeSet::new(),
            frail: false,
            unsaid: 0,
        }
    }
}

impl World {
    pub(crate) fn core_up(&mut self, core: usize) {
        self.note(|| format!("core {core} is up"));
        self.core_says(core, Message::Hello(Hello::ours("0")));
    }

    pub(crate) fn core_says(&mut self, core: usize, message: Message) {
        // Where something happens is where a defect is.
        let percent = if matches!(message, Message::JobCompleted(_)) { 25 } else { 3 };
        if self.cores[core].frail && self.rng.chance(percent) {
            self.within(4, Event::CoreDies(core));
        }
        self.send_to_supervisor(core, Packet::Message(Box::new(message)));
    }

    pub(crate) fn core_hears(&mut self, core: usize) {
        match self.cores[core].to_core.take() {
            None => {}
            Some(Packet::End) => {
                self.note(|| format!("core {core} has lost its supervisor"));
                self.end_jobs(core);
            }
            Some(Packet::Message(message)) => {
                self.note(|| format!("core {core} <- {}", brief(&message)));
                self.core_decides(core, *message);
            }
        }
    }

    fn core_decides(&mut self, core: usize, message: Message) {
        match message {
            Message::SubmitJob(submit) => {
                let id = submit.job.job_id;
                self.know(core, &id);
                self.tell_job(core, &id, JobInput::Submit { request: submit.request_id });
            }
            Message::RequestPermit(ask) => {
                let id = ask.job.job_id.clone();
                self.know(core, &id);
                let (request, attempt_index) = (ask.request_id, ask.attempt_index);
                self.tell_job(
                    core,
                    &id,
                    JobInput::RequestPermit { request, job: Box::new(ask.job), attempt_index },
                );
            }
            Message::CancelJob(cancel) => {
                let (request, reason, force) = (cancel.request_id, cancel.reason, cancel.force);
                self.check_cancel(&cancel.job_id, CancelReason::from_wire(&reason), force);
                self.tell_known(core, &cancel.job_id, request, |request| JobInput::Cancel {
                    request,
                    reason,
                    force,
                });
            }
            Message::PauseJob(pause) => {
                self.tell_known(core, &pause.job_id, pause.request_id, |request| JobInput::Pause { request });
            }
            Message::ResumeJob(resume) => {
                self.tell_known(core, &resume.job_id, resume.request_id, |request| JobInput::Resume {
                    request,
                });
            }
            _ => {}
        }
    }

    /// What a core is asked only gets worse.
    fn check_cancel(&mut self, id: &JobId, reason: CancelReason, force: bool) {
        let Some(attempt) = attempt_of(id) else { return };
        let before = self.attempts[attempt].heard.replace((reason, force));
        let milder = before.is_some_and(|before| reason < before.0 || (before.1 && !force));
        self.must(!milder, Promise::OnlyMoreSevere, || {
            format!("{id} is to end for {reason:?}, force {force}, after {before:?}")
        });
    }

    fn know(&mut self, core: usize, id: &JobId) {
        let new = || KnownJob { machine: JobMachine::new(id.clone()), worker: None };
        self.cores[core].jobs.entry(id.clone()).or_insert_with(new);
    }

    fn tell_known(
        &mut self,
        core: usize,
        id: &JobId,
        request: RequestId,
        input: impl FnOnce(RequestId) -> JobInput,
    ) {
        if self.cores[core].jobs.contains_key(id) {
            return self.tell_job(core, id, input(request));
        }
        let message = format!("Job {id} not found");
        let code = error_code::JOB_NOT_FOUND.to_owned();
        let error = ErrorReply { code, message, request_id: Some(request) };
        self.core_says(core, Message::Error(error));
    }

    fn tell_job(&mut self, core: usize, id: &JobId, input: JobInput) {
        let Some(job) = self.cores[core].jobs.get(id).map(|job| job.worker) else { return };
        let ended = matches!(input, JobInput::WorkerEnded(_));
        let mut effects = Vec::new();
        let now = UtcMillis(self.now);
        let this = &mut self.cores[core];
        if let Some(job) = this.jobs.get_mut(id) {
            job.machine.handle(now, &mut this.gate, input, &mut effects);
        }
        if ended && self.bug == Some(Bug::PermitNotReturned) {
            let step = job.map_or(0, |worker| self.attempts[self.workers[worker].attempt].step);
            let _ = this.gate.ask(now, &self.plan.job(id, step), 0.0);
        }
        for effect in effects {
            self.job_effect(core, id, effect);
        }
        self.check_permits(core);
    }

    fn check_permits(&mut self, core: usize) {
        let this = &self.cores[core];
        let (active, limit, running) = (this.gate.active(), this.gate.limit(), this.granted.len());
        let active_jobs = this.jobs.values().filter(|job| job.machine.is_active()).count();
        let fine = active as usize == running && running == active_jobs && active <= limit;
        self.must(fine, Promise::Permits, || {
            format!(
                "core {core}: {active} of {limit} permits in use, {running} jobs have one, {active_jobs} run"
            )
        });
    }

    fn job_effect(&mut self, core: usize, id: &JobId, effect: JobEffect) {
        match effect {
            JobEffect::Answer(message) => self.answer(core, id, *message),
            JobEffect::Start { task, lifetime } => self.start_worker(core, id, &task, lifetime),
            JobEffect::Control(control) => {
                self.note(|| format!("core {core}    {id}: {control:?}"));
                if let Some(worker) = self.cores[core].jobs.get(id).and_then(|job| job.worker) {
                    self.workers[worker].controls.push_back(control);
                    self.within(2, Event::WorkerControl(worker));
                }
            }
            JobEffect::Complete(completion) => {
                let had = self.cores[core].granted.remove(id);
                self.must(had, Promise::ExactlyOnce, || format!("{id} completes without a permit"));
                let message = Box::new(Message::JobCompleted(completion.message));
                match self.bug {
                    Some(Bug::CompletionForgotten) => return,
                    Some(Bug::JobFinishedTwice) => self.say_later(core, message.clone()),
                    _ => {}
                }
                self.say_later(core, message);
            }
            JobEffect::Refused(why) => self.broken(Promise::Truth, || format!("{id} is refused: {why}")),
            JobEffect::Forget => {
                self.cores[core].jobs.remove(id);
            }
        }
    }

    /// Ends of jobs leave after everything else about the job, which may take a while.
    fn say_later(&mut self, core: usize, message: Box<Message>) {
        self.cores[core].unsaid += 1;
        self.within(OUTBOX, Event::Says(core, message));
    }

    pub(crate) fn says_at_last(&mut self, core: usize, message: Message) {
        self.cores[core].unsaid -= 1;
        self.core_says(core, message);
    }

    fn answer(&mut self, core: usize, id: &JobId, message: Message) {
        self.note(|| format!("core {core} -> {}", brief(&message)));
        if let Some(request) = message.request_id().cloned() {
            let first = self.cores[core].answered.insert(request.clone());
            self.must(first, Promise::ExactlyOnce, || format!("{request} is answered again"));
        }
        match &message {
            Message::PermitGranted(_) => {
                let first = self.cores[core].granted.insert(id.clone());
                self.must(first, Promise::Permits, || format!("{id} has two permits"));
            }
            Message::PermitRejected(_) => self.saw(Seen::PermitRefused),
            _ => {}
        }
        self.core_says(core, message);
    }

    fn start_worker(&mut self, core: usize, id: &JobId, task: &WorkerTask, lifetime: Duration) {
        static SETTINGS: LazyLock<CoreSettings> = LazyLock::new(CoreSettings::default);
        let mut options = WorkerOptions::for_task(task, &SETTINGS, UtcMillis(self.now));
        if task.roboppi.as_ref().is_none_or(|ours| ours.timeout_ms.is_none()) {
            options.timeout = options.timeout.map(|left| left.min(lifetime));
        }
        let limits = Limits { grace: options.grace, drain: options.drain, timeout: options.timeout };
        let Some(attempt) = attempt_of(id) else { return };
        let nature = Nature::draw(&mut self.rng, self.weather, &self.plan.longest);
        let index = self.workers.len();
        self.note(|| format!("core {core}    {id} is worker {index}: {nature:?}"));
        let mut worker = Worker::new(attempt, core, id.clone(), limits, nature);
        worker.controls = first_controls(&limits);
        self.workers.push(worker);
        self.attempts[attempt].worker = Some(index);
        if let Some(job) = self.cores[core].jobs.get_mut(id) {
            job.worker = Some(index);
        }
        self.within(3, Event::WorkerBegins(index));
    }

    /// What the loop around a child has to say while it runs.
    pub(crate) fn worker_notice(&mut self, index: usize, input: JobInput, event: CoreEvent) {
        let (core, id) = (self.workers[index].core, self.workers[index].job.clone());
        self.tell_job(core, &id, input);
        self.core_says(core, Message::CoreEvent(CoreEventMessage { ts: UtcMillis(self.now), event }));
    }

    pub(crate) fn worker_ended(&mut self, index: usize, outcome: WorkerOutcome) {
        let (core, id) = (self.workers[index].core, self.workers[index].job.clone());
        self.tell_job(core, &id, JobInput::WorkerEnded(Box::new(outcome)));
        self.end_core_if_idle(core);
    }

    /// SIGTERM from somebody else.
    pub(crate) fn core_told(&mut self, core: usize) {
        self.note(|| format!("core {core} is told to end"));
        self.saw(Seen::CoreToldToEnd);
        self.end_jobs(core);
    }

    /// Ends all jobs; the core goes when they have ended.
    fn end_jobs(&mut self, core: usize) {
        let this = &mut self.cores[core];
        let again = std::mem::replace(&mut this.ending, true);
        this.gate.close();
        for id in this.jobs.keys().cloned().collect::<Vec<_>>() {
            let force = again && self.rng.chance(50);
            self.tell_job(core, &id, JobInput::CoreStops { force });
        }
        let longest = &self.plan.longest;
        let limit = longest.grace + longest.spawn + longest.death + self.plan.drain + OUTBOX;
        let limit = limit + whole(SWEEP_TIME) + 3 * SLACK;
        self.in_ms(limit, Event::Due(Due::CoreGone { core }));
        self.end_core_if_idle(core);
    }

    fn end_core_if_idle(&mut self, core: usize) {
        let this = &self.cores[core];
        if this.ending && this.jobs.values().all(|job| job.worker.is_none()) {
            self.within(OUTBOX, Event::CoreExits(core));
        }
    }

    /// All it ran has ended. It goes when everything is said.
    pub(crate) fn core_exits(&mut self, core: usize) {
        if self.cores[core].unsaid > 0 {
            return self.in_ms(1, Event::CoreExits(core));
        }
        let permits = self.cores[core].gate.active();
        self.must(permits == 0, Promise::Permits, || {
            format!("core {core} ends with {permits} permits in use")
        });
        self.core_gone(core);
    }

    pub(crate) fn due_core_gone(&mut self, core: usize) {
        let this = &self.cores[core];
        if this.gone {
            return;
        }
        // A stopped core ends nothing, until its guard loses patience.
        if this.stopped_until > 0 && self.now < this.stopped_until + 20_000 {
            return self.in_ms(20_000, Event::Due(Due::CoreGone { core }));
        }
        self.broken(Promise::EndsInTime, || format!("core {core} was to end and is still there"));
    }

    /// SIGKILL, a defect, or the end of somebody's patience.
    pub(crate) fn core_dies(&mut self, core: usize, keeps_words: bool) {
        if self.cores[core].gone {
            return;
        }
        self.saw(Seen::CoreDied);
        self.cores[core].died = true;
        self.cut_wires(core, keeps_words);
        self.core_gone(core);
    }

    /// The guard sweeps what is left.
    fn core_gone(&mut self, core: usize) {
        self.note(|| format!("core {core} is gone"));
        self.cores[core].gone = true;
        let swept = self.guard_sweeps(core);
        self.cores[core].swept_at = swept + self.rng.between(1, 20);
        let wait = swept.saturating_sub(self.now) + self.plan.longest.message + 2 * SLACK;
        for attempt in 0..self.attempts.len() {
            if self.attempts[attempt].core == Some(core) && self.attempts[attempt].end.is_none() {
                self.attempt_owes(attempt, Owed::News, wait, true);
            }
        }
        if self.bug != Some(Bug::LossUnheard) {
            self.send_to_supervisor(core, Packet::End);
        }
    }

    /// SIGSTOP, and perhaps SIGCONT.
    pub(crate) fn core_stops(&mut self, core: usize, millis: u64) {
        let now = self.now;
        let this = &mut self.cores[core];
        if this.gone || this.stopped_until > now {
            return;
        }
        self.note(|| format!("core {core} is stopped for {millis} ms"));
        let this = &mut self.cores[core];
        this.stopped_until = now + millis;
        this.stopped_total += millis;
        if millis > HUNG.0 {
            let noticed = self.rng.between(HUNG.0, HUNG.1);
            self.in_ms(noticed, Event::HangNoticed(core));
        } else {
            self.saw(Seen::CoreWokeUp);
        }
    }

    /// What the world has in mind for a new core.
    pub(crate) fn core_fate(&mut self, core: usize) {
        self.within(20, Event::CoreUp(core));
        let when = self.rng.up_to(3_000);
        if self.weather.has(Fault::CoreNeverLasts) {
            let soon = self.rng.up_to(400);
            self.in_ms(soon, Event::CoreDies(core));
        } else if self.weather.has(Fault::CoreCrashes) && self.rng.chance(30) {
            self.in_ms(when, Event::CoreDies(core));
        } else {
            self.cores[core].frail = self.weather.has(Fault::CoreCrashes) && self.rng.chance(60);
        }
        let when = self.rng.up_to(3_000);
        if self.weather.has(Fault::CoreStopped) && self.rng.chance(70) {
            let millis = if self.rng.chance(40) { 60_000 } else { self.rng.up_to(9_000) };
            self.in_ms(when, Event::CoreStops { core, millis });
        }
        let when = self.rng.up_to(3_000);
        if self.weather.has(Fault::CoreToldToEnd) && self.rng.chance(50) {
            self.in_ms(when, Event::CoreTold(core));
        }
    }
}

/// The id of the job of an attempt, which names it.
pub(crate) fn job_id(attempt: usize) -> JobId {
    JobId::new(format!("j{attempt}"))
}

pub(crate) fn attempt_of(id: &JobId) -> Option<usize> {
    id.as_str().strip_prefix('j')?.parse().ok()
}

/// A message in a few words.
pub(crate) fn brief(message: &Message) -> String {
    match message {
        Message::SubmitJob(submit) => format!("submit {}", submit.job.job_id),
        Message::RequestPermit(ask) => format!("permit for {}?", ask.job.job_id),
        Message::PermitGranted(granted) => format!("permit for {}", granted.permit.job_id),
        Message::PermitRejected(rejected) => {
            format!("no permit for {}: {:?}", rejected.request_id, rejected.rejection.reason)
        }
        Message::CancelJob(cancel) => {
            format!("cancel {} for {}, force {}", cancel.job_id, cancel.reason, cancel.force)
        }
        Message::JobCompleted(completed) => {
            let details = completed.result.as_ref().and_then(|result| result.details.as_ref());
            let reason = details.and_then(|details| details.cancel_reason);
            format!("{} completed: {:?}, reason {reason:?}", completed.job_id, completed.outcome)
        }
        Message::CoreEvent(report) => match &report.event {
            CoreEvent::WorkerStarted { job_id, .. } => format!("{job_id} is alive"),
            CoreEvent::WorkerEnding { job_id, phase, reason, .. } => {
                format!("{job_id} is {phase:?} for {reason:?}")
            }
            other => format!("{other:?}"),
        },
        other => other.kind().to_owned(),
    }
}
