//! What patches are made of, worked out once for each.

use std::collections::HashMap;

use memchr::memchr_iter;
use roboppi_run::{AttemptRef, AttemptView};

use super::kinds::{Kinds, LineKind};

/// What is known of the patches of one attempt.
#[derive(Debug, Default)]
pub(crate) struct DiffIndex {
    of: Option<AttemptRef>,
    patches: HashMap<u64, PatchIndex>,
}

/// What one patch is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PatchIndex {
    /// Lines it adds.
    pub(crate) added: usize,
    /// Lines it takes away.
    pub(crate) removed: usize,
    /// Its parts, in their order.
    pub(crate) hunks: Vec<Hunk>,
}

/// A part of a diff.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hunk {
    /// Where it begins.
    pub(crate) at: usize,
    /// Whether its first line is its head, `@@ … @@`.
    pub(crate) has_head: bool,
    /// Its lines, without its head.
    pub(crate) lines: usize,
}

static NOTHING: PatchIndex = PatchIndex { added: 0, removed: 0, hunks: Vec::new() };

impl DiffIndex {
    /// Looks at the patches that were not looked at before.
    pub(crate) fn ingest(&mut self, attempt: &AttemptView) {
        if self.of.as_ref() != Some(&attempt.of) {
            self.of = Some(attempt.of.clone());
            self.patches.clear();
        }
        let patches = &attempt.activity.patches;
        if self.patches.len() > 2 * patches.len() {
            // Most are of patches that are not kept any more.
            self.patches.clear();
        }
        for patch in patches {
            self.patches.entry(patch.seq).or_insert_with(|| take_apart(&patch.patch.diff));
        }
    }

    pub(crate) fn of(&self, seq: u64) -> &PatchIndex {
        self.patches.get(&seq).unwrap_or(&NOTHING)
    }
}

/// Lines that only say again which file it is.
fn is_known(line: &str) -> bool {
    ["diff ", "index ", "--- ", "+++ "].iter().any(|head| line.starts_with(head))
}

fn take_apart(diff: &str) -> PatchIndex {
    let mut patch = PatchIndex::default();
    let mut kinds = Kinds::default();
    let bytes = diff.as_bytes();
    let rest = (!diff.is_empty() && !diff.ends_with('\n')).then_some(bytes.len());
    let mut from = 0;
    for end in memchr_iter(b'\n', bytes).chain(rest) {
        let line = &diff[from..end];
        let kind = kinds.next(line);
        match kind {
            LineKind::Added => patch.added += 1,
            LineKind::Removed => patch.removed += 1,
            LineKind::Head | LineKind::Hunk | LineKind::Same => {}
        }
        match (kind, patch.hunks.last_mut()) {
            (LineKind::Hunk, _) => patch.hunks.push(Hunk { at: from, has_head: true, lines: 0 }),
            (LineKind::Head, None) if is_known(line) => {}
            (_, Some(hunk)) => hunk.lines += 1,
            (_, None) => patch.hunks.push(Hunk { at: from, has_head: false, lines: 1 }),
        }
        from = end + 1;
    }
    patch
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diff_is_taken_apart() {
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
        let patch = take_apart(diff);
        assert_eq!((patch.added, patch.removed), (3, 2));
        let hunks: Vec<_> = patch.hunks.iter().map(|hunk| (hunk.has_head, hunk.lines)).collect();
        assert_eq!(hunks, [(true, 4), (true, 3)]);
        assert!(diff[patch.hunks[1].at..].starts_with("@@ -9"));
        assert_eq!(take_apart(""), PatchIndex::default());
        assert_eq!(take_apart("+a\n-b\n").hunks, [Hunk { at: 0, has_head: false, lines: 2 }]);
        let renamed = take_apart("diff --git a/x b/y\nrename from x\nrename to y\n");
        assert_eq!(renamed.hunks.len(), 1);
        assert_eq!(renamed.hunks[0].lines, 2);
    }
}
