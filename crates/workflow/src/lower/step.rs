//! One step.

use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexSet;
use roboppi_ipc::WorkerKind;
use roboppi_run::StepPath;

use super::check::{DraftCheck, OfStep};
use super::control::control;
use super::env::Scope;
use super::fields::{Field, Fields};
use super::secrets::secrets;
use super::step_defaults::StepDefaults;
use super::subworkflow::{DraftSubworkflow, subworkflow};
use super::work::{SharedParts, WorkKeys, work_keys};
use super::{Located, agent, check, names, value};
use crate::control::StepControl;
use crate::definition::{InputRef, OnFailure, OnLimit, OutputSpec, SecretSource, Step};
use crate::diagnostic::{Sink, quote};
use crate::inputs::Variables;
use crate::keys::Section;
use crate::kinds::WorkerKinds;
use crate::source::Entry;

/// A step as far as it could be read. What is missing was reported.
pub(crate) struct DraftStep {
    pub(crate) id: Located<StepPath>,
    pub(crate) depends_on: Vec<Located<StepPath>>,
    pub(crate) inputs: Vec<DraftInput>,
    pub(crate) outputs: Vec<DraftOutput>,
    /// Whether `outputs` is all this step makes.
    pub(crate) outputs_known: bool,
    pub(crate) host: Option<Located<String>>,
    description: Option<String>,
    work: WorkKeys,
    workspace: Option<String>,
    timeout: Option<Duration>,
    idle: Option<Duration>,
    file_changes: Option<bool>,
    grace: Option<Duration>,
    max_retries: u32,
    on_failure: OnFailure,
    on_limit: Option<OnLimit>,
    continue_on_error: bool,
    secrets: Vec<SecretSource>,
    env: Arc<Variables>,
    control: StepControl,
    check: Option<Box<DraftCheck>>,
    call: Option<Box<DraftSubworkflow>>,
}

/// An entry of `inputs` as far as it could be read.
pub(crate) struct DraftInput {
    pub(crate) from: Option<Located<StepPath>>,
    pub(crate) artifact: Option<Located<String>>,
    rename: Option<String>,
}

/// An entry of `outputs` as far as it could be read.
pub(crate) struct DraftOutput {
    pub(crate) name: Option<Located<String>>,
    pub(crate) path: Option<Located<String>>,
    kind: Option<String>,
}

impl DraftOutput {
    pub(super) const fn new(name: Located<String>, path: Located<String>) -> Self {
        Self { name: Some(name), path: Some(path), kind: None }
    }
}

impl DraftStep {
    fn empty(id: Located<StepPath>) -> Self {
        Self {
            id,
            depends_on: Vec::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            outputs_known: false,
            host: None,
            description: None,
            work: WorkKeys::default(),
            workspace: None,
            timeout: None,
            idle: None,
            file_changes: None,
            grace: None,
            max_retries: 0,
            on_failure: OnFailure::default(),
            on_limit: None,
            continue_on_error: false,
            secrets: Vec::new(),
            env: Arc::default(),
            control: StepControl::default(),
            check: None,
            call: None,
        }
    }

    pub(super) const fn has_check(&self) -> bool {
        self.check.is_some()
    }

    /// The kind of its worker and that of its check, if it has one; `None` for one that could not be read.
    pub(super) fn workers(&self) -> impl Iterator<Item = Option<WorkerKind>> + use<> {
        let own = if self.call.is_some() { Some(WorkerKind::CUSTOM) } else { self.work.worker };
        std::iter::once(own).chain(self.check.as_ref().map(|check| check.worker()))
    }

