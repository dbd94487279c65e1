//! What earlier runs of a workflow tell about this one.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use roboppi_record::RunDir;
use roboppi_run::{RunId, RunStatus, RunView, StepPath, StepState};

use crate::SameFile;

/// Runs whose manifest is looked at.
const INSPECTED: usize = 200;

/// Runs that are read.
const READ: usize = 5;

/// How long the steps of a workflow took in its latest runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    steps: HashMap<StepPath, u64>,
}

impl History {
    /// What the runs before `run` tell: those of the same workflow file that came to an end,
    /// the latest five. Reads files; that nothing can be read is nothing known.
    #[must_use]
    pub fn before(run: &RunDir) -> Self {
        let Some((id, runs)) = run.path().file_name().zip(run.path().parent()) else {
            return Self::default();
        };
        let Ok(manifest) = run.manifest() else { return Self::default() };
        if manifest.workflow.is_empty() {
            // What was asked before tells nothing of what is asked now.
            return Self::default();
        }
        let workflow = SameFile::as_file(Path::new(&manifest.workflow));
        let Ok(entries) = fs::read_dir(runs) else { return Self::default() };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        // Ids sort by time.
        let mut earlier: Vec<_> = names
            .filter(|name| id.to_str().is_some_and(|id| name.as_str() < id) && RunId::parse(name).is_ok())
            .collect();
        earlier.sort_unstable_by(|one, other| other.cmp(one));
        let views = earlier.into_iter().take(INSPECTED).filter_map(|name| {
            let dir = RunDir::at(runs.join(name));
            let same = dir.manifest().is_ok_and(|other| workflow.is(Path::new(&other.workflow)));
            let view = same.then(|| dir.view().ok()).flatten()?.into_view();
            matches!(view.status, RunStatus::Finished { .. }).then_some(view)
        });
        Self::of(views.take(READ))
    }

    /// The median of what each step took where it succeeded.
    pub fn of(views: impl IntoIterator<Item = RunView>) -> Self {
        let mut all: HashMap<StepPath, Vec<u64>> = HashMap::new();
        for view in views {
            for step in view.steps.iter().filter(|step| step.state == StepState::Succeeded) {
                if let Some(ms) = step.duration_ms {
                    all.entry(step.plan.step.clone()).or_default().push(ms);
                }
            }
        }
        let median = |mut times: Vec<u64>| {
            times.sort_unstable();
            times[times.len() / 2]
        };
        Self { steps: all.into_iter().map(|(step, times)| (step, median(times))).collect() }
    }

    /// Milliseconds a step may take; `None` when it never succeeded before.
    #[must_use]
    pub fn step_ms(&self, step: &StepPath) -> Option<u64> {
        self.steps.get(step).copied()
    }
}
