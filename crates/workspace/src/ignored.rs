//! Which paths are left aside: what git ignores, `.git`, and directories that are named.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::beneath::{Root, join, split};
use crate::stat::Name;

/// Bytes of a `.gitignore` that are read.
const LARGEST: u64 = 1024 * 1024;

/// Rules of the directories that were entered. Those of directories above the workspace, and of the user, are outside of it and do
/// not count.
#[derive(Debug, Default)]
pub(crate) struct Ignored {
    rules: BTreeMap<Name, Gitignore>,
    exclude: Option<Gitignore>,
    skipped: BTreeSet<Name>,
}

impl Ignored {
    pub(crate) fn new(root: &Root, skipped: BTreeSet<Name>) -> Self {
        let exclude = rules(root, b"", b".git/info/exclude");
        Self { rules: BTreeMap::new(), exclude, skipped }
    }

    /// Reads the rules of a directory. To be called before anything in it is asked for.
    pub(crate) fn enter(&mut self, root: &Root, dir: &[u8]) {
        match rules(root, dir, &join(dir, b".gitignore")) {
            Some(found) => self.rules.insert(dir.into(), found),
            None => self.rules.remove(dir),
        };
    }

    /// Whether an entry of a directory that was entered is left aside.
    pub(crate) fn has(&self, name: &[u8], is_dir: bool) -> bool {
        if split(name).1 == b".git" || (is_dir && self.skipped.contains(name)) {
            return true;
        }
        let path = Path::new(OsStr::from_bytes(name));
        let mut dir = name;
        while !dir.is_empty() {
            dir = split(dir).0;
            let matched = self.rules.get(dir).map(|rules| rules.matched(path, is_dir));
            if let Some(matched) = matched.filter(|matched| !matched.is_none()) {
                return matched.is_ignore();
            }
        }
        self.exclude.as_ref().is_some_and(|rules| rules.matched(path, is_dir).is_ignore())
    }
}

fn rules(root: &Root, dir: &[u8], file: &[u8]) -> Option<Gitignore> {
    let (content, _) = root.read(file, LARGEST)?;
    let mut builder = GitignoreBuilder::new(Path::new(OsStr::from_bytes(dir)));
    for line in String::from_utf8_lossy(&content).lines() {
        // A line that is no pattern ignores nothing.
        let _ = builder.add_line(None, line);
    }
    builder.build().ok().filter(|rules| !rules.is_empty())
}
