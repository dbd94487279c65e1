//! For which reader lines are made.

use clap::{Args, ValueEnum};

/// Options of the lines about a run.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "View")]
pub(crate) struct ReaderArgs {
    /// CI system whose groups, annotations and summary the lines use; implies --no-tui [default: the one that the environment
    /// names]
    #[arg(long, value_name = "SYSTEM", conflicts_with = "tui")]
    pub(crate) ci: Option<CiChoice>,
    /// How much the lines report: everything, or at the end only what failed, where, the last lines and the next command;
    /// implies --no-tui [default: concise when an AI agent has called this program, else full]
    #[arg(long, value_name = "EXTENT", conflicts_with = "tui")]
    pub(crate) report: Option<Extent>,
}

/// How much is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Extent {
    /// Everything
    Full,
    /// What failed and what to do next
    Concise,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CiChoice {
    /// GitHub Actions
    Github,
    /// GitLab CI
    Gitlab,
    /// Buildkite
    Buildkite,
    /// TeamCity
    Teamcity,
    /// Azure Pipelines
    Azure,
    /// None: lines as everywhere else
    None,
}
