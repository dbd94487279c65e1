//! Decides what a core does: what it answers, which jobs it knows, and how it ends.
//!
//! ```text
//!           WireClosed, Stop             Stop, KillTimer
//!  Serving ──────────────────► Stopping ────────────────► Killing
//!     │                           │ no worker is left        │ no worker is left
//!     │ Stop by force             └──────────┬───────────────┘
//!     └────────────────────────► Killing     ▼          LeftoversEnded
//!                                         Sweeping ──────────────────────► Closed
//! ```
//!
//! * The first message of the peer fixes the dialect: a `hello` agrees on the newest one both sides know, anything else
//!   means protocol 1.
//! * A job is known from its first message until it has ended. A core that knows as many as it may refuses others.
//! * From `Stopping` on there are no permits. Requests are answered until `Closed`.
//! * An old runner kills its core 5 s after it was told to end, so workers that are left are killed before that.
//! * [`CoreEffect::EndLeftovers`] and [`CoreEffect::Close`] come once each, in this order, and when no worker is left.

mod peer;
mod request;
#[cfg(test)]
mod tables;

use std::collections::BTreeMap;
use std::time::Duration;

use roboppi_ipc::{
    Cancel, CancelReason, CoreEvent, Dialect, EndingPhase, Escalation, EscalationEvent, JobId, Leaked,
    Message, Mono, ProcessIdentity, RequestId, UtcMillis, WorkerFacts, WorkerTask,
};
use roboppi_worker_adapters::{Adapters, WorkerDescription};

use crate::job::Completion;
use crate::{
    CoreSettings, GateSettings, JobEffect, JobInput, JobMachine, PermitGate, Providers, WorkerControl,
    WorkerOutcome,
};
use peer::Peer;

/// Time an old runner gives its core to end: a little less than the 5 s after which it kills.
const OLD_RUNNER_PATIENCE: Duration = Duration::from_secs(4);

/// The present on both clocks of a core.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CoreTime {
    /// For decisions.
    pub mono: Mono,
    /// For what is shown, and for deadlines of permits.
    pub utc: UtcMillis,
}

/// An event a core reacts to.
#[derive(Clone, Debug)]
pub enum CoreInput {
    /// The core is up.
    Start,
    /// The peer sent a message.
    Message(Box<Message>),
    /// The peer sent a line that is no message.
    Malformed {
        /// The request that waits for an answer, if it could be read.
        request: Option<RequestId>,
        /// A sentence for people.
        why: String,
    },
    /// The peer sends nothing more, or takes nothing any more.
    WireClosed,
    /// The core is to end.
    Stop(Cancel),
    /// The time of [`CoreEffect::SetKillTimer`] is over.
    KillTimer,
    /// Time has passed while workers run. Only needed while [`CoreMachine::changes_with_time`].
    Tick,
    /// A worker is alive.
    WorkerStarted {
        /// Its job.
        job_id: JobId,
        /// Leader of its session.
        process: ProcessIdentity,
    },
    /// A worker is being ended, or has ended and its pipes are open.
    WorkerEnding {
        /// Its job.
        job_id: JobId,
        /// Where it is on its way out.
        phase: EndingPhase,
        /// Why, unless it ended by itself.
        reason: Option<CancelReason>,
        /// When the phase ends by force.
        limit: Duration,
    },
    /// A worker has ended, or could not be started, and its last byte is recorded.
    WorkerEnded {
        /// Its job.
        job_id: JobId,
        /// How it ended.
        outcome: Box<WorkerOutcome>,
    },
    /// A process was left behind and was ended.
    Leaked {
        /// The job it belongs to; `None` when it may be one of several.
        job_id: Option<JobId>,
        /// The process.
        leaked: Leaked,
    },
    /// Something went wrong that ends nothing.
    Warning {
        /// The job it concerns.
        job_id: Option<JobId>,
        /// A sentence for people.
        message: String,
    },
    /// So many values are hidden in what the core writes.
    SecretsKnown {
        /// How many.
        count: usize,
        /// Whether the new ones came from the supervisor.
        from_supervisor: bool,
    },
    /// What [`CoreEffect::EndLeftovers`] asked for is done.
    LeftoversEnded,
}

