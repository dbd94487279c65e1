//! Starting a child: its session, its signals, its pipes.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Once;

use nix::libc;

use crate::inherited;
use crate::leader::Leader;

#[cfg(target_os = "linux")]
mod borrowed;
#[cfg(target_os = "linux")]
mod quick;

/// How to start a child.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spawn {
    /// A path, looked up from `cwd`, or a name, looked up in the `PATH` of the child.
    pub program: OsString,
    /// The file that the name `program` means there, where that was looked up already ([`find_program`]).
    pub file: Option<PathBuf>,
    /// Its arguments, without the program itself.
    pub args: Vec<OsString>,
    /// Its working directory; must exist.
    pub cwd: PathBuf,
    /// How its environment differs from ours.
    pub env: Environment,
    /// What it reads.
    pub stdin: StdinMode,
}

/// What the standard input of a child is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StdinMode {
    /// Empty.
    #[default]
    Null,
    /// A pipe: [`Control::Stdin`](crate::Control::Stdin) writes to it.
    Piped,
}

/// The environment of a child: ours, without some names, then with others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// Names that are not passed on.
    pub remove: Vec<OsString>,
    /// Names that are set, whether or not we have them; the last one of a name wins.
    pub set: Vec<(OsString, OsString)>,
}

/// A child that was just started, with our ends of its pipes.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) leader: Leader,
    /// A descriptor of its process, where the system gave one.
    pub(crate) descriptor: Option<OwnedFd>,
    pub(crate) stdin: Option<OwnedFd>,
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
}

/// Starts a child as the leader of a session of its own. Returns when its program is loaded.
pub(crate) fn start(spawn: &Spawn) -> io::Result<Started> {
    keep_ended_children();
    // Found here, and once; the new process would try every directory of the path.
    let found = spawn.file.clone().or_else(|| in_path(spawn));
    #[cfg(target_os = "linux")]
    {
        let bare = !spawn.program.as_bytes().contains(&b'/');
        let program = found.as_deref().or_else(|| (!bare).then(|| Path::new(&spawn.program)));
        if let Some(program) = program {
            match quick::start(program, spawn) {
                // Its pipes would get into each other's way, which is seen to below.
                None => {}
                // A script without a first line that names its shell; below, the C library takes `sh`.
                Some(Err(error)) if error.raw_os_error() == Some(libc::ENOEXEC) => {}
                Some(outcome) => return outcome,
            }
        }
    }
    let mut command = match found {
        Some(program) => {
            let mut command = Command::new(program);
            command.arg0(&spawn.program);
            command
        }
        None => Command::new(&spawn.program),
    };
    command
        .args(&spawn.args)
        .current_dir(&spawn.cwd)
        .stdin(match spawn.stdin {
            StdinMode::Null => Stdio::null(),
            StdinMode::Piped => Stdio::piped(),
        })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    for name in &spawn.env.remove {
        command.env_remove(name);
    }
    for (name, value) in &spawn.env.set {
        command.env(name, value);
    }
    lead_a_session(&mut command);

    let mut child = command.spawn()?;
    // From here on the leader kills and reaps; the standard library's handle does neither by itself.
    let leader =
        Leader::new(child.id()).ok_or_else(|| io::Error::other("the system gave a pid that is none"))?;
    let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(io::Error::other("the output of the child is not a pipe"));
    };
    Ok(Started {
        leader,
        descriptor: None,
        stdin: child.stdin.take().map(OwnedFd::from),
        stdout: stdout.into(),
        stderr: stderr.into(),
    })
}

/// Where the program lies that a bare name means in the child's `PATH`. `None` when it is no bare name, or is
/// not found; then the system looks itself and says what is wrong.
pub(crate) fn in_path(spawn: &Spawn) -> Option<PathBuf> {
    let name = Path::new(&spawn.program);
    if name.components().count() != 1 || spawn.program.as_bytes().contains(&b'/') {
        return None;
    }
    let set = spawn.env.set.iter().rev().find(|(name, _)| name == "PATH").map(|(_, path)| path.clone());
    let inherited = || {
        let removed = spawn.env.remove.iter().any(|name| name == "PATH");
        if removed { None } else { std::env::var_os("PATH") }
    };
    let path = set.or_else(inherited)?;
    find_program(&spawn.program, &path, &spawn.cwd)
}

