//! Steps that run another workflow: their keys, and how the files become one workflow.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use indexmap::IndexMap;
use roboppi_ipc::VariablePolicy;
use roboppi_run::StepPath;

use super::fields::{Field, Fields};
use super::step::{DraftOutput, step_name};
use super::{Located, names, value};
use crate::control::StepControl;
use crate::definition::{ExportsMode, InputRef, Step, Subworkflow, Workflow};
use crate::diagnostic::{FileId, FileRef, Sink, Span, quote};
use crate::keys::Section;
use crate::plan::MOST_STEPS;
use crate::source::Value;
use crate::sources::Sources;

/// The key that switches on what only a step with a workflow does.
pub(crate) const BUBBLES: &str = "bubble_subworkflow_events";

/// Keys that only a step with `workflow` has.
pub(crate) const OF_SUBWORKFLOWS: [&str; 4] =
    ["exports", "exports_mode", BUBBLES, "subworkflow_event_prefix"];

/// Keys that a step with `workflow` cannot have: its steps have them.
pub(crate) const OF_WORKERS: [&str; 20] = [
    "worker",
    "instructions",
    "capabilities",
    "run",
    "agent",
    "model",
    "variant",
    "max_steps",
    "max_command_time",
    "max_cost",
    "max_tokens",
    "program",
    "mcp_config",
    "add_dirs",
    "append_system_prompt",
    "defaultArgs",
    "workspace",
    "host",
    "outputs",
    "idle",
];

/// The workflow of a step as far as it could be read.
pub(super) struct DraftSubworkflow {
    file: Option<Located<String>>,
    exports: Vec<DraftExport>,
    mode: Option<ExportsMode>,
    bubbles: bool,
    prefix: Option<String>,
}

struct DraftExport {
    from: Option<Located<StepPath>>,
    artifact: Option<Located<String>>,
    rename: Option<Located<String>>,
}

impl DraftSubworkflow {
    /// What the step makes: its exports, under the names they have here.
    pub(super) fn outputs(&self) -> Vec<DraftOutput> {
        let named = self.exports.iter().filter_map(|export| {
            let (from, artifact) = (export.from.as_ref()?, export.artifact.as_ref()?);
            let name = export.rename.as_ref().unwrap_or(artifact).clone();
            let path = format!("{}/{}", from.value, artifact.value);
            Some(DraftOutput::new(name, Located { value: path, span: artifact.span }))
        });
        named.collect()
    }

    pub(super) fn finish(self, step: &StepPath, is_checked: bool) -> Option<Subworkflow> {
        let file = self.file?;
        let exports = self.exports.into_iter().map(|export| {
            Some(InputRef {
                from: export.from?.value,
                artifact: export.artifact?.value,
                rename: export.rename.map(|name| name.value),
            })
        });
        let by_default = if is_checked { ExportsMode::Replace } else { ExportsMode::Merge };
        let prefix = self.prefix.filter(|prefix| prefix != "auto");
        Some(Subworkflow {
            file: file.value,
            span: file.span,
            exports: exports.collect::<Option<_>>()?,
            mode: self.mode.unwrap_or(by_default),
            event_prefix: self.bubbles.then(|| prefix.unwrap_or_else(|| step.to_string())),
            concurrency: None,
            is_linked: false,
        })
    }
}

/// The workflow that a step runs; `None` for a step that has a worker.
pub(super) fn subworkflow(fields: &Fields<'_>, sink: &mut Sink<'_>) -> Option<DraftSubworkflow> {
    let Some(at) = fields.get("workflow") else {
        for name in OF_SUBWORKFLOWS {
            let Some(at) = fields.get(name) else { continue };
            // What does not happen anyway may be switched off.
            if name == BUBBLES && matches!(at.node.value, Value::Bool(false)) {
                continue;
            }
            let message = format!("{} has no effect on a step with a worker", quote(&at.path));
            let hint = "it is for a step with `workflow`; remove it";
            sink.error(at.key_span, message, Some(hint.to_owned()));
        }
        return None;
    };
    for other in OF_WORKERS.into_iter().filter_map(|name| fields.get(name)) {
        let message = format!("{} does not go with `workflow`", quote(&other.path));
        let hint = "the steps of that workflow have their own; remove one of the two";
        sink.error(other.key_span, message, Some(hint.to_owned()));
    }
    let file = value::argument(&at, sink).map(|value| Located { value, span: at.place() });
    if let Some(file) = &file {
        sink.need(&file.value, file.span);
    }
    let choices = ExportsMode::ALL.map(|choice| (choice.name(), choice));
    let text = |name: &str, sink: &mut Sink<'_>| {
        fields.get(name).and_then(|at| value::text(&at, sink)).map(|text| text.value)
    };
    Some(DraftSubworkflow {
        file,
        exports: fields.get("exports").map(|at| exports(&at, sink)).unwrap_or_default(),
        mode: fields.get("exports_mode").and_then(|at| value::choice(&at, &choices, sink)),
        bubbles: fields
            .get("bubble_subworkflow_events")
            .and_then(|at| value::flag(&at, sink))
            .unwrap_or_default(),
        prefix: text("subworkflow_event_prefix", sink),
    })
}

