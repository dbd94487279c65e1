//! A log reads the same before it is packed, while it is, and afterwards.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]

use std::fs::{self, File};
use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use roboppi_ipc::{OutputStream, UtcMillis};
use roboppi_record::{
    FoundLine, LogChunk, LogLine, LogPiece, LogReader, Needle, PackedLogs, Packing, RecordError, RunDir,
    SearchPosition, SpoolWriter,
};

const BASE: &str = "steps/s/i1-a1";

/// Everything, whatever its size and age.
fn all() -> Packing {
    Packing { least: 1, quiet_since: SystemTime::now() + Duration::from_secs(3_600) }
}

fn pack(run: &RunDir) -> PackedLogs {
    run.pack_logs(&all(), &mut || ControlFlow::Continue(())).unwrap()
}

fn packed(run: &RunDir) -> PathBuf {
    run.log_path(BASE).unwrap().with_extension("log.zst")
}

fn in_step(run: &RunDir) -> Vec<String> {
    let entries = fs::read_dir(run.path().join("steps/s")).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn spool(run: &Path, limit: u64, pieces: impl IntoIterator<Item = (OutputStream, Vec<u8>)>) {
    let limits = roboppi_record::LogLimits { bytes: limit, min_free: 0 };
    let mut spool = SpoolWriter::within(run, BASE, limits, None).unwrap();
    for ((stream, bytes), at) in pieces.into_iter().zip(0..) {
        spool.append(stream, &bytes, UtcMillis(at * 7)).unwrap();
    }
}

/// All that a reader says.
#[derive(Debug, PartialEq)]
struct Said {
    len: u64,
    count: u64,
    pieces: Vec<LogPiece>,
    lines: Vec<Vec<LogLine>>,
    tail: Vec<LogLine>,
    chunks: Vec<LogChunk>,
    starts: Vec<Option<u64>>,
    found: Vec<FoundLine>,
    back: (Option<FoundLine>, u64),
}

fn ask(log: &mut LogReader, places: &[prop::sample::Index]) -> Said {
    log.refresh().unwrap();
    let needle = Needle::text("7");
    let (len, count) = (log.len(), log.line_count().unwrap());
    let mut found = Vec::new();
    log.search(&needle, SearchPosition::default(), u64::MAX, |line| {
        found.push(line);
        ControlFlow::Continue(())
    })
    .unwrap();
    let offset = |place: &prop::sample::Index| place.index(usize::try_from(len).unwrap() + 1) as u64;
    let number = |place: &prop::sample::Index| place.index(usize::try_from(count).unwrap() + 1) as u64;
    Said {
        len,
        count,
        pieces: places.iter().map(|place| log.read(offset(place), 300_000).unwrap()).collect(),
        lines: places.iter().map(|place| log.lines(number(place)..number(place) + 50).unwrap()).collect(),
        tail: log.tail(40).unwrap(),
        chunks: log.chunks(0).map(Result::unwrap).collect(),
        starts: places.iter().map(|place| log.line_start(number(place)).unwrap()).collect(),
        found,
        back: log.search_back(&needle, count, 100_000).unwrap(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn a_packed_log_says_what_the_plain_one_says(
        pieces in prop::collection::vec((any::<bool>(), 1..60_000_usize, 1..300_usize), 1..70),
        places in prop::collection::vec(any::<prop::sample::Index>(), 6),
        index: bool,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::at(dir.path().to_owned());
        // About one log in two is too large, and has a hole.
        let pieces = pieces.into_iter().zip(0..).map(|((err, len, line), number)| {
            let stream = if err { OutputStream::Stderr } else { OutputStream::Stdout };
            let text = format!("{number} {:>line$}\n", number * 31);
            (stream, text.bytes().cycle().take(len).collect())
        });
        spool(run.path(), 1024 * 1024, pieces);
        if !index {
            fs::remove_file(run.log_path(BASE).unwrap().with_extension("idx")).unwrap();
        }
        let mut open = run.log(BASE).unwrap();
        let before = ask(&mut open, &places);
        let plain = fs::read(run.log_path(BASE).unwrap()).unwrap();

        prop_assert_eq!(pack(&run).logs, 1);
        prop_assert!(!run.log_path(BASE).unwrap().exists());
        prop_assert_eq!(&ask(&mut open, &places), &before);
        let mut fresh = run.log(BASE).unwrap();
        prop_assert_eq!(fresh.path(), packed(&run));
        prop_assert_eq!(&ask(&mut fresh, &places), &before);

        // Whoever else reads zstd gets the same.
        let mut whole = Vec::with_capacity(plain.len());
        zstd_safe::decompress(&mut whole, &fs::read(packed(&run)).unwrap()).unwrap();
        prop_assert!(whole == plain);
    }
}

fn long_log() -> (tempfile::TempDir, RunDir) {
    let dir = tempfile::tempdir().unwrap();
    let run = RunDir::at(dir.path().to_owned());
    let text = |number: u32| format!("line {number}\n").into_bytes();
    spool(run.path(), u64::MAX, (0..60_000).map(|number| (OutputStream::Stdout, text(number))));
    (dir, run)
}

#[test]
fn packing_leaves_one_file_for_the_owner_alone_that_is_smaller() {
    let (_dir, run) = long_log();
    let done = pack(&run);
    assert!(done.logs == 1 && done.after * 3 < done.before, "{done:?}");
    assert_eq!(in_step(&run), ["i1-a1.idx", "i1-a1.log.zst"]);
    assert_eq!(fs::metadata(packed(&run)).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(pack(&run), PackedLogs::default());
}

#[test]
fn what_is_small_or_was_just_written_stays() {
    let (_dir, run) = long_log();
    let go_on = &mut || ControlFlow::Continue(());
    for packing in [
        Packing { least: u64::MAX, ..all() },
        Packing { quiet_since: SystemTime::now() - Duration::from_secs(3_600), ..all() },
    ] {
        assert_eq!(run.pack_logs(&packing, go_on).unwrap(), PackedLogs::default());
    }
    assert_eq!(in_step(&run), ["i1-a1.idx", "i1-a1.log"]);
}

#[test]
fn packing_that_is_stopped_at_any_moment_leaves_the_log() {
    let (_dir, run) = long_log();
    for stop_after in 0..100 {
        let mut calls = 0;
        let between = &mut || {
            calls += 1;
            if calls > stop_after { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let done = run.pack_logs(&all(), between).unwrap();
        if done.logs == 1 {
            assert!(stop_after > 1);
            return;
        }
        assert_eq!(in_step(&run), ["i1-a1.idx", "i1-a1.log"]);
    }
    panic!("it never came to an end");
}

#[test]
fn a_log_that_grows_while_it_is_packed_stays() {
    let (_dir, run) = long_log();
    let path = run.log_path(BASE).unwrap();
    let mut between = || {
        use std::io::Write as _;
        File::options().append(true).open(&path).unwrap().write_all(b"more\n").unwrap();
        ControlFlow::Continue(())
    };
    assert_eq!(run.pack_logs(&all(), &mut between).unwrap().logs, 0);
    assert_eq!(in_step(&run), ["i1-a1.idx", "i1-a1.log"]);
}

#[test]
fn what_a_killed_packer_left_is_no_obstacle_and_the_plain_log_counts() {
    let (_dir, run) = long_log();
    let text = run.log(BASE).unwrap().tail(1).unwrap();
    fs::write(packed(&run).with_extension("zst.new"), "half a fr").unwrap();
    fs::write(packed(&run), "not what it should be").unwrap();
    assert_eq!(run.log(BASE).unwrap().tail(1).unwrap(), text);
    assert_eq!(pack(&run).logs, 1);
    assert_eq!(in_step(&run), ["i1-a1.idx", "i1-a1.log.zst"]);
    assert_eq!(run.log(BASE).unwrap().tail(1).unwrap(), text);
}

#[test]
fn two_that_pack_at_a_time_do_not_harm_each_other() {
    let (_dir, run) = long_log();
    let expected = run.log(BASE).unwrap().tail(9).unwrap();
    let logs: u32 = std::thread::scope(|scope| {
        let packers: Vec<_> = (0..4).map(|_| scope.spawn(|| pack(&run).logs)).collect();
        packers.into_iter().map(|packer| packer.join().unwrap()).sum()
    });
    assert_eq!(logs, 1);
    assert_eq!(in_step(&run), ["i1-a1.idx", "i1-a1.log.zst"]);
    assert_eq!(run.log(BASE).unwrap().tail(9).unwrap(), expected);
}

/// Reads all of it, and fails where it must.
fn read_all(run: &RunDir) -> Result<Vec<u8>, RecordError> {
    let mut log = run.log(BASE)?;
    let mut all = Vec::new();
    while (all.len() as u64) < log.len() {
        match log.read(all.len() as u64, 1 << 20)? {
            LogPiece::Bytes(bytes) => all.extend(bytes),
            LogPiece::Lost { len } => panic!("{len} bytes are lost"),
        }
    }
    Ok(all)
}

#[test]
fn a_damaged_packed_log_is_an_error_and_never_other_bytes() {
    let (_dir, run) = long_log();
    pack(&run);
    let whole = read_all(&run).unwrap();
    let good = fs::read(packed(&run)).unwrap();
    for at in (0..good.len()).step_by(good.len() / 31).chain(good.len() - 30..good.len()) {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        fs::write(packed(&run), &bad).unwrap();
        match read_all(&run) {
            Err(RecordError::Io { action: "read", .. }) => {}
            Err(error) => panic!("{at}: {error}"),
            Ok(bytes) => assert!(bytes == whole, "byte {at}"),
        }
        fs::write(packed(&run), &good[..at]).unwrap();
        assert!(read_all(&run).is_err(), "cut at {at}");
    }
}
