//! What a dashboard shows, as it becomes known: read on threads of their own.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use roboppi_attach::{AllRuns, Statistic, Statistics};
use roboppi_board::{Change, Demo};
use roboppi_ipc::UtcMillis;
use roboppi_record::StateRoot;
use roboppi_stats::Selection;
use tokio::sync::mpsc;

use super::settings::Runs;

/// Changes that are handed over together at the most. Those of one moment belong on one frame.
const TOGETHER: usize = 256;

/// Batches of them that may wait. Beyond them their reader waits, and the records hold the rest.
const WAITING: usize = 8;

/// Longest time without a look at the owners of runs.
const LOOK: Duration = Duration::from_secs(1);

/// Time between two looks of a demo at its clock.
const DEMO: Duration = Duration::from_millis(100);

/// Starts to read. It ends when the receiver is dropped.
/// While `output` is set, lines that workers print are read as well.
pub(super) fn changes(runs: &Runs, output: Arc<AtomicBool>) -> io::Result<mpsc::Receiver<Vec<Change>>> {
    let (sender, receiver) = mpsc::channel(WAITING);
    let reader = thread::Builder::new().name("all-runs".to_owned());
    match runs.clone() {
        Runs::Of(root) => reader.spawn(move || follow(root, &output, &sender))?,
        Runs::Demo => reader.spawn(move || make_up(&sender))?,
    };
    Ok(receiver)
}

fn follow(root: StateRoot, output: &AtomicBool, changes: &mpsc::Sender<Vec<Change>>) {
    let mut all = AllRuns::of(root, true);
    while !changes.is_closed() {
        all.follow_output(output.load(Ordering::Relaxed));
        let mut batch = Vec::new();
        // Nothing takes them when the screen is gone.
        all.update(now(), &mut |change| {
            batch.push(change);
            if batch.len() >= TOGETHER {
                let _ = changes.blocking_send(std::mem::take(&mut batch));
            }
        });
        if !batch.is_empty() {
            let _ = changes.blocking_send(batch);
        }
        all.wait(LOOK);
    }
}

fn make_up(changes: &mpsc::Sender<Vec<Change>>) {
    let start = now();
    let mut demo = Demo::new(start.0, start);
    loop {
        if changes.blocking_send(demo.advance(now())).is_err() {
            return;
        }
        thread::sleep(DEMO);
    }
}

fn now() -> UtcMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UtcMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Counts what all runs did, when it is asked to.
#[derive(Debug)]
pub(super) struct Counter {
    requests: mpsc::Sender<()>,
    counted: mpsc::Receiver<Box<Statistic>>,
}

impl Counter {
    /// Counts the runs of a state directory.
    pub(super) fn of(runs: &Runs) -> io::Result<Self> {
        let (requests, mut requested) = mpsc::channel(1);
        let (sender, counted) = mpsc::channel(1);
        if let Runs::Of(root) = runs.clone() {
            let count = move || {
                let mut statistics: Option<Statistics> = None;
                while requested.blocking_recv().is_some() {
                    let statistics = statistics.get_or_insert_with(|| Statistics::of(root.clone()));
                    // Runs that cannot be listed are reported by the list of runs.
                    let _ = statistics.update();
                    let statistic = statistics.totals(&Selection::default(), &|_| true);
                    if sender.blocking_send(Box::new(statistic)).is_err() {
                        return;
                    }
                }
            };
            thread::Builder::new().name("figures".to_owned()).spawn(count)?;
        }
        Ok(Self { requests, counted })
    }

    /// Asks for new figures, unless they are being counted.
    pub(super) fn request(&self) {
        let _ = self.requests.try_send(());
    }

    /// Waits for figures; for ever where there are none.
    pub(super) async fn next(&mut self) -> Box<Statistic> {
        match self.counted.recv().await {
            Some(statistic) => statistic,
            None => std::future::pending().await,
        }
    }
}
