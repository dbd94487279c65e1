use roboppi_board::{Board, RowState};
use roboppi_ipc::{UtcMillis, WorkerEvent};
use roboppi_record::{EventFileWriter, JournalWriter, RunDir};
use roboppi_run::{AttemptRecord, AttemptRef, RunEvent, RunOutcome, StepState};

use super::*;
use crate::file::tests::{FINISHED, changed, manifest, started};

struct Place {
    _dir: tempfile::TempDir,
    root: StateRoot,
}

fn place() -> Place {
    let dir = tempfile::tempdir().unwrap();
    let root = StateRoot::at(dir.path().to_owned());
    Place { _dir: dir, root }
}

fn me() -> roboppi_ipc::ProcessIdentity {
    roboppi_process::identity(std::process::id()).unwrap()
}

/// No process has both this pid and this start time, which is years after the boot.
const DEAD: roboppi_ipc::ProcessIdentity =
    roboppi_ipc::ProcessIdentity { pid: 1, start_time: 100_000_000_000 };

fn begin(root: &StateRoot, id: &str, owner: roboppi_ipc::ProcessIdentity) -> (RunDir, JournalWriter) {
    let run = root.create_run(&RunId::parse(id).unwrap()).unwrap();
    run.write_manifest(&manifest(owner)).unwrap();
    let mut journal = JournalWriter::create(&run).unwrap();
    journal.append(UtcMillis(1), started(2)).unwrap();
    (run, journal)
}

fn update(all: &mut AllRuns, board: &mut Board) -> Vec<Change> {
    let mut changes = Vec::new();
    all.update(UtcMillis(9), &mut |change| changes.push(change));
    changes.iter().cloned().for_each(|change| board.apply(change));
    changes
}

fn state(board: &Board, id: &str) -> RowState {
    board.row(&RunId::parse(id).unwrap()).map_or(RowState::Unknown, |row| row.state)
}

#[test]
fn all_runs_are_followed_whichever_began_first() {
    let place = place();
    let (_, mut done) = begin(&place.root, "run-0001", me());
    done.append(UtcMillis(2), FINISHED).unwrap();
    let (live, mut journal) = begin(&place.root, "run-0002", me());
    let mut all = AllRuns::of(place.root.clone(), true);
    let mut board = Board::default();
    update(&mut all, &mut board);
    assert!(board.is_listed());
    assert_eq!(state(&board, "run-0001"), RowState::Finished(RunOutcome::Succeeded));
    assert_eq!((state(&board, "run-0002"), all.live()), (RowState::Running, 1));
    assert_eq!(update(&mut all, &mut board), [], "nothing new is no change");

    let of = AttemptRef::first("s0".into());
    journal.append(UtcMillis(3), changed(0, StepState::Running)).unwrap();
    let attempt = RunEvent::AttemptStarted {
        of: of.clone(),
        job_id: "j".into(),
        base: of.base(),
        fingerprint: None,
        resumed_session: None,
    };
    journal.append(UtcMillis(3), attempt).unwrap();
    let mut events = EventFileWriter::new(live.path(), &of.base()).unwrap();
    let call: WorkerEvent =
        serde_json::from_str(r#"{"type":"tool_call","id":"1","name":"Bash","input":{"command":"npm test"}}"#)
            .unwrap();
    events.append(&AttemptRecord { seq: 1, ts: UtcMillis(4), at: 0, event: call }).unwrap();
    update(&mut all, &mut board);
    let texts: Vec<_> =
        board.events.listed().iter().map(|event| format!("{} {}", event.kind, event.text)).collect();
    assert!(texts.iter().any(|text| text == "tool.call Bash npm test"), "{texts:?}");
    assert!(texts.iter().any(|text| text == "step.state running"), "{texts:?}");
    let row = board.row(&RunId::parse("run-0002").unwrap()).unwrap();
    assert_eq!(row.current.as_ref().map(|current| current.step.as_str()), Some("s0"));

    // One that begins later, and ends before anyone looks.
    let (_, mut later) = begin(&place.root, "run-0003", me());
    later.append(UtcMillis(5), FINISHED).unwrap();
    journal.append(UtcMillis(6), FINISHED).unwrap();
    update(&mut all, &mut board);
    for id in ["run-0002", "run-0003"] {
        assert_eq!(state(&board, id), RowState::Finished(RunOutcome::Succeeded), "{id}");
    }
    let finished = board.events.listed().iter().filter(|event| event.kind == "run.finished").count();
    assert_eq!((finished, all.live()), (2, 0));

    place.root.remove(&RunId::parse("run-0001").unwrap()).unwrap();
    update(&mut all, &mut board);
    assert_eq!(board.rows().len(), 2);
}

#[test]
fn the_events_of_a_run_that_is_under_way_are_read_once() {
    let place = place();
    let (_, mut journal) = begin(&place.root, "run-0001", me());
    let mut all = AllRuns::of(place.root.clone(), true);
    let mut board = Board::default();
    for seq in 0..50 {
        journal.append(UtcMillis(seq), RunEvent::Warning { message: seq.to_string(), step: None }).unwrap();
        update(&mut all, &mut board);
    }
    let texts: Vec<_> = board
        .events
        .listed()
        .iter()
        .filter(|event| event.kind == "error.warning")
        .map(|event| event.text.clone())
        .collect();
    let expected: Vec<_> = (0..50).map(|seq| seq.to_string()).collect();
    assert_eq!(texts, expected);
}

#[test]
fn a_run_without_its_owner_is_lost() {
    let place = place();
    // The journal is locked as long as it is open.
    drop(begin(&place.root, "run-0001", DEAD));
    let mut all = AllRuns::of(place.root.clone(), true);
    let mut board = Board::default();
    update(&mut all, &mut board);
    assert_eq!(state(&board, "run-0001"), RowState::Lost);
}

#[test]
fn a_state_directory_that_is_not_there_yet_has_no_runs() {
    let place = place();
    let root = StateRoot::at(place.root.path().join("later"));
    let mut all = AllRuns::of(root.clone(), true);
    let mut board = Board::default();
    update(&mut all, &mut board);
    assert!(board.is_listed() && board.problem().is_none());
    all.wait(Duration::from_millis(1));
    let _later = begin(&root, "run-0001", me());
    update(&mut all, &mut board);
    assert_eq!(state(&board, "run-0001"), RowState::Running);
}

#[test]
fn what_is_written_ends_the_wait() {
    let place = place();
    let (_, mut journal) = begin(&place.root, "run-0001", me());
    let mut all = AllRuns::of(place.root.clone(), false);
    let mut board = Board::default();
    update(&mut all, &mut board);
    journal.append(UtcMillis(2), FINISHED).unwrap();
    let began = Instant::now();
    while state(&board, "run-0001") == RowState::Running {
        assert!(began.elapsed() < Duration::from_secs(60), "it was not noticed");
        all.wait(Duration::from_secs(60));
        update(&mut all, &mut board);
    }
}
