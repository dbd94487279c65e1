//! The lines as JSON.

use std::borrow::Cow;
use std::io;

use roboppi_ipc::UtcMillis;
use roboppi_run::{AttemptRecord, AttemptRef, JournalRecord, RunEvent};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use roboppi_untrusted as untrusted;

const VERSION: u32 = 1;

/// A record of the journal.
pub(crate) fn journal_line(record: &JournalRecord) -> io::Result<String> {
    #[derive(Serialize)]
    struct Line<'a> {
        v: u32,
        seq: u64,
        ts: UtcMillis,
        #[serde(serialize_with = "as_it_came")]
        event: &'a RunEvent,
    }

    to_json(&Line { v: VERSION, seq: record.seq, ts: record.ts, event: &record.event })
}

/// An event of an attempt.
pub(crate) fn attempt_line(of: &AttemptRef, record: &AttemptRecord) -> io::Result<String> {
    #[derive(Serialize)]
    struct Line<'a> {
        v: u32,
        attempt: &'a AttemptRef,
        seq: u64,
        ts: UtcMillis,
        event: &'a roboppi_ipc::WorkerEvent,
    }

    to_json(&Line { v: VERSION, attempt: of, seq: record.seq, ts: record.ts, event: &record.event })
}

/// Records of the journal that could not be had: `from` up to, but not including, `to`.
pub(super) fn missing_line(from: u64, to: u64) -> io::Result<String> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Missing {
        from_seq: u64,
        to_seq: u64,
    }

    #[derive(Serialize)]
    struct Line {
        v: u32,
        missing: Missing,
    }

    to_json(&Line { v: VERSION, missing: Missing { from_seq: from, to_seq: to } })
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
