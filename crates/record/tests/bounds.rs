//! Logs that would have become too large.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::rc::Rc;

use proptest::prelude::*;
use roboppi_ipc::{OutputStream, Patch, UtcMillis, WorkerEvent};
use roboppi_record::{
    ChunkKind, EventFileWriter, LogLimits, LogPiece, LogReader, RecordError, RunDir, RunUsage, SpoolWriter,
};
use roboppi_run::AttemptRecord;

const BASE: &str = "steps/s/i1-a1";
const LIMIT: u64 = LogLimits::SMALLEST;

fn limits() -> LogLimits {
    LogLimits { bytes: LIMIT, min_free: 0 }
}

fn bounded(run: &RunDir) -> SpoolWriter {
    SpoolWriter::within(run.path(), BASE, limits(), None).unwrap()
}

/// Everything that is there, and what is not there as `None`.
fn read_all(log: &mut LogReader) -> Vec<Option<u8>> {
    let mut all = Vec::new();
    while (all.len() as u64) < log.len() {
        match log.read(all.len() as u64, 100_000).unwrap() {
            LogPiece::Bytes(bytes) => all.extend(bytes.into_iter().map(Some)),
            LogPiece::Lost { len } => all.resize(all.len() + len as usize, None),
        }
    }
    all
}

/// The one gap of a log that says `written` everywhere else.
fn gap(log: &mut LogReader, written: &[u8]) -> std::ops::Range<usize> {
    let all = read_all(log);
    assert_eq!(all.len(), written.len());
    for (at, byte) in all.iter().enumerate() {
        assert!(byte.is_none_or(|byte| byte == written[at]), "byte {at}");
    }
    let from = all.iter().position(Option::is_none).unwrap_or(all.len());
    let to = from + all[from..].iter().take_while(|byte| byte.is_none()).count();
    assert!(all[to..].iter().all(Option::is_some), "one gap");
    from..to
}

fn on_disk(run: &RunDir) -> u64 {
    ["log", "idx", "hole"]
        .map(|extension| run.log_path(BASE).unwrap().with_extension(extension))
        .iter()
        .filter_map(|path| fs::metadata(path).ok())
        .map(|file| file.blocks() * 512)
        .sum()
}

