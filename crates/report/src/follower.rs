//! Follows a run without losing a word of its journal, nor an event of an attempt that is recorded.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use roboppi_attach::{Following, Next, Records, RunSource};
use roboppi_record::{Journal, RecordError};
use roboppi_run::{AttemptRecord, AttemptRef, JournalRecord, RunEvent, RunRecord, RunView};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::recorded::{EmittedUpTo, Filling, Known};

/// The records of a run, from the very first.
///
/// What happened before it came, and what it missed while its writer was slow, it reads from the journal and the event
/// files in the run directory. Of attempts only output and partial text is live alone; [`Item::CaughtUp`] says where that
/// may have a hole. It must not live on a thread that runs an async runtime.
pub(super) struct Follower {
    source: Arc<dyn RunSource>,
    runtime: Runtime,
    state: State,
    /// Number of the last journal record that was handed out.
    seq: u64,
    journal: Option<Box<dyn Journal>>,
    /// A record of the journal that was read and is behind the ones that were wanted.
    read_ahead: Option<JournalRecord>,
    /// What was handed out of the attempts under way.
    attempts: HashMap<AttemptRef, EmittedUpTo>,
    /// What is being read of the event file of an attempt.
    filling: Option<Filling>,
    /// Attempts under way whose event files are still to be read, before all is caught up.
    behind: Option<VecDeque<AttemptRef>>,
    /// What was taken in and not handed out yet. It comes behind what is being read.
    waiting: Option<Item>,
    stop: Stop,
}

/// Whether somebody still wants what is read.
#[derive(Debug, Default)]
pub(super) struct Stop(Option<oneshot::Receiver<()>>);

impl Stop {
    /// Stops when the sender is dropped.
    pub(super) const fn on(dropped: oneshot::Receiver<()>) -> Self {
        Self(Some(dropped))
    }

    fn is_requested(&mut self) -> bool {
        self.0.as_mut().is_some_and(|stop| stop.try_recv() != Err(oneshot::error::TryRecvError::Empty))
    }

    /// Waits until it is told.
    async fn requested(&mut self) {
        match &mut self.0 {
            // EmittedUpTo either way.
            Some(stop) => drop(stop.await),
            None => std::future::pending().await,
        }
    }
}

enum State {
    /// Reading the journal up to the position of the view.
    CatchingUp(Box<Following>),
    Live(Records),
    Ended,
}

/// What a follower gets.
#[derive(Debug)]
pub(super) enum Item {
    /// A line of the journal. Its `seq` is one more than that of the line before, unless the journal could
    /// not be read.
    Journal(JournalRecord),
    /// A live event of an attempt.
    Attempt(AttemptRef, AttemptRecord),
    /// An event of an attempt that was not seen live, from its event file; or a gap, when that does not have it.
    Recorded(AttemptRef, AttemptRecord),
    /// Everything recorded was read up to where live records begin. Output and partial text before this point may have been
    /// missed.
    CaughtUp(Box<RunView>),
    /// Nothing more will come.
    Ended,
    /// Nobody wants more.
    Stopped,
}

