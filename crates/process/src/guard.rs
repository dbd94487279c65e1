//! The guard: a process that sees to it that nothing is left when the one it guards is gone.
//!
//! [`fork`] splits the program in two before anything else exists in it. The child goes on and does the work;
//! the parent becomes the guard, does nothing but wait, and cannot crash of the work. Whatever ends the child,
//! the guard then ends every process that is left below it and goes last, with the exit code of the child.
//!
//! * It is in a session of its own, and neither its name nor its command line say whose guard it is: what is meant for
//!   the program and its job (`pkill -9 -f`, `killall -9`, `kill -9 %1`) does not strike it.
//! * The guard is a child subreaper, and so is the child: an orphan goes to the child while that lives, then to
//!   the guard. So nothing that was started can leave: it makes no difference how many sessions and groups it
//!   made and how often it forked.
//! * What is left gets TERM and CONT, after the grace time STOP from the top down and KILL, and that again until
//!   `wait` says that there is no child any more. That is a proof, not a look. Only descendants are touched.
//!   Whoever is the last one alive gives no grace time.
//! * A guard that was asked to end (TERM, INT, HUP, or the end of the wire on its stdin) passes the signal on and
//!   gives the child the grace and the drain time, and [`FINISH`]; then it kills it.
//! * When the guard itself is killed the child gets TERM from the system. [`GuardedChild::is_gone`] tells
//!   that from a TERM that was sent: it is to kill all its descendants with [`end_all_descendants`] and to end.
//! * A process that cannot be killed (it hangs inside the system, or belongs to another user) is named and left
//!   behind [`GIVE_UP`] after grace and drain time; half a second after the first try when none of those who are
//!   left may be signalled.
//!
//! **Not promised:** that anything is ended when guard and child are killed in the same instant; their parent can do
//! it, if it is a subreaper, and with [`GuardKind::Direct`] it is. And outside Linux there are neither subreapers nor signals at the death of a
//! parent: the guard still passes on, kills a child that does not end and gives its exit code, but does
//! not see the child's orphans, and a child whose guard was killed has to find out by [`GuardedChild::is_gone`].

mod above;
mod descriptors;
mod driver;
mod end;
mod front;
mod ladder;
pub mod machine;
mod report;
mod reported;
mod reporter;
mod signals;
mod terminal;

use std::io::{self, Write};
use std::time::Duration;

use nix::unistd::{ForkResult, getppid};
use roboppi_ipc::ProcessIdentity;

pub use end::{EndReport, end_adopted, end_all_descendants, end_at_once};
pub use ladder::GIVE_UP;
pub use machine::FINISH;
pub use report::{GuardReport, REPORT_PREFIX, cannot_be_ended, pid_of_left};
pub use reported::mark_reported;

use crate::spawn::keep_ended_children;
use crate::title;
use above::Above;
use signals::Held;
use terminal::Terminal;

/// How a guard does its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuardSettings {
    /// Time between TERM and KILL.
    pub grace: Duration,
    /// Time the child may take for what is left to be read, after the grace time.
    pub drain: Duration,
    /// Whom it guards.
    pub kind: GuardKind,
}

/// Whom a guard guards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuardKind {
    /// A process with its wire on fd 0 and 1. It gets a session of its own, so that it is signalled by the guard
    /// alone. The end of what comes on fd 0 asks it to end. The guard reports on stderr.
    Core,
    /// A program in the terminal. It stays in the session and group in which it was started, so what the terminal sends
    /// reaches it by itself. The guard leaves both; the process that was started stays in front, for the shell
    /// that waits for it, and stops and continues with the program. The terminal is put in order when the program
    /// was killed. The guard speaks only when something was left.
    Direct,
}

/// Who returns from [`fork`].
#[derive(Debug)]
pub enum Role {
    /// The process that does the work.
    Guarded(GuardedChild),
    /// The guard, or the process in front of it, whose work is done. `main` returns this exit code at once.
    Guard(u8),
}

/// What the child knows of its guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuardedChild {
    guard: ProcessIdentity,
}

impl GuardedChild {
    /// The guard.
    #[must_use]
    pub const fn guard(&self) -> ProcessIdentity {
        self.guard
    }

    /// Whether the guard has died. Then nobody will end what we leave behind.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        u32::try_from(getppid().as_raw()) != Ok(self.guard.pid)
    }
}

