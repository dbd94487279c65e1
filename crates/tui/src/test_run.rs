//! Runs for tests, told record by record.

use std::sync::Arc;

use jiff::tz::TimeZone;
use ratatui::buffer::Buffer;
use ratatui::layout::{Rect, Size};
use roboppi_ipc::{
    CancelReason, CoreEvent, ErrorClass, JobId, Leaked, Observation, Patch, ProcessIdentity, Progress,
    ResultDetails, UtcMillis, WorkerEvent, WorkerKind, WorkerResult, WorkerStatus,
};
use roboppi_run::{
    AttemptPhase, AttemptRecord, AttemptRef, HostId, JournalRecord, RunEvent, RunId, RunMode, RunOutcome,
    RunRecord, RunView, StepPath, StepPlan, StepState,
};

use crate::keymap::Key;
use crate::log_pane::{Anchor, LogReply, LogRow, LogWindow, RowPos};
use crate::message::{Action, Message};
use crate::model::Model;
use crate::update::{log_request, prepare, update};
use crate::view;
use crate::{Colours, TuiSettings};

/// 2025-01-02 03:04:05 UTC.
pub(crate) const START: u64 = 1_735_787_045_000;

/// A run while it is told.
#[derive(Debug)]
pub(crate) struct TestRun {
    now: u64,
    seq: u64,
    attempt_seq: u64,
    pub(crate) records: Vec<Arc<RunRecord>>,
}

pub(crate) fn of(step: &str, attempt: u32) -> AttemptRef {
    AttemptRef { attempt, ..AttemptRef::first(StepPath::from(step)) }
}

pub(crate) fn plan(step: &str, depends_on: &[&str]) -> StepPlan {
    StepPlan {
        step: StepPath::from(step),
        worker: WorkerKind::CUSTOM,
        depends_on: depends_on.iter().map(|step| StepPath::from(*step)).collect(),
        description: None,
        timeout_ms: None,
        max_attempts: 1,
        max_iterations: None,
        role: roboppi_run::Role::Work,
        check: None,
        host: HostId::here(),
    }
}

pub(crate) fn result(status: WorkerStatus, exit_code: Option<i32>) -> WorkerResult {
    WorkerResult::of_status(status)
        .with_duration_ms(4_200)
        .with_exit_code(exit_code)
        .with_error_class((status == WorkerStatus::Failed).then_some(ErrorClass::NonRetryable))
}

impl TestRun {
    pub(crate) fn with(steps: Vec<StepPlan>, stream_stdio: bool) -> Self {
        let mut run = Self { now: START, seq: 0, attempt_seq: 0, records: Vec::new() };
        run.journal(RunEvent::RunStarted {
            run_id: RunId::parse("0194-test").unwrap(),
            handle: None,
            name: "release".to_owned(),
            workflow: "/home/me/app/release.yaml".to_owned(),
            workspace: "/home/me/app".to_owned(),
            context_dir: "/home/me/app/context".to_owned(),
            mode: RunMode::Supervised,
            timeout_ms: 1_800_000,
            concurrency: 2,
            stream_stdio,
            steps: steps.into_iter().map(Into::into).collect(),
            only: Vec::new(),
            resumes: None,
        });
        run
    }

    /// fetch → build → {test, lint} → publish.
    pub(crate) fn release() -> Self {
        let mut build = plan("build", &["fetch"]);
        build.description = Some("Compiles everything".to_owned());
        build.max_attempts = 3;
        build.timeout_ms = Some(300_000);
        let steps = vec![
            plan("fetch", &[]),
            build,
            plan("test", &["build"]),
            plan("lint", &["build"]),
            plan("publish", &["test", "lint"]),
        ];
        Self::with(steps, true)
    }

    pub(crate) fn journal(&mut self, event: RunEvent) {
        self.seq += 1;
        let record = JournalRecord { seq: self.seq, ts: UtcMillis(self.now), event };
        self.records.push(Arc::new(RunRecord::Journal(record)));
    }

    pub(crate) fn event(&mut self, of: &AttemptRef, event: WorkerEvent) {
        self.attempt_seq += 1;
        let record = AttemptRecord { seq: self.attempt_seq, ts: UtcMillis(self.now), at: 0, event };
        self.records.push(Arc::new(RunRecord::Attempt(of.clone(), record)));
    }

    pub(crate) fn after(&mut self, ms: u64) -> &mut Self {
        self.now += ms;
        self
    }

    pub(crate) fn state(&mut self, step: &str, state: StepState) -> &mut Self {
        self.state_because(step, state, None)
    }

    pub(crate) fn state_because(&mut self, step: &str, state: StepState, detail: Option<&str>) -> &mut Self {
        let duration_ms = (state.is_final() && state != StepState::Skipped).then_some(4_200);
        self.journal(RunEvent::StepChanged {
            step: StepPath::from(step),
            state,
            detail: detail.map(str::to_owned),
            duration_ms,
            allowed_to_fail: false,
            limit_until: None,
        });
        self
    }

