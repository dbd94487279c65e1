//! Runs made by hand.

use std::collections::HashMap;
use std::sync::Arc;

use roboppi_attach::{LiveFeed, LiveSource, RunSource};
use roboppi_ipc::{
    ErrorClass, LogGrew, OutputStream, ResultDetails, UtcMillis, WorkerEvent, WorkerKind, WorkerOutput,
    WorkerResult, WorkerStatus,
};
use roboppi_record::{EventFileWriter, JournalWriter, RunDir, SpoolWriter, StateRoot};
use roboppi_run::{
    AttemptPhase, AttemptRecord, AttemptRef, JournalRecord, RunEvent, RunId, RunMode, RunOutcome, RunRecord,
    StepPath, StepPlan, StepState,
};
use tempfile::TempDir;
use tokio::sync::mpsc;

/// When runs begin.
pub(super) const START: u64 = 1_000_000;

pub(super) fn run_started(steps: &[(&str, u32)]) -> RunEvent {
    let plan = |(name, max_attempts): &(&str, u32)| StepPlan {
        step: StepPath::from(*name),
        worker: WorkerKind::CUSTOM,
        depends_on: Vec::new(),
        description: None,
        timeout_ms: None,
        max_attempts: *max_attempts,
        max_iterations: None,
        role: roboppi_run::Role::Work,
        check: None,
        host: roboppi_run::HostId::here(),
    };
    RunEvent::RunStarted {
        run_id: RunId::parse("0194-demo").unwrap(),
        handle: None,
        name: "demo".to_owned(),
        workflow: "/w/demo.yaml".to_owned(),
        workspace: "/w".to_owned(),
        context_dir: "/w/context".to_owned(),
        mode: RunMode::Supervised,
        timeout_ms: 60_000,
        concurrency: 4,
        stream_stdio: true,
        steps: steps.iter().map(plan).map(Into::into).collect(),
        only: Vec::new(),
        resumes: None,
    }
}

pub(super) fn attempt(step: &str, attempt: u32) -> AttemptRef {
    AttemptRef { attempt, ..AttemptRef::first(StepPath::from(step)) }
}

pub(super) fn changed(step: &str, state: StepState, detail: &str) -> RunEvent {
    RunEvent::StepChanged {
        step: StepPath::from(step),
        state,
        detail: (!detail.is_empty()).then(|| detail.to_owned()),
        duration_ms: None,
        allowed_to_fail: false,
        limit_until: None,
    }
}

/// The end of a step that ran.
pub(super) fn ended(step: &str, state: StepState, detail: &str, duration_ms: u64) -> RunEvent {
    match changed(step, state, detail) {
        RunEvent::StepChanged { step, state, detail, allowed_to_fail, .. } => RunEvent::StepChanged {
            step,
            state,
            detail,
            duration_ms: Some(duration_ms),
            allowed_to_fail,
            limit_until: None,
        },
        other => other,
    }
}

pub(super) fn attempt_started(of: &AttemptRef) -> RunEvent {
    RunEvent::AttemptStarted {
        of: of.clone(),
        job_id: of.to_string().as_str().into(),
        base: of.base(),
        fingerprint: None,
        resumed_session: None,
    }
}

pub(super) fn attempt_running(of: &AttemptRef) -> RunEvent {
    RunEvent::AttemptPhase { of: of.clone(), phase: AttemptPhase::Running { process: None } }
}

pub(super) fn attempt_finished(
    of: &AttemptRef,
    exit_code: i32,
    last_seq: Option<u64>,
    log_bytes: u64,
) -> RunEvent {
    let failed = exit_code != 0;
    let result = WorkerResult::of_status(if failed { WorkerStatus::Failed } else { WorkerStatus::Succeeded })
        .with_duration_ms(1)
        .with_exit_code(Some(exit_code))
        .with_error_class(failed.then_some(ErrorClass::NonRetryable))
        .with_details(ResultDetails::default());
    RunEvent::AttemptFinished { of: of.clone(), result: result.into(), last_seq, log_bytes, events_bytes: 0 }
}

pub(super) fn run_finished(outcome: RunOutcome, duration_ms: u64, detail: &str) -> RunEvent {
    RunEvent::RunFinished {
        outcome,
        exit_code: 0,
        duration_ms,
        detail: (!detail.is_empty()).then(|| detail.to_owned()),
        flaky: Vec::new(),
    }
}

/// Everything one attempt leaves in the journal, for a step with one attempt and no output.
pub(super) fn whole_step(step: &str, state: StepState, detail: &str) -> Vec<RunEvent> {
    let of = attempt(step, 1);
    vec![
        changed(step, StepState::Starting, ""),
        attempt_started(&of),
        attempt_running(&of),
        changed(step, StepState::Running, ""),
        attempt_finished(&of, i32::from(state != StepState::Succeeded), None, 0),
        ended(step, state, detail, 1_500),
    ]
}

/// Journal records of events, 100 ms apart.
pub(super) fn journal(events: Vec<RunEvent>) -> Vec<RunRecord> {
    let record = |(index, event)| {
        let seq = index as u64 + 1;
        RunRecord::Journal(JournalRecord { seq, ts: UtcMillis(START + 100 * (seq - 1)), event })
    };
    events.into_iter().enumerate().map(record).collect()
}

/// A run with a directory, a journal and followers.
pub(super) struct LiveRun {
    _state: TempDir,
    pub(super) run_dir: RunDir,
    pub(super) feed: Arc<LiveFeed>,
    /// Where the time stands.
    pub(super) now: u64,
    journal: Option<JournalWriter>,
    last_seq: u64,
    attempts: HashMap<AttemptRef, LiveAttempt>,
}

