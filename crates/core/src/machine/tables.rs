//! The life of a core, promise by promise.

use std::fmt::Write as _;

use roboppi_ipc::{
    CAPABILITY_JOB_WARNINGS, CAPABILITY_MASK, CancelJob, Heartbeat, Hello, Job, JobRequest, ProtocolRange,
    QueueMetrics, RequestPermit, SubmitJob, WorkerResult, WorkerStatus,
};

use super::*;
use crate::fixtures::job;

const PROCESS: ProcessIdentity = ProcessIdentity { pid: 7, start_time: 1 };

fn settings() -> CoreMachineSettings {
    let settings = CoreSettings { max_jobs: 2, version: "1".to_owned(), ..CoreSettings::default() };
    CoreMachineSettings::new(&settings, Some(PROCESS))
}

/// The hello of a supervisor with these abilities.
fn hello(capabilities: &[&str]) -> CoreInput {
    let mut hello = Hello::ours("1");
    hello.capabilities = capabilities.iter().map(|&name| name.to_owned()).collect();
    CoreInput::Message(Box::new(Message::Hello(hello)))
}

fn message(message: Message) -> CoreInput {
    CoreInput::Message(Box::new(message))
}

fn named(id: &str) -> Job {
    job(id)
}

fn submit(id: &str) -> CoreInput {
    message(Message::SubmitJob(SubmitJob { request_id: "s".into(), job: named(id) }))
}

fn permit(id: &str) -> CoreInput {
    message(Message::RequestPermit(RequestPermit {
        request_id: "p".into(),
        job: named(id),
        attempt_index: 0.0,
    }))
}

fn cancel(id: &str, force: bool) -> CoreInput {
    let (request_id, job_id, reason) = ("c".into(), id.into(), "user".to_owned());
    message(Message::CancelJob(CancelJob { request_id, job_id, reason, force }))
}

fn pause(id: &str) -> CoreInput {
    message(Message::PauseJob(JobRequest { request_id: "z".into(), job_id: id.into() }))
}

fn heartbeat() -> CoreInput {
    message(Message::Heartbeat(Heartbeat { timestamp: UtcMillis(0) }))
}

fn malformed(request: Option<&str>) -> CoreInput {
    CoreInput::Malformed { request: request.map(Into::into), why: "it is no JSON".to_owned() }
}

fn stop(force: bool) -> CoreInput {
    CoreInput::Stop(Cancel { reason: CancelReason::Parent, force })
}

fn started(id: &str) -> CoreInput {
    CoreInput::WorkerStarted { job_id: id.into(), process: PROCESS }
}

fn ended(id: &str) -> CoreInput {
    let result = WorkerResult::of_status(WorkerStatus::Succeeded);
    CoreInput::WorkerEnded { job_id: id.into(), outcome: Box::new(WorkerOutcome { result, started: true }) }
}

/// A machine and what it was given.
struct Script(CoreMachine);

impl Script {
    fn new() -> Self {
        Self(CoreMachine::new(settings(), 0))
    }

    /// One whose supervisor is of this version.
    fn serving() -> Self {
        Self::new().and(CoreInput::Start).and(hello(&[CAPABILITY_MASK, CAPABILITY_JOB_WARNINGS]))
    }

    fn with_worker() -> Self {
        Self::serving().and(permit("a")).and(started("a"))
    }

    /// Gives one input; what it asks for is the answer.
    fn then(&mut self, input: CoreInput) -> String {
        let mut effects = Vec::new();
        self.0.handle(CoreTime { mono: Mono::ZERO, utc: UtcMillis(1_000) }, input, &mut effects);
        effects.iter().map(show).collect::<Vec<_>>().join(", ")
    }

    fn and(mut self, input: CoreInput) -> Self {
        self.then(input);
        self
    }
}

fn show(effect: &CoreEffect) -> String {
    match effect {
        CoreEffect::SetDialect(dialect) => format!("{dialect:?}"),
        CoreEffect::Answer(message) => match &**message {
            Message::Error(error) => format!("error {}", error.code),
            Message::PermitRejected(rejected) => format!("permit_rejected {:?}", rejected.rejection.reason),
            other => other.kind().to_owned(),
        },
        CoreEffect::Report(CoreEvent::Warning { job_id, message }) => {
            format!("warning of {}: {message}", job_id.as_ref().map_or("the core", JobId::as_str))
        }
        CoreEffect::Report(CoreEvent::WorkerStarted { job_id, .. }) => format!("report {job_id} started"),
        CoreEffect::Report(CoreEvent::WorkerEnding { job_id, phase, .. }) => {
            format!("report {job_id} {phase:?}")
        }
        CoreEffect::Report(other) => format!("{other:?}"),
        CoreEffect::ReportPermits { active, .. } => format!("permits {active}"),
        CoreEffect::ReportSecrets { known } => format!("secrets from {known} on"),
        CoreEffect::Complain(line) => format!("stderr: {line}"),
        CoreEffect::Start { job_id, .. } => format!("start {job_id}"),
        CoreEffect::Control { job_id, control: WorkerControl::Cancel(cancel) } => {
            let how = if cancel.force { "kill" } else { "cancel" };
            format!("{how} {job_id} ({})", cancel.reason.name())
        }
        CoreEffect::Control { job_id, control } => format!("{control:?} {job_id}"),
        CoreEffect::Complete(completion) => format!("complete {}", completion.message.job_id),
        CoreEffect::SetKillTimer(after) => format!("kill timer {after:?}"),
        CoreEffect::EndLeftovers => "END LEFTOVERS".to_owned(),
        CoreEffect::Close => "CLOSE".to_owned(),
    }
}

