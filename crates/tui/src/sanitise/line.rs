//! One line of output as a terminal would show it.

use memchr::{memchr, memchr3};
use ratatui::style::Style;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::scan::{Scanner, Token};
use super::{TAB, sgr};

/// A line in runs of one style.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct StyledLine {
    /// Texts and their styles, left to right.
    pub(crate) runs: Vec<(String, Style)>,
    /// There was more than the columns asked for.
    pub(crate) cut: bool,
}

impl StyledLine {
    /// The text alone.
    pub(crate) fn plain(&self) -> String {
        self.runs.iter().map(|(text, _)| text.as_str()).collect()
    }
}

/// What one column or two hold.
#[derive(Clone, Debug)]
struct Cell {
    text: String,
    style: Style,
    /// Columns: 1 or 2; 0 for the second half of a wide one.
    width: u8,
}

/// The first `columns` columns of a line as a terminal would show it at the end: what a carriage return or a
/// backspace went back over is overwritten. Bytes that are not UTF-8 are U+FFFD.
pub(crate) fn styled_line(bytes: &[u8], columns: usize, colour: bool) -> StyledLine {
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    plain_line(bytes, columns).unwrap_or_else(|| cell_by_cell(bytes, columns, colour))
}

/// One of printable ASCII, which most are: each byte is a column.
fn plain_line(bytes: &[u8], columns: usize) -> Option<StyledLine> {
    // Without a branch for each byte.
    let is_plain = bytes.iter().fold(true, |all, byte| all & (b' '..=b'~').contains(byte));
    let text = str::from_utf8(&bytes[..bytes.len().min(columns)]).ok().filter(|_| is_plain)?;
    let runs = if text.is_empty() { Vec::new() } else { vec![(text.to_owned(), Style::new())] };
    Some(StyledLine { runs, cut: bytes.len() > columns })
}

fn cell_by_cell(bytes: &[u8], columns: usize, colour: bool) -> StyledLine {
    let text = String::from_utf8_lossy(bytes);
    let mut row = Row { cells: Vec::new(), cursor: 0, columns, cut: false };
    let mut style = Style::new();
    // Nothing can bring the cursor back into a text without these, so the rest need not be looked at.
    let plain = memchr3(b'\r', b'\x08', b'\x1b', text.as_bytes()).is_none()
        && memchr(b'\xc2', text.as_bytes()).is_none();
    for token in Scanner::new(&text) {
        match token {
            Token::Char(char) => row.put(char, style),
            Token::Tab => {
                let stop = (row.cursor / TAB + 1) * TAB;
                for _ in row.cursor..stop {
                    row.put(' ', style);
                }
            }
            Token::Break => row.put(' ', style),
            Token::CarriageReturn => row.cursor = 0,
            Token::Backspace => row.cursor = row.cursor.saturating_sub(1),
            Token::Sgr(params) => style = sgr::apply(style, &params, colour),
            Token::EraseLine(how) => row.erase(how),
            Token::Column(column) => row.jump(usize::from(column)),
        }
        if plain && row.cut {
            break;
        }
    }
    row.finish()
}

struct Row {
    cells: Vec<Cell>,
    cursor: usize,
    columns: usize,
    cut: bool,
}

impl Row {
    fn put(&mut self, char: char, style: Style) {
        let width = char.width().unwrap_or(0);
        if width == 0 {
            return self.mark(char);
        }
        if self.join(char) {
            return;
        }
        if self.cursor.saturating_add(width) > self.columns {
            self.cut = true;
            self.cursor = self.cursor.saturating_add(width);
            return;
        }
        while self.cells.len() < self.cursor + width {
            self.cells.push(Cell { text: " ".to_owned(), style: Style::new(), width: 1 });
        }
        self.open(self.cursor);
        self.open(self.cursor + width);
        self.cells[self.cursor] = Cell { text: char.to_string(), style, width: width as u8 };
        for half in self.cursor + 1..self.cursor + width {
            self.cells[half] = Cell { text: String::new(), style, width: 0 };
        }
        self.cursor += width;
    }

    /// Goes to a column. Where there is no edge, the end of the text is one, or a few bytes would make a line
    /// of thousands of blanks.
    fn jump(&mut self, column: usize) {
        let edge = if self.columns == usize::MAX { self.cells.len() } else { self.columns };
        self.cursor = column.min(edge);
    }

    /// Emoji that are joined, and colours of skin, are one character with what is before them.
    fn join(&mut self, char: char) -> bool {
        const SKIN: std::ops::RangeInclusive<char> = '\u{1f3fb}'..='\u{1f3ff}';
        let before = self.cells.get_mut(..self.cursor).unwrap_or_default();
        let Some(cell) = before.iter_mut().rfind(|cell| cell.width > 0) else { return false };
        if !cell.text.ends_with('\u{200d}') && !SKIN.contains(&char) {
            return false;
        }
        cell.text.push(char);
        let joined = cell.text.width() <= usize::from(cell.width);
        if !joined {
            cell.text.pop();
        }
        joined
    }

