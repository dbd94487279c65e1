//! Reads what a run left in its files, while they grow.

use std::fs;
use std::path::PathBuf;

use roboppi_ipc::{LogGrew, UtcMillis, WorkerEvent};
use roboppi_record::{AttemptFiles as Recorded, EventReader, JournalReader, RecordError, RunDir};
use roboppi_run::{
    AttemptActivity, AttemptRecord, AttemptRef, JournalRecord, RunEvent, RunOutcome, RunRecord, RunStatus,
    RunView,
};

use super::watch::Growing;

/// Problems that are kept; more of them say nothing new.
const PROBLEMS: usize = 20;

/// Reads the journal of a run and the event files of its attempts, each record once and in the order of its file.
///
/// An attempt's events come between its start and its end. That a log has grown is said by [`WorkerEvent::LogGrew`].
#[derive(Debug)]
pub(crate) struct RunReader {
    dir: RunDir,
    /// Whether what workers did is read too.
    deep: bool,
    /// Whether logs are looked at.
    logs: bool,
    journal: Option<JournalReader>,
    /// Attempts whose files may still grow.
    attempts: Vec<AttemptFiles>,
    outcome: Option<RunOutcome>,
    problems: Vec<String>,
}

/// What is read of a run at its opening.
#[derive(Debug)]
pub enum Found {
    /// A record.
    Record(RunRecord),
    /// What an attempt did up to some event, in place of the records up to there.
    Activity(AttemptRef, Box<AttemptActivity>),
}

#[derive(Debug)]
struct AttemptFiles {
    of: AttemptRef,
    events: Option<EventReader>,
    log: Option<PathBuf>,
    log_len: u64,
}

impl RunReader {
    pub(crate) const fn new(dir: RunDir) -> Self {
        Self {
            dir,
            deep: true,
            logs: true,
            journal: None,
            attempts: Vec::new(),
            outcome: None,
            problems: Vec::new(),
        }
    }

    /// Reads the journal alone.
    pub(crate) const fn only_the_journal(&mut self) {
        self.deep = false;
    }

    /// Reads journal and events, and looks at no log.
    pub(crate) const fn without_logs(&mut self) {
        self.logs = false;
    }

    /// Looks at logs from now on, or no longer.
    pub(crate) const fn set_logs(&mut self, logs: bool) {
        self.logs = logs;
    }

    /// Passes over what the last snapshot has, and returns the view of that. Only before the first read, and when only
    /// the journal is read: what workers did is in no snapshot.
    pub(crate) fn begin(&mut self) -> RunView {
        if self.deep || self.journal.is_some() {
            return RunView::default();
        }
        // An error is met again by the first read.
        let Ok(snapshot) = self.dir.snapshot() else { return RunView::default() };
        let (mut view, journal) = snapshot.into_parts();
        if let Some(head) = view.head.as_mut().filter(|_| self.dir.is_imported()) {
            head.handle = self.dir.handle();
        }
        self.journal = Some(journal);
        if let RunStatus::Finished { outcome, .. } = view.status {
            self.outcome = Some(outcome);
        }
        for attempt in view.steps.iter().flat_map(|step| &step.attempts) {
            if attempt.finished_at.is_none() {
                let log = self.dir.log_path(&attempt.base()).ok();
                self.attempts.push(AttemptFiles { of: attempt.of.clone(), events: None, log, log_len: 0 });
            }
        }
        view
    }

    /// The view of the run as it is, for those that follow it from now on: attempts that are over are not read, and of those under way
    /// the last snapshot stands for what is before it. Journal records behind the last snapshot are handed over with the view before
    /// each. Only as the first read.
    pub(crate) fn join(&mut self, take: &mut dyn FnMut(&RunView, &RunRecord)) -> RunView {
        let (deep, logs) = (std::mem::replace(&mut self.deep, false), self.logs);
        let mut view = self.begin();
        self.read(&mut |record| {
            take(&view, &record);
            view.apply(&record);
        });
        (self.deep, self.logs) = (deep, logs);
        let mut attempts = std::mem::take(&mut self.attempts);
        for attempt in attempts.iter_mut().filter(|attempt| deep && attempt.log.is_some()) {
            let base = view.attempt(&attempt.of).map(|view| view.base().into_owned());
            attempt.events = base.and_then(|base| self.dir.events(&base).ok());
            if let Some(activity) = attempt.events.as_mut().and_then(EventReader::restore) {
                view.restore_activity(&attempt.of, activity);
            }
        }
        self.attempts = attempts;
        view
    }

    /// Hands over everything that was added since the last time.
    pub(crate) fn read(&mut self, take: &mut dyn FnMut(RunRecord)) {
        self.read_on(false, &mut |found| {
            if let Found::Record(record) = found {
                take(record);
            }
        });
    }

    /// The same, where snapshots of what workers did may stand for their records.
    pub(crate) fn catch_up(&mut self, take: &mut dyn FnMut(Found)) {
        self.read_on(true, take);
    }

    fn read_on(&mut self, restores: bool, take: &mut dyn FnMut(Found)) {
        if self.journal.is_none() {
            match self.dir.journal() {
                Ok(journal) => self.journal = Some(journal),
                Err(error) => self.complain(&error),
            }
        }
        while let Some(next) = self.journal.as_mut().and_then(Iterator::next) {
            match next {
                Ok(record) => self.journal_record(record, restores, take),
                Err(error @ RecordError::BadJson { .. }) => self.complain(&error),
                // It is tried again the next time.
                Err(error) => {
                    self.complain(&error);
                    break;
                }
            }
        }
        if !self.deep {
            return;
        }
        let mut attempts = std::mem::take(&mut self.attempts);
        for attempt in &mut attempts {
            // A worker may write faster than this reads: what it adds meanwhile is for the next time.
            let written = attempt.events.as_ref().map_or(u64::MAX, EventReader::written);
            self.attempt_records(attempt, written, take);
            if self.logs {
                attempt.growth(&self.dir, take);
            }
        }
        self.attempts = attempts;
    }

