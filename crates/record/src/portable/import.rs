//! Makes a run directory from a file. The file may come from anybody.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::Path;

use roboppi_ipc::UtcMillis;
use roboppi_run::RunId;
use sha2::{Digest, Sha256};
use tar::{Archive, Entry, EntryType, GnuSparseHeader, Header};
use zstd::Decoder;

use super::bounded::{Allowance, Bounded};
use super::{FORMAT, HEAD, Imported, MARK, PortableHead, names};
use crate::fingerprint::hex;
use crate::hole::HoleReader;
use crate::{RecordError, RunDir, StateRoot, blob, files};

/// Bytes between two files of an archive: headers and long names.
const BETWEEN: u64 = 64 * 1024;

/// Bytes of a name.
const LONGEST_NAME: u64 = 4 * 1024;

/// What does not fit is said so often.
const NOTES: usize = 20;

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
    /// whole or not at all, and is marked as one of another machine, so that it never counts as live. What of it does not
    /// fit together is said in the texts, which are for people.
    ///
    /// # Errors
    /// [`RecordError::RunExists`] when its id, or `as_id`, is taken. [`RecordError::ExportTooLarge`] when the file holds
    /// more bytes than `limits` allow. [`RecordError::BadExport`] when it is not what an export is, down to the names in it. Otherwise when something cannot
    /// be read or written.
    pub fn import(
        &self,
        from: impl Read,
        source: &Path,
        as_id: Option<&RunId>,
        now: UtcMillis,
        limits: ImportLimits,
    ) -> Result<(RunId, Imported, Vec<String>), RecordError> {
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
        let mut import = Import {
            dir: dir.path(),
            limits,
            files: 0,
            len: 0,
            head: None,
            gaps: Vec::new(),
            notes: Vec::new(),
        };
        let mut archive = Archive::new(unpacked);
        let taken = import.entries(&mut archive, &allowance, |id| {
            let id = as_id.unwrap_or(id);
            let is_there = runs.join(id.as_str()).exists();
            if is_there { Err(RecordError::RunExists { id: id.clone() }) } else { Ok(()) }
        });
        let whole = taken.and_then(|()| read_to_end(archive.into_inner(), &allowance));
        let is_none = import.files == 0;
        let checked = whole.and_then(|()| if is_none { Ok(()) } else { import.check() });
        checked.map_err(|refused| match refused {
            Refused::Record(error) => error,
            Refused::Problem(_) if allowance.is_used_up() => {
                RecordError::ExportTooLarge { path: source.to_owned(), bytes: limits.bytes }
            }
            Refused::Problem(problem) => bad(problem),
        })?;
        let Import { head, notes, .. } = import;
        let Some(head) = head.filter(|_| !is_none) else {
            return Err(bad("there is no run in it".to_owned()));
        };
        let id = as_id.unwrap_or(&head.run_id).clone();
        let place = runs.join(id.as_str());
        files::create_new_dir(&place).map_err(|error| match error {
            RecordError::Exists { .. } => RecordError::RunExists { id: id.clone() },
            other => other,
        })?;
        let imported = Imported { imported_at: now, handle: self.claim_handle(&id), from: head };
        // Takes the place of the empty one.
        let placed = write_mark(dir.path(), &imported)
            .and_then(|()| fs::rename(dir.keep(), &place).map_err(RecordError::io("create", &place)));
        if let Err(error) = placed {
            // An empty one would be taken for a run that was lost.
            let _ = fs::remove_dir(&place);
            if let Some(handle) = imported.handle {
                self.release_handle(handle, &id);
            }
            return Err(error);
        }
        Ok((id, imported, notes))
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
    /// Parts of logs that are said to be given up.
    gaps: Vec<(String, Range<u64>)>,
    /// What does not fit.
    notes: Vec<String>,
}

