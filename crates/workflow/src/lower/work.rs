//! Which worker does what, of a step and of its check.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use roboppi_ipc::{Capability, WorkerKind};
use roboppi_run::StepPath;

use super::env::Scope;
use super::fields::{Field, Fields};
use super::{agent, value};
use crate::definition::AgentOptions;
use crate::diagnostic::{Sink, nearest, quote};
use crate::kinds::{OtherKinds, WorkerKinds};
use crate::source::Value;
use crate::template::Template;

/// Which worker does what, of a step or of its check, as far as it could be read.
#[derive(Default)]
pub(super) struct WorkKeys {
    pub(super) worker: Option<WorkerKind>,
    pub(super) instructions: Option<String>,
    pub(super) capabilities: Vec<Capability>,
    pub(super) agent: AgentOptions,
}

/// What steps of a workflow have in common.
#[derive(Default)]
pub(super) struct SharedParts {
    /// The paths of all steps.
    pub(super) paths: HashSet<StepPath>,
    /// The lists of capabilities that they have: there are few different ones.
    capabilities: HashSet<Arc<[Capability]>>,
    /// Time limit of the run.
    pub(super) timeout: Duration,
}

impl SharedParts {
    pub(super) fn of(paths: impl Iterator<Item = StepPath>, timeout: Duration) -> Self {
        Self { paths: paths.collect(), timeout, ..Self::default() }
    }

    pub(super) fn capabilities(&mut self, list: &[Capability]) -> Arc<[Capability]> {
        if let Some(known) = self.capabilities.get(list) {
            return Arc::clone(known);
        }
        let list: Arc<[Capability]> = list.into();
        self.capabilities.insert(Arc::clone(&list));
        list
    }
}

/// The keys that say which worker does what. Those that are `borrowed` need not be there.
pub(super) fn work_keys(
    fields: &Fields<'_>,
    borrowed: bool,
    kinds: &WorkerKinds,
    scope: &Scope<'_>,
    sink: &mut Sink<'_>,
) -> WorkKeys {
    if let Some(at) = fields.get("run") {
        if !fields.has("instructions") {
            return script(fields, &at, kinds, scope, sink);
        }
        let message = format!("{} has no effect beside `instructions`", quote(&at.path));
        let hint = "remove one of them";
        sink.warning(at.key_span, message, Some(hint.to_owned()));
    }
    let must = |name: &str, sink: &mut Sink<'_>| {
        if borrowed { fields.get(name) } else { fields.required(name, sink) }
    };
    let worker = must("worker", sink).and_then(|at| worker(&at, kinds, sink));
    WorkKeys {
        worker,
        instructions: must("instructions", sink).and_then(|at| instructions(&at, worker, scope, sink)),
        capabilities: must("capabilities", sink).map(|at| capabilities(&at, sink)).unwrap_or_default(),
        agent: agent::agent(fields, worker, sink),
    }
}

/// The same of `run`, which says that a script does it.
fn script(
    fields: &Fields<'_>,
    run: &Field<'_>,
    kinds: &WorkerKinds,
    scope: &Scope<'_>,
    sink: &mut Sink<'_>,
) -> WorkKeys {
    if let Some(at) = fields.get("worker")
        && let Some(kind) = worker(&at, kinds, sink).filter(|kind| *kind != WorkerKind::CUSTOM)
    {
        let message = format!("{} is a script, which `{kind}` does not run", quote(&run.path));
        let hint = "write `instructions:` for an agent, or remove `worker`";
        sink.error(run.key_span, message, Some(hint.to_owned()));
    }
    let known = fields.get("capabilities").map(|at| capabilities(&at, sink));
    let worker = Some(WorkerKind::CUSTOM);
    WorkKeys {
        worker,
        instructions: instructions(run, worker, scope, sink),
        capabilities: known.unwrap_or_else(|| vec![Capability::RunCommands]),
        agent: agent::agent(fields, worker, sink),
    }
}

/// Bytes of the longest instructions. JSON may make six of each, and a message to a core has to hold them.
const MAX_INSTRUCTIONS: usize = 1 << 20;

