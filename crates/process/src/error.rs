//! Why a child could not be started.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use roboppi_ipc::CancelReason;
use thiserror::Error;

use crate::Spawn;
use crate::inherited::is_out_of_room;
use crate::spawn::in_path;

/// A child was not started.
#[derive(Debug, Error)]
#[error("cannot start `{}`: {kind}", program.display())]
pub struct SpawnError {
    /// What was to be started.
    pub program: PathBuf,
    /// Why it was not.
    #[source]
    pub kind: SpawnErrorKind,
}

/// Why a child was not started, with what to do about it.
#[derive(Debug, Error)]
pub enum SpawnErrorKind {
    /// The working directory is missing.
    #[error("the working directory `{}` does not exist; create it or name another", .0.display())]
    NoDirectory(PathBuf),
    /// The working directory is something else.
    #[error("the working directory `{}` is not a directory; name another", .0.display())]
    NotADirectory(PathBuf),
    /// The working directory cannot be entered.
    #[error("the working directory `{}` cannot be entered; check its permissions", .0.display())]
    DirectoryDenied(PathBuf),
    /// A program named without a path is in no directory of `PATH`.
    #[error("no such program in PATH; install it or name its path")]
    NotInPath,
    /// A program named by its path is not there.
    #[error("the file does not exist; install it or correct the path")]
    NoProgram,
    /// The program is a script, and the interpreter that its first line names is not there.
    #[error("its interpreter `{}` is missing; install it, or correct the first line of `{}`", .interpreter.display(), .script.display())]
    NoInterpreter {
        /// The script.
        script: PathBuf,
        /// What its first line names.
        interpreter: PathBuf,
    },
    /// The program is there, and something that it needs to be loaded is not.
    #[error("`{}` exists, but the system cannot load it: the loader it names is missing; install it for this system", .0.display())]
    NoLoader(PathBuf),
    /// The program may not be executed.
    #[error("permission denied; make the file executable (chmod +x)")]
    NotExecutable,
    /// Arguments and environment are longer than the system allows.
    #[error("its arguments or environment are too long for this system; pass the text by a file or by stdin")]
    TooLong,
    /// No more processes or open files are allowed.
    #[error(
        "the system has no room for another process ({0}); run fewer at a time or raise the limit (ulimit)"
    )]
    NoRoom(#[source] io::Error),
    /// It was asked to end before it was started.
    #[error("it was cancelled before it started ({})", .0.name())]
    Cancelled(CancelReason),
    /// It was started, but how it ended cannot be learned.
    #[error("it was started but its end was not seen ({0}); something else here waits for its children")]
    EndUnknown(#[source] io::Error),
    /// Anything else the system said.
    #[error("{0}")]
    Other(#[source] io::Error),
}

impl SpawnError {
    pub(crate) fn new(spawn: &Spawn, kind: SpawnErrorKind) -> Self {
        Self { program: PathBuf::from(&spawn.program), kind }
    }

    /// Finds out which of the two paths an error of the system is about.
    pub(crate) fn explain(spawn: &Spawn, error: io::Error) -> Self {
        let kind = match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::ENOENT | Errno::ENOTDIR | Errno::EACCES | Errno::ELOOP | Errno::ENAMETOOLONG) => {
                directory_problem(&spawn.cwd).unwrap_or_else(|| program_problem(spawn, error))
            }
            Some(Errno::E2BIG) => SpawnErrorKind::TooLong,
            Some(_) if is_out_of_room(&error) => SpawnErrorKind::NoRoom(error),
            Some(_) | None => SpawnErrorKind::Other(error),
        };
        Self::new(spawn, kind)
    }
}

fn directory_problem(cwd: &Path) -> Option<SpawnErrorKind> {
    match cwd.metadata() {
        Ok(found) if !found.is_dir() => Some(SpawnErrorKind::NotADirectory(cwd.into())),
        Ok(_) => rustix::fs::access(cwd, rustix::fs::Access::EXEC_OK)
            .is_err()
            .then(|| SpawnErrorKind::DirectoryDenied(cwd.into())),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Some(SpawnErrorKind::DirectoryDenied(cwd.into()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            Some(SpawnErrorKind::NotADirectory(cwd.into()))
        }
        Err(_) => Some(SpawnErrorKind::NoDirectory(cwd.into())),
    }
}

fn program_problem(spawn: &Spawn, error: io::Error) -> SpawnErrorKind {
    let program = Path::new(&spawn.program);
    let has_path = program.components().count() > 1 || program.is_absolute();
    match error.kind() {
        io::ErrorKind::PermissionDenied => SpawnErrorKind::NotExecutable,
        io::ErrorKind::NotFound => {
            // A path is looked up from the working directory.
            let file = if has_path { Some(spawn.cwd.join(program)) } else { in_path(spawn) };
            match file.filter(|file| file.exists()) {
                Some(file) => loading_problem(file),
                None if has_path => SpawnErrorKind::NoProgram,
                None => SpawnErrorKind::NotInPath,
            }
        }
        io::ErrorKind::NotADirectory => SpawnErrorKind::NoProgram,
        _ => SpawnErrorKind::Other(error),
    }
}

/// Why the system says of a program that is there that it is not.
fn loading_problem(program: PathBuf) -> SpawnErrorKind {
    match interpreter(&program) {
        Some(interpreter) => SpawnErrorKind::NoInterpreter { script: program, interpreter },
        None => SpawnErrorKind::NoLoader(program),
    }
}

/// What the first line of a script names: `#!/bin/sh -e` is `/bin/sh`.
fn interpreter(script: &Path) -> Option<PathBuf> {
    let mut start = Vec::new();
    // The system reads no more of the line either.
    File::open(script).ok()?.take(256).read_to_end(&mut start).ok()?;
    let line = start.strip_prefix(b"#!")?.split(|&byte| byte == b'\n').next()?;
    let name = line.trim_ascii().split(u8::is_ascii_whitespace).next().filter(|name| !name.is_empty())?;
    Some(OsStr::from_bytes(name).into())
}
