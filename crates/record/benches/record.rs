//! What recording costs: `cargo bench -p roboppi-record`. Prints numbers, judges nothing.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and stops when it cannot go on"
)]

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use roboppi_ipc::{OutputStream, UtcMillis};
use roboppi_record::{JournalWriter, RunDir, SpoolWriter};
use roboppi_run::RunEvent;

const TOTAL: usize = 512 * 1024 * 1024;
const LINE: usize = 100;

fn main() {
    // Not the directory for temporary files: that may be in memory.
    let dir = tempfile::Builder::new()
        .prefix("bench-record-")
        .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
        .expect("a directory for the benchmark");
    let line = [vec![b'x'; LINE - 1], vec![b'\n']].concat();

    // Best of three, taken in turn: the page cache has moods.
    let (mut plain, mut spool) = (Duration::MAX, Duration::MAX);
    for round in 0..3 {
        let block = line.repeat(64 * 1024 / LINE);
        plain = plain.min(write_plain(dir.path(), &block));
        spool = spool.min(write_spool(dir.path(), &format!("steps/flood/r{round}"), &block, TOTAL, |_| {
            OutputStream::Stdout
        }));
    }
    println!(
        "64 KiB chunks: plain file {:>6.0} MB/s, spool {:>6.0} MB/s",
        rate(TOTAL, plain),
        rate(TOTAL, spool)
    );

    let total = 100_000_000;
    let one = write_spool(dir.path(), "steps/lines/one", &line, total, |_| OutputStream::Stdout);
    let two = write_spool(dir.path(), "steps/lines/two", &line, total, |at| {
        if at % 2 == 0 { OutputStream::Stdout } else { OutputStream::Stderr }
    });
    println!(
        "single lines of {LINE} bytes: one stream {:>9.0} lines/s",
        total as f64 / LINE as f64 / one.as_secs_f64()
    );
    println!(
        "                   alternating streams {:>9.0} lines/s",
        total as f64 / LINE as f64 / two.as_secs_f64()
    );

    let run = RunDir::at(dir.path().to_owned());
    for (name, base) in [("with its index", "steps/lines/one"), ("streams alternating", "steps/lines/two")] {
        read_million(&run, name, base);
    }
    std::fs::remove_file(run.log_path("steps/lines/one").expect("a valid base").with_extension("idx"))
        .expect("the index is there");
    read_million(&run, "without an index", "steps/lines/one");
    journal(&run);
}

fn write_plain(dir: &Path, block: &[u8]) -> Duration {
    let path = dir.join("plain");
    let start = Instant::now();
    let mut file = File::create(&path).expect("a file");
    let mut written = 0;
    while written < TOTAL {
        file.write_all(block).expect("room on the disk");
        written += block.len();
    }
    let took = start.elapsed();
    drop(file);
    std::fs::remove_file(&path).expect("the file is there");
    took
}

fn write_spool(
    dir: &Path,
    base: &str,
    block: &[u8],
    total: usize,
    stream: impl Fn(usize) -> OutputStream,
) -> Duration {
    let start = Instant::now();
    let mut spool = SpoolWriter::new(dir, base).expect("a valid base");
    let (mut written, mut count) = (0, 0);
    while written < total {
        // One call of the clock for each read of a pump.
        let ts = UtcMillis(start.elapsed().as_millis() as u64);
        spool.append(stream(count), block, ts).expect("room on the disk");
        written += block.len();
        count += 1;
    }
    let took = start.elapsed();
    if total == TOTAL {
        std::fs::remove_file(spool.path()).expect("the log is there");
    }
    took
}

fn read_million(run: &RunDir, name: &str, base: &str) {
    let start = Instant::now();
    let mut log = run.log(base).expect("a readable log");
    let tail = log.tail(50).expect("a readable log");
    let opened = start.elapsed();
    let count = log.line_count().expect("a readable log");
    assert_eq!(tail.last().map(|line| line.number + 1), Some(count));

    let start = Instant::now();
    let pages = 1000;
    for page in 0..pages {
        let first = (page * 7919 * 131) % (count - 50);
        assert_eq!(log.lines(first..first + 50).expect("a readable log").len(), 50);
    }
    let paged = start.elapsed() / pages as u32;

    let start = Instant::now();
    let mut read = 0;
    while read < count {
        read += log.lines(read..read + 1000).expect("a readable log").len() as u64;
    }
    println!(
        "{count} lines {name}: open and show the end {opened:?}, any page of 50 {paged:?}, all {:?}",
        start.elapsed()
    );
}

fn journal(run: &RunDir) {
    let count = 200_000;
    let mut journal = JournalWriter::create(run).expect("a journal");
    let start = Instant::now();
    for at in 0..count {
        let event = RunEvent::Warning { message: "a sentence of the usual length".into(), step: None };
        journal.append(UtcMillis(at), event).expect("room on the disk");
    }
    let written = start.elapsed();
    let start = Instant::now();
    assert_eq!(run.journal().expect("a journal").flatten().count() as u64, count);
    println!(
        "journal: {:.0} events/s written, {:.0} events/s read",
        count as f64 / written.as_secs_f64(),
        count as f64 / start.elapsed().as_secs_f64()
    );
}

fn rate(bytes: usize, took: Duration) -> f64 {
    bytes as f64 / 1e6 / took.as_secs_f64()
}
