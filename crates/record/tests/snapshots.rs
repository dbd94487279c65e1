//! A view that begins with a snapshot is the view of the whole journal.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use proptest::prelude::*;
use roboppi_ipc::{AgentText, CancelReason, CoreEvent, UtcMillis, WorkerEvent};
use roboppi_record::{JournalWriter, RunDir, SnapshotWriter};
use roboppi_run::{
    AttemptPhase, AttemptRecord, AttemptRef, HostId, JournalRecord, RunEvent, RunId, RunMode, RunOutcome,
    RunView, StepPath, StepPlan, StepState,
};

const STEPS: [&str; 3] = ["build", "prüfen \"x\"", "a/b"];

fn started() -> RunEvent {
    let plan = |name: &str| -> StepPlan {
        serde_json::from_value(serde_json::json!({"step": name, "worker": "CUSTOM", "maxAttempts": 3}))
            .unwrap()
    };
    RunEvent::RunStarted {
        run_id: RunId::parse("00000000-0000-7000-8000-000000000001").unwrap(),
        handle: None,
        name: "all".into(),
        workflow: "w.yaml".into(),
        workspace: "/w".into(),
        context_dir: "/c".into(),
        mode: RunMode::Direct,
        timeout_ms: 1_000,
        concurrency: 2,
        stream_stdio: false,
        steps: STEPS.map(|step| plan(step).into()).into(),
        only: Vec::new(),
        resumes: None,
    }
}

fn attempt(step: StepPath, number: u32) -> AttemptRef {
    AttemptRef { attempt: number, ..AttemptRef::first(step) }
}

fn events() -> impl Strategy<Value = Vec<RunEvent>> {
    let step = prop::sample::select(STEPS.to_vec()).prop_map(StepPath::from);
    let of = (step.clone(), 1..4_u32).prop_map(|(step, number)| attempt(step, number));
    let event = prop_oneof![
        (".{0,30}", prop::option::of(step.clone()))
            .prop_map(|(message, step)| RunEvent::Warning { message, step }),
        (step.clone(), prop::option::of(".{0,9}"), any::<bool>()).prop_map(|(step, detail, allowed_to_fail)| {
            let state = StepState::Failed;
            RunEvent::StepChanged { step, state, detail, duration_ms: Some(3), allowed_to_fail, limit_until: None }
        }),
        of.clone().prop_map(|of| RunEvent::AttemptStarted {
            job_id: of.base().as_str().into(),
            base: of.base(),
            of,
            fingerprint: None,
            resumed_session: None,
        }),
        of.clone().prop_map(|of| RunEvent::AttemptPhase {
            of,
            phase: AttemptPhase::Terminating { reason: Some(CancelReason::Timeout), limit_ms: 9 }
        }),
        of.prop_map(|of| RunEvent::AttemptFinished {
            result: serde_json::from_str(
                r#"{"status":"FAILED","cost":{"wallTimeMs":1,"estimatedTokens":7},"durationMs":1,"exitCode":2}"#
            )
            .unwrap(),
            log_bytes: u64::from(of.attempt),
            events_bytes: 0,
            last_seq: Some(4),
            of,
        }),
        (any::<u32>(), any::<u32>())
            .prop_map(|(active, limit)| RunEvent::CoreReport { host: HostId::here(), event: CoreEvent::Permits { active, limit } }),
        (step, ".{0,9}", ".{0,9}").prop_map(|(step, name, path)| RunEvent::ArtifactCollected {
            step,
            name,
            path, sha256: None
        }),
        Just(RunEvent::RunEnding { reason: CancelReason::Timeout, force: true, signal: None }),
        Just(RunEvent::RunFinished {
            outcome: RunOutcome::Failed,
            exit_code: 1,
            duration_ms: 5,
            detail: Some("why".into()),
            flaky: Vec::new()
        }),
    ];
    prop::collection::vec(event, 1..60)
}

