//! Words for states, the same wherever they are shown.

use ratatui::text::Span;
use roboppi_ipc::{CoreEvent, ErrorClass, Leaked, Resources, UtcMillis, WorkerResult, WorkerStatus};
use roboppi_run::{
    Act, Activity, AttemptPhase, AttemptRef, AttemptStatus, AttemptView, KeptFrom, StepPath, StepState,
    StepView, WarningView,
};

use crate::model::Model;
use crate::{sanitise, text, theme};

/// What an attempt is at.
pub(super) fn attempt_status(model: &Model, attempt: &AttemptView) -> String {
    let left = |limit_ms: u64| format!("{} left", left(model, attempt, limit_ms));
    match &attempt.status {
        AttemptStatus::Started => "handed to the core".to_owned(),
        AttemptStatus::Phase(AttemptPhase::WaitingPermit { detail }) => {
            sanitise::clean(&model.view.permit_words(detail))
        }
        AttemptStatus::Phase(AttemptPhase::Running { .. }) => "running".to_owned(),
        AttemptStatus::Phase(AttemptPhase::Terminating { limit_ms, .. }) => {
            format!("TERM sent, {}", left(*limit_ms))
        }
        AttemptStatus::Phase(AttemptPhase::Killing { .. }) => "KILL sent".to_owned(),
        AttemptStatus::Phase(AttemptPhase::Draining { limit_ms }) => {
            format!("ended, something holds its output open, {}", left(*limit_ms))
        }
        AttemptStatus::Phase(AttemptPhase::Unknown(other)) => other.tag.to_string(),
        AttemptStatus::Finished { .. } if found_incomplete(model, attempt) => "not complete".to_owned(),
        AttemptStatus::Finished { result, .. } => ending(result),
    }
}

/// Whether an attempt has checked the work of its step, and found that it is not complete.
fn found_incomplete(model: &Model, attempt: &AttemptView) -> bool {
    model.view.step(&attempt.of.step).is_some_and(|step| step.is_found_incomplete_by(attempt))
}

/// Time until a phase ends by force.
fn left(model: &Model, attempt: &AttemptView, limit_ms: u64) -> String {
    let left = limit_ms.saturating_sub(model.since(attempt.status_at));
    format!("{}.{} s", left / 1_000, left % 1_000 / 100)
}

/// How far the ending of an attempt is: `TERM 3.2 s`.
pub(super) fn ending_in_short(model: &Model, attempt: &AttemptView) -> String {
    match &attempt.status {
        AttemptStatus::Phase(AttemptPhase::Terminating { limit_ms, .. }) => {
            format!("TERM {}", left(model, attempt, *limit_ms))
        }
        AttemptStatus::Phase(AttemptPhase::Killing { .. }) => "KILL".to_owned(),
        AttemptStatus::Phase(AttemptPhase::Draining { limit_ms }) => {
            format!("drain {}", left(model, attempt, *limit_ms))
        }
        AttemptStatus::Started
        | AttemptStatus::Phase(
            AttemptPhase::WaitingPermit { .. } | AttemptPhase::Running { .. } | AttemptPhase::Unknown(_),
        )
        | AttemptStatus::Finished { .. } => String::new(),
    }
}

/// How an attempt ended: `succeeded`, `failed: exit 1`, `cancelled: timeout, killed by SIGKILL`.
pub(super) fn ending(result: &WorkerResult) -> String {
    let details = result.details.as_deref();
    if result.status == WorkerStatus::Succeeded {
        return "succeeded".to_owned();
    }
    let mut words = match result.status {
        WorkerStatus::Unknown(word) => word.to_string(),
        WorkerStatus::Cancelled => "cancelled".to_owned(),
        WorkerStatus::Succeeded | WorkerStatus::Failed => "failed".to_owned(),
    };
    let mut why = Vec::new();
    if let Some(reason) = details.and_then(|details| details.cancel_reason) {
        why.push(reason.name().to_owned());
    }
    let signal = details.and_then(|details| details.signal);
    why.extend(match (signal, result.exit_code) {
        (None, Some(code)) => Some(format!("exit {code}")),
        _ => result.exit_words(),
    });
    if details.is_some_and(|details| details.killed && details.signal.is_none()) {
        why.push("had to be killed".to_owned());
    }
    if !why.is_empty() {
        words.push_str(": ");
        words.push_str(&why.join(", "));
    }
    if let Some(error) = details.and_then(|details| details.error.as_deref()) {
        words.push_str(": ");
        words.push_str(&sanitise::clean(error));
    }
    words
}

