//! Who owns the directories that hold runs.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::OFlag;
use nix::unistd::{Gid, Uid, fchown, geteuid};

use super::DIR_MODE;
use crate::RecordError;

/// Makes a directory and its missing parents. What root makes in the directory of a user belongs to that user, who
/// could not keep runs of their own in it otherwise.
pub(crate) fn create_dirs(path: &Path) -> Result<(), RecordError> {
    let missing: Vec<_> =
        path.ancestors().take_while(|dir| !dir.as_os_str().is_empty() && !dir.exists()).collect();
    for dir in missing.into_iter().rev() {
        match DirBuilder::new().mode(DIR_MODE).create(dir) {
            Ok(()) => give_to_owner_of_parent(dir).map_err(RecordError::io("create", dir))?,
            // Another process was faster.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(RecordError::io("create", dir)(error)),
        }
    }
    if path.is_dir() {
        Ok(())
    } else {
        Err(RecordError::io("create", path)(io::ErrorKind::NotADirectory.into()))
    }
}

fn give_to_owner_of_parent(dir: &Path) -> io::Result<()> {
    if !geteuid().is_root() {
        return Ok(());
    }
    let parent = dir.parent().unwrap_or_else(|| Path::new("/")).metadata()?;
    if parent.uid() == 0 {
        return Ok(());
    }
    let flags = (OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW).bits();
    let made = File::options().read(true).custom_flags(flags).open(dir)?;
    // Only what was made here a moment ago, should somebody have exchanged it.
    if made.metadata()?.uid() == 0 {
        fchown(&made, Some(Uid::from_raw(parent.uid())), Some(Gid::from_raw(parent.gid())))?;
    }
    Ok(())
}