/// What the worker is to do. What no message holds, and a NUL, which would cut a script short, are found here and not when the
/// step starts.
fn instructions(
    at: &Field<'_>,
    worker: Option<WorkerKind>,
    scope: &Scope<'_>,
    sink: &mut Sink<'_>,
) -> Option<String> {
    let text = value::text(at, sink)?;
    if text.value.len() > MAX_INSTRUCTIONS {
        let message = format!(
            "{} has {} bytes, at most {MAX_INSTRUCTIONS} can be handed to a worker",
            quote(&at.path),
            text.value.len()
        );
        let hint = "put the text in a file, and have the step read that";
        sink.error(text.span, message, Some(hint.to_owned()));
    }
    if worker == Some(WorkerKind::CUSTOM) && text.value.contains('\0') {
        let message = format!("{} holds a NUL, which no shell can read", quote(&at.path));
        sink.error(text.span, message, Some("take it out".to_owned()));
    }
    references(at, &text.value, worker, scope, sink);
    Some(text.value)
}

/// What instructions refer to, in a workflow with inputs: in others `${{` is text as any other. A script has values as variables: what
/// is put into its text would be run.
fn references(
    at: &Field<'_>,
    text: &str,
    worker: Option<WorkerKind>,
    scope: &Scope<'_>,
    sink: &mut Sink<'_>,
) {
    if !scope.has_inputs() || !Template::is_in(text) {
        return;
    }
    if worker == Some(WorkerKind::CUSTOM) {
        let message = format!("{} is a script, into which nothing is put for `${{{{`", quote(&at.path));
        let hint = "give the value as a variable, `env: { VALUE: \"${{ inputs.NAME }}\" }`, and write \"$VALUE\" in the script";
        sink.error(at.place(), message, Some(hint.to_owned()));
    } else {
        scope.template(at, text, sink);
    }
}

/// A kind that is known, or one that another core may have.
fn worker(at: &Field<'_>, kinds: &WorkerKinds, sink: &mut Sink<'_>) -> Option<WorkerKind> {
    let known: Vec<_> = kinds.known().iter().map(|kind| (kind.name(), *kind)).collect();
    let Value::Text(text) = &at.node.value else { return value::choice(at, &known, sink) };
    let is_known = known.iter().any(|(name, _)| name == text);
    let Some(kind) = WorkerKind::new(text).ok().filter(|_| !is_known) else {
        return value::choice(at, &known, sink);
    };
    let hint =
        nearest(text, known.iter().map(|(name, _)| *name)).map(|meant| format!("did you mean `{meant}`?"));
    match kinds.meaning_of_others() {
        OtherKinds::Accepted => Some(kind),
        OtherKinds::Unsure(core) => {
            let message = format!(
                "{} names `{kind}`, which does not come with roboppi: whether {core} has it is seen when it starts",
                quote(&at.path)
            );
            sink.warning(at.place(), message, hint);
            Some(kind)
        }
        OtherKinds::Refused => {
            let hint = hint.unwrap_or_else(|| {
                format!("to run it with a core of your own, name that under `cores: {{ {kind}: … }}` in config.yaml")
            });
            value::mismatch(at, &value::one_of(&known), Some(hint), sink);
            None
        }
    }
}

fn capabilities(at: &Field<'_>, sink: &mut Sink<'_>) -> Vec<Capability> {
    let known: Vec<_> = Capability::NAMES.into_iter().zip(Capability::ALL).collect();
    let items = value::list(at, "capabilities", sink);
    if items.as_ref().is_some_and(Vec::is_empty) {
        let hint = format!("known ones are {}", Capability::NAMES.join(", "));
        sink.error(at.place(), format!("{} must not be empty", quote(&at.path)), Some(hint));
    }
    let mut capabilities = Vec::new();
    for item in items.into_iter().flatten() {
        let Some(capability) = value::choice(&item, &known, sink) else { continue };
        if capabilities.contains(&capability) {
            sink.warning(item.place(), format!("`{}` is there twice", capability.name()), None);
        } else {
            capabilities.push(capability);
        }
    }
    capabilities
}
