//! What attempts wait for before their workers may start.

use roboppi_ipc::JobId;

use crate::{AttemptPhase, AttemptStatus, AttemptView, RunView, StepView};

impl StepView {
    /// Whether its attempt waits for a permit: it is under way, and nothing of it runs.
    #[must_use]
    pub fn is_queued(&self) -> bool {
        let status = self.attempts.last().map(|attempt| &attempt.status);
        let waits = matches!(status, Some(AttemptStatus::Phase(AttemptPhase::WaitingPermit { .. })));
        waits && self.state.is_active()
    }
}

impl RunView {
    /// What an attempt waits for: ``waits for a permit: Workspace /w is being edited by `build` ``; `None` if it waits for no
    /// permit.
    #[must_use]
    pub fn permit_wait(&self, attempt: &AttemptView) -> Option<String> {
        match &attempt.status {
            AttemptStatus::Phase(AttemptPhase::WaitingPermit { detail }) => Some(self.permit_words(detail)),
            AttemptStatus::Started | AttemptStatus::Phase(_) | AttemptStatus::Finished { .. } => None,
        }
    }

    /// The wait for a permit that is refused because of `detail`. The core knows jobs only; their steps are named instead.
    #[must_use]
    pub fn permit_words(&self, detail: &str) -> String {
        if detail.is_empty() {
            return "waits for a permit".to_owned();
        }
        let mut words: Vec<String> = Vec::new();
        for word in detail.split(' ') {
            let of = self.attempt_of_job(&JobId::new(word));
            match (words.last_mut().filter(|before| *before == "job"), of) {
                (Some(before), Some(of)) => *before = format!("`{}`", of.step),
                _ => words.push(word.to_owned()),
            }
        }
        format!("waits for a permit: {}", words.join(" "))
    }
}
