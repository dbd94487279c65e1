//! Names by which other programs find the run that they report to.
//!
//! Each is a symbolic link `emitted/<hash of the name>` to the run. It is made and replaced under a lock, which goes with its holder.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use roboppi_run::RunId;

use crate::{RecordError, RunDir, StateRoot, files, fingerprint};

/// From where a link leads to a run.
const RUNS: &str = "../runs/";

/// The lock. It is no hash.
const LOCK: &str = "lock";

/// Keys that may be there before those of removed runs are looked for.
const MANY: usize = 256;

/// The exclusive right to give keys to runs.
#[derive(Debug)]
pub struct Keys {
    dir: PathBuf,
    root: StateRoot,
    /// Held until it is closed.
    _lock: File,
}

impl StateRoot {
    /// The keys of runs that other programs report to. Waits for other processes that give keys.
    ///
    /// # Errors
    /// When the directory cannot be made, or the lock cannot be taken.
    pub fn keys(&self) -> Result<Keys, RecordError> {
        let dir = self.path().join("emitted");
        files::create_dirs(&dir)?;
        let path = dir.join(LOCK);
        let lock = files::open_shared(&path)?;
        files::wait_for_lock(&lock, &path)?;
        Ok(Keys { dir, root: self.clone(), _lock: lock })
    }
}

impl Keys {
    /// The run of a key; `None` when there is none, or it is gone.
    #[must_use]
    pub fn find(&self, key: &str) -> Option<RunDir> {
        let target = fs::read_link(self.link(key)).ok()?;
        let id = RunId::parse(target.to_str()?.strip_prefix(RUNS)?).ok()?;
        self.root.open_run(&id).ok()
    }

    /// Gives a key to a run, whichever had it before.
    ///
    /// # Errors
    /// When the link cannot be made.
    pub fn give(&self, key: &str, run: &RunId) -> Result<(), RecordError> {
        self.forget_removed();
        let link = self.link(key);
        let aside = self.dir.join("new");
        // It is of a process that was killed.
        let _ = fs::remove_file(&aside);
        symlink(format!("{RUNS}{run}"), &aside).map_err(RecordError::io("create", &aside))?;
        fs::rename(&aside, &link).map_err(RecordError::io("create", &link))
    }

    fn link(&self, key: &str) -> PathBuf {
        self.dir.join(fingerprint(key.as_bytes()))
    }

    /// Removes the keys of runs that are gone, once there are many.
    fn forget_removed(&self) {
        let links: Vec<_> = fs::read_dir(&self.dir).into_iter().flatten().flatten().collect();
        if links.len() < MANY {
            return;
        }
        for link in links {
            let is_gone = fs::read_link(link.path()).is_ok() && !link.path().exists();
            if is_gone {
                let _ = fs::remove_file(link.path());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_leads_to_the_run_it_was_given_last() {
        let dir = tempfile::tempdir().unwrap();
        let root = StateRoot::at(dir.path().join("state"));
        let runs = ["run-1", "run-2"].map(|id| RunId::parse(id).unwrap());
        runs.iter().for_each(|id| drop(root.create_run(id).unwrap()));
        let keys = root.keys().unwrap();
        for hostile in ["a", "../../x", "", "\0", "lock"] {
            assert!(keys.find(hostile).is_none(), "{hostile:?}");
            for id in &runs {
                keys.give(hostile, id).unwrap();
                assert_eq!(keys.find(hostile).unwrap().id().as_ref(), Some(id));
            }
        }
        root.remove(&runs[1]).unwrap();
        assert!(keys.find("a").is_none());
        for number in 0..2 * MANY {
            keys.give(&number.to_string(), &runs[usize::from(number % 2 == 0)]).unwrap();
        }
        assert!(fs::read_dir(dir.path().join("state/emitted")).unwrap().count() <= MANY + MANY / 2 + 8);
    }
}
