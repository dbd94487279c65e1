//! The directory of one run.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use roboppi_ipc::UtcMillis;
use roboppi_run::{MANIFEST_FORMAT, Manifest, RunId};
use serde::Deserialize;

use crate::base::Base;
use crate::{RecordError, blob, files};

/// Name of the file on which the owner of a run holds a lock.
pub(crate) const OWNER_LOCK: &str = "lock";

/// The directory of one run: knows where each file is, and reads and writes the small ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunDir {
    path: PathBuf,
}

impl RunDir {
    /// A run directory at a known place. Nothing is checked or made.
    #[must_use]
    pub fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The run by the name of the directory; `None` when a person renamed it to something that is no id.
    #[must_use]
    pub fn id(&self) -> Option<RunId> {
        self.path.file_name()?.to_str().and_then(|name| RunId::parse(name).ok())
    }

    /// `run.json`.
    #[must_use]
    pub fn manifest_path(&self) -> PathBuf {
        self.path.join("run.json")
    }

    /// `workflow.yaml`: the workflow as it was.
    #[must_use]
    pub fn workflow_path(&self) -> PathBuf {
        self.path.join("workflow.yaml")
    }

    /// `journal.jsonl`.
    #[must_use]
    pub fn journal_path(&self) -> PathBuf {
        self.path.join("journal.jsonl")
    }

    /// `core.stderr`: what the core said.
    #[must_use]
    pub fn core_stderr_path(&self) -> PathBuf {
        self.path.join("core.stderr")
    }

    /// `roboppi.log`: what the supervisor did, for whoever looks after roboppi itself.
    #[must_use]
    pub fn supervisor_log_path(&self) -> PathBuf {
        self.path.join("roboppi.log")
    }

    /// `core.log`: what a core with a process of its own did.
    #[must_use]
    pub fn core_log_path(&self) -> PathBuf {
        self.path.join("core.log")
    }

    /// Path of the log of an attempt.
    ///
    /// # Errors
    /// [`RecordError::BadBase`] when `base` is not of the form `steps/<step>/<name>`.
    pub fn log_path(&self, base: &str) -> Result<PathBuf, RecordError> {
        Ok(Base::parse(&self.path, base)?.log())
    }

    /// Path of the event file of an attempt.
    ///
    /// # Errors
    /// [`RecordError::BadBase`] when `base` is not of the form `steps/<step>/<name>`.
    pub fn events_path(&self, base: &str) -> Result<PathBuf, RecordError> {
        Ok(Base::parse(&self.path, base)?.events())
    }

    /// Length of the log of an attempt in its file in bytes; 0 when there is none.
    #[must_use]
    pub fn log_len(&self, base: &str) -> u64 {
        self.log_path(base).map_or(0, |path| len_of(&path))
    }

    /// Length of the event file of an attempt in bytes; 0 when there is none.
    #[must_use]
    pub fn events_len(&self, base: &str) -> u64 {
        self.events_path(base).map_or(0, |path| len_of(&path))
    }

    /// Whether the directory belongs to this user.
    #[must_use]
    pub fn is_of_this_user(&self) -> bool {
        let found = self.path.symlink_metadata();
        found.is_ok_and(|found| found.uid() == nix::unistd::geteuid().as_raw())
    }

    /// When something of the run itself was written last, by the clock of its file system: the journal, `run.json`, or
    /// the sign of life its owner leaves.
    #[must_use]
    pub fn last_sign(&self) -> Option<UtcMillis> {
        let changed = |path: PathBuf| {
            let found = path.symlink_metadata().ok()?;
            let millis = found.mtime().checked_mul(1_000)?.checked_add(found.mtime_nsec() / 1_000_000)?;
            u64::try_from(millis).ok().map(UtcMillis)
        };
        let paths = [self.path.join(OWNER_LOCK), self.journal_path(), self.manifest_path()];
        paths.into_iter().filter_map(changed).max()
    }

    /// The workflow as it was.
    ///
    /// # Errors
    /// When `workflow.yaml` cannot be read.
    pub fn workflow_text(&self) -> Result<String, RecordError> {
        let path = self.workflow_path();
        String::from_utf8(files::read(&path)?).map_err(|error| {
            RecordError::io("read", &path)(io::Error::new(io::ErrorKind::InvalidData, error))
        })
    }

