//! A run as a page of Markdown, for the summary of a job.

use std::fmt::Write as _;
use std::sync::Arc;

use roboppi_attach::RunSource;
use roboppi_run::{RunHead, RunStatus, RunView, StepView, spent_words};
use roboppi_untrusted::{line, words};
use unicode_width::UnicodeWidthStr as _;

use super::conclusion::{failed_steps, reason, reason_of_run};
use super::excerpt::{Found, Search, findings, more_places, severity_word, shown_line};
use crate::notable::notable;
use crate::plain::count::counted;
use crate::plain::failure::read_command;
use crate::plain::lines::sign;
use crate::plain::log::{LogTail, Logs as _, SourceLogs};
use crate::plain::summary::totals;
use crate::units::duration;

/// Bytes of a page that GitHub takes; of a longer one it shows nothing.
pub const LONGEST_PAGE: usize = 1024 * 1024;

/// Failed steps whose output is on the page.
const FAILURES: usize = 20;

/// Bytes of the output of each.
const TAIL_BYTES: u64 = 32 * 1024;

/// Characters of a name or a reason.
const LONGEST_TEXT: usize = 200;

/// Columns of the chart.
const CHART: u64 = 50;

/// Columns of a name beside it.
const CHART_NAME: usize = 30;

/// How much of each part is on a page.
#[derive(Clone, Copy)]
struct Extent {
    tail: usize,
    rows: usize,
    chart: usize,
}

/// From the whole page to a headline with the names of what failed.
const EXTENTS: &[Extent] = &[
    Extent { tail: 100, rows: 2_000, chart: 100 },
    Extent { tail: 50, rows: 500, chart: 50 },
    Extent { tail: 20, rows: 200, chart: 20 },
    Extent { tail: 5, rows: 100, chart: 0 },
    Extent { tail: 0, rows: 50, chart: 0 },
    Extent { tail: 0, rows: 5, chart: 0 },
    Extent { tail: 0, rows: 0, chart: 0 },
];

/// A failed step with what is shown of it.
struct Failure<'v> {
    step: &'v StepView,
    found: Found,
    tail: LogTail,
}

/// The page about a run that is over, of at most `most` bytes: part after part gets shorter until it fits. Empty when not even a
/// headline does.
#[must_use]
pub fn page(source: &Arc<dyn RunSource>, most: usize) -> String {
    let view = source.follow().view;
    let mut logs = SourceLogs(Arc::clone(source));
    let mut search = Search::default();
    let failures = failed_steps(&view).take(FAILURES);
    let failures: Vec<Failure<'_>> =
        failures.map(|step| failure(source.as_ref(), &mut logs, step, &mut search)).collect();
    let pages = EXTENTS.iter().map(|extent| page_of(&view, &failures, *extent));
    pages.into_iter().find(|page| page.len() <= most).unwrap_or_default()
}

fn failure<'v>(
    source: &dyn RunSource,
    logs: &mut SourceLogs,
    step: &'v StepView,
    search: &mut Search,
) -> Failure<'v> {
    let attempt = step.attempts.last().filter(|_| !step.is_agent_last());
    let Some(attempt) = attempt else {
        return Failure { step, found: Found::default(), tail: LogTail::default() };
    };
    // The log of the job reports a log that cannot be read.
    let found = findings(source, logs, &attempt.of, search).unwrap_or_default();
    let tail = logs.tail(&attempt.of, EXTENTS[0].tail, TAIL_BYTES).unwrap_or_default();
    Failure { step, found, tail }
}

