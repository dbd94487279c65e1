//! Events of a run from its record, from a cursor on.
//!
//! The journal and the events of attempts are merged by their times. Events of an attempt come between its beginning and its end,
//! whatever the clocks say.

use std::collections::VecDeque;
use std::sync::Arc;

use roboppi_record::{Events, Journal, RecordError, RecordStore};
use roboppi_run::{AttemptRecord, AttemptRef, JournalRecord, RunEvent, RunRecord, RunView};

use super::cursor::{Cursor, Effect, Place};
use super::ring::Sent;
use super::written::{event, is_event};
use crate::api::run::RunFacts;

/// Records that are looked at for one request.
const RECORDS: usize = 200_000;

/// Which events are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    /// Of these kinds; of any when there is none.
    pub(crate) kinds: Vec<String>,
    /// Activity that calls one of these tools; all when there is none.
    pub(crate) tools: Vec<String>,
}

impl Filter {
    pub(crate) fn takes(&self, event: &Sent) -> bool {
        let of_kind = self.kinds.is_empty() || self.kinds.iter().any(|kind| kind == event.kind);
        let of_tool = || event.tool.as_ref().is_some_and(|tool| self.tools.contains(tool));
        of_kind && (self.tools.is_empty() || of_tool())
    }
}

/// Events that were read, each with the cursor behind it.
#[derive(Debug, Default)]
pub(crate) struct Stretch {
    pub(crate) events: Vec<(Arc<Sent>, Arc<str>)>,
    /// Behind everything that was looked at.
    pub(crate) cursor: Cursor,
    /// There may be more behind it.
    pub(crate) more: bool,
}

/// Reads the events of a run in order.
#[derive(Debug)]
pub(crate) struct RecordEvents {
    store: Arc<dyn RecordStore>,
    facts: RunFacts,
    journal: Box<dyn Journal>,
    head: Option<JournalRecord>,
    open: Vec<Open>,
    begun: u32,
    view: RunView,
    /// What is known already.
    from: Cursor,
    /// Behind what was read.
    cursor: Cursor,
}

/// The events of an attempt under way.
#[derive(Debug)]
struct Open {
    number: u32,
    of: AttemptRef,
    events: Option<Box<dyn Events>>,
    head: Option<AttemptRecord>,
}

impl Open {
    fn peek(&mut self) -> Option<&AttemptRecord> {
        while self.head.is_none() {
            match self.events.as_mut()?.next()? {
                Ok(record) => self.head = Some(record),
                Err(RecordError::BadJson { .. }) => {}
                Err(_) => return None,
            }
        }
        self.head.as_ref()
    }
}

