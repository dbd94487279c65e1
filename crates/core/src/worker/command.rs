//! From the command an adapter wishes to the process that is started.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use roboppi_ipc::{JobId, WorkerTask};
use roboppi_process::{Environment, Spawn, StdinMode};
use roboppi_worker_adapters::{Arg, CommandSpec, StdinPlan, TempFile};
use tempfile::TempDir;

use crate::mask::SOCKET;
use crate::orphans::MARKER;

/// Variables that tell a core where its own wire is. A worker that starts a roboppi of its own must not
/// connect there.
const OF_THE_CORE_ALONE: [&str; 4] = [
    "ROBOPPI_IPC_SOCKET_PATH",
    "ROBOPPI_IPC_SOCKET_HOST",
    "ROBOPPI_IPC_SOCKET_PORT",
    "ROBOPPI_SUPERVISED_IPC_TRANSPORT",
];

/// Workers of the existing program see which component started them.
const COMPONENT: (&str, &str) = ("ROBOPPI_COMPONENT", "core");

/// A command that is ready to be started, and the files it needs.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) spawn: Spawn,
    /// Removed with this value.
    pub(super) _files: Option<TempDir>,
}

/// Makes the files of a command and finds its program.
pub(super) fn prepare(
    spec: &CommandSpec,
    task: &WorkerTask,
    job_id: &JobId,
    socket: Option<&Path>,
    environment: impl Fn(&str) -> Option<OsString>,
) -> Result<Prepared, String> {
    let files =
        make_files(&spec.files).map_err(|error| format!("cannot write the worker's files: {error}"))?;
    let args = spec.args.iter().map(|arg| argument(arg, files.as_ref())).collect::<Result<_, _>>()?;
    let mut set = variables(spec, task, job_id, &environment);
    // That of a roboppi around this one would hide the value there, and not here.
    set.remove(SOCKET);
    let path = set.get("PATH").map(OsString::from).or_else(|| {
        let removed = spec.env_remove.iter().any(|name| name == "PATH");
        (!removed).then(|| environment("PATH")).flatten()
    });
    let cwd = PathBuf::from(&task.workspace_ref);
    let program = choose_program(&spec.programs, path.as_deref(), &cwd)
        .ok_or_else(|| "the adapter names no program".to_owned())?;
    let removed = OF_THE_CORE_ALONE.iter().chain(&[SOCKET]).map(OsString::from);
    let socket = socket.map(|socket| (SOCKET.into(), socket.into()));
    Ok(Prepared {
        spawn: Spawn {
            program,
            args,
            cwd,
            env: Environment {
                remove: removed.chain(spec.env_remove.iter().map(OsString::from)).collect(),
                set: set.into_iter().map(|(name, value)| (name.into(), value.into())).chain(socket).collect(),
            },
            stdin: match spec.stdin {
                StdinPlan::Null => StdinMode::Null,
                StdinPlan::Piped => StdinMode::Piped,
            },
        },
        _files: files,
    })
}

/// What is set: the task's own words win over ours, the adapter's over both. The marker of the job is not
/// theirs to change.
fn variables(
    spec: &CommandSpec,
    task: &WorkerTask,
    job_id: &JobId,
    environment: &impl Fn(&str) -> Option<OsString>,
) -> BTreeMap<String, String> {
    let mut set = BTreeMap::new();
    if environment(COMPONENT.0).is_none() {
        set.insert(COMPONENT.0.to_owned(), COMPONENT.1.to_owned());
    }
    let given = task.env.iter().filter(|(name, _)| !OF_THE_CORE_ALONE.contains(&name.as_str()));
    set.extend(given.chain(&spec.env).map(|(name, value)| (name.clone(), value.clone())));
    set.retain(|name, _| !spec.env_remove.contains(name));
    set.insert(MARKER.to_owned(), job_id.as_str().to_owned());
    set.retain(|name, value| !name.is_empty() && !name.contains(['=', '\0']) && !value.contains('\0'));
    set
}

fn argument(arg: &Arg, files: Option<&TempDir>) -> Result<OsString, String> {
    match (arg, files) {
        (Arg::Text(text), _) => Ok(text.into()),
        (Arg::File(name), Some(dir)) if is_plain(name) => Ok(dir.path().join(name).into_os_string()),
        (Arg::File(name), _) => Err(format!("the adapter names the file `{name}` but does not make it")),
    }
}

