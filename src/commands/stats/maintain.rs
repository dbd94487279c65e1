//! `roboppi stats --maintain`: a file that is always whole and up to date.

use std::fs::{self, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use super::{Count, Counter};
use crate::exit::Failure;
use crate::terminal;

/// Time after which the file is written again although nothing has changed, so that its age shows that it is maintained.
const RENEWAL: Duration = Duration::from_secs(60);

/// What the name of a file ends with that is not in place yet.
const ASIDE: &str = ".tmp";

/// Keeps the file up to date until the program is interrupted.
pub(super) fn maintain(counter: &mut Counter<'_>, path: &Path) -> Result<ExitCode, Failure> {
    let target = Target::of(path);
    target.remove_abandoned();
    let count = counter.count()?;
    let mut inode = target.replace(&count.rendered).map_err(|error| target.failure(&error))?;
    let (mut last, mut written, mut is_failing) = (count, Instant::now(), false);
    loop {
        counter.pause();
        let count = counter.count()?;
        let is_current = last.statistic.totals == count.statistic.totals
            && written.elapsed() < RENEWAL
            && target.inode() == Some(inode);
        if is_current {
            continue;
        }
        match target.replace(&count.rendered) {
            Ok(new) => {
                (inode, written, is_failing) = (new, Instant::now(), false);
                last = Count { rendered: String::new(), ..count };
            }
            // The disk may have space again later.
            Err(error) if !is_failing => {
                is_failing = true;
                terminal::note(&format!("warning: {}; it is tried again", target.failure(&error).message()));
            }
            Err(_) => {}
        }
    }
}

/// The file that is maintained.
struct Target {
    path: PathBuf,
    dir: PathBuf,
    /// What the names of files begin with that are not in place yet.
    prefix: String,
}

impl Target {
    fn of(path: &Path) -> Self {
        // A link stays, and what it leads to is replaced.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let dir =
            path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self { prefix: format!(".{name}."), path, dir }
    }

    fn failure(&self, error: &io::Error) -> Failure {
        Failure::infrastructure(format!("cannot write {}: {error}", self.path.display()))
            .hint("choose a file in a directory that you can write to with --maintain")
    }

    fn inode(&self) -> Option<u64> {
        fs::metadata(&self.path).ok().map(|found| found.ino())
    }

    /// Puts the content in place at once, and returns the inode of the file.
    fn replace(&self, content: &str) -> io::Result<u64> {
        fs::create_dir_all(&self.dir)?;
        let found = fs::metadata(&self.path).ok();
        if found.as_ref().is_some_and(|found| !found.is_file()) {
            return Err(io::Error::other("it is not a regular file"));
        }
        // Another program is to read it, so the umask decides.
        let mode = Permissions::from_mode(0o666);
        let mut builder = tempfile::Builder::new();
        builder.prefix(&self.prefix).suffix(ASIDE).permissions(mode);
        let mut file = builder.tempfile_in(&self.dir)?;
        if let Some(found) = found {
            file.as_file().set_permissions(Permissions::from_mode(found.mode() & 0o777))?;
        }
        file.write_all(content.as_bytes())?;
        let inode = file.as_file().metadata()?.ino();
        file.persist(&self.path)?;
        Ok(inode)
    }

    /// Removes what programs left that were killed before their file was in place.
    fn remove_abandoned(&self) {
        let Ok(entries) = fs::read_dir(&self.dir) else { return };
        for entry in entries.flatten() {
            let is_aside = entry
                .file_name()
                .to_str()
                .is_some_and(|name| name.starts_with(&self.prefix) && name.ends_with(ASIDE));
            let is_old = || {
                let changed = entry.metadata().and_then(|found| found.modified());
                changed.is_ok_and(|changed| {
                    SystemTime::now().duration_since(changed).is_ok_and(|passed| passed > RENEWAL)
                })
            };
            if is_aside && is_old() {
                // It only takes space.
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}
