//! The reader of logs against a naive one, with the index whole, missing, cut and damaged.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::fs;
use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;
use roboppi_ipc::{OutputStream, UtcMillis};
use roboppi_record::{ChunkKind, LogLine, LogPiece, LogReader, RunDir, SpoolWriter};

const BASE: &str = "steps/s/i1-a1";

#[derive(Clone, Debug)]
struct Chunk {
    stream: OutputStream,
    bytes: Vec<u8>,
    /// Time passed since the one before.
    later: u64,
}

#[derive(Clone, Copy, Debug)]
enum Index {
    Whole,
    Missing,
    /// Kept up to this share of its length.
    Cut(f64),
    /// One byte changed, at this share of its length.
    Damaged(f64, u8),
}

/// What is in a log, the simple way.
#[derive(Default)]
struct Model {
    bytes: Vec<u8>,
    origin: Vec<(OutputStream, u64)>,
    now: u64,
}

impl Model {
    fn append(&mut self, spool: &mut SpoolWriter, chunk: &Chunk) {
        self.now += chunk.later;
        let appended = spool.append(chunk.stream, &chunk.bytes, UtcMillis(self.now)).unwrap();
        assert_eq!(appended.offset, self.bytes.len() as u64);
        assert_eq!(appended.len, chunk.bytes.len() as u64);
        self.bytes.extend_from_slice(&chunk.bytes);
        self.origin.resize(self.bytes.len(), (chunk.stream, self.now));
    }

    fn lines(&self, cap: usize) -> Vec<LogLine> {
        let mut offset = 0;
        let mut lines = Vec::new();
        for text in self.bytes.split_inclusive(|byte| *byte == b'\n') {
            let complete = text.ends_with(b"\n");
            let body = text.strip_suffix(b"\n").unwrap_or(text);
            lines.push(LogLine {
                number: lines.len() as u64,
                offset: offset as u64,
                stream: self.origin[offset].0,
                ts: Some(UtcMillis(self.origin[offset].1)),
                bytes: body[..body.len().min(cap)].to_vec(),
                complete,
                truncated: body.len() > cap,
                lost: 0,
            });
            offset += text.len();
        }
        lines
    }
}

/// Streams and times are known only from the index.
fn without_origin(lines: &[LogLine]) -> Vec<LogLine> {
    let plain = |line: &LogLine| LogLine { stream: OutputStream::Stdout, ts: None, ..line.clone() };
    lines.iter().map(plain).collect()
}

fn streams(lines: &[LogLine]) -> Vec<OutputStream> {
    lines.iter().map(|line| line.stream).collect()
}

fn stream() -> impl Strategy<Value = OutputStream> {
    prop_oneof![Just(OutputStream::Stdout), Just(OutputStream::Stderr)]
}

fn small_bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop_oneof![3 => Just(b'x'), 1 => Just(b'\n'), 1 => any::<u8>()], 0..24)
}

/// Up to 600 KiB in lines of one length, or without any newline.
fn large_bytes() -> impl Strategy<Value = Vec<u8>> {
    (1..600 * 1024_usize, prop_oneof![1..40_usize, 10_000..400_000_usize])
        .prop_map(|(len, line)| (1..=len).map(|at| if at % line == 0 { b'\n' } else { b'y' }).collect())
}

fn chunks(
    bytes: impl Strategy<Value = Vec<u8>>,
    count: std::ops::Range<usize>,
) -> impl Strategy<Value = Vec<Chunk>> {
    let later = prop_oneof![4 => 0..12_u64, 1 => 0..5000_u64];
    let chunk = (stream(), bytes, later).prop_map(|(stream, bytes, later)| Chunk { stream, bytes, later });
    prop::collection::vec(chunk, count)
}

fn index() -> impl Strategy<Value = Index> {
    prop_oneof![
        Just(Index::Whole),
        Just(Index::Missing),
        (0.0..1.0).prop_map(Index::Cut),
        (0.0..1.0, 1..=u8::MAX).prop_map(|(at, by)| Index::Damaged(at, by)),
    ]
}

fn spoil(run: &RunDir, index: Index) {
    let path = run.log_path(BASE).unwrap().with_extension("idx");
    let Ok(mut bytes) = fs::read(&path) else { return };
    let place = |share: f64| (bytes.len() as f64 * share) as usize;
    match index {
        Index::Whole => return,
        Index::Missing => return fs::remove_file(&path).unwrap(),
        Index::Cut(share) => bytes.truncate(place(share)),
        Index::Damaged(share, by) => {
            let at = place(share);
            bytes[at] ^= by;
        }
    }
    fs::write(&path, bytes).unwrap();
}

