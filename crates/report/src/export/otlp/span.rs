//! The spans of a run.

use std::collections::HashMap;

use roboppi_attach::Liveness;
use roboppi_ipc::{CancelReason, UtcMillis, WorkerStatus};
use roboppi_run::{
    AttemptRef, AttemptView, RunOutcome, RunStatus, RunView, Slice, SliceKind, SpanId, StepState, StepView,
    Timeline, TraceId, TraceIds,
};

use super::attributes::Attributes;
use crate::units::limit_time;

/// Marks of one span, such as warnings.
const EVENTS: usize = 100;

/// Something that took time. Its texts are as they are.
#[derive(Debug)]
pub(super) struct Span {
    pub(super) trace: TraceId,
    pub(super) id: SpanId,
    pub(super) parent: Option<SpanId>,
    /// The span above is in another process.
    pub(super) is_remote: bool,
    pub(super) name: String,
    pub(super) kind: SpanKind,
    pub(super) from: UtcMillis,
    pub(super) to: UtcMillis,
    pub(super) attributes: Attributes,
    pub(super) events: Vec<(UtcMillis, String)>,
    pub(super) outcome: Outcome,
}

/// A kind of spans, with its number in OTLP.
#[derive(Clone, Copy, Debug)]
pub(super) enum SpanKind {
    Internal = 1,
    Server = 2,
    Client = 3,
}

impl From<SpanKind> for u32 {
    fn from(kind: SpanKind) -> Self {
        kind as Self
    }
}

/// How it ended.
#[derive(Debug)]
pub(super) enum Outcome {
    Unset,
    Good,
    Bad(String),
}

impl Outcome {
    fn bad(why: &str) -> Self {
        Self::Bad(why.to_owned())
    }
}

impl Span {
    /// Replaces each text by what `hide` makes of it.
    pub(super) fn mask(&mut self, hide: &dyn Fn(&str) -> String) {
        self.name = hide(&self.name);
        self.attributes.mask(hide);
        for (_, name) in &mut self.events {
            *name = hide(name);
        }
        if let Outcome::Bad(why) = &mut self.outcome {
            *why = hide(why);
        }
    }
}

/// At most so many spans: the run, the steps, the attempts, and then what happened in these, so that an agent with many tool
/// calls takes no place from a step. Each is behind the one that it is in. The number of those left out, too.
pub(super) fn spans(
    ids: &TraceIds,
    view: &RunView,
    timeline: &Timeline,
    liveness: Liveness,
    most: usize,
) -> (Vec<Span>, usize) {
    let mut parts: HashMap<&AttemptRef, Vec<&Slice>> = HashMap::new();
    let mut last = UtcMillis(0);
    for slice in timeline.tracks.iter().flat_map(|track| &track.slices) {
        last = last.max(slice.to);
        if let Some(of) = &slice.of {
            parts.entry(of).or_default().push(slice);
        }
    }
    let steps = || view.steps().filter(|step| !step.attempts.is_empty());
    let attempts = || steps().flat_map(|step| step.attempts.iter().map(move |attempt| (step, attempt)));
    let mut spans = vec![of_run(ids, view, timeline, last)];
    spans.extend(steps().take(most - spans.len()).map(|step| of_step(ids, step, liveness, last)));
    let of_attempt = |(step, attempt)| of_attempt(ids, step, attempt, last);
    spans.extend(attempts().take(most - spans.len()).map(of_attempt));
    let mut left_out = 1 + steps().count() + attempts().count() - spans.len();
    for (_, attempt) in attempts() {
        let slices = parts.remove(&attempt.of).unwrap_or_default();
        // A stage that was passed at once is no part of anything.
        let lasts = |slice: &&Slice| slice.kind == SliceKind::Tool || slice.from < slice.to;
        let inner = slices.into_iter().filter(|slice| slice.kind != SliceKind::Attempt).filter(lasts);
        for (number, slice) in inner.enumerate() {
            if spans.len() < most {
                spans.push(of_part(ids, &attempt.of, number, slice));
            } else {
                left_out += 1;
            }
        }
    }
    (spans, left_out)
}

