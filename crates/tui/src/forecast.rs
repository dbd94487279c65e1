//! How long a run will still take, as far as earlier runs tell, and which steps decide it.

use std::collections::HashMap;
use std::sync::Arc;

use roboppi_attach::History;
use roboppi_run::{RunView, StepPath, StepView};

/// What can be said of the rest of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Forecast {
    /// Indices of the steps of the longest path, from its beginning; each waited for the one before.
    pub(crate) path: Vec<usize>,
    /// Milliseconds that path takes in all, as far as it is known.
    pub(crate) path_ms: u64,
    /// Some of that is to come, and known from earlier runs only.
    pub(crate) path_is_expected: bool,
    /// Milliseconds until the end; `None` when a step that is not over has never succeeded before, or when all
    /// of them should be over by now.
    pub(crate) left_ms: Option<u64>,
}

/// Looks at a run. `step_ms` says how long a step has taken so far.
pub(crate) fn forecast(
    view: &RunView,
    history: &History,
    step_ms: impl Fn(&StepView) -> Option<u64>,
) -> Forecast {
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
    Forecast { path, path_ms, path_is_expected, left_ms: left_ms.filter(|_| !view.is_finished()) }
}

/// Who waits for whom, by index.
#[derive(Debug)]
pub(crate) struct Dependencies {
    /// Before each step: the steps it waits for.
    pub(crate) before: Vec<Vec<usize>>,
    /// Each step after those it waits for. A record that is not true may have circles; what is in one is last.
    pub(crate) order: Vec<usize>,
}

impl Dependencies {
    pub(crate) fn of(steps: &[Arc<StepView>]) -> Self {
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
    use roboppi_ipc::WorkerStatus;
    use roboppi_run::StepState;

    use super::*;
    use crate::test_run::{TestRun, plan, result};

    /// fetch → {build → test, lint} → publish, with what each took before.
    fn history(times: &[(&str, u64)]) -> History {
        let mut run = TestRun::with(times.iter().map(|(step, _)| plan(step, &[])).collect(), true);
        for (step, _) in times {
            run.state(step, StepState::Succeeded);
        }
        let mut view = run.view();
        for (step, (_, ms)) in view.steps.iter_mut().zip(times) {
            Arc::make_mut(step).duration_ms = Some(*ms);
        }
        History::of([view])
    }

    fn names(run: &TestRun, forecast: &Forecast) -> Vec<String> {
        let view = run.view();
        forecast.path.iter().map(|index| view.steps[*index].plan.step.to_string()).collect()
    }

    fn forecast_of(run: &TestRun, history: &History) -> Forecast {
        let model = run.model(80, 24);
        forecast(&model.view, history, |step| model.step_ms(step))
    }

    #[test]
    fn nothing_is_invented() {
        let mut run = TestRun::release();
        assert_eq!(forecast_of(&run, &History::default()), Forecast::default());
        run.done("fetch", 1, result(WorkerStatus::Succeeded, Some(0))).running("build", 1, 7).after(2_000);
        let seen = forecast_of(&run, &History::default());
        assert_eq!((names(&run, &seen).join(" ").as_str(), seen.path_ms), ("fetch build", 6_200));
        assert_eq!((seen.left_ms, seen.path_is_expected), (None, false));
        let seen =
            forecast_of(&run, &history(&[("fetch", 1), ("build", 9_000), ("test", 100), ("publish", 5)]));
        assert_eq!(seen.left_ms, None, "nobody knows about lint");
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
        let mut run = TestRun::release();
        assert_eq!(forecast_of(&run, &known).left_ms, Some(22_000));
        run.done("fetch", 1, result(WorkerStatus::Succeeded, Some(0))).running("build", 1, 7).after(4_000);
        let seen = forecast_of(&run, &known);
        assert_eq!(names(&run, &seen), ["fetch", "build", "lint", "publish"]);
        assert_eq!((seen.path_ms, seen.left_ms), (22_200, Some(14_000)));
        // It takes longer than ever: only what comes after it is known.
        assert_eq!(forecast_of(run.after(60_000), &known).left_ms, Some(8_000));
    }

    #[test]
    fn a_circle_is_no_end_of_the_world() {
        let run = TestRun::with(vec![plan("a", &["b"]), plan("b", &["a"]), plan("c", &["a"])], true);
        assert_eq!(Dependencies::of(&run.view().steps).order.len(), 3);
        let _ = forecast_of(&run, &history(&[("a", 5), ("b", 5), ("c", 5)]));
    }
}
