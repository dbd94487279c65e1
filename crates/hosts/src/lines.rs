//! Lines that arrive once and in order, however often their carrier dies.

use std::collections::VecDeque;

/// What is numbered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// A line of the wire, without its newline.
    Line(Vec<u8>),
    /// There are no more lines.
    End,
}

impl Item {
    const fn len(&self) -> usize {
        match self {
            Self::Line(bytes) => bytes.len(),
            Self::End => 0,
        }
    }
}

/// The sending side: numbers from 1, and keeps what is not acknowledged.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    unacknowledged: VecDeque<Item>,
    /// Number of the last item that was acknowledged.
    acknowledged: u64,
    /// Bytes that are kept.
    bytes: usize,
    /// There was an [`Item::End`].
    ended: bool,
}

impl Outbox {
    /// Takes an item and gives its number. `None` after the end.
    pub(crate) fn push(&mut self, item: Item) -> Option<u64> {
        if self.ended {
            return None;
        }
        self.ended = item == Item::End;
        self.bytes += item.len();
        self.unacknowledged.push_back(item);
        Some(self.last())
    }

    /// Number of the last item.
    pub(crate) fn last(&self) -> u64 {
        self.acknowledged + self.unacknowledged.len() as u64
    }

    pub(crate) const fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    pub(crate) fn get(&self, seq: u64) -> Option<&Item> {
        let index = seq.checked_sub(self.acknowledged + 1)?;
        self.unacknowledged.get(usize::try_from(index).ok()?)
    }

    /// The peer has everything up to `seq`. `false` when it was never sent so much.
    pub(crate) fn acknowledge(&mut self, seq: u64) -> bool {
        if seq > self.last() {
            return false;
        }
        while self.acknowledged < seq {
            let Some(item) = self.unacknowledged.pop_front() else { break };
            self.bytes -= item.len();
            self.acknowledged += 1;
        }
        true
    }

    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether the peer has all of it, the end included.
    pub(crate) fn is_complete(&self) -> bool {
        self.ended && self.unacknowledged.is_empty()
    }
}

/// What a numbered item is for its receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// The next one.
    Next,
    /// It is known.
    Repeated,
    /// One before it is missing, or it comes after the end.
    Misplaced,
}

/// The receiving side.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    received: u64,
    ended: bool,
}

impl Inbox {
    pub(crate) fn arrived(&mut self, seq: u64, is_end: bool) -> Arrival {
        if seq <= self.received {
            return Arrival::Repeated;
        }
        if seq != self.received + 1 || self.ended {
            return Arrival::Misplaced;
        }
        self.received = seq;
        self.ended = is_end;
        Arrival::Next
    }

    pub(crate) const fn received(&self) -> u64 {
        self.received
    }

    pub(crate) const fn has_ended(&self) -> bool {
        self.ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_acknowledged_is_dropped_and_the_rest_is_there_again() {
        let mut outbox = Outbox::default();
        for text in ["a", "bb", "ccc"] {
            outbox.push(Item::Line(text.into()));
        }
        assert_eq!((outbox.last(), outbox.bytes()), (3, 6));
        assert!(outbox.acknowledge(2) && outbox.acknowledge(1), "a late one changes nothing");
        assert_eq!(outbox.get(2), None);
        assert_eq!(outbox.get(3), Some(&Item::Line("ccc".into())));
        assert!(!outbox.acknowledge(4), "it was never sent");
        outbox.push(Item::End);
        assert_eq!(outbox.push(Item::Line("late".into())), None);
        assert!(!outbox.is_complete() && outbox.acknowledge(4) && outbox.is_complete());
        assert_eq!(outbox.bytes(), 0);
    }

    #[test]
    fn an_item_arrives_once() {
        let mut inbox = Inbox::default();
        assert_eq!(inbox.arrived(2, false), Arrival::Misplaced);
        assert_eq!(inbox.arrived(1, false), Arrival::Next);
        assert_eq!(inbox.arrived(1, false), Arrival::Repeated);
        assert_eq!(inbox.arrived(2, true), Arrival::Next);
        assert_eq!(inbox.arrived(3, false), Arrival::Misplaced, "after the end");
        assert!(inbox.has_ended());
    }
}
