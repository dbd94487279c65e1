//! Counts of what patches add and take away, worked out once for each patch.

use std::collections::HashMap;

use memchr::memchr_iter;
use roboppi_run::{AttemptRef, AttemptView};

/// What is known of the patches of one attempt.
#[derive(Debug, Default)]
pub(crate) struct DiffIndex {
    of: Option<AttemptRef>,
    counts: HashMap<u64, DiffCounts>,
}

/// What one patch does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct DiffCounts {
    pub(crate) added: usize,
    pub(crate) removed: usize,
    /// Lines of the diff.
    pub(crate) lines: usize,
}

impl DiffIndex {
    /// Looks at the patches that were not looked at before.
    pub(crate) fn take_in(&mut self, attempt: &AttemptView) {
        if self.of.as_ref() != Some(&attempt.of) {
            self.of = Some(attempt.of.clone());
            self.counts.clear();
        }
        let patches = &attempt.activity.patches;
        if self.counts.len() > 2 * patches.len() {
            // Most are of patches that are not kept any more.
            self.counts.clear();
        }
        for patch in patches {
            self.counts.entry(patch.seq).or_insert_with(|| count(&patch.patch.diff));
        }
    }

    pub(crate) fn of(&self, seq: u64) -> DiffCounts {
        self.counts.get(&seq).copied().unwrap_or_default()
    }
}

fn count(diff: &str) -> DiffCounts {
    let mut counts = DiffCounts::default();
    let mut kinds = Kinds::default();
    let bytes = diff.as_bytes();
    let mut from = 0;
    for end in
        memchr_iter(b'\n', bytes).chain((!diff.is_empty() && !diff.ends_with('\n')).then_some(bytes.len()))
    {
        counts.lines += 1;
        match kinds.next(&diff[from..end]) {
            LineKind::Added => counts.added += 1,
            LineKind::Removed => counts.removed += 1,
            LineKind::Head | LineKind::Hunk | LineKind::Same => {}
        }
        from = end + 1;
    }
    counts
}

/// What a line of a diff is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineKind {
    /// Names and modes of files.
    Head,
    /// `@@ … @@`.
    Hunk,
    Added,
    Removed,
    Same,
}

/// Tells the lines of a unified diff apart. The lengths in `@@ -a,b +c,d @@` decide where a hunk ends, so that
/// an added line `++ x` is not taken for the name of a file. Without them the first character decides.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Kinds {
    /// Lines left in the hunk: of the old and the new file.
    left: Option<(u64, u64)>,
}

impl Kinds {
    pub(crate) fn next(&mut self, line: &str) -> LineKind {
        let inside = self.left.is_some_and(|(old, new)| old > 0 || new > 0);
        if !inside {
            if line.starts_with("@@") {
                self.left = hunk_lengths(line);
                return LineKind::Hunk;
            }
            const HEADS: [&str; 14] = [
                "diff ",
                "index ",
                "--- ",
                "+++ ",
                "new file",
                "deleted file",
                "old mode",
                "new mode",
                "rename ",
                "copy ",
                "similarity",
                "dissimilarity",
                "Binary ",
                "GIT binary",
            ];
            if HEADS.iter().any(|head| line.starts_with(head)) {
                return LineKind::Head;
            }
        }
        let (kind, old, new) = match line.as_bytes().first() {
            Some(b'+') => (LineKind::Added, 0, 1),
            Some(b'-') => (LineKind::Removed, 1, 0),
            Some(b'\\') => (LineKind::Same, 0, 0),
            _ => (LineKind::Same, 1, 1),
        };
        if let Some((old_left, new_left)) = &mut self.left {
            *old_left = old_left.saturating_sub(old);
            *new_left = new_left.saturating_sub(new);
        }
        kind
    }
}

/// Lengths of `@@ -1,3 +1,4 @@`; a length that is not written is 1.
fn hunk_lengths(line: &str) -> Option<(u64, u64)> {
    let mut words = line.strip_prefix("@@ ")?.split(' ');
    let mut length = |sign: char| {
        let range = words.next()?.strip_prefix(sign)?;
        range.split_once(',').map_or(Some(1), |(_, length)| length.parse::<u64>().ok())
    };
    Some((length('-')?, length('+')?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_by_what_they_are() {
        let diff = "\
diff --git a/x b/x
--- a/x
+++ b/x
@@ -1,2 +1,3 @@
 same
-- was a comment
+++ increments
+new
@@ -9 +10 @@
-a
+b
\\ No newline at end of file";
        assert_eq!(count(diff), DiffCounts { added: 3, removed: 2, lines: 12 });
        assert_eq!(count(""), DiffCounts::default());
        assert_eq!(count("+a\n-b\n"), DiffCounts { added: 1, removed: 1, lines: 2 });
    }

    #[test]
    fn the_lengths_of_hunks() {
        assert_eq!(hunk_lengths("@@ -1,3 +1,4 @@ fn main()"), Some((3, 4)));
        assert_eq!(hunk_lengths("@@ -1 +0,0 @@"), Some((1, 0)));
        assert_eq!(hunk_lengths("@@ @@"), None);
        assert_eq!(hunk_lengths("@@@ -1,3 -1,3 +1,4 @@@"), None);
    }
}
