//! What a worker did before the items that a view keeps, from its records once more.

use std::ops::ControlFlow;

use roboppi_ipc::WorkerEvent;

use super::activity::Activity;
use crate::AttemptRecord;

/// A stretch of what a worker did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stretch {
    /// What ends with the item of this number, as much of it as a view keeps.
    UpTo(u64),
    /// What comes behind the item of this number, or at the beginning: [`Stretch::ITEMS`] of it, fewer when they are long.
    Behind(Option<u64>),
}

impl Stretch {
    /// Items of a stretch that is read forwards.
    pub const ITEMS: usize = Activity::ITEMS / 2;

    const ITEM_BYTES: usize = Activity::ITEM_BYTES / 2;

    /// Whether it can be worked out of what comes behind `activity`.
    #[must_use]
    pub fn is_behind(self, activity: &Activity) -> bool {
        let item = match self {
            Self::UpTo(last) => Some(last),
            Self::Behind(before) => before,
        };
        activity.items.back().map(|item| item.seq) <= item
    }

    /// The item before the first one of the stretch, as far as that is known.
    const fn behind(self) -> Option<u64> {
        match self {
            Self::UpTo(_) => None,
            Self::Behind(item) => item,
        }
    }
}

/// Works a stretch out of all records of an attempt. Takes no more memory than a view, however many there are.
#[derive(Debug)]
pub struct HistoryPage {
    stretch: Stretch,
    activity: Activity,
    /// All items are there; only results of them are wanted.
    complete: bool,
}

impl HistoryPage {
    /// Begins with nothing.
    #[must_use]
    pub fn new(stretch: Stretch) -> Self {
        Self { stretch, activity: Activity::default(), complete: false }
    }

    /// Goes on behind what is in `activity`, which the stretch [is behind](Stretch::is_behind).
    #[must_use]
    pub const fn going_on(stretch: Stretch, activity: Activity) -> Self {
        Self { stretch, activity, complete: false }
    }

    /// All that happened before the record it takes next, as a view has it; `None` when it has given up more of that.
    #[must_use]
    pub fn so_far(&self) -> Option<&Activity> {
        (matches!(self.stretch, Stretch::UpTo(_)) && !self.complete).then_some(&self.activity)
    }

    /// Takes the next record in. `Break` when no later one matters.
    pub fn take(&mut self, record: &AttemptRecord) -> ControlFlow<()> {
        if self.complete {
            let running = |id: &str| {
                self.activity
                    .items
                    .iter()
                    .any(|item| item.is_running() && item.tool().is_some_and(|tool| tool.id == id))
            };
            if let WorkerEvent::ToolResult(result) = &record.event
                && running(&result.id)
            {
                self.activity.apply(record);
            }
        } else {
            let before = self.activity.items_total;
            self.activity.apply(record);
            if self.activity.items_total > before {
                self.added(record.seq);
            }
        }
        let waits = self.activity.items.iter().any(|item| item.is_running());
        if self.complete && !waits { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// An item was added. The one behind the stretch is taken away again: until it came, the last one could change.
    fn added(&mut self, item: u64) {
        self.complete = match self.stretch {
            Stretch::UpTo(last) => item > last,
            Stretch::Behind(before) => {
                let wanted = |item: u64| before.is_none_or(|before| item > before);
                // What comes may belong to items that run, and to the latest.
                self.activity.give_up_where(|one| !(wanted(one.seq) || one.is_running() || one.seq == item));
                let found = self.activity.items.iter().filter(|item| wanted(item.seq)).count();
                found > 1 && (found > Stretch::ITEMS || self.activity.weight > Stretch::ITEM_BYTES)
            }
        };
        if self.complete {
            self.activity.take_back_last();
        }
    }

    /// The stretch as the items of an activity. Its [`items_total`](Activity::items_total) is the place of the last one
    /// among all there were, from 1.
    #[must_use]
    pub fn finish(mut self) -> Activity {
        // Older ones that were kept because they ran stand alone.
        let before = self.stretch.behind().max(self.activity.last_given_up);
        self.activity.give_up_where(|item| before.is_some_and(|before| item.seq <= before));
        self.activity
    }
}
