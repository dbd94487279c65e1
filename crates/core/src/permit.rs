//! Decides who may run.

use roboppi_ipc::{
    CircuitState, Job, JobId, Mono, Permit, PermitId, PermitRejection, PriorityClass, RejectionReason,
    Tokens, UtcMillis,
};
use std::collections::{BTreeMap, HashMap};

mod alert;
mod breaker;
mod cost;
mod demand;
mod pressure;
mod rate;
mod settings;
mod watchdog;
mod workspaces;

pub use alert::Alert;
pub use breaker::Verdict;
pub use settings::{BreakerSettings, GateSettings, PressureSettings};
pub use watchdog::Alarm;

use breaker::Breaker;
use cost::CostBudget;
use demand::Demand;
pub use demand::Providers;
use pressure::{Pressure, Response};
use rate::Rate;
use watchdog::Watchdog;
use workspaces::Workspaces;

/// What a job that used up its attempts, or finds no free slot, is told.
const BUDGET_CHECK_FAILED: &str = "Execution budget check failed";

/// Gives permits and takes them back. Does no I/O and reads no clock: [`advance`](Self::advance) says what
/// time it is.
///
/// A job holds at most one permit, from [`ask`](Self::ask) to [`finish`](Self::finish), and never more
/// than the limit are held. What a worker did when it ended opens and closes the breaker of its kind, and is
/// what the budget is charged with.
#[derive(Debug)]
pub struct PermitGate {
    limit: u32,
    providers: Providers,
    now: Mono,
    active: HashMap<JobId, Held>,
    issued: u64,
    closed: bool,
    pressure: Pressure,
    breaker: BreakerSettings,
    /// One for each kind of agent that was ever asked for: a handful of names.
    breakers: BTreeMap<String, Breaker>,
    rate: Rate,
    cost: CostBudget,
    workspaces: Workspaces,
    watchdog: Watchdog,
    alerts: Vec<Alert>,
}

#[derive(Debug)]
struct Held {
    permit: PermitId,
    provider: Option<String>,
    tried: bool,
    cost: Option<f64>,
    since: Mono,
}

/// How the holder of a permit ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Finished {
    /// It had a worker.
    pub ran: bool,
    /// What that says about workers of its kind.
    pub verdict: Verdict,
    /// What the worker says it cost, in US dollars.
    pub cost: Option<f64>,
    /// It ran out of time.
    pub timed_out: bool,
}

impl PermitGate {
    /// A gate that gives no more than these settings allow.
    #[must_use]
    pub fn new(settings: GateSettings) -> Self {
        Self {
            limit: settings.concurrency,
            providers: Providers::default(),
            now: Mono::ZERO,
            active: HashMap::new(),
            issued: 0,
            closed: false,
            pressure: Pressure::new(settings.pressure),
            breaker: settings.breaker,
            breakers: BTreeMap::new(),
            rate: Rate::new(settings.per_second),
            cost: CostBudget::new(settings.max_cost),
            workspaces: Workspaces::default(),
            watchdog: Watchdog::default(),
            alerts: Vec::new(),
        }
    }

    /// Says which services kinds of workers depend on. Without it they are those of the adapters that come with roboppi.
    #[must_use]
    pub fn with_providers(mut self, providers: Providers) -> Self {
        self.providers = providers;
        self
    }

    /// It is `now`.
    pub fn advance(&mut self, now: Mono) {
        self.now = now;
        self.rate.advance(now);
        for breaker in self.breakers.values_mut() {
            breaker.advance(now);
        }
        if self.watchdog.look(now, self.pressure.lag_ms(now)) {
            let alarm = self.watchdog.alarm();
            self.alerts.push(Alert::Alarm { alarm, reason: self.watchdog.reason() });
        }
    }

