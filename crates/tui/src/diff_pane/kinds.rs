//! What the lines of a diff are.

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
    fn the_lengths_of_hunks() {
        assert_eq!(hunk_lengths("@@ -1,3 +1,4 @@ fn main()"), Some((3, 4)));
        assert_eq!(hunk_lengths("@@ -1 +0,0 @@"), Some((1, 0)));
        assert_eq!(hunk_lengths("@@ @@"), None);
        assert_eq!(hunk_lengths("@@@ -1,3 -1,3 +1,4 @@@"), None);
    }
}
