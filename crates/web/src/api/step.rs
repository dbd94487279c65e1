//! Steps of runs.

use roboppi_attach::Liveness;
use roboppi_ipc::{UtcMillis, WaitCause};
use roboppi_run::{Act, AttemptView, StepState, StepView};
use serde::Serialize;

use super::attempt::Attempt;
use super::item::argument;
use super::text::shortened;

/// A step with its attempts.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Step {
    /// Its path in the plan.
    pub(crate) path: String,
    /// The last part of the path.
    pub(crate) name: String,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    /// Kind of its worker.
    pub(crate) worker: String,
    /// An agent works on it, and not a command.
    pub(crate) agent: bool,
    /// Model of its agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) model: Option<String>,
    /// Where it is, in a word.
    pub(crate) state: String,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
    /// It failed or was skipped, and the run counts it as success.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) allowed_to_fail: bool,
    /// It succeeded on a retry only.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) flaky: bool,
    /// When its first attempt started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) started_at: Option<u64>,
    /// When it came into its state.
    pub(crate) changed_at: u64,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) finished_at: Option<u64>,
    /// How long it took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) duration_ms: Option<u64>,
    /// Paths of the steps it waits for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) depends_on: Vec<String>,
    /// Its iteration, of a step that is repeated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) iteration: Option<u32>,
    /// Iterations it may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_iterations: Option<u32>,
    /// How far its worker is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) progress: Option<StepProgress>,
    /// What its worker waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) waiting: Option<StepWait>,
    /// The tool that its agent uses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tool: Option<ToolInUse>,
    /// Cost of all its attempts, as far as they tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cost_usd: Option<f64>,
    /// Tokens read and written by all its attempts, without those from the cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tokens: Option<u64>,
    /// Attempts, by iteration, role and number.
    pub(crate) attempts: Vec<Attempt>,
    /// Attempts that are left out before those in `attempts`: only in events of steps with very many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) attempts_left_out: Option<usize>,
    /// What it made.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) artifacts: Vec<Artifact>,
    /// Where it was done, when an earlier run did it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kept_from: Option<KeptFrom>,
    /// What its latest attempt used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) resources: Option<StepResources>,
}

/// How far a worker is.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct StepProgress {
    /// 0 to 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) percent: Option<f64>,
    /// In its own words.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) message: String,
    /// Name of the phase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) phase: Option<String>,
    /// What the percentage is counted by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) basis: Option<String>,
}

/// What a worker waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct StepWait {
    /// Why.
    pub(crate) why: String,
    /// Cause, as `permission` or `rate_limit`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cause: Option<String>,
    /// Since when.
    pub(crate) since: u64,
    /// Until when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<u64>,
}

/// A tool call under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct ToolInUse {
    /// Name of the tool.
    pub(crate) name: String,
    /// What it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) argument: Option<String>,
    /// Since when.
    pub(crate) since: u64,
}

/// Something a step made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Artifact {
    /// Its name in the workflow.
    pub(crate) name: String,
    /// Where it is.
    pub(crate) path: String,
    /// Hash of it with everything in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sha256: Option<String>,
}

/// The run and the attempt that did a step that was kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct KeptFrom {
    /// Id of the run.
    pub(crate) run: String,
    /// Id of the attempt there.
    pub(crate) attempt: String,
}

/// What processes of a worker used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct StepResources {
    /// Processor time.
    pub(crate) cpu_ms: u64,
    /// Most resident memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_rss_bytes: Option<u64>,
}