/// An action a core asks for. Perform in order.
#[derive(Clone, Debug, PartialEq)]
pub enum CoreEffect {
    /// From here on this is the language of the wire. Comes once, before all that depends on it.
    SetDialect(Dialect),
    /// Send this answer.
    Answer(Box<Message>),
    /// Send this event, its free text redacted.
    Report(CoreEvent),
    /// Send the number of permits; a later number replaces one that was not sent yet.
    ReportPermits {
        /// In use.
        active: u32,
        /// At most.
        limit: u32,
    },
    /// Send the hidden values from this one on.
    ReportSecrets {
        /// How many of them the supervisor knows.
        known: usize,
    },
    /// Write this line to standard error: the peer has no message for it.
    Complain(String),
    /// Start the worker of a job.
    Start {
        /// The job.
        job_id: JobId,
        /// What it is to do.
        task: Box<WorkerTask>,
        /// How long its permit lasts, from now.
        lifetime: Duration,
    },
    /// Tell the worker of a job.
    Control {
        /// The job.
        job_id: JobId,
        /// What it is told.
        control: WorkerControl,
    },
    /// Send this after everything else about the job.
    Complete(Box<Completion>),
    /// Answer with [`CoreInput::KillTimer`] after this time.
    SetKillTimer(Duration),
    /// End the processes that workers have left behind, report them, and answer with [`CoreInput::LeftoversEnded`].
    EndLeftovers,
    /// Send what waits, and return.
    Close,
}

/// The settings that decisions of a core depend on.
#[derive(Clone, Debug)]
pub struct CoreMachineSettings {
    /// When permits are refused.
    pub gate: GateSettings,
    /// Jobs that are known at a time.
    pub max_jobs: usize,
    /// Whether the peer says hello first.
    pub awaits_hello: bool,
    /// Time the pipes of a worker may stay open after its exit.
    pub drain: Duration,
    /// `version` of the hello.
    pub version: String,
    /// `process` of the hello.
    pub process: Option<ProcessIdentity>,
}

impl CoreMachineSettings {
    /// Those of a core that runs as `process`.
    #[must_use]
    pub fn new(settings: &CoreSettings, process: Option<ProcessIdentity>) -> Self {
        let CoreSettings { gate, max_jobs, awaits_hello, drain, version, .. } = settings;
        let (gate, max_jobs, awaits_hello, drain) = (*gate, *max_jobs, *awaits_hello, *drain);
        Self { gate, max_jobs, awaits_hello, drain, version: version.clone(), process }
    }
}

/// Decides the life of one core. Does no I/O and reads no clock.
#[derive(Debug)]
pub struct CoreMachine {
    settings: CoreMachineSettings,
    phase: Phase,
    peer: Peer,
    gate: PermitGate,
    /// The kinds that its adapters serve, for the hello.
    workers: Option<Vec<WorkerFacts>>,
    jobs: BTreeMap<JobId, KnownJob>,
    /// Hidden values that the supervisor knows of.
    known_secrets: usize,
    /// Kept between inputs for its capacity.
    job_effects: Vec<JobEffect>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Serving,
    Stopping,
    Killing,
    Sweeping,
    Closed,
}

#[derive(Debug)]
struct KnownJob {
    machine: JobMachine,
    has_worker: bool,
}

impl CoreMachine {
    /// A core that has started nothing. `secrets` values are hidden from the beginning on.
    #[must_use]
    pub fn new(settings: CoreMachineSettings, secrets: usize) -> Self {
        Self {
            gate: PermitGate::new(settings.gate),
            workers: None,
            settings,
            phase: Phase::Serving,
            peer: Peer::default(),
            jobs: BTreeMap::new(),
            known_secrets: secrets,
            job_effects: Vec::new(),
        }
    }

    /// Announces the kinds of workers that these adapters serve, and knows the services they depend on.
    #[must_use]
    pub fn with_adapters(mut self, adapters: &Adapters) -> Self {
        self.gate = self.gate.with_providers(Providers::of(adapters));
        self.workers = Some(adapters.descriptions().map(WorkerDescription::facts).collect());
        self
    }

    /// The language of the wire, once it is known.
    #[must_use]
    pub const fn dialect(&self) -> Option<Dialect> {
        self.peer.dialect
    }

    /// Whether the peer takes the job of a warning beside its text.
    #[must_use]
    pub const fn peer_takes_job_warnings(&self) -> bool {
        self.peer.takes_job_warnings
    }

    /// Whether the peer reads the logs of its jobs.
    #[must_use]
    pub const fn peer_reads_logs(&self) -> bool {
        self.peer.reads_logs
    }

    /// Whether the peer takes `resources` events.
    #[must_use]
    pub const fn peer_takes_resources(&self) -> bool {
        self.peer.takes_resources
    }

    /// Permits that are held, and how many can be.
    #[must_use]
    pub fn permits(&self) -> (u32, u32) {
        (self.gate.active(), self.gate.limit())
    }

    /// Whether [`CoreInput::Tick`] may lead to something.
    #[must_use]
    pub fn changes_with_time(&self) -> bool {
        self.gate.changes_with_time()
    }

