//! A timeline in the JSON that tools for traces read: the format of Chrome, which Perfetto opens as well.

use std::io::{self, Write};

use roboppi_ipc::UtcMillis;
use roboppi_run::{Slice, Timeline};
use serde_json::{Value, json};

use crate::units::format_time;

/// Every track is a thread of this process.
const PROCESS: u32 = 1;

/// A trace, ready to be written.
#[derive(Debug)]
pub struct Trace {
    run: String,
    began: UtcMillis,
    name: String,
    /// Names of tracks, then everything else by its time.
    events: Vec<Value>,
}

impl Trace {
    /// The trace of a timeline of the run called `run`.
    #[must_use]
    pub fn new(timeline: Timeline, run: String) -> Self {
        let began = timeline.tracks.iter().flat_map(|track| &track.slices).map(|slice| slice.from).min();
        let began = began.unwrap_or(UtcMillis(0));
        let mut named = vec![json!({
            "ph": "M", "name": "process_name", "pid": PROCESS, "tid": 0, "ts": 0,
            "args": {"name": format!("{} ({run})", timeline.name)},
        })];
        let mut events = Vec::new();
        for (number, track) in timeline.tracks.iter().enumerate() {
            let tid = number + 1;
            for (name, args) in [
                ("thread_name", json!({"name": track.name})),
                ("thread_sort_index", json!({"sort_index": tid})),
            ] {
                named.push(
                    json!({"ph": "M", "name": name, "pid": PROCESS, "tid": tid, "ts": 0, "args": args}),
                );
            }
            events.extend(track.slices.iter().map(|slice| of_slice(slice, tid, began)));
            events.extend(track.marks.iter().map(|mark| {
                json!({
                    "ph": "i", "s": "t", "name": mark.name, "pid": PROCESS, "tid": tid,
                    "ts": micros(mark.at, began),
                })
            }));
        }
        // Those that begin together stay in order: a slice comes before what lies within it.
        events.sort_by_key(|event| event["ts"].as_u64());
        named.extend(events);
        Self { run, began, name: timeline.name, events: named }
    }

    /// Writes one event a line.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let about = json!({"run": self.run, "workflow": self.name, "began": format_time(self.began)});
        write!(out, "{{\"displayTimeUnit\":\"ms\",\"otherData\":{about},\"traceEvents\":[")?;
        for (number, event) in self.events.iter().enumerate() {
            let separator = if number == 0 { "" } else { "," };
            write!(out, "{separator}\n{event}")?;
        }
        writeln!(out, "\n]}}")
    }
}

fn of_slice(slice: &Slice, tid: usize, began: UtcMillis) -> Value {
    json!({
        "ph": "X", "name": slice.name, "cat": slice.kind.name(), "pid": PROCESS, "tid": tid,
        "ts": micros(slice.from, began), "dur": micros(slice.to, slice.from),
        "args": {"end": slice.end.as_deref().unwrap_or("not over")},
    })
}

/// Microseconds from one time to another.
fn micros(at: UtcMillis, since: UtcMillis) -> u64 {
    at.0.saturating_sub(since.0).saturating_mul(1_000)
}
