//! Every state and every input, and the promises one by one.

use std::fmt::Write as _;
use std::time::Duration;

use roboppi_ipc::{Cancel, CancelReason, Mono};

use super::{ChildEnd, ChildMachine, Effect, Ended, Epoch, Input, Limits, Signal, State};
use crate::ExitKind;

const LIMITS: Limits = Limits {
    grace: Duration::from_secs(5),
    drain: Duration::from_secs(2),
    timeout: Some(Duration::from_secs(60)),
};

const fn at(seconds: u64) -> Mono {
    Mono::from_origin(Duration::from_secs(seconds))
}

/// A machine with a record of what it asked for.
struct Script {
    machine: ChildMachine,
    effects: Vec<Effect>,
}

impl Script {
    fn new(inputs: &[(u64, Input)]) -> Self {
        let mut script = Self { machine: ChildMachine::new(LIMITS), effects: Vec::new() };
        for &(second, input) in inputs {
            script.then(second, input);
        }
        script
    }

    /// Gives one input; what it asks for is the answer.
    fn then(&mut self, second: u64, input: Input) -> &[Effect] {
        let before = self.effects.len();
        self.machine.handle(at(second), input, &mut self.effects);
        &self.effects[before..]
    }

    /// The timer that was set last goes off.
    fn timer(&mut self, second: u64) -> &[Effect] {
        let (epoch, _) = self.last_timer();
        self.then(second, Input::Timer(epoch))
    }

    fn last_timer(&self) -> (Epoch, Duration) {
        let set = self.effects.iter().rev().find_map(|effect| match effect {
            Effect::SetTimer { epoch, after } => Some((*epoch, *after)),
            _ => None,
        });
        set.expect("a timer was set")
    }

    fn end(&self) -> Option<Ended> {
        self.effects.iter().find_map(|effect| match effect {
            Effect::Finish(ChildEnd::Ended(ended)) => Some(*ended),
            _ => None,
        })
    }
}

const RUNNING: [(u64, Input); 2] = [(0, Input::Start), (0, Input::Spawned)];

fn running() -> Script {
    Script::new(&RUNNING)
}

fn show(effect: &Effect) -> String {
    match effect {
        Effect::Spawn => "spawn".into(),
        Effect::Started => "started".into(),
        Effect::Signal(Signal::Term) => "TERM".into(),
        Effect::Signal(Signal::Kill) => "KILL".into(),
        Effect::Signal(Signal::Stop) => "STOP".into(),
        Effect::Signal(Signal::Cont) => "CONT".into(),
        Effect::SetTimer { after, .. } => format!("timer {after:?}"),
        Effect::SweepGroup => "sweep".into(),
        Effect::LeaveGroup => "leave group".into(),
        Effect::Ending { phase, reason, limit } => {
            format!("say {phase:?}/{}/{limit:?}", reason.as_ref().map_or("-", CancelReason::name))
        }
        Effect::Finish(ChildEnd::Ended(ended)) => format!(
            "FINISH {} {}{}{} {:?}",
            ended.exit,
            ended.reason.as_ref().map_or("-", CancelReason::name),
            if ended.killed { " killed" } else { "" },
            if ended.pipes_left_open { " open" } else { "" },
            ended.duration,
        ),
        Effect::Finish(ChildEnd::NeverStarted(reason)) => format!("FINISH never started {}", reason.name()),
        Effect::Finish(ChildEnd::SpawnFailed) => "FINISH spawn failed".into(),
    }
}

const fn name(state: &State) -> &'static str {
    match state {
        State::Idle(_) => "Idle",
        State::Spawning(_) => "Spawning",
        State::Running { .. } => "Running",
        State::Paused { .. } => "Paused",
        State::Terminating { .. } => "Terminating",
        State::Killing => "Killing",
        State::Draining { .. } => "Draining",
        State::Sweeping(_) => "Sweeping",
        State::Done => "Done",
    }
}

