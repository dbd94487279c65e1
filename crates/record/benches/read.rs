//! What reading a record costs: `cargo bench -p roboppi-record --bench read`. Prints numbers, judges nothing. Each
//! figure has beside it what the plainest program would need for the same bytes, measured in turn with it. What a user
//! waits for on the screen, where matches are counted and shown meanwhile, is the figure `log-search` of `benches`.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and stops when it cannot go on"
)]

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use memchr::{memchr_iter, memmem};
use roboppi_ipc::{OutputStream, UtcMillis};
use roboppi_record::{JournalWriter, LogReader, Needle, RunDir, SearchPosition, SnapshotWriter, SpoolWriter};
use roboppi_run::{RunEvent, RunView};

const ROUNDS: usize = 5;
const BASE: &str = "steps/lines/one";

fn main() {
    // Not the directory for temporary files: that may be in memory.
    let dir = tempfile::Builder::new()
        .prefix("bench-read-")
        .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
        .expect("a directory for the benchmark");
    let run = RunDir::at(dir.path().to_owned());
    let lines = 1_000_000;
    let mut spool = SpoolWriter::new(dir.path(), BASE).expect("a valid base");
    for at in 0..lines {
        let line = format!("{at:>9} {:>88}\n", "a line of a build that says nothing new");
        spool.append(OutputStream::Stdout, line.as_bytes(), UtcMillis(at / 1_000)).expect("room on the disk");
    }
    let path = spool.path().to_owned();
    drop(spool);
    open_at_end(&run, &path, "with its index");
    search(&run, &path);
    std::fs::remove_file(path.with_extension("idx")).expect("the index is there");
    open_at_end(&run, &path, "without an index");
    std::fs::remove_file(&path).expect("the log is there");
    journal_written(dir.path());
    journal_reopened(&run);
}

/// Best of several, the two in turn: the page cache has moods.
fn best(mut one: impl FnMut(), mut other: impl FnMut()) -> (Duration, Duration) {
    let time = |work: &mut dyn FnMut()| {
        let start = Instant::now();
        work();
        start.elapsed()
    };
    (0..ROUNDS).fold((Duration::MAX, Duration::MAX), |(first, second), _| {
        (first.min(time(&mut one)), second.min(time(&mut other)))
    })
}

fn opened(run: &RunDir) -> LogReader {
    run.log(BASE).expect("a readable log")
}

fn blocks(path: &Path, size: usize, mut each: impl FnMut(&[u8])) {
    let mut file = File::open(path).expect("the file is there");
    let mut block = vec![0; size];
    loop {
        match file.read(&mut block).expect("a readable file") {
            0 => break,
            read => each(&block[..read]),
        }
    }
}

fn open_at_end(run: &RunDir, path: &Path, name: &str) {
    let (ours, plain) = best(
        || assert_eq!(opened(run).tail(50).expect("a readable log").len(), 50),
        || {
            let mut count = 0;
            blocks(path, 256 * 1024, |block| count += memchr_iter(b'\n', block).count());
            assert_eq!(count, 1_000_000);
        },
    );
    println!("1,000,000 lines {name}: open and show the end {ours:?}; newlines counted by a loop {plain:?}");
}

fn search(run: &RunDir, path: &Path) {
    let bytes = std::fs::metadata(path).expect("the file is there").len();
    let seek = |needle: &Needle, expected: u64| {
        let mut count = 0;
        let found = opened(run).search(needle, SearchPosition::default(), u64::MAX, |_| {
            count += 1;
            ControlFlow::Continue(())
        });
        found.expect("a readable log");
        assert_eq!(count, expected);
    };
    let pattern = Needle::pattern("err(or)?: [0-9]+").expect("a valid pattern");
    for (name, needle, text, expected) in [
        ("a text that is not there", Needle::text("error: 42"), "error: 42", 0),
        ("a text in 1,000 lines", Needle::text("777 "), "777 ", 1_000),
        ("any case", Needle::smart_case("error: 42"), "error: 42", 0),
        ("a pattern", pattern, "error: 42", 0),
    ] {
        let finder = memmem::Finder::new(text);
        let (ours, plain) = best(
            || seek(&needle, expected),
            || {
                let mut count = 0;
                blocks(path, 1024 * 1024, |block| count += finder.find_iter(block).count() as u64);
                assert!(count <= expected);
            },
        );
        println!(
            "search, {name}: {:.2} GB/s; the text found by a loop {:.2} GB/s",
            rate(bytes, ours) / 1e9,
            rate(bytes, plain) / 1e9
        );
    }
}

fn warning() -> RunEvent {
    RunEvent::Warning { message: "a sentence of the usual length".into(), step: None }
}

fn journal_written(dir: &Path) {
    let count = 200_000;
    let (plain, runs) = (dir.join("plain"), dir.join("appended"));
    std::fs::create_dir(&runs).expect("room on the disk");
    let run = RunDir::at(runs);
    let line =
        r#"{"seq":100000,"ts":100000,"event":{"type":"warning","message":"a sentence of the usual length"}}"#;
    let (ours, by_hand) = best(
        || {
            let mut journal = JournalWriter::create(&run).expect("a journal");
            for at in 0..count {
                journal.append(UtcMillis(at), warning()).expect("room on the disk");
            }
            std::fs::remove_file(run.journal_path()).expect("the journal is there");
        },
        || {
            let mut file = File::create(&plain).expect("a file");
            for _ in 0..count {
                file.write_all(format!("{line}\n").as_bytes()).expect("room on the disk");
            }
            std::fs::remove_file(&plain).expect("the file is there");
        },
    );
    println!(
        "journal: {:.0} events/s written; ready lines written by a loop {:.0} lines/s",
        rate(count, ours),
        rate(count, by_hand)
    );
}

/// As a supervisor writes it: a snapshot is looked for after every so many events.
fn journal_reopened(run: &RunDir) {
    let mut journal = JournalWriter::create(run).expect("a journal");
    let mut snapshots = SnapshotWriter::new(run.clone());
    let mut view = RunView::default();
    let (mut len, mut at, mut count) = (0, 0, 0);
    let mut spent = Duration::ZERO;
    while len < 1 << 30 {
        for _ in 0..10_000 {
            at += 1;
            view.apply_journal(&journal.append(UtcMillis(at), warning()).expect("room on the disk"));
        }
        let start = Instant::now();
        count += u32::from(snapshots.check_with(|| view.of_journal()).expect("a snapshot"));
        spent += start.elapsed();
        len = std::fs::metadata(run.journal_path()).expect("the journal is there").len();
    }
    let start = Instant::now();
    let mut whole = RunView::default();
    run.journal().expect("a journal").flatten().for_each(|record| whole.apply_journal(&record));
    let folded = start.elapsed();
    let (ours, _) = best(|| assert_eq!(run.view().expect("a view").view(), &whole), || {});
    let position = |fold: roboppi_record::JournalFold| fold.from_snapshot().map_or(0, |seq| at - seq);
    println!(
        "journal of {len} bytes, {at} events: opened from its last snapshot {ours:?} ({} events behind it), folded \
         whole {folded:?}; {count} snapshots took {spent:?}",
        position(run.view().expect("a view"))
    );
}

fn rate(count: u64, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}
