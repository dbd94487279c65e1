//! The files of attempts that were written on another host: how its keeper reads them, and how the supervisor writes them.
//!
//! Files that only grow are sent by offset, small ones as a whole. The order of [`SpoolFiles::lens`] is the one in which the core
//! wrote: a hole before its zeros, an index before its bytes.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::base::Base;
use crate::hole::Hole;
use crate::portable::is_part;
use crate::read_at::read_full_at;
use crate::{RecordError, blob, disk, files};

/// Files of an attempt that only grow, in the order in which they are to be sent.
const GROWING: [&str; 3] = ["idx", "log", "events.jsonl"];
/// Small files of an attempt that are replaced as a whole.
const SMALL: [&str; 2] = ["hole", "events.hole"];

/// Names of all files of an attempt that a host may send, within a run directory.
///
/// # Errors
/// [`RecordError::BadBase`] when `base` is not of the form `steps/<step>/<name>`.
pub fn mirrored_files(base: &str) -> Result<Vec<String>, RecordError> {
    Base::parse(&PathBuf::new(), base)?;
    Ok(GROWING.iter().chain(&SMALL).map(|extension| format!("{base}.{extension}")).collect())
}

/// The spool of a host, as its keeper reads it.
#[derive(Clone, Debug)]
pub struct SpoolFiles {
    dir: PathBuf,
}

/// What a spool has of an attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpoolState {
    /// Small files and their contents, which are to be sent first.
    pub small: Vec<(String, Vec<u8>)>,
    /// Files that only grow, and their lengths.
    pub lens: Vec<(String, u64)>,
}

impl SpoolFiles {
    /// The spool in a directory.
    #[must_use]
    pub const fn at(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// What there is of an attempt now.
    ///
    /// # Errors
    /// [`RecordError::BadBase`] when `base` is not of the form `steps/<step>/<name>`; or when a file cannot be read.
    pub fn state(&self, base: &str) -> Result<SpoolState, RecordError> {
        Base::parse(&self.dir, base)?;
        let mut state = SpoolState::default();
        // Bytes are read before their index, which is written before them.
        for extension in GROWING.iter().rev() {
            let name = format!("{base}.{extension}");
            let path = self.dir.join(&name);
            match std::fs::symlink_metadata(&path) {
                Ok(meta) => state.lens.push((name, meta.len())),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(RecordError::io("measure", &path)(error)),
            }
        }
        state.lens.reverse();
        for extension in SMALL {
            let name = format!("{base}.{extension}");
            let path = self.dir.join(&name);
            if path.symlink_metadata().is_ok() {
                state.small.push((name, files::read(&path)?));
            }
        }
        Ok(state)
    }

    /// When the directory of large values has changed last; `None` as long as there are none.
    #[must_use]
    pub fn blobs_changed(&self) -> Option<SystemTime> {
        self.dir.join(blob::DIR).symlink_metadata().ok()?.modified().ok()
    }

    /// Large values that are complete, and their lengths.
    ///
    /// # Errors
    /// When their directory cannot be read.
    pub fn blobs(&self) -> Result<Vec<(String, u64)>, RecordError> {
        let named = |entry: std::fs::DirEntry| {
            let name = format!("{}/{}", blob::DIR, entry.file_name().to_str()?);
            blob::hash_in(&name)?;
            Some((name, entry.metadata().ok()?.len()))
        };
        Ok(files::list(&self.dir.join(blob::DIR))?.into_iter().filter_map(named).collect())
    }

    /// A part of a file.
    ///
    /// # Errors
    /// When it is no file of a record, is shorter, or cannot be read.
    pub fn read(&self, name: &str, offset: u64, len: usize) -> Result<Vec<u8>, RecordError> {
        if !is_part(name) {
            return Err(RecordError::BadBase { base: name.to_owned() });
        }
        let path = self.dir.join(name);
        let missing = || RecordError::io("read", &path)(io::ErrorKind::UnexpectedEof.into());
        let file = files::open_read(&path)?.ok_or_else(missing)?;
        let mut content = vec![0; len];
        let read = read_full_at(&file, &mut content, offset).map_err(RecordError::io("read", &path))?;
        if read == len { Ok(content) } else { Err(missing()) }
    }
}

/// Writes what a host sends into the run directory of its supervisor.
#[derive(Debug)]
pub struct MirrorWriter {
    dir: PathBuf,
    /// Keeps apart what several hosts send of the same value.
    host: String,
    open: HashMap<String, File>,
}

impl MirrorWriter {
    /// Writes what a host sends into this run directory.
    #[must_use]
    pub fn at(dir: PathBuf, host: &str) -> Self {
        Self { dir, host: host.to_owned(), open: HashMap::new() }
    }