fn exports(at: &Field<'_>, sink: &mut Sink<'_>) -> Vec<DraftExport> {
    let items = value::list(at, "maps with `from` and `artifact`", sink);
    let mut exports = Vec::new();
    for item in items.into_iter().flatten() {
        let Some(fields) = Fields::read(item.node, Section::Export, &item.path, item.key_span, sink) else {
            continue;
        };
        exports.push(DraftExport {
            from: fields.required("from", sink).and_then(|at| step_name(&at, sink)),
            artifact: fields.required("artifact", sink).and_then(|at| names::artifact(&at, sink)),
            rename: fields.get("as").and_then(|at| names::artifact(&at, sink)),
        });
    }
    exports
}

/// Reports files that run themselves, directly or not, and files that are too deep in each other.
pub(crate) fn check_nesting(sources: &Sources, needs: &[FileRef], sink: &mut Sink<'_>) {
    let mut calls: HashMap<FileId, Vec<(FileId, Span)>> = HashMap::new();
    for need in needs {
        if let Some(Ok(file)) = sources.answer(need) {
            calls.entry(need.span.file).or_default().push((*file, need.span));
        }
    }
    let mut nesting = Nesting { sources, calls: &calls, reported: HashSet::new(), seen: HashSet::new() };
    nesting.walk(&mut vec![FileId::default()], sink);
}

struct Nesting<'s> {
    sources: &'s Sources,
    calls: &'s HashMap<FileId, Vec<(FileId, Span)>>,
    /// Calls that were reported.
    reported: HashSet<Span>,
    /// Files and depths at which they were looked at.
    seen: HashSet<(FileId, usize)>,
}

impl Nesting<'_> {
    /// Calls itself no deeper than files may be in each other.
    fn walk(&mut self, stack: &mut Vec<FileId>, sink: &mut Sink<'_>) {
        let Some(file) = stack.last().copied() else { return };
        if !self.seen.insert((file, stack.len())) {
            return;
        }
        for (callee, span) in self.calls.get(&file).cloned().unwrap_or_default() {
            let names = |files: &[FileId]| {
                let names = files.iter().chain([&callee]).map(|file| quote(&self.sources.file(*file).name));
                names.collect::<Vec<_>>().join(" -> ")
            };
            if let Some(from) = stack.iter().position(|file| *file == callee) {
                if self.reported.insert(span) {
                    let message = format!("a workflow runs itself: {}", names(&stack[from..]));
                    let hint = "each `->` is a step with `workflow`; remove one of them";
                    sink.error(span, message, Some(hint.to_owned()));
                }
            } else if stack.len() >= self.sources.most_nested() {
                if self.reported.insert(span) {
                    let most = self.sources.most_nested();
                    let message =
                        format!("workflows are nested more than {most} levels deep: {}", names(stack));
                    let hint = "ROBOPPI_MAX_SUBWORKFLOW_DEPTH allows more";
                    sink.error(span, message, Some(hint.to_owned()));
                }
            } else {
                stack.push(callee);
                self.walk(stack, sink);
                stack.pop();
            }
        }
    }
}

/// Puts the steps of all workflows into the one that runs the others, each below the step that runs its workflow. Only for files
/// that do not run themselves.
pub(crate) fn link(
    sources: &Sources,
    workflow: Workflow,
    others: &HashMap<FileId, Workflow>,
    sink: &mut Sink<'_>,
) -> Option<Workflow> {
    let mut linker =
        Linker { sources, others, steps: IndexMap::new(), secrets: Vec::new(), reported: HashSet::new() };
    let mut hosts = workflow.hosts.clone();
    linker.add(&workflow, None, &mut hosts, sink);
    let Linker { steps, secrets, .. } = linker;
    if steps.len() > MOST_STEPS {
        let message = format!("with its subworkflows the workflow has more than {MOST_STEPS} steps");
        sink.error(Span::default(), message, Some("split the workflow".to_owned()));
        return None;
    }
    let mut workflow = workflow;
    workflow.steps = steps;
    workflow.hosts = hosts;
    workflow.secrets.extend(secrets);
    Some(workflow)
}

