//! Starting a program without copying our memory map first.
//!
//! `fork` copies the page tables of a process that holds the state of many jobs, and both sides then fault
//! their pages in again: a third of a millisecond for each worker. `posix_spawn` borrows the memory until
//! the program is loaded, and can do all that a worker needs.

use std::ffi::{CStr, CString, OsStr, OsString};
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;

use nix::libc;

use super::{LAST_SIGNAL, Spawn, Started, StdinMode};
use crate::inherited::with_limit_of_parent;
use crate::leader::Leader;

/// Starts `program`, which has a slash in it, as `spawn` says. `None` when it cannot be given its limit of open
/// files in this way.
pub(super) fn start(program: &Path, spawn: &Spawn) -> Option<io::Result<Started>> {
    try_start(program, spawn).transpose()
}

fn try_start(program: &Path, spawn: &Spawn) -> io::Result<Option<Started>> {
    let text = |text: &OsStr| CString::new(text.as_bytes()).map_err(io::Error::from);
    let program = text(program.as_os_str())?;
    let cwd = text(spawn.cwd.as_os_str())?;
    let args: Vec<CString> =
        std::iter::once(&spawn.program).chain(&spawn.args).map(|arg| text(arg)).collect::<io::Result<_>>()?;
    let env: Vec<CString> = environment(spawn).iter().map(|pair| text(pair)).collect::<io::Result<_>>()?;

    let (theirs_in, stdin) = match spawn.stdin {
        StdinMode::Null => (OwnedFd::from(File::open("/dev/null")?), None),
        StdinMode::Piped => {
            let (read, write) = io::pipe()?;
            (read.into(), Some(write.into()))
        }
    };
    let (stdout, theirs_out) = io::pipe()?;
    let (stderr, theirs_err) = io::pipe()?;

    let mut actions = Actions::new()?;
    actions.enter(&cwd)?;
    let ends = [(theirs_in.as_raw_fd(), 0), (theirs_out.as_raw_fd(), 1), (theirs_err.as_raw_fd(), 2)];
    for (ours, theirs) in ends {
        actions.duplicate(ours, theirs)?;
    }
    let attributes = Attributes::session_with_fresh_signals()?;
    let highest = ends.iter().map(|(ours, _)| *ours).max().unwrap_or_default();
    let spawned = with_limit_of_parent(highest, || spawn_with(&program, &actions, &attributes, &args, &env));
    let Some(pid) = spawned.transpose()? else { return Ok(None) };
    let leader = u32::try_from(pid).ok().and_then(Leader::new);
    let leader = leader.ok_or_else(|| io::Error::other("the system gave a pid that is none"))?;
    Ok(Some(Started { leader, stdin, stdout: stdout.into(), stderr: stderr.into() }))
}

/// The environment of the child, as `NAME=value`.
fn environment(spawn: &Spawn) -> Vec<OsString> {
    let changed = |name: &OsStr| {
        spawn.env.remove.iter().any(|removed| removed == name)
            || spawn.env.set.iter().any(|(set, _)| set == name)
    };
    let inherited = std::env::vars_os().filter(|(name, _)| !changed(name));
    let last_of_its_name = |place: usize| {
        let (name, _) = &spawn.env.set[place];
        spawn.env.set[place + 1..].iter().all(|(later, _)| later != name)
    };
    let set = (0..spawn.env.set.len())
        .filter(|place| last_of_its_name(*place))
        .map(|place| spawn.env.set[place].clone());
    inherited
        .chain(set)
        .map(|(mut pair, value)| {
            pair.push("=");
            pair.push(value);
            pair
        })
        .collect()
}

