//! `roboppi workers`

use std::borrow::Cow;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use roboppi_ipc::WorkerKind;
use roboppi_process::guard::become_subreaper;
use roboppi_process::{descendants, identity, lead_a_session};
use roboppi_report::workers::{self, ConfiguredWorker, GivenCore, WorkerProgram};
use roboppi_worker_adapters::{Adapters, WorkerDescription};

use crate::commands::out;
use crate::cores::{Cores, OtherCore};
use crate::exit::Failure;
use crate::programs::find;
use crate::terminal::plain;

#[derive(Debug, Args)]
pub(crate) struct WorkersArgs {
    /// Print a JSON array
    #[arg(long)]
    pub(crate) json: bool,
}

/// The shells that are looked for, the first one first.
const SHELLS: [&str; 2] = ["bash", "sh"];

/// How long a program may take to say its version.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long it may go on after that.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Characters of a version that are shown.
const LONGEST: usize = 80;

pub(crate) fn run(args: &WorkersArgs) -> Result<ExitCode, Failure> {
    let cores = Cores::for_validation()?;
    let mut found = probe_all();
    found.push(shell());
    let other = cores.given().map(|(core, by)| GivenCore { core: core.entry.clone(), by: by.to_owned() });
    let configured: Vec<_> = cores.configured().iter().map(configured).collect();
    out::print(&if args.json {
        workers::array(&found, &configured)
    } else {
        workers::list(&found, &configured, other.as_ref())
    })
}

/// The shell that runs the scripts of `CUSTOM` steps.
fn shell() -> WorkerProgram {
    let found = SHELLS.iter().find_map(|name| Some((*name, find(name)?)));
    // A shell of POSIX has no option for its version.
    let version = found.as_ref().filter(|(name, _)| *name == SHELLS[0]).and_then(|(_, path)| version(path));
    sweep();
    WorkerProgram {
        word: String::new(),
        kind: WorkerKind::CUSTOM.name().to_owned(),
        name: "a shell script".to_owned(),
        command: found.as_ref().map_or(SHELLS[0], |(name, _)| name).to_owned(),
        install: "install bash".to_owned(),
        path: found.map(|(_, path)| path),
        version,
    }
}

/// Asks every program for its version. What they leave behind is ended: this process must have no other children.
pub(crate) fn probe_all() -> Vec<WorkerProgram> {
    let adapters = Adapters::builtin();
    let programs = adapters.descriptions().filter(|worker| worker.program.is_some());
    // What one of them leaves behind comes to us, whatever session it is in.
    become_subreaper();
    // They are slow to start, so all of them at once.
    let ask = |worker: &WorkerDescription| {
        let worker = worker.clone();
        thread::Builder::new().name("program".to_owned()).spawn(move || probe(&worker))
    };
    let asked: Vec<_> = programs.map(|worker| (worker, ask(worker))).collect();
    let answer = |(worker, thread): (&WorkerDescription, io::Result<thread::JoinHandle<WorkerProgram>>)| {
        match thread {
            Ok(thread) => thread.join().ok(),
            Err(_) => Some(probe(worker)),
        }
    };
    let found = asked.into_iter().filter_map(answer).collect();
    sweep();
    found
}

/// A kind of the configuration file.
fn configured((kind, core): &(WorkerKind, OtherCore)) -> ConfiguredWorker {
    ConfiguredWorker {
        kind: kind.name().to_owned(),
        core: core.entry.clone(),
        args: core.args.iter().map(|arg| arg.to_string_lossy().into_owned()).collect(),
    }
}

fn probe(worker: &WorkerDescription) -> WorkerProgram {
    let path = worker.program.as_deref().and_then(find);
    let version = path.as_deref().and_then(version);
    let text =
        |text: Option<&Cow<'static, str>>| text.map(|text| text.clone().into_owned()).unwrap_or_default();
    WorkerProgram {
        word: text(worker.words.first()),
        kind: worker.kind.name().to_owned(),
        name: worker.name.clone().into_owned(),
        command: text(worker.program.as_ref()),
        install: text(worker.install.as_ref()),
        path,
        version,
    }
}

/// The first line it prints when it is asked. One that does not answer in time says none.
fn version(path: &Path) -> Option<String> {
    let mut command = Command::new(path);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    lead_a_session(&mut command);
    let mut child = command.spawn().ok()?;
    // Before it is waited for, so that its number is its own.
    let program = identity(child.id()).ok();
    let stdout = child.stdout.take()?;
    let (answer, answered) = mpsc::channel();
    // Whoever holds the pipe may do so for ever; what is read of it is enough.
    let reading = move || drop(answer.send(first_line(stdout)));
    let printed = match thread::Builder::new().name("version".to_owned()).spawn(reading) {
        Ok(_) => answered.recv_timeout(PATIENCE).ok().flatten(),
        Err(_) => None,
    };
    // One that has answered may have something to finish.
    let finishing = Instant::now() + if printed.is_some() { LAST_WORDS } else { Duration::ZERO };
    while Instant::now() < finishing && matches!(child.try_wait(), Ok(None)) {
        thread::sleep(Duration::from_millis(20));
    }
    let _ended = program.map(|program| descendants::kill_trees(&[program]));
    let _ = child.wait();
    let line: String = plain(printed?.trim()).chars().take(LONGEST).collect();
    (!line.is_empty()).then_some(line)
}

/// The first line that is not blank, among the first 4 KiB.
fn first_line(stdout: impl Read) -> Option<String> {
    let lines = BufReader::new(stdout.take(4096)).lines();
    lines.map_while(Result::ok).find(|line| !line.trim().is_empty())
}

/// Ends whatever the programs have left behind. Nothing else below this process is there.
fn sweep() {
    let left: Vec<_> =
        descendants::list(std::process::id()).into_iter().map(|process| process.identity).collect();
    let _ended = descendants::kill_trees(&left);
}
