//! One run, followed by one thread for all of its clients.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use std::{io, thread};

use roboppi_attach::{Found as Opened, Liveness, LocalRun, RunFollower};
use roboppi_record::RecordStore;
use roboppi_run::{AttemptRef, RunEvent, RunRecord, RunView};
use tokio::sync::watch;

use super::cursor::{Cursor, Effect, Place};
use super::ring::{Follower, Found, Ring, RingBounds};
use super::written::{event, is_event};
use super::{Filter, RecordEvents, Waiting};
use crate::api::run::{Run, RunFacts};
use crate::clock::time;

/// How long the thread waits at most before it looks whether the run is still wanted.
const LOOK: Duration = Duration::from_secs(1);

/// A run that is followed.
#[derive(Debug)]
pub(crate) struct Hub {
    run: LocalRun,
    facts: RunFacts,
    state: Mutex<State>,
    /// Counts changes of the events and of the liveness.
    news: watch::Sender<u64>,
    /// Counts changes of logs too.
    log_news: watch::Sender<u64>,
    /// Lines and bytes of the logs of attempts that have ended.
    settled: Mutex<HashMap<AttemptRef, (u64, u64)>>,
}

#[derive(Debug)]
struct State {
    view: RunView,
    liveness: Liveness,
    ring: Ring,
    /// Attempts under way by their places in the run.
    attempts: HashMap<AttemptRef, u32>,
    begun: u32,
    /// The record was read to its end once.
    ready: bool,
}

impl State {
    /// Where a record stands; and counts attempts.
    fn place(&mut self, record: &RunRecord) -> Option<Place> {
        match record {
            RunRecord::Journal(record) => {
                let effect = match &record.event {
                    RunEvent::AttemptStarted { of, .. } => {
                        self.begun += 1;
                        self.attempts.insert(of.clone(), self.begun);
                        Effect::Opens
                    }
                    RunEvent::AttemptFinished { of, .. } => {
                        self.attempts.remove(of).map_or(Effect::None, Effect::Closes)
                    }
                    _ => Effect::None,
                };
                Some(Place::Journal { seq: record.seq, effect })
            }
            RunRecord::Attempt(of, record) => {
                let attempt = *self.attempts.get(of)?;
                Some(Place::Attempt { attempt, seq: record.seq })
            }
        }
    }
}

impl Hub {
    /// Follows a run on a thread of its own.
    ///
    /// # Errors
    /// When the thread cannot start.
    pub(crate) fn open(run: LocalRun) -> io::Result<Arc<Self>> {
        let facts = RunFacts::of(&run);
        let state = State {
            view: RunView::default(),
            liveness: Liveness::Live,
            ring: Ring::new(RingBounds::default(), Cursor::default()),
            attempts: HashMap::new(),
            begun: 0,
            ready: false,
        };
        let hub = Arc::new(Self {
            run,
            facts,
            state: Mutex::new(state),
            news: watch::Sender::new(0),
            log_news: watch::Sender::new(0),
            settled: Mutex::default(),
        });
        let (follower, weak) = (RunFollower::new(&hub.run), Arc::downgrade(&hub));
        thread::Builder::new().name("run".to_owned()).spawn(move || follow(follower, &weak))?;
        Ok(hub)
    }

    /// Waits until the record was read once.
    pub(crate) async fn ready(&self) {
        let mut news = self.news.subscribe();
        while !self.lock().ready {
            if news.changed().await.is_err() {
                return;
            }
        }
    }

    pub(crate) fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    pub(crate) fn log_news(&self) -> watch::Receiver<u64> {
        self.log_news.subscribe()
    }

    pub(crate) const fn run(&self) -> &LocalRun {
        &self.run
    }

    pub(crate) const fn facts(&self) -> &RunFacts {
        &self.facts
    }

    pub(crate) fn record(&self) -> Arc<dyn RecordStore> {
        self.run.record()
    }

    /// Lines and bytes of the log of an attempt that has ended, if they were counted.
    pub(crate) fn settled(&self, of: &AttemptRef) -> Option<(u64, u64)> {
        self.settled.lock().unwrap_or_else(PoisonError::into_inner).get(of).copied()
    }

    /// Notes lines and bytes of the log of an attempt that has ended.
    pub(crate) fn settle(&self, of: AttemptRef, size: (u64, u64)) {
        self.settled.lock().unwrap_or_else(PoisonError::into_inner).insert(of, size);
    }

