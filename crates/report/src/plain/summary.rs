//! The beginning and the end of the text about a run.

use std::fmt::Write as _;
use std::path::Path;

use roboppi_run::{
    AttemptRef, AttemptStatus, AttemptView, RunHead, RunOutcome, RunStatus, RunView, StepState, StepView,
    shell_word, spent_words,
};

use super::PlainSettings;
use super::activity::{self, ActivityLine};
use super::lines::{attempt_of_detail, sign};
use super::log::Logs;
use crate::style::Ink;
use crate::units::{duration, limit_time};
use roboppi_untrusted::{first_words, line, words};

/// Lines of a step whose failure does not count, or that did not end by itself.
const SHORT_TAIL: usize = 10;

/// What was started and where its record is.
pub(super) fn head(head: &RunHead, steps: usize, record: Option<&Path>, colour: bool) -> String {
    let name = Ink::Strong.paint(colour, &words(&head.name));
    let mut text = format!(
        "Workflow {name}: {}\n  run        {}\n  workspace  {}\n",
        counted(steps, "step"),
        head.full_name(),
        words(&head.workspace),
    );
    if let Some(record) = record {
        let _ = writeln!(text, "  record     {}", words(&record.to_string_lossy()));
    }
    text.push('\n');
    text
}

/// Everything that comes after the last step: output of failed steps, then a table, then how it ended.
pub(super) fn end(
    view: &RunView,
    settings: &PlainSettings,
    record: Option<&Path>,
    logs: &mut dyn Logs,
) -> String {
    let mut text = String::new();
    let timed_out = matches!(view.status, RunStatus::Finished { outcome: RunOutcome::TimedOut, .. });
    let counts = |step: &&StepView| step.state == StepState::Failed && !step.allowed_to_fail;
    let others = |step: &&StepView| {
        step.allowed_to_fail
            || step.state == StepState::Lost
            || (timed_out && step.state == StepState::Cancelled)
    };
    // What matters most comes last, where people look first.
    for step in view.steps().filter(others) {
        output(&mut text, view, step, SHORT_TAIL.min(settings.tail_lines), settings, logs);
    }
    for step in view.steps().filter(counts) {
        output(&mut text, view, step, settings.tail_lines, settings, logs);
    }
    table(&mut text, view, settings.colour);
    totals(&mut text, view, settings.colour);
    if let Some(spent) = view.spent() {
        let _ = writeln!(text, "  used     {}", spent_words(&spent));
    }
    agents(&mut text, view, false);
    if let Some(head) = view.head.as_ref().filter(|head| head.has_file()) {
        let _ = writeln!(text, "  context  {}", words(&head.context_dir));
    }
    if let Some(record) = record {
        let _ = writeln!(text, "  record   {}", words(&record.to_string_lossy()));
    }
    if let Some(command) = view.resume_command() {
        let _ = writeln!(text, "  resume   {}", words(&command));
    }
    text
}

/// Remarks and sessions that are named at the end.
const AGENT_LINES: usize = 5;

