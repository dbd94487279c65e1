//! Decides what of an earlier run counts: which steps need not be done again, and why the others are done.
//!
//! A step is kept when it succeeded, means the same as then, took what is still there, and when what it made is as it
//! left it; and when all of that is true of what it depends on. Everything else runs.

use std::collections::{HashMap, HashSet};

use roboppi_run::{StepFingerprint, StepPath, StepState, UpstreamResult};

use crate::condition::Situation;
use crate::plan::{Node, Plan};

mod definition_hash;
mod group;
mod why;

pub use definition_hash::{definition_hash, result_hash};
pub use why::Why;

/// What is known of a step of the earlier run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreviousStep {
    /// Where it was when that run ended.
    pub state: StepState,
    /// Whether it did what it was to do.
    pub succeeded: bool,
    /// What it was made of; `None` when that was not recorded.
    pub fingerprint: Option<StepFingerprint>,
    /// What it made, in the order in which that was collected.
    pub artifacts: Vec<EarlierArtifact>,
    /// The iteration it was in, from 1.
    pub iteration: u32,
    /// That iteration was done and checked, and was not complete.
    pub iteration_done: bool,
}

/// What is known of an artifact of the earlier run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EarlierArtifact {
    /// Its name.
    pub name: String,
    /// Its hash when it was made; `None` when that was not recorded.
    pub recorded: Option<String>,
    /// Its hash now; `None` when it is not there.
    pub found: Option<String>,
}

/// The earlier run.
#[derive(Clone, Debug, Default)]
pub struct PreviousRun {
    /// Its steps.
    pub steps: HashMap<StepPath, PreviousStep>,
    /// Where its steps worked; absolute.
    pub workspace: String,
    /// Where its artifacts went; absolute.
    pub context_dir: String,
    /// Its plan by the workflow as it was recorded, with secrets taken out: good for saying what has changed, not for finding
    /// out whether something has.
    pub plan: Option<Plan>,
}

/// Which directories a workflow works in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Places<'a> {
    /// Where the steps work; absolute.
    pub workspace: &'a str,
    /// Where artifacts go; absolute.
    pub context_dir: &'a str,
}

/// What is done with each step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResumePlan {
    /// Every step, in the order of the plan.
    pub steps: Vec<(StepPath, Decision)>,
    /// Steps of the earlier run that the plan has no more, in the order of their names.
    pub gone: Vec<StepPath>,
    /// Steps that do not begin with their first iteration, with the one they begin with.
    pub iterations: Vec<(StepPath, u32)>,
}

/// What is done with a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It counts as it is.
    Keep {
        /// What it is made of.
        fingerprint: StepFingerprint,
        /// The hash of what came of it, for those that depend on it.
        result: String,
    },
    /// It is done, or done again.
    Run(Why),
}

impl ResumePlan {
    /// The iteration that a step begins with, when that is not the first one.
    #[must_use]
    pub fn iteration(&self, step: &StepPath) -> Option<u32> {
        self.iterations.iter().find(|(known, _)| known == step).map(|(_, iteration)| *iteration)
    }

    /// Steps that are kept.
    pub fn kept(&self) -> impl Iterator<Item = &StepPath> {
        self.steps
            .iter()
            .filter(|(_, decision)| matches!(decision, Decision::Keep { .. }))
            .map(|(step, _)| step)
    }

    /// Steps that had succeeded and are done again because something has changed, which nobody may have noticed.
    pub fn changes(&self) -> impl Iterator<Item = (&StepPath, &Why)> {
        self.steps.iter().filter_map(|(step, decision)| match decision {
            Decision::Run(why) if why.is_change() => Some((step, why)),
            Decision::Run(_) | Decision::Keep { .. } => None,
        })
    }
}

