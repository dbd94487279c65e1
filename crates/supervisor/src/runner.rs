//! Drives a run: feeds the run machine and performs what it decides.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use roboppi_attach::{Answer, RunCommand};
use roboppi_ipc::{
    CAPABILITY_EXACT, Cancel, CancelReason, CoreEvent, Dialect, EndingPhase, Hello, JobId, Message,
    ProcessIdentity,
};
use roboppi_record::BoundedFile;
use roboppi_run::{AttemptPhase, AttemptRef, HostId, RunEvent, RunOutcome, StepState, ending_words};
use roboppi_workflow::{AttemptEnd, IterationDecision, RunEffect, RunInput, RunMachine, RunTimer, exit_code};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tracing::{Instrument, info, warn};

use crate::context_dir::{ArtifactError, Collected, Copied, Stop};
use crate::control::ControlRequest;
use crate::convert::duration_ms;
use crate::core_link::{
    self, CoreLaunch, CoreLink, CoreProgram, LinkEvent, LinkReceiver, LinkSender, LinkSettings, Loss,
    Restart, RestartPolicy, link_events,
};
use crate::prepare::PreparedRun;
use crate::shutdown::{ShutdownEffect, ShutdownMachine, ShutdownRequest};
use crate::signals::{SignalEvent, Signals};
use crate::spans;

mod artifacts;
mod attempt;
mod context;
mod facts;
mod fingerprint;
mod metadata;
mod router;

pub use attempt::machine as attempt_machine;

use context::{ActiveCore, Inbox, RunContext};
use facts::AttemptDone;
use router::Router;

/// Time a core may need beyond grace and drain to end.
const STOP_MARGIN: Duration = Duration::from_secs(5);

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunEnd {
    /// How.
    pub outcome: RunOutcome,
    /// Exit code of the command.
    pub exit_code: u8,
}

impl PreparedRun {
    /// Runs it to its end. When this returns the core has ended too, unless someone asked three times to
    /// leave. Must be called within a `LocalSet` of a current-thread runtime.
    pub async fn execute(self, launch: CoreLaunch, signals: &mut Signals) -> RunEnd {
        let span = spans::run(&self.run_id);
        Runner::new(self).run(launch, signals).instrument(span).await
    }
}

/// Everything that can happen to a run. A closed list: one loop takes them one by one.
enum Event {
    Link(LinkEvent),
    Attempt(AttemptRef, AttemptDone),
    Collected(AttemptRef, Result<Copied<Collected>, ArtifactError>),
    Timer(RunTimer),
    ShutdownRequest(ShutdownRequest),
    Command(RunCommand, CommandOrigin),
    /// A core of protocol 1 gave an attempt its permit.
    Granted(AttemptRef),
    /// The wait before the next core is over.
    StartCore,
}

/// Who commands something: the viewer in this process, or another process that waits for an answer.
#[derive(Default)]
struct CommandOrigin {
    by: Option<ProcessIdentity>,
    answer: Option<oneshot::Sender<Answer>>,
}

pub(crate) struct Runner {
    context: Rc<RunContext>,
    machine: RunMachine,
    shutdown: ShutdownMachine,
    inbox: Inbox,
    /// The command that is being answered.
    command: Option<(RunCommand, CommandOrigin)>,
    tasks: JoinSet<Event>,
    /// Attempts under way, and how they are told to end.
    attempts: HashMap<AttemptRef, watch::Sender<Option<Cancel>>>,
    /// Attempts whose outputs are being collected, and how that is stopped.
    collecting: HashMap<AttemptRef, Stop>,
    /// What lost cores are followed by, where they can be.
    successor: Option<CoreProgram>,
    restart: RestartPolicy,
    incarnation: u32,
    link: Option<CoreLink>,
    events: LinkSender,
    link_events: LinkReceiver,
    begun: bool,
    /// The core is gone for good: what is under way is lost, and the machine learns it when that is written
    /// down.
    lost: Option<String>,
    finished: Option<(RunOutcome, Option<String>, Duration)>,
}

