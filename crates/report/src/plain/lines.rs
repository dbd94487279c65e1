//! The lines about steps and the run, without the time before them.

use std::collections::BTreeMap;
use std::time::Duration;

use roboppi_ipc::{CancelReason, CoreEvent, Leaked, ProcessIdentity, Progress};
use roboppi_run::{
    AttemptPhase, AttemptRef, AttemptStatus, AttemptView, IterationView, Role, RunCommand, RunStatus,
    RunView, StepPath, StepState, StepView, ending_words, progress_words, spent_words,
};
use roboppi_workflow::retry_delay;

use crate::notable::leak_words;
use crate::style::Ink;
use crate::units::{duration, limit_time};
use roboppi_untrusted::words;

/// The sign and ink of a state. Signs differ, so nothing depends on colour.
pub(super) const fn sign(state: StepState) -> (&'static str, Ink) {
    match state {
        StepState::Succeeded => ("✓", Ink::Good),
        StepState::Incomplete => ("~", Ink::Caution),
        StepState::Failed => ("✗", Ink::Bad),
        StepState::Retrying => ("↻", Ink::Caution),
        StepState::Skipped => ("-", Ink::Faint),
        StepState::Cancelled | StepState::Ending => ("■", Ink::Caution),
        StepState::Lost => ("?", Ink::Bad),
        StepState::Unknown(_) => ("*", Ink::Caution),
        StepState::Pending | StepState::Ready | StepState::Starting | StepState::Running => {
            (" ", Ink::Strong)
        }
    }
}

/// That an attempt continues the session of an earlier one.
pub(super) fn resumed(of: &AttemptRef, session: &str) -> String {
    format!("{}  resumes session {}", words(of.step.as_str()), words(session))
}

/// What is to be said about the state of a step; nothing about states in between.
pub(super) fn step(view: &RunView, step: &StepView, verbose: bool, colour: bool) -> Option<String> {
    let name = words(step.plan.step.as_str());
    let (attempt, why) = step.reason(limit_time).as_deref().map_or((None, String::new()), attempt_of_detail);
    let why = words(&why);
    let because = |what: &str| if why.is_empty() { what.to_owned() } else { format!("{what}: {why}") };
    let attempts = attempts(step, attempt);
    let mut parts: Vec<String> = Vec::new();
    match step.state {
        state if step.limit_until.is_some() && !state.is_final() => return Some(format!("{name}  {why}")),
        StepState::Pending | StepState::Ready | StepState::Starting => return None,
        // What it does in that state now.
        StepState::Running if !why.is_empty() => return verbose.then(|| format!("{name}  {why}")),
        StepState::Running => return verbose.then(|| started(step)),
        StepState::Retrying => {
            let failed = attempt.or_else(|| Some(last_attempt(step)?.of.attempt));
            let (what, mut when) =
                failed.map_or((String::from("an attempt failed"), String::new()), |attempt| {
                    (format!("attempt {attempt} failed"), format!(" in {}", delay(retry_delay(attempt))))
                });
            // A step with times of its own says it itself.
            if why.contains("; next attempt in ") {
                when.clear();
            }
            parts.push(format!("{}, retrying{when}", because(&what)));
        }
        StepState::Ending if verbose || !matches!(view.status, RunStatus::Ending { .. }) => {
            parts.push(because("ending"));
        }
        // The line about the end of the run names it.
        StepState::Ending => return None,
        StepState::Succeeded => parts.push(why),
        StepState::Incomplete => parts.push(if why.is_empty() { "incomplete".to_owned() } else { why }),
        StepState::Failed => parts.push(if why.is_empty() { "failed".to_owned() } else { why }),
        StepState::Skipped => parts.push(because("skipped")),
        StepState::Cancelled => parts.push(because("cancelled")),
        StepState::Lost => parts.push(because("lost")),
        StepState::Unknown(state) => parts.push(because(state.as_str())),
    }
    if step.state.is_final() {
        let mut end = step.duration_ms.map_or(String::new(), duration);
        let tried = match step.state {
            StepState::Skipped => None,
            // What is known of it says how many iterations there were.
            StepState::Succeeded | StepState::Incomplete if step.plan.max_iterations.is_some() => None,
            _ => attempts,
        };
        for extra in
            [tried, step.is_excused_failure().then(|| "(allowed to fail)".to_owned())].into_iter().flatten()
        {
            end.push_str(if end.is_empty() { "" } else { " " });
            end.push_str(&extra);
        }
        if step.state != StepState::Skipped {
            end.push_str(&place(step));
        }
        parts.push(end);
        parts.extend(step.spent().map(|spent| spent_words(&spent)));
    }
    let (sign, ink) = sign(step.state);
    let ink = if step.is_excused_failure() { Ink::Caution } else { ink };
    let mut line = format!("{} {name}", ink.paint(colour, sign));
    for part in parts.iter().filter(|part| !part.is_empty()) {
        line.push_str("  ");
        line.push_str(part);
    }
    Some(line)
}

