//! Lays a line out in rows of so many columns.

use std::ops::Range;

use ratatui::style::Style;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use super::TAB;
use super::line::{StyledLine, styled_line};
use super::scan::{Scanner, Token};

/// A row of a line.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Row {
    /// Column of the line it begins with.
    pub(crate) column: usize,
    /// Texts and their styles.
    pub(crate) runs: Vec<(String, Style)>,
    /// There is more of the line to the right of it that no other row shows.
    pub(crate) cut: bool,
}

/// All rows of a line, broken where `columns` are full. A line without text is one row, and so is a cluster that is wider
/// than a row.
pub(crate) fn wrapped(line: &StyledLine, columns: usize) -> Vec<Row> {
    let columns = columns.max(1);
    let mut rows = vec![Row::default()];
    let (mut column, mut used) = (0, 0);
    for (text, style) in &line.runs {
        for cluster in text.graphemes(true) {
            let width = cluster.width();
            if used > 0 && used + width > columns {
                rows.push(Row { column, ..Row::default() });
                used = 0;
            }
            if let Some(row) = rows.last_mut() {
                push(&mut row.runs, cluster, *style);
            }
            column += width;
            used += width;
        }
    }
    if let Some(last) = rows.last_mut() {
        last.cut = line.cut;
    }
    rows
}

/// The part of a line from column `left` on. Half a wide character is a blank.
pub(crate) fn scrolled(line: &StyledLine, left: usize, columns: usize) -> Row {
    let mut row = Row { column: left, runs: Vec::new(), cut: line.cut };
    let mut column = 0;
    let right = left.saturating_add(columns);
    for (text, style) in &line.runs {
        for cluster in text.graphemes(true) {
            let (from, to) = (column, column + cluster.width());
            column = to;
            if from >= right && to > from {
                row.cut = true;
                return row;
            }
            if from >= left && to <= right {
                push(&mut row.runs, cluster, *style);
            } else if from < right && to > left {
                row.cut |= to > right;
                let blanks = to.min(right) - from.max(left);
                push(&mut row.runs, &" ".repeat(blanks), *style);
            }
        }
    }
    row
}

fn push(runs: &mut Vec<(String, Style)>, cluster: &str, style: Style) {
    match runs.last_mut() {
        Some((text, last)) if *last == style => text.push_str(cluster),
        _ => runs.push((cluster.to_owned(), style)),
    }
}

/// Columns of a line that is too long to be laid out whole. What moves back in a line is passed over.
pub(crate) fn measure(bytes: &[u8]) -> usize {
    pass(bytes, (0, 0), usize::MAX).1
}

/// A line that is too long to be laid out whole, row by row. What is left of a row is measured and not kept; colours that
/// began there are not known.
#[derive(Debug)]
pub(crate) struct FarLine<'a> {
    bytes: &'a [u8],
    /// Where the last row began, and in which column: rows further right are looked for from there.
    place: (usize, usize),
}

impl<'a> FarLine<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, place: (0, 0) }
    }

    /// The row from about column `left` on.
    pub(crate) fn row(&mut self, left: usize, columns: usize, colour: bool) -> Row {
        let from = if self.place.1 <= left { self.place } else { (0, 0) };
        self.place = pass(self.bytes, from, left);
        let (at, column) = self.place;
        // A column takes few bytes; a pile of escape sequences or marks is cut.
        let enough = columns.saturating_mul(64).saturating_add(1024);
        let rest = &self.bytes[at..];
        let line = styled_line(&rest[..rest.len().min(enough)], columns, colour);
        Row { column, runs: line.runs, cut: line.cut || rest.len() > enough }
    }
}

/// Goes over a line from a place (its offset and its column) up to the character that holds column `limit`.
fn pass(bytes: &[u8], from: (usize, usize), limit: usize) -> (usize, usize) {
    let (mut at, mut column) = from;
    for chunk in bytes[at..].utf8_chunks() {
        let text = chunk.valid();
        let mut scanner = Scanner::new(text);
        loop {
            let done = text.len() - scanner.rest().len();
            let plain = plain_start(scanner.rest().as_bytes());
            if plain > 0 {
                let taken = plain.min(limit - column);
                scanner.pass_over(taken);
                column += taken;
                if column == limit {
                    return (at + done + taken, column);
                }
                continue;
            }
            scanner.forget_marks();
            let width = match scanner.next() {
                None => break,
                Some(Token::Char(char)) => unicode_width::UnicodeWidthChar::width(char).unwrap_or(0),
                Some(Token::Tab) => TAB - column % TAB,
                Some(Token::Break) => 1,
                Some(_) => 0,
            };
            if column + width > limit {
                return (at + done, column);
            }
            column += width;
        }
        at += text.len();
        if !chunk.invalid().is_empty() {
            if column == limit {
                return (at, column);
            }
            column += 1;
            at += chunk.invalid().len();
        }
    }
    (at, column)
}

/// How many bytes from the first on are a column each.
fn plain_start(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| !(0x20..=0x7e).contains(byte)).unwrap_or(bytes.len())
}

