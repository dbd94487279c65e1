//! Writes snapshots of what a worker did while its event file grows.

use std::fs;
use std::path::Path;

use crate::base::Base;
use crate::event_snapshot::{State, Sum, paths, write};
use crate::hole::{Hole, HoleReader};
use crate::{EventReader, RecordError, RunDir, files};

/// Writes a snapshot now and then. It reads the event file like anyone else, so its writer never waits, and the activity it
/// keeps is the one every reader would see. A short file costs it one look at its length.
#[derive(Debug)]
pub struct EventSnapshotWriter {
    run: RunDir,
    name: String,
    base: Base,
    interval: u64,
    /// Length of the event file from which on a snapshot is due.
    due: u64,
    fold: Option<Fold>,
    /// What is before the part that was given up, once there is one.
    head: Option<(State, Sum)>,
    /// What may turn out to be before it, until then.
    passed: Vec<(State, Sum)>,
    /// A line is no event. Every reader is to meet it, so there is no snapshot.
    is_damaged: bool,
}

#[derive(Debug)]
struct Fold {
    state: State,
    sum: Sum,
    reader: EventReader,
    /// What had been given up when it began.
    hole: Option<Hole>,
}

impl EventSnapshotWriter {
    /// Bytes of the event file between two snapshots, unless changed: 8 MiB.
    pub const INTERVAL: u64 = 8 * 1024 * 1024;

    /// For the attempt with the files `base`. Nothing is written yet.
    ///
    /// # Errors
    /// [`RecordError::BadBase`] when `base` is not of the form `steps/<step>/<name>`.
    pub fn new(run: RunDir, base: &str) -> Result<Self, RecordError> {
        Ok(Self {
            base: Base::parse(run.path(), base)?,
            run,
            name: base.to_owned(),
            interval: Self::INTERVAL,
            due: Self::INTERVAL,
            fold: None,
            head: None,
            passed: Vec::new(),
            is_damaged: false,
        })
    }

    /// Changes how many bytes of the event file are between two snapshots.
    #[must_use]
    pub const fn every(mut self, bytes: u64) -> Self {
        self.interval = bytes;
        self.due = bytes;
        self
    }

    /// Writes a snapshot if one is due, and says whether it has. Reads what the event file got since the last one, and
    /// more when a part of it was given up meanwhile, so it is not for the hot path.
    ///
    /// # Errors
    /// When the event file cannot be read or the snapshot cannot be written. The run is not the worse for it.
    pub fn check(&mut self) -> Result<bool, RecordError> {
        let path = self.base.events();
        let len = fs::symlink_metadata(&path).map_or(0, |found| found.len());
        if self.is_damaged || (len < self.due && self.fold.is_none()) {
            return Ok(false);
        }
        let hole = self.hole()?;
        // What was given up meanwhile has made the last one void.
        if len < self.due && self.fold.as_ref().is_some_and(|fold| fold.hole == hole) {
            return Ok(false);
        }
        // Also after an error: it is not tried again at every turn.
        self.due = len + self.interval;
        let mut fold = match self.fold.take().and_then(|fold| fold.under(hole)) {
            Some(fold) => fold,
            None => self.begin(hole)?,
        };
        let Some(events) = files::open_read(&path)? else { return Ok(false) };
        if !self.advance(&mut fold, &events)? {
            return Ok(false);
        }
        if fold.reader.has_pending_gap() {
            // The event that reports what is missing is not written yet, and a place alone cannot say it.
            self.due = len;
            self.fold = Some(fold);
            return Ok(false);
        }
        let position = fold.state.position.offset();
        if fold.sum.extend(&events, position, hole).is_none() || self.hole()? != hole {
            // It was given up while it was read. What is there now is for the next turn.
            self.due = len;
            return Ok(false);
        }
        let [newest, _] = paths(&self.base);
        let size = write(&newest, &fold.state, hole, &fold.sum)?;
        // One so large that writing it is the greater part of the work is written less often.
        self.due = position + self.interval.max(size.saturating_mul(4));
        if hole.is_none() {
            self.pass(&fold);
        }
        self.fold = Some(fold);
        Ok(size > 0)
    }

    fn hole(&self) -> Result<Option<Hole>, RecordError> {
        let mut hole = HoleReader::new(self.base.events_hole());
        hole.reload()?;
        Ok(hole.hole())
    }

    /// Begins anew, or behind what is before the part that was given up.
    fn begin(&self, hole: Option<Hole>) -> Result<Fold, RecordError> {
        let mut reader = self.run.events(&self.name)?;
        let is_before =
            |(state, _): &&(State, Sum)| hole.is_some_and(|hole| state.position.offset() <= hole.from);
        let passed = self.passed.iter().rev().find(is_before);
        let (state, sum) = self.head.as_ref().or(passed).cloned().unwrap_or_default();
        reader.resume_behind(state.position, state.lines);
        Ok(Fold { state, sum, reader, hole })
    }

    /// Folds what is there. Says whether all of it are events.
    fn advance(&mut self, fold: &mut Fold, events: &fs::File) -> Result<bool, RecordError> {
        loop {
            let here = fold.reader.resume_point();
            if self.head.is_none() && fold.hole.is_some_and(|hole| hole.from == here.offset()) {
                (fold.state.position, fold.state.lines) = (here, fold.reader.lines());
                self.keep_head(fold, events)?;
            }
            match fold.reader.next() {
                Some(Ok(record)) => fold.state.activity.apply(&record),
                Some(Err(RecordError::BadJson { .. })) => {
                    self.give_up();
                    return Ok(false);
                }
                Some(Err(error)) => return Err(error),
                None => break,
            }
        }
        (fold.state.position, fold.state.lines) = (fold.reader.resume_point(), fold.reader.lines());
        Ok(true)
    }

    /// Keeps a few states. Half of the file stays when a part of it is given up, so no more is needed than the last one of
    /// the half that is there now, and those behind it.
    fn pass(&mut self, fold: &Fold) {
        /// Each of them may hold as much text as an activity.
        const MOST: usize = 4;

        self.passed.push((fold.state.clone(), fold.sum.clone()));
        let half = fold.state.position.offset() / 2;
        let behind = self.passed.partition_point(|(state, _)| state.position.offset() <= half);
        self.passed.drain(..behind.saturating_sub(1));
        if self.passed.len() > MOST {
            let mut number = 0;
            self.passed.retain(|_| {
                number += 1;
                number % 2 == 1
            });
        }
    }

    /// Keeps what is before the part that was given up: that stays what it is.
    fn keep_head(&mut self, fold: &mut Fold, events: &fs::File) -> Result<(), RecordError> {
        let to = fold.state.position.offset();
        if fold.sum.extend(events, to, None).is_some() {
            let [_, head] = paths(&self.base);
            write(&head, &fold.state, None, &fold.sum)?;
            self.head = Some((fold.state.clone(), fold.sum.clone()));
            self.passed = Vec::new();
        }
        Ok(())
    }

    fn give_up(&mut self) {
        self.is_damaged = true;
        self.head = None;
        self.passed = Vec::new();
        for path in paths(&self.base) {
            remove(&path);
        }
    }
}

/// What cannot be removed is found to be of another file by its checksum.
fn remove(path: &Path) {
    let _ = fs::remove_file(path);
}

impl Fold {
    /// The same when `hole` is what was given up, if it holds under that.
    fn under(mut self, hole: Option<Hole>) -> Option<Self> {
        let is_before = |hole: Hole| self.state.position.offset() <= hole.from;
        let holds = self.hole == hole || (self.hole.is_none() && hole.is_some_and(is_before));
        self.hole = hole;
        holds.then_some(self)
    }
}
