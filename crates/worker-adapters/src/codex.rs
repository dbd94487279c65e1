//! `CODEX_CLI`: Codex, by `codex exec` with one JSON object a line.

mod command;
mod translator;
mod trouble;
mod wire;

use roboppi_ipc::{WorkerKind, WorkerTask};

use crate::agent::AgentSession;
use crate::{CommandSpec, PlanError, WorkerAdapter, WorkerDescription, WorkerSession};

use translator::CodexTranslator;

/// Runs Codex. The prompt goes through its standard input, so nobody sees it in a list of processes.
///
/// Codex knows no limit of its own: with `max_steps` the session counts its tool calls and ends it.
#[derive(Clone, Copy, Debug, Default)]
pub struct CodexAdapter;

impl WorkerAdapter for CodexAdapter {
    fn describe(&self) -> WorkerDescription {
        WorkerDescription::agent(WorkerKind::CODEX_CLI, "Codex")
            .with_program("codex")
            .with_install("npm install -g @openai/codex")
            .with_word("codex")
            .with_word("codex-cli")
    }

    fn plan(&self, task: &WorkerTask) -> Result<CommandSpec, PlanError> {
        command::plan(task)
    }

    fn session(&self, task: &WorkerTask) -> Box<dyn WorkerSession> {
        let translator = CodexTranslator::new(task.budget.max_steps, command::is_resumed(task));
        Box::new(AgentSession::with_prompt(translator, task.instructions.clone()))
    }
}

/// What is not known of a line.
#[cfg(feature = "conformance")]
pub(crate) fn unknown_parts(line: &str) -> Vec<String> {
    crate::agent::unknown_parts(CodexTranslator::new(None, false), line)
}
