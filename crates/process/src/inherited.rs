//! What the parent of this process set before it began, and what is made of it.
//!
//! Ignored signals, blocked signals and limits are handed down by whoever starts a program. [`settle`] looks at them
//! once, before anything else happens:
//!
//! * HUP, INT and QUIT that were ignored stay ignored, by us and by a core and a guard of ours: that is how `nohup`, and
//!   `&` in a script, ask a program to go on.
//! * No signal is blocked: one that asks for the end must arrive.
//! * XFSZ is ignored, so that a file that may not grow is an error like a full disk. USR1 and USR2 are ignored until
//!   somebody listens to them: a signal that asks for a status must not end a run.
//! * The soft limit of open files is raised to the hard one.
//!
//! What we start gets none of that: a worker has the signals of a fresh login, and the limit our parent had
//! ([`lead_a_session`](crate::lead_a_session), [`give_back`]).

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::OnceLock;
use std::{io, mem, ptr};

use nix::libc;
use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};

use crate::memory;

/// What stays ignored when a parent ignored it.
const KEPT: [Signal; 3] = [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT];

/// What never ends a process of ours.
const HARMLESS: [Signal; 3] = [Signal::SIGXFSZ, Signal::SIGUSR1, Signal::SIGUSR2];

/// What a parent set.
#[derive(Clone, Copy, Debug)]
struct Inherited {
    ignored: [bool; KEPT.len()],
    /// Soft and hard limit of open files, and whether the soft one was raised.
    files: Option<Files>,
}

#[derive(Clone, Copy, Debug)]
struct Files {
    soft: rlim_t,
    hard: rlim_t,
    raised: bool,
}

static INHERITED: OnceLock<Inherited> = OnceLock::new();

/// Looks at what a parent set and puts it in order. To be called once, at the beginning of `main`.
pub fn settle() {
    memory::share();
    INHERITED.get_or_init(|| {
        let mut inherited = inspect();
        if let Some(files) = inherited.files.as_mut().filter(|files| files.soft < files.hard) {
            // Where the system has a lower bound of its own the limit stays as it is.
            files.raised = setrlimit(Resource::RLIMIT_NOFILE, files.hard, files.hard).is_ok();
        }
        inherited
    });
    maybe_ignored();
    for signal in HARMLESS {
        set_disposition(signal, libc::SIG_IGN);
    }
    let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None);
}

/// Has a process that was forked from this one begin with the signals of one that was started: of those that our parent
/// ignored only the ones that stay ignored are.
pub(crate) fn begin_afresh() {
    for signal in Signal::iterator().filter(|signal| is_ignored_now(*signal)) {
        let stays = is_ignored(signal) || HARMLESS.contains(&signal) || signal == Signal::SIGPIPE;
        if !stays {
            set_disposition(signal, libc::SIG_DFL);
        }
    }
}

/// Whether our parent had us ignore this signal, and it is one that stays ignored then.
#[must_use]
pub fn is_ignored(signal: Signal) -> bool {
    KEPT.iter().zip(inherited().ignored).any(|(kept, ignored)| *kept == signal && ignored)
}

/// Has what `command` starts get the signals and the limit of open files that our parent gave us. For programs that
/// stay in our session.
#[expect(unsafe_code, reason = "code between fork and exec; there is no safe way to ask for it")]
pub fn give_back(command: &mut Command) {
    let files = lowered();
    // SAFETY: system calls only; nothing is allocated.
    unsafe {
        command.pre_exec(move || {
            for signal in HARMLESS {
                libc::signal(signal as libc::c_int, libc::SIG_DFL);
            }
            limit_files(files);
            Ok(())
        });
    }
}

/// Has what `command` starts, whose signals were reset, ignore what our parent had us ignore. For a process of ours; a
/// worker begins with nothing ignored.
#[expect(unsafe_code, reason = "code between fork and exec; there is no safe way to ask for it")]
pub fn pass_on_ignored(command: &mut Command) {
    let ignored = inherited().ignored;
    // SAFETY: system calls only; nothing is allocated.
    unsafe {
        command.pre_exec(move || {
            for (signal, _) in KEPT.iter().zip(ignored).filter(|(_, ignored)| *ignored) {
                libc::signal(*signal as libc::c_int, libc::SIG_IGN);
            }
            Ok(())
        });
    }
}

/// The limit of open files for who does not get ours. `None` when it is the same.
pub(crate) fn lowered() -> Option<libc::rlimit> {
    let files = inherited().files.filter(|files| files.raised)?;
    Some(libc::rlimit { rlim_cur: files.soft, rlim_max: files.hard })
}

/// Sets a limit of open files. May be called between fork and exec.
#[expect(unsafe_code, reason = "the safe form is not known to be fit for use between fork and exec")]
pub(crate) fn limit_files(limit: Option<libc::rlimit>) {
    if let Some(limit) = limit {
        // SAFETY: one system call that reads a value that outlives it. It cannot fail: the hard limit stays.
        unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
    }
}

/// The signals that this process may ignore, of which the system tells a new program. Those are what was ignored when this
/// was asked first, and what is ignored here by intention. A host that has others ignored later passes them on.
pub(crate) fn maybe_ignored() -> &'static [libc::c_int] {
    static IGNORED: OnceLock<Vec<libc::c_int>> = OnceLock::new();
    IGNORED.get_or_init(|| {
        let ours = HARMLESS.into_iter().chain([Signal::SIGPIPE]);
        let inherited = Signal::iterator().filter(|signal| is_ignored_now(*signal));
        let mut signals: Vec<_> = ours.chain(inherited).map(|signal| signal as libc::c_int).collect();
        signals.sort_unstable();
        signals.dedup();
        signals
    })
}

fn inherited() -> Inherited {
    *INHERITED.get_or_init(inspect)
}

fn inspect() -> Inherited {
    let files = getrlimit(Resource::RLIMIT_NOFILE).ok();
    Inherited {
        ignored: KEPT.map(is_ignored_now),
        files: files.map(|(soft, hard)| Files { soft, hard, raised: false }),
    }
}

#[expect(unsafe_code, reason = "asking for a signal's disposition has no safe form")]
fn is_ignored_now(signal: Signal) -> bool {
    let mut now = mem::MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: the call only writes to `now`, which is read after it succeeded.
    unsafe {
        libc::sigaction(signal as libc::c_int, ptr::null(), now.as_mut_ptr()) == 0
            && now.assume_init().sa_sigaction == libc::SIG_IGN
    }
}

#[expect(unsafe_code, reason = "setting the disposition of a signal has no safe form")]
fn set_disposition(signal: Signal, disposition: libc::sighandler_t) {
    // SAFETY: neither ignoring nor the default runs any code of ours.
    unsafe { libc::signal(signal as libc::c_int, disposition) };
}

/// Whether an error of the system says that there is no room for another process or descriptor now.
#[must_use]
pub fn is_out_of_room(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::ENOMEM | libc::EMFILE | libc::ENFILE))
}