struct LiveAttempt {
    spool: SpoolWriter,
    events: EventFileWriter,
    next_seq: u64,
}

impl LiveRun {
    pub(super) fn new() -> Self {
        let state = tempfile::tempdir().unwrap();
        let id = RunId::parse("0194-demo").unwrap();
        let run_dir = StateRoot::at(state.path().to_owned()).create_run(&id).unwrap();
        let journal = Some(JournalWriter::create(&run_dir).unwrap());
        let feed = Arc::new(LiveFeed::default());
        Self { _state: state, run_dir, feed, now: START, journal, last_seq: 0, attempts: HashMap::new() }
    }

    pub(super) fn source(&self) -> Arc<dyn RunSource> {
        let (commands, _) = mpsc::channel(1);
        Arc::new(LiveSource::new(Arc::clone(&self.feed), self.run_dir.clone(), commands))
    }

    /// From here on events are published and not written down.
    pub(super) fn lose_journal(&mut self) {
        self.journal = None;
    }

    pub(super) fn event(&mut self, event: RunEvent) {
        let ts = UtcMillis(self.now);
        let record = match &mut self.journal {
            Some(journal) => journal.append(ts, event).unwrap(),
            None => JournalRecord { seq: self.last_seq + 1, ts, event },
        };
        self.last_seq = record.seq;
        self.now += 100;
        self.feed.publish(RunRecord::Journal(record));
    }

    pub(super) fn events(&mut self, events: impl IntoIterator<Item = RunEvent>) {
        for event in events {
            self.event(event);
        }
    }

    /// The worker writes. `live` says whether the live plane has room for it.
    pub(super) fn output(&mut self, of: &AttemptRef, stream: OutputStream, bytes: &[u8], live: bool) {
        let ts = UtcMillis(self.now);
        let attempt = self.attempt(of);
        let appended = attempt.spool.append(stream, bytes, ts).unwrap();
        let seq = attempt.next_seq;
        attempt.next_seq += 1;
        if live {
            let data = String::from_utf8_lossy(bytes).into_owned();
            let output = WorkerOutput::new(data)
                .with_range(appended.offset, appended.len)
                .with_partial(!bytes.ends_with(b"\n"));
            let at = appended.offset + appended.len;
            let record = AttemptRecord { seq, ts, at, event: WorkerEvent::output(stream, output) };
            self.feed.publish(RunRecord::Attempt(of.clone(), record));
        }
    }

    /// The worker writes to a reader that is told where in the log that is.
    pub(super) fn grows(&mut self, of: &AttemptRef, pieces: &[(OutputStream, &[u8])]) {
        let ts = UtcMillis(self.now);
        let attempt = self.attempt(of);
        let mut grew = LogGrew::new(attempt.spool.len(), 0);
        for (stream, bytes) in pieces {
            grew.len += attempt.spool.append(*stream, bytes, ts).unwrap().len;
            match stream {
                OutputStream::Stdout => grew.stdout = true,
                OutputStream::Stderr => grew.stderr = true,
            }
        }
        let seq = attempt.next_seq;
        attempt.next_seq += 1;
        let record = AttemptRecord { seq, ts, at: grew.end(), event: WorkerEvent::LogGrew(grew) };
        self.feed.publish(RunRecord::Attempt(of.clone(), record));
    }

    /// The worker does something else than writing.
    pub(super) fn does(&mut self, of: &AttemptRef, event: WorkerEvent) {
        let ts = UtcMillis(self.now);
        let attempt = self.attempt(of);
        let seq = attempt.next_seq;
        attempt.next_seq += 1;
        let record = AttemptRecord { seq, ts, at: attempt.spool.len(), event };
        attempt.events.append(&record).unwrap();
        self.feed.publish(RunRecord::Attempt(of.clone(), record));
    }

    /// The live plane says what it had no room for.
    pub(super) fn gap(&mut self, of: &AttemptRef, gap: roboppi_ipc::Gap) {
        let record = AttemptRecord {
            seq: gap.from_seq,
            ts: UtcMillis(self.now),
            at: gap.to_offset,
            event: WorkerEvent::Gap(gap),
        };
        self.feed.publish(RunRecord::Attempt(of.clone(), record));
    }

    pub(super) fn start(&mut self, of: &AttemptRef) {
        let step = of.step.as_str().to_owned();
        self.events([
            changed(&step, StepState::Starting, ""),
            attempt_started(of),
            attempt_running(of),
            changed(&step, StepState::Running, ""),
        ]);
    }

    pub(super) fn finish(&mut self, of: &AttemptRef, exit_code: i32) {
        let attempt = self.attempt(of);
        let (last_seq, log_bytes) = (attempt.next_seq.checked_sub(1), attempt.spool.len());
        self.event(attempt_finished(of, exit_code, last_seq, log_bytes));
        let step = of.step.as_str().to_owned();
        let end = match exit_code {
            0 => ended(&step, StepState::Succeeded, "", 1_500),
            code => ended(&step, StepState::Failed, &format!("exit code {code}"), 1_500),
        };
        self.event(end);
    }

    pub(super) fn close(&self) {
        self.feed.close();
    }

    fn attempt(&mut self, of: &AttemptRef) -> &mut LiveAttempt {
        let dir = self.run_dir.path();
        self.attempts.entry(of.clone()).or_insert_with(|| LiveAttempt {
            spool: SpoolWriter::new(dir, &of.base()).unwrap(),
            events: EventFileWriter::new(dir, &of.base()).unwrap(),
            next_seq: 0,
        })
    }
}
