//! Decides which part of a log is given up when it would not fit into its bounds.

use std::collections::VecDeque;

use crate::LogLimits;
use crate::hole::Hole;

/// A log is given up in steps of this share of its bound.
const STEPS: u64 = 16;

/// Bytes of the end of a log that are kept when its run has no room for more.
const LAST: u64 = 128 * 1024;

/// A place in a log, and the newlines before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) offset: u64,
    pub(super) line: u64,
}

/// Keeps the beginning of a log and its end. Does no I/O.
#[derive(Debug)]
pub(super) struct Rotation {
    limit: u64,
    /// Where the beginning that is kept ends.
    head: Option<Place>,
    /// Places behind the head at which the end that is kept may begin; at most as many as there are steps.
    places: VecDeque<Place>,
    hole: Option<Hole>,
    tight: bool,
}

impl Rotation {
    pub(super) fn new(limits: LogLimits) -> Self {
        let limit = limits.bytes.max(LogLimits::SMALLEST);
        Self { limit, head: None, places: VecDeque::new(), hole: None, tight: false }
    }

    /// Bytes that may be written at once, so that places are close enough.
    pub(super) const fn step(&self) -> u64 {
        if self.tight { LAST / STEPS } else { self.limit / STEPS }
    }

    /// There is no room for more in the run: what is there is the beginning, or as much of it as must be, and of what
    /// comes only the last bytes are kept.
    pub(super) fn tighten(&mut self, place: Place) {
        if !std::mem::replace(&mut self.tight, true) {
            self.head.get_or_insert(place);
            self.limit = self.limit.min(self.kept(place.offset).saturating_add(LAST));
        }
    }

    /// Whether so large an index takes too much of what there is for the log.
    pub(super) const fn index_is_large(&self, bytes: u64) -> bool {
        bytes > self.limit / 8
    }

    /// The log is about to grow at `place`.
    pub(super) fn passes(&mut self, place: Place, is_line_start: bool) {
        let (last, distance) = match (self.head, self.places.back()) {
            (None, _) => (0, self.limit / 2),
            (Some(head), None) => (head.offset, self.step()),
            (Some(_), Some(last)) => (last.offset, self.step()),
        };
        let passed = place.offset - last;
        // The end of a line is worth waiting for, but not for ever.
        if passed < distance || (!is_line_start && passed < distance + self.step()) {
            return;
        }
        if self.head.is_none() {
            self.head = Some(place);
        } else {
            self.places.push_back(place);
        }
    }

    /// Whether a log of `len` bytes, together with `besides` other bytes, is within its bounds.
    pub(super) fn fits(&self, len: u64, besides: u64) -> bool {
        self.kept(len).saturating_add(besides) <= self.limit
    }

    /// Bytes of a log of `len` bytes that are kept.
    pub(super) fn kept(&self, len: u64) -> u64 {
        len - self.hole.map_or(0, |hole| hole.len())
    }

    /// Gives up the oldest part behind the head. `None` when there is none.
    pub(super) fn give_up(&mut self) -> Option<Hole> {
        let (head, place) = (self.head?, self.places.pop_front()?);
        self.hole = Some(Hole { from: head.offset, to: place.offset, line: place.line });
        self.hole
    }

    pub(super) fn hole(&self) -> Option<Hole> {
        self.hole
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_beginning_and_the_end_are_kept_and_nothing_else_is(
            pieces in prop::collection::vec((1_u64..65_536, any::<bool>()), 0..600),
        ) {
            let limit = LogLimits::SMALLEST;
            let mut rotation = Rotation::new(LogLimits { bytes: limit, min_free: 0 });
            let (mut len, mut line, mut before) = (0, 0, 0);
            for (piece, ends_line) in pieces {
                rotation.passes(Place { offset: len, line }, ends_line);
                while !rotation.fits(len + piece, 0) {
                    let hole = rotation.give_up().expect("there is always something to give up");
                    prop_assert!(hole.from >= limit / 2 && hole.from <= limit / 2 + limit / 4);
                    prop_assert!(hole.to > before && hole.to <= len, "it grows at its end");
                    before = hole.to;
                }
                len += piece;
                line += u64::from(ends_line);
                prop_assert!(rotation.kept(len) <= limit);
                prop_assert!(rotation.places.len() <= STEPS as usize);
                if let Some(hole) = rotation.hole() {
                    prop_assert!(len - hole.to >= limit / 8, "the end is there");
                }
            }
        }
    }
}
