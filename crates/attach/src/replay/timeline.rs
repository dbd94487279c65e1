//! In which order, and when, things of a record are told.
//!
//! Nothing says it across files. Times order what files leave open, and no file is told out of its own order: times
//! that go back count as liveness still, and what an attempt did lies between its start and its end.

use std::collections::HashMap;

use roboppi_ipc::UtcMillis;
use roboppi_record::{AttemptFiles, Chunks, RecordError, RecordPart, RecordStore};
use roboppi_run::{AttemptRef, RunEvent};

/// Shortest time between two looks at how long a log had become.
const GROWTH: u64 = 50;

/// When the next thing of a file is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Milliseconds from the beginning of the run.
    pub(super) at: u64,
    pub(super) what: What,
}

/// What is told. Attempts by their number in [`Timeline::attempts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// The next record of the journal.
    Journal,
    /// The next event of an attempt.
    Event(u32),
    /// The log of an attempt is so long now.
    Log(u32, u64),
}

/// Everything a run left, in the order it is told. Some bytes for each record, and nothing of what is in them.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    pub(super) entries: Vec<Entry>,
    pub(super) attempts: Vec<AttemptRef>,
    /// When the run began.
    pub(super) began: UtcMillis,
    /// What cannot be read. It is left out.
    pub(super) problems: Vec<String>,
}

/// Where an attempt is in the journal.
struct Span {
    of: AttemptRef,
    from: usize,
    /// The record that ends it.
    to: Option<usize>,
}

impl Timeline {
    /// Reads through a record once.
    pub(super) fn of(run: &dyn RecordStore) -> Self {
        let mut timeline = Self::default();
        let mut times: Vec<u64> = Vec::new();
        let mut spans: Vec<Span> = Vec::new();
        let mut known: HashMap<AttemptRef, usize> = HashMap::new();
        let mut journal = run.journal().map_err(|error| timeline.complain(&error)).ok();
        for record in journal.iter_mut().flatten() {
            let record = match record {
                Ok(record) => record,
                Err(error) if skips(&error) => {
                    timeline.complain(&error);
                    continue;
                }
                Err(error) => {
                    timeline.complain(&error);
                    break;
                }
            };
            if times.is_empty() {
                timeline.began = record.ts;
            }
            let at = record.ts.0.saturating_sub(timeline.began.0);
            let index = times.len();
            times.push(times.last().map_or(0, |last| at.max(*last)));
            match record.event {
                RunEvent::AttemptStarted { of, .. } if !known.contains_key(&of) => {
                    known.insert(of.clone(), spans.len());
                    spans.push(Span { of: of.clone(), from: index, to: None });
                    timeline.attempts.push(of);
                }
                RunEvent::AttemptFinished { of, result, log_bytes, events_bytes, .. } => {
                    let files = AttemptFiles::of(&result, log_bytes, events_bytes);
                    for damage in run.attempt_damage(&of, files, 0) {
                        timeline.note(damage);
                    }
                    if let Some(span) = known.get(&of) {
                        spans[*span].to = Some(index);
                    }
                }
                _ => {}
            }
        }
        if journal.is_some_and(|journal| journal.torn()) {
            let path = run.location(RecordPart::Journal);
            let name = path.map_or_else(|| "the journal".to_owned(), |path| path.display().to_string());
            timeline.problems.push(format!("{name} ends in the middle of a line; it was ignored"));
        }
        // Each is told behind one record of the journal, in the order of their times.
        let mut entries: Vec<(usize, bool, Entry)> = times
            .iter()
            .enumerate()
            .map(|(index, at)| (index, false, Entry { at: *at, what: What::Journal }))
            .collect();
        for (number, span) in spans.iter().enumerate() {
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            let mut add = |at: u64, what: What| {
                let last = span.to.map_or(times.len(), |to| to.max(span.from + 1)) - 1;
                let behind =
                    times.partition_point(|time| *time <= at).saturating_sub(1).clamp(span.from, last);
                let until = times.get(behind + 1).copied().unwrap_or(u64::MAX);
                entries.push((behind, true, Entry { at: at.clamp(times[behind], until), what }));
            };
            timeline.events(run, span, number, &mut add);
            timeline.growth(run, span, number, &mut add);
        }
        // Stable: what is of one file stays in its order.
        entries.sort_by_key(|(behind, later, entry)| (*behind, *later, entry.at));
        timeline.entries = entries.into_iter().map(|(_, _, entry)| entry).collect();
        timeline
    }

    fn events(&mut self, run: &dyn RecordStore, span: &Span, number: u32, add: &mut impl FnMut(u64, What)) {
        let events = run.events(&span.of).map_err(|error| self.complain(&error)).ok();
        let mut last = 0;
        for event in events.into_iter().flatten() {
            match event {
                Ok(event) => {
                    last = event.ts.0.saturating_sub(self.began.0).max(last);
                    add(last, What::Event(number));
                }
                Err(error) if skips(&error) => self.complain(&error),
                Err(error) => return self.complain(&error),
            }
        }
    }

    fn growth(&mut self, run: &dyn RecordStore, span: &Span, number: u32, add: &mut impl FnMut(u64, What)) {
        let Some(mut log) = run.log(&span.of).map_err(|error| self.complain(&error)).ok() else { return };
        let len = log.len();
        let (mut last, mut waits) = (0, None);
        for chunk in Chunks::new(log.as_mut(), 0) {
            let chunk = match chunk {
                Ok(chunk) => chunk,
                Err(error) => {
                    self.complain(&error);
                    break;
                }
            };
            let at = chunk.ts.map_or(last, |ts| ts.0.saturating_sub(self.began.0)).max(last);
            // What came since the last look is told when the next one is due.
            if let Some(until) = waits.filter(|_| at >= last + GROWTH) {
                add(last, What::Log(number, until));
                last = at;
            }
            waits = Some(chunk.offset + chunk.len);
        }
        if len > 0 {
            add(last, What::Log(number, len));
        }
    }

    fn complain(&mut self, error: &RecordError) {
        self.note(error.to_string());
    }

    fn note(&mut self, text: String) {
        const PROBLEMS: usize = 20;

        if self.problems.len() < PROBLEMS && !self.problems.contains(&text) {
            self.problems.push(text);
        }
    }

    /// When the last thing is told.
    pub(super) fn end(&self) -> u64 {
        self.entries.last().map_or(0, |entry| entry.at)
    }
}

/// Whether what follows can still be read.
pub(super) const fn skips(error: &RecordError) -> bool {
    matches!(error, RecordError::BadJson { .. })
}
