//! The spool: the bytes of a worker as they come.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use memchr::memchr_iter;
use roboppi_ipc::{OutputStream, UtcMillis};

use crate::base::Base;
use crate::disk::{DiskWatch, give_back, has_room};
use crate::hole::HoleWriter;
use crate::index::{Entry, EntryKind, IndexWriter, LONGEST_STRETCH, Sum};
use crate::rotation::{Place, Rotation};
use crate::{Bound, LogLimits, RecordError, RunUsage, UNKNOWN_LOSS, files};

/// Appends within this time may share one entry of the index: the precision of times in a log.
const SAME_TIME_MS: u64 = 10;

/// Bytes of a log that are returned to the disk at once. A system needs milliseconds for a sixteenth of a gibibyte.
const RETURNED_AT_ONCE: u64 = 512 * 1024;

/// What a block of any file system divides.
const BLOCK: u64 = 64 * 1024;

/// Writes the bytes of one attempt to `<base>.log` and says in `<base>.idx` where they came from. The files
/// are made with the first byte.
///
/// Offsets are those of the stream, not of what the disk took: bytes that cannot be written are a hole in
/// the log, which readers see as a gap, and everything after it keeps its place. The same is true of bytes
/// that were written and given up later, because the log would have become too large.
#[derive(Debug)]
pub struct SpoolWriter {
    base: Base,
    path: PathBuf,
    log: Option<File>,
    index: IndexWriter,
    index_error: Option<RecordError>,
    /// Logical length: everything that was offered.
    len: u64,
    /// Length of the file.
    on_disk: u64,
    /// Newlines in the file.
    lines: u64,
    lost: u64,
    /// The hole at the end, which is not in the file yet.
    hole: Option<Hole>,
    /// The stretch that is being written.
    stretch: Option<Stretch>,
    usage: Option<Rc<RunUsage>>,
    rotation: Rotation,
    holes: HoleWriter,
    /// Where the part ends that was given up and whose bytes are no longer on the disk.
    returned: u64,
    /// Whether the file system can give back a part of a file, once that was tried.
    can_give_back: Option<bool>,
    /// The last byte of the file ends a line.
    at_line_start: bool,
    disk: DiskWatch,
    /// Bytes of other files within the bound of the log.
    beside: u64,
    /// Of what was written since the last entry of the index.
    sum: crc32fast::Hasher,
    /// Time of the last byte.
    last: UtcMillis,
    closed: bool,
    /// Kind of the last entry of the index.
    before: Option<EntryKind>,
}

#[derive(Debug)]
struct Hole {
    /// Time of its first loss.
    ts: UtcMillis,
    /// It is in the index.
    noted: bool,
}

/// What an entry of the index speaks for.
#[derive(Debug)]
pub(crate) struct Stretch {
    pub(crate) stream: OutputStream,
    /// Time of its first byte.
    pub(crate) ts: UtcMillis,
    /// Offset of its first byte.
    pub(crate) offset: u64,
}

impl Stretch {
    /// Whether bytes up to the offset `end` that come from `stream` at `ts` may belong to it.
    pub(crate) fn covers(&self, stream: OutputStream, ts: UtcMillis, end: u64) -> bool {
        self.stream == stream
            && ts.0.checked_sub(self.ts.0).is_some_and(|passed| passed < SAME_TIME_MS)
            && end - self.offset <= LONGEST_STRETCH
    }
}

/// Where bytes went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Offset of the first one in the log.
    pub offset: u64,
    /// How many.
    pub len: u64,
}

impl SpoolWriter {
    /// A writer for the attempt with the files `base` in `run_dir`. Makes nothing yet.
    ///
    /// # Errors
    /// [`RecordError::BadBase`] when `base` is not of the form `steps/<step>/<name>`.
    pub fn new(run_dir: &Path, base: &str) -> Result<Self, RecordError> {
        Self::within(run_dir, base, LogLimits::NONE, None)
    }

