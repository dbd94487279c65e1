//! Decides the life of one run and of all that serves it: the run itself, those who ask for its end, its cores, and its
//! attempts.
//!
//! ```text
//!   commands, signals ──► ShutdownMachine ─┐
//!   timers ────────────────────────────────┼──► RunMachine ──► attempts to start and to end
//!   links ──► core slots ──┐               │                        │
//!   links ──► routes ──────┴──► AttemptMachine, one for each ◄──────┘
//!                                  │      └──► requests to cores
//!                                  └── AttemptFinished ──► RunMachine
//!
//!              Begin           first core Ready                     RunMachine finishes
//!   (created) ───────► Begun ─────────────────► Started ───────────────────────────────► Over
//!                        └──────────── a third request to end, LeaveNow ─────────────────►┘
//! ```
//!
//! * The machines in here talk to each other through this one only. What an attempt or a core means for the run waits until
//!   the present input is dealt with, so no machine is entered twice.
//! * An attempt is under way from its start until nothing of it is left. It waits for a core of its host, is handed to that
//!   core and stays with it; a route leads from its job to it for as long.
//! * A core that is lost ends all attempts that were handed to it, and no other ones. While another core may come the others
//!   wait for it.
//! * When no core will come any more, lost attempts are not told to the run one by one, which would try them again: it learns
//!   of the loss once, when nothing is under way. What is known of an attempt it learns nevertheless.
//! * [`SupervisorEffect::Finish`] comes exactly once. After the run was left, inputs change nothing.

pub mod attempt;
mod attempt_done;
mod attempts;
mod cores;
mod effect;
mod input;
mod messages;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use roboppi_ipc::{Cancel, CancelReason, Dialect, JobId, Mono, UtcMillis};
use roboppi_run::{AttemptRef, HostId, RunCommand, RunEvent, RunOutcome, StepPath, ending_words};
use roboppi_workflow::{RunEffect, RunInput, RunMachine, TRY_AGAIN_LATER, Used, exit_code};

use self::attempt::{AttemptInput, AttemptMachine};
use self::attempts::Attempts;
use self::cores::{ActiveCore, CoreSlots, CoreStatus};
use crate::core_link::LinkEvent;
use crate::shutdown::{ShutdownEffect, ShutdownMachine, ShutdownRequest};

pub use attempt_done::AttemptDone;
pub use effect::{AttemptRequest, CoreRef, Delay, RunFinish, SupervisorEffect, SupervisorTimer};
pub use input::{AttemptTask, SupervisorInput};

/// The life of one run and of all that serves it.
#[derive(Debug)]
pub struct SupervisorMachine {
    run: RunMachine,
    shutdown: ShutdownMachine,
    cores: CoreSlots,
    /// Steps that work on another host.
    elsewhere: BTreeMap<StepPath, HostId>,
    attempts: Attempts,
    /// What the run is told next.
    news: VecDeque<RunInput>,
    /// The first core was asked for.
    begun: bool,
    /// There was a core, so the run has started.
    started: bool,
    /// The run knows that there will be no core any more.
    reported_loss: bool,
    /// [`SupervisorEffect::Finish`] was given.
    over: bool,
    /// It was given without waiting for anything.
    left: bool,
    /// Usage limits are the only reason for which the run failed.
    is_limited: bool,
}

impl SupervisorMachine {
    /// A run that has not begun. `restartable`: a core that is lost can be followed by another one.
    #[must_use]
    pub fn new(run: RunMachine, restartable: bool) -> Self {
        Self {
            run,
            shutdown: ShutdownMachine::default(),
            cores: CoreSlots::here(restartable),
            elsewhere: BTreeMap::new(),
            attempts: Attempts::default(),
            news: VecDeque::new(),
            begun: false,
            started: false,
            reported_loss: false,
            over: false,
            left: false,
            is_limited: false,
        }
    }

    /// The same with steps that work on other hosts.
    #[must_use]
    pub fn with_hosts(mut self, steps: impl IntoIterator<Item = (StepPath, HostId)>) -> Self {
        self.elsewhere.extend(steps);
        self.elsewhere.values().for_each(|host| self.cores.add(host.clone()));
        self
    }

