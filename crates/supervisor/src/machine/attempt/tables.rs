//! Every state and every input, and the promises one by one.

use std::fmt::Write as _;

use proptest::prelude::*;
use roboppi_ipc::JobOutcome;

use super::*;

const LIMITS: AttemptLimits =
    AttemptLimits { time: Duration::from_secs(60), patience: Duration::from_secs(12) };

/// Its inputs are placed.
const PREPARED: AttemptInput = AttemptInput::Prepared(Ok(()));

const USER: AttemptInput = AttemptInput::Order(Cancel::graceful(CancelReason::User));
const KILL: AttemptInput = AttemptInput::Order(Cancel::forced(CancelReason::User));

fn core(dialect: Dialect) -> AttemptInput {
    AttemptInput::Core(dialect, LIMITS)
}

fn failed() -> AttemptStop {
    AttemptStop::Failed(Some(ErrorClass::NonRetryable), "refused".to_owned())
}

fn asked(answer: PermitAnswer) -> AttemptInput {
    AttemptInput::SubmittedAndAsked(Ok(()), answer)
}

fn refused() -> PermitAnswer {
    PermitAnswer::Refused("all taken".to_owned())
}

fn completed() -> AttemptInput {
    let outcome = JobOutcome::Succeeded;
    AttemptInput::Completed(Box::new(JobCompleted {
        job_id: "j".into(),
        outcome,
        result: None,
        error_class: None,
    }))
}

fn gone() -> AttemptInput {
    AttemptInput::CoreGone("killed".to_owned())
}

/// A machine with a record of what it asked for.
#[derive(Default)]
struct Script {
    machine: AttemptMachine,
    effects: Vec<AttemptEffect>,
}

impl Script {
    fn new(inputs: impl IntoIterator<Item = AttemptInput>) -> Self {
        let mut script = Self::default();
        for input in inputs {
            script.then(input);
        }
        script
    }

    /// Gives one input; what it asks for is the answer.
    fn then(&mut self, input: AttemptInput) -> &[AttemptEffect] {
        let before = self.effects.len();
        self.machine.handle(input, &mut self.effects);
        &self.effects[before..]
    }

    /// The timer that was set last goes off.
    fn timer(&mut self) -> &[AttemptEffect] {
        let epoch = self.effects.iter().rev().find_map(|effect| match effect {
            AttemptEffect::SetTimer(epoch, _) | AttemptEffect::SetRetryTimer(epoch, _) => Some(*epoch),
            _ => None,
        });
        self.then(AttemptInput::Timer(epoch.expect("a timer was set")))
    }
}

fn short(effects: &[AttemptEffect]) -> String {
    let words: Vec<_> = effects
        .iter()
        .map(|effect| match effect {
            AttemptEffect::StopPreparing => "stop preparing".to_owned(),
            AttemptEffect::Submit => "submit".to_owned(),
            AttemptEffect::SubmitAndAsk => "submit+ask".to_owned(),
            AttemptEffect::AskPermit => "ask".to_owned(),
            AttemptEffect::ReportWaiting(_) => "waiting".to_owned(),
            AttemptEffect::ReportGranted => "granted".to_owned(),
            AttemptEffect::Cancel(Cancel { reason, force }) => {
                format!("{}({})", if *force { "kill" } else { "cancel" }, reason.name())
            }
            AttemptEffect::Abandon => "abandon".to_owned(),
            AttemptEffect::SetTimer(_, time) => format!("{}s", time.as_secs()),
            AttemptEffect::SetRetryTimer(_, refusals) => format!("retry#{refusals}"),
            AttemptEffect::Finish(AttemptFinish::Completed(completed)) => {
                let details = completed.result.as_ref().and_then(|result| result.details.as_deref());
                let reason = details.and_then(|details| details.cancel_reason);
                let reason = reason.map_or(String::new(), |reason| format!("({})", reason.name()));
                format!("COMPLETED{reason}")
            }
            AttemptEffect::Finish(AttemptFinish::Stopped(stop)) => match stop {
                AttemptStop::Failed(..) => "FAILED".to_owned(),
                AttemptStop::Cancelled(reason) => format!("CANCELLED({})", reason.name()),
                AttemptStop::Lost(_) => "LOST".to_owned(),
            },
        })
        .collect();
    if words.is_empty() { "-".to_owned() } else { words.join(" ") }
}

