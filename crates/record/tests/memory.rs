//! The record in memory against the same record in files: whatever is read of the two is the same.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::ops::ControlFlow;

use proptest::prelude::*;
use roboppi_ipc::{OutputStream, Progress, UtcMillis, WorkerEvent, WorkerResult, WorkerStatus};
use roboppi_record::{
    AttemptFiles, BoundedFile, Chunks, CoreLog, EventFileWriter, JournalWriter, Log, MemoryRecord, Needle,
    RecordError, RecordPart, RecordStore, RunDir, SearchPosition, SpoolWriter,
};
use roboppi_run::{AttemptRecord, AttemptRef, JournalRecord, RunEvent, RunRecord};

fn of() -> AttemptRef {
    AttemptRef::first("build".into())
}

/// One write of a worker: to which stream, what, and how long after the one before.
type Write = (bool, Vec<u8>, u64);

fn writes() -> impl Strategy<Value = Vec<Write>> {
    let text = prop_oneof![
        4 => "[a-c \n]{0,40}".prop_map(String::into_bytes),
        4 => "(\u{1b}\\[31m|ab|b\n){0,9}".prop_map(String::into_bytes),
        1 => Just(vec![b'x'; 300 * 1024]),
    ];
    prop::collection::vec((any::<bool>(), text, 0_u64..30), 0..30)
}

/// Everything that can be read of a log, as text.
fn all_of(log: &mut dyn Log) -> String {
    log.refresh().unwrap();
    let lines = log.line_count().unwrap();
    let mut text = format!("{} bytes, {lines} lines, {} given up\n", log.len(), log.given_up());
    for number in 0..=lines {
        let (start, at) = (log.line_start(number).unwrap(), log.line(number).unwrap());
        let (behind, before) = (log.line_behind(number).unwrap(), log.line_before(number).unwrap());
        text += &format!("{start:?} {behind:?} {before:?} {at:?}\n");
    }
    for time in (0..900).step_by(7) {
        text += &format!("{:?} ", log.line_at(UtcMillis(time)).unwrap());
    }
    for offset in (0..log.len()).step_by(997) {
        text += &format!("{:?} ", log.read(offset, 64).unwrap());
    }
    let chunks: Vec<_> = Chunks::new(log, 0).map(Result::unwrap).collect();
    let mut found = Vec::new();
    let mut at = SearchPosition::default();
    loop {
        let reached = log.search(&Needle::text("ab"), at, 1000, &mut |line| {
            found.push(line);
            ControlFlow::Continue(())
        });
        let reached = reached.unwrap();
        if reached == at {
            break;
        }
        at = reached;
    }
    let back = log.search_back(&Needle::text("b"), lines, u64::MAX).unwrap();
    text + &format!("{chunks:?} {found:?} {at:?} {back:?} {:?}", log.tail(3).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn a_log_reads_the_same(writes in writes()) {
        let dir = tempfile::tempdir().unwrap();
        let files = RunDir::at(dir.path().to_owned());
        let memory = MemoryRecord::default();
        let stores: [&dyn RecordStore; 2] = [&files, &memory];
        let [mut in_files, mut in_memory] = stores.map(|store| store.log(&of()).unwrap());
        let mut spool = SpoolWriter::new(dir.path(), &of().base()).unwrap();
        let mut now = 1;
        let half = writes.len() / 2;
        for (index, (to_stderr, bytes, later)) in writes.into_iter().enumerate() {
            now += later;
            let stream = if to_stderr { OutputStream::Stderr } else { OutputStream::Stdout };
            let appended = spool.append(stream, &bytes, UtcMillis(now)).unwrap();
            prop_assert_eq!(memory.output(&of(), stream, &bytes, UtcMillis(now)), appended);
            if index == half {
                // While it grows.
                prop_assert_eq!(all_of(in_memory.as_mut()), all_of(in_files.as_mut()));
            }
        }
        prop_assert_eq!(all_of(in_memory.as_mut()), all_of(in_files.as_mut()));
        // The journal may say another length than the log has.
        spool.close().unwrap();
        memory.add(&RunRecord::Journal(JournalRecord { seq: 1, ts: UtcMillis(now), event: finished() }));
        for len in [spool.len() + 5, spool.len() / 2] {
            let files = AttemptFiles { log_bytes: len, events_bytes: 0, closed: true };
            let [mut in_files, mut in_memory] =
                stores.map(|store| store.finished_log(&of(), files).unwrap());
            prop_assert_eq!(all_of(in_memory.as_mut()), all_of(in_files.as_mut()));
        }
    }
}

fn finished() -> RunEvent {
    let result = WorkerResult::of_status(WorkerStatus::Succeeded);
    RunEvent::AttemptFinished {
        of: of(),
        result: result.into(),
        last_seq: None,
        log_bytes: 0,
        events_bytes: 0,
    }
}

fn progress(seq: u64) -> AttemptRecord {
    let event = WorkerEvent::Progress(Progress::new(seq.to_string()));
    AttemptRecord { seq, ts: UtcMillis(seq), at: 0, event }
}

#[test]
fn a_gap_is_a_gap() {
    let memory = MemoryRecord::default();
    memory.output(&of(), OutputStream::Stdout, b"before\n", UtcMillis(1));
    memory.lose(&of(), 5, UtcMillis(2));
    memory.output(&of(), OutputStream::Stdout, b"behind\n", UtcMillis(3));
    let mut log = memory.log(&of()).unwrap();
    let lines = log.lines(0..9).unwrap();
    let shown: Vec<_> = lines.iter().map(|line| (line.bytes.as_slice(), line.lost)).collect();
    assert_eq!(shown, [(&b"before"[..], 0), (&b"behind"[..], 5)]);
    assert!(log.damage().unwrap().is_empty());
}

#[test]
fn journal_and_events_read_the_same_and_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let files = RunDir::at(dir.path().to_owned());
    let memory = MemoryRecord::default();
    let stores: [&dyn RecordStore; 2] = [&files, &memory];
    let mut journals = stores.map(|store| store.journal().unwrap());
    let mut events = stores.map(|store| store.events(&of()).unwrap());
    let mut journal = JournalWriter::create(&files).unwrap();
    let mut writer = EventFileWriter::new(dir.path(), &of().base()).unwrap();
    for round in 0..3 {
        let event = RunEvent::Warning { message: round.to_string(), step: None };
        memory.add(&RunRecord::Journal(journal.append(UtcMillis(round), event).unwrap()));
        for seq in 2 * round..2 * round + 2 {
            writer.append(&progress(seq)).unwrap();
            memory.add(&RunRecord::Attempt(of(), progress(seq)));
        }
        let [in_files, in_memory] = &mut journals;
        let told: Vec<_> = in_memory.map(Result::unwrap).collect();
        assert_eq!(told, in_files.map(Result::unwrap).collect::<Vec<_>>());
        assert_eq!((told.len(), in_memory.torn()), (1, in_files.torn()));
        let [in_files, in_memory] = &mut events;
        let told: Vec<_> = in_memory.map(Result::unwrap).collect();
        assert_eq!(told, in_files.map(Result::unwrap).collect::<Vec<_>>());
        assert_eq!(told.len(), 2);
        assert_eq!(in_memory.resume_point().events_before(), in_files.resume_point().events_before());
    }
    let [in_files, in_memory] = stores.map(|store| store.view().unwrap());
    assert_eq!(in_memory, in_files);
    let position = {
        let mut events = memory.events(&of()).unwrap();
        events.next();
        events.resume_point()
    };
    let mut resumed = memory.events(&of()).unwrap();
    resumed.resume(position);
    assert_eq!(resumed.next().unwrap().unwrap().seq, 1);
}

