//! Writes snapshots of what busy workers do, on a thread of its own: no event waits for one.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use roboppi_record::{EventSnapshotWriter, RunDir};

/// Events of an attempt between two looks at its event file.
pub(crate) const LOOK: u64 = 4096;

/// Of the time, one part goes into snapshots and this many do not: beside a very fast worker there are fewer of them.
const REST: u32 = 9;

/// How long the end of a run may wait for them.
const AT_THE_END: Duration = Duration::from_secs(1);

/// The thread that writes snapshots of event files. It begins with the first one that may be long; without a thread there are
/// none, and the record is whole all the same.
#[derive(Debug)]
pub(crate) struct EventSnapshots {
    run: RunDir,
    wanted: Arc<WantedQueue>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct WantedQueue {
    wanted: Mutex<Wanted>,
    changed: Condvar,
}

/// What is to be looked at. An attempt is in it once, however often it is asked for.
#[derive(Debug, Default)]
struct Wanted {
    /// By the base of their files, and whether nothing more comes.
    attempts: BTreeMap<String, bool>,
    is_over: bool,
}

impl EventSnapshots {
    pub(crate) fn new(run: RunDir) -> Self {
        Self { run, wanted: Arc::default(), thread: None }
    }

    /// The event file of the attempt with the files `base` has grown. Never waits for a snapshot.
    pub(crate) fn grew(&mut self, base: String) {
        self.want(base, false);
    }

    /// The same, for the last time.
    pub(crate) fn ended(&mut self, base: String) {
        self.want(base, true);
    }

    fn want(&mut self, base: String, is_last: bool) {
        *self.wanted.lock().attempts.entry(base).or_default() |= is_last;
        self.wanted.changed.notify_one();
        if self.thread.is_none() {
            let (run, wanted) = (self.run.clone(), Arc::clone(&self.wanted));
            let work = move || wanted.write_all(&run);
            self.thread = Builder::new().name("event-snapshots".to_owned()).spawn(work).ok();
        }
    }

    /// Waits for the snapshots of the attempts that have ended.
    pub(crate) fn finish(&mut self) {
        self.wanted.lock().is_over = true;
        self.wanted.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl WantedQueue {
    fn lock(&self) -> MutexGuard<'_, Wanted> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_all(&self, run: &RunDir) {
        let mut writers = BTreeMap::new();
        loop {
            let idle = |wanted: &mut Wanted| wanted.attempts.is_empty() && !wanted.is_over;
            let mut wanted =
                self.changed.wait_while(self.lock(), idle).unwrap_or_else(PoisonError::into_inner);
            let attempts = std::mem::take(&mut wanted.attempts);
            drop(wanted);
            if attempts.is_empty() {
                return;
            }
            let begun = Instant::now();
            for (base, is_last) in attempts {
                if self.lock().is_over && begun.elapsed() > AT_THE_END {
                    return;
                }
                let new = |base: &str| EventSnapshotWriter::new(run.clone(), base).ok();
                let writer = writers.entry(base.clone()).or_insert_with(|| new(&base));
                // One that cannot be written is missed by nobody but the patience of a reader.
                let _ = writer.as_mut().map(EventSnapshotWriter::check);
                if is_last {
                    writers.remove(&base);
                }
            }
            let rest = begun.elapsed() * REST;
            let goes_on = |wanted: &mut Wanted| !wanted.is_over;
            drop(self.changed.wait_timeout_while(self.lock(), rest, goes_on));
        }
    }
}

#[cfg(test)]
mod tests {
    use roboppi_ipc::{ToolResult, UtcMillis, WorkerEvent};
    use roboppi_record::EventFileWriter;
    use roboppi_run::AttemptRecord;

    use super::*;

    #[test]
    fn what_was_asked_for_last_is_there_when_the_run_ends() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::at(dir.path().to_owned());
        let mut snapshots = EventSnapshots::new(run.clone());
        let base = "steps/a/i1-a1";
        let mut events = EventFileWriter::new(run.path(), base).unwrap();
        let mut seq = 0;
        while events.len() < 2 * EventSnapshotWriter::INTERVAL {
            let event = WorkerEvent::ToolResult(ToolResult::new("t", true, "x".repeat(20_000)));
            events.append(&AttemptRecord { seq, ts: UtcMillis(1), at: 0, event }).unwrap();
            seq += 1;
            if seq % 64 == 0 {
                snapshots.grew(base.to_owned());
            }
        }
        snapshots.ended(base.to_owned());
        snapshots.finish();
        let activity = run.events(base).unwrap().restore().unwrap();
        assert!(activity.events * 20_000 >= EventSnapshotWriter::INTERVAL, "{}", activity.events);
    }
}