    /// Appends to a file that has `offset` bytes.
    ///
    /// # Errors
    /// When it is no file of an attempt, has another length, or cannot be written. Nothing of `content` is in it then.
    pub fn append(&mut self, name: &str, offset: u64, content: &[u8]) -> Result<(), RecordError> {
        if let Some(hash) = blob::hash_in(name) {
            return self.append_to_blob(&self.partial(hash), offset, content);
        }
        let path = self.path(name)?;
        if !self.open.contains_key(name) {
            if let Some(dir) = path.parent() {
                files::ensure_step_dir(dir)?;
            }
            self.open.insert(name.to_owned(), files::open_or_create_append(&path)?);
        }
        let Some(file) = self.open.get_mut(name) else { return Ok(()) };
        let mut append = || -> io::Result<()> {
            let len = file.metadata()?.len();
            if len != offset {
                return Err(io::Error::other(format!("it has {len} bytes, and {offset} are expected")));
            }
            file.write_all(content).inspect_err(|_| {
                // Half of it would be taken for all of it.
                let _ = file.set_len(offset);
            })
        };
        append().map_err(RecordError::io("append to", &path))
    }

    /// Replaces a small file, the hole of a log or an event file. Its range is given back to the file system.
    ///
    /// # Errors
    /// When it is no file of an attempt, holds no hole, or cannot be written.
    pub fn replace(&mut self, name: &str, content: &[u8]) -> Result<(), RecordError> {
        let path = self.path(name)?;
        if let Some(dir) = path.parent() {
            files::ensure_step_dir(dir)?;
        }
        let Some(hole) = Hole::parse(content) else {
            return Err(RecordError::io("understand", &path)(io::ErrorKind::InvalidData.into()));
        };
        // In place, as its writer does it: readers keep it open.
        let file = files::open_or_create_write(&path)?;
        file.write_all_at(content, 0).map_err(RecordError::io("write", &path))?;
        let of = name.strip_suffix(".hole").and_then(|base| {
            let log = if base.ends_with(".events") { format!("{base}.jsonl") } else { format!("{base}.log") };
            self.open.get(&log)
        });
        if let Some(file) = of {
            // Only the disk is spared by it; what is there now is not read either way.
            let _ = disk::give_back(file, hole.from..hole.to);
        }
        Ok(())
    }

    fn partial(&self, hash: &str) -> PathBuf {
        self.dir.join(blob::DIR).join(format!(".far-{}-{hash}", self.host))
    }

    fn append_to_blob(&self, path: &Path, offset: u64, content: &[u8]) -> Result<(), RecordError> {
        files::ensure_dir_in_run(&self.dir.join(blob::DIR))?;
        let file = if offset == 0 { files::create_over(path)? } else { files::open_or_create_write(path)? };
        file.write_all_at(content, offset).map_err(RecordError::io("write", path))
    }