fn whole(run: &RunDir) -> RunView {
    let mut view = RunView::default();
    run.journal().unwrap().flatten().for_each(|record| view.apply_journal(&record));
    view
}

fn snapshots(run: &RunDir) -> Vec<(u64, PathBuf)> {
    let number = |path: PathBuf| (path.file_stem().unwrap().to_str().unwrap().parse().unwrap(), path);
    let entries = fs::read_dir(run.path().join("snapshots")).into_iter().flatten();
    let mut found: Vec<_> = entries.map(|entry| number(entry.unwrap().path())).collect();
    found.sort();
    found
}

/// A run with a snapshot every few records.
fn run_with(events: Vec<RunEvent>, every: u64) -> (tempfile::TempDir, RunDir) {
    let dir = tempfile::tempdir().unwrap();
    let run = RunDir::at(dir.path().to_owned());
    let mut journal = JournalWriter::create(&run).unwrap();
    let mut snapshots = SnapshotWriter::new(run.clone()).every(every);
    for (event, at) in std::iter::once(started()).chain(events).zip(1..) {
        journal.append(UtcMillis(at), event).unwrap();
        snapshots.check().unwrap();
    }
    (dir, run)
}

fn warnings(count: usize) -> Vec<RunEvent> {
    let warning = |number| RunEvent::Warning { message: format!("number {number}"), step: None };
    (0..count).map(warning).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_snapshot_and_the_rest_are_the_whole(events in events(), every in 1..4_000_u64) {
        let (_dir, run) = run_with(events, every);
        let fold = run.view().unwrap();
        let kept = snapshots(&run);
        prop_assert!(kept.len() <= 2);
        prop_assert_eq!(fold.from_snapshot(), kept.last().map(|(seq, _)| *seq));
        prop_assert_eq!(fold.into_view(), whole(&run));
    }

    #[test]
    fn a_damaged_snapshot_is_as_good_as_none(at in any::<prop::sample::Index>(), bit in 0..8_u32, cut: bool) {
        let (_dir, run) = run_with(warnings(40), 600);
        let kept = snapshots(&run);
        let [(older, _), (_, newest)] = kept.as_slice() else { panic!("two are kept") };
        let mut text = fs::read(newest).unwrap();
        let at = at.index(text.len() - 1);
        if cut {
            text.truncate(at);
        } else {
            text[at] ^= 1 << bit;
        }
        fs::write(newest, text).unwrap();
        let fold = run.view().unwrap();
        // Some bytes between the values mean nothing.
        prop_assert!(fold.from_snapshot() == Some(*older) || !cut);
        prop_assert_eq!(fold.into_view(), whole(&run));
    }
}

#[test]
fn a_snapshot_is_for_the_owner_alone() {
    let (_dir, run) = run_with(warnings(40), 600);
    let (_, newest) = snapshots(&run).pop().unwrap();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&newest), mode(newest.parent().unwrap())), (0o600, 0o700));
}

#[test]
fn a_snapshot_ahead_of_its_journal_is_not_used() {
    let (_dir, run) = run_with(warnings(40), 600);
    let journal = fs::read_to_string(run.journal_path()).unwrap();
    let few: Vec<&str> = journal.split_inclusive('\n').take(3).collect();
    fs::write(run.journal_path(), few.concat()).unwrap();
    let fold = run.view().unwrap();
    assert_eq!(fold.from_snapshot(), None);
    assert_eq!(fold.view().position.journal_seq, 3);
    assert_eq!(fold.into_view(), whole(&run));
}

#[test]
fn a_snapshot_of_another_journal_is_not_used() {
    let (_dir, run) = run_with(warnings(40), 600);
    // As long as the other one, and different.
    let journal = fs::read_to_string(run.journal_path()).unwrap();
    fs::write(run.journal_path(), journal.replace("number", "NUMBER")).unwrap();
    let fold = run.view().unwrap();
    assert_eq!(fold.from_snapshot(), None);
    assert_eq!(fold.into_view(), whole(&run));
}