    /// The step, when nothing of it is missing.
    pub(super) fn finish(self, shared: &mut SharedParts) -> Option<(StepPath, Step)> {
        let control = self.control.shared();
        let of_step = OfStep {
            timeout: self.timeout,
            grace: self.grace,
            max_retries: self.max_retries,
            on_failure: self.on_failure,
            env: Arc::clone(&self.env),
            control: StepControl { condition: None, ..(*control).clone() }.shared(),
        };
        let check = match self.check {
            Some(check) => Some(Arc::new(check.finish(of_step, shared)?)),
            None => None,
        };
        let call = match self.call {
            Some(call) => Some(Arc::new(call.finish(&self.id.value, check.is_some())?)),
            None => None,
        };
        // A workflow has no worker of its own.
        let worker = if call.is_some() { WorkerKind::CUSTOM } else { self.work.worker? };
        let instructions = if call.is_some() { String::new() } else { self.work.instructions? };
        let capabilities = shared.capabilities(&self.work.capabilities);
        // The paths of the steps themselves, so that each text is there once.
        let path = |of: StepPath| shared.paths.get(&of).cloned().unwrap_or(of);
        let inputs = self.inputs.into_iter().map(|input| {
            Some(InputRef {
                from: path(input.from?.value),
                artifact: input.artifact?.value,
                rename: input.rename,
            })
        });
        let outputs = self.outputs.into_iter().map(|output| {
            Some(OutputSpec { name: output.name?.value, path: output.path?.value, kind: output.kind })
        });
        let depends_on: IndexSet<StepPath> =
            self.depends_on.into_iter().map(|dependency| path(dependency.value)).collect();
        let step = Step {
            description: self.description,
            worker,
            instructions,
            capabilities,
            agent: self.work.agent.shared(),
            workspace: self.workspace,
            host: self.host.map(|host| host.value.into()),
            depends_on: depends_on.into_iter().collect(),
            inputs: inputs.collect::<Option<_>>()?,
            outputs: outputs.collect::<Option<_>>()?,
            timeout: self.timeout,
            idle: self.idle,
            file_changes: self.file_changes,
            grace: self.grace,
            max_retries: self.max_retries,
            on_failure: self.on_failure,
            on_limit: self.on_limit,
            continue_on_error: self.continue_on_error,
            secrets: self.secrets,
            env: self.env,
            control,
            check,
            call,
        };
        Some((self.id.value, step))
    }
}

pub(super) fn step<'n>(
    entry: &'n Entry,
    defaults: StepDefaults<'n>,
    kinds: &WorkerKinds,
    scope: &Scope<'_>,
    sink: &mut Sink<'_>,
) -> DraftStep {
    let id = Located { value: StepPath::new(&*entry.key), span: entry.key_span };
    names::step(&entry.key, entry.key_span, sink);
    let mut draft = DraftStep::empty(id);
    let path = format!("steps.{}", entry.key);
    let Some(mut fields) = Fields::read(&entry.value, Section::Step, &path, entry.key_span, sink) else {
        return draft;
    };

    defaults.add_to(&mut fields);

    // These take their work from elsewhere, and what they lack is no mistake.
    let borrowed = fields.has("agent") || fields.has("workflow");
    draft.call = subworkflow(&fields, sink).map(Box::new);
    let text = |name: &str, sink: &mut Sink<'_>| {
        fields.get(name).and_then(|at| value::text(&at, sink)).map(|text| text.value)
    };
    if draft.call.is_none() {
        draft.work = work_keys(&fields, borrowed, kinds, scope, sink);
    }
    draft.description = fields.get("description").and_then(|at| value::note(&at, sink));
    draft.workspace = text("workspace", sink);
    draft.host = fields.get("host").and_then(|at| value::text(&at, sink));
    if let Some(at) = fields.get("depends_on") {
        draft.depends_on = depends_on(&at, sink);
    }
    if let Some(at) = fields.get("inputs") {
        draft.inputs = inputs(&at, sink);
    }
    if let Some(call) = &draft.call {
        draft.outputs = call.outputs();
        draft.outputs_known = true;
    } else {
        let outputs = fields.get("outputs").map(|at| outputs(&at, sink));
        draft.outputs_known = !borrowed && !matches!(outputs, Some(None));
        draft.outputs = outputs.flatten().unwrap_or_default();
    }
    draft.timeout = fields.get("timeout").and_then(|at| value::duration(&at, sink));
    draft.idle = fields.get("idle").and_then(|at| agent::idle(&at, sink));
    draft.file_changes = fields.get("file_changes").and_then(|at| value::flag(&at, sink));
    draft.grace = fields.get("grace").and_then(|at| value::duration(&at, sink));
    draft.continue_on_error =
        fields.get("continue_on_error").and_then(|at| value::flag(&at, sink)).unwrap_or_default();
    draft.secrets = fields.get("secrets").map(|at| secrets(&at, sink)).unwrap_or_default();
    retries(&fields, &mut draft, sink);
    let depends_on = |step: &StepPath| draft.depends_on.iter().any(|on| on.value == *step);
    draft.control = control(&fields, &depends_on, scope, sink);
    draft.env = scope.variables(&fields, sink);
    draft.check = check::check(&fields, kinds, scope, sink);
    let choices = OnLimit::ALL.map(|choice| (choice.name(), choice));
    draft.on_limit = fields.get("on_limit").and_then(|at| value::choice(&at, &choices, sink));
    draft
}

