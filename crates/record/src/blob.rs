//! Large values of a run: each is the file `blobs/<hash>`, named by the SHA-256 of what is in it.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use sha2::{Digest, Sha256};

use crate::disk::DiskWatch;
use crate::fingerprint::hex;
use crate::{LogLimits, RecordError, RunUsage, files};

/// Name of the directory in that of the run.
pub(crate) const DIR: &str = "blobs";

/// Largest value that is read back, so that a file somebody put there fills no memory.
const LARGEST: u64 = 64 * 1024 * 1024;

/// Puts the large values of one attempt aside.
#[derive(Debug)]
pub struct BlobWriter {
    dir: PathBuf,
    limits: LogLimits,
    usage: Option<Rc<RunUsage>>,
    disk: DiskWatch,
    written: u64,
}

impl BlobWriter {
    /// A writer for an attempt of the run in `run_dir`, within the bounds of its log and what is left of those of the
    /// run. Makes nothing yet.
    #[must_use]
    pub fn within(run_dir: &Path, limits: LogLimits, usage: Option<Rc<RunUsage>>) -> Self {
        let disk = DiskWatch::new(limits.min_free);
        Self { dir: run_dir.join(DIR), limits, usage, disk, written: 0 }
    }

    /// Records a value and gives its name. `None` when there is no room for it: what is shown of it is then all there is.
    ///
    /// # Errors
    /// When it cannot be written; then nothing of it is there.
    pub fn put(&mut self, content: &[u8]) -> Result<Option<String>, RecordError> {
        let name = name_of(content);
        let path = self.dir.join(&name);
        let len = content.len() as u64;
        // What is there already takes nothing.
        if path.metadata().is_ok_and(|found| found.len() == len) {
            return Ok(Some(name));
        }
        let is_run_full = self.usage.as_ref().is_some_and(|usage| !usage.has_room(len));
        if is_run_full || self.written.saturating_add(len) > self.limits.events() {
            return Ok(None);
        }
        files::ensure_dir_in_run(&self.dir)?;
        let dir = File::open(&self.dir).map_err(RecordError::io("open", &self.dir))?;
        self.disk.check(&dir, &path, len)?;
        files::place(&path, content)?;
        self.written += len;
        if let Some(usage) = &self.usage {
            usage.add(len);
        }
        Ok(Some(name))
    }
}

/// Reads the value of a name; `None` when it is not there, or is not what its name says.
pub(crate) fn read(run_dir: &Path, name: &str) -> Result<Option<Vec<u8>>, RecordError> {
    if !is_name(name) {
        return Ok(None);
    }
    let path = run_dir.join(DIR).join(name);
    let Some(file) = files::open_read(&path)? else { return Ok(None) };
    let mut content = Vec::new();
    file.take(LARGEST).read_to_end(&mut content).map_err(RecordError::io("read", &path))?;
    Ok((name_of(&content) == name).then_some(content))
}

/// The hash of what is in a file of a run directory, when that is its name.
pub(crate) fn hash_in(path: &str) -> Option<&str> {
    path.strip_prefix(DIR)?.strip_prefix('/').filter(|name| is_name(name))
}

/// Whether a text can be the name of a value. Nothing else becomes a part of a path.
pub(crate) fn is_name(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether a value has this name.
pub(crate) fn is_of(content: &[u8], name: &str) -> bool {
    name_of(content) == name
}

fn name_of(content: &[u8]) -> String {
    hex(&Sha256::digest(content))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::RunDir;

    const LIMITS: LogLimits = LogLimits { bytes: 8 * 1024 * 1024, min_free: 0 };

    #[test]
    fn what_is_put_aside_is_read_back_by_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let usage = Rc::new(RunUsage::new(1000, 0));
        let mut blobs = BlobWriter::within(dir.path(), LIMITS, Some(Rc::clone(&usage)));
        let name = blobs.put(b"a large value").unwrap().unwrap();
        assert_eq!(blobs.put(b"a large value").unwrap().as_ref(), Some(&name));
        assert_eq!(usage.used(), 13, "once");
        let run = RunDir::at(dir.path().to_owned());
        assert_eq!(run.blob(&name).unwrap().as_deref(), Some(&b"a large value"[..]));
        fs::write(dir.path().join(DIR).join(&name), "something else").unwrap();
        assert_eq!(run.blob(&name).unwrap(), None);
        for other in ["", "../run.json", &"0".repeat(64), &"g".repeat(64)] {
            assert_eq!(run.blob(other).unwrap(), None, "{other}");
        }
        assert!(run.logs_on_disk().unwrap() > 0);
    }

    #[test]
    fn what_has_no_room_is_not_kept() {
        let dir = tempfile::tempdir().unwrap();
        let mut blobs = BlobWriter::within(dir.path(), LIMITS, Some(Rc::new(RunUsage::new(10, 5))));
        assert_eq!(blobs.put(b"123456").unwrap(), None, "more than the run may take");
        assert!(blobs.put(b"12345").unwrap().is_some());
        let mut blobs = BlobWriter::within(dir.path(), LIMITS, None);
        let large = vec![b'x'; 600 * 1024];
        assert!(blobs.put(&large).unwrap().is_some());
        let other = vec![b'y'; 600 * 1024];
        assert_eq!(blobs.put(&other).unwrap(), None, "more than an attempt may take");
    }
}
