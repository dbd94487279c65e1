//! The last look, and the report that comes of it.

use std::path::PathBuf;
use std::time::Instant;

use crate::Limits;
use crate::baseline::Baseline;
use crate::cause::Cause;
use crate::compare::{ChangeKind, Difference, differences};
use crate::diff::{Diff, diff};
use crate::missed::Missed;
use crate::scan::{Bounds, scan};
use crate::stat::Kind;

/// A file that is not what it was before the worker started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileChange {
    /// Path relative to the directory. Bytes that are not UTF-8 are U+FFFD.
    pub path: String,
    /// What happened to it in the end.
    pub kind: ChangeKind,
    /// Why, as far as the agent reported.
    pub cause: Cause,
    /// Whether the agent reported this change itself.
    pub reported: bool,
    /// Lines added; `None` where a diff was not made.
    pub added: Option<u64>,
    /// Lines removed.
    pub removed: Option<u64>,
    /// Length of the file at the end; `None` of one that was removed.
    pub bytes: Option<u64>,
    /// The unified diff; `None` of binary, large and unreadable files, and beyond a limit.
    pub diff: Option<String>,
}

/// Everything that changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Changes by path.
    pub changes: Vec<FileChange>,
    /// Why the report is incomplete; `None` if it is complete.
    pub missed: Option<String>,
    /// Another worker had the same files at the same time: its changes are among these.
    pub shared: bool,
}

/// Reads everything again and compares it. `cause` says for a file and the time of its last write what caused the change.
pub(crate) fn sweep(
    baseline: &mut Baseline,
    limits: &Limits,
    until: Instant,
    is_dropped: &dyn Fn() -> bool,
    mut missed: Missed,
    cause: &mut dyn FnMut(&Difference) -> (Cause, bool),
) -> Report {
    let bounds = Bounds { limits, until: Some(until), is_dropped };
    let after = scan(&baseline.root, &mut baseline.ignored, b"", bounds, &mut |_, _| {});
    let mut report = Report::default();
    let mut diffs = 0;
    for difference in differences(&baseline.scan, &after, |stat| baseline.is_racy(stat)) {
        let late = Instant::now() >= until;
        let room = if late { 0 } else { limits.diff_bytes.min(limits.diffs_bytes - diffs) };
        missed.out_of_time |= late;
        let Some((diff, text)) = confirmed(baseline, &difference, limits, room) else { continue };
        if report.changes.len() >= limits.changes {
            missed.left_out += 1;
            continue;
        }
        diffs += text.as_ref().map_or(0, String::len);
        let (cause, reported) = cause(&difference);
        report.changes.push(FileChange {
            path: String::from_utf8_lossy(&difference.name).into_owned(),
            kind: difference.kind(),
            cause,
            reported,
            added: diff.as_ref().map(|diff| diff.added),
            removed: diff.as_ref().map(|diff| diff.removed),
            bytes: difference.after.map(|stat| stat.size),
            diff: text,
        });
    }
    missed.join(baseline.scan.missed.clone());
    missed.join(after.missed);
    report.missed = missed.words(limits.files);
    report
}

/// Whether a difference is a change, and its diff: a file that was only touched, or written again with the same content, has not
/// changed. `None` if it is none.
pub(crate) fn confirmed(
    baseline: &Baseline,
    difference: &Difference,
    limits: &Limits,
    room: usize,
) -> Option<(Option<Diff>, Option<String>)> {
    let Difference { name, before, after } = difference;
    let old = before.and_then(|_| baseline.contents.get(name));
    let new = after.and_then(|_| baseline.root.read(name, limits.file_bytes)).map(|(content, _)| content);
    let mut mode = None;
    if let (Some(before), Some(after)) = (before, after) {
        let sure = after.surely_differs(before);
        match (&old, &new) {
            (Some(old), Some(new)) if old == new && !sure => return None,
            // Nothing but the state can be compared. A write changes the time of the last write.
            (Some(_), None) | (None, _) if !sure && before.modified == after.modified => return None,
            _ => {}
        }
        if before.executable != after.executable {
            let bits = |executable| if executable { "100755" } else { "100644" };
            mode =
                Some(format!("old mode {}\nnew mode {}\n", bits(before.executable), bits(after.executable)));
        }
    }
    let is_known = before.is_some() == old.is_some() && after.is_some() == new.is_some();
    let is_link = [before, after].into_iter().flatten().any(|stat| stat.kind == Kind::Link);
    let found = if is_known && room > 0 { diff(name, old.as_deref(), new.as_deref(), room) } else { None };
    let found = found.filter(|_| !is_link || old.is_none() || new.is_none() || old != new);
    let text = match (mode, found.as_ref().and_then(|found| found.text.clone())) {
        (Some(mode), text) if room > mode.len() => Some(mode + &text.unwrap_or_default()),
        (_, text) => text,
    };
    Some((found, text))
}

/// The path of a difference as the agent may have named it.
pub(crate) fn absolute(root: &std::path::Path, name: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    root.join(std::ffi::OsStr::from_bytes(name))
}
