//! The journal, the event file and the small files of a run: what is written can be read, whatever happened.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use proptest::prelude::*;
use roboppi_ipc::{Patch, ProcessIdentity, Progress, UtcMillis, WorkerEvent};
use roboppi_record::{BoundedFile, EventFileWriter, JournalWriter, RecordError, RunDir, StateRoot};
use roboppi_run::{AttemptRecord, JournalRecord, Manifest, RecordKind, RunEvent, RunId, RunMode};

struct Place {
    run: RunDir,
    _dir: tempfile::TempDir,
}

fn place() -> Place {
    let dir = tempfile::tempdir().unwrap();
    let root = StateRoot::at(dir.path().to_owned());
    Place { run: root.create_run(&RunId::parse("r1").unwrap()).unwrap(), _dir: dir }
}

fn warning(message: &str) -> RunEvent {
    RunEvent::Warning { message: message.to_owned(), step: None }
}

fn read(run: &RunDir) -> Vec<JournalRecord> {
    new(&mut run.journal().unwrap())
}

/// What has been added since the last time.
fn new<T>(reader: &mut impl Iterator<Item = Result<T, RecordError>>) -> Vec<T> {
    reader.map(Result::unwrap).collect()
}

fn write(run: &RunDir, messages: &[&str]) -> Vec<JournalRecord> {
    let mut journal = JournalWriter::create(run).unwrap();
    messages.iter().map(|message| journal.append(UtcMillis(7), warning(message)).unwrap()).collect()
}

