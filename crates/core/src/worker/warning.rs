//! The words in which a worker's warnings and errors are given to people.

use std::io;
use std::time::Duration;

use roboppi_ipc::OverLimit;
use roboppi_record::Bound;
use roboppi_redact::{MOST_BYTES, MOST_VALUES};

use super::record::{Kept, LimitReached};

/// Said when the drain time was over and none of those who hold the pipes was found.
pub(super) const HELD_BY_UNKNOWN: &str = "its output is still held open by a process that is out of reach, or that \
    may belong to another job; what that one writes is not recorded";

/// Why a start has to wait.
pub(super) fn room_words(error: &io::Error) -> String {
    format!(
        "it waits for room to start: the system has none for another process or file now ({error}); \
         it is tried again when another worker ends"
    )
}

/// Why a value is not hidden that was to be.
pub(super) fn too_many_masks_words() -> String {
    format!(
        "it masked one value too many: {MOST_VALUES} values, or {} KiB of them, are hidden already; this one and \
         all that any step masks from here on are NOT hidden",
        MOST_BYTES / 1024
    )
}

/// Why a worker was ended that did nothing.
pub(super) fn idle_words(limit: Duration) -> String {
    let limit = match limit.as_millis() {
        millis @ 0..1000 => format!("{millis} ms"),
        millis @ 1000..60_000 => format!("{} s", millis / 1000),
        millis => format!("{} min", millis / 60_000),
    };
    format!(
        "it did nothing for {limit} (no output, no processor time, no file written) and was ended; \
         `idle` says how long that may take"
    )
}

/// Which limit was reached, and what that means.
pub(super) fn limit_words(reached: LimitReached, log_bytes: u64, over: OverLimit) -> String {
    let LimitReached { what, bound, keeps_end } = reached;
    let whose = match what {
        Kept::Log => "output has",
        Kept::Events => "events have",
    };
    let limit = match (bound, what) {
        (Bound::File(bytes), Kept::Log) => format!("{}, the limit of its log", bytes_words(bytes)),
        (Bound::File(bytes), Kept::Events) => {
            format!(
                "{}, the part for events of the {} of its log",
                bytes_words(bytes),
                bytes_words(log_bytes)
            )
        }
        (Bound::Run(bytes), _) => format!("the limit of all logs of the run, {}", bytes_words(bytes)),
    };
    let does = match (over, what) {
        (OverLimit::Warn, _) => "it is kept whole",
        (OverLimit::Kill, _) => "the worker is ended",
        _ if keeps_end => "only the beginning and the end of that are kept from here on",
        (_, Kept::Log) => "only the beginning of it is kept",
        (_, Kept::Events) => "what is too much for it is shown, but not kept",
    };
    format!("its {whose} reached {limit}: {does}")
}

/// A limit in bytes for people, exactly.
fn bytes_words(bytes: u64) -> String {
    const KIB: u64 = 1024;
    const MIB: u64 = 1024 * KIB;
    match bytes {
        bytes if bytes.is_multiple_of(MIB) => format!("{} MiB", bytes / MIB),
        bytes if bytes.is_multiple_of(KIB) => format!("{} KiB", bytes / KIB),
        bytes => format!("{bytes} bytes"),
    }
}