impl Follower {
    /// # Errors
    /// When the system gives no event queue to wait with.
    pub(super) fn new(source: Arc<dyn RunSource>) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_time().build()?;
        let state = State::CatchingUp(Box::new(source.follow()));
        Ok(Self {
            source,
            runtime,
            state,
            seq: 0,
            journal: None,
            read_ahead: None,
            attempts: HashMap::new(),
            filling: None,
            behind: None,
            waiting: None,
            stop: Stop::default(),
        })
    }

    /// One that begins with what is known now and leaves out how it came to that.
    ///
    /// # Errors
    /// When the system gives no event queue to wait with.
    pub(super) fn from_now(source: Arc<dyn RunSource>, stop: Stop) -> io::Result<Self> {
        let mut follower = Self::new(source)?;
        if let State::CatchingUp(following) = &follower.state {
            follower.seq = following.view.position.journal_seq;
            for attempt in following.view.steps.iter().flat_map(|step| &step.attempts) {
                follower.attempts.insert(attempt.of.clone(), EmittedUpTo::all_of(&attempt.activity));
            }
        }
        follower.stop = stop;
        Ok(follower)
    }

    /// Whether nobody wants more.
    pub(super) fn is_stopped(&mut self) -> bool {
        self.stop.is_requested()
    }

    /// What is there already; `None` when one would have to wait.
    pub(super) fn try_next(&mut self) -> Option<Item> {
        if self.is_stopped() {
            return Some(Item::Stopped);
        }
        loop {
            if let Some(filling) = &mut self.filling {
                let emitted = self.attempts.entry(filling.of().clone()).or_default();
                match filling.next(emitted) {
                    Some(record) => return Some(Item::Recorded(filling.of().clone(), record)),
                    None => self.filling = None,
                }
            }
            if let Some(item) = self.waiting.take() {
                if let Item::Journal(JournalRecord { event: RunEvent::AttemptFinished { of, .. }, .. }) =
                    &item
                {
                    self.attempts.remove(of);
                }
                return Some(item);
            }
            match &mut self.state {
                State::CatchingUp(_) => self.read_on(),
                State::Live(records) => {
                    let next = records.try_next()?;
                    self.take(next);
                }
                State::Ended => return Some(Item::Ended),
            }
        }
    }

    /// The next item; `None` when nothing came for `patience`.
    pub(super) fn wait(&mut self, patience: Option<Duration>) -> Option<Item> {
        loop {
            if let Some(item) = self.try_next() {
                return Some(item);
            }
            let State::Live(records) = &mut self.state else { continue };
            let stop = &mut self.stop;
            let next = self.runtime.block_on(async {
                let next = async {
                    tokio::select! {
                        next = records.next() => Some(next),
                        () = stop.requested() => None,
                    }
                };
                match patience {
                    Some(patience) => timeout(patience, next).await.ok(),
                    None => Some(next.await),
                }
            })?;
            match next {
                Some(next) => self.take(next),
                None => return Some(Item::Stopped),
            }
        }
    }

    fn take(&mut self, next: Next) {
        match next {
            // The last follower to come has it without a copy.
            Next::Record(record) => match Arc::unwrap_or_clone(record) {
                RunRecord::Journal(record) if record.seq <= self.seq => {}
                RunRecord::Journal(record) => {
                    self.seq = record.seq;
                    self.waiting = Some(Item::Journal(record));
                }
                RunRecord::Attempt(of, record) => {
                    match self.attempts.get_mut(&of) {
                        Some(emitted) => emitted.take(&record),
                        None => self.attempts.entry(of.clone()).or_default().take(&record),
                    }
                    self.waiting = Some(Item::Attempt(of, record));
                }
            },
            Next::Lagged => self.state = State::CatchingUp(Box::new(self.source.follow())),
            Next::Ended => self.state = State::Ended,
        }
    }

    /// One record of the journal, or the end of catching up.
    fn read_on(&mut self) {
        let State::CatchingUp(following) = &self.state else { return };
        let until = following.view.position.journal_seq;
        if self.seq < until
            && let Some(record) = self.read_journal(until)
        {
            self.seq = record.seq;
            if let RunEvent::AttemptFinished { of, .. } = &record.event {
                self.fill(of.clone());
            }
            self.waiting = Some(Item::Journal(record));
            return;
        }
        self.seq = self.seq.max(until);
        let State::CatchingUp(following) = &self.state else { return };
        let attempts = &self.attempts;
        let behind = self.behind.get_or_insert_with(|| {
            let all = following.view.steps.iter().flat_map(|step| &step.attempts);
            // Those that are over were read with the record of their end, unless that cannot be had.
            let left = all.filter(|one| one.finished_at.is_none() || attempts.contains_key(&one.of));
            left.map(|attempt| attempt.of.clone()).collect()
        });
        if let Some(of) = behind.pop_front() {
            return self.fill(of);
        }
        self.behind = None;
        if let State::CatchingUp(following) = std::mem::replace(&mut self.state, State::Ended) {
            let Following { view, records } = *following;
            self.state = State::Live(records);
            self.waiting = Some(Item::CaughtUp(Box::new(view)));
        }
    }

    /// Reads what the view knows of an attempt and was not handed out.
    fn fill(&mut self, of: AttemptRef) {
        let State::CatchingUp(following) = &self.state else { return };
        let Some(attempt) = following.view.attempt(&of) else { return };
        let known = Known::of(&attempt.activity);
        let emitted = self.attempts.entry(of.clone()).or_default();
        if emitted.lacks(known) {
            self.filling = Some(Filling::begin(self.source.record(), of, emitted, known));
        }
    }

    /// The next unread record up to `until`. `None` when the journal does not have it: the run goes on
    /// when its journal cannot be written any more, and so do those who look at it.
    fn read_journal(&mut self, until: u64) -> Option<JournalRecord> {
        if self.journal.is_none() {
            self.journal = self.source.record().journal().ok();
        }
        let journal = self.journal.as_mut()?;
        loop {
            match self.read_ahead.take().map_or_else(|| journal.next(), |record| Some(Ok(record)))? {
                Ok(record) if record.seq <= self.seq => {}
                Ok(record) if record.seq > until => {
                    self.read_ahead = Some(record);
                    return None;
                }
                Ok(record) => return Some(record),
                Err(RecordError::BadJson { .. }) => {}
                Err(_) => return None,
            }
        }
    }
}
