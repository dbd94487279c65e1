//! The printer on records made by hand, and the sink on runs with a record.

use std::collections::BTreeMap;
use std::path::PathBuf;

use roboppi_ipc::{
    CancelReason, CoreEvent, JobId, Leaked, OutputStream, ProcessIdentity, Progress, UtcMillis, Waiting,
    WorkerEvent,
};
use roboppi_record::RecordError;
use roboppi_run::{
    AttemptPhase, AttemptRecord, AttemptRef, HostId, RunEvent, RunOutcome, RunRecord, RunView, StepPath,
    StepState,
};

use super::log::{LogTail, Logs};
use super::printer::PlainPrinter;
use super::*;
use crate::fixtures::{
    START, attempt, attempt_finished, attempt_running, attempt_started, changed, ended, journal,
    run_finished, run_started, whole_step,
};

mod sink;

/// Logs by their text.
#[derive(Default)]
struct FakeLogs(BTreeMap<String, LogTail>);

impl FakeLogs {
    fn with(mut self, of: &AttemptRef, lines: &[&str], total: u64) -> Self {
        let lines = lines.iter().map(|line| (OutputStream::Stdout, line.as_bytes().to_vec())).collect();
        let tail = LogTail { lines, total, cut: false, last_at: Some(UtcMillis(START + 20_000)) };
        self.0.insert(of.to_string(), tail);
        self
    }
}

impl Logs for FakeLogs {
    fn tail(&mut self, of: &AttemptRef, lines: usize, _bytes: u64) -> Result<LogTail, RecordError> {
        let mut tail = self.0.get(&of.to_string()).cloned().unwrap_or_default();
        let all = tail.lines.len();
        tail.lines.drain(..all.saturating_sub(lines));
        Ok(tail)
    }

    fn path(&self, of: &AttemptRef) -> PathBuf {
        PathBuf::from(format!("/runs/0194-demo/{}.log", of.base()))
    }
}

fn printer(settings: PlainSettings) -> PlainPrinter {
    printer_with(settings, FakeLogs::default())
}

fn printer_with(settings: PlainSettings, logs: FakeLogs) -> PlainPrinter {
    PlainPrinter::new(settings, Some(PathBuf::from("/runs/0194-demo")), Box::new(logs))
}

/// What was printed since the last call.
fn taken(printer: &mut PlainPrinter) -> String {
    let text = String::from_utf8(printer.text().to_vec()).unwrap();
    printer.clear();
    text
}

fn printed_with(settings: PlainSettings, events: Vec<RunEvent>, logs: FakeLogs) -> String {
    let mut printer = printer_with(settings, logs);
    for record in journal(events) {
        printer.record(&record);
    }
    printer.finish();
    taken(&mut printer)
}

fn printed(events: Vec<RunEvent>, logs: FakeLogs) -> String {
    printed_with(PlainSettings::default(), events, logs)
}

fn allowed(event: RunEvent) -> RunEvent {
    match event {
        RunEvent::StepChanged { step, state, detail, duration_ms, .. } => RunEvent::StepChanged {
            step,
            state,
            detail,
            duration_ms,
            allowed_to_fail: true,
            limit_until: None,
        },
        other => other,
    }
}

/// Two attempts of `flaky`, the second one ends as said.
fn retried(state: StepState) -> Vec<RunEvent> {
    let (first, second) = (attempt("flaky", 1), attempt("flaky", 2));
    let (code, detail) =
        if state == StepState::Succeeded { (0, "") } else { (7, "attempt 2 of 2: exit code 7") };
    vec![
        changed("flaky", StepState::Starting, ""),
        attempt_started(&first),
        attempt_running(&first),
        changed("flaky", StepState::Running, ""),
        attempt_finished(&first, 7, None, 0),
        changed("flaky", StepState::Retrying, "attempt 1 of 2: exit code 7"),
        changed("flaky", StepState::Starting, ""),
        attempt_started(&second),
        attempt_running(&second),
        changed("flaky", StepState::Running, ""),
        attempt_finished(&second, code, None, 0),
        ended("flaky", state, detail, 900),
    ]
}

