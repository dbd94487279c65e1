//! What earlier runs of a workflow tell of a later one.

use std::collections::HashMap;

use crate::{RunView, StepPath, StepState};

/// How long the steps of a workflow took in its latest runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    steps: HashMap<StepPath, u64>,
    runs: u32,
}

impl History {
    /// The median of what each step took where it succeeded.
    pub fn of(views: impl IntoIterator<Item = RunView>) -> Self {
        let mut all: HashMap<StepPath, Vec<u64>> = HashMap::new();
        let mut runs = 0;
        for view in views {
            runs += 1;
            for step in view.steps.iter().filter(|step| step.state == StepState::Succeeded) {
                if let Some(ms) = step.duration_ms {
                    all.entry(step.plan.step.clone()).or_default().push(ms);
                }
            }
        }
        let median = |mut times: Vec<u64>| {
            times.sort_unstable();
            times[times.len() / 2]
        };
        Self { steps: all.into_iter().map(|(step, times)| (step, median(times))).collect(), runs }
    }

    /// Milliseconds a step may take; `None` when it never succeeded before.
    #[must_use]
    pub fn step_ms(&self, step: &StepPath) -> Option<u64> {
        self.steps.get(step).copied()
    }

    /// Runs that it is made of.
    #[must_use]
    pub const fn runs(&self) -> u32 {
        self.runs
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;

    use roboppi_ipc::{UtcMillis, WorkerKind};

    use super::*;
    use crate::{
        Forecast, HostId, JournalRecord, Progress, RunEvent, RunId, RunMode, RunOutcome, StepPlan, StepView,
    };

    /// A run while it is told, and the time.
    pub(crate) struct Told {
        pub(crate) view: RunView,
        seq: u64,
        now: u64,
    }

    /// A run of steps, each with those it waits for; two at a time.
    pub(crate) fn told(steps: &[(&str, &[&str])]) -> Told {
        let plan = |(step, depends_on): &(&str, &[&str])| StepPlan {
            step: StepPath::from(*step),
            worker: WorkerKind::CUSTOM,
            depends_on: depends_on.iter().map(|step| StepPath::from(*step)).collect(),
            description: None,
            timeout_ms: None,
            max_attempts: 1,
            max_iterations: None,
            role: crate::Role::Work,
            check: None,
            host: HostId::here(),
        };
        let mut told = Told { view: RunView::default(), seq: 0, now: 1_000_000 };
        told.add(RunEvent::RunStarted {
            run_id: RunId::parse("r").unwrap(),
            handle: None,
            name: "n".into(),
            workflow: "/w.yaml".into(),
            workspace: "/w".into(),
            context_dir: "/c".into(),
            mode: RunMode::Direct,
            timeout_ms: 1,
            concurrency: 2,
            stream_stdio: true,
            steps: steps.iter().map(|step| Arc::new(plan(step))).collect(),
            only: Vec::new(),
            resumes: None,
        });
        told
    }

    impl Told {
        fn add(&mut self, event: RunEvent) {
            self.seq += 1;
            let record = JournalRecord { seq: self.seq, ts: UtcMillis(self.now), event };
            self.view.apply_journal(&record);
        }

        fn step(&mut self, name: &str) -> &mut StepView {
            let step = self.view.steps.iter_mut().find(|step| step.plan.step.as_str() == name);
            Arc::make_mut(step.unwrap())
        }

        pub(crate) fn takes(&mut self, name: &str, ms: u64) -> &mut Self {
            let step = self.step(name);
            (step.state, step.duration_ms) = (StepState::Succeeded, Some(ms));
            self
        }

        pub(crate) fn begins(&mut self, name: &str) -> &mut Self {
            let now = UtcMillis(self.now);
            let step = self.step(name);
            (step.state, step.started_at) = (StepState::Running, Some(now));
            self
        }

        pub(crate) fn after(&mut self, ms: u64) -> &mut Self {
            self.now += ms;
            self
        }

        pub(crate) fn ends(&mut self) -> &mut Self {
            self.add(RunEvent::RunFinished {
                outcome: RunOutcome::Failed,
                exit_code: 1,
                duration_ms: 5,
                detail: None,
                flaky: Vec::new(),
            });
            self
        }

        pub(crate) fn forecast(&self, history: &History) -> Forecast {
            Forecast::of(&self.view, history, |step| {
                step.duration_ms.or_else(|| Some(self.now - step.started_at?.0))
            })
        }

        pub(crate) fn progress(&self, history: &History) -> Progress {
            Progress::of(&self.view, history, self.now())
        }

        pub(crate) const fn now(&self) -> UtcMillis {
            UtcMillis(self.now)
        }
    }

    #[test]
    fn each_step_takes_the_median_of_what_it_took() {
        let view = |ms| {
            let mut run = told(&[("a", &[]), ("b", &[])]);
            run.takes("a", ms).begins("b");
            run.view
        };
        let history = History::of([view(9), view(1), view(5)]);
        assert_eq!(history.runs(), 3);
        assert_eq!((history.step_ms(&"a".into()), history.step_ms(&"b".into())), (Some(5), None));
    }
}
