//! What a job asks of the gate, read from its payload without executing it.

use std::collections::BTreeMap;
use std::sync::Arc;

use roboppi_ipc::{Job, JobType, WorkerKind};
use roboppi_worker_adapters::Adapters;
use serde_json::Value;

/// Jobs that ask a model directly have one breaker.
const LLM: &str = "LLM";

/// The services that kinds of workers depend on. A kind that is not there depends on none.
#[derive(Clone, Debug)]
pub struct Providers {
    by_kind: BTreeMap<WorkerKind, Arc<str>>,
    llm: Arc<str>,
}

impl Providers {
    /// What the adapters of a core say.
    #[must_use]
    pub fn of(adapters: &Adapters) -> Self {
        let named = adapters.descriptions().filter_map(|known| Some((known.kind, known.provider()?.into())));
        Self { by_kind: named.collect(), llm: LLM.into() }
    }
}

impl Default for Providers {
    /// Those of the adapters that come with roboppi.
    fn default() -> Self {
        Self::of(&Adapters::builtin())
    }
}

/// What a job needs besides a free slot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Demand<'a> {
    /// The service its worker depends on. `None` for plain commands.
    pub(super) provider: Option<Arc<str>>,
    /// The workspace it edits.
    pub(super) edits: Option<&'a str>,
}

impl<'a> Demand<'a> {
    /// Of a payload that makes no sense nothing is asked: its job is refused when it is to be executed.
    pub(super) fn of(job: &'a Job, providers: &Providers) -> Self {
        match job.job_type {
            JobType::WorkerTask => Self::of_task(&job.payload, providers),
            JobType::Llm => Self { provider: Some(Arc::clone(&providers.llm)), edits: None },
            // What is not known is not executed either.
            JobType::Tool | JobType::PluginEvent | JobType::Maintenance | JobType::Unknown(_) => {
                Self::default()
            }
        }
    }

    fn of_task(task: &'a Value, providers: &Providers) -> Self {
        let kind = task["workerKind"].as_str().map(WorkerKind::as_written);
        let provider = kind.and_then(|kind| providers.by_kind.get(&kind)).cloned();
        let capabilities = task["capabilities"].as_array().map(Vec::as_slice).unwrap_or_default();
        let edits = capabilities.iter().any(|capability| capability == "EDIT");
        Self { provider, edits: task["workspaceRef"].as_str().filter(|_| edits) }
    }
}