    /// The same, within bounds: those of the log, and what is left of those of the run.
    ///
    /// # Errors
    /// [`RecordError::BadBase`] when `base` is not of the form `steps/<step>/<name>`.
    pub fn within(
        run_dir: &Path,
        base: &str,
        limits: LogLimits,
        usage: Option<Rc<RunUsage>>,
    ) -> Result<Self, RecordError> {
        let base = Base::parse(run_dir, base)?;
        Ok(Self {
            path: base.log(),
            holes: HoleWriter::new(base.hole()),
            returned: 0,
            index: IndexWriter::new(base.index()),
            base,
            log: None,
            index_error: None,
            len: 0,
            on_disk: 0,
            lines: 0,
            lost: 0,
            hole: None,
            stretch: None,
            usage,
            rotation: Rotation::new(limits.bytes.max(LogLimits::SMALLEST)),
            can_give_back: None,
            at_line_start: true,
            disk: DiskWatch::new(limits.min_free),
            beside: 0,
            sum: crc32fast::Hasher::new(),
            last: UtcMillis(0),
            closed: false,
            before: None,
        })
    }

    /// Appends bytes. Returns when the system has taken them: one `write(2)`, or one for each 256 KiB.
    ///
    /// # Errors
    /// When they cannot be written. What was not written counts as lost, the offset moves on as if it had
    /// been, and the next append may succeed. [`RecordError::Exists`] when another writer made the log.
    pub fn append(
        &mut self,
        stream: OutputStream,
        bytes: &[u8],
        ts: UtcMillis,
    ) -> Result<Appended, RecordError> {
        let appended = Appended { offset: self.len, len: bytes.len() as u64 };
        self.last = ts;
        let mut rest = bytes;
        while !rest.is_empty() {
            let most = LONGEST_STRETCH.min(self.rotation.step());
            let (piece, after) = rest.split_at(rest.len().min(most as usize));
            if let Err(error) = self.append_piece(stream, piece, ts) {
                self.give_up(appended.offset + appended.len, ts);
                return Err(error);
            }
            rest = after;
        }
        Ok(appended)
    }

    fn append_piece(&mut self, stream: OutputStream, piece: &[u8], ts: UtcMillis) -> Result<(), RecordError> {
        self.open()?;
        if let Some(log) = &self.log {
            self.disk.check(log, &self.path, piece.len() as u64)?;
        }
        if let (Some(log), Some(_)) = (&self.log, &self.hole) {
            // Else each try would begin and end a gap in the index, for which there is little room.
            has_room(log, self.len, piece.len() as u64).map_err(RecordError::io("write", &self.path))?;
        }
        self.close_hole()?;
        self.make_room(piece.len() as u64)?;
        self.begin_stretch(stream, piece.len() as u64, ts);
        let Some(log) = &mut self.log else { return Ok(()) };
        let (written, outcome) = write(log, piece);
        self.lines += memchr_iter(b'\n', &piece[..written]).count() as u64;
        self.sum.update(&piece[..written]);
        self.on_disk += written as u64;
        self.len = self.on_disk;
        if let Some(last) = written.checked_sub(1) {
            self.at_line_start = piece[last] == b'\n';
        }
        if let Some(usage) = &self.usage {
            usage.add(written as u64);
        }
        outcome.map_err(RecordError::io("write", &self.path))
    }

    /// Gives up what is neither the beginning of the log nor its end, until `more` bytes fit.
    fn make_room(&mut self, more: u64) -> Result<(), RecordError> {
        let here = Place { offset: self.on_disk, line: self.lines };
        self.rotation.passes(here, self.at_line_start);
        loop {
            if self.is_run_full(more) {
                self.return_bytes(u64::MAX)?;
            }
            if self.is_run_full(more) {
                self.rotation.tighten(here, 0);
            }
            if self.rotation.fits(self.on_disk + more, self.index.len() + self.beside) {
                break;
            }
            if !self.can_give_back() {
                return Err(RecordError::LogFull { path: self.path.clone() });
            }
            if self.rotation.give_up().is_none() {
                break;
            }
            self.note_hole()?;
        }
        if self.return_bytes(RETURNED_AT_ONCE).is_err() {
            // The output that comes is worth more than the room. `close` tries again, and reports it.
            self.can_give_back = Some(false);
        }
        Ok(())
    }

    fn is_run_full(&self, more: u64) -> bool {
        self.usage.as_ref().is_some_and(|usage| !usage.has_room(more))
    }

    /// Readers must know before the bytes are gone.
    fn note_hole(&mut self) -> Result<(), RecordError> {
        self.rotation.hole().map_or(Ok(()), |hole| self.holes.write(hole))
    }

