//! Every state and every input, and the promises one by one.

use std::fmt::Write as _;
use std::time::Duration;

use roboppi_ipc::Mono;

use super::{Effect, Forward, GuardMachine, Input, Request, State};
use crate::ExitKind;
use crate::guard::{GuardKind, GuardSettings};

/// Grace 5 s, drain 2 s: the deadline of a child that was asked is 8 s, giving up comes after 11 s.
fn machine(kind: GuardKind) -> GuardMachine {
    GuardMachine::new(GuardSettings { grace: Duration::from_secs(5), drain: Duration::from_secs(2), kind })
}

/// A machine with a record of what it asked for.
#[derive(Clone)]
struct Script {
    machine: GuardMachine,
    effects: Vec<Effect>,
}

impl Script {
    fn new(kind: GuardKind, inputs: &[(u64, Input)]) -> Self {
        let mut script = Self { machine: machine(kind), effects: Vec::new() };
        for &(millis, input) in inputs {
            script.then(millis, input);
        }
        script
    }

    /// Gives one input; what it asks for is the answer.
    fn then(&mut self, millis: u64, input: Input) -> String {
        let before = self.effects.len();
        let now = Mono::from_origin(Duration::from_millis(millis));
        self.machine.handle(now, input, &mut self.effects);
        let said: Vec<_> = self.effects[before..].iter().map(show).collect();
        said.join(", ")
    }

    /// The timer that was set last goes off.
    fn timer(&mut self, millis: u64) -> String {
        let set = self.effects.iter().rev().find_map(|effect| match effect {
            Effect::SetTimer { epoch, .. } => Some(*epoch),
            _ => None,
        });
        self.then(millis, Input::Timer(set.expect("a timer was set")))
    }

    fn state(&self) -> &'static str {
        match self.machine.state {
            State::Guarding => "Guarding",
            State::Ending { .. } => "Ending",
            State::Killing { .. } => "Killing",
            State::Sweeping { .. } => "Sweeping",
            State::Done => "Done",
        }
    }
}

fn show(effect: &Effect) -> String {
    match effect {
        Effect::Forward(forward) => match forward {
            Forward::Term => "TERM".into(),
            Forward::Int => "INT".into(),
            Forward::Hup => "HUP".into(),
            Forward::Quit => "QUIT".into(),
            Forward::Status => "USR1".into(),
            Forward::Suspend => "TSTP".into(),
            Forward::Cont => "CONT".into(),
            Forward::Kill => "KILL".into(),
        },
        Effect::StopFront => "stop front".into(),
        Effect::ContinueFront => "continue front".into(),
        Effect::SetTimer { after, .. } => format!("timer {after:?}"),
        Effect::CloseInput => "close input".into(),
        Effect::RestoreTerminal => "restore terminal".into(),
        Effect::ReportExit(exit) => format!("report {exit}"),
        Effect::AskAll => "ask all".into(),
        Effect::KillAll => "kill all".into(),
        Effect::GiveUp => "give up".into(),
        Effect::Finish(code) => format!("FINISH {code}"),
    }
}

const TERM: Input = Input::Requested(Request::Term);
const EXIT: Input = Input::ChildExited(ExitKind::Code(0));
const KILLED: Input = Input::ChildExited(ExitKind::Signal(9));
const LEFT: Input = Input::Reaped { left: true };
const NOBODY: Input = Input::Reaped { left: false };

fn core(inputs: &[(u64, Input)]) -> Script {
    Script::new(GuardKind::Core, inputs)
}

fn direct(inputs: &[(u64, Input)]) -> Script {
    Script::new(GuardKind::Direct, inputs)
}

