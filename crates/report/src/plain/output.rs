//! Lines of output, each behind the name of its step.

use roboppi_ipc::OutputStream;
use roboppi_untrusted::{first_words, line_into};

use super::cut::CutLine;
use crate::scripted::shown;
use crate::style::Ink;

/// Whose lines they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lines {
    /// Of an agent: what it prints on stdout is for programs.
    Agent,
    /// Of a script: some of them may be messages.
    Script,
    /// Of another command.
    Command,
}

/// Appends lines of the output of one step to a text.
pub(super) struct OutputLines<'a> {
    text: &'a mut Vec<u8>,
    /// What stands before a line of stdout; `None` when these are not shown.
    stdout: Option<String>,
    /// What stands before a line of stderr.
    stderr: String,
    /// Its lines may be messages.
    is_script: bool,
    colour: bool,
}

impl<'a> OutputLines<'a> {
    pub(super) fn new(text: &'a mut Vec<u8>, step: &str, worker: Lines, colour: bool) -> Self {
        let name = Ink::Strong.paint(colour, &first_words(step));
        let stdout = (worker != Lines::Agent).then(|| format!("{name} | "));
        let is_script = worker == Lines::Script;
        Self { text, stdout, stderr: format!("{name} ! "), is_script, colour }
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
        let bytes = if self.is_script { shown(line.stream, line.bytes) } else { line.bytes.into() };
        line_into(self.text, &bytes, self.colour);
        if self.text.len() == start {
            // No space stands at the end of a line.
            self.text.pop();
        }
        self.text.push(b'\n');
    }
}
