//! What the machines mean for each other: cores and attempts, losses, commands, the end.

use std::time::Duration;

use roboppi_ipc::{
    CoreEvent, CoreEventMessage, EndingPhase, Hello, JobCompleted, JobOutcome, Message, UtcMillis,
    WorkerResult, WorkerStatus,
};
use roboppi_run::{AttemptPhase, StepState};
use roboppi_workflow::AttemptEnd;

use super::attempt::{AttemptStop, PermitAnswer};
use super::*;
use crate::core_link::Loss;

const ONE: &str = "name: w\nversion: '1'\ntimeout: 1h\nsteps:\n  a: {worker: CUSTOM, instructions: 'true', capabilities: [READ]}\n";

/// A supervisor, and what it asks for in a few words each.
struct Script {
    machine: SupervisorMachine,
    now: Mono,
}

impl Script {
    fn new(workflow: &str, restartable: bool) -> Self {
        let parsed = roboppi_workflow::parse(workflow);
        let workflow = parsed.workflow.unwrap_or_else(|| panic!("{:?}", parsed.diagnostics));
        let machine =
            SupervisorMachine::new(RunMachine::new(&roboppi_workflow::expand(&workflow), 4), restartable);
        Self { machine, now: Mono::ZERO }
    }

    /// A run of one step whose attempt a core of this protocol runs.
    fn running(restartable: bool) -> Self {
        let mut script = Self::new(ONE, restartable);
        script.then(SupervisorInput::Begin);
        script.then(ready(Dialect::V2));
        script.then(prepared());
        script.then(granted());
        script.then(live());
        script
    }

    fn effects(&mut self, input: SupervisorInput) -> Vec<SupervisorEffect> {
        let mut effects = Vec::new();
        self.now = self.now + Duration::from_millis(1);
        self.machine.handle(self.now, input, &mut effects);
        effects
    }

    fn then(&mut self, input: SupervisorInput) -> String {
        let words: Vec<_> = self.effects(input).iter().filter_map(short).collect();
        words.join(", ")
    }
}

fn of() -> AttemptRef {
    AttemptRef::first("a".into())
}

fn link(event: LinkEvent) -> SupervisorInput {
    SupervisorInput::Link(HostId::here(), event)
}

fn ready(dialect: Dialect) -> SupervisorInput {
    let hello = (dialect == Dialect::V2).then(|| Hello::ours("9"));
    link(LinkEvent::Ready { dialect, hello, workers: Vec::new() })
}

fn lost(loss: Loss) -> SupervisorInput {
    link(LinkEvent::Lost { detail: "killed\nlast words".to_owned(), loss })
}

fn task() -> AttemptTask {
    AttemptTask {
        job_id: "j".into(),
        timeout: Duration::from_secs(60),
        patience: Duration::from_secs(12),
        worker: roboppi_ipc::WorkerKind::CUSTOM,
        beyond_protocol_1: None,
        path_not_utf8: None,
        agent_key: None,
        other_core: "take another".to_owned(),
    }
}

fn prepared() -> SupervisorInput {
    SupervisorInput::AttemptPrepared { of: of(), result: Ok(task()) }
}

fn granted() -> SupervisorInput {
    let input = AttemptInput::SubmittedAndAsked(Ok(()), PermitAnswer::Granted);
    SupervisorInput::Attempt { of: of(), input }
}

fn core_event(event: CoreEvent) -> SupervisorInput {
    link(LinkEvent::Message(Message::CoreEvent(CoreEventMessage { ts: UtcMillis(0), event })))
}

fn live() -> SupervisorInput {
    let process = roboppi_ipc::ProcessIdentity { pid: 7, start_time: 1 };
    core_event(CoreEvent::WorkerStarted { job_id: "j".into(), process })
}

fn completed() -> SupervisorInput {
    link(LinkEvent::Message(Message::JobCompleted(JobCompleted {
        job_id: "j".into(),
        outcome: JobOutcome::Succeeded,
        result: Some(WorkerResult::of_status(WorkerStatus::Succeeded)),
        error_class: None,
    })))
}

