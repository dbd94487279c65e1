//! Statistics over all runs of a state directory.
//!
//! The figures of runs that are over are remembered beside the runs; those of the others are folded from their records, which are
//! read on where they ended the last time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use roboppi_record::{RecordError, RunDir, StateRoot};
use roboppi_run::{Manifest, RunId, RunMode};
use roboppi_stats::{RunFigures, RunFold, RunState, Selection, Totals};
use serde::{Deserialize, Serialize};

use crate::Liveness;
use crate::catalog::liveness_without_end;
use crate::dir_stamp::DirStamp;
use crate::follower::RunReader;
use crate::remembered::{Finding, Memory, Stamps};

/// Time after which all runs are looked at again although no run came or went.
const LOOK: Duration = Duration::from_secs(60);

/// How long a lost run must have been quiet before its figures are remembered: what belonged to its owner has ended by then.
const QUIET: Duration = Duration::from_secs(10 * 60);

/// Runs whose latest entries are remembered in full, by the time of their last record.
const NEWEST: usize = 20;

/// Latest entries that are remembered of other runs.
const FEW: usize = 3;

/// What is counted of one run.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Counted {
    /// Absent of a record without a beginning.
    figures: Option<Arc<RunFigures>>,
    #[serde(with = "state")]
    state: RunState,
    damage: Option<String>,
    /// It will not change any more.
    settled: bool,
}

/// The states of which runs are remembered.
mod state {
    use roboppi_stats::RunState;
    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
    pub(super) fn serialize<S: Serializer>(state: &RunState, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bool(*state == RunState::Finished)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<RunState, D::Error> {
        let finished = bool::deserialize(from)?;
        Ok(if finished { RunState::Finished } else { RunState::Lost })
    }
}

impl Finding for Counted {
    const FILE: &'static str = "stats.cache";
    const FORMAT: u32 = 2;

    fn of(dir: &RunDir) -> Self {
        OpenRun::new(dir.clone()).read()
    }

    fn is_settled(&self) -> bool {
        self.settled
    }
}

/// A run that is read on where it ended the last time.
#[derive(Debug)]
struct OpenRun {
    dir: RunDir,
    manifest: Option<Manifest>,
    reader: RunReader,
    fold: RunFold,
}

impl OpenRun {
    fn new(dir: RunDir) -> Self {
        let mut reader = RunReader::new(dir.clone());
        reader.without_logs();
        Self { manifest: None, reader, fold: RunFold::default(), dir }
    }

    /// What there is of the run now.
    fn read(&mut self) -> Counted {
        let Self { dir, manifest, reader, fold } = self;
        reader.read(&mut |record| fold.apply(&record));
        let mut state = RunState::Finished;
        if !fold.is_finished() {
            if manifest.is_none() {
                *manifest = dir.manifest().ok();
            }
            state = of_liveness(liveness_without_end(dir, manifest.as_ref()));
            if state == RunState::Lost {
                // Its owner may have ended since the record was read.
                reader.read(&mut |record| fold.apply(&record));
                if fold.is_finished() {
                    state = RunState::Finished;
                }
            }
        }
        let over = matches!(state, RunState::Finished | RunState::Lost);
        let torn = reader.torn() && over;
        let in_middle = || format!("{} ends in the middle of a line", dir.journal_path().display());
        let damage = reader.problems().first().cloned().or_else(|| torn.then(in_middle));
        // An imported run may have another id here.
        let figures = fold.figures().map(|figures| {
            let id = dir.id().unwrap_or_else(|| figures.id.clone());
            Arc::new(RunFigures { id, ..figures })
        });
        let settled = match state {
            RunState::Finished => true,
            // A program that records itself may report again.
            RunState::Lost => {
                is_quiet(dir) && manifest.as_ref().is_some_and(|manifest| manifest.mode != RunMode::Emitted)
            }
            RunState::Live | RunState::Elsewhere => false,
        };
        Counted { settled: settled && damage.is_none() && figures.is_some(), figures, state, damage }
    }
}

const fn of_liveness(liveness: Liveness) -> RunState {
    match liveness {
        Liveness::Live => RunState::Live,
        Liveness::Finished(_) => RunState::Finished,
        Liveness::Lost => RunState::Lost,
        Liveness::Elsewhere { .. } => RunState::Elsewhere,
    }
}

/// Whether nothing was written to a run for a while.
fn is_quiet(dir: &RunDir) -> bool {
    let last = dir.last_sign().map(|last| SystemTime::UNIX_EPOCH + Duration::from_millis(last.0));
    last.is_some_and(|last| SystemTime::now().duration_since(last).is_ok_and(|passed| passed > QUIET))
}

/// Counts the runs of a state directory, again and again if need be. Each time costs a look at the runs that are under way, and not at all
/// of them.
#[derive(Debug)]
pub struct Statistics {
    root: StateRoot,
    memory: Memory<Counted>,
    /// Runs that are over.
    over: BTreeMap<RunId, Arc<Counted>>,
    /// Runs that are under way, each with what was counted last.
    open: BTreeMap<RunId, (OpenRun, Arc<Counted>)>,
    /// When all runs were looked at, and the directory as it was then.
    listed: Option<(Instant, DirStamp)>,
}

/// Totals, and what they do not have.
#[derive(Clone, Debug, Default)]
pub struct Statistic {
    /// The totals of the runs that were selected.
    pub totals: Totals,
    /// Their figures, the latest run first, each with where the run is.
    pub runs: Vec<(Arc<RunFigures>, RunState)>,
    /// Runs whose record has no beginning, so that nothing of them is counted.
    pub unreadable: u64,
    /// What is damaged, one text for each run, at most [`Statistic::PROBLEMS`].
    pub problems: Vec<String>,
}

impl Statistic {
    /// Problems that are kept.
    pub const PROBLEMS: usize = 20;
}

impl Statistics {
    /// Counts nothing yet.
    #[must_use]
    pub fn of(root: StateRoot) -> Self {
        let memory = Memory::read(&root);
        Self { root, memory, over: BTreeMap::new(), open: BTreeMap::new(), listed: None }
    }