/// An attempt has begun: `build  started (attempt 2)`.
pub(super) fn started(step: &StepView) -> String {
    let attempt = attempts(step, None).map_or(String::new(), |text| format!(" {text}"));
    let checks = last_attempt(step).is_some_and(|last| last.of.role == Role::Check);
    let what = if checks { "check started" } else { "started" };
    format!("{}  {what}{attempt}{}", words(step.plan.step.as_str()), place(step))
}

/// Where it works, unless that is here: ` on build-1`.
fn place(step: &StepView) -> String {
    let host = &step.plan.host;
    if host.is_here() { String::new() } else { format!(" on {}", words(host.as_str())) }
}

/// A step takes long.
pub(super) fn slow(step: &StepView, limit_ms: u64, colour: bool) -> String {
    let attempt = attempts(step, None).map_or(String::new(), |text| format!(" {text}"));
    let name = words(step.plan.step.as_str());
    format!("{} {name}  slow: running for {}{attempt}", Ink::Caution.paint(colour, "…"), duration(limit_ms))
}

/// How far a script is.
pub(super) fn progress(step: &StepPath, progress: &Progress) -> String {
    format!("{}  {}", words(step.as_str()), words(&progress_words(progress)))
}

/// A failed attempt that another one followed, when all that is known of it is its result.
pub(super) fn retried(attempt: &AttemptView, colour: bool) -> String {
    let (sign, ink) = sign(StepState::Retrying);
    let name = words(attempt.of.step.as_str());
    let exit = match &attempt.status {
        AttemptStatus::Finished { result, .. } => result.exit_words(),
        AttemptStatus::Started | AttemptStatus::Phase(_) => None,
    };
    let exit = exit.map_or(String::new(), |exit| format!(": {exit}"));
    format!("{} {name}  attempt {} failed{exit}, retried", ink.paint(colour, sign), attempt.of.attempt)
}

/// A stage of an attempt, for those who want to know.
pub(super) fn phase(view: &RunView, attempt: &roboppi_run::AttemptRef, phase: &AttemptPhase) -> String {
    let for_reason = |reason: &Option<CancelReason>| {
        reason.map_or(String::new(), |reason| format!(" ({})", reason.name()))
    };
    let what = match phase {
        AttemptPhase::WaitingPermit { detail } => words(&view.permit_words(detail)),
        AttemptPhase::Running { process: Some(process) } => format!("pid {}", process.pid),
        AttemptPhase::Running { process: None } => "worker is alive".to_owned(),
        AttemptPhase::Terminating { reason, limit_ms } => {
            format!("asked to end{}, killed in {}", for_reason(reason), duration(*limit_ms))
        }
        AttemptPhase::Killing { reason } => format!("killed{}", for_reason(reason)),
        AttemptPhase::Draining { limit_ms } => {
            format!("worker has ended, its pipes are open for at most {} more", duration(*limit_ms))
        }
        AttemptPhase::Unknown(other) => format!("is in the phase `{}`", other.tag),
    };
    format!("{}  {what}", words(&attempt.to_string()))
}

/// The run is being ended.
pub(super) fn ending(
    view: &RunView,
    reason: CancelReason,
    force: bool,
    signal: Option<&str>,
    colour: bool,
) -> String {
    let why = ending_words(reason, signal);
    let active: Vec<_> =
        view.steps.iter().filter(|step| step.state.is_active()).map(|step| step.plan.step.as_str()).collect();
    let kill = if force { ", killing what is left" } else { "" };
    let wait = if active.is_empty() { String::new() } else { format!("; waiting for {}", list(&active)) };
    format!("{} ending the run: {why}{kill}{wait}", Ink::Caution.paint(colour, "■"))
}

/// Something a person should know.
pub(super) fn warning(step: Option<&str>, message: &str, colour: bool) -> String {
    let step = step.map_or(String::new(), |step| format!("{}  ", words(step)));
    format!("{} {step}{}", Ink::Caution.paint(colour, "!"), words(message))
}

/// The inputs of a run, or the values that a step has set.
pub(super) fn values(step: Option<&StepPath>, values: &BTreeMap<String, String>) -> String {
    let values: Vec<_> =
        values.iter().map(|(name, value)| format!("{}={}", words(name), words(value))).collect();
    match step {
        Some(step) => format!("{}  sets {}", words(step.as_str()), values.join(" ")),
        None => format!("inputs {}", values.join(" ")),
    }
}

/// A command and its outcome.
pub(super) fn command(
    command: &RunCommand,
    by: Option<ProcessIdentity>,
    refused: Option<&str>,
    colour: bool,
) -> String {
    let by = by.map_or_else(String::new, |by| format!(" by process {}", by.pid));
    let asked = format!("asked{by} to {}", words(&command.in_words()));
    match refused {
        None => asked,
        Some(why) => format!("{} {asked}: refused, {}", Ink::Caution.paint(colour, "!"), words(why)),
    }
}

