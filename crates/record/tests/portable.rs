//! Runs that go from one machine to another, and files that only pretend to be such runs.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use roboppi_ipc::{OutputStream, Patch, UtcMillis, WorkerEvent};
use roboppi_record::{
    EventFileWriter, ImportLimits, JournalWriter, LogLimits, LogPiece, PortableHead, RecordError, RunDir,
    SpoolWriter, StateRoot,
};
use roboppi_run::{AttemptRecord, RunEvent, RunId};
use tar::{Builder, EntryType, Header};
use tempfile::TempDir;

const NOW: UtcMillis = UtcMillis(1_790_000_000_000);

fn id(text: &str) -> RunId {
    RunId::parse(text).unwrap()
}

struct Place {
    dir: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn root(&self) -> StateRoot {
        StateRoot::at(self.dir.path().join("state"))
    }

    fn import(&self, bytes: &[u8], as_id: Option<&RunId>) -> Result<RunId, RecordError> {
        self.import_within(bytes, as_id, ImportLimits::default())
    }

    fn import_within(
        &self,
        bytes: &[u8],
        as_id: Option<&RunId>,
        limits: ImportLimits,
    ) -> Result<RunId, RecordError> {
        self.root().import(bytes, Path::new("it.tar.zst"), as_id, NOW, limits).map(|(id, ..)| id)
    }

    /// Every file and directory, with its length.
    fn everything(&self) -> Vec<(PathBuf, u64)> {
        fn walk(dir: &Path, found: &mut Vec<(PathBuf, u64)>) {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                let metadata = path.symlink_metadata().unwrap();
                found.push((path.clone(), metadata.len()));
                if metadata.is_dir() {
                    walk(&path, found);
                }
            }
        }
        let mut found = Vec::new();
        walk(self.dir.path(), &mut found);
        found.retain(|(path, _)| !["state", "runs", "handles"].iter().any(|name| path.ends_with(name)));
        found.sort();
        found
    }
}

fn head(live: bool) -> PortableHead {
    PortableHead::new(id("run-1"), "far".to_owned(), "0.1.0".to_owned(), UtcMillis(1_780_000_000_000), live)
}

fn export(run: &RunDir, live: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    run.export(&head(live), &mut bytes, Path::new("it.tar.zst")).unwrap();
    bytes
}

/// A run of which `run.json` is written.
fn begun(place: &Place) -> RunDir {
    let run = place.root().create_run(&id("run-1")).unwrap();
    fs::write(run.manifest_path(), "{}").unwrap();
    run
}

/// A run with two events, a log, and things that are not of the record.
fn sample(place: &Place) -> RunDir {
    let run = begun(place);
    let mut journal = JournalWriter::create(&run).unwrap();
    for message in ["one", "two"] {
        journal.append(UtcMillis(1), RunEvent::Warning { message: message.into(), step: None }).unwrap();
    }
    let mut log = SpoolWriter::new(run.path(), "steps/build%20it/i1-a1").unwrap();
    log.append(OutputStream::Stdout, b"hello\n", UtcMillis(2)).unwrap();
    log.append(OutputStream::Stderr, b"oh\n", UtcMillis(3)).unwrap();
    fs::write(run.path().join("pinned"), "").unwrap();
    fs::write(run.path().join("notes.txt"), "mine").unwrap();
    fs::create_dir(run.path().join("snapshots")).unwrap();
    fs::write(run.path().join("snapshots/2.json"), "{}").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", run.path().join("core.stderr")).unwrap();
    run
}

