//! What is printed for a reader who wants failures and warnings only.

use roboppi_ipc::{Progress, WorkerEvent};
use roboppi_run::{Act, RunEvent, StepState};

/// Whether an event of the journal is a failure, a warning, or why one comes.
pub(super) const fn shows(event: &RunEvent) -> bool {
    match event {
        RunEvent::StepChanged { state, limit_until, .. } => shows_state(*state) || limit_until.is_some(),
        RunEvent::Command { refused, .. } => refused.is_some(),
        RunEvent::CoreLost { .. }
        | RunEvent::CoreReport { .. }
        | RunEvent::AttemptFinished { .. }
        | RunEvent::RunEnding { .. }
        | RunEvent::Warning { .. } => true,
        RunEvent::RunStarted { .. }
        | RunEvent::CoreStarted { .. }
        | RunEvent::PlanExtended { .. }
        | RunEvent::IterationStarted { .. }
        | RunEvent::AttemptStarted { .. }
        | RunEvent::AttemptPhase { .. }
        | RunEvent::ArtifactCollected { .. }
        | RunEvent::ValuesSet { .. }
        | RunEvent::RunFinished { .. }
        | RunEvent::Unknown { .. } => false,
    }
}

/// Whether a step in this state has failed, or an attempt of it has.
pub(super) const fn shows_state(state: StepState) -> bool {
    matches!(
        state,
        StepState::Failed
            | StepState::Lost
            | StepState::Cancelled
            | StepState::Retrying
            | StepState::Unknown(_)
    )
}

/// Whether an event of an agent is a warning: a remark, a wait, or a part that is missing.
pub(super) const fn shows_activity(event: &WorkerEvent) -> bool {
    matches!(
        event,
        WorkerEvent::Waiting(_)
            | WorkerEvent::Gap(_)
            | WorkerEvent::Progress(Progress { level: Some(_), .. })
    )
}

/// The same of what is known of an agent.
pub(super) const fn shows_act(act: &Act) -> bool {
    matches!(act, Act::Wait(_) | Act::Missing { .. } | Act::Remark(_))
}