/// How each state comes about.
fn states(dialect: Dialect) -> Vec<(&'static str, Vec<AttemptInput>)> {
    let begun = |answer: PermitAnswer| match dialect {
        Dialect::V1 => {
            vec![PREPARED, core(dialect), AttemptInput::Submitted(Ok(())), AttemptInput::Permit(answer)]
        }
        Dialect::V2 => vec![PREPARED, core(dialect), asked(answer)],
    };
    let and = |mut inputs: Vec<AttemptInput>, more: &[AttemptInput]| {
        inputs.extend_from_slice(more);
        inputs
    };
    vec![
        ("Preparing", vec![]),
        ("Preparing, ordered", vec![USER]),
        ("AwaitingCore", vec![PREPARED]),
        ("Asking", vec![PREPARED, core(dialect)]),
        ("Asking, ordered", vec![PREPARED, core(dialect), USER]),
        ("Waiting", begun(refused())),
        ("Asking again", and(begun(refused()), &[AttemptInput::PermitFreed])),
        ("Withdrawing", and(begun(refused()), &[USER])),
        ("Working", begun(PermitAnswer::Granted)),
        ("Ending", and(begun(PermitAnswer::Granted), &[USER])),
        ("Ending, heard", and(begun(PermitAnswer::Granted), &[USER, AttemptInput::CancelAnswered])),
        ("Over", and(begun(PermitAnswer::Granted), &[completed()])),
    ]
}

fn inputs() -> Vec<(&'static str, AttemptInput)> {
    vec![
        ("Prepared", PREPARED),
        ("Prepared: no", AttemptInput::Prepared(Err(failed()))),
        ("Unfit", AttemptInput::Unfit(failed())),
        ("NoCore", AttemptInput::NoCore(String::new())),
        ("Submitted", AttemptInput::Submitted(Ok(()))),
        ("Submitted: no", AttemptInput::Submitted(Err(failed()))),
        ("Asked: granted", asked(PermitAnswer::Granted)),
        ("Asked: no, granted", AttemptInput::SubmittedAndAsked(Err(failed()), PermitAnswer::Granted)),
        ("Asked: no, refused", AttemptInput::SubmittedAndAsked(Err(failed()), refused())),
        ("Asked: no, no", AttemptInput::SubmittedAndAsked(Err(failed()), PermitAnswer::Failed(failed()))),
        ("Permit: granted", AttemptInput::Permit(PermitAnswer::Granted)),
        ("Permit: refused", AttemptInput::Permit(refused())),
        ("Permit: denied", AttemptInput::Permit(PermitAnswer::Denied(String::new()))),
        ("Permit: failed", AttemptInput::Permit(PermitAnswer::Failed(failed()))),
        ("PermitFreed", AttemptInput::PermitFreed),
        ("Order", USER),
        ("Order to kill", KILL),
        ("CancelAnswered", AttemptInput::CancelAnswered),
        ("Completed", completed()),
        ("CoreGone", gone()),
    ]
}

