//! Why a worker is not started.

use std::io;

use roboppi_ipc::WorkerKind;
use roboppi_worker_adapters::PlanError;
use thiserror::Error;

/// Why there is nothing to start for a task. The text is the `error` of its result.
#[derive(Debug, Error)]
pub(super) enum PrepareError {
    #[error("this core has no adapter for {0} workers")]
    NoAdapter(WorkerKind),
    #[error("cannot plan the worker: {0}")]
    Plan(#[from] PlanError),
    #[error("`{option}` is not possible: `{kind}` has no option for it; {instead}")]
    NoOption { kind: WorkerKind, option: &'static str, instead: &'static str },
    #[error("cannot write the worker's files: {0}")]
    Files(#[source] io::Error),
    #[error("the adapter names no program")]
    NoProgram,
    #[error("the adapter names the file `{0}` but does not make it")]
    NoFile(String),
}