/// The file that the name of a program means in a `PATH`, for a process that works in `cwd`: the first one that can be
/// started. `None` as well when it depends on a directory that is not known: a relative one of a relative `cwd`.
///
/// What is found holds for now. A program that is installed later in an earlier directory is meant from then on, so it
/// is looked up for each process, and once.
#[must_use]
pub fn find_program(name: &OsStr, path: &OsStr, cwd: &Path) -> Option<PathBuf> {
    let mut tried: Vec<PathBuf> = Vec::new();
    for dir in std::env::split_paths(path) {
        if !dir.is_absolute() && !cwd.is_absolute() {
            return None;
        }
        // An absolute one stays what it is.
        let dir = cwd.join(dir);
        if tried.contains(&dir) {
            continue;
        }
        let file = dir.join(name);
        if is_program(&file) {
            return Some(file);
        }
        tried.push(dir);
    }
    None
}

/// Whether a file can be started: it is a plain one, and somebody may execute it.
#[must_use]
pub fn is_program(file: &Path) -> bool {
    file.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// Highest number of the classic signals; the ones above belong to the C library or to nobody.
const LAST_SIGNAL: libc::c_int = 31;

/// Makes what `command` starts lead a session and group of its own, and gives it the signals of a fresh
/// login: whatever we or those who started us ignore or block is not passed on. The limit of open files is that of
/// those who started us.
#[expect(unsafe_code, reason = "code between fork and exec; there is no safe way to ask for it")]
pub fn lead_a_session(command: &mut Command) {
    let files = inherited::lowered();
    // SAFETY: between fork and exec only async-signal-safe functions may be called and nothing may be
    // allocated. These are system calls, and an error is made from a number.
    unsafe {
        command.pre_exec(move || {
            if libc::setsid() == -1 {
                return Err(io::Error::last_os_error());
            }
            for signal in 1..=LAST_SIGNAL {
                // Refused for KILL and STOP, which cannot be ignored anyway.
                libc::signal(signal, libc::SIG_DFL);
            }
            let mut none = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
            libc::sigemptyset(none.as_mut_ptr());
            libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), std::ptr::null_mut());
            inherited::limit_files(files);
            Ok(())
        });
    }
}

/// Has what `command` starts end with the thread that starts it, however that ends, where the system can see to it
/// (Linux). It gets a hang-up, as if its terminal had gone. What it starts itself is not reached.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "code between fork and exec; there is no safe way to ask for it")]
pub fn end_with_starter(command: &mut Command) {
    let starter = std::process::id();
    // SAFETY: two system calls that allocate nothing; an error is made from a number.
    unsafe {
        command.pre_exec(move || {
            if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGHUP) == -1 {
                return Err(io::Error::last_os_error());
            }
            // It may have ended before that.
            if u32::try_from(libc::getppid()) != Ok(starter) {
                return Err(io::Error::from_raw_os_error(libc::ESRCH));
            }
            Ok(())
        });
    }
}

/// Nothing here sees to it that what `command` starts ends with the thread that starts it.
#[cfg(not(target_os = "linux"))]
pub fn end_with_starter(_command: &mut Command) {}

/// Who ignores CHLD has its children reaped by the system, and never learns how they ended. That is
/// inherited; it is taken back once, before the first child.
#[expect(unsafe_code, reason = "asking for a signal's disposition has no safe form")]
pub(crate) fn keep_ended_children() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the first call only reads into `now`, which is used after it succeeded. The second one
        // sets a disposition that runs no code.
        unsafe {
            let mut now = std::mem::MaybeUninit::<libc::sigaction>::uninit();
            if libc::sigaction(libc::SIGCHLD, std::ptr::null(), now.as_mut_ptr()) == 0
                && now.assume_init().sa_sigaction == libc::SIG_IGN
            {
                libc::signal(libc::SIGCHLD, libc::SIG_DFL);
            }
        }
    });
}
