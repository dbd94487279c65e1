//! The hash of a file or a directory with everything in it.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use sha2::{Digest, Sha256};

/// Hashes names, kinds, contents, targets of links, and whether files can be executed: what a copy of it has as well.
/// Times and owners are not part of it. `None` when nothing is there.
pub(crate) fn tree_hash(path: &Path) -> io::Result<Option<String>> {
    if let Err(error) = fs::symlink_metadata(path) {
        return if error.kind() == io::ErrorKind::NotFound { Ok(None) } else { Err(error) };
    }
    let mut hash = Sha256::new();
    add(path, &mut hash)?;
    let digest = hash.finalize();
    Ok(Some(digest.iter().map(|byte| format!("{byte:02x}")).collect()))
}

fn add(path: &Path, hash: &mut Sha256) -> io::Result<()> {
    let metadata = fs::symlink_metadata(path)?;
    let kind = metadata.file_type();
    if kind.is_dir() {
        let mut names = fs::read_dir(path)?
            .map(|entry| entry.map(|entry| entry.file_name()))
            .collect::<io::Result<Vec<_>>>()?;
        names.sort_unstable();
        hash.update(b"d");
        hash.update((names.len() as u64).to_le_bytes());
        for name in names {
            text(hash, name.as_bytes());
            add(&path.join(name), hash)?;
        }
    } else if kind.is_symlink() {
        hash.update(b"l");
        text(hash, fs::read_link(path)?.as_os_str().as_bytes());
    } else if kind.is_file() {
        let executable = metadata.permissions().mode() & 0o111 != 0;
        hash.update(if executable { b"x" } else { b"f" });
        content(hash, path)?;
    } else {
        // Sockets, pipes and devices are not artifacts; reading one could wait for ever.
        hash.update(b"?");
    }
    Ok(())
}

/// The length comes last: a file may grow while it is read.
fn content(hash: &mut Sha256, path: &Path) -> io::Result<()> {
    let mut file = File::open(path)?;
    let mut block = vec![0; 64 * 1024];
    let mut len = 0_u64;
    loop {
        let read = match file.read(&mut block) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        if read == 0 {
            hash.update(len.to_le_bytes());
            return Ok(());
        }
        hash.update(&block[..read]);
        len += read as u64;
    }
}

fn text(hash: &mut Sha256, bytes: &[u8]) {
    hash.update((bytes.len() as u64).to_le_bytes());
    hash.update(bytes);
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn whatever_a_copy_would_have_is_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("made");
        assert_eq!(tree_hash(&path).unwrap(), None);
        let mut seen = Vec::new();
        let mut differs = |what: &str| {
            let hash = tree_hash(&path).unwrap().unwrap();
            assert!(!seen.contains(&hash), "{what} makes no difference");
            seen.push(hash);
        };
        fs::create_dir(&path).unwrap();
        differs("an empty directory");
        fs::write(path.join("a"), "one").unwrap();
        differs("a file");
        fs::write(path.join("a"), "two").unwrap();
        differs("a content");
        fs::set_permissions(path.join("a"), Permissions::from_mode(0o755)).unwrap();
        differs("a program");
        fs::rename(path.join("a"), path.join("b")).unwrap();
        differs("a name");
        symlink("b", path.join("c")).unwrap();
        differs("a link");
        fs::create_dir(path.join("d")).unwrap();
        differs("a directory in it");
        fs::rename(path.join("b"), path.join("d/b")).unwrap();
        differs("a place");
        fs::remove_dir_all(&path).unwrap();
        fs::write(&path, "two").unwrap();
        differs("a file alone");
        let again = tree_hash(&path).unwrap();
        fs::copy(&path, dir.path().join("copy")).unwrap();
        assert_eq!(tree_hash(&dir.path().join("copy")).unwrap(), again);
    }
}
