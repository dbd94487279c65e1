//! How long a run will still take, as far as earlier runs tell, and which steps decide it.

use std::collections::HashMap;
use std::sync::Arc;

use crate::{History, RunView, StepPath, StepView};

/// What can be said of the rest of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forecast {
    /// Indices of the steps of the longest path, from its beginning; each waited for the one before.
    pub path: Vec<usize>,
    /// Milliseconds that path takes in all, as far as it is known.
    pub path_ms: u64,
    /// Some of that is to come, and known from earlier runs only.
    pub path_is_expected: bool,
    /// Milliseconds until the end; `None` when a step that is not over has never succeeded before, or when all
    /// of them should be over by now.
    pub left_ms: Option<u64>,
}

impl Forecast {
    /// Looks at a run. `step_ms` says how long a step has taken so far.
    #[must_use]
    pub fn of(view: &RunView, history: &History, step_ms: impl Fn(&StepView) -> Option<u64>) -> Self {
        let steps = &view.steps;
        let graph = Dependencies::of(steps);
        let mut all = Paths::new(steps.len());
        let mut rest = Paths::new(steps.len());
        let mut left = Some(0_u64);
        let mut is_expected = vec![false; steps.len()];
        for &index in &graph.order {
            let step = &steps[index];
            let taken = step_ms(step).unwrap_or(0);
            let expected = history.step_ms(&step.plan.step);
            let (whole, to_come) = if step.state.is_final() {
                (taken, Some(0))
            } else {
                (taken.max(expected.unwrap_or(0)), expected.map(|expected| expected.saturating_sub(taken)))
            };
            is_expected[index] = whole > taken;
            left = left.zip(to_come).map(|(sum, more)| sum + more);
            all.add(index, &graph.before[index], whole);
            rest.add(index, &graph.before[index], to_come.unwrap_or(0));
        }
        let (path, path_ms) = all.longest();
        let path_is_expected = path.iter().any(|step| is_expected[*step]);
        // Not more at a time than there are places.
        let places = view.head.as_ref().map_or(1, |head| u64::from(head.concurrency.max(1)));
        let left_ms = left.map(|sum| (sum / places).max(rest.longest().1)).filter(|left| *left > 0);
        Self { path, path_ms, path_is_expected, left_ms: left_ms.filter(|_| !view.is_finished()) }
    }
}

/// Who waits for whom, by index.
#[derive(Debug)]
pub struct Dependencies {
    /// Before each step: the steps it waits for.
    pub before: Vec<Vec<usize>>,
    /// Each step after those it waits for. A record that is not true may have circles; what is in one is last.
    pub order: Vec<usize>,
}

impl Dependencies {
    /// Those of the steps of a run.
    #[must_use]
    pub fn of(steps: &[Arc<StepView>]) -> Self {
        let index: HashMap<&StepPath, usize> =
            steps.iter().enumerate().map(|(index, step)| (&step.plan.step, index)).collect();
        let before: Vec<Vec<usize>> = steps
            .iter()
            .map(|step| step.plan.depends_on.iter().filter_map(|other| index.get(other).copied()).collect())
            .collect();
        let mut after = vec![Vec::new(); steps.len()];
        let mut waits: Vec<usize> = before.iter().map(Vec::len).collect();
        for (step, others) in before.iter().enumerate() {
            for other in others {
                after[*other].push(step);
            }
        }
        let mut order: Vec<usize> = (0..steps.len()).filter(|step| waits[*step] == 0).collect();
        let mut at = 0;
        while let Some(&step) = order.get(at) {
            at += 1;
            for &next in &after[step] {
                waits[next] -= 1;
                if waits[next] == 0 {
                    order.push(next);
                }
            }
        }
        let mut before = before;
        for step in (0..steps.len()).filter(|step| waits[*step] > 0) {
            before[step].clear();
            order.push(step);
        }
        Self { before, order }
    }
}

/// Longest paths to each step.
struct Paths {
    end: Vec<u64>,
    from: Vec<Option<usize>>,
}

impl Paths {
    fn new(steps: usize) -> Self {
        Self { end: vec![0; steps], from: vec![None; steps] }
    }

    fn add(&mut self, step: usize, before: &[usize], ms: u64) {
        self.from[step] = before.iter().copied().max_by_key(|other| self.end[*other]);
        self.end[step] = self.from[step].map_or(0, |other| self.end[other]).saturating_add(ms);
    }

    fn longest(&self) -> (Vec<usize>, u64) {
        // The first of the longest, and its shortest form: steps that take no time lead nowhere.
        let Some((mut step, &ms)) = self.end.iter().enumerate().rev().max_by_key(|(_, end)| **end) else {
            return (Vec::new(), 0);
        };
        if ms == 0 {
            return (Vec::new(), 0);
        }
        let mut path = vec![step];
        while let Some(before) = self.from[step] {
            path.push(before);
            step = before;
        }
        path.reverse();
        (path, ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::tests::{Told, told};

    /// fetch → build → {test, lint} → publish.
    fn release() -> Told {
        told(&[
            ("fetch", &[]),
            ("build", &["fetch"]),
            ("test", &["build"]),
            ("lint", &["build"]),
            ("publish", &["test", "lint"]),
        ])
    }

    fn history(times: &[(&str, u64)]) -> History {
        let mut run = told(&times.iter().map(|(step, _)| (*step, &[][..])).collect::<Vec<_>>());
        for (step, ms) in times {
            run.takes(step, *ms);
        }
        History::of([run.view])
    }

    fn names(run: &Told, forecast: &Forecast) -> String {
        let name = |index: &usize| run.view.steps[*index].plan.step.to_string();
        forecast.path.iter().map(name).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn nothing_is_invented() {
        let mut run = release();
        assert_eq!(run.forecast(&History::default()), Forecast::default());
        run.takes("fetch", 4_200).begins("build").after(2_000);
        let seen = run.forecast(&History::default());
        assert_eq!((names(&run, &seen).as_str(), seen.path_ms), ("fetch build", 6_200));
        assert_eq!((seen.left_ms, seen.path_is_expected), (None, false));
        let seen = run.forecast(&history(&[("fetch", 1), ("build", 9_000), ("test", 100), ("publish", 5)]));
        assert_eq!(seen.left_ms, None, "nothing is known of lint");
        assert!(seen.path_is_expected, "and yet some of the path is to come");
    }

    #[test]
    fn what_is_left_is_what_the_longest_path_still_takes() {
        let known = history(&[
            ("fetch", 4_000),
            ("build", 10_000),
            ("test", 2_000),
            ("lint", 7_000),
            ("publish", 1_000),
        ]);
        let mut run = release();
        assert_eq!(run.forecast(&known).left_ms, Some(22_000));
        run.takes("fetch", 4_200).begins("build").after(4_000);
        let seen = run.forecast(&known);
        assert_eq!(names(&run, &seen), "fetch build lint publish");
        assert_eq!((seen.path_ms, seen.left_ms), (22_200, Some(14_000)));
        // It takes longer than ever: only what comes after it is known.
        assert_eq!(run.after(60_000).forecast(&known).left_ms, Some(8_000));
    }

    #[test]
    fn a_circle_is_no_end_of_the_world() {
        let run = told(&[("a", &["b"]), ("b", &["a"]), ("c", &["a"])]);
        assert_eq!(Dependencies::of(&run.view.steps).order.len(), 3);
        let _ = run.forecast(&history(&[("a", 5), ("b", 5), ("c", 5)]));
    }
}
