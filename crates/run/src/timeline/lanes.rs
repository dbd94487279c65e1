//! Lays slices that may overlap on tracks where none does.

use roboppi_ipc::UtcMillis;

use super::{Slice, Track};

/// Tracks that are being filled. Slices come by their start, those that last longer first.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    lanes: Vec<Lane>,
}

#[derive(Debug, Default)]
struct Lane {
    slices: Vec<Slice>,
    /// Ends of slices that the next one may lie within, the innermost last.
    open: Vec<UtcMillis>,
}

impl Lanes {
    /// Puts a slice on the first track where it lies within the others or beside them.
    pub(super) fn add(&mut self, slice: Slice) {
        let free = self.lanes.iter().position(|lane| lane.takes(&slice)).unwrap_or(self.lanes.len());
        if free == self.lanes.len() {
            self.lanes.push(Lane::default());
        }
        self.lanes[free].add(slice);
    }

    pub(super) fn into_tracks(self, name: &str) -> Vec<Track> {
        let name =
            |number: usize| if number == 0 { name.to_owned() } else { format!("{name} ({})", number + 1) };
        let tracks = self.lanes.into_iter().enumerate();
        let mut tracks: Vec<_> = tracks
            .map(|(number, lane)| Track { name: name(number), slices: lane.slices, marks: Vec::new() })
            .collect();
        if tracks.is_empty() {
            // A step that never started is worth an empty line.
            tracks.push(Track { name: name(0), ..Track::default() });
        }
        tracks
    }
}

impl Lane {
    fn takes(&self, slice: &Slice) -> bool {
        // A clock that was set back: what comes now would lie before what is there.
        let in_order = self.slices.last().is_none_or(|last| last.from <= slice.from);
        let around = self.open.iter().rev().find(|end| **end > slice.from);
        in_order && around.is_none_or(|end| slice.to <= *end)
    }

    fn add(&mut self, slice: Slice) {
        while self.open.last().is_some_and(|end| *end <= slice.from) {
            self.open.pop();
        }
        self.open.push(slice.to);
        self.slices.push(slice);
    }
}
