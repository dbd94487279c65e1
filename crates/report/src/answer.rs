//! The answer of an agent that was asked one thing.

use roboppi_ipc::WorkerStatus;
use roboppi_run::{AttemptStatus, RunHead, RunStatus, RunView, StepState, shell_word};
use roboppi_untrusted::{line, words};

use crate::units::limit_time;

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

/// What is told on a terminal of an agent that was asked one thing and has not answered: why, its session, and how to go on.
/// `None` of one that succeeded, and while it runs. With `reason` false it was told why already.
#[must_use]
pub fn no_answer(view: &RunView, worker: &str, reason: bool) -> Option<String> {
    let step = view.steps.first()?;
    if !matches!(view.status, RunStatus::Finished { .. }) || step.state == StepState::Succeeded {
        return None;
    }
    let mut text = String::new();
    if reason {
        let detail = step.reason(limit_time).filter(|detail| !detail.is_empty());
        let detail = detail.map_or(String::new(), |detail| format!(": {}", words(&detail)));
        text.push_str(&format!("roboppi: the agent has {}{detail}\n", step.state.name()));
    }
    let session = step.attempts.last().and_then(|attempt| {
        let session = attempt.activity.session.as_ref()?;
        Some(words(&session.id))
    });
    if let Some(session) = session {
        let word = shell_word(&session);
        text.push_str(&format!("  session  {session}\n"));
        text.push_str(&format!("  go on    roboppi run --worker {worker} --resume {word} \"Go on.\"\n"));
    }
    let run = view.head.as_ref().map_or_else(|| "-1".to_owned(), RunHead::short_name);
    text.push_str(&format!("  details  roboppi show {run}\n"));
    Some(text)
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
