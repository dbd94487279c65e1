//! Cuts the bytes of a log into lines.

use roboppi_ipc::OutputStream;

use roboppi_untrusted::last_state_start;

/// A line of a log, without its newline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CutLine {
    /// Stream its first byte came from.
    pub(super) stream: OutputStream,
    /// What it holds.
    pub(super) bytes: Vec<u8>,
}

/// Cuts bytes into lines and holds an incomplete one back.
#[derive(Debug)]
pub(super) struct LineCutter {
    held: Option<CutLine>,
    longest: usize,
    /// Something of the line that is held back was handed on before its end.
    continues: bool,
}

impl LineCutter {
    /// A line longer than `longest` bytes is cut into pieces, after what carriage returns overwrote was
    /// dropped.
    pub(super) fn new(longest: usize) -> Self {
        Self { held: None, longest: longest.max(1), continues: false }
    }

    /// Takes bytes of one stream and hands on every line they complete.
    pub(super) fn push(&mut self, stream: OutputStream, bytes: &[u8], mut line: impl FnMut(CutLine)) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, complete) = piece.strip_suffix(b"\n").map_or((piece, false), |text| (text, true));
            let held = self.held.get_or_insert_with(|| CutLine { stream, bytes: Vec::new() });
            held.bytes.extend_from_slice(text);
            if complete {
                let is_rest = std::mem::take(&mut self.continues);
                self.finish(|rest| {
                    // Nothing but the end of what was handed on before.
                    if !(is_rest && rest.bytes.is_empty()) {
                        line(rest);
                    }
                });
            } else if held.bytes.len() > self.longest {
                held.bytes.drain(..last_state_start(&held.bytes));
                if held.bytes.len() > self.longest {
                    self.finish(&mut line);
                }
            }
        }
    }

    /// Bytes of the line that is held back.
    pub(super) fn held(&self) -> usize {
        self.held.as_ref().map_or(0, |line| line.bytes.len())
    }

    /// Hands on what is held back although the line may go on: its rest is a line of its own, unless it is empty.
    pub(super) fn hand_on(&mut self) -> Option<CutLine> {
        let held = self.held.take_if(|line| !line.bytes.is_empty())?;
        self.continues = true;
        Some(held)
    }

    /// Hands on what was held back: nothing more comes.
    pub(super) fn finish(&mut self, mut line: impl FnMut(CutLine)) {
        if let Some(held) = self.held.take() {
            line(held);
        }
    }
}
