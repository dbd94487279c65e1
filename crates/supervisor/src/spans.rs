//! Where in a run something happens, for diagnostics.

use roboppi_run::{AttemptRef, RunId};
use tracing::{Span, info_span};

/// The run of this process.
pub(crate) fn run(id: &RunId) -> Span {
    info_span!("run", id = id.as_str())
}

/// An attempt, within its step.
pub(crate) fn attempt(of: &AttemptRef) -> Span {
    let AttemptRef { step, iteration, attempt, .. } = of;
    let step = info_span!("step", name = step.as_str());
    step.in_scope(|| info_span!("attempt", iteration, number = attempt))
}
