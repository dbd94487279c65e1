//! The answer of an agent that was asked one thing.

use roboppi_ipc::WorkerStatus;
use roboppi_run::{AttemptStatus, RunView};
use roboppi_untrusted::line;

/// The last word of the agent of the only step, if it succeeded; what another one said last is told with its failure.
#[must_use]
pub fn answer(view: &RunView) -> Option<&str> {
    let attempt = view.steps.first()?.attempts.last()?;
    match &attempt.status {
        AttemptStatus::Finished { result, .. } if result.status == WorkerStatus::Succeeded => {
            result.details.as_ref()?.answer.as_deref()
        }
        AttemptStatus::Finished { .. } | AttemptStatus::Started | AttemptStatus::Phase(_) => None,
    }
}

/// An answer as it is printed, with the end of its last line. A pipe is given every byte; a `terminal` must not obey them.
#[must_use]
pub fn printed(answer: &str, terminal: bool) -> String {
    let mut text = if terminal {
        answer.lines().map(|text| line(text.as_bytes(), false)).collect::<Vec<_>>().join("\n")
    } else {
        answer.to_owned()
    };
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}
