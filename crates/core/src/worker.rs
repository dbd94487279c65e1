//! A running worker, whatever its kind.
//!
//! [`start_worker`] starts one and gives its [`WorkerHandle`]: the events while it runs, the ways to end
//! it, and its result. The server of the core uses the same handle.

mod activity_probe;
mod budgets;
mod changes;
mod command;
mod drive;
mod idle;
mod machine;
mod prepare_error;
mod private;
mod record;
mod repetition;
mod reports;
mod room;
mod sampler;
mod seen_files;
mod state;
mod usage;
mod warning;

use std::cell::{Cell, RefCell};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::LocalBoxStream;
use roboppi_ipc::{
    Cancel, CancelReason, EndingPhase, JobId, JobOptions, Leaked, Mono, OutputMode, ProcessIdentity,
    RecordTarget, VariablePolicy, WorkerTask,
};
use roboppi_redact::{Secrets, looks_secret};
use roboppi_worker_adapters::{WorkerAdapter, WorkerDescription};
use roboppi_workspace::Workspaces;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::sleep_until;
use tracing::{Instrument, info_span};

use crate::live::{LiveEvent, LiveLimits, Offered};
use crate::mask::Sockets;
use crate::{Clock, CoreSettings, Orphans, Variables, WorkerControl, WorkerOutcome};
use budgets::Budgets;
pub use private::remove_abandoned;
use room::Room;
use sampler::Sampler;
use state::State;

/// How a worker is run.
#[derive(Clone, Debug)]
pub struct WorkerOptions {
    /// Time between TERM and KILL.
    pub grace: Duration,
    /// Time its pipes may stay open after its exit.
    pub drain: Duration,
    /// Time it may run; zero means that its time is over already.
    pub timeout: Option<Duration>,
    /// How long it may do nothing at all: no output, no processor time, no file written in its workspace.
    pub idle: Option<Duration>,
    /// Which variables of our environment it is given.
    pub variables: VariablePolicy,
    /// Where it is recorded; without it in a private directory that goes with the handle.
    pub record: Option<RecordTarget>,
    /// The directory of `record`, where its text is not exact.
    pub record_dir: Option<PathBuf>,
    /// Whether its events are offered live.
    pub live: bool,
    /// Whether its output is among them.
    pub stdio: bool,
    /// Whether output is told by its place in the log, as long as that is written where `record` says.
    pub log_grew: bool,
    /// Whether what its processes use is among its events.
    pub resources: bool,
    /// Whether the files of its workspace are compared before and after.
    pub file_changes: bool,
    /// Bounds of what waits to be read.
    pub limits: LiveLimits,
}

impl WorkerOptions {
    /// What a job asks for whose permit lasts `lifetime` from `now` on: where it states no time-out of its own, that is one.
    #[must_use]
    pub fn for_permit(
        task: &WorkerTask,
        lifetime: Duration,
        settings: &CoreSettings,
        described: Option<&WorkerDescription>,
        now: roboppi_ipc::UtcMillis,
    ) -> Self {
        let mut options = Self::for_task(task, settings, described, now);
        if task.roboppi.as_ref().is_none_or(|ours| ours.timeout_ms.is_none()) {
            options.timeout = options.timeout.map(|left| left.min(lifetime));
        }
        options
    }