    /// Asks for a permit. The checks come in the order of the existing program, because the first that
    /// fails is what the runner is told; the workspace, of which that knows nothing, comes last. `utc` is for
    /// the deadline alone.
    ///
    /// # Errors
    /// Why the job may not run.
    pub fn ask(&mut self, utc: UtcMillis, job: &Job, attempt_index: f64) -> Result<Permit, PermitRejection> {
        let demand = Demand::of(job, &self.providers);
        let degraded = self.check(job, &demand, attempt_index)?;
        let cost = job.limits.cost_hint.map(|hint| if degraded { (hint / 2.0).ceil() } else { hint });
        let mut tried = false;
        if let Some(provider) = &demand.provider {
            self.rate.give(self.now);
            tried = self.breaker_of(provider).start();
        }
        self.watchdog.workspace_given(&job.job_id);
        if let Some(path) = demand.edits {
            self.workspaces.enter(job.job_id.clone(), path, demand.provider.is_some());
        }
        self.cost.reserve(cost);
        self.issued += 1;
        let permit_id = PermitId::new(format!("permit-{}", self.issued));
        let provider = demand.provider.as_deref().map(str::to_owned);
        let held = Held { permit: permit_id.clone(), provider, tried, cost, since: self.now };
        self.active.insert(job.job_id.clone(), held);
        Ok(Permit {
            permit_id,
            job_id: job.job_id.clone(),
            deadline_at: UtcMillis(utc.0.saturating_add(whole_millis(job.limits.timeout_ms))),
            attempt_index,
            tokens_granted: Tokens { concurrency: 1, rps: 1, cost_budget: cost },
            circuit_state_snapshot: self
                .breakers
                .iter()
                .map(|(provider, breaker)| (provider.clone(), breaker.state()))
                .collect(),
        })
    }

    /// Says whether the permit is given under load.
    fn check(&mut self, job: &Job, demand: &Demand<'_>, attempt_index: f64) -> Result<bool, PermitRejection> {
        let refuse = |reason, detail: &str| Err(PermitRejection { reason, detail: Some(detail.to_owned()) });
        if self.closed {
            return refuse(RejectionReason::FatalMode, "The core is shutting down");
        }
        if let Some(held) = self.active.get(&job.job_id) {
            let detail = format!("Job {} already has active permit {}", job.job_id, held.permit);
            return refuse(RejectionReason::DuplicatePermit, &detail);
        }
        let response = self.pressure.response(self.now, self.active(), self.limit);
        match response {
            Response::Reject => {
                return refuse(RejectionReason::GlobalShed, "Backpressure: system overloaded");
            }
            Response::Defer => {
                return refuse(RejectionReason::Deferred, "Backpressure: system busy, retry later");
            }
            Response::Accept | Response::Degrade => {}
        }
        if demand.provider.is_some() {
            self.obey_watchdog(job)?;
        }
        if let Some(provider) = &demand.provider
            && !self.breaker_of(provider).admits()
        {
            let detail = format!("Circuit breaker open for provider: {provider}");
            return refuse(RejectionReason::CircuitOpen, &detail);
        }
        if attempt_index >= job.limits.max_attempts {
            return refuse(RejectionReason::BudgetExhausted, BUDGET_CHECK_FAILED);
        }
        if self.active() >= self.limit {
            return refuse(RejectionReason::ConcurrencyLimit, BUDGET_CHECK_FAILED);
        }
        if demand.provider.is_some() {
            if !self.rate.has_room() {
                return refuse(RejectionReason::RateLimit, BUDGET_CHECK_FAILED);
            }
            if !self.cost.allows(job.limits.cost_hint) {
                return refuse(RejectionReason::BudgetExhausted, BUDGET_CHECK_FAILED);
            }
        }
        if let Some(path) = demand.edits
            && let Some(other) = self.workspaces.taken_by(path, demand.provider.is_some())
        {
            let detail = format!("Workspace {path} is being edited by job {other}");
            if demand.provider.is_some() {
                self.watchdog.workspace_taken(self.now, &job.job_id);
            }
            return refuse(RejectionReason::Deferred, &detail);
        }
        Ok(response == Response::Degrade)
    }

