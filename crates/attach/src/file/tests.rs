use std::collections::HashMap;
use std::fs;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use roboppi_ipc::{OutputStream, Progress, UtcMillis, WorkerEvent, WorkerKind, WorkerResult};
use roboppi_record::{EventFileWriter, JournalWriter, SpoolWriter};
use roboppi_run::{
    AttemptRecord, AttemptRef, MANIFEST_FORMAT, Manifest, RecordKind, RunId, RunMode, RunStatus, StepPlan,
};

use super::*;
use crate::Next;

/// Reached only when something is broken.
const LIMIT: Duration = Duration::from_secs(60);

pub(crate) struct Place {
    pub(crate) _dir: tempfile::TempDir,
    pub(crate) run: RunDir,
}

/// A run whose owner is this process.
pub(crate) fn place() -> Place {
    let dir = tempfile::tempdir().unwrap();
    let run = RunDir::at(dir.path().join("run"));
    fs::create_dir(run.path()).unwrap();
    let place = Place { _dir: dir, run };
    place.owned_by(roboppi_process::identity(std::process::id()).unwrap());
    place
}

impl Place {
    pub(crate) fn owned_by(&self, owner: roboppi_ipc::ProcessIdentity) {
        self.run.write_manifest(&manifest(owner)).unwrap();
    }
}

pub(crate) fn manifest(owner: roboppi_ipc::ProcessIdentity) -> Manifest {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    Manifest {
        format: MANIFEST_FORMAT,
        run_id: RunId::parse("run").unwrap(),
        handle: None,
        name: "n".into(),
        workflow: "/w.yaml".into(),
        workflow_sha256: String::new(),
        arguments: Vec::new(),
        workspace: "/w".into(),
        context_dir: "/w/context".into(),
        git_commit: None,
        version: "0".into(),
        host: host.trim().to_owned(),
        owner,
        boot_id: None,
        pid_namespace: None,
        owner_lock: false,
        control: None,
        mode: RunMode::Direct,
        record: RecordKind::Full,
        started_at: UtcMillis(1),
        silent_after_ms: None,
        workflow_bytes: None,
        workspace_bytes: None,
        traceparent: None,
    }
}

pub(crate) fn started(steps: usize) -> RunEvent {
    let plan = |number: usize| StepPlan {
        step: format!("s{number}").as_str().into(),
        worker: WorkerKind::CUSTOM,
        depends_on: Vec::new(),
        description: None,
        timeout_ms: None,
        max_attempts: 3,
        max_iterations: None,
        role: roboppi_run::Role::Work,
        check: None,
        host: roboppi_run::HostId::here(),
    };
    RunEvent::RunStarted {
        run_id: RunId::parse("run").unwrap(),
        handle: None,
        name: "n".into(),
        workflow: "/w.yaml".into(),
        workspace: "/w".into(),
        context_dir: "/w/context".into(),
        mode: RunMode::Direct,
        timeout_ms: 1,
        concurrency: 2,
        stream_stdio: true,
        steps: (0..steps).map(plan).map(Into::into).collect(),
        only: Vec::new(),
        resumes: None,
    }
}

pub(crate) fn changed(step: usize, state: StepState) -> RunEvent {
    let step = format!("s{step}").as_str().into();
    RunEvent::StepChanged {
        step,
        state,
        detail: None,
        duration_ms: None,
        allowed_to_fail: false,
        limit_until: None,
    }
}