fn of_run(ids: &TraceIds, view: &RunView, timeline: &Timeline, last: UtcMillis) -> Span {
    let mut attributes = Attributes::default();
    let mut from = last;
    let mut name = "RUN".to_owned();
    if let Some(head) = &view.head {
        from = head.started_at;
        name = format!("RUN {}", head.name);
        attributes.text("cicd.pipeline.name", &head.name);
        attributes.text("cicd.pipeline.run.id", head.run_id.as_str());
        attributes.text("cicd.pipeline.action.name", "RUN");
        attributes
            .text("roboppi.run.handle", &head.handle.map_or_else(String::new, |handle| handle.to_string()));
        attributes.text("roboppi.run.resumes", head.resumes.as_ref().map_or("", |run| run.as_str()));
    }
    let (to, outcome) = match &view.status {
        RunStatus::Finished { outcome, at, detail, exit_code, .. } => {
            attributes.text("cicd.pipeline.result", run_result(*outcome));
            attributes.text("roboppi.run.outcome", outcome.name());
            attributes.number("process.exit.code", u64::from(*exit_code));
            let why = detail.as_deref().unwrap_or(outcome.name());
            (*at, if *outcome == RunOutcome::Succeeded { Outcome::Good } else { Outcome::bad(why) })
        }
        RunStatus::Unknown | RunStatus::Running | RunStatus::Ending { .. } => (last, Outcome::Unset),
    };
    usage(&mut attributes, view.spent().map(|spent| spent.usage));
    let marks = timeline.tracks.first().into_iter().flat_map(|track| &track.marks);
    Span {
        trace: ids.trace(),
        id: ids.of_run(),
        parent: ids.parent(),
        is_remote: ids.parent().is_some(),
        name,
        kind: SpanKind::Server,
        from,
        to,
        attributes,
        events: marks.take(EVENTS).map(|mark| (mark.at, mark.name.clone())).collect(),
        outcome,
    }
}

/// The word of the conventions for how a pipeline ended.
const fn run_result(outcome: RunOutcome) -> &'static str {
    match outcome {
        RunOutcome::Succeeded => "success",
        RunOutcome::Failed => "failure",
        RunOutcome::Cancelled => "cancellation",
        RunOutcome::TimedOut => "timeout",
        RunOutcome::Lost | RunOutcome::Unknown(_) => "error",
    }
}

fn of_step(ids: &TraceIds, step: &StepView, liveness: Liveness, last: UtcMillis) -> Span {
    let path = step.plan.step.as_str();
    let mut attributes = Attributes::default();
    attributes.text("cicd.pipeline.task.name", path);
    attributes.text("cicd.pipeline.task.run.id", &ids.of_step(&step.plan.step).to_string());
    attributes.text("roboppi.step.worker", step.plan.worker.name());
    attributes.text("roboppi.step.state", step.state.name());
    attributes.flag("roboppi.step.flaky", step.is_flaky());
    attributes.flag("roboppi.step.allowed_to_fail", step.allowed_to_fail);
    attributes.number("roboppi.step.attempts", step.attempts.len() as u64);
    let reason = step.reason(limit_time);
    let reason = reason.as_deref().unwrap_or(step.state.name());
    let (result, outcome) = match step.state {
        StepState::Succeeded => ("success", Outcome::Good),
        // It counts as success, and its reason says what is missing.
        StepState::Incomplete => ("success", Outcome::Unset),
        StepState::Failed if step.allowed_to_fail => ("failure", Outcome::Unset),
        StepState::Failed => ("failure", Outcome::bad(reason)),
        StepState::Skipped => ("skip", Outcome::Unset),
        StepState::Cancelled => ("cancellation", Outcome::bad(reason)),
        StepState::Lost => ("error", Outcome::bad(reason)),
        _ if liveness == Liveness::Lost => ("error", Outcome::bad("the process of the run ended")),
        _ => ("", Outcome::Unset),
    };
    attributes.text("cicd.pipeline.task.run.result", result);
    Span {
        trace: ids.trace(),
        id: ids.of_step(&step.plan.step),
        parent: Some(ids.of_run()),
        is_remote: false,
        name: path.to_owned(),
        kind: SpanKind::Internal,
        from: step.started_at.unwrap_or(step.changed_at),
        to: if step.state.is_final() { step.changed_at } else { last },
        attributes,
        events: Vec::new(),
        outcome,
    }
}

