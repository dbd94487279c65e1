//! Usage limits of agents: which steps wait for the end of one, for how long, and what ends the wait.
//!
//! A limit belongs to an account. While it holds no step of that account starts: each waits, or fails at once, as its
//! [`OnLimit`] has it. The time of day decides when a limit is over; it is looked at again within [`CHECK`], so a machine that
//! slept, or whose clock was set, is late by no more than that.

use std::collections::BTreeSet;
use std::time::Duration;

use roboppi_ipc::{Mono, UtcMillis, WorkerKind};
use roboppi_run::StepState;

use super::schedule::Failure;
use super::step::StepPhase;
use super::{Phase, RunEffect, RunMachine, RunTimerSubject};
use crate::definition::{OnLimit, Step};

/// How long the time of day is not looked at.
const CHECK: Duration = Duration::from_secs(30);

/// What usage limits mean for the steps of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitPolicy {
    /// For steps that do not say.
    pub on_limit: OnLimit,
    /// How long a step waits for limits at most, all its waits together.
    pub longest: Duration,
}

impl LimitPolicy {
    /// How long a step waits at most when nobody says.
    pub const LONGEST: Duration = Duration::from_hours(6);
}

impl Default for LimitPolicy {
    fn default() -> Self {
        Self { on_limit: OnLimit::Fail, longest: Self::LONGEST }
    }
}

/// The account that steps with the same use the limit of: the kind of worker, and the provider that its model names, as in
/// `anthropic/claude-sonnet`. `None` for commands.
pub(super) fn account_of(step: &Step) -> Option<String> {
    if step.worker == WorkerKind::CUSTOM {
        return None;
    }
    let provider = step.agent.model.as_deref().and_then(|model| model.split_once('/'));
    let of_provider = provider.map_or_else(String::new, |(provider, _)| format!(" ({provider})"));
    Some(format!("{}{of_provider}", step.worker.name()))
}

/// An account, and the limit that it has reached.
#[derive(Clone, Debug)]
pub(super) struct Account {
    name: String,
    limit: Option<Limit>,
}

#[derive(Clone, Debug)]
struct Limit {
    until: UtcMillis,
    /// When the last attempt came up against it.
    reached_at: Mono,
    /// Of the timer.
    epoch: u64,
    /// Steps that wait for its end.
    waiting: BTreeSet<usize>,
}

impl RunMachine {
    /// The same with another policy for usage limits.
    #[must_use]
    pub const fn with_limits(mut self, policy: LimitPolicy) -> Self {
        self.limit_policy = policy;
        self
    }

    /// Takes in which time of day it is. Without it the times that agents give mean nothing.
    pub const fn set_wall_time(&mut self, now: Mono, wall: UtcMillis) {
        self.wall = Some((now, wall));
    }

    /// The place of an account, which is new or known.
    pub(super) fn account_place(&mut self, step: &Step) -> Option<u32> {
        let name = account_of(step)?;
        let place = self.accounts.iter().position(|account| account.name == name).unwrap_or_else(|| {
            self.accounts.push(Account { name, limit: None });
            self.accounts.len() - 1
        });
        u32::try_from(place).ok()
    }

    fn account(&self, index: usize) -> Option<usize> {
        self.steps[index].account().and_then(|place| usize::try_from(place).ok())
    }

    /// Time until a point of the wall clock; `None` when it is past, or unknown.
    pub(super) fn time_until(&self, now: Mono, until: UtcMillis) -> Option<Duration> {
        let ahead = until.0.checked_sub(self.wall_now(now)?).filter(|ahead| *ahead > 0)?;
        Some(Duration::from_millis(ahead))
    }

    fn wall_now(&self, now: Mono) -> Option<u64> {
        let (at, UtcMillis(wall)) = self.wall?;
        let since = u64::try_from(now.since(at).as_millis()).unwrap_or(u64::MAX);
        Some(wall.saturating_add(since))
    }

