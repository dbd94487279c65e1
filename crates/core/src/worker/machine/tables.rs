//! Every state and every input, and the promises one by one.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use roboppi_process::ExitKind;

use super::*;

/// Of the soft stop, and of idleness.
const SOFT_STOP: Duration = Duration::from_secs(3);
const IDLE: Duration = Duration::from_secs(60);
const PROCESS: ProcessIdentity = ProcessIdentity { pid: 7, start_time: 1 };

const fn at(seconds: u64) -> Mono {
    Mono::from_origin(Duration::from_secs(seconds))
}

fn report(reason: Option<CancelReason>) -> ChildReport {
    ChildReport {
        exit: ExitKind::Code(0),
        reason,
        killed: false,
        pipes_left_open: false,
        duration: Duration::from_secs(1),
        process: PROCESS,
        usage: None,
    }
}

const fn cancel(reason: CancelReason, force: bool) -> Input {
    Input::Control(WorkerControl::Cancel(Cancel { reason, force }))
}

const fn user() -> Input {
    cancel(CancelReason::User, false)
}

const fn ending(phase: EndingPhase, reason: Option<CancelReason>) -> Input {
    Input::Ending { phase, reason, limit: Duration::from_secs(2) }
}

/// A look that finds a worker which has done nothing since the last one.
const fn nothing_done() -> Input {
    Input::Sampled(Sample { processor: Duration::ZERO, written: Some(SystemTime::UNIX_EPOCH) })
}

/// A machine and what it was given.
struct Script(WorkerMachine);

impl Script {
    fn new(soft_stop: Duration) -> Self {
        let mut script = Self(WorkerMachine::new(Some(IDLE)));
        script.then(0, Input::Prepared { soft_stop });
        script
    }

    /// One whose worker runs, and whose session has time to end it.
    fn running() -> Self {
        Self::new(SOFT_STOP).and(0, Input::Started(PROCESS))
    }

    /// Gives one input; what it asks for is the answer.
    fn then(&mut self, second: u64, input: Input) -> String {
        let mut effects = Vec::new();
        self.0.handle(at(second), input, &mut effects);
        effects.iter().map(show).collect::<Vec<_>>().join(", ")
    }

    fn and(mut self, second: u64, input: Input) -> Self {
        self.then(second, input);
        self
    }
}

fn show(effect: &Effect) -> String {
    let name =
        |reason: &Option<CancelReason>| reason.map_or("-".to_owned(), |reason| reason.name().to_owned());
    match effect {
        Effect::Control(Control::Cancel(Cancel { reason, force: false })) => {
            format!("ladder({})", reason.name())
        }
        Effect::Control(Control::Cancel(Cancel { reason, force: true })) => {
            format!("KILL({})", reason.name())
        }
        Effect::Control(control) => format!("{control:?}"),
        Effect::CancelSession(reason) => format!("session({})", reason.name()),
        Effect::FireTimer(timer) => format!("fire {timer:?}"),
        Effect::Reply(reply) => format!("reply to {}", reply.id.0),
        Effect::InspectHolders => "inspect holders".to_owned(),
        Effect::Notify(WorkerNotice::Started(_)) => "notify started".to_owned(),
        Effect::Notify(WorkerNotice::Ending { phase, reason, .. }) => {
            format!("notify {phase:?}/{}", name(reason))
        }
        Effect::Notify(other) => format!("{other:?}"),
        Effect::Conclude(Conclusion { cancelled, idle, .. }) => {
            format!("CONCLUDE {}{}", name(cancelled), if idle.is_some() { " idle" } else { "" })
        }
    }
}

/// Rows or columns of a table: a name, and how to make it.
type Named<T> = Vec<(&'static str, fn() -> T)>;

fn states() -> Named<Script> {
    vec![
        ("Starting", || Script::new(SOFT_STOP)),
        ("Running", Script::running),
        ("Running, no soft stop", || Script::new(Duration::ZERO).and(0, Input::Started(PROCESS))),
        ("Running, soft stop", || Script::running().and(1, user())),
        ("Running, work done", || Script::running().and(1, Input::SessionEnds(None))),
        ("Running, idle", || Script::running().and(1, nothing_done()).and(61, nothing_done())),
        ("Ending", || Script::running().and(1, ending(EndingPhase::Terminating, Some(CancelReason::User)))),
        ("Draining", || Script::running().and(1, ending(EndingPhase::Draining, None))),
        ("Ended", || Script::running().and(1, Input::Exited(report(None)))),
    ]
}

fn inputs() -> Named<Input> {
    vec![
        ("Cancel(user)", user),
        ("Cancel(parent)", || cancel(CancelReason::Parent, false)),
        ("Kill(user)", || cancel(CancelReason::User, true)),
        ("Pause", || Input::Control(WorkerControl::Pause)),
        ("Resume", || Input::Control(WorkerControl::Resume)),
        ("Started", || Input::Started(PROCESS)),
        ("Sampled", nothing_done),
        ("LimitReached(kill)", || Input::LimitReached(OverLimit::Kill)),
        ("LimitReached(warn)", || Input::LimitReached(OverLimit::Warn)),
        ("Ask", || Input::Ask(AskId(1))),
        ("SessionEnds", || Input::SessionEnds(None)),
        ("SessionEnds(budget)", || Input::SessionEnds(Some(CancelReason::Budget))),
        ("Ending(terminating)", || ending(EndingPhase::Terminating, Some(CancelReason::User))),
        ("Ending(draining)", || ending(EndingPhase::Draining, None)),
        ("Time", || Input::Time),
        ("Exited", || Input::Exited(report(None))),
        ("Exited(user)", || Input::Exited(report(Some(CancelReason::User)))),
        ("Exited(timeout)", || Input::Exited(report(Some(CancelReason::Timeout)))),
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
            let before = format!("{:?}", script.0);
            let phase = script.0.phase;
            let mut did = script.then(120, input());
            if script.0.phase != phase {
                did = format!("→ {:?}: {did}", script.0.phase);
            } else if did.is_empty() {
                if format!("{:?}", script.0) == before {
                    ignored.push(word);
                    continue;
                }
                "remembered".clone_into(&mut did);
            }
            writeln!(table, "  {word:<19} {did}").unwrap();
        }
        writeln!(table, "  ignored: {}", ignored.join(", ")).unwrap();
    }
    insta::assert_snapshot!(table);
}

