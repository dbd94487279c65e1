//! A plan that grows while its run goes on.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use roboppi_ipc::Mono;
use roboppi_run::{Role, StepPath};

use super::schedule::{Verdict, past};
use super::step::{RunStep, StepPhase};
use super::{Phase, RunEffect, RunMachine};
use crate::plan::{MOST_STEPS, Node};

impl RunMachine {
    pub(super) fn extend_plan(&mut self, now: Mono, nodes: Vec<Arc<Node>>, out: &mut Vec<RunEffect>) {
        if let Err(why) = self.check_extension(&nodes) {
            return out.push(RunEffect::ExtensionRefused { why });
        }
        let first = self.steps.len();
        self.add(nodes.iter());
        out.push(RunEffect::PlanExtended { nodes });
        for index in first..self.steps.len() {
            let step = &self.steps[index];
            // One that another new step has taken with it is over already.
            if step.life != StepPhase::Waiting {
                continue;
            }
            let judges = step.judges_outcomes();
            match step.dependencies.iter().copied().find(|dependency| !judges && self.blocks(*dependency)) {
                Some(dependency) => {
                    let dependency = &self.steps[dependency];
                    let why = format!("`{}` {}", dependency.id, past(dependency.life.state()));
                    let state = step.state_without_a_start();
                    self.over(now, index, state, false, Some(why), out);
                    self.release(now, index, Verdict::Blocks, out);
                }
                None => self.make_ready_if_free(index),
            }
        }
    }

    /// Adds steps and links them with what there is. One that depends on a step that is not there waits for it.
    pub(super) fn add<'a>(&mut self, nodes: impl Iterator<Item = &'a Arc<Node>> + Clone) {
        let first = self.steps.len();
        if first == 0 {
            // Most plans never grow.
            self.steps.reserve_exact(nodes.size_hint().0);
        }
        for node in nodes.clone() {
            self.index.insert(node.path.clone(), self.steps.len());
            let accounts = [Role::Work, Role::Check].map(|role| self.account_place(node.task(role)));
            self.steps.push(RunStep { accounts, ..RunStep::new(node) });
            self.open += 1;
            self.join_group(self.steps.len() - 1);
        }
        for (index, node) in (first..).zip(nodes) {
            self.steps[index].dependencies.reserve_exact(node.step.depends_on.len());
            for dependency in node.step.depends_on.iter().collect::<HashSet<_>>() {
                self.steps[index].blockers += 1;
                let Some(dependency) = self.index.get(dependency).copied() else { continue };
                self.steps[dependency].dependents.push(index);
                self.steps[index].dependencies.push(dependency);
                let judges = self.steps[index].judges_outcomes();
                if matches!(self.steps[dependency].life, StepPhase::Over { satisfies, .. } if satisfies || judges)
                {
                    self.steps[index].blockers -= 1;
                }
            }
        }
    }

    /// Why nodes cannot be added.
    fn check_extension(&self, nodes: &[Arc<Node>]) -> Result<(), String> {
        match self.phase {
            Phase::Idle | Phase::Running => {}
            Phase::Ending(_) => return Err("the run is being ended: nothing new starts".to_owned()),
            Phase::Finished => return Err("the run is over".to_owned()),
        }
        // A plan that makes itself longer must come to an end.
        if self.steps.len() + nodes.len() > MOST_STEPS {
            return Err(format!("the plan would have more than {MOST_STEPS} steps"));
        }
        let mut new: HashMap<&StepPath, usize> = HashMap::with_capacity(nodes.len());
        for (index, node) in nodes.iter().enumerate() {
            if self.index.contains_key(&node.path) || new.insert(&node.path, index).is_some() {
                return Err(format!("there is a step `{}` already", node.path));
            }
        }
        let mut waits_for = vec![0_usize; nodes.len()];
        let mut dependents = vec![Vec::new(); nodes.len()];
        for (index, node) in nodes.iter().enumerate() {
            for dependency in node.step.depends_on.iter().collect::<HashSet<_>>() {
                if let Some(other) = new.get(dependency) {
                    waits_for[index] += 1;
                    dependents[*other].push(index);
                } else if !self.index.contains_key(dependency) {
                    return Err(format!("`{}` depends on `{dependency}`, which is no step", node.path));
                }
            }
        }
        let mut free: Vec<usize> = (0..nodes.len()).filter(|index| waits_for[*index] == 0).collect();
        while let Some(index) = free.pop() {
            for dependent in &dependents[index] {
                waits_for[*dependent] -= 1;
                if waits_for[*dependent] == 0 {
                    free.push(*dependent);
                }
            }
        }
        match waits_for.iter().position(|left| *left > 0) {
            Some(index) => Err(format!("`{}` depends on what depends on it", nodes[index].path)),
            None => Ok(()),
        }
    }
}
