//! What a guard holds, shows and leaves alone.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use nix::unistd::{Pid, getsid};
use roboppi_process::guard::{GuardKind, GuardReport, GuardSettings, fork};

use crate::guarded::TERMINATED;
use crate::runner::Case;
use crate::stage::{LONG, PATIENT, Settings, Stage, until};
use crate::workers::{DEAF, ESCAPEE, PLAIN};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("manners::a_clean_end_waits_for_no_time", a_clean_end_waits_for_no_time),
        Case::new("manners::exit_codes_pass_through", exit_codes_pass_through),
        Case::new("manners::what_an_ended_child_leaves_is_ended", what_an_ended_child_leaves_is_ended),
        Case::new("manners::a_deaf_child_is_killed", a_deaf_child_is_killed),
        Case::new("manners::a_stopped_child_ends_when_asked", a_stopped_child_ends_when_asked),
        Case::new("manners::a_killed_child_is_the_end_of_the_wire", a_killed_child_is_the_end_of_the_wire),
        Case::new("manners::strangers_are_left_alone", strangers_are_left_alone),
        Case::new("manners::the_guard_has_a_name_of_its_own", the_guard_has_a_name_of_its_own),
        Case::new("manners::the_guard_holds_nothing", the_guard_holds_nothing),
        Case::new("manners::a_guard_is_not_made_beside_threads", a_guard_is_not_made_beside_threads),
        Case::new("manners::nobody_who_reads_stderr_is_no_problem", nobody_who_reads_stderr_is_no_problem),
    ]
}

fn ending_with(code: &'static str) -> Settings {
    Settings { mood: code, ..PATIENT }
}

fn a_clean_end_waits_for_no_time() {
    let mut stage = Stage::new(&ending_with("0"), &[]);
    let reports = stage.ends_clean(0);
    let done = GuardReport::Done { ended: 0, unkillable: Vec::new() };
    assert_eq!(reports, [GuardReport::CoreExited { code: Some(0), signal: None }, done]);
}

fn exit_codes_pass_through() {
    for (text, code) in [("0", 0), ("1", 1), ("75", 75), ("255", 255)] {
        for kind in ["core", "direct"] {
            Stage::new(&Settings { kind, ..ending_with(text) }, &[]).ends_clean(code);
        }
    }
    for (signal, code) in [(Signal::SIGKILL, 137), (Signal::SIGUSR2, 140)] {
        for kind in ["core", "direct"] {
            let mut stage = Stage::new(&Settings { kind, ..PATIENT }, &[]);
            stage.signal_guarded(signal);
            stage.ends_clean(code);
        }
    }
}

fn what_an_ended_child_leaves_is_ended() {
    let settings = Settings { grace: "100", ..ending_with("3") };
    let mut stage = Stage::new(&settings, &[DEAF, ESCAPEE]);
    let reports = stage.ends_clean(3);
    assert_eq!(reports[0], GuardReport::CoreExited { code: Some(3), signal: None });
    assert!(matches!(reports.last(), Some(GuardReport::Done { ended: 3.., .. })), "{reports:?}");

    // In a terminal it is told to people.
    let mut stage = Stage::new(&Settings { kind: "direct", ..settings }, &[PLAIN]);
    stage.end();
    assert_eq!(stage.mark.bearers(), []);
    let said = stage.said();
    assert!(said.starts_with("roboppi: ended a process that was left: "), "{said}");
}

fn a_deaf_child_is_killed() {
    for (kind, signal) in [("core", Some(Signal::SIGTERM)), ("core", None), ("direct", Some(Signal::SIGHUP))]
    {
        let settings = Settings { kind, grace: "50", drain: "50", mood: "deaf" };
        let mut stage = Stage::new(&settings, &[ESCAPEE]);
        match signal {
            Some(signal) => stage.signal_guard(signal),
            None => drop(stage.input.take()),
        }
        // HUP, which direct passes on as it is, is not ignored.
        let code = if kind == "core" { 137 } else { 129 };
        assert_eq!(stage.end().code(), Some(code));
        assert_eq!(stage.mark.bearers(), []);
    }
}

fn a_stopped_child_ends_when_asked() {
    let mut stage = Stage::new(&PATIENT, &[PLAIN]);
    stage.signal_guarded(Signal::SIGSTOP);
    stage.signal_guard(Signal::SIGTERM);
    stage.ends_clean(TERMINATED);

    let mut stage = Stage::new(&PATIENT, &[PLAIN]);
    stage.signal_guarded(Signal::SIGSTOP);
    drop(stage.input.take());
    stage.ends_clean(0);
}

