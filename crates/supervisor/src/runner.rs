//! Drives a run: feeds the run machine and performs what it decides.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use roboppi_attach::{Answer, Wish};
use roboppi_ipc::{
    CAPABILITY_EXACT, CancelReason, CoreEvent, Dialect, EndingPhase, Hello, Message, ProcessIdentity,
};
use roboppi_record::CoreStderrWriter;
use roboppi_run::{AttemptPhase, AttemptRef, RunEvent, RunOutcome, StepState, ending_words};
use roboppi_workflow::{AttemptEnd, RunEffect, RunInput, RunMachine, RunTimer, exit_code};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::context_dir::{Collected, Copied, Stop};
use crate::control::Brought;
use crate::core_link::{
    self, CoreLaunch, CoreLink, CoreProgram, LinkEvent, LinkReceiver, LinkSender, LinkSettings, Loss,
    Restart, RestartPolicy, link_events,
};
use crate::prepare::{PreparedRun, RunEnd, millis};
use crate::shutdown::{Asked, ShutdownEffect, ShutdownMachine};
use crate::signals::{Signalled, Signals};

mod artifacts;
mod attempt;
mod fingerprint;
mod metadata;
mod router;
mod shared;

pub use attempt::machine as attempt_machine;

use attempt::AttemptDone;
use router::Router;
use shared::{CoreInUse, Shared, Told};

/// Time a core may need beyond grace and drain to end.
const STOP_MARGIN: Duration = Duration::from_secs(5);

/// Everything that can happen to a run. A closed list: one loop takes them one by one.
enum Happened {
    Link(LinkEvent),
    Attempt(AttemptRef, AttemptDone),
    Collected(AttemptRef, Result<Copied<Collected>, String>),
    Timer(RunTimer),
    Asked(Asked),
    Wished(Wish, Wisher),
    /// A core of protocol 1 gave an attempt its permit.
    Granted(AttemptRef),
    /// The wait before the next core is over.
    StartCore,
}

/// Who wishes something: the viewer in this process, or another process that waits for an answer.
#[derive(Default)]
struct Wisher {
    by: Option<ProcessIdentity>,
    answer: Option<oneshot::Sender<Answer>>,
}

/// A cancel as it is passed to an attempt: why, and whether to kill.
type CancelOrder = Option<(CancelReason, bool)>;

