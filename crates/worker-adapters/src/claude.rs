//! `CLAUDE_CODE`: Claude Code, by `claude --print` with one JSON object a line.

mod background;
mod command;
mod messages;
mod outcome;
mod tasks;
mod translator;
mod usage;
mod wire;

use roboppi_ipc::{WorkerKind, WorkerTask};

use crate::agent::AgentSession;
use crate::{CommandSpec, PlanError, WorkerAdapter, WorkerDescription, WorkerSession};

use translator::ClaudeTranslator;

/// Runs Claude Code. The prompt goes through its standard input, so nobody sees it in a list of processes.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClaudeAdapter;

impl WorkerAdapter for ClaudeAdapter {
    fn describe(&self) -> WorkerDescription {
        WorkerDescription::agent(WorkerKind::CLAUDE_CODE, "Claude Code")
            .with_program("claude")
            .with_install("npm install -g @anthropic-ai/claude-code")
            .with_word("claude-code")
            .with_word("claude")
    }

    fn plan(&self, task: &WorkerTask) -> Result<CommandSpec, PlanError> {
        command::plan(task)
    }

    fn session(&self, task: &WorkerTask) -> Box<dyn WorkerSession> {
        let is_resumed = command::is_resumed(task);
        Box::new(AgentSession::with_prompt(ClaudeTranslator::new(is_resumed), task.instructions.clone()))
    }
}

/// What is not known of a line.
#[cfg(feature = "conformance")]
pub(crate) fn unknown_parts(line: &str) -> Vec<String> {
    crate::agent::unknown_parts(ClaudeTranslator::new(false), line)
}
