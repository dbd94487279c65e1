//! The event file of an attempt: what its worker did, except its output.

use std::os::unix::fs::FileExt;
use std::path::Path;
use std::rc::Rc;

use roboppi_ipc::{Gap, UtcMillis, WorkerEvent};
use roboppi_run::AttemptRecord;

use crate::base::Base;
use crate::disk::DiskWatch;
use crate::line_file::LineFile;
use crate::{LogLimits, RecordError, RunUsage, files};

/// Appends the events of one attempt to `<base>.events.jsonl`. The file is made with the first event.
///
/// Within bounds it holds the first events, and when there are more than fit, one gap that counts those that are
/// missing, written at the end. Events after the bound may be worth less than the first ones, but a file with a
/// hole in the middle could not be read while it grows.
#[derive(Debug)]
pub struct EventFileWriter {
    base: Base,
    lines: Option<LineFile>,
    limits: LogLimits,
    usage: Option<Rc<RunUsage>>,
    disk: DiskWatch,
    left_out: Option<LeftOut>,
    /// The bound was reached.
    full: bool,
}

/// Room that is reserved, so that it can be said on a full disk what is missing.
const AHEAD: u64 = 4 * 1024;

/// Events that are not in the file.
#[derive(Debug)]
struct LeftOut {
    ts: UtcMillis,
    gap: Gap,
}

/// What the last line of an event file says is missing.
pub(crate) fn left_out(path: &Path) -> Result<Option<Gap>, RecordError> {
    /// A line that tells of a gap is much shorter.
    const END: u64 = 4 * 1024;
    let Some(file) = files::open_read(path)? else { return Ok(None) };
    let len = file.metadata().map_err(RecordError::io("read", path))?.len();
    let from = len.saturating_sub(END);
    let mut end = vec![0; (len - from) as usize];
    file.read_exact_at(&mut end, from).map_err(RecordError::io("read", path))?;
    let last = end.strip_suffix(b"\n").and_then(|lines| lines.rsplit(|byte| *byte == b'\n').next());
    let record = last.and_then(|line| serde_json::from_slice::<AttemptRecord>(line).ok());
    Ok(record.and_then(|record| match record.event {
        WorkerEvent::Gap(gap) => Some(gap),
        _ => None,
    }))
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppendedEvent {
    /// Where in the file it begins; `None` when it was left out, because there is no room for more.
    pub offset: Option<u64>,
    /// Its length in bytes, whether or not it is there.
    pub len: u64,
}

impl EventFileWriter {
    /// A writer for the attempt with the files `base` in `run_dir`. Makes nothing yet.
    ///
    /// # Errors
    /// [`RecordError::BadBase`] when `base` is not of the form `steps/<step>/<name>`.
    pub fn new(run_dir: &Path, base: &str) -> Result<Self, RecordError> {
        Self::within(run_dir, base, LogLimits::NONE, None)
    }

    /// The same, within the bounds of a log of which it is a part, and what is left of those of the run.
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
        let disk = DiskWatch::new(limits.min_free);
        Ok(Self { base, lines: None, limits, usage, disk, left_out: None, full: false })
    }

    /// Appends one event. Returns when the system has taken it. Whether an event belongs into the file is
    /// the caller's to know ([`WorkerEvent::is_recorded`](roboppi_ipc::WorkerEvent::is_recorded)).
    ///
    /// # Errors
    /// When it cannot be written whole; then nothing of it is in the file, and it counts as left out.
    /// [`RecordError::Exists`] when another writer made the file.
    pub fn append(&mut self, record: &AttemptRecord) -> Result<AppendedEvent, RecordError> {
        let appended = self.write(record);
        if appended.as_ref().map_or(true, |appended| appended.offset.is_none()) {
            self.leave_out(record);
        }
        appended
    }

    fn write(&mut self, record: &AttemptRecord) -> Result<AppendedEvent, RecordError> {
        let lines = match &mut self.lines {
            Some(lines) => lines,
            empty => {
                files::ensure_step_dir(self.base.step_dir())?;
                let path = self.base.events();
                empty.insert(LineFile::new(files::create_append(&path)?, path, 0).reserving(AHEAD))
            }
        };
        let len = lines.encode(record)?;
        let is_run_full = self.usage.as_ref().is_some_and(|usage| !usage.has_room(len));
        // One that is too long is followed by none, even if that would fit: what is there is the beginning.
        self.full |= lines.len() + len > self.limits.events(is_run_full);
        if self.full {
            return Ok(AppendedEvent { offset: None, len });
        }
        self.disk.look(lines.file(), lines.path(), len)?;
        let offset = Some(lines.len());
        lines.write_encoded()?;
        if let Some(usage) = &self.usage {
            usage.add(len);
        }
        Ok(AppendedEvent { offset, len })
    }

    fn leave_out(&mut self, record: &AttemptRecord) {
        let &AttemptRecord { seq, ts, at, .. } = record;
        let gap = Gap { from_seq: seq, to_seq: seq, from_offset: at, to_offset: at, events: 0, bytes: 0 };
        let left_out = self.left_out.get_or_insert(LeftOut { ts, gap });
        left_out.ts = ts;
        left_out.gap.to_seq = seq + 1;
        left_out.gap.to_offset = at;
        left_out.gap.events += 1;
    }

    /// How many events are not in the file.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        self.left_out.as_ref().map_or(0, |left_out| left_out.gap.events)
    }

    /// Whether events are left out because there is no room for them.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.full
    }

    /// Says at the end of the file what is missing, if anything is. The last thing to do with it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(&mut self) -> Result<(), RecordError> {
        let (Some(lines), Some(LeftOut { ts, gap })) = (&mut self.lines, self.left_out.take()) else {
            return Ok(());
        };
        let (seq, at) = (gap.from_seq, gap.to_offset);
        lines.encode(&AttemptRecord { seq, ts, at, event: WorkerEvent::Gap(gap) })?;
        lines.write_end()
    }

    /// Length of the file in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.lines.as_ref().map_or(0, LineFile::len)
    }

    /// Whether there is no event in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Drop for EventFileWriter {
    fn drop(&mut self) {
        let _ = self.finish();
        if let Some(lines) = &mut self.lines {
            lines.release();
        }
    }
}
