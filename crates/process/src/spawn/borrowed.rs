//! A new process that borrows our memory until its program is loaded.
//!
//! `fork` copies the page tables of a process that holds the state of many jobs, and both sides then fault their pages in
//! again: a third of a millisecond for each worker. Here the new process runs on a stack of its own in our memory while
//! this thread stands still, as with `vfork`. `posix_spawn` of the C library does the same, but asks for all 64 signals one
//! by one in between; the system can reset the handled ones itself (`CLONE_CLEAR_SIGHAND`, Linux 5.5), and which ones are
//! ignored is known.

use std::cell::UnsafeCell;
use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::ptr;

use nix::libc;

use crate::inherited;

/// Bytes of the stack: what the C library takes for the same purpose, and room to load a function at its first call.
const STACK: usize = 64 * 1024;

/// The highest signal there is.
const LAST_SIGNAL_OF_ALL: libc::c_int = 64;

/// Exit code of a process that could not load its program. Nobody sees it.
const NOT_LOADED: libc::c_int = 127;

/// A program to be loaded, and what is done before. Pointers and numbers only: nothing may be allocated in between.
#[derive(Debug)]
pub(super) struct Load<'a> {
    pub(super) program: &'a CStr,
    /// Ends with a null.
    pub(super) args: &'a [*const libc::c_char],
    /// Ends with a null.
    pub(super) env: &'a [*const libc::c_char],
    pub(super) cwd: &'a CStr,
    /// What becomes its descriptors 0 to 2. None of them is one of these here.
    pub(super) ends: [RawFd; 3],
}

/// A new process, and a descriptor of it where the system gives one.
#[derive(Debug)]
pub(super) struct Born {
    pub(super) pid: libc::pid_t,
    pub(super) descriptor: Option<OwnedFd>,
}

/// What the new process is given.
struct Errand<'a> {
    load: &'a Load<'a>,
    limit: Option<libc::rlimit>,
    /// Whether its handlers are reset already.
    handlers_are_reset: bool,
    /// Why the program could not be loaded; 0 when it was. Written by the new process alone, before this one goes on.
    error: UnsafeCell<libc::c_int>,
}

/// Starts a process that leads a session of its own, with the signals of a fresh login and the limit of open files of those
/// who started us, and has it load a program. Returns when that is loaded.
pub(super) fn start(load: &Load<'_>) -> io::Result<Born> {
    match start_by(clone3, true, load) {
        // The system is older, or a container forbids the call.
        Err(_) => start_by(clone, false, load)?,
        Ok(outcome) => outcome,
    }
}

/// A way to get a process that runs an errand on this stack.
type Birth = fn(&Errand<'_>, &mut [MaybeUninit<u128>]) -> io::Result<Born>;

/// The outer error is that of the birth, the inner one that of the program.
fn start_by(birth: Birth, handlers_are_reset: bool, load: &Load<'_>) -> io::Result<io::Result<Born>> {
    let limit = inherited::lowered();
    let errand = Errand { load, limit, handlers_are_reset, error: UnsafeCell::new(0) };
    // Not touched here: only the pages that are used exist.
    let mut stack: Vec<u128> = Vec::with_capacity(STACK / size_of::<u128>());
    let born = {
        // A signal for this process must not run its handler in the other one.
        let _blocked = Blocked::all();
        birth(&errand, stack.spare_capacity_mut())?
    };
    Ok(match errand.error.into_inner() {
        0 => Ok(born),
        error => {
            reap(born.pid);
            Err(io::Error::from_raw_os_error(error))
        }
    })
}

/// The words of the system's `clone_args` in its first version.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[repr(C, align(8))]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[expect(unsafe_code, reason = "the C library has no form of this call, and a function cannot return twice")]
fn clone3(errand: &Errand<'_>, stack: &mut [MaybeUninit<u128>]) -> io::Result<Born> {
    use std::arch::asm;

    /// Not in the libc crate.
    const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;
    let flags = (libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD).cast_unsigned();
    let mut descriptor: RawFd = -1;
    let args = CloneArgs {
        flags: u64::from(flags) | CLONE_CLEAR_SIGHAND,
        pidfd: (&raw mut descriptor).expose_provenance() as u64,
        exit_signal: u64::from(libc::SIGCHLD.cast_unsigned()),
        stack: stack.as_mut_ptr().expose_provenance() as u64,
        stack_size: size_of_val(stack) as u64,
        ..CloneArgs::default()
    };
    let result: isize;
    // SAFETY: the system reads `args` and writes the descriptor. The new process goes on behind the call with the registers
    // of this one, except that its stack is the other one, aligned as a call wants it; it calls a function that never
    // returns and has what it is given in a register. This thread stands still meanwhile, and what it lent outlives that.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r12",
            "call r13",
            "ud2",
            "2:",
            inlateout("rax") libc::SYS_clone3 as isize => result,
            in("rdi") &raw const args,
            in("rsi") size_of::<CloneArgs>(),
            in("r12") ptr::from_ref(errand),
            in("r13") run as extern "C" fn(*mut libc::c_void) -> libc::c_int,
            lateout("rcx") _,
            lateout("r11") _,
        );
        #[cfg(target_arch = "aarch64")]
        asm!(
            "svc #0",
            "cbnz x0, 2f",
            "mov x29, xzr",
            "mov x0, x20",
            "blr x21",
            "brk #1",
            "2:",
            in("x8") libc::SYS_clone3,
            inlateout("x0") &raw const args => result,
            in("x1") size_of::<CloneArgs>(),
            in("x20") ptr::from_ref(errand),
            in("x21") run as extern "C" fn(*mut libc::c_void) -> libc::c_int,
        );
    }
    if result < 0 {
        return Err(io::Error::from_raw_os_error(i32::try_from(-result).unwrap_or(libc::ENOSYS)));
    }
    let pid = libc::pid_t::try_from(result).map_err(io::Error::other)?;
    // SAFETY: the system has opened it for us alone.
    let descriptor = (descriptor >= 0).then(|| unsafe { OwnedFd::from_raw_fd(descriptor) });
    Ok(Born { pid, descriptor })
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn clone3(_: &Errand<'_>, _: &mut [MaybeUninit<u128>]) -> io::Result<Born> {
    Err(io::Error::from_raw_os_error(libc::ENOSYS))
}

