//! Lines of output, each behind the name of its step.

use roboppi_ipc::OutputStream;
use roboppi_untrusted::{first_words, line_into};

use super::cut::CutLine;
use crate::style::Ink;

/// Appends lines of the output of one step to a text.
pub(super) struct OutputLines<'a> {
    text: &'a mut Vec<u8>,
    /// What stands before a line of stdout; `None` when these are not shown.
    stdout: Option<String>,
    /// What stands before a line of stderr.
    stderr: String,
    colour: bool,
}

impl<'a> OutputLines<'a> {
    pub(super) fn new(text: &'a mut Vec<u8>, step: &str, shows_stdout: bool, colour: bool) -> Self {
        let name = Ink::Strong.paint(colour, &first_words(step));
        let stdout = shows_stdout.then(|| format!("{name} | "));
        Self { text, stdout, stderr: format!("{name} ! "), colour }
    }

    /// Appends a line. Allocates nothing but room in the text.
    pub(super) fn add(&mut self, line: CutLine<'_>) {
        let before = match line.stream {
            OutputStream::Stdout => self.stdout.as_deref(),
            OutputStream::Stderr => Some(self.stderr.as_str()),
        };
        let Some(before) = before else { return };
        self.text.extend_from_slice(before.as_bytes());
        let start = self.text.len();
        line_into(self.text, line.bytes, self.colour);
        if self.text.len() == start {
            // No space stands at the end of a line.
            self.text.pop();
        }
        self.text.push(b'\n');
    }
}
