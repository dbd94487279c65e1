//! Processes that outlive the worker that started them: found, told to whom they belong, ended.
//!
//! Whoever leaves the group of its worker comes to this process when its parents are gone, if this process
//! is a child subreaper. When a worker has ended, those of its orphans that do not go at once are ended: stopped
//! from the top down, killed, and reaped by their pids. One that carries no sign of its job is ended when the last of the jobs it may
//! belong to ends. Without orphans the end of a job costs one look at our children.

mod ledger;

use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;
use std::time::Duration;

use roboppi_ipc::{JobId, Leaked, ProcessIdentity};
use roboppi_process::descendants::{
    Process, adopted, environment_variable, kill_trees, now_ticks, reap_adopted,
};
use roboppi_process::guard::mark_reported;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep, timeout};

use ledger::{DueKill, JobKey, JobLedger, Owner};

/// Variable in the environment of every worker: the id of its job.
pub(crate) const MARKER: &str = "ROBOPPI_JOB_ID";

/// Time an orphan has to be gone by itself: many a process ends with its worker, a moment later, and those of
/// the group of the worker were just killed.
const SETTLE_TIME: Duration = Duration::from_millis(50);
/// Time an orphan has to be gone when it is killed, from the end of its worker on. Nearly all need less than a millisecond; one that hangs inside the
/// system or belongs to somebody else is given up.
const PATIENCE: Duration = Duration::from_secs(1);
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(8);

/// How long an orphan that has ended may wait to be reaped.
const REAP_TIME: Duration = Duration::from_secs(1);

/// The orphans of one process, and the jobs they may belong to.
///
/// There should be one in a process that is a child subreaper: it takes orphans nobody claims for its own.
#[derive(Debug)]
pub struct Orphans {
    /// Whether orphans come to this process at all.
    comes_any: bool,
    ledger: RefCell<JobLedger>,
    /// Those that were told already and are still there.
    reported: RefCell<HashSet<ProcessIdentity>>,
    /// Those that cannot be ended.
    given_up: RefCell<HashSet<ProcessIdentity>>,
}

/// What was found when something ended.
#[derive(Debug, Default)]
pub(crate) struct Leftovers {
    /// What belonged to it, and was ended.
    pub(crate) own: Vec<Leaked>,
    /// What was ended with it: of another job, or of one of several.
    pub(crate) others: Vec<(Option<JobId>, Leaked)>,
    /// What could not be ended.
    pub(crate) unkillable: Vec<Leaked>,
}

impl Leftovers {
    /// These live nevertheless.
    fn give_up(&mut self, living: Vec<Leaked>) {
        let lives = |leaked: &Leaked| living.iter().any(|one| one.process == leaked.process);
        self.own.retain(|leaked| !lives(leaked));
        self.others.retain(|(_, leaked)| !lives(leaked));
        self.unkillable = living;
    }
}

impl Orphans {
    /// For a process whose subreaping does not change later. When it is none, there is nothing to be found,
    /// and nobody looks.
    #[must_use]
    pub fn new() -> Rc<Self> {
        Rc::new(Self {
            comes_any: is_subreaper(),
            ledger: RefCell::default(),
            reported: RefCell::default(),
            given_up: RefCell::default(),
        })
    }

    /// A job has a worker from now on.
    pub(crate) fn job_started(self: &Rc<Self>, id: JobId, worker: ProcessIdentity) -> WatchedJob {
        let key = self.ledger.borrow_mut().begin(id, worker);
        WatchedJob { orphans: Rc::clone(self), key }
    }

    /// The living orphans in the session of a worker.
    pub(crate) fn in_session(&self, leader: u32) -> Vec<Leaked> {
        if !self.comes_any {
            return Vec::new();
        }
        adopted(&[]).iter().filter(|process| process.session == leader).map(Process::to_leaked).collect()
    }

    /// Ends all that are left. To be called when there are no jobs any more.
    pub(crate) async fn end_all(&self) -> Leftovers {
        self.end(None).await
    }

    /// Reaps orphans that ended by themselves, for as long as this is polled.
    pub(crate) async fn keep_reaping(&self) {
        if !self.comes_any {
            return;
        }
        // Without the signal they are reaped when a job ends.
        let Ok(mut child_ended) = signal(SignalKind::child()) else { return };
        while child_ended.recv().await.is_some() {
            // Most likely it was a worker. Either way one look is enough for all that end meanwhile.
            sleep(REAP_TIME).await;
            reap_adopted(&[]);
        }
    }

