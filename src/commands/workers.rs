//! `roboppi workers`

use std::env;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use roboppi_process::{descendants, lead_a_session};
use roboppi_worker_adapters::{Adapters, Program};
use serde_json::json;

use crate::cli::WorkersArgs;
use crate::commands::out;
use crate::exit::Failure;
use crate::terminal::{plain, table};

/// How long a program may take to say its version.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is known of a program.
struct Found {
    program: &'static Program,
    path: Option<PathBuf>,
    version: Option<String>,
}

pub(crate) fn run(args: &WorkersArgs) -> Result<ExitCode, Failure> {
    let supported: Vec<_> = Adapters::builtin().kinds().collect();
    let programs = Program::all().iter().filter(|program| supported.contains(&program.kind));
    // They are slow to start, so all of them at once.
    let asked: Vec<_> = programs.map(|program| thread::spawn(move || look(program))).collect();
    let found: Vec<Found> = asked.into_iter().filter_map(|thread| thread.join().ok()).collect();
    let text = if args.json { as_json(&found) } else { as_table(&found) };
    out::ended(io::stdout().lock().write_all(text.as_bytes()))
}

fn look(program: &'static Program) -> Found {
    let path = find(program.command);
    let version = path.as_deref().and_then(version);
    Found { program, path, version }
}

fn find(command: &str) -> Option<PathBuf> {
    let is_program = |path: &PathBuf| {
        path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    env::split_paths(&env::var_os("PATH")?).map(|dir| dir.join(command)).find(is_program)
}

/// The first line it prints when it is asked. One that does not answer in time says none, and all it started is ended.
fn version(path: &Path) -> Option<String> {
    let mut command = Command::new(path);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    lead_a_session(&mut command);
    let mut child = command.spawn().ok()?;
    let stdout = child.stdout.take()?;
    let (answer, answered) = mpsc::channel();
    // Whoever holds the pipe may do so for ever; what is read of it is enough.
    let reading = move || drop(answer.send(first_line(stdout)));
    let said = match thread::Builder::new().name("version".to_owned()).spawn(reading) {
        Ok(_) => answered.recv_timeout(PATIENCE).ok().flatten(),
        Err(_) => None,
    };
    // One that has answered may have something to finish.
    for _ in 0..50 {
        if said.is_none() || !matches!(child.try_wait(), Ok(None)) {
            break;
        }
        thread::sleep(Duration::from_millis(20));
    }
    end_session(&mut child);
    said.map(|line| plain(line.trim())).filter(|line| !line.is_empty())
}

/// The first line that is not blank, among the first 4 KiB.
fn first_line(stdout: impl Read) -> Option<String> {
    let lines = BufReader::new(stdout.take(4096)).lines();
    lines.map_while(Result::ok).find(|line| !line.trim().is_empty())
}

/// Ends a program that leads a session, and all that is left of its group.
fn end_session(child: &mut Child) {
    let below: Vec<_> = descendants::of(child.id()).into_iter().map(|process| process.identity).collect();
    if let Ok(group) = i32::try_from(child.id()) {
        // Not waited for yet, so the number is still that of its group.
        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
    }
    let _ended = descendants::kill_trees(&below);
    let _ = child.wait();
}

fn as_table(found: &[Found]) -> String {
    let mut rows = vec![["WORKER", "KIND", "VERSION", "PATH"].map(str::to_owned)];
    for Found { program, path, version } in found {
        let place = path.as_ref().map_or_else(
            || format!("not found; {}", program.install()),
            |path| plain(&path.display().to_string()),
        );
        let version = match (path, version) {
            (None, _) => "-".to_owned(),
            (Some(_), None) => "says none".to_owned(),
            (Some(_), Some(version)) => version.clone(),
        };
        rows.push([program.word.to_owned(), program.kind.name().to_owned(), version, place]);
    }
    table(&rows)
}

fn as_json(found: &[Found]) -> String {
    let entry = |Found { program, path, version }: &Found| {
        json!({
            "worker": program.word,
            "kind": program.kind.name(),
            "name": program.name,
            "command": program.command,
            "found": path.is_some(),
            "path": path.as_ref().map(|path| path.display().to_string()),
            "version": version,
            "install": program.install(),
        })
    };
    let entries: Vec<_> = found.iter().map(entry).collect();
    format!("{:#}\n", json!(entries))
}
