//! The signals of a guard, as bytes in a pipe.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicI32, Ordering};

use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, sigaction, sigprocmask};
use nix::unistd::Pid;
use rustix::pipe::{PipeFlags, pipe_with};

use super::machine::Request;
use crate::inherited;

/// What a guard listens to.
const HEARD: [Signal; 8] = [
    Signal::SIGTERM,
    Signal::SIGINT,
    Signal::SIGHUP,
    Signal::SIGQUIT,
    Signal::SIGTSTP,
    Signal::SIGCONT,
    Signal::SIGCHLD,
    Signal::SIGUSR1,
];

/// Set in the byte of a signal that the terminal sent, or the process of [`keep_from`].
const FROM_TERMINAL: u8 = 0x80;

/// Where the handler writes to; not open when negative.
static NOTES: AtomicI32 = AtomicI32::new(-1);

/// Whose signals are like those of the terminal; nobody's when zero.
static KNOWN_TO: AtomicI32 = AtomicI32::new(0);

/// Hears what this process sends as if the terminal had sent it: it is not to be told of it. To be called before
/// [`Held::listen`].
pub(super) fn keep_from(sender: Pid) {
    KNOWN_TO.store(sender.as_raw(), Ordering::Relaxed);
}

/// Signals that wait for a process that is not ready to take them.
#[derive(Debug)]
pub(super) struct Held {
    before: SigSet,
    reader: OwnedFd,
    writer: OwnedFd,
}

impl Held {
    /// From now on they wait, in this process and in one that it forks.
    pub(super) fn new() -> io::Result<Self> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        let mut before = SigSet::empty();
        let held: SigSet = HEARD.into_iter().collect();
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&held), Some(&mut before))?;
        Ok(Self { before, reader, writer })
    }

    /// The same for a process that was forked since: it listens for itself.
    pub(super) fn of_another(self) -> io::Result<Self> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        Ok(Self { before: self.before, reader, writer })
    }

    /// They are as they were before.
    pub(super) fn let_go(self) -> io::Result<()> {
        Ok(sigprocmask(SigmaskHow::SIG_SETMASK, Some(&self.before), None)?)
    }

    /// Listens to them, those that wait included.
    pub(super) fn listen(self) -> Listener {
        NOTES.store(self.writer.as_raw_fd(), Ordering::Relaxed);
        for signal in HEARD {
            // Who was started by `nohup`, or in the background, does not want to hear of those.
            if !inherited::is_ignored(signal) {
                install(signal, SigHandler::SigAction(note));
            }
        }
        // A guard that writes must not be stopped or ended for it.
        install(Signal::SIGTTOU, SigHandler::SigIgn);
        install(Signal::SIGPIPE, SigHandler::SigIgn);
        // Whatever was blocked before is not: a guard is to hear.
        let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None);
        Listener { reader: self.reader, writer: self.writer }
    }
}

#[expect(unsafe_code, reason = "setting the disposition of a signal has no safe form")]
fn install(signal: Signal, handler: SigHandler) {
    let action = SigAction::new(handler, SaFlags::SA_RESTART, SigSet::empty());
    // SAFETY: the handler, if it is one, does nothing that could disturb whom it interrupts (`note`).
    let _ = unsafe { sigaction(signal, &action) };
}

/// Writes a byte; all else is done by who reads it.
#[expect(unsafe_code, reason = "a signal handler is given a raw pointer and may make system calls only")]
extern "C" fn note(signal: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    let errno = Errno::last_raw();
    // SAFETY: with SA_SIGINFO the system gives a valid pointer for the time of the call.
    let info = unsafe { info.as_ref() };
    let code = info.map_or(0, |info| info.si_code);
    // SAFETY: a signal that a process sent comes with its pid.
    let sender = info.filter(|_| code == libc::SI_USER).map_or(-1, |info| unsafe { info.si_pid() });
    let is_known = sender > 0 && sender == KNOWN_TO.load(Ordering::Relaxed);
    let mut byte = u8::try_from(signal).unwrap_or(0);
    if is_known || sent_by_terminal(signal, code) {
        byte |= FROM_TERMINAL;
    }
    // SAFETY: `write` is async-signal-safe, and the byte lives as long as the call. A full pipe means that
    // there is enough to wake up for.
    unsafe { libc::write(NOTES.load(Ordering::Relaxed), (&raw const byte).cast(), 1) };
    Errno::set_raw(errno);
}

#[cfg(target_os = "linux")]
const fn sent_by_terminal(_: libc::c_int, code: libc::c_int) -> bool {
    code == libc::SI_KERNEL
}

/// There is no telling; those that have a key are taken to come from it.
#[cfg(not(target_os = "linux"))]
const fn sent_by_terminal(signal: libc::c_int, _: libc::c_int) -> bool {
    matches!(signal, libc::SIGINT | libc::SIGQUIT | libc::SIGTSTP)
}

/// A signal that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// There is news of children.
    Children,
    /// Somebody asks for something. What the process of [`keep_from`] asks for counts as from the terminal.
    Request { request: Request, from_terminal: bool },
}

/// Where the bytes are read.
#[derive(Debug)]
pub(super) struct Listener {
    reader: OwnedFd,
    writer: OwnedFd,
}

impl Listener {
    /// Becomes readable when a signal came.
    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }

    /// The descriptors it needs.
    pub(super) fn raw(&self) -> [i32; 2] {
        [self.reader.as_raw_fd(), self.writer.as_raw_fd()]
    }

    /// What came; does not wait.
    pub(super) fn take(&self) -> Vec<Heard> {
        let mut bytes = [0; 256];
        let length = rustix::io::read(&self.reader, &mut bytes).unwrap_or(0);
        bytes[..length].iter().filter_map(|&byte| heard(byte)).collect()
    }
}

fn heard(byte: u8) -> Option<Heard> {
    let from_terminal = byte & FROM_TERMINAL != 0;
    let signal = Signal::try_from(libc::c_int::from(byte & !FROM_TERMINAL)).ok()?;
    let request = match signal {
        Signal::SIGCHLD => return Some(Heard::Children),
        Signal::SIGTERM => Request::Term,
        Signal::SIGINT => Request::Int,
        Signal::SIGHUP => Request::Hup,
        Signal::SIGQUIT => Request::Quit,
        Signal::SIGUSR1 => Request::Status,
        Signal::SIGTSTP => Request::Suspend,
        Signal::SIGCONT => Request::Continue,
        _ => return None,
    };
    Some(Heard::Request { request, from_terminal })
}
