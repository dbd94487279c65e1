//! Draws terminal views of real runs: `screenshot FILE` one of the example, `screenshot dashboard FILE` all runs.
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
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let taken = match arguments.as_slice() {
        [view, target] if view == "dashboard" => take_dashboard(Path::new(target)),
        [target] => take(Path::new(target)),
        _ => {
            eprintln!("usage: screenshot [dashboard] FILE");
            return ExitCode::from(2);
        }
    };
    match taken {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("screenshot: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The built program: `ROBOPPI_PROGRAM`, or that of a release.
fn program(root: &Path) -> PathBuf {
    std::env::var_os("ROBOPPI_PROGRAM").map_or_else(|| root.join("target/release/roboppi"), PathBuf::from)
}

/// A name, the steps with what each does, and whether it goes on until the picture is taken.
type Demo = (&'static str, &'static [(&'static str, &'static str)], bool);

/// Runs of the picture.
const RUNS: [Demo; 7] = [
    ("docs", &[("links", "true"), ("spelling", "true")], false),
    ("build", &[("fetch", "true"), ("compile", "true"), ("package", "true")], false),
    ("review", &[("lint", "echo 3 errors in src/main.rs; exit 1"), ("merge", "true")], false),
    ("release", &[("tag", "true"), ("upload", "true")], false),
    ("bench", &[("prepare", "true"), ("measure", "exit 3")], false),
    (
        "nightly",
        &[("fetch", "true"), ("build", "true"), ("test-linux", "sleep 600"), ("publish", "true")],
        true,
    ),
    (
        "deploy",
        &[("image", "true"), ("staging", "echo rolling out; sleep 600"), ("production", "true")],
        true,
    ),
];

fn workflow(name: &str, steps: &[(&str, &str)]) -> String {
    let mut text = format!("name: {name}\nversion: \"1\"\ntimeout: 20m\nsteps:\n");
    let mut before = String::new();
    for (step, script) in steps {
        text.push_str(&format!(
            "  {step}:\n    worker: CUSTOM\n    capabilities: [RUN_COMMANDS]\n    instructions: \"{script}\"\n{before}"
        ));
        before = format!("    depends_on: [{step}]\n");
    }
    text
}

/// Runs several workflows, draws the dashboard while the last two are at work, and ends them.
fn take_dashboard(target: &Path) -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    let place = tempfile::Builder::new().prefix("demo-").tempdir()?;
    let program = program(&root);
    let state = place.path().join("state");
    let command = |arguments: &[&str]| {
        let mut command = std::process::Command::new(&program);
        command.args(arguments).current_dir(place.path()).env("ROBOPPI_STATE_DIR", &state);
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        command.stdin(std::process::Stdio::null());
        command
    };
    let mut live = Vec::new();
    for (name, steps, is_live) in RUNS {
        let file = format!("{name}.yaml");
        fs::write(place.path().join(&file), workflow(name, steps))?;
        let mut run = command(&["workflow", "run", &file, "--no-tui"]).spawn()?;
        if is_live {
            live.push(run);
        } else {
            run.wait()?;
        }
    }
    let env = vec![
        ("TERM".into(), "xterm-256color".into()),
        ("ROBOPPI_STATE_DIR".into(), state.clone().into()),
        ("PATH".into(), std::env::var_os("PATH").unwrap_or_default()),
    ];
    let argv = vec![program.clone().into_os_string(), "dashboard".into()];
    let spec = Spec { argv, env, cwd: place.path().to_owned(), rows: 14, cols: COLS };
    let mut terminal = Terminal::start(&spec)?;
    terminal.wait_until("both steps at work", LIMIT, |screen| {
        let shown = screen.contents();
        shown.contains("test-linux") && shown.contains("staging") && shown.contains("bench")
    })?;
    let svg = terminal.look(|screen| draw_svg(screen, "roboppi dashboard"));
    if let Some(dir) = target.parent() {
        fs::create_dir_all(dir)?;
    }
    fs::write(target, svg)?;
    terminal.press("q")?;
    for mut run in live {
        // SIGKILL ends the supervisor; its guard ends the rest.
        run.kill()?;
        run.wait()?;
    }
    let deadline = Instant::now() + LIMIT;
    while terminal.exit_status()?.is_none() && Instant::now() < deadline {
        std::thread::park_timeout(Duration::from_millis(10));
    }
    Ok(())
}

/// Runs the example with a home of its own, draws the screen in the middle of it and ends it.
fn take(target: &Path) -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    let place = tempfile::Builder::new().prefix("demo-").tempdir()?;
    copy(&root.join("examples"), &place.path().join("examples"))?;
    let program = program(&root);
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
