//! What was placed into the workspace for a step, so that it can be taken back.
//!
//! Inputs are copied into directories where a person or a step may have files as well. So each file that is placed is noted
//! in `.placed` of the step, with what tells it from any other: number, size and time. The next time the step is given its
//! inputs those of before go first, and nobody takes a file of an earlier run for one of this one. A file that was
//! changed, replaced or added since is not ours any more, and stays.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::Mode;

use super::beneath::Dir;
use super::tree_error::TreeError;

/// Records end with a NUL, which no path has. The first is the workspace, each other one what tells a file from others,
/// and its path there.
pub(super) const PLACED: &str = ".placed";

/// Notes what is placed. At once, so that it is known when this program is killed.
pub(super) struct Placed {
    file: File,
    path: PathBuf,
    workspace: PathBuf,
}

impl Placed {
    pub(super) fn begin(step: &Dir, workspace: &Path) -> Result<Self, TreeError> {
        let name = OsStr::new(PLACED);
        let file = step.create(name, Mode::from_raw_mode(0o666))?;
        let mut placed = Self { file, path: step.at(name), workspace: workspace.to_owned() };
        placed.write(workspace.as_os_str().as_bytes().to_vec())?;
        Ok(placed)
    }

    /// What has just been made at a name.
    pub(super) fn note(&mut self, dir: &Dir, name: &OsStr) -> Result<(), TreeError> {
        let path = dir.at(name);
        let (Some(identity), Ok(path)) = (dir.identity(name), path.strip_prefix(&self.workspace)) else {
            return Ok(());
        };
        let mut record = identity.into_bytes();
        record.push(b' ');
        record.extend_from_slice(path.as_os_str().as_bytes());
        self.write(record)
    }

    fn write(&mut self, mut record: Vec<u8>) -> Result<(), TreeError> {
        record.push(0);
        self.file.write_all(&record).map_err(TreeError::io(&self.path))
    }
}

/// Removes what was placed for a step in a workspace and is as it was then, and directories that are empty after that.
pub(super) fn take_back(step: &Dir, workspace: &Path) {
    let Ok(file) = step.read(OsStr::new(PLACED)) else { return };
    let mut records = BufReader::new(file).split(0).map_while(Result::ok);
    let Some(of) = records.next().filter(|first| first.starts_with(b"/")) else {
        // Another file of this name.
        return;
    };
    let of_this_workspace = of == workspace.as_os_str().as_bytes();
    let root = Dir::anchor(workspace).ok().filter(|_| of_this_workspace);
    let mut emptied = BTreeSet::new();
    // Files of a directory come one after another.
    let mut last: Option<(PathBuf, Option<Dir>)> = None;
    for record in records {
        let (Some(root), Some((identity, path))) = (&root, parsed(&record)) else { continue };
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { continue };
        if last.as_ref().is_none_or(|(known, _)| known != parent) {
            last = Some((parent.to_owned(), enter(root, parent)));
        }
        let Some((_, Some(dir))) = &last else { continue };
        if dir.identity(name).is_some_and(|now| now.as_bytes() == identity) && dir.unlink(name).is_ok() {
            emptied.extend(parent.ancestors().map(Path::to_owned));
        }
    }
    // Those inside come after those they are in.
    for dir in emptied.iter().rev() {
        if let (Some(root), Some(parent), Some(name)) = (&root, dir.parent(), dir.file_name())
            && let Some(parent) = enter(root, parent)
        {
            // One that holds more stays.
            let _ = parent.remove_empty(name);
        }
    }
    // It is written anew with the next inputs.
    let _ = step.unlink(OsStr::new(PLACED));
}

/// What tells a file from others, and where it is.
fn parsed(record: &[u8]) -> Option<(&[u8], &Path)> {
    let end = record.iter().enumerate().filter(|(_, byte)| **byte == b' ').nth(3)?.0;
    let path = Path::new(OsStr::from_bytes(&record[end + 1..]));
    let is_below = path.components().all(|component| matches!(component, Component::Normal(_)));
    is_below.then_some((&record[..end], path))
}

/// A directory below the root, without following links.
fn enter(root: &Dir, path: &Path) -> Option<Dir> {
    path.components()
        .try_fold(root.enter(OsStr::new(".")).ok()?, |dir, name| dir.enter(name.as_os_str()).ok())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_was_placed_is_taken_back_and_what_is_of_others_stays() {
        let place = tempfile::tempdir().unwrap();
        let real = place.path().canonicalize().unwrap();
        let (work, step) = (real.join("work"), real.join("step"));
        [&work, &step].into_iter().for_each(|dir| fs::create_dir(dir).unwrap());
        let of = |path: &str| work.join(path);
        for dir in ["in/deep", "in/mine", "other"] {
            fs::create_dir_all(of(dir)).unwrap();
        }
        let odd = OsStr::from_bytes(b"caf\xe9 x");
        for file in ["in/a", "in/deep/b", "in/changed", "in/replaced", "in/mine/c"] {
            fs::write(of(file), "placed").unwrap();
        }
        fs::write(of("in/deep").join(odd), "placed").unwrap();
        let (step, root) = (Dir::open(&step).unwrap(), Dir::open(&work).unwrap());
        let mut placed = Placed::begin(&step, &work).unwrap();
        let input = root.enter("in".as_ref()).unwrap();
        let deep = input.enter("deep".as_ref()).unwrap();
        for name in ["a", "changed", "replaced"] {
            placed.note(&input, name.as_ref()).unwrap();
        }
        placed.note(&deep, "b".as_ref()).unwrap();
        placed.note(&deep, odd).unwrap();
        placed.write(b"1 1 1 1 ../step/escape".to_vec()).unwrap();
        placed.write(b"no record".to_vec()).unwrap();
        fs::write(of("in/changed"), "changed since").unwrap();
        fs::rename(of("in/mine/c"), of("in/replaced")).unwrap();
        take_back(&step, &work);
        for gone in ["in/a", "in/deep"] {
            assert!(!of(gone).exists(), "{gone}");
        }
        for stays in ["in/changed", "in/replaced", "in/mine", "other"] {
            assert!(of(stays).exists(), "{stays}");
        }
        assert_eq!(step.list().unwrap(), []);
        // There is nothing to take back twice, nor in another workspace.
        drop(Placed::begin(&step, &real).unwrap());
        take_back(&step, &work);
    }
}
