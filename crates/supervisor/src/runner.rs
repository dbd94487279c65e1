//! Drives a run: takes what happens one by one, gives it to the machine, and performs what that asks for.
//!
//! What is there at the same time is one turn. It is written down when the turn is over, at once; what the turn leads to
//! outside of this thread comes after that: requests to cores, answers, and the work of tasks, which run between turns.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use futures::FutureExt as _;
use roboppi_attach::{Answer, RunCommand};
use roboppi_ipc::{ProcessIdentity, WorkerEvent};
use roboppi_record::BoundedFile;
use roboppi_run::{AttemptRef, HostId, RunEvent, RunId, RunOutcome};
use roboppi_workflow::RunMachine;
use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinSet, spawn_local};
use tokio::time::Instant;
use tracing::{Instrument, info, warn};

use crate::clock;
use crate::context_dir::Stop;
use crate::control::ControlRequest;
use crate::convert::{duration_ms, host_of};
use crate::core_link::{
    self, CoreLaunch, CoreLink, CoreProgram, HeartbeatSettings, JobReport, LinkEvent, LinkReceiver,
    LinkSender, LinkSettings, Loss, link_events,
};
use crate::host_link::HostLink;
use crate::machine::{CoreRef, RunFinish, SupervisorInput, SupervisorMachine};
use crate::prepare::PreparedRun;
use crate::signals::{SignalEvent, Signals};
use crate::spans;

mod artifacts;
mod checks;
mod context;
mod convergence;
mod facts;
mod fingerprint;
mod groups;
mod hosts;
mod job;
mod metadata;
mod perform;
mod requests;
mod routes;
#[cfg(test)]
mod tests;
mod timers;

use context::{Inbox, RunContext};
use groups::OpenGroup;
use perform::{PreparedAttempt, TaskDone};
use requests::Requests;
use timers::Timers;

/// Inputs of one turn at most: signals and commands are looked at between turns.
const ONE_TURN: usize = 64;

/// Time after a run went on within which a request to stand still is the one it has followed: what stops a job stops each of
/// its processes, and with `--direct` the one in front of the guard passes it on, which may take until then.
const SAME_STOP: Duration = Duration::from_millis(100);

/// Time a core may need beyond grace and drain to end.
const STOP_MARGIN: Duration = Duration::from_secs(5);

/// What is not limited by time.
const FOR_EVER: Duration = Duration::from_secs(365 * 86_400);

