//! What the worker printed.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use roboppi_ipc::OutputStream;
use roboppi_run::AttemptView;

use super::{put, wording};
use crate::layout::{GUTTER, log_parts};
use crate::log_pane::LogRow;
use crate::model::Model;
use crate::{sanitise, text};

pub(super) fn draw(model: &Model, area: Rect, buffer: &mut Buffer) {
    let (body, status) = log_parts(area);
    let Some(attempt) = model.shown_attempt() else {
        return say(model, body, "No attempt was made yet, so there is no log.", buffer);
    };
    let window = &model.log.window;
    if model.log_is_closed() {
        let path = model.log_path(attempt);
        let words = format!(
            "Output is not streamed (stdio streaming is off). The whole log is in {}. Press o to open it here.",
            sanitise::text(&path)
        );
        return say(model, body, &words, buffer);
    }
    if window.of.as_ref() != Some(&attempt.of) {
        return say(model, body, "Reading the log …", buffer);
    }
    if let Some(error) = &window.error {
        say(model, body, &sanitise::text(error), buffer);
    } else if window.lines.is_empty() {
        let words = if model.is_over() || attempt.finished_at.is_some() {
            "It printed nothing."
        } else {
            "It has printed nothing yet."
        };
        say(model, body, words, buffer);
    }
    for (row, line) in body.rows().zip(&window.lines) {
        draw_line(model, line, row, buffer);
    }
    put(buffer, status, &about(model, attempt, usize::from(body.height), usize::from(status.width)));
}

fn say(model: &Model, area: Rect, words: &str, buffer: &mut Buffer) {
    for (row, line) in area.rows().zip(text::wrap(words, usize::from(area.width))) {
        put(buffer, row, &Line::styled(line, model.theme.faint()));
    }
}

fn draw_line(model: &Model, line: &LogRow, row: Rect, buffer: &mut Buffer) {
    let (mark, base) = match line.stream {
        OutputStream::Stdout => (" ", Style::new()),
        OutputStream::Stderr => ("!", model.theme.bad()),
    };
    let mut spans = vec![Span::styled(mark, base), Span::raw(" ")];
    spans.extend(line.runs.iter().map(|(text, style)| Span::styled(text.clone(), base.patch(*style))));
    if line.lost > 0 {
        let words = format!(" [{} not in the record]", text::bytes(line.lost));
        spans.push(Span::styled(words, model.theme.busy()));
    }
    put(buffer, row, &Line::from(spans));
    if line.cut && row.width > GUTTER {
        let last = Rect { x: row.right() - 1, width: 1, ..row };
        put(buffer, last, &Line::styled("…", model.theme.faint()));
    }
}

/// `#2  lines 10–40 of 1234 · following · log: …/i1-a2.log`.
fn about(model: &Model, attempt: &AttemptView, rows: usize, columns: usize) -> Line<'static> {
    let window = &model.log.window;
    let mut words = String::new();
    if model.context().attempts {
        words.push_str(&wording::attempt_name(attempt));
        words.push(' ');
    }
    match (window.lines.first(), window.lines.last()) {
        (Some(first), Some(last)) => {
            words.push_str(&format!("{}–{}/{}", first.number + 1, last.number + 1, window.total));
        }
        _ => words.push_str("empty"),
    }
    let state = match (model.log.follow, window.total > rows as u64) {
        (true, _) if model.is_over() => "end",
        (true, _) => "following",
        (false, _) => "paused, End follows",
    };
    words.push_str(" · ");
    words.push_str(state);
    let words = text::fit(&words, columns);
    let room = columns.saturating_sub(text::width(&words));
    let mut spans = vec![Span::styled(words, model.theme.note())];
    const LABEL: &str = " · log: ";
    if room > LABEL.len() + 8 {
        let path = text::fit_end(&sanitise::text(&model.log_path(attempt)), room - LABEL.len() + 1);
        spans.push(Span::styled(format!("{LABEL}{path}"), model.theme.faint()));
    }
    Line::from(spans)
}
