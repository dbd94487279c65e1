//! Writes a run into one file.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use tar::{Builder, EntryType, Header};
use zstd::Encoder;

use super::{HEAD, PortableHead, names};
use crate::blob;
use crate::hole::{Hole, HoleReader};
use crate::{RecordError, RunDir, files};

/// Good for text, and fast enough to keep a disk busy.
const LEVEL: i32 = 6;

/// Parts of a sparse file begin at multiples of this.
const BLOCK: u64 = 512;

/// What was exported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Files of the run.
    pub files: u32,
    /// Bytes they hold.
    pub bytes: u64,
    /// What is in the place of a part of the record and is none: links and special files, which are not in the export.
    pub left_out: Vec<PathBuf>,
}

impl RunDir {
    /// Writes the run as it stands into `out`, of which `target` is the name for people. A run that goes on is not
    /// touched and does not wait: of each file there is what it held when its turn came, and of the journal, which
    /// comes first, whole lines only. So everything the journal tells of is in the export.
    ///
    /// # Errors
    /// When a file cannot be read, or `out` cannot be written.
    pub fn export(
        &self,
        head: &PortableHead,
        out: impl Write,
        target: &Path,
    ) -> Result<Exported, RecordError> {
        let failed = |error| RecordError::io("write", target)(error);
        let mut packed = Encoder::new(out, LEVEL).map_err(failed)?;
        packed.include_checksum(true).map_err(failed)?;
        let mut export = Export {
            run: self.path(),
            dir: head.run_id.as_str(),
            mtime: head.exported_at.0 / 1_000,
            target,
            archive: Builder::new(packed),
            done: Exported::default(),
        };
        export.head(head)?;
        for name in names::TOP {
            export.file(name, name == "journal.jsonl" && head.live)?;
        }
        for name in export.names(&self.path().join(blob::DIR))? {
            export.file(&format!("{}/{name}", blob::DIR), false)?;
        }
        export.steps()?;
        let packed = export.archive.into_inner().map_err(failed)?;
        packed.finish().and_then(|mut out| out.flush()).map_err(failed)?;
        Ok(export.done)
    }
}

struct Export<'a, W: Write> {
    run: &'a Path,
    dir: &'a str,
    mtime: u64,
    target: &'a Path,
    archive: Builder<W>,
    done: Exported,
}

