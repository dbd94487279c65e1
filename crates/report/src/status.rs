//! The status of a run in a few lines.

use roboppi_attach::RunSource;
use roboppi_ipc::UtcMillis;
use roboppi_record::LogPiece;
use roboppi_run::{AttemptView, RunView, StepView};
use roboppi_untrusted::{first_words, line};

use crate::table;
use crate::units::duration;

/// Last lines of output that are shown of a step.
const LINES: usize = 3;

/// Bytes in which they are looked for.
const TAIL: u64 = 4096;

/// How a run and its steps are at the time `now`, with the last lines of what is at work.
#[must_use]
pub fn status(source: &dyn RunSource, now: UtcMillis) -> String {
    let (view, now) = (source.follow().view, now.0);
    let mut text = head(&view, now);
    let rows: Vec<_> = view.steps.iter().map(|step| row(step, now)).collect();
    let rows = table(&rows);
    for (step, row) in view.steps.iter().zip(rows.lines()) {
        text += &format!("  {row}\n");
        if let Some(attempt) = step.attempts.last().filter(|_| step.state.is_active()) {
            for bytes in last_lines(source, attempt) {
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

fn row(step: &StepView, now: u64) -> [String; 4] {
    let process = step.attempts.last().filter(|_| step.state.is_active()).and_then(|attempt| attempt.process);
    let since = step.started_at.map(|since| duration(now.saturating_sub(since.0)));
    [
        first_words(step.plan.step.as_str()),
        step.state.name().to_owned(),
        step.duration_ms.map(duration).or(since).unwrap_or_default(),
        process.map_or_else(String::new, |process| format!("pid {}", process.pid)),
    ]
}

/// The last lines of a log that are in its last bytes; none when it cannot be read.
fn last_lines(source: &dyn RunSource, attempt: &AttemptView) -> Vec<Vec<u8>> {
    let Ok(mut log) = source.record().log(&attempt.of) else { return Vec::new() };
    let start = log.len().saturating_sub(TAIL);
    let (mut at, mut tail) = (start, Vec::new());
    while at < log.len() {
        match log.read(at, usize::try_from(log.len() - at).unwrap_or(usize::MAX)) {
            Ok(LogPiece::Bytes(bytes)) if !bytes.is_empty() => {
                at += bytes.len() as u64;
                tail.extend(bytes);
            }
            Ok(LogPiece::Lost { len }) => at += len,
            Ok(LogPiece::Bytes(_)) | Err(_) => break,
        }
    }
    let mut lines: Vec<_> = tail.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    if lines.last().is_some_and(Vec::is_empty) {
        lines.pop();
    }
    // The first of them may be only the end of a line.
    if start > 0 && lines.len() > 1 {
        lines.remove(0);
    }
    lines.drain(..lines.len().saturating_sub(LINES));
    lines
}