    /// What the watchdog sees is about agents, and only they are kept back.
    fn obey_watchdog(&self, job: &Job) -> Result<(), PermitRejection> {
        let reason = match self.watchdog.alarm() {
            Alarm::Shed if job.priority.class == PriorityClass::Batch => RejectionReason::Deferred,
            Alarm::Calm | Alarm::Shed => return Ok(()),
            Alarm::Throttle if self.rate.is_empty() => return Ok(()),
            Alarm::Throttle => RejectionReason::RateLimit,
            Alarm::CircuitOpen => RejectionReason::CircuitOpen,
            Alarm::Escalation => RejectionReason::GlobalShed,
        };
        Err(PermitRejection { reason, detail: Some(format!("Watchdog: {}", self.watchdog.reason())) })
    }

    fn breaker_of(&mut self, provider: &str) -> &mut Breaker {
        let settings = self.breaker;
        self.breakers.entry(provider.to_owned()).or_insert_with(|| Breaker::new(settings))
    }

    /// Takes a job's permit back. Nothing happens when it holds none.
    pub fn finish(&mut self, job_id: &JobId, finished: Finished) {
        let Some(held) = self.active.remove(job_id) else { return };
        self.workspaces.leave(job_id);
        self.cost.settle(held.cost, finished.ran, finished.cost);
        let Some(provider) = held.provider else { return };
        self.watchdog.ended(self.now, job_id, finished.timed_out);
        if let Some(breaker) = self.breakers.get_mut(&provider)
            && breaker.end(self.now, held.tried, finished.verdict)
        {
            self.isolated(provider);
        }
    }

    fn isolated(&mut self, provider: String) {
        let BreakerSettings { failures, reset, .. } = self.breaker;
        self.alerts.push(Alert::Isolated { provider, failures, reset });
        let providers: Vec<_> = self
            .breakers
            .iter()
            .filter(|(_, breaker)| breaker.state() == CircuitState::Open)
            .map(|(provider, _)| provider.clone())
            .collect();
        if providers.len() > 1 {
            self.alerts.push(Alert::ManyIsolated { providers });
        }
    }

    /// The worker of a job was told to end.
    pub fn ending(&mut self, job_id: &JobId) {
        if self.active.get(job_id).is_some_and(|held| held.provider.is_some()) {
            self.watchdog.ending(self.now, job_id);
        }
    }

    /// The worker of a job has started; how long that took is how loaded the core is.
    pub fn started(&mut self, job_id: &JobId) {
        if let Some(held) = self.active.get(job_id) {
            self.pressure.latency(self.now, self.now.since(held.since));
        }
    }

    /// The supervisor says how many jobs wait, and how many milliseconds the oldest does.
    pub fn queue(&mut self, depth: f64, oldest_ms: f64) {
        self.pressure.queue(self.now, depth, oldest_ms);
    }

    /// Whether something is to be told, or no longer kept back, once time has passed.
    #[must_use]
    pub fn changes_with_time(&self) -> bool {
        self.watchdog.changes_with_time(self.pressure.lag_ms(self.now))
    }

