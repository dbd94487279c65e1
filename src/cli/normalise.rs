//! Short and old forms of the command line.

use std::ffi::{OsStr, OsString};

/// What stands for nothing at all, only flags, or `server`: a core for those who may know no hello.
const OLD_START: [&str; 2] = ["core", "--await-hello"];

/// What stands for `ps`.
const LIVE_RUNS: [&str; 3] = ["runs", "--state", "running"];

/// Subcommands of `workflow`: any other word there is a file to run.
const VERBS: [&str; 6] = ["run", "validate", "list", "graph", "fmt", "schema"];

/// Understands what old runners and lazy people type: nothing at all, only flags, or `server` starts a core, the first
/// only where a supervisor may feed it; `workflow FILE` runs the file, `help COMMAND` is its `--help`, and `ps` lists what runs. A core that is started so waits for a hello: an old runner does
/// not know it.
pub(super) fn normalised(mut args: Vec<OsString>, is_fed: bool) -> Vec<OsString> {
    let is = |arg: Option<&OsString>, words: &[&str]| {
        arg.and_then(|arg| arg.to_str()).is_some_and(|arg| words.contains(&arg))
    };
    let help = ["--help", "-h"];
    match args.get(1) {
        None if !is_fed => {}
        None => args.extend(OLD_START.map(OsString::from)),
        first if is(first, &["server"]) => drop(args.splice(1..2, OLD_START.map(OsString::from))),
        first if is(first, &help) || is(first, &["--version", "-V"]) => {}
        first if is(first, &["help"]) => {
            args.remove(1);
            args.push("--help".into());
        }
        first if is(first, &["ps"]) => drop(args.splice(1..2, LIVE_RUNS.map(OsString::from))),
        first if is(first, &["-v"]) => args[1] = "--version".into(),
        Some(first) if is_flag(first) => drop(args.splice(1..1, OLD_START.map(OsString::from))),
        first if is(first, &["workflow", "wf"]) => {
            let verb = args.get(2);
            if verb.is_some() && !is(verb, &VERBS) && !is(verb, &help) {
                args.insert(2, "run".into());
            }
        }
        Some(_) => {}
    }
    args
}

fn is_flag(arg: &OsStr) -> bool {
    arg.to_str().is_some_and(|arg| arg.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    #[test]
    fn every_subcommand_of_workflow_is_one_here() {
        let command = <Cli as clap::CommandFactory>::command();
        let workflow = command.find_subcommand("workflow").unwrap();
        assert!(workflow.get_subcommands().map(clap::Command::get_name).eq(VERBS));
    }

    fn read(line: &str, is_fed: bool) -> String {
        let args = std::iter::once("roboppi").chain(line.split_whitespace()).map(OsString::from).collect();
        let args: Vec<String> =
            normalised(args, is_fed).into_iter().map(|arg| arg.into_string().unwrap()).collect();
        args[1..].join(" ")
    }

    #[test]
    fn short_forms_are_understood() {
        assert_eq!(read("", false), "");
        assert_eq!(read("", true), "core --await-hello");
        assert_eq!(read("--concurrency 3", false), "core --await-hello --concurrency 3");
        assert_eq!(read("server --no-tui", false), "core --await-hello --no-tui");
        assert_eq!(read("core --concurrency 3", false), "core --concurrency 3");
        assert_eq!(read("help", true), "--help");
        assert_eq!(read("help workflow run", true), "workflow run --help");
        assert_eq!(read("ps --json", true), "runs --state running --json");
        assert_eq!(read("-v", true), "--version");
        assert_eq!(read("--help", false), "--help");
        assert_eq!(read("workflow a.yaml --tui", true), "workflow run a.yaml --tui");
        assert_eq!(read("workflow --tui a.yaml", true), "workflow run --tui a.yaml");
        assert_eq!(read("workflow validate a.yaml", true), "workflow validate a.yaml");
        assert_eq!(read("workflow run", true), "workflow run");
        assert_eq!(read("workflow --help", true), "workflow --help");
    }

    #[test]
    fn a_core_takes_the_flags_of_the_existing_program() {
        for flags in
            ["--no-tui", "--plain", "--tui", "--tui --no-tui", "--log-level debug", "--rps 5 --plain"]
        {
            let args = std::iter::once("roboppi").chain(flags.split(' ')).map(OsString::from).collect();
            let cli = Cli::try_parse_from(normalised(args, false)).expect(flags);
            assert!(matches!(cli.command, Command::Core(args) if args.await_hello), "{flags}");
        }
        assert!(Cli::try_parse_from(["roboppi", "core", "--log-level", "loud"]).is_err());
    }
}
