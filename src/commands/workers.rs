//! `roboppi workers`

use std::env;
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use roboppi_worker_adapters::{Adapters, Program};
use serde_json::json;

use crate::cli::WorkersArgs;
use crate::commands::out;
use crate::exit::Failure;
use crate::terminal::{plain, table};

/// How long a program may take to say its version.
const PATIENCE: Duration = Duration::from_secs(20);

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

/// The first line it prints when it is asked. One that does not answer in time is ended.
fn version(path: &Path) -> Option<String> {
    let mut child = Command::new(path)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let begin = Instant::now();
    while child.try_wait().ok()?.is_none() {
        if begin.elapsed() > PATIENCE {
            let _ = child.kill();
            let _ = child.wait();
            return None;
        }
        thread::sleep(Duration::from_millis(20));
    }
    let mut said = String::new();
    child.stdout.take()?.take(4096).read_to_string(&mut said).ok()?;
    let line = said.lines().find(|line| !line.trim().is_empty())?;
    Some(plain(line.trim()))
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
