//! Event files that would have become too large.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::rc::Rc;

use proptest::prelude::*;
use roboppi_ipc::{Gap, Patch, UtcMillis, WorkerEvent};
use roboppi_record::{Bound, EventFileWriter, EventReader, LogLimits, RunDir, RunUsage};
use roboppi_run::AttemptRecord;

const BASE: &str = "steps/s/i1-a1";
const LIMIT: u64 = LogLimits::SMALLEST / 8;

fn limits() -> LogLimits {
    LogLimits { bytes: LogLimits::SMALLEST, min_free: 0 }
}

/// An event of some bytes. Between two of them something else took a number.
fn patch(number: u64, diff: usize) -> AttemptRecord {
    let event = WorkerEvent::Patch(Patch::new("a.rs", "+".repeat(diff)));
    AttemptRecord { seq: 2 * number, ts: UtcMillis(number), at: number * 10, event }
}

fn on_disk(run: &RunDir) -> u64 {
    fs::metadata(run.events_path(BASE).unwrap()).map_or(0, |file| file.blocks() * 512)
}

/// Reads what there is, and checks that it goes on where it ended: every event once and in order, or in a gap.
#[derive(Default)]
struct Reading {
    /// Events that were read or are said to be missing.
    events: u64,
    missing: u64,
    gaps: Vec<Gap>,
}

impl Reading {
    fn on(&mut self, reader: &mut EventReader) {
        for record in reader {
            let record = record.unwrap();
            match record.event {
                WorkerEvent::Gap(gap) => {
                    assert_eq!((gap.recorded, gap.bytes), (gap.events, 0));
                    assert!(gap.recorded > 0 && gap.from_seq >= (2 * self.events).saturating_sub(1));
                    self.events += gap.recorded;
                    self.missing += gap.recorded;
                    assert!(gap.to_seq <= 2 * self.events, "{gap:?}");
                    self.gaps.push(gap);
                }
                _ => {
                    assert_eq!(record.seq, 2 * self.events, "{:?}", self.gaps);
                    self.events += 1;
                }
            }
        }
    }
}

#[test]
fn the_first_and_the_last_events_are_kept_and_the_others_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let run = RunDir::at(dir.path().to_owned());
    let mut writer = EventFileWriter::within(run.path(), BASE, limits(), None).unwrap();
    let (mut close, mut close_reader) = (Reading::default(), run.events(BASE).unwrap());
    let (mut rare, mut rare_reader) = (Reading::default(), run.events(BASE).unwrap());
    for number in 0..10_000 {
        let before = writer.len();
        let appended = writer.append(&patch(number, 400)).unwrap();
        assert_eq!((appended.offset, appended.before), (Some(before), number));
        assert!(on_disk(&run) <= LIMIT + 64 * 1024);
        close.on(&mut close_reader);
        if number % 1_000 == 999 {
            rare.on(&mut rare_reader);
            assert_eq!(rare.events, number + 1);
        }
    }
    assert_eq!((close.events, close.missing), (10_000, 0), "who reads what comes reads all");
    assert!(rare.missing > 5_000 && rare.gaps.len() > 1);
    assert_eq!(writer.bound(), Some(Bound::File(LIMIT)));
    writer.finish().unwrap();
    assert_eq!(fs::metadata(run.events_path(BASE).unwrap()).unwrap().len(), writer.len());
    assert!(writer.kept() <= LIMIT && writer.kept() > LIMIT / 2);
    let mut late = Reading::default();
    late.on(&mut run.events(BASE).unwrap());
    assert!(late.events == 10_000 && late.missing >= rare.missing);
    let gap = late.gaps[0];
    assert_eq!((late.gaps.len(), gap.from_offset, gap.to_seq % 2), (1, gap.from_seq / 2 * 10, 0));
    assert!(gap.from_seq > 200 && gap.to_seq < 20_000 - 200, "{gap:?}");
}

#[test]
fn a_place_is_found_again_also_when_it_was_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let run = RunDir::at(dir.path().to_owned());
    let mut writer = EventFileWriter::within(run.path(), BASE, limits(), None).unwrap();
    let (mut reading, mut place) = (Reading::default(), None);
    for number in 0..5_000 {
        writer.append(&patch(number, 300)).unwrap();
        if number % 700 == 0 {
            let mut reader = run.events(BASE).unwrap();
            reader.resume(place.unwrap_or_default());
            reading.on(&mut reader);
            place = Some(reader.resume_point());
            assert_eq!(reader.resume_point().events_before(), reading.events);
        }
    }
    assert!(reading.missing > 0 && reading.events == 4_901);
}

