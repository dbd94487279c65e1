//! `roboppi man`: the manual pages, made from the command line itself.

use std::process::ExitCode;

use clap::{Args, Command};
use clap_mangen::Man;

use crate::commands::out;
use crate::exit::Failure;

#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// The command, such as `workflow run` [default: roboppi itself]
    command: Vec<String>,
    /// Print the names of all pages
    #[arg(long, conflicts_with = "command")]
    list: bool,
}

pub(crate) fn run(args: &ManArgs, mut command: Command) -> Result<ExitCode, Failure> {
    // Which gives every command its full name.
    command.build();
    if args.list {
        return out::print(&(names(&command).join("\n") + "\n"));
    }
    let mut meant = &command;
    let mut words = &args.command[..];
    while let Some(word) = words.first() {
        let (found, count) = subcommand(meant, words)
            .ok_or_else(|| Failure::usage(format!("{} has no command `{word}`", meant.get_name())))?;
        (meant, words) = (found, &words[count..]);
    }
    let mut page = Vec::new();
    Man::new(meant.clone()).render(&mut page).map_err(Failure::own)?;
    out::print(&String::from_utf8_lossy(&page))
}

/// The command that the first words name, and how many they are: the words of `tool-call` in the name of a page are two.
fn subcommand<'c>(command: &'c Command, words: &[String]) -> Option<(&'c Command, usize)> {
    (1..=words.len()).find_map(|count| {
        let found = command.find_subcommand(words[..count].join("-")).filter(|found| !found.is_hide_set())?;
        Some((found, count))
    })
}

/// The names of the pages of a command and of those below it.
fn names(command: &Command) -> Vec<String> {
    let own = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let below =
        command.get_subcommands().filter(|command| !command.is_hide_set() && command.get_name() != "help");
    std::iter::once(own).chain(below.flat_map(names)).collect()
}