/// Columns of the parts of `text` that are given as ranges of bytes.
pub(crate) fn columns_of(text: &str, ranges: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut columns = Vec::with_capacity(ranges.len());
    let (mut at, mut column) = (0, 0);
    let mut to = |byte: usize| {
        if byte > at {
            column += text[at..byte].width();
            at = byte;
        }
        column
    };
    for range in ranges {
        let start = to(range.start);
        columns.push(start..to(range.end));
    }
    columns
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn far_row(bytes: &[u8], left: usize, columns: usize, colour: bool) -> Row {
        FarLine::new(bytes).row(left, columns, colour)
    }

    fn text(row: &Row) -> String {
        row.runs.iter().map(|(text, _)| text.as_str()).collect()
    }

    fn laid_out(bytes: &[u8]) -> StyledLine {
        styled_line(bytes, usize::MAX, true)
    }

    #[test]
    fn lines_are_broken_where_a_row_is_full() {
        let cases: [(&str, usize, &[&str]); 7] = [
            ("", 4, &[""]),
            ("abcd", 4, &["abcd"]),
            ("abcde", 4, &["abcd", "e"]),
            ("ab漢字x", 3, &["ab", "漢", "字x"]),
            ("漢字", 1, &["漢", "字"]),
            ("e\u{301}e\u{301}", 1, &["e\u{301}", "e\u{301}"]),
            ("ab👩‍👩‍👧c", 3, &["ab", "👩‍👩‍👧c"]),
        ];
        for (given, columns, expected) in cases {
            let rows = wrapped(&laid_out(given.as_bytes()), columns);
            assert_eq!(rows.iter().map(text).collect::<Vec<_>>(), expected, "{given}");
        }
        let columns: Vec<_> =
            wrapped(&laid_out("ab漢字x".as_bytes()), 3).iter().map(|row| row.column).collect();
        assert_eq!(columns, [0, 2, 4]);
    }

    #[test]
    fn a_line_is_moved_to_the_left() {
        let line = laid_out("ab漢字xyz".as_bytes());
        let shown =
            |left, columns| (text(&scrolled(&line, left, columns)), scrolled(&line, left, columns).cut);
        assert_eq!(shown(0, 4), ("ab漢".to_owned(), true));
        assert_eq!(shown(1, 4), ("b漢 ".to_owned(), true));
        assert_eq!(shown(3, 4), (" 字x".to_owned(), true));
        assert_eq!(shown(4, 5), ("字xyz".to_owned(), false));
        assert_eq!(shown(90, 5), (String::new(), false));
    }

    #[test]
    fn a_place_far_to_the_right_is_found() {
        let far = "漢\tx".repeat(1_000_000);
        // 漢 takes two columns, the tab goes to column 8, x to 9.
        assert_eq!(text(&far_row(far.as_bytes(), 0, 9, false)), "漢      x");
        let row = far_row("a漢b\x1b[31mred".as_bytes(), 2, 10, true);
        assert_eq!((row.column, text(&row).as_str()), (1, "漢bred"));
        assert_eq!(measure("a漢b\x1b[31mred".as_bytes()), 7);
        assert_eq!(measure(b"a\xff\xfeb\t"), 8);
        assert!(far_row(&vec![b'x'; 10_000_000], 9_999_990, 20, false).runs[0].0.len() == 10);
    }

    #[test]
    fn a_cluster_that_is_wider_than_a_row_has_one_to_itself() {
        let rows = wrapped(&laid_out("a꒐𑜞b".as_bytes()), 2);
        assert_eq!(rows.iter().map(text).collect::<Vec<_>>(), ["a", "꒐𑜞", "b"]);
    }

    proptest! {
        #[test]
        fn rows_hold_the_whole_line_and_are_never_too_wide(given in any::<String>(), columns in 2usize..20) {
            let line = laid_out(given.as_bytes());
            let rows = wrapped(&line, columns);
            prop_assert_eq!(rows.iter().map(text).collect::<String>(), line.plain());
            for row in &rows {
                let text = text(row);
                let widths: Vec<_> = text.graphemes(true).map(UnicodeWidthStr::width).collect();
                prop_assert!(widths.iter().sum::<usize>() <= columns || widths.len() == 1, "{text:?}");
            }
            for left in 0..30 {
                let row = scrolled(&line, left, columns);
                prop_assert!(text(&row).graphemes(true).map(UnicodeWidthStr::width).sum::<usize>() <= columns);
            }
        }

        #[test]
        fn rows_found_from_the_last_one_are_those_found_from_the_beginning(
            given in any::<Vec<u8>>(),
            lefts in prop::collection::vec(0usize..60, 1..8),
        ) {
            let mut line = FarLine::new(&given);
            for left in lefts {
                prop_assert_eq!(line.row(left, 7, true), far_row(&given, left, 7, true));
            }
        }

        #[test]
        fn what_is_far_is_what_is_near(given in "[a-z漢字é ]{0,80}", left in 0usize..60) {
            let line = laid_out(given.as_bytes());
            let far = far_row(given.as_bytes(), left, 10, false);
            prop_assert_eq!(text(&far), text(&scrolled(&line, far.column, 10)).trim_end_matches(' ').to_owned()
                + &" ".repeat(text(&far).len() - text(&far).trim_end_matches(' ').len()));
            prop_assert_eq!(measure(given.as_bytes()), line.plain().width());
        }
    }
}