#[test]
fn a_green_run() {
    let mut events = vec![run_started(&[("build", 1), ("test", 1)])];
    events.extend(whole_step("build", StepState::Succeeded, ""));
    events.extend(whole_step("test", StepState::Succeeded, ""));
    events.push(run_finished(RunOutcome::Succeeded, 12_345, ""));
    insta::assert_snapshot!(printed(events, FakeLogs::default()), @r#"
    Workflow demo: 2 steps
      run        0194-demo
      workspace  /w
      record     /runs/0194-demo

      600ms  ✓ build  1.5s
       1.2s  ✓ test  1.5s

    Step   State        Duration  Attempts  Why
    build  ✓ succeeded      1.5s         1
    test   ✓ succeeded      1.5s         1

    SUCCEEDED: 2 steps in 12.3s
      context  /w/context
      record   /runs/0194-demo
    "#);
}

#[test]
fn a_failing_run() {
    let mut events = vec![run_started(&[("build", 1), ("unit tests", 1), ("deploy", 1)])];
    events.extend(whole_step("build", StepState::Succeeded, ""));
    events.extend(whole_step("unit tests", StepState::Failed, "exit code 1"));
    events.push(changed("deploy", StepState::Skipped, "`unit tests` failed"));
    events.push(run_finished(RunOutcome::Failed, 2_000, "failed: `unit tests`"));
    let logs = FakeLogs::default().with(
        &attempt("unit tests", 1),
        &["::error::not for the CI", "\x1b[31m1 != 2\x1b[0m", "##[group]neither", ""],
        1_234,
    );
    insta::assert_snapshot!(printed(events, logs), @r#"
    Workflow demo: 3 steps
      run        0194-demo
      workspace  /w
      record     /runs/0194-demo

      600ms  ✓ build  1.5s
       1.2s  ✗ unit tests  exit code 1  1.5s

    --- output of unit tests (last 4 of 1,234 lines; whole log: /runs/0194-demo/steps/unit%20tests/i1-a1.log) ---
      | ::error::not for the CI
      | 1 != 2
      | ## [group]neither
      |
      read it: roboppi logs 0194-demo 'unit tests'

       1.3s  - deploy  skipped: `unit tests` failed

    Step        State        Duration  Attempts  Why
    build       ✓ succeeded      1.5s         1
    unit tests  ✗ failed         1.5s         1  exit code 1
    deploy      - skipped           -         -  `unit tests` failed

    FAILED: 1 of 3 steps failed in 2.0s (1 succeeded, 1 skipped)
      failed   unit tests: exit code 1
      output   roboppi logs 0194-demo 'unit tests'
      context  /w/context
      record   /runs/0194-demo
      resume   roboppi workflow run /w/demo.yaml --resume 0194-demo
    "#);
}

#[test]
fn another_attempt() {
    let mut events = vec![run_started(&[("flaky", 2)])];
    events.extend(retried(StepState::Succeeded));
    events.push(run_finished(RunOutcome::Succeeded, 1_000, ""));
    insta::assert_snapshot!(printed(events, FakeLogs::default()), @r#"
    Workflow demo: 1 step
      run        0194-demo
      workspace  /w
      record     /runs/0194-demo

      600ms  ↻ flaky  attempt 1 failed: exit code 7, retrying in 100ms
       1.2s  ✓ flaky  900ms (attempt 2)

    Step   State        Duration  Attempts  Why
    flaky  ✓ succeeded     900ms         2

    SUCCEEDED: 1 step in 1.0s
      flaky    flaky: failed once, then succeeded on attempt 2
      context  /w/context
      record   /runs/0194-demo
    "#);
}

#[test]
fn all_attempts_fail() {
    let mut events = vec![run_started(&[("flaky", 2)])];
    events.extend(retried(StepState::Failed));
    events.push(run_finished(RunOutcome::Failed, 1_000, "failed: `flaky`"));
    let logs = FakeLogs::default().with(&attempt("flaky", 2), &["boo"], 1);
    insta::assert_snapshot!(printed(events, logs), @r#"
    Workflow demo: 1 step
      run        0194-demo
      workspace  /w
      record     /runs/0194-demo

      600ms  ↻ flaky  attempt 1 failed: exit code 7, retrying in 100ms
       1.2s  ✗ flaky  exit code 7  900ms (attempt 2)

    --- output of flaky#2 (1 line; whole log: /runs/0194-demo/steps/flaky/i1-a2.log) ---
      | boo
      read it: roboppi logs 0194-demo flaky


    Step   State     Duration  Attempts  Why
    flaky  ✗ failed     900ms         2  exit code 7

    FAILED: 1 of 1 step failed in 1.0s
      failed   flaky: exit code 7
      output   roboppi logs 0194-demo flaky
      context  /w/context
      record   /runs/0194-demo
      resume   roboppi workflow run /w/demo.yaml --resume 0194-demo
    "#);
}

#[test]
fn a_step_that_may_fail() {
    let mut events = vec![run_started(&[("lint", 1), ("test", 1)])];
    events.extend(whole_step("lint", StepState::Failed, "exit code 1").into_iter().map(allowed));
    events.extend(whole_step("test", StepState::Failed, "exit code 2"));
    events.push(run_finished(RunOutcome::Failed, 3_000, "failed: `test`"));
    let lines: Vec<String> = (1..=20).map(|number| format!("line {number}")).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let logs = FakeLogs::default().with(&attempt("lint", 1), &lines, 20);
    insta::assert_snapshot!(printed(events, logs), @r#"
    Workflow demo: 2 steps
      run        0194-demo
      workspace  /w
      record     /runs/0194-demo

      600ms  ✗ lint  exit code 1  1.5s (allowed to fail)

    --- output of lint (last 10 of 20 lines; whole log: /runs/0194-demo/steps/lint/i1-a1.log) ---
      | line 11
      | line 12
      | line 13
      | line 14
      | line 15
      | line 16
      | line 17
      | line 18
      | line 19
      | line 20
      read it: roboppi logs 0194-demo lint

       1.2s  ✗ test  exit code 2  1.5s

    --- test wrote no output ---


    Step  State               Duration  Attempts  Why
    lint  ✗ failed (allowed)      1.5s         1  exit code 1
    test  ✗ failed                1.5s         1  exit code 2

    FAILED: 1 of 2 steps failed in 3.0s (1 allowed to fail)
      failed   test: exit code 2
      output   roboppi logs 0194-demo test
      context  /w/context
      record   /runs/0194-demo
      resume   roboppi workflow run /w/demo.yaml --resume 0194-demo
    "#);
}

#[test]
fn a_cancelled_run() {
    let (build, test) = (attempt("build", 1), attempt("test", 1));
    let mut events = vec![run_started(&[("build", 1), ("test", 1), ("deploy", 1)])];
    for of in [&build, &test] {
        let step = of.step.as_str();
        events.extend([changed(step, StepState::Starting, ""), attempt_started(of), attempt_running(of)]);
        events.push(changed(step, StepState::Running, ""));
    }
    events.extend([
        RunEvent::RunEnding { reason: CancelReason::User, force: false, signal: None },
        changed("deploy", StepState::Skipped, "the run was ended before it started"),
        changed("build", StepState::Ending, "asked to end: user"),
        changed("test", StepState::Ending, "asked to end: user"),
        attempt_finished(&build, 143, None, 0),
        ended("build", StepState::Cancelled, "exit code 143", 1_000),
        RunEvent::RunEnding { reason: CancelReason::User, force: true, signal: None },
        attempt_finished(&test, 137, None, 0),
        ended("test", StepState::Cancelled, "exit code 137", 1_000),
        run_finished(RunOutcome::Cancelled, 1_500, "cancelled: user"),
    ]);
    insta::assert_snapshot!(printed(events, FakeLogs::default()), @r#"
    Workflow demo: 3 steps
      run        0194-demo
      workspace  /w
      record     /runs/0194-demo

      900ms  ■ ending the run: cancelled by the user; waiting for build, test
       1.0s  - deploy  skipped: the run was ended before it started
       1.4s  ■ build  cancelled: exit code 143  1.0s
       1.5s  ■ ending the run: cancelled by the user, killing what is left; waiting for test
       1.7s  ■ test  cancelled: exit code 137  1.0s

    Step    State        Duration  Attempts  Why
    build   ■ cancelled      1.0s         1  exit code 143
    test    ■ cancelled      1.0s         1  exit code 137
    deploy  - skipped           -         -  the run was ended before it started

    CANCELLED: after 1.5s (2 cancelled, 1 skipped)
      cancelled: user
      context  /w/context
      record   /runs/0194-demo
      resume   roboppi workflow run /w/demo.yaml --resume 0194-demo
    "#);
}

#[test]
fn a_lost_core() {
    let of = attempt("build", 1);
    let events = vec![
        run_started(&[("build", 1), ("test", 1)]),
        changed("build", StepState::Starting, ""),
        attempt_started(&of),
        attempt_running(&of),
        changed("build", StepState::Running, ""),
        RunEvent::CoreLost {
            host: HostId::here(),
            incarnation: 1,
            detail: "killed by signal 9;\nlast words: none".to_owned(),
        },
        attempt_finished(&of, 1, None, 0),
        RunEvent::RunEnding { reason: CancelReason::Lost, force: false, signal: None },
        changed("test", StepState::Skipped, "the run was ended before it started"),
        ended("build", StepState::Lost, "killed by signal 9", 1_000),
        run_finished(RunOutcome::Lost, 1_500, "lost with the core: `build`"),
    ];
    let logs = FakeLogs::default().with(&of, &["half a line"], 1);
    insta::assert_snapshot!(printed(events, logs), @r#"
    Workflow demo: 2 steps
      run        0194-demo
      workspace  /w
      record     /runs/0194-demo

      500ms  ✗ core lost: killed by signal 9; last words: none
      700ms  ■ ending the run: the core is lost; waiting for build
      800ms  - test  skipped: the run was ended before it started
      900ms  ? build  lost: killed by signal 9  1.0s

    --- output of build (1 line; whole log: /runs/0194-demo/steps/build/i1-a1.log) ---
      | half a line
      read it: roboppi logs 0194-demo build


    Step   State      Duration  Attempts  Why
    build  ? lost         1.0s         1  killed by signal 9
    test   - skipped         -         -  the run was ended before it started

    LOST: after at least 1.5s (1 lost, 1 skipped)
      lost with the core: `build`
      warning  core lost: killed by signal 9; last words: none
      context  /w/context
      record   /runs/0194-demo
      resume   roboppi workflow run /w/demo.yaml --resume 0194-demo
    "#);
}

#[test]
fn warnings_leaks_and_what_verbose_adds() {
    let of = attempt("build", 1);
    let process = ProcessIdentity { pid: 42, start_time: 7 };
    let phase = |phase| RunEvent::AttemptPhase { of: of.clone(), phase };
    let events = vec![
        run_started(&[("build", 1)]),
        RunEvent::CoreStarted {
            host: HostId::here(),
            incarnation: 1,
            process: Some(process),
            protocol: 2,
            version: "0.1.0".to_owned(),
            workers: Vec::new(),
        },
        changed("build", StepState::Starting, ""),
        attempt_started(&of),
        phase(AttemptPhase::WaitingPermit { detail: "2 of 2 in use".to_owned() }),
        phase(AttemptPhase::Running { process: Some(process) }),
        changed("build", StepState::Running, ""),
        RunEvent::Warning { message: "##[error]odd".to_owned(), step: Some(StepPath::from("build")) },
        changed("build", StepState::Ending, "asked to end: user"),
        phase(AttemptPhase::Terminating { reason: Some(CancelReason::User), limit_ms: 5_000 }),
        phase(AttemptPhase::Killing { reason: None }),
        phase(AttemptPhase::Draining { limit_ms: 2_000 }),
        RunEvent::CoreReport {
            host: HostId::here(),
            event: CoreEvent::Leaked {
                job_id: Some(JobId::new("build")),
                leaked: Leaked::new(process, "sleep 1000"),
            },
        },
        attempt_finished(&of, 137, None, 0),
        ended("build", StepState::Cancelled, "exit code 137", 1_000),
        run_finished(RunOutcome::Failed, 1_500, "failed: `build`"),
    ];
    let verbose = PlainSettings { verbose: true, ..PlainSettings::default() };
    insta::assert_snapshot!(printed_with(verbose, events.clone(), FakeLogs::default()), @r#"
    Workflow demo: 1 step
      run        0194-demo
      workspace  /w
      record     /runs/0194-demo

      100ms  core started: pid 42, protocol 2, version 0.1.0
      400ms  build  waits for a permit: 2 of 2 in use
      500ms  build  started
      500ms  build  pid 42
      700ms  ! build  ## [error]odd
      800ms  ■ build  ending: asked to end: user
      900ms  build  asked to end (user), killed in 5.0s
       1.0s  build  killed
       1.1s  build  worker has ended, its pipes are open for at most 2.0s more
       1.2s  ! build  left a process behind, it was ended: sleep 1000 (pid 42)
       1.4s  ■ build  cancelled: exit code 137  1.0s

    Step   State        Duration  Attempts  Why
    build  ■ cancelled      1.0s         1  exit code 137

    FAILED: after 1.5s (1 cancelled)
      failed: `build`
      warning  build: left a process behind, it was ended: sleep 1000 (pid 42)
      warning  build: ## [error]odd
      context  /w/context
      record   /runs/0194-demo
      resume   roboppi workflow run /w/demo.yaml --resume 0194-demo
    "#);
    let quiet = printed(events, FakeLogs::default());
    for absent in ["core started", "permit", "killed in", "pipes"] {
        assert!(!quiet.contains(absent), "{absent}: {quiet}");
    }
    assert!(quiet.contains("build  ending: asked to end: user"), "{quiet}");
}

#[test]
fn a_process_left_behind_is_said_once() {
    let of = attempt("build", 1);
    let leaked = |pid| Leaked::new(ProcessIdentity { pid, start_time: 7 }, format!("sleep {pid}"));
    let mut finished = attempt_finished(&of, 0, None, 0);
    if let RunEvent::AttemptFinished { result, .. } = &mut finished
        && let Some(details) = &mut Arc::make_mut(result).details
    {
        details.leaked = vec![leaked(1), leaked(2)];
    }
    let report = CoreEvent::Leaked { job_id: Some(JobId::new("build")), leaked: leaked(1) };
    let events = vec![
        run_started(&[("build", 1)]),
        attempt_started(&of),
        RunEvent::CoreReport { host: HostId::here(), event: report },
        finished,
    ];
    let text = printed(events, FakeLogs::default());
    for pid in [1, 2] {
        let line = format!("! build  left a process behind, it was ended: sleep {pid} (pid {pid})");
        assert_eq!(text.matches(&line).count(), 1, "{line}\n{text}");
    }
}

#[test]
fn colour_is_only_added() {
    let mut events = vec![run_started(&[("flaky", 2), ("lint", 1)])];
    events.extend(retried(StepState::Failed));
    events.extend(whole_step("lint", StepState::Failed, "exit code 1").into_iter().map(allowed));
    events.push(RunEvent::Warning { message: "odd".to_owned(), step: None });
    events.push(run_finished(RunOutcome::Failed, 1_000, "failed: `flaky`"));
    let logs = || FakeLogs::default().with(&attempt("flaky", 2), &["boo"], 1);
    let plain = printed(events.clone(), logs());
    assert!(!plain.contains('\x1b'), "{plain}");
    let settings = PlainSettings { colour: true, ..PlainSettings::default() };
    let coloured = printed_with(settings, events, logs());
    assert_ne!(coloured, plain);
    let stripped: String = coloured
        .split('\x1b')
        .map(|part| {
            part.split_once('m').filter(|(code, _)| code.starts_with('[')).map_or(part, |(_, rest)| rest)
        })
        .collect();
    assert_eq!(stripped, plain);
}

#[test]
fn a_step_whose_worker_has_ended_says_what_is_done_for_it() {
    for (verbose, line) in [(false, ""), (true, "build  collecting its outputs")] {
        let of = attempt("build", 1);
        let mut printer = printer(PlainSettings { verbose, ..PlainSettings::default() });
        let events = vec![
            run_started(&[("build", 1)]),
            attempt_started(&of),
            changed("build", StepState::Running, ""),
            attempt_finished(&of, 0, None, 0),
        ];
        for record in journal(events) {
            printer.record(&record);
        }
        taken(&mut printer);
        printer.record(&journal_record(9, changed("build", StepState::Running, "collecting its outputs")));
        let printed = taken(&mut printer);
        assert!(printed.trim_end().ends_with(line) && printed.is_empty() != verbose, "{printed}");
        printer.heartbeat(UtcMillis(START + 130_000));
        let printed = taken(&mut printer);
        assert!(
            printed.contains("build (2m0") && printed.contains("s, collecting its outputs)"),
            "{printed}"
        );
    }
}

#[test]
fn a_silent_run_says_what_it_does() {
    let names = ["build", "test", "agent", "flaky", "e", "f", "g"];
    let mut events = vec![run_started(&names.map(|name| (name, 2)))];
    for name in names {
        events.push(changed(name, StepState::Starting, ""));
        events.push(attempt_started(&attempt(name, 1)));
    }
    events.push(changed("flaky", StepState::Retrying, "attempt 1 of 2: exit code 7"));
    let logs = FakeLogs::default().with(&attempt("build", 1), &["Compiling x", "  ", "\r"], 3);
    let mut printer = printer_with(PlainSettings::default(), logs);
    printer.heartbeat(UtcMillis(START));
    assert_eq!(taken(&mut printer), "");
    for record in journal(events) {
        printer.record(&record);
    }
    let waiting = Waiting::new("usage limit");
    let record = AttemptRecord { seq: 0, ts: UtcMillis(START), at: 0, event: WorkerEvent::Waiting(waiting) };
    printer.record(&RunRecord::Attempt(attempt("agent", 1), record));
    taken(&mut printer);
    printer.heartbeat(UtcMillis(START + 130_000));
    insta::assert_snapshot!(taken(&mut printer), @r#"… 2m10s  still running: build (2m09s, last output 1m50s ago: "Compiling x"), test (2m09s, no output yet), agent (2m09s, waits: usage limit), flaky (retrying), e (2m09s, no output yet), 2 more"#);
    printer.record(&journal_record(17, run_finished(RunOutcome::Cancelled, 1, "")));
    printer.heartbeat(UtcMillis(START + 190_000));
    assert_eq!(taken(&mut printer), "");
}

fn journal_record(seq: u64, event: RunEvent) -> RunRecord {
    RunRecord::Journal(roboppi_run::JournalRecord { seq, ts: UtcMillis(START), event })
}

/// All that a long run can say, for comparing.
fn eventful() -> Vec<RunEvent> {
    let mut events = vec![run_started(&[("build", 1), ("flaky", 2), ("lint", 1), ("deploy", 1)])];
    events.extend(whole_step("build", StepState::Succeeded, ""));
    events.push(RunEvent::Warning { message: "first".to_owned(), step: None });
    events.extend(retried(StepState::Failed));
    events.push(RunEvent::Warning { message: "second".to_owned(), step: Some(StepPath::from("lint")) });
    events.extend(whole_step("lint", StepState::Failed, "exit code 1").into_iter().map(allowed));
    events.push(RunEvent::CoreLost { host: HostId::here(), incarnation: 1, detail: "gone".to_owned() });
    events.push(RunEvent::RunEnding { reason: CancelReason::Lost, force: false, signal: None });
    events.push(changed("deploy", StepState::Skipped, "`flaky` failed"));
    events.push(run_finished(RunOutcome::Failed, 1_000, "failed: `flaky`"));
    events
}

#[test]
fn a_view_tells_every_final_state_whatever_was_missed() {
    let records = journal(eventful());
    let whole = printed(eventful(), FakeLogs::default());
    let important = [
        "✓ build",
        "✗ flaky",
        "✗ lint",
        "- deploy",
        "! first",
        "! lint  second",
        "core lost: gone",
        "↻ flaky  attempt 1 failed",
    ];
    for from in 0..records.len() {
        for to in from..=records.len() {
            let mut printer = printer(PlainSettings::default());
            let mut view = RunView::default();
            for (index, record) in records.iter().enumerate() {
                view.apply(record);
                if index < from || index >= to {
                    printer.record(record);
                }
                if index + 1 == to {
                    printer.catch_up(view.clone());
                }
            }
            printer.finish();
            let text = taken(&mut printer);
            for line in important {
                assert_eq!(
                    text.matches(line).count(),
                    whole.matches(line).count(),
                    "{from}..{to} {line}:\n{text}"
                );
            }
            if from == to {
                assert_eq!(text, whole, "{from}");
            }
        }
    }
}

#[test]
fn a_step_is_slow_once_at_the_time_that_the_record_has() {
    let slow = || PlainSettings { slow: Duration::from_millis(250), ..PlainSettings::default() };
    let of = attempt("build", 1);
    let mut events = vec![
        run_started(&[("build", 1), ("test", 1)]),
        changed("build", StepState::Starting, ""),
        attempt_started(&of),
        attempt_running(&of),
        changed("build", StepState::Running, ""),
    ];
    events.extend(whole_step("test", StepState::Succeeded, ""));
    let line = "550ms  … build  slow: running for 250ms\n";
    let text = printed_with(slow(), events.clone(), FakeLogs::default());
    assert_eq!(text.matches("slow:").count(), 1, "{text}");
    assert!(text.contains(line), "{text}");
    // A clock tells the same as the records that follow, and a view that is taken in later, too.
    for catches_up in [false, true] {
        let mut printer = printer(slow());
        let records = journal(events.clone());
        if catches_up {
            let mut view = RunView::default();
            records[..5].iter().for_each(|record| view.apply(record));
            printer.catch_up(view);
        } else {
            records[..5].iter().for_each(|record| printer.record(record));
        }
        assert_eq!(printer.next_slow(), Some(UtcMillis(START + 550)));
        printer.mark_slow(UtcMillis(START + 549));
        assert!(!taken(&mut printer).contains("slow:"));
        printer.mark_slow(UtcMillis(START + 10_000));
        assert!(taken(&mut printer).contains(line));
        records[5..].iter().for_each(|record| printer.record(record));
        printer.mark_slow(UtcMillis(START + 20_000));
        assert!(!taken(&mut printer).contains("slow:"), "once");
        assert_eq!(printer.next_slow(), None);
    }
    let never = PlainSettings { slow: Duration::ZERO, ..PlainSettings::default() };
    assert!(!printed_with(never, events, FakeLogs::default()).contains("slow:"));
}

#[test]
fn progress_is_told_in_words_and_not_all_the_time() {
    let of = attempt("build", 1);
    let mut printer = printer(PlainSettings::default());
    let starting = changed("build", StepState::Starting, "");
    for record in journal(vec![run_started(&[("build", 1)]), starting, attempt_started(&of)]) {
        printer.record(&record);
    }
    taken(&mut printer);
    let reports = [(0, 0.0), (100, 1.0), (9_900, 9.0), (10_000, 10.0), (10_100, 11.0)];
    for (seq, (after, percent)) in reports.into_iter().enumerate() {
        let progress = Progress::new(format!("at {seq}")).with_percent(Some(percent));
        let event = WorkerEvent::Progress(progress);
        let record = AttemptRecord { seq: seq as u64, ts: UtcMillis(START + after), at: 0, event };
        printer.record(&RunRecord::Attempt(of.clone(), record));
    }
    assert_eq!(taken(&mut printer), "    0ms  build  0% at 0\n  10.0s  build  10% at 3\n");
    printer.heartbeat(UtcMillis(START + 20_000));
    assert!(taken(&mut printer).contains("build (19s, 11% at 4"));
}

#[test]
fn a_run_that_never_began_and_one_without_an_end() {
    assert!(printed(Vec::new(), FakeLogs::default()).contains("UNKNOWN: the run ended without saying how"));
    let mut events = eventful();
    events.pop();
    assert!(printed(events, FakeLogs::default()).contains("UNKNOWN"));
}
