//! From the command an adapter commands to the process that is started.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

use roboppi_ipc::{JobId, VariablePolicy, WorkerTask};
use roboppi_process::{Environment, Spawn, StdinMode, find_program, is_program};
use roboppi_worker_adapters::{Arg, CommandSpec, StdinPlan, TempFile};

use super::prepare_error::PrepareError;
use super::private::PrivateDir;
use crate::Variables;
use crate::mask::SOCKET;
use crate::orphans::MARKER;

/// Variables that tell a core where its own wire is. A worker that starts a roboppi of its own must not
/// connect there.
const OF_THE_CORE_ALONE: [&str; 5] = [
    "ROBOPPI_IPC_SOCKET_PATH",
    "ROBOPPI_IPC_SOCKET_HOST",
    "ROBOPPI_IPC_SOCKET_PORT",
    "ROBOPPI_SUPERVISED_IPC_TRANSPORT",
    "ROBOPPI_LOG_FILE",
];

/// Variables by which an agent tells its children that they run inside it. An agent that sees them refuses to start, or
/// takes itself for a part of the other one.
const OF_ANOTHER_AGENT: [&str; 8] = [
    "CLAUDECODE",
    "CLAUDE_CODE_ENTRYPOINT",
    "CLAUDE_CODE_SSE_PORT",
    "CODEX_THREAD_ID",
    "CODEX_SANDBOX",
    "GEMINI_CLI",
    "OPENCODE",
    "OPENCODE_PID",
];

/// Tells programs below an agent that no person reads what they print.
const AI_AGENT: (&str, &str) = ("AI_AGENT", "roboppi");

/// Where a program is, and was before, for those who do not ask the system.
const PWD: &str = "PWD";
const OLD_PWD: &str = "OLDPWD";

/// The temporary directory of an agent, in its private one.
const TEMPORARY: &str = ".tmp";

/// Workers of the existing program see which component started them.
const COMPONENT: (&str, &str) = ("ROBOPPI_COMPONENT", "core");

/// A command that is ready to be started, and the files it needs.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) spawn: Spawn,
    /// Removed with this value.
    pub(super) files: Option<PrivateDir>,
    /// Its temporary directory, if it has one of its own.
    pub(super) temporary: Option<PathBuf>,
}

/// Where a worker is started.
#[derive(Debug)]
pub(super) struct SpawnContext<'a> {
    pub(super) job_id: &'a JobId,
    pub(super) is_agent: bool,
    pub(super) socket: Option<&'a Path>,
    pub(super) variables: &'a VariablePolicy,
    /// Our own environment.
    pub(super) ours: &'a Variables,
}

impl SpawnContext<'_> {
    /// A variable of ours, if the worker is given it.
    fn given(&self, name: &str) -> Option<OsString> {
        self.ours.get(OsStr::new(name)).filter(|_| self.variables.gives(name)).cloned()
    }

    /// Variables of ours that the worker is not given.
    fn kept_back(&self) -> impl Iterator<Item = OsString> {
        let is_kept = |name: &&OsString| !self.variables.gives(&name.to_string_lossy());
        self.ours.iter().map(|(name, _)| name).filter(is_kept).cloned()
    }
}

/// Makes the files of a command and finds its program.
pub(super) fn prepare(
    spec: &CommandSpec,
    task: &WorkerTask,
    around: &SpawnContext<'_>,
) -> Result<Prepared, PrepareError> {
    let is_agent = around.is_agent;
    let files = make_files(&spec.files, is_agent).map_err(PrepareError::Files)?;
    let temporary = files.as_ref().filter(|_| is_agent).map(|dir| dir.path().join(TEMPORARY));
    let mut set = variables(spec, task, around, temporary.as_deref());
    // That of a roboppi around this one would hide the value there, and not here.
    set.remove(SOCKET);
    // Those of whoever started us say where that one is. Programs believe them rather than ask the system.
    set.remove(PWD);
    set.remove(OLD_PWD);
    let path = set.get("PATH").map(OsString::from).or_else(|| {
        let removed = spec.env_remove.iter().any(|name| name == "PATH");
        (!removed).then(|| around.given("PATH")).flatten()
    });
    let exact = task.roboppi.as_ref().and_then(|options| options.exact.as_ref());
    let cwd = exact
        .and_then(|exact| exact.workspace_ref.as_ref())
        .map_or_else(|| PathBuf::from(&task.workspace_ref), |path| OsStr::from_bytes(path.bytes()).into());
    let args = spec.args.iter().map(|arg| match argument(arg, files.as_ref()) {
        // An adapter knows texts only.
        Ok(text) if text == *task.workspace_ref => Ok(cwd.clone().into_os_string()),
        argument => argument,
    });
    let args = args.collect::<Result<_, _>>()?;
    let (program, file) =
        choose_program(&spec.programs, path.as_deref(), &cwd).ok_or(PrepareError::NoProgram)?;
    let ours =
        OF_THE_CORE_ALONE.iter().chain(&OF_ANOTHER_AGENT).chain(&[SOCKET, OLD_PWD]).map(OsString::from);
    let removed = ours.chain(around.kept_back());
    let socket = around.socket.map(|socket| (SOCKET.into(), socket.into()));
    let exact_value = |name: &str| exact.and_then(|exact| exact.env.get(name));
    let set = set.into_iter().map(|(name, value)| {
        let exact = exact_value(&name).map(|value| OsStr::from_bytes(value.bytes()).to_owned());
        (name.into(), exact.unwrap_or_else(|| value.into()))
    });
    let set = set.chain(socket).chain([(PWD.into(), logical(&cwd).into_os_string())]).collect();
    Ok(Prepared {
        spawn: Spawn {
            program,
            file,
            args,
            cwd,
            env: Environment {
                remove: removed.chain(spec.env_remove.iter().map(OsString::from)).collect(),
                set,
            },
            stdin: match spec.stdin {
                StdinPlan::Null => StdinMode::Null,
                StdinPlan::Piped => StdinMode::Piped,
            },
        },
        files,
        temporary,
    })
}

