//! What of a subworkflow is kept: its step and its members depend on each other.

use std::collections::HashMap;

use roboppi_run::StepPath;

use super::{Decision, Why};
use crate::plan::{Node, Plan};

/// The step that runs the workflow of which a node is part.
fn above<'p>(plan: &'p Plan, node: &Node) -> Option<&'p Node> {
    let above = plan.node(&node.path.parent()?)?;
    above.step.call.is_some().then_some(&**above)
}

/// Why a member is done again because of a step above it: that is asked for, or follows one that is done again.
pub(super) fn reason_above(
    plan: &Plan,
    node: &Node,
    decided: &HashMap<StepPath, Decision>,
    is_again: &dyn Fn(&StepPath) -> bool,
) -> Option<Why> {
    let mut next = above(plan, node);
    while let Some(group) = next {
        if is_again(&group.path) {
            return Some(Why::Requested);
        }
        let runs = |before: &&StepPath| matches!(decided.get(*before), None | Some(Decision::Run(_)));
        if let Some(before) = group.step.depends_on.iter().find(runs) {
            return Some(Why::After(before.clone()));
        }
        next = above(plan, group);
    }
    None
}

/// The members of each step that runs a workflow.
pub(super) fn members(plan: &Plan) -> HashMap<&StepPath, Vec<&Node>> {
    let mut members: HashMap<&StepPath, Vec<&Node>> = HashMap::new();
    for node in plan.nodes() {
        if let Some(group) = above(plan, node) {
            members.entry(&group.path).or_default().push(node);
        }
    }
    members
}

/// A subworkflow is kept when all its steps are. One that is repeated, or was changed, runs whole: which of its steps belong to
/// the iteration that is left nobody knows. For a step that was decided after its members.
pub(super) fn agree(
    node: &Node,
    members: &HashMap<&StepPath, Vec<&Node>>,
    decided: &mut HashMap<StepPath, Decision>,
) {
    let Some(own) = members.get(&node.path) else { return };
    let runs = |member: &&&Node| !matches!(decided.get(&member.path), Some(Decision::Keep { .. }));
    if let Some(member) = own.iter().find(runs)
        && matches!(decided.get(&node.path), Some(Decision::Keep { .. }))
    {
        let why = Why::After(member.path.clone());
        decided.insert(node.path.clone(), Decision::Run(why));
    }
    let runs_whole = match decided.get(&node.path) {
        Some(Decision::Run(Why::DidNotSucceed(_) | Why::After(_))) => node.repeat.is_some(),
        Some(Decision::Run(_)) => true,
        _ => false,
    };
    let mut below: Vec<&Node> = if runs_whole { own.clone() } else { Vec::new() };
    while let Some(member) = below.pop() {
        if matches!(decided.get(&member.path), Some(Decision::Keep { .. })) {
            decided.insert(member.path.clone(), Decision::Run(Why::After(node.path.clone())));
        }
        below.extend(members.get(&member.path).into_iter().flatten());
    }
}
