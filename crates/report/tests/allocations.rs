//! Output that is shown as it comes costs memory for its bytes, and none for its lines.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

#[path = "../../untrusted/tests/common/counting.rs"]
mod counting;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use counting::allocations;
use roboppi_attach::MemoryRun;
use roboppi_ipc::{OutputStream, UtcMillis, WorkerKind, WorkerResult, WorkerStatus};
use roboppi_report::plain::{self, PlainSettings};
use roboppi_run::{
    AttemptRef, JournalRecord, Role, RunEvent, RunId, RunMode, RunOutcome, RunRecord, StepPlan,
};

/// Bytes of the output.
const BYTES: usize = 4 * 1024 * 1024;

/// A finished run of one step with this output.
fn run_of(output: &[u8]) -> MemoryRun {
    let of = AttemptRef::first("build".into());
    let plan = StepPlan {
        step: of.step.clone(),
        worker: WorkerKind::CUSTOM,
        depends_on: Vec::new(),
        description: None,
        timeout_ms: None,
        max_attempts: 1,
        max_iterations: None,
        role: Role::Work,
        check: None,
        host: roboppi_run::HostId::here(),
    };
    let started = RunEvent::RunStarted {
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
        steps: vec![plan.into()],
        only: Vec::new(),
        resumes: None,
    };
    let job_id = of.to_string().as_str().into();
    let attempt = RunEvent::AttemptStarted {
        of: of.clone(),
        job_id,
        base: of.base(),
        fingerprint: None,
        resumed_session: None,
    };
    let result = WorkerResult::of_status(WorkerStatus::Succeeded);
    let log_bytes = output.len() as u64;
    let finished = RunEvent::AttemptFinished {
        of: of.clone(),
        result: result.into(),
        last_seq: None,
        log_bytes,
        events_bytes: 0,
    };
    let over = RunEvent::RunFinished {
        outcome: RunOutcome::Succeeded,
        exit_code: 0,
        duration_ms: 1,
        detail: None,
        flaky: Vec::new(),
    };
    let (run, _requested) = MemoryRun::new(None);
    for (index, event) in [started, attempt, finished, over].into_iter().enumerate() {
        if matches!(event, RunEvent::AttemptFinished { .. }) {
            run.record().output(&of, OutputStream::Stdout, output, UtcMillis(1));
        }
        run.publish(RunRecord::Journal(JournalRecord { seq: index as u64 + 1, ts: UtcMillis(1), event }));
    }
    run.close();
    run
}

/// Allocations of the view that shows an output made of this line.
fn allocations_for(line: &str, colour: bool) -> usize {
    let run = run_of(line.repeat(BYTES / line.len()).as_bytes());
    let settings =
        PlainSettings { stream: true, colour, heartbeat: Duration::ZERO, ..PlainSettings::default() };
    let source = Arc::new(run.source());
    allocations(|| plain::run(source, settings, io::sink()).unwrap())
}

#[test]
fn a_line_that_is_shown_as_it_comes_allocates_nothing() {
    for colour in [false, true] {
        let expected = allocations_for(&("x".repeat(1023) + "\n"), colour);
        for line in ["text\n", "\x1b[32mgreen\x1b[0m\n", "a line of Windows\r\n", "日本語 #1\n"] {
            let more = allocations_for(line, colour).saturating_sub(expected);
            assert!(more < 100, "{more} allocations for {} times {line:?}", BYTES / line.len());
        }
    }
}
