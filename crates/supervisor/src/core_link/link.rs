//! One core, from its start to its end.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use roboppi_ipc::io::{Peer, PeerDriver, PeerEvent, PeerOptions, Trace};
use roboppi_ipc::{
    CAPABILITY_JOB_WARNINGS, CAPABILITY_LOG_GREW, CAPABILITY_MASK, CoreEvent, CoreEventMessage, DecodeError,
    DecodeErrorKind, Dialect, ErrorClass, Heartbeat as HeartbeatMessage, Hello, JobCompleted, JobOutcome,
    Leaked, Message, Mono, Observation, WorkerResult, WorkerStatus,
};
use roboppi_process::guard::{EndReport, GuardReport, cannot_be_ended, end_adopted, pid_of_left};
use roboppi_process::{aside, descendants};
use roboppi_record::BoundedFile;
use roboppi_redact::Secrets;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::process::Child;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinHandle, spawn_local};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::events::{LinkEvent, LinkSender};
use super::heartbeat::{Beat, Heartbeat};
use super::restart::Loss;
use super::stderr::StderrTail;
use super::transport::{ConnectFailure, Endpoint, accept_core};
use super::{CoreLaunch, CoreProgram, CoreStreams, CoreTransport, HeartbeatSettings, process};
use crate::clock;
use crate::kinds::NeededKinds;

/// How long the exit status of a core may take after its wire closed.
const STATUS_PATIENCE: Duration = Duration::from_millis(100);

/// How long a core may take to connect.
const CONNECT_TIME: Duration = Duration::from_secs(15);

/// How a link is to behave.
#[derive(Debug)]
pub(crate) struct LinkSettings {
    pub(crate) version: String,
    pub(crate) request_timeout: Duration,
    pub(crate) heartbeat: HeartbeatSettings,
    /// How long a core may take to end after it was told to.
    pub(crate) stop_patience: Duration,
    /// Where its stderr goes.
    pub(crate) stderr: Option<BoundedFile>,
    /// Who is told of every message.
    pub(crate) trace: Option<Trace>,
    /// Where its diagnostics go.
    pub(crate) diagnostics: PathBuf,
    /// What must not be seen of what the core says on stderr.
    pub(crate) secrets: Secrets,
    /// The kinds of workers that it has to have.
    pub(crate) needed: Rc<NeededKinds>,
}

/// A started core.
#[derive(Debug)]
pub(crate) struct CoreLink {
    pub(crate) peer: Peer,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl CoreLink {
    /// Closes the wire, which tells the core to end, and waits until it has.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        drop(self.peer);
        let _ = self.task.await;
    }
}

/// Connects to a core. What it says comes over `events`; its `job_event`s, of which there may be very
/// many, go straight to `job_event`.
///
/// # Errors
/// When its program cannot be started.
pub(crate) fn connect(
    launch: CoreLaunch,
    settings: LinkSettings,
    events: LinkSender,
    job_event: Box<dyn FnMut(roboppi_ipc::JobEvent)>,
) -> Result<CoreLink, String> {
    let (streams, child) = match launch {
        CoreLaunch::Connected(streams) => (streams, None),
        CoreLaunch::Program(program) => start(&program, &settings)?,
    };
    let LinkSettings { request_timeout, ref trace, .. } = settings;
    let options = PeerOptions { request_timeout, trace: trace.clone() };
    let (peer, driver) = Peer::new(streams.reader, streams.writer, options);
    let stop = CancellationToken::new();
    let task = spawn_local(live(driver, peer.clone(), child, settings, events, job_event, stop.clone()));
    Ok(CoreLink { peer, stop, task })
}

