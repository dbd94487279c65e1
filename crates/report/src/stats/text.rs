//! Statistics for people.

use std::fmt::Write as _;

use roboppi_run::{dollars, tokens};
use roboppi_stats::{Group, Outcome, RecentKind};
use roboppi_untrusted::{first_words, words};

use super::Subject;
use crate::style::Ink;
use crate::table::lines;
use crate::units::{ago, duration, format_time};

/// Rows of a table.
const ROWS: usize = 20;

/// How statistics are written for people.
#[derive(Clone, Copy, Debug, Default)]
pub struct TextStyle {
    /// In colours.
    pub colour: bool,
    /// Lines that there is room for; `None` for as many as it takes.
    pub height: Option<usize>,
}

/// Statistics as tables.
#[must_use]
pub fn text(subject: &Subject<'_>, style: TextStyle) -> String {
    let statistic = subject.statistic;
    let totals = &statistic.totals;
    let mut text = head(subject);
    if totals.runs.counts.total() > 0 {
        let period_ms = subject.period_ms();
        let name = |(name, of): (&String, &Group)| (first_words(name), of.clone());
        let section = |title: &str, all: Option<&Group>, named: Vec<(String, Group)>| {
            section(title, all, named, period_ms, style)
        };
        text += &section("WORKFLOW", Some(&totals.runs), totals.workflows.iter().map(name).collect());
        let step = |(key, of): (&roboppi_stats::StepKey, &Group)| {
            (first_words(&format!("{} {}", key.workflow, key.step)), of.clone())
        };
        text += &section("STEP", Some(&totals.steps), totals.by_step.iter().map(step).collect());
        let agents = totals.agents.iter().map(|(kind, of)| (first_words(kind), of.attempts.clone()));
        text += &section("AGENT", None, agents.collect());
        text += &section("TOOL", Some(&totals.calls), totals.tools.iter().map(name).collect());
        text += &usage(subject);
        text += &recent(subject, style);
        text += "\nMEAN, P50 and P95 are those of successes; RATE compares successes with failures and time-outs alone.\n";
    }
    notes(subject, &mut text);
    match style.height {
        Some(height) => text.lines().take(height.saturating_sub(1)).map(|line| format!("{line}\n")).collect(),
        None => text,
    }
}

/// A text that takes the place of the one before it on a terminal.
#[must_use]
pub fn redrawn(text: &str) -> String {
    let lines: String = text.lines().map(|line| format!("{line}\x1b[K\n")).collect();
    format!("\x1b[H{lines}\x1b[J")
}

fn head(subject: &Subject<'_>) -> String {
    let Subject { statistic, selection, workflow, now } = *subject;
    let totals = &statistic.totals;
    let count = totals.runs.counts.total();
    let noun = if count == 1 { "run" } else { "runs" };
    let mut text = format!("{count} {noun}");
    if let Some(workflow) = workflow {
        let _ = write!(text, " of {}", words(workflow));
    }
    if let Some(since) = selection.since {
        let _ = write!(text, " since {}", format_time(since));
    } else if let Some(first) = totals.first {
        let _ = write!(text, ", the first one {} ago", ago(now, first));
    }
    if let Some(until) = selection.until {
        let _ = write!(text, " until {}", format_time(until));
    }
    let running = totals.running();
    if running > 0 {
        let _ = write!(text, ", {running} running");
    }
    text + "\n"
}

/// Outcomes that have a column only if there are any.
const OPTIONAL: [(Outcome, &str); 9] = [
    (Outcome::TimedOut, "TIMED OUT"),
    (Outcome::Incomplete, "INCOMPLETE"),
    (Outcome::Cancelled, "CANCELLED"),
    (Outcome::Lost, "LOST"),
    (Outcome::Skipped, "SKIPPED"),
    (Outcome::Kept, "KEPT"),
    (Outcome::Running, "RUNNING"),
    (Outcome::Waiting, "WAITING"),
    (Outcome::Unknown, "UNKNOWN"),
];