    /// Returns some of what was given up to the disk: with each piece that comes many times its length, so that there is
    /// never more than before, and nobody waits until all of it is gone.
    fn return_bytes(&mut self, most: u64) -> Result<(), RecordError> {
        let (Some(log), Some(hole)) = (&self.log, self.rotation.hole()) else { return Ok(()) };
        let start = self.returned.max(hole.from);
        let last = start.saturating_add(most);
        // Whole blocks are returned, and only those.
        let end = if last < hole.to { last - last % BLOCK } else { hole.to };
        if end <= start {
            return Ok(());
        }
        let block = (start - start % BLOCK).max(hole.from);
        give_back(log, block..end).map_err(RecordError::io("shorten", &self.path))?;
        self.returned = end;
        if let Some(usage) = &self.usage {
            usage.give_back(end - start);
        }
        Ok(())
    }

    /// Whether the file system can give back a part of a file.
    fn can_give_back(&mut self) -> bool {
        let Some(log) = &self.log else { return false };
        // Behind its end nothing is lost by trying.
        let behind = self.on_disk..self.on_disk + 1;
        *self.can_give_back.get_or_insert_with(|| give_back(log, behind).is_ok())
    }

    /// Counts what is between the file and `end` as lost.
    fn give_up(&mut self, end: u64, ts: UtcMillis) {
        self.lost += end - self.len;
        self.len = end;
        self.hole.get_or_insert(Hole { ts, noted: false });
    }

    fn open(&mut self) -> Result<(), RecordError> {
        if self.log.is_none() {
            files::ensure_step_dir(self.base.step_dir())?;
            self.log = Some(files::create_append(&self.path)?);
        }
        Ok(())
    }

    /// Lets the file reach the logical length again, once it is written down what is missing. Until then it stays short,
    /// so that nobody takes the zeros of the gap for output.
    fn close_hole(&mut self) -> Result<(), RecordError> {
        let Some(hole) = &mut self.hole else { return Ok(()) };
        if !hole.noted {
            hole.noted = true;
            let (ts, kind) = (hole.ts, EntryKind::Lost);
            self.stretch = None;
            self.note(self.on_disk, ts, kind);
        }
        self.index.flush()?;
        if let Some(log) = &self.log {
            log.set_len(self.len).map_err(RecordError::io("extend", &self.path))?;
            self.on_disk = self.len;
            self.hole = None;
        }
        Ok(())
    }

    /// Whether readers can tell which stream the last bytes came from.
    #[must_use]
    pub const fn knows_streams(&self) -> bool {
        !matches!(self.before, Some(EntryKind::Unknown))
    }

    /// Writes an entry for what comes next, unless the last one can speak for it too.
    fn begin_stretch(&mut self, stream: OutputStream, len: u64, ts: UtcMillis) {
        let end = self.on_disk + len;
        if self.stretch.as_ref().is_some_and(|stretch| stretch.covers(stream, ts, end)) {
            return;
        }
        // Who writes byte by byte to both streams in turn has more index than log. At some point it is no
        // longer worth to know which byte came from where.
        let coarse = self.rotation.index_is_large(self.index.len());
        let offset = self.on_disk;
        let far = |stretch: &Stretch| offset + len - stretch.offset > LONGEST_STRETCH;
        if coarse && !self.stretch.as_ref().is_none_or(far) {
            return;
        }
        self.stretch = Some(Stretch { stream, ts, offset });
        let kind = if coarse { EntryKind::Unknown } else { EntryKind::Output(stream) };
        self.note(offset, ts, kind);
    }

    /// The log is worth more than its index: an index that cannot be written is reported, not obeyed.
    fn note(&mut self, offset: u64, ts: UtcMillis, kind: EntryKind) {
        let written = std::mem::take(&mut self.sum);
        let sum = match self.before {
            None => Sum::FIRST,
            Some(EntryKind::Lost) => Sum::NONE,
            Some(_) => Sum::of(written),
        };
        self.before = Some(kind);
        let entry = Entry { offset, line: self.lines, ts, kind, sum };
        let before = self.index.len();
        if let Err(error) = self.index.push(entry) {
            self.index_error.get_or_insert(error);
        }
        if let Some(usage) = &self.usage {
            usage.add(self.index.len() - before);
        }
    }

