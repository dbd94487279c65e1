//! How much of the disk the logs of a run may take, all workers together.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use roboppi_journal::{RunDir, RunUsage};

/// Runs that are known at a time. A core serves one, unless its supervisor is of an odd kind.
const RUNS: usize = 16;

/// What runs use, as far as this core writes it.
#[derive(Debug, Default)]
pub(super) struct Budgets(RefCell<Vec<(PathBuf, Rc<RunUsage>)>>);

impl Budgets {
    /// What the run in `dir` uses. What an earlier core wrote there is looked up once.
    pub(super) fn of(&self, dir: &Path, limit: u64) -> Rc<RunUsage> {
        let mut runs = self.0.borrow_mut();
        if let Some((_, usage)) = runs.iter().find(|(known, _)| known == dir) {
            return Rc::clone(usage);
        }
        if runs.len() == RUNS {
            runs.remove(0);
        }
        let used = RunDir::at(dir.to_owned()).logs_on_disk().unwrap_or_default();
        let usage = Rc::new(RunUsage::new(limit, used));
        runs.push((dir.to_owned(), Rc::clone(&usage)));
        usage
    }
}