fn a_killed_child_is_the_end_of_the_wire() {
    let mut stage = Stage::new(&PATIENT, &[DEAF]);
    stage.signal_guarded(Signal::SIGKILL);
    // The guard waits for the worker, for an hour if it has to; the wire does not.
    stage.end_of_wire();
    assert!(stage.started.try_wait().unwrap().is_none());
    let input = stage.input.as_mut().unwrap();
    until("nobody reads any more", || input.write_all(b"\n").is_err());
    assert!(stage.started.try_wait().unwrap().is_none());
    // Asked once it notes that, asked twice it hurries.
    stage.signal_guard(Signal::SIGTERM);
    assert!(!stage.mark.bearers().is_empty());
    until("the guard ends", || {
        stage.signal_guard(Signal::SIGTERM);
        stage.started.try_wait().unwrap().is_some()
    });
    stage.ends_clean(137);
}

fn strangers_are_left_alone() {
    let mut stage = Stage::new(&Settings { grace: "100", ..PATIENT }, &[ESCAPEE]);
    // A sibling of the guard. It has the mark, so it ends with the test.
    let mut stranger = Command::new("bash");
    stranger.args(["-c", r#"exec -a "$0-stranger" sleep 1000"#, &stage.mark.0]).stdin(Stdio::null());
    let mut stranger = stranger.spawn().unwrap();
    let identity = roboppi_process::identity(stranger.id()).unwrap();
    stage.signal_guarded(Signal::SIGKILL);
    assert_eq!(stage.end().code(), Some(137));
    assert_eq!(stage.mark.bearers(), [identity]);
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

fn the_guard_has_a_name_of_its_own() {
    let stage = Stage::new(&PATIENT, &[]);
    let guard = stage.guard;
    let names =
        || ["cmdline", "comm"].map(|file| fs::read_to_string(format!("/proc/{guard}/{file}")).unwrap());
    // It has the name before there is a child.
    let [line, short] = names();
    assert_eq!((line.trim_end_matches('\0'), short.as_str()), ("process-guard", "process-guard\n"));
    let line = fs::read_to_string(format!("/proc/{}/cmdline", stage.guarded.pid)).unwrap();
    assert!(line.contains(&stage.mark.0), "that of the child is as it was: {line}");
    assert_eq!(
        getsid(Some(Pid::from_raw(stage.guarded.pid.cast_signed()))).unwrap().as_raw().cast_unsigned(),
        stage.guarded.pid
    );
}

fn the_guard_holds_nothing() {
    let mark = crate::stage::Mark::new();
    let mut command = Command::new("bash");
    command.arg("-c").arg(format!(
        // Descriptors that are passed on by mistake, as programs do.
        "exec 9<&0 8>&1 7</dev/null; exec {} guarded core {LONG} {LONG} lively {}",
        std::env::current_exe().unwrap().display(),
        mark.0
    ));
    let stage = Stage::start(mark, command);
    let held = || -> Vec<String> {
        let entries = fs::read_dir(format!("/proc/{}/fd", stage.guard)).unwrap();
        entries
            .filter_map(|entry| fs::read_link(entry.unwrap().path()).ok())
            .map(|target| target.to_string_lossy().into_owned())
            .collect()
    };
    let count = |what: &str| held().iter().filter(|name| name.starts_with(what)).count();
    // Its stdin, the same nothing for stdout; stderr, the two ends of its own pipe, one of a pipe from its child, and
    // its parent.
    until("it has let go", || {
        (count("/dev/null"), count("pipe:"), count("anon_inode:"), held().len()) == (1, 5, 1, 7)
    });
}

fn a_guard_is_not_made_beside_threads() {
    let settings = GuardSettings {
        grace: std::time::Duration::ZERO,
        drain: std::time::Duration::ZERO,
        kind: GuardKind::Core,
    };
    assert!(fork(settings).is_err());
}

fn nobody_who_reads_stderr_is_no_problem() {
    let mark = crate::stage::Mark::new();
    let mut command = Command::new("bash");
    // Its stderr is a pipe that is full and that nobody reads.
    command.arg("-c").arg(format!(
        "exec 2> >(exec -a {0} sleep 1000); dd if=/dev/zero bs=4096 count=100 oflag=nonblock >&2 2>/dev/null; \
         exec {1} guarded core 50 50 lively {0} many",
        mark.0,
        std::env::current_exe().unwrap().display(),
    ));
    let mut stage = Stage::start(mark, command);
    stage.signal_guarded(Signal::SIGKILL);
    assert_eq!(stage.end().code(), Some(137));
}