#[test]
fn the_core_log_is_read_from_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let files = RunDir::at(dir.path().to_owned());
    let memory = MemoryRecord::default();
    let stores: [&dyn RecordStore; 2] = [&files, &memory];
    for store in stores {
        assert_eq!(store.core_log(4, None).unwrap(), CoreLog::Absent);
    }
    BoundedFile::core_stderr(&files).unwrap().append(b"a long text").unwrap();
    memory.add_core_log(b"a long text");
    for store in stores {
        assert_eq!(store.core_log(4, None).unwrap(), CoreLog::Read { len: 11, tail: b"text".to_vec() });
        assert_eq!(store.core_log(4, Some(11)).unwrap(), CoreLog::Unchanged);
        assert_eq!(
            store.core_log(99, Some(3)).unwrap(),
            CoreLog::Read { len: 11, tail: b"a long text".to_vec() }
        );
    }
}

#[test]
fn what_is_not_there_is_not_there_and_has_no_place() {
    let memory = MemoryRecord::default();
    assert!(matches!(memory.manifest(), Err(RecordError::Io { .. })));
    assert!(matches!(memory.workflow_text(), Err(RecordError::Io { .. })));
    assert_eq!(memory.blob("x").unwrap(), None);
    assert!(memory.log(&of()).unwrap().is_empty());
    assert_eq!(memory.log(&of()).unwrap().location(), None);
    assert_eq!(memory.location(RecordPart::Run), None);
    let shown = MemoryRecord::shown_at("/r".as_ref());
    assert_eq!(
        shown.location(RecordPart::Log(&of())).unwrap(),
        shown.log(&of()).unwrap().location().unwrap()
    );
    assert_eq!(shown.location(RecordPart::Log(&of())).unwrap().to_str(), Some("/r/steps/build/i1-a1.log"));
}
