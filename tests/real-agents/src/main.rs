//! Runs the real agent programs through roboppi, against a scripted model on this machine: `cargo xtask real-agents`.
//!
//! Nothing leaves the machine once the programs are installed: the runs have a network with nothing but a loopback
//! where the system allows that, a home of their own, and a made-up key.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it is a command line program")]

mod agents;
mod cases;
mod install;
mod model;
mod stage;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use agents::AGENTS;
use cases::CASES;
use stage::Stage;

const USAGE: &str = "\
usage: cargo xtask real-agents [--latest] [AGENT | CASE]...

Installs claude-code, codex, opencode and gemini into target/real-agents, and runs each through roboppi. The versions are those
of tests/real-agents/package.json; --latest takes the newest. What each run left is in target/real-agents/runs.
";

/// Is set in the second start of this program, whose network is a loopback alone.
const CONFINED: &str = "ROBOPPI_REAL_AGENTS_CONFINED";

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("real-agents: {message}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<bool, String> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let latest = arguments.iter().any(|argument| argument == "--latest");
    let chosen: Vec<&str> = arguments.iter().map(String::as_str).filter(|word| *word != "--latest").collect();
    let is_agent = |word: &str| AGENTS.iter().any(|agent| agent.word == word);
    let is_case = |word: &str| CASES.iter().any(|(name, _)| *name == word);
    if let Some(odd) = chosen.iter().find(|word| !is_agent(word) && !is_case(word)) {
        return Err(format!("there is no agent or case `{odd}`\n\n{USAGE}"));
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new("."));
    let folder = root.join("target/real-agents");
    let npm = folder.join("npm");
    if std::env::var_os(CONFINED).is_none() {
        install::agents(&npm, latest)?;
        if let Some(status) = confined(&arguments) {
            return Ok(status);
        }
        eprintln!("the network cannot be closed here; what the agents do in it is up to them");
    }
    let roboppi = roboppi()?;
    let wants = |word: &str, is_one: &dyn Fn(&str) -> bool| {
        let mut of_kind = chosen.iter().filter(|chosen| is_one(chosen)).peekable();
        of_kind.peek().is_none() || of_kind.any(|chosen| *chosen == word)
    };
    let mut all_well = true;
    println!("| agent | version | case | result | seconds |\n|---|---|---|---|---|");
    for agent in AGENTS.iter().filter(|agent| wants(agent.word, &is_agent)) {
        let version = install::version(&npm, agent.package);
        for (name, case) in CASES.iter().filter(|(name, _)| wants(name, &is_case)) {
            let begun = Instant::now();
            let dir = folder.join("runs").join(agent.word).join(name);
            let bin = npm.join("node_modules/.bin");
            let wrong = Stage::new(agent, &roboppi, &bin, dir)
                .map_err(|error| error.to_string())
                .and_then(|stage| case(&stage))
                .unwrap_or_else(|error| vec![error]);
            let result =
                if wrong.is_empty() { "ok".to_owned() } else { wrong.join("; ").replace('|', "\\|") };
            all_well &= wrong.is_empty();
            let seconds = begun.elapsed().as_secs_f32();
            println!("| {} | {version} | {name} | {result} | {seconds:.1} |", agent.word);
        }
    }
    Ok(all_well)
}

/// The program that was built beside this one.
fn roboppi() -> Result<PathBuf, String> {
    let this = std::env::current_exe().map_err(|error| error.to_string())?;
    let path = this.with_file_name("roboppi");
    if path.exists() { Ok(path) } else { Err(format!("{} is not there: build it first", path.display())) }
}

/// Runs this program again in a network of its own. `None` where the system does not allow that.
fn confined(arguments: &[String]) -> Option<bool> {
    let this = std::env::current_exe().ok()?;
    let unshare = |command: &mut Command| command.status().ok().map(|status| status.success());
    let loopback = "ip link set lo up";
    if unshare(Command::new("unshare").args(["--net", "sh", "-c", loopback])) != Some(true) {
        return None;
    }
    let script = format!("{loopback} && exec \"$0\" \"$@\"");
    let mut command = Command::new("unshare");
    command.args(["--net", "sh", "-c", &script]).arg(this).args(arguments).env(CONFINED, "1");
    unshare(&mut command)
}
