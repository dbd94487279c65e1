//! Leave to run, and why it was refused.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{JobId, PermitId, UtcMillis};

/// Leave to run one job, issued by the core.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Permit {
    /// `permitId`: chosen by the core.
    pub permit_id: PermitId,
    /// `jobId` of the job that may run.
    pub job_id: JobId,
    /// `deadlineAt`: when the permit ends, UTC milliseconds.
    pub deadline_at: UtcMillis,
    /// `attemptIndex` as it was asked for.
    #[serde(serialize_with = "crate::number::plain")]
    pub attempt_index: f64,
    /// `tokensGranted`: what it takes from the budgets.
    pub tokens_granted: Tokens,
    /// `circuitStateSnapshot`: state of each provider's breaker.
    pub circuit_state_snapshot: BTreeMap<String, CircuitState>,
}

/// What a permit takes from the budgets (`tokensGranted`).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Tokens {
    /// `concurrency`: slots taken.
    pub concurrency: u32,
    /// `rps`: entries in the rate window.
    pub rps: u32,
    /// `costBudget`: share of the cost budget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(serialize_with = "crate::number::plain_option")]
    pub cost_budget: Option<f64>,
}

/// State of a circuit breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CircuitState {
    /// `CLOSED`: jobs pass.
    Closed,
    /// `HALF_OPEN`: one probe passes.
    HalfOpen,
    /// `OPEN`: jobs are refused.
    Open,
}

/// `rejection` of a `permit_rejected`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PermitRejection {
    /// `reason`: which check failed.
    pub reason: RejectionReason,
    /// `detail`: a sentence for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// `reason` of a rejection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RejectionReason {
    /// `QUEUE_STALL`: queues stand still. Our core does not say it.
    QueueStall,
    /// `CIRCUIT_OPEN`: the provider failed too often.
    CircuitOpen,
    /// `RATE_LIMIT`: too many permits in the last second.
    RateLimit,
    /// `GLOBAL_SHED`: overloaded.
    GlobalShed,
    /// `FATAL_MODE`: the core is shutting down or broken.
    FatalMode,
    /// `BUDGET_EXHAUSTED`: attempts or cost used up.
    BudgetExhausted,
    /// `CONCURRENCY_LIMIT`: no free slot.
    ConcurrencyLimit,
    /// `DUPLICATE_PERMIT`: the job has a permit already.
    DuplicatePermit,
    /// `DEFERRED`: busy, ask again.
    Deferred,
    /// A reason this version does not know; treated as "ask again".
    #[serde(other)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    Unknown,
}

impl RejectionReason {
    /// Whether asking again can never help.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::BudgetExhausted | Self::FatalMode | Self::DuplicatePermit)
    }
}
