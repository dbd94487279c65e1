//! How much of the disk the logs of a run may take, and whether its user knows of trouble, all workers together.

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use roboppi_record::{RunDir, RunUsage};

/// Runs that are known at a time. A core serves one, unless its supervisor is of an odd kind.
const RUNS: usize = 16;

/// What the workers of one run have in common.
#[derive(Clone, Debug)]
pub(super) struct RunBudget {
    pub(super) usage: Rc<RunUsage>,
    /// It was said that the record is incomplete. A full disk is no news of every step.
    pub(super) is_reported: Rc<Cell<bool>>,
}

/// What runs use, as far as this core writes it.
#[derive(Debug, Default)]
pub(super) struct Budgets(RefCell<Vec<(PathBuf, RunBudget)>>);

impl Budgets {
    /// What the run in `dir` uses. What an earlier core wrote there is looked up once.
    pub(super) fn of(&self, dir: &Path, limit: u64) -> RunBudget {
        let mut runs = self.0.borrow_mut();
        if let Some((_, budget)) = runs.iter().find(|(known, _)| known == dir) {
            return budget.clone();
        }
        if runs.len() == RUNS {
            runs.remove(0);
        }
        let used = RunDir::at(dir.to_owned()).logs_on_disk().unwrap_or_default();
        let budget = RunBudget { usage: Rc::new(RunUsage::new(limit, used)), is_reported: Rc::default() };
        runs.push((dir.to_owned(), budget.clone()));
        budget
    }
}
