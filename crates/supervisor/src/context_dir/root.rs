//! The context directory itself, which a step may remove.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use nix::fcntl::{Flock, FlockArg};
use roboppi_run::StepPath;
use rustix::fs::Mode;

use super::beneath::{Dir, DirId};
use super::step_place::{ensure_step, make_step};
use super::tree_error::TreeError;

/// What git reads in each directory.
const IGNORE: &str = ".gitignore";

/// The directory, found once before any worker runs, and made again when it is gone.
#[derive(Debug)]
pub(super) struct Root {
    /// As it was named.
    path: PathBuf,
    parent: Dir,
    name: OsString,
    /// Each has a directory of its own.
    steps: OnceLock<Vec<StepPath>>,
    held: Mutex<Held>,
    made_again: AtomicBool,
}

#[derive(Debug)]
struct Held {
    dir: Arc<Dir>,
    id: DirId,
    /// Held as long as the run lives, so that another run can tell.
    lock: Option<Flock<File>>,
}

impl Root {
    /// Makes it if it is not there. It may be a link when somebody `chose` it; an earlier worker may have made the one at
    /// the usual place.
    pub(super) fn open(path: PathBuf, chosen: bool) -> Result<Self, TreeError> {
        if !chosen && fs::symlink_metadata(&path).is_ok_and(|there| there.is_symlink()) {
            return Err(TreeError::Link { path });
        }
        let made = make(&path).map_err(TreeError::io(&path))?;
        let real = fs::canonicalize(&path).map_err(TreeError::io(&path))?;
        let (Some(parent), Some(name)) = (real.parent(), real.file_name()) else {
            return Err(TreeError::io(path)(io::ErrorKind::InvalidInput.into()));
        };
        let parent = Dir::anchor(parent)?;
        let dir = parent.enter(name)?;
        if made {
            keep_from_git(&dir);
        }
        let held = Mutex::new(Held::of(dir)?);
        let (steps, made_again) = (OnceLock::new(), AtomicBool::default());
        Ok(Self { path, parent, name: name.to_owned(), steps, held, made_again })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether no other run uses it.
    pub(super) fn is_ours(&self) -> bool {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).lock.is_some()
    }

    /// Makes the directories of steps, now and whenever it is made again.
    pub(super) fn prepare(&self, steps: Vec<StepPath>) -> Result<(), TreeError> {
        let dir = self.dir()?;
        for step in self.steps.get_or_init(|| steps) {
            ensure_step(&dir, step)?;
        }
        Ok(())
    }

    /// The directory, made again if what has its name is another one or nothing.
    pub(super) fn dir(&self) -> Result<Arc<Dir>, TreeError> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if self.parent.id_at(&self.name) != Some(held.id) {
            let is_gone = self.parent.id_at(&self.name).is_none();
            let dir = self.parent.make(&self.name)?;
            if is_gone {
                keep_from_git(&dir);
            }
            for step in self.steps.get().into_iter().flatten() {
                ensure_step(&dir, step)?;
            }
            *held = Held::of(dir)?;
            self.made_again.store(true, Ordering::Relaxed);
        }
        Ok(Arc::clone(&held.dir))
    }

    /// The directory of a step.
    pub(super) fn step(&self, step: &StepPath) -> Result<Dir, TreeError> {
        make_step(&*self.dir()?, step)
    }

    /// Whether it had to be made again since this was asked last.
    pub(super) fn was_made_again(&self) -> bool {
        self.made_again.swap(false, Ordering::Relaxed)
    }
}

/// Makes a directory with those above it. Whether it was not there.
fn make(path: &Path) -> io::Result<bool> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    match fs::create_dir(path) {
        Ok(()) => Ok(true),
        // A link to one is for whoever opens it to follow or not.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Has git overlook a directory that was made here: a run does not change the state of a repository. A directory that was
/// there is its owner's, with all that git sees of it, and so is a file of that name. It matters to no run whether this succeeds.
fn keep_from_git(dir: &Dir) {
    if let Ok(mut file) = dir.create_new(OsStr::new(IGNORE), Mode::from_raw_mode(0o666)) {
        let _ = file.write_all(b"*\n");
    }
}

impl Held {
    fn of(dir: Dir) -> Result<Self, TreeError> {
        let lock = Flock::lock(dir.file()?, FlockArg::LockExclusiveNonblock).ok();
        Ok(Self { id: dir.id()?, dir: Arc::new(dir), lock })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn it_is_made_again_and_never_through_a_link() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("context");
        let root = Root::open(path.clone(), false).unwrap();
        root.prepare(vec!["a".into()]).unwrap();
        assert!(path.join("a").is_dir() && !root.was_made_again());
        fs::remove_dir_all(&path).unwrap();
        root.step(&"b".into()).unwrap();
        assert!(path.join("a").is_dir() && path.join("b").is_dir() && root.was_made_again());
        assert!(!root.was_made_again() && root.is_ours());
        fs::remove_dir_all(&path).unwrap();
        symlink("/tmp", &path).unwrap();
        let error = root.step(&"b".into()).unwrap_err();
        assert!(matches!(&error, TreeError::Link { path } if path.ends_with("context")), "{error}");
        assert!(Root::open(path.clone(), false).is_err());
    }

    #[test]
    fn git_overlooks_what_was_made_here_and_nothing_else() {
        let place = tempfile::tempdir().unwrap();
        let ignored = |dir: &Path| fs::read_to_string(dir.join(IGNORE)).ok();
        let path = place.path().join("new/context");
        let root = Root::open(path.clone(), false).unwrap();
        assert_eq!(ignored(&path).as_deref(), Some("*\n"));
        fs::remove_dir_all(&path).unwrap();
        root.step(&"a".into()).unwrap();
        assert_eq!(ignored(&path).as_deref(), Some("*\n"), "made again");
        fs::write(path.join(IGNORE), "mine").unwrap();
        drop(root);
        let _ = Root::open(path.clone(), false).unwrap();
        assert_eq!(ignored(&path).as_deref(), Some("mine"));
        let own = place.path().join("own");
        fs::create_dir(&own).unwrap();
        let _ = Root::open(own.clone(), true).unwrap();
        assert_eq!(ignored(&own), None, "it was there");
    }

    #[test]
    fn a_link_that_was_chosen_is_resolved_once() {
        let place = tempfile::tempdir().unwrap();
        let [link, real, other] = ["link", "real", "other"].map(|name| place.path().join(name));
        [&real, &other].into_iter().for_each(|dir| fs::create_dir(dir).unwrap());
        symlink(&real, &link).unwrap();
        let root = Root::open(link.clone(), true).unwrap();
        fs::remove_file(&link).unwrap();
        symlink(&other, &link).unwrap();
        root.step(&"a".into()).unwrap();
        assert!(real.join("a").is_dir() && !other.join("a").exists());
    }

    #[test]
    fn what_cannot_be_made_again_is_named() {
        let place = tempfile::tempdir().unwrap();
        let parent = place.path().join("parent");
        let root = Root::open(parent.join("context"), true).unwrap();
        fs::remove_dir_all(&parent).unwrap();
        let error = root.dir().unwrap_err().to_string();
        assert!(error.contains("parent/context: No such file"), "{error}");
    }
}