    /// Says that nothing more comes: what is missing at the end, and how long the log is, can be known to readers from
    /// then on. Whoever does not call it has it done when the writer goes, and is not told whether that was possible.
    ///
    /// # Errors
    /// When it cannot be written. What is there is then a log whose writer did not close it.
    pub fn close(&mut self) -> Result<(), RecordError> {
        if self.closed || self.len == 0 {
            return Ok(());
        }
        self.open()?;
        let returned = self.return_bytes(u64::MAX);
        // A file that cannot be made longer may stay as short as it is when the index says what is missing.
        let extended = self.close_hole();
        if self.before != Some(EntryKind::End)
            && (self.hole.is_none() || self.before == Some(EntryKind::Lost))
        {
            self.note(self.len, self.last, EntryKind::End);
        }
        self.index.flush()?;
        self.index.close();
        self.closed = true;
        extended.and(returned)
    }

    /// Notes that output which never came belongs behind what was appended last: [`UNKNOWN_LOSS`](crate::UNKNOWN_LOSS) bytes
    /// of it, as its length is not known.
    pub fn lose(&mut self, ts: UtcMillis) {
        self.give_up(self.len + UNKNOWN_LOSS, ts);
    }

    /// Takes `bytes` of another file of the attempt into account: the log must leave room for them.
    pub fn leave_room_for(&mut self, bytes: u64) {
        self.beside = bytes;
    }

    /// Logical length of the log in bytes, lost ones included.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether nothing was appended yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes that could not be written.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Bytes that were written and given up later, because the log would have become too large.
    #[must_use]
    pub fn given_up(&self) -> u64 {
        self.rotation.hole().map_or(0, |hole| hole.len())
    }

    /// The bound for which something was given up, if anything was.
    #[must_use]
    pub fn bound(&self) -> Option<Bound> {
        let run =
            self.usage.as_ref().filter(|_| self.rotation.is_tight()).map(|usage| Bound::Run(usage.limit()));
        (self.given_up() > 0).then(|| run.unwrap_or(Bound::File(self.rotation.limit())))
    }

    /// The first error of the index since the last call. The bytes are safe, but it may be forgotten which
    /// stream they came from and when.
    pub fn take_index_error(&mut self) -> Option<RecordError> {
        self.index_error.take()
    }

    /// The log.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SpoolWriter {
    fn drop(&mut self) {
        // Who wants to know has called it before.
        let _ = self.close();
    }
}

