//! What all requests share.

use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use roboppi_attach::Statistics;
use roboppi_ipc::UtcMillis;
use tokio::sync::Semaphore;

use crate::clock;
use crate::feed::{Cursor, Hub, Hubs, RunList};
use crate::problem::Problem;
use crate::security::{LoginLimit, Sessions, random_text};
use crate::settings::Settings;

/// Requests that read files at a time. More of them wait.
const READERS: usize = 16;

/// How long the record of a run may take to be read.
const PATIENCE: Duration = Duration::from_secs(60);

/// The state of the server.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) settings: Settings,
    pub(crate) hubs: Arc<Hubs>,
    pub(crate) list: Arc<RunList>,
    /// Distinguishes this process from others, for cursors that are of one process.
    pub(crate) epoch: String,
    pub(crate) counters: Counters,
    pub(crate) statistics: Mutex<Statistics>,
    sessions: Mutex<Sessions>,
    login_limit: Mutex<LoginLimit>,
    /// Step of the code of an authenticator that was used last.
    totp_used: Mutex<Option<u64>>,
    readers: Semaphore,
    origin: Instant,
}

/// What the server counts of itself.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) requests: AtomicU64,
    pub(crate) client_errors: AtomicU64,
    pub(crate) server_errors: AtomicU64,
    pub(crate) logins: AtomicU64,
    pub(crate) failed_logins: AtomicU64,
    pub(crate) sockets: AtomicU64,
    pub(crate) sockets_opened: AtomicU64,
    pub(crate) streams: AtomicU64,
    pub(crate) bad_messages: AtomicU64,
    pub(crate) frames: AtomicU64,
    pub(crate) events: AtomicU64,
    pub(crate) gaps: AtomicU64,
    pub(crate) too_slow: AtomicU64,
    pub(crate) commands: AtomicU64,
}

/// Adds one for as long as it lives.
#[derive(Debug)]
pub(crate) struct Counted<'a>(&'a AtomicU64);

impl<'a> Counted<'a> {
    pub(crate) fn new(counter: &'a AtomicU64) -> Self {
        counter.fetch_add(1, Relaxed);
        Self(counter)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing in here is left half done by a panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl App {
    pub(crate) fn new(settings: Settings) -> Self {
        let hubs = Arc::new(Hubs::new(settings.root.clone()));
        let epoch: String = random_text().chars().take(8).collect();
        Self {
            list: Arc::new(RunList::new(Arc::clone(&hubs), epoch.clone())),
            statistics: Mutex::new(Statistics::of(settings.root.clone())),
            settings,
            hubs,
            epoch,
            counters: Counters::default(),
            sessions: Mutex::default(),
            login_limit: Mutex::default(),
            totp_used: Mutex::default(),
            readers: Semaphore::new(READERS),
            origin: Instant::now(),
        }
    }

    /// Milliseconds of a monotonic clock.
    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The time of day.
    pub(crate) fn time(&self) -> UtcMillis {
        clock::time()
    }

    pub(crate) fn sessions(&self) -> MutexGuard<'_, Sessions> {
        lock(&self.sessions)
    }

    pub(crate) fn login_limit(&self) -> MutexGuard<'_, LoginLimit> {
        lock(&self.login_limit)
    }

    pub(crate) fn totp_used(&self) -> MutexGuard<'_, Option<u64>> {
        lock(&self.totp_used)
    }

    pub(crate) fn statistics(&self) -> MutexGuard<'_, Statistics> {
        lock(&self.statistics)
    }

    /// Does something that reads files away from the thread of the runtime.
    ///
    /// # Errors
    /// Those of the work, or when it broke off.
    pub(crate) async fn aside<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let _permit = self.readers.acquire().await;
        let app = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || work(&app)).await;
        done.unwrap_or_else(|_| Err(Problem::unavailable("the request broke off")))
    }

    /// The run that a text names, once its record was read.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) async fn run(self: &Arc<Self>, name: &str) -> Result<Arc<Hub>, Problem> {
        let name = name.to_owned();
        if name.is_empty() || name.len() > 200 || name.starts_with('-') {
            return Err(Problem::not_found("that is no name of a run").hint("GET api/v1/runs lists the runs"));
        }
        let hub = self.aside(move |app| app.hubs.get(&name).map_err(Problem::from)).await?;
        let ready = tokio::time::timeout(PATIENCE, hub.ready()).await;
        ready.map_err(|_| Problem::unavailable("the record of the run is still being read"))?;
        Ok(hub)
    }

    /// Checks that a cursor is one of the run.
    ///
    /// # Errors
    /// When it is behind all there is.
    pub(crate) async fn check_cursor(self: &Arc<Self>, hub: &Hub, cursor: &Cursor) -> Result<(), Problem> {
        let number = cursor.journal();
        if number <= hub.look(|_, _, head| head.journal()) {
            return Ok(());
        }
        // The record may be ahead of what was read of it.
        let record = hub.record();
        let last = self.aside(move |_| Ok(record.view()?.position.journal_seq)).await?;
        if number <= last {
            return Ok(());
        }
        Err(Problem::bad_request(format!("`{number}` is behind the last event of the run, {last}"))
            .hint("take the cursor of an answer about this run, or leave it out"))
    }

    /// Workflows that may be started, with their ids.
    pub(crate) fn workflows(&self) -> impl Iterator<Item = (String, &PathBuf)> {
        self.settings.workflows.iter().enumerate().map(|(index, path)| (format!("w{}", index + 1), path))
    }
}
