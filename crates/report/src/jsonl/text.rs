//! Output of an attempt, read from its log where a live event says only that it is there.

use roboppi_ipc::utf8::{incomplete_suffix, text};
use roboppi_ipc::{Gap, LogGrew, OutputStream, UtcMillis, WorkerEvent, WorkerOutput};
use roboppi_record::{ChunkKind, Log, LogPiece, RecordError};
use roboppi_run::AttemptRecord;

/// Bytes of the log in one event at most, as in those of a core that sends output.
const LONGEST: u64 = 16 * 1024;

/// Reads what was announced of one log.
#[derive(Debug)]
pub(super) struct AnnouncedText {
    log: Box<dyn Log>,
    /// What is still to be read.
    grew: LogGrew,
    /// The beginning of a character at the end of what was read of stdout and stderr.
    carry: [Vec<u8>; 2],
}

/// What comes next in a stretch of a log.
enum Piece {
    Output(OutputStream, UtcMillis),
    /// Not text for people.
    Other,
    /// Not in the record, or nobody knows whose it is.
    Missing,
}

impl AnnouncedText {
    pub(super) fn new(log: Box<dyn Log>) -> Self {
        Self { log, grew: LogGrew::default(), carry: [Vec::new(), Vec::new()] }
    }

    /// Takes note of a stretch of the log that is there now.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub(super) fn announced(&mut self, grew: LogGrew) -> Result<(), RecordError> {
        if grew.offset != self.grew.offset {
            // Something between the two was missed.
            self.carry = [Vec::new(), Vec::new()];
        }
        self.grew = grew;
        self.log.refresh().map(drop)
    }

    /// The next piece of what `record` announced: output of one stream, or a gap where the log does not have it. `None`
    /// when all of it was told.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub(super) fn next(&mut self, record: &AttemptRecord) -> Result<Option<AttemptRecord>, RecordError> {
        while self.grew.len > 0 {
            let (piece, len) = self.piece(record.ts)?;
            match piece {
                Piece::Output(stream, ts) => return self.output(record, stream, ts, len).map(Some),
                Piece::Other => self.pass(len),
                Piece::Missing => return Ok(Some(self.missing(record, len))),
            }
        }
        Ok(None)
    }

    /// What comes next, and how many bytes of it there are in a row.
    fn piece(&mut self, announced: UtcMillis) -> Result<(Piece, u64), RecordError> {
        let LogGrew { offset, len, .. } = self.grew;
        let Some(chunk) = self.log.chunk_at(offset)? else { return Ok((Piece::Missing, len)) };
        let mut end = chunk.offset + chunk.len;
        let stream = match chunk.kind {
            ChunkKind::Output(stream) => stream,
            // That matters only where one of the two is no text.
            ChunkKind::Unknown if self.grew.stdout && self.grew.stderr => OutputStream::Stdout,
            ChunkKind::Unknown | ChunkKind::Lost => return Ok((Piece::Missing, (end - offset).min(len))),
        };
        if !self.grew.shows(stream) {
            return Ok((Piece::Other, (end - offset).min(len)));
        }
        while end - offset < len.min(LONGEST)
            && let Some(next) = self.log.chunk_at(end)?
            && next.kind == chunk.kind
        {
            end = next.offset + next.len;
        }
        Ok((Piece::Output(stream, chunk.ts.unwrap_or(announced)), (end - offset).min(len)))
    }

    /// Reads output: whole lines when there is more of it than one event may hold.
    fn output(
        &mut self,
        record: &AttemptRecord,
        stream: OutputStream,
        ts: UtcMillis,
        len: u64,
    ) -> Result<AttemptRecord, RecordError> {
        let offset = self.grew.offset;
        let most = len.min(LONGEST);
        let bytes = match self.log.read(offset, usize::try_from(most).unwrap_or_default())? {
            LogPiece::Bytes(bytes) if !bytes.is_empty() => bytes,
            // It was given up meanwhile.
            LogPiece::Bytes(_) => return Ok(self.missing(record, len)),
            LogPiece::Lost { len: lost } => return Ok(self.missing(record, lost.min(self.grew.len))),
        };
        let newline = memchr::memrchr(b'\n', &bytes).filter(|_| len > most);
        let bytes = newline.map_or(bytes.as_slice(), |newline| &bytes[..=newline]);
        let mut data = std::mem::take(&mut self.carry[stream as usize]);
        data.extend_from_slice(bytes);
        let incomplete = incomplete_suffix(&data);
        self.carry[stream as usize] = data.split_off(data.len() - incomplete);
        let partial = data.last() != Some(&b'\n');
        let len = bytes.len() as u64;
        self.pass(len);
        let output = WorkerOutput::new(text(data)).with_range(offset, len).with_partial(partial);
        Ok(AttemptRecord {
            seq: record.seq,
            ts,
            at: offset + len,
            event: WorkerEvent::output(stream, output),
        })
    }

    fn missing(&mut self, record: &AttemptRecord, len: u64) -> AttemptRecord {
        let from = self.grew.offset;
        self.pass(len);
        missing(record, from, from + len)
    }

    /// Goes on behind the next `len` bytes.
    fn pass(&mut self, len: u64) {
        self.grew.offset += len;
        self.grew.len = self.grew.len.saturating_sub(len);
    }

    /// What was not told yet of what was announced.
    pub(super) fn rest(&mut self, record: &AttemptRecord) -> Option<AttemptRecord> {
        (self.grew.len > 0).then(|| self.missing(record, self.grew.len))
    }

    /// What was the beginning of a character and is none now that nothing more comes, of an attempt whose last event
    /// has the number `seq`.
    pub(super) fn finish(self, seq: u64, ts: UtcMillis) -> impl Iterator<Item = AttemptRecord> {
        let offset = self.grew.offset;
        let streams = [OutputStream::Stdout, OutputStream::Stderr];
        streams.into_iter().zip(self.carry).filter(|(_, carry)| !carry.is_empty()).map(move |(stream, _)| {
            let data = "\u{fffd}".to_owned();
            let output = WorkerOutput::new(data).with_range(offset, 0);
            AttemptRecord { seq, ts, at: offset, event: WorkerEvent::output(stream, output) }
        })
    }
}

/// Says that bytes which `record` announced cannot be had.
pub(super) fn missing(record: &AttemptRecord, from_offset: u64, to_offset: u64) -> AttemptRecord {
    let bytes = to_offset - from_offset;
    let (from_seq, to_seq) = (record.seq, record.seq + 1);
    let gap = Gap::new(from_seq..to_seq, from_offset..to_offset).with_missing(0, bytes);
    AttemptRecord { at: to_offset, event: WorkerEvent::Gap(gap), ..record.clone() }
}
