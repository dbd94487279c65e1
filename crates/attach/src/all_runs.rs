//! Follows all runs of a state directory.
//!
//! Runs that are over are rows of the list that [`RunSummary`] remembers, and are not read again. Those that may be alive are read on
//! where they ended the last time, the events of their workers only if they are asked for. All of them share one [`Watch`], so they
//! cost one notification for each directory, and nothing while nothing is written.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use roboppi_board::{Change, RunRow};
use roboppi_ipc::UtcMillis;
use roboppi_record::{RecordError, StateRoot};
use roboppi_run::RunId;

use crate::dir_stamp::DirStamp;
use crate::follower::{Growing, Watch, polls_by_environment};
use crate::{Forecasts, Liveness, RunSummary};

mod open_run;
mod output;

use open_run::OpenRun;

/// Time after which all runs are looked at again although no run came or went.
const LOOK: Duration = Duration::from_secs(60);

/// How long a lost run is still followed after its last sign of life.
const QUIET_MS: u64 = 10 * 60 * 1_000;

/// Follows all runs of a state directory, those of all processes.
///
/// The record is the queue: a reader that is slow is late and misses nothing, however much is written, and nothing of what is not read yet
/// is held in memory.
#[derive(Debug)]
pub struct AllRuns {
    root: StateRoot,
    events: bool,
    output: bool,
    /// The row of every run as it was handed over last.
    rows: BTreeMap<RunId, Arc<RunRow>>,
    /// Those that may go on.
    open: BTreeMap<RunId, OpenRun>,
    watch: Watch,
    /// When all runs were looked at, and the directory as it was then.
    listed: Option<(Instant, DirStamp)>,
    looked: Option<Instant>,
    problem: Option<String>,
    forecasts: Forecasts,
    /// A workflow whose earlier runs are to be read, once what is known was handed over.
    wanted: Option<String>,
}

impl AllRuns {
    /// Knows no run yet. With `events` the events of live runs are read as well, and not their states alone.
    #[must_use]
    pub fn of(root: StateRoot, events: bool) -> Self {
        let watch = Watch::new(root.path(), polls_by_environment());
        Self {
            forecasts: Forecasts::of(root.clone()),
            wanted: None,
            root,
            events,
            output: false,
            rows: BTreeMap::new(),
            open: BTreeMap::new(),
            watch,
            listed: None,
            looked: None,
            problem: None,
        }
    }

    /// Whether lines that workers print are handed over from now on: of a log that grows faster than it is read, the latest.
    pub const fn follow_output(&mut self, output: bool) {
        self.output = output;
    }

    /// Where the runs are.
    #[must_use]
    pub const fn root(&self) -> &StateRoot {
        &self.root
    }

    /// Hands over everything that changed since the last time, and all rows the first time. Records of one run come in their order, each
    /// once; a row comes after the records that made it what it is. `take` may block: that delays nothing but this reader.
    pub fn update(&mut self, now: UtcMillis, take: &mut dyn FnMut(Change)) {
        let problem = match self.list(now, take) {
            Ok(()) => None,
            Err(error) => Some(error.to_string()),
        };
        if problem != self.problem {
            self.problem.clone_from(&problem);
            take(Change::Problem(problem));
        }
        if let Some(workflow) = self.wanted.take() {
            self.forecasts.read(&workflow);
        }
        self.read_open(now, take);
    }

    /// Waits until there may be more, at most `limit`.
    pub fn wait(&mut self, limit: Duration) {
        if self.wanted.is_some() {
            return;
        }
        let runs = self.root.runs_dir();
        let mut growing =
            Growing { files: vec![runs.clone()], dirs: vec![self.root.path().to_owned(), runs] };
        for run in self.open.values() {
            let more = run.growing();
            growing.files.extend(more.files);
            growing.dirs.extend(more.dirs);
        }
        self.watch.wait(growing, limit);
    }

    /// Runs that may go on.
    #[must_use]
    pub fn live(&self) -> usize {
        self.open.len()
    }

