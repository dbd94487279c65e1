//! Drives one link: reads and writes its wire, watches its process, and performs what its machine asks for.

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use roboppi_ipc::io::{Peer, PeerDriver, PeerEvent, Trace};
use roboppi_ipc::{
    CoreEventMessage, DecodeError, DecodeErrorKind, ErrorClass, Heartbeat, JobCompleted, JobOutcome, Leaked,
    Message, Mono, Observation, WorkerResult, WorkerStatus,
};
use roboppi_process::guard::{EndReport, GuardReport, end_adopted};
use roboppi_process::{aside, descendants};
use roboppi_record::BoundedFile;
use roboppi_redact::Secrets;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tokio_util::sync::CancellationToken;

use super::HeartbeatSettings;
use super::events::{JobReport, JobSink, LinkEvent, LinkSender};
use super::machine::{LinkEffect, LinkInput, LinkMachine, ProcessEnd, ProcessExit};
use super::process::{self, CoreProcess};
use super::stderr::StderrTail;
use crate::clock;
use crate::kinds::NeededKinds;

/// How long the exit status of a core may take after its wire closed.
const STATUS_PATIENCE: Duration = Duration::from_millis(100);

/// How a link is to behave.
#[derive(Debug)]
pub(crate) struct LinkSettings {
    pub(crate) version: String,
    pub(crate) request_timeout: Duration,
    pub(crate) heartbeat: HeartbeatSettings,
    /// The kinds of workers that the core has to have.
    pub(crate) needed: Rc<NeededKinds>,
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
    /// Why the wire of another host ended, once it has.
    pub(crate) host_failure: Option<HostFailure>,
}

/// Why the wire of another host ended.
#[derive(Clone, Debug, Default)]
pub(crate) struct HostFailure(Rc<RefCell<Option<(String, bool)>>>);

impl HostFailure {
    /// Keeps the reason: the keeper is gone, or was never `reached`.
    pub(crate) fn set(&self, detail: String, reached: bool) {
        *self.0.borrow_mut() = Some((detail, reached));
    }

    fn take(&self) -> Option<LinkInput> {
        let (detail, reached) = self.0.borrow_mut().take()?;
        Some(if reached { LinkInput::Closed { detail } } else { LinkInput::Unreached { detail } })
    }
}

/// The machine of a link, shared by the side that reads and the side that beats.
struct Link {
    machine: RefCell<LinkMachine>,
    origin: Instant,
    events: LinkSender,
    /// Takes the events of jobs, of which there may be very many, and is shown their ends in the order of the wire.
    jobs: RefCell<JobSink>,
    /// Room for effects, used again and again.
    effects: Cell<Vec<LinkEffect>>,
    /// The machine wants the wire closed.
    closing: Notify,
    /// It wants that because of the core.
    at_fault: Cell<bool>,
}

impl Link {
    /// Gives one input to the machine and performs what it asks for. Returns what is to be sent.
    fn handle(&self, input: LinkInput) -> Vec<Message> {
        let mut effects = self.effects.take();
        self.machine.borrow_mut().handle(Mono::from_origin(self.origin.elapsed()), input, &mut effects);
        let mut to_send = Vec::new();
        for effect in effects.drain(..) {
            match effect {
                LinkEffect::Greet(hello) => to_send.push(Message::Hello(hello)),
                LinkEffect::AskForSignOfLife => {
                    to_send.push(Message::Heartbeat(Heartbeat { timestamp: clock::now() }));
                }
                LinkEffect::Notify(LinkEvent::Message(Message::JobEvent(event))) => {
                    (self.jobs.borrow_mut())(JobReport::Event(event));
                }
                LinkEffect::Notify(LinkEvent::Message(Message::JobCompleted(mut completed))) => {
                    (self.jobs.borrow_mut())(JobReport::Completed(&mut completed));
                    self.events.send(LinkEvent::Message(Message::JobCompleted(completed)));
                }
                LinkEffect::Notify(event) => self.events.send(event),
                LinkEffect::Report(event) => {
                    let report = CoreEventMessage { ts: clock::now(), event };
                    self.events.send(LinkEvent::Message(Message::CoreEvent(report)));
                }
                LinkEffect::Close { at_fault } => {
                    self.at_fault.set(at_fault);
                    self.closing.notify_one();
                }
            }
        }
        self.effects.set(effects);
        to_send
    }

    async fn handle_and_send(&self, input: LinkInput, peer: &Peer) {
        for message in self.handle(input) {
            peer.send(message).await;
        }
    }

    fn is_closed(&self) -> bool {
        self.machine.borrow().is_closed()
    }
}

/// One link, from its greeting to the end of its core and of all that started.
pub(super) async fn live<R, W>(
    driver: PeerDriver<R, W>,
    peer: Peer,
    mut core: Option<CoreProcess>,
    mut settings: LinkSettings,
    events: LinkSender,
    jobs: JobSink,
    stop: CancellationToken,
) where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let tail = StderrTail::default();
    let stderr = core.as_mut().and_then(|core| core.stderr.take());
    let stderr = stderr.map(|stderr| {
        spawn_local(tail.clone().keep(stderr, settings.stderr.take(), settings.secrets.clone()))
    });
    let link = Rc::new(Link {
        machine: RefCell::new(LinkMachine::new(
            settings.heartbeat,
            settings.version.clone(),
            Rc::clone(&settings.needed),
            Mono::ZERO,
        )),
        origin: Instant::now(),
        events,
        jobs: RefCell::new(jobs),
        effects: Cell::default(),
        closing: Notify::new(),
        at_fault: Cell::default(),
    });
    let beats = (settings.heartbeat.interval, settings.host_failure.take());
    converse(&link, driver, &peer, &mut core, beats, &stop).await;
    // The wire is closed.
    drop(peer);
    let end = process_end(core, link.at_fault.get(), settings.stop_patience, stderr, &tail).await;
    link.handle(LinkInput::ProcessEnded(end));
}

