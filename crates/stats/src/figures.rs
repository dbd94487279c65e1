//! What one run contributes to statistics.

use std::collections::BTreeMap;

use roboppi_ipc::{Usage, UtcMillis};
use roboppi_run::{RunHandle, RunId, RunOutcome};
use serde::{Deserialize, Serialize};

use crate::{Counts, Group, Outcome, Recent};

/// Where a run is, as the process sees it that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// It recorded its end.
    Finished,
    /// Its owner is alive.
    Live,
    /// Its owner is dead, and it recorded no end.
    Lost,
    /// Whether its owner is alive cannot be determined here.
    Elsewhere,
}

/// The figures of one run. They are bounded whatever the run did, and may be kept: those of a finished run do not change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunFigures {
    /// The run.
    pub id: RunId,
    /// Its short name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle: Option<RunHandle>,
    /// Name of the workflow.
    pub name: String,
    /// Path of the workflow file; empty when there is none.
    pub workflow: String,
    /// When it began.
    pub started_at: UtcMillis,
    /// When something of it was recorded last.
    pub last_at: UtcMillis,
    /// How it ended, and in how many milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished: Option<(RunOutcome, u64)>,
    /// Its steps in the order of the plan, the first [`RunFigures::STEPS`].
    pub steps: Vec<StepFigures>,
    /// The other steps.
    #[serde(default, skip_serializing_if = "is_default")]
    pub more_steps: Group,
    /// Attempts of agents, by kind of worker.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub agents: BTreeMap<String, AgentFigures>,
    /// Tool calls, by name of the tool.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tools: BTreeMap<String, Group>,
    /// Events of workers that are known to be missing: with any, tool calls are lower bounds.
    #[serde(default, skip_serializing_if = "is_default")]
    pub events_missing: u64,
    /// What it did last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recent: Vec<Recent>,
}

impl RunFigures {
    /// Steps that are kept one by one.
    pub const STEPS: usize = 256;
    /// Tools that are counted by their names.
    pub const TOOLS: usize = 256;

    /// What to call the run: its handle, or else its id.
    #[must_use]
    pub fn short_name(&self) -> String {
        self.handle.map_or_else(|| self.id.to_string(), |handle| handle.to_string())
    }

    /// How the run ended, or where it is.
    #[must_use]
    pub fn outcome(&self, state: RunState) -> Outcome {
        match (self.finished, state) {
            (Some((outcome, _)), _) => of_run(outcome),
            (None, RunState::Live) => Outcome::Running,
            (None, RunState::Lost) => Outcome::Lost,
            (None, RunState::Elsewhere | RunState::Finished) => Outcome::Unknown,
        }
    }
}

const fn of_run(outcome: RunOutcome) -> Outcome {
    match outcome {
        RunOutcome::Succeeded => Outcome::Succeeded,
        RunOutcome::Failed => Outcome::Failed,
        RunOutcome::Cancelled => Outcome::Cancelled,
        RunOutcome::TimedOut => Outcome::TimedOut,
        RunOutcome::Lost => Outcome::Lost,
        RunOutcome::Unknown(_) => Outcome::Unknown,
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepFigures {
    /// Its path in the plan.
    pub step: String,
    /// How it ended, or where it is as far as the record reports.
    pub outcome: Outcome,
    /// When its first attempt started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<UtcMillis>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<UtcMillis>,
    /// Milliseconds it took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
}

/// Attempts of agents of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AgentFigures {
    /// The attempts.
    pub attempts: Group,
    /// Tokens read, without those of the cache.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// Tokens read from the cache.
    pub cached_tokens: u64,
    /// Cost in millionths of a US dollar, so that sums do not depend on their order.
    pub cost_micros: u64,
    /// Attempts that reported no cost; with any, the cost is a lower bound.
    pub without_cost: u64,
}

impl AgentFigures {
    /// Adds what an attempt used.
    pub(crate) fn add(&mut self, outcome: Outcome, duration_ms: Option<u64>, usage: Option<&Usage>) {
        self.attempts.add(outcome, duration_ms);
        let Some(usage) = usage else {
            self.without_cost += 1;
            return;
        };
        self.input_tokens = self.input_tokens.saturating_add(usage.input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(usage.output_tokens);
        self.cached_tokens = self.cached_tokens.saturating_add(usage.cache_read_tokens);
        match usage.cost_usd {
            Some(cost) => self.cost_micros = self.cost_micros.saturating_add(micros(cost)),
            None => self.without_cost += 1,
        }
    }

    /// Adds those of another run.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.attempts.merge(&other.attempts);
        self.input_tokens = self.input_tokens.saturating_add(other.input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(other.output_tokens);
        self.cached_tokens = self.cached_tokens.saturating_add(other.cached_tokens);
        self.cost_micros = self.cost_micros.saturating_add(other.cost_micros);
        self.without_cost = self.without_cost.saturating_add(other.without_cost);
    }

    /// The cost in US dollars.
    #[must_use]
    pub fn cost_usd(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "an amount of money")]
        let micros = self.cost_micros as f64;
        micros / 1e6
    }
}

fn micros(dollars: f64) -> u64 {
    // A negative amount, and one that is no number, is 0.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rounded, and within bounds")]
    let micros = (dollars * 1e6).round() as u64;
    micros
}

impl Outcome {
    /// The outcome of a part of a run: what was under way in a run without an owner is lost.
    #[must_use]
    pub const fn in_run(self, state: RunState) -> Self {
        match (self, state) {
            (Self::Running, RunState::Lost | RunState::Finished) => Self::Lost,
            (Self::Waiting, RunState::Lost | RunState::Finished) => Self::Skipped,
            (Self::Running, RunState::Elsewhere) => Self::Unknown,
            (outcome, _) => outcome,
        }
    }
}

impl Counts {
    /// The counts of parts of a run, see [`Outcome::in_run`].
    #[must_use]
    pub fn in_run(&self, state: RunState) -> Self {
        let mut counts = Self::default();
        for outcome in Outcome::ALL {
            counts.add_many(outcome.in_run(state), self.of(outcome));
        }
        counts
    }
}

impl Group {
    /// The group of parts of a run, see [`Outcome::in_run`].
    #[must_use]
    pub(crate) fn in_run(&self, state: RunState) -> Self {
        Self {
            counts: self.counts.in_run(state),
            succeeded: self.succeeded.clone(),
            failed: self.failed.clone(),
        }
    }
}
