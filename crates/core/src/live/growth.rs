//! Growth of a log that is still to be announced.

use roboppi_ipc::{LogGrew, OutputStream, UtcMillis, WorkerEvent};

use super::LiveEvent;

/// How far a log has grown, and how far that was announced.
///
/// Holds no output: what comes is merged into one stretch until its turn comes. So nothing is left out, however much it
/// is, and nothing waits but a few numbers.
#[derive(Debug, Default)]
pub(super) struct LogGrowth {
    /// Offset behind the last byte that was announced.
    announced: u64,
    /// Not announced, and without a number so far.
    pending: Option<Stretch>,
    /// Streams that were ever shown, of stdout and stderr.
    shown: [bool; 2],
}

/// Growth up to an offset; it begins where the one before it ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stretch {
    /// When its first byte came.
    ts: UtcMillis,
    /// Offset behind its last byte.
    end: u64,
    /// Streams that are shown of it.
    shows: [bool; 2],
}

impl Stretch {
    /// Lengthens it by one that follows.
    pub(super) fn merge(&mut self, next: Self) {
        self.end = self.end.max(next.end);
        for (shows, more) in self.shows.iter_mut().zip(next.shows) {
            *shows |= more;
        }
    }
}

impl LogGrowth {
    /// Adds output of `stream` that ends at `end`.
    pub(super) fn add(&mut self, ts: UtcMillis, stream: OutputStream, end: u64) {
        let mut shows = [false; 2];
        shows[stream as usize] = true;
        self.shown[stream as usize] = true;
        let stretch = Stretch { ts, end, shows };
        match &mut self.pending {
            Some(pending) => pending.merge(stretch),
            None => self.pending = Some(stretch),
        }
    }

    /// Whether something waits to be announced.
    pub(super) const fn is_pending(&self) -> bool {
        self.pending.is_some()
    }

    /// What waits to be announced.
    pub(super) fn take_pending(&mut self) -> Option<Stretch> {
        self.pending.take()
    }

    /// What is not announced up to `end`, if that is anything.
    pub(super) fn until(&self, ts: UtcMillis, end: u64) -> Option<Stretch> {
        (end > self.announced && self.shown != [false; 2]).then_some(Stretch { ts, end, shows: self.shown })
    }

    /// The event that announces a stretch.
    pub(super) fn announce(&mut self, seq: u64, stretch: Stretch) -> LiveEvent {
        let Stretch { ts, end, shows: [stdout, stderr] } = stretch;
        let offset = self.announced;
        self.announced = offset.max(end);
        let grew = LogGrew::new(offset, self.announced - offset).with_text_of(stdout, stderr);
        LiveEvent { seq, ts, at: self.announced, event: WorkerEvent::LogGrew(grew) }
    }
}