#[test]
fn a_run_arrives_as_it_was_and_is_marked() {
    let (here, there) = (Place::new(), Place::new());
    let run = sample(&here);
    let taken = there.import(&export(&run, false), None).unwrap();
    assert_eq!(taken, id("run-1"));
    let arrived = there.root().open_run(&taken).unwrap();
    assert_eq!(fs::read(arrived.journal_path()).unwrap(), fs::read(run.journal_path()).unwrap());
    let mut log = arrived.log("steps/build%20it/i1-a1").unwrap();
    let lines = log.lines(0..9).unwrap();
    let seen: Vec<_> = lines.iter().map(|line| (line.stream, line.ts, line.bytes.as_slice())).collect();
    assert_eq!(
        seen,
        [
            (OutputStream::Stdout, Some(UtcMillis(2)), b"hello".as_slice()),
            (OutputStream::Stderr, Some(UtcMillis(3)), b"oh")
        ]
    );
    let imported = arrived.imported().unwrap();
    assert_eq!((imported.from, imported.imported_at), (head(false), NOW));
    assert!(!run.is_imported() && arrived.is_imported());
    for (path, _) in there.everything() {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        assert!(!["pinned", "notes.txt", "snapshots", "core.stderr"].contains(&name.as_str()), "{name}");
        if path.is_symlink() {
            assert_eq!(fs::canonicalize(&path).unwrap(), fs::canonicalize(arrived.path()).unwrap());
            continue;
        }
        let mode = path.symlink_metadata().unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode, if path.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
    }
    // The same run again.
    let refused = there.import(&export(&run, false), None).unwrap_err();
    assert!(matches!(refused, RecordError::RunExists { .. }), "{refused}");
    assert!(refused.to_string().contains("a run run-1 already"), "{refused}");
    there.import(&export(&run, false), Some(&id("other"))).unwrap();
    assert_eq!(there.root().runs().unwrap(), [id("run-1"), id("other")]);
}

#[test]
fn of_a_live_journal_whole_lines_are_taken() {
    let (here, there) = (Place::new(), Place::new());
    let run = sample(&here);
    let whole = fs::read(run.journal_path()).unwrap();
    fs::OpenOptions::new().append(true).open(run.journal_path()).unwrap().write_all(b"{\"seq\":").unwrap();
    let taken = there.import(&export(&run, true), None).unwrap();
    let arrived = there.root().open_run(&taken).unwrap();
    assert_eq!(fs::read(arrived.journal_path()).unwrap(), whole);
    assert!(arrived.imported().unwrap().from.live);
}

#[test]
fn what_was_given_up_of_a_log_takes_no_room() {
    const MIB: u64 = 1024 * 1024;
    let (here, there) = (Place::new(), Place::new());
    let run = begun(&here);
    JournalWriter::create(&run).unwrap();
    let limits = LogLimits { bytes: MIB, min_free: 0 };
    let mut log = SpoolWriter::within(run.path(), "steps/a/i1-a1", limits, None).unwrap();
    for number in 0..64_u64 {
        let block: Vec<u8> = (0..MIB / 2).map(|at| b'a' + ((at * 7 + number) % 23) as u8).collect();
        log.append(OutputStream::Stdout, &block, UtcMillis(number)).unwrap();
    }
    drop(log);
    let taken = there.import(&export(&run, false), None).unwrap();
    let arrived = there.root().open_run(&taken).unwrap();
    let (mut before, mut after) = (run.log("steps/a/i1-a1").unwrap(), arrived.log("steps/a/i1-a1").unwrap());
    assert_eq!((after.len(), after.len()), (before.len(), 32 * MIB));
    let mut offset = 0;
    let mut lost = 0;
    while offset < before.len() {
        let piece = before.read(offset, 100_000).unwrap();
        assert_eq!(after.read(offset, 100_000).unwrap(), piece, "at {offset}");
        offset += match piece {
            LogPiece::Bytes(bytes) => bytes.len() as u64,
            LogPiece::Lost { len } => {
                lost += len;
                len
            }
        };
    }
    assert!(lost > 20 * MIB, "{lost}");
    let size = fs::metadata(arrived.log_path("steps/a/i1-a1").unwrap()).unwrap();
    assert!(size.blocks() * 512 < 2 * MIB, "{} blocks", size.blocks());
}

