//! Cuts the bytes of a log into lines.

use roboppi_ipc::OutputStream;

use crate::sinks::untrusted::last_state_start;

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
}

impl LineCutter {
    /// A line longer than `longest` bytes is cut into pieces, after what carriage returns overwrote was
    /// dropped.
    pub(super) fn new(longest: usize) -> Self {
        Self { held: None, longest: longest.max(1) }
    }

    /// Takes bytes of one stream and hands on every line they complete.
    pub(super) fn push(&mut self, stream: OutputStream, bytes: &[u8], mut line: impl FnMut(CutLine)) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, complete) = piece.strip_suffix(b"\n").map_or((piece, false), |text| (text, true));
            let held = self.held.get_or_insert_with(|| CutLine { stream, bytes: Vec::new() });
            held.bytes.extend_from_slice(text);
            if complete {
                self.finish(&mut line);
            } else if held.bytes.len() > self.longest {
                held.bytes.drain(..last_state_start(&held.bytes));
                if held.bytes.len() > self.longest {
                    self.finish(&mut line);
                }
            }
        }
    }

    /// Hands on what was held back: nothing more comes.
    pub(super) fn finish(&mut self, mut line: impl FnMut(CutLine)) {
        if let Some(held) = self.held.take() {
            line(held);
        }
    }
}