fn depends_on(at: &Field<'_>, sink: &mut Sink<'_>) -> Vec<Located<StepPath>> {
    let items = value::list(at, "step names", sink);
    items.into_iter().flatten().filter_map(|item| step_name(&item, sink)).collect()
}

/// The name of a step, as a reference to it: the text of the scalar, because that is what a key is. So `2.0` means
/// the step `2.0` and not `2`.
pub(super) fn step_name(at: &Field<'_>, sink: &mut Sink<'_>) -> Option<Located<StepPath>> {
    if let Some(written) = &at.node.written {
        return Some(Located { value: StepPath::new(written.to_string()), span: at.place() });
    }
    value::text(at, sink).map(|name| Located { value: StepPath::new(name.value), span: name.span })
}

fn inputs(at: &Field<'_>, sink: &mut Sink<'_>) -> Vec<DraftInput> {
    let items = value::list(at, "maps with `from` and `artifact`", sink);
    let mut inputs = Vec::new();
    for item in items.into_iter().flatten() {
        let Some(fields) = Fields::read(item.node, Section::Input, &item.path, item.key_span, sink) else {
            continue;
        };
        inputs.push(DraftInput {
            from: fields.required("from", sink).and_then(|at| step_name(&at, sink)),
            artifact: fields.required("artifact", sink).and_then(|at| names::artifact(&at, sink)),
            rename: fields.get("as").and_then(|at| names::artifact(&at, sink)).map(|name| name.value),
        });
    }
    inputs
}

/// `None` when it cannot be known what the step makes.
fn outputs(at: &Field<'_>, sink: &mut Sink<'_>) -> Option<Vec<DraftOutput>> {
    let items = value::list(at, "maps with `name` and `path`", sink)?;
    let mut outputs = Some(Vec::new());
    for item in items {
        let Some(fields) = Fields::read(item.node, Section::Output, &item.path, item.key_span, sink) else {
            outputs = None;
            continue;
        };
        let output = DraftOutput {
            name: fields.required("name", sink).and_then(|at| names::artifact(&at, sink)),
            path: fields.required("path", sink).and_then(|at| value::text(&at, sink)),
            kind: fields.get("type").and_then(|at| value::note(&at, sink)),
        };
        if output.name.is_none() {
            outputs = None;
        } else if let Some(outputs) = &mut outputs {
            outputs.push(output);
        }
    }
    outputs
}

fn retries(fields: &Fields<'_>, draft: &mut DraftStep, sink: &mut Sink<'_>) {
    let max_retries = fields.get("max_retries");
    let on_failure = fields.get("on_failure");
    let retries = max_retries.as_ref().and_then(|at| value::whole(at, 0, sink));
    let choices = OnFailure::ALL.map(|choice| (choice.name(), choice));
    let chosen = on_failure.as_ref().and_then(|at| value::choice(at, &choices, sink));
    draft.max_retries = retries.unwrap_or_default();
    draft.on_failure = chosen.unwrap_or_default();

    let readable = on_failure.is_none() || chosen.is_some();
    if let Some(at) = &max_retries
        && retries.is_some_and(|retries| retries > 0)
        && readable
        && draft.on_failure != OnFailure::Retry
    {
        let message = format!("{} has no effect without `on_failure: retry`", quote(&at.path));
        sink.warning(at.key_span, message, Some("add `on_failure: retry` to the step".to_owned()));
    }
    if let Some(at) = &on_failure
        && chosen == Some(OnFailure::Retry)
        && max_retries.is_none()
    {
        let message =
            format!("{} has no effect without `max_retries`", quote(&format!("{}: retry", at.path)));
        sink.warning(at.place(), message, Some("add `max_retries: 1` or more to the step".to_owned()));
    }
}
