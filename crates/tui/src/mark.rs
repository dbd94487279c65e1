//! Text of the pane that is marked with the mouse.
//!
//! What is marked is kept as lines and columns of the text, not as cells of the screen: it stays what it is while the
//! pane scrolls. In a log a line is one of the log, elsewhere a row of the page.

use std::ops::Range;

use ratatui::layout::{Position, Rect};
use roboppi_run::AttemptRef;
use unicode_segmentation::UnicodeSegmentation;

use crate::log_pane::TextPos;
use crate::tab::Tab;
use crate::text;

/// Marked text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// What it is text of.
    pub(crate) of: (Tab, Option<AttemptRef>),
    unit: Unit,
    /// Where the button went down, and where the pointer was last.
    origin: Range<TextPos>,
    head: Range<TextPos>,
    /// The button is down, and the pointer is there.
    pub(crate) held: Option<Position>,
    /// The pointer was moved since the button went down.
    moved: bool,
}

/// What the mouse takes at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Character,
    Word,
    Line,
}

impl Unit {
    /// That of the first, second and third click.
    pub(crate) const fn of_click(count: u8) -> Self {
        match count {
            2 => Self::Word,
            3 => Self::Line,
            _ => Self::Character,
        }
    }
}

/// A row of text on the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TextRow {
    pub(crate) area: Rect,
    /// Its line, and the column of it at the left edge.
    pub(crate) start: TextPos,
    pub(crate) text: String,
}

impl TextRow {
    /// What is at a column of the screen, or nearest to it.
    pub(crate) fn unit_at(&self, x: u16, unit: Unit) -> Range<TextPos> {
        let pos = |column: usize| TextPos { line: self.start.line, column };
        if unit == Unit::Line {
            return pos(0)..pos(usize::MAX);
        }
        let found = columns_of_unit(&self.text, usize::from(x.saturating_sub(self.area.x)), unit);
        pos(self.start.column + found.start)..pos(self.start.column + found.end)
    }

    /// Columns of the screen that are marked.
    pub(crate) fn marked(&self, marked: &Range<TextPos>) -> Range<u16> {
        let columns = text::width(&self.text);
        let on_screen = |pos: TextPos, other: usize| {
            if pos.line == self.start.line {
                pos.column.saturating_sub(self.start.column).min(columns)
            } else {
                other
            }
        };
        if !(marked.start.line..=marked.end.line).contains(&self.start.line) {
            return 0..0;
        }
        // An empty line in the middle is seen to be marked as well.
        let end = on_screen(marked.end, columns.max(1));
        let x = |column: usize| self.area.x + u16::try_from(column).unwrap_or(u16::MAX).min(self.area.width);
        x(on_screen(marked.start, 0))..x(end)
    }
}

impl Mark {
    /// Begins where the button goes down.
    pub(crate) fn begin(
        of: (Tab, Option<AttemptRef>),
        unit: Unit,
        at: Range<TextPos>,
        pointer: Position,
    ) -> Self {
        Self { of, unit, origin: at.clone(), head: at, held: Some(pointer), moved: false }
    }

    pub(crate) const fn unit(&self) -> Unit {
        self.unit
    }

    /// The pointer is somewhere else.
    pub(crate) fn reach(&mut self, at: Range<TextPos>) {
        self.moved |= at != self.head;
        self.head = at;
    }

    /// The marked text, from its first character to behind its last; `None` when nothing is.
    pub(crate) fn range(&self) -> Option<Range<TextPos>> {
        let range = self.origin.start.min(self.head.start)..self.origin.end.max(self.head.end);
        let chosen = self.moved || self.unit != Unit::Character;
        (chosen && range.start < range.end).then_some(range)
    }
}

/// Columns of what is at a column of a line.
fn columns_of_unit(line: &str, column: usize, unit: Unit) -> Range<usize> {
    let mut at = 0;
    // Where a word began, and where it ends without the punctuation behind it.
    let mut word: Option<Range<usize>> = None;
    for cluster in line.graphemes(true) {
        let end = at + text::width(cluster);
        match unit {
            Unit::Character | Unit::Line if column < end => return at..end,
            Unit::Character | Unit::Line => {}
            Unit::Word if is_of_word(cluster) => {
                let word = word.get_or_insert(at..at);
                if !".:!?".contains(cluster) {
                    word.end = end;
                }
            }
            Unit::Word => {
                if column < at {
                    break;
                }
                word = None;
                if column < end {
                    return at..end;
                }
            }
        }
        at = end;
    }
    match word {
        Some(word) if word.contains(&column) => word,
        Some(_) if column < at => column..column + 1,
        _ => at..at,
    }
}