fn short(effect: &SupervisorEffect) -> Option<String> {
    Some(match effect {
        SupervisorEffect::Connect(core) => format!("connect {}", core.incarnation),
        SupervisorEffect::Record(event) => match event {
            RunEvent::CoreStarted { incarnation, protocol, .. } => {
                format!("core {incarnation} speaks {protocol}")
            }
            RunEvent::CoreLost { incarnation, .. } => format!("core {incarnation} LOST"),
            RunEvent::AttemptPhase { phase: AttemptPhase::Running { .. }, .. } => "runs".to_owned(),
            RunEvent::AttemptPhase { .. } => "phase".to_owned(),
            RunEvent::RunEnding { reason, .. } => format!("ending({})", reason.name()),
            RunEvent::Warning { message, step } => match step {
                Some(step) => format!("warning of {step}: {message}"),
                None => format!("warning: {message}"),
            },
            RunEvent::CoreReport { .. } => "report".to_owned(),
            other => format!("{other:?}"),
        },
        SupervisorEffect::CoreKeepsNoRecord => "no record".to_owned(),
        SupervisorEffect::Mask(_) => "mask".to_owned(),
        SupervisorEffect::Prepare { of, .. } => format!("prepare {of}"),
        SupervisorEffect::StopPreparing { .. } => "stop preparing".to_owned(),
        SupervisorEffect::HandOver { core, .. } => format!("hand to {}", core.incarnation),
        SupervisorEffect::Request { request, .. } => format!("{request:?}").to_lowercase(),
        SupervisorEffect::AttemptFinished { done, .. } => match &done.end {
            AttemptEnd::Succeeded => "over: succeeded".to_owned(),
            AttemptEnd::Failed { detail, .. } => format!("over: failed, {detail}"),
            AttemptEnd::TimedOut { .. } => "over: timed out".to_owned(),
            AttemptEnd::Cancelled { reason, .. } => format!("over: cancelled({})", reason.name()),
            AttemptEnd::Lost { detail } => format!("over: lost, {detail}"),
        },
        SupervisorEffect::StopCollecting { .. } => "stop collecting".to_owned(),
        SupervisorEffect::Run(RunEffect::CollectOutputs { .. }) => "collect".to_owned(),
        SupervisorEffect::Run(RunEffect::StepChanged { step, state, .. }) if state.is_final() => {
            format!("{step} {}", state.name())
        }
        SupervisorEffect::SetTimer { timer: SupervisorTimer::Restart(_), after } => {
            format!("restart {after:?}")
        }
        SupervisorEffect::Run(_) | SupervisorEffect::SetTimer { .. } => return None,
        SupervisorEffect::Answer { refused: None } => "granted".to_owned(),
        SupervisorEffect::Answer { refused: Some(why) } => format!("refused: {why}"),
        SupervisorEffect::Finish(finish) => format!("FINISH {:?} {}", finish.outcome, finish.exit_code),
    })
}

