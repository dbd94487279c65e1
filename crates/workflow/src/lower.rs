//! From the tree to a draft of the workflow. Collects every mistake instead of stopping at the first.

mod agent;
mod branch;
mod budget;
mod check;
mod config;
pub(crate) mod control;
mod convergence;
mod describe;
pub(crate) mod env;
mod environment;
mod fields;
mod graph;
mod hosts;
mod inputs;
mod meant;
pub(crate) mod names;
pub(crate) mod off;
mod other_files;
mod secrets;
mod step;
mod step_defaults;
pub(crate) mod subworkflow;
mod synonyms;
mod value;
mod work;

use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;

use crate::definition::Workflow;
use crate::diagnostic::{Sink, Span, quote};
use crate::keys::Section;
use crate::kinds::WorkerKinds;
use crate::plan::MOST_STEPS;
use crate::source::{Node, Value};
use fields::Fields;
use step::DraftStep;
use work::SharedParts;

pub(crate) use agent::OF_AGENTS;
pub(crate) use config::config;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Located<T> {
    pub(crate) value: T,
    pub(crate) span: Span,
}

/// The workflow a tree describes; `None` when `sink` has been told of an error.
pub(crate) fn workflow(root: &Node, kinds: &WorkerKinds, sink: &mut Sink<'_>) -> Option<Workflow> {
    let start = Span { end: root.span.start, ..root.span };
    if let Some((what, hint)) = other_files::recognised(root) {
        sink.error(start, what, Some(hint.to_owned()));
        return None;
    }
    let fields = Fields::read(root, Section::Workflow, "", start, sink)?;

    let name = fields.required("name", sink).and_then(|at| value::text(&at, sink));
    version(&fields, sink);
    let description = fields.get("description").and_then(|at| value::note(&at, sink));
    let timeout: Option<Duration> =
        fields.required("timeout", sink).and_then(|at| value::duration(&at, sink));
    let concurrency = fields.get("concurrency").and_then(|at| value::whole(&at, 1, sink));
    let context_dir = fields.get("context_dir").and_then(|at| value::text(&at, sink));
    let secrets = fields.get("secrets").map(|at| secrets::secrets(&at, sink)).unwrap_or_default();
    let environment =
        fields.get("environment").map(|at| environment::environment(&at, sink)).unwrap_or_default();
    let mut hosts = kinds.hosts().clone();
    hosts.extend(fields.get("hosts").map(|at| hosts::hosts(&at, sink)).unwrap_or_default());
    let inputs = fields.get("inputs").map_or_else(|| Some(IndexMap::new()), |at| inputs::inputs(&at, sink));
    let mut scope = env::Scope { inputs: inputs.as_ref(), env: Arc::default() };
    scope.env = Arc::new(fields.get("env").map(|at| env::env(&at, &scope, sink)).unwrap_or_default());
    let defaults = fields.get("defaults").map(|at| step_defaults::step_defaults(&at, sink));
    let drafts = steps(&fields, defaults.unwrap_or_default(), kinds, &scope, sink);
    hosts::check(&drafts, &hosts, kinds.accepts_any_host(), sink);
    graph::check(&drafts, sink);
    let branch = branch::branch(&fields, &drafts, sink);
    let budget = budget::budget(&fields, sink);
    budget::check(
        &fields,
        drafts.iter().flat_map(|draft| draft.workers().map(|kind| (&draft.id.value, kind))),
        sink,
    );

    if sink.errors() > 0 {
        return None;
    }
    let mut shared = SharedParts::of(drafts.iter().map(|draft| draft.id.value.clone()), timeout?);
    let mut steps = IndexMap::with_capacity(drafts.len());
    for draft in drafts {
        let (id, step) = draft.finish(&mut shared)?;
        steps.insert(id, Arc::new(step));
    }
    Some(Workflow {
        only: Vec::new(),
        name: name?.value,
        description,
        timeout: timeout?,
        concurrency,
        budget,
        branch,
        context_dir: context_dir.map(|text| text.value),
        secrets,
        environment,
        inputs: inputs?,
        hosts,
        steps,
    })
}

fn version(fields: &Fields<'_>, sink: &mut Sink<'_>) {
    let Some(at) = fields.required("version", sink) else { return };
    let hint = || Some("write `version: \"1\"`".to_owned());
    match &at.node.value {
        Value::Text(text) if text == "1" => {}
        Value::Text(text) => {
            let message = format!("version {} of the language is not known", quote(text));
            sink.error(at.node.span, message, hint());
        }
        Value::Number(number) if (*number - 1.0).abs() < f64::EPSILON => {
            sink.error(at.node.span, "`version` must be text, found a number", hint());
        }
        _ => value::mismatch(&at, "the text `\"1\"`", hint(), sink),
    }
}

fn steps(
    fields: &Fields<'_>,
    defaults: step_defaults::StepDefaults<'_>,
    kinds: &WorkerKinds,
    scope: &env::Scope<'_>,
    sink: &mut Sink<'_>,
) -> Vec<DraftStep> {
    let Some(at) = fields.required("steps", sink) else { return Vec::new() };
    let Value::Map(entries) = &at.node.value else {
        let hint = match at.node.value {
            Value::List(_) => Some(
                "write each step below its name, without `-`: `steps:`, then `  build:`, then `    worker: CUSTOM`",
            ),
            Value::Null => Some("indent the steps below it by two spaces"),
            _ => None,
        };
        value::mismatch(&at, "a map of steps", hint.map(str::to_owned), sink);
        return Vec::new();
    };
    if entries.is_empty() {
        sink.error(at.place(), "`steps` has no step", None);
    }
    if entries.len() > MOST_STEPS {
        let message = format!("`steps` has {} steps, at most {MOST_STEPS} are allowed", entries.len());
        sink.error(at.key_span, message, Some("split the workflow".to_owned()));
        return Vec::new();
    }
    let mut drafts: Vec<_> =
        entries.iter().map(|entry| step::step(entry, defaults, kinds, scope, sink)).collect();
    // Names that look like array indices come first, ascending: the order of the existing program.
    drafts.sort_by_key(|draft| array_index(draft.id.value.as_str()).map_or(u64::MAX, u64::from));
    drafts
}

/// The index a name is, when it is written exactly as an array index would be.
fn array_index(name: &str) -> Option<u32> {
    let index: u32 = name.parse().ok()?;
    (index != u32::MAX && index.to_string() == name).then_some(index)
}

#[cfg(test)]
mod tests {
    use super::array_index;

    #[test]
    fn only_canonical_numbers_are_array_indices() {
        let indices = ["0", "10", "4294967294", "4294967295", "01", "+1", "1.0", "-1", ""].map(array_index);
        assert_eq!(indices[..3], [Some(0), Some(10), Some(4_294_967_294)]);
        assert_eq!(indices[3..], [None; 6]);
    }
}
