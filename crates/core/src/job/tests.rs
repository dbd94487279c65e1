use proptest::prelude::*;
use roboppi_ipc::JobType;
use serde_json::json;

use super::*;
use crate::GateSettings;
use crate::fixtures::job;

fn outcome(status: WorkerStatus) -> WorkerOutcome {
    let result = WorkerResult::of_status(status)
        .with_duration_ms(1)
        .with_exit_code(Some(0))
        .with_error_class((status != WorkerStatus::Succeeded).then_some(ErrorClass::RetryableTransient));
    WorkerOutcome { result, started: true }
}

fn ended(status: WorkerStatus) -> JobInput {
    JobInput::WorkerEnded(Box::new(outcome(status)))
}

fn permit() -> JobInput {
    JobInput::RequestPermit { request: "p".into(), job: Box::new(job("j")), attempt_index: 0.0 }
}

fn cancel(reason: &str, force: bool) -> JobInput {
    JobInput::Cancel { request: "c".into(), reason: reason.into(), force }
}

fn name(input: &JobInput) -> &'static str {
    match input {
        JobInput::Submit { .. } => "submit",
        JobInput::RequestPermit { .. } => "permit",
        JobInput::Cancel { .. } => "cancel",
        JobInput::Pause { .. } => "pause",
        JobInput::Resume { .. } => "resume",
        JobInput::WorkerStarted => "started",
        JobInput::WorkerEnding => "ending",
        JobInput::WorkerEnded(_) => "ended",
        JobInput::CoreStops(_) => "core stops",
    }
}

fn show(effect: &JobEffect) -> String {
    match effect {
        JobEffect::Answer(message) => match &**message {
            Message::PermitRejected(rejected) => format!("permit_rejected {:?}", rejected.rejection.reason),
            Message::Error(error) => format!("error {} \"{}\"", error.code, error.message),
            other => other.kind().to_owned(),
        },
        JobEffect::Start { task, lifetime } => format!("start {} for {lifetime:?}", task.worker_task_id),
        JobEffect::Control(WorkerControl::Cancel(Cancel { reason, force })) => match force {
            false => format!("Cancel({reason:?})"),
            true => format!("Kill({reason:?})"),
        },
        JobEffect::Control(control) => format!("{control:?}"),
        JobEffect::Complete(completion) => {
            let JobCompleted { outcome, error_class, result, .. } = &completion.message;
            format!("complete {outcome:?} {error_class:?} result={}", result.is_some())
        }
        JobEffect::Refused(message) => format!("\"{message}\""),
        JobEffect::Forget => "forget".to_owned(),
    }
}

fn feed(machine: &mut JobMachine, gate: &mut PermitGate, input: JobInput) -> Vec<JobEffect> {
    let mut effects = Vec::new();
    machine.handle(UtcMillis(0), gate, input, &mut effects);
    effects
}

fn line(machine: &mut JobMachine, gate: &mut PermitGate, input: JobInput) -> String {
    let before = machine.state;
    let what = name(&input);
    let effects: Vec<String> = feed(machine, gate, input).iter().map(show).collect();
    let effects = if effects.is_empty() { "nothing".to_owned() } else { effects.join(", ") };
    format!("{before:?} + {what} -> {:?}: {effects}", machine.state)
}

/// A job in each state.
fn in_each_state() -> Vec<(JobMachine, PermitGate)> {
    let steps: [Vec<JobInput>; 5] = [
        vec![],
        vec![permit()],
        vec![permit(), JobInput::WorkerStarted],
        vec![permit(), JobInput::WorkerStarted, JobInput::WorkerEnding],
        vec![permit(), ended(WorkerStatus::Succeeded)],
    ];
    steps
        .into_iter()
        .map(|inputs| {
            let (mut machine, mut gate) =
                (JobMachine::new("j".into()), PermitGate::new(GateSettings::with_concurrency(1)));
            for input in inputs {
                feed(&mut machine, &mut gate, input);
            }
            (machine, gate)
        })
        .collect()
}

fn every_input() -> Vec<JobInput> {
    vec![
        JobInput::Submit { request: "s".into() },
        permit(),
        cancel("timeout", false),
        cancel("step:x aborted", true),
        JobInput::Pause { request: "h".into() },
        JobInput::Resume { request: "h".into() },
        JobInput::WorkerStarted,
        JobInput::WorkerEnding,
        ended(WorkerStatus::Cancelled),
        JobInput::CoreStops(Cancel::graceful(CancelReason::Parent)),
        JobInput::CoreStops(Cancel::forced(CancelReason::Parent)),
    ]
}