/// The same by the older call, which every C library has.
#[expect(unsafe_code, reason = "the new process uses our memory")]
fn clone(errand: &Errand<'_>, stack: &mut [MaybeUninit<u128>]) -> io::Result<Born> {
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    let top = stack.as_mut_ptr_range().end;
    // SAFETY: the stack grows down from its aligned end. This thread stands still until the other one has loaded its
    // program or ended, so that what is lent outlives its use.
    let pid = unsafe { libc::clone(run, top.cast(), flags, ptr::from_ref(errand).cast_mut().cast()) };
    if pid < 0 { Err(io::Error::last_os_error()) } else { Ok(Born { pid, descriptor: None }) }
}

/// The new process.
#[expect(unsafe_code, reason = "code between the birth of a process and its program")]
extern "C" fn run(errand: *mut libc::c_void) -> libc::c_int {
    // SAFETY: the errand outlives this process, and its cell is used by nobody else until this process has ended or loaded
    // its program. Nothing is dropped here.
    unsafe {
        let errand = &*errand.cast::<Errand<'_>>();
        *errand.error.get() = become_program(errand);
        libc::_exit(NOT_LOADED)
    }
}

/// Returns only if that fails, with the error.
///
/// # Safety
/// Only in a new process whose signals are blocked: everything it changes is its own.
#[expect(unsafe_code, reason = "code between the birth of a process and its program")]
unsafe fn become_program(errand: &Errand<'_>) -> libc::c_int {
    let Errand { load, limit, handlers_are_reset, .. } = errand;
    // SAFETY: system calls that allocate nothing, with values that outlive them.
    unsafe {
        if *handlers_are_reset {
            for signal in inherited::maybe_ignored() {
                libc::signal(*signal, libc::SIG_DFL);
            }
        } else {
            for signal in 1..=LAST_SIGNAL_OF_ALL {
                // Refused for KILL, STOP and what the C library keeps for itself.
                libc::signal(signal, libc::SIG_DFL);
            }
        }
        if libc::setsid() == -1 || libc::chdir(load.cwd.as_ptr()) == -1 {
            return errno();
        }
        for (theirs, ours) in (0..).zip(load.ends) {
            if libc::dup2(ours, theirs) == -1 {
                return errno();
            }
        }
        inherited::limit_files(*limit);
        let mut none = MaybeUninit::<libc::sigset_t>::uninit();
        libc::sigemptyset(none.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), ptr::null_mut());
        libc::execve(load.program.as_ptr(), load.args.as_ptr(), load.env.as_ptr());
        errno()
    }
}

/// The last error, without anything that might allocate.
fn errno() -> libc::c_int {
    nix::errno::Errno::last_raw()
}

/// All signals are blocked in this thread until this is dropped, those of the C library included.
struct Blocked(u64);

/// Bytes of a set of signals, as the system counts.
const SET: usize = size_of::<u64>();