/// Writes all, and says how much was written when it cannot.
fn write(log: &mut File, bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut done = 0;
    while done < bytes.len() {
        match log.write(&bytes[done..]) {
            Ok(0) => return (done, Err(io::ErrorKind::WriteZero.into())),
            Ok(written) => done += written,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (done, Err(error)),
        }
    }
    (done, Ok(()))
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;

    use super::*;
    use crate::{ChunkKind, LogChunk, LogPiece, LogReader};

    const BASE: &str = "steps/s/i1-a1";
    const OUT: OutputStream = OutputStream::Stdout;
    const ERR: OutputStream = OutputStream::Stderr;

    fn full() -> File {
        OpenOptions::new().write(true).open("/dev/full").unwrap()
    }

    fn chunk(kind: ChunkKind, ts: u64, offset: u64, len: u64) -> LogChunk {
        LogChunk { kind, ts: Some(UtcMillis(ts)), offset, len }
    }

    #[test]
    fn what_a_full_disk_took_is_a_gap_and_offsets_stay_true() {
        let dir = tempfile::tempdir().unwrap();
        let mut spool = SpoolWriter::new(dir.path(), BASE).unwrap();
        spool.append(OUT, b"one\ntw", UtcMillis(1)).unwrap();
        let good = spool.log.replace(full()).unwrap();
        assert!(spool.append(OUT, b"o\nthree\n", UtcMillis(2)).is_err());
        assert!(spool.append(ERR, b"!!\n", UtcMillis(3)).is_err());
        assert_eq!((spool.len(), spool.lost()), (17, 11));

        spool.log = Some(good);
        let appended = spool.append(OUT, b"four\n", UtcMillis(4)).unwrap();
        assert_eq!(appended, Appended { offset: 17, len: 5 });
        assert_eq!((spool.len(), spool.lost()), (22, 11));

        let mut log = LogReader::open(dir.path(), BASE).unwrap();
        assert_eq!(log.len(), 22);
        assert_eq!(log.read(0, 100).unwrap(), LogPiece::Bytes(b"one\ntw".to_vec()));
        assert_eq!(log.read(6, 100).unwrap(), LogPiece::Lost { len: 11 });
        assert_eq!(log.read(9, 1).unwrap(), LogPiece::Lost { len: 8 });
        assert_eq!(log.read(17, 100).unwrap(), LogPiece::Bytes(b"four\n".to_vec()));
        let chunks: Vec<_> = log.chunks(0).map(Result::unwrap).collect();
        let expected = [
            chunk(ChunkKind::Output(OUT), 1, 0, 6),
            chunk(ChunkKind::Lost, 2, 6, 11),
            chunk(ChunkKind::Output(OUT), 4, 17, 5),
        ];
        assert_eq!(chunks, expected);
        let lines = log.lines(0..9).unwrap();
        let text: Vec<_> = lines.iter().map(|line| (line.bytes.as_slice(), line.lost)).collect();
        assert_eq!(text, [(&b"one"[..], 0), (&b"twfour"[..], 11)]);
    }

    #[test]
    fn a_hole_at_the_end_is_recorded_when_the_writer_goes() {
        let dir = tempfile::tempdir().unwrap();
        let mut spool = SpoolWriter::new(dir.path(), BASE).unwrap();
        spool.append(OUT, b"abc\n", UtcMillis(1)).unwrap();
        let good = spool.log.replace(full()).unwrap();
        assert!(spool.append(OUT, b"defg", UtcMillis(2)).is_err());
        spool.log = Some(good);
        drop(spool);
        let mut log = LogReader::open(dir.path(), BASE).unwrap();
        assert_eq!(log.read(4, 9).unwrap(), LogPiece::Lost { len: 4 });
        let last = log.tail(1).unwrap().remove(0);
        assert_eq!((last.bytes.as_slice(), last.lost, last.complete), (&b""[..], 4, false));
    }

    #[test]
    fn a_log_that_could_not_be_made_at_first_begins_with_a_gap() {
        let dir = tempfile::tempdir().unwrap();
        let run = dir.path().join("run");
        let mut spool = SpoolWriter::new(&run, BASE).unwrap();
        let error = spool.append(ERR, b"early\n", UtcMillis(1)).unwrap_err();
        assert!(matches!(error, RecordError::Io { action: "create", .. }), "{error}");
        crate::files::create_new_dir(&run).unwrap();
        assert_eq!(spool.append(ERR, b"late\n", UtcMillis(2)).unwrap().offset, 6);
        let mut log = LogReader::open(&run, BASE).unwrap();
        assert_eq!(log.read(0, 9).unwrap(), LogPiece::Lost { len: 6 });
        assert_eq!(log.read(6, 9).unwrap(), LogPiece::Bytes(b"late\n".to_vec()));
    }

    #[test]
    fn an_index_that_fails_does_not_stop_the_log_and_is_reported() {
        let dir = tempfile::tempdir().unwrap();
        let mut spool = SpoolWriter::new(dir.path(), BASE).unwrap();
        // Somebody put a directory where the index should be.
        std::fs::create_dir_all(dir.path().join("steps/s/i1-a1.idx")).unwrap();
        spool.append(OUT, b"a\n", UtcMillis(1)).unwrap();
        assert!(spool.take_index_error().is_some());
        assert!(spool.take_index_error().is_none());
        // When the obstacle goes, what was kept in memory is written.
        std::fs::remove_dir(dir.path().join("steps/s/i1-a1.idx")).unwrap();
        spool.append(ERR, b"b\n", UtcMillis(2)).unwrap();
        let mut log = LogReader::open(dir.path(), BASE).unwrap();
        let chunks: Vec<_> = log.chunks(0).map(Result::unwrap).collect();
        let expected = [chunk(ChunkKind::Output(OUT), 1, 0, 2), chunk(ChunkKind::Output(ERR), 2, 2, 2)];
        assert_eq!(chunks, expected);
    }

    #[test]
    fn a_second_writer_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut first = SpoolWriter::new(dir.path(), BASE).unwrap();
        first.append(OUT, b"mine\n", UtcMillis(1)).unwrap();
        let mut second = SpoolWriter::new(dir.path(), BASE).unwrap();
        let error = second.append(OUT, b"yours\n", UtcMillis(1)).unwrap_err();
        assert!(matches!(error, RecordError::Exists { .. }), "{error}");
        assert_eq!(second.lost(), 6);
        drop(second);
        assert_eq!(std::fs::read(first.path()).unwrap(), b"mine\n");
    }
}