#[test]
fn a_snapshot_of_another_format_is_not_used() {
    let (_dir, run) = run_with(warnings(40), 600);
    let kept = snapshots(&run);
    assert_eq!(run.view().unwrap().from_snapshot(), Some(kept[1].0));
    for (_, path) in &kept {
        let text = fs::read_to_string(path).unwrap();
        assert!(text.starts_with(r#"{"format":4,"#));
        fs::write(path, text.replacen(r#""format":4"#, r#""format":1"#, 1)).unwrap();
    }
    let fold = run.view().unwrap();
    assert_eq!(fold.from_snapshot(), None);
    assert_eq!(fold.into_view(), whole(&run));
}

#[test]
fn a_view_goes_on_with_its_journal() {
    let (_dir, run) = run_with(warnings(40), 600);
    let mut fold = run.view().unwrap();
    let seq = fold.view().position.journal_seq + 1;
    let event = RunEvent::Warning { message: "late".into(), step: None };
    let record = serde_json::to_string(&JournalRecord { seq, ts: UtcMillis(99), event }).unwrap();
    let journal = fs::read_to_string(run.journal_path()).unwrap();
    fs::write(run.journal_path(), format!("{journal}{record}\n")).unwrap();
    fold.advance().unwrap();
    assert_eq!(fold.view().warnings.last().unwrap().message, "late");
    assert_eq!(fold.into_view(), whole(&run));
}

#[test]
fn errors_behind_a_snapshot_name_the_line() {
    let (_dir, run) = run_with(warnings(40), 600);
    let journal = fs::read_to_string(run.journal_path()).unwrap();
    fs::write(run.journal_path(), journal + "no record\n").unwrap();
    let (view, journal) = run.snapshot().unwrap().into_parts();
    assert!(view.position.journal_seq > 0);
    let error = journal.filter_map(Result::err).next().unwrap();
    assert!(error.to_string().contains("journal.jsonl:42:"), "{error}");
    assert_eq!(run.view().unwrap().skipped(), 1);
}

#[test]
fn the_view_of_the_owner_is_written_as_the_journal_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let run = RunDir::at(dir.path().to_owned());
    let mut journal = JournalWriter::create(&run).unwrap();
    let mut snapshots = SnapshotWriter::new(run.clone()).every(1);
    let mut view = RunView::default();
    let of = attempt(STEPS[0].into(), 1);
    let begun = RunEvent::AttemptStarted {
        of: of.clone(),
        job_id: "j".into(),
        base: "steps/elsewhere".into(),
        fingerprint: None,
        resumed_session: None,
    };
    for event in [started(), begun] {
        view.apply_journal(&journal.append(UtcMillis(1), event).unwrap());
    }
    // What a worker did is not in the journal.
    let event = WorkerEvent::Text(AgentText::new("I look."));
    view.apply_attempt(&of, &AttemptRecord { seq: 1, ts: UtcMillis(2), at: 7, event });
    assert!(snapshots.check_with(|| view.of_journal()).unwrap());
    let fold = run.view().unwrap();
    assert_eq!(fold.from_snapshot(), Some(2));
    assert_eq!(fold.view().attempt(&of).unwrap().base(), "steps/elsewhere");
    assert_eq!(fold.into_view(), whole(&run));

    // A view that is ahead of the journal cannot be had from it.
    let event = RunEvent::Warning { message: "not written".into(), step: None };
    view.apply_journal(&JournalRecord { seq: 4, ts: UtcMillis(3), event });
    journal.append(UtcMillis(3), RunEvent::Warning { message: "written".into(), step: None }).unwrap();
    let mut snapshots = SnapshotWriter::new(run.clone()).every(1);
    assert!(!snapshots.check_with(|| view.of_journal()).unwrap());
    assert_eq!(run.view().unwrap().from_snapshot(), Some(2));
}
