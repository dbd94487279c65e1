//! A place of its own for each test: directories, environment, and everything it starts.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill};
use nix::unistd::Pid;
use roboppi_terminal::{Screen, Spec, Terminal};
use tempfile::TempDir;

use crate::flow::Flow;
use crate::processes::{MARKER, Process, end_marked, list};
use crate::remains;
use crate::run_files::RunFiles;
use crate::schemas;
use crate::wait::{self, LIMIT};

/// Opening a terminal and starting a process take turns, so that no process inherits a terminal of another.
static START: Mutex<()> = Mutex::new(());

/// A hermetic place. At its end it insists that nothing it started is left.
pub(crate) struct TestEnv {
    dir: TempDir,
    id: String,
}

impl TestEnv {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let dir = tempfile::Builder::new().prefix("roboppi-e2e-").tempdir().unwrap();
        for name in ["home", "state", "runtime", "tmp", "work", "captured"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        fs::set_permissions(dir.path().join("runtime"), fs::Permissions::from_mode(0o700)).unwrap();
        let id = format!("e2e-{}-{}-mark", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        Self { dir, id }
    }

    /// A word that marks processes of this test: it is in the environment of all of them; one that clears its
    /// environment is found when the word is in its command line.
    pub(crate) fn mark(&self) -> &str {
        &self.id
    }

    /// A directory or file of this place.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.dir.path().join(relative)
    }

    /// Where commands start, and so the workspace of runs.
    pub(crate) fn work(&self) -> PathBuf {
        self.path("work")
    }

    /// Writes a file below [`work`](Self::work).
    pub(crate) fn write(&self, relative: &str, text: &str) -> PathBuf {
        let path = self.work().join(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// Writes a program below [`work`](Self::work).
    pub(crate) fn write_program(&self, relative: &str, text: &str) -> PathBuf {
        let path = self.write(relative, text);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// Reads a file below [`work`](Self::work).
    pub(crate) fn read(&self, relative: &str) -> String {
        let path = self.work().join(relative);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Writes `flow.yaml` and prepares `roboppi workflow run flow.yaml --no-tui`.
    pub(crate) fn run(&self, flow: &Flow) -> Invocation<'_> {
        remains::leave_remains(self, flow);
        self.write("flow.yaml", &flow.text());
        self.roboppi(["workflow", "run", "flow.yaml", "--no-tui"])
    }

    /// Writes `flow.yaml` and prepares `roboppi workflow run flow.yaml --tui`.
    pub(crate) fn run_in_terminal(&self, flow: &Flow) -> Invocation<'_> {
        remains::leave_remains(self, flow);
        self.write("flow.yaml", &flow.text());
        self.roboppi(["workflow", "run", "flow.yaml", "--tui"])
    }

    /// Prepares a command of the built program.
    pub(crate) fn roboppi<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Invocation<'_> {
        let program = OsString::from(env!("CARGO_BIN_EXE_roboppi"));
        self.command(program, arguments)
    }

    /// Prepares a program that is found in `PATH`.
    pub(crate) fn program<A: AsRef<OsStr>>(
        &self,
        name: &str,
        arguments: impl IntoIterator<Item = A>,
    ) -> Invocation<'_> {
        self.command(name.into(), arguments)
    }

