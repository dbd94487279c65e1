//! Guard and child in a terminal, with a shell around them.

use nix::sys::signal::Signal;
use roboppi_terminal::{Spec, Terminal};

use crate::guarded;
use crate::runner::Case;
use crate::stage::{LIMIT, LONG, Mark, send, state, until};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("terminal::a_killed_screen_is_left", a_killed_screen_is_left),
        Case::new("terminal::a_key_is_no_request_to_the_guard", a_key_is_no_request_to_the_guard),
        Case::new("terminal::both_stop_and_go_on", both_stop_and_go_on),
        Case::new("terminal::nobody_survives_its_end", nobody_survives_its_end),
    ]
}

struct TerminalRun {
    mark: Mark,
    terminal: Terminal,
    guarded: u32,
    guard: u32,
}

impl TerminalRun {
    /// A shell that runs `$GUARDED` once in this script.
    fn start(script: &str, mood: &str, workers: &[&str]) -> Self {
        let mark = Mark::new();
        let program = std::env::current_exe().unwrap();
        let workers = workers.join(" ");
        let command = format!(
            "{} {} direct 200 {LONG} {mood} {} {workers}",
            program.display(),
            guarded::COMMAND,
            mark.0
        );
        let spec = Spec {
            argv: ["bash", "-c", script].map(Into::into).into(),
            env: vec![
                ("PATH".into(), std::env::var_os("PATH").unwrap()),
                ("TERM".into(), "xterm".into()),
                ("GUARDED".into(), command.into()),
            ],
            cwd: "/".into(),
            rows: 24,
            cols: 200,
        };
        let terminal = Terminal::start(&spec).unwrap();
        let mut shown = Self { mark, terminal, guarded: 0, guard: 0 };
        shown.wait("ready ");
        until("the line is complete", || {
            let text = String::from_utf8_lossy(&shown.terminal.written()).into_owned();
            let rest = text.split_once("ready ").map_or("", |(_, rest)| rest);
            let Some((line, _)) = rest.split_once('\n') else { return false };
            let mut pids = line.split_whitespace().map(|pid| pid.parse().unwrap());
            (shown.guarded, shown.guard) = (pids.next().unwrap(), pids.next().unwrap());
            true
        });
        shown
    }

    fn wait(&mut self, text: &str) {
        self.terminal.wait_until(text, LIMIT, |screen| screen.contents().contains(text)).unwrap();
    }
}

fn a_killed_screen_is_left() {
    let script = "$GUARDED; code=$?; stty -a | grep -q -- '-icanon' && echo raw $code || echo cooked $code";
    let mut shown = TerminalRun::start(script, "screen", &["setsid-escapee"]);
    shown
        .terminal
        .wait_until("screen", LIMIT, |screen| screen.alternate_screen() && screen.hide_cursor())
        .unwrap();
    send(shown.guarded, Signal::SIGKILL);
    shown.wait("cooked 137");
    let written = String::from_utf8_lossy(&shown.terminal.written()).into_owned();
    let left = shown.terminal.look(|screen| !screen.alternate_screen() && !screen.hide_cursor());
    assert!(left, "{written:?}");
    assert_eq!(shown.mark.bearers(), []);
}

fn a_key_is_no_request_to_the_guard() {
    let mut shown = TerminalRun::start(
        "trap '' INT; (trap - INT; exec $GUARDED); echo code $?",
        "keys",
        &["ignores-term"],
    );
    for count in 1..=5 {
        shown.terminal.press(b"\x03").unwrap();
        shown.wait(&format!("int {count}"));
    }
    // One that was sent to the guard alone is passed on. (Two at the same time would be one.)
    settle(shown.guard);
    send(shown.guard, Signal::SIGINT);
    shown.wait("int 6");
    send(shown.guard, Signal::SIGTERM);
    shown.wait(&format!("code {}", guarded::TERMINATED));
    assert_eq!(shown.mark.bearers(), []);
}

fn both_stop_and_go_on() {
    let mut shown = TerminalRun::start(
        "set -m; $GUARDED; echo code $?; fg; echo then $?; fg; echo last $?",
        "keys",
        &["plain"],
    );
    shown.terminal.press(b"\x1a").unwrap();
    // The shell sees it at once, and continues it.
    shown.wait("code 147");
    settle(shown.guard);
    settle(shown.guarded);
    shown.terminal.press(b"\x03").unwrap();
    shown.wait("int 1");
    settle(shown.guard);
    // A child that stops by itself takes the guard with it, too: for the shell that is the job.
    send(shown.guarded, Signal::SIGSTOP);
    shown.wait("then 147");
    send(shown.guard, Signal::SIGTERM);
    shown.wait(&format!("last {}", guarded::TERMINATED));
    assert_eq!(shown.mark.bearers(), []);
}

fn nobody_survives_its_end() {
    for mood in ["keys", "screen", "lively", "deaf"] {
        let mut shown = TerminalRun::start("$GUARDED; echo", mood, &["setsid-escapee", "ignores-term"]);
        shown.terminal.hang_up();
        until("all are gone", || shown.mark.bearers().is_empty());
        until("the guard is gone", || state(shown.guard).is_none_or(|state| state == 'Z'));
    }
}

/// Waits until a process has done all it was asked to, and sleeps.
fn settle(pid: u32) {
    until("it sleeps", || {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let pending = |line: &&str| line.starts_with("ShdPnd:") || line.starts_with("SigPnd:");
        let quiet = |line: &str| line.ends_with("0000000000000000");
        state(pid) == Some('S') && status.lines().filter(pending).all(quiet)
    });
}
