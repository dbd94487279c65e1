//! Lines of a file, and user text that is safe to print.

/// Where the lines of a text begin. `\n`, `\r\n` and a lone `\r` end a line, as in YAML.
pub(crate) struct LineIndex<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> LineIndex<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        let bytes = text.as_bytes();
        let mut starts = vec![0];
        for (offset, byte) in bytes.iter().enumerate() {
            let ends = match byte {
                b'\n' => true,
                b'\r' => bytes.get(offset + 1) != Some(&b'\n'),
                _ => false,
            };
            if ends {
                starts.push(offset + 1);
            }
        }
        Self { text, starts }
    }

    /// Line and column of a byte, both from 1; the column in characters, a byte order mark not counted.
    pub(crate) fn position(&self, offset: usize) -> (usize, usize) {
        let offset = self.text.floor_char_boundary(offset);
        let line = self.line_at(offset);
        let start = self.starts[line - 1];
        let before = &self.text[start..offset];
        (line, before.strip_prefix('\u{feff}').unwrap_or(before).chars().count() + 1)
    }

    /// Line of a byte, from 1.
    pub(crate) fn line_at(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset).max(1)
    }

    /// First byte of a line (from 1) and its text without the line break.
    pub(crate) fn line(&self, line: usize) -> (usize, &'t str) {
        let index = line.clamp(1, self.starts.len()) - 1;
        let start = self.starts[index];
        let end = self.starts.get(index + 1).copied().unwrap_or(self.text.len());
        (start, self.text[start..end].trim_end_matches(['\r', '\n']))
    }
}

/// Whether a character could move the cursor or reorder what is read.
pub(crate) fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// The text with everything unprintable escaped.
pub(super) fn printable(text: String) -> String {
    if !text.contains(is_unprintable) {
        return text;
    }
    let mut printable = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_unprintable(c) {
            printable.extend(c.escape_default());
        } else {
            printable.push(c);
        }
    }
    printable
}

/// Text of the user inside a message: in backticks, on one line, shortened, nothing unprintable.
pub(crate) fn quote(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut quoted = String::with_capacity(text.len().min(LONGEST) + 2);
    quoted.push('`');
    for (index, c) in text.chars().enumerate() {
        if index == LONGEST {
            quoted.push('…');
            break;
        }
        if is_unprintable(c) {
            quoted.extend(c.escape_default());
        } else {
            quoted.push(c);
        }
    }
    quoted.push('`');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_line_break_counts_once() {
        let lines = LineIndex::new("a\r\nb\rc\nd");
        let positions = [0, 3, 5, 7].map(|offset| lines.position(offset));
        assert_eq!(positions, [(1, 1), (2, 1), (3, 1), (4, 1)]);
        assert_eq!(lines.line(2), (3, "b"));
        assert_eq!(lines.line(9), (7, "d"));
    }

    #[test]
    fn columns_count_characters() {
        let lines = LineIndex::new("\u{feff}äöx");
        assert_eq!(lines.position("\u{feff}äö".len()), (1, 3));
        assert_eq!(lines.position(4), (1, 1), "inside a character");
    }

    #[test]
    fn quoted_text_cannot_harm_a_terminal() {
        assert_eq!(quote("a\x1b[2Jb\nc"), "`a\\u{1b}[2Jb\\nc`");
        assert_eq!(quote(&"x".repeat(80)).chars().count(), 63);
    }
}