fn of_attempt(ids: &TraceIds, step: &StepView, attempt: &AttemptView, last: UtcMillis) -> Span {
    let of = &attempt.of;
    let mut attributes = Attributes::default();
    attributes.number("roboppi.attempt", u64::from(of.attempt));
    attributes.number("roboppi.iteration", u64::from(of.iteration));
    attributes.text("roboppi.role", of.role.name());
    let worker = step.worker_of(of);
    attributes.text("roboppi.step.worker", worker.name());
    let (name, kind) = if step.is_agent_in(of) {
        let agent = worker.name().to_lowercase().replace('_', "-");
        attributes.text("gen_ai.operation.name", "invoke_agent");
        attributes.text("gen_ai.agent.name", &agent);
        attributes.text("gen_ai.conversation.id", attempt.session_id().unwrap_or_default());
        (format!("invoke_agent {agent}"), SpanKind::Client)
    } else {
        (format!("attempt {}", of.attempt), SpanKind::Internal)
    };
    let mut outcome = Outcome::Unset;
    if let Some(result) = attempt.result() {
        let details = result.details.as_deref();
        let code = result.exit_code.and_then(|code| u64::try_from(code).ok());
        attributes.number("process.exit.code", code.unwrap_or_default());
        attributes.text("error.type", result.error_class.as_ref().map_or("", |class| class.name()));
        attributes.text(
            "gen_ai.response.model",
            details.and_then(|found| found.model.as_deref()).unwrap_or_default(),
        );
        let reason = details.and_then(|found| found.cancel_reason);
        attributes.text("roboppi.cancel_reason", reason.as_ref().map_or("", CancelReason::name));
        outcome = match result.status {
            WorkerStatus::Succeeded => Outcome::Good,
            // The exit code is the answer of the check.
            _ if step.is_found_incomplete_by(attempt) => Outcome::Unset,
            status => Outcome::bad(&result.exit_words().unwrap_or_else(|| status.name().to_lowercase())),
        };
    }
    usage(&mut attributes, attempt.usage());
    Span {
        trace: ids.trace(),
        id: ids.of_attempt(of),
        parent: Some(ids.of_step(&of.step)),
        is_remote: false,
        name,
        kind,
        from: attempt.started_at,
        to: attempt.finished_at.unwrap_or(last),
        attributes,
        events: Vec::new(),
        outcome,
    }
}

fn usage(attributes: &mut Attributes, usage: Option<roboppi_ipc::Usage>) {
    let Some(usage) = usage else { return };
    attributes.number("gen_ai.usage.input_tokens", usage.input_tokens);
    attributes.number("gen_ai.usage.output_tokens", usage.output_tokens);
    attributes.number("gen_ai.usage.cache_read.input_tokens", usage.cache_read_tokens);
    attributes.number("gen_ai.usage.cache_creation.input_tokens", usage.cache_write_tokens);
    if let Some(cost) = usage.cost_usd {
        attributes.decimal("roboppi.cost.usd", cost);
    }
}

/// A tool call, a wait, or the time in which a worker was being ended.
fn of_part(ids: &TraceIds, of: &AttemptRef, number: usize, slice: &Slice) -> Span {
    let mut attributes = Attributes::default();
    let what = slice.name.clone();
    let (name, kind) = match slice.kind {
        SliceKind::Tool => {
            attributes.text("gen_ai.operation.name", "execute_tool");
            attributes.text("gen_ai.tool.name", &what);
            (format!("execute_tool {what}"), SpanKind::Internal)
        }
        SliceKind::Wait => {
            attributes.text("roboppi.wait.reason", &what);
            ("wait".to_owned(), SpanKind::Internal)
        }
        SliceKind::Run | SliceKind::Attempt | SliceKind::Ending => (what, SpanKind::Internal),
    };
    attributes.text("roboppi.kind", slice.kind.name());
    let failed = slice.kind == SliceKind::Tool && slice.end.as_deref() == Some("failed");
    Span {
        trace: ids.trace(),
        id: ids.of_part(of, number),
        parent: Some(ids.of_attempt(of)),
        is_remote: false,
        name,
        kind,
        from: slice.from,
        to: slice.to,
        attributes,
        events: Vec::new(),
        outcome: if failed { Outcome::bad("the tool reported a failure") } else { Outcome::Unset },
    }
}
