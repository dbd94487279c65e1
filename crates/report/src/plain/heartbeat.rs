//! The line that says a silent run is alive, and what it is doing.

use roboppi_ipc::UtcMillis;
use roboppi_run::{
    Act, AttemptStatus, AttemptView, RunStatus, RunView, StepState, StepView, progress_words, tool_words,
    wait_words,
};

use super::log::Logs;
use crate::units::{age, limit_time, time_of_day};
use roboppi_untrusted::{line, words};

/// Steps that are described; the others are counted.
const SHOWN: usize = 5;

/// Bytes of a log that are looked at for its last line.
const LAST_BYTES: u64 = 4 * 1024;

/// Characters of a last line that are shown.
const LAST_CHARS: usize = 60;

/// `… 2m10s  still running: build (1m58s, last output 40s ago: "Compiling x"), test (3s, no output yet)`.
/// `None` for a run that has not begun or is over.
pub(super) fn heartbeat(view: &RunView, now: UtcMillis, logs: &mut dyn Logs) -> Option<String> {
    let head = view.head.as_ref()?;
    let doing = match view.status {
        RunStatus::Unknown | RunStatus::Finished { .. } => return None,
        RunStatus::Running => "running",
        RunStatus::Ending { .. } => "ending",
    };
    let since = |then: UtcMillis| age(now.0.saturating_sub(then.0));
    let busy: Vec<&StepView> =
        view.steps().filter(|step| step.state.is_active() || step.state == StepState::Retrying).collect();
    let mut parts: Vec<String> =
        busy.iter().take(SHOWN).map(|step| describe(view, step, now, logs)).collect();
    if let Some(more) = busy.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        parts.push(format!("{more} more"));
    }
    let what = if parts.is_empty() { "no worker at this moment".to_owned() } else { parts.join(", ") };
    Some(format!("… {}  still {doing}: {what}", since(head.started_at)))
}

fn describe(view: &RunView, step: &StepView, now: UtcMillis, logs: &mut dyn Logs) -> String {
    let name = words(step.plan.step.as_str());
    let Some(attempt) = step.attempts.last().filter(|_| step.state != StepState::Retrying) else {
        let waits = step.limit_until.and_then(|_| step.reason(limit_time));
        return format!("{name} ({})", waits.map_or_else(|| step.state.name().to_owned(), |why| words(&why)));
    };
    let since = |then: UtcMillis| age(now.0.saturating_sub(then.0));
    // Its worker has ended, so it is not what is waited for.
    if let (AttemptStatus::Finished { .. }, Some(detail)) = (&attempt.status, &step.detail) {
        return format!("{name} ({}, {})", since(attempt.started_at), words(detail));
    }
    if let Some(waits) = view.permit_wait(attempt).filter(|_| attempt.activity.waiting.is_none()) {
        return format!("{name} ({}, {})", since(attempt.started_at), words(&waits));
    }
    let what = activity(attempt, step.is_agent_in(&attempt.of), logs, since);
    format!("{name} ({}, {what})", since(attempt.started_at))
}

fn activity(
    attempt: &AttemptView,
    is_agent: bool,
    logs: &mut dyn Logs,
    since: impl Fn(UtcMillis) -> String,
) -> String {
    if let Some(waiting) = &attempt.activity.waiting {
        return words(&wait_words(waiting, time_of_day));
    }
    // The lines of an agent are for programs.
    if is_agent {
        let last = attempt.activity.items.iter().rev().find_map(|item| doing(&item.what));
        let at = attempt.activity.last_at;
        let at_work = match attempt.activity.sub_agent_counts().running {
            0 => String::new(),
            1 => "1 sub-agent at work, ".to_owned(),
            count => format!("{count} sub-agents at work, "),
        };
        return match (last, at) {
            (Some(last), Some(at)) => {
                format!("{at_work}last activity {} ago: {}", since(at), shortened(&words(&last)))
            }
            (None, Some(at)) => format!("{at_work}last activity {} ago", since(at)),
            (_, None) => "no activity yet".to_owned(),
        };
    }
    // It only embellishes the line, so a log that cannot be read is not worth an error here.
    let tail = logs.tail(&attempt.of, 5, LAST_BYTES).unwrap_or_default();
    let last =
        tail.lines.iter().rev().map(|(_, bytes)| line(bytes, false)).find(|text| !text.trim().is_empty());
    if let Some(progress) = &attempt.activity.progress {
        let progress = shortened(&words(&progress_words(progress)));
        return match tail.last_at {
            // A script that hangs reports the same for ever.
            Some(at) => format!("{progress}, last output {} ago", since(at)),
            None => progress,
        };
    }
    match (last, tail.last_at) {
        (None, _) => "no output yet".to_owned(),
        (Some(text), Some(at)) => format!("last output {} ago: \"{}\"", since(at), shortened(&text)),
        (Some(text), None) => format!("last output: \"{}\"", shortened(&text)),
    }
}

/// What an agent did last, in words.
fn doing(what: &Act) -> Option<String> {
    match what {
        Act::Text(text) => text.text.lines().rev().find(|line| !line.trim().is_empty()).map(str::to_owned),
        Act::Thought(_) => Some("a thought".to_owned()),
        Act::Tool(tool) => Some(tool_words(&tool.name, &tool.input)),
        Act::File(change) => Some(format!("changed {}", change.path)),
        Act::Wait(_) | Act::Remark(_) | Act::Missing { .. } | Act::Unknown { .. } => None,
    }
}

fn shortened(text: &str) -> String {
    let text = text.trim();
    let mut short: String = text.chars().take(LAST_CHARS).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
