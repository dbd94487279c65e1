//! Packs logs.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use zstd_safe::{CCtx, CParameter};

use super::{ENTRY, FRAME, PackedReader, SEEKABLE, SKIPPABLE, TABLE_FOOT, packed_path};
use crate::hole::{Hole, HoleReader};
use crate::read_at::read_full_at;
use crate::{RecordError, RunDir, files};

/// Which logs are packed.
#[derive(Clone, Copy, Debug)]
pub struct Packing {
    /// Logs of fewer bytes stay as they are.
    pub least: u64,
    /// Logs that were written to later than this stay as they are: somebody may be at them.
    pub quiet_since: SystemTime,
}

/// What was packed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PackedLogs {
    /// How many logs.
    pub logs: u32,
    /// Bytes they took on the disk before.
    pub before: u64,
    /// Bytes they take now.
    pub after: u64,
}

impl Packing {
    /// Logs of fewer bytes are not worth it: 64 KiB.
    pub const LEAST: u64 = 64 * 1024;
}

impl RunDir {
    /// Packs the logs of a run that is over. At every moment a log is there, whole: the packed one is safe on the disk
    /// and was compared before the plain one goes. Who has the plain one open reads on in it.
    ///
    /// `between` is called after every 256 KiB, so that the caller can pause or stop. A log that was not finished then
    /// stays as it is.
    ///
    /// # Errors
    /// When a file cannot be read or written; the log it belongs to is as it was, and those before it are packed.
    pub fn pack_logs(
        &self,
        packing: &Packing,
        between: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<PackedLogs, RecordError> {
        let mut done = PackedLogs::default();
        for step in files::list(&self.path().join("steps"))? {
            if !step.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            for entry in files::list(&step.path())? {
                let path = entry.path();
                let is_log = path.extension().is_some_and(|extension| extension == "log")
                    && entry.file_type().is_ok_and(|kind| kind.is_file());
                if !is_log {
                    continue;
                }
                let Some((before, after)) = pack(&path, packing, between)? else { continue };
                done.logs += 1;
                done.before += before;
                done.after += after;
            }
        }
        Ok(done)
    }
}

/// Packs one log. Returns what it took on the disk and takes now; `None` when it stays as it is.
fn pack(
    path: &Path,
    packing: &Packing,
    between: &mut dyn FnMut() -> ControlFlow<()>,
) -> Result<Option<(u64, u64)>, RecordError> {
    let Some(plain) = files::open_read(path)? else { return Ok(None) };
    // Another process may be at the same log. Where nothing can be locked nothing is packed.
    if plain.try_lock().is_err() {
        return Ok(None);
    }
    let metadata = || plain.metadata().map_err(RecordError::io("read", path));
    let before = metadata()?;
    let is_quiet = before.modified().is_ok_and(|modified| modified < packing.quiet_since);
    // No name is left of it when another process has just packed it.
    if before.nlink() == 0 || before.len() < packing.least || !is_quiet {
        return Ok(None);
    }
    let mut hole = HoleReader::new(path.with_extension("hole"));
    hole.reload()?;
    let part = Part::new(packed_path(path));
    let mut source = Source { plain: &plain, path, len: before.len(), hole: hole.hole(), block: Vec::new() };
    if source.write_packed(&part.path, between)?.is_break() || source.compare(&part.path, between)?.is_break()
    {
        return Ok(None);
    }
    let after = metadata()?;
    if (after.len(), after.mtime(), after.mtime_nsec()) != (before.len(), before.mtime(), before.mtime_nsec())
    {
        return Ok(None);
    }
    let packed = part.put_in_place()?;
    fs::remove_file(path).map_err(RecordError::io("remove", path))?;
    Ok(Some((before.blocks() * 512, packed)))
}

/// The file while it is not finished. It goes when nothing comes of it.
struct Part {
    path: PathBuf,
    target: PathBuf,
}

impl Part {
    fn new(target: PathBuf) -> Self {
        Self { path: target.with_extension("zst.new"), target }
    }

    /// Returns what it takes on the disk.
    fn put_in_place(self) -> Result<u64, RecordError> {
        fs::rename(&self.path, &self.target).map_err(RecordError::io("write", &self.target))?;
        let dir = self.target.parent().unwrap_or_else(|| Path::new("."));
        // Else the removal of the plain one might reach the disk first.
        File::open(dir).and_then(|dir| dir.sync_all()).map_err(RecordError::io("sync", dir))?;
        let metadata = fs::metadata(&self.target).map_err(RecordError::io("read", &self.target))?;
        Ok(metadata.blocks() * 512)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // It is not there any more when it was put in place.
        let _ = fs::remove_file(&self.path);
    }
}

/// A log that is packed.
struct Source<'a> {
    plain: &'a File,
    path: &'a Path,
    len: u64,
    hole: Option<Hole>,
    block: Vec<u8>,
}

