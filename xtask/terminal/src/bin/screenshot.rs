//! Draws the terminal view of a real run of the example: `screenshot FILE`.
#![expect(clippy::print_stderr, reason = "it is a command line program that says what went wrong")]

use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use roboppi_terminal::{Screen, Spec, Terminal, draw_svg};

const ROWS: u16 = 26;
const COLS: u16 = 112;
const WORKFLOW: &str = "examples/build-test-report.yaml";
const LIMIT: Duration = Duration::from_secs(120);

fn main() -> ExitCode {
    let Some(target) = std::env::args_os().nth(1) else {
        eprintln!("usage: screenshot FILE");
        return ExitCode::from(2);
    };
    match take(Path::new(&target)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("screenshot: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the example with a home of its own, draws the screen in the middle of it and ends it.
fn take(target: &Path) -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    let place = tempfile::Builder::new().prefix("demo-").tempdir()?;
    copy(&root.join("examples"), &place.path().join("examples"))?;
    let program = root.join("target/release/roboppi");
    let arguments = ["workflow", "run", WORKFLOW, "--supervised", "--tui"].map(OsString::from);
    let inherited = ["PATH", "HOME", "CARGO_HOME", "RUSTUP_HOME"];
    let mut env: Vec<(OsString, OsString)> =
        inherited.iter().filter_map(|name| Some(((*name).into(), std::env::var_os(name)?))).collect();
    env.push(("TERM".into(), "xterm-256color".into()));
    env.push(("ROBOPPI_STATE_DIR".into(), place.path().join("state").into()));
    let spec = Spec {
        argv: std::iter::once(program.into_os_string()).chain(arguments).collect(),
        env,
        cwd: place.path().to_owned(),
        rows: ROWS,
        cols: COLS,
    };

    let mut terminal = Terminal::start(&spec)?;
    terminal.wait_until("the step `test`", LIMIT, |screen| screen.contents().contains("test"))?;
    select(&mut terminal)?;
    terminal.wait_until("several tests", LIMIT, |screen| screen.contents().contains("5 of 8"))?;
    let svg = terminal.look(|screen| draw_svg(screen, &format!("roboppi workflow run {WORKFLOW}")));
    if let Some(dir) = target.parent() {
        fs::create_dir_all(dir)?;
    }
    fs::write(target, svg)?;
    leave(&mut terminal)
}

/// Goes to the step whose output is worth a picture.
fn select(terminal: &mut Terminal) -> Result<(), Box<dyn Error>> {
    // The fourth of the list, and the tab with its log.
    Ok(terminal.press("jjj2")?)
}

/// Waits for the end of the run, so that nothing is cut off, and closes the view.
fn leave(terminal: &mut Terminal) -> Result<(), Box<dyn Error>> {
    terminal.wait_until("the end of the run", LIMIT, |screen| screen.contents().contains("q to leave"))?;
    terminal.press("q")?;
    let deadline = Instant::now() + LIMIT;
    while terminal.exit_status()?.is_none() {
        if Instant::now() > deadline {
            return Err(terminal.look(Screen::contents).into());
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target: PathBuf = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
