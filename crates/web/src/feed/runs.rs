//! All runs, and what changes in their list.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use roboppi_attach::{LocalRun, RunSummary};
use roboppi_ipc::UtcMillis;
use roboppi_record::RecordError;
use serde_json::json;
use tokio::sync::watch;

use super::Hubs;
use crate::api::run::{RunFacts, RunRow};

/// Time between two looks at the directory of runs.
pub(crate) const RHYTHM: Duration = Duration::from_millis(500);

/// Changes that are kept. A client that is further behind is given the list anew.
const CHANGES: usize = 4096;

/// Live runs that are followed for their rows.
const FOLLOWED: usize = 64;

/// Rows of runs that are over, which are kept.
const REMEMBERED: usize = 4096;

/// The list of runs.
#[derive(Debug)]
pub(crate) struct RunList {
    hubs: Arc<Hubs>,
    /// Makes cursors of another server unknown here.
    epoch: String,
    state: Mutex<State>,
    news: watch::Sender<u64>,
    watchers: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    /// Newest first.
    rows: Arc<Vec<Arc<RunRow>>>,
    /// Of runs that are over.
    known: HashMap<String, Arc<RunRow>>,
    changes: VecDeque<Arc<str>>,
    /// Number of the first change.
    first: u64,
    looked: Option<Instant>,
}

/// What a client has not seen yet of the list.
#[derive(Debug)]
pub(crate) enum RunChanges {
    /// JSON of each change with its cursor, and the cursor behind them.
    Changes(Vec<(Arc<str>, String)>),
    /// Too much, or of another server: the list is given anew.
    Anew,
}

/// Rows that their readers share.
pub(crate) type Rows = Arc<Vec<Arc<RunRow>>>;

impl RunList {
    pub(crate) fn new(hubs: Arc<Hubs>, epoch: String) -> Self {
        Self {
            hubs,
            epoch,
            state: Mutex::default(),
            news: watch::Sender::new(0),
            watchers: AtomicUsize::new(0),
        }
    }

    pub(crate) fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// The list is kept up to date as long as anything is watching it.
    pub(crate) fn watch(self: &Arc<Self>) -> Watcher {
        self.watchers.fetch_add(1, Ordering::Relaxed);
        Watcher(Arc::clone(self))
    }

    pub(crate) fn is_watched(&self) -> bool {
        self.watchers.load(Ordering::Relaxed) > 0
    }

    /// The rows, newest first, looked up again when that was a while ago, and the cursor of the list. Reads directories.
    ///
    /// # Errors
    /// When the directory of runs cannot be read.
    pub(crate) fn rows(&self, now: UtcMillis) -> Result<(Rows, String), RecordError> {
        let fresh = self.lock().looked.is_some_and(|looked| looked.elapsed() < RHYTHM);
        if !fresh {
            self.refresh(now)?;
        }
        let state = self.lock();
        Ok((Arc::clone(&state.rows), self.cursor(state.first + state.changes.len() as u64)))
    }

    fn cursor(&self, number: u64) -> String {
        format!("{}-{number}", self.epoch)
    }

    /// What changed behind a cursor.
    pub(crate) fn changes(&self, cursor: &str, most: usize) -> RunChanges {
        let number = cursor.rsplit_once('-').filter(|(epoch, _)| *epoch == self.epoch);
        let Some(number) = number.and_then(|(_, number)| number.parse::<u64>().ok()) else {
            return RunChanges::Anew;
        };
        let state = self.lock();
        let end = state.first + state.changes.len() as u64;
        let Some(skip) = number.checked_sub(state.first).filter(|_| number <= end) else {
            return RunChanges::Anew;
        };
        let numbers = number + 1..;
        let changes = state.changes.iter().skip(usize::try_from(skip).unwrap_or(usize::MAX));
        RunChanges::Changes(
            changes
                .zip(numbers)
                .take(most)
                .map(|(body, number)| (Arc::clone(body), self.cursor(number)))
                .collect(),
        )
    }