#[test]
fn a_session_has_its_time_before_the_ladder_begins() {
    let mut script = Script::running();
    assert_eq!(script.then(10, user()), "session(user)");
    assert_eq!(script.0.due(), Some(at(13)));
    assert_eq!(script.then(12, Input::Time), "");
    assert_eq!(script.then(13, Input::Time), "ladder(user)");
    assert_eq!(script.0.due(), None);
}

#[test]
fn asking_again_neither_moves_the_soft_stop_nor_makes_its_reason_milder() {
    let mut script = Script::running();
    assert_eq!(script.then(10, cancel(CancelReason::Budget, false)), "session(budget)");
    assert_eq!(script.then(11, user()), "", "the session knows of something worse");
    assert_eq!(script.0.due(), Some(at(13)));
    assert_eq!(script.then(12, cancel(CancelReason::Parent, false)), "session(parent)");
    assert_eq!(script.then(13, Input::Time), "ladder(parent)");
}

#[test]
fn force_does_not_wait_for_the_session() {
    let mut script = Script::running().and(10, user());
    assert_eq!(script.then(11, cancel(CancelReason::User, true)), "KILL(user)");
    assert_eq!(script.0.due(), None);
}

#[test]
fn an_order_before_the_start_goes_to_the_process_and_not_to_the_session() {
    let mut script = Script::new(SOFT_STOP);
    assert_eq!(script.then(0, user()), "ladder(user)");
    assert!(!script.0.has_started());
}

#[test]
fn done_work_is_no_cancellation_unless_somebody_asked_for_one_besides() {
    let by_user = || ending(EndingPhase::Terminating, Some(CancelReason::User));
    let exited = || Input::Exited(report(Some(CancelReason::User)));
    let done = || Script::running().and(1, Input::SessionEnds(None));

    let mut script = done();
    assert_eq!(script.then(1, by_user()), "notify Terminating/-");
    assert_eq!(script.then(2, exited()), "CONCLUDE -");

    let mut script = done();
    assert_eq!(script.then(1, cancel(CancelReason::User, false)), "session(user)");
    assert_eq!(script.then(2, by_user()), "notify Terminating/user");
    assert_eq!(script.then(2, exited()), "CONCLUDE user");

    let mut script = Script::running().and(1, user()).and(1, Input::SessionEnds(None));
    assert_eq!(script.then(2, exited()), "CONCLUDE user", "it was asked first");
}

#[test]
fn who_does_nothing_for_the_limit_is_ended_and_it_is_said_why() {
    let mut script = Script::running();
    assert_eq!(script.then(30, nothing_done()), "");
    assert_eq!(script.then(59, nothing_done()), "");
    assert_eq!(script.then(60, nothing_done()), "session(timeout)");
    assert_eq!(script.0.sample_due(), None);
    assert_eq!(script.then(63, Input::Time), "ladder(timeout)");
    assert_eq!(script.then(70, Input::Exited(report(Some(CancelReason::Timeout)))), "CONCLUDE timeout idle");
}

#[test]
fn what_was_asked_to_end_is_not_ended_for_idleness() {
    let mut script = Script::running().and(1, user());
    assert_eq!(script.then(100, nothing_done()), "");
    assert_eq!(script.then(110, Input::Exited(report(Some(CancelReason::Timeout)))), "CONCLUDE timeout");
}

#[test]
fn output_is_activity_unless_it_only_says_that_the_worker_waits() {
    for (events, is_active) in
        [(&[][..], true), (&[true], false), (&[true, false], true), (&[false], true), (&[true, true], false)]
    {
        let mut script = Script::running().and(30, nothing_done()).and(50, Input::OutputBegins);
        for waits in events {
            script = script.and(50, Input::Event { waits: *waits });
        }
        let ended = script.and(50, Input::OutputEnds).then(61, nothing_done());
        assert_eq!(ended.is_empty(), is_active, "{events:?}: {ended}");
    }
}