/// Why a step is where it is, in few words; empty when its state says it all.
pub(super) fn step_reason(model: &Model, step: &StepView) -> String {
    let reason = step.reason(|until| limit_time(model, until));
    if let Some(detail) = reason.filter(|detail| !detail.is_empty()) {
        let detail = sanitise::clean(&detail);
        // The state is there already.
        return match detail.strip_prefix("skipped ").filter(|_| step.state == StepState::Skipped) {
            Some(rest) => rest.to_owned(),
            None => detail,
        };
    }
    match step.attempts.last().map(|attempt| &attempt.status) {
        Some(AttemptStatus::Finished { result, .. }) if result.status != WorkerStatus::Succeeded => {
            ending(result).trim_start_matches("failed: ").to_owned()
        }
        _ => String::new(),
    }
}

/// Processes that outlived the worker of an attempt, and were ended.
pub(super) fn leftovers(step: &StepView) -> impl Iterator<Item = &Leaked> {
    step.attempts.iter().flat_map(|attempt| match &attempt.status {
        AttemptStatus::Finished { result, .. } => {
            result.details.as_deref().map_or(&[][..], |details| &details.leaked)
        }
        AttemptStatus::Started | AttemptStatus::Phase(_) => &[],
    })
}

/// Warnings about a step: those of the run that name it, what outlived its workers, and what its agent had to do without.
pub(super) fn warnings(model: &Model, step: &StepView) -> Vec<String> {
    let of_step = |warning: &&WarningView| warning.step.as_ref() == Some(&step.plan.step);
    let of_run = model.view.warnings.iter().filter(of_step).map(|warning| warning.message.clone());
    let left = leftovers(step).map(|left| {
        format!("left a process behind, it was ended: {} (pid {})", left.command, left.process.pid)
    });
    let remarks = step.attempts.last().map_or(&[][..], |attempt| &attempt.activity.remarks);
    of_run.chain(left).chain(remarks.iter().cloned()).collect()
}

/// What a failure was, by its class.
pub(super) fn failure_kind(class: ErrorClass) -> String {
    match class {
        ErrorClass::RetryableTransient => "another try may succeed".to_owned(),
        ErrorClass::RetryableRateLimit => "a service asked for fewer requests".to_owned(),
        ErrorClass::RetryableNetwork => "a service could not be reached".to_owned(),
        ErrorClass::RetryableService => "a service failed".to_owned(),
        ErrorClass::NonRetryableLint => "a check of the code failed".to_owned(),
        ErrorClass::NonRetryableTest => "a test failed".to_owned(),
        ErrorClass::NonRetryable => "another try gives the same".to_owned(),
        ErrorClass::Budget => "a budget is spent".to_owned(),
        ErrorClass::Fatal => "it cannot be tried again".to_owned(),
        ErrorClass::Unknown(word) => word.to_string(),
    }
}

/// Whether a failure of a step does not count. One that the user skipped did not fail.
pub(super) const fn is_allowed_failure(step: &StepView) -> bool {
    step.allowed_to_fail && !matches!(step.state, StepState::Skipped)
}

/// `12.3s, 98% of a processor now`.
pub(super) fn processor(used: &Resources) -> String {
    let now = used.cpu_percent.map_or_else(String::new, |percent| format!(", {percent}% of a processor now"));
    format!("{}{now}", text::duration(used.cpu_ms))
}

/// `120 MiB, at most 240 MiB`; empty when it is not known.
pub(super) fn memory(used: &Resources) -> String {
    let now = used.memory_bytes.map(text::bytes);
    let peak = used.peak_memory_bytes.map(|peak| format!("at most {}", text::bytes(peak)));
    now.into_iter().chain(peak).collect::<Vec<_>>().join(", ")
}

/// The same in a column of the list: `98% 120 MiB`.
pub(super) fn resources_in_short(used: &Resources) -> Option<String> {
    Some(format!("cpu {}% {}", used.cpu_percent?, text::bytes(used.memory_bytes?)))
}

/// Steps named that a step waits for.
const NAMED: usize = 8;

/// Why a step has no attempt: `It waits for build, test.`
pub(super) fn before_start(model: &Model, step: &StepView) -> String {
    let waits = |path: &&StepPath| model.view.step(path).is_some_and(|step| !step.state.is_final());
    let before: Vec<_> = step.plan.depends_on.iter().filter(waits).collect();
    match step.state {
        StepState::Pending if !before.is_empty() => {
            let names = before.iter().take(NAMED).map(|path| sanitise::clean(path.as_str()));
            let names = names.collect::<Vec<_>>().join(", ");
            let others = before.len().saturating_sub(NAMED);
            let others = if others > 0 { format!(" and {others} more") } else { String::new() };
            format!("It waits for {names}{others}.")
        }
        StepState::Ready => "It may start, and waits for a free place.".to_owned(),
        state => {
            let reason = step_reason(model, step);
            let reason = if reason.is_empty() { reason } else { format!(": {reason}") };
            format!("The step is {}{reason}.", state.name())
        }
    }
}