/// Starts the process of a core, and a connection with it.
fn start(core: &CoreProgram, settings: &LinkSettings) -> Result<(CoreStreams, Option<CoreProcess>), String> {
    let CoreProgram { program, args, ends_at_eof, transport } = core;
    let place =
        Endpoint::open(*transport).map_err(|error| format!("the core has no way to connect: {error}"))?;
    let mut variables = place.as_ref().map(Endpoint::variables).unwrap_or_default();
    variables.push((process::DIAGNOSTICS, settings.diagnostics.clone().into()));
    let mut child = process::start(program, args, variables)
        .map_err(|error| format!("the core {} cannot be started: {error}", program.display()))?;
    info!(pid = child.id(), program = %program.display(), "a core was started");
    if let Some(trace) = &settings.trace {
        let pid = child.id().unwrap_or_default();
        let cmd = program.display();
        let (transport_name, address) = Endpoint::describe(place.as_ref());
        if *transport == CoreTransport::Socket && transport_name != "socket" {
            trace.note("fallback", &format!("there can be no socket here: transport={transport_name}"));
        }
        // Of a core of somebody else the last argument is what was asked for.
        let entry =
            args.last().filter(|_| !ends_at_eof).map_or(program.as_os_str(), |entry| entry.as_os_str());
        let entry = entry.display();
        let args: Vec<_> = args.iter().map(|arg| arg.to_string_lossy()).collect();
        let args = args.join(" ");
        trace.note(
            "spawn",
            &format!(
                "impl=roboppi transport={transport_name} core pid={pid} cmd={cmd} args={args} entry={entry}{address}"
            ),
        );
    }
    let (Some(stdout), Some(stdin)) = (child.stdout.take(), child.stdin.take()) else {
        return Err("the core has no pipes".to_owned());
    };
    let mut process =
        CoreProcess { child, ends_at_eof: *ends_at_eof, carrying: None, absence: ConnectFailure::default() };
    let Some(place) = place else {
        return Ok((CoreStreams { reader: Box::new(stdout), writer: Box::new(stdin) }, Some(process)));
    };
    let limit = settings.request_timeout.min(CONNECT_TIME);
    // One that has ended already will not come.
    let core = process.child.id().unwrap_or_default();
    let (streams, carrying) = accept_core(place, core, limit, Rc::clone(&process.absence));
    // As long as its pipes are open the core, and its guard, know that we are there.
    process.carrying = Some(AbortOnDrop(
        spawn_local(async move {
            carrying.await;
            drop((stdout, stdin));
        })
        .abort_handle(),
    ));
    Ok((streams, Some(process)))
}

struct CoreProcess {
    child: Child,
    ends_at_eof: bool,
    /// Carries the bytes to and from its socket.
    carrying: Option<AbortOnDrop>,
    /// Why it never connected.
    absence: ConnectFailure,
}

struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What the reading side noticed, shared with the loop that beats.
struct LinkState {
    heartbeat: Heartbeat,
    greeted: bool,
    malformed: bool,
    /// Why there is nothing to be said to such a core.
    unfit: Option<String>,
    /// Processes of which the core has said that they cannot be ended.
    left: HashSet<u32>,
}

impl LinkState {
    fn malformed(&mut self, events: &LinkSender, detail: impl FnOnce() -> String) {
        if !std::mem::replace(&mut self.malformed, true) {
            events.send(LinkEvent::Malformed { detail: detail() });
        }
    }
}