struct Linker<'s> {
    sources: &'s Sources,
    others: &'s HashMap<FileId, Workflow>,
    steps: IndexMap<StepPath, Arc<Step>>,
    secrets: Vec<crate::definition::SecretSource>,
    /// Calls of which something was said, each with what.
    reported: HashSet<(Span, String)>,
}

impl Linker<'_> {
    fn add(
        &mut self,
        workflow: &Workflow,
        above: Option<&StepPath>,
        hosts: &mut IndexMap<String, crate::definition::HostSpec>,
        sink: &mut Sink<'_>,
    ) {
        let below = |path: &StepPath| above.map_or_else(|| path.clone(), |above| above.join(path));
        for (path, step) in &workflow.steps {
            if self.steps.len() > MOST_STEPS {
                return;
            }
            let place = below(path);
            let mut own = Arc::clone(step);
            if above.is_some() {
                let step = Arc::make_mut(&mut own);
                step.depends_on.iter_mut().for_each(|dependency| *dependency = below(dependency));
                step.inputs.iter_mut().for_each(|input| input.from = below(&input.from));
                if let Some(condition) = &step.control.condition {
                    let condition = Some(condition.with_steps(&below));
                    step.control = Arc::new(StepControl { condition, ..(*step.control).clone() });
                }
            }
            let Some(call) = &step.call else {
                self.steps.insert(place, own);
                continue;
            };
            let need = FileRef { path: call.file.clone(), span: call.span };
            let Some(Ok(file)) = self.sources.answer(&need) else { continue };
            let Some(other) = self.others.get(file) else { continue };
            self.check(call, other, sink);
            self.secrets.extend(other.secrets.iter().cloned());
            for (name, host) in &other.hosts {
                hosts.entry(name.clone()).or_insert_with(|| host.clone());
            }
            let step = Arc::make_mut(&mut own);
            let limit = step.timeout.map_or(other.timeout, |limit| limit.min(other.timeout));
            step.timeout = Some(limit);
            let mut linked = (**call).clone();
            linked.concurrency = other.concurrency;
            linked.is_linked = true;
            linked.exports.iter_mut().for_each(|export| export.from = place.join(&export.from));
            step.call = Some(Arc::new(linked));
            self.steps.insert(place.clone(), own);
            self.add(other, Some(&place), hosts, sink);
        }
    }

    /// Says what of a workflow is missing or has no effect where another one runs it, and which exports it does not make.
    fn check(&mut self, call: &Subworkflow, other: &Workflow, sink: &mut Sink<'_>) {
        let file = quote(&call.file);
        for (name, _) in other.inputs.iter().filter(|(_, input)| input.known().is_none()) {
            let message = format!("{file} needs a value for its input {}", quote(name));
            if self.reported.insert((call.span, message.clone())) {
                sink.error(call.span, message, Some("give it a `default` there".to_owned()));
            }
        }
        let mut warn = |message: String, hint: &str| {
            if self.reported.insert((call.span, message.clone())) {
                sink.warning(call.span, message, Some(hint.to_owned()));
            }
        };
        let without_effect = [
            ("environment", other.environment != VariablePolicy::default()),
            ("max_cost", other.budget.max_cost.is_some()),
            ("max_tokens", other.budget.max_tokens.is_some()),
        ];
        for (key, _) in without_effect.into_iter().filter(|(_, is_there)| *is_there) {
            let message = format!("`{key}` of {file} has no effect here: that of the run holds");
            warn(message, "put it into the file that is run");
        }
        for export in &call.exports {
            let from = quote(export.from.as_str());
            let Some(maker) = other.steps.get(&export.from) else {
                warn(format!("{file} has no step {from}, so nothing of it is exported"), "remove the export");
                continue;
            };
            if maker.outputs.iter().all(|output| output.name != export.artifact) {
                let artifact = quote(&export.artifact);
                let message = format!("the step {from} of {file} has no output {artifact} to export");
                warn(message, "add it to its `outputs`, or remove the export");
            }
        }
    }
}