    /// What a task asks for; the defaults are those of its kind, then those of the core. `now` is needed for its deadline.
    #[must_use]
    pub fn for_task(
        task: &WorkerTask,
        settings: &CoreSettings,
        described: Option<&WorkerDescription>,
        now: roboppi_ipc::UtcMillis,
    ) -> Self {
        let ours = task.roboppi.clone().unwrap_or_default();
        let file_changes = ours.file_changes.unwrap_or_default();
        let JobOptions { record, stdio, timeout_ms, idle_ms, grace_ms, drain_ms, environment, exact, .. } =
            ours;
        let record_dir = exact.and_then(|exact| exact.record_dir);
        let idle_of_kind = described.and_then(|described| described.idle_limit(settings.idle));
        let idle = idle_ms.map_or(idle_of_kind, |idle| (idle > 0).then_some(Duration::from_millis(idle)));
        let left = Duration::from_millis(task.budget.deadline_at.0.saturating_sub(now.0));
        Self {
            grace: grace_ms.map_or(settings.grace, Duration::from_millis),
            drain: drain_ms.map_or(settings.drain, Duration::from_millis),
            timeout: Some(timeout_ms.map_or(left, Duration::from_millis)),
            idle,
            variables: environment.unwrap_or_default(),
            record,
            record_dir: record_dir.map(|dir| OsString::from_vec(dir.bytes().to_owned()).into()),
            live: task.output_mode == OutputMode::Stream,
            stdio: stdio.unwrap_or(true),
            log_grew: false,
            resources: false,
            file_changes,
            limits: settings.live,
        }
    }
}

/// Something about the process of a worker, apart from what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorkerNotice {
    /// It is alive.
    Started(ProcessIdentity),
    /// It is on its way out.
    Ending {
        /// Where on the way.
        phase: EndingPhase,
        /// Why, when it was asked to.
        reason: Option<CancelReason>,
        /// When the phase ends by force.
        limit: Duration,
    },
    /// It, or another job, left a process behind, which was ended.
    Leaked {
        /// The job it belongs to; `None` when it may be one of several.
        job_id: Option<JobId>,
        /// The process.
        leaked: Leaked,
    },
    /// Something went wrong that does not stop it.
    Warning(String),
}

/// What the workers of one core share.
#[derive(Clone, Debug)]
pub struct WorkerHost {
    /// Their time.
    pub clock: Clock,
    /// What they leave behind.
    pub orphans: Rc<Orphans>,
    /// The environment they may be given.
    pub variables: Variables,
    budgets: Rc<Budgets>,
    /// What must not be seen of what they write.
    pub secrets: Secrets,
    /// Somebody was told that no more can be hidden.
    full_reported: Rc<Cell<bool>>,
    /// Where they may tell more of it.
    sockets: Option<Rc<Sockets>>,
    room: Rc<Room>,
    sampler: Rc<Sampler>,
    workspaces: Workspaces,
}

impl WorkerHost {
    /// A host with this environment. The values of variables with a secret-looking name are hidden.
    #[must_use]
    pub fn new(clock: Clock, variables: Variables) -> Self {
        let secrets = secrets_of(&variables);
        Self::hiding(clock, variables, secrets)
    }

    /// A host with this environment, and the values to hide.
    #[must_use]
    pub fn hiding(clock: Clock, variables: Variables, secrets: Secrets) -> Self {
        Self {
            clock,
            orphans: Orphans::new(),
            budgets: Rc::default(),
            secrets,
            variables,
            full_reported: Rc::default(),
            sockets: None,
            room: Rc::default(),
            sampler: Rc::default(),
            workspaces: Workspaces::default(),
        }
    }

    /// Gives each worker a socket in the directory `dir`, to hide a value while it runs.
    #[must_use]
    pub fn with_sockets_in(mut self, dir: PathBuf) -> Self {
        self.sockets = Some(Rc::new(Sockets::new(dir)));
        self
    }
}

/// The values of variables with a secret-looking name.
#[must_use]
pub fn secrets_of(variables: &Variables) -> Secrets {
    let named =
        variables.iter().map(|(name, value)| (name.to_string_lossy().into_owned(), value.clone().into_vec()));
    Secrets::new(named.filter(|(name, _)| looks_secret(name)))
}

/// A worker. Cheap to clone; the worker is killed when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct WorkerHandle {
    shared: Rc<WorkerShared>,
    _task: Rc<AbortOnDrop>,
}

