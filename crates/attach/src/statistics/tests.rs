use std::fs;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;

use roboppi_ipc::{ToolCall, ToolResult, UtcMillis, WorkerEvent};
use roboppi_record::{JournalWriter, OwnerLock};
use roboppi_run::{AttemptRef, RunEvent, StepState};
use roboppi_stats::Outcome;

use super::*;
use crate::file::tests::{FINISHED, changed, manifest, started};

/// A run whose owner is gone once the lock is.
fn live_run(root: &StateRoot, name: &str) -> (RunDir, JournalWriter, OwnerLock) {
    let (dir, lock) = root.begin_run(&RunId::parse(name).unwrap()).unwrap();
    let owner = roboppi_ipc::ProcessIdentity { pid: 4_190_001, start_time: 1 };
    dir.write_manifest(&Manifest { owner_lock: true, ..manifest(owner) }).unwrap();
    let mut journal = JournalWriter::create(&dir).unwrap();
    journal.append(UtcMillis(1), started(2)).unwrap();
    (dir, journal, lock)
}

fn run_of(root: &StateRoot, name: &str) -> (RunDir, JournalWriter) {
    let (dir, journal, _) = live_run(root, name);
    (dir, journal)
}

/// One step succeeds after so many tool calls.
fn work(dir: &RunDir, journal: &mut JournalWriter, calls: u64) {
    let of = AttemptRef::first("s0".into());
    let base = of.base();
    let started = RunEvent::AttemptStarted {
        of,
        job_id: "j".into(),
        base: base.clone(),
        fingerprint: None,
        resumed_session: None,
    };
    journal.append(UtcMillis(2), started).unwrap();
    fs::create_dir_all(dir.path().join("steps/s0")).unwrap();
    let mut file = fs::File::create(dir.events_path(&base).unwrap()).unwrap();
    for number in 0..calls {
        let id = number.to_string();
        let call = WorkerEvent::ToolCall(ToolCall::new(id.as_str(), "Bash", serde_json::Value::Null));
        let result = WorkerEvent::ToolResult(ToolResult::new(id.as_str(), number % 4 != 0, ""));
        for (place, event) in [call, result].into_iter().enumerate() {
            let seq = 2 * number + place as u64;
            let event = serde_json::to_value(event).unwrap();
            let line = serde_json::json!({"seq": seq, "ts": 5, "at": 0, "event": event});
            writeln!(file, "{line}").unwrap();
        }
    }
    journal.append(UtcMillis(3), changed(0, StepState::Succeeded)).unwrap();
}

fn counted(statistics: &mut Statistics) -> Statistic {
    statistics.update().unwrap();
    statistics.totals(&Selection::default(), &|_| true)
}

/// As a program that remembers nothing finds it.
fn recounted(root: &StateRoot) -> Totals {
    let _ = fs::remove_file(root.path().join(Counted::FILE));
    counted(&mut Statistics::of(root.clone())).totals
}

