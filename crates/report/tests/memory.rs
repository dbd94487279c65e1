//! Every text view of a run in memory: it prints what it prints of the same run in a directory.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use roboppi_attach::{AtEnd, LiveFeed, LiveSource, Liveness, MemoryRun, ReplaySource, RunSource, Speed};
use roboppi_ipc::{
    OutputStream, ToolCall, UtcMillis, WorkerEvent, WorkerKind, WorkerOutput, WorkerResult, WorkerStatus,
};
use roboppi_record::{
    Appended, EventFileWriter, JournalWriter, RecordPart, RecordStore, RunDir, SpoolWriter, StateRoot,
};
use roboppi_report::export::StepOutput;
use roboppi_report::page::{Page, log_damage};
use roboppi_report::plain::PlainSettings;
use roboppi_report::units::Zone;
use roboppi_report::{Audience, jsonl, logs, plain, status};
use roboppi_run::{
    AttemptPhase, AttemptRecord, AttemptRef, History, JournalRecord, Progress, RunEvent, RunId, RunMode,
    RunOutcome, RunRecord, RunView, StepPlan, StepState,
};
use serde_json::Value;
use tokio::sync::mpsc;

const START: u64 = 1_700_000_000_000;

fn id() -> RunId {
    RunId::parse("0194-demo").unwrap()
}

fn of(step: &str) -> AttemptRef {
    AttemptRef::first(step.into())
}

/// Something of the run, as its owner comes to know it.
enum Part {
    Journal(RunEvent),
    Event(AttemptRef, WorkerEvent),
    Output(AttemptRef, OutputStream, Vec<u8>),
}

fn changed(step: &str, state: StepState) -> Part {
    let duration_ms = state.is_final().then_some(1_500);
    Part::Journal(RunEvent::StepChanged {
        step: step.into(),
        state,
        detail: None,
        duration_ms,
        allowed_to_fail: false,
        limit_until: None,
    })
}

fn started(step: &str) -> Vec<Part> {
    let of = of(step);
    let (job_id, base) = (of.to_string().as_str().into(), of.base());
    let started =
        RunEvent::AttemptStarted { of: of.clone(), job_id, base, fingerprint: None, resumed_session: None };
    let running = RunEvent::AttemptPhase { of, phase: AttemptPhase::Running { process: None } };
    vec![
        changed(step, StepState::Starting),
        Part::Journal(started),
        Part::Journal(running),
        changed(step, StepState::Running),
    ]
}

fn ended(step: &str, status: WorkerStatus, state: StepState, log_bytes: usize) -> Vec<Part> {
    let exit_code = Some(i32::from(status == WorkerStatus::Failed));
    let result = WorkerResult::of_status(status).with_duration_ms(1_500).with_exit_code(exit_code);
    let (of, log_bytes) = (of(step), log_bytes as u64);
    let finished =
        RunEvent::AttemptFinished { of, result: result.into(), last_seq: None, log_bytes, events_bytes: 0 };
    vec![Part::Journal(finished), changed(step, state)]
}

fn plan(step: &str, worker: WorkerKind) -> StepPlan {
    StepPlan {
        step: step.into(),
        worker,
        depends_on: Vec::new(),
        description: None,
        timeout_ms: None,
        max_attempts: 1,
        max_iterations: None,
        role: roboppi_run::Role::Work,
        check: None,
        host: roboppi_run::HostId::here(),
    }
}

