//! What a shell may complete: the words of the command line, runs, and steps of the run that was typed.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;

use clap::Command;
use clap::builder::{Resettable, Str};
use clap_complete::CompleteEnv;
use clap_complete::engine::CompletionCandidate;
use clap_complete::env::{EnvCompleter, Fish, Shells, Zsh};
use roboppi_attach::{LocalRun, RunFollower};
use roboppi_record::StateRoot;
use roboppi_report::units::ago;

mod bash;
mod workflow;

pub(crate) use workflow::steps as workflow_steps;

/// Set by the script of a shell that asks what may come next.
const VARIABLE: &str = "ROBOPPI_COMPLETE";

/// Runs that are offered: one that is older has to be looked up in the list.
const RUNS: usize = 50;

/// Runs that are looked at.
const INSPECTED: usize = 1_000;

/// The shells that can ask.
const SHELLS: &[&dyn EnvCompleter] = &[&bash::Bash, &Zsh, &Fish];

/// Answers a shell that asks what may come next in a `command`, and ends the process. Otherwise this is a command like any
/// other.
pub(crate) fn answer_shell(command: fn() -> Command) {
    if env::var_os(VARIABLE).is_none() {
        return;
    }
    let complete = CompleteEnv::with_factory(|| by_name(command())).var(VARIABLE).shells(Shells(SHELLS));
    match complete.try_complete(understandable(env::args_os().collect()), env::current_dir().ok().as_deref())
    {
        Ok(false) => {}
        Ok(true) => std::process::exit(0),
        Err(error) => error.exit(),
    }
}

/// A command whose subcommands are offered by their names. Of names and visible aliases the first in the alphabet alone
/// would be; an alias that is typed is completed and understood all the same.
fn by_name(command: Command) -> Command {
    command.mut_subcommands(|command| {
        let aliases: Vec<String> = command.get_all_aliases().map(str::to_owned).collect();
        by_name(command.visible_alias(Resettable::<Str>::Reset).aliases(aliases))
    })
}

/// The words with another run in place of `-1`, which would be taken for an option. Not of the word that is being
/// typed.
fn understandable(mut words: Vec<OsString>) -> Vec<OsString> {
    let typed = words.len().saturating_sub(1);
    for word in words.iter_mut().take(typed).filter(|word| word.to_str().is_some_and(is_number)) {
        *word = "0".into();
    }
    words
}

fn is_number(word: &str) -> bool {
    word.strip_prefix('-').is_some_and(|number| number.parse::<u32>().is_ok())
}

/// The script that lets a shell ask.
pub(crate) fn script(shell: &str) -> io::Result<Vec<u8>> {
    let mut script = Vec::new();
    let typed = env::args_os().next().unwrap_or_else(|| "roboppi".into());
    // A program that is found by its name is found by it later, too, when there is a newer one.
    let found = Path::new(&typed).components().count() == 1;
    let program = if found { typed } else { env::current_exe().map_or(typed, OsString::from) };
    if let Some(shell) = Shells(SHELLS).completer(shell) {
        shell.write_registration(VARIABLE, "roboppi", "roboppi", &program.to_string_lossy(), &mut script)?;
    }
    Ok(if shell == "zsh" { for_autoload(script) } else { script })
}

/// A script for zsh that may also be a file in a directory of `fpath`: such a file is run as the function of its name when
/// a word is completed for the first time, and has to complete that one.
fn for_autoload(mut script: Vec<u8>) -> Vec<u8> {
    script
        .extend_from_slice(b"[[ ${funcstack[1]-} != _roboppi ]] || _clap_dynamic_completer_roboppi \"$@\"\n");
    script
}

/// Runs whose handle or id begins like this, the last one first, each with its workflow and age. A run that has a handle is
/// offered by its id only once that is being typed.
pub(crate) fn runs(typed: &OsStr) -> Vec<CompletionCandidate> {
    runs_that(typed, |_| true)
}

/// Runs that take commands: those that are not over, as far as that is known.
pub(crate) fn live_runs(typed: &OsStr) -> Vec<CompletionCandidate> {
    runs_that(typed, |run| RunFollower::of_journal(run).liveness().may_live())
}

