//! The beginning and the end of the text about a run.

use std::fmt::Write as _;
use std::path::Path;

use roboppi_run::{
    AttemptStatus, RunHead, RunOutcome, RunStatus, RunView, StepPath, StepState, StepView, spent_words,
};

use super::count::{counted, grouped};
use super::lines::{attempt_of_detail, sign};
use super::log::Logs;
use super::{PlainSettings, failure};
use crate::notable::notable;
use crate::style::Ink;
use crate::units::{duration, limit_time};
use roboppi_untrusted::{first_words, words};

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
    if !head.only.is_empty() {
        let _ = writeln!(text, "  only       {}, with what they depend on", some(&head.only));
    }
    text.push('\n');
    text
}

/// Steps of `--only` that are named.
const ONLY: usize = 5;

fn some(steps: &[StepPath]) -> String {
    let names: Vec<String> = steps.iter().take(ONLY).map(|step| words(step.as_str())).collect();
    let more = steps.len().saturating_sub(ONLY);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", names.join(", "))
}

/// Everything that comes after the last step: output of failed steps if it is wanted here, then a table, then how it ended.
pub(super) fn end(
    view: &RunView,
    settings: &PlainSettings,
    record: Option<&Path>,
    logs: &mut dyn Logs,
) -> String {
    let mut text = String::new();
    if settings.failure_output.is_final() {
        failure::all_outputs(&mut text, view, settings, logs);
    }
    if settings.quiet {
        return text + &in_few_lines(view, settings, record);
    }
    table(&mut text, view, settings.colour);
    totals(&mut text, view, settings.colour);
    failures(&mut text, view, settings);
    notes(&mut text, view, settings.colour);
    if let Some(spent) = view.spent() {
        let _ = writeln!(text, "  used     {}", spent_words(&spent));
    }
    flaky(&mut text, view);
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

/// How a run ended, for a reader who wants no more than that.
fn in_few_lines(view: &RunView, settings: &PlainSettings, record: Option<&Path>) -> String {
    let mut text = String::new();
    totals(&mut text, view, settings.colour);
    failures(&mut text, view, settings);
    notes(&mut text, view, settings.colour);
    flaky(&mut text, view);
    agents(&mut text, view, false);
    if matches!(view.status, RunStatus::Finished { outcome: RunOutcome::Succeeded, .. }) {
        return text;
    }
    if let Some(record) = record {
        let _ = writeln!(text, "  record   {}", words(&record.to_string_lossy()));
    }
    if let Some(command) = view.resume_command() {
        let _ = writeln!(text, "  resume   {}", words(&command));
    }
    text
}

/// Failed steps that are named at the end.
const FAILURES: usize = 20;

/// The steps that failed once more, in short, where a reader looks first: why, and how to read all they wrote.
fn failures(text: &mut String, view: &RunView, settings: &PlainSettings) {
    let failed = || view.steps().filter(|step| step.state == StepState::Failed && !step.allowed_to_fail);
    let count = failed().count();
    for step in failed().take(FAILURES) {
        let (_, why) = step.reason(limit_time).as_deref().map_or((None, String::new()), attempt_of_detail);
        let why = if why.is_empty() { String::new() } else { format!(": {}", shortened(&words(&why))) };
        let name = words(step.plan.step.as_str());
        let _ = writeln!(text, "  {}   {name}{why}", Ink::Bad.paint(settings.colour, "failed"));
        // The log of an agent is for programs.
        if let Some(attempt) = step.attempts.last().filter(|attempt| !step.is_agent_in(&attempt.of)) {
            let _ = writeln!(text, "  output   {}", failure::read_command(view, &attempt.of));
        }
    }
    if count > FAILURES {
        let _ = writeln!(text, "           and {} more", grouped((count - FAILURES) as u64));
    }
}

/// Notes that are printed at the end.
const NOTES: usize = 5;

/// What else a reader should know, once more where it is seen: the weightiest of it.
fn notes(text: &mut String, view: &RunView, colour: bool) {
    let all = notable(view);
    for note in all.first(NOTES) {
        let _ = writeln!(text, "  {}  {}", Ink::Caution.paint(colour, "warning"), words(&note.to_string()));
    }
    let more = all.beside(NOTES);
    if more > 0 {
        let _ = writeln!(text, "  warning  {more} more: `roboppi show`");
    }
}

/// Characters of a reason that fit beside the name of its step.
const LONGEST_REASON: usize = 120;

fn shortened(why: &str) -> String {
    match why.char_indices().nth(LONGEST_REASON) {
        Some((cut, _)) => format!("{}…", &why[..cut]),
        None => why.to_owned(),
    }
}

/// Flaky steps that are named at the end.
const FLAKY: usize = 10;

/// Steps that succeeded on a retry only.
fn flaky(text: &mut String, view: &RunView) {
    let lines = || view.flaky_steps().filter_map(|step| Some((step, step.flaky_words()?)));
    for (step, how) in lines().take(FLAKY) {
        let _ = writeln!(text, "  flaky    {}: {how}", words(step.plan.step.as_str()));
    }
    if let Some(more) = lines().count().checked_sub(FLAKY).filter(|more| *more > 0) {
        let _ = writeln!(text, "  flaky    {more} more: `roboppi show`");
    }
}

/// Remarks and sessions that are named at the end.
const AGENT_LINES: usize = 5;

/// Of the agents: their sub-agents, what they had to do without, and how to go on with their sessions. With `all` remarks
/// also those that lines have at the end of an attempt.
fn agents(text: &mut String, view: &RunView, all: bool) {
    let last = |step: &&StepView| step.is_agent_last() && !step.attempts.is_empty();
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
    flaky(&mut text, view);
    notes(&mut text, view, settings.colour);
    agents(&mut text, view, true);
    for step in
        view.steps.iter().filter(|step| step.state == StepState::Failed && !step.allowed_to_fail).take(3)
    {
        if let Some(attempt) = step.attempts.last() {
            let _ = writeln!(text, "  output   {}", failure::read_command(view, &attempt.of));
        }
    }
    if let Some(record) = record {
        let _ = writeln!(text, "  record   {}", words(&record.to_string_lossy()));
    }
    if let Some(command) = view.resume_command() {
        let _ = writeln!(text, "  resume   {}", words(&command));
    }
    text
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
    let allowed = if step.is_excused_failure() { " (allowed)" } else { "" };
    let (stated, why) = step.reason(limit_time).as_deref().map_or((None, String::new()), attempt_of_detail);
    let made = step.attempts_at_work();
    let attempts = match (stated, made) {
        (_, made) if made > 0 && step.plan.max_iterations.is_some() => made.to_string(),
        (Some(attempt), _) => attempt.to_string(),
        (None, 0) => "-".to_owned(),
        (None, made) => made.to_string(),
    };
    let cells = [
        first_words(step.plan.step.as_str()),
        format!("{sign} {}{allowed}", step.state.name()).trim_start().to_owned(),
        step.duration_ms.map_or_else(|| "-".to_owned(), duration),
        attempts,
        words(&why),
    ];
    (cells, if step.is_excused_failure() { Ink::Caution } else { ink })
}

/// `FAILED: 1 of 6 steps failed in 12.3s`, and why when that is not all.
pub(super) fn totals(text: &mut String, view: &RunView, colour: bool) {
    let total = view.steps.len();
    let counted_in = |state: StepState| {
        let fits = |step: &&StepView| step.state == state && !step.is_excused_failure();
        view.steps().filter(fits).count()
    };
    let failed = counted_in(StepState::Failed);
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
        RunOutcome::Lost => ("LOST", Ink::Bad, format!("after at least {time}")),
        RunOutcome::Unknown(word) => (word.as_str(), Ink::Bad, format!("after {time}")),
    };
    let mut others = Vec::new();
    let mut other = |count: usize, what: &str| {
        if count > 0 {
            others.push(format!("{count} {what}"));
        }
    };
    if !matches!(outcome, RunOutcome::Succeeded) {
        other(counted_in(StepState::Succeeded), "succeeded");
        if !matches!(outcome, RunOutcome::Failed) {
            other(failed, "failed");
        }
    }
    other(counted_in(StepState::Incomplete), "incomplete");
    other(view.steps().filter(|step| step.is_excused_failure()).count(), "allowed to fail");
    other(counted_in(StepState::Cancelled), "cancelled");
    other(counted_in(StepState::Lost), "lost");
    other(counted_in(StepState::Skipped), "skipped");
    let others = if others.is_empty() { String::new() } else { format!(" ({})", others.join(", ")) };
    let _ = writeln!(text, "{}: {what}{others}", ink.paint(colour, word));
    // A failure is told by the table already.
    let printed = matches!(outcome, RunOutcome::Succeeded) || (*outcome == RunOutcome::Failed && failed > 0);
    if let Some(detail) = detail.as_deref().filter(|_| !printed) {
        let _ = writeln!(text, "  {}", first_words(detail));
    }
}