async fn live<R, W>(
    driver: PeerDriver<R, W>,
    peer: Peer,
    child: Option<CoreProcess>,
    mut settings: LinkSettings,
    events: LinkSender,
    mut job_event: Box<dyn FnMut(roboppi_ipc::JobEvent)>,
    stop: CancellationToken,
) where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let origin = Instant::now();
    let mut child = child;
    let tail = StderrTail::default();
    let stderr = child.as_mut().and_then(|core| core.child.stderr.take());
    let stderr = stderr.map(|stderr| {
        spawn_local(tail.clone().keep(stderr, settings.stderr.take(), settings.secrets.clone()))
    });

    let noticed = Rc::new(RefCell::new(LinkState {
        heartbeat: Heartbeat::new(settings.heartbeat, Mono::ZERO),
        greeted: false,
        malformed: false,
        unfit: None,
        left: HashSet::new(),
    }));
    let unfit = Rc::new(Notify::new());
    let mut hello = Hello::ours(&settings.version);
    hello
        .capabilities
        .extend([CAPABILITY_MASK, CAPABILITY_LOG_GREW, CAPABILITY_JOB_WARNINGS].map(str::to_owned));
    peer.send(Message::Hello(hello)).await;
    // A core of protocol 1 says nothing until it is asked; its first answer fixes the dialect.
    peer.send(Message::Heartbeat(HeartbeatMessage { timestamp: clock::now() })).await;

    let needed = Rc::clone(&settings.needed);
    let (seen, sender, disagreed) = (Rc::clone(&noticed), events.clone(), Rc::clone(&unfit));
    let reading = events.paced(driver.run(move |event| {
        let mut noticed = seen.borrow_mut();
        noticed.heartbeat.heard();
        let message = match event {
            PeerEvent::Message(message) => message,
            PeerEvent::Bad(error) => {
                noticed.malformed(&sender, || error.to_string());
                // Nobody would say again that this job has ended.
                if let Some(ended) = unreadable_end(&error) {
                    sender.send(LinkEvent::Message(Message::JobCompleted(ended)));
                }
                return;
            }
            PeerEvent::TooLong(limit) => {
                return noticed.malformed(&sender, || format!("a line longer than {limit} bytes"));
            }
        };
        if !noticed.greeted {
            noticed.greeted = true;
            let (dialect, hello) = match &message {
                Message::Hello(hello) => (Dialect::agree(hello.protocol), Some(hello.clone())),
                _ => (Ok(Dialect::V1), None),
            };
            let dialect = dialect.map_err(|range| {
                format!(
                    "the core speaks protocol {} to {}, this roboppi speaks 1 to 2: use a core of a fitting version",
                    range.min, range.max
                )
            });
            let lacking = needed.lacking(hello.as_ref());
            match dialect.and_then(|dialect| lacking.map_or(Ok(dialect), Err)) {
                Ok(dialect) => sender.send(LinkEvent::Ready { dialect, hello }),
                Err(detail) => {
                    noticed.unfit = Some(detail);
                    disagreed.notify_one();
                    return;
                }
            }
        }
        if noticed.unfit.is_some() {
            return;
        }
        if let Message::CoreEvent(CoreEventMessage { event: CoreEvent::Warning { message, .. }, .. }) = &message {
            noticed.left.extend(pid_of_left(message));
        }
        drop(noticed);
        match message {
            Message::JobEvent(event) => job_event(event),
            Message::Hello(_) | Message::HeartbeatAck(_) | Message::Heartbeat(_) | Message::Unknown { .. } => {}
            message => sender.send(LinkEvent::Message(message)),
        }
    }));

    let reason = {
        tokio::pin!(reading);
        let mut beats = interval_at(origin + settings.heartbeat.interval, settings.heartbeat.interval);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break None,
                () = unfit.notified() => break Some(String::new()),
                ended = &mut reading => break Some(match ended {
                    Ok(()) => absence(child.as_ref()).unwrap_or_else(|| "its connection closed".to_owned()),
                    Err(error) => format!("its connection failed: {error}"),
                }),
                () = exited(&mut child) => {
                    // What it wrote last is still to be read; a process it left may hold the wire open.
                    let _ = timeout(STATUS_PATIENCE, &mut reading).await;
                    break Some("its process ended".to_owned());
                }
                _ = beats.tick() => {
                    let now = Mono::from_origin(origin.elapsed());
                    let beat = noticed.borrow_mut().heartbeat.beat(now);
                    match beat {
                        Beat::Ask => peer.send(Message::Heartbeat(HeartbeatMessage { timestamp: clock::now() })).await,
                        Beat::Hung(silent) => break Some(format!("it has not answered for {} s", silent.as_secs())),
                    }
                }
            }
        }
        // The wire closes here.
    };
    drop(peer);
    // It may have gone in the same moment.
    let unfit = noticed.borrow_mut().unfit.take();
    let mut loss = if unfit.is_some() { Loss::Unfit } else { Loss::Gone };
    let reason = reason.map(|reason| unfit.unwrap_or(reason));
    if reason.is_some() {
        events.send(LinkEvent::WireClosed);
    }
    let status = match &mut child {
        None => None,
        // Its wire is closed, which tells a core of ours that still lives to end its workers and itself; its
        // guard kills one that does not. Another one is asked. Nothing it started is left when its process has
        // ended.
        Some(core) if reason.is_some() => match timeout(STATUS_PATIENCE, core.child.wait()).await {
            Ok(status) => status.ok(),
            Err(_) => process::end(&mut core.child, settings.stop_patience, core.ends_at_eof).await,
        },
        Some(core) => process::end(&mut core.child, settings.stop_patience, core.ends_at_eof).await,
    };
    let left = if child.is_some() { end_left().await } else { EndReport::default() };
    if let Some(stderr) = stderr {
        // A process the core left behind may hold its stderr; the core itself is gone.
        let _ = timeout(STATUS_PATIENCE, stderr).await;
    }
    let reports = tail.take_reports();
    if child.is_some() {
        tell_left(&reports, left, &noticed.borrow().left, &events);
    }
    if let Some(reason) = reason {
        let mut detail = reason;
        if !noticed.borrow().greeted && status.is_some_and(|status| process::left(status, &reports)) {
            loss = Loss::Silent;
        }
        if let Some(status) = status {
            let _ = write!(detail, "; it {}", process::describe(status, &reports));
        }
        if let Some(words) = tail.last_words() {
            let _ = write!(detail, "; its last words:\n{words}");
        }
        events.send(LinkEvent::Lost { detail, loss });
    }
}

