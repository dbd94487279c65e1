//! What of a run is still alive.

use roboppi_ipc::ProcessIdentity;
use roboppi_run::RunView;

use crate::LocalRun;
use crate::liveness::{same_kernel, same_pids};

/// Processes of a run that are still there although it may not look so: its owner, its core, and workers whose end it did
/// not record. Of another machine, of this one before it was started anew, and of another space of pids nothing is known
/// and nothing is listed.
#[must_use]
pub fn survivors(run: &LocalRun, view: &RunView) -> Vec<ProcessIdentity> {
    let dir = run.run_dir();
    let Ok(manifest) = dir.manifest() else { return Vec::new() };
    if dir.is_imported() || same_kernel(&manifest) != Some(true) || same_pids(&manifest) == Some(false) {
        return Vec::new();
    }
    let attempts = view.steps.iter().flat_map(|step| &step.attempts);
    let workers =
        attempts.filter(|attempt| attempt.finished_at.is_none()).filter_map(|attempt| attempt.process);
    // Whoever showed a run that is over may still be there.
    let owner = (!view.is_finished()).then_some(manifest.owner);
    let all = owner.into_iter().chain(view.cores.values().filter_map(|core| core.process)).chain(workers);
    all.filter(|process| roboppi_process::is_alive(*process)).collect()
}
