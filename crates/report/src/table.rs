//! Tables of text.

use unicode_width::UnicodeWidthStr;

/// Rows of cells in columns, as wide as their widest cell. The cells hold nothing a terminal would obey.
#[must_use]
pub fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let widths: [usize; N] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].width()).max().unwrap_or_default());
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', width - cell.width() + 2));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
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