    /// Prepares a shell script that knows the built program as `$ROBOPPI`.
    pub(crate) fn shell(&self, script: &str) -> Invocation<'_> {
        self.command("bash".into(), ["-c", script]).env("ROBOPPI", env!("CARGO_BIN_EXE_roboppi"))
    }

    fn command<A: AsRef<OsStr>>(
        &self,
        program: OsString,
        arguments: impl IntoIterator<Item = A>,
    ) -> Invocation<'_> {
        let arguments = arguments.into_iter().map(|argument| argument.as_ref().to_owned());
        let mut env: Vec<(OsString, OsString)> = vec![
            ("PATH".into(), std::env::var_os("PATH").unwrap_or_default()),
            ("LANG".into(), "C.UTF-8".into()),
            ("TZ".into(), "UTC".into()),
            ("GIT_CONFIG_GLOBAL".into(), "/dev/null".into()),
            ("GIT_CONFIG_NOSYSTEM".into(), "1".into()),
            // Most tests look at a screen whose run is over.
            ("ROBOPPI_HOLD".into(), "always".into()),
            (MARKER.into(), self.id.clone().into()),
        ];
        for (name, dir) in [
            ("HOME", "home"),
            ("XDG_STATE_HOME", "state"),
            ("XDG_CONFIG_HOME", "home/config"),
            ("XDG_CACHE_HOME", "home/cache"),
            ("XDG_RUNTIME_DIR", "runtime"),
            ("TMPDIR", "tmp"),
        ] {
            env.push((name.into(), self.path(dir).into()));
        }
        Invocation {
            env: self,
            argv: std::iter::once(program).chain(arguments).collect(),
            vars: env,
            stdin: None,
            stdout: None,
            user: None,
            blocks_signals: false,
        }
    }

    /// Every run so far, oldest first.
    pub(crate) fn runs(&self) -> Vec<RunFiles> {
        let dir = self.path("state/roboppi/runs");
        let Ok(entries) = fs::read_dir(&dir) else { return Vec::new() };
        let mut dirs: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        dirs.sort();
        dirs.into_iter().map(|dir| RunFiles { dir }).collect()
    }

    /// The only run there is.
    pub(crate) fn the_run(&self) -> RunFiles {
        let mut runs = self.runs();
        assert_eq!(runs.len(), 1, "there should be one run: {runs:?}");
        runs.remove(0)
    }

    /// Waits for a condition and shows what is known of runs and processes when it does not come true.
    pub(crate) fn wait_for<T>(&self, what: &str, look: impl FnMut() -> Option<T>) -> T {
        wait::until(look).unwrap_or_else(|| panic!("waited in vain for: {what}\n{}", self.situation()))
    }

    /// Waits until a file below [`work`](Self::work) has content, and returns it.
    pub(crate) fn wait_for_file(&self, relative: &str) -> String {
        let path = self.work().join(relative);
        let look = || fs::read_to_string(&path).ok().filter(|text| text.ends_with('\n'));
        self.wait_for(&format!("a line in {relative}"), look)
    }

    /// Waits until nothing that was started here is alive.
    pub(crate) fn wait_until_nothing_is_left(&self) {
        self.wait_for("the end of every process", || Process::marked(&self.id).is_empty().then_some(()));
    }

    fn situation(&self) -> String {
        let tails: Vec<_> = self.runs().iter().map(RunFiles::tail).collect();
        format!("{}\n--- processes ---\n{}", tails.join("\n"), list(&Process::marked(&self.id)))
    }
}

impl Drop for TestEnv {
    fn drop(&mut self) {
        let left = Process::marked(&self.id);
        end_marked(&self.id);
        assert!(
            left.is_empty() || std::thread::panicking(),
            "the test leaves processes behind:\n{}",
            list(&left)
        );
        if !std::thread::panicking() {
            remains::expect_no_remains(self);
        }
    }
}

/// The lines of a run before its summary, which repeats what should be known.
pub(crate) fn before_summary(printed: &str) -> &str {
    printed.split("\nStep ").next().unwrap_or(printed)
}

/// A command that has not started.
#[must_use]
pub(crate) struct Invocation<'e> {
    env: &'e TestEnv,
    argv: Vec<OsString>,
    vars: Vec<(OsString, OsString)>,
    stdin: Option<Vec<u8>>,
    stdout: Option<OwnedFd>,
    user: Option<u32>,
    blocks_signals: bool,
}

/// A user without privileges, who owns nothing.
const NOBODY: u32 = 65_534;

