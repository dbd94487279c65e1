//! Copies a file or a directory with everything in it.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

/// Copies `from` over `to`: files are replaced, others stay, links stay links. A directory that holds
/// `never_inside` is refused, because the copy would be copied as well.
pub(super) fn tree(from: &Path, to: &Path, never_inside: &Path) -> io::Result<()> {
    if from.is_dir() && fs::canonicalize(never_inside)?.starts_with(fs::canonicalize(from)?) {
        return Err(io::Error::other(
            "it holds the context directory; name a directory inside the workspace",
        ));
    }
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    // The path someone named may be a link itself; what is meant is what it points to.
    copy(&fs::canonicalize(from)?, to)
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let kind = fs::symlink_metadata(from)?.file_type();
    if kind.is_dir() {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
        Ok(())
    } else if kind.is_symlink() {
        match fs::remove_file(to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        symlink(fs::read_link(from)?, to)
    } else if kind.is_file() {
        fs::copy(from, to).map(drop)
    } else {
        // Sockets, pipes and devices are not artifacts; reading one could wait for ever.
        Ok(())
    }
}
