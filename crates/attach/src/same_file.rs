//! Paths as files: two spellings of one file are one file.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A file or directory that others are compared with: through links, `..` and every spelling.
#[derive(Clone, Debug)]
pub struct SameFile {
    path: PathBuf,
    /// Device and inode; `None` when there is nothing of that name.
    file: Option<(u64, u64)>,
}

impl SameFile {
    /// What there is at `path` now.
    #[must_use]
    pub fn as_file(path: &Path) -> Self {
        Self { path: path.to_owned(), file: identity(path) }
    }

    /// Whether `other` is the same: by its name, and so also when it is not there any more, or as a file.
    #[must_use]
    pub fn is(&self, other: &Path) -> bool {
        self.path == other || (self.file.is_some() && identity(other) == self.file)
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    path.metadata().ok().map(|found| (found.dev(), found.ino()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn every_spelling_of_a_file_is_that_file() {
        let dir = tempfile::tempdir().unwrap();
        let place = |name: &str| dir.path().join(name);
        fs::create_dir(place("a")).unwrap();
        for name in ["a/w.yaml", "a/other.yaml"] {
            fs::write(place(name), "name: w").unwrap();
        }
        symlink("a", place("linked")).unwrap();
        symlink("a/w.yaml", place("link.yaml")).unwrap();
        symlink("nowhere", place("dangling.yaml")).unwrap();
        let file = SameFile::as_file(&place("a/w.yaml"));
        for same in ["a/w.yaml", "a/../a/w.yaml", "linked/w.yaml", "link.yaml", "linked/../link.yaml"] {
            assert!(file.is(&place(same)), "{same}");
        }
        for other in ["a/other.yaml", "a", "none.yaml", "dangling.yaml"] {
            assert!(!file.is(&place(other)), "{other}");
        }
        let gone = SameFile::as_file(&place("gone.yaml"));
        assert!(gone.is(&place("gone.yaml")) && !gone.is(&place("none.yaml")));
    }
}