#[expect(unsafe_code, reason = "the C library does not block its own signals")]
impl Blocked {
    fn all() -> Self {
        let (all, mut before) = (u64::MAX, 0_u64);
        // SAFETY: two sets of the system's size, one read and one written.
        unsafe {
            libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const all, &raw mut before, SET);
        }
        Self(before)
    }
}

#[expect(unsafe_code, reason = "the C library does not block its own signals")]
impl Drop for Blocked {
    fn drop(&mut self) {
        let none = ptr::null_mut::<u64>();
        // SAFETY: one set of the system's size, which is read.
        unsafe { libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const self.0, none, SET) };
    }
}

/// Takes the number of a process back that has ended without a program.
fn reap(pid: libc::pid_t) {
    if let Some(pid) = rustix::process::Pid::from_raw(pid) {
        let options = rustix::process::WaitOptions::empty();
        let _ = rustix::io::retry_on_intr(|| rustix::process::waitpid(Some(pid), options));
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::CString;
    use std::fs::File;
    use std::io::Read;
    use std::os::fd::AsRawFd;

    use nix::sys::signal::{SigHandler, SigSet, Signal, signal};

    use super::*;

    /// A birth, and whether it resets handlers.
    const WAYS: [(Birth, bool); 2] = [(clone3, true), (clone, false)];

    /// Starts a program by each way.
    fn by_each_way(program: &str, args: &[&str], mut check: impl FnMut(io::Result<Born>, io::PipeReader)) {
        let text = |text: &&str| CString::new(*text).unwrap();
        let args: Vec<_> = args.iter().map(text).collect();
        let args: Vec<_> = args.iter().map(|arg| arg.as_ptr()).chain([ptr::null()]).collect();
        for (birth, resets) in WAYS {
            let (reader, writer) = io::pipe().unwrap();
            let null = File::open("/dev/null").unwrap();
            let ends = [null.as_raw_fd(), writer.as_raw_fd(), writer.as_raw_fd()];
            let (program, cwd) = (text(&program), text(&"/"));
            let load = Load { program: &program, args: &args, env: &[ptr::null()], cwd: &cwd, ends };
            let outcome = start_by(birth, resets, &load).unwrap();
            drop(writer);
            check(outcome, reader);
        }
    }

    extern "C" fn nothing(_: libc::c_int) {}

    #[test]
    #[expect(unsafe_code, reason = "setting the disposition of a signal has no safe form")]
    fn it_has_the_signals_of_a_fresh_login_and_a_session_of_its_own() {
        // SAFETY: neither runs any code of ours, the second one not even when the signal comes.
        unsafe {
            signal(Signal::SIGUSR1, SigHandler::SigIgn).unwrap();
            signal(Signal::SIGUSR2, SigHandler::Handler(nothing)).unwrap();
        }
        by_each_way("/bin/cat", &["cat", "/proc/self/status"], |born, mut output| {
            let Born { pid, .. } = born.unwrap();
            let mut text = String::new();
            output.read_to_string(&mut text).unwrap();
            let field = |name: &str| {
                let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
                value.and_then(|value| value.split_ascii_whitespace().last()).unwrap().to_owned()
            };
            for set in ["SigBlk", "SigIgn"] {
                // The C library of whoever started us leaves two of its own signals, above these, ignored.
                let signals = u64::from_str_radix(&field(set), 16).unwrap() & 0x7fff_ffff;
                assert_eq!(signals, 0, "{set}: {text}");
            }
            assert_eq!(field("NSsid"), pid.to_string(), "{text}");
            reap(pid);
        });
        assert!(!SigSet::thread_get_mask().unwrap().contains(Signal::SIGTERM));
    }

    #[test]
    fn a_program_that_is_not_there_is_an_error_and_leaves_no_child() {
        by_each_way("/no/such/program", &["program"], |born, mut output| {
            assert_eq!(born.unwrap_err().raw_os_error(), Some(libc::ENOENT));
            let mut text = String::new();
            assert_eq!(output.read_to_string(&mut text).unwrap(), 0);
        });
    }

    #[test]
    fn the_descriptor_is_that_of_the_process() {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};

        by_each_way("/bin/sh", &["sh", "-c", "exit 0"], |born, _| {
            let Born { pid, descriptor } = born.unwrap();
            if let Some(descriptor) = descriptor {
                let patience = Timespec { tv_sec: 30, tv_nsec: 0 };
                let ended = poll(&mut [PollFd::new(&descriptor, PollFlags::IN)], Some(&patience));
                assert_eq!(ended, Ok(1));
            }
            reap(pid);
        });
    }
}
