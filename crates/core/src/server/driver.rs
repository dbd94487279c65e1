//! Feeds the [`CoreMachine`] and performs what it asks for: workers, the wire, secrets. Decides nothing.

use std::collections::HashMap;
use std::io::{self, Write as _};
use std::rc::Rc;
use std::time::Duration;

use roboppi_ipc::{CoreEvent, Dialect, FreeText, JobId, Mask, Message, Mono, SecretText, WorkerTask};
use roboppi_process::guard::cannot_be_ended;
use roboppi_redact::looks_secret;
use roboppi_worker_adapters::Adapters;
use tokio::sync::Notify;
use tokio::time::sleep;
use tracing::{debug, info};

use super::Served;
use super::outbox::Outbox;
use crate::orphans::Leftovers;
use crate::worker::{WorkerHandle, WorkerHost, WorkerNotice, WorkerOptions, secrets_of, start_worker};
use crate::{
    Clock, CoreEffect, CoreInput, CoreMachine, CoreMachineSettings, CoreSettings, CoreTime, Orphans,
};

/// Time between two looks of the watchdog at a core that runs workers and of which something can become high.
const TICK: Duration = Duration::from_secs(1);

/// The machine of a core, and everything it is about.
#[derive(Debug)]
pub(super) struct CoreDriver {
    machine: CoreMachine,
    settings: CoreSettings,
    adapters: Adapters,
    clock: Clock,
    host: WorkerHost,
    workers: HashMap<JobId, WorkerHandle>,
    pub(super) outbox: Outbox,
    news: Rc<Notify>,
    /// Kept between inputs for its capacity.
    effects: Vec<CoreEffect>,
    /// When to answer with [`CoreInput::KillTimer`].
    kill_due: Option<Mono>,
    /// Leftovers are to be ended.
    sweeps: bool,
}

impl CoreDriver {
    pub(super) fn new(settings: CoreSettings, adapters: Adapters, clock: Clock, news: Rc<Notify>) -> Self {
        let variables = settings.variables.clone();
        let secrets = settings.secrets.clone().unwrap_or_else(|| secrets_of(&variables));
        let host = WorkerHost::hiding(clock, variables, secrets);
        let host = match settings.sockets.clone() {
            Some(dir) => host.with_sockets_in(dir),
            None => host,
        };
        let process = roboppi_process::identity(std::process::id()).ok();
        Self {
            machine: CoreMachine::new(CoreMachineSettings::new(&settings, process), host.secrets.len())
                .with_adapters(&adapters),
            settings,
            adapters,
            clock,
            host,
            workers: HashMap::new(),
            outbox: Outbox::new(),
            news,
            effects: Vec::new(),
            kill_due: None,
            sweeps: false,
        }
    }

    pub(super) fn orphans(&self) -> Rc<Orphans> {
        Rc::clone(&self.host.orphans)
    }

    pub(super) const fn is_closed(&self) -> bool {
        self.machine.is_closed()
    }

    /// When [`kill_timer`](Self::kill_timer) is to be called.
    pub(super) const fn kill_due(&self) -> Option<Mono> {
        self.kill_due
    }

    pub(super) fn kill_timer(served: &Rc<Served>) {
        served.driver.borrow_mut().kill_due = None;
        Self::feed(served, CoreInput::KillTimer);
    }

    /// Whether what workers have left behind is to be ended.
    pub(super) const fn is_sweeping(&self) -> bool {
        self.sweeps
    }

    /// Gives one input to the machine and performs what it asks for.
    pub(super) fn feed(served: &Rc<Served>, input: CoreInput) {
        served.driver.borrow_mut().handle(served, input);
        served.news.notify_one();
    }

    fn handle(&mut self, served: &Rc<Served>, input: CoreInput) {
        let now = CoreTime { mono: self.clock.now(), utc: self.clock.utc() };
        let mut effects = std::mem::take(&mut self.effects);
        self.machine.handle(now, input, &mut effects);
        for effect in effects.drain(..) {
            self.perform(served, effect);
        }
        self.effects = effects;
        if self.has_to_look() {
            served.looking.notify_one();
        }
    }

    /// Whether the watchdog has to look again although nothing may happen.
    fn has_to_look(&self) -> bool {
        !self.workers.is_empty() && self.machine.changes_with_time()
    }