impl Runner {
    fn new(prepared: PreparedRun) -> Self {
        let settings = &prepared.settings;
        let kept = settings.resume.iter().flat_map(|resume| &resume.resumed.kept).map(|kept| &kept.step);
        let machine = RunMachine::new(&prepared.plan, prepared.plan.concurrency).keeping(kept);
        let (context, inbox) = RunContext::new(prepared);
        let (events, link_events) = link_events();
        Self {
            context: Rc::new(context),
            machine,
            shutdown: ShutdownMachine::default(),
            inbox,
            command: None,
            tasks: JoinSet::new(),
            attempts: HashMap::new(),
            collecting: HashMap::new(),
            successor: None,
            restart: RestartPolicy::default(),
            incarnation: 0,
            link: None,
            events,
            link_events,
            begun: false,
            lost: None,
            finished: None,
        }
    }

    async fn run(mut self, launch: CoreLaunch, signals: &mut Signals) -> RunEnd {
        info!(pid = std::process::id(), version = self.context.settings.version, "the run begins");
        self.context.write_workflow_meta(None);
        if let CoreLaunch::Program(program) = &launch {
            self.successor = Some(program.clone());
        }
        self.feed(RunInput::Begin);
        self.connect(launch);
        let mut left = false;
        while self.finished.is_none() && !left {
            let happened = tokio::select! {
                biased;
                signalled = signals.next() => match signalled {
                    SignalEvent::End(asked) => Event::ShutdownRequest(asked),
                    SignalEvent::Suspend => {
                        self.suspend(signals).await;
                        continue;
                    }
                },
                Some(command) = self.inbox.commands.recv() => Event::Command(command, CommandOrigin::default()),
                Some(ControlRequest { command, by, answer }) = self.inbox.brought.recv() => {
                    Event::Command(command, CommandOrigin { by, answer: Some(answer) })
                }
                Some(event) = self.link_events.recv() => Event::Link(event),
                Some(of) = self.inbox.granted.recv() => Event::Granted(of),
                Some(done) = self.tasks.join_next(), if !self.tasks.is_empty() => match done {
                    Ok(happened) => happened,
                    // A task is aborted only when this loop is over, and a panic is a defect to be seen.
                    Err(error) => std::panic::resume_unwind(error.into_panic()),
                },
            };
            left = self.take(happened);
        }
        if let (Some(link), false) = (self.link.take(), left) {
            link.stop().await;
            // What its guard had to end, and could not.
            while let Some(event) = self.link_events.try_recv() {
                if let LinkEvent::Message(message) = event {
                    self.message(message);
                }
            }
        }
        self.end()
    }

    fn connect(&mut self, launch: CoreLaunch) {
        self.incarnation += 1;
        let settings = &self.context.settings;
        let grace = settings.longest_grace();
        let link = LinkSettings {
            version: settings.version.clone(),
            request_timeout: settings.request_timeout,
            heartbeat: settings.heartbeat,
            stop_patience: grace + settings.drain + STOP_MARGIN,
            stderr: BoundedFile::core_stderr(&self.context.run_dir).ok(),
            trace: settings.trace.clone(),
            diagnostics: self.context.run_dir.core_log_path(),
            secrets: settings.secrets.hidden.clone(),
            needed: Rc::clone(&self.context.needed_kinds),
        };
        let context = Rc::clone(&self.context);
        let events = self.events.clone();
        match core_link::connect(launch, link, events, Box::new(move |event| context.job_event(event))) {
            Ok(link) => self.link = Some(link),
            Err(detail) => {
                self.events.send(LinkEvent::Lost { detail, loss: Loss::NotStarted });
            }
        }
    }

    /// Takes one thing in. Says whether to leave without waiting.
    fn take(&mut self, happened: Event) -> bool {
        match happened {
            Event::Link(event) => self.link_event(event),
            Event::Attempt(of, done) => {
                self.attempts.remove(&of);
                self.context.attempt_finished(&of, &done);
                // What was lost with the last core the machine learns with that core; what is known is known.
                if self.lost.is_none() || !matches!(done.end, AttemptEnd::Lost { .. }) {
                    self.feed(RunInput::AttemptFinished { of, end: done.end });
                }
            }
            Event::Collected(of, result) => {
                self.collecting.remove(&of);
                let result = result.map(|collected| self.context.artifacts_collected(&of, collected));
                let result = result.map_err(|error| error.to_string());
                self.feed(RunInput::OutputsCollected { of, result });
            }
            Event::Timer(timer) => self.feed(RunInput::Timer(timer)),
            Event::Granted(of) => self.attempt_live(of, None),
            Event::StartCore => {
                if let Some(program) = self.successor.clone() {
                    self.connect(CoreLaunch::Program(program));
                }
            }
            Event::Command(command, origin) => {
                if self.requested(command, origin) {
                    return true;
                }
            }
            Event::ShutdownRequest(asked) => {
                let effect = self.shutdown.handle(self.context.clock.now(), asked);
                if self.shut_down(effect) {
                    return true;
                }
            }
        }
        if let (Some(detail), true) = (&self.lost, self.attempts.is_empty()) {
            let detail = detail.clone();
            self.feed(RunInput::CoreLost { detail });
        }
        false
    }

