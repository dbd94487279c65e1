//! Tables of text.

use unicode_width::UnicodeWidthStr;

/// Rows of cells in columns, as wide as their widest cell. The cells hold nothing a terminal would obey.
#[must_use]
pub fn table<const N: usize>(rows: &[[String; N]]) -> String {
    lines(rows).into_iter().map(|line| line + "\n").collect()
}

/// The lines of a table whose rows have the same number of cells.
pub(crate) fn lines<R: AsRef<[String]>>(rows: &[R]) -> Vec<String> {
    let columns = rows.iter().map(|row| row.as_ref().len()).max().unwrap_or_default();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.as_ref().get(column));
        cells.map(|cell| cell.width()).max().unwrap_or_default()
    };
    let widths: Vec<_> = (0..columns).map(width).collect();
    let line = |row: &R| {
        let mut line = String::new();
        for (cell, width) in row.as_ref().iter().zip(&widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', width - cell.width() + 2));
        }
        line.truncate(line.trim_end().len());
        line
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_they_are_shown() {
        let rows = [["A", "B"], ["漢字", "x"], ["", "y"]].map(|row| row.map(str::to_owned));
        assert_eq!(table(&rows), "A     B\n漢字  x\n      y\n");
    }
}