    /// An attempt came up against a limit that is over at `until`, which lies `ahead`. Says whether that was dealt with.
    pub(super) fn limit_reached(
        &mut self,
        now: Mono,
        index: usize,
        until: UtcMillis,
        detail: &str,
        out: &mut Vec<RunEffect>,
    ) -> bool {
        let (Some(place), Some(ahead), Some(wall)) =
            (self.account(index), self.time_until(now, until), self.wall_now(now))
        else {
            return false;
        };
        if self.phase != Phase::Running {
            return false;
        }
        // A limit that is reached again and again, with times that are nearly over, is waited for longer each time.
        let count = self.steps[index].limit_waits.count;
        let least = Duration::from_secs(if count == 0 { 0 } else { (1 << count.min(10)).min(600) });
        let wait = ahead.max(least);
        let until = UtcMillis(wall.saturating_add(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)));
        self.note_limit(now, place, until, wait, out);
        match self.why_no_wait(now, index, wait) {
            None => {
                let step = &mut self.steps[index];
                step.limit_waits.count += 1;
                step.rounds.allow_one_more();
                let detail = format!("{}: {detail}", self.accounts[place].name);
                self.hold(now, index, place, StepState::Retrying, detail, out);
            }
            Some(why) => self.fail_for_limit(now, index, place, &format!("{why}: {detail}"), out),
        }
        true
    }

    /// Keeps a step from starting while the limit of its account holds. Says whether it does.
    pub(super) fn is_held(&mut self, now: Mono, index: usize, out: &mut Vec<RunEffect>) -> bool {
        if self.steps[index].ignores_limit {
            return false;
        }
        let Some(place) = self.account(index) else { return false };
        let Some(limit) = &self.accounts[place].limit else { return false };
        let Some(wait) = self.time_until(now, limit.until) else { return false };
        let name = self.accounts[place].name.clone();
        match self.why_no_wait(now, index, wait) {
            None => {
                let unstarted = self.steps[index].is_unstarted;
                let state = if unstarted { StepState::Ready } else { StepState::Retrying };
                self.hold(now, index, place, state, name, out);
            }
            Some(why) => self.fail_for_limit(now, index, place, &format!("{why}: {name}"), out),
        }
        true
    }

    /// Why a step does not wait that long; `None` when it does.
    fn why_no_wait(&self, now: Mono, index: usize, wait: Duration) -> Option<String> {
        let step = &self.steps[index];
        if step.on_limit.unwrap_or(self.limit_policy.on_limit) == OnLimit::Fail {
            return Some("not waited for (on_limit: fail)".to_owned());
        }
        let longest = self.limit_policy.longest;
        if step.limit_waits.total.saturating_add(wait) > longest {
            return Some(format!("longer than --limit-wait {}", words(longest)));
        }
        let end = self.began_at.unwrap_or_default() + self.timeout;
        (now + wait > end).then(|| format!("after the time limit of the run, {}", words(self.timeout)))
    }

    fn note_limit(
        &mut self,
        now: Mono,
        place: usize,
        until: UtcMillis,
        wait: Duration,
        out: &mut Vec<RunEffect>,
    ) {
        let name = self.accounts[place].name.clone();
        if let Some(limit) = &mut self.accounts[place].limit {
            limit.until = limit.until.max(until);
            limit.reached_at = now;
            return;
        }
        let epoch = self.set_timer(RunTimerSubject::Limit(name), wait.min(CHECK), out);
        let waiting = BTreeSet::new();
        self.accounts[place].limit = Some(Limit { until, reached_at: now, epoch, waiting });
    }

    fn hold(
        &mut self,
        now: Mono,
        index: usize,
        place: usize,
        state: StepState,
        detail: String,
        out: &mut Vec<RunEffect>,
    ) {
        let Some(limit) = &mut self.accounts[place].limit else { return };
        limit.waiting.insert(index);
        let until = limit.until;
        self.retrying += 1;
        let step = &mut self.steps[index];
        step.life = StepPhase::Limited { since: now, is_retry: state == StepState::Retrying };
        out.push(RunEffect::StepChanged {
            step: step.id.clone(),
            state,
            detail: Some(detail),
            allowed_to_fail: false,
            duration: None,
            limit_until: Some(until),
        });
    }

    fn fail_for_limit(
        &mut self,
        now: Mono,
        index: usize,
        place: usize,
        detail: &str,
        out: &mut Vec<RunEffect>,
    ) {
        let limit_until = self.accounts[place].limit.as_ref().map(|limit| limit.until);
        let failure = Failure { state: StepState::Failed, is_fatal: false, limit_until };
        self.give_up(now, index, failure, detail.to_owned(), out);
    }

    /// It is time to look whether a limit is over.
    pub(super) fn limit_timer(&mut self, now: Mono, name: &str, epoch: u64, out: &mut Vec<RunEffect>) {
        if self.phase != Phase::Running {
            return;
        }
        let Some(place) = self.accounts.iter().position(|account| account.name == name) else { return };
        let Some(limit) = self.accounts[place].limit.as_ref().filter(|limit| limit.epoch == epoch) else {
            return;
        };
        let Some(ahead) = self.time_until(now, limit.until) else { return self.limit_over(now, place) };
        // The wall clock may have been set back: what counts of a wait is time that passed.
        for index in limit.waiting.clone() {
            let StepPhase::Limited { since, .. } = self.steps[index].life else { continue };
            let waited = self.steps[index].limit_waits.total.saturating_add(now.since(since));
            if waited > self.limit_policy.longest {
                self.leave_queue(index);
                let why = format!("longer than --limit-wait {}", words(self.limit_policy.longest));
                self.fail_for_limit(now, index, place, &why, out);
            }
        }
        let next = self.set_timer(RunTimerSubject::Limit(name.to_owned()), ahead.min(CHECK), out);
        if let Some(limit) = &mut self.accounts[place].limit {
            limit.epoch = next;
        }
    }

    /// An attempt has succeeded: what began after a limit was reached shows that the limit is over.
    pub(super) fn limit_disproved(&mut self, now: Mono, index: usize) {
        let Some(place) = self.account(index) else { return };
        let began = self.steps[index].attempt_began;
        if self.accounts[place].limit.as_ref().is_some_and(|limit| limit.reached_at < began) {
            self.limit_over(now, place);
        }
    }

    fn limit_over(&mut self, now: Mono, place: usize) {
        let Some(limit) = self.accounts[place].limit.take() else { return };
        for index in limit.waiting {
            if let StepPhase::Limited { since, .. } = self.steps[index].life {
                let waits = &mut self.steps[index].limit_waits;
                waits.total = waits.total.saturating_add(now.since(since));
                self.retrying -= 1;
                self.make_ready(index);
            }
        }
    }

    /// A step no longer waits for its limit.
    pub(super) fn leave_limit(&mut self, index: usize) {
        let limit = self.account(index).and_then(|place| self.accounts[place].limit.as_mut());
        if let Some(limit) = limit {
            limit.waiting.remove(&index);
        }
        self.retrying -= 1;
    }

    /// Starts a step at once that waits for a limit, as a person commands.
    pub(super) fn start_in_spite_of_limit(&mut self, index: usize, out: &mut Vec<RunEffect>) {
        out.push(RunEffect::Answered { refused: None });
        self.leave_queue(index);
        self.steps[index].ignores_limit = true;
        self.make_ready(index);
    }
}

/// A time in words of the command line: `6h`, `1h30m`, `90s`.
fn words(time: Duration) -> String {
    let seconds = time.as_secs();
    let parts = [(seconds / 3600, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    let text: String =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count}{unit}")).collect();
    if text.is_empty() { format!("{}ms", time.as_millis()) } else { text }
}