    /// A step that waits for a usage limit of its agent.
    pub(crate) fn limited(&mut self, step: &str, state: StepState, until: UtcMillis) -> &mut Self {
        self.journal(RunEvent::StepChanged {
            step: StepPath::from(step),
            state,
            detail: Some("CLAUDE_CODE: exit code 1: You've hit your session limit".to_owned()),
            duration_ms: None,
            allowed_to_fail: false,
            limit_until: Some(until),
        });
        self
    }

    pub(crate) fn phase(&mut self, of: &AttemptRef, phase: AttemptPhase) -> &mut Self {
        self.journal(RunEvent::AttemptPhase { of: of.clone(), phase });
        self
    }

    /// An attempt whose worker is alive.
    pub(crate) fn running(&mut self, step: &str, attempt: u32, pid: u32) -> &mut Self {
        let of = of(step, attempt);
        self.journal(RunEvent::AttemptStarted {
            of: of.clone(),
            job_id: JobId::new(of.to_string()),
            base: of.base(),
            fingerprint: None,
            resumed_session: None,
        });
        let process = Some(ProcessIdentity { pid, start_time: 1 });
        self.phase(&of, AttemptPhase::Running { process });
        self.state(step, StepState::Running)
    }

    pub(crate) fn ended(&mut self, of: &AttemptRef, result: WorkerResult) -> &mut Self {
        self.journal(RunEvent::AttemptFinished {
            of: of.clone(),
            result: result.into(),
            last_seq: None,
            log_bytes: 12_345,
            events_bytes: 0,
        });
        self
    }

    /// An attempt from start to end.
    pub(crate) fn done(&mut self, step: &str, attempt: u32, result: WorkerResult) -> &mut Self {
        let state = match result.status {
            WorkerStatus::Succeeded => StepState::Succeeded,
            WorkerStatus::Failed => StepState::Failed,
            WorkerStatus::Cancelled => StepState::Cancelled,
            WorkerStatus::Unknown(word) => StepState::Unknown(word),
        };
        self.running(step, attempt, 100 + attempt);
        self.after(4_200).ended(&of(step, attempt), result).state(step, state)
    }

    pub(crate) fn finished(&mut self, outcome: RunOutcome, exit_code: u8) -> &mut Self {
        let duration_ms = self.now - START;
        self.journal(RunEvent::RunFinished {
            outcome,
            exit_code,
            duration_ms,
            detail: None,
            flaky: Vec::new(),
        });
        self
    }

    pub(crate) fn core(&mut self) -> &mut Self {
        let process = Some(ProcessIdentity { pid: 99, start_time: 1 });
        self.journal(RunEvent::CoreStarted {
            host: HostId::here(),
            incarnation: 1,
            process,
            protocol: 2,
            version: "0.1.0".to_owned(),
            workers: Vec::new(),
        });
        self.journal(RunEvent::CoreReport {
            host: HostId::here(),
            event: CoreEvent::Permits { active: 1, limit: 2 },
        });
        self
    }

    pub(crate) fn progress(
        &mut self,
        of: &AttemptRef,
        percent: f64,
        phase: &str,
        message: &str,
    ) -> &mut Self {
        let progress = Progress::new(message).with_percent(Some(percent)).with_phase(Some(phase.to_owned()));
        self.event(of, WorkerEvent::Progress(progress));
        self
    }

    pub(crate) fn patch(&mut self, of: &AttemptRef, path: &str, diff: &str) -> &mut Self {
        let patch = Patch::new(path, diff);
        self.event(of, WorkerEvent::Patch(patch));
        self
    }

    pub(crate) fn view(&self) -> RunView {
        let mut view = RunView::default();
        self.records.iter().for_each(|record| view.apply(record));
        view
    }

    /// A model that saw every record live.
    pub(crate) fn model(&self, columns: u16, rows: u16) -> Model {
        let mut model = empty(columns, rows);
        model.now = UtcMillis(self.now);
        for record in &self.records {
            update(&mut model, Message::Record(Arc::clone(record)));
        }
        prepare(&mut model);
        model
    }
}

pub(crate) fn settings() -> TuiSettings {
    TuiSettings {
        colours: Colours::None,
        ascii: false,
        role: crate::Role::Owner,
        nested: false,
        elsewhere: false,
        mouse: true,
        hold: crate::HoldPolicy::Always,
        notify: None,
        version: "0.1.0".to_owned(),
        title: "release.yaml".to_owned(),
    }
}

pub(crate) fn empty(columns: u16, rows: u16) -> Model {
    let mut model = Model::new(settings(), TimeZone::UTC, Size::new(columns, rows), UtcMillis(START));
    model.run_dir = "/state/runs/0194".to_owned();
    model
}

