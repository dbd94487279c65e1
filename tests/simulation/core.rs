//! A core: the loop around its [`CoreMachine`], the wire it writes to, and what must hold at every step of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use std::time::Duration;

use roboppi_core::worker::WorkerOptions;
use roboppi_core::{
    CoreEffect, CoreInput, CoreMachine, CoreMachineSettings, CoreSettings, CoreTime, GateSettings,
    WorkerOutcome,
};
use roboppi_ipc::{
    Cancel, CancelReason, CoreEvent, CoreEventMessage, Dialect, JobId, Message, RequestId, RequestPermit,
    UtcMillis, WorkerTask,
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

static SETTINGS: LazyLock<CoreSettings> = LazyLock::new(CoreSettings::default);

/// One incarnation of the core.
pub(crate) struct Core {
    pub(crate) to_core: Wire,
    pub(crate) to_supervisor: Wire,
    /// It reads and writes its wire.
    up: bool,
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
    machine: CoreMachine,
    workers: BTreeMap<JobId, usize>,
    granted: BTreeSet<JobId>,
    answered: BTreeSet<RequestId>,
    /// Likely to die of what it does.
    frail: bool,
    /// Ends of jobs that are not on the wire yet.
    unsaid: u32,
}

impl Core {
    pub(crate) fn new(permits: u32) -> Self {
        let settings = CoreSettings { gate: GateSettings::with_concurrency(permits), ..SETTINGS.clone() };
        Self {
            to_core: Wire::default(),
            to_supervisor: Wire::default(),
            up: false,
            gone: false,
            died: false,
            swept_at: 0,
            stopped_until: 0,
            stopped_total: 0,
            ending: false,
            machine: CoreMachine::new(CoreMachineSettings::new(&settings, None), 0),
            workers: BTreeMap::new(),
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
        self.cores[core].up = true;
        self.core_input(core, CoreInput::Start);
    }

    pub(crate) fn core_says(&mut self, core: usize, message: Message) {
        // Where something happens is where a defect is.
        let percent = match message {
            Message::JobCompleted(_) => 25,
            Message::HeartbeatAck(_) => 0,
            _ => 3,
        };
        if self.cores[core].frail && self.rng.chance(percent) {
            self.within(4, Event::CoreDies(core));
        }
        self.send_to_supervisor(core, Packet::Message(Box::new(message)));
    }

    pub(crate) fn core_hears(&mut self, core: usize) {
        if !self.cores[core].up {
            return self.in_ms(1, Event::ToCore(core));
        }
        match self.cores[core].to_core.take() {
            None => {}
            Some(Packet::End) => {
                self.note(|| format!("core {core} has lost its supervisor"));
                self.core_ends(core, CoreInput::WireClosed);
            }
            Some(Packet::Message(message)) => {
                self.note(|| format!("core {core} <- {}", brief(&message)));
                if let Message::CancelJob(cancel) = &*message {
                    let reason = CancelReason::from_wire(&cancel.reason);
                    self.check_cancel(&cancel.job_id, Cancel { reason, force: cancel.force });
                }
                self.core_input(core, CoreInput::Message(message));
            }
        }
    }

    /// Gives one input to the machine of a core and performs what it asks for.
    pub(crate) fn core_input(&mut self, core: usize, input: CoreInput) {
        let now = CoreTime { mono: self.mono(), utc: UtcMillis(self.now) };
        let ended = match &input {
            CoreInput::WorkerEnded { job_id, .. } => Some(job_id.clone()),
            _ => None,
        };
        let mut effects = Vec::new();
        self.cores[core].machine.handle(now, input, &mut effects);
        if let Some(job) = ended.filter(|_| self.bug == Some(Bug::PermitNotReturned)) {
            self.ask_once_more(core, now, &job);
        }
        for effect in effects {
            self.core_effect(core, effect);
        }
        self.check_permits(core);
    }

    /// A permit of which nobody hears.
    fn ask_once_more(&mut self, core: usize, now: CoreTime, job: &JobId) {
        let Some(worker) = self.cores[core].workers.get(job) else { return };
        let step = self.attempts[self.workers[*worker].attempt].step;
        let job = self.plan.job(job, step);
        let ask = RequestPermit { request_id: "unheard".into(), job, attempt_index: 0.0 };
        let input = CoreInput::Message(Box::new(Message::RequestPermit(ask)));
        self.cores[core].machine.handle(now, input, &mut Vec::new());
    }

    /// What a core is asked only gets worse.
    fn check_cancel(&mut self, id: &JobId, cancel: Cancel) {
        let Some(attempt) = attempt_of(id) else { return };
        let before = self.attempts[attempt].heard.replace(cancel);
        let milder = before.is_some_and(|before| before.escalate(cancel) != cancel);
        self.must(!milder, Promise::OnlyMoreSevere, || {
            format!("{id} is to end for {cancel:?}, after {before:?}")
        });
    }

    fn check_permits(&mut self, core: usize) {
        let this = &self.cores[core];
        let ((active, limit), running) = (this.machine.permits(), this.granted.len());
        let active_jobs = this.machine.active_jobs().count();
        let fine = active as usize == running && running == active_jobs && active <= limit;
        self.must(fine, Promise::Permits, || {
            format!(
                "core {core}: {active} of {limit} permits in use, {running} jobs have one, {active_jobs} run"
            )
        });
    }

    fn core_effect(&mut self, core: usize, effect: CoreEffect) {
        match effect {
            CoreEffect::Answer(message) => self.answer(core, *message),
            CoreEffect::Report(event) => self.report(core, event),
            CoreEffect::Start { job_id, task, lifetime } => self.start_worker(core, &job_id, &task, lifetime),
            CoreEffect::Control { job_id, control } => {
                self.note(|| format!("core {core}    {job_id}: {control:?}"));
                if let Some(worker) = self.cores[core].workers.get(&job_id).copied() {
                    self.workers[worker].controls.push_back(control);
                    self.within(2, Event::WorkerControl(worker));
                }
            }
            CoreEffect::Complete(completion) => {
                let id = completion.message.job_id.clone();
                let had = self.cores[core].granted.remove(&id);
                self.must(had, Promise::ExactlyOnce, || format!("{id} completes without a permit"));
                let message = Box::new(Message::JobCompleted(completion.message));
                match self.bug {
                    Some(Bug::CompletionForgotten) => return,
                    Some(Bug::JobFinishedTwice) => self.say_later(core, message.clone()),
                    _ => {}
                }
                self.say_later(core, message);
            }
            CoreEffect::EndLeftovers => {
                let living =
                    self.cores[core].workers.values().any(|worker| self.workers[*worker].finished.is_none());
                self.must(!living, Promise::NothingLeft, || format!("core {core} ends before its workers"));
                self.within(OUTBOX, Event::LeftoversEnded(core));
            }
            CoreEffect::Close => self.core_exits(core),
            CoreEffect::Complain(line) => self.broken(Promise::Truth, || format!("core {core}: {line}")),
            CoreEffect::SetDialect(dialect) => {
                self.must(dialect == Dialect::V2, Promise::Truth, || {
                    format!("core {core} speaks {dialect:?}")
                });
            }
            // Of old runners, of secrets, and of a number that is only shown.
            CoreEffect::SetKillTimer(_)
            | CoreEffect::ReportSecrets { .. }
            | CoreEffect::ReportPermits { .. } => {}
        }
    }

    fn report(&mut self, core: usize, event: CoreEvent) {
        if let CoreEvent::Warning { job_id, message } = &event {
            self.broken(Promise::Truth, || format!("{job_id:?}: {message}"));
        }
        self.core_says(core, Message::CoreEvent(CoreEventMessage { ts: UtcMillis(self.now), event }));
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

    fn answer(&mut self, core: usize, message: Message) {
        self.note(|| format!("core {core} -> {}", brief(&message)));
        if let Some(request) = message.request_id().cloned() {
            let first = self.cores[core].answered.insert(request.clone());
            self.must(first, Promise::ExactlyOnce, || format!("{request} is answered again"));
        }
        match &message {
            Message::PermitGranted(granted) => {
                let id = &granted.permit.job_id;
                let first = self.cores[core].granted.insert(id.clone());
                self.must(first, Promise::Permits, || format!("{id} has two permits"));
            }
            Message::PermitRejected(_) => self.saw(Seen::PermitRefused),
            _ => {}
        }
        self.core_says(core, message);
    }

    fn start_worker(&mut self, core: usize, id: &JobId, task: &WorkerTask, lifetime: Duration) {
        let options = WorkerOptions::for_permit(task, lifetime, &SETTINGS, None, UtcMillis(self.now));
        let limits = Limits { grace: options.grace, drain: options.drain, timeout: options.timeout };
        let Some(attempt) = attempt_of(id) else { return };
        let nature = Nature::draw(&mut self.rng, self.weather, &self.plan.longest);
        let index = self.workers.len();
        self.note(|| format!("core {core}    {id} is worker {index}: {nature:?}"));
        let mut worker = Worker::new(attempt, core, id.clone(), limits, nature);
        worker.controls = first_controls(&limits);
        self.workers.push(worker);
        self.attempts[attempt].worker = Some(index);
        self.cores[core].workers.insert(id.clone(), index);
        self.within(3, Event::WorkerBegins(index));
    }

    pub(crate) fn worker_ended(&mut self, index: usize, outcome: WorkerOutcome) {
        let (core, job_id) = (self.workers[index].core, self.workers[index].job.clone());
        self.core_input(core, CoreInput::WorkerEnded { job_id, outcome: Box::new(outcome) });
    }

    /// SIGTERM from somebody else.
    pub(crate) fn core_told(&mut self, core: usize) {
        self.note(|| format!("core {core} is told to end"));
        self.saw(Seen::CoreToldToEnd);
        self.core_ends(core, CoreInput::Stop(Cancel::graceful(CancelReason::Parent)));
    }

    /// All its jobs end; it goes when they have ended.
    fn core_ends(&mut self, core: usize, input: CoreInput) {
        self.cores[core].ending = true;
        self.core_input(core, input);
        let longest = &self.plan.longest;
        let limit = longest.grace + longest.spawn + longest.death + self.plan.drain + OUTBOX;
        let limit = limit + whole(SWEEP_TIME) + 3 * SLACK;
        self.in_ms(limit, Event::Due(Due::CoreGone { core }));
    }

    /// What its workers have left behind has ended.
    pub(crate) fn leftovers_ended(&mut self, core: usize) {
        self.core_input(core, CoreInput::LeftoversEnded);
    }

    /// It goes when everything is said.
    pub(crate) fn core_exits(&mut self, core: usize) {
        if self.cores[core].unsaid > 0 {
            return self.in_ms(1, Event::CoreExits(core));
        }
        let (permits, _) = self.cores[core].machine.permits();
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
        if millis <= HUNG.0 {
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
