//! How existing runners start a core.

use clap::Args;

/// What stands for nothing at all, only flags, or `server`: a core for those who may know no hello.
pub(super) const OLD_START: [&str; 2] = ["core", "--await-hello"];

/// Options of the existing program. Here a core has no screen, and no levels of what it says.
#[derive(Debug, Args)]
pub(crate) struct OldCoreArgs {
    #[arg(long, hide = true, overrides_with = "no_tui")]
    pub(crate) tui: bool,
    #[arg(long, hide = true, alias = "plain", overrides_with = "tui")]
    no_tui: bool,
    #[arg(long, hide = true, value_parser = ["debug", "info", "warn", "error", "fatal"])]
    log_level: Option<String>,
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use clap::Parser as _;

    use crate::cli::{Cli, Command, normalised};

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
