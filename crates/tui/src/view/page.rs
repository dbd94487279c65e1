//! Pages of facts: built line by line, scrolled as a whole. All text given to a page is made safe here.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::model::Model;
use crate::theme::Theme;
use crate::{sanitise, text};

/// Columns of a label.
const LABEL: usize = 12;

/// Bytes of one text that are shown. A page is made anew for each frame, and workers say as much as they like.
const LONGEST: usize = 64 * 1024;

/// A page while it is written.
pub(super) struct Page {
    theme: Theme,
    columns: usize,
    lines: Vec<Line<'static>>,
}

impl Page {
    pub(super) fn new(theme: Theme, columns: u16) -> Self {
        Self { theme, columns: usize::from(columns).max(4), lines: Vec::new() }
    }

    pub(super) fn finish(self) -> Vec<Line<'static>> {
        self.lines
    }

    pub(super) const fn columns(&self) -> usize {
        self.columns
    }

    /// Columns for the value of a fact.
    pub(super) fn value_columns(&self) -> usize {
        self.columns - LABEL.min(self.columns / 3)
    }

    pub(super) const fn len(&self) -> usize {
        self.lines.len()
    }

    /// Everything of another page.
    pub(super) fn append(&mut self, other: Self) {
        self.lines.extend(other.lines);
    }

    /// An empty line, but not at the beginning and never two.
    pub(super) fn gap(&mut self) {
        if self.lines.last().is_some_and(|line| line.width() > 0) {
            self.lines.push(Line::default());
        }
    }

    pub(super) fn heading(&mut self, words: &str) {
        self.gap();
        self.text(words, self.theme.strong());
    }

    /// A text of as many lines as it needs.
    pub(super) fn text(&mut self, words: &str, style: Style) {
        let (words, left_off) = text::beginning(words, LONGEST);
        for line in sanitise::lines(words) {
            for line in text::wrap(&line, self.columns) {
                self.lines.push(Line::styled(line, style));
            }
        }
        if left_off > 0 {
            let words = format!("… {} more are in the record", text::bytes(left_off as u64));
            self.lines.push(Line::styled(text::fit(&words, self.columns), self.theme.faint()));
        }
    }

    /// A line made of parts, as it is; the parts must be safe.
    pub(super) fn parts(&mut self, parts: Vec<Span<'static>>) {
        self.lines.push(Line::from(parts));
    }

    /// `label      value`, continued below the value.
    pub(super) fn fact(&mut self, label: &str, value: &str) {
        self.styled_fact(label, value, Style::new());
    }

    pub(super) fn styled_fact(&mut self, label: &str, value: &str, style: Style) {
        let indent = LABEL.min(self.columns / 3);
        let value = sanitise::clean(text::beginning(value, LONGEST).0);
        for (index, line) in text::wrap(&value, self.columns - indent).into_iter().enumerate() {
            let label = if index == 0 { text::fit(label, indent - 1) } else { String::new() };
            let padding = " ".repeat(indent - text::width(&label));
            self.lines.push(Line::from(vec![
                Span::styled(label, self.theme.faint()),
                Span::raw(padding),
                Span::styled(line, style),
            ]));
        }
    }

    /// The same, when there is something to say.
    pub(super) fn fact_if(&mut self, label: &str, value: Option<&str>) {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            self.fact(label, value);
        }
    }
}

/// Draws a page where the person scrolled to.
pub(super) fn draw(model: &Model, lines: &[Line<'_>], area: Rect, buffer: &mut Buffer) {
    let top = super::top(model, lines.len(), usize::from(area.height));
    for (row, line) in area.rows().zip(lines.iter().skip(top)) {
        super::put(buffer, row, line);
    }
}