    /// Jobs that hold a permit by their own account.
    pub fn active_jobs(&self) -> impl Iterator<Item = &JobId> {
        self.jobs.iter().filter(|(_, job)| job.machine.is_active()).map(|(id, _)| id)
    }

    /// Whether [`CoreEffect::Close`] was given.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed)
    }

    /// Handles one input and adds what follows from it to `out`.
    pub fn handle(&mut self, now: CoreTime, input: CoreInput, out: &mut Vec<CoreEffect>) {
        if self.phase == Phase::Closed {
            return;
        }
        match input {
            CoreInput::Start => {
                if !self.settings.awaits_hello {
                    self.greet(out);
                }
            }
            CoreInput::Message(message) => self.message(now, *message, out),
            CoreInput::Malformed { request, why } => self.malformed(request, why, out),
            CoreInput::WireClosed => {
                if self.phase == Phase::Serving {
                    self.stop(now, Cancel::graceful(CancelReason::Parent), out);
                }
            }
            CoreInput::Stop(cancel) => match self.phase {
                Phase::Serving => self.stop(now, cancel, out),
                Phase::Stopping => self.stop(now, Cancel { force: true, ..cancel }, out),
                Phase::Killing | Phase::Sweeping | Phase::Closed => {}
            },
            CoreInput::KillTimer => {
                if self.phase == Phase::Stopping {
                    self.stop(now, Cancel::forced(CancelReason::Parent), out);
                }
            }
            CoreInput::Tick => self.advance_gate(now, out),
            CoreInput::WorkerStarted { job_id, process } => {
                self.job_input(now, &job_id, JobInput::WorkerStarted, out);
                self.report(CoreEvent::WorkerStarted { job_id, process }, out);
            }
            CoreInput::WorkerEnding { job_id, phase, reason, limit } => {
                self.job_input(now, &job_id, JobInput::WorkerEnding, out);
                let limit_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
                self.report(CoreEvent::WorkerEnding { job_id, phase, reason, limit_ms }, out);
            }
            CoreInput::WorkerEnded { job_id, outcome } => {
                self.job_input(now, &job_id, JobInput::WorkerEnded(outcome), out);
                self.sweep_if_idle(out);
            }
            CoreInput::Leaked { job_id, leaked } => self.report(CoreEvent::Leaked { job_id, leaked }, out),
            CoreInput::Warning { job_id, message } => self.warn(job_id, message, out),
            CoreInput::SecretsKnown { count, from_supervisor } => {
                if self.peer.takes_masks && count > self.known_secrets && !from_supervisor {
                    out.push(CoreEffect::ReportSecrets { known: self.known_secrets });
                }
                self.known_secrets = count;
            }
            CoreInput::LeftoversEnded => {
                if self.phase == Phase::Sweeping {
                    self.phase = Phase::Closed;
                    out.push(CoreEffect::Close);
                }
            }
        }
    }
}

/// Its end.
impl CoreMachine {
    /// Ends all jobs, and gives no more permits.
    fn stop(&mut self, now: CoreTime, cancel: Cancel, out: &mut Vec<CoreEffect>) {
        self.gate.close();
        self.phase = if cancel.force { Phase::Killing } else { Phase::Stopping };
        if !cancel.force && self.peer.dialect == Some(Dialect::V1) {
            out.push(CoreEffect::SetKillTimer(OLD_RUNNER_PATIENCE.saturating_sub(self.settings.drain)));
        }
        for id in self.jobs.keys().cloned().collect::<Vec<_>>() {
            self.job_input(now, &id, JobInput::CoreStops(cancel), out);
        }
        self.sweep_if_idle(out);
    }

    fn sweep_if_idle(&mut self, out: &mut Vec<CoreEffect>) {
        let ends = matches!(self.phase, Phase::Stopping | Phase::Killing);
        if ends && !self.jobs.values().any(|job| job.has_worker) {
            self.phase = Phase::Sweeping;
            out.push(CoreEffect::EndLeftovers);
        }
    }
}

impl CoreMachine {
    fn advance_gate(&mut self, now: CoreTime, out: &mut Vec<CoreEffect>) {
        self.gate.advance(now.mono);
        self.report_alerts(now, out);
    }

    fn report_alerts(&mut self, now: CoreTime, out: &mut Vec<CoreEffect>) {
        for alert in self.gate.take_alerts() {
            answer(
                Message::Escalation(Escalation {
                    event: EscalationEvent::Described(Box::new(alert.event(now.utc))),
                }),
                out,
            );
        }
    }
}

fn answer(message: Message, out: &mut Vec<CoreEffect>) {
    out.push(CoreEffect::Answer(Box::new(message)));
}
