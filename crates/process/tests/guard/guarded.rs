//! The program that is guarded: like a core, with nothing in it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Command, ExitCode, Stdio, exit};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{SigHandler, SigSet, Signal, kill, signal};
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};
use nix::unistd::{Pid, pause};
use roboppi_process::guard::{GuardKind, GuardSettings, GuardedChild, Role, end_all_descendants, fork};
use roboppi_process::lead_a_session;

use crate::workers::ALL;

/// The first argument that makes this program the guarded one. Then: kind, grace, drain (milliseconds), mood,
/// mark, names of workers. The moods: `lively` ends when it is asked, `deaf` does not, `keys` counts Ctrl-C,
/// `screen` draws, a number is the code it exits with at once.
pub(crate) const COMMAND: &str = "guarded";

/// Ends after the end of its wire.
pub(crate) const END_OF_WIRE: u8 = 0;
/// Ends after TERM.
pub(crate) const TERMINATED: u8 = 7;
/// Ends because its guard is gone.
pub(crate) const WITHOUT_GUARD: u8 = 9;

/// What the child gives its workers when it ends them itself: over soon, for those who let it pass.
const GRACE: Duration = Duration::from_millis(200);

pub(crate) fn main(arguments: &[String]) -> ExitCode {
    let [kind, grace, drain, mood, mark, workers @ ..] = arguments else { panic!("{arguments:?}") };
    let millis = |text: &str| Duration::from_millis(text.parse().unwrap());
    let kind = if kind == "core" { GuardKind::Core } else { GuardKind::Direct };
    let settings = GuardSettings { grace: millis(grace), drain: millis(drain), kind };
    match fork(settings).unwrap() {
        Role::Guard(code) => ExitCode::from(code),
        Role::Guarded(child) => ExitCode::from(work(child, mood, mark, workers)),
    }
}

fn work(child: GuardedChild, mood: &str, mark: &str, workers: &[String]) -> u8 {
    let heard: SigSet = [Signal::SIGTERM, Signal::SIGUSR1].into_iter().collect();
    let keys: SigSet = [Signal::SIGTERM, Signal::SIGINT].into_iter().collect();
    match mood {
        "deaf" => ignore(Signal::SIGTERM),
        "lively" => heard.thread_block().unwrap(),
        "keys" => keys.thread_block().unwrap(),
        "screen" => draw(),
        _ => {}
    }
    for name in workers {
        start(name, mark);
    }
    say(&format!("ready {} {}", std::process::id(), child.guard().pid));
    match mood {
        "deaf" | "screen" => loop {
            pause();
        },
        "keys" => {
            let mut count = 0;
            while keys.wait().unwrap() == Signal::SIGINT {
                count += 1;
                say(&format!("int {count}"));
            }
            let _ = end_all_descendants(None);
            exit(TERMINATED.into());
        }
        "lively" => {
            thread::spawn(|| {
                let _ = io::stdin().read_to_end(&mut Vec::new());
                let _ = kill(Pid::this(), Signal::SIGUSR1);
            });
            let why = heard.wait().unwrap();
            if child.is_gone() {
                let _ = end_all_descendants(None);
                exit(WITHOUT_GUARD.into());
            }
            let _ = end_all_descendants(Some(GRACE));
            exit(if why == Signal::SIGTERM { TERMINATED } else { END_OF_WIRE }.into());
        }
        code => code.parse().unwrap(),
    }
}

/// The first argument that makes this program one whose main thread ends while another one goes on.
pub(crate) const LEADERLESS: &str = "leaderless";

#[expect(unsafe_code, reason = "there is no safe way to end one thread of two")]
pub(crate) fn leaderless() -> ExitCode {
    // A thread of its own says that the first one has ended: to everybody else that is a dead process.
    thread::spawn(|| {
        let ended = || {
            let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
            status.lines().any(|line| line.starts_with("State:") && line.contains('Z'))
        };
        while !ended() {
            thread::yield_now();
        }
        say("up");
        thread::sleep(Duration::from_secs(1000));
        exit(0);
    });
    // SAFETY: ends this thread alone; nothing it owns is used by the other one.
    unsafe { nix::libc::syscall(nix::libc::SYS_exit, 0) };
    ExitCode::FAILURE
}

/// Takes the terminal as a program with a screen does.
fn draw() {
    let mut modes = tcgetattr(io::stdin()).unwrap();
    cfmakeraw(&mut modes);
    tcsetattr(io::stdin(), SetArg::TCSANOW, &modes).unwrap();
    io::stdout().write_all(b"\x1b[?1049h\x1b[?25l\x1b[?1002h").unwrap();
}

/// Starts a worker and waits until all of it is there.
#[expect(clippy::zombie_processes, reason = "to leave it behind is what this program is for")]
fn start(name: &str, mark: &str) {
    let worker = ALL.iter().find(|worker| worker.name == name).unwrap();
    let mut command = Command::new("bash");
    command.args(["-c", worker.script, mark]).env("SELF_TEST", std::env::current_exe().unwrap());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    lead_a_session(&mut command);
    let mut child = command.spawn().unwrap();
    let mut up = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut up).unwrap();
    assert_eq!(up, "up\n");
}

pub(crate) fn say(line: &str) {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}").unwrap();
    stdout.flush().unwrap();
}

#[expect(unsafe_code, reason = "setting the disposition of a signal has no safe form")]
pub(crate) fn ignore(which: Signal) {
    // SAFETY: no code runs for an ignored signal.
    unsafe { signal(which, SigHandler::SigIgn) }.unwrap();
}
