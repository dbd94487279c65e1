//! What the worker printed.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use roboppi_ipc::OutputStream;
use roboppi_record::UNKNOWN_LOSS;
use roboppi_run::{AttemptView, missing_words};

use super::{put, wording};
use crate::layout::{log_parts, log_text};
use crate::log_pane::{LogPane, LogRow, MatchCount, Prompt};
use crate::model::Model;
use crate::{sanitise, text};

pub(super) fn draw(model: &Model, area: Rect, buffer: &mut Buffer) {
    let (body, status) = log_parts(area);
    let Some(attempt) = model.shown_attempt() else {
        let step = model.shown_step();
        let words = match step.and_then(|step| Some((step, step.kept.as_ref()?))) {
            Some((step, kept)) => {
                let command = wording::log_of_kept(step, kept);
                format!("It was executed by run {} and kept; that run has its log: {command}", kept.run)
            }
            None => format!(
                "No attempt was made yet, so there is no log. {}",
                step.map_or_else(String::new, |step| wording::before_start(model, step))
            ),
        };
        return put_note(model, body, &words, buffer);
    };
    let window = &model.log.window;
    if model.log_is_closed() {
        let path = model.log_path(attempt);
        let words = format!(
            "Press o to open the log here: output is not streamed (stdio streaming is off). All of it is in {}.",
            sanitise::clean(&path)
        );
        return put_note(model, area, &words, buffer);
    }
    if window.of.as_ref() != Some(&attempt.of) {
        return put_note(model, body, "Reading the log …", buffer);
    }
    if let Some(error) = &window.error {
        put_note(model, body, &sanitise::clean(error), buffer);
    } else if let Some(waits) = model.view.permit_wait(attempt).filter(|_| window.total == 0) {
        put_note(model, body, &format!("It {}.", sanitise::clean(&waits)), buffer);
    } else if window.rows.is_empty() {
        let words = if window.total > 0 {
            "No line is shown: none matches."
        } else if model.is_over() || attempt.finished_at.is_some() {
            "It printed nothing."
        } else {
            "It has printed nothing yet."
        };
        put_note(model, body, words, buffer);
    }
    let texts = log_text(body, model.log.times);
    for (row, line) in texts.rows().zip(&window.rows) {
        let before = Rect { x: body.x, width: row.x - body.x, ..row };
        draw_mark(model, line, before, buffer);
        draw_line(model, line, row, buffer);
    }
    match &model.log.prompt {
        Some(prompt) => draw_prompt(model, prompt, status, buffer),
        None => {
            let about = about(model, attempt, usize::from(body.height), usize::from(status.width));
            put(buffer, status, &about);
        }
    }
}

fn put_note(model: &Model, area: Rect, words: &str, buffer: &mut Buffer) {
    for (row, line) in area.rows().zip(text::wrap(words, usize::from(area.width))) {
        put(buffer, row, &Line::styled(line, model.theme.faint()));
    }
}

/// The time of a line, and a mark for standard error, in front of its first row.
fn draw_mark(model: &Model, line: &LogRow, area: Rect, buffer: &mut Buffer) {
    let mark = match line.stream {
        OutputStream::Stdout => Span::raw(" "),
        OutputStream::Stderr => Span::styled("!", model.theme.bad()),
    };
    let mut spans = Vec::new();
    if model.log.times {
        let time = line.ts.filter(|_| line.place.part == 0).map(|ts| text::clock(ts, &model.zone));
        spans.push(Span::styled(format!("{:8} ", time.unwrap_or_default()), model.theme.faint()));
    }
    let is_current = model.log.current.is_some_and(|current| current.line == line.place.line);
    spans.push(mark);
    spans.push(if is_current { Span::styled("›", model.theme.strong()) } else { Span::raw(" ") });
    put(buffer, area, &Line::from(spans));
}

