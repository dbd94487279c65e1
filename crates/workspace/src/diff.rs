//! The difference of two contents.

use std::time::Duration;

use similar::{ChangeTag, TextDiff};

/// Lines around a change.
const CONTEXT: usize = 3;
/// Time after which a smaller diff is no longer looked for.
const TIME: Duration = Duration::from_millis(300);
/// Bytes in which a file with a zero byte is taken for binary.
const BINARY_PREFIX: usize = 8 * 1024;

/// Lines that a change adds and removes, and the change in the unified form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Diff {
    pub(crate) added: u64,
    pub(crate) removed: u64,
    /// `None` if it is longer than `most`.
    pub(crate) text: Option<String>,
}

/// `None` if one side is not text. A side that is absent is a file that is not there.
pub(crate) fn diff(name: &[u8], old: Option<&[u8]>, new: Option<&[u8]>, most: usize) -> Option<Diff> {
    let (before, after) = (text(old.unwrap_or_default())?, text(new.unwrap_or_default())?);
    let diff = TextDiff::configure().timeout(TIME).diff_lines(before, after);
    let (mut added, mut removed) = (0, 0);
    for change in diff.iter_all_changes() {
        match change.tag() {
            ChangeTag::Insert => added += 1,
            ChangeTag::Delete => removed += 1,
            ChangeTag::Equal => {}
        }
    }
    let name = quoted(name);
    let side = |letter: char, content: Option<&[u8]>| match content {
        Some(_) => format!("{letter}/{name}"),
        None => "/dev/null".to_owned(),
    };
    let text =
        diff.unified_diff().context_radius(CONTEXT).header(&side('a', old), &side('b', new)).to_string();
    Some(Diff { added, removed, text: (text.len() <= most && !text.is_empty()).then_some(text) })
}

fn text(content: &[u8]) -> Option<&str> {
    let is_binary = content[..content.len().min(BINARY_PREFIX)].contains(&0);
    if is_binary { None } else { std::str::from_utf8(content).ok() }
}

/// A path in one line: control characters as escapes.
fn quoted(name: &[u8]) -> String {
    let name = String::from_utf8_lossy(name);
    name.chars().fold(String::new(), |mut out, letter| {
        if letter.is_control() {
            out.extend(letter.escape_default());
        } else {
            out.push(letter);
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_unified() {
        let diff = diff(b"a/b\n.txt", Some(b"1\n2\n3\n"), Some(b"1\ntwo\n3\nfour"), 1000).unwrap();
        assert_eq!((diff.added, diff.removed), (2, 1));
        let text = diff.text.unwrap();
        assert!(
            text.starts_with(
                "--- a/a/b\\n.txt\n+++ b/a/b\\n.txt\n@@ -1,3 +1,4 @@\n 1\n-2\n+two\n 3\n+four\n"
            ),
            "{text}"
        );
    }

    #[test]
    fn new_and_removed_files_have_one_side() {
        let new = diff(b"x", None, Some(b"1\n"), 1000).unwrap();
        assert_eq!(new.text.as_deref(), Some("--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+1\n"));
        let gone = diff(b"x", Some(b"1\n"), None, 1000).unwrap();
        assert_eq!((gone.added, gone.removed), (0, 1));
        assert!(gone.text.unwrap().contains("+++ /dev/null"));
    }

    #[test]
    fn what_is_binary_or_long_has_no_text() {
        assert_eq!(diff(b"x", Some(b"a\0"), Some(b"b"), 1000), None);
        assert_eq!(diff(b"x", Some(b"\xff"), Some(b"b"), 1000), None);
        let long = diff(b"x", None, Some(&b"line\n".repeat(1000)), 1000).unwrap();
        assert_eq!((long.added, long.text), (1000, None));
    }
}