#[test]
fn an_event_beside_output_says_nothing_about_it() {
    let script = Script::running().and(30, nothing_done()).and(40, Input::Event { waits: false });
    let script = script.and(50, Input::OutputBegins).and(50, Input::Event { waits: true });
    assert_eq!(script.and(50, Input::OutputEnds).then(61, nothing_done()), "session(timeout)");
}

#[test]
fn a_paused_worker_is_not_idle() {
    let mut script = Script::running().and(1, Input::Control(WorkerControl::Pause));
    assert_eq!(script.0.sample_due(), None);
    assert_eq!(script.then(500, nothing_done()), "");
    script.then(500, Input::Control(WorkerControl::Resume));
    assert_eq!(script.then(559, nothing_done()), "");
    assert_eq!(script.then(560, nothing_done()), "session(timeout)");
}

#[test]
fn a_log_that_is_too_long_ends_its_worker_by_the_ladder_at_once() {
    let mut script = Script::running();
    assert_eq!(script.then(1, Input::LimitReached(OverLimit::Kill)), "session(budget), ladder(budget)");
    assert_eq!(script.then(2, Input::LimitReached(OverLimit::Kill)), "ladder(budget)", "the session knows");
}

#[test]
fn holders_of_pipes_are_inspected_first_last_and_before_they_are_killed() {
    let mut script = Script::running();
    assert_eq!(script.then(1, ending(EndingPhase::Draining, None)), "inspect holders, notify Draining/-");
    assert_eq!(script.0.due(), Some(Mono::from_origin(Duration::from_millis(2995))));
    assert_eq!(script.then(3, Input::Time), "inspect holders");
    assert_eq!(script.0.due(), None);
    let mut script = Script::running().and(1, ending(EndingPhase::Draining, None));
    assert_eq!(script.then(2, cancel(CancelReason::User, true)), "inspect holders, KILL(user)");
    assert_eq!(script.0.due(), None);
}

#[test]
fn timers_of_the_session_fire_once_and_the_host_answers_later() {
    let mut script = Script::running();
    script.then(1, Input::SetTimer(TimerId(1), Duration::from_secs(5)));
    script.then(1, Input::SetTimer(TimerId(2), Duration::from_secs(9)));
    script.then(2, Input::SetTimer(TimerId(1), Duration::from_secs(6)));
    assert_eq!(script.0.due(), Some(at(8)));
    assert_eq!(script.then(8, Input::Time), "fire TimerId(1)");
    assert_eq!(script.0.due(), Some(at(10)));
    assert_eq!(script.then(9, Input::Ask(AskId(7))), "");
    assert_eq!(script.0.due(), Some(Mono::ZERO), "as soon as its effects are done");
    assert_eq!(script.then(9, Input::Time), "reply to 7");
    assert_eq!(script.then(10, Input::Time), "fire TimerId(2)");
    assert_eq!(script.0.due(), None);
}

#[test]
fn a_session_learns_when_its_worker_was_quiet_and_the_idle_limit_counts_again_afterwards() {
    const QUIET: Duration = Duration::from_secs(20);
    let mut script = Script::running().and(1, nothing_done());
    script.then(10, Input::SetQuietTimer(TimerId(4), QUIET));
    assert_eq!(script.then(29, nothing_done()), "");
    assert_eq!(script.then(30, nothing_done()), "fire TimerId(4)");
    assert_eq!(script.then(89, nothing_done()), "", "it fires once");
    assert_eq!(script.then(90, nothing_done()), "session(timeout)");

    // Work puts it off.
    let mut script = Script::running().and(1, nothing_done());
    script.then(10, Input::SetQuietTimer(TimerId(4), QUIET));
    let works = Sample { processor: Duration::from_secs(9), written: None };
    assert_eq!(script.then(29, Input::Sampled(works)), "");
    assert_eq!(script.then(48, Input::Sampled(works)), "");
    assert_eq!(script.then(49, Input::Sampled(works)), "fire TimerId(4)");
}

#[test]
fn a_quiet_worker_is_told_to_its_session_also_where_the_idle_limit_is_shorter_or_there_is_none() {
    let mut script = Script::running().and(1, nothing_done());
    script.then(10, Input::SetQuietTimer(TimerId(4), Duration::from_secs(300)));
    assert_eq!(script.then(70, nothing_done()), "fire TimerId(4)");

    let mut script = Script(WorkerMachine::new(None)).and(0, Input::Started(PROCESS));
    assert_eq!(script.0.sample_due(), None);
    script.then(10, Input::SetQuietTimer(TimerId(4), Duration::from_secs(300)));
    assert!(script.0.sample_due().is_some());
    script.then(11, nothing_done());
    assert_eq!(script.then(310, nothing_done()), "fire TimerId(4)");
    assert_eq!(script.0.sample_due(), None);

    let script = Script::running().and(1, nothing_done());
    let script = script.and(10, Input::SetQuietTimer(TimerId(4), Duration::from_secs(20)));
    assert_eq!(script.and(11, user()).then(40, nothing_done()), "", "it was asked to end");
}
