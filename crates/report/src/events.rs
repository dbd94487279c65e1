//! What happened to a run and its steps, one event a line.

use std::collections::BTreeSet;
use std::io::Write;

use roboppi_attach::{LocalRun, RunFollower};
use roboppi_ipc::WorkerEvent;
use roboppi_run::{RunEvent, RunRecord};
use roboppi_untrusted::first_words;

use crate::follow::{Printer, follow};
use crate::jsonl::{attempt_line, journal_line};
use crate::units::Zone;
use crate::{Audience, ReportError};

mod text;

/// Which events are printed, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventSettings {
    /// Only events of these kinds, by their words in JSON; all when there are none.
    pub kinds: Vec<String>,
    /// Only events of the journal with a greater number.
    pub after: u64,
    /// The events of workers too.
    pub workers: bool,
    /// One JSON object a line, as of a run that is printed as JSON.
    pub json: bool,
    /// Go on until the run is over.
    pub follow: bool,
    /// The zone of times, except in JSON.
    pub zone: Zone,
}

/// Prints the events of a run.
///
/// # Errors
/// When `out` cannot be written.
pub fn print(
    run: &LocalRun,
    settings: EventSettings,
    out: impl Write,
    audience: Audience<'_>,
) -> Result<(), ReportError> {
    let follower = if settings.workers { RunFollower::new(run) } else { RunFollower::of_journal(run) };
    let until_over = settings.follow;
    let found = settings.kinds.is_empty();
    let mut printer = EventPrinter { settings, out, kinds: BTreeSet::new(), found, written: Ok(()) };
    follow(follower, run.record().as_ref(), until_over, &mut printer, audience)?;
    if let Some(there) = printer.kinds_instead() {
        (audience.note)(&format!("roboppi: nothing of that kind is recorded; what there is: {there}"));
    }
    Ok(())
}

struct EventPrinter<W> {
    settings: EventSettings,
    out: W,
    /// Kinds that were there, for a person who asks for one that was not.
    kinds: BTreeSet<String>,
    /// Whether an event was printed, or all are to be.
    found: bool,
    written: std::io::Result<()>,
}

impl<W: Write> Printer for EventPrinter<W> {
    fn record(&mut self, record: RunRecord) {
        if !self.found {
            self.kinds.insert(kind(&record));
        }
        if self.written.is_ok() && self.is_wanted(&record) {
            self.found = true;
            self.written = line(&record, &self.settings).and_then(|line| writeln!(self.out, "{line}"));
        }
    }

    fn advance(&mut self, _is_over: bool) -> Result<(), ReportError> {
        let written = std::mem::replace(&mut self.written, Ok(()));
        written.and_then(|()| self.out.flush()).map_err(ReportError::Out)
    }
}

impl<W> EventPrinter<W> {
    fn is_wanted(&self, record: &RunRecord) -> bool {
        let is_new = match record {
            RunRecord::Journal(record) => record.seq > self.settings.after,
            // That a log has grown is no event of the record. That something is missing in it is one.
            RunRecord::Attempt(_, record) => match &record.event {
                WorkerEvent::Gap(gap) => gap.recorded > 0,
                event => event.is_recorded(),
            },
        };
        let kinds = &self.settings.kinds;
        is_new && (kinds.is_empty() || kinds.iter().any(|wanted| current_name(wanted) == kind(record)))
    }

    /// The kinds there are, when nothing was printed and one that was asked for is not among them.
    fn kinds_instead(&self) -> Option<String> {
        let is_unknown = |wanted: &String| !self.kinds.contains(current_name(wanted));
        if self.found || !self.settings.kinds.iter().any(is_unknown) {
            return None;
        }
        let kinds: Vec<_> = self.kinds.iter().map(String::as_str).collect();
        Some(first_words(&kinds.join(", ")))
    }
}

/// The name of a kind today, for a name of earlier versions.
fn current_name(kind: &str) -> &str {
    if kind == "wish" { "command" } else { kind }
}

/// The word that says what happened, as it is in JSON.
fn kind(record: &RunRecord) -> String {
    let event = match record {
        RunRecord::Journal(record) => match &record.event {
            RunEvent::Unknown { raw } => serde_json::from_str(raw),
            event => serde_json::to_value(event),
        },
        RunRecord::Attempt(_, record) => serde_json::to_value(&record.event),
    };
    event.ok().and_then(|event| event.get("type")?.as_str().map(str::to_owned)).unwrap_or_default()
}

fn line(record: &RunRecord, settings: &EventSettings) -> std::io::Result<String> {
    match record {
        RunRecord::Journal(record) if settings.json => journal_line(record),
        RunRecord::Attempt(of, record) if settings.json => attempt_line(of, record),
        record => {
            let head = text::head(record, &kind(record), &settings.zone);
            Ok(format!("{head} {}", text::describe(record)))
        }
    }
}