impl Import<'_> {
    fn entries<R: Read>(
        &mut self,
        archive: &mut Archive<R>,
        allowance: &Allowance,
        may_be: impl Fn(&RunId) -> Result<(), RecordError>,
    ) -> Result<(), Refused> {
        let broken = |error: io::Error| Refused::Problem(format!("it is damaged, or no export: {error}"));
        // As they are stored: what a header says of gaps is for us to believe.
        let mut entries = archive.entries().map_err(broken)?.raw(true);
        let mut long_name = None;
        loop {
            allowance.allow(BETWEEN);
            let Some(entry) = entries.next() else { return Ok(()) };
            let mut entry = entry.map_err(broken)?;
            // As many bytes as its header says, so it cannot be more than there are.
            allowance.allow(entry.header().entry_size().map_err(broken)?);
            if entry.header().entry_type() == EntryType::GNULongName && long_name.is_none() {
                long_name = Some(read_long_name(&mut entry)?);
                continue;
            }
            let name = checked_name(&entry, long_name.take())?;
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
                    let layout = Layout::of(entry.header(), inside)?;
                    self.count(layout.len)?;
                    self.write(inside, &layout, &mut entry)?;
                    self.gaps.extend(layout.gap.map(|gap| (inside.to_owned(), gap)));
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
    fn write(&mut self, name: &str, layout: &Layout, entry: &mut impl Read) -> Result<(), Refused> {
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
        let mut sum = blob::hash_in(name).map(|hash| (hash, Sha256::new()));
        let mut piece = vec![0; PIECE];
        for part in &layout.parts {
            file.seek(SeekFrom::Start(part.start)).map_err(unwritten)?;
            let mut left = part.end - part.start;
            while left > 0 {
                let most = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
                let read = read_full(entry, &mut piece[..most])
                    .map_err(|error| Refused::Problem(format!("it is damaged: {error}")))?;
                if read == 0 {
                    return Err(Refused::Problem("it is damaged: it ends too soon".to_owned()));
                }
                let bytes = &piece[..read];
                if let Some((_, sum)) = &mut sum {
                    sum.update(bytes);
                }
                if bytes.iter().any(|byte| *byte != 0) {
                    file.write_all(bytes).map_err(unwritten)?;
                } else {
                    file.seek(SeekFrom::Current(i64::try_from(read).unwrap_or_default()))
                        .map_err(unwritten)?;
                }
                left -= read as u64;
            }
        }
        file.set_len(layout.len).map_err(unwritten)?;
        if sum.is_some_and(|(hash, sum)| hex(&sum.finalize()) != hash) {
            // Nobody would be shown it.
            self.notes.push(format!("{name} does not match its name, and was left out"));
            fs::remove_file(&path).map_err(unwritten)?;
        }
        Ok(())
    }

    /// Whether what was taken in is a run, and what of it does not fit together.
    fn check(&mut self) -> Result<(), Refused> {
        for name in ["run.json", "journal.jsonl"] {
            if !self.dir.join(name).exists() {
                return Err(Refused::Problem(format!("there is no {name} in it, so there is no run in it")));
            }
        }
        for (name, gap) in &self.gaps {
            let mut hole = HoleReader::new(self.dir.join(name).with_extension("hole"));
            hole.reload()?;
            if hole.hole().is_none_or(|hole| hole.from > gap.start || hole.to < gap.end) {
                let name = name.escape_debug();
                return Err(Refused::Problem(format!(
                    "`{name}` has a gap of {} bytes that is not recorded",
                    gap.end - gap.start
                )));
            }
        }
        let run = RunDir::at(self.dir.to_owned());
        self.notes.extend(run.manifest().err().map(|error| error.to_string()));
        self.notes.extend(run.damage(NOTES, self.limits.bytes)?);
        self.notes.truncate(NOTES);
        let dir = format!("{}/", self.dir.display());
        for note in &mut self.notes {
            *note = note.replace(&dir, "");
        }
        Ok(())
    }
}

/// Where the bytes of an entry go.
struct Layout {
    /// Length of the file.
    len: u64,
    /// In order; the second one may be empty.
    parts: [Range<u64>; 2],
    gap: Option<Range<u64>>,
}

/// Whether a part of such a file may have been given up: of which, the file of its hole says.
fn has_gaps(name: &str) -> bool {
    [".log", ".events.jsonl"].iter().any(|ending| name.ends_with(ending))
}

impl Layout {
    /// What an export writes: a file as it is, or a log or an event file with one gap.
    fn of(header: &Header, name: &str) -> Result<Self, Refused> {
        let wrong = || Refused::Problem(format!("`{}` in it is no file of an export", name.escape_debug()));
        let stored = header.entry_size().map_err(|_| wrong())?;
        if header.entry_type() != EntryType::GNUSparse {
            return Ok(Self { len: stored, parts: [0..stored, stored..stored], gap: None });
        }
        let gnu = header.as_gnu().filter(|gnu| !gnu.is_extended() && has_gaps(name)).ok_or_else(wrong)?;
        let number = |read: io::Result<u64>| read.map_err(|_| wrong());
        let len = number(gnu.real_size())?;
        let part = |at: usize| -> Result<Range<u64>, Refused> {
            let part = &gnu.sparse[at];
            let start = number(part.offset())?;
            Ok(start..start.checked_add(number(part.length())?).ok_or_else(wrong)?)
        };
        let (head, tail) = (part(0)?, part(1)?);
        let is_ours = head.start == 0
            && head.end < tail.start
            && tail.end == len
            && head.end + (tail.end - tail.start) == stored
            && gnu.sparse[2..].iter().all(GnuSparseHeader::is_empty);
        let gap = head.end..tail.start;
        if is_ours { Ok(Self { len, parts: [head, tail], gap: Some(gap) }) } else { Err(wrong()) }
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
fn checked_name<R: Read>(entry: &Entry<'_, R>, long_name: Option<String>) -> Result<String, Refused> {
    let name = long_name.unwrap_or_else(|| String::from_utf8_lossy(&entry.path_bytes()).into_owned());
    match entry.header().entry_type() {
        EntryType::Regular | EntryType::GNUSparse => Ok(name),
        // Links, devices, pipes, directories: a run has none, and a link could lead anywhere.
        _ => Err(Refused::Problem(format!("`{}` in it is no plain file", name.escape_debug()))),
    }
}

/// The name of the next entry, which is too long for its header.
fn read_long_name<R: Read>(entry: &mut Entry<'_, R>) -> Result<String, Refused> {
    if entry.size() > LONGEST_NAME {
        return Err(Refused::Problem("a name in it is larger than it may be".to_owned()));
    }
    let mut name = Vec::new();
    let read = entry.read_to_end(&mut name);
    read.map_err(|error| Refused::Problem(format!("it is damaged: {error}")))?;
    Ok(String::from_utf8_lossy(name.strip_suffix(b"\0").unwrap_or(&name)).into_owned())
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