    /// Performs a command, and records it with its outcome. Says whether to leave without waiting.
    fn requested(&mut self, command: RunCommand, origin: CommandOrigin) -> bool {
        self.command = Some((command.clone(), origin));
        match command {
            RunCommand::HangUp => return self.take(Event::ShutdownRequest(ShutdownRequest::Hangup)),
            RunCommand::LeaveNow => return self.take(Event::ShutdownRequest(ShutdownRequest::Leave)),
            RunCommand::CancelRun { force } => {
                let effect =
                    self.shutdown.handle(self.context.clock.now(), ShutdownRequest::Command { force });
                self.answer(effect.is_none().then(|| "the run is being ended already".to_owned()));
                return self.shut_down(effect);
            }
            RunCommand::CancelStep(step) => {
                self.feed(RunInput::CancelStep { step, force: false });
            }
            RunCommand::RetryStep(step) => {
                self.feed(RunInput::RetryStep { step });
            }
            RunCommand::SkipStep(step) => {
                self.feed(RunInput::SkipStep { step });
            }
            RunCommand::Unknown(other) => self.answer(Some(crate::control::not_known(&other))),
        }
        false
    }

    fn answer(&mut self, mut refused: Option<String>) {
        let Some((command, CommandOrigin { by, answer })) = self.command.take() else { return };
        refused.iter_mut().for_each(|why| self.context.recorder().hide(why));
        self.context.recorder().event(RunEvent::Command { command, by, refused: refused.clone() });
        if let Some(answer) = answer {
            // Whoever asked may have left; the journal has the answer, too.
            let _ = answer.send(refused.map_or(Answer::Granted, |why| Answer::Refused { why }));
        }
    }

    /// Says whether to leave without waiting.
    fn shut_down(&mut self, effect: Option<ShutdownEffect>) -> bool {
        match effect {
            Some(ShutdownEffect::Cancel(cancel)) => self.feed(RunInput::Cancel(cancel)),
            Some(ShutdownEffect::Leave) => return true,
            None => {}
        }
        false
    }

    /// Stands still: first the workers, then the timers, then this process, until it is continued.
    async fn suspend(&self, signals: &mut Signals) {
        self.context.stop_workers(true).await;
        let since = Instant::now();
        signals.suspend();
        let suspended_for = since.elapsed();
        self.context.clock.suspended_for(suspended_for);
        let message = format!(
            "the run was suspended for {:.1} s, with its workers and timers",
            suspended_for.as_secs_f64()
        );
        self.context.recorder().warn(message, None);
        self.context.stop_workers(false).await;
        signals.forget_suspends();
    }

    fn link_event(&mut self, event: LinkEvent) {
        match event {
            LinkEvent::Ready { dialect, hello, .. } => self.core_ready(dialect, hello),
            LinkEvent::Message(message) => self.message(message),
            LinkEvent::Malformed { detail } => {
                let message = format!(
                    "the core sends lines that are not messages, which are ignored; the first: {detail}"
                );
                self.context.recorder().warn(message, None);
            }
            LinkEvent::WireClosed => self.context.wire_closed(),
            LinkEvent::Lost { detail, loss } => self.core_lost(detail, loss),
        }
    }

    fn core_ready(&mut self, dialect: Dialect, hello: Option<Hello>) {
        let Some(link) = &self.link else { return };
        let incarnation = self.incarnation;
        let is_able = |hello: &Hello| hello.capabilities.iter().any(|name| name == CAPABILITY_EXACT);
        let takes_bytes = dialect == Dialect::V2 && hello.as_ref().is_some_and(is_able);
        info!(incarnation, ?dialect, "the core is ready");
        self.context.core_ready(ActiveCore { dialect, peer: link.peer.clone(), incarnation, takes_bytes });
        let workers = self.context.needed_kinds.foreign(hello.as_ref());
        let (process, version) = hello.map_or((None, String::new()), |hello| (hello.process, hello.version));
        let protocol = match dialect {
            Dialect::V1 => 1,
            Dialect::V2 => 2,
        };
        self.context.recorder().event(RunEvent::CoreStarted {
            host: HostId::here(),
            incarnation,
            process,
            protocol,
            version,
            workers,
        });
        if dialect == Dialect::V1 {
            self.context.core_keeps_no_record();
        }
        if !std::mem::replace(&mut self.begun, true) {
            self.feed(RunInput::Start);
        }
    }

