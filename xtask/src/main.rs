//! Chores of this repository, as `cargo xtask <chore>`.
#![expect(clippy::print_stderr, reason = "it is a command line program that says what it does")]

mod check;
mod contract;
mod machine;
mod package;
mod page;
mod performance;
mod picture;

use std::path::Path;
use std::process::{Command, ExitCode};

const USAGE: &str = "\
usage: cargo xtask <chore>

  test         format, lints, documentation, the page in Chromium, then every test of the workspace
  browser      open the page in Chromium, with made-up runs and with the built program, and send requests made of the
               document of the API to the built program; needs npm, and Python for the requests
  screenshot   draw the pictures in docs/images from real runs in a terminal
  package      build the static program, and make an archive, a Debian package and npm packages of it; --out DIR
  performance  measure everything, and renew docs/performance.md; a quarter of an hour; --quick: a check
  real-agents  run the real agent programs through roboppi, against a scripted model; needs npm; --latest: the newest
               versions, and renew docs/agents-tested.md
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["test"] => check::everything(),
        ["browser"] => page::built_browser().and_then(|()| contract::check()),
        ["screenshot"] => picture::draw(),
        ["package", "help" | "--help" | "-h"] => {
            eprint!("{}", package::USAGE);
            return ExitCode::SUCCESS;
        }
        ["package", rest @ ..] => package::make(rest),
        ["performance"] => performance::renew(false),
        ["performance", "--quick"] => performance::renew(true),
        ["real-agents", rest @ ..] => real_agents(rest),
        ["help" | "--help" | "-h"] => {
            eprint!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Builds what takes part, and lets it run. What it prints on standard output is a table.
fn real_agents(arguments: &[&str]) -> Result<(), String> {
    run(cargo(&["build", "--locked", "-p", "roboppi", "-p", "roboppi-real-agents"]))?;
    let mut command = cargo(&["run", "--locked", "--quiet", "-p", "roboppi-real-agents", "--"]);
    command.args(arguments);
    run(command)
}

/// The `cargo` that runs this program, in the directory of the workspace.
fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    command
}

/// The directory of the workspace.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// Says what is run, runs it and insists on success.
fn run(mut command: Command) -> Result<(), String> {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|word| word.to_string_lossy().into_owned()));
    if let Some(name) = Path::new(&words[0]).file_name() {
        words[0] = name.to_string_lossy().into_owned();
    }
    let shown = words.join(" ");
    eprintln!("\n$ {shown}");
    let status = command.status().map_err(|error| format!("cannot start `{shown}`: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{shown}` failed ({status})")) }
}