pub(crate) struct Runner {
    shared: Rc<Shared>,
    machine: RunMachine,
    shutdown: ShutdownMachine,
    told: Told,
    /// The wish that is being answered.
    wish: Option<(Wish, Wisher)>,
    tasks: JoinSet<Happened>,
    /// Attempts under way, and how they are told to end.
    attempts: HashMap<AttemptRef, watch::Sender<CancelOrder>>,
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
    pub(crate) fn new(prepared: PreparedRun) -> Self {
        let settings = &prepared.settings;
        let kept = settings.resume.iter().flat_map(|resume| &resume.resumed.kept).map(|kept| &kept.step);
        let machine = RunMachine::new(&settings.workflow.workflow, settings.concurrency()).keeping(kept);
        let (shared, told) = Shared::new(prepared);
        let (events, link_events) = link_events();
        Self {
            shared: Rc::new(shared),
            machine,
            shutdown: ShutdownMachine::default(),
            told,
            wish: None,
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

    pub(crate) async fn run(mut self, launch: CoreLaunch, signals: &mut Signals) -> RunEnd {
        self.shared.write_workflow_meta(None);
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
                    Signalled::End(asked) => Happened::Asked(asked),
                    Signalled::Suspend => {
                        self.suspend(signals).await;
                        continue;
                    }
                },
                Some(wish) = self.told.wishes.recv() => Happened::Wished(wish, Wisher::default()),
                Some(Brought { wish, by, answer }) = self.told.brought.recv() => {
                    Happened::Wished(wish, Wisher { by, answer: Some(answer) })
                }
                Some(event) = self.link_events.recv() => Happened::Link(event),
                Some(of) = self.told.granted.recv() => Happened::Granted(of),
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
        let settings = &self.shared.settings;
        let grace = settings.longest_grace();
        let link = LinkSettings {
            version: settings.version.clone(),
            request_timeout: settings.request_timeout,
            heartbeat: settings.heartbeat,
            stop_patience: grace + settings.drain + STOP_MARGIN,
            stderr: CoreStderrWriter::open(&self.shared.run_dir).ok(),
            trace: settings.trace.clone(),
            secrets: settings.secrets.hidden.clone(),
        };
        let shared = Rc::clone(&self.shared);
        let events = self.events.clone();
        match core_link::connect(launch, link, events, Box::new(move |event| shared.job_event(event))) {
            Ok(link) => self.link = Some(link),
            Err(detail) => {
                self.events.send(LinkEvent::Lost { detail, loss: Loss::NotStarted });
            }
        }
    }

    /// Takes one thing in. Says whether to leave without waiting.
    fn take(&mut self, happened: Happened) -> bool {
        match happened {
            Happened::Link(event) => self.link_event(event),
            Happened::Attempt(of, done) => {
                self.attempts.remove(&of);
                self.shared.attempt_finished(&of, &done);
                // What was lost with the last core the machine learns with that core; what is known is known.
                if self.lost.is_none() || !matches!(done.end, AttemptEnd::Lost { .. }) {
                    self.feed(RunInput::AttemptFinished { of, end: done.end });
                }
            }
            Happened::Collected(of, result) => {
                self.collecting.remove(&of);
                let result = result.map(|collected| self.shared.artifacts_collected(&of, collected));
                self.feed(RunInput::OutputsCollected { of, result });
            }
            Happened::Timer(timer) => self.feed(RunInput::Timer(timer)),
            Happened::Granted(of) => self.attempt_live(of, None),
            Happened::StartCore => {
                if let Some(program) = self.successor.clone() {
                    self.connect(CoreLaunch::Program(program));
                }
            }
            Happened::Wished(wish, wisher) => {
                if self.wished(wish, wisher) {
                    return true;
                }
            }
            Happened::Asked(asked) => {
                let effect = self.shutdown.handle(self.shared.clock.now(), asked);
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

    /// Does what a person wishes, and writes down what comes of it. Says whether to leave without waiting.
    fn wished(&mut self, wish: Wish, wisher: Wisher) -> bool {
        self.wish = Some((wish.clone(), wisher));
        match wish {
            Wish::HangUp => return self.take(Happened::Asked(Asked::Hangup)),
            Wish::LeaveNow => return self.take(Happened::Asked(Asked::Leave)),
            Wish::CancelRun { force } => {
                let effect = self.shutdown.handle(self.shared.clock.now(), Asked::Wish { force });
                self.answer(effect.is_none().then(|| "the run is being ended already".to_owned()));
                return self.shut_down(effect);
            }
            Wish::CancelStep(step) => {
                self.feed(RunInput::CancelStep { step, force: false });
            }
            Wish::RetryStep(step) => {
                self.feed(RunInput::RetryStep { step });
            }
            Wish::SkipStep(step) => {
                self.feed(RunInput::SkipStep { step });
            }
            Wish::Unknown(other) => self.answer(Some(crate::control::not_known(&other))),
        }
        false
    }

    fn answer(&mut self, mut refused: Option<String>) {
        let Some((wish, Wisher { by, answer })) = self.wish.take() else { return };
        refused.iter_mut().for_each(|why| self.shared.recorder().hide(why));
        self.shared.recorder().event(RunEvent::Wish { wish, by, refused: refused.clone() });
        if let Some(answer) = answer {
            // Whoever asked may have left; the journal has the answer, too.
            let _ = answer.send(refused.map_or(Answer::Granted, |why| Answer::Refused { why }));
        }
    }

    /// Says whether to leave without waiting.
    fn shut_down(&mut self, effect: Option<ShutdownEffect>) -> bool {
        match effect {
            Some(ShutdownEffect::Cancel { reason, force }) => self.feed(RunInput::Cancel { reason, force }),
            Some(ShutdownEffect::Leave) => return true,
            None => {}
        }
        false
    }

    /// Stands still: first the workers, then the timers, then this process, until it is continued.
    async fn suspend(&self, signals: &mut Signals) {
        self.shared.stop_workers(true).await;
        let since = Instant::now();
        signals.stand_still();
        let stood_still = since.elapsed();
        self.shared.clock.stood_still(stood_still);
        let message = format!(
            "the run stood still for {:.1} s: its workers and timers did not go on",
            stood_still.as_secs_f64()
        );
        self.shared.recorder().warn(message, None);
        self.shared.stop_workers(false).await;
        signals.forget_suspends();
    }

    fn link_event(&mut self, event: LinkEvent) {
        match event {
            LinkEvent::Ready { dialect, hello } => self.core_ready(dialect, hello),
            LinkEvent::Message(message) => self.message(message),
            LinkEvent::Rubbish { detail } => {
                let message = format!(
                    "the core says things that are no messages, which are ignored; the first: {detail}"
                );
                self.shared.recorder().warn(message, None);
            }
            LinkEvent::WireClosed => self.shared.wire_closed(),
            LinkEvent::Lost { detail, loss } => self.core_lost(detail, loss),
        }
    }

    fn core_ready(&mut self, dialect: Dialect, hello: Option<Hello>) {
        let Some(link) = &self.link else { return };
        let incarnation = self.incarnation;
        let is_able = |hello: &Hello| hello.capabilities.iter().any(|name| name == CAPABILITY_EXACT);
        let takes_bytes = dialect == Dialect::V2 && hello.as_ref().is_some_and(is_able);
        self.shared.core_ready(CoreInUse { dialect, peer: link.peer.clone(), incarnation, takes_bytes });
        let (process, version) = hello.map_or((None, String::new()), |hello| (hello.process, hello.version));
        let protocol = match dialect {
            Dialect::V1 => 1,
            Dialect::V2 => 2,
        };
        self.shared.recorder().event(RunEvent::CoreStarted { incarnation, process, protocol, version });
        if dialect == Dialect::V1 {
            self.shared.core_keeps_no_record();
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
        self.shared.recorder().event(RunEvent::CoreLost { incarnation, detail: detail.clone() });
        let ending = self.shutdown.exit_code().is_some();
        let restart = match self.successor {
            Some(_) if !ending => self.restart.lost(self.shared.clock.now(), loss),
            Some(_) | None => Restart::GiveUp,
        };
        match restart {
            Restart::After(wait) => {
                self.shared.core_awaited(incarnation, &detail);
                self.tasks.spawn_local(async move {
                    sleep(wait).await;
                    Happened::StartCore
                });
            }
            Restart::GiveUp => {
                self.shared.core_lost(incarnation, &detail);
                self.lost = Some(detail);
            }
        }
    }

    fn message(&mut self, message: Message) {
        match message {
            Message::JobCompleted(completed) => self.shared.job_completed(completed),
            Message::CoreEvent(report) => self.core_event(report.event),
            Message::Mask(mask) => self.shared.mask(mask.value),
            Message::Escalation(escalation) => {
                let event = escalation.event;
                let said = match (event["target"].as_str(), event["reason"].as_str()) {
                    (Some(target), Some(reason)) => format!("{target}: {reason}"),
                    _ => event.to_string(),
                };
                self.shared.recorder().warn(format!("the core escalates: {said}"), None);
            }
            // Answers that come too late, and requests, which a core does not make.
            _ => {}
        }
    }

    fn core_event(&mut self, event: CoreEvent) {
        match event {
            CoreEvent::WorkerStarted { job_id, process } => {
                if let Some(of) = self.shared.attempt_of(&job_id) {
                    self.attempt_live(of, Some(process));
                }
            }
            CoreEvent::WorkerEnding { job_id, phase, reason, limit_ms } => {
                if let Some(of) = self.shared.attempt_of(&job_id) {
                    let shown = AttemptPhase::of_ending(phase, reason, limit_ms);
                    self.shared.recorder().event(RunEvent::AttemptPhase { of: of.clone(), phase: shown });
                    if phase != EndingPhase::Draining {
                        self.feed(RunInput::AttemptEnding { of });
                    }
                }
            }
            CoreEvent::Warning { message } => self.core_warns(message),
            report => self.shared.recorder().event(RunEvent::CoreReport { event: report }),
        }
    }

    /// A core knows jobs by their numbers, people know steps.
    fn core_warns(&self, message: String) {
        let of_job = message.strip_prefix("job ").and_then(|rest| rest.split_once(": "));
        let known = of_job.and_then(|(job, said)| Some((self.shared.attempt_of(&job.into())?, said)));
        match known {
            Some((of, said)) => self.shared.recorder().warn(said.to_owned(), Some(of.step)),
            None => self.shared.recorder().warn(message, None),
        }
    }

    fn attempt_live(&mut self, of: AttemptRef, process: Option<roboppi_ipc::ProcessIdentity>) {
        let phase = AttemptPhase::Running { process };
        self.shared.recorder().event(RunEvent::AttemptPhase { of: of.clone(), phase });
        self.feed(RunInput::AttemptLive { of });
    }

    fn feed(&mut self, input: RunInput) {
        let mut effects = Vec::new();
        self.machine.handle(self.shared.clock.now(), input, &mut effects);
        for effect in effects {
            self.perform(effect);
        }
    }

    fn perform(&mut self, effect: RunEffect) {
        match effect {
            RunEffect::StartAttempt { of } => {
                let (order, orders) = watch::channel(None);
                self.attempts.insert(of.clone(), order);
                let shared = Rc::clone(&self.shared);
                self.tasks.spawn_local(async move {
                    let done = attempt::run(&shared, &of, orders).await;
                    Happened::Attempt(of, done)
                });
            }
            RunEffect::CancelAttempt { of, reason, force } => {
                if let Some(order) = self.attempts.get(&of) {
                    order.send_replace(Some((reason, force)));
                }
                if let Some(stop) = self.collecting.get(&of) {
                    stop.stop();
                }
            }
            RunEffect::CollectOutputs { of } => {
                let (shared, stop) = (Rc::clone(&self.shared), Stop::default());
                self.collecting.insert(of.clone(), stop.clone());
                self.tasks.spawn_local(async move {
                    let collected = shared.collect_outputs(&of, stop).await;
                    Happened::Collected(of, collected)
                });
            }
            RunEffect::SetTimer { timer, after } => {
                let clock = Rc::clone(&self.shared.clock);
                self.tasks.spawn_local(async move {
                    clock.wait(after).await;
                    Happened::Timer(timer)
                });
            }
            RunEffect::StepChanged { step, state, detail, allowed_to_fail, duration } => {
                let duration_ms = duration.map(millis);
                let kept = self.shared.kept_from(&step).map(|run| format!("kept from run {run}"));
                if state == StepState::Succeeded && kept.is_none() {
                    self.shared.step_succeeded(&step);
                }
                if state.is_final() && state != StepState::Skipped {
                    self.shared.write_step_meta(&step, state, detail.as_deref(), duration_ms.unwrap_or(0));
                }
                let detail = detail.or(kept);
                let event = RunEvent::StepChanged { step, state, detail, duration_ms, allowed_to_fail };
                self.shared.recorder().event(event);
            }
            RunEffect::Answered { refused } => self.answer(refused),
            RunEffect::RunEnding { reason, force } => {
                let signal = self.shutdown.signal().filter(|_| reason == CancelReason::Parent);
                let signal = signal.map(str::to_owned);
                self.shared.recorder().event(RunEvent::RunEnding { reason, force, signal });
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
            (RunOutcome::Cancelled, Some(detail), self.shared.clock.now().since_origin())
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
        self.shared.write_workflow_meta(Some(outcome));
        self.shared.finish_metadata();
        self.shared.recorder().event(RunEvent::RunFinished {
            outcome,
            exit_code,
            duration_ms: millis(duration),
            detail,
        });
        self.shared.finish();
        RunEnd { outcome, exit_code }
    }
}

/// Where a step works: absolute.
fn step_workspace(workspace: &Path, step: &roboppi_workflow::Step) -> PathBuf {
    step.workspace.as_deref().map_or_else(|| workspace.to_owned(), |path| workspace.join(path))
}