fn lines_of(count: usize) -> Vec<u8> {
    (0..count).flat_map(|number| format!("line {number}\n").into_bytes()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn the_beginning_and_the_end_are_there_and_lines_keep_their_numbers(
        chunks in prop::collection::vec(1_usize..90_000, 1..120),
        with_index in any::<bool>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::at(dir.path().to_owned());
        let mut spool = bounded(&run);
        let text = lines_of(400_000);
        let mut written = 0;
        for (number, len) in chunks.into_iter().enumerate() {
            let stream = if number % 3 == 0 { OutputStream::Stderr } else { OutputStream::Stdout };
            let end = (written + len).min(text.len());
            spool.append(stream, &text[written..end], UtcMillis(number as u64)).unwrap();
            written = end;
        }
        let text = &text[..written];
        drop(spool);
        prop_assert!(on_disk(&run) <= LIMIT + 64 * 1024, "{}", on_disk(&run));
        if !with_index {
            fs::remove_file(run.log_path(BASE).unwrap().with_extension("idx")).unwrap();
        }
        let mut log = run.log(BASE).unwrap();
        let gap = gap(&mut log, text);
        if written as u64 <= LIMIT - 64 * 1024 {
            prop_assert!(gap.is_empty());
        }
        prop_assert!(gap.is_empty() || gap.start as u64 >= LIMIT / 2);
        prop_assert!(gap.is_empty() || (written - gap.end) as u64 >= LIMIT / 8);
        let count = log.line_count().unwrap();
        let newlines = text.iter().filter(|byte| **byte == b'\n').count() as u64;
        prop_assert_eq!(count, newlines + u64::from(!text.ends_with(b"\n")));
        let mut at = 0;
        let mut lost = 0;
        for line in log.lines(0..count).unwrap() {
            prop_assert_eq!(line.offset, at);
            if line.lost == 0 && line.complete && line.offset != gap.end as u64 {
                let whole = format!("line {}", line.number);
                prop_assert_eq!(String::from_utf8(line.bytes.clone()).unwrap(), whole);
            }
            lost += line.lost;
            at += line.bytes.len() as u64 + line.lost + u64::from(line.complete && line.lost == 0);
        }
        prop_assert_eq!((at, lost), (written as u64, gap.len() as u64));
        for number in [0, count / 4, count / 2, 3 * count / 4, count - 1] {
            let start = log.line_start(number).unwrap().unwrap();
            prop_assert!(log.line_of(start).unwrap() >= number || gap.contains(&(start as usize)));
            let line = log.line(number).unwrap();
            prop_assert!(line.is_none_or(|line| line.number >= number && line.offset == start));
        }
        let last = log.tail(1).unwrap().remove(0);
        prop_assert_eq!(last.number, count - 1);
    }
}

#[test]
fn what_is_given_up_between_two_reads_of_a_reader_is_a_gap_and_never_zeros() {
    let dir = tempfile::tempdir().unwrap();
    let run = RunDir::at(dir.path().to_owned());
    let text = lines_of(400_000);
    let (before, after) = text.split_at(LIMIT as usize * 3 / 4);
    let mut spool = bounded(&run);
    let mut append = |text: &[u8]| {
        for (number, chunk) in text.chunks(8_000).enumerate() {
            // Each at its own time, so that the index has many stretches, and sums of them.
            spool.append(OutputStream::Stdout, chunk, UtcMillis(number as u64 * 1_000)).unwrap();
        }
    };
    append(before);
    // Each looked at the log before anything was given up, and reads afterwards.
    let mut readers: Vec<_> = (0..4).map(|_| run.log(BASE).unwrap()).collect();
    append(after);

    let all = read_all(&mut readers[0]);
    assert!(all.iter().zip(&text).all(|(read, written)| read.is_none_or(|read| read == *written)));
    assert!(all.contains(&None), "some of it was given up");
    let lines = readers[1].lines(0..100_000).unwrap();
    assert!(lines.iter().all(|line| !line.bytes.contains(&0)));
    assert!(lines.iter().any(|line| line.lost > 0));
    let known = readers[2].len();
    let gap = all.iter().position(Option::is_none).unwrap() as u64;
    let newlines = text[..gap as usize].iter().filter(|byte| **byte == b'\n').count() as u64;
    assert!((gap..known).step_by(50_000).all(|at| readers[2].line_of(at).unwrap() >= newlines));
    // The check of a sum is the first to see that it is gone.
    let piece = readers[3].read(gap, 64 * 1024).unwrap();
    assert!(matches!(piece, LogPiece::Lost { .. }), "not a gap");
}

#[test]
fn who_reads_while_it_is_given_up_sees_bytes_or_a_gap_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let run = RunDir::at(dir.path().to_owned());
    let text = lines_of(1_000_000);
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut spool = bounded(&run);
            for chunk in text.chunks(8_000) {
                spool.append(OutputStream::Stdout, chunk, UtcMillis(1)).unwrap();
            }
            done.store(true, std::sync::atomic::Ordering::Release);
        });
        let mut gaps = 0;
        loop {
            let is_last = done.load(std::sync::atomic::Ordering::Acquire);
            let mut log = run.log(BASE).unwrap();
            let mut at = 0;
            while at < log.len() {
                match log.read(at, 64 * 1024).unwrap() {
                    LogPiece::Bytes(bytes) => {
                        assert!(text[at as usize..].starts_with(&bytes), "at {at}");
                        at += bytes.len() as u64;
                    }
                    LogPiece::Lost { len } => {
                        gaps += 1;
                        at += len;
                    }
                }
            }
            let last = log.tail(3).unwrap();
            assert!(last.iter().all(|line| !line.bytes.contains(&0)), "{last:?}");
            if is_last {
                break;
            }
        }
        assert!(gaps > 0);
    });
}

