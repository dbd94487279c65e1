//! The iterations of a step: why there was another one, and what the one before had changed.

use super::{AttemptView, StepView};
use crate::IterationView;

/// Files that are named of an iteration.
const NAMED: usize = 3;

impl StepView {
    /// How many iterations it took until it was complete: `complete after 2 of 5 iterations`. `None` of a step that was done once,
    /// and of one that was not complete.
    #[must_use]
    pub fn iterations_words(&self) -> Option<String> {
        let most = self.plan.max_iterations.filter(|_| self.state == crate::StepState::Succeeded)?;
        let last = self.last_work()?.of.iteration;
        Some(format!("complete after {last} of {most} iterations"))
    }

    /// Files that an agent has reported as changed by the work of an iteration, each once, in the order of its attempts. Of the
    /// changes of an attempt the latest are known.
    #[must_use]
    pub fn files_changed_in(&self, iteration: u32) -> Vec<&str> {
        let is_work =
            |attempt: &&AttemptView| attempt.of.iteration == iteration && attempt.of.role == self.plan.role;
        let files = self.attempts.iter().filter(is_work).flat_map(|attempt| {
            let patched = attempt.activity.patches.iter().map(|patch| patch.patch.file_path.as_str());
            patched.chain(attempt.activity.undiffed.iter().map(String::as_str))
        });
        let mut changed = Vec::new();
        for file in files {
            if !changed.contains(&file) {
                changed.push(file);
            }
        }
        changed
    }

    /// Why an iteration was begun, and which files the one before had changed: `exit code 1: 2 failed; changed src/a.rs`. Empty
    /// when neither is known.
    #[must_use]
    pub fn iteration_words(&self, begun: &IterationView) -> String {
        let changed = self.files_changed_in(begun.iteration.saturating_sub(1));
        let named = changed.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
        let changed = match changed.len().saturating_sub(NAMED) {
            _ if changed.is_empty() => None,
            0 => Some(format!("changed {named}")),
            more => Some(format!("changed {named} and {more} more")),
        };
        let parts: Vec<String> = begun.detail.iter().cloned().chain(changed).collect();
        parts.join("; ")
    }
}