/// Paths, addresses and names with their places are words as a whole.
fn is_of_word(cluster: &str) -> bool {
    !cluster.chars().any(|char| char.is_whitespace() || "\"'`()[]{}<>|;,│".contains(char))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(text: &str) -> TextRow {
        TextRow {
            area: Rect::new(10, 5, 40, 1),
            start: TextPos { line: 7, column: 100 },
            text: text.to_owned(),
        }
    }

    fn pos(line: u64, column: usize) -> TextPos {
        TextPos { line, column }
    }

    #[test]
    fn words_are_paths_with_their_places() {
        let cases = [
            ("see (src/main.rs:12:5), now", 8, "src/main.rs:12:5"),
            ("see (src/main.rs:12:5), now", 4, "("),
            ("see (src/main.rs:12:5), now", 26, "now"),
            ("src/main.rs:12:5: error: wrong", 3, "src/main.rs:12:5"),
            ("src/main.rs:12:5: error: wrong", 16, ":"),
            ("the end.", 6, "end"),
            ("one two", 3, " "),
            ("日本 語", 3, "日本"),
            ("", 3, ""),
            ("abc", 9, ""),
        ];
        for (line, column, expected) in cases {
            let range = columns_of_unit(line, column, Unit::Word);
            let cells: Vec<_> = line
                .graphemes(true)
                .flat_map(|cluster| [cluster, ""].into_iter().take(text::width(cluster)))
                .collect();
            assert_eq!(cells[range].concat(), expected, "{line} at {column}");
        }
    }

    #[test]
    fn a_wide_character_is_taken_as_a_whole() {
        assert_eq!(columns_of_unit("a日b", 2, Unit::Character), 1..3);
        assert_eq!(columns_of_unit("a日b", 1, Unit::Character), 1..3);
        assert_eq!(columns_of_unit("a日b", 7, Unit::Character), 4..4, "behind the end");
    }

    #[test]
    fn both_ends_of_what_is_marked_are_part_of_it() {
        let row = row("hello world");
        let mut mark = Mark::begin(
            (Tab::Logs, None),
            Unit::Character,
            row.unit_at(14, Unit::Character),
            Position::new(14, 5),
        );
        assert_eq!(mark.range(), None, "a click marks nothing");
        mark.reach(row.unit_at(16, Unit::Character));
        assert_eq!(mark.range(), Some(pos(7, 104)..pos(7, 107)));
        mark.reach(row.unit_at(10, Unit::Character));
        assert_eq!(mark.range(), Some(pos(7, 100)..pos(7, 105)), "backwards");
        mark.reach(row.unit_at(14, Unit::Character));
        assert_eq!(mark.range(), Some(pos(7, 104)..pos(7, 105)), "and back to a single character");
    }

    #[test]
    fn a_double_click_goes_on_by_words() {
        let row = row("one two three");
        let mut mark =
            Mark::begin((Tab::Logs, None), Unit::Word, row.unit_at(15, Unit::Word), Position::new(15, 5));
        assert_eq!(mark.range(), Some(pos(7, 104)..pos(7, 107)));
        mark.reach(row.unit_at(10, Unit::Word));
        assert_eq!(mark.range(), Some(pos(7, 100)..pos(7, 107)));
    }

    #[test]
    fn marked_cells_of_a_row() {
        let row = row("hello");
        assert_eq!(row.marked(&(pos(7, 101)..pos(7, 103))), 11..13);
        assert_eq!(row.marked(&(pos(6, 900)..pos(8, 0))), 10..15);
        assert_eq!(row.marked(&(pos(7, 0)..pos(7, usize::MAX))), 10..15);
        assert_eq!(row.marked(&(pos(8, 0)..pos(9, 5))), 0..0);
        let empty = TextRow { text: String::new(), ..row };
        assert_eq!(empty.marked(&(pos(6, 0)..pos(8, 1))), 10..11, "an empty line");
    }
}
