//! `roboppi completions`

use std::process::ExitCode;

use clap::{Args, ValueEnum};

use crate::commands::completion;
use crate::commands::out;
use crate::exit::Failure;

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub(crate) shell: Shell,
}

/// A shell that completes words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    /// `source <(roboppi completions bash)` in `~/.bashrc`
    Bash,
    /// `source <(roboppi completions zsh)` in `~/.zshrc`
    Zsh,
    /// `roboppi completions fish | source` in `~/.config/fish/config.fish`
    Fish,
}

impl Shell {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Zsh => "zsh",
            Self::Fish => "fish",
        }
    }
}

pub(crate) fn run(args: &CompletionsArgs) -> Result<ExitCode, Failure> {
    let script = completion::script(args.shell.name()).map_err(Failure::own)?;
    out::print(&String::from_utf8_lossy(&script))
}