#[test]
fn what_was_given_up_of_events_takes_no_room_and_is_counted_there_too() {
    let (here, there) = (Place::new(), Place::new());
    let run = begun(&here);
    let said = RunEvent::Warning { message: "one".into(), step: None };
    JournalWriter::create(&run).unwrap().append(UtcMillis(1), said).unwrap();
    let limits = LogLimits { bytes: LogLimits::SMALLEST, min_free: 0 };
    let mut events = EventFileWriter::within(run.path(), "steps/a/i1-a1", limits, None).unwrap();
    for seq in 0..20_000 {
        let event = WorkerEvent::Patch(Patch::new("a", "+".repeat(400)));
        events.append(&AttemptRecord { seq, ts: UtcMillis(seq), at: 0, event }).unwrap();
    }
    drop(events);
    let taken = there.import(&export(&run, false), None).unwrap();
    let arrived = there.root().open_run(&taken).unwrap();
    let read = |run: &RunDir| run.events("steps/a/i1-a1").unwrap().map(Result::unwrap).collect::<Vec<_>>();
    let (before, after) = (read(&run), read(&arrived));
    assert_eq!(before, after);
    let missing = after.iter().find_map(|record| match record.event {
        WorkerEvent::Gap(gap) => Some(gap.recorded),
        _ => None,
    });
    assert_eq!(missing, Some(20_001 - after.len() as u64));
    let size = fs::metadata(arrived.events_path("steps/a/i1-a1").unwrap()).unwrap();
    assert!(size.len() > 5_000_000 && size.blocks() * 512 < 512 * 1024, "{} blocks", size.blocks());
}

/// Builds archives that [`RunDir::export`] would never write.
struct Forgery {
    archive: Builder<Vec<u8>>,
}

impl Forgery {
    fn new() -> Self {
        Self { archive: Builder::new(Vec::new()) }
    }

    fn begun() -> Self {
        let text = serde_json::to_vec(&head(false)).unwrap();
        Self::new().file("run-1/export.json", &text).file("run-1/run.json", b"{}")
    }

    fn file(self, name: &str, content: &[u8]) -> Self {
        self.entry(EntryType::Regular, name, content)
    }

