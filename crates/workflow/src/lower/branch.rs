//! `create_branch` and what goes with it.

use roboppi_run::StepPath;

use super::fields::Fields;
use super::step::{DraftStep, step_name};
use super::value;
use crate::branch::BranchKeys;
use crate::diagnostic::{Sink, nearest, quote};

/// The step that changes the branch when no other one is named.
const TRANSITION: &str = "branch";

pub(super) fn branch(fields: &Fields<'_>, drafts: &[DraftStep], sink: &mut Sink<'_>) -> BranchKeys {
    let create = fields.get("create_branch").and_then(|at| value::flag(&at, sink)).unwrap_or_default();
    let expected = fields.get("expected_work_branch").and_then(|at| value::text(&at, sink));
    let named = fields.get("branch_transition_step").and_then(|at| step_name(&at, sink));
    let is_step = |path: &StepPath| drafts.iter().any(|draft| draft.id.value == *path);
    let mut transition = Some(StepPath::from(TRANSITION)).filter(|path| create && is_step(path));
    if let Some(step) = named {
        if !is_step(&step.value) {
            let names = drafts.iter().map(|draft| draft.id.value.as_str());
            let hint =
                nearest(step.value.as_str(), names).map(|name| format!("did you mean {}?", quote(name)));
            sink.error(step.span, format!("there is no step {}", quote(step.value.as_str())), hint);
        } else if create {
            transition = Some(step.value);
        }
    }
    BranchKeys { create, transition, expected: expected.map(|text| text.value) }
}
