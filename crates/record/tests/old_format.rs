//! A run directory of format 1, as it was written once. It must be readable for ever: the files below
//! `fixtures/run-v1` are never changed.

use std::fs;
use std::path::Path;

use roboppi_ipc::{OutputStream, UtcMillis, WorkerEvent};
use roboppi_record::{ChunkKind, LogPiece, RunDir, fingerprint};
use roboppi_run::{RunEvent, RunOutcome, RunStatus, RunView, StepPath, StepState};

fn run() -> RunDir {
    RunDir::at(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/run-v1"))
}

#[test]
fn the_manifest_and_the_workflow() {
    let manifest = run().manifest().unwrap();
    assert_eq!(Some(manifest.run_id), run().id());
    assert_eq!(manifest.owner.pid, 4241);
    assert_eq!(manifest.started_at, UtcMillis(1_700_000_000_000));
    let workflow = fs::read(run().workflow_path()).unwrap();
    assert_eq!(manifest.workflow_sha256, fingerprint(&workflow));
}

#[test]
fn the_journal_and_the_events_fold_into_the_same_view() {
    let mut view = RunView::default();
    let mut bases = Vec::new();
    for (number, record) in (1..).zip(run().journal().unwrap()) {
        let record = record.unwrap();
        assert_eq!(record.seq, number);
        assert!(!matches!(record.event, RunEvent::Unknown { .. }), "{record:?}");
        if let RunEvent::AttemptStarted { of, base, .. } = &record.event {
            bases.push((of.clone(), base.clone()));
        }
        view.apply_journal(&record);
    }
    let [(of, base)] = &bases[..] else { panic!("one attempt, not {bases:?}") };
    let events: Vec<_> = run().events(base).unwrap().map(Result::unwrap).collect();
    assert_eq!(events.iter().map(|event| event.seq).collect::<Vec<_>>(), [1, 3, 4, 5]);
    for event in &events {
        assert!(!matches!(event.event, WorkerEvent::Unknown { .. }), "{event:?}");
        view.apply_attempt(of, event);
    }

    assert!(matches!(view.status, RunStatus::Finished { outcome: RunOutcome::Failed, exit_code: 1, .. }));
    assert_eq!(view.step(&StepPath::from("build all")).unwrap().state, StepState::Failed);
    assert_eq!(view.step(&StepPath::from("test")).unwrap().state, StepState::Skipped);
    let attempt = view.attempt(of).unwrap();
    assert_eq!(attempt.log_bytes(), run().log(base).unwrap().len());
    assert_eq!(attempt.activity.patches_total, 1);
    assert_eq!(attempt.activity.tool_calls, 1);
    assert_eq!(attempt.activity.usage.unwrap().input_tokens, 10);
}

#[test]
fn nothing_of_it_is_taken_for_damaged() {
    assert_eq!(run().damage(9, u64::MAX).unwrap(), Vec::<String>::new());
}

#[test]
fn the_log_with_its_gap_and_its_streams() {
    const OUT: OutputStream = OutputStream::Stdout;
    const ERR: OutputStream = OutputStream::Stderr;
    let mut log = run().log("steps/build%20all/i1-a1").unwrap();
    assert_eq!(log.read(0, 100).unwrap(), LogPiece::Lost { len: 4 });
    assert_eq!(log.read(4, 11).unwrap(), LogPiece::Bytes(b"\nCompiling\n".to_vec()));
    let chunks: Vec<_> = log.chunks(0).map(Result::unwrap).map(|chunk| (chunk.kind, chunk.len)).collect();
    let (out, err) = (ChunkKind::Output(OUT), ChunkKind::Output(ERR));
    assert_eq!(chunks, [(ChunkKind::Lost, 4), (out, 15), (err, 8), (out, 8)]);
    let lines = log.lines(0..9).unwrap();
    let short: Vec<_> =
        lines.iter().map(|line| (line.stream, line.bytes.as_slice(), line.lost, line.complete)).collect();
    let expected = [
        (OUT, &b""[..], 4, true),
        (OUT, b"Compiling", 0, true),
        (OUT, b"Warning: \xff\xfe", 0, true),
        (OUT, b"Finished", 0, false),
    ];
    assert_eq!(short, expected);
    assert_eq!(lines[3].ts, Some(UtcMillis(1_700_000_000_900)));
}