    fn entry(mut self, kind: EntryType, name: &str, content: &[u8]) -> Self {
        let mut header = Header::new_gnu();
        // Not `set_path`, which refuses what is tried here.
        let field = &mut header.as_gnu_mut().unwrap().name;
        field[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        header.set_mode(0o777);
        if kind.is_symlink() || kind.is_hard_link() {
            header.as_gnu_mut().unwrap().linkname[..11].copy_from_slice(b"/etc/passwd");
        }
        header.set_cksum();
        self.archive.append(&header, content).unwrap();
        self
    }

    fn tar(self) -> Vec<u8> {
        self.archive.into_inner().unwrap()
    }

    fn packed(self) -> Vec<u8> {
        packed(&self.tar())
    }
}

fn packed(tar: &[u8]) -> Vec<u8> {
    zstd::encode_all(tar, 3).unwrap()
}

#[track_caller]
fn refused(bytes: &[u8], limits: ImportLimits, why: &str) {
    let place = Place::new();
    let error = place.import_within(bytes, None, limits).unwrap_err().to_string();
    assert!(error.contains(why) && error.contains("it.tar.zst"), "{error}");
    assert_eq!(place.everything(), [], "nothing of it is left: {error}");
}

#[test]
fn what_no_run_would_hold_is_refused_and_leaves_nothing() {
    let usual = ImportLimits::default();
    for name in [
        "../outside",
        "/tmp/roboppi-outside",
        "run-1/../../outside",
        "run-1/steps/../../../outside.log",
        "run-1/steps/a/../../outside.log",
        "run-2/journal.jsonl",
        "run-1",
        "run-1/pinned",
        "run-1/imported.json",
        "run-1/export.json",
        "run-1/snapshots/9.json",
        "run-1/steps/a/.log",
        "run-1/steps/a/x\u{1b}[31m.log",
    ] {
        refused(&Forgery::begun().file(name, b"x").packed(), usual, "is no file of a run");
    }
    for kind in [
        EntryType::Symlink,
        EntryType::Link,
        EntryType::Char,
        EntryType::Block,
        EntryType::Fifo,
        EntryType::Directory,
        EntryType::Continuous,
        EntryType::new(b'?'),
    ] {
        let forged = Forgery::begun().entry(kind, "run-1/steps/a/i1-a1.log", b"");
        refused(&forged.packed(), usual, "is no plain file");
    }
    refused(&Forgery::begun().file("run-1/run.json", b"again").packed(), usual, "is in it twice");
    refused(&Forgery::new().file("run-1/run.json", b"{}").packed(), usual, "does not begin with export.json");
    let text = serde_json::to_vec(&head(false)).unwrap();
    refused(&Forgery::new().file("run-1/export.json", &text).packed(), usual, "no run in it");
    refused(&Forgery::new().file("run-9/export.json", &text).packed(), usual, "another name");
    let hostile = String::from_utf8(text.clone()).unwrap().replace("run-1", "../run-1");
    refused(&Forgery::new().file("../run-1/export.json", hostile.as_bytes()).packed(), usual, "no export");
    let newer = String::from_utf8(text).unwrap().replace("\"format\":1", "\"format\":2");
    refused(&Forgery::new().file("run-1/export.json", newer.as_bytes()).packed(), usual, "reads up to 1");
    refused(b"", usual, "");
    refused(b"no archive at all", usual, "");
    refused(&packed(b"no archive at all"), usual, "");
}

#[test]
fn what_unpacks_to_too_much_is_refused() {
    const MIB: usize = 1024 * 1024;
    let few = ImportLimits { bytes: MIB as u64, files: 3 };
    let large = Forgery::begun().file("run-1/journal.jsonl", &vec![b'x'; 20 * MIB]).packed();
    assert!(large.len() < MIB / 10);
    refused(&large, few, "more than");
    let mut many = Forgery::begun();
    for number in 0..3 {
        many = many.file(&format!("run-1/steps/a/i1-a{number}.log"), b"");
    }
    refused(&many.packed(), few, "more than 3 files");
    // A name, and a header, that would be read into memory.
    for (kind, why) in
        [(EntryType::GNULongName, "larger than it may be"), (EntryType::XHeader, "is no plain file")]
    {
        let long = Forgery::begun().entry(kind, "././@LongLink", &vec![b'x'; MIB]);
        refused(&long.packed(), ImportLimits::default(), why);
    }
}

/// An entry of `content`, with gaps: the parts that are there, and the length of all.
fn with_gaps(name: &str, content: &[u8], parts: &[(u64, u64)], len: u64, extended: bool) -> Vec<u8> {
    let mut header = Header::new_gnu();
    header.set_path(name).unwrap();
    header.set_entry_type(EntryType::GNUSparse);
    header.set_size(content.len() as u64);
    let gnu = header.as_gnu_mut().unwrap();
    gnu.set_real_size(len);
    gnu.set_is_extended(extended);
    for (part, (offset, bytes)) in gnu.sparse.iter_mut().zip(parts) {
        part.set_offset(*offset);
        part.set_length(*bytes);
    }
    header.set_cksum();
    let mut forged = Forgery::begun().file("run-1/journal.jsonl", b"");
    forged.archive.append(&header, content).unwrap();
    forged.packed()
}

#[test]
fn gaps_that_no_export_has_are_refused_at_once() {
    const LOG: &str = "run-1/steps/a/i1-a1.log";
    const GIB_100: u64 = 100 << 30;
    let usual = ImportLimits::default();
    let kib = vec![b'x'; 1024];
    let ours = [(0, 512), (GIB_100 - 512, 512)];
    refused(
        &with_gaps(LOG, &kib, &ours, GIB_100, false),
        usual,
        "a gap of 107374181376 bytes that is not recorded",
    );
    refused(&with_gaps(LOG, &kib, &[(0, 512), ((1 << 60) - 512, 512)], 1 << 60, false), usual, "longer than");
    for (name, parts, len, extended) in [
        ("run-1/core.stderr", &ours[..], GIB_100, false),
        (LOG, &ours, GIB_100, true),
        (LOG, &ours, GIB_100 + 1, false),
        (LOG, &[(0, 512), (512, 512)], 1024, false),
        (LOG, &[(512, 512), (2048, 512)], 2560, false),
        (LOG, &[(0, 256), (2048, 256), (4096, 512)], 4608, false),
        (LOG, &[(0, 1024), (4096, 1024)], 5120, false),
        (LOG, &[(GIB_100, 0)], GIB_100, false),
        (LOG, &[(0, 512), (u64::MAX >> 2, u64::MAX >> 1)], GIB_100, false),
    ] {
        refused(&with_gaps(name, &kib, parts, len, extended), usual, "is no file of an export");
    }
}

#[test]
fn what_is_no_whole_run_is_refused_and_what_does_not_fit_is_said() {
    let usual = ImportLimits::default();
    refused(&Forgery::begun().packed(), usual, "there is no journal.jsonl in it");
    let text = serde_json::to_vec(&head(false)).unwrap();
    let no_manifest = Forgery::new().file("run-1/export.json", &text).file("run-1/journal.jsonl", b"");
    refused(&no_manifest.packed(), usual, "there is no run.json in it");

    let place = Place::new();
    let blob = format!("run-1/blobs/{}", "0".repeat(64));
    let result =
        r#"{"status":"SUCCEEDED","artifacts":[],"observations":[],"cost":{"wallTimeMs":1},"durationMs":1}"#;
    let finished = format!(
        r#"{{"seq":1,"ts":1,"event":{{"type":"attempt_finished","of":{{"step":"a","iteration":1,"attempt":1}},"result":{result},"logBytes":6,"eventsBytes":0}}}}"#
    );
    let journal = format!(
        "{finished}
malformed
"
    );
    let forged = Forgery::begun()
        .file("run-1/journal.jsonl", journal.as_bytes())
        .file(&blob, b"something else")
        .file("run-1/steps/a/i1-a1.log", b"hel")
        .file("run-1/steps/a/i1-a1.idx", b"malformed");
    let taken = place.root().import(&forged.packed()[..], Path::new("it.tar.zst"), None, NOW, usual);
    let (id, _, notes) = taken.unwrap();
    let all = notes.join(
        "
",
    );
    for said in
        ["blobs/", "run.json", "its last 3 bytes are missing", "its index is damaged", "journal.jsonl:2"]
    {
        assert!(all.contains(said), "{said}: {all}");
    }
    assert!(!all.contains(".import-"), "{all}");
    assert!(!place.root().open_run(&id).unwrap().blob_path(&"0".repeat(64)).exists());
}

#[test]
fn half_of_an_export_is_refused() {
    let here = Place::new();
    let whole = export(&sample(&here), false);
    for share in 1..8 {
        refused(&whole[..whole.len() * share / 8], ImportLimits::default(), "");
    }
    for missing in 1..12 {
        refused(&whole[..whole.len() - missing], ImportLimits::default(), "");
    }
}

#[test]
fn an_export_in_which_a_bit_is_another_is_refused() {
    let here = Place::new();
    let run = sample(&here);
    let whole = export(&run, false);
    let mut taken = 0;
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 1 << (at % 8);
        let there = Place::new();
        // Some bits mean nothing: what is unpacked is the same.
        if there.import(&damaged, None).is_ok() {
            taken += 1;
            let arrived = there.root().open_run(&id("run-1")).unwrap();
            assert_eq!(fs::read(arrived.journal_path()).unwrap(), fs::read(run.journal_path()).unwrap());
        } else {
            assert_eq!(there.everything(), [], "nothing of it is left");
        }
    }
    assert!(taken < 10, "{taken} of {}", whole.len());
}