/// Decides for every step of `plan`. Steps in `again` are done whatever is known of them.
#[must_use]
pub fn plan_resume(
    plan: &Plan,
    places: Places<'_>,
    earlier: &PreviousRun,
    again: &HashSet<StepPath>,
) -> ResumePlan {
    let mut planner = Planner { places, earlier, again, left_out: HashSet::new() };
    let mut decided: HashMap<StepPath, Decision> = HashMap::new();
    let is_again = |path: &StepPath| again.contains(path);
    let members = group::members(plan);
    for node in in_order(plan, &members) {
        let decision = match group::reason_above(plan, node, &decided, &is_again) {
            Some(why) => Decision::Run(why),
            None => planner.decide(node, &decided),
        };
        if planner.is_left_out_again(node, &decision, &decided) {
            planner.left_out.insert(node.path.clone());
        }
        decided.insert(node.path.clone(), decision);
        group::agree(node, &members, &mut decided);
    }
    let iterations = plan.nodes().filter_map(|node| {
        let iteration = planner.iteration(node, decided.get(&node.path)?, &decided)?;
        Some((node.path.clone(), iteration))
    });
    let iterations = iterations.collect();
    let steps = plan
        .nodes()
        .filter_map(|node| decided.remove(&node.path).map(|decision| (node.path.clone(), decision)));
    let mut gone: Vec<_> = earlier.steps.keys().filter(|step| plan.node(step).is_none()).cloned().collect();
    gone.sort_unstable();
    ResumePlan { steps: steps.collect(), gone, iterations }
}

struct Planner<'a> {
    places: Places<'a>,
    earlier: &'a PreviousRun,
    again: &'a HashSet<StepPath>,
    /// Steps that are skipped as before because their conditions are false: nothing comes of them, and what depends on them is as it was.
    left_out: HashSet<StepPath>,
}

