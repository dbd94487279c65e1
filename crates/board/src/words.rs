//! Short words for rows.

use roboppi_run::{
    ActivityItem, AttemptPhase, AttemptStatus, RunView, StepState, StepView, progress_words, tool_words,
    wait_words,
};

/// Longest text of a row in bytes.
const LONGEST: usize = 240;

/// A text that is not longer than a row can use.
pub(crate) fn short(text: &str) -> String {
    let cut = &text[..text.floor_char_boundary(LONGEST)];
    if cut.len() < text.len() { format!("{cut}…") } else { text.to_owned() }
}

/// The first line of a text that says something.
pub(crate) fn first_line(text: &str) -> String {
    short(text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default())
}

/// The latest call that is under way in a few words.
pub(crate) fn call_words(item: &ActivityItem) -> Option<String> {
    let tool = item.tool()?;
    Some(short(&tool_words(&tool.name, &tool.input)))
}

/// What a step is at.
pub(crate) fn current_words(step: &StepView) -> String {
    if matches!(step.state, StepState::Retrying) {
        return step.detail.as_deref().map_or_else(|| "waits for its next attempt".to_owned(), first_line);
    }
    let Some(attempt) = step.attempts.last() else { return String::new() };
    match &attempt.status {
        AttemptStatus::Phase(AttemptPhase::WaitingPermit { detail }) if detail.is_empty() => {
            return "queued".to_owned();
        }
        AttemptStatus::Phase(AttemptPhase::WaitingPermit { detail }) => {
            return short(&format!("queued: {detail}"));
        }
        AttemptStatus::Phase(AttemptPhase::Terminating { .. } | AttemptPhase::Killing { .. }) => {
            return "is being terminated".to_owned();
        }
        _ => {}
    }
    let activity = &attempt.activity;
    if let Some(waiting) = &activity.waiting {
        // The time until which it waits is for the view, which knows the time zone.
        let mut waiting = waiting.clone();
        waiting.until = None;
        return short(&wait_words(&waiting, |_| String::new()));
    }
    let call = activity.items.iter().rev().find(|item| item.is_running());
    let call = call.or_else(|| activity.items.back().filter(|item| item.tool().is_some()));
    match (&activity.progress, call) {
        (Some(progress), None) => short(&progress_words(progress)),
        (_, Some(call)) => call_words(call).unwrap_or_default(),
        (None, None) => String::new(),
    }
}

/// The failure that counts: the first step that failed, with its reason.
pub(crate) fn failure_words(view: &RunView) -> Option<String> {
    let failed = |step: &&StepView| {
        matches!(step.state, StepState::Failed | StepState::Lost) && !step.is_excused_failure()
    };
    let step = view.steps().find(failed)?;
    let of_result = || {
        let attempt = step.attempts.last()?;
        let AttemptStatus::Finished { result, .. } = &attempt.status else { return None };
        let error = result.details.as_deref().and_then(|details| details.error.clone());
        error.or_else(|| result.exit_words())
    };
    let reason = step.detail.clone().filter(|detail| !detail.is_empty()).or_else(of_result);
    let name = step.plan.step.as_str();
    Some(short(&reason.map_or_else(|| name.to_owned(), |reason| format!("{name}: {}", first_line(&reason)))))
}
