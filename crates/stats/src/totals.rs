//! The figures of many runs, added up.

use std::collections::BTreeMap;

use roboppi_ipc::UtcMillis;

use crate::names::entry;
use crate::{AgentFigures, Group, OTHER, Outcome, RECENT, Recent, RunFigures, RunState};

/// Names of each kind that are counted separately.
const NAMES: usize = 2_000;

/// Which runs are counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only runs that began at this time or later.
    pub since: Option<UtcMillis>,
    /// Only runs that began before this time.
    pub until: Option<UtcMillis>,
}

impl Selection {
    /// Whether a run is counted.
    #[must_use]
    pub fn takes(&self, run: &RunFigures) -> bool {
        self.since.is_none_or(|since| run.started_at >= since)
            && self.until.is_none_or(|until| run.started_at < until)
    }
}

/// The time that rates refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// Its beginning: that of the selection, or else of the first run.
    pub from: UtcMillis,
    /// Its end: that of the selection, or else now.
    pub to: UtcMillis,
}

impl Period {
    /// Its length.
    #[must_use]
    pub const fn ms(&self) -> u64 {
        self.to.0.saturating_sub(self.from.0)
    }
}

/// A step of a workflow.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StepKey {
    /// The name of the workflow.
    pub workflow: String,
    /// The path of the step.
    pub step: String,
}

/// Attempts of agents of one kind, in all runs.
pub type AgentTotals = AgentFigures;

/// Figures of many runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Totals {
    /// Runs.
    pub runs: Group,
    /// Runs by the name of their workflow.
    pub workflows: BTreeMap<String, Group>,
    /// Steps.
    pub steps: Group,
    /// Steps by workflow and path.
    pub by_step: BTreeMap<StepKey, Group>,
    /// Attempts of agents by kind of worker.
    pub agents: BTreeMap<String, AgentTotals>,
    /// Tool calls.
    pub calls: Group,
    /// Tool calls by name of the tool.
    pub tools: BTreeMap<String, Group>,
    /// What was done last, the latest first, each with the short name of its run.
    pub recent: Vec<(String, Recent)>,
    /// Events of workers that are known to be missing.
    pub events_missing: u64,
    /// When the first counted run began.
    pub first: Option<UtcMillis>,
}

impl Totals {
    /// Adds the figures of a run.
    pub fn add(&mut self, run: &RunFigures, state: RunState) {
        let outcome = run.outcome(state);
        let took = run.finished.map(|(_, duration_ms)| duration_ms);
        self.runs.add(outcome, took);
        entry(&mut self.workflows, &run.name, NAMES).add(outcome, took);
        self.first = Some(self.first.map_or(run.started_at, |first| first.min(run.started_at)));
        self.events_missing = self.events_missing.saturating_add(run.events_missing);
        self.add_steps(run, state);
        for (kind, of_run) in &run.agents {
            let attempts = of_run.attempts.in_run(state);
            entry(&mut self.agents, kind, NAMES).merge(&AgentFigures { attempts, ..of_run.clone() });
        }
        for (tool, calls) in &run.tools {
            let calls = calls.in_run(state);
            self.calls.merge(&calls);
            entry(&mut self.tools, tool, NAMES).merge(&calls);
        }
        self.add_recent(run);
    }

    fn add_steps(&mut self, run: &RunFigures, state: RunState) {
        for step in &run.steps {
            let outcome = step.outcome.in_run(state);
            self.steps.add(outcome, step.duration_ms);
            self.step(&run.name, &step.step).add(outcome, step.duration_ms);
        }
        let more = run.more_steps.in_run(state);
        if more != Group::default() {
            self.steps.merge(&more);
            self.step(&run.name, OTHER).merge(&more);
        }
    }

    fn step(&mut self, workflow: &str, step: &str) -> &mut Group {
        let key = StepKey { workflow: workflow.to_owned(), step: step.to_owned() };
        let has_room = self.by_step.len() < NAMES || self.by_step.contains_key(&key);
        let other = || StepKey { workflow: OTHER.to_owned(), step: OTHER.to_owned() };
        self.by_step.entry(if has_room { key } else { other() }).or_default()
    }

    fn add_recent(&mut self, run: &RunFigures) {
        let least = self.recent.last().filter(|_| self.recent.len() == RECENT).map(|(_, entry)| entry.at);
        let mut is_new = false;
        for recent in run.recent.iter().filter(|recent| least.is_none_or(|least| recent.at > least)) {
            self.recent.push((run.short_name(), recent.clone()));
            is_new = true;
        }
        if is_new {
            self.recent.sort_by_key(|(_, entry)| std::cmp::Reverse(entry.at));
            self.recent.truncate(RECENT);
        }
    }

    /// The time that rates refer to; `None` when there is neither a beginning nor a run.
    #[must_use]
    pub fn period(&self, selection: &Selection, now: UtcMillis) -> Option<Period> {
        let from = selection.since.or(self.first)?;
        Some(Period { from, to: selection.until.unwrap_or(now).min(now) })
    }

    /// Runs that are under way.
    #[must_use]
    pub const fn running(&self) -> u64 {
        self.runs.counts.of(Outcome::Running)
    }
}

#[cfg(test)]
mod tests;