impl<'e> Invocation<'e> {
    /// Takes the privileges of `root` away, if this is `root`: the files of the test are those of somebody else from
    /// then on. `None` where nobody else may start the program.
    #[expect(clippy::print_stderr, reason = "who reads the results should know what was left out")]
    pub(crate) fn without_privileges(mut self) -> Option<Self> {
        if nix::unistd::geteuid().is_root() {
            let own = format!("{NOBODY}:{NOBODY}");
            assert!(
                Command::new("chown").args(["-R", &own]).arg(self.env.path("")).status().unwrap().success()
            );
            let reached = Command::new(&self.argv[0]).arg("--version").uid(NOBODY).gid(NOBODY).output();
            if !reached.is_ok_and(|output| output.status.success()) {
                eprintln!("left out: another user cannot start {}", self.argv[0].display());
                return None;
            }
            self.user = Some(NOBODY);
        }
        Some(self)
    }

    /// As a user without privileges, when this is `root`; the files are those of whoever they are.
    pub(crate) fn by_nobody(mut self) -> Self {
        self.user = nix::unistd::geteuid().is_root().then_some(NOBODY);
        self
    }

    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.argv.push(argument.as_ref().to_owned());
        self
    }

    pub(crate) fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.argv.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.vars.retain(|(known, _)| known != name);
        self.vars.push((name.into(), value.as_ref().to_owned()));
        self
    }

    pub(crate) fn without_env(mut self, name: &str) -> Self {
        self.vars.retain(|(known, _)| known != name);
        self
    }

    /// Starts it with every signal blocked.
    pub(crate) fn with_signals_blocked(mut self) -> Self {
        self.blocks_signals = true;
        self
    }

    /// Has it write there, and not into a file that is read at its end.
    pub(crate) fn stdout(mut self, stdout: OwnedFd) -> Self {
        self.stdout = Some(stdout);
        self
    }

    /// Gives it a pipe with these bytes instead of an empty stdin.
    pub(crate) fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(bytes.into());
        self
    }

    /// Lets it find the toolchain that builds this test.
    pub(crate) fn with_cargo(self) -> Self {
        let bin = Path::new(env!("CARGO")).parent().unwrap().to_owned();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let dirs = std::iter::once(bin).chain(std::env::split_paths(&path));
        self.env("PATH", std::env::join_paths(dirs).unwrap())
    }

    /// Starts it in the background.
    pub(crate) fn start(self) -> Running<'e> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let capture = |name| self.env.path(&format!("captured/{number}.{name}"));
        let (stdout, stderr) = (capture("stdout"), capture("stderr"));
        let mut command = Command::new(&self.argv[0]);
        command
            .args(&self.argv[1..])
            .env_clear()
            .envs(self.vars)
            .current_dir(self.env.work())
            .stdin(if self.stdin.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(File::create(&stdout).unwrap())
            .stderr(File::create(&stderr).unwrap());
        if let Some(stdout) = self.stdout {
            command.stdout(stdout);
        }
        if self.blocks_signals {
            // A session of its own would come with the signals of a fresh login.
            command.process_group(0);
        } else {
            stand_alone(&mut command);
        }
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        let mut child = {
            let _turn = START.lock().unwrap();
            // Handed down by the thread that starts it.
            let mask = if self.blocks_signals { SigSet::all() } else { SigSet::thread_get_mask().unwrap() };
            let before = mask.thread_swap_mask(SigmaskHow::SIG_SETMASK).unwrap();
            let child = command.spawn();
            before.thread_set_mask().unwrap();
            child.unwrap()
        };
        if let Some(bytes) = self.stdin {
            let mut stdin = child.stdin.take().unwrap();
            // It may leave without reading.
            let _ = stdin.write_all(&bytes);
        }
        Running { env: self.env, child, stdout, stderr }
    }

    /// Starts it in the background with pipes to speak with it.
    pub(crate) fn start_with_pipes(self) -> (Running<'e>, ChildStdin, ChildStdout) {
        let stderr = self.env.path("captured/piped.stderr");
        let mut command = Command::new(&self.argv[0]);
        command
            .args(&self.argv[1..])
            .env_clear()
            .envs(self.vars)
            .current_dir(self.env.work())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::options().create(true).append(true).open(&stderr).unwrap());
        stand_alone(&mut command);
        let mut child = {
            let _turn = START.lock().unwrap();
            command.spawn().unwrap()
        };
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        (Running { env: self.env, child, stdout: stderr.clone(), stderr }, stdin, stdout)
    }

    /// Runs it to its end.
    pub(crate) fn output(self) -> Outcome {
        let is_json = self.argv.windows(2).any(|pair| pair == ["--output", "json"]);
        let outcome = self.start().wait();
        if is_json {
            schemas::hold_stream(&outcome.stdout);
        }
        outcome
    }

    /// Starts it in a terminal.
    pub(crate) fn start_in_terminal(self, rows: u16, cols: u16) -> OnScreen<'e> {
        let mut invocation = self;
        if !invocation.vars.iter().any(|(name, _)| name == "TERM") {
            invocation = invocation.env("TERM", "xterm-256color");
        }
        let spec =
            Spec { argv: invocation.argv, env: invocation.vars, cwd: invocation.env.work(), rows, cols };
        let _turn = START.lock().unwrap();
        OnScreen { env: invocation.env, terminal: Terminal::start(&spec).unwrap() }
    }
}