fn check(log: &mut LogReader, model: &Model, index: Index, cap: usize, range: (f64, f64)) {
    log.set_line_cap(cap);
    let expected = model.lines(cap);
    let count = expected.len();
    let (from, to) = ((count as f64 * range.0) as usize, (count as f64 * range.1) as usize + 2);
    let part = &expected[from.min(count)..to.clamp(from.min(count), count)];

    assert_eq!(log.len(), model.bytes.len() as u64);
    let got = log.lines(from as u64..to as u64).unwrap();
    assert_eq!(without_origin(&got), without_origin(part));
    assert_eq!(log.line_count().unwrap(), count as u64);
    let tail = log.tail(3).unwrap();
    assert_eq!(without_origin(&tail), without_origin(&expected[count.saturating_sub(3)..]));
    assert_eq!(log.line(count as u64).unwrap(), None);
    for line in part.iter().take(4) {
        assert_eq!(log.line_start(line.number).unwrap(), Some(line.offset));
        assert_eq!(log.line_of(line.offset).unwrap(), line.number);
        let one = log.line(line.number).unwrap().unwrap();
        assert_eq!(without_origin(&[one]), without_origin(std::slice::from_ref(line)));
    }
    let (start, end) = (model.bytes.len() / 3, model.bytes.len() / 2);
    let LogPiece::Bytes(bytes) = log.read(start as u64, end - start).unwrap() else {
        panic!("there is no gap in this log")
    };
    assert!(bytes == model.bytes[start..end], "bytes {start}..{end} differ");

    let mut at = 0;
    for chunk in log.chunks(0) {
        let chunk = chunk.unwrap();
        assert_eq!(chunk.offset, at);
        assert!(chunk.len > 0 && chunk.kind != ChunkKind::Lost);
        at += chunk.len;
        if matches!(index, Index::Whole) {
            let ChunkKind::Output(stream) = chunk.kind else { panic!("{chunk:?} in a whole index") };
            let said = chunk.ts.unwrap().0;
            for (theirs, ts) in &model.origin[chunk.offset as usize..at as usize] {
                assert_eq!(*theirs, stream);
                assert!((said..said + 10).contains(ts), "{ts} is said to be {said}");
            }
        }
    }
    assert_eq!(at, model.bytes.len() as u64);
    if matches!(index, Index::Whole) {
        assert_eq!(streams(&got), streams(part));
        assert_eq!(streams(&tail), streams(&expected[count.saturating_sub(3)..]));
    }
}

fn run() -> (tempfile::TempDir, RunDir) {
    let dir = tempfile::tempdir().unwrap();
    let run = RunDir::at(dir.path().to_owned());
    (dir, run)
}

fn written(run: &RunDir, chunks: &[Chunk]) -> Model {
    let mut spool = SpoolWriter::new(run.path(), BASE).unwrap();
    let mut model = Model::default();
    for chunk in chunks {
        model.append(&mut spool, chunk);
    }
    assert_eq!((spool.len(), spool.lost()), (model.bytes.len() as u64, 0));
    model
}

