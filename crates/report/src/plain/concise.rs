//! How a run ended, in as few words as say what to do next: for AI agents, which pay for each of them.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::Arc;

use roboppi_attach::RunSource;
use roboppi_run::{RunView, StepView, spent_words};
use roboppi_untrusted::{line, words};

use super::ci::{Found, Search, failed_steps, findings, more_places, reason, severity_word, shown_line};
use super::count::counted;
use super::failure::read_command;
use super::log::{Logs as _, SourceLogs};
use super::summary::totals;
use crate::detached;
use crate::follower::{Follower, Item};
use crate::notable::notable;

/// Failed steps that are described; the others are named.
const FAILURES: usize = 5;

/// Failed steps that are named beside them.
const NAMED: usize = 20;

/// Places of each.
const PLACES: usize = 5;

/// Lines of its output, when places are known and when none is.
const LINES: (usize, usize) = (8, 20);

/// Bytes of its output.
const TAIL_BYTES: u64 = 2 * 1024;

/// Characters of a line.
const LONGEST_LINE: usize = 300;

/// Warnings.
const WARNINGS: usize = 3;

/// Waits until the run of `source` is over, and writes to `out` how it ended: what failed, where, the last lines, and the next
/// command. Blocks, as [`plain::run`](super::run) does.
///
/// # Errors
/// When `out` cannot be written, except that a reader that went away is no error.
pub fn run_concisely(source: &Arc<dyn RunSource>, mut out: impl Write) -> io::Result<()> {
    let mut follower = Follower::new(Arc::clone(source))?;
    while !matches!(follower.wait(None), Some(Item::Ended | Item::Stopped)) {}
    let text = text(source);
    detached(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

fn text(source: &Arc<dyn RunSource>) -> String {
    let view = source.follow().view;
    let mut logs = SourceLogs(Arc::clone(source));
    let mut text = String::new();
    totals(&mut text, &view, false);
    let failed: Vec<&StepView> = failed_steps(&view).collect();
    let mut search = Search::default();
    for step in failed.iter().take(FAILURES) {
        failure(&mut text, (&view, step), source.as_ref(), &mut logs, &mut search);
    }
    let others: Vec<String> =
        failed.iter().skip(FAILURES).take(NAMED).map(|step| words(step.plan.step.as_str())).collect();
    if !others.is_empty() {
        let more = failed.len() - FAILURES - others.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let _ = writeln!(text, "also failed: {}{more}", others.join(", "));
    }
    let notes = notable(&view);
    for note in notes.first(WARNINGS) {
        let _ = writeln!(text, "warning: {}", shortened(&words(&note.to_string())));
    }
    let more = usize::try_from(notes.beside(WARNINGS)).unwrap_or(usize::MAX);
    if more > 0 {
        let _ = writeln!(text, "{}: roboppi show", counted(more, "more warning"));
    }
    flaky(&mut text, &view);
    if let Some(spent) = view.spent() {
        let _ = writeln!(text, "used: {}", spent_words(&spent));
    }
    if let Some(command) = view.resume_command() {
        let _ = writeln!(text, "next: {}", words(&command));
    }
    text
}

/// Steps that succeeded on a retry only, in one line.
fn flaky(text: &mut String, view: &RunView) {
    let names: Vec<String> =
        view.flaky_steps().take(NAMED).map(|step| words(step.plan.step.as_str())).collect();
    if !names.is_empty() {
        let more = view.flaky_steps().count() - names.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let _ = writeln!(text, "flaky: {}{more}", names.join(", "));
    }
}

fn failure(
    text: &mut String,
    (view, step): (&RunView, &StepView),
    source: &dyn RunSource,
    logs: &mut SourceLogs,
    search: &mut Search,
) {
    let _ = writeln!(text, "{}: {}", words(step.plan.step.as_str()), shortened(&reason(step)));
    let Some(attempt) = step.attempts.last() else { return };
    if !step.is_agent_in(&attempt.of) {
        // The commands below report a log that cannot be read.
        let found = findings(source, logs, &attempt.of, search).unwrap_or_default();
        places(text, &found);
        let lines = if found.places.is_empty() { LINES.1 } else { LINES.0 };
        let tail = logs.tail(&attempt.of, lines, TAIL_BYTES).unwrap_or_default();
        for (stream, bytes) in &tail.lines {
            let shown = line(&shown_line(step, &attempt.of, *stream, bytes), false);
            if !shown.trim().is_empty() {
                let _ = writeln!(text, "  | {}", shortened(&shown));
            }
        }
    }
    let _ = writeln!(text, "  log: {}", read_command(view, &attempt.of));
}

/// Errors come first.
fn places(text: &mut String, found: &Found) {
    for finding in found.places.iter().take(PLACES) {
        let (place, word) = (finding.place(), severity_word(finding));
        let _ = writeln!(text, "  {place}: {word}{}", shortened(&finding.message));
    }
    let more = found.beyond(PLACES);
    if more > 0 {
        let _ = writeln!(text, "  and {}", more_places(more));
    }
}

fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(LONGEST_LINE).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// Whether an AI agent has called this program, as the agents announce it; `variable` looks one up. Any program can set these
/// variables, so they decide how much is printed and nothing else.
pub fn is_called_by_agent(variable: impl Fn(&str) -> Option<String>) -> bool {
    let value = |name: &str| variable(name).filter(|value| !matches!(value.as_str(), "" | "0" | "false"));
    let named = AGENT_VARIABLES.iter().any(|name| value(name).is_some());
    named || value("AGENT").is_some_and(|agent| AGENTS.contains(&agent.to_ascii_lowercase().as_str()))
}

/// Variables that agents set for the programs they start.
const AGENT_VARIABLES: [&str; 9] = [
    "AI_AGENT",
    "CLAUDECODE",
    "CODEX_SANDBOX",
    "CODEX_THREAD_ID",
    "COPILOT_CLI",
    "CURSOR_AGENT",
    "GEMINI_CLI",
    "OPENCODE",
    "QWEN_CODE",
];

/// Agents that set `AGENT`, which other programs use, too.
const AGENTS: [&str; 4] = ["amp", "crush", "goose", "opencode"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_are_known_by_their_variables() {
        for (name, value, expected) in [
            ("AI_AGENT", "claude-code", true),
            ("CLAUDECODE", "1", true),
            ("CLAUDECODE", "0", false),
            ("CURSOR_AGENT", "", false),
            ("AGENT", "goose", true),
            ("AGENT", "build-agent-7", false),
            ("CI", "true", false),
        ] {
            let look = |asked: &str| (asked == name).then(|| value.to_owned());
            assert_eq!(is_called_by_agent(look), expected, "{name}={value}");
        }
    }
}