    /// The core is gone, and so is every process it started. What it ran is lost; what is still to come
    /// gets a successor, unless the run is being ended or another one is of no use.
    fn core_lost(&mut self, detail: String, loss: Loss) {
        self.link = None;
        let incarnation = self.incarnation;
        warn!(incarnation, ?loss, reason = detail.lines().next(), "the core is lost");
        self.context.recorder().event(RunEvent::CoreLost {
            host: HostId::here(),
            incarnation,
            detail: detail.clone(),
        });
        let ending = self.shutdown.exit_code().is_some();
        let restart = match self.successor {
            Some(_) if !ending => self.restart.lost(self.context.clock.now(), loss),
            Some(_) | None => Restart::GiveUp,
        };
        match restart {
            Restart::After(wait) => {
                self.context.core_awaited(incarnation, &detail);
                self.tasks.spawn_local(async move {
                    sleep(wait).await;
                    Event::StartCore
                });
            }
            Restart::GiveUp => {
                self.context.core_lost(incarnation, &detail);
                self.lost = Some(detail);
            }
        }
    }

    fn message(&mut self, message: Message) {
        match message {
            Message::JobCompleted(completed) => self.context.job_completed(completed),
            Message::CoreEvent(report) => self.core_event(report.event),
            Message::Mask(mask) => self.context.mask(mask.value),
            Message::Escalation(escalation) => {
                let summary = escalation.event.summary();
                self.context.recorder().warn(format!("the core escalates: {summary}"), None);
            }
            // Answers that come too late, and requests, which a core does not make.
            _ => {}
        }
    }

    fn core_event(&mut self, event: CoreEvent) {
        match event {
            CoreEvent::WorkerStarted { job_id, process } => {
                if let Some(of) = self.context.attempt_of(&job_id) {
                    self.attempt_live(of, Some(process));
                }
            }
            CoreEvent::WorkerEnding { job_id, phase, reason, limit_ms } => {
                if let Some(of) = self.context.attempt_of(&job_id) {
                    let shown = AttemptPhase::of_ending(phase, reason, limit_ms);
                    self.context.recorder().event(RunEvent::AttemptPhase { of: of.clone(), phase: shown });
                    if phase != EndingPhase::Draining {
                        self.feed(RunInput::AttemptEnding { of });
                    }
                }
            }
            event @ CoreEvent::Warning { .. } => self.core_warns(event),
            report => {
                self.context.recorder().event(RunEvent::CoreReport { host: HostId::here(), event: report })
            }
        }
    }

    /// A core knows jobs by their numbers, people know steps.
    fn core_warns(&self, event: CoreEvent) {
        let attempt_of = |job: &Option<JobId>| job.as_ref().and_then(|job| self.context.attempt_of(job));
        if let CoreEvent::Warning { job_id, message } = event.clone().with_job_from_text()
            && let Some(of) = attempt_of(&job_id)
        {
            self.context.recorder().warn(message, Some(of.step));
        } else if let CoreEvent::Warning { message, .. } = event.with_job_in_text() {
            self.context.recorder().warn(message, None);
        }
    }

    fn attempt_live(&mut self, of: AttemptRef, process: Option<roboppi_ipc::ProcessIdentity>) {
        let phase = AttemptPhase::Running { process };
        self.context.recorder().event(RunEvent::AttemptPhase { of: of.clone(), phase });
        self.feed(RunInput::AttemptLive { of });
    }

    fn feed(&mut self, input: RunInput) {
        let mut effects = Vec::new();
        self.machine.handle(self.context.clock.now(), input, &mut effects);
        for effect in effects {
            self.perform(effect);
        }
    }

