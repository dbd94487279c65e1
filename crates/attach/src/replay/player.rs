//! Reads what is to be told, and tells it.

use std::collections::HashMap;
use std::sync::Arc;

use roboppi_record::{Events, Journal, RecordError, RecordStore};
use roboppi_run::{AttemptRecord, RunRecord, RunView};

use super::PlayerState;
use super::pacer::PlayEffect;
use super::timeline::{Timeline, What, skips};
use crate::file::ending_of_a_lost_run;
use crate::follower::log_growth;

/// Records between two looks whether anybody still watches.
const CHECK_EVERY: usize = 512;

/// Plays a timeline. Holds one open file for the journal and one for each attempt it is in the middle of.
#[derive(Debug)]
pub(super) struct Player {
    run: Arc<dyn RecordStore>,
    timeline: Timeline,
    /// The next entry.
    cursor: usize,
    journal: Option<Box<dyn Journal>>,
    events: HashMap<u32, Box<dyn Events>>,
    logs: HashMap<u32, u64>,
    /// What the end of a run was that does not say it.
    ended: bool,
}

impl Player {
    pub(super) fn new(run: Arc<dyn RecordStore>, timeline: Timeline) -> Self {
        let mut player = Self {
            run,
            timeline,
            cursor: 0,
            journal: None,
            events: HashMap::new(),
            logs: HashMap::new(),
            ended: false,
        };
        player.rewind();
        player
    }

    /// When the next thing is to be told.
    pub(super) fn next_at(&self) -> Option<u64> {
        match self.timeline.entries.get(self.cursor) {
            Some(entry) => Some(entry.at),
            None => (!self.ended).then(|| self.timeline.end()),
        }
    }

    /// Whether everything was told.
    pub(super) const fn is_at_end(&self) -> bool {
        self.ended
    }

    pub(super) fn perform(&mut self, shared: &PlayerState, effect: PlayEffect) {
        match effect {
            PlayEffect::PlayTo(at) => self.play_to(shared, at),
            PlayEffect::JumpTo(at) => self.jump_to(shared, at),
        }
    }

    fn play_to(&mut self, shared: &PlayerState, at: u64) {
        let mut played = 0;
        while let Some(record) = self.next(at) {
            if let RunRecord::Attempt(of, AttemptRecord { at, .. }) = &record {
                shared.log_end(of).fetch_max(*at, std::sync::atomic::Ordering::Relaxed);
            }
            shared.feed.publish(record);
            played += 1;
            if played % CHECK_EVERY == 0 && shared.is_abandoned() {
                return;
            }
        }
        if self.is_due_to_end(at) {
            for record in shared.feed.with_view(ending_of_a_lost_run) {
                shared.feed.publish(record);
            }
            self.ended = true;
        }
    }

    /// Works the view of another moment out without telling what lies between.
    fn jump_to(&mut self, shared: &PlayerState, at: u64) {
        let back = self.cursor > 0 && self.timeline.entries[self.cursor - 1].at > at;
        let mut view =
            if back || self.ended { RunView::default() } else { shared.feed.with_view(RunView::clone) };
        if back || self.ended {
            self.rewind();
        }
        let mut folded = 0;
        while let Some(record) = self.next(at) {
            view.apply(&record);
            folded += 1;
            if folded % CHECK_EVERY == 0 && shared.is_abandoned() {
                return;
            }
        }
        if self.is_due_to_end(at) {
            for record in ending_of_a_lost_run(&view) {
                view.apply(&record);
            }
            self.ended = true;
        }
        shared.show_logs_of(&view);
        shared.feed.restart(view);
    }

    fn is_due_to_end(&self, at: u64) -> bool {
        !self.ended && self.cursor == self.timeline.entries.len() && at >= self.timeline.end()
    }

    fn rewind(&mut self) {
        self.cursor = 0;
        self.ended = false;
        self.events.clear();
        self.logs.clear();
        // What cannot be opened was complained about when the timeline was made.
        self.journal = self.run.journal().ok();
    }

    /// The next record, when it was no later than `at`.
    fn next(&mut self, at: u64) -> Option<RunRecord> {
        loop {
            let entry = *self.timeline.entries.get(self.cursor).filter(|entry| entry.at <= at)?;
            self.cursor += 1;
            let record = match entry.what {
                What::Journal => next_of(self.journal.as_mut()).map(RunRecord::Journal),
                What::Event(number) => self.next_event(number),
                What::Log(number, len) => Some(self.growth(number, len)),
            };
            // A file that has become shorter has nothing more to tell.
            if record.is_some() {
                return record;
            }
        }
    }

    fn next_event(&mut self, number: u32) -> Option<RunRecord> {
        let of = self.timeline.attempts.get(number as usize)?.clone();
        if !self.events.contains_key(&number) {
            self.events.insert(number, self.run.events(&of).ok()?);
        }
        let record = next_of(self.events.get_mut(&number))?;
        Some(RunRecord::Attempt(of, record))
    }

    fn growth(&mut self, number: u32, len: u64) -> RunRecord {
        let before = self.logs.insert(number, len).unwrap_or(0);
        log_growth(self.timeline.attempts[number as usize].clone(), before, len)
    }
}

fn next_of<T>(reader: Option<&mut impl Iterator<Item = Result<T, RecordError>>>) -> Option<T> {
    for record in reader? {
        match record {
            Ok(record) => return Some(record),
            Err(error) if skips(&error) => {}
            Err(_) => return None,
        }
    }
    None
}
