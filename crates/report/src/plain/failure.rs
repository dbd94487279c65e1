//! What steps that failed had written.

use std::fmt::Write as _;

use roboppi_ipc::CancelReason;
use roboppi_run::{
    AttemptRef, AttemptView, RunHead, RunOutcome, RunStatus, RunView, StepState, StepView, shell_word,
};

use super::PlainSettings;
use super::activity::{self, ActivityLine};
use super::count::{counted, grouped};
use super::log::Logs;
use crate::scripted::{is_script, shown};
use crate::style::Ink;
use roboppi_untrusted::{line, words};

/// Lines of a step whose failure does not count, or that did not end by itself.
const SHORT_TAIL: usize = 10;

/// What the output of a step is worth at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Worth {
    /// The run fails because of it.
    All,
    /// It did not end as it should, and that is not why the run fails.
    Little,
    Nothing,
}

fn worth(view: &RunView, step: &StepView) -> Worth {
    let is_overdue = matches!(
        view.status,
        RunStatus::Finished { outcome: RunOutcome::TimedOut, .. }
            | RunStatus::Ending { reason: CancelReason::Timeout, .. }
    );
    match step.state {
        StepState::Failed if !step.allowed_to_fail => Worth::All,
        StepState::Failed | StepState::Lost => Worth::Little,
        StepState::Cancelled if is_overdue => Worth::Little,
        _ => Worth::Nothing,
    }
}

/// The output of a step that has just ended; empty for one that succeeded.
pub(super) fn output_of(
    view: &RunView,
    step: &StepView,
    settings: &PlainSettings,
    logs: &mut dyn Logs,
) -> String {
    let mut text = String::new();
    let lines = match worth(view, step) {
        Worth::All => settings.tail_lines,
        Worth::Little => SHORT_TAIL.min(settings.tail_lines),
        Worth::Nothing => return text,
    };
    // What was streamed is right above.
    let is_agent = step.attempts.last().is_some_and(|attempt| step.is_agent_in(&attempt.of));
    if settings.stream && !is_agent {
        return text;
    }
    output(&mut text, view, step, lines, settings, logs);
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

/// The outputs of all steps that failed. What matters most comes last, where people look first.
pub(super) fn all_outputs(text: &mut String, view: &RunView, settings: &PlainSettings, logs: &mut dyn Logs) {
    for (wanted, lines) in
        [(Worth::Little, SHORT_TAIL.min(settings.tail_lines)), (Worth::All, settings.tail_lines)]
    {
        for step in view.steps().filter(|step| worth(view, step) == wanted) {
            output(text, view, step, lines, settings, logs);
        }
    }
}

/// The end of what a step wrote, and where the rest is.
fn output(
    text: &mut String,
    view: &RunView,
    step: &StepView,
    lines: usize,
    settings: &PlainSettings,
    logs: &mut dyn Logs,
) {
    let Some(attempt) = step.attempts.last() else { return };
    let of = &attempt.of;
    if step.plan.runs_a_workflow() && of.role.is_work() {
        // Its steps have said it.
        return;
    }
    let path = words(&logs.path(of).to_string_lossy());
    let command = read_command(view, of);
    let name = words(&of.to_string());
    if step.is_agent_in(of) {
        return done_last(text, attempt, lines, settings, &path);
    }
    if settings.stream {
        let _ = writeln!(text, "\noutput of {name}: above; whole log: {path}\n  read it: {command}");
        return;
    }
    let tail = match logs.tail(of, lines, settings.tail_bytes) {
        Ok(tail) => tail,
        Err(error) => {
            let _ = writeln!(text, "\n--- output of {name}: {} ---", words(&error.to_string()));
            return;
        }
    };
    if tail.total == 0 {
        let _ = writeln!(text, "\n--- {name} wrote no output ---");
        return;
    }
    let count = tail.lines.len() as u64;
    let part = if count == tail.total && !tail.cut {
        counted(tail.lines.len(), "line")
    } else {
        format!("last {} of {} lines", grouped(count), grouped(tail.total))
    };
    let header = format!("--- output of {name} ({part}; whole log: {path}) ---");
    let _ = writeln!(text, "\n{}", Ink::Strong.paint(settings.colour, &header));
    for (index, (stream, bytes)) in tail.lines.iter().enumerate() {
        let cut = if tail.cut && index == 0 { "…" } else { "" };
        let bytes = if is_script(step, of) { shown(*stream, bytes) } else { bytes.into() };
        let shown = line(&bytes, settings.colour);
        let space = if shown.is_empty() { "" } else { " " };
        let _ = writeln!(text, "  |{space}{cut}{shown}");
    }
    let _ = writeln!(text, "  read it: {command}");
}

/// What an agent did last. Its log is for programs.
fn done_last(text: &mut String, attempt: &AttemptView, lines: usize, settings: &PlainSettings, path: &str) {
    let activity = &attempt.activity;
    let step = &attempt.of.step;
    let printed = activity.items.iter();
    let printed: Vec<_> =
        printed.flat_map(|item| activity::about(activity, item, step, true, settings.colour)).collect();
    let name = words(&attempt.of.to_string());
    if printed.is_empty() {
        let _ = writeln!(text, "\n--- {name} did nothing that was understood; what it wrote: {path} ---");
        return;
    }
    let header = format!("--- what {name} did last (what it wrote: {path}) ---");
    let _ = writeln!(text, "\n{}", Ink::Strong.paint(settings.colour, &header));
    for printed in &printed[printed.len().saturating_sub(lines)..] {
        match printed {
            ActivityLine::Text(line) | ActivityLine::Line(line) => {
                let _ = writeln!(text, "  | {line}");
            }
        }
    }
}

/// The command that prints all that a step wrote.
pub(super) fn read_command(view: &RunView, of: &AttemptRef) -> String {
    let run = view.head.as_ref().map_or_else(|| "-1".to_owned(), RunHead::short_name);
    format!("roboppi logs {run} {}", shell_word(&words(of.step.as_str())))
}
