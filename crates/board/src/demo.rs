//! Runs that are made up, to show what a dashboard looks like. They are the same for the same seed and the same times.

use std::sync::Arc;

use roboppi_ipc::UtcMillis;
use roboppi_run::{RunHandle, RunId, RunMode, RunOutcome};

use crate::{
    AgentRow, Category, Change, Current, EventRow, NeedsYou, Origin, RowState, RunRow, StepNumbers, Usage,
};

/// Runs that are over at the beginning.
const EARLIER: u64 = 24;

/// Runs that are under way.
const LIVE: u64 = 5;

/// Milliseconds between two events of a run, on average.
const PACE: u64 = 900;

/// Names of runs.
const NAMES: [&str; 6] = ["nightly", "release", "review", "docs", "api", "bench"];

/// Steps of each run.
const STEPS: [&str; 6] = ["fetch", "build", "lint", "test", "review", "package"];

/// Tool calls of an agent.
const CALLS: [&str; 6] = [
    "Read src/main.rs",
    "Bash cargo test",
    "Edit src/parser.rs",
    "Grep TODO",
    "Bash cargo clippy",
    "Write docs/usage.md",
];

/// Makes up runs and events.
#[derive(Debug)]
pub struct Demo {
    random: u64,
    started_at: UtcMillis,
    until: UtcMillis,
    rows: Vec<RunRow>,
    next_handle: u64,
    events: u64,
}

impl Demo {
    /// Runs from `now` on.
    #[must_use]
    pub const fn new(seed: u64, now: UtcMillis) -> Self {
        let random = seed | 1;
        Self { random, started_at: now, until: now, rows: Vec::new(), next_handle: 1, events: 0 }
    }

    /// Events so far.
    #[must_use]
    pub const fn events(&self) -> u64 {
        self.events
    }

    /// What happens up to `now`.
    pub fn advance(&mut self, now: UtcMillis) -> Vec<Change> {
        let mut changes = Vec::new();
        if self.rows.is_empty() {
            for back in (1..=EARLIER).rev() {
                changes.push(Change::Row(self.earlier(back).shared()));
            }
            for _ in 0..LIVE {
                self.begin(self.started_at, &mut changes);
            }
            changes.push(Change::Listed);
        }
        while self.until < now {
            self.until = UtcMillis(self.until.0 + 1 + self.below(2 * PACE / LIVE));
            let at = self.until.min(now);
            self.one(at, &mut changes);
        }
        changes
    }

