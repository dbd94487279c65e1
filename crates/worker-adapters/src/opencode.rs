//! `OPENCODE`: opencode, by `opencode run --format json`.

mod command;
mod translator;
mod wire;

use roboppi_ipc::{WorkerKind, WorkerTask};

use crate::agent::AgentSession;
use crate::{CommandSpec, PlanError, WorkerAdapter, WorkerDescription, WorkerSession};

use translator::OpenCodeTranslator;

/// Runs opencode. The prompt goes through its standard input, so nobody sees it in a list of processes.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenCodeAdapter;

impl WorkerAdapter for OpenCodeAdapter {
    fn describe(&self) -> WorkerDescription {
        WorkerDescription::agent(WorkerKind::OPENCODE, "opencode")
            .with_program("opencode")
            .with_install("npm install -g opencode-ai")
            .with_word("opencode")
    }

    fn plan(&self, task: &WorkerTask) -> Result<CommandSpec, PlanError> {
        command::plan(task)
    }

    fn session(&self, task: &WorkerTask) -> Box<dyn WorkerSession> {
        Box::new(AgentSession::with_prompt(OpenCodeTranslator::new(task), task.instructions.clone()))
    }
}

/// What is not known of a line.
#[cfg(feature = "conformance")]
pub(crate) fn unknown_parts(line: &str) -> Vec<String> {
    crate::agent::unknown_parts(OpenCodeTranslator::default(), line)
}
