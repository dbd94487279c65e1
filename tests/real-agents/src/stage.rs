//! A clean place for one run: its own home, workspace, state and environment, and nobody left at the end.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::agents::{Agent, Setting};
use crate::model::{Model, PROMPT, Script};

/// Longer than any case takes; what is not over then hangs.
const PATIENCE: Duration = Duration::from_secs(240);

/// Time until nobody may be left after roboppi itself has gone.
const AFTERWARDS: Duration = Duration::from_secs(2);

/// Is in the environment of everything that is started here, and of nothing else.
const MARK: &str = "ROBOPPI_REAL_AGENTS_RUN";

/// Where an agent is run.
pub(crate) struct Stage<'a> {
    pub(crate) agent: &'a Agent,
    roboppi: &'a Path,
    bin: PathBuf,
    dir: PathBuf,
    /// Its home, which is in `dir` unless a case needs it elsewhere.
    home: PathBuf,
    mark: String,
}

/// What is special about a run.
#[derive(Clone, Copy)]
pub(crate) struct Options<'a> {
    pub(crate) capabilities: &'a str,
    /// Before the prompt.
    pub(crate) arguments: &'a [&'a str],
    pub(crate) prompt: &'a str,
    pub(crate) setting: Setting,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self {
            capabilities: "READ,EDIT,RUN_COMMANDS",
            arguments: &[],
            prompt: PROMPT,
            setting: Setting::Plain,
        }
    }
}

/// How a run ended.
pub(crate) struct Outcome {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// What the agent did, from the record.
    pub(crate) events: Vec<Value>,
    /// What the journal says of the run.
    pub(crate) journal: Vec<Value>,
    /// What the script wanted to do and the agent offers nothing for.
    pub(crate) missing: Vec<&'static str>,
    /// What the agent asked its model.
    pub(crate) requests: Vec<Value>,
    /// Processes that were there when roboppi had gone.
    pub(crate) left: Vec<String>,
}

impl<'a> Stage<'a> {
    /// Makes the place anew.
    pub(crate) fn new(agent: &'a Agent, roboppi: &'a Path, bin: PathBuf, dir: PathBuf) -> io::Result<Self> {
        if dir.exists() {
            fs::remove_dir_all(&dir)?;
        }
        for part in ["home", "work", "state", "tmp"] {
            fs::create_dir_all(dir.join(part))?;
        }
        let mark = format!("{}-{}", std::process::id(), dir.display());
        Ok(Self { agent, roboppi, bin, home: dir.join("home"), dir, mark })
    }