/// A command that fails after much output, and an agent that succeeds.
fn parts() -> Vec<Part> {
    let mut parts = vec![Part::Journal(RunEvent::RunStarted {
        run_id: id(),
        handle: None,
        name: "demo".to_owned(),
        workflow: "/w/demo.yaml".to_owned(),
        workspace: "/w".to_owned(),
        context_dir: "/w/context".to_owned(),
        mode: RunMode::Supervised,
        timeout_ms: 60_000,
        concurrency: 4,
        stream_stdio: true,
        steps: vec![plan("build", WorkerKind::CUSTOM).into(), plan("fix", WorkerKind::CLAUDE_CODE).into()],
        only: Vec::new(),
        resumes: None,
    })];
    parts.extend(started("build"));
    let mut bytes = 0;
    for number in 1..=200 {
        let text = format!("line {number} of \x1b[31mmany\x1b[0m\n").into_bytes();
        bytes += text.len();
        let stream = if number % 5 == 0 { OutputStream::Stderr } else { OutputStream::Stdout };
        parts.push(Part::Output(of("build"), stream, text));
    }
    let unfinished = b"no newline".to_vec();
    bytes += unfinished.len();
    parts.push(Part::Output(of("build"), OutputStream::Stdout, unfinished));
    parts.extend(ended("build", WorkerStatus::Failed, StepState::Failed, bytes));
    parts.extend(started("fix"));
    for number in 0..5 {
        let call = ToolCall::new(format!("t{number}"), "edit", Value::Null);
        parts.push(Part::Event(of("fix"), WorkerEvent::ToolCall(call)));
    }
    parts.extend(ended("fix", WorkerStatus::Succeeded, StepState::Succeeded, 0));
    let (outcome, detail) = (RunOutcome::Failed, Some("failed: `build`".to_owned()));
    parts.push(Part::Journal(RunEvent::RunFinished {
        outcome,
        exit_code: 1,
        duration_ms: 20_000,
        detail,
        flaky: Vec::new(),
    }));
    parts
}

/// What records the run and shows it.
trait Recorder {
    fn add(&mut self, record: RunRecord);
    fn output(&mut self, of: &AttemptRef, stream: OutputStream, bytes: &[u8], ts: UtcMillis) -> Appended;
}

struct Files {
    feed: Arc<LiveFeed>,
    journal: JournalWriter,
    log: SpoolWriter,
    events: EventFileWriter,
}

impl Recorder for Files {
    fn add(&mut self, record: RunRecord) {
        match &record {
            RunRecord::Journal(record) => {
                if matches!(&record.event, RunEvent::AttemptFinished { .. }) {
                    self.log.close().unwrap();
                }
                assert_eq!(self.journal.append(record.ts, record.event.clone()).unwrap(), *record);
            }
            RunRecord::Attempt(_, record) if record.event.is_recorded() => {
                self.events.append(record).unwrap();
            }
            RunRecord::Attempt(..) => {}
        }
        self.feed.publish(record);
    }

    fn output(&mut self, _of: &AttemptRef, stream: OutputStream, bytes: &[u8], ts: UtcMillis) -> Appended {
        self.log.append(stream, bytes, ts).unwrap()
    }
}

impl Recorder for MemoryRun {
    fn add(&mut self, record: RunRecord) {
        self.publish(record);
    }

    fn output(&mut self, of: &AttemptRef, stream: OutputStream, bytes: &[u8], ts: UtcMillis) -> Appended {
        self.record().output(of, stream, bytes, ts)
    }
}

/// Records the run.
fn record(recorder: &mut dyn Recorder) {
    let (mut seq, mut event_seq) = (0, 0);
    for (index, part) in parts().into_iter().enumerate() {
        let ts = UtcMillis(START + 100 * index as u64);
        let record = match part {
            Part::Journal(event) => {
                seq += 1;
                RunRecord::Journal(JournalRecord { seq, ts, event })
            }
            Part::Event(of, event) => {
                event_seq += 1;
                RunRecord::Attempt(of, AttemptRecord { seq: event_seq, ts, at: 0, event })
            }
            Part::Output(of, stream, bytes) => {
                event_seq += 1;
                let Appended { offset, len } = recorder.output(&of, stream, &bytes, ts);
                let data = String::from_utf8_lossy(&bytes).into_owned();
                let output =
                    WorkerOutput::new(data).with_range(offset, len).with_partial(!bytes.ends_with(b"\n"));
                let event = WorkerEvent::output(stream, output);
                RunRecord::Attempt(of, AttemptRecord { seq: event_seq, ts, at: offset + len, event })
            }
        };
        recorder.add(record);
    }
}

#[derive(Clone, Default)]
struct Text(Arc<Mutex<Vec<u8>>>);

