//! What waits to be sent for one job.

use std::collections::VecDeque;

use memchr::memchr;
use roboppi_ipc::utf8::{incomplete_suffix, text};
use roboppi_ipc::{Gap, LOGS_TRUNCATED, Mono, OutputStream, Progress, UtcMillis, WorkerEvent, WorkerOutput};

use super::batch::Batch;
use super::growth::{LogGrowth, Stretch};
use super::line_tail::LineTail;
use super::{LiveEvent, LiveLimits, Offered};

/// Numbers the events of one job, batches its output, and sheds output when nobody reads. Does no I/O
/// and reads no clock.
///
/// * A number is given when an event is offered, so the reader sees every hole.
/// * Output is an event of its own at once when nothing was offered in the last while
///   ([`LiveLimits::batch_time`]); otherwise it waits that long for more, or until a batch is full, or until
///   any other event comes. A batch is one stream and contiguous in the log.
/// * When the bounds are reached, *new* output and partial text is dropped, by counting and not by making
///   text of it, until half of what waits was read. Then comes one [`Gap`] with what is missing. An event
///   that is never dropped ends a gap too, so that order and numbers always agree.
/// * Everything else is never dropped and never reordered. What does not fit into
///   [`LiveLimits::state_bytes`] waits in the event file of the attempt, where it is anyway, and is read
///   from there when its turn comes. What was given up of that file by then is a gap.
/// * A reader that has the log is told how far it reaches and not what is in it
///   ([`announce_growth`](Self::announce_growth)): growth is merged while it waits and never dropped.
/// * With [`LiveLimits::by_line`] every line is an event of its own when it ends, and nothing waits for more.
///   When the bounds are reached the *oldest* output goes, and a gap takes its place.
#[derive(Debug)]
pub struct LiveQueue {
    limits: LiveLimits,
    next_seq: u64,
    batch: Batch,
    /// The beginning of a character at the end of the last batch of stdout and stderr, when the other
    /// stream came in between.
    carry: [Vec<u8>; 2],
    /// Offset after the last byte that was offered.
    end: u64,
    /// When an event was last offered.
    last_offer: Option<Mono>,
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
    shedding: bool,
    hole: Option<Hole>,
    /// Output that waits, by line.
    lines: LineTail,
    /// Output that waits, for a reader that has the log.
    growth: LogGrowth,
    /// Whether output is growth of the log.
    announces_growth: bool,
}

#[derive(Debug)]
enum Waiting {
    Event { event: Offered, bytes: usize },
    Growth { seq: u64, stretch: Stretch },
    Stored(Stored),
}

/// Events that wait in the event file. All output between them is shed; growth of the log between them is seen in their
/// numbers.
#[derive(Debug)]
struct Stored {
    range: StoredRange,
    /// Number and offset that come next: what is missing before an event is between these and its own.
    from: (u64, u64),
    /// Number and offset after the last of them.
    to: (u64, u64),
    /// How many they are.
    events: u64,
    ts: UtcMillis,
}

/// Where in the event file an event is, or several that follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredRange {
    /// Offset of the first byte.
    pub start: u64,
    /// Offset after the last byte.
    pub end: u64,
    /// Events of the attempt before it.
    pub before: u64,
}

/// What was read of a [`StoredRange`].
#[derive(Clone, Debug)]
pub struct ReadBack {
    /// The first event that is still there.
    pub event: Offered,
    /// Where the one behind it begins.
    pub next: u64,
    /// Events before it that the file has given up.
    pub skipped: u64,
}

#[derive(Debug)]
struct Hole {
    ts: UtcMillis,
    gap: Gap,
}

impl LiveQueue {
    /// An empty queue.
    #[must_use]
    pub fn new(limits: LiveLimits) -> Self {
        Self {
            limits,
            next_seq: 0,
            batch: Batch::default(),
            carry: [Vec::new(), Vec::new()],
            end: 0,
            last_offer: None,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            shedding: false,
            hole: None,
            lines: LineTail::default(),
            growth: LogGrowth::default(),
            announces_growth: false,
        }
    }

    /// Whether output from here on is told by its place in the log: for a reader that can read the log, as long as that is
    /// written.
    pub fn announce_growth(&mut self, now: Mono, whether: bool) {
        let whether = whether && !self.limits.by_line;
        if std::mem::replace(&mut self.announces_growth, whether) && !whether {
            self.seal_growth(now);
        }
    }

    /// Number of the last event that was offered.
    #[must_use]
    pub const fn last_seq(&self) -> Option<u64> {
        self.next_seq.checked_sub(1)
    }