    /// A character without width belongs to the one before the cursor.
    fn mark(&mut self, char: char) {
        let mut at = self.cursor;
        while at > 0 && at <= self.cells.len() {
            at -= 1;
            let cell = &mut self.cells[at];
            if cell.width == 0 {
                continue;
            }
            cell.text.push(char);
            // A mark that makes its character wider than it was would shift the rest of the line.
            if cell.text.width() > usize::from(cell.width) {
                cell.text.pop();
            }
            return;
        }
    }

    /// Makes sure that no wide character reaches over the left edge of column `at`.
    fn open(&mut self, at: usize) {
        if self.cells.get(at).is_some_and(|cell| cell.width == 0) {
            let blank = Cell { text: " ".to_owned(), style: Style::new(), width: 1 };
            self.cells[at] = blank.clone();
            if let Some(first) = at.checked_sub(1) {
                self.cells[first] = blank;
            }
        }
    }

    fn erase(&mut self, how: u16) {
        let cursor = self.cursor.min(self.cells.len());
        match how {
            0 => {
                self.open(cursor);
                self.cells.truncate(cursor);
                self.cut &= self.cursor > self.columns;
            }
            1 => {
                self.open(cursor);
                for cell in &mut self.cells[..cursor] {
                    *cell = Cell { text: " ".to_owned(), style: Style::new(), width: 1 };
                }
            }
            2 => {
                self.cells.clear();
                self.cut = false;
            }
            _ => {}
        }
    }

    fn finish(self) -> StyledLine {
        let mut line = StyledLine { runs: Vec::new(), cut: self.cut };
        for cell in self.cells {
            match line.runs.last_mut() {
                Some((text, style)) if *style == cell.style => text.push_str(&cell.text),
                _ => line.runs.push((cell.text, cell.style)),
            }
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ratatui::style::Color;

    use super::*;

    fn shown(text: &str) -> String {
        styled_line(text.as_bytes(), 80, false).plain()
    }

    #[test]
    fn the_last_state_of_a_line_is_shown() {
        let cases = [
            ("10%\r50%\r100%", "100%"),
            ("long text\rshort", "shorttext"),
            ("long text\r\x1b[Kshort", "short"),
            ("long text\x1b[2K\rshort", "short"),
            ("spin |\x08/\x08-", "spin -"),
            ("windows\r", "windows"),
            ("a\tb", "a       b"),
            ("漢\rab", "ab"),
            ("漢x\ra", "a x"),
            ("漢字\x08a", "漢 a"),
            ("abc\x1b[2GX", "aXc"),
            ("e\u{301}x", "e\u{301}x"),
            ("\u{301}x", "x"),
            ("bad \u{fffd}", "bad \u{fffd}"),
            ("👩\u{200d}👧x\rab", "abx"),
            ("👍🏽x\rab", "abx"),
        ];
        for (given, expected) in cases {
            assert_eq!(shown(given), expected, "{given:?}");
        }
    }

    #[test]
    fn colours_become_styles() {
        let line = styled_line(b"\x1b[31mred\x1b[0m plain \xff", 80, true);
        let red = Style::new().fg(Color::Indexed(1));
        assert_eq!(line.runs, [("red".to_owned(), red), (" plain \u{fffd}".to_owned(), Style::new())]);
    }

    #[test]
    fn a_jump_does_not_make_a_line_long() {
        let jump = b"a\x1b[60000Gb";
        assert_eq!(styled_line(jump, usize::MAX, false).plain(), "ab");
        assert!(styled_line(jump, 80, false).cut);
    }

    #[test]
    fn a_line_is_cut_at_a_column_and_says_so() {
        assert_eq!(styled_line("漢字".as_bytes(), 3, false).plain(), "漢");
        assert!(styled_line("漢字".as_bytes(), 3, false).cut);
        assert!(!styled_line(b"abc", 3, false).cut);
        assert!(styled_line(b"abcd", 3, false).cut);
        assert!(!styled_line(b"abcd\r\x1b[Kab", 3, false).cut);
        assert_eq!(styled_line(b"abcdef\rXY", 3, false).plain(), "XYc");
    }

    proptest! {
        #[test]
        fn never_wider_than_asked(bytes in prop::collection::vec(any::<u8>(), 0..200), columns in 0usize..50) {
            let line = styled_line(&bytes, columns, true);
            prop_assert!(line.plain().width() <= columns, "{:?}", line);
        }

        #[test]
        fn a_plain_line_is_what_its_cells_are(text in "[ -~]{0,60}", columns in 0usize..80) {
            let line = plain_line(text.as_bytes(), columns);
            prop_assert_eq!(line, Some(cell_by_cell(text.as_bytes(), columns, true)));
        }

        #[test]
        fn text_of_any_script_is_never_wider(text in any::<String>(), columns in 0usize..50) {
            let line = styled_line(text.as_bytes(), columns, true);
            let wide: usize = line.runs.iter().map(|(text, _)| text.width()).sum();
            prop_assert!(wide <= columns, "{:?}", line);
        }
    }
}
