//! One agent, one thing to do.

use std::time::Duration;

use clap::{Args, ValueEnum};
use roboppi_ipc::{Capability, WorkerKind};

use crate::options::HowArgs;
use crate::options::values::{duration, non_negative};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  roboppi run --worker claude-code \"Make the tests pass\" --capabilities READ,EDIT,RUN_TESTS
  git diff | roboppi run --worker codex --capabilities READ \"Review this change\" > review.md
  roboppi run --worker claude-code --resume SESSION \"And now the documentation\"

The answer goes to stdout, everything else to stderr; with --output json the events of the run go to stdout.")]
pub(crate) struct AgentArgs {
    /// The agent
    #[arg(long, value_name = "WORKER")]
    pub(crate) worker: AgentKind,
    /// The prompt [default: read from stdin; if both are given, stdin is appended]
    pub(crate) instructions: Vec<String>,
    /// Model, as the agent names it
    #[arg(long, value_name = "MODEL")]
    pub(crate) model: Option<String>,
    /// Variant of the model, such as the reasoning effort, as the agent names it
    #[arg(long, value_name = "VARIANT")]
    pub(crate) variant: Option<String>,
    /// Permissions of the agent, separated by commas: READ, EDIT, RUN_TESTS, RUN_COMMANDS, MAILBOX, TASKS
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "EDIT", value_parser = capability)]
    pub(crate) capabilities: Vec<Capability>,
    /// Time limit, such as `10m`; a bare number is milliseconds
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = time)]
    pub(crate) timeout: Duration,
    /// Idle limit: time without output, processor time or a written file; a bare number is milliseconds
    /// [default: 15m]
    #[arg(long, value_name = "DURATION", value_parser = time)]
    pub(crate) idle: Option<Duration>,
    /// Maximum number of turns
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_steps: Option<u32>,
    /// Session of the agent to continue
    #[arg(long, value_name = "SESSION")]
    pub(crate) resume: Option<String>,
    /// Environment variables to pass, in addition to those that every program needs; `*` matches any
    /// characters
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(crate) env_pass: Option<Vec<String>>,
    /// Environment variables not to pass
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(crate) env_block: Vec<String>,
    #[command(flatten)]
    pub(crate) how: HowArgs,
    #[command(flatten)]
    pub(crate) old: OldArgs,
}

/// Options of the existing program that mean nothing for one job.
#[derive(Debug, Args)]
pub(crate) struct OldArgs {
    #[arg(long, hide = true, value_parser = non_negative)]
    concurrency: Option<f64>,
    #[arg(long, hide = true, value_parser = non_negative)]
    rps: Option<f64>,
    #[arg(long, hide = true, value_parser = non_negative)]
    max_cost: Option<f64>,
    #[arg(long, hide = true, value_parser = non_negative)]
    bp_reject: Option<f64>,
    #[arg(long, hide = true, value_parser = non_negative)]
    bp_defer: Option<f64>,
    #[arg(long, hide = true, value_parser = non_negative)]
    bp_degrade: Option<f64>,
    #[arg(long, hide = true, value_parser = non_negative)]
    cb_threshold: Option<f64>,
    #[arg(long, hide = true, value_parser = non_negative)]
    cb_reset_ms: Option<f64>,
    #[arg(long, hide = true, value_parser = non_negative)]
    cb_half_open: Option<f64>,
    #[arg(long, hide = true, value_parser = ["debug", "info", "warn", "error", "fatal"])]
    log_level: Option<String>,
}

/// An agent, as people name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AgentKind {
    /// Claude Code
    #[value(alias = "claude", alias = "CLAUDE_CODE")]
    ClaudeCode,
    /// Codex
    #[value(alias = "CODEX_CLI", alias = "codex-cli")]
    Codex,
    /// opencode
    #[value(alias = "OPENCODE")]
    Opencode,
    /// Gemini CLI
    #[value(alias = "GEMINI", alias = "gemini-cli")]
    Gemini,
}

impl From<AgentKind> for WorkerKind {
    fn from(kind: AgentKind) -> Self {
        match kind {
            AgentKind::ClaudeCode => Self::ClaudeCode,
            AgentKind::Codex => Self::CodexCli,
            AgentKind::Opencode => Self::OpenCode,
            AgentKind::Gemini => Self::Gemini,
        }
    }
}

fn capability(text: &str) -> Result<Capability, String> {
    let wanted = text.trim().to_ascii_uppercase().replace('-', "_");
    Capability::ALL
        .into_iter()
        .find(|known| known.name() == wanted)
        .ok_or_else(|| format!("`{text}` is none; there are {}", Capability::NAMES.join(", ")))
}

/// A duration. The existing program takes milliseconds here.
fn time(text: &str) -> Result<Duration, String> {
    match text.trim().parse::<u64>() {
        Ok(0) => Err("must be longer than zero".to_owned()),
        Ok(millis) => Ok(Duration::from_millis(millis)),
        Err(_) => duration(text),
    }
}
