//! The status of a run in a few lines.

use roboppi_attach::RunSource;
use roboppi_ipc::UtcMillis;
use roboppi_record::LogLine;
use roboppi_run::{AttemptView, RunView, StepView};
use roboppi_untrusted::{first_words, line};

use crate::scripted::{is_script, shown};
use crate::table;
use crate::units::duration;

/// Last lines of output that are shown of a step.
const LINES: u64 = 3;

/// Bytes of each that are shown.
const LONGEST: usize = 1_000;

/// How a run and its steps are at the time `now`, with the last lines of what is at work.
#[must_use]
pub fn status(source: &dyn RunSource, now: UtcMillis) -> String {
    let (view, now) = (source.follow().view, now.0);
    let mut text = head(&view, now);
    let rows: Vec<_> = view.steps.iter().map(|step| row(&view, step, now)).collect();
    let rows = table(&rows);
    for (step, row) in view.steps.iter().zip(rows.lines()) {
        text += &format!("  {row}\n");
        if let Some(attempt) = step.attempts.last().filter(|_| step.state.is_active()) {
            for bytes in last_lines(source, step, attempt) {
                text += format!("    | {}", line(&bytes, false)).trim_end();
                text.push('\n');
            }
        }
    }
    text
}

fn head(view: &RunView, now: u64) -> String {
    let Some(head) = &view.head else { return "roboppi: the run has not begun\n".to_owned() };
    let over = view.steps.iter().filter(|step| step.state.is_final()).count();
    let since = duration(now.saturating_sub(head.started_at.0));
    format!(
        "roboppi: run {}, for {since}, {over} of {} steps are over\n",
        head.short_name(),
        view.steps.len()
    )
}

fn row(view: &RunView, step: &StepView, now: u64) -> [String; 4] {
    let attempt = step.attempts.last().filter(|_| step.state.is_active());
    let process = attempt.and_then(|attempt| attempt.process).map(|process| format!("pid {}", process.pid));
    let waits = || Some(first_words(&view.permit_wait(attempt?)?));
    let since = step.started_at.map(|since| duration(now.saturating_sub(since.0)));
    [
        first_words(step.plan.step.as_str()),
        if step.is_queued() { "queued" } else { step.state.name() }.to_owned(),
        step.duration_ms.map(duration).or(since).unwrap_or_default(),
        process.or_else(waits).unwrap_or_default(),
    ]
}

/// The last lines of a log; none when it cannot be read.
fn last_lines(source: &dyn RunSource, step: &StepView, attempt: &AttemptView) -> Vec<Vec<u8>> {
    let Ok(mut log) = source.record().log(&attempt.of) else { return Vec::new() };
    log.set_line_cap(LONGEST);
    let lines = log.tail(LINES).unwrap_or_default();
    let line = |line: &LogLine| match is_script(step, &attempt.of) {
        true => shown(line.stream, &line.bytes).into_owned(),
        false => line.bytes.clone(),
    };
    lines.iter().map(line).collect()
}