impl RecordEvents {
    /// Reads what is behind a cursor.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub(crate) fn open(
        store: Arc<dyn RecordStore>,
        facts: RunFacts,
        from: Cursor,
    ) -> Result<Self, RecordError> {
        let journal = store.journal()?;
        let cursor = from.clone();
        Ok(Self {
            store,
            facts,
            journal,
            head: None,
            open: Vec::new(),
            begun: 0,
            view: RunView::default(),
            from,
            cursor,
        })
    }

    /// The next events that are wanted, at most `most`, and none behind `to`.
    pub(crate) fn read(&mut self, filter: &Filter, most: usize, to: Option<&Cursor>) -> Stretch {
        let mut stretch = Stretch::default();
        let mut looked = 0;
        loop {
            if to.is_some_and(|to| self.cursor.covers_all(to)) {
                break;
            }
            if stretch.events.len() >= most || looked >= RECORDS {
                stretch.more = true;
                break;
            }
            let Some((place, record)) = self.next_record() else { break };
            looked += 1;
            self.view.apply(&record);
            if self.from.covers(place) {
                continue;
            }
            self.cursor.advance(place);
            if to.is_some_and(|to| !to.covers(place)) || !is_event(&record) {
                continue;
            }
            let event = event(&self.facts, &self.view, &record, place);
            if filter.takes(&event) {
                stretch.events.push((Arc::new(event), self.cursor.to_string().into()));
            }
        }
        stretch.cursor = self.cursor.clone();
        stretch
    }

    /// How many events there are up to a cursor.
    pub(crate) fn count(&mut self, filter: &Filter, to: &Cursor) -> u64 {
        let mut count = 0;
        while !self.cursor.covers_all(to) {
            let Some((place, record)) = self.next_record() else { break };
            self.view.apply(&record);
            if self.from.covers(place) {
                continue;
            }
            self.cursor.advance(place);
            if !to.covers(place) || !is_event(&record) {
                continue;
            }
            let taken =
                *filter == Filter::default() || filter.takes(&event(&self.facts, &self.view, &record, place));
            count += u64::from(taken);
        }
        count
    }

    /// The cursor before the last `last` events, or before the first event since a time in UTC milliseconds.
    pub(crate) fn cursor_before(
        &mut self,
        filter: &Filter,
        last: Option<usize>,
        since: Option<u64>,
    ) -> Cursor {
        let mut before: VecDeque<Cursor> = VecDeque::new();
        let keep = last.unwrap_or(0);
        while let Some((place, record)) = self.next_record() {
            self.view.apply(&record);
            let time = match &record {
                RunRecord::Journal(record) => record.ts,
                RunRecord::Attempt(_, record) => record.ts,
            };
            if since.is_some_and(|since| time.0 >= since) {
                return self.cursor.clone();
            }
            let previous = self.cursor.clone();
            self.cursor.advance(place);
            if keep > 0 && is_event(&record) {
                let taken = *filter == Filter::default()
                    || filter.takes(&event(&self.facts, &self.view, &record, place));
                if taken {
                    before.push_back(previous);
                    if before.len() > keep {
                        before.pop_front();
                    }
                }
            }
        }
        before.pop_front().unwrap_or_else(|| if keep > 0 { Cursor::default() } else { self.cursor.clone() })
    }

    fn peek_journal(&mut self) {
        while self.head.is_none() {
            match self.journal.next() {
                Some(Ok(record)) => self.head = Some(record),
                Some(Err(RecordError::BadJson { .. })) => {}
                Some(Err(_)) | None => return,
            }
        }
    }

    fn next_record(&mut self) -> Option<(Place, RunRecord)> {
        self.peek_journal();
        let ended = match self.head.as_ref().map(|record| &record.event) {
            Some(RunEvent::AttemptFinished { of, .. }) => self.open.iter().position(|open| open.of == *of),
            _ => None,
        };
        // What an attempt did comes before its end.
        if let Some(index) = ended
            && self.open[index].peek().is_some()
        {
            return self.take(index);
        }
        let times = self.open.iter_mut().enumerate();
        let first = times.filter_map(|(index, open)| Some((open.peek()?.ts, index))).min();
        match (first, &self.head) {
            (Some((time, index)), Some(record)) if time < record.ts => self.take(index),
            (Some((_, index)), None) => self.take(index),
            (_, Some(_)) => self.take_journal(),
            (None, None) => None,
        }
    }

    fn take(&mut self, index: usize) -> Option<(Place, RunRecord)> {
        let open = self.open.get_mut(index)?;
        let record = open.head.take()?;
        let place = Place::Attempt { attempt: open.number, seq: record.seq };
        Some((place, RunRecord::Attempt(open.of.clone(), record)))
    }

    fn take_journal(&mut self) -> Option<(Place, RunRecord)> {
        let record = self.head.take()?;
        let effect = match &record.event {
            RunEvent::AttemptStarted { of, .. } => {
                self.begun += 1;
                let number = self.begun;
                let wanted = self.from.may_follow(number);
                let events = if wanted { self.store.events(of).ok() } else { None };
                self.open.push(Open { number, of: of.clone(), events, head: None });
                Effect::Opens
            }
            RunEvent::AttemptFinished { of, .. } => match self.open.iter().position(|open| open.of == *of) {
                Some(index) => Effect::Closes(self.open.swap_remove(index).number),
                None => Effect::None,
            },
            _ => Effect::None,
        };
        Some((Place::Journal { seq: record.seq, effect }, RunRecord::Journal(record)))
    }
}
