//! What runs there are, and how each is.

use std::fs;
use std::io;

use roboppi_ipc::UtcMillis;
use roboppi_journal::{Imported, RecordError, RunDir, StateRoot};
use roboppi_run::{Manifest, RunId, RunOutcome, RunStatus};
use serde::{Deserialize, Serialize};

use crate::file::RunReader;

mod memory;

use memory::Memory;

/// Where a run is, as somebody sees it who was not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Its owner lives, here or on another host.
    Live,
    /// It is over.
    Finished(RunOutcome),
    /// Its owner is gone, and it did not say how it ended.
    Lost,
}

impl Standing {
    /// The word for people and programs.
    #[must_use]
    pub const fn name(&self) -> &str {
        match self {
            Self::Live => "running",
            Self::Finished(outcome) => outcome.name(),
            Self::Lost => "lost",
        }
    }
}

/// A run in a list.
#[derive(Clone, Debug)]
pub struct RunSummary {
    /// Which one.
    pub id: RunId,
    /// Where it is.
    pub dir: RunDir,
    /// What was started; absent when `run.json` cannot be read.
    pub manifest: Option<Manifest>,
    /// How it is.
    pub standing: Standing,
    /// Steps that are over, and all there are.
    pub steps: (usize, usize),
    /// Milliseconds it took, or takes so far when it is live.
    pub duration_ms: Option<u64>,
    /// Nobody may remove it.
    pub pinned: bool,
    /// Where it came from, when that is another machine.
    pub imported: Option<Imported>,
    /// What is wrong with its record.
    pub damage: Option<String>,
}

/// What is known of a run from its files alone.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Facts {
    manifest: Option<Manifest>,
    /// How it ended, and in how many milliseconds.
    finished: Option<(RunOutcome, u64)>,
    started_at: Option<UtcMillis>,
    steps: (usize, usize),
    damage: Option<String>,
    /// The journal ends in the middle of a line.
    torn: bool,
}

impl Facts {
    fn of(dir: &RunDir) -> Self {
        let mut damage = None;
        let manifest = dir.manifest().map_err(|error| damage = Some(error.to_string())).ok();
        let mut reader = RunReader::new(dir.clone());
        reader.only_the_journal();
        let mut view = reader.begin();
        reader.read(&mut |record| view.apply(&record));
        let damage = damage.or_else(|| reader.problems().first().cloned());
        let done = view.steps.iter().filter(|step| step.state.is_final()).count();
        let finished = match &view.status {
            RunStatus::Finished { outcome, duration_ms, .. } => Some((*outcome, *duration_ms)),
            RunStatus::Unknown | RunStatus::Running | RunStatus::Ending { .. } => None,
        };
        let started_at = view.head.as_ref().map(|head| head.started_at);
        let torn = reader.torn();
        Self { manifest, finished, started_at, steps: (done, view.steps.len()), damage, torn }
    }
}

impl RunSummary {
    /// Looks at one run. `now` is for the duration of a live one.
    #[must_use]
    pub fn of(dir: RunDir, id: RunId, now: UtcMillis) -> Self {
        let facts = Facts::of(&dir);
        Self::from_facts(dir, id, facts, now)
    }

    fn from_facts(dir: RunDir, id: RunId, facts: Facts, now: UtcMillis) -> Self {
        let Facts { manifest, finished, started_at, steps, mut damage, torn } = facts;
        let (standing, duration_ms) = match finished {
            Some((outcome, duration_ms)) => (Standing::Finished(outcome), Some(duration_ms)),
            None if manifest.as_ref().is_some_and(|manifest| is_owned(&dir, manifest)) => {
                (Standing::Live, started_at.map(|started| now.0.saturating_sub(started.0)))
            }
            None => (Standing::Lost, None),
        };
        // Whoever lives may be writing that line.
        if torn && standing != Standing::Live {
            let path = dir.journal_path();
            damage.get_or_insert_with(|| format!("{} ends in the middle of a line", path.display()));
        }
        let (pinned, imported) = (dir.is_pinned(), dir.imported());
        Self { id, dir, manifest, standing, steps, duration_ms, pinned, imported, damage }
    }

    /// All runs, newest first. What was found out about a run is remembered beside the runs until a file of it changes.
    ///
    /// # Errors
    /// When the directory of runs cannot be read.
    pub fn all(root: &StateRoot, now: UtcMillis) -> Result<Vec<Self>, RecordError> {
        let runs: Vec<_> =
            root.runs()?.into_iter().filter_map(|id| Some((root.open_run(&id).ok()?, id))).collect();
        let mut memory = Memory::read(root);
        let facts = memory.of_all(&runs);
        // A list that cannot be remembered is a list all the same.
        let _ = memory.write(root);
        let found = runs.into_iter().zip(facts);
        Ok(found.map(|((dir, id), facts)| Self::from_facts(dir, id, facts, now)).collect())
    }
}

/// Whether the supervisor of a run may still live. On another host that writes into this directory nobody here can
/// tell, so it may; one that was taken in from another machine has no owner any more.
pub(crate) fn is_owned(dir: &RunDir, manifest: &Manifest) -> bool {
    if dir.is_imported() {
        return false;
    }
    if !is_of_this_host(manifest) {
        return true;
    }
    is_of_this_boot(manifest) && roboppi_process::is_alive(manifest.owner)
}

/// Whether the machine was not started anew since, as far as that is known.
pub(crate) fn is_of_this_boot(manifest: &Manifest) -> bool {
    match (&manifest.boot_id, boot_id()) {
        (Some(then), Ok(now)) => *then == now,
        _ => true,
    }
}

/// Whether the supervisor of a run is, or was, on this host, as far as one can tell.
pub(crate) fn is_of_this_host(manifest: &Manifest) -> bool {
    let here = fs::read_to_string("/proc/sys/kernel/hostname").map(|name| name.trim().to_owned());
    here.map_or(true, |here| here == manifest.host)
}

fn boot_id() -> io::Result<String> {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned())
}
