//! Opens what is inside a run directory without following a link on the way.
//!
//! Each component below the run directory, and the run directory itself, is opened relative to the one before, so
//! that nothing can be exchanged between a look and the opening. Where the runs are is the choice of their owner: the
//! path to the run directory may go through links.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open as open_path, openat};
use nix::sys::stat::Mode;

use crate::RecordError;

/// Directories of a run that hold files.
const WITH_FILES: [&str; 2] = ["blobs", "snapshots"];

/// The directory with one directory a step.
const STEPS: &str = "steps";

/// How a directory is opened that is only passed through.
#[cfg(target_os = "linux")]
const PASS: OFlag = OFlag::O_PATH;
#[cfg(not(target_os = "linux"))]
const PASS: OFlag = OFlag::O_RDONLY;

/// Opens a regular file of a record to read. Never waits, whatever is there.
pub(super) fn open(path: &Path) -> Result<File, RecordError> {
    let dir = open_dir(path.parent().unwrap_or_else(|| Path::new("")))?;
    let name = path.file_name().ok_or_else(|| RecordError::NotPlain { path: path.to_owned() })?;
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC | OFlag::O_NOCTTY;
    let file = openat(&dir, name, flags, Mode::empty()).map_err(|error| refused(path, error))?;
    let file = File::from(file);
    let metadata = file.metadata().map_err(RecordError::io("open", path))?;
    if metadata.is_file() { Ok(file) } else { Err(RecordError::NotPlain { path: path.to_owned() }) }
}

/// Opens a directory of a record: the run directory or one below it.
pub(crate) fn open_dir(path: &Path) -> Result<OwnedFd, RecordError> {
    let (outside, inside) = split(path);
    let begin = if outside.as_os_str().is_empty() { Path::new(".") } else { outside };
    let flags = PASS | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let mut dir = open_path(begin, flags, Mode::empty()).map_err(|error| refused(begin, error))?;
    let mut reached = outside.to_owned();
    for component in inside.components().filter(|part| !matches!(part, Component::CurDir)) {
        reached.push(component);
        let next = openat(&dir, component.as_os_str(), flags | OFlag::O_NOFOLLOW, Mode::empty());
        dir = next.map_err(|error| refused(&reached, error))?;
    }
    Ok(dir)
}

/// Whether no directory of the record on the way to `path` is a link. That one is not there is found by whoever goes on.
pub(crate) fn has_plain_dirs(path: &Path) -> bool {
    let dir = path.parent().unwrap_or_else(|| Path::new(""));
    !matches!(open_dir(dir), Err(RecordError::NotPlain { .. }))
}

/// Splits a directory into what is before a run directory, and the run directory with what is in it. The layout says
/// which is which: `steps/<step>`, `steps`, `blobs` and `snapshots` are below a run directory, everything else is one.
fn split(dir: &Path) -> (&Path, &Path) {
    let name = |path: &Path| path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
    let above = dir.parent();
    let depth = if above.and_then(name).is_some_and(|name| name == STEPS) {
        3
    } else if name(dir).is_some_and(|name| name == STEPS || WITH_FILES.contains(&name.as_str())) {
        2
    } else {
        1
    };
    let outside = dir.ancestors().nth(depth).unwrap_or_else(|| Path::new(""));
    (outside, dir.strip_prefix(outside).unwrap_or(dir))
}

fn refused(path: &Path, error: Errno) -> RecordError {
    let is_link = || path.symlink_metadata().is_ok_and(|found| !found.is_dir() && !found.is_file());
    match error {
        Errno::ELOOP => RecordError::NotPlain { path: path.to_owned() },
        // A socket, or a device without its driver.
        Errno::ENXIO | Errno::ENODEV | Errno::ENOTDIR if is_link() => {
            RecordError::NotPlain { path: path.to_owned() }
        }
        error => RecordError::io("open", path)(io::Error::from(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use nix::unistd::mkfifo;

    use super::*;

    #[test]
    fn a_link_in_a_record_is_refused_wherever_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let (secret, run) = (dir.path().join("secret"), dir.path().join("runs/run-1"));
        fs::create_dir_all(run.join("steps/a")).unwrap();
        fs::create_dir_all(secret.join("a")).unwrap();
        fs::write(secret.join("a/i1-a1.log"), "secret").unwrap();
        fs::write(secret.join("journal.jsonl"), "secret").unwrap();
        fs::write(run.join("steps/a/i1-a1.log"), "mine").unwrap();
        let log = run.join("steps/a/i1-a1.log");
        assert!(open(&log).is_ok());
        assert!(matches!(open(&run.join("steps/a/none")), Err(RecordError::Io { .. })));

        let refused = |path: &Path| {
            let error = open(path).unwrap_err();
            assert!(matches!(error, RecordError::NotPlain { .. }), "{}: {error}", path.display());
            assert!(!error.to_string().contains("secret"));
        };
        fs::remove_file(&log).unwrap();
        symlink(secret.join("a/i1-a1.log"), &log).unwrap();
        refused(&log);
        fs::remove_file(&log).unwrap();
        mkfifo(&log, Mode::S_IRWXU).unwrap();
        refused(&log);
        fs::remove_dir_all(run.join("steps/a")).unwrap();
        symlink(secret.join("a"), run.join("steps/a")).unwrap();
        refused(&log);
        fs::remove_dir_all(run.join("steps")).unwrap();
        symlink(&secret, run.join("steps")).unwrap();
        refused(&log);
        fs::remove_dir_all(&run).unwrap();
        symlink(&secret, &run).unwrap();
        refused(&run.join("journal.jsonl"));
        assert!(!has_plain_dirs(&run.join("snapshots/1.json")));

        // The way to the runs is the owner's.
        let other = dir.path().join("other");
        fs::remove_file(&run).unwrap();
        fs::create_dir(&run).unwrap();
        fs::write(run.join("journal.jsonl"), "mine").unwrap();
        symlink(dir.path().join("runs"), &other).unwrap();
        assert!(open(&other.join("run-1/journal.jsonl")).is_ok());
    }
}