/// The core is gone.
pub(super) fn core_lost(detail: &str, colour: bool) -> String {
    format!("{} core lost: {}", Ink::Bad.paint(colour, "✗"), words(detail))
}

/// What the core reports and a person should know.
pub(super) fn report(view: &RunView, event: &CoreEvent, colour: bool) -> Option<String> {
    match event {
        CoreEvent::Leaked { job_id, leaked } => {
            let of = job_id.as_ref().and_then(|job| view.attempt_of_job(job));
            Some(leak(of.map(|of| of.step.as_str()), leaked, colour))
        }
        CoreEvent::Warning { message, .. } => Some(warning(None, message, colour)),
        CoreEvent::WorkerStarted { .. }
        | CoreEvent::WorkerEnding { .. }
        | CoreEvent::Permits { .. }
        | CoreEvent::Unknown { .. } => None,
    }
}

/// Remarks on an attempt that are told at its end; the others are in its result.
const REMARKS: usize = 5;

/// What is worth reading about an attempt that has ended: what was refused to it, and the remarks on it.
pub(super) fn remarks(attempt: &AttemptView, colour: bool) -> Vec<String> {
    let AttemptStatus::Finished { result, .. } = &attempt.status else { return Vec::new() };
    let Some(details) = result.details.as_deref() else { return Vec::new() };
    let step = Some(attempt.of.step.as_str());
    let refused = details.denials.iter().map(|denial| format!("refused: {denial}"));
    // What was shown when it happened is not repeated here.
    let notes = details.notes.iter().filter(|note| !attempt.activity.remarks.contains(note));
    let all: Vec<String> = refused.chain(notes.cloned()).collect();
    let shown = all.iter().take(REMARKS).map(|note| warning(step, note, colour));
    let more = all.len().saturating_sub(REMARKS);
    let more = (more > 0).then(|| warning(step, &format!("{more} more notes: `roboppi show`"), colour));
    shown.chain(more).collect()
}

/// A worker, or the core itself, left a process behind.
pub(super) fn leak(step: Option<&str>, leaked: &Leaked, colour: bool) -> String {
    warning(step, &leak_words(step.is_some(), leaked), colour)
}

/// More steps are part of the run.
pub(super) fn plan_extended<'a>(paths: impl IntoIterator<Item = &'a StepPath>) -> String {
    let paths: Vec<_> = paths.into_iter().map(StepPath::as_str).collect();
    let noun = if paths.len() == 1 { "step" } else { "steps" };
    format!("{} more {noun}: {}", paths.len(), list(&paths))
}

/// The next iteration of a step begins.
pub(super) fn iteration(step: &StepView, begun: &IterationView, colour: bool) -> String {
    let (sign, ink) = sign(StepState::Retrying);
    let most = begun.max_iterations.map_or_else(String::new, |most| format!("/{most}"));
    let mut why = words(&step.iteration_words(begun));
    if !why.is_empty() {
        why.insert_str(0, ": ");
    }
    let (name, number) = (words(step.plan.step.as_str()), begun.iteration);
    format!("{} {name}  iteration {number}{most}{why}", ink.paint(colour, sign))
}

/// At most five names and how many more.
pub(super) fn list(names: &[&str]) -> String {
    const SHOWN: usize = 5;
    let mut text = names.iter().take(SHOWN).map(|name| words(name)).collect::<Vec<_>>().join(", ");
    if let Some(more) = names.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

/// `(iteration 2/5, attempt 2)`, behind the first one of each.
fn attempts(step: &StepView, stated: Option<u32>) -> Option<String> {
    let attempt = stated.or_else(|| Some(last_attempt(step)?.of.attempt))?;
    let round = last_attempt(step).map_or(1, |last| last.of.iteration);
    let of_most = step.plan.max_iterations.map_or_else(String::new, |most| format!("/{most}"));
    let round = (round > 1).then(|| format!("iteration {round}{of_most}"));
    let attempt = (attempt > 1).then(|| format!("attempt {attempt}"));
    let parts: Vec<_> = round.into_iter().chain(attempt).collect();
    (!parts.is_empty()).then(|| format!("({})", parts.join(", ")))
}

fn last_attempt(step: &StepView) -> Option<&AttemptView> {
    step.attempts.last()
}

/// Takes `attempt 2 of 3: ` off a detail: lines and columns of their own say which attempt it was.
pub(super) fn attempt_of_detail(detail: &str) -> (Option<u32>, String) {
    let parse = || {
        let (numbers, why) = detail.strip_prefix("attempt ")?.split_once(": ")?;
        let (attempt, _most) = numbers.split_once(" of ")?;
        Some((attempt.parse().ok()?, why))
    };
    match parse() {
        Some((attempt, why)) => (Some(attempt), why.to_owned()),
        None => (None, detail.to_owned()),
    }
}

fn delay(time: Duration) -> String {
    duration(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}
