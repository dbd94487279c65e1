//! Runs the real agent programs through roboppi, against a scripted model on this machine: `cargo xtask real-agents`.
//!
//! Nothing leaves the machine once the programs are installed: the runs have a network with nothing but a loopback
//! where the system allows that, a home of their own, and a made-up key.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it is a command line program")]

mod agents;
mod capabilities;
mod cases;
mod drift;
mod inherited;
mod install;
mod model;
mod options;
pub mod page;
mod stage;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use agents::{AGENTS, Agent};
use capabilities::TRIED;
use cases::{CASES, Verdict};
use drift::Drift;
use options::{CAPABILITIES, Options};
use page::{Results, Tested};
use stage::Stage;

/// Is set in the second start of this program, whose network is a loopback alone.
const CONFINED: &str = "ROBOPPI_REAL_AGENTS_CONFINED";

/// The page with the results, in the workspace.
const PAGE: &str = "docs/agents-tested.md";

/// The program.
#[must_use]
pub fn main() -> ExitCode {
    inherited::settle();
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
    let options = Options::read(&arguments)?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new("."));
    let folder = root.join("target/real-agents");
    let npm = folder.join("npm");
    if std::env::var_os(CONFINED).is_none() {
        install::agents(&npm, options.latest)?;
        if let Some(status) = confined(&arguments) {
            return Ok(status);
        }
        eprintln!("the network cannot be closed here; what the agents do in it is up to them");
    }
    let rig = Rig { roboppi: roboppi()?, npm, runs: folder.join("runs") };
    let mut all = Results::default();
    let mut is_well = true;
    println!("| agent | version | case | result | seconds |\n|---|---|---|---|---|");
    for agent in AGENTS.iter().filter(|agent| options.wants_agent(agent.word)) {
        let (tested, is_ok) = rig.test(agent, &options);
        is_well &= is_ok && (tested.drift.is_empty() || !options.deny_drift);
        all.add(agent.word, tested);
    }
    for line in all.drift() {
        println!("{line}");
    }
    if options.latest {
        let path = root.join(PAGE);
        let page = std::fs::read_to_string(&path).map_err(|error| format!("{PAGE}: {error}"))?;
        let mut results = Results::of_page(&page);
        results.renew(all);
        let page = page::with_results(&page, &results)?;
        std::fs::write(&path, page).map_err(|error| format!("{PAGE}: {error}"))?;
        eprintln!("{PAGE} is renewed");
    }
    Ok(is_well)
}

/// Where everything is.
struct Rig {
    roboppi: PathBuf,
    npm: PathBuf,
    runs: PathBuf,
}

impl Rig {
    /// Runs the wanted cases with an agent. Returns whether all went well, too.
    fn test(&self, agent: &Agent, options: &Options) -> (Tested, bool) {
        let version = install::version(&self.npm, agent.package);
        let date = jiff::Timestamp::now().to_string().chars().take(10).collect();
        let is_whole = options.is_of_all_cases();
        let mut tested = Tested { version, date, is_whole, ..Tested::default() };
        let mut drift = Drift::default();
        let mut all_well = true;
        for case in CASES.iter().filter(|case| options.wants_case(case.name)) {
            let begun = Instant::now();
            let stage = self.stage(agent, case.name);
            let ran = stage.as_ref().map_err(Clone::clone).and_then(|stage| (case.run)(stage));
            let result = match ran {
                Ok(Verdict::Tried(wrong)) if wrong.is_empty() => "ok".to_owned(),
                Ok(Verdict::NotOffered(missing)) => format!("not offered: {missing}"),
                Ok(Verdict::Tried(wrong)) => format!("failed: {}", wrong.join("; ")),
                Err(error) => format!("failed: {error}"),
            };
            all_well &= !result.starts_with("failed");
            self.note(agent, &tested.version, case.name, &result, begun);
            tested.cells.insert(case.name.to_owned(), result);
            if let Ok(stage) = &stage {
                drift.look_at(agent, &stage.lines());
            }
        }
        for tried in TRIED.iter().filter(|_| options.wants_case(CAPABILITIES)) {
            let begun = Instant::now();
            let name = tried.capabilities.replace(',', "-");
            // `/tmp` is tried as well, and is not to be the home, too.
            let home = PathBuf::from(format!("/var/tmp/roboppi-real-agents-{}", std::process::id()));
            let stage = self.stage(agent, &name).map(|stage| stage.at_home(home.clone()));
            let words =
                stage.as_ref().map_err(Clone::clone).and_then(|stage| capabilities::attempt(stage, tried));
            let _ = std::fs::remove_dir_all(&home);
            all_well &= words.is_ok();
            let shown =
                words.as_ref().map_or_else(|error| format!("failed: {error}"), |words| words.join(", "));
            self.note(agent, &tested.version, tried.capabilities, &shown, begun);
            for (row, word) in page::rows_of(tried).zip(
                words.unwrap_or_else(|_| vec!["not tried"; tried.means.len() * capabilities::PLACES.len()]),
            ) {
                tested.cells.insert(row, word.to_owned());
            }
            if let Ok(stage) = &stage {
                drift.look_at(agent, &stage.lines());
            }
        }
        tested.drift = drift.described();
        (tested, all_well)
    }

    fn note(&self, agent: &Agent, version: &str, case: &str, result: &str, begun: Instant) {
        let seconds = begun.elapsed().as_secs_f32();
        println!("| {} | {version} | {case} | {} | {seconds:.1} |", agent.word, page::cell(result));
    }

    fn stage<'a>(&'a self, agent: &'a Agent, name: &str) -> Result<Stage<'a>, String> {
        let bin = self.npm.join("node_modules/.bin");
        let dir = self.runs.join(agent.word).join(name);
        Stage::new(agent, &self.roboppi, bin, dir).map_err(|error| error.to_string())
    }
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