/// Speaks with the core until the machine wants the wire closed, and closes it.
async fn converse<R, W>(
    link: &Rc<Link>,
    driver: PeerDriver<R, W>,
    peer: &Peer,
    core: &mut Option<CoreProcess>,
    (interval, failure): (Duration, Option<HostFailure>),
    stop: &CancellationToken,
) where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    link.handle_and_send(LinkInput::Connected, peer).await;
    let reader = Rc::clone(link);
    let reading = link.events.paced(driver.run(move |event| {
        // Only what the loop below does asks for something to be sent.
        reader.handle(input_of(event));
    }));
    tokio::pin!(reading);
    let mut beats = interval_at(link.origin + interval, interval);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !link.is_closed() {
        let input = tokio::select! {
            biased;
            () = stop.cancelled() => LinkInput::Stop,
            () = link.closing.notified() => continue,
            ended = &mut reading => failure.as_ref().and_then(HostFailure::take).unwrap_or_else(|| LinkInput::Closed {
                detail: match ended {
                    Ok(()) => connect_failure(core.as_ref()).unwrap_or_else(|| "its connection closed".to_owned()),
                    Err(error) => format!("its connection failed: {error}"),
                },
            }),
            () = exited(core) => {
                // What it wrote last is still to be read; a process it left may hold the wire open.
                let _ = timeout(STATUS_PATIENCE, &mut reading).await;
                LinkInput::ProcessExited
            }
            _ = beats.tick() => LinkInput::Beat,
        };
        link.handle_and_send(input, peer).await;
    }
}

/// Sees to the end of a core whose wire is closed: that tells one of ours to end its workers and itself, and its guard kills
/// one that does not. Another one is asked. Nothing it started is left when its process has ended.
async fn process_end(
    core: Option<CoreProcess>,
    at_fault: bool,
    patience: Duration,
    stderr: Option<JoinHandle<()>>,
    tail: &StderrTail,
) -> ProcessEnd {
    let Some(mut core) = core else { return ProcessEnd::default() };
    let ended = if at_fault { timeout(STATUS_PATIENCE, core.child.wait()).await.ok() } else { None };
    let status = match ended {
        Some(status) => status.ok(),
        None => process::end(&mut core.child, patience, core.ends_at_eof).await,
    };
    let left = end_left().await;
    if let Some(stderr) = stderr {
        // A process the core left behind may hold its stderr; the core itself is gone.
        let _ = timeout(STATUS_PATIENCE, stderr).await;
    }
    let reports = tail.take_reports();
    let exit = status.map(|status| ProcessExit {
        by_itself: process::left(status, &reports),
        description: process::describe(status, &reports),
    });
    let EndReport { ended, unkillable } = with_reports(left, reports);
    ProcessEnd { exit, last_words: tail.last_words(), ended, unkillable }
}

fn input_of(event: PeerEvent) -> LinkInput {
    match event {
        PeerEvent::Message(message) => LinkInput::Message(message),
        PeerEvent::Bad(error) => {
            LinkInput::Malformed { detail: error.to_string(), ended: unreadable_end(&error) }
        }
        PeerEvent::TooLong(limit) => {
            LinkInput::Malformed { detail: format!("a line longer than {limit} bytes"), ended: None }
        }
    }
}

/// The end of a job of which nothing can be read but that it came.
fn unreadable_end(error: &DecodeError) -> Option<JobCompleted> {
    let DecodeErrorKind::BadMessage { message_type, .. } = &error.kind else { return None };
    let job_id = error.job_id.clone().filter(|_| message_type == "job_completed")?;
    let message = format!("the core's report of the end of the job cannot be read: {error}");
    let result = WorkerResult::of_status(WorkerStatus::Failed)
        .with_observations(vec![Observation::text(message)])
        .with_error_class(Some(ErrorClass::NonRetryable));
    let (outcome, error_class) = (JobOutcome::Failed, result.error_class);
    Some(JobCompleted { job_id, outcome, result: Some(result), error_class })
}

/// Why a core never connected.
fn connect_failure(core: Option<&CoreProcess>) -> Option<String> {
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

/// What we had to end, with what the guard had to end.
fn with_reports(left: EndReport, reports: Vec<GuardReport>) -> EndReport {
    let EndReport { mut ended, mut unkillable } = left;
    for report in reports {
        match report {
            GuardReport::Ended { process, command } => {
                let leaked = Leaked::new(process, command);
                if !ended.contains(&leaked) {
                    ended.push(leaked);
                }
            }
            GuardReport::Done { unkillable: more, .. } => unkillable.extend(more),
            GuardReport::CoreExited { .. } => {}
        }
    }
    EndReport { ended, unkillable }
}
