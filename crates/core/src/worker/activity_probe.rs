//! Looks at a worker from outside: what it and all below it have used, and when a file in its workspace was written.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use roboppi_ipc::ProcessIdentity;
use roboppi_process::descendants::processor_time;

use super::idle::Sample;

/// Files and directories that are looked at, those nearest to the top first. Where there are more, writing to the others
/// is seen only by the processor time it takes.
const ENTRIES: usize = 4000;

/// One look. It reads directories and may take milliseconds.
pub(super) fn sample(worker: ProcessIdentity, workspace: &Path) -> Sample {
    Sample { processor: processor_time(worker), written: last_written(workspace) }
}

fn last_written(workspace: &Path) -> Option<SystemTime> {
    let mut last = None;
    let mut seen = 0;
    let mut dirs: VecDeque<PathBuf> = [workspace.to_owned()].into();
    while let Some(dir) = dirs.pop_front() {
        for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
            seen += 1;
            if seen > ENTRIES {
                return last;
            }
            // Not of what a link leads to.
            let Ok(found) = entry.metadata() else { continue };
            last = last.max(found.modified().ok());
            if found.is_dir() {
                dirs.push_back(entry.path());
            }
        }
    }
    last.max(fs::metadata(workspace).and_then(|found| found.modified()).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_anywhere_below_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("a/b")).unwrap();
        let file = dir.path().join("a/b/c");
        fs::write(&file, "1").unwrap();
        let late = SystemTime::now() + std::time::Duration::from_secs(60);
        fs::File::options().write(true).open(&file).unwrap().set_modified(late).unwrap();
        assert_eq!(last_written(dir.path()), Some(late));
        assert_eq!(last_written(&dir.path().join("none")), None);
    }
}
