//! What is kept of all runs.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use roboppi_ipc::UtcMillis;
use roboppi_run::RunId;

use crate::{Change, Events, OutputLine, RowState, RunRow};

/// A failure is recent for a day.
const RECENT_MS: u64 = 24 * 3_600_000;

/// Lines of output that are kept.
const LINES: usize = 2_000;

/// The rows of all runs and their latest events.
#[derive(Clone, Debug, Default)]
pub struct Board {
    rows: BTreeMap<RunId, Arc<RunRow>>,
    /// The latest events.
    pub events: Events,
    output: VecDeque<OutputLine>,
    lines: u64,
    problem: Option<String>,
    is_listed: bool,
    changes: u64,
}

/// All runs in a few numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Summary {
    /// Runs whose owner is alive.
    pub running: usize,
    /// Runs that wait for a person.
    pub needs_you: usize,
    /// Runs that failed or were lost since a time.
    pub failed: usize,
    /// Runs that ended since that time.
    pub ended: usize,
    /// What agents of runs cost that began, or ended, since that time, in US dollars.
    pub cost_usd: Option<f64>,
    /// Attempts reported no cost, so that the cost is a lower bound.
    pub is_lower_bound: bool,
    /// All runs.
    pub total: usize,
}

impl Board {
    /// Takes a change.
    pub fn apply(&mut self, change: Change) {
        self.changes += 1;
        match change {
            Change::Row(row) => drop(self.rows.insert(row.id.clone(), row)),
            Change::Removed(id) => drop(self.rows.remove(&id)),
            Change::Event(event) => self.events.add(event),
            Change::Output(mut line) => {
                self.lines += 1;
                line.number = self.lines;
                if self.output.len() == LINES {
                    self.output.pop_front();
                }
                self.output.push_back(line);
            }
            Change::Problem(problem) => self.problem = problem,
            Change::Listed => self.is_listed = true,
        }
    }

    /// Changes that were applied.
    #[must_use]
    pub const fn changes(&self) -> u64 {
        self.changes
    }

    /// Whether all runs are known that there were at the beginning.
    #[must_use]
    pub const fn is_listed(&self) -> bool {
        self.is_listed
    }

    /// What cannot be read, for people.
    #[must_use]
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// The latest lines of output, oldest first.
    pub fn output(&self) -> impl DoubleEndedIterator<Item = &OutputLine> {
        self.output.iter()
    }

    /// The row of a run.
    #[must_use]
    pub fn row(&self, id: &RunId) -> Option<&Arc<RunRow>> {
        self.rows.get(id)
    }

    /// All rows, in the order of their ids.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &Arc<RunRow>> {
        self.rows.values()
    }

    /// All rows in the order of their urgency: what waits for a person, the longest wait first, then what is under way, then recent
    /// failures, then the others; the latest first.
    #[must_use]
    pub fn by_urgency(&self, now: UtcMillis) -> Vec<Arc<RunRow>> {
        let mut rows: Vec<_> = self.rows.values().cloned().collect();
        rows.sort_by_cached_key(|row| {
            let rank = rank(row, now);
            let waits = row.needs_you.first().map_or(0, |request| request.since.0);
            (rank, waits, std::cmp::Reverse((time_of(row, rank), row.id.clone())))
        });
        rows
    }

    /// Rows of runs that are over, the one that ended last first.
    #[must_use]
    pub fn history(&self) -> Vec<Arc<RunRow>> {
        let over = self.rows.values().filter(|row| !row.state.may_live());
        let mut rows: Vec<_> = over.cloned().collect();
        rows.sort_by_cached_key(|row| std::cmp::Reverse((ended_at(row), row.id.clone())));
        rows
    }

    /// All runs in a few numbers; `since` is the beginning of the day.
    #[must_use]
    pub fn summary(&self, since: UtcMillis) -> Summary {
        let mut summary = Summary { total: self.rows.len(), ..Summary::default() };
        for row in self.rows.values() {
            let is_of_today = ended_at(row).is_some_and(|at| at >= since) || row.state.may_live();
            summary.running += usize::from(matches!(row.state, RowState::Running | RowState::Ending));
            summary.needs_you += usize::from(!row.needs_you.is_empty());
            if !is_of_today {
                continue;
            }
            if !row.state.may_live() {
                summary.ended += 1;
                summary.failed += usize::from(row.state.has_failed());
            }
            if let Some(usage) = row.usage {
                let cost = usage.cost_usd.map(|cost| cost + summary.cost_usd.unwrap_or_default());
                summary.cost_usd = cost.or(summary.cost_usd);
                summary.is_lower_bound |= usage.is_lower_bound;
            }
        }
        summary
    }

    /// Of each of `count` periods of `length` milliseconds up to `now`, the oldest first: runs that ended, and what they cost.
    #[must_use]
    pub fn trend(&self, now: UtcMillis, length: u64, count: usize) -> Vec<(u64, f64)> {
        let mut trend = vec![(0, 0.0); count];
        for row in self.rows.values().filter(|row| !row.state.may_live()) {
            let Some(age) = ended_at(row).and_then(|at| now.0.checked_sub(at.0)) else { continue };
            let place =
                usize::try_from(age / length.max(1)).ok().and_then(|back| count.checked_sub(back + 1));
            if let Some((ended, cost)) = place.and_then(|place| trend.get_mut(place)) {
                *ended += 1;
                *cost += row.usage.and_then(|usage| usage.cost_usd).unwrap_or_default();
            }
        }
        trend
    }
}