fn append(path: &Path, bytes: &[u8]) {
    OpenOptions::new().append(true).open(path).unwrap().write_all(bytes).unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn manifest() -> Manifest {
    Manifest {
        format: roboppi_run::MANIFEST_FORMAT,
        run_id: RunId::parse("r1").unwrap(),
        handle: None,
        name: "demo".into(),
        workflow: "/w/demo.yaml".into(),
        workflow_sha256: roboppi_record::fingerprint(b"name: demo\n"),
        arguments: vec!["run".into(), "demo.yaml".into()],
        workspace: "/w".into(),
        context_dir: "/w/context".into(),
        git_commit: None,
        version: "0.1.0".into(),
        host: "h".into(),
        owner: ProcessIdentity { pid: 12, start_time: 345 },
        boot_id: None,
        pid_namespace: None,
        owner_lock: false,
        control: None,
        mode: RunMode::Supervised,
        record: RecordKind::Full,
        started_at: UtcMillis(1),
        silent_after_ms: None,
        workflow_bytes: None,
        workspace_bytes: None,
        traceparent: None,
    }
}

#[test]
fn records_are_numbered_from_one_and_read_back() {
    let place = place();
    assert_eq!(read(&place.run), [], "a journal that is not there is empty");
    let written = write(&place.run, &["a", "b\nwith a newline", "c"]);
    assert_eq!(written.iter().map(|record| record.seq).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(read(&place.run), written);
    assert_eq!(mode(&place.run.journal_path()), 0o600);
}

#[test]
fn a_reader_follows_a_journal_from_before_its_first_record() {
    let place = place();
    let mut reader = place.run.journal().unwrap();
    assert!(reader.next().is_none());
    let mut writer = JournalWriter::create(&place.run).unwrap();
    let first = writer.append(UtcMillis(1), warning("a")).unwrap();
    assert_eq!(new(&mut reader), [first]);
    let position = reader.position();
    assert_eq!(new(&mut reader), []);
    let second = writer.append(UtcMillis(2), warning("b")).unwrap();
    assert_eq!(new(&mut reader), std::slice::from_ref(&second));
    reader.seek(position);
    assert_eq!(new(&mut reader), [second]);
    writer.sync().unwrap();
    writer.sync_handle().unwrap().sync().unwrap();
}

#[test]
fn wherever_the_last_record_is_cut_the_others_are_read() {
    let place = place();
    let written = write(&place.run, &["first", "second", "the last one, ü"]);
    let path = place.run.journal_path();
    let whole = fs::read(&path).unwrap();
    let last = serde_json::to_vec(&written[2]).unwrap().len() + 1;
    let start = whole.len() - last;
    for cut in start..whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let mut reader = place.run.journal().unwrap();
        assert_eq!(new(&mut reader), written[..2], "cut at {cut}");
        assert_eq!(reader.torn(), cut > start, "cut at {cut}");
        assert_eq!(fs::read(&path).unwrap(), &whole[..cut], "a reader never writes");
        // Its writer was not done yet.
        append(&path, &whole[cut..]);
        assert_eq!(new(&mut reader), written[2..], "cut at {cut}");
        assert!(!reader.torn(), "cut at {cut}");
    }
}

#[test]
fn a_torn_line_that_was_taken_back_is_not_remembered_by_readers() {
    let place = place();
    let mut writer = JournalWriter::create(&place.run).unwrap();
    let first = writer.append(UtcMillis(7), warning("a")).unwrap();
    let path = place.run.journal_path();
    let whole = fs::read(&path).unwrap().len() as u64;
    let mut reader = place.run.journal().unwrap();
    append(&path, b"{\"seq\":2,\"ts\"");
    assert_eq!(new(&mut reader), [first]);
    assert!(reader.torn());
    // As a writer does that could not write all of it.
    OpenOptions::new().write(true).open(&path).unwrap().set_len(whole).unwrap();
    let record = writer.append(UtcMillis(8), warning("b")).unwrap();
    assert_eq!(new(&mut reader), [record]);
    assert!(!reader.torn());
}

#[test]
fn what_is_no_record_is_said_and_nothing_else_is_passed_over() {
    let place = place();
    let written = write(&place.run, &["a"]);
    let path = place.run.journal_path();
    append(&path, b"damaged\n");
    let good = JournalRecord { seq: 2, ts: UtcMillis(1), event: warning("b") };
    append(&path, format!("{}\n", serde_json::to_string(&good).unwrap()).as_bytes());
    append(&path, b"\0\0\0\n\0");

    let items: Vec<_> = place.run.journal().unwrap().collect();
    assert_eq!(items.len(), 4);
    let error = items[1].as_ref().unwrap_err().to_string();
    let error = error.replace(&path.display().to_string(), "journal.jsonl");
    insta::assert_snapshot!(error, @"journal.jsonl:2: not what roboppi writes: expected value at line 1 column 1; the file was left as it is");
    assert!(matches!(items[3], Err(RecordError::BadJson { line: 4, .. })));
    let records: Vec<_> = items.into_iter().filter_map(Result::ok).collect();
    assert_eq!(records, [written[0].clone(), good]);
}

#[test]
fn an_event_of_a_newer_version_is_kept() {
    let place = place();
    write(&place.run, &["a"]);
    let path = place.run.journal_path();
    append(&path, b"{\"seq\":2,\"ts\":9,\"event\":{\"type\":\"teleported\",\"to\":[1]},\"more\":1}\n");
    let raw = r#"{"to":[1],"type":"teleported"}"#.to_owned();
    assert_eq!(read(&place.run)[1].event, RunEvent::Unknown { raw });
}

#[test]
fn a_journal_has_one_writer() {
    let place = place();
    let writer = JournalWriter::create(&place.run).unwrap();
    assert!(matches!(JournalWriter::create(&place.run), Err(RecordError::Exists { .. })));
    drop(writer);
    assert!(matches!(JournalWriter::create(&place.run), Err(RecordError::Exists { .. })), "also afterwards");
}

#[test]
fn event_files_are_made_with_their_first_event() {
    let place = place();
    let base = "steps/build/i1-a1";
    let path = place.run.events_path(base).unwrap();
    let mut writer = EventFileWriter::new(place.run.path(), base).unwrap();
    assert!(writer.is_empty() && !place.run.path().join("steps").exists());
    let mut reader = place.run.events(base).unwrap();
    assert!(reader.next().is_none());

    let patch = Patch::new("a.rs", "+x\n");
    let progress = Progress::new("half").with_percent(Some(50.0));
    let events = [WorkerEvent::Patch(patch), WorkerEvent::Progress(progress)];
    let records: Vec<_> = (3_u64..)
        .zip(events)
        .map(|(seq, event)| AttemptRecord { seq, ts: UtcMillis(seq), at: 10 * seq, event })
        .collect();
    for record in &records {
        writer.append(record).unwrap();
    }
    assert_eq!(new(&mut reader), records);
    assert_eq!(writer.len(), fs::metadata(&path).unwrap().len());
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(&place.run.path().join("steps/build")), 0o700);
    assert_eq!(mode(&place.run.path().join("steps")), 0o700);

    let mut second = EventFileWriter::new(place.run.path(), base).unwrap();
    assert!(matches!(second.append(&records[0]), Err(RecordError::Exists { .. })));
}