fn page_of(view: &RunView, failures: &[Failure<'_>], extent: Extent) -> String {
    let mut page = String::new();
    headline(&mut page, view);
    for failure in failures {
        failed(&mut page, view, failure, extent);
    }
    let failed = failed_steps(view).count();
    if failed == 0
        && let Some(why) = reason_of_run(view)
    {
        let _ = writeln!(page, "### ✗ {}\n", escaped(&why));
    }
    if failed > failures.len() {
        let _ = writeln!(page, "{} more failed steps: `roboppi show`\n", failed - failures.len());
    }
    steps(&mut page, view, extent.rows);
    agents(&mut page, view, extent.rows);
    chart(&mut page, view, extent.chart);
    warnings(&mut page, view, extent.rows);
    page
}

fn headline(page: &mut String, view: &RunView) {
    let mut text = String::new();
    totals(&mut text, view, false);
    let total = text.lines().next().unwrap_or_default();
    let name = view.head.as_ref().map_or_else(String::new, |head| escaped(&head.name));
    let _ = writeln!(page, "## {name}: {}\n", escaped(total));
    let run = view.head.as_ref().map_or_else(String::new, RunHead::short_name);
    let resume =
        view.resume_command().map_or_else(String::new, |command| format!(", resume: {}", code(&command)));
    let _ = writeln!(page, "Run {}{resume}\n", code(&run));
}

fn failed(page: &mut String, view: &RunView, failure: &Failure<'_>, extent: Extent) {
    let Failure { step, found, tail } = failure;
    let of = step.attempts.last().map(|attempt| &attempt.of);
    let _ = writeln!(page, "### ✗ {}: {}\n", escaped(step.plan.step.as_str()), escaped(&reason(step)));
    let most = extent.tail.min(10);
    for finding in found.places.iter().take(most) {
        let (place, word) = (code(&finding.place()), severity_word(finding));
        let _ = writeln!(page, "- {place}: {word}{}", escaped(&finding.message));
    }
    let more = found.beyond(most);
    if most > 0 && more > 0 {
        let _ = writeln!(page, "- {}", more_places(more));
    }
    let shown = tail.lines.len().min(extent.tail);
    if shown > 0 {
        let mut text = String::new();
        let lines = tail.lines[tail.lines.len() - shown..].iter().zip(std::iter::repeat(of));
        for ((stream, bytes), of) in lines.filter_map(|(line, of)| Some((line, of?))) {
            let _ = writeln!(text, "{}", line(&shown_line(step, of, *stream, bytes), false));
        }
        let fence = "`".repeat(longest_run(&text).max(2) + 1);
        let part = if shown as u64 == tail.total {
            "all of its output".to_owned()
        } else {
            format!("last {shown} of {} lines", tail.total)
        };
        let _ = writeln!(
            page,
            "\n<details open><summary>{part}</summary>\n\n{fence}text\n{text}{fence}\n\n</details>"
        );
    }
    if let Some(attempt) = step.attempts.last() {
        let _ = writeln!(page, "\nWhole log: {}\n", code(&read_command(view, &attempt.of)));
    }
}

/// Steps that did not succeed come first when there is no room for all.
fn steps(page: &mut String, view: &RunView, most: usize) {
    if most == 0 {
        return;
    }
    let mut steps: Vec<&StepView> = view.steps().collect();
    let left = steps.len().saturating_sub(most);
    if left > 0 {
        steps.sort_by_key(|step| step.state == roboppi_run::StepState::Succeeded && !step.is_flaky());
        steps.truncate(most);
    }
    let _ = writeln!(page, "| Step | State | Duration | Attempts | Why |\n|---|---|---:|---:|---|");
    for step in steps {
        let (sign, _) = sign(step.state);
        let flaky = step.flaky_words();
        let note = match &flaky {
            Some(_) => " (flaky)",
            None if step.allowed_to_fail => " (allowed)",
            None => "",
        };
        let time = step.duration_ms.map_or_else(String::new, duration);
        let why = step.detail.as_ref().map(|_| reason(step)).or(flaky).unwrap_or_default();
        let (detail, state) = (escaped(&why), format!("{sign} {}{note}", step.state.name()));
        let (name, attempts) = (escaped(step.plan.step.as_str()), step.attempts_at_work());
        let _ = writeln!(page, "| {name} | {} | {time} | {attempts} | {detail} |", state.trim());
    }
    if left > 0 {
        let _ = writeln!(page, "\n{left} more steps: `roboppi show`");
    }
    page.push('\n');
}

fn agents(page: &mut String, view: &RunView, most: usize) {
    let Some(spent) = view.spent() else { return };
    let _ = writeln!(page, "**Agents used** {}\n", escaped(&spent_words(&spent)));
    let each = view.steps().filter_map(|step| Some((step, step.spent()?)));
    if each.clone().count() < 2 || most == 0 {
        return;
    }
    let _ = writeln!(page, "| Step | Agent | Used |\n|---|---|---|");
    for (step, spent) in each.take(most) {
        let (name, worker) = (escaped(step.plan.step.as_str()), escaped(step.plan.worker.name()));
        let _ = writeln!(page, "| {name} | {worker} | {} |", escaped(&spent_words(&spent)));
    }
    page.push('\n');
}

/// When each attempt ran.
fn chart(page: &mut String, view: &RunView, most: usize) {
    let (Some(head), RunStatus::Finished { duration_ms, .. }) = (&view.head, &view.status) else { return };
    let started =
        view.steps().flat_map(|step| &step.attempts).filter(|attempt| attempt.finished_at.is_some());
    let count = started.clone().count();
    if most == 0 || count < 2 {
        return;
    }
    let total = (*duration_ms).max(1);
    let column = |at: u64| at.saturating_sub(head.started_at.0).min(total) * CHART / total;
    let _ = writeln!(page, "<details><summary>Timeline</summary>\n\n```text");
    for attempt in started.take(most) {
        let (from, to) = (attempt.started_at.0, attempt.finished_at.map_or(0, |at| at.0));
        let begin = column(from).min(CHART - 1);
        let end = column(to).max(begin + 1);
        let (before, bar) = (" ".repeat(as_count(begin)), "█".repeat(as_count(end - begin)));
        let after = " ".repeat(as_count(CHART - end));
        let name = words(&attempt.of.to_string()).replace('`', "'");
        let _ =
            writeln!(page, "{} |{before}{bar}{after}| {}", padded(&name), duration(to.saturating_sub(from)));
    }
    if count > most {
        let _ = writeln!(page, "{} more", count - most);
    }
    let _ = writeln!(page, "```\n\n</details>\n");
}

fn as_count(columns: u64) -> usize {
    usize::try_from(columns).unwrap_or_default()
}

fn padded(name: &str) -> String {
    let mut text = String::new();
    for char in name.chars() {
        if text.width() + 2 > CHART_NAME {
            text.push('…');
            break;
        }
        text.push(char);
    }
    let spaces = CHART_NAME.saturating_sub(text.width());
    text + &" ".repeat(spaces)
}

/// Warnings on a page.
const WARNINGS: usize = 50;

fn warnings(page: &mut String, view: &RunView, most: usize) {
    let (notes, most) = (notable(view), most.min(WARNINGS));
    for note in notes.first(most) {
        let step = note.step().map_or_else(String::new, |step| format!("{}: ", escaped(step.as_str())));
        let _ = writeln!(page, "- ! {step}{}", escaped(note.text()));
    }
    let more = usize::try_from(notes.beside(most)).unwrap_or(usize::MAX);
    if more > 0 {
        let _ = writeln!(page, "- {}: `roboppi show`", counted(more, "more warning"));
    }
}

/// Text of others within Markdown: nothing in it is markup.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    let text = words(text);
    let mut chars = text.chars();
    for char in chars.by_ref().take(LONGEST_TEXT) {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            // GitHub would make a mention, a reference or a link of it.
            '@' => escaped.push_str("&#64;"),
            '#' => escaped.push_str("&#35;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '!' => escaped.extend(['\\', char]),
            _ => escaped.push(char),
        }
    }
    if chars.next().is_some() {
        escaped.push('…');
    }
    escaped
}

