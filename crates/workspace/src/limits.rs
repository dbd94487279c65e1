//! Bounds of what is read, kept and reported.

use std::time::Duration;

/// Bounds of one watched directory. What does not fit is left out, and the report says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Files that are compared. Of a directory with more of them, the report is incomplete.
    pub files: usize,
    /// Directories that the system is asked to notify of. Changes in others are found at the end.
    pub watched_dirs: usize,
    /// Depth of directories that are read.
    pub depth: usize,
    /// Bytes of a file of which content is kept for a diff.
    pub file_bytes: u64,
    /// Bytes of all files that are read for their content.
    pub read_bytes: u64,
    /// Bytes that the kept content takes, compressed.
    pub kept_bytes: u64,
    /// Changed files that are reported.
    pub changes: usize,
    /// Bytes of one diff.
    pub diff_bytes: usize,
    /// Bytes of all diffs together.
    pub diffs_bytes: usize,
    /// Changed paths that wait to be looked at. With more of them everything is read again.
    pub noticed: usize,
    /// Changes that are announced while the worker runs.
    pub live: usize,
    /// Time that a worker waits for the content of the baseline.
    pub content_wait: Duration,
    /// Time that the sweep takes at most.
    pub sweep: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            files: 50_000,
            watched_dirs: 4_096,
            depth: 64,
            file_bytes: 256 * 1024,
            read_bytes: 128 * 1024 * 1024,
            kept_bytes: 32 * 1024 * 1024,
            changes: 10_000,
            diff_bytes: 128 * 1024,
            diffs_bytes: 4 * 1024 * 1024,
            noticed: 4_096,
            live: 500,
            content_wait: Duration::from_millis(500),
            sweep: Duration::from_secs(5),
        }
    }
}
