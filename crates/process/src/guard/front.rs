//! The process in front of a guard: the one that a shell has started and waits for.
//!
//! A guard has to survive whatever strikes the job of a shell as a whole (`kill -9 %1`, Ctrl-C, Ctrl-Z), so it is in a
//! session of its own; but the program in the terminal has to stay in the job, or it could not use the terminal. So
//! there are three processes: the front process, which the shell knows; the guard; and the program, which is a child of
//! the guard and yet in the group of the front process. The front process does nothing but wait: it passes on what
//! was sent to it alone, is stopped and continued by the guard when the program stops and goes on, and ends with
//! the exit code of the guard. When the guard is killed it is the last one, and ends everything at once.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::unistd::{ForkResult, Pid};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{WaitOptions, waitpid};

use super::above::{Above, REQUESTS};
use super::descriptors::{release, release_stdin};
use super::end::end_all_descendants;
use super::machine::Request;
use super::reporter::Reporter;
use super::signals::{Heard, Held, keep_from};
use super::terminal::Terminal;
use super::{GuardKind, GuardSettings, Role, fork_alone, split};

/// Exit code of a run whose guard was killed.
const GUARD_KILLED: u8 = 128 + 9;

/// Makes the guard and the program, and becomes the front process.
pub(super) fn fork(settings: GuardSettings, signals: Held) -> io::Result<Role> {
    let terminal = Terminal::find();
    let front = Pid::this();
    let (pipe, passes_on) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
    match fork_alone()? {
        ForkResult::Parent { child } => {
            drop(pipe);
            Ok(Role::Guard(wait(child, signals, &passes_on, terminal.as_ref())))
        }
        ForkResult::Child => {
            drop(passes_on);
            let signals = signals.of_another()?;
            split(settings, signals, Above::Front { pid: front, pipe }, terminal)
        }
    }
}

/// Waits for the guard. The answer is the exit code.
fn wait(guard: Pid, signals: Held, passes_on: &OwnedFd, terminal: Option<&Terminal>) -> u8 {
    // The guard has it go on when the program does; that is no news to the program.
    keep_from(guard);
    let signals = signals.listen();
    let mut keep = signals.raw().to_vec();
    keep.push(passes_on.as_raw_fd());
    keep.extend(terminal.map(Terminal::raw));
    release(&keep);
    release_stdin();
    loop {
        let descriptor = signals.descriptor();
        let _ = poll(&mut [PollFd::from_borrowed_fd(descriptor, PollFlags::IN)], None);
        for request in passed_on(&signals.take()) {
            if let Some(place) = REQUESTS.iter().position(|one| *one == request)
                && let Ok(byte) = u8::try_from(place)
            {
                // A full pipe means that there is enough to do, and a closed one that the guard is about to end.
                let _ = rustix::io::write(passes_on, &[byte]);
            }
        }
        if let Some(code) = ended(guard) {
            return code.unwrap_or_else(|| {
                let report = end_all_descendants(None);
                if let Some(terminal) = terminal {
                    terminal.restore(None);
                }
                Reporter::new(GuardKind::Direct).guard_killed(report.unkillable);
                GUARD_KILLED
            });
        }
    }
}

/// What of the signals that came is passed on, in order. A stop with a continue after it is void, as it is for the system: this
/// process may have been stopped with the program before it passed the stop on, and the program, which goes on by now,
/// would stop a second time.
fn passed_on(heard: &[Heard]) -> impl Iterator<Item = Request> + '_ {
    let is_continue = |heard: &Heard| matches!(heard, Heard::Request { request: Request::Continue, .. });
    let went_on = heard.iter().rposition(is_continue).unwrap_or(0);
    heard.iter().enumerate().filter_map(move |(place, heard)| match *heard {
        Heard::Request { request: Request::Suspend, .. } if place < went_on => None,
        Heard::Request { request, from_terminal } => is_passed_on(request, from_terminal).then_some(request),
        Heard::Children => None,
    })
}

/// Whether the program has not seen this by itself: what a terminal sends comes to all in the foreground, but for a
/// hang-up, which is told to the leader of the session alone, and that may be the front process.
const fn is_passed_on(request: Request, from_terminal: bool) -> bool {
    !from_terminal || matches!(request, Request::Hup)
}

/// Whether the guard has ended: with an exit code, or without one.
fn ended(guard: Pid) -> Option<Option<u8>> {
    let pid = rustix::process::Pid::from_raw(guard.as_raw())?;
    match rustix::io::retry_on_intr(|| waitpid(Some(pid), WaitOptions::NOHANG)) {
        Ok(None) => None,
        Ok(Some((_, status))) => Some(status.exit_status().and_then(|code| u8::try_from(code).ok())),
        Err(Errno::CHILD) => Some(None),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_to_it_alone_is_passed_on() {
        for request in REQUESTS {
            assert!(is_passed_on(request, false));
            assert_eq!(is_passed_on(request, true), request == Request::Hup);
        }
    }

    #[test]
    fn a_stop_that_was_continued_is_not_passed_on_late() {
        let heard = |request, from_terminal| Heard::Request { request, from_terminal };
        let passed = |heard: &[Heard]| passed_on(heard).collect::<Vec<_>>();
        let (stop, go_on) = (heard(Request::Suspend, false), heard(Request::Continue, false));
        let by_guard = heard(Request::Continue, true);
        assert_eq!(passed(&[stop]), [Request::Suspend]);
        assert_eq!(passed(&[stop, Heard::Children, go_on]), [Request::Continue]);
        assert_eq!(passed(&[stop, by_guard]), []);
        assert_eq!(passed(&[stop, go_on, stop]), [Request::Continue, Request::Suspend]);
        let term = heard(Request::Term, false);
        assert_eq!(passed(&[term, stop, go_on]), [Request::Term, Request::Continue]);
    }
}