fn section(
    title: &str,
    all: Option<&Group>,
    mut named: Vec<(String, Group)>,
    period_ms: u64,
    style: TextStyle,
) -> String {
    if named.is_empty() {
        return String::new();
    }
    named.sort_by_key(|(_, of)| std::cmp::Reverse(of.counts.total()));
    let hidden = named.len().saturating_sub(ROWS);
    let sum = |(_, of): &(String, Group), outcome| of.counts.of(outcome);
    let optional: Vec<_> = OPTIONAL
        .into_iter()
        .filter(|(outcome, _)| named.iter().any(|entry| sum(entry, *outcome) > 0))
        .collect();
    named.truncate(ROWS);
    let mut heads = vec![title, "COUNT", "SUCCEEDED", "FAILED"];
    heads.extend(optional.iter().map(|(_, head)| *head));
    heads.extend(["RATE", "TOTAL", "MEAN", "P50", "P95", "PER HOUR"]);
    let mut rows = vec![heads.into_iter().map(str::to_owned).collect::<Vec<_>>()];
    let all = all.filter(|_| named.len() > 1).map(|all| ("all".to_owned(), all.clone()));
    for (name, of) in named.into_iter().chain(all) {
        rows.push(row(name, &of, &optional, period_ms));
    }
    let mut text = "\n".to_owned();
    for (number, line) in lines(&rows).into_iter().enumerate() {
        let ink = if number == 0 { Ink::Faint } else { Ink::Plain };
        text += &(ink.paint(style.colour, &line) + "\n");
    }
    if hidden > 0 {
        let _ = writeln!(text, "{hidden} more: --json has all");
    }
    text
}

fn row(name: String, of: &Group, optional: &[(Outcome, &str)], period_ms: u64) -> Vec<String> {
    let dash = || "–".to_owned();
    let mut row = vec![name, of.counts.total().to_string()];
    row.extend([Outcome::Succeeded, Outcome::Failed].map(|outcome| of.counts.of(outcome).to_string()));
    row.extend(optional.iter().map(|(outcome, _)| of.counts.of(*outcome).to_string()));
    row.push(of.counts.rate().map_or_else(dash, |rate| format!("{:.1}%", rate * 100.0)));
    row.push(duration(of.total_ms()));
    match of.succeeded.durations() {
        Some(found) => row.extend([found.mean, found.p50, found.p95].map(duration)),
        None => row.extend([dash(), dash(), dash()]),
    }
    row.push(of.per_hour(period_ms).map_or_else(dash, |rate| format!("{rate:.1}")));
    row
}

fn usage(subject: &Subject<'_>) -> String {
    let mut text = String::new();
    for (kind, of) in &subject.statistic.totals.agents {
        if of.input_tokens == 0 && of.output_tokens == 0 && of.cost_micros == 0 {
            continue;
        }
        let least = if of.without_cost > 0 && of.cost_micros > 0 { "at least " } else { "" };
        let (input, output, cached) =
            (tokens(of.input_tokens), tokens(of.output_tokens), tokens(of.cached_tokens));
        let cost = if of.cost_micros > 0 { dollars(of.cost_usd()) } else { "cost unknown".to_owned() };
        let _ = writeln!(
            text,
            "{} used {input} tokens in, {output} out, {cached} cached, {least}{cost}",
            first_words(kind)
        );
    }
    if text.is_empty() { text } else { format!("\n{text}") }
}

fn recent(subject: &Subject<'_>, style: TextStyle) -> String {
    let entries = subject.statistic.totals.recent.iter().take(ROWS);
    let row = |(run, entry): &(String, roboppi_stats::Recent)| {
        let tool = match &entry.kind {
            RecentKind::Tool(name) => words(name),
            RecentKind::Step => String::new(),
        };
        vec![
            format!("{} ago", ago(subject.now, entry.at)),
            run.clone(),
            words(&entry.step),
            tool,
            entry.outcome.name().to_owned(),
            entry.duration_ms.map(duration).unwrap_or_default(),
        ]
    };
    let mut rows = vec![["RECENT", "RUN", "STEP", "TOOL", "OUTCOME", "TOOK"].map(str::to_owned).to_vec()];
    rows.extend(entries.map(row));
    if rows.len() == 1 {
        return String::new();
    }
    let mut text = "\n".to_owned();
    for (number, line) in lines(&rows).into_iter().enumerate() {
        let ink = if number == 0 { Ink::Faint } else { Ink::Plain };
        text += &(ink.paint(style.colour, &line) + "\n");
    }
    text
}

fn notes(subject: &Subject<'_>, text: &mut String) {
    let statistic = subject.statistic;
    let missing = statistic.totals.events_missing;
    if missing > 0 {
        let _ =
            writeln!(text, "note: {missing} events of workers are missing, so tool calls are lower bounds");
    }
    if statistic.unreadable > 0 {
        let noun = if statistic.unreadable == 1 { "run is" } else { "runs are" };
        let _ =
            writeln!(text, "note: {} {noun} not counted: the record has no beginning", statistic.unreadable);
    }
    for problem in &statistic.problems {
        let _ = writeln!(text, "warning: {}", first_words(problem));
    }
}
