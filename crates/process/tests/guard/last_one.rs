//! Guard, child and front process killed in every order, and as the job of a shell: the last one alive ends all at once.

use nix::sys::signal::Signal::{SIGCONT, SIGINT, SIGKILL, SIGSTOP, SIGTERM};
use nix::unistd::{Pid, getpgid, getsid};

use crate::guarded::TERMINATED;
use crate::runner::Case;
use crate::stage::{PATIENT, Settings, Stage, send, send_to_group, state, until};
use crate::workers::{DEAF, ESCAPEE, LEADERLESS};

/// Nobody gives in before the grace time of an hour is over.
const DIRECT: Settings = Settings { kind: "direct", ..PATIENT };

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("last_one::the_guard_is_in_no_job", the_guard_is_in_no_job),
        Case::new("last_one::a_killed_job_leaves_nothing", a_killed_job_leaves_nothing),
        Case::new("last_one::a_stopped_job_leaves_nothing", a_stopped_job_leaves_nothing),
        Case::new("last_one::guard_then_all_at_once", a_killed_guard_ends_everything_at_once),
        Case::new("last_one::child_then_front", child_then_front),
        Case::new("last_one::child_then_guard", child_then_guard),
        Case::new("last_one::front_alone_asks", a_killed_front_process_asks_the_child_to_end),
        Case::new("last_one::front_then_child", front_then_child),
        Case::new("last_one::guard_and_child", guard_and_child),
        Case::new("last_one::signals_pass_the_front", signals_pass_the_front),
        Case::new("last_one::front_stops_and_goes_on", front_stops_and_goes_on),
        Case::new("last_one::a_core_whose_parent_has_gone", a_core_whose_parent_has_gone),
    ]
}

fn direct() -> Stage {
    Stage::new(&DIRECT, &[DEAF, ESCAPEE, LEADERLESS])
}

fn pid(of: u32) -> Option<Pid> {
    Some(Pid::from_raw(of.cast_signed()))
}

fn nobody_is_left(stage: &mut Stage) {
    until("all are gone", || stage.mark.bearers().is_empty());
    stage.end();
    until("the guard is gone", || state(stage.guard).is_none_or(|state| state == 'Z'));
}

fn the_guard_is_in_no_job() {
    let stage = direct();
    let (front, guarded) = (stage.started.id(), stage.guarded.pid);
    assert_eq!(getpgid(pid(guarded)).unwrap(), getpgid(pid(front)).unwrap());
    until("it has left", || getsid(pid(stage.guard)).unwrap() == pid(stage.guard).unwrap());
    assert_eq!(getsid(pid(guarded)).unwrap(), getsid(pid(front)).unwrap());
    // The shell waits for the one it has started, and may tell that by its name.
    let name = |of: u32| std::fs::read_to_string(format!("/proc/{of}/comm")).unwrap();
    assert_eq!(name(stage.guard), "process-guard\n");
    assert_eq!(name(front), name(guarded));
}

fn a_killed_job_leaves_nothing() {
    let mut stage = direct();
    until("it has left", || getsid(pid(stage.guard)).unwrap() == pid(stage.guard).unwrap());
    send_to_group(stage.started.id(), SIGKILL);
    nobody_is_left(&mut stage);
}

fn a_stopped_job_leaves_nothing() {
    // The child alone, and the whole job, as Ctrl-Z does it.
    for whole in [false, true] {
        let mut stage = direct();
        if whole {
            send_to_group(stage.started.id(), SIGSTOP);
        } else {
            send(stage.guarded.pid, SIGSTOP);
        }
        until("both have stopped", || {
            [stage.guarded.pid, stage.started.id()].into_iter().all(|one| state(one) == Some('T'))
        });
        if whole {
            send_to_group(stage.started.id(), SIGKILL);
        } else {
            send(stage.guarded.pid, SIGKILL);
            // The guard gives its grace time of an hour, unless it is asked twice.
            until("the front process goes on", || state(stage.started.id()) == Some('S'));
            until("the guard ends", || {
                send(stage.guard, SIGTERM);
                stage.started.try_wait().unwrap().is_some()
            });
        }
        nobody_is_left(&mut stage);
    }
}

