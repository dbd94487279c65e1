//! A directory of its own for everything that a figure writes.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::wait::wait_for;

/// What cargo knows when a bench is built.
#[derive(Clone, Copy, Debug)]
pub struct Built {
    /// The program.
    pub program: &'static str,
    /// A directory on the disk of the target directory. That for temporary files may be in memory.
    pub dir: &'static str,
}

/// The directory, removed at the end.
pub(crate) struct Place {
    dir: TempDir,
    program: &'static str,
}

impl Place {
    pub(crate) fn new(built: Built, name: &str) -> Self {
        let dir = tempfile::Builder::new().prefix(&format!("{name}-")).tempdir_in(built.dir);
        Self { dir: dir.expect("the target directory can be written"), program: built.program }
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The program.
    pub(crate) fn program(&self) -> &'static str {
        self.program
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).expect("the target directory can be written");
        path
    }

    /// A program for the shell.
    pub(crate) fn write_program(&self, name: &str, text: &str) -> PathBuf {
        let path = self.write(name, text);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).expect("the file is there");
        path
    }

    pub(crate) fn flow(&self, name: &str, head: &str, steps: &str) -> PathBuf {
        let text = format!("name: {name}\nversion: \"1\"\ntimeout: 1h\n{head}steps:\n{steps}");
        self.write(&format!("{name}.yaml"), &text)
    }

    /// A run of a workflow that prints lines, in a workspace of its own, where nothing has run before.
    pub(crate) fn fresh_run(&self, flow: &Path, more: &[&str]) -> Command {
        let workspace = tempfile::Builder::new().prefix("fresh-").tempdir_in(self.dir());
        let workspace = workspace.expect("the target directory can be written").keep();
        let mut run = self.run(flow, more);
        run.env("ROBOPPI_STATE_DIR", workspace.join("state")).current_dir(workspace);
        run
    }

    /// The program, with everything it writes in this place.
    pub(crate) fn roboppi(&self, words: &[&str]) -> Command {
        let mut command = Command::new(self.program);
        command.args(words).current_dir(self.dir()).envs(self.env());
        command.stdin(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// What the program needs to know to write in this place.
    pub(crate) fn env(&self) -> Vec<(OsString, OsString)> {
        vec![("HOME".into(), self.dir().into()), ("ROBOPPI_STATE_DIR".into(), self.path("state").into())]
    }

    /// A run of a workflow that prints lines.
    pub(crate) fn run(&self, flow: &Path, more: &[&str]) -> Command {
        let mut command = self.roboppi(&["workflow", "run"]);
        command.arg(flow).arg("--no-tui").args(more).stdout(Stdio::null());
        command
    }

    pub(crate) fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.dir()).stdin(Stdio::null());
        command
    }

    pub(crate) fn bash(&self, script: &str) -> Command {
        self.command("bash", &["-c", script])
    }

    /// The directories of the runs.
    pub(crate) fn runs(&self) -> Vec<PathBuf> {
        let runs = fs::read_dir(self.path("state/runs")).into_iter().flatten().flatten();
        runs.map(|run| run.path()).collect()
    }

    /// The logs of a step of all runs.
    pub(crate) fn logs(&self, step: &str) -> Vec<PathBuf> {
        self.runs().iter().map(|run| run.join(format!("steps/{step}/i1-a1.log"))).collect()
    }

    pub(crate) fn wait_for_file(&self, name: &str) {
        wait_for(name, || self.path(name).exists());
    }

    pub(crate) fn forget_runs(&self) {
        let _ = fs::remove_dir_all(self.path("state"));
    }

    pub(crate) fn remove(&self, name: &str) {
        let _ = fs::remove_file(self.path(name));
    }
}

/// One step of a workflow file. The script must not hold a line break.
pub(crate) fn step(name: &str, script: &str, more: &str) -> String {
    let quoted = script.replace('\\', "\\\\").replace('"', "\\\"");
    format!(
        "  {name}:\n    worker: CUSTOM\n    capabilities: [RUN_COMMANDS]\n    instructions: \"{quoted}\"\n{more}"
    )
}
