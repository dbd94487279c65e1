//! What happened, in one line for people.

use roboppi_run::{AttemptPhase, RunEvent, RunRecord};

use roboppi_untrusted::first_words;

use crate::units::{Zone, duration, limit_time};

/// Letters of an event of a worker that are shown.
const LONGEST: usize = 200;

/// Number, time and kind.
pub(super) fn head(record: &RunRecord, kind: &str, zone: &Zone) -> String {
    let (seq, ts) = match record {
        RunRecord::Journal(record) => (record.seq.to_string(), record.ts),
        RunRecord::Attempt(_, record) => ("·".to_owned(), record.ts),
    };
    format!("{seq:>5}  {}  {:<18}", zone.format(ts), first_words(kind))
}

pub(super) fn describe(record: &RunRecord) -> String {
    let text = match record {
        RunRecord::Journal(record) => journal(&record.event),
        RunRecord::Attempt(of, record) => {
            let event = serde_json::to_string(&record.event).unwrap_or_default();
            format!("{of}: {event}")
        }
    };
    let mut shown = first_words(&text);
    if let Some((cut, _)) = shown.char_indices().nth(LONGEST) {
        shown.truncate(cut);
        shown.push('…');
    }
    shown
}

fn journal(event: &RunEvent) -> String {
    let because =
        |detail: &Option<String>| detail.as_ref().map_or_else(String::new, |why| format!(": {why}"));
    match event {
        RunEvent::RunStarted { name, steps, workspace, .. } => {
            format!("{name}, {} steps in {workspace}", steps.len())
        }
        RunEvent::CoreStarted { incarnation, process, protocol, .. } => {
            let pid = process.map_or_else(String::new, |process| format!(", pid {}", process.pid));
            format!("core {incarnation}{pid}, protocol {protocol}")
        }
        RunEvent::CoreLost { host: _, incarnation, detail } => format!("core {incarnation}: {detail}"),
        RunEvent::CoreReport { host: _, event } => serde_json::to_string(event).unwrap_or_default(),
        RunEvent::StepChanged { step, state, detail, duration_ms, allowed_to_fail, limit_until } => {
            let took = duration_ms.map_or_else(String::new, |ms| format!(" after {}", duration(ms)));
            let allowed = if *allowed_to_fail { " (allowed)" } else { "" };
            let until =
                limit_until.map_or_else(String::new, |at| format!(", limit until {}", limit_time(at)));
            format!("{step} {}{allowed}{took}{until}{}", state.name(), because(detail))
        }
        RunEvent::PlanExtended { nodes } => {
            let paths: Vec<&str> = nodes.iter().map(|node| node.step.as_str()).collect();
            format!("{} more steps: {}", paths.len(), paths.join(", "))
        }
        RunEvent::IterationStarted { step, iteration, max_iterations, detail } => {
            let most = max_iterations.map_or_else(String::new, |most| format!(" of {most}"));
            format!("{step} iteration {iteration}{most}{}", because(detail))
        }
        RunEvent::AttemptStarted { of, base, resumed_session, .. } => {
            let resumes =
                resumed_session.as_ref().map_or_else(String::new, |id| format!(", resumes session {id}"));
            format!("{of} writes to {base}.log{resumes}")
        }
        RunEvent::AttemptPhase { of, phase } => format!("{of} {}", self::phase(phase)),
        RunEvent::AttemptFinished { of, result, log_bytes, .. } => {
            let exit = result.exit_words().map_or_else(String::new, |exit| format!(", {exit}"));
            let took = duration(result.duration_ms);
            let status = result.status.name().to_lowercase();
            format!("{of} {status} after {took}{exit}, {log_bytes} bytes of log")
        }
        RunEvent::ArtifactCollected { step, name, path, .. } => format!("{step}: {name} is in {path}"),
        RunEvent::ValuesSet { step, values } => {
            let values: Vec<_> = values.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
            let of = step.as_ref().map_or_else(|| "inputs".to_owned(), ToString::to_string);
            format!("{of}: {}", values.join(" "))
        }
        RunEvent::Command { command, by, user, refused } => {
            let user = user.as_ref().map_or_else(String::new, |user| format!(" for {user}"));
            let by = by.map_or_else(String::new, |by| format!(", asked by process {}{user}", by.pid));
            let refused = refused.as_ref().map_or_else(String::new, |why| format!(": refused, {why}"));
            format!("to {}{by}{refused}", command.in_words())
        }
        RunEvent::RunEnding { reason, force, signal } => {
            let signal = signal.as_ref().map_or_else(String::new, |signal| format!(" ({signal})"));
            format!("{}{signal}{}", reason.name(), if *force { ", by force" } else { "" })
        }
        RunEvent::RunFinished { outcome, exit_code, duration_ms, detail, flaky: _ } => {
            let took = duration(*duration_ms);
            format!("{} after {took}, exit code {exit_code}{}", outcome.name(), because(detail))
        }
        RunEvent::Warning { message, step } => {
            step.as_ref().map_or_else(|| message.clone(), |step| format!("{step}: {message}"))
        }
        RunEvent::Unknown { raw } => raw.clone(),
    }
}

fn phase(phase: &AttemptPhase) -> String {
    match phase {
        AttemptPhase::WaitingPermit { detail } => format!("waits for a permit: {detail}"),
        AttemptPhase::Running { process: Some(process) } => format!("runs, pid {}", process.pid),
        AttemptPhase::Running { process: None } => "runs".to_owned(),
        AttemptPhase::Terminating { limit_ms, .. } => {
            format!("is asked to end within {}", duration(*limit_ms))
        }
        AttemptPhase::Killing { .. } => "is killed".to_owned(),
        AttemptPhase::Draining { limit_ms } => {
            format!("has ended, its pipes have {} to close", duration(*limit_ms))
        }
        AttemptPhase::Unknown(other) => format!("is in the phase `{}`", other.tag),
    }
}