#[test]
fn an_export_that_something_follows_is_refused() {
    let here = Place::new();
    let whole = export(&sample(&here), false);
    for rest in [&b"garbage"[..], &packed(b"more"), &whole] {
        refused(&[&whole, rest].concat(), ImportLimits::default(), "");
    }
}

#[test]
fn what_a_killed_import_left_goes_with_the_next_one() {
    let (here, there) = (Place::new(), Place::new());
    fs::create_dir_all(there.root().runs_dir().join(".import-x/steps")).unwrap();
    there.import(&export(&sample(&here), false), None).unwrap();
    assert!(there.everything().iter().all(|(path, _)| !path.display().to_string().contains(".import-")));
}

proptest! {
    /// Whatever is done to an archive: it is taken in or refused, and nothing but the one run and its handle is made.
    #[test]
    fn damage_harms_nobody(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12)) {
        let mut tar = Forgery::begun()
            .file("run-1/journal.jsonl", b"{}\n")
            .file("run-1/steps/a/i1-a1.log", b"hello\n")
            .tar();
        for (at, byte) in changes {
            let at = at.index(tar.len());
            tar[at] = byte;
        }
        let place = Place::new();
        let taken = place.import(&packed(&tar), None);
        let run = place.root().runs_dir().join("run-1");
        for (path, _) in place.everything() {
            let is_of_it = path.starts_with(&run) || path.ends_with("handles/r1");
            prop_assert!(taken.is_ok() && is_of_it, "{}", path.display());
        }
    }
}
