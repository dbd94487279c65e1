//! Reads what earlier runs of a workflow tell of a later one.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use roboppi_ipc::UtcMillis;
use roboppi_record::{RunDir, StateRoot};
use roboppi_run::{History, Progress, RunId, RunStatus, RunView};

use crate::SameFile;

/// Runs whose manifest is looked at.
const INSPECTED: usize = 200;

/// Runs that are read.
const READ: usize = 5;

/// How long what was read of a workflow is used.
const FRESH: Duration = Duration::from_secs(60);

/// Workflows that are remembered.
const REMEMBERED: usize = 256;

/// What the runs before `run` tell: those of the same workflow file that came to an end,
/// the latest five. That nothing can be read is nothing known.
pub(crate) fn before(run: &RunDir) -> History {
    let Some((id, runs)) = run.path().file_name().zip(run.path().parent()) else {
        return History::default();
    };
    let Ok(manifest) = run.manifest() else { return History::default() };
    id.to_str().map_or_else(History::default, |id| of(runs, &manifest.workflow, Some(id)))
}

/// What the latest runs of a workflow file in a directory tell, or the latest before one of them.
fn of(runs: &Path, workflow: &str, before: Option<&str>) -> History {
    if workflow.is_empty() {
        // What was asked before tells nothing of what is asked now.
        return History::default();
    }
    let workflow = SameFile::as_file(Path::new(workflow));
    let Ok(entries) = fs::read_dir(runs) else { return History::default() };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    // Ids sort by time.
    let mut earlier: Vec<_> = names
        .filter(|name| before.is_none_or(|id| name.as_str() < id) && RunId::parse(name).is_ok())
        .collect();
    earlier.sort_unstable_by(|one, other| other.cmp(one));
    let views = earlier.into_iter().take(INSPECTED).filter_map(|name| {
        let dir = RunDir::at(runs.join(name));
        let same = dir.manifest().is_ok_and(|other| workflow.is(Path::new(&other.workflow)));
        let view = same.then(|| dir.view().ok()).flatten()?.into_view();
        matches!(view.status, RunStatus::Finished { .. }).then_some(view)
    });
    History::of(views.take(READ))
}

/// How far runs of a state directory are, by what earlier runs of their workflows took. What was read of a workflow serves all of its runs
/// for a minute.
#[derive(Debug)]
pub struct Forecasts {
    root: StateRoot,
    known: HashMap<String, (Instant, Arc<History>)>,
}

impl Forecasts {
    /// Has read nothing yet.
    #[must_use]
    pub fn of(root: StateRoot) -> Self {
        Self { root, known: HashMap::new() }
    }

    /// How far a run is. Reads records of earlier runs if need be.
    pub fn progress(&mut self, view: &RunView, now: UtcMillis) -> Progress {
        let history = self.history(view);
        Progress::of(view, &history, now)
    }

    /// What earlier runs tell of a run.
    pub fn history(&mut self, view: &RunView) -> Arc<History> {
        let workflow = workflow_of(view);
        if let Some(known) = self.known(workflow) {
            return known;
        }
        self.read(workflow)
    }

    /// What is known of a workflow without reading.
    pub(crate) fn known(&self, workflow: &str) -> Option<Arc<History>> {
        if workflow.is_empty() {
            return Some(Arc::default());
        }
        let (read, history) = self.known.get(workflow)?;
        (read.elapsed() < FRESH).then(|| Arc::clone(history))
    }

    /// Reads what the latest runs of a workflow tell.
    pub(crate) fn read(&mut self, workflow: &str) -> Arc<History> {
        let history = Arc::new(of(&self.root.runs_dir(), workflow, None));
        if self.known.len() >= REMEMBERED {
            self.known.clear();
        }
        self.known.insert(workflow.to_owned(), (Instant::now(), Arc::clone(&history)));
        history
    }
}

/// The workflow file of a run that may go on; nothing is to be known of others.
pub(crate) fn workflow_of(view: &RunView) -> &str {
    view.head.as_ref().filter(|_| !view.is_finished()).map_or("", |head| head.workflow.as_str())
}