impl Planner<'_> {
    /// Whether a step was skipped, and will be again: its condition is about what is known already, and is false.
    fn is_left_out_again(
        &self,
        node: &Node,
        decision: &Decision,
        decided: &HashMap<StepPath, Decision>,
    ) -> bool {
        let Some(condition) = &node.step.control.condition else { return false };
        let was_skipped = *decision == Decision::Run(Why::DidNotSucceed(StepState::Skipped));
        let outcome = |step: &StepPath| match decided.get(step) {
            Some(Decision::Keep { .. }) => Some(StepState::Succeeded),
            _ => self.left_out.contains(step).then_some(StepState::Skipped),
        };
        let is_known = node.step.depends_on.iter().all(|step| outcome(step).is_some());
        let situation = Situation { success: true, failure: false, outcome: &outcome };
        was_skipped && is_known && !condition.holds(&situation)
    }

    /// What is done with a step, when that is decided of all it depends on.
    fn decide(&self, node: &Node, decided: &HashMap<StepPath, Decision>) -> Decision {
        let Some(step) = self.earlier.steps.get(&node.path) else { return Decision::Run(Why::New) };
        if !step.succeeded {
            return Decision::Run(Why::DidNotSucceed(step.state));
        }
        if self.again.contains(&node.path) {
            return Decision::Run(Why::Requested);
        }
        let Some(fingerprint) = &step.fingerprint else { return Decision::Run(Why::NotRecorded) };
        if definition_hash(node, self.places) != fingerprint.definition {
            return Decision::Run(Why::Changed(self.differences(node)));
        }
        let after = node
            .step
            .depends_on
            .iter()
            .filter(|dependency| !self.left_out.contains(*dependency))
            .find(|dependency| matches!(decided.get(*dependency), None | Some(Decision::Run(_))));
        if let Some(dependency) = after {
            return Decision::Run(Why::After(dependency.clone()));
        }
        match self.evidence(step, fingerprint, decided) {
            Some(why) => Decision::Run(why),
            None => {
                let artifacts = step.artifacts.iter();
                let artifacts =
                    artifacts.map(|made| (made.name.as_str(), made.found.as_deref().unwrap_or_default()));
                let result = result_hash(fingerprint, artifacts);
                Decision::Keep { fingerprint: fingerprint.clone(), result }
            }
        }
    }

    /// The iteration that a step goes on with which did not succeed; `None` for the first one. It goes on only when it means
    /// the same as then and nothing before it is done again; and one that had no iteration left begins anew.
    fn iteration(
        &self,
        node: &Node,
        decision: &Decision,
        decided: &HashMap<StepPath, Decision>,
    ) -> Option<u32> {
        let most = node.repeat?.max_iterations.unwrap_or(u32::MAX);
        let step = self.earlier.steps.get(&node.path)?;
        let is_unfinished = matches!(decision, Decision::Run(Why::DidNotSucceed(_)));
        let is_kept = |before: &StepPath| matches!(decided.get(before), Some(Decision::Keep { .. }));
        let means_the_same = step
            .fingerprint
            .as_ref()
            .is_some_and(|then| then.definition == definition_hash(node, self.places));
        let goes_on = is_unfinished && means_the_same && node.step.depends_on.iter().all(is_kept);
        let next = step.iteration.saturating_add(u32::from(step.iteration_done));
        (goes_on && (2..=most).contains(&next)).then_some(next)
    }

    /// What of a definition has changed, as far as that can be told.
    fn differences(&self, node: &Node) -> Vec<&'static str> {
        let then = self.earlier.plan.as_ref().and_then(|plan| plan.node(&node.path));
        let mut what = then.map_or_else(Vec::new, |then| definition_hash::differences(then, node));
        if self.earlier.workspace != self.places.workspace {
            what.push("the workspace of the run");
        }
        if self.earlier.context_dir != self.places.context_dir {
            what.push("the context directory");
        }
        what
    }

    /// What is not as it was, of what a step took and of what it made.
    fn evidence(
        &self,
        step: &PreviousStep,
        fingerprint: &StepFingerprint,
        decided: &HashMap<StepPath, Decision>,
    ) -> Option<Why> {
        let as_then = |UpstreamResult { step, sha256 }: &UpstreamResult| match decided.get(step) {
            Some(Decision::Keep { result, .. }) => sha256.as_deref() == Some(result.as_str()),
            Some(Decision::Run(_)) | None => self.left_out.contains(step) && sha256.is_none(),
        };
        if let Some(upstream) = fingerprint.upstream.iter().find(|upstream| !as_then(upstream)) {
            return Some(Why::UpstreamChanged(upstream.step.clone()));
        }
        for input in &fingerprint.inputs {
            let maker = self.earlier.steps.get(&input.from);
            let made =
                maker.and_then(|maker| maker.artifacts.iter().find(|made| made.name == input.artifact));
            if made.and_then(|made| made.found.as_ref()) != input.sha256.as_ref() {
                let (from, artifact) = (input.from.clone(), input.artifact.clone());
                return Some(Why::InputChanged { from, artifact });
            }
        }
        step.artifacts.iter().find_map(|made| match (&made.recorded, &made.found) {
            (None, _) => Some(Why::NotRecorded),
            (Some(_), None) => Some(Why::ArtifactMissing(made.name.clone())),
            (Some(recorded), Some(found)) if recorded != found => {
                Some(Why::ArtifactChanged(made.name.clone()))
            }
            (Some(_), Some(_)) => None,
        })
    }
}

/// The nodes, each behind those it depends on.
fn in_order<'p>(plan: &'p Plan, members: &HashMap<&StepPath, Vec<&'p Node>>) -> Vec<&'p Node> {
    let mut done: HashSet<&StepPath> = HashSet::new();
    let mut order = Vec::with_capacity(plan.nodes().len());
    // A checked plan has no circles, so each round finds a node; without recursion, whatever the depth.
    for first in plan.nodes() {
        let mut path: Vec<&Node> = vec![first];
        while let Some(node) = path.last().copied() {
            // A member comes behind what the step waits for that runs its workflow, and that step behind its members.
            let above = node.path.parent().and_then(|above| plan.node(&above));
            let above = above.into_iter().flat_map(|above| &above.step.depends_on);
            let waits_for = node.step.depends_on.iter().chain(above).filter_map(|before| plan.node(before));
            let own = members.get(&node.path).into_iter().flatten().copied();
            let mut before = waits_for.map(|before| &**before).chain(own);
            match before.find(|before| !done.contains(&before.path)) {
                Some(before) if path.len() <= plan.nodes().len() => path.push(before),
                _ => {
                    path.pop();
                    if done.insert(&node.path) {
                        order.push(node);
                    }
                }
            }
        }
    }
    order
}