/// What is set: the task's own words win over ours, the adapter's over both. The marker of the job is not
/// theirs to change.
fn variables(
    spec: &CommandSpec,
    task: &WorkerTask,
    around: &SpawnContext<'_>,
    temporary: Option<&Path>,
) -> BTreeMap<String, String> {
    let mut set = BTreeMap::new();
    if around.given(COMPONENT.0).is_none() {
        set.insert(COMPONENT.0.to_owned(), COMPONENT.1.to_owned());
    }
    if around.is_agent {
        set.insert(AI_AGENT.0.to_owned(), AI_AGENT.1.to_owned());
    }
    if let Some(temporary) = temporary.and_then(Path::to_str) {
        set.insert("TMPDIR".to_owned(), temporary.to_owned());
    }
    let given = task.env.iter().filter(|(name, _)| !OF_THE_CORE_ALONE.contains(&name.as_str()));
    set.extend(given.chain(&spec.env).map(|(name, value)| (name.clone(), value.clone())));
    set.retain(|name, _| !spec.env_remove.contains(name));
    set.insert(MARKER.to_owned(), around.job_id.as_str().to_owned());
    set.retain(|name, value| !name.is_empty() && !name.contains(['=', '\0']) && !value.contains('\0'));
    set
}

/// A directory as a shell names it: with the links of its path, but without `.` and `..`, which no program has to accept.
fn logical(dir: &Path) -> PathBuf {
    if dir.components().any(|part| part == Component::ParentDir) {
        return dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    }
    dir.components().collect()
}

fn argument(arg: &Arg, files: Option<&PrivateDir>) -> Result<OsString, PrepareError> {
    match (arg, files) {
        (Arg::Text(text), _) => Ok(text.into()),
        (Arg::File(name), Some(dir)) if is_plain(name) => Ok(dir.path().join(name).into_os_string()),
        (Arg::File(name), _) => Err(PrepareError::NoFile(name.clone())),
    }
}

