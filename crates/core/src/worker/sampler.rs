//! Samples what the processes of all workers of a core use, on a thread of its own.
//!
//! The thread that serves output and the wire is woken only by a sample that changed something, and of a worker only the
//! latest sample waits. Without workers the thread sleeps until there is one. [`Cadence`] decides when to sample which.

use std::cell::OnceCell;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use roboppi_ipc::ProcessIdentity;
use roboppi_process::descendants::{TreeUsage, usage};
use tokio::sync::watch;

use super::usage::{Cadence, UsageSample};

/// Bytes of the stack of the thread.
const STACK: usize = 256 * 1024;

/// Samples workers once there is one.
#[derive(Debug, Default)]
pub(super) struct Sampler {
    requests: OnceCell<Option<mpsc::Sender<Request>>>,
}

#[derive(Debug)]
enum Request {
    Watch(Watched),
    Forget(ProcessIdentity),
}

/// A worker that is sampled.
#[derive(Debug)]
struct Watched {
    process: ProcessIdentity,
    cadence: Cadence,
    samples: watch::Sender<Option<UsageSample>>,
}

/// The samples of one worker. It is sampled as long as this is there.
#[derive(Debug)]
pub(super) struct Samples {
    latest: watch::Receiver<Option<UsageSample>>,
    process: ProcessIdentity,
    requests: mpsc::Sender<Request>,
}

impl Sampler {
    /// Samples a worker from now on; `None` where the system has no room for the thread.
    pub(super) fn watch(&self, process: ProcessIdentity) -> Option<Samples> {
        let requests = self.requests.get_or_init(start).as_ref()?.clone();
        let (samples, latest) = watch::channel(None);
        let watched = Watched { process, cadence: Cadence::starting(Instant::now()), samples };
        requests.send(Request::Watch(watched)).ok()?;
        Some(Samples { latest, process, requests })
    }
}

impl Samples {
    /// Waits for a sample that is not known yet. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Option<UsageSample> {
        self.latest.changed().await.ok()?;
        *self.latest.borrow_and_update()
    }
}

impl Drop for Samples {
    fn drop(&mut self) {
        // The thread ends with the last sender.
        let _ = self.requests.send(Request::Forget(self.process));
    }
}

fn start() -> Option<mpsc::Sender<Request>> {
    let (requests, received) = mpsc::channel();
    let sampling = move || sample_all(&received);
    let thread = thread::Builder::new().name("sampler".to_owned()).stack_size(STACK).spawn(sampling);
    thread.is_ok().then_some(requests)
}

/// Until nobody asks any more.
fn sample_all(requests: &mpsc::Receiver<Request>) {
    let mut workers: Vec<Watched> = Vec::new();
    loop {
        let due = workers.iter().map(|worker| worker.cadence.due()).min();
        let received = match due {
            None => requests.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(due) => requests.recv_timeout(due.saturating_duration_since(Instant::now())),
        };
        match received {
            Ok(Request::Watch(worker)) => workers.push(worker),
            Ok(Request::Forget(process)) => workers.retain(|worker| worker.process != process),
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => sample_due(&mut workers),
        }
    }
}

fn sample_due(workers: &mut [Watched]) {
    let due = |worker: &&mut Watched| worker.cadence.due() <= Instant::now() + TOGETHER;
    for Watched { process, cadence, samples } in workers.iter_mut().filter(due) {
        let found: Option<TreeUsage> = usage(*process);
        if let Some(sample) = cadence.sampled(Instant::now(), found) {
            // Its worker may have ended meanwhile.
            let _ = samples.send(Some(sample));
        }
    }
}

/// Workers that are due soon are sampled together, so that the thread wakes up once for all.
const TOGETHER: Duration = Duration::from_millis(200);