#[test]
fn a_line_longer_than_the_bound_keeps_its_beginning_and_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let run = RunDir::at(dir.path().to_owned());
    let mut spool = bounded(&run);
    let mut text = b"short\n".to_vec();
    text.extend((0..4 * LIMIT).map(|at| b'a' + (at % 26) as u8));
    text.extend_from_slice(b"\nlast\n");
    spool.append(OutputStream::Stdout, &text, UtcMillis(1)).unwrap();
    assert!(spool.given_up() > 3 * LIMIT);
    let mut log = run.log(BASE).unwrap();
    let gap = gap(&mut log, &text);
    let lines = log.lines(0..9).unwrap();
    let shape: Vec<_> =
        lines.iter().map(|line| (line.number, line.bytes.len(), line.lost, line.complete)).collect();
    let rest = text.len() - 6 - gap.end;
    assert_eq!(
        shape,
        [
            (0, 5, 0, true),
            (1, gap.start - 6, 0, false),
            (1, 0, gap.len() as u64, true),
            (1, rest, 0, true),
            (2, 4, 0, true),
        ]
    );
    let kinds: Vec<_> = log.chunks(0).map(|chunk| chunk.unwrap().kind).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == ChunkKind::Lost).count(), 1);
}

#[test]
fn who_writes_byte_by_byte_to_both_streams_in_turn_stays_within_the_bound() {
    let dir = tempfile::tempdir().unwrap();
    let run = RunDir::at(dir.path().to_owned());
    let mut spool = bounded(&run);
    for number in 0..100_000_u64 {
        let stream = if number % 2 == 0 { OutputStream::Stderr } else { OutputStream::Stdout };
        spool.append(stream, b"x", UtcMillis(number)).unwrap();
    }
    assert!(on_disk(&run) <= LIMIT, "{}", on_disk(&run));
    assert_eq!(read_all(&mut run.log(BASE).unwrap()), [Some(b'x'); 100_000]);
}

#[test]
fn a_large_log_returns_what_it_gives_up_in_parts_and_never_takes_more() {
    const LARGE: u64 = 32 * 1024 * 1024;
    const PIECE: u64 = 64 * 1024;
    /// The index, and blocks that are begun.
    const SLACK: u64 = 256 * 1024;

    let dir = tempfile::tempdir().unwrap();
    let run = RunDir::at(dir.path().to_owned());
    let limits = LogLimits { bytes: LARGE, min_free: 0 };
    let mut spool = SpoolWriter::within(run.path(), BASE, limits, None).unwrap();
    let piece = vec![b'x'; usize::try_from(PIECE).unwrap()];
    let mut before = 0;
    for number in 0..2 * LARGE / PIECE {
        spool.append(OutputStream::Stdout, &piece, UtcMillis(number)).unwrap();
        let now = on_disk(&run);
        assert!(now <= LARGE + SLACK, "{now} after piece {number}");
        assert!(before <= now + 512 * 1024 + SLACK, "{before} became {now} at once, after piece {number}");
        before = now;
    }
    spool.close().unwrap();
    assert!(spool.given_up() > LARGE / 2);
    assert!(on_disk(&run) <= spool.len() - spool.given_up() + SLACK, "{}", on_disk(&run));
}

#[test]
fn a_writer_reports_when_its_index_stops_naming_streams() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = bounded(&RunDir::at(dir.path().to_owned()));
    let mut known = 0;
    for at in 0..LIMIT {
        let stream = if at % 2 == 0 { OutputStream::Stdout } else { OutputStream::Stderr };
        log.append(stream, b"x", UtcMillis(at)).unwrap();
        if !log.knows_streams() {
            break;
        }
        known += 1;
    }
    assert!(known > 100 && !log.knows_streams(), "{known}");
}