    /// A large value is complete: it gets its name, if that is what it is.
    ///
    /// # Errors
    /// When it is another value, or cannot be written. Then it is not there.
    pub fn complete(&mut self, name: &str) -> Result<(), RecordError> {
        let Some(hash) = blob::hash_in(name) else {
            return Err(RecordError::BadBase { base: name.to_owned() });
        };
        let partial = self.partial(hash);
        let content = files::read(&partial)?;
        let _ = std::fs::remove_file(&partial);
        if !blob::is_of(&content, hash) {
            return Err(RecordError::io("understand", &partial)(io::ErrorKind::InvalidData.into()));
        }
        files::place(&self.dir.join(name), &content)
    }

    /// An attempt is over: its files are closed.
    pub fn close(&mut self, base: &str) {
        self.open.retain(|name, _| name.strip_prefix(base).is_none_or(|rest| !rest.starts_with('.')));
    }

    fn path(&self, name: &str) -> Result<PathBuf, RecordError> {
        let extensions = GROWING.iter().chain(&SMALL);
        let is_of_attempt = extensions
            .filter_map(|extension| name.strip_suffix(extension)?.strip_suffix('.'))
            .any(|base| Base::parse(&self.dir, base).is_ok());
        if is_of_attempt {
            Ok(self.dir.join(name))
        } else {
            Err(RecordError::BadBase { base: name.to_owned() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spool_is_mirrored_part_by_part() {
        let (spool, mirror) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let base = "steps/build/i1-a1";
        std::fs::create_dir_all(spool.path().join("steps/build")).unwrap();
        let log = spool.path().join("steps/build/i1-a1.log");
        std::fs::write(&log, b"one\n").unwrap();
        let files = SpoolFiles::at(spool.path().to_owned());
        let mut writer = MirrorWriter::at(mirror.path().to_owned(), "far");
        let name = format!("{base}.log");
        assert_eq!(files.state(base).unwrap().lens, [(name.clone(), 4)]);
        writer.append(&name, 0, &files.read(&name, 0, 4).unwrap()).unwrap();
        std::fs::write(&log, b"one\ntwo\n").unwrap();
        writer.append(&name, 4, &files.read(&name, 4, 4).unwrap()).unwrap();
        assert!(writer.append(&name, 4, b"again").is_err());
        assert!(files.read(&name, 4, 5).is_err(), "there is no more");
        assert_eq!(std::fs::read(mirror.path().join(&name)).unwrap(), b"one\ntwo\n");
        writer.close(base);
        assert!(writer.open.is_empty());
    }

    #[test]
    fn a_large_value_is_what_its_name_says_or_is_not_there() {
        let mirror = tempfile::tempdir().unwrap();
        let mut writer = MirrorWriter::at(mirror.path().to_owned(), "far");
        let name = "blobs/9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
        writer.append(name, 0, b"tes").unwrap();
        assert!(!mirror.path().join(name).exists());
        assert!(writer.complete(name).is_err(), "a part of it");
        assert!(!mirror.path().join(name).exists());
        writer.append(name, 0, b"te").unwrap();
        writer.append(name, 2, b"st").unwrap();
        writer.complete(name).unwrap();
        assert_eq!(std::fs::read(mirror.path().join(name)).unwrap(), b"test");
        assert_eq!(SpoolFiles::at(mirror.path().to_owned()).blobs().unwrap(), [(name.to_owned(), 4)]);
    }

    #[test]
    fn only_files_of_attempts_are_written() {
        let mirror = tempfile::tempdir().unwrap();
        let mut writer = MirrorWriter::at(mirror.path().join("run"), "far");
        for name in [
            "journal.jsonl",
            "run.json",
            "steps/a/../../x.log",
            "/tmp/x.log",
            "steps/a/i1-a1.log.zst",
            "steps/a/i1-a1.events.snapshot",
            "blobs/../journal.jsonl",
            "",
        ] {
            assert!(matches!(writer.append(name, 0, b"x"), Err(RecordError::BadBase { .. })), "{name}");
            assert!(matches!(writer.replace(name, b"x"), Err(RecordError::BadBase { .. })), "{name}");
        }
        assert!(mirrored_files("../x").is_err());
    }
}
