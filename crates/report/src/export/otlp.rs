//! A run as spans of OpenTelemetry, in the JSON of OTLP: one for the run, each step, each attempt, and each tool call and wait
//! in it.
//!
//! Made of the record of a run that is over, or as far as it is known: [`spans`](Spans::of) from the view and the timeline,
//! [`requests`](Spans::requests) with as many of them as a collector takes at once. Nothing here sends anything.

use std::io::{self, Write};

use roboppi_attach::Liveness;
use roboppi_record::{RecordError, RecordStore};
use roboppi_run::{RunRecord, RunView, Timeline, TimelineBuilder, TraceIds};
use serde_json::Value;

mod attributes;
mod encode;
mod span;

pub use attributes::Attributes;
use encode::Resource;
use span::Span;

/// Spans in one request.
const BATCH: usize = 2_000;

/// Spans of a run. What is beyond is counted.
const MOST: usize = 50_000;

/// The spans of a run.
#[derive(Debug)]
pub struct Spans {
    resource: Resource,
    spans: Vec<Span>,
}

impl Spans {
    /// The spans of a run: `service` and further attributes are those of its resource.
    #[must_use]
    pub fn of(record: &dyn RecordStore, view: &RunView, liveness: Liveness, resource: Attributes) -> Self {
        let Some(head) = &view.head else {
            return Self { resource: Resource::new(resource), spans: Vec::new() };
        };
        let manifest = record.manifest().ok();
        let parent = manifest.as_ref().and_then(roboppi_run::Manifest::trace_parent);
        let ids = TraceIds::new(&head.run_id, parent);
        let timeline = timeline(record, view);
        let (mut spans, left_out) = span::spans(&ids, view, &timeline, liveness, MOST);
        if let (Some(run), Some(manifest)) = (spans.first_mut(), &manifest) {
            run.attributes.text("vcs.ref.head.revision", manifest.git_commit.as_deref().unwrap_or_default());
            run.attributes.text("host.name", &manifest.host);
            run.attributes.number("roboppi.spans.left_out", left_out as u64);
        }
        Self { resource: Resource::new(resource), spans }
    }

    /// With each text replaced by what `hide` makes of it, before any is cut.
    #[must_use]
    pub fn masked(mut self, hide: &dyn Fn(&str) -> String) -> Self {
        self.resource.mask(hide);
        self.spans.iter_mut().for_each(|span| span.mask(hide));
        self
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Writes all of them as one request, on one line.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        serde_json::to_writer(&mut *out, &encode::request(&self.resource, &self.spans))?;
        out.write_all(b"\n")
    }

    /// Requests that a collector takes at once, the run first, and how many spans each one has.
    pub fn requests(&self) -> impl Iterator<Item = (usize, Value)> {
        self.spans.chunks(BATCH).map(|spans| (spans.len(), encode::request(&self.resource, spans)))
    }
}

/// What happened when. What cannot be read is left out.
fn timeline(record: &dyn RecordStore, view: &RunView) -> Timeline {
    let mut timeline = TimelineBuilder::default();
    for read in record.journal().into_iter().flatten() {
        match read {
            Ok(read) => timeline.record(&RunRecord::Journal(read)),
            Err(RecordError::BadJson { .. }) => {}
            Err(_) => break,
        }
    }
    for attempt in view.steps().flat_map(|step| &step.attempts) {
        for read in record.events(&attempt.of).into_iter().flatten() {
            match read {
                Ok(read) => timeline.record(&RunRecord::Attempt(attempt.of.clone(), read)),
                Err(RecordError::BadJson { .. }) => {}
                Err(_) => break,
            }
        }
    }
    timeline.finish()
}

#[cfg(test)]
mod tests;
