//! Short names of runs, unique within a state directory.
//!
//! Each is a symbolic link `handles/r17` to the run: to make one is to claim it, whatever other processes do at that moment
//! and however they end. A link may lead to a run that is gone, or is not there yet.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use roboppi_run::{RunHandle, RunId};

use crate::{RunDir, StateRoot, files};

/// Claims that may fail because another process was faster: as many runs may begin in the same instant.
const CLAIMS: usize = 10_000;

/// From where a link leads to a run.
const RUNS: &str = "../runs/";

impl StateRoot {
    fn handles_dir(&self) -> PathBuf {
        self.path().join("handles")
    }

    /// Claims the next handle for a run. `None` where the file system has no room or no symbolic links, and in the state
    /// directory of another user: a run without one is a run all the same.
    #[must_use]
    pub fn claim_handle(&self, id: &RunId) -> Option<RunHandle> {
        let dir = self.handles_dir();
        files::create_dirs(&dir).ok()?;
        let mut next = self.handles().max().map_or(Some(RunHandle::FIRST), RunHandle::next)?;
        for _ in 0..CLAIMS {
            match symlink(format!("{RUNS}{id}"), dir.join(next.to_string())) {
                Ok(()) => return Some(next),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => next = next.next()?,
                Err(_) => return None,
            }
        }
        None
    }

    /// The run of a handle, whether or not it is there.
    #[must_use]
    pub fn run_of_handle(&self, handle: RunHandle) -> Option<RunId> {
        let target = fs::read_link(self.handles_dir().join(handle.to_string())).ok()?;
        RunId::parse(target.to_str()?.strip_prefix(RUNS)?).ok()
    }

    /// Gives a handle back. The highest one stays, so that the next run is not taken for the one that had it.
    pub(crate) fn release_handle(&self, handle: RunHandle, id: &RunId) {
        if self.run_of_handle(handle).as_ref() == Some(id) && self.handles().any(|other| other > handle) {
            let _ = fs::remove_file(self.handles_dir().join(handle.to_string()));
        }
    }

    fn handles(&self) -> impl Iterator<Item = RunHandle> {
        let entries = fs::read_dir(self.handles_dir()).into_iter().flatten();
        entries.filter_map(|entry| RunHandle::parse(entry.ok()?.file_name().to_str()?))
    }
}

impl RunDir {
    /// The handle of the run on this machine; `None` of one that has none.
    #[must_use]
    pub fn handle(&self) -> Option<RunHandle> {
        if self.is_imported() {
            return self.imported().and_then(|imported| imported.handle);
        }
        self.manifest().ok()?.handle
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::thread;

    use super::*;

    fn id(number: usize) -> RunId {
        RunId::parse(&format!("run-{number}")).unwrap()
    }

    #[test]
    fn runs_that_begin_at_the_same_time_have_handles_of_their_own() {
        let dir = tempfile::tempdir().unwrap();
        let root = StateRoot::at(dir.path().join("state"));
        let claimed: Vec<RunHandle> = thread::scope(|scope| {
            let claims: Vec<_> = (0..8)
                .map(|first| {
                    let root = &root;
                    scope.spawn(move || {
                        (0..25).map(|n| root.claim_handle(&id(first * 25 + n)).unwrap()).collect::<Vec<_>>()
                    })
                })
                .collect();
            claims.into_iter().flat_map(|claim| claim.join().unwrap()).collect()
        });
        let different: BTreeSet<_> = claimed.iter().collect();
        assert_eq!((claimed.len(), different.len()), (200, 200));
        assert_eq!(different.last().map(ToString::to_string).as_deref(), Some("r200"));
    }

    #[test]
    fn a_handle_that_was_given_back_is_not_the_next_one() {
        let dir = tempfile::tempdir().unwrap();
        let root = StateRoot::at(dir.path().join("state"));
        let [first, second] = [1, 2].map(|number| root.claim_handle(&id(number)).unwrap());
        assert_eq!(root.run_of_handle(first), Some(id(1)));
        root.release_handle(first, &id(2));
        assert_eq!(root.run_of_handle(first), Some(id(1)), "it is another run's");
        root.release_handle(first, &id(1));
        root.release_handle(second, &id(2));
        assert_eq!(root.run_of_handle(first), None);
        assert_eq!(root.claim_handle(&id(3)).unwrap().to_string(), "r3");
    }
}