/// Makes the private directory of a worker, if it needs one. Agents leave all kinds of files in their temporary directory,
/// so they have one there.
fn make_files(files: &[TempFile], has_temporary: bool) -> io::Result<Option<PrivateDir>> {
    if files.is_empty() && !has_temporary {
        return Ok(None);
    }
    let dir = PrivateDir::make()?;
    if has_temporary {
        dir.make_directory(TEMPORARY)?;
    }
    for TempFile { name, content, .. } in files {
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

/// The first program that exists, and where a name was found. When none does the first one, whose start then says what is
/// wrong. A program is looked up for each worker, since one before may have installed it, and only here.
fn choose_program(
    programs: &[String],
    path: Option<&OsStr>,
    cwd: &Path,
) -> Option<(OsString, Option<PathBuf>)> {
    if let [only] = programs {
        return Some((only.into(), None));
    }
    let found = |program: &String| {
        if program.contains('/') {
            return is_program(&cwd.join(program)).then(|| (program.into(), None));
        }
        let file = find_program(OsStr::new(program), path?, cwd)?;
        Some((program.into(), Some(file)))
    };
    programs.iter().find_map(found).or_else(|| Some((programs.first()?.into(), None)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::job;

    fn task() -> WorkerTask {
        job("a").worker_task().unwrap()
    }

    fn prepared_with(
        spec: &CommandSpec,
        task: &WorkerTask,
        socket: Option<&Path>,
        variables: &VariablePolicy,
    ) -> Result<Prepared, PrepareError> {
        let ours = [("PATH", "/no/such/dir:/usr/bin:/bin"), ("AWS_KEY", "x"), ("EDITOR", "vi")];
        let ours = &ours.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        let is_agent = roboppi_ipc::WorkerFacts::assumed(task.worker_kind).agent;
        prepare(spec, task, &SpawnContext { job_id: &JobId::new("a"), is_agent, socket, variables, ours })
    }

    fn prepared(spec: &CommandSpec, task: &WorkerTask) -> Result<Prepared, PrepareError> {
        prepared_with(spec, task, None, &VariablePolicy::default())
    }

    #[test]
    fn the_environment_of_a_worker() {
        let mut task = task();
        let mut spec = CommandSpec::new(["sh"]);
        for (name, value) in [
            ("PWD", "/elsewhere"),
            ("OLDPWD", "/elsewhere"),
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
        let env = prepared(&spec, &task).unwrap().spawn.env;
        let set: Vec<String> =
            env.set.iter().map(|(name, value)| format!("{}={}", name.display(), value.display())).collect();
        let pwd = format!("PWD={}", task.workspace_ref);
        assert_eq!(set, ["A=task", "B=adapter", "ROBOPPI_COMPONENT=core", "ROBOPPI_JOB_ID=a", &pwd]);
        for name in OF_THE_CORE_ALONE.iter().chain(&["C", SOCKET, "CLAUDECODE"]) {
            assert!(env.remove.iter().any(|removed| removed == name), "{name}");
        }
        assert!(!env.remove.iter().any(|removed| removed == "EDITOR"));
    }

    #[test]
    fn what_is_no_text_reaches_the_worker_byte_for_byte() {
        let hex = |bytes: &[u8]| roboppi_ipc::HexBytes::unless_text(bytes);
        let mut task = task();
        task.workspace_ref = "/caf\u{fffd}".into();
        task.env.insert("DIR".into(), "/\u{fffd}".into());
        task.roboppi = Some(roboppi_ipc::JobOptions::default().with_exact(Some(roboppi_ipc::ExactValues {
            workspace_ref: hex(b"/caf\xe9"),
            env: [("DIR".to_owned(), hex(b"/\xff").unwrap())].into(),
            ..Default::default()
        })));
        let spec = CommandSpec::new(["sh"]).args([Arg::Text("/caf\u{fffd}".into())]);
        let spawn = prepared(&spec, &task).unwrap().spawn;
        let exact = OsStr::from_bytes(b"/caf\xe9");
        assert_eq!((spawn.cwd.as_os_str(), spawn.args), (exact, vec![exact.to_owned()]));
        let value = |name: &str| spawn.env.set.iter().find(|(set, _)| set == name).map(|(_, value)| &**value);
        assert_eq!(value("DIR"), Some(OsStr::from_bytes(b"/\xff")));
        assert_eq!(value("PWD"), Some(exact));
    }

    #[test]
    fn a_directory_is_named_without_dots() {
        assert_eq!(logical(Path::new("/usr/./bin//")), Path::new("/usr/bin"));
        assert_eq!(logical(Path::new("/usr/..")), Path::new("/"));
        assert_eq!(logical(Path::new("/no/such/../dir")), Path::new("/no/such/../dir"));
    }

    #[test]
    fn variables_are_kept_back_as_the_policy_says() {
        let spec = CommandSpec::new(["sh"]);
        for (pass, block, kept_back) in [
            (None, vec!["AWS_*".to_owned()], vec!["AWS_KEY"]),
            (Some(vec![]), vec![], vec!["AWS_KEY", "EDITOR"]),
            (Some(vec!["EDITOR".to_owned()]), vec![], vec!["AWS_KEY"]),
        ] {
            let env = prepared_with(&spec, &task(), None, &VariablePolicy { pass, block }).unwrap().spawn.env;
            let removed = |name: &&str| env.remove.iter().any(|removed| removed == name);
            assert_eq!(
                ["AWS_KEY", "EDITOR", "PATH"].into_iter().filter(removed).collect::<Vec<_>>(),
                kept_back
            );
        }
    }

    #[test]
    fn an_agent_has_a_temporary_directory_that_goes_with_it() {
        let mut task = task();
        task.worker_kind = roboppi_ipc::WorkerKind::GEMINI;
        let prepared = prepared(&CommandSpec::new(["sh"]), &task).unwrap();
        let variable = |name: &str| {
            let found = prepared.spawn.env.set.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.clone()).unwrap()
        };
        assert_eq!(variable("AI_AGENT"), "roboppi");
        let dir = PathBuf::from(variable("TMPDIR"));
        assert!(dir.is_dir());
        drop(prepared);
        assert!(!dir.exists());
    }

    #[test]
    fn the_socket_is_that_of_the_attempt_or_none() {
        let mut task = task();
        task.env.insert(SOCKET.into(), "/of/another".into());
        let sockets = |socket: Option<&Path>| {
            let spec = CommandSpec::new(["sh"]);
            prepared_with(&spec, &task, socket, &VariablePolicy::default())
                .unwrap()
                .spawn
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
            prepared(&spec, &task()).map(|prepared| prepared.spawn.program)
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
            spec.files.push(TempFile::new(name, Vec::new()));
            assert!(prepared(&spec, &task()).is_err(), "{name}");
        }
        let spec = CommandSpec::new(["sh"]).args([Arg::File("not-made".into())]);
        assert!(prepared(&spec, &task()).is_err());
    }
}