    fn perform(&mut self, effect: RunEffect) {
        match effect {
            RunEffect::StartAttempt { of } => {
                let (order, orders) = watch::channel(None);
                self.attempts.insert(of.clone(), order);
                let (context, span) = (Rc::clone(&self.context), spans::attempt(&of));
                let attempt = async move {
                    let done = attempt::run(&context, &of, orders).await;
                    info!(status = done.result.status.name(), "the attempt has ended");
                    Event::Attempt(of, done)
                };
                self.tasks.spawn_local(attempt.instrument(span));
            }
            RunEffect::CancelAttempt { of, cancel } => {
                if let Some(order) = self.attempts.get(&of) {
                    order.send_replace(Some(cancel));
                }
                if let Some(stop) = self.collecting.get(&of) {
                    stop.stop();
                }
            }
            RunEffect::CollectOutputs { of } => {
                let (context, stop) = (Rc::clone(&self.context), Stop::default());
                self.collecting.insert(of.clone(), stop.clone());
                self.tasks.spawn_local(async move {
                    let collected = context.collect_outputs(&of, stop).await;
                    Event::Collected(of, collected)
                });
            }
            RunEffect::DecideIteration { of } => {
                // No workflow of this version has a step that is repeated.
                let detail = "this version has no decisions".to_owned();
                self.feed(RunInput::IterationDecided { of, decision: IterationDecision::Unknown { detail } });
            }
            RunEffect::IterationStarted { step, iteration, max_iterations, detail } => {
                let event = RunEvent::IterationStarted { step, iteration, max_iterations, detail };
                self.context.recorder().event(event);
            }
            RunEffect::PlanExtended { nodes } => self.context.plan_extended(nodes),
            RunEffect::ExtensionRefused { why } => {
                self.context.recorder().warn(format!("the plan could not be extended: {why}"), None);
            }
            RunEffect::SetTimer { timer, after } => {
                let clock = Rc::clone(&self.context.clock);
                self.tasks.spawn_local(async move {
                    clock.wait(after).await;
                    Event::Timer(timer)
                });
            }
            RunEffect::StepChanged { step, state, detail, allowed_to_fail, duration } => {
                let duration_ms = duration.map(duration_ms);
                let kept = self.context.kept_from(&step).map(|run| format!("kept from run {run}"));
                if state == StepState::Succeeded && kept.is_none() {
                    self.context.step_succeeded(&step);
                }
                if state.is_final() && state != StepState::Skipped {
                    self.context.write_step_meta(&step, state, detail.as_deref(), duration_ms.unwrap_or(0));
                }
                let detail = detail.or(kept);
                let event = RunEvent::StepChanged { step, state, detail, duration_ms, allowed_to_fail };
                self.context.recorder().event(event);
            }
            RunEffect::Answered { refused } => self.answer(refused),
            RunEffect::RunEnding(Cancel { reason, force }) => {
                let signal = self.shutdown.signal().filter(|_| reason == CancelReason::Parent);
                let signal = signal.map(str::to_owned);
                self.context.recorder().event(RunEvent::RunEnding { reason, force, signal });
            }
            RunEffect::Finish { outcome, detail, duration } => {
                self.finished = Some((outcome, detail, duration));
            }
        }
    }

    /// Writes the end down.
    fn end(mut self) -> RunEnd {
        self.tasks.abort_all();
        self.collecting.values().for_each(Stop::stop);
        let (outcome, detail, duration) = self.finished.take().unwrap_or_else(|| {
            let detail = "left before all workers had ended".to_owned();
            (RunOutcome::Cancelled, Some(detail), self.context.clock.now().since_origin())
        });
        let detail = match self.shutdown.signal() {
            Some(signal) if outcome == RunOutcome::Cancelled => {
                Some(ending_words(CancelReason::Parent, Some(signal)))
            }
            _ => detail,
        };
        let exit_code = match (outcome, self.shutdown.exit_code()) {
            (RunOutcome::Cancelled, Some(code)) => code,
            _ => exit_code(outcome, None),
        };
        self.context.write_workflow_meta(Some(outcome));
        self.context.finish_metadata();
        info!(outcome = outcome.name(), exit_code, ?duration, "the run has ended");
        self.context.recorder().event(RunEvent::RunFinished {
            outcome,
            exit_code,
            duration_ms: duration_ms(duration),
            detail,
        });
        self.context.finish();
        RunEnd { outcome, exit_code }
    }
}

/// Where a step works: absolute.
fn step_workspace(workspace: &Path, step: &roboppi_workflow::Step) -> PathBuf {
    step.workspace.as_deref().map_or_else(|| workspace.to_owned(), |path| workspace.join(path))
}