#[test]
fn every_state_answers_every_input() {
    let inputs = [
        ("TERM", TERM),
        ("INT", Input::Requested(Request::Int)),
        ("TSTP", Input::Requested(Request::Suspend)),
        ("CONT", Input::Requested(Request::Continue)),
        ("hang-up", Input::HangUp),
        ("parent gone", Input::ParentExited),
        ("child stopped", Input::ChildStopped),
        ("child continued", Input::ChildContinued),
        ("signalled", Input::SignalEvent { refused: false }),
        ("refused", Input::SignalEvent { refused: true }),
        ("exit", EXIT),
        ("killed", KILLED),
        ("some left", LEFT),
        ("nobody left", NOBODY),
        ("stale timer", Input::Timer(super::Epoch(77))),
    ];
    let mut table = String::new();
    for kind in [GuardKind::Core, GuardKind::Direct] {
        let mut killing = Script::new(kind, &[(0, TERM)]);
        killing.timer(8_000);
        let states = [
            Script::new(kind, &[]),
            Script::new(kind, &[(0, TERM)]),
            killing,
            Script::new(kind, &[(0, KILLED), (0, LEFT)]),
            Script::new(kind, &[(0, EXIT), (0, NOBODY)]),
        ];
        for state in states {
            for (name, input) in inputs {
                let mut script = state.clone();
                let before = script.state();
                let said = script.then(8_500, input);
                let after = script.state();
                if !said.is_empty() || before != after {
                    writeln!(table, "{kind:?} {before} + {name} -> {after}: {said}").unwrap();
                }
            }
        }
    }
    insta::assert_snapshot!(table, @r#"
    Core Guarding + TERM -> Ending: TERM, CONT, timer 8s
    Core Guarding + INT -> Ending: TERM, CONT, timer 8s
    Core Guarding + hang-up -> Ending: CONT, timer 8s
    Core Guarding + exit -> Sweeping: close input, report exit code 0
    Core Guarding + killed -> Sweeping: close input, report signal 9 (SIGKILL)
    Core Guarding + nobody left -> Done: FINISH 125
    Core Ending + TERM -> Ending: TERM, CONT
    Core Ending + INT -> Ending: TERM, CONT
    Core Ending + hang-up -> Ending: CONT
    Core Ending + exit -> Sweeping: close input, report exit code 0
    Core Ending + killed -> Sweeping: close input, report signal 9 (SIGKILL)
    Core Ending + nobody left -> Done: FINISH 125
    Core Killing + exit -> Sweeping: close input, report exit code 0
    Core Killing + killed -> Sweeping: close input, report signal 9 (SIGKILL)
    Core Killing + nobody left -> Done: FINISH 125
    Core Sweeping + parent gone -> Sweeping: kill all, timer 10ms
    Core Sweeping + refused -> Sweeping: kill all, timer 10ms
    Core Sweeping + some left -> Sweeping: kill all, timer 10ms
    Core Sweeping + nobody left -> Done: FINISH 137
    Direct Guarding + TERM -> Ending: TERM, CONT, timer 8s
    Direct Guarding + INT -> Guarding: INT, CONT
    Direct Guarding + TSTP -> Guarding: TSTP
    Direct Guarding + hang-up -> Ending: CONT, timer 8s
    Direct Guarding + parent gone -> Ending: TERM, CONT, timer 8s
    Direct Guarding + child stopped -> Guarding: stop front
    Direct Guarding + child continued -> Guarding: continue front
    Direct Guarding + exit -> Sweeping: close input, report exit code 0, continue front
    Direct Guarding + killed -> Sweeping: close input, restore terminal, report signal 9 (SIGKILL), continue front
    Direct Guarding + nobody left -> Done: FINISH 125
    Direct Ending + TERM -> Ending: TERM, CONT
    Direct Ending + INT -> Ending: INT, CONT
    Direct Ending + TSTP -> Ending: TSTP
    Direct Ending + hang-up -> Ending: CONT
    Direct Ending + parent gone -> Ending: TERM, CONT
    Direct Ending + child stopped -> Ending: stop front
    Direct Ending + child continued -> Ending: continue front
    Direct Ending + exit -> Sweeping: close input, report exit code 0, continue front
    Direct Ending + killed -> Sweeping: close input, restore terminal, report signal 9 (SIGKILL), continue front
    Direct Ending + nobody left -> Done: FINISH 125
    Direct Killing + child stopped -> Killing: stop front
    Direct Killing + child continued -> Killing: continue front
    Direct Killing + exit -> Sweeping: close input, report exit code 0, continue front
    Direct Killing + killed -> Sweeping: close input, restore terminal, report signal 9 (SIGKILL), continue front
    Direct Killing + nobody left -> Done: FINISH 125
    Direct Sweeping + parent gone -> Sweeping: kill all, timer 10ms
    Direct Sweeping + refused -> Sweeping: kill all, timer 10ms
    Direct Sweeping + some left -> Sweeping: kill all, timer 10ms
    Direct Sweeping + nobody left -> Done: FINISH 137
    "#);
}

#[test]
fn a_child_that_ends_with_nothing_left_ends_the_guard_at_once() {
    let mut script = core(&[]);
    assert_eq!(script.then(10, EXIT), "close input, report exit code 0");
    assert_eq!(script.then(10, NOBODY), "FINISH 0");
    assert!(script.machine.is_done());
}

#[test]
fn the_exit_code_is_that_of_the_child() {
    for (exit, code) in [(ExitKind::Code(3), 3), (ExitKind::Code(255), 255), (ExitKind::Signal(15), 143)] {
        let mut script = core(&[(0, Input::ChildExited(exit))]);
        assert_eq!(script.then(0, NOBODY), format!("FINISH {code}"));
    }
}

#[test]
fn what_a_crash_leaves_is_asked_and_after_the_grace_time_killed_until_nobody_is_left() {
    let mut script = core(&[(100, KILLED)]);
    assert_eq!(script.then(100, LEFT), "ask all, timer 5s");
    assert_eq!(script.then(2_100, LEFT), "timer 3s");
    assert_eq!(script.timer(5_100), "kill all, timer 10ms");
    assert_eq!(script.then(5_105, LEFT), "timer 5ms");
    assert_eq!(script.timer(5_110), "kill all, timer 10ms");
    assert_eq!(script.then(5_111, NOBODY), "FINISH 137");
}

#[test]
fn what_a_child_leaves_that_was_asked_has_only_the_rest_of_the_grace_time() {
    let mut script = core(&[(100, TERM), (4_100, EXIT)]);
    assert_eq!(script.then(4_100, LEFT), "ask all, timer 1s");
    let mut script = core(&[(100, TERM), (6_000, EXIT)]);
    assert_eq!(script.then(6_000, LEFT), "kill all, timer 10ms");
}

#[test]
fn a_child_that_was_asked_has_one_deadline() {
    let mut script = core(&[]);
    assert_eq!(script.then(1_000, TERM), "TERM, CONT, timer 8s");
    assert_eq!(script.then(5_000, TERM), "TERM, CONT");
    assert_eq!(script.then(6_000, Input::HangUp), "CONT");
    assert_eq!(script.timer(9_000), "KILL, timer 500ms");
    assert_eq!(script.then(9_001, KILLED), "close input, report signal 9 (SIGKILL)");
    assert_eq!(script.then(9_001, LEFT), "kill all, timer 10ms");
    assert_eq!(script.then(9_002, NOBODY), "FINISH 137");
}

#[test]
fn the_end_of_the_wire_is_a_request_too() {
    let mut script = core(&[]);
    assert_eq!(script.then(0, Input::HangUp), "CONT, timer 8s");
    assert_eq!(script.then(5, TERM), "TERM, CONT");
    assert_eq!(script.then(6, EXIT), "close input, report exit code 0");
    assert_eq!(script.then(6, NOBODY), "FINISH 0");
}

#[test]
fn a_second_request_ends_the_grace_time_of_what_is_left() {
    let mut script = core(&[(0, KILLED), (0, LEFT)]);
    assert_eq!(script.then(1_000, TERM), "");
    assert_eq!(script.then(2_000, TERM), "kill all, timer 10ms");
    assert_eq!(script.then(2_001, NOBODY), "FINISH 137");
}

#[test]
fn those_who_survive_are_given_up_in_time() {
    let mut script = core(&[(0, KILLED), (0, LEFT)]);
    let mut now = 5_000;
    while script.timer(now) == "kill all, timer 10ms" {
        now += 10;
    }
    assert_eq!(now, 11_000);
    assert_eq!(script.effects.iter().rev().take(2).map(show).collect::<Vec<_>>(), ["FINISH 137", "give up"]);
}

#[test]
fn what_is_below_a_child_that_survives_kill_is_killed_again_and_again() {
    let mut script = core(&[(0, TERM)]);
    assert_eq!(script.timer(8_000), "KILL, timer 500ms");
    let mut now = 8_500;
    while script.timer(now) == "kill all, timer 500ms" {
        assert_eq!(script.then(now, Input::SignalEvent { refused: false }), "");
        assert_eq!(script.then(now, LEFT), "");
        now += 500;
    }
    assert_eq!(now, 11_000);
    assert_eq!(script.effects.iter().rev().take(2).map(show).collect::<Vec<_>>(), ["FINISH 137", "give up"]);
}

#[test]
fn a_child_that_dies_after_all_is_swept_after() {
    let mut script = core(&[(0, TERM)]);
    script.timer(8_000);
    assert_eq!(script.timer(8_500), "kill all, timer 500ms");
    // Who had kept it from dying was among those.
    script.then(8_501, KILLED);
    assert_eq!(script.then(8_501, NOBODY), "FINISH 137");
}

#[test]
fn the_last_survivors_have_some_time_however_late_it_is() {
    let mut script = core(&[(0, TERM)]);
    script.timer(8_000);
    script.then(10_900, KILLED);
    assert_eq!(script.then(10_900, LEFT), "kill all, timer 10ms");
    assert_eq!(script.timer(11_500), "kill all, timer 10ms");
    assert_eq!(script.timer(12_900), "give up, FINISH 137");
}

#[test]
fn the_last_one_alive_gives_no_grace_time() {
    // Whatever goes first: the supervisor or the core, at once or one after the other.
    let mut script = core(&[(0, Input::ParentExited), (0, Input::HangUp), (100, KILLED)]);
    assert_eq!(script.then(100, LEFT), "kill all, timer 10ms");
    let mut script = core(&[(0, KILLED), (0, LEFT)]);
    assert_eq!(script.then(4_900, Input::ParentExited), "kill all, timer 10ms");
    let mut script = direct(&[(0, Input::ParentExited), (4_900, KILLED)]);
    assert_eq!(script.then(4_900, LEFT), "kill all, timer 10ms");
    let mut script = direct(&[(0, KILLED), (0, LEFT)]);
    assert_eq!(script.then(4_900, Input::ParentExited), "kill all, timer 10ms");
    // The end of the wire alone says nothing of the supervisor: it may be waiting.
    let mut script = core(&[(0, KILLED), (0, Input::HangUp)]);
    assert_eq!(script.then(0, LEFT), "ask all, timer 5s");
}

#[test]
fn whoever_started_a_core_may_go() {
    let mut script = core(&[]);
    assert_eq!(script.then(0, Input::ParentExited), "");
    assert_eq!(script.then(9_000, EXIT), "close input, report exit code 0");
}

#[test]
fn a_program_whose_front_process_was_killed_is_asked_to_end() {
    let mut script = direct(&[]);
    assert_eq!(script.then(0, Input::ParentExited), "TERM, CONT, timer 8s");
    assert_eq!(script.timer(8_000), "KILL, timer 500ms");
}

#[test]
fn those_that_may_not_be_signalled_get_no_grace_time_and_are_given_up_soon() {
    let mut script = core(&[(0, EXIT)]);
    assert_eq!(script.then(0, LEFT), "ask all, timer 5s");
    assert_eq!(script.then(0, Input::SignalEvent { refused: true }), "kill all, timer 10ms");
    assert_eq!(script.then(0, Input::SignalEvent { refused: true }), "");
    assert_eq!(script.timer(499), "kill all, timer 10ms");
    assert_eq!(script.timer(500), "give up, FINISH 0");
}

#[test]
fn an_old_timer_is_not_obeyed() {
    let mut script = core(&[(0, TERM)]);
    let Some(Effect::SetTimer { epoch, .. }) = script.effects.last().copied() else { panic!() };
    script.then(7_000, EXIT);
    assert_eq!(script.then(8_000, Input::Timer(epoch)), "");
}

#[test]
fn in_a_terminal_a_signal_is_passed_on_as_it_is() {
    let mut script = direct(&[]);
    assert_eq!(script.then(0, Input::Requested(Request::Int)), "INT, CONT");
    assert_eq!(script.then(0, Input::Requested(Request::Quit)), "QUIT, CONT");
    assert_eq!(script.then(0, Input::Requested(Request::Suspend)), "TSTP");
    assert_eq!(script.then(0, Input::Requested(Request::Hup)), "HUP, CONT, timer 8s");
    assert_eq!(script.then(0, TERM), "TERM, CONT");
}

#[test]
fn in_a_terminal_the_front_process_stops_and_goes_on_with_the_child() {
    let mut script = direct(&[]);
    assert_eq!(script.then(0, Input::ChildStopped), "stop front");
    assert_eq!(script.then(0, Input::Requested(Request::Suspend)), "", "it has stopped");
    assert_eq!(script.then(90_000, Input::Requested(Request::Continue)), "CONT");
    assert_eq!(script.then(90_000, Input::ChildContinued), "continue front");
    assert_eq!(script.then(90_000, Input::Requested(Request::Continue)), "", "it goes on already");
    // With a deadline as well: the guard itself stays awake.
    script.then(90_000, TERM);
    assert_eq!(script.then(90_001, Input::ChildStopped), "stop front");
    assert_eq!(script.timer(98_000), "KILL, timer 500ms");
    let said = script.then(98_001, KILLED);
    assert_eq!(said, "close input, restore terminal, report signal 9 (SIGKILL), continue front");
}

#[test]
fn in_a_terminal_a_child_that_was_killed_leaves_it_in_disorder() {
    let mut script = direct(&[]);
    let said = script.then(0, KILLED);
    assert_eq!(said, "close input, restore terminal, report signal 9 (SIGKILL), continue front");
    assert_eq!(direct(&[]).then(0, EXIT), "close input, report exit code 0, continue front");
}

#[test]
fn a_child_that_vanished_is_an_error_and_not_waited_for() {
    assert_eq!(core(&[]).then(0, NOBODY), "FINISH 125");
    assert_eq!(core(&[(0, TERM)]).then(0, NOBODY), "FINISH 125");
}
