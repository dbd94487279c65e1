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
    for word in &args.command {
        let found = meant.find_subcommand(word).filter(|found| !found.is_hide_set());
        meant =
            found.ok_or_else(|| Failure::usage(format!("{} has no command `{word}`", meant.get_name())))?;
    }
    let mut page = Vec::new();
    Man::new(meant.clone()).render(&mut page).map_err(Failure::own)?;
    out::print(&String::from_utf8_lossy(&page))
}

/// The names of the pages of a command and of those below it.
fn names(command: &Command) -> Vec<String> {
    let own = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let below =
        command.get_subcommands().filter(|command| !command.is_hide_set() && command.get_name() != "help");
    std::iter::once(own).chain(below.flat_map(names)).collect()
}