fn make_files(files: &[TempFile]) -> io::Result<Option<TempDir>> {
    if files.is_empty() {
        return Ok(None);
    }
    let dir = tempfile::Builder::new().prefix("roboppi-worker-").tempdir()?;
    for TempFile { name, content } in files {
        if !is_plain(name) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("`{name}` is no file name")));
        }
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true).mode(0o600).open(dir.path().join(name))?.write_all(content)?;
    }
    Ok(Some(dir))
}

fn is_plain(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    !name.is_empty() && !name.starts_with('.') && name.bytes().all(allowed)
}

/// The first program that exists. When none does the first one, whose start then says what is wrong.
fn choose_program(programs: &[String], path: Option<&OsStr>, cwd: &Path) -> Option<OsString> {
    if let [only] = programs {
        return Some(only.into());
    }
    let exists = |program: &&String| {
        if program.contains('/') {
            return is_executable(&cwd.join(program));
        }
        path.is_some_and(|path| std::env::split_paths(path).any(|dir| is_executable(&dir.join(program))))
    };
    programs.iter().find(exists).or(programs.first()).map(OsString::from)
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::job;

    fn task() -> WorkerTask {
        job("a").worker_task().unwrap()
    }

    fn environment(name: &str) -> Option<OsString> {
        (name == "PATH").then(|| "/no/such/dir:/usr/bin:/bin".into())
    }

    fn prepared(spec: &CommandSpec, task: &WorkerTask) -> Spawn {
        prepare(spec, task, &JobId::new("a"), None, environment).unwrap().spawn
    }

    #[test]
    fn the_environment_of_a_worker() {
        let mut task = task();
        let mut spec = CommandSpec::new(["sh"]);
        for (name, value) in [
            ("A", "task"),
            ("B", "task"),
            ("C", "task"),
            ("ROBOPPI_IPC_SOCKET_PORT", "1"),
            ("BAD=NAME", "x"),
            ("", "x"),
            ("NUL", "a\0b"),
        ] {
            task.env.insert(name.into(), value.into());
        }
        spec.env.insert("B".into(), "adapter".into());
        spec.env_remove.push("C".into());
        spec.env_remove.push(MARKER.into());
        let env = prepared(&spec, &task).env;
        let set: Vec<String> =
            env.set.iter().map(|(name, value)| format!("{}={}", name.display(), value.display())).collect();
        assert_eq!(set, ["A=task", "B=adapter", "ROBOPPI_COMPONENT=core", "ROBOPPI_JOB_ID=a"]);
        for name in OF_THE_CORE_ALONE.iter().chain(&["C", SOCKET]) {
            assert!(env.remove.iter().any(|removed| removed == name), "{name}");
        }
    }

    #[test]
    fn the_socket_is_that_of_the_attempt_or_none() {
        let mut task = task();
        task.env.insert(SOCKET.into(), "/of/another".into());
        let sockets = |socket: Option<&Path>| {
            let spec = CommandSpec::new(["sh"]);
            let spawn = prepare(&spec, &task, &JobId::new("a"), socket, environment).unwrap().spawn;
            spawn
                .env
                .set
                .into_iter()
                .filter(|(name, _)| name == SOCKET)
                .map(|(_, value)| value)
                .collect::<Vec<_>>()
        };
        assert_eq!(sockets(Some(Path::new("/of/this"))), ["/of/this"]);
        assert!(sockets(None).is_empty());
    }

    #[test]
    fn the_first_program_that_exists_is_taken() {
        let program = |programs: &[&str]| {
            let spec = CommandSpec::new(programs.iter().copied());
            prepare(&spec, &task(), &JobId::new("a"), None, environment)
                .map(|prepared| prepared.spawn.program)
        };
        assert_eq!(program(&["no-such-program", "sh"]).unwrap(), "sh");
        assert_eq!(program(&["/no/such/program", "/bin/sh", "sh"]).unwrap(), "/bin/sh");
        assert_eq!(program(&["/etc/passwd", "sh"]).unwrap(), "sh", "a file that is no program");
        assert_eq!(program(&["first-of-none", "second"]).unwrap(), "first-of-none");
        assert!(program(&[]).is_err());
    }

    #[test]
    fn files_are_named_plainly_or_not_at_all() {
        for name in ["", ".", "..", "a/b", ".hidden", "a b"] {
            let mut spec = CommandSpec::new(["sh"]);
            spec.files.push(TempFile { name: name.into(), content: Vec::new() });
            assert!(prepare(&spec, &task(), &JobId::new("a"), None, environment).is_err(), "{name}");
        }
        let spec = CommandSpec::new(["sh"]).args([Arg::File("not-made".into())]);
        assert!(prepare(&spec, &task(), &JobId::new("a"), None, environment).is_err());
    }
}