/// A signal to this test is not for it, nor is the terminal the test was started in; and what this test ignores, as under
/// `nohup`, it does not.
fn stand_alone(command: &mut Command) {
    roboppi_process::lead_a_session(command);
}

/// A command that runs.
pub(crate) struct Running<'e> {
    env: &'e TestEnv,
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Running<'_> {
    /// Waits for its end.
    pub(crate) fn wait(mut self) -> Outcome {
        let status = wait::until(|| self.child.try_wait().unwrap());
        let outcome = |status| Outcome {
            status,
            stdout: fs::read(&self.stdout).unwrap(),
            stderr: String::from_utf8_lossy(&fs::read(&self.stderr).unwrap()).into_owned(),
        };
        match status {
            Some(status) => outcome(status),
            None => {
                let so_far = outcome(ExitStatus::from_raw(0));
                panic!("the command does not end\n{so_far}\n{}", self.env.situation())
            }
        }
    }

    /// What it has printed on its standard output so far.
    pub(crate) fn printed(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.stdout).unwrap()).into_owned()
    }

    /// Lines it has printed so far.
    pub(crate) fn printed_lines(&self) -> usize {
        fs::read(&self.stdout).unwrap().iter().filter(|byte| **byte == b'\n').count()
    }

    /// Waits for its end, however that comes, and gives what it printed.
    pub(crate) fn wait_somehow(self) -> Vec<u8> {
        let stdout = self.stdout.clone();
        let _ = self.wait();
        fs::read(stdout).unwrap()
    }

    /// The process that was started.
    pub(crate) fn process(&self) -> Option<Process> {
        Process::of(self.child.id().cast_signed())
    }

    /// Signals it, as `kill` does.
    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    /// Signals all processes of its group, as `kill -TERM -PGID` does.
    pub(crate) fn signal_group(&self, signal: Signal) {
        kill(Pid::from_raw(-self.child.id().cast_signed()), signal).unwrap();
    }

    /// Waits until it has printed something.
    pub(crate) fn wait_for_text(&self, text: &str) {
        self.env.wait_for(&format!("the text {text:?}"), || self.has_printed(text).then_some(()));
    }

    /// Whether it has printed a text so far, on either stream.
    pub(crate) fn has_printed(&self, text: &str) -> bool {
        let printed = |path| String::from_utf8_lossy(&fs::read(path).unwrap()).contains(text);
        printed(&self.stdout) || printed(&self.stderr)
    }
}

/// What came of a command.
#[must_use = "assert the exit code"]
pub(crate) struct Outcome {
    status: ExitStatus,
    stdout: Vec<u8>,
    stderr: String,
}

