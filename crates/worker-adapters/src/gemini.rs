//! `GEMINI`: Gemini CLI, by `gemini --output-format stream-json`.

mod command;
mod outcome;
mod speech;
mod translator;
mod wire;

use roboppi_ipc::{WorkerKind, WorkerTask};

use crate::agent::AgentSession;
use crate::{CommandSpec, PlanError, WorkerAdapter, WorkerDescription, WorkerSession};

use translator::GeminiTranslator;

/// Runs Gemini CLI. The prompt goes through its standard input, so nobody sees it in a list of processes.
#[derive(Clone, Copy, Debug, Default)]
pub struct GeminiAdapter;

impl WorkerAdapter for GeminiAdapter {
    fn describe(&self) -> WorkerDescription {
        WorkerDescription::agent(WorkerKind::GEMINI, "Gemini CLI")
            .with_program("gemini")
            .with_install("npm install -g @google/gemini-cli")
            .with_word("gemini")
            .with_word("gemini-cli")
    }

    fn plan(&self, task: &WorkerTask) -> Result<CommandSpec, PlanError> {
        command::plan(task)
    }

    fn session(&self, task: &WorkerTask) -> Box<dyn WorkerSession> {
        Box::new(AgentSession::with_prompt(GeminiTranslator::new(task), task.instructions.clone()))
    }
}

/// What is not known of a line.
#[cfg(feature = "conformance")]
pub(crate) fn unknown_parts(line: &str) -> Vec<String> {
    crate::agent::unknown_parts(GeminiTranslator::default(), line)
}
