//! `completion_check`, and the keys of a step that go with it.

use std::sync::Arc;
use std::time::Duration;

use roboppi_ipc::{Capability, WorkerKind};

use super::convergence::convergence;
use super::env::Scope;
use super::fields::{Field, Fields};
use super::work::{SharedParts, WorkKeys, work_keys};
use super::{agent, off, value};
use crate::control::StepControl;
use crate::convergence::Convergence;
use crate::definition::{CompletionCheck, OnExhausted, OnFailure, Step};
use crate::diagnostic::{Sink, quote};
use crate::inputs::Variables;
use crate::keys::Section;
use crate::kinds::WorkerKinds;
use crate::source::Value;

/// The shortest time a check has when neither it nor its step says.
const LEAST_TIMEOUT: Duration = Duration::from_secs(1);

/// A check as far as it could be read. What is missing was reported.
pub(super) struct DraftCheck {
    work: WorkKeys,
    workspace: Option<String>,
    timeout: Option<Duration>,
    idle: Option<Duration>,
    decision_file: Option<String>,
    max_iterations: Option<u32>,
    on_exhausted: OnExhausted,
    convergence: Option<Convergence>,
}

/// What of its step holds for a check as well.
#[derive(Clone)]
pub(super) struct OfStep {
    pub(super) timeout: Option<Duration>,
    pub(super) grace: Option<Duration>,
    pub(super) max_retries: u32,
    pub(super) on_failure: OnFailure,
    pub(super) env: Arc<Variables>,
    pub(super) control: Arc<StepControl>,
}

impl DraftCheck {
    /// The kind of worker, when it could be read.
    pub(super) const fn worker(&self) -> Option<WorkerKind> {
        self.work.worker
    }

    pub(super) fn finish(self, of_step: OfStep, shared: &mut SharedParts) -> Option<CompletionCheck> {
        let OfStep { timeout, grace, max_retries, on_failure, env, control } = of_step;
        let a_quarter = LEAST_TIMEOUT.max(timeout.unwrap_or(shared.timeout) / 4);
        let capabilities: Arc<[Capability]> = shared.capabilities(&self.work.capabilities);
        let work = Step {
            description: None,
            host: None,
            worker: self.work.worker?,
            instructions: self.work.instructions?,
            capabilities,
            agent: self.work.agent.shared(),
            workspace: self.workspace,
            depends_on: Vec::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            timeout: Some(self.timeout.unwrap_or(a_quarter)),
            idle: self.idle,
            file_changes: None,
            grace,
            max_retries,
            on_failure,
            on_limit: None,
            continue_on_error: false,
            secrets: Vec::new(),
            env,
            control,
            check: None,
            call: None,
        };
        Some(CompletionCheck {
            work: Arc::new(work),
            decision_file: self.decision_file,
            max_iterations: self.max_iterations?,
            on_exhausted: self.on_exhausted,
            convergence: self.convergence.map(Arc::new),
        })
    }
}

/// The check of a step; `None` when it has none, or one that is no map.
pub(super) fn check(
    fields: &Fields<'_>,
    kinds: &WorkerKinds,
    scope: &Scope<'_>,
    sink: &mut Sink<'_>,
) -> Option<Box<DraftCheck>> {
    let (most, exhausted) = (fields.get("max_iterations"), fields.get("on_iterations_exhausted"));
    let choices = OnExhausted::ALL.map(|choice| (choice.name(), choice));
    let on_exhausted =
        exhausted.as_ref().and_then(|at| value::choice(at, &choices, sink)).unwrap_or_default();
    let check = fields.get("completion_check").filter(|at| !off::is_off(&at.node.value));
    // Without a check the two ask for nothing.
    let least = if check.is_some() { 2 } else { 0 };
    let max_iterations = most.as_ref().and_then(|at| value::whole(at, least, sink));
    let convergence = convergence(fields, check.is_some(), sink);
    let at = check?;
    if most.is_none() {
        let message = format!("{} needs `max_iterations`", quote(&at.path));
        let hint = "add `max_iterations:` (whole number >= 2) to the step";
        sink.error(at.key_span, message, Some(hint.to_owned()));
    }
    if !matches!(at.node.value, Value::Map(_)) {
        value::mismatch(&at, "a map", None, sink);
        return None;
    }
    let of = Fields::read(at.node, Section::Check, &at.path, at.key_span, sink)?;
    let borrowed = of.has("agent");
    let work = work_keys(&of, borrowed, kinds, scope, sink);
    let decision_file = decision_file(&of, &at, &work, borrowed, sink);
    let text = |name: &str, sink: &mut Sink<'_>| {
        of.get(name).and_then(|at| value::text(&at, sink)).map(|text| text.value)
    };
    let check = DraftCheck {
        work,
        workspace: text("workspace", sink),
        timeout: of.get("timeout").and_then(|at| value::duration(&at, sink)),
        idle: of.get("idle").and_then(|at| agent::idle(&at, sink)),
        decision_file,
        max_iterations,
        on_exhausted,
        convergence,
    };
    Some(Box::new(check))
}

fn decision_file(
    of: &Fields<'_>,
    check: &Field<'_>,
    work: &WorkKeys,
    borrowed: bool,
    sink: &mut Sink<'_>,
) -> Option<String> {
    let Some(at) = of.get("decision_file") else {
        if let Some(worker) = work.worker.filter(|worker| *worker != WorkerKind::CUSTOM && !borrowed) {
            let message = format!("{} has no `decision_file`", quote(&check.path));
            let hint =
                format!("add `decision_file:` (path): `{worker}` writes there whether the step is complete");
            sink.error(check.key_span, message, Some(hint));
        }
        return None;
    };
    let path = value::text(&at, sink)?;
    if work.worker == Some(WorkerKind::CUSTOM) {
        let message = format!("{} has no effect on a `CUSTOM` check: its exit code decides", quote(&at.path));
        sink.warning(at.key_span, message, Some("remove it".to_owned()));
        return None;
    }
    if value::may_leave(&path.value) {
        let message = format!("the path {} may lead out of the workspace", quote(&path.value));
        let hint = "write it relative to the workspace of the run, without `..`";
        sink.error(path.span, message, Some(hint.to_owned()));
    } else if path.value.split('/').all(|part| part.is_empty() || part == ".") || path.value.ends_with('/') {
        let message = format!("the path {} names a directory", quote(&path.value));
        sink.error(path.span, message, Some("name a file in it".to_owned()));
    }
    Some(path.value)
}