#[derive(Debug)]
struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What the handle and the driver of a worker have in common.
#[derive(Debug)]
struct WorkerShared {
    state: RefCell<State>,
    host: WorkerHost,
    /// Something can be taken: an event, a notice, or the outcome.
    news: Rc<Notify>,
    /// There is a process.
    begun: Notify,
    /// The driver has something to do.
    driver: Notify,
    /// The outcome is there.
    ended: Notify,
}

/// Starts a worker. `news` is notified whenever there is something new to take from the handle.
///
/// Must be called inside a `tokio` `LocalSet`. Nothing fails here: a worker that cannot be started has
/// an outcome that says why. What the worker leaves behind is ended before there is an outcome.
#[must_use]
pub fn start_worker(
    host: &WorkerHost,
    job_id: JobId,
    adapter: Option<Arc<dyn WorkerAdapter>>,
    task: WorkerTask,
    options: WorkerOptions,
    news: Rc<Notify>,
) -> WorkerHandle {
    let shared = Rc::new(WorkerShared {
        state: RefCell::new(State::new(job_id, &options, host)),
        host: host.clone(),
        news,
        begun: Notify::new(),
        driver: Notify::new(),
        ended: Notify::new(),
    });
    let span = info_span!("job", id = shared.state.borrow().job_id.as_str());
    let drive = drive::drive(Rc::clone(&shared), adapter, task, options);
    let driving = tokio::task::spawn_local(drive.instrument(span));
    WorkerHandle { shared, _task: Rc::new(AbortOnDrop(driving.abort_handle())) }
}

impl WorkerHandle {
    /// Tells the worker something. Nothing happens when it has ended.
    pub fn control(&self, control: WorkerControl) {
        self.shared.state.borrow_mut().control(self.shared.host.clock.now(), control);
        self.shared.driver.notify_one();
    }

    /// Ends the worker by the ladder.
    pub fn cancel(&self, reason: CancelReason) {
        self.control(WorkerControl::Cancel(Cancel::graceful(reason)));
    }

    /// The next event, if there is one now.
    #[must_use]
    pub fn take_event(&self) -> Option<Offered> {
        self.shared.state.borrow_mut().take_event(self.shared.host.clock.now())
    }

    /// The next notice, if there is one now.
    #[must_use]
    pub fn take_notice(&self) -> Option<WorkerNotice> {
        self.shared.state.borrow_mut().notices.pop_front()
    }

    /// When there will be an event even if the worker does nothing.
    #[must_use]
    pub fn next_event_due(&self) -> Option<Mono> {
        self.shared.state.borrow().live.due()
    }

    /// Whether [`take_event`](Self::take_event) has something now.
    #[must_use]
    pub fn has_event(&self) -> bool {
        self.shared.state.borrow().live.is_ready(self.shared.host.clock.now())
    }

    /// How it ended, if it has.
    #[must_use]
    pub fn outcome(&self) -> Option<WorkerOutcome> {
        self.shared.state.borrow().outcome.clone()
    }

    /// The events until the worker has ended, for one reader. It may lag: then there are gaps.
    pub fn events(&self) -> LocalBoxStream<'static, LiveEvent> {
        let handle = self.clone();
        let events = async_stream::stream! {
            loop {
                if let Some(event) = handle.take_event() {
                    yield event.into_event();
                } else if handle.outcome().is_some() {
                    break;
                } else {
                    let due = handle.next_event_due().map(|due| handle.shared.host.clock.instant(due));
                    tokio::select! {
                        () = handle.shared.news.notified() => {}
                        () = sleep_until(due.unwrap_or_else(tokio::time::Instant::now)), if due.is_some() => {}
                    }
                }
            }
        };
        events.boxed_local()
    }

    /// How it ended, when it has. Everything it did is recorded by then.
    pub async fn result(&self) -> WorkerOutcome {
        loop {
            let ended = self.shared.ended.notified();
            if let Some(outcome) = self.outcome() {
                return outcome;
            }
            ended.await;
        }
    }
}