    /// Reads what is new.
    ///
    /// # Errors
    /// When the directory of runs cannot be read.
    pub fn update(&mut self) -> Result<(), RecordError> {
        let stamp = DirStamp::of_runs(&self.root);
        let is_current = self.listed.is_some_and(|(at, known)| at.elapsed() < LOOK && Some(known) == stamp);
        if is_current {
            self.read_open();
        } else {
            self.list()?;
            self.listed = stamp.filter(DirStamp::is_settled).map(|stamp| (Instant::now(), stamp));
        }
        // Figures that cannot be remembered are figures nevertheless. Files of another user stay as they are.
        if self.root.is_of_this_user() {
            self.forget_entries();
            let _ = self.memory.write(&self.root);
        }
        Ok(())
    }

    /// Looks at every run.
    fn list(&mut self) -> Result<(), RecordError> {
        let ids = self.root.runs()?;
        self.open.retain(|id, _| ids.contains(id));
        self.read_open();
        let is_open = |id: &RunId| self.open.contains_key(id);
        let others = ids.into_iter().filter(|id| !is_open(id));
        let runs: Vec<_> = others.filter_map(|id| Some((self.root.open_run(&id).ok()?, id))).collect();
        let found = self.memory.of_all(&runs);
        self.over.clear();
        for ((dir, id), counted) in runs.into_iter().zip(found) {
            match counted.state {
                RunState::Finished | RunState::Lost => drop(self.over.insert(id, counted)),
                RunState::Live | RunState::Elsewhere => {
                    drop(self.open.insert(id, (OpenRun::new(dir), counted)));
                }
            }
        }
        Ok(())
    }

    /// Reads on in the runs that are under way.
    fn read_open(&mut self) {
        let mut ended = Vec::new();
        for (id, (run, counted)) in &mut self.open {
            // The stamps first: what changes meanwhile is read again the next time.
            let stamps = Stamps::of(&run.dir);
            *counted = Arc::new(run.read());
            if matches!(counted.state, RunState::Finished | RunState::Lost) {
                if let Some(stamps) = stamps.filter(|_| counted.settled) {
                    self.memory.put(id.clone(), stamps, Arc::clone(counted));
                }
                ended.push(id.clone());
            }
        }
        for id in ended {
            if let Some((_, counted)) = self.open.remove(&id) {
                self.over.insert(id, counted);
            }
        }
    }

    /// Keeps few of the latest entries of all runs but the newest.
    fn forget_entries(&mut self) {
        let mut times: Vec<_> =
            self.over.values().filter_map(|run| Some(run.figures.as_ref()?.last_at)).collect();
        if times.len() <= NEWEST {
            return;
        }
        let (_, oldest, _) = times.select_nth_unstable_by(NEWEST, |one, other| other.cmp(one));
        let oldest = *oldest;
        self.memory.shrink(|run| {
            let figures = run.figures.as_ref()?;
            (figures.last_at <= oldest && figures.recent.len() > FEW).then(|| {
                let mut less = RunFigures::clone(figures);
                less.recent.truncate(FEW);
                Counted { figures: Some(less.into()), ..run.clone() }
            })
        });
    }

    /// The totals of the runs that `selection` and `takes` take, as they were at the last [`update`](Self::update).
    #[must_use]
    pub fn totals(&self, selection: &Selection, takes: &dyn Fn(&RunFigures) -> bool) -> Statistic {
        let mut found = Statistic::default();
        let open = self.open.iter().map(|(id, (_, counted))| (id, counted));
        for (id, counted) in self.over.iter().chain(open) {
            let Some(figures) = &counted.figures else {
                // A run that is about to begin is none yet.
                found.unreadable += u64::from(counted.state != RunState::Live);
                continue;
            };
            if !selection.takes(figures) || !takes(figures) {
                continue;
            }
            if let Some(damage) =
                counted.damage.as_ref().filter(|_| found.problems.len() < Statistic::PROBLEMS)
            {
                found.problems.push(format!("{id}: {damage}"));
            }
            found.totals.add(figures, counted.state);
            found.runs.push((Arc::clone(figures), counted.state));
        }
        found.runs.sort_by_key(|(run, _)| std::cmp::Reverse(run.started_at));
        found
    }

    /// Removes what is remembered of runs that are gone.
    ///
    /// # Errors
    /// When the runs cannot be listed, or the file cannot be written.
    pub fn forget_removed(root: &StateRoot) -> Result<(), RecordError> {
        let mut memory = Memory::<Counted>::read(root);
        let ids = root.runs()?.into_iter().collect();
        memory.keep(&ids);
        memory.write(root)
    }
}

#[cfg(test)]
mod tests;