impl Write for Text {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn text(write: impl FnOnce(Text)) -> String {
    let text = Text::default();
    write(text.clone());
    let bytes = text.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

/// The views that follow a source.
fn followed(source: &Arc<dyn RunSource>) -> Vec<String> {
    let settings = |stream, verbose| PlainSettings {
        stream,
        verbose,
        heartbeat: Duration::ZERO,
        ..PlainSettings::default()
    };
    let lines = |settings| text(|out| plain::run(Arc::clone(source), settings, out).unwrap());
    vec![
        lines(settings(false, false)),
        lines(settings(true, true)),
        text(|out| plain::run_in_short(source.as_ref(), &settings(false, false), out).unwrap()),
        text(|out| jsonl::run(Arc::clone(source), out).unwrap()),
        status::status(source.as_ref(), UtcMillis(START + 90_000)),
    ]
}

/// The views that read a record.
fn read(record: &dyn RecordStore, view: &RunView) -> Vec<String> {
    let audience = Audience { note: &|text| panic!("{text}"), is_gone: &|| false };
    let liveness = Liveness::Finished(RunOutcome::Failed);
    let page = Page {
        id: id().to_string(),
        record,
        view,
        liveness,
        progress: Progress::of(view, &History::default(), UtcMillis(START + 90_000)),
        now: UtcMillis(START + 90_000),
        zone: Zone::utc(),
    };
    let attempts: Vec<_> = view.steps.iter().flat_map(|step| &step.attempts).collect();
    let mut step = StepOutput::find(Some(id()), record, view, liveness, "build", None).unwrap();
    let mut shown = vec![
        page.text(),
        text(|out| assert!(!logs::copy(record, &attempts, true, out, audience).unwrap())),
        text(|out| assert!(!logs::paths(record, &attempts, out, audience).unwrap())),
        text(|mut out| step.write_text(&mut out, true).unwrap()),
        text(|mut out| step.write_json(&mut out).unwrap()),
    ];
    shown.extend(log_damage(record, view));
    shown.extend(step.damage().unwrap());
    shown
}

/// Everything that is printed of a run that is over, and its view by the journal.
fn all(source: LiveSource, replay: ReplaySource) -> (Vec<String>, RunView) {
    let source: Arc<dyn RunSource> = Arc::new(source);
    let view = source.follow().view;
    let mut shown = followed(&source);
    shown.extend(read(source.record(), &view));
    shown.push(text(|out| jsonl::run(Arc::new(replay), out).unwrap()));
    (shown, source.record().view().unwrap())
}

fn in_directory(state: &Path) -> (RunDir, (Vec<String>, RunView)) {
    let dir = StateRoot::at(state.to_owned()).create_run(&id()).unwrap();
    let feed = Arc::new(LiveFeed::default());
    let mut files = Files {
        feed: Arc::clone(&feed),
        journal: JournalWriter::create(&dir).unwrap(),
        log: SpoolWriter::new(dir.path(), &of("build").base()).unwrap(),
        events: EventFileWriter::new(dir.path(), &of("fix").base()).unwrap(),
    };
    record(&mut files);
    feed.close();
    let replay = ReplaySource::open(&dir.clone().into(), Speed::Max, AtEnd::Close).unwrap();
    (dir.clone(), all(LiveSource::new(feed, dir, mpsc::channel(1).0), replay))
}

fn in_memory(location: Option<&Path>) -> (Vec<String>, RunView) {
    let (mut run, _requested) = MemoryRun::new(location);
    record(&mut run);
    run.close();
    let replayed = Arc::new(run.record().clone());
    all(run.source(), ReplaySource::with_record(replayed, Speed::Max, AtEnd::Close).unwrap())
}

#[test]
fn every_view_of_a_run_in_memory_is_the_one_of_the_same_run_in_a_directory() {
    let state = tempfile::tempdir().unwrap();
    let (dir, (expected, expected_view)) = in_directory(state.path());
    drop(state);
    assert!(!dir.path().exists(), "what is read from here on is not in it");
    let (shown, view) = in_memory(Some(dir.path()));
    assert_eq!(view, expected_view);
    assert_eq!(shown.len(), expected.len());
    for (shown, expected) in shown.iter().zip(&expected) {
        assert!(shown.lines().count() > 1, "{shown}");
        assert_eq!(shown, expected);
    }
}

#[test]
fn a_record_in_no_place_is_printed_without_one() {
    let (shown, _) = in_memory(None);
    let (lines, page) = (&shown[0], &shown[5]);
    assert!(
        lines.starts_with("Workflow demo: 2 steps\n  run        0194-demo\n  workspace  /w\n\n"),
        "{lines}"
    );
    assert!(lines.contains("whole log: steps/build/i1-a1.log"), "{lines}");
    assert!(!lines.contains("record") && !page.contains("record"), "{lines}{page}");
    let (run, _requested) = MemoryRun::new(None);
    assert_eq!(run.source().record().location(RecordPart::Run), None);
}
