//! Decides which part of a log, or of an event file, is given up when it would not fit into its bounds.

use std::collections::VecDeque;

use crate::hole::Hole;

/// A log is given up in steps of this share of its bound.
const STEPS: u64 = 16;

/// Bytes of the end of a log that are kept when its run has no room for more.
const LAST: u64 = 128 * 1024;

/// A place in a file, and the newlines (of an event file, the events) before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) offset: u64,
    pub(crate) line: u64,
}

/// Keeps the beginning of a log and its end. Does no I/O.
#[derive(Debug)]
pub(crate) struct Rotation {
    limit: u64,
    /// Where the beginning that is kept ends.
    head: Option<Place>,
    /// Places behind the head at which the end that is kept may begin; at most as many as there are steps.
    places: VecDeque<Place>,
    hole: Option<Hole>,
    tight: bool,
}

impl Rotation {
    /// Keeps `limit` bytes.
    pub(crate) const fn new(limit: u64) -> Self {
        Self { limit, head: None, places: VecDeque::new(), hole: None, tight: false }
    }

    /// Bytes that may be written at once, so that places are close enough.
    pub(crate) const fn step(&self) -> u64 {
        if self.tight { LAST / STEPS } else { self.limit / STEPS }
    }

    /// There is no room for more in the run: what is there is the beginning, or as much of it as must be, and of what
    /// comes only the last bytes are kept. `least` bytes may be there in any case.
    pub(crate) fn tighten(&mut self, place: Place, least: u64) {
        if !std::mem::replace(&mut self.tight, true) {
            self.head.get_or_insert(place);
            self.limit = self.limit.min(self.kept(place.offset).saturating_add(LAST).max(least));
        }
    }

    pub(crate) const fn is_tight(&self) -> bool {
        self.tight
    }

    /// Bytes that may be kept.
    pub(crate) const fn limit(&self) -> u64 {
        self.limit
    }

    /// Whether `bytes` that cannot be divided fit at all, if all is given up for them that can be. The beginning is never
    /// longer than three quarters of what there is.
    pub(crate) fn can_hold(&self, bytes: u64) -> bool {
        match self.head {
            None => bytes <= self.limit / 4,
            Some(head) => head.offset.saturating_add(bytes) <= self.limit,
        }
    }

    /// Whether so large an index takes too much of what there is for the log.
    pub(crate) const fn index_is_large(&self, bytes: u64) -> bool {
        bytes > self.limit / 8
    }

    /// The log is about to grow at `place`.
    pub(crate) fn passes(&mut self, place: Place, is_line_start: bool) {
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

    /// What is behind `len` was not written after all.
    pub(crate) fn forget_behind(&mut self, len: u64) {
        self.places.retain(|place| place.offset <= len);
        self.head = self.head.filter(|head| head.offset <= len);
    }

    /// Whether a log of `len` bytes, together with `besides` other bytes, is within its bounds.
    pub(crate) fn fits(&self, len: u64, besides: u64) -> bool {
        self.kept(len).saturating_add(besides) <= self.limit
    }

    /// Bytes of a log of `len` bytes that are kept.
    pub(crate) fn kept(&self, len: u64) -> u64 {
        len - self.hole.map_or(0, |hole| hole.len())
    }

    /// Gives up the oldest part behind the head. `None` when there is none.
    pub(crate) fn give_up(&mut self) -> Option<Hole> {
        let (head, place) = (self.head?, self.places.pop_front()?);
        self.hole = Some(Hole { from: head.offset, to: place.offset, line: place.line });
        self.hole
    }

    /// Gives up everything behind the head, up to `place`, which is the end of the file. `None` when that is nothing.
    pub(crate) fn give_up_all(&mut self, place: Place) -> Option<Hole> {
        let from = self.hole.map_or(self.head?.offset, |hole| hole.to);
        if from >= place.offset {
            return None;
        }
        self.places.clear();
        self.places.push_back(place);
        self.give_up()
    }

    pub(crate) fn hole(&self) -> Option<Hole> {
        self.hole
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::LogLimits;

    proptest! {
        #[test]
        fn the_beginning_and_the_end_are_kept_and_nothing_else_is(
            pieces in prop::collection::vec((1_u64..65_536, any::<bool>()), 0..600),
        ) {
            let limit = LogLimits::SMALLEST;
            let mut rotation = Rotation::new(limit);
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

        #[test]
        fn what_cannot_be_divided_fits_or_is_too_long_at_once(
            pieces in prop::collection::vec(1_u64..60_000, 0..400),
            tight_at in 0_usize..800,
        ) {
            let limit = 128 * 1024;
            let mut rotation = Rotation::new(limit);
            let (mut len, mut line) = (0, 0);
            for (number, piece) in pieces.into_iter().enumerate() {
                let here = Place { offset: len, line };
                rotation.passes(here, true);
                if number == tight_at {
                    rotation.tighten(here, 0);
                }
                line += 1;
                if !rotation.can_hold(piece) {
                    prop_assert!(piece > limit / 4);
                    continue;
                }
                while !rotation.fits(len + piece, 0) {
                    let given_up = rotation.give_up().or_else(|| rotation.give_up_all(here));
                    prop_assert!(given_up.is_some(), "there is always something to give up");
                }
                len += piece;
                prop_assert!(rotation.kept(len) <= rotation.limit());
            }
        }
    }
}