    /// A number below a bound.
    const fn below(&mut self, bound: u64) -> u64 {
        // Xorshift: numbers that look random are enough.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % bound
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> Option<T> {
        let place = self.below(of.len().max(1) as u64) as usize;
        of.get(place).copied()
    }

    fn row(&mut self, at: UtcMillis) -> RunRow {
        let number = self.next_handle;
        self.next_handle += 1;
        // A demo id is no id of a record: those are UUIDs.
        let id = RunId::parse(&format!("demo-{number:04}"));
        let id = id.unwrap_or_else(|_| unreachable!("letters, digits and a hyphen"));
        let mut row = RunRow::new(id);
        row.handle = RunHandle::parse(&format!("r{number}"));
        row.name = self.pick(&NAMES).unwrap_or_default().to_owned();
        row.workflow = format!("/demo/{}.yaml", row.name);
        row.workspace = "/demo".to_owned();
        row.mode = Some(RunMode::Supervised);
        row.origin = Origin::Demo;
        row.started_at = Some(at);
        row.last_at = Some(at);
        row.steps.total = STEPS.len();
        row
    }

    fn earlier(&mut self, back: u64) -> RunRow {
        let took = 60_000 + self.below(1_200_000);
        let ended = UtcMillis(self.started_at.0.saturating_sub(back * 2_400_000 + self.below(900_000)));
        let mut row = self.row(UtcMillis(ended.0.saturating_sub(took)));
        let fails = self.below(6) == 0;
        self.end(&mut row, ended, fails);
        row
    }

    fn end(&mut self, row: &mut RunRow, at: UtcMillis, fails: bool) {
        row.state = RowState::Finished(if fails { RunOutcome::Failed } else { RunOutcome::Succeeded });
        row.detail = fails.then(|| "test: exit code 1".to_owned());
        row.steps = if fails {
            StepNumbers { total: 6, succeeded: 3, running: 0, failed: 1, other: 2 }
        } else {
            StepNumbers { total: 6, succeeded: 6, running: 0, failed: 0, other: 0 }
        };
        (row.finished_at, row.last_at) = (Some(at), Some(at));
        row.duration_ms = row.started_at.map(|started| at.0.saturating_sub(started.0));
        (row.current, row.percent) = (None, None);
        row.needs_you.clear();
        row.agents.clear();
        #[expect(clippy::cast_precision_loss, reason = "an amount of money")]
        let cost = self.below(400) as f64 / 100.0;
        row.usage =
            Some(Usage { tokens: 2_000 + self.below(90_000), cost_usd: Some(cost), is_lower_bound: false });
    }

    fn begin(&mut self, at: UtcMillis, changes: &mut Vec<Change>) {
        let mut row = self.row(at);
        row.state = RowState::Running;
        row.steps.running = 1;
        self.step(&mut row, at);
        self.event(&row, at, Category::Run, "run.started", format!("{}, 6 steps", row.name), changes);
        changes.push(Change::Row(row.clone().shared()));
        self.rows.push(row);
    }

    fn step(&mut self, row: &mut RunRow, at: UtcMillis) {
        let step = STEPS.get(row.steps.done()).copied().unwrap_or("package");
        row.current = Some(Current { step: step.to_owned(), words: String::new(), since: at, until: None });
        row.needs_you.clear();
        row.agents = vec![AgentRow {
            step: step.to_owned(),
            worker: self.pick(&["CLAUDE_CODE", "CODEX_CLI", "OPENCODE"]).unwrap_or_default().to_owned(),
            model: None,
            started_at: at,
            last_seen: at,
            words: String::new(),
            tool_calls: 0,
            needs_you: false,
        }];
    }

    /// Something happens in one of the runs.
    fn one(&mut self, at: UtcMillis, changes: &mut Vec<Change>) {
        let place = self.below(self.rows.len().max(1) as u64) as usize;
        if place >= self.rows.len() {
            return;
        }
        let mut row = self.rows.swap_remove(place);
        row.last_at = Some(at);
        let what = self.below(20);
        match what {
            0 if row.needs_you.is_empty() => {
                let step = row.current.as_ref().map_or_else(String::new, |current| current.step.clone());
                let why = "may it run `git push`?".to_owned();
                self.event(&row, at, Category::Progress, "progress.wait", why.clone(), changes);
                row.needs_you.push(NeedsYou { step, why, since: at });
            }
            1..=3 => {
                row.steps.succeeded += 1;
                let step = row.current.as_ref().map_or("", |current| current.step.as_str()).to_owned();
                let mut event = self.made(&row, at, Category::Step, "step.state", "succeeded".to_owned());
                event.step = Some(step.as_str().into());
                event.transition = Some(("running".to_owned(), "succeeded".to_owned()));
                changes.push(Change::Event(event));
                if row.steps.done() >= row.steps.total {
                    let fails = self.below(5) == 0;
                    self.end(&mut row, at, fails);
                    let outcome = row.state.name().to_owned();
                    let mut event = self.made(&row, at, Category::Run, "run.finished", outcome.clone());
                    event.failed = fails;
                    event.transition = Some(("running".to_owned(), outcome));
                    changes.extend([Change::Event(event), Change::Row(row.shared())]);
                    self.begin(at, changes);
                    return;
                }
                self.step(&mut row, at);
            }
            _ => {
                let call = self.pick(&CALLS).unwrap_or_default();
                row.needs_you.clear();
                if let Some(current) = &mut row.current {
                    call.clone_into(&mut current.words);
                }
                if let Some(agent) = row.agents.first_mut() {
                    call.clone_into(&mut agent.words);
                    (agent.last_seen, agent.tool_calls) = (at, agent.tool_calls + 1);
                }
                let failed = what == 4;
                let text = format!("{call}: {}", if failed { "failed" } else { "ok" });
                let mut event = self.made(&row, at, Category::Tool, "tool.result", text);
                event.failed = failed;
                changes.push(Change::Event(event));
            }
        }
        changes.push(Change::Row(row.clone().shared()));
        self.rows.push(row);
    }

    fn event(
        &mut self,
        row: &RunRow,
        at: UtcMillis,
        category: Category,
        kind: &'static str,
        text: String,
        changes: &mut Vec<Change>,
    ) {
        changes.push(Change::Event(self.made(row, at, category, kind, text)));
    }

    fn made(
        &mut self,
        row: &RunRow,
        at: UtcMillis,
        category: Category,
        kind: &'static str,
        text: String,
    ) -> EventRow {
        self.events += 1;
        let step = row.current.as_ref().map(|current| Arc::from(current.step.as_str()));
        EventRow {
            number: 0,
            at,
            run: row.id.clone(),
            run_name: row.short_name().into(),
            step,
            category,
            kind,
            text,
            failed: false,
            transition: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Board;

    #[test]
    fn all_events_of_a_demo_are_counted_once() {
        let start = UtcMillis(1_800_000_000_000);
        let mut demo = Demo::new(7, start);
        let mut board = Board::default();
        for second in 0..300 {
            demo.advance(UtcMillis(start.0 + second * 1_000))
                .into_iter()
                .for_each(|change| board.apply(change));
        }
        assert!(demo.events() > 500, "{}", demo.events());
        assert_eq!(board.events.total(), demo.events());
        assert!(board.is_listed() && board.rows().all(|row| row.origin == Origin::Demo));
        assert_eq!(board.rows().filter(|row| row.state.may_live()).count(), LIVE as usize);
        assert!(board.summary(UtcMillis(0)).failed > 0);
    }
}