impl<W: Write> Export<'_, W> {
    fn head(&mut self, head: &PortableHead) -> Result<(), RecordError> {
        let path = self.target.to_owned();
        let mut text =
            serde_json::to_vec_pretty(head).map_err(|source| RecordError::Encode { path, source })?;
        text.push(b'\n');
        let mut header = self.header(text.len() as u64);
        let name = format!("{}/{HEAD}", self.dir);
        let written = self.archive.append_data(&mut header, name, text.as_slice());
        written.map_err(RecordError::io("write", self.target))
    }

    /// All attempts, in the order of their names, so that the same run gives the same file.
    fn steps(&mut self) -> Result<(), RecordError> {
        for step in self.names(&self.run.join("steps"))? {
            let mut bases: Vec<_> = self
                .names(&self.run.join("steps").join(&step))?
                .iter()
                .filter_map(|name| Some(name.split_once('.')?.0.to_owned()))
                .collect();
            bases.dedup();
            for base in bases {
                for extension in names::OF_ATTEMPT {
                    self.file(&format!("steps/{step}/{base}.{extension}"), false)?;
                }
            }
        }
        Ok(())
    }

    /// Names in a directory that are text, in their order.
    fn names(&mut self, dir: &Path) -> Result<Vec<String>, RecordError> {
        let entries = self.plain(files::list(dir))?.unwrap_or_default();
        let mut names: Vec<_> =
            entries.into_iter().filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// Notes what is no part of a record although it has the place of one.
    fn plain<T>(&mut self, found: Result<T, RecordError>) -> Result<Option<T>, RecordError> {
        match found {
            Ok(found) => Ok(Some(found)),
            Err(RecordError::NotPlain { path }) => {
                if !self.done.left_out.contains(&path) {
                    self.done.left_out.push(path);
                }
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// A file as long as it is now, without the part of a line at its end when only `whole_lines` count. One that is
    /// not there is left out.
    fn file(&mut self, name: &str, whole_lines: bool) -> Result<(), RecordError> {
        let path = self.run.join(name);
        if !names::is_part(name) {
            return Ok(());
        }
        let Some(mut file) = self.plain(files::open_read(&path))?.flatten() else { return Ok(()) };
        let unreadable = |error| RecordError::io("read", &path)(error);
        let mut len = file.metadata().map_err(unreadable)?.len();
        if whole_lines {
            len = end_of_lines(&file, len).map_err(unreadable)?;
        }
        let hole = self.plain(hole_of(&path))?.flatten();
        let hole = hole.filter(|hole| hole.from.next_multiple_of(BLOCK) < hole.to.min(len));
        let archived = format!("{}/{name}", self.dir);
        let written = match hole {
            Some(hole) => self.sparse(&archived, &mut file, len, hole),
            None => {
                let mut header = self.header(len);
                // A file that was cut in the meantime is continued with zeros: what is promised in the header must come.
                let content = file.take(len).chain(io::repeat(0)).take(len);
                self.archive.append_data(&mut header, &archived, content)
            }
        };
        written.map_err(RecordError::io("write", self.target))?;
        self.done.files += 1;
        self.done.bytes += len;
        Ok(())
    }

    /// A file without what was given up of it, which may be more than there are bytes on any disk.
    fn sparse(&mut self, archived: &str, file: &mut File, len: u64, hole: Hole) -> io::Result<()> {
        let (from, to) = (hole.from.next_multiple_of(BLOCK), hole.to.min(len));
        let mut header = self.header(from + (len - to));
        header.set_entry_type(EntryType::GNUSparse);
        if let Some(gnu) = header.as_gnu_mut() {
            gnu.set_real_size(len);
            for (part, (offset, bytes)) in gnu.sparse.iter_mut().zip([(0, from), (to, len - to)]) {
                part.set_offset(offset);
                part.set_length(bytes);
            }
        }
        let head = file.try_clone()?.take(from).chain(io::repeat(0)).take(from);
        let tail = SeekTo { file, at: Some(to) }.take(len - to).chain(io::repeat(0)).take(len - to);
        self.archive.append_data(&mut header, archived, head.chain(tail))
    }

    fn header(&self, len: u64) -> Header {
        let mut header = Header::new_gnu();
        header.set_size(len);
        header.set_mode(0o600);
        header.set_mtime(self.mtime);
        header.set_entry_type(EntryType::Regular);
        header
    }
}

/// Goes to its place when it is read first.
struct SeekTo<'a> {
    file: &'a mut File,
    at: Option<u64>,
}

impl Read for SeekTo<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(at) = self.at.take() {
            self.file.seek(SeekFrom::Start(at))?;
        }
        self.file.read(buffer)
    }
}

fn hole_of(path: &Path) -> Result<Option<Hole>, RecordError> {
    // Beside `x.log` it is `x.hole`, beside `x.events.jsonl` it is `x.events.hole`.
    let may_have_one = |extension: &std::ffi::OsStr| extension == "log" || extension == "jsonl";
    if !path.extension().is_some_and(may_have_one) {
        return Ok(None);
    }
    let mut hole = HoleReader::new(path.with_extension("hole"));
    hole.reload()?;
    Ok(hole.hole())
}

/// Length of a file up to its last newline.
fn end_of_lines(file: &File, len: u64) -> io::Result<u64> {
    const STRETCH: u64 = 64 * 1024;
    let mut block = [0; STRETCH as usize];
    let mut end = len;
    while end > 0 {
        let from = end.saturating_sub(STRETCH);
        let bytes = &mut block[..usize::try_from(end - from).unwrap_or(0)];
        file.read_exact_at(bytes, from)?;
        if let Some(found) = memchr::memrchr(b'\n', bytes) {
            return Ok(from + found as u64 + 1);
        }
        end = from;
    }
    Ok(0)
}