/// A number of the run, from which waits follow that are to differ between runs.
fn seed_of(run: &RunId) -> u64 {
    run.as_str().bytes().fold(0, |seed: u64, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte)))
}

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
    /// leave. Gives the signals back. Must be called within a `LocalSet` of a current-thread runtime.
    ///
    /// # Panics
    /// When the run does.
    pub async fn execute(self, launch: CoreLaunch, mut signals: Signals) -> (RunEnd, Signals) {
        let span = spans::run(&self.run_id);
        // A task like those it works with: what they tell one another then wakes no more than that task.
        let running = async move {
            let end = Runner::new(self, launch).run(&mut signals).await;
            (end, signals)
        };
        match spawn_local(running.instrument(span)).await {
            Ok(end) => end,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
}

/// Who commands something: the viewer in this process, or another process that waits for an answer.
#[derive(Default)]
struct CommandOrigin {
    by: Option<ProcessIdentity>,
    user: Option<String>,
    answer: Option<oneshot::Sender<Answer>>,
}

/// What the loop waits for.
enum Event {
    Input(SupervisorInput),
    Command(RunCommand, CommandOrigin),
    Task(TaskDone),
    Suspend,
}

impl Event {
    fn of_task(done: Result<TaskDone, JoinError>) -> Self {
        match done {
            Ok(done) => Self::Task(done),
            // A task is aborted only when the loop is over, and a panic is a defect to be seen.
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
}

struct Runner {
    context: Rc<RunContext>,
    machine: SupervisorMachine,
    inbox: Inbox,
    /// The command that is being answered.
    command: Option<(RunCommand, CommandOrigin)>,
    /// Answers that are given when they are in the record.
    answers: Vec<(oneshot::Sender<Answer>, Answer)>,
    /// Inputs that are being placed, and outputs that are being collected.
    tasks: JoinSet<TaskDone>,
    /// What of that needed no work.
    done_at_once: VecDeque<TaskDone>,
    requests: Requests,
    timers: Timers,
    /// Attempts under way, from their preparation to their end.
    attempts: HashMap<AttemptRef, PreparedAttempt>,
    /// Attempts whose outputs are being collected, and how that is stopped.
    collecting: HashMap<AttemptRef, Stop>,
    /// Subworkflows under way.
    groups: HashMap<AttemptRef, OpenGroup>,
    /// What the first core is.
    launch: Option<CoreLaunch>,
    /// What lost cores are followed by, where they can be.
    successor: Option<CoreProgram>,
    links: BTreeMap<HostId, (CoreRef, CoreLink)>,
    /// The connections below the links to other hosts.
    hosts: BTreeMap<HostId, HostLink>,
    events: LinkSender,
    link_events: LinkReceiver,
    finished: Option<RunFinish>,
    /// When it went on after it had stood still.
    went_on: Option<Instant>,
}

impl Runner {
    fn new(prepared: PreparedRun, launch: CoreLaunch) -> Self {
        let settings = &prepared.settings;
        let kept = settings.resume.iter().flat_map(|resume| &resume.resumed.kept).map(|kept| &kept.step);
        let iterations = settings.resume.iter().flat_map(|resume| &resume.iterations);
        let iterations = iterations.map(|(step, iteration)| (step, *iteration));
        let run = RunMachine::new(&prepared.plan, prepared.plan.concurrency)
            .with_limits(settings.limits)
            .failing_fast(settings.fail_fast)
            .with_seed(seed_of(&prepared.run_id))
            .keeping(kept)
            .continuing(iterations);
        let successor = match &launch {
            CoreLaunch::Program(program) => Some(program.clone()),
            CoreLaunch::Forked(core) => Some(core.program.clone()),
            CoreLaunch::Connected(_) => None,
        };
        let elsewhere: Vec<_> = prepared
            .plan
            .nodes()
            .filter_map(|node| Some((node.path.clone(), host_of(&node.step)?)))
            .collect();
        let (context, inbox) = RunContext::new(prepared);
        let (events, link_events) = link_events();
        Self {
            timers: Timers::new(Rc::clone(&context.clock)),
            context: Rc::new(context),
            machine: SupervisorMachine::new(run, successor.is_some()).with_hosts(elsewhere),
            inbox,
            command: None,
            answers: Vec::new(),
            tasks: JoinSet::new(),
            done_at_once: VecDeque::new(),
            requests: Requests::default(),
            attempts: HashMap::new(),
            collecting: HashMap::new(),
            groups: HashMap::new(),
            launch: Some(launch),
            successor,
            links: BTreeMap::new(),
            hosts: BTreeMap::new(),
            events,
            link_events,
            finished: None,
            went_on: None,
        }
    }

    async fn run(mut self, signals: &mut Signals) -> RunEnd {
        info!(pid = std::process::id(), version = self.context.settings.version, "the run begins");
        self.context.add_workflow_meta(None);
        self.context.recorder().hold();
        self.handle(SupervisorInput::Begin);
        self.end_turn();
        let finish = loop {
            if let Some(finish) = self.finished.take() {
                break finish;
            }
            match self.next(signals).await {
                Event::Suspend => self.suspend(signals).await,
                event => self.turn(event, signals),
            }
        };
        if !finish.left {
            self.stop_cores().await;
        }
        self.end(finish)
    }

    /// Takes what is there, to the end of the run at most, and not beyond a signal: what was sent after that is taken after
    /// that. A core that was signalled with us would else end the run first.
    fn turn(&mut self, event: Event, signals: &Signals) {
        self.context.recorder().hold();
        let mut next = Some(event);
        let mut room = ONE_TURN;
        while let Some(event) = next {
            match event {
                Event::Input(input) => self.handle(input),
                Event::Command(command, origin) => {
                    self.command = Some((command.clone(), origin));
                    self.handle(SupervisorInput::Command(command));
                }
                Event::Task(done) => self.task_done(done),
                Event::Suspend => {}
            }
            room -= 1;
            let goes_on = room > 0 && self.finished.is_none() && !signals.ask_for_the_end();
            next = if goes_on { self.next_of_turn() } else { None };
        }
        self.end_turn();
    }

    /// Something else that has happened by now, of cores and tasks.
    fn next_of_turn(&mut self) -> Option<Event> {
        if let Some(answer) = self.requests.next().now_or_never() {
            return Some(Event::Input(answer));
        }
        if let Some(event) = self.link_events.try_recv() {
            let (host, event) = event;
            return Some(Event::Input(SupervisorInput::Link(host, event)));
        }
        self.tasks.try_join_next().map(Event::of_task)
    }

    /// What happened is in the record when this returns. Only then may others learn of it, or act on it.
    fn end_turn(&mut self) {
        self.context.recorder().release();
        self.context.context.write_metadata();
        for (asked, answer) in self.answers.drain(..) {
            // Whoever asked may have left; the journal has the answer, too.
            let _ = asked.send(answer);
        }
        self.requests.send();
    }

    /// Waits for the next thing to happen. What a core has said comes before timers.
    async fn next(&mut self, signals: &mut Signals) -> Event {
        tokio::select! {
            biased;
            signal = signals.next() => match signal {
                SignalEvent::End(request) => Event::Input(SupervisorInput::Shutdown(request)),
                SignalEvent::Suspend => Event::Suspend,
            },
            Some(command) = self.inbox.commands.recv() => Event::Command(command, CommandOrigin::default()),
            Some(ControlRequest { command, by, user, answer }) = self.inbox.received.recv() => {
                Event::Command(command, CommandOrigin { by, user, answer: Some(answer) })
            }
            answer = self.requests.next() => Event::Input(answer),
            Some((host, event)) = self.link_events.recv() => Event::Input(SupervisorInput::Link(host, event)),
            Some(done) = self.tasks.join_next(), if !self.tasks.is_empty() => Event::of_task(done),
            timer = self.timers.next() => Event::Input(SupervisorInput::Timer(timer)),
        }
    }

    /// Gives an input to the machine and performs what it asks for, and so on with what was done at once.
    fn handle(&mut self, input: SupervisorInput) {
        let mut next = Some(input);
        while let Some(input) = next {
            self.handle_one(input);
            next = self.done_at_once.pop_front().map(|done| self.input_of(done));
        }
    }

    fn handle_one(&mut self, input: SupervisorInput) {
        match &input {
            SupervisorInput::Link(host, LinkEvent::Ready { dialect, .. }) => {
                info!(%host, ?dialect, "the core is ready");
            }
            SupervisorInput::Link(host, LinkEvent::Lost { detail, loss }) => {
                warn!(%host, ?loss, reason = detail.lines().next(), "the core is lost");
                self.links.remove(host);
                self.hosts.remove(host);
            }
            _ => {}
        }
        let mut effects = Vec::new();
        let now = self.context.clock.now();
        self.machine.set_wall_time(now, clock::now());
        self.machine.handle(now, input, &mut effects);
        for effect in effects {
            self.perform(effect);
        }
    }

    /// Starts a core: the first one as it was given, others as the program that may follow it.
    fn connect(&mut self, core: CoreRef) {
        let (launch, host_failure) = if core.host.is_here() {
            let successor = || self.successor.clone().map(CoreLaunch::Program);
            (self.launch.take().or_else(successor), None)
        } else {
            self.reach(&core).map_or((None, None), |(launch, failure)| (Some(launch), Some(failure)))
        };
        let Some(launch) = launch else { return };
        let settings = &self.context.settings;
        let is_far = host_failure.is_some();
        let heartbeat = settings.heartbeat;
        let link = LinkSettings {
            version: settings.version.clone(),
            // A host that is not reached is waited for; whether it answers is known below.
            request_timeout: if is_far { FOR_EVER } else { settings.request_timeout },
            heartbeat: HeartbeatSettings {
                limit: if is_far { FOR_EVER } else { heartbeat.limit },
                ..heartbeat
            },
            needed: Rc::clone(&self.context.needed_kinds),
            stop_patience: settings.longest_grace() + settings.drain + STOP_MARGIN,
            stderr: BoundedFile::core_stderr(&self.context.run_dir).ok(),
            diagnostics: self.context.run_dir.core_log_path(),
            trace: settings.trace.clone(),
            secrets: settings.secrets.hidden.clone(),
            host_failure,
        };
        let context = Rc::clone(&self.context);
        let events = self.events.of(&core.host);
        let counts = context.has_budgets().then(|| events.clone());
        let host = core.host.clone();
        let jobs = Box::new(move |report: JobReport<'_>| match report {
            JobReport::Event(event) => {
                if let (Some(events), WorkerEvent::Usage(usage)) = (&counts, &event.event) {
                    events.send(LinkEvent::Used { job_id: event.job_id.clone(), usage: *usage });
                }
                context.job_event(&host, event);
            }
            JobReport::Completed(completed) => context.job_completed(&host, completed),
        });
        match core_link::connect(launch, link, events, jobs) {
            Ok(link) => {
                self.links.insert(core.host.clone(), (core, link));
            }
            Err(error) => {
                let detail = error.to_string();
                self.events.of(&core.host).send(LinkEvent::Lost { detail, loss: Loss::NotStarted });
            }
        }
    }

    fn answer(&mut self, mut refused: Option<String>) {
        let Some((command, CommandOrigin { by, user, answer })) = self.command.take() else { return };
        refused.iter_mut().for_each(|why| self.context.recorder().hide(why));
        self.context.recorder().event(RunEvent::Command { command, by, user, refused: refused.clone() });
        if let Some(asked) = answer {
            self.answers.push((asked, refused.map_or(Answer::Granted, |why| Answer::Refused { why })));
        }
    }

    /// Stands still: first the workers, then the timers, then this process, until it is continued.
    async fn suspend(&mut self, signals: &mut Signals) {
        if self.went_on.is_some_and(|went_on| went_on.elapsed() < SAME_STOP) {
            return;
        }
        self.pause_workers(true).await;
        let since = Instant::now();
        signals.suspend();
        let suspended_for = since.elapsed();
        self.context.clock.suspended_for(suspended_for);
        let message = format!(
            "the run was suspended for {:.1} s, with its workers and timers",
            suspended_for.as_secs_f64()
        );
        self.context.recorder().warn(message, None);
        self.pause_workers(false).await;
        signals.forget_suspends();
        self.went_on = Some(Instant::now());
    }

    /// Ends the cores, and takes what their guards had to end, and could not.
    async fn stop_cores(&mut self) {
        // Other hosts first, all at once: they take the longest.
        let (here, far): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.links).into_iter().partition(|(host, _)| host.is_here());
        for (_, (_, link)) in far {
            link.stop().await;
        }
        for link in std::mem::take(&mut self.hosts).into_values() {
            link.ended().await;
        }
        self.take_last_words();
        for (_, (_, link)) in here {
            link.stop().await;
            self.take_last_words();
        }
    }

    fn take_last_words(&mut self) {
        self.context.recorder().hold();
        while let Some((host, event)) = self.link_events.try_recv() {
            if let LinkEvent::Message(_) | LinkEvent::Unreachable { .. } | LinkEvent::Reachable { .. } = event
            {
                self.handle(SupervisorInput::Link(host, event));
            }
        }
        self.end_turn();
    }

    /// Writes the end down.
    fn end(mut self, finish: RunFinish) -> RunEnd {
        self.tasks.abort_all();
        self.collecting.values().for_each(Stop::stop);
        self.attempts.values().for_each(PreparedAttempt::stop);
        let RunFinish { outcome, detail, duration, exit_code, .. } = finish;
        self.context.add_workflow_meta(Some(outcome));
        self.context.finish_metadata();
        let duration_ms = duration_ms(duration);
        let flaky = self.context.recorder().flaky_steps();
        self.context.recorder().event(RunEvent::RunFinished {
            outcome,
            exit_code,
            duration_ms,
            detail,
            flaky,
        });
        self.context.finish();
        info!(outcome = outcome.name(), exit_code, ?duration, "the run has ended");
        RunEnd { outcome, exit_code }
    }
}

/// Where a step works: absolute.
fn step_workspace(workspace: &Path, step: &roboppi_workflow::Step) -> PathBuf {
    step.workspace.as_deref().map_or_else(|| workspace.to_owned(), |path| workspace.join(path))
}