    fn journal_record(&mut self, mut record: JournalRecord, restores: bool, take: &mut dyn FnMut(Found)) {
        let mut restored = None;
        match &mut record.event {
            // The machine where it ran may have had another run of the same handle as this one has.
            RunEvent::RunStarted { handle, .. } if self.dir.is_imported() => *handle = self.dir.handle(),
            RunEvent::AttemptStarted { of, base, .. } => {
                let log = self.dir.log_path(base).map_err(|error| self.complain(&error)).ok();
                let mut events = if self.deep && log.is_some() { self.dir.events(base).ok() } else { None };
                let of = of.clone();
                if restores && let Some(activity) = events.as_mut().and_then(EventReader::restore) {
                    restored = Some(Found::Activity(of.clone(), Box::new(activity)));
                }
                self.attempts.push(AttemptFiles { of, events, log, log_len: 0 });
            }
            RunEvent::AttemptFinished { of, result, log_bytes, events_bytes, .. } => {
                if self.deep {
                    let files = Recorded::of(result, *log_bytes, *events_bytes);
                    let damage = if self.logs {
                        self.dir.attempt_damage(&of.base(), files, 0)
                    } else {
                        self.dir.events_damage(&of.base(), *events_bytes).into_iter().collect()
                    };
                    damage.into_iter().for_each(|damage| self.note(damage));
                }
                // Everything of it was written before this record.
                if let Some(index) = self.attempts.iter().position(|attempt| attempt.of == *of) {
                    let mut attempt = self.attempts.swap_remove(index);
                    self.attempt_records(&mut attempt, u64::MAX, take);
                }
            }
            RunEvent::RunFinished { outcome, .. } => self.outcome = Some(*outcome),
            _ => {}
        }
        take(Found::Record(RunRecord::Journal(record)));
        restored.into_iter().for_each(take);
    }

    /// Hands over the records of an attempt that begin within the first `bytes` of its file.
    fn attempt_records(&mut self, attempt: &mut AttemptFiles, bytes: u64, take: &mut dyn FnMut(Found)) {
        while let Some(next) = attempt.events.as_mut().and_then(Iterator::next) {
            match next {
                Ok(record) => take(Found::Record(RunRecord::Attempt(attempt.of.clone(), record))),
                Err(error @ RecordError::BadJson { .. }) => self.complain(&error),
                Err(error) => {
                    self.complain(&error);
                    break;
                }
            }
            if attempt.events.as_ref().is_some_and(|events| events.is_behind(bytes)) {
                break;
            }
        }
    }

    fn complain(&mut self, error: &RecordError) {
        self.note(error.to_string());
    }

    fn note(&mut self, text: String) {
        if self.problems.len() < PROBLEMS && !self.problems.contains(&text) {
            self.problems.push(text);
        }
    }

    /// What could not be read, oldest first, 20 at the most.
    pub(crate) fn problems(&self) -> &[String] {
        &self.problems
    }

    /// How the run ended, once its journal says so.
    pub(crate) const fn outcome(&self) -> Option<RunOutcome> {
        self.outcome
    }

    /// Whether the journal ended in an incomplete line.
    pub(crate) fn torn(&self) -> bool {
        self.journal.as_ref().is_some_and(JournalReader::torn)
    }

    /// The files that may grow, with their directories from the outer to the inner ones.
    pub(crate) fn growing(&self) -> Growing {
        let mut growing = Growing {
            files: vec![self.dir.journal_path()],
            dirs: vec![self.dir.path().to_owned(), self.dir.path().join("steps")],
        };
        for attempt in &self.attempts {
            let Some(log) = &attempt.log else { continue };
            if self.logs {
                growing.files.push(log.clone());
            }
            growing.files.extend(attempt.events.as_ref().map(|events| events.path().to_owned()));
            if let Some(dir) = log.parent()
                && !growing.dirs.iter().any(|known| known == dir)
            {
                growing.dirs.push(dir.to_owned());
            }
        }
        growing
    }
}

impl AttemptFiles {
    fn growth(&mut self, dir: &RunDir, take: &mut dyn FnMut(Found)) {
        let plain = self.log.as_ref().and_then(|path| fs::symlink_metadata(path).ok());
        let plain = plain.filter(fs::Metadata::is_file).map(|meta| meta.len());
        // The log of a lost run may be packed.
        let Some(len) = plain.or_else(|| dir.log(&self.of.base()).ok().map(|log| log.len())) else {
            return;
        };
        if len > self.log_len {
            take(Found::Record(log_growth(self.of.clone(), self.log_len, len)));
            self.log_len = len;
        }
    }
}

/// That the log of an attempt has grown. Which of it is text for people the files do not say.
pub(crate) fn log_growth(of: AttemptRef, from: u64, to: u64) -> RunRecord {
    let grew = LogGrew::new(from, to.saturating_sub(from));
    let event = WorkerEvent::LogGrew(grew);
    RunRecord::Attempt(of, AttemptRecord { seq: 0, ts: UtcMillis(0), at: to, event })
}
