//! Whatever is done to the files of an attempt is noticed, and what is undamaged is read.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use roboppi_ipc::{OutputStream, UtcMillis};
use roboppi_record::{AttemptFiles, LogDamage, LogLimits, LogPiece, LogReader, Packing, RunDir, SpoolWriter};
use tempfile::TempDir;

const BASE: &str = "steps/a/i1-a1";

fn place() -> (TempDir, RunDir) {
    let dir = tempfile::tempdir().unwrap();
    let run = RunDir::at(dir.path().to_owned());
    (dir, run)
}

/// A log of several stretches, closed. Gives what is in it.
fn written(run: &RunDir) -> Vec<u8> {
    let mut spool = SpoolWriter::new(run.path(), BASE).unwrap();
    let mut all = Vec::new();
    for number in 0..200_u64 {
        let stream = if number % 3 == 0 { OutputStream::Stderr } else { OutputStream::Stdout };
        let line = format!("{number} {}\n", "x".repeat(usize::try_from(number * 17 % 2_000).unwrap()));
        spool.append(stream, line.as_bytes(), UtcMillis(1_000 + number * 4)).unwrap();
        all.extend_from_slice(line.as_bytes());
    }
    spool.close().unwrap();
    all
}

fn expected(all: &[u8]) -> AttemptFiles {
    AttemptFiles { log_bytes: all.len() as u64, events_bytes: 0, closed: true }
}

/// What is there, and what is said of it.
fn read(run: &RunDir, files: AttemptFiles) -> (Vec<u8>, Vec<LogDamage>) {
    let mut log = run.finished_log(BASE, files).unwrap();
    let bytes = all_of(&mut log);
    (bytes, log.damage().unwrap())
}

fn all_of(log: &mut LogReader) -> Vec<u8> {
    let (mut bytes, mut offset) = (Vec::new(), 0);
    while offset < log.len() {
        match log.read(offset, 10_000).unwrap() {
            LogPiece::Bytes(piece) => {
                assert!(!piece.is_empty(), "it goes on");
                offset += piece.len() as u64;
                bytes.extend(piece);
            }
            LogPiece::Lost { len } => offset += len,
        }
    }
    bytes
}

fn extend(path: &Path, bytes: &[u8]) {
    OpenOptions::new().append(true).open(path).unwrap().write_all(bytes).unwrap();
}

#[test]
fn an_undamaged_log_is_said_to_be_none() {
    let (_dir, run) = place();
    let all = written(&run);
    assert_eq!(read(&run, expected(&all)), (all, vec![]));
}

#[test]
fn a_log_that_was_cut_removed_or_extended_is_noticed() {
    let (_dir, run) = place();
    let all = written(&run);
    let path = run.log_path(BASE).unwrap();
    let len = all.len() as u64;
    let half = len / 2;

    extend(&path, &[0; 500]);
    assert_eq!(read(&run, expected(&all)), (all.clone(), vec![LogDamage::Longer { by: 500 }]));
    fs::write(&path, &all[..usize::try_from(half).unwrap()]).unwrap();
    let (bytes, damage) = read(&run, expected(&all));
    assert_eq!(bytes, all[..bytes.len()]);
    assert_eq!(damage, [LogDamage::Cut { missing: len - half, len: half }]);
    // The index alone tells it too.
    assert_eq!(run.log(BASE).unwrap().damage().unwrap(), damage);
    fs::remove_file(&path).unwrap();
    assert_eq!(read(&run, expected(&all)), (vec![], vec![LogDamage::Cut { missing: len, len: 0 }]));
    // And the journal alone.
    fs::remove_file(path.with_extension("idx")).unwrap();
    assert_eq!(read(&run, expected(&all)).1, [LogDamage::Cut { missing: len, len: 0 }]);
}

#[test]
fn an_index_that_was_cut_removed_or_extended_is_noticed_and_the_bytes_are_read() {
    let (_dir, run) = place();
    let all = written(&run);
    let path = run.log_path(BASE).unwrap().with_extension("idx");
    let whole = fs::read(&path).unwrap();
    for cut in [0, 7, 16, 48, whole.len() / 2, whole.len() - 32, whole.len() - 1] {
        fs::write(&path, &whole[..cut]).unwrap();
        let (bytes, damage) = read(&run, expected(&all));
        assert!(bytes == all && damage == [LogDamage::BadIndex], "cut at {cut}: {damage:?}");
    }
    fs::write(&path, [whole.as_slice(), &[0; 4096]].concat()).unwrap();
    assert_eq!(read(&run, expected(&all)), (all.clone(), vec![LogDamage::BadIndex]));
    fs::remove_file(&path).unwrap();
    assert_eq!(read(&run, expected(&all)), (all, vec![LogDamage::NoIndex]));
}

