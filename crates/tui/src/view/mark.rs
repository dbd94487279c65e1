//! The rows of text in the pane, and which of their cells are marked.

use std::ops::Range;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::Extent;
use crate::layout::{Areas, log_parts, log_text};
use crate::log_pane::TextPos;
use crate::mark::TextRow;
use crate::model::{Model, Scroll};
use crate::tab::Tab;
use crate::text;

/// Shows what is marked in a pane that is drawn.
pub(super) fn draw(model: &Model, pane: Rect, extent: Extent, buffer: &mut Buffer) {
    let Some(marked) = model.mark().and_then(crate::mark::Mark::range) else { return };
    for row in rows_in(model, pane, extent, buffer) {
        let columns = row.marked(&marked);
        let cells = Rect { x: columns.start, width: columns.end - columns.start, ..row.area };
        buffer.set_style(cells, model.theme.marked());
    }
}

/// The rows of text that the pane shows.
pub(crate) fn rows(model: &Model) -> Vec<TextRow> {
    let pane = Areas::of(model.size, model.focus).pane;
    if pane.area() == 0 {
        return Vec::new();
    }
    if model.tab == Tab::Logs {
        return log_rows(model, pane);
    }
    let (extent, buffer) = drawn(model, pane);
    rows_in(model, pane, extent, &buffer)
}

/// The text of rows of a page, as it would be seen there.
pub(crate) fn page_text(model: &mut Model, wanted: &Range<TextPos>) -> String {
    let pane = Areas::of(model.size, model.focus).pane;
    let before = model.scroll[model.tab.index()];
    let mut text = String::new();
    let mut next = wanted.start.line;
    while next <= wanted.end.line {
        let top = usize::try_from(next).unwrap_or(usize::MAX);
        model.scroll[model.tab.index()] = Scroll { top, stick: false };
        let (extent, buffer) = drawn(model, pane);
        let shown = rows_in(model, pane, extent, &buffer);
        let Some(last) = shown.last().map(|row| row.start.line).filter(|last| *last >= next) else { break };
        for row in shown.iter().filter(|row| (next..=wanted.end.line).contains(&row.start.line)) {
            let from = if row.start.line == wanted.start.line { wanted.start.column } else { 0 };
            let to = if row.start.line == wanted.end.line { wanted.end.column } else { usize::MAX };
            if row.start.line > wanted.start.line {
                text.push('\n');
            }
            text.push_str(text::columns(&row.text, from..to).trim_end());
        }
        next = last + 1;
    }
    model.scroll[model.tab.index()] = before;
    text
}

/// The pane alone.
fn drawn(model: &Model, pane: Rect) -> (Extent, Buffer) {
    let page = super::lines(model, pane.width);
    let mut buffer = Buffer::empty(pane);
    super::pane(model, pane, &page, &mut buffer);
    (super::extent_of(model, pane, &page), buffer)
}

fn rows_in(model: &Model, pane: Rect, extent: Extent, buffer: &Buffer) -> Vec<TextRow> {
    if model.tab == Tab::Logs {
        return log_rows(model, pane);
    }
    // Rows that stay at the top, and behind them those that are scrolled.
    let staying = usize::from(pane.height).saturating_sub(extent.rows);
    let top = super::top(model, extent.len, extent.rows);
    let rows = pane.rows().enumerate().take(staying + extent.len.saturating_sub(top));
    rows.map(|(index, area)| {
        let line = if index < staying { index } else { index + top };
        TextRow { area, start: TextPos { line: line as u64, column: 0 }, text: row_text(buffer, area) }
    })
    .collect()
}

fn log_rows(model: &Model, pane: Rect) -> Vec<TextRow> {
    let (body, _) = log_parts(pane);
    let texts = log_text(body, model.log.times);
    let rows = texts.rows().zip(&model.log.window.rows);
    rows.map(|(area, row)| {
        let start = TextPos { line: row.place.line, column: row.column };
        TextRow { area, start, text: row.text() }
    })
    .collect()
}

/// The text of a row of cells, without blanks at its end.
pub(crate) fn row_text(buffer: &Buffer, row: Rect) -> String {
    let mut line = String::new();
    let mut skip = 0;
    for position in row.positions() {
        let symbol = buffer[position].symbol();
        if skip == 0 {
            line.push_str(symbol);
        }
        // The second half of a wide character is empty.
        skip = if skip > 0 { skip - 1 } else { text::width(symbol).saturating_sub(1) };
    }
    line.truncate(line.trim_end().len());
    line
}