/// Text of others as code.
fn code(text: &str) -> String {
    let text: String = words(text).chars().take(LONGEST_TEXT * 2).collect();
    let ticks = "`".repeat(longest_run(&text) + 1);
    let space = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{ticks}{space}{text}{space}{ticks}")
}

/// The longest row of backticks.
fn longest_run(text: &str) -> usize {
    text.split(|char| char != '`').map(str::len).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{LiveRun, attempt, run_finished, run_started};
    use roboppi_ipc::OutputStream;
    use roboppi_run::RunOutcome;

    fn run_of(steps: usize, output: &[u8]) -> LiveRun {
        let mut run = LiveRun::new();
        let names: Vec<String> = (0..steps).map(|number| format!("step-{number}")).collect();
        let plan: Vec<_> = names.iter().map(|name| (name.as_str(), 1)).collect();
        run.event(run_started(&plan));
        for (index, name) in names.iter().enumerate() {
            let of = attempt(name, 1);
            run.start(&of);
            run.output(&of, OutputStream::Stdout, output, true);
            run.finish(&of, i32::from(index % 2 == 0));
        }
        run.event(run_finished(RunOutcome::Failed, 1_000 * steps as u64, "steps failed"));
        run.close();
        run
    }

    #[test]
    fn a_page_gets_shorter_until_it_fits() {
        let run = run_of(40, &b"a line of output that is not short at all\n".repeat(500));
        let source = run.source();
        let whole = page(&source, LONGEST_PAGE);
        assert!(whole.contains("Timeline") && whole.contains("last 100 of 500 lines"), "{whole}");
        let mut before = usize::MAX;
        for most in [whole.len(), 60_000, 30_000, 8_000, 4_000] {
            let page = page(&source, most);
            assert!(page.len() <= most && page.len() <= before && !page.is_empty(), "{most}: {}", page.len());
            assert!(page.starts_with("## demo: FAILED: 20 of 40 steps failed"), "{page}");
            assert!(page.contains("### ✗ step-0: exit code 1"), "{page}");
            before = page.len();
        }
        assert_eq!(page(&source, 10), "");
    }

    #[test]
    fn nothing_of_a_worker_is_markup() {
        let run = run_of(1, b"```\n</details><script>x</script>\n````\n\x1b[31m::error::y\n");
        let page = page(&run.source(), LONGEST_PAGE);
        assert!(page.contains("\n`````text\n```\n</details><script>"), "{page}");
        assert_eq!(
            escaped("<b>|@me #1 `x` [a](b)\n*c*"),
            "&lt;b&gt;\\|&#64;me &#35;1 \\`x\\` \\[a\\](b) \\*c\\*"
        );
        assert_eq!(code("a``b"), "```a``b```");
        assert_eq!(code("`"), "`` ` ``");
    }
}
