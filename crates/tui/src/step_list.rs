//! The list of steps as the person set it.

use roboppi_run::{StepState, StepView};

use crate::filter::Filter;

/// Which steps are listed, and from where on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StepList {
    /// First row shown, among those that are listed.
    pub(crate) top: usize,
    pub(crate) filter: Filter,
    /// Steps that succeeded are left out.
    pub(crate) hide_done: bool,
}

impl StepList {
    /// Whether it may leave out steps, or is about to.
    pub(crate) fn is_limited(&self) -> bool {
        self.filter.is_typed() || self.filter.is_active() || self.hide_done
    }

    /// Whether a step is listed that is not the selected one.
    pub(crate) fn lists(&self, step: &StepView) -> bool {
        if self.hide_done && step.state == StepState::Succeeded {
            return false;
        }
        !self.filter.is_active()
            || self.filter.matches(&format!("{} {}", step.plan.step.as_str(), step.state.name()))
    }
}

/// Whether a step is one of those that `n` goes to.
pub(crate) const fn has_failed(step: &StepView) -> bool {
    matches!(step.state, StepState::Failed | StepState::Lost)
}
