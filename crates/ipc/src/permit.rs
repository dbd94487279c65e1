//! Leave to run, and why it was refused.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{JobId, PermitId, UtcMillis};

/// Permission to run one job, issued by the core.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Permit {
    /// `permitId`: id chosen by the core.
    pub permit_id: PermitId,
    /// `jobId`: id of the job that may run.
    pub job_id: JobId,
    /// `deadlineAt`: end of the permit, in UTC milliseconds.
    pub deadline_at: UtcMillis,
    /// `attemptIndex`: attempt index of the request.
    #[serde(serialize_with = "crate::number::plain")]
    pub attempt_index: f64,
    /// `tokensGranted`: share of the budgets.
    pub tokens_granted: Tokens,
    /// `circuitStateSnapshot`: state of each circuit breaker.
    pub circuit_state_snapshot: BTreeMap<String, CircuitState>,
}

/// Share of the budgets of a permit (`tokensGranted`).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Tokens {
    /// `concurrency`: number of slots.
    pub concurrency: u32,
    /// `rps`: number of entries in the rate window.
    pub rps: u32,
    /// `costBudget`: share of the cost budget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(serialize_with = "crate::number::plain_option")]
    pub cost_budget: Option<f64>,
}

value_enum! {
    /// State of a circuit breaker.
    pub enum CircuitState {
        /// `CLOSED`: jobs pass.
        Closed = "CLOSED",
        /// `HALF_OPEN`: one probe passes.
        HalfOpen = "HALF_OPEN",
        /// `OPEN`: jobs are refused.
        Open = "OPEN",
    }
}

/// `rejection` of a `permit_rejected`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PermitRejection {
    /// `reason`: the failed check.
    pub reason: RejectionReason,
    /// `detail`: readable message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

value_enum! {
    /// `reason` of a rejection.
    pub enum RejectionReason {
        /// `QUEUE_STALL`: queues do not move. roboppi's core does not send it.
        QueueStall = "QUEUE_STALL",
        /// `CIRCUIT_OPEN`: the provider failed too often.
        CircuitOpen = "CIRCUIT_OPEN",
        /// `RATE_LIMIT`: too many permits in the last second.
        RateLimit = "RATE_LIMIT",
        /// `GLOBAL_SHED`: overloaded.
        GlobalShed = "GLOBAL_SHED",
        /// `FATAL_MODE`: the core is shutting down or broken.
        FatalMode = "FATAL_MODE",
        /// `BUDGET_EXHAUSTED`: attempts or cost used up.
        BudgetExhausted = "BUDGET_EXHAUSTED",
        /// `CONCURRENCY_LIMIT`: no free slot.
        ConcurrencyLimit = "CONCURRENCY_LIMIT",
        /// `DUPLICATE_PERMIT`: the job already has a permit.
        DuplicatePermit = "DUPLICATE_PERMIT",
        /// `DEFERRED`: busy, ask again.
        Deferred = "DEFERRED",
    }
}

impl RejectionReason {
    /// Whether asking again can never help. Of an unknown reason that cannot be known.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::BudgetExhausted | Self::FatalMode | Self::DuplicatePermit)
    }
}