    /// What is to be told since this was last asked.
    pub fn take_alerts(&mut self) -> Vec<Alert> {
        std::mem::take(&mut self.alerts)
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
    use std::time::Duration;

    use proptest::prelude::*;
    use roboppi_ipc::EscalationAction;

    use super::*;
    use crate::fixtures::job;

    /// It never ran, and nothing is to be learnt from that.
    const NEVER_RAN: Finished =
        Finished { ran: false, verdict: Verdict::Unknown, cost: None, timed_out: false };

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
        let mut gate = PermitGate::new(GateSettings::with_concurrency(2));
        let mut rows =
            vec![asked(&mut gate, "a", 0.0), asked(&mut gate, "b", 1.0), asked(&mut gate, "b", 0.0)];
        rows.push(asked(&mut gate, "c", 0.0));
        rows.push(asked(&mut gate, "c", 1.0));
        rows.push(asked(&mut gate, "a", 7.0));
        gate.finish(&"a".into(), NEVER_RAN);
        gate.finish(&"a".into(), NEVER_RAN);
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

    /// A job of an agent that edits `/w`, and may cost `hint`.
    fn agent(id: &str, hint: Option<f64>) -> Job {
        let mut job = job(id);
        job.payload["workerKind"] = "CLAUDE_CODE".into();
        job.payload["workspaceRef"] = format!("/w/{id}").into();
        job.payload["capabilities"] = serde_json::json!(["EDIT"]);
        job.limits.cost_hint = hint;
        job
    }

    fn told(gate: &mut PermitGate, job: &Job) -> String {
        match gate.ask(UtcMillis(0), job, 0.0) {
            Ok(permit) => {
                format!("{:?} {:?}", permit.tokens_granted.cost_budget, permit.circuit_state_snapshot)
            }
            Err(PermitRejection { reason, detail }) => format!("{reason:?}: {}", detail.unwrap_or_default()),
        }
    }

    fn at(seconds: u64) -> Mono {
        Mono::from_origin(Duration::from_secs(seconds))
    }

    #[test]
    fn an_agent_that_fails_all_the_time_is_kept_out_until_one_works() {
        let breaker = BreakerSettings { failures: 2, ..BreakerSettings::default() };
        let mut gate = PermitGate::new(GateSettings { breaker, ..GateSettings::default() });
        let sick = Finished { ran: true, verdict: Verdict::Sick, ..NEVER_RAN };
        for _ in 0..2 {
            assert!(gate.ask(UtcMillis(0), &agent("a", None), 0.0).is_ok());
            gate.finish(&"a".into(), sick);
        }
        let isolated = &gate.take_alerts()[0].event(UtcMillis(9));
        assert_eq!((isolated.target.as_str(), isolated.action), ("CLAUDE_CODE", EscalationAction::Isolate));
        assert!(gate.take_alerts().is_empty());
        let mut rows = vec![told(&mut gate, &agent("a", None)), told(&mut gate, &job("plain"))];
        gate.advance(at(30));
        rows.push(told(&mut gate, &agent("a", None)));
        rows.push(told(&mut gate, &agent("b", None)));
        gate.finish(&"a".into(), Finished { verdict: Verdict::Healthy, ..sick });
        rows.push(told(&mut gate, &agent("b", None)));
        insta::assert_snapshot!(rows.join("\n"), @r#"
        CircuitOpen: Circuit breaker open for provider: CLAUDE_CODE
        None {"CLAUDE_CODE": Open}
        None {"CLAUDE_CODE": HalfOpen}
        CircuitOpen: Circuit breaker open for provider: CLAUDE_CODE
        None {"CLAUDE_CODE": Closed}
        "#);
    }

    #[test]
    fn agents_are_bounded_in_rate_and_cost_and_commands_are_not() {
        let settings = GateSettings { per_second: 1, max_cost: Some(1.0), ..GateSettings::default() };
        let mut gate = PermitGate::new(settings);
        let mut rows = vec![told(&mut gate, &agent("a", Some(0.5)))];
        rows.push(told(&mut gate, &agent("b", Some(0.5))));
        rows.push(told(&mut gate, &job("plain")));
        gate.advance(at(1));
        rows.push(told(&mut gate, &agent("b", Some(0.6))));
        gate.finish(
            &"a".into(),
            Finished { ran: true, verdict: Verdict::Healthy, cost: Some(0.9), timed_out: false },
        );
        rows.push(told(&mut gate, &agent("b", Some(0.05))));
        insta::assert_snapshot!(rows.join("\n"), @r#"
        Some(0.5) {"CLAUDE_CODE": Closed}
        RateLimit: Execution budget check failed
        None {"CLAUDE_CODE": Closed}
        BudgetExhausted: Execution budget check failed
        Some(0.05) {"CLAUDE_CODE": Closed}
        "#);
    }

    #[test]
    fn load_puts_off_and_then_refuses() {
        let mut gate = PermitGate::new(GateSettings::default());
        let mut rows = Vec::new();
        for depth in [400.0, 500.0, 750.0, 1_000.0] {
            gate.queue(depth, 0.0);
            rows.push(told(&mut gate, &agent("a", Some(3.0))));
            gate.finish(&"a".into(), NEVER_RAN);
        }
        insta::assert_snapshot!(rows.join("\n"), @r#"
        Some(3.0) {"CLAUDE_CODE": Closed}
        Some(2.0) {"CLAUDE_CODE": Closed}
        Deferred: Backpressure: system busy, retry later
        GlobalShed: Backpressure: system overloaded
        "#);
    }

    #[test]
    fn two_agents_do_not_edit_one_workspace() {
        let mut gate = PermitGate::new(GateSettings::default());
        let mut inner = agent("b", None);
        inner.payload["workspaceRef"] = "/w/a/deep".into();
        assert!(gate.ask(UtcMillis(0), &agent("a", None), 0.0).is_ok());
        assert_eq!(told(&mut gate, &inner), "Deferred: Workspace /w/a/deep is being edited by job a");
        gate.finish(&"a".into(), NEVER_RAN);
        assert!(gate.ask(UtcMillis(0), &inner, 0.0).is_ok());
    }

    #[test]
    fn agents_that_do_not_end_keep_others_from_starting_and_commands_run_on() {
        let mut gate = PermitGate::new(GateSettings::default());
        let mut rows = Vec::new();
        for id in ["a", "plain"] {
            let job = if id == "a" { agent(id, None) } else { job(id) };
            assert!(gate.ask(UtcMillis(0), &job, 0.0).is_ok());
            gate.ending(&job.job_id);
        }
        let mut batch = agent("batch", None);
        batch.priority.class = PriorityClass::Batch;
        for second in [4, 5, 15, 16] {
            gate.advance(at(second));
            rows.extend(
                gate.take_alerts().iter().map(|alert| format!("{:?}", alert.event(UtcMillis(0)).reason)),
            );
            for job in [&batch, &agent("b", None), &job("other")] {
                let told = told(&mut gate, job);
                rows.push(format!("{second} {}: {told}", job.job_id));
                gate.finish(&job.job_id, NEVER_RAN);
            }
        }
        gate.finish(&"a".into(), NEVER_RAN);
        gate.advance(at(17));
        rows.extend(gate.take_alerts().iter().map(|alert| format!("{:?}", alert.event(UtcMillis(0)).reason)));
        insta::assert_snapshot!(rows.join("\n"), @r#"
        4 batch: None {"CLAUDE_CODE": Closed}
        4 b: None {"CLAUDE_CODE": Closed}
        4 other: None {"CLAUDE_CODE": Closed}
        "worker_cancel_latency_ms is 5000: agents of batch jobs wait"
        5 batch: Deferred: Watchdog: worker_cancel_latency_ms is 5000
        5 b: None {"CLAUDE_CODE": Closed}
        5 other: None {"CLAUDE_CODE": Closed}
        "worker_cancel_latency_ms is 15000: one agent a second may start"
        15 batch: None {"CLAUDE_CODE": Closed}
        15 b: RateLimit: Watchdog: worker_cancel_latency_ms is 15000
        15 other: None {"CLAUDE_CODE": Closed}
        16 batch: None {"CLAUDE_CODE": Closed}
        16 b: RateLimit: Watchdog: worker_cancel_latency_ms is 16000
        16 other: None {"CLAUDE_CODE": Closed}
        "all is well again"
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
            let mut gate = PermitGate::new(GateSettings::with_concurrency(limit));
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
                    gate.finish(&job.job_id, NEVER_RAN);
                    held.remove(&job.job_id);
                }
                prop_assert_eq!(gate.active() as usize, held.len());
                prop_assert!(gate.active() <= limit);
            }
        }
    }
}
