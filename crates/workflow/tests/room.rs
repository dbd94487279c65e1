//! How much room a step takes, from its file to the views of its run: a run of 10,000 steps is to fit into 40 MiB, and what
//! grew once grows again.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

mod counting;

use std::fmt::Write as _;

use counting::{Counting, live, peak_of};
use roboppi_ipc::{
    Capability, ProcessIdentity, ResultDetails, UtcMillis, WorkerKind, WorkerResult, WorkerStatus,
};
use roboppi_run::{
    AttemptPhase, AttemptRef, JournalRecord, RunEvent, RunId, RunMode, RunView, StepFingerprint, StepPath,
    StepState, UpstreamResult,
};
use roboppi_workflow::{Plan, RunMachine, Workflow, expand, parse};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Just below the length at which tables are made larger: the room they keep ahead is not what is looked for.
const STEPS: usize = 3_500;

/// A chain: each step waits for the one before.
fn file() -> String {
    let mut text = "name: long\nversion: \"1\"\ntimeout: 24h\nsteps:\n".to_owned();
    for step in 0..STEPS {
        let _ = write!(
            text,
            "  step{step}:\n    worker: CUSTOM\n    capabilities: [EDIT]\n    instructions: make part{step}\n"
        );
        if step > 0 {
            let _ = writeln!(text, "    depends_on: [step{}]", step - 1);
        }
    }
    text
}

fn workflow() -> Workflow {
    parse(&file()).workflow.unwrap()
}

/// Bytes a step takes of what `make` gives back.
fn bytes_a_step<T>(make: impl FnOnce() -> T) -> usize {
    let before = live();
    let made = make();
    let bytes = live() - before;
    drop(made);
    bytes / STEPS
}

#[track_caller]
fn at_most(what: &str, most: usize, bytes: usize) {
    assert!(bytes <= most, "{what}: {bytes} bytes a step, at most {most}");
    assert!(bytes * 2 > most, "{what}: {bytes} bytes a step: the bound {most} is no bound any more");
}

#[test]
fn a_file_is_read_in_little_room() {
    let text = file();
    let (_, peak) = peak_of(|| drop(parse(&text)));
    at_most("reading a file", 3_200, peak / STEPS);
}

#[test]
fn a_workflow_its_plan_and_its_machine_take_little_room() {
    at_most("workflow", 550, bytes_a_step(workflow));
    let workflow = workflow();
    assert_eq!(*workflow.steps[0].capabilities, [Capability::Edit]);
    at_most("plan", 180, bytes_a_step(|| expand(&workflow)));
    let plan = expand(&workflow);
    at_most("machine", 550, bytes_a_step(|| RunMachine::new(&plan, 8)));
}

/// What the journal of a run has when all steps have succeeded.
fn journal(plan: &Plan) -> impl Iterator<Item = JournalRecord> {
    let begun = RunEvent::RunStarted {
        run_id: RunId::parse("r").unwrap(),
        handle: None,
        name: "long".to_owned(),
        workflow: "/w.yaml".to_owned(),
        workspace: "/w".to_owned(),
        context_dir: "/w/context".to_owned(),
        mode: RunMode::Supervised,
        timeout_ms: 1,
        concurrency: 8,
        stream_stdio: false,
        steps: plan.step_plans(),
        only: Vec::new(),
        resumes: None,
    };
    let steps: Vec<StepPath> = plan.nodes().map(|node| node.path.clone()).collect();
    let events = std::iter::once(begun).chain(steps.into_iter().enumerate().flat_map(of_step));
    (1..).zip(events).map(|(seq, event)| {
        // As it is read from a file: nothing of it is shared with the plan or another record.
        let text = serde_json::to_string(&JournalRecord { seq, ts: UtcMillis(seq), event }).unwrap();
        serde_json::from_str(&text).unwrap()
    })
}

fn of_step((number, step): (usize, StepPath)) -> Vec<RunEvent> {
    let of = AttemptRef::first(step.clone());
    let hash = |number: usize| format!("{number:064x}");
    let upstream = number.checked_sub(1).map(|before| UpstreamResult {
        step: StepPath::new(format!("step{before}")),
        sha256: Some(hash(before).into()),
    });
    let fingerprint =
        StepFingerprint { definition: hash(number), inputs: Vec::new(), upstream: Vec::from_iter(upstream) };
    let changed = |state| RunEvent::StepChanged {
        step: step.clone(),
        state,
        detail: None,
        duration_ms: None,
        allowed_to_fail: false,
        limit_until: None,
    };
    let result = WorkerResult::of_status(WorkerStatus::Succeeded)
        .with_exit_code(Some(0))
        .with_details(ResultDetails::default());
    let process = Some(ProcessIdentity { pid: 1, start_time: 2 });
    vec![
        changed(StepState::Starting),
        RunEvent::AttemptStarted {
            of: of.clone(),
            job_id: format!("{number:036}").as_str().into(),
            base: of.base(),
            fingerprint: Some(fingerprint.into()),
            resumed_session: None,
        },
        RunEvent::AttemptPhase { of: of.clone(), phase: AttemptPhase::Running { process } },
        changed(StepState::Running),
        RunEvent::AttemptFinished {
            of,
            result: result.into(),
            last_seq: None,
            log_bytes: 12,
            events_bytes: 0,
        },
        changed(StepState::Succeeded),
    ]
}

#[test]
fn a_view_takes_little_room_and_another_one_less() {
    let plan = expand(&workflow());
    assert_eq!(plan.nodes().len(), STEPS);
    assert!(plan.nodes().all(|node| node.step.worker == WorkerKind::CUSTOM));
    let fold = |views: usize| {
        let mut views = vec![RunView::default(); views];
        for record in journal(&plan) {
            views.iter_mut().for_each(|view| view.apply_journal(&record));
        }
        assert_eq!(views[0].counts().succeeded, STEPS);
        views
    };
    let one = bytes_a_step(|| fold(1));
    at_most("a view", 1_940, one);
    at_most("another view of the same records", 700, bytes_a_step(|| fold(2)) - one);
}