#[test]
fn the_logs_of_a_run_share_a_bound() {
    let dir = tempfile::tempdir().unwrap();
    let run = RunDir::at(dir.path().to_owned());
    let usage = Rc::new(RunUsage::new(2 * LIMIT, LIMIT / 2));
    let large = LogLimits { bytes: 8 * LIMIT, min_free: 0 };
    let spool = |base: &str| SpoolWriter::within(run.path(), base, large, Some(Rc::clone(&usage))).unwrap();
    let (mut first, mut second) = (spool("steps/a/i1-a1"), spool("steps/b/i1-a1"));
    for number in 0..64_u8 {
        for spool in [&mut first, &mut second] {
            spool.append(OutputStream::Stdout, &[b'a' + number % 20; 64 * 1024], UtcMillis(1)).unwrap();
        }
        assert!(usage.used() <= 2 * LIMIT + 2 * 128 * 1024, "{}", usage.used());
    }
    let mut late = spool("steps/c/i1-a1");
    late.append(OutputStream::Stdout, &[b'l'; LIMIT as usize], UtcMillis(1)).unwrap();
    drop((first, second, late));
    let taken = run.logs_on_disk().unwrap() + LIMIT / 2;
    assert!(taken <= 2 * LIMIT + 4 * 128 * 1024, "{taken}");
    for (base, last) in [("steps/a/i1-a1", b'd'), ("steps/b/i1-a1", b'd'), ("steps/c/i1-a1", b'l')] {
        let mut log = run.log(base).unwrap();
        let end = log.len() - 64 * 1024;
        assert_eq!(log.read(end, 1 << 20).unwrap(), LogPiece::Bytes(vec![last; 64 * 1024]), "{base}");
        assert!(log.line_count().unwrap() == 1 && !log.lines(0..9).unwrap().is_empty(), "{base}");
    }
}

#[test]
fn a_disk_that_is_nearly_full_is_left_to_others() {
    let dir = tempfile::tempdir().unwrap();
    let run = RunDir::at(dir.path().to_owned());
    let greedy = LogLimits { bytes: u64::MAX, min_free: u64::MAX };
    let mut spool = SpoolWriter::within(run.path(), BASE, greedy, None).unwrap();
    let error = spool.append(OutputStream::Stdout, b"no\n", UtcMillis(1)).unwrap_err();
    assert!(matches!(error, RecordError::DiskFull { .. }), "{error}");
    assert_eq!((spool.len(), spool.lost()), (3, 3));
    drop(spool);
    assert_eq!(run.log(BASE).unwrap().read(0, 9).unwrap(), LogPiece::Lost { len: 3 });
}

/// An event of some hundred bytes.
fn patch(seq: u64, diff: usize) -> AttemptRecord {
    let event = WorkerEvent::Patch(Patch::new("a.rs", "+".repeat(diff)));
    AttemptRecord { seq, ts: UtcMillis(seq), at: seq * 10, event }
}

#[test]
fn the_log_leaves_room_for_events_and_keeps_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let run = RunDir::at(dir.path().to_owned());
    let (mut spool, mut events) =
        (bounded(&run), EventFileWriter::within(run.path(), BASE, limits(), None).unwrap());
    for seq in 0..40_000 {
        // Both streams in turn: as much index as there can be.
        for stream in [OutputStream::Stdout, OutputStream::Stderr] {
            spool.append(stream, format!("line {seq:>60}\n").as_bytes(), UtcMillis(seq)).unwrap();
        }
        events.append(&patch(seq, 100)).unwrap();
        spool.leave_room_for(events.kept());
    }
    events.finish().unwrap();
    drop(spool);
    let taken = on_disk(&run) + fs::metadata(run.events_path(BASE).unwrap()).unwrap().blocks() * 512;
    assert!(taken <= LIMIT + 64 * 1024, "{taken}");
    let mut log = run.log(BASE).unwrap();
    let end = log.len() - 64 * 1024;
    assert!(matches!(log.read(end, 1 << 20).unwrap(), LogPiece::Bytes(bytes) if bytes.len() == 64 * 1024));
}

#[test]
fn events_leave_a_disk_that_is_nearly_full_to_others_and_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let run = RunDir::at(dir.path().to_owned());
    let greedy = LogLimits { bytes: u64::MAX, min_free: u64::MAX };
    let mut events = EventFileWriter::within(run.path(), BASE, greedy, None).unwrap();
    let error = events.append(&patch(0, 10)).unwrap_err();
    assert!(matches!(error, RecordError::DiskFull { .. }), "{error}");
    assert_eq!((events.left_out(), events.len()), (1, 0));
}