    /// The same with its home elsewhere.
    pub(crate) fn at_home(mut self, home: PathBuf) -> Self {
        self.home = home;
        self
    }

    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.dir.join("work")
    }

    /// Runs the agent through roboppi. `meanwhile` may end it and is asked again and again while it runs.
    pub(crate) fn run(
        &self,
        script: Script,
        options: Options<'_>,
        meanwhile: impl FnMut(&Self, &Child),
    ) -> Result<Outcome, String> {
        self.outcome(script, |model| self.start(model, options), meanwhile)
    }

    /// Runs the agent by itself, once `configure` has added to its configuration. It finds roboppi in `PATH`.
    pub(crate) fn run_alone(
        &self,
        script: Script,
        configure: impl FnOnce() -> io::Result<()>,
        program: &[&str],
    ) -> Result<Outcome, String> {
        let start = |model: &Model| {
            let variables = self.agent.set_up(&self.home, &model.url(), Setting::Plain)?;
            configure()?;
            let (name, arguments) = program.split_first().ok_or(io::ErrorKind::InvalidInput)?;
            let mut command = Command::new(self.bin.join(name));
            command.args(arguments);
            self.spawn(command, variables)
        };
        self.outcome(script, start, |_, _| {})
    }

    fn outcome(
        &self,
        script: Script,
        start: impl FnOnce(&Model) -> io::Result<Child>,
        meanwhile: impl FnMut(&Self, &Child),
    ) -> Result<Outcome, String> {
        let model = Model::start(script, &self.work()).map_err(|error| format!("the model: {error}"))?;
        let mut child = start(&model).map_err(|error| format!("it cannot be started: {error}"))?;
        let status = self.watch(&mut child, meanwhile);
        let left = self.left();
        self.sweep();
        let status = status?;
        let read = |name: &str| fs::read_to_string(self.dir.join(name)).unwrap_or_default();
        let journal = self.newest_run();
        Ok(Outcome {
            status,
            stdout: read("stdout"),
            stderr: read("stderr"),
            events: journal.iter().flat_map(|dir| events(dir)).collect(),
            journal: journal.iter().flat_map(|dir| lines(&dir.join("journal.jsonl"))).collect(),
            missing: model.missing(),
            requests: self.keep(model.requests()),
            left,
        })
    }

    /// Leaves the requests beside the rest, for whoever wants to know.
    fn keep(&self, requests: Vec<Value>) -> Vec<Value> {
        let lines: String = requests.iter().map(|request| format!("{request}\n")).collect();
        let _ = fs::write(self.dir.join("requests.jsonl"), lines);
        requests
    }

    fn start(&self, model: &Model, options: Options<'_>) -> io::Result<Child> {
        let variables = self.agent.set_up(&self.home, &model.url(), options.setting)?;
        let mut command = Command::new(self.roboppi);
        command
            .args([
                "run",
                "--no-tui",
                "--worker",
                self.agent.word,
                "--model",
                self.agent.model,
                "--workspace",
            ])
            .arg(self.work())
            .args(["--capabilities", options.capabilities])
            .args(options.arguments)
            .arg(options.prompt);
        self.spawn(command, variables)
    }

    /// Starts a program in this place.
    fn spawn(&self, mut command: Command, variables: Vec<(&'static str, String)>) -> io::Result<Child> {
        let own = self.roboppi.parent().unwrap_or(Path::new("/"));
        let path = format!("{}:{}:/usr/local/bin:/usr/bin:/bin", self.bin.display(), own.display());
        command
            .current_dir(self.work())
            .env_clear()
            .env("PATH", path)
            .env("HOME", &self.home)
            .env("XDG_STATE_HOME", self.dir.join("state"))
            .env("TMPDIR", self.dir.join("tmp"))
            .env("TERM", "dumb")
            .env("LANG", "C.UTF-8")
            .env(MARK, &self.mark)
            .envs(variables)
            .stdin(Stdio::null())
            .stdout(File::create(self.dir.join("stdout"))?)
            .stderr(File::create(self.dir.join("stderr"))?)
            .spawn()
    }

    fn watch(
        &self,
        child: &mut Child,
        mut meanwhile: impl FnMut(&Self, &Child),
    ) -> Result<ExitStatus, String> {
        let begun = Instant::now();
        loop {
            if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
                return Ok(status);
            }
            if begun.elapsed() > PATIENCE {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("not over after {PATIENCE:?}"));
            }
            meanwhile(self, child);
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Command lines of everything that bears our mark.
    pub(crate) fn alive(&self) -> Vec<(i32, String)> {
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
            let is_ours = environment.split(|byte| *byte == 0).any(|variable| {
                let value = variable.strip_prefix(MARK.as_bytes()).and_then(|rest| rest.strip_prefix(b"="));
                value == Some(self.mark.as_bytes())
            });
            if is_ours {
                let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
                found.push((pid, String::from_utf8_lossy(&command).replace('\0', " ").trim().to_owned()));
            }
        }
        found
    }

    fn left(&self) -> Vec<String> {
        let begun = Instant::now();
        while begun.elapsed() < AFTERWARDS && !self.alive().is_empty() {
            thread::sleep(Duration::from_millis(50));
        }
        self.alive().into_iter().map(|(_, command)| command).collect()
    }

    /// Nothing of a case disturbs the next one.
    fn sweep(&self) {
        for (pid, _) in self.alive() {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }

    /// What the agent wrote to its standard output in all runs here, line by line.
    pub(crate) fn lines(&self) -> Vec<String> {
        let runs = fs::read_dir(self.dir.join("state/roboppi/runs")).into_iter().flatten().flatten();
        let logs = runs.flat_map(|run| files(&run.path(), ".log"));
        let text = |path| String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
        let lines = logs.flat_map(|log| text(log).lines().map(str::to_owned).collect::<Vec<_>>());
        // Both streams are in a log. What is no object is of standard error.
        lines.filter(|line| line.starts_with('{') && line.ends_with('}')).collect()
    }

    fn newest_run(&self) -> Option<PathBuf> {
        let runs = fs::read_dir(self.dir.join("state/roboppi/runs")).ok()?;
        let mut dirs: Vec<_> =
            runs.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
        dirs.sort();
        dirs.pop()
    }
}

/// What workers did in a run: the files of its only step.
fn events(run: &Path) -> Vec<Value> {
    let files = files(run, ".events.jsonl");
    files.iter().flat_map(|path| lines(path)).map(|mut line| line["event"].take()).collect()
}

/// Files of the steps of a run.
fn files(run: &Path, end: &str) -> Vec<PathBuf> {
    let steps = fs::read_dir(run.join("steps")).into_iter().flatten().flatten();
    let files = steps.flat_map(|step| fs::read_dir(step.path()).into_iter().flatten().flatten());
    let mut files: Vec<_> = files.map(|file| file.path()).collect();
    files.retain(|path| path.to_string_lossy().ends_with(end));
    files.sort();
    files
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}