    fn perform(&mut self, served: &Rc<Served>, effect: CoreEffect) {
        match effect {
            CoreEffect::SetDialect(dialect) => {
                info!(?dialect, "the supervisor has greeted");
                self.outbox.set_dialect(dialect);
            }
            CoreEffect::Answer(message) => {
                debug!(kind = message.kind(), "answered");
                self.outbox.answer(*message);
            }
            CoreEffect::Report(event) => self.report(event),
            CoreEffect::ReportPermits { active, limit } => self.outbox.permits(active, limit),
            CoreEffect::ReportSecrets { known } => {
                for value in self.host.secrets.values_from(known) {
                    let value = SecretText::new(String::from_utf8_lossy(&value));
                    self.outbox.answer(Message::Mask(Mask { value }));
                }
            }
            CoreEffect::Complain(line) => {
                let _ = writeln!(io::stderr().lock(), "{line}");
            }
            CoreEffect::Start { job_id, task, lifetime } => self.start(served, job_id, *task, lifetime),
            CoreEffect::Control { job_id, control } => {
                if let Some(worker) = self.workers.get(&job_id) {
                    worker.control(control);
                }
            }
            CoreEffect::Complete(completion) => self.outbox.complete(completion),
            CoreEffect::SetKillTimer(after) => self.kill_due = Some(self.clock.now() + after),
            CoreEffect::EndLeftovers => {
                self.sweeps = true;
                served.ending.notify_one();
            }
            CoreEffect::Close => self.outbox.close(),
        }
    }

    /// Names of jobs are no text: a reader finds its step by them.
    fn report(&mut self, mut event: CoreEvent) {
        event.visit_text(&mut |text| self.host.secrets.redact(text));
        if !self.machine.peer_takes_job_warnings() {
            event = event.with_job_in_text();
        }
        self.outbox.core_event(self.clock, event);
    }

    /// Passes on what workers report of themselves, and which values are hidden since: the supervisor hides these in its
    /// own words, and tells the next core, should this one be lost.
    pub(super) fn take_notices(served: &Rc<Served>) {
        let mut driver = served.driver.borrow_mut();
        let mut notices = Vec::new();
        for (job_id, handle) in driver.outbox.handles() {
            while let Some(notice) = handle.take_notice() {
                notices.push(input_of(job_id, notice));
            }
        }
        for input in notices {
            driver.handle(served, input);
        }
        driver.secrets_known(served, false);
    }

    fn secrets_known(&mut self, served: &Rc<Served>, from_supervisor: bool) {
        let count = self.host.secrets.len();
        self.handle(served, CoreInput::SecretsKnown { count, from_supervisor });
    }

    /// Reports what was left when all workers had ended.
    pub(super) fn leftovers_ended(served: &Rc<Served>, left: Leftovers) {
        let Leftovers { own, others, unkillable } = left;
        let own = own.into_iter().map(|leaked| (None, leaked));
        for (job_id, leaked) in own.chain(others) {
            Self::feed(served, CoreInput::Leaked { job_id, leaked });
        }
        for left in unkillable {
            Self::feed(served, CoreInput::Warning { job_id: None, message: cannot_be_ended(&left) });
        }
        Self::feed(served, CoreInput::LeftoversEnded);
    }

    fn start(&mut self, served: &Rc<Served>, id: JobId, task: WorkerTask, lifetime: Duration) {
        let described = self.adapters.description(task.worker_kind);
        let mut options =
            WorkerOptions::for_permit(&task, lifetime, &self.settings, described, self.clock.utc());
        self.secrets_known(served, false);
        for value in task.roboppi.iter().flat_map(|ours| &ours.redact) {
            let _taken = self.host.secrets.add("secrets", value.reveal().as_bytes());
        }
        for (name, value) in task.env.iter().filter(|(name, _)| looks_secret(name)) {
            let _taken = self.host.secrets.add(name, value.as_bytes());
        }
        self.secrets_known(served, true);
        options.stdio &= self.settings.variables.allow_output();
        options.log_grew = self.machine.peer_reads_logs();
        options.resources = self.machine.peer_takes_resources();
        options.limits.by_line = self.machine.dialect() == Some(Dialect::V1);
        let adapter = self.adapters.get(task.worker_kind);
        let news = Rc::clone(&self.news);
        let handle = start_worker(&self.host, id.clone(), adapter, task, options, news);
        self.outbox.open_lane(id.clone(), handle.clone());
        self.workers.insert(id.clone(), handle.clone());
        let served = Rc::clone(served);
        tokio::task::spawn_local(async move {
            let outcome = Box::new(handle.result().await);
            Self::take_notices(&served);
            served.driver.borrow_mut().workers.remove(&id);
            Self::feed(&served, CoreInput::WorkerEnded { job_id: id, outcome });
        });
    }
}

/// Has the watchdog look on as long as that is of use.
pub(super) async fn look_on(served: &Rc<Served>) {
    loop {
        while !served.driver.borrow().has_to_look() {
            served.looking.notified().await;
        }
        sleep(TICK).await;
        CoreDriver::feed(served, CoreInput::Tick);
    }
}

fn input_of(job_id: &JobId, notice: WorkerNotice) -> CoreInput {
    let job_id = job_id.clone();
    match notice {
        WorkerNotice::Started(process) => CoreInput::WorkerStarted { job_id, process },
        WorkerNotice::Ending { phase, reason, limit } => {
            CoreInput::WorkerEnding { job_id, phase, reason, limit }
        }
        WorkerNotice::Leaked { job_id, leaked } => CoreInput::Leaked { job_id, leaked },
        WorkerNotice::Warning(message) => CoreInput::Warning { job_id: Some(job_id), message },
    }
}