    /// Looks at all runs, and notes what is different.
    ///
    /// # Errors
    /// When the directory of runs cannot be read.
    pub(crate) fn refresh(&self, now: UtcMillis) -> Result<(), RecordError> {
        let summaries = RunSummary::all(self.hubs.root(), now)?;
        let mut followed = 0;
        let mut rows = Vec::with_capacity(summaries.len());
        for summary in &summaries {
            let live = summary.liveness.may_live() && followed < FOLLOWED;
            followed += usize::from(live);
            rows.push(self.row(summary, live, now));
        }
        let mut state = self.lock();
        let before: HashMap<&str, &Arc<RunRow>> =
            state.rows.iter().map(|row| (row.id.as_str(), row)).collect();
        let mut changes: Vec<Arc<str>> = Vec::new();
        if state.looked.is_some() {
            // Oldest first, so that a list with the newest on top grows at its top.
            for row in rows.iter().rev() {
                if before.get(row.id.as_str()).is_none_or(|known| *known != row) {
                    changes.push(json!({"kind": "runChanged", "run": row}).to_string().into());
                }
            }
            let now_there: HashMap<&str, ()> = rows.iter().map(|row| (row.id.as_str(), ())).collect();
            for id in before.keys().filter(|id| !now_there.contains_key(*id)) {
                changes.push(json!({"kind": "runRemoved", "id": id}).to_string().into());
            }
        }
        drop(before);
        let changed = !changes.is_empty();
        state.changes.extend(changes);
        let excess = state.changes.len().saturating_sub(CHANGES);
        state.changes.drain(..excess);
        state.first += excess as u64;
        state.rows = Arc::new(rows);
        state.looked = Some(Instant::now());
        drop(state);
        if changed {
            self.news.send_modify(|count| *count += 1);
        }
        Ok(())
    }

    fn row(&self, summary: &RunSummary, live: bool, now: UtcMillis) -> Arc<RunRow> {
        if live && let Ok(hub) = self.hubs.of(&summary.id) {
            let row = hub.look(|view, liveness, _| {
                view.head.is_some().then(|| RunRow::of(hub.facts(), view, liveness, now))
            });
            if let Some(row) = row {
                return Arc::new(row);
            }
        }
        let known = self.lock().known.get(summary.id.as_str()).cloned();
        let of_summary = RunRow::of_summary(summary);
        match known {
            Some(known) if known.state == of_summary.state => known,
            _ => Arc::new(of_summary),
        }
    }

    /// Rows with what only the record tells: cost, failures, the next command. Reads records of runs that are over, each once.
    pub(crate) fn in_full(&self, rows: &[Arc<RunRow>]) -> Vec<Arc<RunRow>> {
        rows.iter().map(|row| self.row_in_full(row)).collect()
    }

    fn row_in_full(&self, row: &Arc<RunRow>) -> Arc<RunRow> {
        if row.is_live() || self.lock().known.contains_key(&row.id) {
            return Arc::clone(row);
        }
        let Ok(id) = roboppi_run::RunId::parse(&row.id) else { return Arc::clone(row) };
        let Ok(run) = LocalRun::open(self.hubs.root(), &id) else { return Arc::clone(row) };
        let Ok(view) = run.record().view() else { return Arc::clone(row) };
        if view.head.is_none() {
            return Arc::clone(row);
        }
        let facts = RunFacts {
            id: row.id.clone(),
            handle: row.handle.clone(),
            host: row.host.clone(),
            imported: row.origin == "imported",
            ..RunFacts::default()
        };
        let liveness =
            if view.is_finished() { roboppi_attach::Liveness::Live } else { roboppi_attach::Liveness::Lost };
        let mut full = RunRow::of(&facts, &view, liveness, UtcMillis(0));
        if full.detail.is_none() {
            full.detail.clone_from(&row.detail);
        }
        if full.state != row.state {
            return Arc::clone(row);
        }
        let full = Arc::new(full);
        let mut state = self.lock();
        if state.known.len() >= REMEMBERED {
            state.known.clear();
        }
        state.known.insert(row.id.clone(), Arc::clone(&full));
        // The row is the same run: it is no change.
        let rows = Arc::make_mut(&mut state.rows);
        if let Some(place) = rows.iter_mut().find(|known| known.id == row.id) {
            *place = Arc::clone(&full);
        }
        full
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps the list up to date as long as it lives.
#[derive(Debug)]
pub(crate) struct Watcher(Arc<RunList>);

impl Drop for Watcher {
    fn drop(&mut self) {
        self.0.watchers.fetch_sub(1, Ordering::Relaxed);
    }
}