    /// Whether an event of this number, which was offered, waits to be read.
    #[must_use]
    pub fn waits(&self, seq: u64) -> bool {
        self.waiting.front().is_some_and(|front| match front {
            Waiting::Event { event, .. } => event.seq() <= seq,
            Waiting::Growth { seq: first, .. } => *first <= seq,
            Waiting::Stored(stored) => stored.from.0 <= seq,
        })
    }

    /// Offers bytes that were recorded at `offset` of the log.
    pub fn output(&mut self, now: Mono, ts: UtcMillis, stream: OutputStream, offset: u64, bytes: &[u8]) {
        if self.announces_growth {
            return self.growth.add(ts, stream, offset + bytes.len() as u64);
        }
        if !self.batch.continues(stream, offset) {
            self.cut(now, self.batch.len());
        }
        self.end = offset + bytes.len() as u64;
        let mut at = offset;
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.shedding {
                self.shed_output(ts, at, rest.len());
                return;
            }
            let room = self.limits.batch_bytes.saturating_sub(self.batch.len()).max(1);
            let line = if self.limits.by_line { memchr(b'\n', rest) } else { None };
            let len = line.map_or(rest.len(), |newline| newline + 1).min(room);
            let (piece, after) = rest.split_at(len);
            self.batch.add(stream, at, ts, piece);
            at += piece.len() as u64;
            rest = after;
            if self.batch.len() >= self.limits.batch_bytes || line.is_some_and(|newline| newline < len) {
                self.cut(now, self.batch.whole_lines());
            }
        }
        if !self.limits.by_line
            && self.last_offer.is_none_or(|last| now.since(last) >= self.limits.batch_time)
        {
            self.cut(now, self.batch.whole_characters());
        }
    }

    /// Numbers an event that is about to be recorded and then given to [`push`](Self::push). What was
    /// offered before it is put before it.
    pub fn number(&mut self, now: Mono) -> u64 {
        self.cut(now, self.batch.len());
        self.seal_growth(now);
        self.last_offer = Some(now);
        self.next_seq += 1;
        self.next_seq - 1
    }

    /// Offers an event numbered by [`number`](Self::number). `bytes` is its length, roughly; `stored` says
    /// where it was recorded.
    pub fn push(&mut self, event: impl Into<Offered>, bytes: usize, stored: Option<StoredRange>) {
        let event = event.into();
        let (seq, ts, at) = (event.seq(), event.ts(), event.at());
        if event.may_be_shed() {
            if self.limits.by_line {
                // Unfinished text: the whole comes.
                return;
            }
            if self.shedding || self.is_full(bytes) {
                self.shed(ts, seq, at, 1, 0);
            } else {
                self.wait(event, bytes);
            }
            return;
        }
        match stored {
            Some(range) if self.waiting_bytes + bytes > self.limits.state_bytes => self.store(&event, range),
            // It is in no file either. A reader that lags so much learns how many there were.
            None if self.waiting_bytes + bytes > self.limits.state_bytes => {
                if self.limits.by_line {
                    return self.lines.leave_out(seq, ts, at, 0, 1);
                }
                self.shed(ts, seq, at, 1, 0);
                if let Some(hole) = &mut self.hole {
                    hole.gap.recorded += 1;
                }
            }
            _ => {
                self.close_hole();
                self.wait(event, bytes);
            }
        }
    }

    /// Nothing more will be offered.
    pub fn finish(&mut self, now: Mono) {
        self.cut_into(now, self.batch.len(), true);
        self.close_hole();
        self.shedding = false;
        self.seal_growth(now);
        for stream in [OutputStream::Stdout, OutputStream::Stderr] {
            // What was the beginning of a character is none now.
            if !std::mem::take(&mut self.carry[index(stream)]).is_empty() {
                self.batch.offset = self.end;
                self.send_output(stream, 0, "\u{fffd}".into(), false);
            }
        }
    }

    /// The next event to send. `read` reads the first event of a range of the event file that is still there; `None` when
    /// none is.
    pub fn take(&mut self, now: Mono, read: impl FnOnce(StoredRange) -> Option<ReadBack>) -> Option<Offered> {
        if self.limits.by_line {
            return self.take_by_line(read);
        }
        if self.due().is_some_and(|due| due <= now) {
            self.cut(now, self.batch.whole_characters());
            self.seal_growth(now);
        }
        let event = match self.waiting.pop_front()? {
            Waiting::Growth { seq, stretch } => self.growth.announce(seq, stretch).into(),
            Waiting::Event { event, bytes } => {
                self.waiting_bytes -= bytes;
                event
            }
            Waiting::Stored(stored) => self.take_stored(stored, read),
        };
        if self.shedding
            && self.waiting.len() <= self.limits.events / 2
            && self.waiting_bytes <= self.limits.bytes / 2
        {
            self.close_hole();
            self.shedding = false;
        }
        Some(event)
    }

    fn take_by_line(&mut self, read: impl FnOnce(StoredRange) -> Option<ReadBack>) -> Option<Offered> {
        if matches!(self.waiting.front(), Some(Waiting::Stored(_)))
            && let Some(Waiting::Stored(stored)) = self.waiting.pop_front()
        {
            let event = self.take_stored(stored, read);
            self.waiting.push_front(Waiting::Event { event, bytes: 0 });
        }
        let other = match self.waiting.front() {
            Some(Waiting::Event { event, .. }) => Some(event.seq()),
            Some(Waiting::Growth { .. } | Waiting::Stored(_)) | None => None,
        };
        let is_line = self.lines.next_seq().is_some_and(|line| other.is_none_or(|other| line <= other));
        if is_line {
            return self.lines.take().map(Offered::from);
        }
        match self.waiting.pop_front()? {
            Waiting::Event { event, bytes } => {
                self.waiting_bytes -= bytes;
                Some(event)
            }
            Waiting::Growth { .. } | Waiting::Stored(_) => None,
        }
    }

    fn take_stored(
        &mut self,
        mut stored: Stored,
        read: impl FnOnce(StoredRange) -> Option<ReadBack>,
    ) -> Offered {
        let from = stored.from;
        let Some(ReadBack { event, next, skipped }) = read(stored.range) else {
            // The record is gone. What it said is missing, and that is said.
            let to = if self.announces_growth { (stored.to.0, from.1) } else { stored.to };
            return missing(stored.ts, from, to, stored.events).into();
        };
        let before = (event.seq(), event.at());
        let read = skipped + 1;
        stored.range = StoredRange { start: next, before: stored.range.before + read, ..stored.range };
        stored.events = stored.events.saturating_sub(read);
        stored.from = (event.seq() + 1, event.at());
        if next < stored.range.end {
            self.waiting.push_front(Waiting::Stored(stored));
        }
        if self.announces_growth && before.0 > from.0 {
            return self.before_stored(event, from, skipped);
        }
        // By line, output between events waits elsewhere.
        if skipped > 0 || (before.0 > from.0 && !self.limits.by_line) {
            let gap = missing(event.ts(), from, before, skipped);
            self.waiting.push_front(Waiting::Event { event, bytes: 0 });
            return gap.into();
        }
        event
    }

    /// What comes between an event of the event file and the one before it, whose numbers do not follow each other.
    fn before_stored(&mut self, event: Offered, from: (u64, u64), skipped: u64) -> Offered {
        let (ts, mut to) = (event.ts(), event.seq());
        let grown = if skipped == 0 { self.growth.until(ts, event.at()) } else { None };
        self.waiting.push_front(Waiting::Event { event, bytes: 0 });
        if let Some(stretch) = grown {
            // It was sealed right before the event. Other numbers are those of partial text.
            to -= 1;
            if to == from.0 {
                return self.growth.announce(to, stretch).into();
            }
            self.waiting.push_front(Waiting::Growth { seq: to, stretch });
        }
        missing(ts, from, (to, from.1), skipped).into()
    }

    /// Whether [`take`](Self::take) has something now.
    #[must_use]
    pub fn is_ready(&self, now: Mono) -> bool {
        !self.waiting.is_empty() || !self.lines.is_empty() || self.due().is_some_and(|due| due <= now)
    }

    /// When output that waits for more becomes an event, should no more come.
    #[must_use]
    pub fn due(&self) -> Option<Mono> {
        if self.growth.is_pending() {
            return Some(self.last_offer.map_or(Mono::ZERO, |last| last + self.limits.batch_time));
        }
        if self.limits.by_line || self.batch.whole_characters() == 0 {
            return None;
        }
        self.last_offer.map(|last| last + self.limits.batch_time)
    }

    /// Makes an event of the first `count` bytes of the batch.
    fn cut(&mut self, now: Mono, count: usize) {
        self.cut_into(now, count, false);
    }

    fn cut_into(&mut self, now: Mono, count: usize, is_end: bool) {
        if count == 0 {
            return;
        }
        self.last_offer = Some(now);
        if !self.limits.by_line && self.is_full(count) {
            let (ts, offset, all) = (self.batch.ts, self.batch.offset, self.batch.len());
            self.batch.drop_first(all);
            self.carry = [Vec::new(), Vec::new()];
            self.shed_output(ts, offset, all);
            return;
        }
        let stream = self.batch.stream;
        let mut data = std::mem::take(&mut self.carry[index(stream)]);
        data.extend_from_slice(self.batch.first(count));
        if !is_end {
            let incomplete = incomplete_suffix(&data);
            self.carry[index(stream)] = data.split_off(data.len() - incomplete);
        }
        let partial = !is_end && data.last() != Some(&b'\n');
        self.send_output(stream, count, text(data), partial);
        self.batch.drop_first(count);
    }

    /// Queues an event for the first `len` bytes of the batch, which say `data`.
    fn send_output(&mut self, stream: OutputStream, len: usize, data: String, partial: bool) {
        let (offset, ts) = (self.batch.offset, self.batch.ts);
        let output = WorkerOutput::new(data).with_range(offset, len as u64).with_partial(partial);
        let event = WorkerEvent::output(stream, output);
        let event = LiveEvent { seq: self.next_seq, ts, at: offset + len as u64, event };
        if self.limits.by_line {
            self.lines.push(event, len, &self.limits);
        } else {
            self.wait(event, len);
        }
        self.next_seq += 1;
    }

    /// Gives growth of the log its place among the events. Behind a hole it waits until that is closed.
    fn seal_growth(&mut self, now: Mono) {
        if self.hole.is_some() {
            return;
        }
        let Some(stretch) = self.growth.take_pending() else { return };
        self.last_offer = Some(now);
        if let Some(Waiting::Growth { stretch: last, .. }) = self.waiting.back_mut() {
            return last.merge(stretch);
        }
        self.waiting.push_back(Waiting::Growth { seq: self.next_seq, stretch });
        self.next_seq += 1;
    }

    fn wait(&mut self, event: impl Into<Offered>, bytes: usize) {
        let event = event.into();
        self.waiting_bytes += bytes;
        self.waiting.push_back(Waiting::Event { event, bytes });
    }

    /// Lets an event wait where it was recorded.
    fn store(&mut self, event: &Offered, range: StoredRange) {
        let to = (event.seq() + 1, event.at());
        // What was shed before it is seen in its number.
        let from = self
            .hole
            .take()
            .map_or((event.seq(), event.at()), |Hole { gap, .. }| (gap.from_seq, gap.from_offset));
        let before = self.waiting.len().checked_sub(2).map(|index| &self.waiting[index]);
        if let (Some(Waiting::Stored(before)), Some(Waiting::Growth { .. })) = (before, self.waiting.back())
            && before.range.end == range.start
        {
            // Seen in the numbers, as what was shed.
            self.waiting.pop_back();
        }
        match self.waiting.back_mut() {
            Some(Waiting::Stored(stored)) if stored.range.end == range.start => {
                stored.range.end = range.end;
                stored.to = to;
                stored.events += 1;
            }
            _ => {
                self.waiting.push_back(Waiting::Stored(Stored {
                    range,
                    from,
                    to,
                    events: 1,
                    ts: event.ts(),
                }));
            }
        }
    }

    fn is_full(&self, more: usize) -> bool {
        self.waiting.len() >= self.limits.events || self.waiting_bytes + more > self.limits.bytes
    }

    /// Counts output that is not sent, as if it had been cut into full batches.
    fn shed_output(&mut self, ts: UtcMillis, offset: u64, len: usize) {
        let events = len.div_ceil(self.limits.batch_bytes.max(1)) as u64;
        let seq = self.next_seq;
        self.next_seq += events;
        self.shed(ts, seq, offset, events, len as u64);
    }

    fn shed(&mut self, ts: UtcMillis, seq: u64, offset: u64, events: u64, bytes: u64) {
        if !self.shedding {
            self.shedding = true;
            let progress = Progress::new(LOGS_TRUNCATED);
            let event = WorkerEvent::Progress(progress);
            self.wait(LiveEvent { seq, ts, at: offset, event }, LOGS_TRUNCATED.len());
        }
        let hole = self.hole.get_or_insert(Hole { ts, gap: Gap::new(seq..seq, offset..offset) });
        hole.gap.to_seq = seq + events;
        hole.gap.to_offset = offset + bytes;
        hole.gap.events += events;
        hole.gap.bytes += bytes;
    }

    fn close_hole(&mut self) {
        if let Some(Hole { ts, gap }) = self.hole.take() {
            let (seq, at) = (gap.from_seq, gap.to_offset);
            self.wait(LiveEvent { seq, ts, at, event: WorkerEvent::Gap(gap) }, size_of::<Gap>());
        }
    }
}

/// Says that everything between two pairs of number and offset is missing, `recorded` events among it.
fn missing(ts: UtcMillis, from: (u64, u64), to: (u64, u64), recorded: u64) -> LiveEvent {
    let gap = Gap::new(from.0..to.0, from.1..to.1)
        .with_missing(to.0.saturating_sub(from.0), to.1.saturating_sub(from.1))
        .with_recorded(recorded);
    LiveEvent { seq: from.0, ts, at: to.1, event: WorkerEvent::Gap(gap) }
}

const fn index(stream: OutputStream) -> usize {
    match stream {
        OutputStream::Stdout => 0,
        OutputStream::Stderr => 1,
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
