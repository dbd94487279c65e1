//! Decides who may run.

use std::collections::{BTreeMap, HashMap};

use roboppi_ipc::{Job, JobId, Permit, PermitId, PermitRejection, RejectionReason, Tokens, UtcMillis};

/// What a job that used up its attempts, or finds no free slot, is told.
const BUDGET_CHECK_FAILED: &str = "Execution budget check failed";

/// Gives permits and takes them back. Does no I/O and reads no clock.
///
/// A job holds at most one permit, from [`ask`](Self::ask) to [`release`](Self::release), and never more
/// than the limit are held.
#[derive(Debug)]
pub struct PermitGate {
    limit: u32,
    active: HashMap<JobId, PermitId>,
    issued: u64,
    closed: bool,
}

impl PermitGate {
    /// A gate for `limit` permits at a time.
    #[must_use]
    pub fn new(limit: u32) -> Self {
        Self { limit, active: HashMap::new(), issued: 0, closed: false }
    }

    /// Asks for a permit. The checks come in the order of the existing program, because the first that
    /// fails is what the runner is told.
    ///
    /// # Errors
    /// Why the job may not run.
    pub fn ask(&mut self, now: UtcMillis, job: &Job, attempt_index: f64) -> Result<Permit, PermitRejection> {
        let refuse = |reason, detail: &str| Err(PermitRejection { reason, detail: Some(detail.to_owned()) });
        if self.closed {
            return refuse(RejectionReason::FatalMode, "The core is shutting down");
        }
        if let Some(held) = self.active.get(&job.job_id) {
            let detail = format!("Job {} already has active permit {held}", job.job_id);
            return refuse(RejectionReason::DuplicatePermit, &detail);
        }
        // Here belong, in this order: back-pressure, circuit breaker.
        if attempt_index >= job.limits.max_attempts {
            return refuse(RejectionReason::BudgetExhausted, BUDGET_CHECK_FAILED);
        }
        if self.active() >= self.limit {
            return refuse(RejectionReason::ConcurrencyLimit, BUDGET_CHECK_FAILED);
        }
        // Here belong, in this order: rate, cost.
        self.issued += 1;
        let permit_id = PermitId::new(format!("permit-{}", self.issued));
        self.active.insert(job.job_id.clone(), permit_id.clone());
        Ok(Permit {
            permit_id,
            job_id: job.job_id.clone(),
            deadline_at: UtcMillis(now.0.saturating_add(whole_millis(job.limits.timeout_ms))),
            attempt_index,
            tokens_granted: Tokens { concurrency: 1, rps: 1, cost_budget: job.limits.cost_hint },
            circuit_state_snapshot: BTreeMap::new(),
        })
    }

    /// Takes a job's permit back. Nothing happens when it holds none.
    pub fn release(&mut self, job_id: &JobId) {
        self.active.remove(job_id);
    }

    /// Gives no permits from now on.
    pub fn close(&mut self) {
        self.closed = true;
    }

    /// Permits that are held.
    #[must_use]
    pub fn active(&self) -> u32 {
        u32::try_from(self.active.len()).unwrap_or(u32::MAX)
    }

    /// Permits that can be held.
    #[must_use]
    pub const fn limit(&self) -> u32 {
        self.limit
    }
}

/// A number of the wire as milliseconds; what is no time is none.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast cuts at the bounds of the integer, which is what is wanted"
)]
pub(crate) fn whole_millis(number: f64) -> u64 {
    number as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fixtures::job;

    fn asked(gate: &mut PermitGate, id: &str, attempt_index: f64) -> String {
        match gate.ask(UtcMillis(1_000), &job(id), attempt_index) {
            Ok(permit) => format!("{id}: {} until {}", permit.permit_id, permit.deadline_at),
            Err(PermitRejection { reason, detail }) => {
                format!("{id}: {reason:?} {}", detail.unwrap_or_default())
            }
        }
    }

    #[test]
    fn the_first_check_that_fails_is_told() {
        let mut gate = PermitGate::new(2);
        let mut rows =
            vec![asked(&mut gate, "a", 0.0), asked(&mut gate, "b", 1.0), asked(&mut gate, "b", 0.0)];
        rows.push(asked(&mut gate, "c", 0.0));
        rows.push(asked(&mut gate, "c", 1.0));
        rows.push(asked(&mut gate, "a", 7.0));
        gate.release(&"a".into());
        gate.release(&"a".into());
        rows.push(asked(&mut gate, "c", 0.0));
        gate.close();
        rows.push(asked(&mut gate, "c", 0.0));
        insta::assert_snapshot!(rows.join("\n"), @r#"
        a: permit-1 until 61000
        b: BudgetExhausted Execution budget check failed
        b: permit-2 until 61000
        c: ConcurrencyLimit Execution budget check failed
        c: BudgetExhausted Execution budget check failed
        a: DuplicatePermit Job a already has active permit permit-1
        c: permit-3 until 61000
        c: FatalMode The core is shutting down
        "#);
    }

    #[test]
    fn numbers_that_are_no_time_do_no_harm() {
        for (number, millis) in [(-1.0, 0), (f64::NAN, 0), (1.9, 1), (f64::INFINITY, u64::MAX)] {
            assert_eq!(whole_millis(number), millis);
        }
    }

    proptest! {
        #[test]
        fn permits_never_leak_and_never_exceed_the_limit(
            limit in 0_u32..5,
            steps in proptest::collection::vec((any::<bool>(), 0_u8..8, 0_u8..2), 0..200),
        ) {
            let mut gate = PermitGate::new(limit);
            let mut held = std::collections::BTreeSet::new();
            for (ask, job_number, attempt) in steps {
                let job = job(&job_number.to_string());
                if ask {
                    if gate.ask(UtcMillis(0), &job, f64::from(attempt)).is_ok() {
                        prop_assert!(held.insert(job.job_id.clone()), "a second permit for one job");
                        prop_assert_eq!(attempt, 0);
                    } else {
                        let free = held.len() < limit as usize;
                        prop_assert!(!free || held.contains(&job.job_id) || attempt > 0, "refused without need");
                    }
                } else {
                    gate.release(&job.job_id);
                    held.remove(&job.job_id);
                }
                prop_assert_eq!(gate.active() as usize, held.len());
                prop_assert!(gate.active() <= limit);
            }
        }
    }
}