#[test]
fn what_is_remembered_is_what_the_records_have() {
    let dir = tempfile::tempdir().unwrap();
    let root = StateRoot::at(dir.path().to_owned());
    for number in 0..70_u64 {
        let (run, mut journal) = run_of(&root, &format!("run-{number:04}"));
        work(&run, &mut journal, number % 7);
        journal.append(UtcMillis(10 + number), FINISHED).unwrap();
    }
    let first = recounted(&root);
    assert_eq!(first.runs.counts.of(Outcome::Succeeded), 70);
    assert_eq!(first.calls.counts.rated(), 70 / 7 * 21);
    let cache = dir.path().join(Counted::FILE);
    let inode = || fs::metadata(&cache).unwrap().ino();
    let written = inode();
    let again = counted(&mut Statistics::of(root.clone()));
    assert_eq!((&again.totals.runs, &again.totals.tools), (&first.runs, &first.tools));
    assert_eq!(inode(), written, "nothing new is not written");

    // Each kind of damage to what is remembered, and a run that changes.
    let whole = fs::read(&cache).unwrap();
    let other = String::from_utf8(whole.clone()).unwrap().replacen("\"format\":2", "\"format\":99", 1);
    for damaged in [&whole[..whole.len() / 2], b"", b"{", b"[]", b"\xff\xfe", other.as_bytes()] {
        fs::write(&cache, damaged).unwrap();
        assert_eq!(counted(&mut Statistics::of(root.clone())).totals, first);
    }
    let changed = dir.path().join("runs/run-0003/journal.jsonl");
    fs::OpenOptions::new().append(true).open(changed).unwrap().write_all(b"malformed\n").unwrap();
    let found = counted(&mut Statistics::of(root.clone()));
    assert!(found.problems.iter().any(|problem| problem.contains("journal.jsonl:")), "{:?}", found.problems);

    // What was remembered of a run goes with it.
    assert!(fs::read_to_string(&cache).unwrap().contains("run-0006"));
    root.remove(&RunId::parse("run-0006").unwrap()).unwrap();
    Statistics::forget_removed(&root).unwrap();
    assert!(!fs::read_to_string(&cache).unwrap().contains("run-0006"));
    assert_eq!(counted(&mut Statistics::of(root.clone())).totals.runs.counts.total(), 69);
}

#[test]
fn runs_that_go_on_are_read_on() {
    let dir = tempfile::tempdir().unwrap();
    let root = StateRoot::at(dir.path().to_owned());
    let mut statistics = Statistics::of(root.clone());
    assert_eq!(counted(&mut statistics).totals, Totals::default());
    let (run, mut journal, lock) = live_run(&root, "run-1");
    work(&run, &mut journal, 4);
    let mut of = |outcome: Outcome| {
        let totals = counted(&mut statistics).totals;
        (
            totals.runs.counts.of(outcome),
            totals.steps.counts.of(Outcome::Succeeded),
            totals.calls.counts.rated(),
        )
    };
    assert_eq!(of(Outcome::Running), (1, 1, 4));
    journal.append(UtcMillis(4), changed(1, StepState::Succeeded)).unwrap();
    assert_eq!(of(Outcome::Running), (1, 2, 4));
    journal.append(UtcMillis(5), FINISHED).unwrap();
    assert_eq!(of(Outcome::Succeeded), (1, 2, 4));
    assert_eq!(of(Outcome::Succeeded), (1, 2, 4));
    drop(lock);
    assert!(
        fs::read_to_string(dir.path().join(Counted::FILE)).unwrap().contains("run-1"),
        "it is remembered"
    );
    root.remove(&RunId::parse("run-1").unwrap()).unwrap();
    assert_eq!(of(Outcome::Succeeded), (0, 0, 0));
}

#[test]
fn a_run_without_an_owner_is_lost_and_one_without_a_beginning_is_not_counted() {
    let dir = tempfile::tempdir().unwrap();
    let root = StateRoot::at(dir.path().to_owned());
    let (run, mut journal) = run_of(&root, "run-1");
    work(&run, &mut journal, 1);
    fs::create_dir(dir.path().join("runs/run-2")).unwrap();
    fs::write(dir.path().join("runs/run-2/journal.jsonl"), "").unwrap();
    let found = counted(&mut Statistics::of(root.clone()));
    let runs = found.totals.runs.counts;
    assert_eq!((runs.of(Outcome::Lost), runs.total(), found.unreadable), (1, 1, 1));
    assert!(!dir.path().join(Counted::FILE).exists(), "it was written to a moment ago");
    // After a while nothing of it changes any more.
    let long_ago = SystemTime::now() - 2 * QUIET;
    for file in ["journal.jsonl", "run.json", "lock"] {
        fs::File::open(run.path().join(file)).unwrap().set_modified(long_ago).unwrap();
    }
    let again = counted(&mut Statistics::of(root.clone()));
    assert_eq!(again.totals, found.totals);
    assert!(fs::read_to_string(dir.path().join(Counted::FILE)).unwrap().contains("run-1"));
    assert_eq!(counted(&mut Statistics::of(root)).totals, found.totals);
}