#[test]
fn hostile_paths_are_refused_everywhere() {
    let place = place();
    for base in ["../../etc/x", "/etc/passwd", "steps/../x", "steps/a/../../b", "run.json"] {
        let run = &place.run;
        assert!(matches!(run.log(base), Err(RecordError::BadBase { .. })));
        assert!(matches!(run.log_path(base), Err(RecordError::BadBase { .. })));
        assert!(matches!(run.events(base), Err(RecordError::BadBase { .. })));
        assert!(matches!(EventFileWriter::new(run.path(), base), Err(RecordError::BadBase { .. })));
        let spool = roboppi_record::SpoolWriter::new(run.path(), base);
        assert!(matches!(spool, Err(RecordError::BadBase { .. })));
    }
}

#[test]
fn a_run_directory_that_is_gone_is_not_made_again() {
    let place = place();
    fs::remove_dir_all(place.run.path()).unwrap();
    let mut writer = EventFileWriter::new(place.run.path(), "steps/a/i1-a1").unwrap();
    let event = WorkerEvent::Progress(Progress::default());
    let record = AttemptRecord { seq: 0, ts: UtcMillis(0), at: 0, event };
    assert!(matches!(writer.append(&record), Err(RecordError::Io { .. })));
    assert!(!place.run.path().exists());
}

#[test]
fn the_manifest_is_read_back_and_private() {
    let place = place();
    place.run.begin(&manifest(), "name: demo\n").unwrap();
    assert_eq!(place.run.manifest().unwrap(), manifest());
    assert_eq!(fs::read_to_string(place.run.workflow_path()).unwrap(), "name: demo\n");
    BoundedFile::core_stderr(&place.run).unwrap().append(b"one\n").unwrap();
    BoundedFile::core_stderr(&place.run).unwrap().append(b"two\n").unwrap();
    assert_eq!(fs::read_to_string(place.run.core_stderr_path()).unwrap(), "one\ntwo\n");
    let paths = [place.run.manifest_path(), place.run.workflow_path(), place.run.core_stderr_path()];
    for path in paths {
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    assert_eq!(fs::read_dir(place.run.path()).unwrap().count(), 3, "no temporary file stays");
}

#[test]
fn a_newer_format_is_said_to_be_newer_whatever_else_changed() {
    let place = place();
    let path = place.run.manifest_path();
    let said = || {
        let text = place.run.manifest().unwrap_err().to_string();
        text.replace(&path.display().to_string(), "run.json")
    };
    fs::write(&path, r#"{"format":2,"runId":{"new":"shape"}}"#).unwrap();
    insta::assert_snapshot!(said(), @"run.json has format 2, this roboppi reads up to 1; use the version that wrote it, or a later one");
    fs::write(&path, "{\"format\":1,\n\"runId\":7}").unwrap();
    insta::assert_snapshot!(said(), @"run.json:2: not what roboppi writes: invalid type: integer `7`, expected a string at line 2 column 9; the file was left as it is");
    fs::remove_file(&path).unwrap();
    insta::assert_snapshot!(said(), @"cannot read run.json: No such file or directory (os error 2)");
}

proptest! {
    #[test]
    fn any_warnings_survive_and_any_garbage_is_read_without_panic(
        messages in prop::collection::vec(".{0,40}", 0..8),
        garbage in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let place = place();
        let texts: Vec<_> = messages.iter().map(String::as_str).collect();
        let written = write(&place.run, &texts);
        append(&place.run.journal_path(), &garbage);
        let records: Vec<_> = place.run.journal().unwrap().filter_map(Result::ok).collect();
        prop_assert_eq!(records, written);
    }
}