    /// Takes one input in and appends what is to be done. Inputs that come late or make no sense change nothing.
    pub fn handle(&mut self, now: Mono, input: SupervisorInput, out: &mut Vec<SupervisorEffect>) {
        if self.left {
            return;
        }
        match input {
            SupervisorInput::Begin => {
                self.news.push_back(RunInput::Begin);
                if !std::mem::replace(&mut self.begun, true) {
                    for host in self.cores.hosts() {
                        self.connect(&host, out);
                    }
                }
            }
            SupervisorInput::Link(host, event) => self.link(now, &host, event, out),
            SupervisorInput::AttemptPrepared { of, result } => self.prepared(&of, result, out),
            SupervisorInput::Attempt { of, input } => self.attempt(&of, input, out),
            SupervisorInput::OutputsCollected { of, result } => {
                self.news.push_back(RunInput::OutputsCollected { of, result });
            }
            SupervisorInput::GroupOpened { of, result } => {
                self.news.push_back(RunInput::GroupOpened { of, result });
            }
            SupervisorInput::IterationDecided { of, decision } => {
                self.news.push_back(RunInput::IterationDecided { of, decision });
            }
            SupervisorInput::Timer(SupervisorTimer::Run(timer)) => {
                self.news.push_back(RunInput::Timer(timer));
            }
            SupervisorInput::Timer(SupervisorTimer::Attempt(of, epoch)) => {
                self.attempt(&of, AttemptInput::Timer(epoch), out);
            }
            SupervisorInput::Timer(SupervisorTimer::Restart(host)) => self.connect(&host, out),
            SupervisorInput::Shutdown(request) => {
                self.shut_down(now, request, out);
            }
            SupervisorInput::Command(command) => self.command(now, command, out),
        }
        self.settle(now, out);
    }

    /// Takes in which time of day it is, by which usage limits end.
    pub const fn set_wall_time(&mut self, now: Mono, wall: UtcMillis) {
        self.run.set_wall_time(now, wall);
    }

    /// The run itself.
    #[must_use]
    pub const fn run(&self) -> &RunMachine {
        &self.run
    }

    /// Requests to end the run, and how far they have gone.
    #[must_use]
    pub const fn shutdown(&self) -> &ShutdownMachine {
        &self.shutdown
    }

    /// Whether there will be no core any more.
    #[must_use]
    pub fn has_given_up(&self) -> bool {
        self.cores.all_lost().is_some()
    }

    /// Attempts that are not over, in the order of their names.
    pub fn attempts(&self) -> impl Iterator<Item = &AttemptRef> {
        self.attempts.under_way()
    }

    /// The machine of an attempt that is not over.
    #[must_use]
    pub fn attempt_machine(&self, of: &AttemptRef) -> Option<&AttemptMachine> {
        self.attempts.machine(of)
    }

    /// The jobs of cores that can be paused, which those of protocol 1 cannot.
    pub fn pausable_jobs(&self) -> impl Iterator<Item = (&CoreRef, &JobId)> {
        self.attempts.jobs().filter_map(|(core, dialect, job)| {
            let slot = self.cores.get(&core.host)?;
            let answers = matches!(slot.status(), CoreStatus::Ready(active) if active.core == *core);
            (answers && dialect == Dialect::V2).then_some((core, job))
        })
    }

    fn connect(&mut self, host: &HostId, out: &mut Vec<SupervisorEffect>) {
        out.extend(self.cores.next(host).map(SupervisorEffect::Connect));
    }

    /// Does what a person asks for. What comes of it is said before it is done.
    fn command(&mut self, now: Mono, command: RunCommand, out: &mut Vec<SupervisorEffect>) {
        match command {
            RunCommand::HangUp => {
                self.shut_down(now, ShutdownRequest::Hangup, out);
            }
            RunCommand::LeaveNow => {
                self.shut_down(now, ShutdownRequest::Leave, out);
            }
            RunCommand::CancelRun { force } => {
                let effect = self.shut_down(now, ShutdownRequest::Command { force }, out);
                let refused = effect.is_none().then(|| "the run is being ended already".to_owned());
                out.push(SupervisorEffect::Answer { refused });
            }
            RunCommand::CancelStep(step) => {
                self.news.push_back(RunInput::CancelStep { step, force: false });
            }
            RunCommand::RetryStep(step) => self.news.push_back(RunInput::RetryStep { step }),
            RunCommand::SkipStep(step) => self.news.push_back(RunInput::SkipStep { step }),
            RunCommand::Unknown(other) => {
                out.push(SupervisorEffect::Answer { refused: Some(crate::control::not_known(&other)) });
            }
        }
    }