#[test]
fn one_that_is_too_long_is_missing_in_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let run = RunDir::at(dir.path().to_owned());
    let mut writer = EventFileWriter::within(run.path(), BASE, limits(), None).unwrap();
    for number in 0..4 {
        let appended = writer.append(&patch(number, if number == 1 { 200_000 } else { 10 })).unwrap();
        assert_eq!(appended.offset.is_none(), number == 1);
    }
    drop(writer);
    let mut reading = Reading::default();
    reading.on(&mut run.events(BASE).unwrap());
    assert_eq!((reading.events, reading.missing, reading.gaps[0].from_seq), (4, 1, 2));
}

#[test]
fn a_run_that_is_full_still_has_some_room_for_events_and_keeps_the_last_ones() {
    let dir = tempfile::tempdir().unwrap();
    let run = RunDir::at(dir.path().to_owned());
    let full = LogLimits::SMALLEST;
    let usage = Rc::new(RunUsage::new(full, full));
    let large = LogLimits { bytes: 100 * full, min_free: 0 };
    let mut events = EventFileWriter::within(run.path(), BASE, large, Some(Rc::clone(&usage))).unwrap();
    for number in 0..4_000 {
        events.append(&patch(number, 1_000)).unwrap();
    }
    assert_eq!(events.bound(), Some(Bound::Run(full)));
    assert!(events.kept() > full - 128 * 1024 && events.kept() <= full, "{}", events.kept());
    assert_eq!(usage.used(), full + events.kept());
    drop(events);
    let mut reading = Reading::default();
    reading.on(&mut run.events(BASE).unwrap());
    assert_eq!((reading.events, reading.gaps.len()), (4_000, 1));
    assert!(reading.gaps[0].to_seq < 8_000, "the last one is there");
}

#[test]
fn a_gap_of_an_earlier_version_counts_events_of_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let run = RunDir::at(dir.path().to_owned());
    EventFileWriter::new(run.path(), BASE).unwrap().append(&patch(0, 1)).unwrap();
    let gap = r#"{"seq":1,"ts":2,"at":3,"event":{"type":"gap","fromSeq":1,"toSeq":9,"fromOffset":0,"toOffset":3,"events":4,"bytes":0}}"#;
    let mut file = fs::OpenOptions::new().append(true).open(run.events_path(BASE).unwrap()).unwrap();
    writeln!(file, "{gap}").unwrap();
    let last = run.events(BASE).unwrap().last().unwrap().unwrap();
    assert!(matches!(last.event, WorkerEvent::Gap(Gap { events: 4, recorded: 4, at_least: false, .. })));
}

#[test]
fn zeros_that_nobody_speaks_of_are_damage_and_what_comes_after_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let run = RunDir::at(dir.path().to_owned());
    let mut writer = EventFileWriter::new(run.path(), BASE).unwrap();
    writer.append(&patch(0, 1)).unwrap();
    let mut file = fs::OpenOptions::new().append(true).open(run.events_path(BASE).unwrap()).unwrap();
    file.write_all(&[0; 5_000]).unwrap();
    file.write_all(b"\n").unwrap();
    writer.append(&patch(2, 1)).unwrap();
    let read: Vec<_> = run.events(BASE).unwrap().map(|record| record.map(|record| record.seq).ok()).collect();
    assert_eq!(read, [Some(0), None, Some(4)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn whatever_is_written_and_whenever_it_is_read_every_event_is_there_or_counted(
        lengths in prop::collection::vec(prop_oneof![8 => 1_usize..3_000, 1 => 3_000_usize..60_000], 1..400),
        looks in prop::collection::vec(1_usize..90, 1..6),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::at(dir.path().to_owned());
        let mut writer = EventFileWriter::within(run.path(), BASE, limits(), None).unwrap();
        let mut readers: Vec<_> =
            looks.iter().map(|every| (*every, Reading::default(), run.events(BASE).unwrap())).collect();
        for (number, length) in lengths.iter().enumerate() {
            writer.append(&patch(number as u64, *length)).unwrap();
            prop_assert!(writer.kept() <= LIMIT + 1_000, "{}", writer.kept());
            for (every, reading, reader) in &mut readers {
                if number % *every == 0 {
                    reading.on(reader);
                }
            }
        }
        writer.finish().unwrap();
        let mut late = Reading::default();
        late.on(&mut run.events(BASE).unwrap());
        prop_assert_eq!(late.events, lengths.len() as u64);
        for (_, reading, reader) in &mut readers {
            reading.on(reader);
            prop_assert_eq!(reading.events, lengths.len() as u64);
            prop_assert!(reading.missing <= late.missing);
        }
    }
}
