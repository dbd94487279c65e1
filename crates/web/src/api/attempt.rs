//! Attempts of steps.

use roboppi_ipc::{UtcMillis, signal_name};
use roboppi_run::{AttemptPhase, AttemptStatus, AttemptView, StepView};
use serde::Serialize;

use super::text::shortened;

/// Longest answer of an agent that is in an attempt.
const RESULT: usize = 16 * 1024;
/// Processes that are listed.
const LEAKED: usize = 20;

/// One attempt of a step.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Attempt {
    /// Its id in the API, for URLs.
    pub(crate) id: String,
    /// Its number within the iteration and the role, from 1.
    pub(crate) number: u32,
    /// Iteration of the step, from 1.
    pub(crate) iteration: u32,
    /// What it is for: `work`, `check`, `cleanup` or `manage`.
    pub(crate) role: String,
    /// Where it is: `started`, a phase, or how it ended.
    pub(crate) state: String,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
    /// When it was handed to the core.
    pub(crate) started_at: u64,
    /// When its worker began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) working_at: Option<u64>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) finished_at: Option<u64>,
    /// How long it took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) duration_ms: Option<u64>,
    /// Exit code of the worker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) exit_code: Option<i32>,
    /// Signal that ended the worker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) signal: Option<String>,
    /// Its log.
    pub(crate) log: AttemptLog,
    /// Session of its agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) session_id: Option<String>,
    /// The command that goes on with the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) session_command: Option<String>,
    /// Tokens and cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) usage: Option<UsageTotals>,
    /// Final text of an agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) result: Option<String>,
    /// Class of a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error_class: Option<String>,
    /// Processes that the worker left behind, and that were terminated.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) leaked: Vec<LeakedProcess>,
}

/// How far the log of an attempt is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct AttemptLog {
    /// Bytes, as far as is known.
    pub(crate) bytes: u64,
    /// Nothing comes after them. What is missing among them is told with the lines.
    pub(crate) complete: bool,
}

/// Tokens and cost.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct UsageTotals {
    /// Tokens read, without those from the cache.
    pub(crate) input_tokens: u64,
    /// Tokens written.
    pub(crate) output_tokens: u64,
    /// Tokens read from the cache.
    pub(crate) cache_read_tokens: u64,
    /// Tokens written to the cache.
    pub(crate) cache_write_tokens: u64,
    /// Cost in US dollars, if the worker tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cost_usd: Option<f64>,
    /// Round trips to the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) turns: Option<u64>,
}

impl From<roboppi_ipc::Usage> for UsageTotals {
    fn from(usage: roboppi_ipc::Usage) -> Self {
        Self {
            input_tokens: usage.input_tokens,
            output_tokens: usage.output_tokens,
            cache_read_tokens: usage.cache_read_tokens,
            cache_write_tokens: usage.cache_write_tokens,
            cost_usd: usage.cost_usd,
            turns: usage.turns,
        }
    }
}

/// A process that outlived its worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct LeakedProcess {
    /// Its pid.
    pub(crate) pid: u32,
    /// Its command line.
    pub(crate) command: String,
}

impl Attempt {
    pub(crate) fn of(step: &StepView, view: &AttemptView) -> Self {
        let result = match &view.status {
            AttemptStatus::Finished { result, .. } => Some(result),
            AttemptStatus::Started | AttemptStatus::Phase(_) => None,
        };
        let details = result.and_then(|result| result.details.as_deref());
        let (state, detail) = state_of(view);
        let leaked = details.map_or(&[][..], |details| &details.leaked);
        let millis = |at: Option<UtcMillis>| at.map(|at| at.0);
        let signal = details.and_then(|details| details.signal);
        Self {
            id: view.of.to_string(),
            number: view.of.attempt,
            iteration: view.of.iteration,
            role: view.of.role.name().to_owned(),
            state,
            detail: detail.map(|detail| shortened(&detail, 4096)),
            started_at: view.started_at.0,
            working_at: millis(view.working_at),
            finished_at: millis(view.finished_at),
            duration_ms: result.map(|result| result.duration_ms),
            exit_code: result.and_then(|result| result.exit_code).filter(|_| signal.is_none()),
            signal: signal
                .map(|number| signal_name(number).map_or_else(|| format!("signal {number}"), str::to_owned)),
            log: AttemptLog { bytes: view.log_bytes(), complete: result.is_some() },
            session_id: view.session_id().map(str::to_owned),
            session_command: step.session_command(view),
            usage: view.usage().map(Into::into),
            result: details
                .and_then(|details| details.answer.as_deref())
                .map(|answer| shortened(answer, RESULT)),
            error_class: result
                .and_then(|result| result.error_class.as_ref())
                .map(|class| class.name().to_owned()),
            leaked: leaked
                .iter()
                .take(LEAKED)
                .map(|process| LeakedProcess {
                    pid: process.process.pid,
                    command: shortened(&process.command, 300),
                })
                .collect(),
        }
    }
}

/// Where an attempt is, in a word, and why.
fn state_of(view: &AttemptView) -> (String, Option<String>) {
    match &view.status {
        AttemptStatus::Started => ("starting".to_owned(), None),
        AttemptStatus::Phase(phase) => match phase {
            AttemptPhase::WaitingPermit { detail } => ("waiting".to_owned(), Some(detail.clone())),
            AttemptPhase::Running { .. } => ("running".to_owned(), None),
            AttemptPhase::Terminating { .. } => ("ending".to_owned(), None),
            AttemptPhase::Killing { .. } => ("killing".to_owned(), None),
            AttemptPhase::Draining { .. } => ("draining".to_owned(), None),
            AttemptPhase::Unknown(other) => (other.tag.as_str().to_owned(), None),
        },
        AttemptStatus::Finished { result, .. } => {
            let detail = result.details.as_deref().and_then(|details| details.error.clone());
            let state = result.status.name().to_lowercase();
            (state, detail.or_else(|| result.exit_words().filter(|_| result.error_class.is_some())))
        }
    }
}
