//! One agent, one thing to do.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Arg, Args, Command};
use roboppi_ipc::{Capability, WorkerKind};
use roboppi_worker_adapters::Adapters;

use crate::options::HowArgs;
use crate::options::values::{LegacyDuration, dollars, non_negative};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  roboppi run --worker claude-code \"Make the tests pass\" --capabilities READ,EDIT,RUN_TESTS
  git diff | roboppi run --worker codex --capabilities READ \"Review this change\" > review.md
  roboppi run --worker claude-code --resume SESSION \"And now the documentation\"

The answer goes to stdout, everything else to stderr; with --output json the events of the run go to stdout.")]
pub(crate) struct AgentArgs {
    /// The agent, or a worker kind of another core
    #[arg(long, value_name = "WORKER", value_parser = AgentParser)]
    pub(crate) worker: WorkerKind,
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
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = LegacyDuration::parse, help_heading = "Limits")]
    pub(crate) timeout: LegacyDuration,
    /// Idle limit: time without output, processor time or a written file; a bare number is milliseconds
    /// [default: 15m]
    #[arg(long, value_name = "DURATION", value_parser = LegacyDuration::parse, help_heading = "Limits")]
    pub(crate) idle: Option<LegacyDuration>,
    /// Maximum number of turns
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_steps: Option<u32>,
    /// Session of the agent to continue
    #[arg(long, value_name = "SESSION")]
    pub(crate) resume: Option<String>,
    #[command(flatten)]
    pub(crate) setup: SetupArgs,
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

/// What the agent is given beside its task, and what it may use up.
#[derive(Debug, Args)]
pub(crate) struct SetupArgs {
    /// Budget in US dollars, such as `0.5`: the agent is terminated when it is spent
    #[arg(long, value_name = "USD", value_parser = dollars, allow_negative_numbers = true, help_heading = "Limits")]
    pub(crate) max_cost: Option<f64>,
    /// Budget in tokens: the agent is terminated when it is spent
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Limits")]
    pub(crate) max_tokens: Option<u32>,
    /// Program to start as the agent: a path, or a name in PATH [default: the agent's own name]
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) program: Option<PathBuf>,
    /// File that describes MCP servers for the agent
    #[arg(long, value_name = "FILE")]
    pub(crate) mcp_config: Option<PathBuf>,
    /// Directory that the agent may use, in addition to its working directory. May be repeated
    #[arg(long, value_name = "DIR")]
    pub(crate) add_dir: Vec<PathBuf>,
    /// Text to add to the system prompt of the agent
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) append_system_prompt: Option<String>,
    /// Argument for the agent program, passed unchanged before those built from other options. May be repeated
    #[arg(long = "arg", value_name = "ARG", allow_hyphen_values = true)]
    pub(crate) args: Vec<String>,
}

/// Options of the existing program that mean nothing for one job.
#[derive(Debug, Args)]
pub(crate) struct OldArgs {
    #[arg(long, hide = true, value_parser = non_negative)]
    concurrency: Option<f64>,
    #[arg(long, hide = true, value_parser = non_negative)]
    rps: Option<f64>,
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

/// Reads the name of an agent: a word of its description, or the name of its kind. Kinds that do not come with roboppi are taken
/// as they are; whether there is such a one is seen when the cores are known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AgentParser;

impl AgentParser {
    /// The words that are offered.
    fn words() -> Vec<PossibleValue> {
        let literal = |word: &Cow<'static, str>| match word {
            Cow::Borrowed(word) => Some(*word),
            // Only ours are offered, and all of those are literals.
            Cow::Owned(_) => None,
        };
        let agents = Adapters::builtin();
        let offered = agents.descriptions().filter(|known| known.agent).filter_map(|known| {
            let mut words = known.words.iter().filter_map(literal);
            let value = PossibleValue::new(words.next()?).aliases(words);
            Some(match literal(&known.name) {
                Some(name) => value.help(name),
                None => value,
            })
        });
        offered.collect()
    }
}

impl TypedValueParser for AgentParser {
    type Value = WorkerKind;

    fn parse_ref(
        &self,
        command: &Command,
        argument: Option<&Arg>,
        value: &OsStr,
    ) -> Result<WorkerKind, clap::Error> {
        let text = value.to_str().unwrap_or_default();
        let agents = Adapters::builtin();
        let mut agents = agents.descriptions().filter(|known| known.agent);
        if let Some(known) =
            agents.find(|known| known.kind.name() == text || known.words.iter().any(|word| word == text))
        {
            return Ok(known.kind);
        }
        match WorkerKind::new(text) {
            Ok(kind) if !kind.is_builtin() => Ok(kind),
            _ => {
                let refusal = PossibleValuesParser::new(Self::words()).parse_ref(command, argument, value);
                // It has none of these words, so this is an error.
                refusal.map(|word| WorkerKind::as_written(&word))
            }
        }
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(Self::words().into_iter()))
    }
}

fn capability(text: &str) -> Result<Capability, String> {
    let wanted = text.trim().to_ascii_uppercase().replace('-', "_");
    Capability::ALL
        .into_iter()
        .find(|known| known.name() == wanted)
        .ok_or_else(|| format!("`{text}` is none; there are {}", Capability::NAMES.join(", ")))
}