/// When a run ended, or was last heard of.
fn ended_at(row: &RunRow) -> Option<UtcMillis> {
    let by_duration = || Some(UtcMillis(row.started_at?.0.saturating_add(row.duration_ms?)));
    row.finished_at.or_else(by_duration).or(row.last_at).or(row.started_at)
}

fn rank(row: &RunRow, now: UtcMillis) -> u8 {
    let is_recent = || ended_at(row).is_some_and(|at| now.0.saturating_sub(at.0) < RECENT_MS);
    match row.state {
        _ if !row.needs_you.is_empty() => 0,
        RowState::Running | RowState::Ending => 1,
        state if state.has_failed() && is_recent() => 2,
        _ => 3,
    }
}

fn time_of(row: &RunRow, rank: u8) -> Option<UtcMillis> {
    if rank <= 1 { row.started_at } else { ended_at(row) }
}

#[cfg(test)]
mod tests {
    use roboppi_run::RunOutcome;

    use super::*;
    use crate::{NeedsYou, Usage};

    fn row(id: &str, state: RowState, at: u64) -> RunRow {
        let mut row = RunRow::new(RunId::parse(id).unwrap());
        (row.state, row.started_at, row.last_at) = (state, Some(UtcMillis(at)), Some(UtcMillis(at)));
        row
    }

    #[test]
    fn what_waits_for_a_person_comes_first_and_recent_failures_before_the_rest() {
        let now = UtcMillis(10 * RECENT_MS);
        let recent = now.0 - 1_000;
        let mut board = Board::default();
        let mut waits = row("run-a", RowState::Running, 1);
        let request = |since| NeedsYou { step: "s".into(), why: "approve".into(), since: UtcMillis(since) };
        waits.needs_you.push(request(9));
        let mut longer = row("run-b", RowState::Running, 1);
        longer.needs_you.push(request(5));
        for row in [
            row("run-old-failure", RowState::Finished(RunOutcome::Failed), 5),
            row("run-done", RowState::Finished(RunOutcome::Succeeded), recent + 1),
            row("run-failed", RowState::Finished(RunOutcome::Failed), recent),
            row("run-lost", RowState::Lost, recent - 1),
            row("run-live", RowState::Running, 2),
            row("run-live-later", RowState::Running, 3),
            waits,
            longer,
        ] {
            board.apply(Change::Row(row.shared()));
        }
        let ids: Vec<_> = board.by_urgency(now).iter().map(|row| row.id.to_string()).collect();
        let expected = [
            "run-b",
            "run-a",
            "run-live-later",
            "run-live",
            "run-failed",
            "run-lost",
            "run-done",
            "run-old-failure",
        ];
        assert_eq!(ids, expected);
        let summary = board.summary(UtcMillis(recent - 5));
        assert_eq!((summary.running, summary.needs_you, summary.failed, summary.ended), (4, 2, 2, 3));
        let history: Vec<_> = board.history().iter().map(|row| row.id.to_string()).collect();
        assert_eq!(history, ["run-done", "run-failed", "run-lost", "run-old-failure"]);
    }

    #[test]
    fn a_trend_counts_the_ends_of_each_period() {
        let mut board = Board::default();
        for (id, at, cost) in
            [("run-1", 95, 1.0), ("run-2", 99, 0.5), ("run-3", 50, 2.0), ("run-4", 200, 7.0)]
        {
            let mut row = row(id, RowState::Finished(RunOutcome::Succeeded), at);
            row.usage = Some(Usage { tokens: 1, cost_usd: Some(cost), is_lower_bound: false });
            board.apply(Change::Row(row.shared()));
        }
        assert_eq!(
            board.trend(UtcMillis(100), 10, 6),
            [(1, 2.0), (0, 0.0), (0, 0.0), (0, 0.0), (0, 0.0), (2, 1.5)]
        );
        board.apply(Change::Removed(RunId::parse("run-3").unwrap()));
        assert_eq!(board.rows().len(), 3);
    }
}
