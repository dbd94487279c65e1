//! Output for peers of protocol 1: the latest lines.

use std::collections::VecDeque;

use roboppi_ipc::{Gap, UtcMillis, WorkerEvent};

use super::{LiveEvent, LiveLimits};

/// Lines that wait to be sent. When the bounds are reached the oldest go, so that the end of a log always arrives:
/// such a peer has no record from which it could read it.
#[derive(Debug, Default)]
pub(super) struct LineTail {
    lines: VecDeque<(LiveEvent, usize)>,
    bytes: usize,
    /// What went since the last gap was taken. It lies before everything that waits here.
    cut: Option<(UtcMillis, Gap)>,
}

impl LineTail {
    /// Adds output of `bytes` bytes.
    pub(super) fn push(&mut self, event: LiveEvent, bytes: usize, limits: &LiveLimits) {
        while self.lines.len() >= limits.events || self.bytes + bytes > limits.bytes {
            let Some((oldest, bytes)) = self.lines.pop_front() else { break };
            self.bytes -= bytes;
            self.leave_out(oldest.seq, oldest.ts, oldest.at, bytes as u64, 0);
        }
        self.bytes += bytes;
        self.lines.push_back((event, bytes));
    }

    /// Counts an event as left out: `bytes` of output, or `recorded` when it is of a kind that is recorded.
    pub(super) fn leave_out(&mut self, seq: u64, ts: UtcMillis, at: u64, bytes: u64, recorded: u64) {
        let from = (seq, at - bytes.min(at));
        let begin = || (ts, Gap::new(from.0..from.0, from.1..from.1));
        let (_, gap) = self.cut.get_or_insert_with(begin);
        gap.to_seq = gap.to_seq.max(seq + 1);
        gap.to_offset = gap.to_offset.max(at);
        gap.events += 1;
        gap.bytes += bytes;
        gap.recorded += recorded;
    }

    /// Number of the first event that would be taken.
    pub(super) fn next_seq(&self) -> Option<u64> {
        let cut = self.cut.as_ref().map(|(_, gap)| gap.from_seq);
        cut.or_else(|| self.lines.front().map(|(event, _)| event.seq))
    }

    /// The gap, if there is one, else the oldest output.
    pub(super) fn take(&mut self) -> Option<LiveEvent> {
        if let Some((ts, gap)) = self.cut.take() {
            return Some(LiveEvent {
                seq: gap.from_seq,
                ts,
                at: gap.to_offset,
                event: WorkerEvent::Gap(gap),
            });
        }
        let (event, bytes) = self.lines.pop_front()?;
        self.bytes -= bytes;
        Some(event)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.cut.is_none()
    }

    #[cfg(test)]
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }
}