#[test]
fn a_run_from_its_beginning_to_its_end() {
    let mut script = Script::new(ONE, true);
    let steps = [
        SupervisorInput::Begin,
        ready(Dialect::V2),
        prepared(),
        granted(),
        live(),
        core_event(CoreEvent::WorkerEnding {
            job_id: "j".into(),
            phase: EndingPhase::Draining,
            reason: None,
            limit_ms: 1,
        }),
        completed(),
        SupervisorInput::OutputsCollected { of: of(), result: Ok(()) },
    ];
    let told: Vec<_> = steps.map(|input| script.then(input)).into();
    insta::assert_snapshot!(told.join("\n"), @r"
    connect 1
    core 1 speaks 2, prepare a
    hand to 1, submitandask

    runs
    phase
    over: succeeded, collect
    a succeeded, FINISH Succeeded 0
    ");
}

#[test]
fn a_lost_core_has_a_successor_and_its_attempts_are_tried_again() {
    let mut script = Script::running(true);
    assert_eq!(script.then(link(LinkEvent::WireClosed)), "");
    assert_eq!(
        script.then(lost(Loss::Gone)),
        "core 1 LOST, restart Exactly(100ms), over: lost, lost with the core: killed, a lost, FINISH Lost 3"
    );
    let retried = ONE.replace("[READ]", "[READ], max_retries: 1, on_failure: retry");
    let mut script = Script::new(&retried, true);
    for input in [SupervisorInput::Begin, ready(Dialect::V2), prepared(), granted(), live()] {
        script.then(input);
    }
    assert_eq!(
        script.then(lost(Loss::Gone)),
        "core 1 LOST, restart Exactly(100ms), over: lost, lost with the core: killed"
    );
    assert!(!script.machine.has_given_up());
    assert_eq!(script.then(SupervisorInput::Timer(SupervisorTimer::Restart(HostId::here()))), "connect 2");
    assert_eq!(script.then(ready(Dialect::V2)), "core 2 speaks 2");
}

#[test]
fn a_core_without_a_successor_is_the_end_once_nothing_is_under_way() {
    let two = ONE.replace("steps:", "steps:\n  b: {worker: CUSTOM, instructions: x, capabilities: [READ]}");
    let mut script = Script::new(&two, false);
    script.then(SupervisorInput::Begin);
    assert_eq!(script.then(ready(Dialect::V2)), "core 1 speaks 2, prepare b, prepare a");
    script.then(prepared());
    script.then(granted());
    assert_eq!(script.then(lost(Loss::Gone)), "core 1 LOST, over: lost, lost with the core: killed");
    assert!(script.machine.has_given_up());
    // The other one is being prepared; that it cannot run is known, and the run learns it.
    let of = AttemptRef::first("b".into());
    let stop = AttemptStop::Failed(None, "no input".to_owned());
    let result = Err(stop);
    assert_eq!(
        script.then(SupervisorInput::AttemptPrepared { of, result }),
        "over: failed, no input, b failed, ending(lost), a lost, FINISH Lost 3"
    );
}

#[test]
fn an_attempt_that_waits_for_a_core_gets_the_next_one_or_none() {
    let mut script = Script::new(ONE, false);
    script.then(SupervisorInput::Begin);
    script.then(ready(Dialect::V2));
    script.then(link(LinkEvent::WireClosed));
    assert_eq!(script.then(prepared()), "", "nothing more can be told to the core");
    assert!(script.then(lost(Loss::Gone)).starts_with("core 1 LOST, over: lost, killed"));
}

#[test]
fn a_core_of_protocol_1_is_told_only_what_it_knows() {
    let mut script = Script::new(ONE, true);
    script.then(SupervisorInput::Begin);
    assert_eq!(script.then(ready(Dialect::V1)), "core 1 speaks 1, no record, prepare a");
    let mut beyond = task();
    beyond.worker = roboppi_ipc::WorkerKind::GEMINI;
    let result = Ok(beyond);
    assert_eq!(
        script.then(SupervisorInput::AttemptPrepared { of: of(), result }),
        "hand to 1, over: failed, this core does not know GEMINI workers; take another, or give one of protocol 2, \
         a failed, FINISH Failed 1"
    );
}

#[test]
fn a_path_that_is_not_utf8_needs_a_core_that_takes_it() {
    let mut path = task();
    path.path_not_utf8 = Some("/tmp/x".into());
    let mut script = Script::new(ONE, true);
    script.then(SupervisorInput::Begin);
    let mut hello = Hello::ours("9");
    hello.capabilities.clear();
    script.then(link(LinkEvent::Ready { dialect: Dialect::V2, hello: Some(hello), workers: Vec::new() }));
    let result = Ok(path);
    assert!(script.then(SupervisorInput::AttemptPrepared { of: of(), result }).starts_with(
        "hand to 1, over: failed, this core takes no paths that are not UTF-8; rename /tmp/x, or take another"
    ));
}

#[test]
fn a_key_that_sets_an_agent_up_needs_a_core_that_can() {
    for (dialect, capable) in [(Dialect::V2, false), (Dialect::V1, false), (Dialect::V2, true)] {
        let mut task = task();
        task.agent_key = Some("mcp_config");
        let mut script = Script::new(ONE, true);
        script.then(SupervisorInput::Begin);
        let mut hello = Hello::ours("9");
        if capable {
            hello.capabilities.push(roboppi_ipc::CAPABILITY_AGENT_SETUP.to_owned());
        }
        script.then(link(LinkEvent::Ready { dialect, hello: Some(hello), workers: Vec::new() }));
        let then = script.then(SupervisorInput::AttemptPrepared { of: of(), result: Ok(task) });
        let refused = "over: failed, this core cannot obey `mcp_config`; take another, or use `defaultArgs`";
        assert_eq!(then.contains(refused), !capable, "{then}");
    }
}

#[test]
fn an_order_reaches_an_attempt_in_every_place() {
    let cancel = || SupervisorInput::Shutdown(ShutdownRequest::Interrupt);
    let mut script = Script::new(ONE, true);
    script.then(SupervisorInput::Begin);
    script.then(ready(Dialect::V2));
    assert_eq!(script.then(cancel()), "ending(user), stop preparing");
    assert_eq!(script.then(prepared()), "over: cancelled(user), a cancelled, FINISH Cancelled 130");

    let mut script = Script::running(true);
    let order = script.then(cancel());
    assert!(order.contains("cancel { reason: user, force: false }"), "{order}");
    let order = script.then(SupervisorInput::Shutdown(ShutdownRequest::Terminate));
    assert!(order.contains("cancel { reason: parent, force: true }"), "{order}");
    assert_eq!(script.then(cancel()), "FINISH Cancelled 130", "the third one leaves");
    assert_eq!(script.then(completed()), "", "who has left hears nothing");
}

#[test]
fn commands_are_answered_before_what_they_lead_to() {
    let mut script = Script::running(true);
    let command = |command| SupervisorInput::Command(command);
    assert_eq!(script.then(command(RunCommand::SkipStep("a".into()))).matches("refused").count(), 1);
    let told = script.then(command(RunCommand::CancelRun { force: false }));
    assert!(told.starts_with("granted, ending(user)"), "{told}");
    assert_eq!(
        script.then(command(RunCommand::CancelRun { force: false })),
        "refused: the run is being ended already"
    );
    let unknown = RunCommand::Unknown(roboppi_ipc::UnknownTagged {
        tag: roboppi_ipc::Word::new("dance"),
        object: serde_json::json!({"type": "dance"}),
    });
    assert!(script.then(command(unknown)).contains("`dance`"));
}

#[test]
fn a_freed_permit_is_asked_for_by_those_who_wait() {
    let two = ONE.replace("steps:", "steps:\n  b: {worker: CUSTOM, instructions: x, capabilities: [READ]}");
    let mut script = Script::new(&two, true);
    script.then(SupervisorInput::Begin);
    script.then(ready(Dialect::V2));
    script.then(prepared());
    script.then(granted());
    let b = AttemptRef::first("b".into());
    let other = AttemptTask { job_id: "k".into(), ..task() };
    script.then(SupervisorInput::AttemptPrepared { of: b.clone(), result: Ok(other) });
    let refused = AttemptInput::SubmittedAndAsked(Ok(()), PermitAnswer::Refused("all taken".to_owned()));
    assert_eq!(script.then(SupervisorInput::Attempt { of: b, input: refused }), "phase");
    assert_eq!(script.then(completed()), "over: succeeded, askpermit, collect");
}

#[test]
fn a_warning_of_a_job_is_one_of_its_step() {
    let mut script = Script::running(true);
    let warning =
        |message: &str| core_event(CoreEvent::Warning { job_id: None, message: message.to_owned() });
    assert_eq!(script.then(warning("job j: its log is full")), "warning of a: its log is full");
    assert_eq!(script.then(warning("job x: its log is full")), "warning: job x: its log is full");
}

#[test]
fn only_jobs_that_a_core_can_pause_are_paused() {
    let mut script = Script::running(true);
    let jobs: Vec<_> = script.machine.pausable_jobs().map(|(_, job)| job.as_str().to_owned()).collect();
    assert_eq!(jobs, ["j"]);
    script.then(link(LinkEvent::WireClosed));
    assert_eq!(script.machine.pausable_jobs().count(), 0);
    assert_eq!(script.machine.run().state(&"a".into()), Some(StepState::Running));
}

#[test]
fn a_host_speaks_of_its_own_jobs_alone() {
    let far = HostId::from("far".to_owned());
    let mut script = Script::new(ONE, true);
    let other = AttemptRef::first("b".into());
    script.machine = script.machine.with_hosts([(other.step, far.clone())]);
    assert_eq!(script.then(SupervisorInput::Begin), "connect 1, connect 1");
    script.then(ready(Dialect::V2));
    script.then(prepared());
    script.then(granted());
    script.then(live());
    let of_far = |input: SupervisorInput| match input {
        SupervisorInput::Link(_, event) => SupervisorInput::Link(far.clone(), event),
        other => other,
    };
    script.then(of_far(ready(Dialect::V2)));
    assert_eq!(script.then(of_far(completed())), "", "it is a job of another host");
    assert_eq!(script.then(of_far(live())), "");
    assert_eq!(script.then(completed()), "over: succeeded, collect");
}

#[test]
fn what_a_host_that_is_lost_was_given_is_lost_and_nothing_else() {
    let far = HostId::from("far".to_owned());
    let two = ONE.replace("steps:", "steps:\n  b: {worker: CUSTOM, instructions: x, capabilities: [READ]}");
    let mut script = Script::new(&two, true);
    let other = AttemptRef::first("b".into());
    script.machine = script.machine.with_hosts([(other.step.clone(), far.clone())]);
    script.then(SupervisorInput::Begin);
    script.then(ready(Dialect::V2));
    script.then(prepared());
    script.then(granted());
    let task = AttemptTask { job_id: "k".into(), ..task() };
    let input = SupervisorInput::AttemptPrepared { of: other, result: Ok(task) };
    assert_eq!(script.then(input), "", "it waits for its host");
    let unreachable = LinkEvent::Unreachable { detail: "no route".to_owned() };
    let effects = script.then(SupervisorInput::Link(far.clone(), unreachable));
    assert!(effects.starts_with("warning: the host far is unreachable"), "{effects}");
    let gone = LinkEvent::Lost { detail: "no answer".to_owned(), loss: Loss::NotStarted };
    let effects = script.then(SupervisorInput::Link(far, gone));
    assert!(effects.contains("over: lost") && !effects.contains("FINISH"), "{effects}");
    assert!(!script.machine.has_given_up(), "the core here goes on");
}
