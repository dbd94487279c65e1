//! The plan of a workflow as a graph: for a terminal, for Graphviz, for Mermaid and for programs.

mod dot;
mod mermaid;
#[cfg(test)]
mod tests;
mod text;

use std::collections::HashMap;

use roboppi_run::StepPath;
use roboppi_workflow::{Node, Plan};
use serde_json::{Value, json};

use crate::plan::{in_order, stages};

pub use dot::dot;
pub use mermaid::mermaid;
pub use text::text;

/// A step, its stage, and its place in the order of stages, which is its id in formats that need one.
struct Placed<'p> {
    id: usize,
    stage: usize,
    node: &'p Node,
}

/// The steps in the order of their stages.
fn placed(plan: &Plan) -> Vec<Placed<'_>> {
    let stages = stages(plan);
    let placed = in_order(plan, &stages).into_iter().enumerate();
    placed.map(|(index, (stage, node))| Placed { id: index + 1, stage, node }).collect()
}

fn ids<'p>(steps: &[Placed<'p>]) -> HashMap<&'p StepPath, usize> {
    steps.iter().map(|step| (&step.node.path, step.id)).collect()
}

/// Artifacts that a step takes from one that it waits for.
fn artifacts<'n>(node: &'n Node, from: &StepPath) -> Vec<&'n str> {
    node.step.inputs.iter().filter(|input| input.from == *from).map(|input| input.artifact.as_str()).collect()
}

/// A JSON object: the steps with their stages, and the edges with their artifacts.
#[must_use]
pub fn object(name: &str, plan: &Plan) -> String {
    let steps = placed(plan);
    let edges = steps.iter().flat_map(|step| {
        let edge = |before| {
            json!({ "from": before, "to": step.node.path, "artifacts": artifacts(step.node, before) })
        };
        step.node.step.depends_on.iter().map(edge)
    });
    let edges: Vec<Value> = edges.collect();
    let nodes: Vec<Value> = steps
        .iter()
        .map(|step| {
            json!({
                "step": step.node.path,
                "stage": step.stage,
                "worker": step.node.kind().name(),
                "description": step.node.step.description,
            })
        })
        .collect();
    let graph = json!({ "name": name, "concurrency": plan.concurrency, "steps": nodes, "edges": edges });
    roboppi_untrusted::json(&format!("{graph:#}\n")).into_owned()
}
