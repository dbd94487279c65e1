//! What steps ask of each other.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};

use roboppi_run::StepPath;

use super::step::{DraftInput, DraftOutput, DraftStep};
use super::value;
use crate::diagnostic::{Sink, nearest, quote};

/// Reports references that lead nowhere, clashes, and cycles.
pub(crate) fn check(steps: &[DraftStep], sink: &mut Sink<'_>) {
    let index: HashMap<&StepPath, usize> =
        steps.iter().enumerate().map(|(index, step)| (&step.id.value, index)).collect();
    let made = steps
        .iter()
        .map(|step| {
            step.outputs.iter().filter_map(|output| Some(output.name.as_ref()?.value.as_str())).collect()
        })
        .collect();
    let graph = Graph { steps, index, made, comparisons: Cell::new(MOST_COMPARISONS) };
    let mut edges = Vec::with_capacity(steps.len());
    for step in steps {
        edges.push(graph.dependencies(step, sink));
        outputs(&step.outputs, sink);
        let named: HashSet<&StepPath> = step.depends_on.iter().map(|dependency| &dependency.value).collect();
        for input in &step.inputs {
            graph.input(step, &named, input, sink);
        }
    }
    cycles(steps, &edges, sink);
}

/// Names that are compared for hints. A file with many steps and many mistakes has hints for the first ones.
const MOST_COMPARISONS: usize = 300_000;

/// An entry of `depends_on` that names another step: which one, and which entry.
type Edge = (usize, usize);

struct Graph<'d> {
    steps: &'d [DraftStep],
    index: HashMap<&'d StepPath, usize>,
    /// Names of what each step makes.
    made: Vec<HashSet<&'d str>>,
    /// How many more names may be compared for the sake of a hint.
    comparisons: Cell<usize>,
}

impl Graph<'_> {
    fn dependencies(&self, step: &DraftStep, sink: &mut Sink<'_>) -> Vec<Edge> {
        let mut seen = HashSet::new();
        let mut edges = Vec::new();
        for (entry, dependency) in step.depends_on.iter().enumerate() {
            let name = quote(dependency.value.as_str());
            if !seen.insert(&dependency.value) {
                sink.warning(dependency.span, format!("{name} is there twice"), None);
            } else if dependency.value == step.id.value {
                sink.error(dependency.span, format!("the step {name} depends on itself"), None);
            } else if let Some(target) = self.index.get(&dependency.value) {
                edges.push((*target, entry));
            } else {
                let message = format!("there is no step {name}");
                let hint = self.meant(step, &dependency.value, sink);
                sink.error(dependency.span, message, hint);
            }
        }
        edges
    }

    fn meant(&self, asking: &DraftStep, name: &StepPath, sink: &Sink<'_>) -> Option<String> {
        let left = self.comparisons.get().checked_sub(self.steps.len()).filter(|_| !sink.errors_full())?;
        self.comparisons.set(left);
        let others = self.steps.iter().map(|step| step.id.value.as_str());
        let others = others.filter(|other| *other != asking.id.value.as_str());
        nearest(name.as_str(), others).map(|other| format!("did you mean {}?", quote(other)))
    }

    fn input(&self, step: &DraftStep, named: &HashSet<&StepPath>, input: &DraftInput, sink: &mut Sink<'_>) {
        let Some(from) = &input.from else { return };
        let name = quote(from.value.as_str());
        if from.value == step.id.value {
            sink.error(from.span, format!("the step {name} takes an input from itself"), None);
            return;
        }
        let Some(maker) = self.index.get(&from.value).copied() else {
            // One mistake, one message: a name that `depends_on` has as well was reported there.
            if !named.contains(&from.value) {
                let message = format!("there is no step {name}");
                let hint = self.meant(step, &from.value, sink);
                sink.error(from.span, message, hint);
            }
            return;
        };
        if !named.contains(&from.value) {
            let message = format!("an input comes from {name}, which is not in `depends_on`");
            let hint = format!("add {name} to `depends_on` of {}", quote(step.id.value.as_str()));
            sink.error(from.span, message, Some(hint));
        }
        if let Some(artifact) = &input.artifact
            && self.steps[maker].outputs_known
            && !self.made[maker].contains(artifact.value.as_str())
        {
            let message = format!("the step {name} has no output {}", quote(&artifact.value));
            let made = self.steps[maker].outputs.iter().filter_map(|output| output.name.as_ref());
            let near = if sink.errors_full() {
                None
            } else {
                nearest(&artifact.value, made.map(|name| name.value.as_str()))
            };
            let hint = near.map(|name| format!("did you mean {}?", quote(name)));
            let hint = hint.unwrap_or_else(|| format!("add it to `outputs` of {name}"));
            sink.error(artifact.span, message, Some(hint));
        }
    }
}

fn outputs(outputs: &[DraftOutput], sink: &mut Sink<'_>) {
    let mut seen = HashSet::new();
    for output in outputs {
        if let Some(name) = &output.name
            && !seen.insert(&name.value)
        {
            sink.error(name.span, format!("a second output {}", quote(&name.value)), None);
        }
        if let Some(path) = &output.path
            && value::may_leave(&path.value)
        {
            let message = format!("the path {} may lead out of the workspace", quote(&path.value));
            let hint = "write it relative to the workspace, without `..`";
            sink.error(path.span, message, Some(hint.to_owned()));
        }
    }
}

/// Reports every way back that a walk along the dependencies finds, without recursion.
fn cycles(steps: &[DraftStep], edges: &[Vec<Edge>], sink: &mut Sink<'_>) {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        OnPath(usize),
        Done,
    }
    let mut marks = vec![Mark::New; steps.len()];
    for first in 0..steps.len() {
        if marks[first] != Mark::New {
            continue;
        }
        let mut path = vec![(first, 0)];
        marks[first] = Mark::OnPath(0);
        while let Some((step, next)) = path.last_mut() {
            let step = *step;
            let Some((target, entry)) = edges[step].get(*next).copied() else {
                marks[step] = Mark::Done;
                path.pop();
                continue;
            };
            *next += 1;
            match marks[target] {
                Mark::Done => {}
                Mark::New => {
                    marks[target] = Mark::OnPath(path.len());
                    path.push((target, 0));
                }
                Mark::OnPath(_) if sink.errors_full() => {
                    sink.error(steps[step].depends_on[entry].span, String::new(), None);
                }
                Mark::OnPath(depth) => {
                    let names: Vec<&str> =
                        path[depth..].iter().map(|(step, _)| steps[*step].id.value.as_str()).collect();
                    let message = format!("steps wait for each other: {}", circle(&names));
                    let hint = "each `->` is an entry of `depends_on`; remove one of them";
                    sink.error(steps[step].depends_on[entry].span, message, Some(hint.to_owned()));
                }
            }
        }
    }
}

/// `a -> b -> a`, the middle left out when it is long.
fn circle(names: &[&str]) -> String {
    const ENDS: usize = 5;
    let quoted = |names: &[&str]| names.iter().map(|name| quote(name)).collect::<Vec<_>>().join(" -> ");
    let back = names.first().map_or_else(String::new, |name| quote(name));
    if names.len() <= 2 * ENDS + 1 {
        return format!("{} -> {back}", quoted(names));
    }
    let left_out = names.len() - 2 * ENDS;
    let (head, tail) = (&names[..ENDS], &names[names.len() - ENDS..]);
    format!("{} -> … {left_out} more … -> {} -> {back}", quoted(head), quoted(tail))
}