impl Step {
    pub(crate) fn of(step: &StepView, liveness: Liveness) -> Self {
        let is_lost = liveness == Liveness::Lost;
        let under_way = step.state.is_active() || step.state == StepState::Retrying;
        let latest = step.attempts.last();
        let working = latest.filter(|attempt| attempt.finished_at.is_none() && !is_lost);
        let details = latest.and_then(model);
        let iteration = step.iterations.last();
        let spent = step.spent();
        let path = step.plan.step.as_str();
        let (state, detail) = if is_lost && under_way {
            ("lost", Some("the owner of the run is gone".to_owned()))
        } else {
            (step.state.name(), step.detail.clone())
        };
        let over = step.state.is_final();
        Self {
            path: path.to_owned(),
            name: path.rsplit('/').next().unwrap_or(path).to_owned(),
            description: step.plan.description.as_deref().map(|text| shortened(text, 1000)),
            worker: step.plan.worker.name().to_owned(),
            agent: step.is_agent(),
            model: details,
            state: state.to_owned(),
            detail: detail.map(|detail| shortened(&detail, 4096)),
            allowed_to_fail: step.allowed_to_fail,
            flaky: step.is_flaky(),
            started_at: step.started_at.map(|at| at.0),
            changed_at: step.changed_at.0,
            finished_at: (over && step.started_at.is_some()).then_some(step.changed_at.0),
            duration_ms: step.duration_ms,
            depends_on: step.plan.depends_on.iter().map(|step| step.as_str().to_owned()).collect(),
            iteration: iteration.map(|iteration| iteration.iteration),
            max_iterations: iteration
                .and_then(|iteration| iteration.max_iterations)
                .or(step.plan.max_iterations),
            progress: working.and_then(progress),
            waiting: working.and_then(wait),
            tool: working.and_then(tool),
            cost_usd: spent.and_then(|spent| spent.usage.cost_usd),
            tokens: spent.map(|spent| spent.usage.input_tokens.saturating_add(spent.usage.output_tokens)),
            attempts: step.attempts.iter().map(|attempt| Attempt::of(step, attempt)).collect(),
            attempts_left_out: None,
            artifacts: step.artifacts.iter().map(artifact).collect(),
            kept_from: step
                .kept
                .as_ref()
                .map(|kept| KeptFrom { run: kept.run.to_string(), attempt: kept.attempt.to_string() }),
            resources: latest
                .and_then(AttemptView::resources)
                .map(|used| StepResources { cpu_ms: used.cpu_ms, max_rss_bytes: used.peak_memory_bytes }),
        }
    }
}

fn artifact(artifact: &roboppi_run::ArtifactView) -> Artifact {
    let roboppi_run::ArtifactView { name, path, sha256 } = artifact.clone();
    Artifact { name, path, sha256 }
}

fn model(attempt: &AttemptView) -> Option<String> {
    let reported = match &attempt.status {
        roboppi_run::AttemptStatus::Finished { result, .. } => {
            result.details.as_deref().and_then(|details| details.model.clone())
        }
        _ => None,
    };
    reported.or_else(|| attempt.activity.session.as_ref()?.model.clone())
}

fn progress(attempt: &AttemptView) -> Option<StepProgress> {
    let progress = attempt.activity.progress.as_ref()?;
    Some(StepProgress {
        percent: progress.percent.filter(|percent| percent.is_finite()),
        message: shortened(&progress.message, 1000),
        phase: progress.phase.clone(),
        basis: progress.basis.clone(),
    })
}

/// What a worker waits for, and since when.
pub(crate) fn wait(attempt: &AttemptView) -> Option<StepWait> {
    let waiting = attempt.activity.waiting.as_ref()?;
    let began = attempt.activity.items.iter().rev().find_map(|item| match &item.what {
        Act::Wait(wait) if wait.over.is_none() => Some(item.ts),
        _ => None,
    });
    Some(StepWait {
        why: shortened(&waiting.why, 1000),
        cause: waiting.cause.as_ref().map(|cause| cause.name().to_owned()),
        since: began.or(attempt.activity.last_at).unwrap_or(attempt.started_at).0,
        until: waiting.until.map(|UtcMillis(until)| until),
    })
}

/// Whether a wait ends only when a person does something.
pub(crate) fn needs_a_person(attempt: &AttemptView) -> bool {
    let waiting = attempt.activity.waiting.as_ref();
    attempt.finished_at.is_none()
        && waiting.is_some_and(|waiting| waiting.cause == Some(WaitCause::Permission))
}

/// The tool that an agent uses now.
pub(crate) fn tool(attempt: &AttemptView) -> Option<ToolInUse> {
    let item = attempt.activity.items.iter().rev().find(|item| item.is_running())?;
    let call = item.tool()?;
    Some(ToolInUse {
        name: shortened(&call.name, 200),
        argument: argument(&call.name, &call.input),
        since: item.ts.0,
    })
}