/// The end of a job of which nothing can be read but that it came.
fn unreadable_end(error: &DecodeError) -> Option<JobCompleted> {
    let DecodeErrorKind::BadMessage { message_type, .. } = &error.kind else { return None };
    let job_id = error.job_id.clone().filter(|_| message_type == "job_completed")?;
    let said = format!("the core's report of the end of the job cannot be read: {error}");
    let result = WorkerResult {
        observations: vec![Observation::text(said)],
        error_class: Some(ErrorClass::NonRetryable),
        ..WorkerResult::of_status(WorkerStatus::Failed)
    };
    let (outcome, error_class) = (JobOutcome::Failed, result.error_class);
    Some(JobCompleted { job_id, outcome, result: Some(result), error_class })
}

/// Why a core never connected.
fn absence(core: Option<&CoreProcess>) -> Option<String> {
    core?.absence.borrow_mut().take()
}

/// Waits for the end of the core's process; for ever when it has none of its own.
async fn exited(core: &mut Option<CoreProcess>) {
    match core {
        Some(core) => drop(core.child.wait().await),
        None => std::future::pending().await,
    }
}

/// Ends what was left to us because core and guard were both killed. At once: if this process were killed, too, nobody
/// would.
async fn end_left() -> EndReport {
    if descendants::adopted(&[]).is_empty() {
        return EndReport::default();
    }
    aside(|| end_adopted(&[], None)).await.unwrap_or_default()
}

/// Reports what we and the guard had to end, and once what could not be ended: not what the core has told of.
fn tell_left(reports: &[GuardReport], left: EndReport, told: &HashSet<u32>, events: &LinkSender) {
    let mut unkillable = left.unkillable;
    let mut ended = left.ended;
    for report in reports {
        match report {
            GuardReport::Ended { process, command } => {
                let leaked = Leaked { process: *process, command: command.clone() };
                if !ended.contains(&leaked) {
                    ended.push(leaked);
                }
            }
            GuardReport::Done { unkillable: more, .. } => unkillable.extend(more.iter().cloned()),
            GuardReport::CoreExited { .. } => {}
        }
    }
    let say = |event| {
        let message = Message::CoreEvent(CoreEventMessage { ts: clock::now(), event });
        events.send(LinkEvent::Message(message));
    };
    for leaked in ended {
        say(CoreEvent::Leaked { job_id: None, leaked });
    }
    let mut told = told.clone();
    for left in unkillable.iter().filter(|left| told.insert(left.process.pid)) {
        say(CoreEvent::Warning { job_id: None, message: cannot_be_ended(left) });
    }
}