fn result() -> WorkerResult {
    serde_json::from_str(r#"{"status":"SUCCEEDED","cost":{"wallTimeMs":1},"durationMs":1}"#).unwrap()
}

pub(crate) const FINISHED: RunEvent = RunEvent::RunFinished {
    outcome: RunOutcome::Succeeded,
    exit_code: 0,
    duration_ms: 5,
    detail: None,
    flaky: Vec::new(),
};

/// xorshift: enough to vary what happens, and the same again for a seed.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Writes a run with many attempts until it is told to end it.
pub(crate) fn keep_busy(run: &RunDir, seed: u64, enough: &AtomicBool) {
    struct Working {
        of: AttemptRef,
        events: EventFileWriter,
        log: SpoolWriter,
        seq: u64,
    }

    let mut chance = Chance(seed);
    let mut journal = JournalWriter::create(run).unwrap();
    let mut now = 1;
    let mut append = |event| {
        now += 1;
        journal.append(UtcMillis(now), event).unwrap();
    };
    append(started(6));
    let mut working: HashMap<usize, Working> = HashMap::new();
    let mut attempts = [0; 6];
    while !enough.load(Ordering::Relaxed) {
        let step = chance.below(6) as usize;
        match working.get_mut(&step) {
            None => {
                attempts[step] += 1;
                let first = AttemptRef::first(format!("s{step}").as_str().into());
                let of = AttemptRef { attempt: attempts[step], ..first };
                append(RunEvent::AttemptStarted {
                    of: of.clone(),
                    job_id: of.to_string().as_str().into(),
                    base: of.base(),
                    fingerprint: None,
                    resumed_session: None,
                });
                append(changed(step, StepState::Running));
                let events = EventFileWriter::new(run.path(), &of.base()).unwrap();
                let log = SpoolWriter::new(run.path(), &of.base()).unwrap();
                working.insert(step, Working { of, events, log, seq: 0 });
            }
            Some(attempt) => match chance.below(12) {
                0 => {
                    append(RunEvent::AttemptFinished {
                        of: attempt.of.clone(),
                        result: result().into(),
                        last_seq: Some(attempt.seq),
                        log_bytes: attempt.log.len(),
                        events_bytes: attempt.events.len(),
                    });
                    append(changed(step, StepState::Retrying));
                    working.remove(&step);
                }
                1..5 => {
                    attempt.log.append(OutputStream::Stdout, b"something\n", UtcMillis(1)).unwrap();
                }
                _ => {
                    attempt.seq += 1;
                    let event = WorkerEvent::Progress(Progress::new(attempt.seq.to_string()));
                    let (ts, at) = (UtcMillis(attempt.seq), attempt.log.len());
                    attempt.events.append(&AttemptRecord { seq: attempt.seq, ts, at, event }).unwrap();
                }
            },
        }
    }
    append(FINISHED);
}

/// What the record says up to the position of `view`.
pub(crate) fn fold_up_to(view: &RunView, run: &RunDir) -> RunView {
    let mut folded = RunView::default();
    for record in run.journal().unwrap().map(Result::unwrap) {
        if record.seq <= view.position.journal_seq {
            folded.apply_journal(&record);
        }
    }
    for attempt in view.steps.iter().flat_map(|step| &step.attempts) {
        for record in run.events(&attempt.base()).unwrap().map(Result::unwrap) {
            if attempt.activity.last_seq.is_some_and(|last| record.seq <= last) {
                folded.apply_attempt(&attempt.of, &record);
            }
        }
    }
    // How long a log is belongs to the position, and no line says it.
    for attempt in folded.steps.iter_mut().flat_map(|step| &mut Arc::make_mut(step).attempts) {
        let shown = view.attempt(&attempt.of).unwrap().activity.log_bytes;
        let there = run.log(&attempt.base()).unwrap().len();
        assert!((attempt.activity.log_bytes..=there).contains(&shown), "{shown} of {there} bytes");
        attempt.activity.log_bytes = shown;
    }
    folded
}

#[test]
fn at_random_moments_the_view_is_the_fold_of_the_record() {
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64 | 1;
    println!("seed {seed}");
    for polling in [false, true] {
        let Place { _dir, run } = place();
        let enough = AtomicBool::new(false);
        let (views, last) = thread::scope(|scope| {
            scope.spawn(|| keep_busy(&run, seed, &enough));
            // Also when this thread panics the writer must end.
            let ending = EndOnDrop(&enough);
            let options = FollowOptions { polls: polling, ..FollowOptions::default() };
            let source = FileSource::with(run.clone(), options).unwrap();
            let (mut views, mut seen) = (Vec::new(), 0);
            let began = Instant::now();
            let moments = if polling { 5 } else { 100 };
            while views.len() < moments {
                assert!(began.elapsed() < LIMIT, "{} views", views.len());
                let position = source.with_view(|view| view.position.journal_seq);
                if position > seen {
                    seen = position;
                    views.push(source.follow().view);
                }
                thread::yield_now();
            }
            drop(ending);
            let mut following = source.follow();
            loop {
                match following.records.blocking_next() {
                    Next::Record(record) => following.view.apply(&record),
                    Next::Lagged => following = source.follow(),
                    Next::Ended => break,
                }
            }
            (views, following.view)
        });
        assert!(last.is_finished());
        let all = run.journal().unwrap().map(|record| record.unwrap().seq).last();
        assert_eq!(Some(last.position.journal_seq), all);
        for view in views.iter().chain([&last]) {
            assert_eq!(*view, fold_up_to(view, &run));
        }
    }
}

struct EndOnDrop<'a>(&'a AtomicBool);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_run_whose_owner_is_gone_is_lost_and_so_are_its_steps() {
    let place = place();
    let mut journal = JournalWriter::create(&place.run).unwrap();
    for event in [started(2), changed(0, StepState::Running)] {
        journal.append(UtcMillis(7), event).unwrap();
    }
    let source = FileSource::open(&place.run.clone().into()).unwrap();
    assert_eq!(source.with_view(|view| view.status.clone()), RunStatus::Running);
    // From now on the owner is a process that was there before.
    let me = roboppi_process::identity(std::process::id()).unwrap();
    let gone = roboppi_ipc::ProcessIdentity { start_time: me.start_time + 1, ..me };
    place.owned_by(gone);
    drop(journal);
    let mut following = source.follow();
    while let Next::Record(record) = following.records.blocking_next() {
        following.view.apply(&record);
    }
    let outcome = match &following.view.status {
        RunStatus::Finished { outcome, .. } => *outcome,
        other => panic!("{other:?}"),
    };
    assert_eq!(outcome, RunOutcome::Lost);
    let states: Vec<_> = following.view.steps.iter().map(|step| step.state).collect();
    assert_eq!(states, [StepState::Lost, StepState::Pending]);
}

