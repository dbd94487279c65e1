//! Which files differ between two scans.

use crate::beneath::split;
use crate::scan::Scan;
use crate::stat::{Name, Stat};

/// Kind of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeKind {
    /// The file is new.
    Added,
    /// Its content or its executable bit has changed.
    Modified,
    /// The file was removed.
    Deleted,
}

/// A file whose state differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) name: Name,
    pub(crate) before: Option<Stat>,
    pub(crate) after: Option<Stat>,
}

impl Difference {
    pub(crate) const fn kind(&self) -> ChangeKind {
        match (self.before, self.after) {
            (None, _) => ChangeKind::Added,
            (Some(_), Some(_)) => ChangeKind::Modified,
            (Some(_), None) => ChangeKind::Deleted,
        }
    }
}

/// The differences by name. A file of which only one scan can know is none: whether it was there at the other time is not known.
/// `is_racy` says of which equal states the content may differ all the same.
pub(crate) fn differences(before: &Scan, after: &Scan, is_racy: impl Fn(&Stat) -> bool) -> Vec<Difference> {
    let mut found = Vec::new();
    for (name, old) in &before.files {
        match after.files.get(name) {
            Some(new) if new.may_differ(old) || is_racy(old) => {
                found.push(Difference { name: name.clone(), before: Some(*old), after: Some(*new) });
            }
            Some(_) => {}
            None if knows(after, name) => {
                found.push(Difference { name: name.clone(), before: Some(*old), after: None });
            }
            None => {}
        }
    }
    for (name, new) in &after.files {
        if !before.files.contains_key(name) && knows(before, name) {
            found.push(Difference { name: name.clone(), before: None, after: Some(*new) });
        }
    }
    found.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    found
}

/// Whether a scan without a file shows that it was not there.
pub(crate) fn knows(scan: &Scan, name: &[u8]) -> bool {
    let mut dir = split(name).0;
    loop {
        if scan.read.contains(dir) {
            return true;
        }
        if scan.seen.contains(dir) || dir.is_empty() {
            return false;
        }
        dir = split(dir).0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names<T: FromIterator<Name>>(names: &[&str]) -> T {
        names.iter().map(|name| Name::from(name.as_bytes())).collect()
    }

    fn scan(read: &[&str], unread: &[&str]) -> Scan {
        let mut scan = Scan { read: names(read), seen: names(read), ..Scan::default() };
        scan.seen.extend(names::<Vec<Name>>(unread));
        scan
    }

    #[test]
    fn a_file_in_a_directory_that_was_not_read_may_have_been_there() {
        let before = scan(&["", "a"], &["b"]);
        for (name, known) in
            [("x", true), ("a/x", true), ("a/new/x", true), ("b/x", false), ("b/new/x", false)]
        {
            assert_eq!(knows(&before, name.as_bytes()), known, "{name}");
        }
        assert!(!knows(&scan(&[], &[""]), b"x"));
    }
}