#[expect(unsafe_code, reason = "posix_spawn has no safe form that changes the directory")]
fn spawn_with(
    program: &CStr,
    actions: &Actions,
    attributes: &Attributes,
    args: &[CString],
    env: &[CString],
) -> io::Result<libc::pid_t> {
    let pointers = |texts: &[CString]| -> Vec<*mut libc::c_char> {
        texts.iter().map(|text| text.as_ptr().cast_mut()).chain([ptr::null_mut()]).collect()
    };
    let (args, env) = (pointers(args), pointers(env));
    let mut pid = 0;
    // SAFETY: both lists end with a null and point to texts that outlive the call, which does not write to
    // them; actions and attributes were initialised.
    done(unsafe {
        libc::posix_spawn(
            &raw mut pid,
            program.as_ptr(),
            &raw const actions.0,
            &raw const attributes.0,
            args.as_ptr(),
            env.as_ptr(),
        )
    })?;
    Ok(pid)
}

/// What the new process does before it loads its program.
struct Actions(libc::posix_spawn_file_actions_t);

#[expect(unsafe_code, reason = "posix_spawn has no safe form that changes the directory")]
impl Actions {
    fn new() -> io::Result<Self> {
        let mut actions = MaybeUninit::uninit();
        // SAFETY: the call initialises what it is given, or fails.
        done(unsafe { libc::posix_spawn_file_actions_init(actions.as_mut_ptr()) })?;
        // SAFETY: it was initialised.
        Ok(Self(unsafe { actions.assume_init() }))
    }

    fn enter(&mut self, cwd: &CStr) -> io::Result<()> {
        // SAFETY: initialised; the path is copied.
        done(unsafe { libc::posix_spawn_file_actions_addchdir_np(&raw mut self.0, cwd.as_ptr()) })
    }

    /// `ours` stays open in this process only, `theirs` is its number in the new one.
    fn duplicate(&mut self, ours: libc::c_int, theirs: libc::c_int) -> io::Result<()> {
        // SAFETY: initialised; the numbers are only noted.
        done(unsafe { libc::posix_spawn_file_actions_adddup2(&raw mut self.0, ours, theirs) })
    }
}

#[expect(unsafe_code, reason = "freeing what the C library allocated")]
impl Drop for Actions {
    fn drop(&mut self) {
        // SAFETY: initialised, and not used after this.
        unsafe { libc::posix_spawn_file_actions_destroy(&raw mut self.0) };
    }
}

/// What the new process is.
struct Attributes(libc::posix_spawnattr_t);

#[expect(unsafe_code, reason = "posix_spawn has no safe form that makes a session")]
impl Attributes {
    /// The leader of a session of its own, with the signals of a fresh login.
    fn session_with_fresh_signals() -> io::Result<Self> {
        let mut attributes = MaybeUninit::uninit();
        // SAFETY: the call initialises what it is given, or fails.
        done(unsafe { libc::posix_spawnattr_init(attributes.as_mut_ptr()) })?;
        // SAFETY: it was initialised.
        let mut attributes = Self(unsafe { attributes.assume_init() });
        let flags = libc::c_int::from(libc::POSIX_SPAWN_SETSID)
            | libc::POSIX_SPAWN_SETSIGDEF
            | libc::POSIX_SPAWN_SETSIGMASK;
        let flags = libc::c_short::try_from(flags).map_err(io::Error::other)?;
        let mut set = MaybeUninit::uninit();
        // SAFETY: the set is initialised by the first call on it, and copied by the ones that take it.
        unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            done(libc::posix_spawnattr_setsigmask(&raw mut attributes.0, set.as_ptr()))?;
            for signal in (1..=LAST_SIGNAL).filter(|signal| ![libc::SIGKILL, libc::SIGSTOP].contains(signal))
            {
                libc::sigaddset(set.as_mut_ptr(), signal);
            }
            done(libc::posix_spawnattr_setsigdefault(&raw mut attributes.0, set.as_ptr()))?;
            done(libc::posix_spawnattr_setflags(&raw mut attributes.0, flags))?;
        }
        Ok(attributes)
    }
}

#[expect(unsafe_code, reason = "freeing what the C library allocated")]
impl Drop for Attributes {
    fn drop(&mut self) {
        // SAFETY: initialised, and not used after this.
        unsafe { libc::posix_spawnattr_destroy(&raw mut self.0) };
    }
}

/// These calls return their error instead of setting it aside.
fn done(error: libc::c_int) -> io::Result<()> {
    if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(error)) }
}