fn draw_line(model: &Model, line: &LogRow, row: Rect, buffer: &mut Buffer) {
    let base = match line.stream {
        OutputStream::Stdout => Style::new(),
        OutputStream::Stderr => model.theme.bad(),
    };
    let mut spans: Vec<_> =
        line.runs.iter().map(|(text, style)| Span::styled(text.clone(), base.patch(*style))).collect();
    if line.lost > 0 {
        let words = match line.lost {
            UNKNOWN_LOSS if line.runs.is_empty() => format!("[{}]", missing_words(line.lost, true)),
            UNKNOWN_LOSS => " [output before this line is missing]".to_owned(),
            lost => format!(" [{} not in the record]", text::bytes(lost)),
        };
        spans.push(Span::styled(words, model.theme.busy()));
    }
    put(buffer, row, &Line::from(spans));
    for hit in &line.hits {
        let column = |at: usize| u16::try_from(at).unwrap_or(u16::MAX).min(row.width);
        let (from, to) = (column(hit.start), column(hit.end));
        let found = Rect { x: row.x + from, width: to - from, ..row };
        buffer.set_style(found, Style::new().reversed());
    }
    if line.cut && row.width > 0 {
        let last = Rect { x: row.right() - 1, width: 1, ..row };
        put(buffer, last, &Line::styled("…", model.theme.faint()));
    }
}

/// What is being typed, its end always in sight.
fn draw_prompt(model: &Model, prompt: &Prompt, area: Rect, buffer: &mut Buffer) {
    let label = prompt.label();
    let room = usize::from(area.width).saturating_sub(text::width(label) + 1);
    let typed = text::fit_end(&sanitise::clean(&prompt.text), room);
    let spans = vec![
        Span::styled(label, model.theme.strong()),
        Span::raw(typed),
        Span::styled(" ", Style::new().reversed()),
    ];
    put(buffer, area, &Line::from(spans));
}

/// `#2  lines 10–40 of 1234 · following · log: …/i1-a2.log`.
fn about(model: &Model, attempt: &AttemptView, rows: usize, columns: usize) -> Line<'static> {
    let window = &model.log.window;
    let mut words = String::new();
    if model.context().attempts {
        words.push_str(&wording::attempt_name(attempt));
        words.push(' ');
    }
    match (window.rows.first(), window.rows.last()) {
        (Some(first), Some(last)) => {
            let (first, last) = (first.place.line + 1, last.place.line + 1);
            words.push_str(&format!("{first}–{last}/{}", window.total));
        }
        _ => words.push_str("empty"),
    }
    if let Some(found) = about_search(&model.log) {
        words.push_str(" · ");
        words.push_str(&found);
    }
    if let Some(stream) = model.log.stream {
        words.push_str(&format!(" · {} only", stream.name()));
    }
    let state = match (model.log.follows(), window.total > rows as u64) {
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
    if let Some(damage) = &window.damage {
        let note = text::fit(&format!(" · damaged: {}", sanitise::clean(damage)), room);
        spans.push(Span::styled(note, model.theme.bad()));
    } else if room > LABEL.len() + 8 {
        let path = text::fit_end(&sanitise::clean(&model.log_path(attempt)), room - LABEL.len() + 1);
        spans.push(Span::styled(format!("{LABEL}{path}"), model.theme.faint()));
    }
    Line::from(spans)
}

/// `"error" 3 of 1200 lines`, and how much of the log was searched while that goes on.
fn about_search(log: &LogPane) -> Option<String> {
    let query = sanitise::clean(&log.query.as_ref()?.in_words());
    let query = text::fit(&query, 24);
    let only = if log.filter { "only " } else { "" };
    let Some(MatchCount { lines, current, percent, lost }) = log.window.matches else {
        return Some(format!("{only}{query}"));
    };
    let at = current.map(|current| format!("{current} of ")).unwrap_or_default();
    let more = percent.map(|percent| format!("+ ({percent} %)")).unwrap_or_default();
    let noun = if lines == 1 && percent.is_none() { "line" } else { "lines" };
    let lost = if lost > 0 { format!(", {} not in the record", text::bytes(lost)) } else { String::new() };
    Some(format!("{only}{query} {at}{lines}{more} {noun}{lost}"))
}