    fn list(&mut self, now: UtcMillis, take: &mut dyn FnMut(Change)) -> Result<(), RecordError> {
        let stamp = DirStamp::of_runs(&self.root);
        let is_first = self.looked.is_none();
        let is_due = self.looked.is_none_or(|looked| looked.elapsed() >= LOOK);
        let is_current = self.listed.is_some_and(|(_, known)| Some(known) == stamp);
        if is_due {
            self.look_at_all(now, take)?;
            self.looked = Some(Instant::now());
        } else if !is_current {
            self.look_for_new(take)?;
        }
        if is_due || !is_current {
            self.listed = stamp.filter(DirStamp::is_settled).map(|stamp| (Instant::now(), stamp));
        }
        if is_first {
            take(Change::Listed);
        }
        Ok(())
    }

    /// Looks at every run, those that are over included.
    fn look_at_all(&mut self, now: UtcMillis, take: &mut dyn FnMut(Change)) -> Result<(), RecordError> {
        let summaries = RunSummary::all(&self.root, now)?;
        let ids: Vec<_> = summaries.iter().map(|summary| summary.id.clone()).collect();
        self.remove_others(&ids, take);
        for summary in summaries {
            if self.open.contains_key(&summary.id) {
                continue;
            }
            let row = Arc::new(summary.row());
            if goes_on(summary.liveness, &row, now) {
                let run =
                    OpenRun::new(&self.root, summary.local.run_dir().clone(), (*row).clone(), self.events);
                self.open.insert(summary.id.clone(), run);
            }
            self.hand_over(row, take);
        }
        Ok(())
    }

    /// Looks for runs that came or went.
    fn look_for_new(&mut self, take: &mut dyn FnMut(Change)) -> Result<(), RecordError> {
        let ids = self.root.runs()?;
        self.remove_others(&ids, take);
        for id in ids {
            if self.rows.contains_key(&id) || self.open.contains_key(&id) {
                continue;
            }
            // A run that is gone again is none.
            let Ok(dir) = self.root.open_run(&id) else { continue };
            let mut run = OpenRun::new(&self.root, dir, RunRow::new(id.clone()), self.events);
            run.read_from_its_beginning();
            self.open.insert(id, run);
        }
        Ok(())
    }

    fn remove_others(&mut self, ids: &[RunId], take: &mut dyn FnMut(Change)) {
        let known: std::collections::HashSet<_> = ids.iter().collect();
        self.open.retain(|id, _| known.contains(id));
        let gone: Vec<_> = self.rows.keys().filter(|id| !known.contains(id)).cloned().collect();
        for id in gone {
            self.rows.remove(&id);
            take(Change::Removed(id));
        }
    }

    /// Reads on in the runs that may go on.
    fn read_open(&mut self, now: UtcMillis, take: &mut dyn FnMut(Change)) {
        let mut over = Vec::new();
        let mut rows = Vec::new();
        for (id, run) in &mut self.open {
            let liveness = run.read(self.output, take);
            let history = self.forecasts.known(run.workflow());
            if history.is_none() {
                self.wanted.get_or_insert_with(|| run.workflow().to_owned());
            }
            let row = run.forecast(history.as_deref(), now);
            if !goes_on(liveness, &row, now) {
                over.push(id.clone());
            }
            rows.push(row);
        }
        for row in rows {
            self.hand_over(row, take);
        }
        for id in over {
            self.open.remove(&id);
        }
    }

    fn hand_over(&mut self, row: Arc<RunRow>, take: &mut dyn FnMut(Change)) {
        let known = self.rows.get(&row.id);
        if known.is_none_or(|known| !Arc::ptr_eq(known, &row) && **known != *row) {
            self.rows.insert(row.id.clone(), Arc::clone(&row));
            take(Change::Row(row));
        }
    }
}

/// Whether more may come of a run. A program that records itself may report again after it counted as lost.
fn goes_on(liveness: Liveness, row: &RunRow, now: UtcMillis) -> bool {
    let is_quiet = || row.last_at.is_none_or(|last| now.0.saturating_sub(last.0) > QUIET_MS);
    match liveness {
        Liveness::Live | Liveness::Elsewhere { .. } => true,
        Liveness::Lost => row.origin == roboppi_board::Origin::Local && !is_quiet(),
        Liveness::Finished(_) => false,
    }
}

#[cfg(test)]
mod tests;