fn states() -> Vec<(&'static str, Script)> {
    let exited = Input::Exited(ExitKind::Code(0));
    let user = CancelReason::User;
    let from = |name, inputs: &[(u64, Input)]| (name, Script::new(&[&RUNNING[..], inputs].concat()));
    let mut sweeping = from("Sweeping", &[(1, exited)]);
    sweeping.1.timer(3);
    vec![
        ("Idle", Script::new(&[])),
        ("Idle, cancelled", Script::new(&[(0, Input::Cancel(Cancel::graceful(user)))])),
        ("Spawning", Script::new(&[(0, Input::Start)])),
        (
            "Spawning, cancelled",
            Script::new(&[(0, Input::Start), (0, Input::Cancel(Cancel::graceful(user)))]),
        ),
        ("Spawning, paused", Script::new(&[(0, Input::Start), (0, Input::Pause)])),
        from("Running", &[]),
        from("Running, pipes closed", &[(1, Input::PipesClosed)]),
        from("Paused", &[(10, Input::Pause)]),
        from("Terminating", &[(0, Input::Cancel(Cancel::graceful(user)))]),
        from("Killing", &[(0, Input::Cancel(Cancel::forced(user)))]),
        from("Draining", &[(1, exited)]),
        from("Draining, cancelled", &[(1, Input::Cancel(Cancel::graceful(user))), (1, exited)]),
        sweeping,
        from("Done", &[(1, Input::PipesClosed), (1, exited)]),
    ]
}

