//! The lines as JSON.

use std::borrow::Cow;
use std::io;

use roboppi_ipc::{UtcMillis, WorkerEvent};
use roboppi_run::{AttemptRecord, AttemptRef, JournalRecord, RunEvent};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use roboppi_untrusted as untrusted;

const VERSION: u32 = 1;

/// A record of the journal: one fact about the run. They are all there, `seq` 1, 2, 3 …
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct JournalLine<'a> {
    /// `v`: version of the form of a line, 1.
    v: u32,
    /// `seq`: number of the record, from 1.
    seq: u64,
    /// `ts`: UTC in milliseconds.
    ts: UtcMillis,
    /// `event`.
    #[serde(serialize_with = "as_it_came")]
    #[cfg_attr(feature = "schema", schemars(with = "RunEvent"))]
    event: &'a RunEvent,
}

/// An event of an attempt: something its worker did.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct AttemptLine<'a> {
    /// `v`: version of the form of a line, 1.
    v: u32,
    /// `attempt` to which it belongs.
    attempt: &'a AttemptRef,
    /// `seq`: number of the event within the attempt; output that was announced together has the same one.
    seq: u64,
    /// `ts`: UTC in milliseconds.
    ts: UtcMillis,
    /// `event`.
    event: &'a WorkerEvent,
}

/// Records of the journal that could not be read.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct MissingLine {
    /// `v`: version of the form of a line, 1.
    v: u32,
    /// `missing`: which ones.
    missing: Missing,
}

/// Numbers of records.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct Missing {
    /// `fromSeq`: the first one.
    from_seq: u64,
    /// `toSeq`: the first one behind them.
    to_seq: u64,
}

/// A record of the journal.
pub(crate) fn journal_line(record: &JournalRecord) -> io::Result<String> {
    to_json(&JournalLine { v: VERSION, seq: record.seq, ts: record.ts, event: &record.event })
}

/// An event of an attempt.
pub(crate) fn attempt_line(of: &AttemptRef, record: &AttemptRecord) -> io::Result<String> {
    to_json(&AttemptLine { v: VERSION, attempt: of, seq: record.seq, ts: record.ts, event: &record.event })
}

/// Records of the journal that could not be had: `from` up to, but not including, `to`.
pub(super) fn missing_line(from: u64, to: u64) -> io::Result<String> {
    to_json(&MissingLine { v: VERSION, missing: Missing { from_seq: from, to_seq: to } })
}

fn to_json(line: &impl Serialize) -> io::Result<String> {
    let line = serde_json::to_string(line)?;
    Ok(match untrusted::json(&line) {
        Cow::Owned(safe) => safe,
        Cow::Borrowed(_) => line,
    })
}

/// An event of a newer version passes through as it is in the journal.
fn as_it_came<S: Serializer>(event: &&RunEvent, serializer: S) -> Result<S::Ok, S::Error> {
    if let RunEvent::Unknown { raw } = event
        && let Ok(raw) = serde_json::from_str::<&RawValue>(raw)
    {
        return raw.serialize(serializer);
    }
    (*event).serialize(serializer)
}