/// Rows or columns of a table: a name, and how to make it.
type Named<T> = Vec<(&'static str, fn() -> T)>;

fn states() -> Named<Script> {
    vec![
        ("not started", Script::new),
        ("Serving, protocol 1", || Script::new().and(CoreInput::Start).and(heartbeat()).and(permit("a"))),
        ("Serving, protocol 2", Script::with_worker),
        ("Stopping", || Script::with_worker().and(CoreInput::WireClosed)),
        ("Killing", || Script::with_worker().and(stop(true))),
        ("Sweeping", || Script::serving().and(CoreInput::WireClosed)),
        ("Closed", || Script::serving().and(CoreInput::WireClosed).and(CoreInput::LeftoversEnded)),
    ]
}

fn inputs() -> Vec<(&'static str, CoreInput)> {
    vec![
        ("Start", CoreInput::Start),
        ("hello", hello(&[])),
        ("heartbeat", heartbeat()),
        ("submit b", submit("b")),
        ("permit for a", permit("a")),
        ("permit for b", permit("b")),
        ("cancel a", cancel("a", false)),
        ("kill a", cancel("a", true)),
        ("cancel b", cancel("b", false)),
        ("pause a", pause("a")),
        ("Malformed", malformed(None)),
        ("Malformed request", malformed(Some("r"))),
        (
            "Ending of a",
            CoreInput::WorkerEnding {
                job_id: "a".into(),
                phase: EndingPhase::Terminating,
                reason: None,
                limit: Duration::ZERO,
            },
        ),
        ("End of a", ended("a")),
        ("Tick", CoreInput::Tick),
        ("WireClosed", CoreInput::WireClosed),
        ("Stop", stop(false)),
        ("Stop by force", stop(true)),
        ("KillTimer", CoreInput::KillTimer),
        ("LeftoversEnded", CoreInput::LeftoversEnded),
    ]
}

#[test]
fn every_state_answers_every_input() {
    let mut table = String::new();
    for (state, script) in states() {
        let mut ignored = Vec::new();
        writeln!(table, "{state}").unwrap();
        for (word, input) in inputs() {
            let mut script = script();
            let phase = script.0.phase;
            let mut did = script.then(input);
            if script.0.phase != phase {
                did = format!("→ {:?}: {did}", script.0.phase);
            } else if did.is_empty() {
                ignored.push(word);
                continue;
            }
            writeln!(table, "  {word:<17} {did}").unwrap();
        }
        writeln!(table, "  nothing: {}", ignored.join(", ")).unwrap();
    }
    insta::assert_snapshot!(table);
}

#[test]
fn a_core_says_hello_first_unless_it_is_to_wait() {
    let mut script = Script::new();
    assert_eq!(script.then(CoreInput::Start), "hello");
    assert_eq!(script.then(hello(&[])), "V2", "once");

    let mut script = Script(CoreMachine::new(CoreMachineSettings { awaits_hello: true, ..settings() }, 0));
    assert_eq!(script.then(CoreInput::Start), "");
    assert_eq!(script.then(hello(&[])), "hello, V2");

    let mut script = Script(CoreMachine::new(CoreMachineSettings { awaits_hello: true, ..settings() }, 0));
    assert_eq!(script.then(heartbeat()), "V1, heartbeat_ack", "this one knows no hello");
}

#[test]
fn the_first_message_fixes_the_dialect() {
    let mut script = Script::new().and(CoreInput::Start);
    assert_eq!(script.then(heartbeat()), "V1, heartbeat_ack");
    assert_eq!(script.then(hello(&[])), "");
    assert_eq!(script.0.dialect(), Some(Dialect::V1));

    let mut later = Hello::ours("9");
    later.protocol = ProtocolRange { min: 7, max: 9 };
    let mut script = Script::new().and(CoreInput::Start);
    assert_eq!(script.then(message(Message::Hello(later))), "V1", "nothing in common");
}

#[test]
fn a_line_that_is_no_message_is_answered_reported_or_told_once() {
    let mut script = Script::serving();
    assert_eq!(script.then(malformed(Some("r"))), "error BAD_MESSAGE");
    assert_eq!(
        script.then(malformed(None)),
        "warning of the core: a line of the supervisor was dropped: it is no JSON"
    );
    let mut script = Script::new().and(CoreInput::Start);
    assert!(
        script
            .then(malformed(Some("r")))
            .starts_with("V1, stderr: a line of the runner was dropped: it is no JSON")
    );
    assert_eq!(script.then(malformed(None)), "", "a flood there could make the core wait");
}

#[test]
fn a_core_that_knows_as_many_jobs_as_it_may_refuses_others() {
    let mut script = Script::serving().and(submit("a")).and(submit("b"));
    assert_eq!(script.then(submit("c")), "error OVERLOADED");
    assert_eq!(script.then(permit("c")), "permit_rejected GlobalShed");
    assert_eq!(script.then(permit("b")), "permits 1, permit_granted, start b");
    assert_eq!(script.then(ended("b")), "permits 0, complete b");
    assert_eq!(script.then(submit("c")), "ack");

    let mut script = Script::new().and(heartbeat()).and(submit("a")).and(submit("b"));
    assert_eq!(script.then(submit("c")), "ack", "an old runner would take an error for one");
    assert_eq!(script.then(permit("c")), "permit_rejected GlobalShed");
}

#[test]
fn requests_for_jobs_that_are_not_known_are_answered() {
    for input in [cancel("none", false), pause("none")] {
        assert_eq!(Script::serving().then(input), "error JOB_NOT_FOUND");
    }
    assert_eq!(Script::with_worker().and(ended("a")).then(cancel("a", false)), "error JOB_NOT_FOUND");
}

#[test]
fn what_cannot_be_executed_names_its_job() {
    let mut bad = named("bad");
    bad.payload["capabilities"] = serde_json::json!(["FLY"]);
    let ask = RequestPermit { request_id: "p".into(), job: bad, attempt_index: 0.0 };
    let did = Script::serving().then(message(Message::RequestPermit(ask)));
    assert_eq!(
        did,
        "permit_granted, warning of bad: it cannot be executed: this core does not know the capability `FLY`, complete bad"
    );
}

#[test]
fn a_core_ends_its_workers_then_what_they_left_then_itself() {
    let mut script = Script::with_worker().and(permit("b"));
    assert_eq!(script.then(CoreInput::WireClosed), "cancel a (parent), cancel b (parent)");
    assert_eq!(script.then(ended("a")), "permits 1, complete a");
    assert_eq!(script.then(ended("b")), "permits 0, complete b, END LEFTOVERS");
    assert_eq!(script.then(CoreInput::WireClosed), "");
    assert_eq!(script.then(CoreInput::LeftoversEnded), "CLOSE");
    assert_eq!(script.then(CoreInput::LeftoversEnded), "");
}

#[test]
fn a_core_without_workers_ends_at_once() {
    assert_eq!(Script::serving().and(submit("a")).then(CoreInput::WireClosed), "END LEFTOVERS");
}

#[test]
fn a_second_request_to_end_kills_whatever_the_first_was() {
    for first in [CoreInput::WireClosed, stop(false)] {
        let mut script = Script::with_worker().and(first);
        assert_eq!(script.then(stop(false)), "kill a (parent)");
        assert_eq!(script.then(stop(true)), "", "more cannot be done");
    }
    assert_eq!(Script::with_worker().then(stop(true)), "kill a (parent)");
}

#[test]
fn the_end_of_the_wire_after_a_request_to_end_changes_nothing() {
    let mut script = Script::with_worker().and(stop(false));
    assert_eq!(script.then(CoreInput::WireClosed), "");
}

#[test]
fn workers_of_an_old_runner_are_gone_before_it_kills() {
    let mut script = Script::new().and(heartbeat()).and(permit("a"));
    assert_eq!(script.then(CoreInput::WireClosed), "kill timer 2s, cancel a (parent)");
    assert_eq!(script.then(CoreInput::KillTimer), "kill a (parent)");
    assert_eq!(script.then(CoreInput::KillTimer), "");
}

#[test]
fn a_core_that_ends_gives_no_permits() {
    let mut script = Script::with_worker().and(CoreInput::WireClosed);
    assert_eq!(script.then(permit("b")), "permit_rejected FatalMode");
}

#[test]
fn protocol_1_is_told_nothing_of_the_core() {
    let mut script = Script::new().and(heartbeat()).and(permit("a"));
    assert_eq!(script.then(started("a")), "");
    assert_eq!(script.then(CoreInput::Warning { job_id: None, message: "w".to_owned() }), "");
    assert_eq!(script.then(CoreInput::Leaked { job_id: None, leaked: Leaked::new(PROCESS, "c") }), "");
}

#[test]
fn a_supervisor_that_can_hide_values_is_given_those_it_does_not_know() {
    let known = |count, from_supervisor| CoreInput::SecretsKnown { count, from_supervisor };
    let mut script = Script::serving();
    assert_eq!(script.then(known(0, false)), "");
    assert_eq!(script.then(known(2, true)), "", "it gave these");
    assert_eq!(script.then(known(3, false)), "secrets from 2 on");
    assert_eq!(script.then(known(3, false)), "");
    let mut script = Script::new().and(hello(&[]));
    assert_eq!(script.then(known(1, false)), "", "it would not understand");
}

#[test]
fn a_queue_that_is_reported_is_no_request() {
    let metrics =
        QueueMetrics { request_id: "q".into(), queue_depth: 1.0, oldest_job_age_ms: 1.0, backlog_count: 1.0 };
    assert_eq!(Script::serving().then(message(Message::ReportQueueMetrics(metrics))), "");
}
