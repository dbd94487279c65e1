//! The lines of a block that hold what is looked for.

use std::ops::Range;

use memchr::{memchr, memchr_iter, memrchr};

use super::Needle;

/// Finds one line after the other, and counts newlines no further than it must.
pub(super) struct Hits<'a> {
    needle: &'a Needle,
    /// What is searched, and the bytes it was made from. They have the same newlines.
    visible: &'a [u8],
    raw: &'a [u8],
    /// The line that was found last, or an empty one before the first line.
    current: Range<usize>,
    /// Its number, and where it begins in `raw`.
    number: u64,
    raw_start: usize,
}

impl<'a> Hits<'a> {
    /// `number` is that of the first line.
    pub(super) const fn new(needle: &'a Needle, visible: &'a [u8], raw: &'a [u8], number: u64) -> Self {
        Self { needle, visible, raw, current: 0..0, number, raw_start: 0 }
    }

    /// Number of the next line with a hit, and where it begins in the bytes the text was made from.
    pub(super) fn next_line(&mut self) -> Option<(u64, usize)> {
        let from = self.current.end;
        if from >= self.visible.len() {
            return None;
        }
        let hit = self.needle.find(self.visible, from)?;
        if hit == self.visible.len() && self.visible.ends_with(b"\n") {
            // A pattern that matches nothing at all matches there too.
            return None;
        }
        // Most often the line is the one behind the last one.
        let first_end = self.end_of_line(from);
        let (start, end) = if hit < first_end || first_end == self.visible.len() {
            (from, first_end)
        } else {
            let newline = memrchr(b'\n', &self.visible[first_end..hit]);
            (newline.map_or(first_end, |newline| first_end + newline + 1), self.end_of_line(hit))
        };
        let between = if start == from { 0 } else { memchr_iter(b'\n', &self.visible[from..start]).count() };
        self.pass(usize::from(!self.current.is_empty()) + between, start);
        self.current = start..end;
        Some((self.number, self.raw_start))
    }

    /// Where the line of a byte ends, its newline included.
    fn end_of_line(&self, at: usize) -> usize {
        memchr(b'\n', &self.visible[at..]).map_or(self.visible.len(), |newline| at + newline + 1)
    }

    /// Goes on to the line that begins at `start`, so many newlines later.
    fn pass(&mut self, newlines: usize, start: usize) {
        self.number += newlines as u64;
        if self.is_raw() {
            self.raw_start = start;
        } else if let Some(before) = newlines.checked_sub(1)
            && let Some(last) = memchr_iter(b'\n', &self.raw[self.raw_start..]).nth(before)
        {
            self.raw_start += last + 1;
        }
    }

    /// Whether the text is the bytes themselves.
    const fn is_raw(&self) -> bool {
        self.visible.len() == self.raw.len()
    }

    /// Where, in the bytes the text was made from, the line behind the one found last begins.
    pub(super) fn behind(&self) -> usize {
        let newline = memchr(b'\n', &self.raw[self.raw_start..]);
        newline.map_or(self.raw.len(), |newline| self.raw_start + newline + 1)
    }

    /// Number of the line behind the last newline.
    pub(super) fn last_line(&self) -> u64 {
        self.number + memchr_iter(b'\n', &self.visible[self.current.start..]).count() as u64
    }
}
