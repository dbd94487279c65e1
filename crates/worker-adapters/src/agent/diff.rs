//! Unified diffs from what agents say about a change.

use std::fmt::Write;

/// Lines of a file that changed, with some around them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hunk {
    /// First line before, from 1.
    pub old_start: u64,
    /// Lines before.
    pub old_lines: u64,
    /// First line after, from 1.
    pub new_start: u64,
    /// Lines after.
    pub new_lines: u64,
    /// The lines, each with its sign: a space, `-` or `+`.
    pub lines: Vec<String>,
}

/// The change of one file.
#[must_use]
pub fn unified_diff(path: &str, hunks: &[Hunk]) -> String {
    let mut diff = format!("--- {path}\n+++ {path}\n");
    for hunk in hunks {
        let Hunk { old_start, old_lines, new_start, new_lines, lines } = hunk;
        // Writing to a text cannot fail.
        let _ = writeln!(diff, "@@ -{old_start},{old_lines} +{new_start},{new_lines} @@");
        for line in lines {
            diff.push_str(line);
            diff.push('\n');
        }
    }
    diff
}

/// A file that was not there before.
#[must_use]
pub fn created_file_diff(path: &str, content: &str) -> String {
    let count = content.lines().count();
    let mut diff = format!("--- /dev/null\n+++ {path}\n");
    if count > 0 {
        let _ = writeln!(diff, "@@ -0,0 +1,{count} @@");
    }
    for line in content.lines() {
        diff.push('+');
        diff.push_str(line);
        diff.push('\n');
    }
    if count > 0 && !content.ends_with('\n') {
        diff.push_str("\\ No newline at end of file\n");
    }
    diff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_and_a_new_file() {
        let lines = ["-a", "+b", " c"].map(str::to_owned).to_vec();
        let hunk = Hunk { old_start: 1, old_lines: 2, new_start: 1, new_lines: 2, lines };
        insta::assert_snapshot!(unified_diff("/w/x.txt", &[hunk]), @r"
        --- /w/x.txt
        +++ /w/x.txt
        @@ -1,2 +1,2 @@
        -a
        +b
         c
        ");
        insta::assert_snapshot!(created_file_diff("n", "one\n\ntwo"), @r"
        --- /dev/null
        +++ n
        @@ -0,0 +1,3 @@
        +one
        +
        +two
        \ No newline at end of file
        ");
        assert_eq!(created_file_diff("n", ""), "--- /dev/null\n+++ n\n");
    }
}