/// Of the agents: their sub-agents, what they had to do without, and how to go on with their sessions. With `all` remarks
/// also those that lines have at the end of an attempt.
fn agents(text: &mut String, view: &RunView, all: bool) {
    let last = |step: &&StepView| step.is_agent() && !step.attempts.is_empty();
    let steps = || view.steps().filter(last).filter_map(|step| Some((step, step.attempts.last()?)));
    let whose = |step: &StepView| {
        if view.steps.len() == 1 { String::new() } else { format!("{}: ", words(step.plan.step.as_str())) }
    };
    let mut part = |name: &str, lines: Vec<String>| {
        for line in lines.iter().take(AGENT_LINES) {
            let _ = writeln!(text, "  {name:<8} {}", words(line));
        }
        if let Some(more) = lines.len().checked_sub(AGENT_LINES).filter(|more| *more > 0) {
            let _ = writeln!(text, "  {name:<8} {more} more: `roboppi show`");
        }
    };
    let counted = steps().filter_map(|(step, attempt)| {
        Some(format!("{}{}", whose(step), attempt.activity.sub_agent_counts().words(true)?))
    });
    part("agents", counted.collect());
    let mut notes = Vec::new();
    for (step, attempt) in steps() {
        let details = match &attempt.status {
            AttemptStatus::Finished { result, .. } => result.details.as_deref(),
            AttemptStatus::Started | AttemptStatus::Phase(_) => None,
        };
        let refused = details.iter().flat_map(|details| &details.denials).filter(|_| all);
        let refused = refused.map(|denial| format!("refused: {denial}"));
        let remarks = &attempt.activity.remarks;
        let others = details.iter().flat_map(|details| &details.notes).filter(|_| all);
        let others = others.filter(|note| !remarks.contains(note)).cloned();
        let of_step = remarks.iter().cloned().chain(refused).chain(others);
        notes.extend(of_step.map(|note| format!("{}{note}", whose(step))));
    }
    part("note", notes);
    // Of a run of one agent that has not succeeded it comes with the reason.
    let is_one_agent = view.head.as_ref().is_some_and(|head| !head.has_file());
    let wanted = |step: &StepView| (step.state == StepState::Succeeded) == is_one_agent;
    let sessions = steps().filter(|(step, _)| wanted(step)).filter_map(|(step, attempt)| {
        let command = step.session_command(attempt)?;
        Some((format!("{}{}", whose(step), attempt.session_id()?), format!("{}{command}", whose(step))))
    });
    let (ids, commands): (Vec<String>, Vec<String>) = sessions.unzip();
    part("session", ids);
    part("go on", commands);
}

/// Steps a short text names.
const NAMED: usize = 20;

