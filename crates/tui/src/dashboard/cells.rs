//! Lines made of columns. All texts that come in are made safe here.

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::{sanitise, text};

/// A line while it is made.
#[derive(Debug, Default)]
pub(super) struct Cells {
    spans: Vec<Span<'static>>,
    used: usize,
    columns: usize,
}

impl Cells {
    pub(super) fn new(columns: usize) -> Self {
        Self { spans: Vec::new(), used: 0, columns }
    }

    pub(super) const fn left(&self) -> usize {
        self.columns.saturating_sub(self.used)
    }

    /// A text in a column of a width, and a space behind it.
    pub(super) fn column(&mut self, words: &str, width: usize, style: Style) {
        let words = text::fit(&sanitise::clean(words), width.min(self.left()));
        let pad = width.saturating_sub(text::width(&words)) + 1;
        self.push(words, style);
        self.space(pad);
    }

    /// The same at the right of its column.
    pub(super) fn number(&mut self, words: &str, width: usize, style: Style) {
        let words = text::fit(words, width);
        self.space(width - text::width(&words));
        let words = text::fit(&words, self.left());
        self.push(words, style);
        self.space(1);
    }

    /// A text as far as it fits.
    pub(super) fn text(&mut self, words: &str, style: Style) {
        let words = text::fit(&sanitise::clean(words), self.left());
        self.push(words, style);
    }

    /// A text at the right edge, where there is room for it and a space.
    pub(super) fn right(&mut self, words: &str, style: Style) {
        let words = sanitise::clean(words);
        let width = text::width(&words);
        if width > 0 && self.left() > width {
            self.space(self.left() - width);
            self.push(words, style);
        }
    }

    pub(super) fn space(&mut self, columns: usize) {
        let columns = columns.min(self.left());
        self.push(" ".repeat(columns), Style::new());
    }

    fn push(&mut self, words: String, style: Style) {
        self.used += text::width(&words);
        if !words.is_empty() {
            self.spans.push(Span::styled(words, style));
        }
    }

    pub(super) fn finish(self) -> Line<'static> {
        Line::from(self.spans)
    }
}

/// Numbers as a row of bars.
pub(super) fn sparkline(numbers: &[f64]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = numbers.iter().copied().fold(0.0, f64::max);
    let bar = |number: &f64| {
        if *number <= 0.0 || most <= 0.0 {
            return ' ';
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of 8 bars")]
        let place = (number / most * 7.0).round() as usize;
        BARS[place.min(7)]
    };
    numbers.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_never_exceeds_its_columns() {
        for columns in 0..40 {
            let mut cells = Cells::new(columns);
            cells.column("漢字漢字", 5, Style::new());
            cells.number("12", 4, Style::new());
            cells.text("a long text that is \x1b[31mcut\nsomewhere", Style::new());
            cells.right("right", Style::new());
            let line = cells.finish();
            assert!(line.width() <= columns, "{columns}: {line:?}");
        }
    }

    #[test]
    fn the_greatest_number_is_the_highest_bar() {
        assert_eq!(sparkline(&[0.0, 1.0, 4.0, 8.0]), " ▂▅█");
        assert_eq!(sparkline(&[0.0, 0.0]), "  ");
        assert_eq!(sparkline(&[]), "");
    }
}