    fn shut_down(
        &mut self,
        now: Mono,
        request: ShutdownRequest,
        out: &mut Vec<SupervisorEffect>,
    ) -> Option<ShutdownEffect> {
        let effect = self.shutdown.handle(now, request);
        match effect {
            Some(ShutdownEffect::Cancel(cancel)) => self.news.push_back(RunInput::Cancel(cancel)),
            Some(ShutdownEffect::Leave) if !self.over => {
                self.left = true;
                let detail = Some("left before all workers had ended".to_owned());
                self.finish(RunOutcome::Cancelled, detail, now.since_origin(), out);
            }
            Some(ShutdownEffect::Leave) | None => {}
        }
        effect
    }

    fn link(&mut self, now: Mono, host: &HostId, event: LinkEvent, out: &mut Vec<SupervisorEffect>) {
        let ending = self.shutdown.exit_code().is_some();
        let Some(slot) = self.cores.get_mut(host) else { return };
        let core = CoreRef { host: host.clone(), incarnation: slot.incarnation() };
        match event {
            LinkEvent::Ready { dialect, hello, workers } => {
                let capabilities =
                    hello.as_ref().map(|hello| hello.capabilities.as_slice()).unwrap_or_default();
                let is_able = |capability: &str| {
                    dialect == Dialect::V2 && capabilities.iter().any(|name| name == capability)
                };
                let takes_bytes = is_able(roboppi_ipc::CAPABILITY_EXACT);
                let sets_agents_up = is_able(roboppi_ipc::CAPABILITY_AGENT_SETUP);
                let incarnation = core.incarnation;
                let named = hello.as_ref().and_then(|hello| hello.workers.as_ref()).into_iter().flatten();
                let named = named.map(|facts| facts.kind).collect();
                slot.ready(ActiveCore { core, dialect, takes_bytes, sets_agents_up, named });
                let (process, version) =
                    hello.map_or((None, String::new()), |hello| (hello.process, hello.version));
                let protocol = match dialect {
                    Dialect::V1 => 1,
                    Dialect::V2 => 2,
                };
                let host = host.clone();
                out.push(SupervisorEffect::Record(RunEvent::CoreStarted {
                    host,
                    incarnation,
                    process,
                    protocol,
                    version,
                    workers,
                }));
                if dialect == Dialect::V1 {
                    out.push(SupervisorEffect::CoreKeepsNoRecord);
                }
                if !std::mem::replace(&mut self.started, true) {
                    self.news.push_back(RunInput::Start);
                }
                self.offer_cores(out);
            }
            LinkEvent::Message(message) => self.message(host, message, out),
            LinkEvent::Used { job_id, usage } => {
                if let Some(of) = self.attempts.of_job(host, &job_id).cloned() {
                    self.news.push_back(RunInput::AttemptUsed {
                        of,
                        used: Used::from(&usage),
                        is_last: false,
                    });
                }
            }
            LinkEvent::Malformed { detail } => {
                let message = format!(
                    "the core sends lines that are not messages, which are ignored; the first: {detail}"
                );
                out.push(SupervisorEffect::Record(RunEvent::Warning { message, step: None }));
            }
            event @ (LinkEvent::Installed { .. }
            | LinkEvent::Unreachable { .. }
            | LinkEvent::Reachable { .. }) => {
                out.push(SupervisorEffect::Record(reach(host, &event)));
            }
            LinkEvent::WireClosed => slot.wire_closed(),
            LinkEvent::Lost { detail, loss } => {
                let restart = slot.lost(now, loss, &detail, ending);
                let (host, incarnation) = (host.clone(), core.incarnation);
                let event = RunEvent::CoreLost { host: host.clone(), incarnation, detail: detail.clone() };
                out.push(SupervisorEffect::Record(event));
                if let Some(wait) = restart {
                    let timer = SupervisorTimer::Restart(host);
                    out.push(SupervisorEffect::SetTimer { timer, after: Delay::Exactly(wait) });
                }
                self.core_gone(&core, &detail, out);
                self.offer_cores(out);
            }
        }
    }

