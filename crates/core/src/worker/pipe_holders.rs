//! Who holds the pipes of a worker that has ended.
//!
//! At the end of the drain time the group of the worker is killed, and with it those of its children that stayed
//! in it. They are to be told, too, so they are looked at shortly before.

use std::time::Duration;

use roboppi_ipc::{Leaked, Mono};

use crate::Orphans;

/// How long before the end of the drain time the last look is taken.
const BEFORE_THE_END: Duration = Duration::from_millis(5);

/// The living orphans of a session, as they were when last looked at.
#[derive(Debug, Default)]
pub(super) struct Holders {
    /// Pid of the worker.
    session: u32,
    due: Option<Mono>,
    seen: Vec<Leaked>,
}

impl Holders {
    /// The worker has ended and its pipes are open.
    pub(super) fn draining(&mut self, session: u32, end: Mono, now: Mono, orphans: &Orphans) {
        self.session = session;
        self.look(orphans);
        self.due = Some(now + end.since(now).saturating_sub(BEFORE_THE_END));
    }

    /// When to look again.
    pub(super) const fn due(&self) -> Option<Mono> {
        self.due
    }

    /// Looks, if the worker is being drained.
    pub(super) fn look(&mut self, orphans: &Orphans) {
        self.due = None;
        if self.session != 0 {
            self.seen = orphans.in_session(self.session);
        }
    }

    /// Those that were there at last.
    pub(super) fn take(&mut self) -> Vec<Leaked> {
        std::mem::take(&mut self.seen)
    }
}