/// The same without what steps wrote, and no longer than a screen: for somebody who has seen it all.
pub(super) fn short(view: &RunView, settings: &PlainSettings, record: Option<&Path>) -> String {
    let mut text = String::new();
    let steps: Vec<&StepView> = if view.steps.len() <= NAMED {
        view.steps().collect()
    } else {
        view.steps().filter(|step| step.state != StepState::Succeeded).take(NAMED).collect()
    };
    if !steps.is_empty() {
        rows(&mut text, &steps, settings.colour);
    }
    let others = view.steps.len() - steps.len();
    if others > 0 {
        let _ = writeln!(
            text,
            "  and {}\n",
            counted(others, if steps.is_empty() { "step" } else { "other step" })
        );
    }
    totals(&mut text, view, settings.colour);
    agents(&mut text, view, true);
    for step in
        view.steps.iter().filter(|step| step.state == StepState::Failed && !step.allowed_to_fail).take(3)
    {
        if let Some(attempt) = step.attempts.last() {
            let _ = writeln!(text, "  output   {}", read_command(view, &attempt.of));
        }
    }
    if let Some(record) = record {
        let _ = writeln!(text, "  record   {}", words(&record.to_string_lossy()));
    }
    text
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
    let path = words(&logs.path(of).to_string_lossy());
    let command = read_command(view, of);
    let name = words(&of.to_string());
    if step.is_agent() {
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
    let shown = tail.lines.len() as u64;
    let part = if shown == tail.total && !tail.cut {
        counted(tail.lines.len(), "line")
    } else {
        format!("last {} of {} lines", grouped(shown), grouped(tail.total))
    };
    let header = format!("--- output of {name} ({part}; whole log: {path}) ---");
    let _ = writeln!(text, "\n{}", Ink::Strong.paint(settings.colour, &header));
    for (index, bytes) in tail.lines.iter().enumerate() {
        let cut = if tail.cut && index == 0 { "…" } else { "" };
        let shown = line(bytes, settings.colour);
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

fn read_command(view: &RunView, of: &AttemptRef) -> String {
    let run = view.head.as_ref().map_or_else(|| "-1".to_owned(), RunHead::short_name);
    format!("roboppi logs {run} {}", shell_word(&words(of.step.as_str())))
}

fn table(text: &mut String, view: &RunView, colour: bool) {
    rows(text, &view.steps().collect::<Vec<_>>(), colour);
}

fn rows(text: &mut String, steps: &[&StepView], colour: bool) {
    let header = ["Step", "State", "Duration", "Attempts", "Why"].map(str::to_owned);
    let mut rows = vec![(header, Ink::Faint)];
    rows.extend(steps.iter().copied().map(row));
    let mut widths = [0; 4];
    for (cells, _) in &rows {
        for (width, cell) in widths.iter_mut().zip(cells) {
            *width = cell.chars().count().max(*width);
        }
    }
    text.push('\n');
    for (cells, ink) in &rows {
        let [step, state, time, attempts, why] = cells;
        let [step_width, state_width, time_width, attempts_width] = widths;
        let state = ink.paint(colour, &format!("{state:<state_width$}"));
        let line =
            format!("{step:<step_width$}  {state}  {time:>time_width$}  {attempts:>attempts_width$}  {why}");
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text.push('\n');
}

fn row(step: &StepView) -> ([String; 5], Ink) {
    let (sign, ink) = sign(step.state);
    let allowed = if step.allowed_to_fail { " (allowed)" } else { "" };
    let (stated, why) = step.reason(limit_time).as_deref().map_or((None, String::new()), attempt_of_detail);
    let attempts = match (stated, step.attempts.len()) {
        (Some((attempt, most)), _) => format!("{attempt}/{most}"),
        (None, 0) => "-".to_owned(),
        (None, made) if step.plan.max_attempts > 1 => format!("{made}/{}", step.plan.max_attempts),
        (None, made) => made.to_string(),
    };
    let cells = [
        first_words(step.plan.step.as_str()),
        format!("{sign} {}{allowed}", step.state.name()).trim_start().to_owned(),
        step.duration_ms.map_or_else(|| "-".to_owned(), duration),
        attempts,
        words(&why),
    ];
    (cells, if step.allowed_to_fail { Ink::Caution } else { ink })
}

/// `FAILED: 1 of 6 steps failed in 12.3s`, and why when that is not all.
fn totals(text: &mut String, view: &RunView, colour: bool) {
    let total = view.steps.len();
    let counted_in = |states: &[StepState], allowed: bool| {
        let fits = |step: &&StepView| states.contains(&step.state) && step.allowed_to_fail == allowed;
        view.steps().filter(fits).count()
    };
    let failed = counted_in(&[StepState::Failed], false);
    let RunStatus::Finished { outcome, duration_ms, detail, .. } = &view.status else {
        let _ = writeln!(text, "UNKNOWN: the run ended without saying how");
        return;
    };
    let time = duration(*duration_ms);
    let (word, ink, what) = match outcome {
        RunOutcome::Succeeded => ("SUCCEEDED", Ink::Good, format!("{} in {time}", counted(total, "step"))),
        RunOutcome::Failed if failed > 0 => {
            ("FAILED", Ink::Bad, format!("{failed} of {} failed in {time}", counted(total, "step")))
        }
        RunOutcome::Failed => ("FAILED", Ink::Bad, format!("after {time}")),
        RunOutcome::Cancelled => ("CANCELLED", Ink::Caution, format!("after {time}")),
        RunOutcome::TimedOut => ("TIMED OUT", Ink::Bad, format!("after {time}")),
        RunOutcome::Lost => ("LOST", Ink::Bad, format!("after {time}")),
        RunOutcome::Unknown(word) => (word.as_str(), Ink::Bad, format!("after {time}")),
    };
    let mut others = Vec::new();
    let mut other = |count: usize, what: &str| {
        if count > 0 {
            others.push(format!("{count} {what}"));
        }
    };
    if !matches!(outcome, RunOutcome::Succeeded) {
        other(counted_in(&[StepState::Succeeded], false), "succeeded");
        if !matches!(outcome, RunOutcome::Failed) {
            other(failed, "failed");
        }
    }
    other(view.steps.iter().filter(|step| step.allowed_to_fail).count(), "allowed to fail");
    other(counted_in(&[StepState::Cancelled], false), "cancelled");
    other(counted_in(&[StepState::Lost], false), "lost");
    other(counted_in(&[StepState::Skipped], false), "skipped");
    let others = if others.is_empty() { String::new() } else { format!(" ({})", others.join(", ")) };
    let _ = writeln!(text, "{}: {what}{others}", ink.paint(colour, word));
    // A failure is told by the table already.
    let printed = matches!(outcome, RunOutcome::Succeeded) || (*outcome == RunOutcome::Failed && failed > 0);
    if let Some(detail) = detail.as_deref().filter(|_| !printed) {
        let _ = writeln!(text, "  {}", first_words(detail));
    }
}

/// `1 step`, `2 steps`.
fn counted(count: usize, what: &str) -> String {
    format!("{} {what}{}", grouped(count as u64), if count == 1 { "" } else { "s" })
}

/// `1,234`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
