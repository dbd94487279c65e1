//! What a job asks of the gate, read from its payload without executing it.

use roboppi_ipc::{Job, JobType, WorkerKind};
use serde_json::Value;

/// Jobs that ask a model directly have one breaker.
const LLM: &str = "LLM";

/// What a job needs besides a free slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Demand<'a> {
    /// The service its worker depends on: the kind of agent. `None` for plain commands.
    pub(super) provider: Option<&'static str>,
    /// The workspace it edits.
    pub(super) edits: Option<&'a str>,
}

impl<'a> Demand<'a> {
    /// Of a payload that makes no sense nothing is asked: its job is refused when it is to be executed.
    pub(super) fn of(job: &'a Job) -> Self {
        match job.job_type {
            JobType::WorkerTask => Self::of_task(&job.payload),
            JobType::Llm => Self { provider: Some(LLM), edits: None },
            // What is not known is not executed either.
            JobType::Tool | JobType::PluginEvent | JobType::Maintenance | JobType::Unknown(_) => {
                Self::default()
            }
        }
    }

    fn of_task(task: &'a Value) -> Self {
        let kind = task["workerKind"].as_str();
        let mut agents = WorkerKind::NAMES.into_iter().filter(|known| *known != WorkerKind::Custom.name());
        let provider = agents.find(|known| Some(*known) == kind);
        let capabilities = task["capabilities"].as_array().map(Vec::as_slice).unwrap_or_default();
        let edits = capabilities.iter().any(|capability| capability == "EDIT");
        Self { provider, edits: task["workspaceRef"].as_str().filter(|_| edits) }
    }
}
