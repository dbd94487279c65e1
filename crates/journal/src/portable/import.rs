//! Makes a run directory from a file. The file may come from anybody.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use roboppi_ipc::UtcMillis;
use roboppi_run::RunId;
use tar::{Archive, Entry, EntryType};
use zstd::Decoder;

use super::bounded::{Allowance, Bounded};
use super::{FORMAT, HEAD, Imported, MARK, PortableHead, names};
use crate::{RecordError, RunDir, StateRoot, files};

/// Bytes between two files of an archive: headers and long names.
const BETWEEN: u64 = 64 * 1024;

/// Bytes of [`HEAD`].
const LONGEST_HEAD: u64 = 64 * 1024;

/// Bytes read and written at a time. A whole one of zeros is not written.
const PIECE: usize = 64 * 1024;

/// How much longer all files may be than the bytes in them: parts of logs that were given up are zeros that take no
/// room.
const GIVEN_UP: u64 = 64;

/// What the directory of a run that is being taken in begins with. It is no name of a run.
const UNFINISHED: &str = ".import-";

/// What a file from elsewhere may make of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImportLimits {
    /// Bytes unpacked, in all.
    pub bytes: u64,
    /// Files.
    pub files: u32,
}

impl Default for ImportLimits {
    /// 8 GiB in 100,000 files.
    fn default() -> Self {
        Self { bytes: 8 * 1024 * 1024 * 1024, files: 100_000 }
    }
}

impl StateRoot {
    /// Takes in a run from what [`RunDir::export`] wrote. `source` is the name of `from` for people. The run is there
    /// whole or not at all, and is marked as one of another machine, so that it never counts as live.
    ///
    /// # Errors
    /// [`RecordError::RunExists`] when its id, or `as_id`, is taken. [`RecordError::BadExport`] when the file is not
    /// what an export is, down to the names in it, or is larger than `limits` allow. Otherwise when something cannot
    /// be read or written.
    pub fn import(
        &self,
        from: impl Read,
        source: &Path,
        as_id: Option<&RunId>,
        now: UtcMillis,
        limits: ImportLimits,
    ) -> Result<(RunId, Imported), RecordError> {
        let bad = |problem: String| RecordError::BadExport { path: source.to_owned(), problem };
        let runs = self.runs_dir();
        files::create_dirs(&runs)?;
        remove_left_behind(&runs)?;
        let dir = files::temporary_dir(&runs, UNFINISHED)?;
        // Says to others that it is not left behind.
        let lock = File::open(dir.path()).map_err(RecordError::io("open", dir.path()))?;
        let _ = lock.try_lock();

        let not_zstd = |error| bad(format!("it cannot be unpacked: {error}"));
        let allowance = Allowance::new(limits.bytes);
        let unpacked = Bounded::new(Decoder::new(from).map_err(not_zstd)?, &allowance);
        let mut import = Import { dir: dir.path(), limits, files: 0, len: 0, head: None };
        let mut archive = Archive::new(unpacked);
        let taken = import.entries(&mut archive, &allowance, |id| {
            let id = as_id.unwrap_or(id);
            let is_there = runs.join(id.as_str()).exists();
            if is_there { Err(RecordError::RunExists { id: id.clone() }) } else { Ok(()) }
        });
        let whole = taken.and_then(|()| read_to_end(archive.into_inner(), &allowance));
        whole.map_err(|refused| match refused {
            Refused::Record(error) => error,
            Refused::Problem(_) if allowance.is_used_up() => bad(format!(
                "it holds more than {} bytes; --max-size allows more, if you trust who made it",
                limits.bytes
            )),
            Refused::Problem(problem) => bad(problem),
        })?;
        let Some(head) = import.head.filter(|_| import.files > 0) else {
            return Err(bad("there is no run in it".to_owned()));
        };
        let imported = Imported { imported_at: now, from: head };
        write_mark(dir.path(), &imported)?;
        let id = as_id.unwrap_or(&imported.from.run_id).clone();
        let place = runs.join(id.as_str());
        files::create_new_dir(&place).map_err(|error| match error {
            RecordError::Exists { .. } => RecordError::RunExists { id: id.clone() },
            other => other,
        })?;
        // Takes the place of the empty one.
        fs::rename(dir.keep(), &place).map_err(RecordError::io("create", &place))?;
        Ok((id, imported))
    }
}

impl RunDir {
    /// Where the run came from, when it came from another machine. A mark that cannot be read says so without more.
    #[must_use]
    pub fn imported(&self) -> Option<Imported> {
        let text = files::read(&self.path().join(MARK)).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Whether it came from another machine, so that nobody here owns it.
    #[must_use]
    pub fn is_imported(&self) -> bool {
        self.path().join(MARK).symlink_metadata().is_ok()
    }
}

/// Why a file is not taken in.
enum Refused {
    Record(RecordError),
    /// What is wrong with it.
    Problem(String),
}

impl From<RecordError> for Refused {
    fn from(error: RecordError) -> Self {
        Self::Record(error)
    }
}

struct Import<'a> {
    dir: &'a Path,
    limits: ImportLimits,
    files: u32,
    /// Length of all files so far.
    len: u64,
    head: Option<PortableHead>,
}