    /// Tells the run what it is to be told, until it has nothing more to say to that.
    fn settle(&mut self, now: Mono, out: &mut Vec<SupervisorEffect>) {
        let mut effects = Vec::new();
        loop {
            while let Some(input) = self.news.pop_front() {
                self.run.handle(now, input, &mut effects);
                for effect in effects.drain(..) {
                    self.run_effect(effect, out);
                }
            }
            match self.cores.all_lost() {
                Some(detail) if !self.reported_loss && self.attempts.is_empty() && !self.left => {
                    let detail = detail.to_owned();
                    self.reported_loss = true;
                    self.news.push_back(RunInput::CoreLost { detail });
                }
                Some(_) | None => return,
            }
        }
    }

    fn run_effect(&mut self, effect: RunEffect, out: &mut Vec<SupervisorEffect>) {
        match effect {
            RunEffect::StartAttempt { of, continues } => self.start_attempt(of, continues, out),
            RunEffect::CancelAttempt { of, cancel } => {
                if self.attempts.contains(&of) {
                    self.attempt(&of, AttemptInput::Order(cancel), out);
                } else {
                    out.push(SupervisorEffect::StopCollecting { of });
                }
            }
            RunEffect::SetTimer { timer, after } => {
                let timer = SupervisorTimer::Run(timer);
                out.push(SupervisorEffect::SetTimer { timer, after: Delay::Exactly(after) });
            }
            RunEffect::BudgetSpent { detail } => {
                let message = format!("{detail}; agents are ended, and no other one starts");
                out.push(SupervisorEffect::Record(RunEvent::Warning { message, step: None }));
            }
            RunEffect::Answered { refused } => out.push(SupervisorEffect::Answer { refused }),
            RunEffect::RunEnding(Cancel { reason, force }) => {
                let signal = self.shutdown.signal_for(reason).map(str::to_owned);
                out.push(SupervisorEffect::Record(RunEvent::RunEnding { reason, force, signal }));
            }
            RunEffect::Finish { outcome, detail, duration, is_limited } => {
                if !self.over {
                    self.is_limited = is_limited;
                    self.finish(outcome, detail, duration, out);
                }
            }
            RunEffect::IterationStarted { step, iteration, max_iterations, detail } => {
                let event = RunEvent::IterationStarted { step, iteration, max_iterations, detail };
                out.push(SupervisorEffect::Record(event));
            }
            RunEffect::ExtensionRefused { why } => {
                let message = format!("the plan could not be extended: {why}");
                out.push(SupervisorEffect::Record(RunEvent::Warning { message, step: None }));
            }
            effect @ (RunEffect::CollectOutputs { .. }
            | RunEffect::DecideIteration { .. }
            | RunEffect::OpenGroup { .. }
            | RunEffect::GroupClosed { .. }
            | RunEffect::StepChanged { .. }
            | RunEffect::PlanExtended { .. }) => out.push(SupervisorEffect::Run(effect)),
        }
    }

    fn finish(
        &mut self,
        outcome: RunOutcome,
        detail: Option<String>,
        duration: std::time::Duration,
        out: &mut Vec<SupervisorEffect>,
    ) {
        self.over = true;
        let cancelled = outcome == RunOutcome::Cancelled;
        let detail = match self.shutdown.signal().filter(|_| cancelled) {
            Some(signal) => Some(ending_words(CancelReason::Parent, Some(signal))),
            None => detail,
        };
        let exit_code = match self.shutdown.exit_code().filter(|_| cancelled) {
            Some(code) => code,
            None if self.is_limited => TRY_AGAIN_LATER,
            None => exit_code(outcome, None),
        };
        let left = self.left;
        out.push(SupervisorEffect::Finish(RunFinish { outcome, detail, duration, exit_code, left }));
    }
}

/// Whether a host can be reached, for people.
fn reach(host: &HostId, event: &LinkEvent) -> RunEvent {
    let message = match event {
        LinkEvent::Reachable { after, expired } => {
            let end = if *expired { "; its lease had expired by then" } else { "" };
            format!("the host {host} is reachable again after {:.1} s{end}", after.as_secs_f64())
        }
        LinkEvent::Installed { path, bytes } => {
            let mib = bytes.div_ceil(1 << 20);
            format!("the host {host} had no roboppi of this version: copied to {path} ({mib} MiB)")
        }
        LinkEvent::Unreachable { detail } => {
            format!("the host {host} is unreachable, what runs there goes on within its lease: {detail}")
        }
        _ => String::new(),
    };
    RunEvent::Warning { message, step: None }
}