proptest! {
    #[test]
    fn small_logs_read_like_the_model(
        chunks in chunks(small_bytes(), 0..30),
        index in index(),
        cap in prop_oneof![1..12_usize, Just(LogReader::LINE_CAP)],
        range in (0.0..1.1, 0.0..1.1),
    ) {
        let (_dir, run) = run();
        let model = written(&run, &chunks);
        spoil(&run, index);
        check(&mut run.log(BASE).unwrap(), &model, index, cap, range);
    }

    #[test]
    fn a_reader_that_follows_sees_what_one_that_comes_late_sees(
        chunks in chunks(small_bytes(), 1..20),
        range in (0.0..1.1, 0.0..1.1),
    ) {
        let (_dir, run) = run();
        let mut log = run.log(BASE).unwrap();
        let mut spool = SpoolWriter::new(run.path(), BASE).unwrap();
        let mut model = Model::default();
        for chunk in &chunks {
            model.append(&mut spool, chunk);
            prop_assert_eq!(log.refresh().unwrap(), !chunk.bytes.is_empty());
            check(&mut log, &model, Index::Whole, 1000, range);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn large_logs_read_like_the_model(
        chunks in chunks(prop_oneof![small_bytes(), large_bytes()], 1..6),
        index in index(),
        cap in prop_oneof![100..300_000_usize, Just(LogReader::LINE_CAP)],
        start in 0.0..1.0,
    ) {
        let (_dir, run) = run();
        let model = written(&run, &chunks);
        spoil(&run, index);
        check(&mut run.log(BASE).unwrap(), &model, index, cap, (start, start + 0.01));
    }
}

#[test]
fn every_cut_and_every_damaged_byte_of_an_index_leaves_the_text_alone() {
    let (_dir, run) = run();
    let chunk = |stream, text: &str| Chunk { stream, bytes: text.into(), later: 20 };
    let chunks = [
        chunk(OutputStream::Stdout, "one\ntwo"),
        chunk(OutputStream::Stderr, " and more\nthree\n"),
        chunk(OutputStream::Stdout, "four\nfive"),
    ];
    let model = written(&run, &chunks);
    let path = run.log_path(BASE).unwrap().with_extension("idx");
    let whole = fs::read(&path).unwrap();
    assert_eq!(whole.len(), 16 + 4 * 32, "three stretches and the end");
    for at in 0..whole.len() {
        fs::write(&path, &whole[..at]).unwrap();
        check(&mut run.log(BASE).unwrap(), &model, Index::Cut(0.0), 100, (0.0, 1.0));
        let mut damaged = whole.clone();
        damaged[at] ^= 0x55;
        fs::write(&path, &damaged).unwrap();
        check(&mut run.log(BASE).unwrap(), &model, Index::Damaged(0.0, 0), 100, (0.0, 1.0));
        let mut log = run.log(BASE).unwrap();
        log.expect(log.len(), true).unwrap();
        log.check(u64::MAX).unwrap();
        assert_ne!(log.damage().unwrap(), [], "byte {at} is noticed");
        assert_eq!(fs::read(&path).unwrap(), damaged, "a reader never writes");
    }
}

#[test]
fn a_log_that_is_not_there_is_empty_and_made_with_its_first_byte() {
    let (_dir, run) = run();
    let mut log = run.log(BASE).unwrap();
    let mut spool = SpoolWriter::new(run.path(), BASE).unwrap();
    spool.append(OutputStream::Stdout, b"", UtcMillis(1)).unwrap();
    assert!(!log.refresh().unwrap() && log.is_empty() && spool.is_empty());
    assert_eq!(log.line_count().unwrap(), 0);
    assert_eq!(log.lines(0..5).unwrap(), []);
    assert_eq!(log.tail(5).unwrap(), []);
    assert_eq!(log.chunks(0).count(), 0);
    assert_eq!(log.read(0, 10).unwrap(), LogPiece::Bytes(Vec::new()));
    assert!(!run.path().join("steps").exists());

    spool.append(OutputStream::Stderr, b"x", UtcMillis(1)).unwrap();
    assert!(log.refresh().unwrap());
    assert_eq!(streams(&log.tail(5).unwrap()), [OutputStream::Stderr]);
    for (name, mode) in [("", 0o700), ("i1-a1.log", 0o600), ("i1-a1.idx", 0o600)] {
        let path = run.path().join("steps/s").join(name);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode, "{name}");
    }
}

#[test]
fn a_line_on_both_streams_belongs_to_the_first() {
    let (_dir, run) = run();
    let mut spool = SpoolWriter::new(run.path(), BASE).unwrap();
    for (stream, text, ts) in [
        (OutputStream::Stderr, "warn", 5),
        (OutputStream::Stdout, "ing\nout\n", 6),
        (OutputStream::Stderr, "err\n", 7),
    ] {
        spool.append(stream, text.as_bytes(), UtcMillis(ts)).unwrap();
    }
    let lines = run.log(BASE).unwrap().lines(0..10).unwrap();
    let short: Vec<_> = lines
        .iter()
        .map(|line| (line.stream.name(), line.ts.unwrap().0, String::from_utf8_lossy(&line.bytes)))
        .collect();
    let expected =
        [("stderr", 5, "warning".into()), ("stdout", 6, "out".into()), ("stderr", 7, "err".into())];
    assert_eq!(short, expected);
}

#[test]
fn a_flood_makes_few_entries_and_every_line_is_found() {
    let (_dir, run) = run();
    let mut spool = SpoolWriter::new(run.path(), BASE).unwrap();
    let line = [b"z".repeat(99), b"\n".to_vec()].concat();
    for _ in 0..20_000 {
        spool.append(OutputStream::Stdout, &line, UtcMillis(1)).unwrap();
    }
    let index = fs::metadata(run.path().join("steps/s/i1-a1.idx")).unwrap().len();
    assert_eq!(index, 16 + 32 * 8, "one entry for each 256 KiB");
    let mut log = run.log(BASE).unwrap();
    assert_eq!(log.line_count().unwrap(), 20_000);
    for number in [0, 2621, 2622, 9_999, 19_999] {
        assert_eq!(log.line(number).unwrap().unwrap().offset, number * 100);
    }
}

#[test]
fn bytes_are_never_seen_under_the_wrong_stream_while_they_are_written() {
    const LINES: u64 = 20_000;
    let (_dir, run) = run();
    let mut log = run.log(BASE).unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut spool = SpoolWriter::new(run.path(), BASE).unwrap();
            for number in 0..LINES {
                // Runs of different lengths, so that some entries speak for several appends.
                let (stream, text) = if number % 7 < 3 {
                    (OutputStream::Stdout, "out\n")
                } else {
                    (OutputStream::Stderr, "err\n")
                };
                spool.append(stream, text.as_bytes(), UtcMillis(number / 100)).unwrap();
            }
        });
        let mut seen = 0;
        while seen < LINES {
            let over = writer.is_finished();
            log.refresh().unwrap();
            for line in log.lines(seen..LINES).unwrap() {
                assert_eq!(line.bytes, &line.stream.name().as_bytes()[3..], "line {}", line.number);
                assert!(line.ts.is_some_and(|ts| ts.0 <= line.number / 100));
                seen += 1;
            }
            assert!(!over || seen == LINES, "{seen} lines after the writer ended");
        }
    });
}
