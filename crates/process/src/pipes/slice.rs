//! How much of a pipe is taken at once, and how long its turn lasts. Pure.
//!
//! One thread serves all children of a core. What one of them wrote is masked, recorded and translated before the next one
//! is looked at: for plain text that takes a tenth of a millisecond for 64 KiB, for the lines of an agent a few
//! milliseconds. So a piece is as large as can be handled in the time of a slice, and a turn ends with its time.

use std::time::Duration;

/// Most that is taken at once.
pub(crate) const LARGEST: usize = 64 * 1024;
/// Least, however long it takes: below, the system calls cost more than the rest.
const SMALLEST: usize = 4 * 1024;

/// Time of a turn, all pieces together. Whoever wrote a single line waits for one turn of each that floods.
pub(crate) const TURN: Duration = Duration::from_micros(250);

/// The share of a turn that a piece may take before the next one is smaller.
const TOO_LONG: Duration = TURN;
/// The share below which the next one may be larger.
const SHORT: Duration = Duration::from_micros(TURN.as_micros() as u64 / 4);

/// The size of the next piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slice(usize);

impl Default for Slice {
    fn default() -> Self {
        Self(LARGEST)
    }
}

impl Slice {
    /// Bytes to take at most.
    pub(crate) const fn size(self) -> usize {
        self.0
    }

    /// A piece of `bytes` was handled within `time`.
    pub(crate) fn handled(&mut self, bytes: usize, time: Duration) {
        if time > TOO_LONG {
            self.0 = (self.0.min(bytes) / 2).max(SMALLEST);
        } else if bytes == self.0 && time < SHORT {
            self.0 = (self.0 * 2).min(LARGEST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The size after pieces that take so long a KiB.
    fn settled(per_kib: Duration) -> usize {
        let mut slice = Slice::default();
        for _ in 0..100 {
            let bytes = slice.size();
            slice.handled(bytes, per_kib * u32::try_from(bytes / 1024).unwrap());
        }
        slice.size()
    }

    #[test]
    fn a_piece_takes_no_longer_than_a_turn() {
        assert_eq!(settled(Duration::from_micros(1)), LARGEST);
        assert_eq!(settled(Duration::from_micros(25)), 8 * 1024);
        assert_eq!(settled(Duration::from_millis(1)), SMALLEST);
    }

    #[test]
    fn it_grows_again_when_it_is_handled_fast() {
        let mut slice = Slice::default();
        slice.handled(LARGEST, Duration::from_secs(1));
        assert_eq!(slice.size(), LARGEST / 2);
        slice.handled(100, Duration::ZERO);
        assert_eq!(slice.size(), LARGEST / 2, "a short piece shows nothing");
        slice.handled(LARGEST / 2, Duration::ZERO);
        assert_eq!(slice.size(), LARGEST);
    }

    #[test]
    fn a_short_piece_that_took_long_shows_it() {
        let mut slice = Slice::default();
        slice.handled(16 * 1024, Duration::from_secs(1));
        assert_eq!(slice.size(), 8 * 1024);
        slice.handled(10, Duration::from_secs(1));
        assert_eq!(slice.size(), SMALLEST);
    }
}