    /// The file `core.stderr`, to read; `None` when the core said nothing.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub(crate) fn open_core_stderr(&self) -> Result<Option<fs::File>, RecordError> {
        files::open_read(&self.core_stderr_path())
    }

    /// Whether somebody wants to keep it: there is a file `pinned`.
    #[must_use]
    pub fn is_pinned(&self) -> bool {
        self.pin_path().symlink_metadata().is_ok()
    }

    /// Keeps it from being removed, or no longer.
    ///
    /// # Errors
    /// When the file cannot be made or removed.
    pub fn pin(&self, pinned: bool) -> Result<(), RecordError> {
        let path = self.pin_path();
        if pinned {
            return files::replace(&path, b"");
        }
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(RecordError::io("remove", &path)(error))
            }
            _ => Ok(()),
        }
    }

    fn pin_path(&self) -> PathBuf {
        self.path.join("pinned")
    }

    /// Bytes that all of it takes on the disk.
    ///
    /// # Errors
    /// When a directory cannot be read.
    pub fn on_disk(&self) -> Result<u64, RecordError> {
        size_of(self.path.clone())
    }

    /// Bytes that all logs take on the disk, with what belongs to them.
    ///
    /// # Errors
    /// When a directory cannot be read. What is not there takes nothing.
    pub fn logs_on_disk(&self) -> Result<u64, RecordError> {
        Ok(size_of(self.path.join("steps"))? + size_of(self.path.join(blob::DIR))?)
    }

    /// A large value by its name, as events give it; `None` when it is not there or damaged.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn blob(&self, name: &str) -> Result<Option<Vec<u8>>, RecordError> {
        blob::read(&self.path, name)
    }

    /// Where the large value of a name is, for people. It need not be there.
    #[must_use]
    pub fn blob_path(&self, name: &str) -> PathBuf {
        self.path.join(blob::DIR).join(name)
    }

    /// Writes `run.json`, whole or not at all.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_manifest(&self, manifest: &Manifest) -> Result<(), RecordError> {
        let path = self.manifest_path();
        files::replace(&path, &encoded(manifest, &path)?)
    }

    /// Writes `run.json` and `workflow.yaml` of a run that begins, each whole or not at all. They are not waited for: the
    /// first [`JournalSync::sync`](crate::JournalSync::sync) brings them to the medium.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn begin(&self, manifest: &Manifest, workflow: &str) -> Result<(), RecordError> {
        let path = self.manifest_path();
        files::place(&path, &encoded(manifest, &path)?)?;
        files::place(&self.workflow_path(), workflow.as_bytes())
    }

    /// Reads `run.json`.
    ///
    /// # Errors
    /// [`RecordError::NewerFormat`] when a newer version wrote it; otherwise when it cannot be read.
    pub fn manifest(&self) -> Result<Manifest, RecordError> {
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }

        let path = self.manifest_path();
        let text = files::read(&path)?;
        let bad = |source: serde_json::Error| {
            let line = u64::try_from(source.line()).unwrap_or(1).max(1);
            RecordError::BadJson { path: path.clone(), line, source }
        };
        let head: Head = serde_json::from_slice(&text).map_err(bad)?;
        if head.format > MANIFEST_FORMAT {
            return Err(RecordError::NewerFormat { path, found: head.format, known: MANIFEST_FORMAT });
        }
        serde_json::from_slice(&text).map_err(bad)
    }
}

fn encoded(manifest: &Manifest, path: &Path) -> Result<Vec<u8>, RecordError> {
    let mut text = serde_json::to_vec_pretty(manifest)
        .map_err(|source| RecordError::Encode { path: path.to_owned(), source })?;
    text.push(b'\n');
    Ok(text)
}

fn len_of(path: &Path) -> u64 {
    path.symlink_metadata().map_or(0, |file| file.len())
}

/// What the files below a directory take on the disk.
fn size_of(dir: PathBuf) -> Result<u64, RecordError> {
    let mut bytes = 0;
    let mut dirs = vec![dir];
    while let Some(dir) = dirs.pop() {
        for entry in files::list(&dir)? {
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => dirs.push(entry.path()),
                Ok(metadata) => bytes += metadata.blocks() * 512,
                // Gone in the meantime.
                Err(_) => {}
            }
        }
    }
    Ok(bytes)
}