#[test]
fn every_state_and_every_input() {
    let mut table = String::new();
    for (state, before) in states(Dialect::V2) {
        let _ = writeln!(table, "{state}");
        for (name, input) in inputs() {
            let effects = short(Script::new(before.clone()).then(input));
            if effects != "-" {
                let _ = writeln!(table, "  {name}: {effects}");
            }
        }
        let mut script = Script::new(before);
        if short(&script.effects).contains(['s', '#'])
            && state != "Over"
            && state != "Asking"
            && !state.starts_with("Preparing")
        {
            let _ = writeln!(table, "  timer: {}", short(script.timer()));
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn a_core_of_protocol_1_is_asked_one_thing_after_the_other() {
    let mut script = Script::new([PREPARED]);
    assert_eq!(short(script.then(core(Dialect::V1))), "submit");
    assert_eq!(short(script.then(AttemptInput::Submitted(Ok(())))), "ask");
    assert_eq!(short(script.then(AttemptInput::Permit(PermitAnswer::Granted))), "granted 60s");
    assert_eq!(short(script.timer()), "cancel(timeout)", "such a core is told when the time is over");
    assert_eq!(short(script.then(AttemptInput::CancelAnswered)), "12s");
    assert_eq!(short(script.then(completed())), "COMPLETED(timeout)", "it knows no reasons");
}

#[test]
fn what_an_order_means_to_who_is_asked_is_decided_by_the_answer() {
    let ordered = || Script::new([PREPARED, core(Dialect::V2), USER]);
    assert_eq!(short(ordered().then(asked(PermitAnswer::Granted))), "cancel(user)");
    assert_eq!(short(ordered().then(asked(refused()))), "waiting cancel(user) 12s");
    assert_eq!(short(ordered().timer()), "abandon LOST");
    let mut v1 = Script::new([PREPARED, core(Dialect::V1), USER]);
    assert_eq!(short(v1.then(AttemptInput::Submitted(Ok(())))), "ask 12s", "its patience begins anew");
}

#[test]
fn it_is_said_once_that_it_waits() {
    let mut script = Script::new([PREPARED, core(Dialect::V2)]);
    assert_eq!(short(script.then(asked(refused()))), "waiting retry#1");
    assert_eq!(short(script.timer()), "ask");
    assert_eq!(short(script.then(AttemptInput::Permit(refused()))), "retry#2");
    assert_eq!(short(script.then(AttemptInput::PermitFreed)), "ask");
    assert_eq!(short(script.timer()), "-", "the timer of the state before");
}

#[test]
fn an_order_goes_further_and_is_not_repeated() {
    let mut script = Script::new([PREPARED, core(Dialect::V2), asked(PermitAnswer::Granted)]);
    assert_eq!(short(script.then(USER)), "cancel(user)");
    assert_eq!(short(script.then(USER)), "-");
    assert_eq!(short(script.then(KILL)), "kill(user)");
    assert_eq!(short(script.then(AttemptInput::CancelAnswered)), "12s");
    assert_eq!(short(script.timer()), "LOST");
}

#[test]
fn a_late_timer_changes_nothing() {
    let mut script = Script::new([PREPARED, core(Dialect::V2), asked(PermitAnswer::Granted)]);
    let AttemptEffect::SetTimer(epoch, _) = script.effects[1] else { panic!("{:?}", script.effects) };
    script.then(USER);
    assert_eq!(short(script.then(AttemptInput::Timer(epoch))), "-");
}

fn any_input() -> impl Strategy<Value = AttemptInput> {
    let fixed: Vec<_> = inputs().into_iter().map(|(_, input)| input).collect();
    prop_oneof![
        12 => prop::sample::select(fixed),
        2 => prop::bool::ANY.prop_map(|old| core(if old { Dialect::V1 } else { Dialect::V2 })),
        4 => (0..12u32).prop_map(|epoch| AttemptInput::Timer(AttemptEpoch(epoch))),
    ]
}

proptest! {
    #[test]
    fn it_ends_once_and_never_before_a_worker_that_may_run(inputs in prop::collection::vec(any_input(), 0..40)) {
        let mut script = Script::default();
        for input in inputs {
            let (ran, was_over) = (script.machine.runs(), script.machine.state == State::Over);
            let effects = script.then(input.clone());
            prop_assert!(!was_over || effects.is_empty(), "{input:?} after the end: {effects:?}");
            let finish = effects.iter().find_map(|effect| match effect {
                AttemptEffect::Finish(finish) => Some(finish),
                _ => None,
            });
            prop_assert!(effects.iter().filter(|effect| matches!(effect, AttemptEffect::Finish(_))).count() <= 1);
            let last = effects.last().is_some_and(|last| matches!(last, AttemptEffect::Finish(_)));
            prop_assert_eq!(finish.is_some(), last, "something comes after the end");
            if ran && finish.is_some() {
                let may = matches!(
                    input,
                    AttemptInput::Completed(_) | AttemptInput::CoreGone(_) | AttemptInput::Timer(_)
                );
                prop_assert!(may, "{input:?} ended an attempt whose worker may run");
            }
        }
        // From wherever it is, a core that is gone is its end.
        script.then(PREPARED);
        script.then(core(Dialect::V2));
        script.then(gone());
        prop_assert_eq!(script.machine.state, State::Over);
    }
}