#[test]
fn every_state_answers_every_input() {
    let mut table = String::new();
    for (state, script) in states() {
        let inputs = [
            ("Start", Input::Start),
            ("Spawned", Input::Spawned),
            ("SpawnFailed", Input::SpawnFailed),
            ("Exited", Input::Exited(ExitKind::Code(7))),
            ("PipesClosed", Input::PipesClosed),
            ("Timer", Input::Timer(script.machine.epoch)),
            ("stale Timer", Input::Timer(Epoch(script.machine.epoch.0.wrapping_sub(1)))),
            ("Cancel(user)", Input::Cancel(Cancel::graceful(CancelReason::User))),
            ("Cancel(budget)", Input::Cancel(Cancel::graceful(CancelReason::Budget))),
            ("Kill(user)", Input::Cancel(Cancel::forced(CancelReason::User))),
            ("Pause", Input::Pause),
            ("Resume", Input::Resume),
            ("OwnerGone", Input::OwnerGone),
        ];
        let mut ignored = Vec::new();
        writeln!(table, "{state}").unwrap();
        for (word, input) in inputs {
            let mut machine = script.machine.clone();
            let before = format!("{machine:?}");
            let mut effects = Vec::new();
            machine.handle(at(2), input, &mut effects);
            if effects.is_empty() && format!("{machine:?}") == before {
                ignored.push(word);
                continue;
            }
            let mut did: Vec<String> = effects.iter().map(show).collect();
            if name(&machine.state) != name(&script.machine.state) {
                did.insert(0, format!("→ {}:", name(&machine.state)));
            } else if effects.is_empty() {
                did.push("remembered".into());
            }
            writeln!(table, "  {word:<14} {}", did.join(" ")).unwrap();
        }
        writeln!(table, "  ignored: {}", ignored.join(", ")).unwrap();
    }
    insta::assert_snapshot!(table, @r"
    Idle
      Start          → Spawning: spawn
      Cancel(user)   remembered
      Cancel(budget) remembered
      Kill(user)     remembered
      Pause          remembered
      OwnerGone      remembered
      ignored: Spawned, SpawnFailed, Exited, PipesClosed, Timer, stale Timer, Resume
    Idle, cancelled
      Start          → Done: FINISH never started user
      Cancel(budget) remembered
      Kill(user)     remembered
      Pause          remembered
      OwnerGone      remembered
      ignored: Spawned, SpawnFailed, Exited, PipesClosed, Timer, stale Timer, Cancel(user), Resume
    Spawning
      Spawned        → Running: started timer 60s
      SpawnFailed    → Done: FINISH spawn failed
      Cancel(user)   remembered
      Cancel(budget) remembered
      Kill(user)     remembered
      Pause          remembered
      OwnerGone      remembered
      ignored: Start, Exited, PipesClosed, Timer, stale Timer, Resume
    Spawning, cancelled
      Spawned        → Terminating: started say Terminating/user/5s TERM CONT timer 5s
      SpawnFailed    → Done: FINISH spawn failed
      Cancel(budget) remembered
      Kill(user)     remembered
      Pause          remembered
      OwnerGone      remembered
      ignored: Start, Exited, PipesClosed, Timer, stale Timer, Cancel(user), Resume
    Spawning, paused
      Spawned        → Paused: started STOP
      SpawnFailed    → Done: FINISH spawn failed
      Cancel(user)   remembered
      Cancel(budget) remembered
      Kill(user)     remembered
      Resume         remembered
      OwnerGone      remembered
      ignored: Start, Exited, PipesClosed, Timer, stale Timer, Pause
    Running
      Exited         → Draining: say Draining/-/2s timer 2s
      PipesClosed    remembered
      Timer          → Terminating: say Terminating/timeout/5s TERM CONT timer 5s
      Cancel(user)   → Terminating: say Terminating/user/5s TERM CONT timer 5s
      Cancel(budget) → Terminating: say Terminating/budget/5s TERM CONT timer 5s
      Kill(user)     → Killing: say Killing/user/2s KILL
      Pause          → Paused: STOP
      OwnerGone      → Terminating: say Terminating/parent/5s TERM CONT timer 5s
      ignored: Start, Spawned, SpawnFailed, stale Timer, Resume
    Running, pipes closed
      Exited         → Done: leave group FINISH exit code 7 - 2s
      Timer          → Terminating: say Terminating/timeout/5s TERM CONT timer 5s
      Cancel(user)   → Terminating: say Terminating/user/5s TERM CONT timer 5s
      Cancel(budget) → Terminating: say Terminating/budget/5s TERM CONT timer 5s
      Kill(user)     → Killing: say Killing/user/2s KILL
      Pause          → Paused: STOP
      OwnerGone      → Terminating: say Terminating/parent/5s TERM CONT timer 5s
      ignored: Start, Spawned, SpawnFailed, PipesClosed, stale Timer, Resume
    Paused
      Exited         → Draining: CONT say Draining/-/2s timer 2s
      PipesClosed    remembered
      Cancel(user)   → Terminating: say Terminating/user/5s TERM CONT timer 5s
      Cancel(budget) → Terminating: say Terminating/budget/5s TERM CONT timer 5s
      Kill(user)     → Killing: say Killing/user/2s KILL
      Resume         → Running: CONT timer 50s
      OwnerGone      → Terminating: say Terminating/parent/5s TERM CONT timer 5s
      ignored: Start, Spawned, SpawnFailed, Timer, stale Timer, Pause
    Terminating
      Exited         → Draining: say Draining/user/2s timer 2s
      PipesClosed    remembered
      Timer          → Killing: say Killing/user/2s KILL
      Cancel(budget) say Terminating/budget/3s
      Kill(user)     → Killing: say Killing/user/2s KILL
      OwnerGone      say Terminating/parent/3s
      ignored: Start, Spawned, SpawnFailed, stale Timer, Cancel(user), Pause, Resume
    Killing
      Exited         → Draining: say Draining/user/2s timer 2s
      PipesClosed    remembered
      Cancel(budget) say Killing/budget/2s
      OwnerGone      say Killing/parent/2s
      ignored: Start, Spawned, SpawnFailed, Timer, stale Timer, Cancel(user), Kill(user), Pause, Resume
    Draining
      PipesClosed    → Done: leave group FINISH exit code 0 - 1s
      Timer          → Sweeping: sweep timer 100ms
      Cancel(user)   TERM CONT
      Cancel(budget) TERM CONT
      Kill(user)     → Sweeping: sweep timer 100ms
      OwnerGone      TERM CONT
      ignored: Start, Spawned, SpawnFailed, Exited, stale Timer, Pause, Resume
    Draining, cancelled
      PipesClosed    → Done: sweep FINISH exit code 0 user 1s
      Timer          → Sweeping: sweep timer 100ms
      Cancel(budget) say Draining/budget/1s
      Kill(user)     → Sweeping: sweep timer 100ms
      OwnerGone      say Draining/parent/1s
      ignored: Start, Spawned, SpawnFailed, Exited, stale Timer, Cancel(user), Pause, Resume
    Sweeping
      PipesClosed    → Done: FINISH exit code 0 - open 1s
      Timer          → Done: FINISH exit code 0 - open 1s
      ignored: Start, Spawned, SpawnFailed, Exited, stale Timer, Cancel(user), Cancel(budget), Kill(user), Pause, Resume, OwnerGone
    Done
      ignored: Start, Spawned, SpawnFailed, Exited, PipesClosed, Timer, stale Timer, Cancel(user), Cancel(budget), Kill(user), Pause, Resume, OwnerGone
    ");
}

#[test]
fn a_cancel_while_spawning_is_carried_out_when_the_child_runs() {
    let mut script =
        Script::new(&[(0, Input::Start), (1, Input::Cancel(Cancel::graceful(CancelReason::User)))]);
    assert_eq!(script.effects, [Effect::Spawn]);
    let did: Vec<_> = script.then(4, Input::Spawned).iter().map(show).collect();
    assert_eq!(did, ["started", "say Terminating/user/5s", "TERM", "CONT", "timer 5s"]);
}

#[test]
fn a_kill_while_spawning_wins_over_a_cancel() {
    for order in [[0, 1], [1, 0]] {
        let asked = [
            Input::Cancel(Cancel::graceful(CancelReason::Parent)),
            Input::Cancel(Cancel::forced(CancelReason::User)),
        ];
        let mut script = Script::new(&[(0, Input::Start), (1, asked[order[0]]), (1, asked[order[1]])]);
        let did: Vec<_> = script.then(4, Input::Spawned).iter().map(show).collect();
        assert_eq!(did, ["started", "say Killing/parent/2s", "KILL"]);
    }
}

#[test]
fn a_cancel_while_spawning_of_a_child_that_does_not_start_is_a_failed_start() {
    let mut script =
        Script::new(&[(0, Input::Start), (1, Input::Cancel(Cancel::graceful(CancelReason::User)))]);
    assert_eq!(script.then(4, Input::SpawnFailed), [Effect::Finish(ChildEnd::SpawnFailed)]);
}

#[test]
fn the_exit_in_the_grace_time_spares_the_kill() {
    let mut script = running();
    script.then(1, Input::Cancel(Cancel::graceful(CancelReason::User)));
    let (grace, _) = script.last_timer();
    script.then(2, Input::Exited(ExitKind::Signal(15)));
    assert_eq!(script.then(6, Input::Timer(grace)), [], "the grace timer is stale");
    script.then(2, Input::PipesClosed);
    let end = script.end().unwrap();
    assert_eq!((end.exit, end.killed, end.pipes_left_open), (ExitKind::Signal(15), false, false));
    assert!(!script.effects.contains(&Effect::Signal(Signal::Kill)));
}

#[test]
fn the_timer_of_another_state_does_nothing() {
    let mut script = running();
    let (timeout, _) = script.last_timer();
    script.then(1, Input::Pause);
    assert_eq!(script.then(60, Input::Timer(timeout)), []);
    script.then(61, Input::Resume);
    assert_eq!(script.then(61, Input::Timer(timeout)), []);
    script.then(62, Input::Cancel(Cancel::graceful(CancelReason::User)));
    assert_eq!(script.then(62, Input::Timer(timeout)), []);
    assert_eq!(script.timer(67).len(), 2, "the timer of this state does");
}

#[test]
fn pipes_may_close_before_the_exit() {
    let mut script = running();
    assert_eq!(script.then(1, Input::PipesClosed), []);
    let did: Vec<_> = script.then(9, Input::Exited(ExitKind::Code(0))).iter().map(show).collect();
    assert_eq!(did, ["leave group", "FINISH exit code 0 - 9s"]);
}

#[test]
fn the_timeout_rests_while_the_child_is_paused() {
    let mut script = running();
    script.then(20, Input::Pause);
    script.then(1000, Input::Resume);
    assert_eq!(script.last_timer().1, Duration::from_secs(40));
    script.then(1010, Input::Pause);
    script.then(2000, Input::Resume);
    assert_eq!(script.last_timer().1, Duration::from_secs(30));
    script.timer(2030);
    assert_eq!(script.machine.reason, Some(CancelReason::Timeout));
}

#[test]
fn pauses_do_not_add_up() {
    let mut script = running();
    script.then(20, Input::Pause);
    assert_eq!(script.then(30, Input::Pause), []);
    script.then(40, Input::Resume);
    assert_eq!(script.then(50, Input::Resume), []);
    assert_eq!(script.last_timer().1, Duration::from_secs(40));
}

#[test]
fn a_paused_child_can_be_cancelled() {
    let mut script = running();
    script.then(1, Input::Pause);
    let did: Vec<_> =
        script.then(2, Input::Cancel(Cancel::graceful(CancelReason::User))).iter().map(show).collect();
    assert_eq!(did, ["say Terminating/user/5s", "TERM", "CONT", "timer 5s"]);
}

#[test]
fn the_reason_only_gets_more_severe() {
    use CancelReason::{Budget, Lost, Parent, Timeout, User};
    let all = [User, Timeout, Budget, Parent, Lost];
    for first in all {
        for second in all {
            for kill in [false, true] {
                let mut script = running();
                script.then(1, Input::Cancel(Cancel::graceful(first)));
                let said = script.then(
                    2,
                    if kill {
                        Input::Cancel(Cancel::forced(second))
                    } else {
                        Input::Cancel(Cancel::graceful(second))
                    },
                );
                assert_eq!(said.is_empty(), !kill && second <= first, "{first:?} then {second:?}");
                script.then(3, Input::Exited(ExitKind::Signal(15)));
                script.then(3, Input::PipesClosed);
                assert_eq!(script.end().unwrap().reason, Some(first.max(second)));
            }
        }
    }
}

#[test]
fn a_second_cancel_does_not_prolong_the_grace_time() {
    let mut script = running();
    script.then(1, Input::Cancel(Cancel::graceful(CancelReason::User)));
    let did: Vec<_> = script.then(4, Input::OwnerGone).iter().map(show).collect();
    assert_eq!(did, ["say Terminating/parent/2s"]);
}

#[test]
fn a_child_that_ended_by_itself_was_not_cancelled() {
    for late in [
        Input::Cancel(Cancel::graceful(CancelReason::User)),
        Input::Cancel(Cancel::forced(CancelReason::User)),
        Input::OwnerGone,
    ] {
        let mut script = running();
        script.then(1, Input::Exited(ExitKind::Code(0)));
        script.then(2, late);
        script.then(2, Input::PipesClosed);
        assert_eq!(script.end().unwrap().reason, None);
    }
}

#[test]
fn a_child_without_timeout_has_no_timer() {
    let mut machine = ChildMachine::new(Limits { timeout: None, ..LIMITS });
    let mut effects = Vec::new();
    for input in [Input::Start, Input::Spawned, Input::Pause, Input::Resume] {
        machine.handle(at(1), input, &mut effects);
    }
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::SetTimer { .. })));
}

#[test]
fn times_beyond_all_clocks_are_harmless() {
    let forever = Limits { grace: Duration::MAX, drain: Duration::MAX, timeout: Some(Duration::MAX) };
    let mut machine = ChildMachine::new(forever);
    let mut effects = Vec::new();
    for input in [
        Input::Start,
        Input::Spawned,
        Input::Pause,
        Input::Resume,
        Input::Cancel(Cancel::graceful(CancelReason::User)),
        Input::Cancel(Cancel::graceful(CancelReason::Lost)),
        Input::Exited(ExitKind::Code(0)),
        Input::OwnerGone,
        Input::PipesClosed,
    ] {
        machine.handle(at(3), input, &mut effects);
    }
    assert!(machine.is_done());
}