    async fn end(&self, asking: Option<JobKey>) -> Leftovers {
        let mut left = Leftovers::default();
        if !self.comes_any {
            return left;
        }
        let begin = Instant::now();
        let mut pause = Pause::default();
        loop {
            let dues = self.due(asking);
            if dues.is_empty() {
                return left;
            }
            if begin.elapsed() >= SETTLE_TIME {
                let living = self.kill(&dues, &mut left);
                if begin.elapsed() >= PATIENCE {
                    for one in &living {
                        mark_reported(one.process);
                        self.given_up.borrow_mut().insert(one.process);
                    }
                    left.give_up(living);
                    return left;
                }
            }
            // The system is at it; and who comes to us by that is found by the next look.
            pause.wait().await;
        }
    }

    /// Reaps who has ended, and says who is to be ended now.
    fn due(&self, asking: Option<JobKey>) -> Vec<DueKill> {
        let mut ledger = self.ledger.borrow_mut();
        if let Some(key) = asking {
            ledger.end(key, ticks());
        }
        if !reap_adopted(&[]) {
            ledger.no_orphans(asking);
            self.reported.borrow_mut().clear();
            self.given_up.borrow_mut().clear();
            return Vec::new();
        }
        let table = adopted(&[]);
        let is_there = |known: &ProcessIdentity| table.iter().any(|process| process.identity == *known);
        self.reported.borrow_mut().retain(is_there);
        let mut given_up = self.given_up.borrow_mut();
        given_up.retain(is_there);
        let mut marker = |process: &Process| environment_variable(process.identity, MARKER);
        let mut dues = ledger.due(&table, asking, &mut marker);
        for due in &mut dues {
            due.processes.retain(|process| !given_up.contains(process));
        }
        dues.retain(|due| !due.processes.is_empty());
        if dues.is_empty() {
            // Somebody may have ended between the two looks.
            reap_adopted(&[]);
        }
        dues
    }

    /// Kills them and all below, and says who lived.
    fn kill(&self, dues: &[DueKill], left: &mut Leftovers) -> Vec<Leaked> {
        let mut living = Vec::new();
        for due in dues {
            for process in kill_trees(&due.processes) {
                let leaked = process.to_leaked();
                living.push(leaked.clone());
                if !self.reported.borrow_mut().insert(leaked.process) {
                    continue;
                }
                match &due.owner {
                    Owner::Asking => left.own.push(leaked),
                    Owner::Other(id) => left.others.push((Some(id.clone()), leaked)),
                    Owner::Unsure => left.others.push((None, leaked)),
                }
            }
        }
        living
    }
}

/// Waiting for processes to end: they say it, and if that is missed it does not take long.
struct Pause {
    child_ended: Option<Signal>,
    time: Duration,
}

impl Default for Pause {
    fn default() -> Self {
        Self { child_ended: None, time: FIRST_PAUSE }
    }
}

impl Pause {
    async fn wait(&mut self) {
        if self.child_ended.is_none() {
            self.child_ended = signal(SignalKind::child()).ok();
        }
        if let Some(child_ended) = &mut self.child_ended {
            // Somebody has ended, or it is time to look anyway.
            let _ = timeout(self.time, child_ended.recv()).await;
        } else {
            sleep(self.time).await;
        }
        self.time = (self.time * 2).min(LONGEST_PAUSE);
    }
}

/// A job in the ledger. It is over when this is dropped.
#[derive(Debug)]
pub(crate) struct WatchedJob {
    orphans: Rc<Orphans>,
    key: JobKey,
}

impl WatchedJob {
    /// The worker has ended: ends what it left, and waits until that is gone.
    pub(crate) async fn end(self) -> Leftovers {
        self.orphans.end(Some(self.key)).await
    }
}

impl Drop for WatchedJob {
    fn drop(&mut self) {
        let mut ledger = self.orphans.ledger.borrow_mut();
        if self.orphans.comes_any {
            ledger.close(self.key, ticks());
        } else {
            ledger.no_orphans(Some(self.key));
        }
    }
}

/// Now, on the clock of start times. Where there is none, nothing is ever found.
fn ticks() -> u64 {
    now_ticks().unwrap_or_default()
}

#[cfg(target_os = "linux")]
fn is_subreaper() -> bool {
    nix::sys::prctl::get_child_subreaper().unwrap_or(false)
}

#[cfg(not(target_os = "linux"))]
const fn is_subreaper() -> bool {
    false
}