/// Time until the end of the wait that an attempt is in: `4m12s`. `None` when that is not known, or over.
pub(super) fn wait_left(model: &Model, activity: &Activity) -> Option<String> {
    let waiting = activity.waiting.as_ref()?;
    let until = waiting.until.map(|until| until.0).or_else(|| {
        let began = activity.items.iter().rev().find_map(|item| match &item.what {
            Act::Wait(wait) if wait.over.is_none() => Some(wait.last.0),
            _ => None,
        })?;
        Some(began.saturating_add(waiting.delay_ms?))
    })?;
    let left = until.checked_sub(model.now.0).filter(|left| *left > 0)?;
    Some(text::running_duration(left))
}

/// How to read the log of a step that an earlier run did.
pub(super) fn log_of_kept(step: &StepView, kept: &KeptFrom) -> String {
    format!("roboppi logs {} {}", kept.run, sanitise::clean(step.plan.step.as_str()))
}

/// The icon of an attempt.
pub(super) fn attempt_icon(model: &Model, attempt: &AttemptView) -> Span<'static> {
    let state = match &attempt.status {
        AttemptStatus::Started | AttemptStatus::Phase(AttemptPhase::WaitingPermit { .. }) => {
            StepState::Starting
        }
        AttemptStatus::Phase(AttemptPhase::Running { .. }) => StepState::Running,
        AttemptStatus::Phase(
            AttemptPhase::Terminating { .. } | AttemptPhase::Killing { .. } | AttemptPhase::Draining { .. },
        ) => StepState::Ending,
        AttemptStatus::Phase(AttemptPhase::Unknown(other)) => StepState::Unknown(other.tag),
        AttemptStatus::Finished { .. } if found_incomplete(model, attempt) => StepState::Incomplete,
        AttemptStatus::Finished { result, .. } => match result.status {
            WorkerStatus::Succeeded => StepState::Succeeded,
            WorkerStatus::Failed => StepState::Failed,
            WorkerStatus::Cancelled => StepState::Cancelled,
            WorkerStatus::Unknown(word) => StepState::Unknown(word),
        },
    };
    Span::styled(theme::icon(state, model.frame), model.theme.state(state))
}

/// `#2`, with the round of a completion check `@3 #2`.
pub(super) fn attempt_name(attempt: &AttemptView) -> String {
    let AttemptRef { iteration, role, attempt, .. } = &attempt.of;
    let mut name = if *iteration > 1 { format!("@{iteration} #{attempt}") } else { format!("#{attempt}") };
    if !role.is_work() {
        name.push(' ');
        name.push_str(&sanitise::clean(role.name()));
    }
    name
}

/// A bar of `columns` columns, `done` of `all` filled.
pub(super) fn bar(done: f64, columns: usize) -> (String, String) {
    let done = if done.is_finite() { done.clamp(0.0, 1.0) } else { 0.0 };
    let filled = ((done * columns as f64).floor() as usize).min(columns);
    ("━".repeat(filled), "─".repeat(columns - filled))
}

/// A report of the core in one line.
pub(super) fn report(model: &Model, event: &CoreEvent) -> String {
    let of = |job: &roboppi_ipc::JobId| {
        let step = model.view.attempt_of_job(job).map(|of| sanitise::clean(of.step.as_str()));
        step.unwrap_or_else(|| format!("job {}", sanitise::clean(job.as_str())))
    };
    match event {
        CoreEvent::WorkerStarted { job_id, process } => {
            format!("worker of {} started, pid {}", of(job_id), process.pid)
        }
        CoreEvent::WorkerEnding { job_id, phase, .. } => {
            let phase = match phase {
                roboppi_ipc::EndingPhase::Terminating => "TERM sent",
                roboppi_ipc::EndingPhase::Killing => "KILL sent",
                roboppi_ipc::EndingPhase::Draining => "ended, its output is still open",
                roboppi_ipc::EndingPhase::Unknown(word) => word.as_str(),
            };
            format!("worker of {}: {phase}", of(job_id))
        }
        CoreEvent::Leaked { job_id, leaked } => {
            let job = job_id.as_ref().map_or_else(String::new, |job| format!(" by {}", of(job)));
            format!(
                "left behind{job} and ended: pid {} {}",
                leaked.process.pid,
                sanitise::clean(&leaked.command)
            )
        }
        CoreEvent::Permits { active, limit } => format!("permits {active} of {limit}"),
        CoreEvent::Warning { message, .. } => format!("warning: {}", sanitise::clean(message)),
        CoreEvent::Unknown { raw } => format!("unknown: {}", sanitise::clean(raw)),
    }
}

/// The end of a usage limit: a time of day, with its day when that is not today.
pub(super) fn limit_time(model: &Model, ts: UtcMillis) -> String {
    let day = |ts| text::date(ts, &model.zone).split(' ').next().map(str::to_owned);
    if day(ts) == day(model.now) { time_of_day(model, ts) } else { text::date(ts, &model.zone) }
}

/// A time of day.
pub(super) fn time_of_day(model: &Model, ts: UtcMillis) -> String {
    text::clock(ts, &model.zone)
}
