//! Turns models into the bytes that make a terminal show them.
//!
//! Only cells that changed are written, in one piece, marked as one synchronised update. The screen is never
//! cleared, which would be seen where synchronised updates are not known: what is not known to be there is
//! written over. Nothing is asked of the terminal: its answers would come between the keys.

use std::io;

use ratatui::backend::{Backend, CrosstermBackend};
use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::{Rect, Size};
use ratatui::style::{Modifier, Style};

use crate::model::Model;
use crate::{text, view};

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
        self.paint_with(|buffer| view::draw(model, buffer))
    }

    /// The bytes that make the terminal show what `draw` draws.
    pub(crate) fn paint_with(&mut self, draw: impl FnOnce(&mut Buffer)) -> io::Result<Vec<u8>> {
        self.next.reset();
        draw(&mut self.next);
        self.forget_behind_new_clusters();
        let changes = self.shown.diff(&self.next);
        if changes.is_empty() && !self.unknown {
            return Ok(Vec::new());
        }
        self.unknown = false;
        let mut bytes = BEGIN.to_vec();
        CrosstermBackend::new(&mut bytes).draw(changes.into_iter())?;
        bytes.extend_from_slice(END);
        std::mem::swap(&mut self.shown, &mut self.next);
        self.forget_within_clusters();
        Ok(bytes)
    }

    /// Terminals disagree about how wide signs of several characters are: a flag, a family, a hand with a colour. One that
    /// knows no better shows each character by itself, over what comes behind.
    fn forget_behind_new_clusters(&mut self) {
        for (at, cell) in clusters(&self.next) {
            if self.shown.content.get(at) != Some(cell) {
                let most = cell.symbol().chars().map(|char| text::width(char.encode_utf8(&mut [0; 4]))).sum();
                forget_behind(&mut self.shown, at, most);
            }
        }
    }

    /// When such a sign goes, not only its first column has to be written over.
    fn forget_within_clusters(&mut self) {
        let clusters: Vec<_> =
            clusters(&self.shown).map(|(at, cell)| (at, text::width(cell.symbol()))).collect();
        for (at, width) in clusters {
            forget_behind(&mut self.shown, at, width);
        }
    }
}

/// The cells that hold more than one character.
fn clusters(buffer: &Buffer) -> impl Iterator<Item = (usize, &Cell)> {
    buffer.content.iter().enumerate().filter(|(_, cell)| cell.symbol().chars().nth(1).is_some())
}

/// What the terminal shows in the columns behind the first of `width` is not known.
fn forget_behind(buffer: &mut Buffer, at: usize, width: usize) {
    let columns = usize::from(buffer.area.width).max(1);
    let end = (at + width).min((at / columns + 1) * columns).min(buffer.content.len());
    if let Some(cells) = buffer.content.get_mut(at + 1..end) {
        for cell in cells {
            cell.set_style(Style::new().add_modifier(Modifier::HIDDEN));
        }
    }
}

#[cfg(test)]
mod tests;