#[test]
fn a_log_that_nobody_closed_is_no_damaged_one() {
    let (_dir, run) = place();
    let mut spool = SpoolWriter::new(run.path(), BASE).unwrap();
    spool.append(OutputStream::Stdout, b"one\n", UtcMillis(1)).unwrap();
    spool.append(OutputStream::Stderr, b"two\n", UtcMillis(99)).unwrap();
    // As long as it is written, and when its writer was killed.
    assert_eq!(run.log(BASE).unwrap().damage().unwrap(), []);
    std::mem::forget(spool);
    let files = AttemptFiles { log_bytes: 8, events_bytes: 0, closed: false };
    assert_eq!(read(&run, files), (b"one\ntwo\n".to_vec(), vec![]));
}

#[test]
fn what_was_given_up_is_no_damage() {
    let (_dir, run) = place();
    let limits = LogLimits { bytes: 1024 * 1024, min_free: 0 };
    let mut spool = SpoolWriter::within(run.path(), BASE, limits, None).unwrap();
    for number in 0..64_u64 {
        spool.append(OutputStream::Stdout, &vec![b'x'; 100_000], UtcMillis(number * 20)).unwrap();
    }
    let files = AttemptFiles { log_bytes: spool.len(), events_bytes: 0, closed: true };
    let mut growing = run.log(BASE).unwrap();
    all_of(&mut growing);
    assert_eq!(growing.damage().unwrap(), []);
    assert!(spool.given_up() > 0);
    drop(spool);
    assert_eq!(read(&run, files).1, []);
}

#[test]
fn a_packed_log_is_no_damaged_one_and_its_damage_is_an_error() {
    let (_dir, run) = place();
    let all = written(&run);
    let packing = Packing { least: 0, quiet_since: SystemTime::now() + Duration::from_secs(60) };
    run.pack_logs(&packing, &mut || ControlFlow::Continue(())).unwrap();
    assert_eq!(read(&run, expected(&all)), (all.clone(), vec![]));
    let path = run.log_path(BASE).unwrap().with_extension("log.zst");
    let whole = fs::read(&path).unwrap();
    let mut changed = whole.clone();
    changed[whole.len() / 3] ^= 4;
    for damaged in [changed, whole[..whole.len() / 2].to_vec(), [&whole[..], &[0; 64]].concat()] {
        fs::write(&path, &damaged).unwrap();
        let error = run.finished_log(BASE, expected(&all)).and_then(|mut log| log.read(0, 100));
        assert!(error.unwrap_err().is_damage());
        assert_eq!(run.attempt_damage(BASE, expected(&all), u64::MAX).len(), 1);
    }
}

#[test]
fn event_files_are_compared_with_the_journal() {
    let (_dir, run) = place();
    let all = written(&run);
    let files = AttemptFiles { events_bytes: 10, ..expected(&all) };
    let path = run.events_path(BASE).unwrap();
    for (content, said) in [
        ("123456789\n", None),
        ("12345", Some("last 5 bytes")),
        ("123456789\n\0\0", Some("2 bytes at its end")),
    ] {
        fs::write(&path, content).unwrap();
        let damage = run.attempt_damage(BASE, files, u64::MAX);
        assert_eq!(damage.len(), usize::from(said.is_some()), "{damage:?}");
        assert!(said.is_none_or(|said| damage[0].contains(said)), "{damage:?}");
    }
    fs::remove_file(&path).unwrap();
    assert!(run.attempt_damage(BASE, files, u64::MAX)[0].contains("all 10 bytes of it are missing"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A bit that is another is found, in the stretch it is in, and read from anywhere.
    #[test]
    fn a_changed_bit_is_found(at in any::<prop::sample::Index>(), bit in 0..8_u8, from in any::<prop::sample::Index>()) {
        let (_dir, run) = place();
        let all = written(&run);
        let at = at.index(all.len());
        let mut changed = all.clone();
        changed[at] ^= 1 << bit;
        fs::write(run.log_path(BASE).unwrap(), &changed).unwrap();
        let (bytes, damage) = read(&run, expected(&all));
        prop_assert_eq!(&bytes, &changed, "what is there is shown");
        let [LogDamage::Changed(range)] = &damage[..] else { panic!("{damage:?}") };
        prop_assert!(range.contains(&(at as u64)), "{} in {:?}", at, range);

        // Who reads only a part of that stretch is told as well, and who reads elsewhere is not.
        let mut log = run.finished_log(BASE, expected(&all)).unwrap();
        let from = from.index(all.len()) as u64;
        log.read(from, 1).unwrap();
        prop_assert_eq!(log.damage().unwrap().is_empty(), !range.contains(&from));
        log.check(u64::MAX).unwrap();
        prop_assert_eq!(log.damage().unwrap(), damage);
    }
}