impl Source<'_> {
    fn write_packed(
        &mut self,
        part: &Path,
        between: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, RecordError> {
        let failed = |error| RecordError::io("write", part)(error);
        let mut out = BufWriter::new(files::create_over(part)?);
        let mut packer = Packer::new().map_err(failed)?;
        // What was given up is zeros, perhaps very many.
        let zeros = packer.pack(&[0; FRAME]).map_err(failed)?.to_vec();
        let mut table = Vec::new();
        let mut at = 0;
        while at < self.len {
            let plain = self.frame_len(at);
            let packed = if self.is_given_up(at) {
                &zeros
            } else {
                self.read(at)?;
                packer.pack(&self.block).map_err(failed)?
            };
            out.write_all(packed).map_err(failed)?;
            table.extend_from_slice(&short(packed.len()).map_err(failed)?);
            table.extend_from_slice(&short(plain).map_err(failed)?);
            at += plain as u64;
            if between().is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        write_table(&mut out, &table).map_err(failed)?;
        let file = out.into_inner().map_err(|error| failed(error.into_error()))?;
        file.sync_all().map_err(RecordError::io("sync", part))?;
        Ok(ControlFlow::Continue(()))
    }

    /// Nothing is removed on the word of a library.
    fn compare(
        &mut self,
        part: &Path,
        between: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, RecordError> {
        let failed = |error| RecordError::io("read", part)(error);
        let different = || failed(io::Error::new(io::ErrorKind::InvalidData, "it is not what was packed"));
        let file = files::open_read(part)?.ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
        let mut packed = PackedReader::open(file).map_err(failed)?;
        if packed.len() != self.len {
            return Err(different());
        }
        let mut unpacked = Vec::new();
        let mut at = 0;
        while at < self.len {
            let len = self.frame_len(at);
            if !self.is_given_up(at) {
                self.read(at)?;
                unpacked.resize(len, 0);
                packed.read_exact_at(&mut unpacked, at).map_err(failed)?;
                if unpacked != self.block {
                    return Err(different());
                }
            }
            at += len as u64;
            if between().is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn frame_len(&self, at: u64) -> usize {
        usize::try_from(self.len - at).map_or(FRAME, |rest| rest.min(FRAME))
    }

    /// Whether the whole frame is within the hole.
    fn is_given_up(&self, at: u64) -> bool {
        self.frame_len(at) == FRAME
            && self.hole.is_some_and(|hole| hole.from <= at && at + FRAME as u64 <= hole.to)
    }

    fn read(&mut self, at: u64) -> Result<(), RecordError> {
        let len = self.frame_len(at);
        self.block.resize(len, 0);
        let read = read_full_at(self.plain, &mut self.block, at)
            .and_then(|read| if read == len { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) });
        read.map_err(RecordError::io("read", self.path))
    }
}

struct Packer {
    context: CCtx<'static>,
    packed: Vec<u8>,
}

impl Packer {
    fn new() -> io::Result<Self> {
        let mut context = CCtx::try_create().ok_or(io::ErrorKind::OutOfMemory)?;
        for parameter in [CParameter::CompressionLevel(3), CParameter::ChecksumFlag(true)] {
            context.set_parameter(parameter).map_err(refused)?;
        }
        Ok(Self { context, packed: Vec::with_capacity(zstd_safe::compress_bound(FRAME)) })
    }

    fn pack(&mut self, plain: &[u8]) -> io::Result<&[u8]> {
        self.packed.clear();
        self.context.compress2(&mut self.packed, plain).map_err(refused)?;
        Ok(&self.packed)
    }
}

fn refused(code: usize) -> io::Error {
    io::Error::other(zstd_safe::get_error_name(code))
}

fn short(len: usize) -> io::Result<[u8; 4]> {
    u32::try_from(len).map(u32::to_le_bytes).map_err(|_| io::ErrorKind::FileTooLarge.into())
}

fn write_table(out: &mut impl Write, entries: &[u8]) -> io::Result<()> {
    out.write_all(&SKIPPABLE.to_le_bytes())?;
    out.write_all(&short(entries.len() + TABLE_FOOT as usize)?)?;
    out.write_all(entries)?;
    out.write_all(&short(entries.len() / ENTRY as usize)?)?;
    out.write_all(&[0])?;
    out.write_all(&SEEKABLE.to_le_bytes())
}