/// Splits the program in a guard and a child. Returns in the child at once, in the guard when everything
/// is over.
///
/// Has to be called before any thread and any runtime exists and before anything was opened: the guard closes
/// every descriptor above 2.
///
/// # Errors
/// When there are other threads already, or no other process can be made, or there is no `/proc`. In the child,
/// when the guard has died meanwhile.
pub fn fork(settings: GuardSettings) -> io::Result<Role> {
    require_proc()?;
    refuse_threads()?;
    keep_ended_children();
    // Whatever waits in a buffer would be written twice.
    io::stdout().flush()?;
    // Before there is a child, so that no orphan can miss us.
    become_subreaper();
    // From here on no signal is lost: it waits for whom it was sent to.
    let signals = signals::Held::new()?;
    match settings.kind {
        GuardKind::Core => split(settings, signals, Above::supervisor(), None),
        GuardKind::Direct => front::fork(settings, signals),
    }
}

/// Forks the one that is guarded from the guard, which is this process.
fn split(
    settings: GuardSettings,
    signals: Held,
    above: Above,
    terminal: Option<Terminal>,
) -> io::Result<Role> {
    become_subreaper();
    let guard = crate::identity(std::process::id())?;
    // Before there is a child: at no time do both of them have the name by which one may be killed.
    let title = title::Title::replace();
    let (reported, reporting) = reported::pipe()?;
    match fork_alone()? {
        ForkResult::Parent { child } => {
            drop(reporting);
            Ok(Role::Guard(driver::guard(child, settings, signals, &above, terminal.as_ref(), &reported)))
        }
        ForkResult::Child => {
            title.put_back();
            drop(reported);
            if settings.kind == GuardKind::Direct {
                reported::keep(reporting);
            }
            // The pipe from the front process is the guard's alone: its end has to be seen.
            drop((above, terminal));
            follow_the_guard(guard)?;
            become_subreaper();
            if settings.kind == GuardKind::Core {
                // A child is never the leader of its group, so this cannot be refused.
                nix::unistd::setsid()?;
            }
            signals.let_go()?;
            Ok(Role::Guarded(GuardedChild { guard }))
        }
    }
}

#[expect(unsafe_code, reason = "the system call that makes two processes of one")]
pub(crate) fn fork_alone() -> io::Result<ForkResult> {
    // SAFETY: there is no other thread (`refuse_threads`), so no lock is held by anybody who does not
    // exist in the child; both may go on as if nothing had happened.
    Ok(unsafe { nix::unistd::fork() }?)
}

/// Refuses to start where nothing that is left could be found.
///
/// # Errors
/// When there is no `/proc`.
#[cfg(target_os = "linux")]
pub fn require_proc() -> io::Result<()> {
    if std::path::Path::new("/proc/self/stat").exists() {
        return Ok(());
    }
    Err(io::Error::other(
        "/proc is not there, and without it no process that is left could be found and ended; mount it \
         (`mount -t proc proc /proc`)",
    ))
}

/// Other systems have none.
///
/// # Errors
/// None.
#[cfg(not(target_os = "linux"))]
pub const fn require_proc() -> io::Result<()> {
    Ok(())
}

/// Makes this process the one that orphans below it are given to. Says whether it could.
///
/// Whoever calls this has to reap them: [`descendants::reap_adopted`](crate::descendants::reap_adopted).
#[cfg(target_os = "linux")]
pub fn become_subreaper() -> bool {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).is_ok()
}

/// Whether orphans below this process are given to it.
#[cfg(target_os = "linux")]
#[must_use]
pub fn is_subreaper() -> bool {
    rustix::process::child_subreaper().is_ok_and(|pid| pid.is_some())
}

/// Whether orphans below this process are given to it: not on this system.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub const fn is_subreaper() -> bool {
    false
}

/// Undoes [`become_subreaper`], for a guarded process that becomes another program.
#[cfg(target_os = "linux")]
pub fn leave_orphans_to_the_guard() {
    let _ = rustix::process::set_child_subreaper(None);
}

/// Nothing: orphans are not given to anybody on this system.
#[cfg(not(target_os = "linux"))]
pub const fn leave_orphans_to_the_guard() {}

/// Makes this process the one that orphans below it are given to. Says whether it could: not on this system.
#[cfg(not(target_os = "linux"))]
pub const fn become_subreaper() -> bool {
    false
}

#[cfg(target_os = "linux")]
pub(crate) fn refuse_threads() -> io::Result<()> {
    if std::fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() > 1) {
        return Err(io::Error::other("a process can only be forked while there is one thread"));
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
const fn refuse_threads() -> io::Result<()> {
    Ok(())
}

/// Has the system send TERM when the guard dies.
#[cfg(target_os = "linux")]
fn follow_the_guard(guard: ProcessIdentity) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM))?;
    // It may have died before that.
    if (GuardedChild { guard }).is_gone() {
        return Err(io::Error::other("the guard was killed before there was anything to guard"));
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
const fn follow_the_guard(_: ProcessIdentity) -> io::Result<()> {
    Ok(())
}