impl Outcome {
    /// The exit code; 128 and the number of the signal when one ended it.
    pub(crate) fn exit_code(&self) -> i32 {
        self.status.code().or_else(|| self.status.signal().map(|signal| 128 + signal)).unwrap_or(-1)
    }

    /// Whether it ended with this exit code.
    pub(crate) fn has_code(&self, code: i32) -> bool {
        self.status.code() == Some(code)
    }

    /// Insists on an exit code.
    #[track_caller]
    pub(crate) fn code(self, expected: i32) -> Printed {
        assert_eq!(self.status.code(), Some(expected), "exit code\n{self}");
        Printed { stdout: self.stdout, stderr: self.stderr }
    }

    /// Insists that a signal ended it.
    #[track_caller]
    pub(crate) fn signal(self, expected: Signal) -> Printed {
        assert_eq!(self.status.signal(), Some(expected as i32), "signal\n{self}");
        Printed { stdout: self.stdout, stderr: self.stderr }
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tail = |text: &str| {
            let lines: Vec<_> = text.lines().collect();
            lines[lines.len().saturating_sub(40)..].join("\n")
        };
        let stdout = String::from_utf8_lossy(&self.stdout);
        write!(
            f,
            "{}\n--- stdout ---\n{}\n--- stderr ---\n{}",
            self.status,
            tail(&stdout),
            tail(&self.stderr)
        )
    }
}

/// What a command printed.
pub(crate) struct Printed {
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Printed {
    /// Standard output as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.stdout.clone()).unwrap()
    }

    /// Both streams.
    pub(crate) fn all(&self) -> String {
        self.text() + &self.stderr
    }
}

/// A command in a terminal.
pub(crate) struct OnScreen<'e> {
    env: &'e TestEnv,
    pub(crate) terminal: Terminal,
}

impl OnScreen<'_> {
    /// Waits until the screen fulfils a condition.
    #[track_caller]
    pub(crate) fn wait_until(&self, what: &str, condition: impl Fn(&Screen) -> bool) {
        if let Err(error) = self.terminal.wait_until(what, LIMIT, condition) {
            panic!("{error}\n{}", self.env.situation());
        }
    }

    /// Waits until a text is on the screen.
    #[track_caller]
    pub(crate) fn wait_for_text(&self, text: &str) {
        self.wait_until(&format!("the text {text:?}"), |screen| screen.contents().contains(text));
    }

    pub(crate) fn press(&mut self, keys: &str) {
        self.terminal.press(keys).unwrap();
    }

    pub(crate) fn process(&self) -> Process {
        Process::of(self.terminal.pid().unwrap().cast_signed()).expect("the program runs")
    }

    /// Waits for the end of the program and insists on its exit code.
    #[track_caller]
    pub(crate) fn expect_code(&mut self, expected: u32) {
        let status = wait::until(|| self.terminal.exit_status().unwrap());
        let screen = self.terminal.look(Screen::contents);
        let status = status.unwrap_or_else(|| {
            panic!("the program does not end\n{screen}\n{}", self.env.situation());
        });
        assert_eq!((status.exit_code(), status.signal()), (expected, None), "{screen}");
    }

    /// Interrupts the run and leaves its screen, as a person does who has seen enough.
    #[track_caller]
    pub(crate) fn end_the_run(&mut self) {
        self.press("\x03");
        self.wait_for_text("press q to leave");
        self.press("q");
        self.expect_code(130);
        self.expect_restored_terminal();
    }

    /// Insists that the terminal is as it was before.
    #[track_caller]
    pub(crate) fn expect_restored_terminal(&self) {
        // The last bytes may still be on their way to the emulator.
        self.wait_until("a restored terminal", |screen| {
            !screen.alternate_screen()
                && !screen.hide_cursor()
                && !screen.bracketed_paste()
                && screen.mouse_protocol_mode() == roboppi_terminal::MouseProtocolMode::None
        });
    }
}