fn a_killed_guard_ends_everything_at_once() {
    let mut stage = direct();
    send(stage.guard, SIGKILL);
    assert_eq!(stage.end().code(), Some(137));
    assert_eq!(stage.mark.bearers(), []);
    assert!(stage.said().contains("the guard of this run was killed"), "{}", stage.said());
}

fn child_then_front() {
    let mut stage = direct();
    send(stage.guarded.pid, SIGKILL);
    until("the child is gone", || state(stage.guarded.pid).is_none());
    send(stage.started.id(), SIGKILL);
    nobody_is_left(&mut stage);
}

fn child_then_guard() {
    let mut stage = direct();
    send(stage.guarded.pid, SIGKILL);
    until("the child is gone", || state(stage.guarded.pid).is_none());
    send(stage.guard, SIGKILL);
    nobody_is_left(&mut stage);
}

fn a_killed_front_process_asks_the_child_to_end() {
    let mut stage = direct();
    send(stage.started.id(), SIGKILL);
    nobody_is_left(&mut stage);
}

fn front_then_child() {
    // A child that does not end when it is asked, for an hour.
    let mut stage = Stage::new(&Settings { mood: "deaf", ..DIRECT }, &[DEAF, ESCAPEE, LEADERLESS]);
    send(stage.started.id(), SIGKILL);
    until("the front process is gone", || stage.started.try_wait().unwrap().is_some());
    send(stage.guarded.pid, SIGKILL);
    nobody_is_left(&mut stage);
}

fn guard_and_child() {
    let mut stage = direct();
    send(stage.guard, SIGKILL);
    send(stage.guarded.pid, SIGKILL);
    assert_eq!(stage.end().code(), Some(137));
    assert_eq!(stage.mark.bearers(), []);
}

fn signals_pass_the_front() {
    let mut stage = direct();
    stage.signal_started(SIGTERM);
    stage.ends_clean(TERMINATED);

    let mut stage = Stage::new(&Settings { mood: "0", ..DIRECT }, &[]);
    // Whether it comes in time or not, it ends.
    stage.signal_started(SIGINT);
    stage.end();
    assert_eq!(stage.mark.bearers(), []);
}

fn front_stops_and_goes_on() {
    let mut stage = direct();
    for _ in 0..20 {
        send(stage.guarded.pid, SIGSTOP);
        until("the front process stops", || state(stage.started.id()) == Some('T'));
        // Whichever of them is continued, both are.
        send(stage.guarded.pid, SIGCONT);
        until("the front process goes on", || state(stage.started.id()) == Some('S'));
        send(stage.guarded.pid, SIGSTOP);
        until("the front process stops again", || state(stage.started.id()) == Some('T'));
        send(stage.started.id(), SIGCONT);
        until("the child goes on", || state(stage.guarded.pid) != Some('T'));
        until("the front process goes on", || state(stage.started.id()) == Some('S'));
    }
    stage.signal_started(SIGTERM);
    stage.ends_clean(TERMINATED);
}

/// Whoever started the guard of a core goes, and then the core: the guard is the last one.
fn a_core_whose_parent_has_gone() {
    let mark = crate::stage::Mark::new();
    let mut command = std::process::Command::new("bash");
    // A supervisor that holds the wire by somebody else's hand, so that its end says nothing.
    command.arg("-c").arg(format!(
        "exec 3<&0; {} guarded core {LONG} {LONG} lively {} ignores-term <&3 & wait",
        std::env::current_exe().unwrap().display(),
        mark.0,
        LONG = crate::stage::LONG,
    ));
    let mut stage = Stage::start(mark, command);
    stage.signal_started(SIGKILL);
    until("the supervisor is gone", || stage.started.try_wait().unwrap().is_some());
    send(stage.guarded.pid, SIGKILL);
    nobody_is_left(&mut stage);
}
