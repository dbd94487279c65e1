//! Turns models into the bytes that make a terminal show them.
//!
//! Only cells that changed are written, in one piece, marked as one synchronised update. The screen is never
//! cleared, which would be seen where synchronised updates are not known: what is not known to be there is
//! written over. Nothing is asked of the terminal: its answers would come between the keys.

use std::io;

use ratatui::backend::{Backend, CrosstermBackend};
use ratatui::buffer::Buffer;
use ratatui::layout::{Rect, Size};
use ratatui::style::Modifier;

use crate::model::Model;
use crate::view;

const BEGIN: &[u8] = b"\x1b[?2026h";
const END: &[u8] = b"\x1b[?2026l";

/// Knows what the terminal shows.
#[derive(Debug, Default)]
pub(crate) struct Painter {
    shown: Buffer,
    next: Buffer,
    /// What the terminal shows is not known.
    unknown: bool,
}

impl Painter {
    pub(crate) fn new(size: Size) -> Self {
        let mut painter = Self::default();
        painter.resize(size);
        painter
    }

    /// The terminal has another size now, and may show anything.
    pub(crate) fn resize(&mut self, size: Size) {
        let area = Rect::from(size);
        self.shown = Buffer::empty(area);
        self.next = Buffer::empty(area);
        self.forget();
    }

    /// The terminal may show anything.
    pub(crate) fn forget(&mut self) {
        self.shown.reset();
        // No view hides text, so each cell differs from what comes.
        self.shown.set_style(self.shown.area, Modifier::HIDDEN);
        self.unknown = true;
    }

    /// The bytes that make the terminal show `model`; none when it does already.
    pub(crate) fn paint(&mut self, model: &Model) -> io::Result<Vec<u8>> {
        self.next.reset();
        view::draw(model, &mut self.next);
        let changes = self.shown.diff(&self.next);
        if changes.is_empty() && !self.unknown {
            return Ok(Vec::new());
        }
        self.unknown = false;
        let mut bytes = BEGIN.to_vec();
        CrosstermBackend::new(&mut bytes).draw(changes.into_iter())?;
        bytes.extend_from_slice(END);
        std::mem::swap(&mut self.shown, &mut self.next);
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests;