fn runs_that(typed: &OsStr, is_wanted: fn(&LocalRun) -> bool) -> Vec<CompletionCandidate> {
    let (Some(typed), Some(root)) = (typed.to_str(), root()) else { return Vec::new() };
    let now = crate::commands::record::now();
    let named = root.runs().unwrap_or_default().into_iter().take(INSPECTED).filter_map(|id| {
        let run = root.open_run(&id).ok()?;
        let handle = run.handle().map(|handle| handle.to_string());
        let by_id = !typed.is_empty() && id.as_str().starts_with(typed);
        let name = handle.filter(|handle| handle.starts_with(typed) && !by_id);
        let name = name.or_else(|| id.as_str().starts_with(typed).then(|| id.to_string()))?;
        if !is_wanted(&LocalRun::from(run.clone())) {
            return None;
        }
        let help = run.manifest().ok().map(|manifest| {
            let workflow = crate::terminal::plain(&manifest.name);
            format!("{workflow}, {} ago", ago(now, manifest.started_at)).into()
        });
        Some(CompletionCandidate::new(name).help(help))
    });
    named.take(RUNS).enumerate().map(|(order, run)| run.display_order(Some(order))).collect()
}

/// Runs, and the steps of the last one, which may be typed alone.
pub(crate) fn runs_or_steps(typed: &OsStr) -> Vec<CompletionCandidate> {
    let mut candidates = runs(typed);
    candidates.extend(
        root()
            .and_then(|root| open(&root, roboppi_record::LAST))
            .map_or_else(Vec::new, |run| steps_of(&run, typed)),
    );
    candidates
}

/// Steps of the run that was typed before.
pub(crate) fn steps(typed: &OsStr) -> Vec<CompletionCandidate> {
    let named = root().and_then(|root| {
        open(&root, &run_in(env::args_os().map(|word| word.to_string_lossy().into_owned()))?)
    });
    named.map_or_else(Vec::new, |run| steps_of(&run, typed))
}

fn root() -> Option<StateRoot> {
    crate::commands::record::state_root()
}

fn open(root: &StateRoot, run: &str) -> Option<LocalRun> {
    LocalRun::find(root, run).ok()
}

fn steps_of(run: &LocalRun, typed: &OsStr) -> Vec<CompletionCandidate> {
    let Some(typed) = typed.to_str() else { return Vec::new() };
    let mut follower = RunFollower::of_journal(run);
    let mut view = follower.begin();
    follower.read(|record| view.apply(&record));
    let names = view.steps.iter().map(|step| step.plan.step.as_str()).filter(|name| is_offered(name, typed));
    names.enumerate().map(|(order, name)| CompletionCandidate::new(name).display_order(Some(order))).collect()
}

/// Whether a name begins as typed, and is one word of a shell. The record of an imported run may have any text as the name of a
/// step, and what a shell inserts is what it executes next.
fn is_offered(name: &str, typed: &str) -> bool {
    name.starts_with(typed) && roboppi_run::shell_word(name) == name
}

/// The run among the words of the line: the first one behind the command that is no option.
fn run_in(words: impl Iterator<Item = String>) -> Option<String> {
    let mut line = words.skip_while(|word| word != "--").skip(3);
    line.find(|word| is_number(word) || !word.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_words_of_a_shell_are_offered() {
        for name in ["build", "release/build", "a-b_c.d"] {
            assert!(is_offered(name, &name[..1]), "{name}");
        }
        for name in ["b; rm -rf .", "b$(id)", "b`id`", "b c", "b\n", "b\u{1b}[2J", "b&", "b'"] {
            assert!(!is_offered(name, "b"), "{name}");
        }
        assert!(!is_offered("build", "t"));
    }

    #[test]
    fn the_run_is_found_among_the_words() {
        let run = |line: &str| run_in(line.split(' ').map(str::to_owned));
        assert_eq!(run("roboppi -- roboppi logs 019c bu"), Some("019c".to_owned()));
        assert_eq!(run("roboppi -- roboppi cancel --force -2 bu"), Some("-2".to_owned()));
        assert_eq!(run("roboppi -- roboppi logs -f"), None);
        assert_eq!(run("roboppi logs 019c"), None);
    }
}