/// A run in the middle of its work.
pub(crate) fn running() -> TestRun {
    let mut run = TestRun::release();
    run.core();
    run.done("fetch", 1, result(WorkerStatus::Succeeded, Some(0)));
    run.done("build", 1, result(WorkerStatus::Failed, Some(101))).after(1_000);
    run.state("build", StepState::Retrying).running("build", 2, 202);
    run.progress(&of("build", 2), 45.0, "compile", "12/30 crates").after(61_000);
    run.journal(RunEvent::Warning {
        message: "the disk is almost full".to_owned(),
        step: Some(StepPath::from("build")),
    });
    run.state("lint", StepState::Ready);
    run
}

/// A run that is being ended.
pub(crate) fn ending() -> TestRun {
    let mut run = running();
    run.running("lint", 1, 303).after(500);
    run.journal(RunEvent::RunEnding { reason: CancelReason::User, force: false, signal: None });
    for of in [of("build", 2), of("lint", 1)] {
        let reason = Some(CancelReason::User);
        run.phase(&of, AttemptPhase::Terminating { reason, limit_ms: 5_000 });
    }
    run.state("build", StepState::Ending).state("lint", StepState::Ending);
    run.state_because("publish", StepState::Skipped, Some("the run is being ended"));
    run.after(1_800);
    run
}

/// A run that failed in `test`.
pub(crate) fn failed() -> TestRun {
    let mut run = TestRun::release();
    run.core();
    run.done("fetch", 1, result(WorkerStatus::Succeeded, Some(0)));
    run.done("build", 1, result(WorkerStatus::Succeeded, Some(0)));
    let mut broken = result(WorkerStatus::Failed, Some(1));
    broken.observations = vec![
        Observation::text("assertion failed\n\x1b[31mleft: 1\x1b[0m")
            .with_command(Some("cargo test".to_owned()))
            .with_files_changed(vec!["src/lib.rs".to_owned()]),
    ];
    broken.details = Some(Box::new(
        ResultDetails::default()
            .with_leaked(vec![Leaked::new(ProcessIdentity { pid: 4_242, start_time: 1 }, "sleep 1000")]),
    ));
    run.done("test", 1, broken);
    run.done("lint", 1, result(WorkerStatus::Succeeded, Some(0)));
    run.state_because("publish", StepState::Skipped, Some("test failed"));
    run.finished(RunOutcome::Failed, 1).after(600_000);
    run
}

/// A run that succeeded.
pub(crate) fn succeeded() -> TestRun {
    let mut run = TestRun::release();
    run.core();
    for step in ["fetch", "build", "test", "lint", "publish"] {
        run.done(step, 1, result(WorkerStatus::Succeeded, Some(0)));
    }
    run.patch(&of("build", 1), "Cargo.lock", "@@ -1,2 +1,3 @@\n same\n-old\n+new\n+newer\n");
    run.finished(RunOutcome::Succeeded, 0).after(1_000);
    run
}

/// Presses keys; a blank in `keys` separates names such as `Enter` from characters.
pub(crate) fn press(model: &mut Model, keys: &str) -> Vec<Action> {
    let mut actions = Vec::new();
    for key in keys.split(' ') {
        let key = match key {
            "Enter" => Key::Enter,
            "Esc" => Key::Esc,
            "Tab" => Key::Tab,
            "S-Tab" => Key::BackTab,
            "PgUp" => Key::PageUp,
            "PgDn" => Key::PageDown,
            "Home" => Key::Home,
            "End" => Key::End,
            "F1" => Key::F1,
            "Space" => Key::Char(' '),
            "C-c" => Key::Ctrl('c'),
            key => Key::Char(key.chars().next().unwrap()),
        };
        actions.extend(update(model, Message::Key(key)));
    }
    prepare(model);
    actions
}

/// Gives the model the lines it asks for, out of `log`.
pub(crate) fn serve_log(model: &mut Model, log: &[LogRow]) {
    let Some(request) = log_request(model) else { return };
    let last = log.len().saturating_sub(usize::from(request.rows));
    let (first, delta) = match request.anchor {
        Anchor::End => (last, 0),
        Anchor::At { place, delta } => {
            (usize::try_from(place.line).unwrap().saturating_add_signed(delta).min(last), delta)
        }
    };
    let rows = log.iter().skip(first).take(usize::from(request.rows)).cloned().collect();
    let window = LogWindow {
        of: Some(request.of),
        epoch: request.epoch,
        delta,
        top: RowPos { line: first as u64, part: 0 },
        at_end: first == last,
        total: log.len() as u64,
        rows,
        ..LogWindow::default()
    };
    update(model, Message::Log(LogReply::Window(window)));
}

/// The screen as cells.
pub(crate) fn draw(model: &Model) -> Buffer {
    let mut buffer = Buffer::empty(Rect::from(model.size));
    view::draw(model, &mut buffer);
    buffer
}

/// The screen as text, without blanks at the ends of lines.
pub(crate) fn screen(model: &Model) -> String {
    text_of(&draw(model))
}

pub(crate) fn text_of(buffer: &Buffer) -> String {
    let mut text = String::new();
    for row in buffer.area.rows() {
        text.push_str(&view::row_text(buffer, row));
        text.push('\n');
    }
    text
}