#[test]
fn what_cannot_be_read_is_said_and_the_rest_is_shown() {
    let Place { _dir, run } = place();
    let mut journal = JournalWriter::create(&run).unwrap();
    journal.append(UtcMillis(1), started(1)).unwrap();
    let mut file = fs::OpenOptions::new().append(true).open(run.journal_path()).unwrap();
    file.write_all(b"{\"no\":\"record\"}\n").unwrap();
    journal.append(UtcMillis(2), FINISHED).unwrap();
    file.write_all(b"half a line").unwrap();
    let source = FileSource::open(&run.into()).unwrap();
    assert!(source.with_view(RunView::is_finished));
    let problems = source.problems().join("\n");
    assert!(problems.contains("journal.jsonl:2: "), "{problems}");
    assert_eq!(source.follow().records.blocking_next(), Next::Ended);
}

#[test]
fn an_absent_record_is_a_lost_run() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("run.json"), "{").unwrap();
    let source = FileSource::open(&RunDir::at(dir.path().to_owned()).into()).unwrap();
    assert!(matches!(
        source.with_view(|view| view.status.clone()),
        RunStatus::Finished { outcome: RunOutcome::Lost, .. }
    ));
}

#[test]
fn a_run_whose_record_is_taken_away_is_not_lost_while_its_owner_lives() {
    let place = place();
    let mut journal = JournalWriter::create(&place.run).unwrap();
    journal.append(UtcMillis(1), started(1)).unwrap();
    let options = FollowOptions { owner_check: Duration::ZERO, ..FollowOptions::default() };
    let mut follower = RunFollower::with(place.run.clone(), options);
    assert_eq!(follower.liveness(), Liveness::Live);
    fs::rename(place.run.path(), place.run.path().with_file_name("elsewhere")).unwrap();
    assert_eq!(follower.liveness(), Liveness::Live);
    journal.append(UtcMillis(2), FINISHED).unwrap();
    assert_eq!(follower.liveness(), Liveness::Finished(RunOutcome::Succeeded));
}