#[test]
fn every_state_answers_every_input() {
    let mut rows = Vec::new();
    for input in every_input() {
        for (mut machine, mut gate) in in_each_state() {
            rows.push(line(&mut machine, &mut gate, input.clone()));
        }
        rows.push(String::new());
    }
    insta::assert_snapshot!(rows.join("\n"), @r#"
    Submitted + submit -> Submitted: ack
    Starting + submit -> Starting: ack
    Running + submit -> Running: ack
    Ending + submit -> Ending: ack
    Completed + submit -> Completed: ack

    Submitted + permit -> Starting: permit_granted, start task-j for 60s
    Starting + permit -> Starting: permit_rejected DuplicatePermit
    Running + permit -> Running: permit_rejected DuplicatePermit
    Ending + permit -> Ending: permit_rejected DuplicatePermit
    Completed + permit -> Starting: permit_granted, start task-j for 60s

    Submitted + cancel -> Completed: job_cancelled, forget
    Starting + cancel -> Ending: job_cancelled, Cancel(Timeout)
    Running + cancel -> Ending: job_cancelled, Cancel(Timeout)
    Ending + cancel -> Ending: job_cancelled, Cancel(Timeout)
    Completed + cancel -> Completed: job_cancelled

    Submitted + cancel -> Completed: job_cancelled, forget
    Starting + cancel -> Ending: job_cancelled, Kill(User)
    Running + cancel -> Ending: job_cancelled, Kill(User)
    Ending + cancel -> Ending: job_cancelled, Kill(User)
    Completed + cancel -> Completed: job_cancelled

    Submitted + pause -> Submitted: error JOB_NOT_FOUND "Job j is not running"
    Starting + pause -> Starting: Pause, ack
    Running + pause -> Running: Pause, ack
    Ending + pause -> Ending: Pause, ack
    Completed + pause -> Completed: error JOB_NOT_FOUND "Job j is not running"

    Submitted + resume -> Submitted: error JOB_NOT_FOUND "Job j is not running"
    Starting + resume -> Starting: Resume, ack
    Running + resume -> Running: Resume, ack
    Ending + resume -> Ending: Resume, ack
    Completed + resume -> Completed: error JOB_NOT_FOUND "Job j is not running"

    Submitted + started -> Submitted: nothing
    Starting + started -> Running: nothing
    Running + started -> Running: nothing
    Ending + started -> Ending: nothing
    Completed + started -> Completed: nothing

    Submitted + ending -> Submitted: nothing
    Starting + ending -> Ending: nothing
    Running + ending -> Ending: nothing
    Ending + ending -> Ending: nothing
    Completed + ending -> Completed: nothing

    Submitted + ended -> Submitted: nothing
    Starting + ended -> Completed: complete Cancelled Some(RetryableTransient) result=true, forget
    Running + ended -> Completed: complete Cancelled Some(RetryableTransient) result=true, forget
    Ending + ended -> Completed: complete Cancelled Some(RetryableTransient) result=true, forget
    Completed + ended -> Completed: nothing

    Submitted + core stops -> Completed: forget
    Starting + core stops -> Ending: Cancel(Parent)
    Running + core stops -> Ending: Cancel(Parent)
    Ending + core stops -> Ending: Cancel(Parent)
    Completed + core stops -> Completed: nothing

    Submitted + core stops -> Completed: forget
    Starting + core stops -> Ending: Kill(Parent)
    Running + core stops -> Ending: Kill(Parent)
    Ending + core stops -> Ending: Kill(Parent)
    Completed + core stops -> Completed: nothing
    "#);
}

#[test]
fn what_cannot_be_executed_completes_at_once_and_leaks_nothing() {
    let mut gate = PermitGate::new(GateSettings::with_concurrency(1));
    let mut other_type = job("j");
    other_type.job_type = JobType::Llm;
    let mut bad_payload = job("j");
    bad_payload.payload["model"] = json!(null);
    let rows: Vec<String> = [other_type, bad_payload]
        .into_iter()
        .map(|job| {
            let mut machine = JobMachine::new("j".into());
            let input =
                JobInput::RequestPermit { request: "p".into(), job: Box::new(job), attempt_index: 0.0 };
            let row = line(&mut machine, &mut gate, input);
            assert_eq!(gate.active(), 0);
            row
        })
        .collect();
    insta::assert_snapshot!(rows.join("\n"), @r#"
    Submitted + permit -> Completed: permit_granted, "it cannot be executed: only jobs of type WORKER_TASK can be", complete Failed Some(NonRetryable) result=false, forget
    Submitted + permit -> Completed: permit_granted, "it cannot be executed: its payload is not a worker task: invalid type: null, expected a string", complete Failed Some(NonRetryable) result=false, forget
    "#);
}

fn any_input() -> impl Strategy<Value = JobInput> {
    let count = every_input().len();
    (0..count).prop_map(|index| every_input().swap_remove(index))
}

proptest! {
    #[test]
    fn a_permit_is_followed_by_one_completion(
        limit in 0_u32..3,
        steps in proptest::collection::vec((0_usize..4, any_input()), 0..120),
    ) {
        let ids = ["a", "b", "c", "d"];
        let mut gate = PermitGate::new(GateSettings::with_concurrency(limit));
        let mut jobs: Vec<Option<JobMachine>> = ids.iter().map(|id| Some(JobMachine::new((*id).into()))).collect();
        let (mut started, mut completed) = (0_u32, 0_u32);
        for (index, input) in steps {
            let input = match input {
                JobInput::RequestPermit { request, attempt_index, .. } => {
                    JobInput::RequestPermit { request, job: Box::new(job(ids[index])), attempt_index }
                }
                other => other,
            };
            let is_request = !matches!(
                input,
                JobInput::WorkerStarted | JobInput::WorkerEnding | JobInput::WorkerEnded(_) | JobInput::CoreStops(_)
            );
            let machine = jobs[index].get_or_insert_with(|| JobMachine::new(ids[index].into()));
            let mut effects = Vec::new();
            machine.handle(UtcMillis(0), &mut gate, input, &mut effects);
            let answers = effects.iter().filter(|effect| matches!(effect, JobEffect::Answer(_))).count();
            prop_assert_eq!(answers, usize::from(is_request), "each request has one answer");
            started += effects.iter().filter(|effect| matches!(effect, JobEffect::Start { .. })).count() as u32;
            completed += effects.iter().filter(|effect| matches!(effect, JobEffect::Complete(_))).count() as u32;
            if matches!(effects.last(), Some(JobEffect::Forget)) {
                jobs[index] = None;
            } else {
                prop_assert!(!effects.contains(&JobEffect::Forget), "nothing comes after it is forgotten");
            }
            let active = jobs.iter().flatten().filter(|machine| machine.is_active()).count() as u32;
            prop_assert_eq!(gate.active(), active);
            prop_assert_eq!(started - completed, active);
            prop_assert!(active <= limit);
        }
    }
}