    /// The view, how the run is, and the cursor of both.
    pub(crate) fn look<T>(&self, read: impl FnOnce(&RunView, Liveness, &Cursor) -> T) -> T {
        let state = self.lock();
        read(&state.view, state.liveness, state.ring.head())
    }

    /// Whether nothing more will come.
    pub(crate) fn is_over(&self) -> bool {
        !self.lock().liveness.may_live()
    }

    /// The state of the run, and a follower from there on.
    pub(crate) fn snapshot(&self) -> (Run, Follower) {
        let state = self.lock();
        let cursor = state.ring.head().to_string();
        (Run::of(&self.facts, &state.view, state.liveness, time(), cursor), state.ring.at_head())
    }

    /// A follower behind a cursor; `None` when only the record has what is behind it.
    pub(crate) fn follow(&self, after: &Cursor) -> Option<Follower> {
        self.lock().ring.follow(after)
    }

    /// A follower before the latest events.
    pub(crate) fn before_latest(&self, count: usize) -> Option<Follower> {
        self.lock().ring.before_latest(count)
    }

    pub(crate) fn next(&self, follower: &mut Follower) -> Found {
        self.lock().ring.next(follower)
    }

    pub(crate) fn waiting(&self, follower: &Follower) -> Waiting {
        self.lock().ring.waiting(follower)
    }

    /// Reads events behind a cursor from the record.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub(crate) fn recorded_after(&self, after: Cursor) -> Result<RecordEvents, roboppi_record::RecordError> {
        RecordEvents::open(self.record(), self.facts.clone(), after)
    }

    /// The cursor before the last events that are wanted, or since a time. Reads the record.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub(crate) fn cursor_before(
        &self,
        filter: &Filter,
        last: Option<usize>,
        since: Option<u64>,
    ) -> Result<Cursor, roboppi_record::RecordError> {
        Ok(self.recorded_after(Cursor::default())?.cursor_before(filter, last, since))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // One that panicked while it looked has changed nothing.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what was there when the run was opened: it is in the view, and no event of the ring.
    fn opened(&self, follower: &mut RunFollower) -> bool {
        let mut begin = Cursor::default();
        // Nobody else sees the view before it is ready, so it is folded without the lock.
        let mut state = {
            let lock = &mut *self.lock();
            let view = std::mem::take(&mut lock.view);
            State {
                view,
                ring: Ring::new(RingBounds::default(), Cursor::default()),
                attempts: HashMap::new(),
                ..*lock
            }
        };
        state.liveness = follower.catch_up(|found| match found {
            Opened::Record(record) => {
                if let Some(place) = state.place(&record) {
                    if is_event(&record) {
                        begin.advance(place);
                    }
                    state.view.apply(&record);
                }
            }
            Opened::Activity(of, activity) => {
                if let (Some(attempt), Some(seq)) = (state.attempts.get(&of), activity.last_seq) {
                    begin.advance(Place::Attempt { attempt: *attempt, seq });
                }
                state.view.restore_activity(&of, *activity);
            }
        });
        state.ring = Ring::new(RingBounds::default(), begin);
        state.ready = true;
        let live = state.liveness.may_live();
        if live {
            // Nothing but this thread reads a run for the first time.
            let _ = self.facts.earlier.set(self.run.history());
        }
        *self.lock() = state;
        self.news.send_modify(|count| *count += 1);
        live
    }

    /// Takes what is new. Returns whether more may come.
    fn advance(&self, follower: &mut RunFollower) -> bool {
        let mut records = Vec::new();
        let liveness = follower.read(|record| records.push(record));
        let mut state = self.lock();
        let mut changed = state.liveness != liveness;
        let grown = changed || !records.is_empty();
        for record in records {
            let Some(place) = state.place(&record) else { continue };
            state.view.apply(&record);
            if is_event(&record) {
                let event = event(&self.facts, &state.view, &record, place);
                state.ring.push(event);
                changed = true;
            }
        }
        state.liveness = liveness;
        drop(state);
        if changed {
            self.news.send_modify(|count| *count += 1);
        }
        if grown {
            self.log_news.send_modify(|count| *count += 1);
        }
        liveness.may_live()
    }
}

fn follow(mut follower: RunFollower, hub: &Weak<Hub>) {
    let Some(opened) = hub.upgrade() else { return };
    let mut goes_on = opened.opened(&mut follower);
    drop(opened);
    while goes_on {
        follower.wait(LOOK);
        let Some(hub) = hub.upgrade() else { return };
        goes_on = hub.advance(&mut follower);
    }
}
