//! Why artifacts were not copied.

use roboppi_run::{HostId, StepPath};
use thiserror::Error;
use tokio::sync::oneshot::error::RecvError;

use super::tree_error::TreeError;

/// Why artifacts were not copied. What was not copied whole was not copied at all.
#[derive(Debug, Error)]
pub(crate) enum ArtifactError {
    /// What has to do with no artifact alone: the directory of the step, or the place for what is not whole yet.
    #[error(transparent)]
    Step(#[from] TreeError),
    #[error("the inputs: {0}")]
    Inputs(#[source] TreeError),
    #[error("the input `{artifact}` of `{from}`: {source}{}", gone(source))]
    Input { artifact: String, from: StepPath, source: TreeError },
    #[error("the output `{name}`: {source}")]
    Output { name: String, source: TreeError },
    #[error("this run has no workers on the host `{0}`")]
    NoSite(HostId),
    /// The branch that a step has left cannot be worked on.
    #[error("{0}")]
    Branch(String),
    /// The thread that copies ended without a word.
    #[error("copying failed: {0}")]
    Unanswered(#[source] RecvError),
}

/// What was made was there, so it was removed by somebody.
fn gone(error: &TreeError) -> &'static str {
    if error.is_absence() { ", it was removed since" } else { "" }
}