impl Import<'_> {
    fn entries<R: Read>(
        &mut self,
        archive: &mut Archive<R>,
        allowance: &Allowance,
        may_be: impl Fn(&RunId) -> Result<(), RecordError>,
    ) -> Result<(), Refused> {
        let broken = |error: io::Error| Refused::Problem(format!("it is damaged, or no export: {error}"));
        let mut entries = archive.entries().map_err(broken)?;
        loop {
            allowance.allow(BETWEEN);
            let Some(entry) = entries.next() else { return Ok(()) };
            let mut entry = entry.map_err(broken)?;
            // As many bytes as its header says, so it cannot be more than there are.
            allowance.allow(entry.header().entry_size().map_err(broken)?);
            let name = checked_name(&entry)?;
            match &self.head {
                None => {
                    let head = read_head(&name, &mut entry)?;
                    may_be(&head.run_id)?;
                    self.head = Some(head);
                }
                Some(head) => {
                    let inside = name.strip_prefix(head.run_id.as_str());
                    let inside = inside.and_then(|name| name.strip_prefix('/'));
                    let inside = inside.filter(|name| names::is_part(name)).ok_or_else(|| {
                        Refused::Problem(format!("`{}` is no file of a run", name.escape_debug()))
                    })?;
                    self.count(entry.size())?;
                    self.write(inside, &mut entry)?;
                }
            }
        }
    }

    fn count(&mut self, len: u64) -> Result<(), Refused> {
        self.files += 1;
        self.len = self.len.saturating_add(len);
        if self.files > self.limits.files {
            return Err(Refused::Problem(format!("it holds more than {} files", self.limits.files)));
        }
        let most = self.limits.bytes.saturating_mul(GIVEN_UP);
        if self.len > most {
            return Err(Refused::Problem(format!("its files are longer than {most} bytes together")));
        }
        Ok(())
    }

    /// Zeros are left out of the file where whole pieces are, so that a part that was given up takes no room here either.
    fn write(&self, name: &str, entry: &mut impl Read) -> Result<(), Refused> {
        let path = self.dir.join(name);
        if let Some(step) = path.parent().filter(|parent| *parent != self.dir) {
            files::ensure_step_dir(step)?;
        }
        let mut file = match files::create_write(&path) {
            Err(RecordError::Exists { .. }) => {
                return Err(Refused::Problem(format!("`{}` is in it twice", name.escape_debug())));
            }
            made => made?,
        };
        let unwritten = |error| Refused::Record(RecordError::io("write", &path)(error));
        let mut piece = vec![0; PIECE];
        let mut len = 0;
        loop {
            let read = read_full(entry, &mut piece)
                .map_err(|error| Refused::Problem(format!("it is damaged: {error}")))?;
            let bytes = &piece[..read];
            if bytes.iter().any(|byte| *byte != 0) {
                file.write_all(bytes).map_err(unwritten)?;
            } else {
                file.seek(SeekFrom::Current(i64::try_from(read).unwrap_or_default())).map_err(unwritten)?;
            }
            len += read as u64;
            if read < PIECE {
                return file.set_len(len).map_err(unwritten);
            }
        }
    }
}

/// Reads what follows the last file. The checksum of everything is there, which nobody looks at before.
fn read_to_end(mut rest: impl Read, allowance: &Allowance) -> Result<(), Refused> {
    allowance.allow(BETWEEN);
    let mut piece = [0; 4096];
    loop {
        let read = rest
            .read(&mut piece)
            .map_err(|error| Refused::Problem(format!("it is damaged at its end: {error}")))?;
        if piece[..read].iter().any(|byte| *byte != 0) {
            return Err(Refused::Problem("something follows the run in it".to_owned()));
        }
        if read == 0 {
            return Ok(());
        }
    }
}

/// The name of an entry that is a plain file.
fn checked_name<R: Read>(entry: &Entry<'_, R>) -> Result<String, Refused> {
    let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
    match entry.header().entry_type() {
        EntryType::Regular | EntryType::GNUSparse => Ok(name),
        // Links, devices, pipes, directories: a run has none, and a link could lead anywhere.
        _ => Err(Refused::Problem(format!("`{}` in it is no plain file", name.escape_debug()))),
    }
}

fn read_head(name: &str, entry: &mut impl Read) -> Result<PortableHead, Refused> {
    let wrong = |problem: &str| Refused::Problem(format!("it is no export of a run: {problem}"));
    let Some(dir) = name.strip_suffix(HEAD).and_then(|dir| dir.strip_suffix('/')) else {
        return Err(wrong("it does not begin with export.json"));
    };
    let mut text = Vec::new();
    entry.take(LONGEST_HEAD).read_to_end(&mut text).map_err(|error| wrong(&error.to_string()))?;
    let head: PortableHead =
        serde_json::from_slice(&text).map_err(|error| wrong(&format!("export.json: {error}")))?;
    if head.format > FORMAT {
        return Err(Refused::Problem(format!(
            "it has format {}, this roboppi reads up to {FORMAT}; use the version that wrote it, or a later one",
            head.format
        )));
    }
    if head.run_id.as_str() != dir {
        return Err(wrong("its directory has another name than its run"));
    }
    Ok(head)
}

fn write_mark(dir: &Path, imported: &Imported) -> Result<(), RecordError> {
    let path = dir.join(MARK);
    let mut text = serde_json::to_vec_pretty(imported)
        .map_err(|source| RecordError::Encode { path: path.clone(), source })?;
    text.push(b'\n');
    files::replace(&path, &text)
}

/// Removes what an import left that was killed.
fn remove_left_behind(runs: &Path) -> Result<(), RecordError> {
    for entry in files::list_runs(runs)? {
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(UNFINISHED))
            && File::open(entry.path()).is_ok_and(|dir| dir.try_lock().is_ok())
        {
            // Another import may be at it as well.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    Ok(())
}

/// Fills `piece` as far as there are bytes.
fn read_full(from: &mut impl Read, piece: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < piece.len() {
        match from.read(&mut piece[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
