//! How far a run is, and when it may end.

use roboppi_ipc::UtcMillis;

use crate::{Forecast, History, RunView};

/// On what the end of a run is based.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProgressBasis {
    /// Nothing is left to do.
    Exact,
    /// The number of steps that are over. When the others end is not known.
    #[default]
    Steps,
    /// What the same steps took in earlier runs.
    Estimate,
}

impl ProgressBasis {
    /// The word for people and programs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Steps => "steps",
            Self::Estimate => "estimate",
        }
    }
}

/// How far a run is. A time is given only if nothing of it is invented: each step that is not over has succeeded in an earlier run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Steps that are over.
    pub done: usize,
    /// All steps.
    pub total: usize,
    /// On what the end is based.
    pub basis: ProgressBasis,
    /// Earlier runs that the end is estimated from; 0 unless it is.
    pub runs: u32,
    /// When the run ends, by that estimate, to a second.
    pub ends_at: Option<UtcMillis>,
}

impl Progress {
    /// How far a run is at a moment.
    #[must_use]
    pub fn of(view: &RunView, history: &History, now: UtcMillis) -> Self {
        let done = view.steps.iter().filter(|step| step.state.is_final()).count();
        let steps = Self { done, total: view.steps.len(), ..Self::default() };
        if view.is_finished() || (done == steps.total && done > 0) {
            return Self { basis: ProgressBasis::Exact, ..steps };
        }
        let taken = |started: UtcMillis| now.0.saturating_sub(started.0);
        let forecast = Forecast::of(view, history, |step| {
            if step.state.is_final() { step.duration_ms } else { step.started_at.map(taken) }
        });
        let ends_at = |left: u64| UtcMillis(now.0.saturating_add(left).div_ceil(1_000).saturating_mul(1_000));
        match forecast.left_ms {
            Some(left) => Self {
                basis: ProgressBasis::Estimate,
                runs: history.runs(),
                ends_at: Some(ends_at(left)),
                ..steps
            },
            None => steps,
        }
    }

    /// Milliseconds until the end, where that is known.
    #[must_use]
    pub fn remaining_ms(&self, now: UtcMillis) -> Option<u64> {
        match self.basis {
            ProgressBasis::Exact => Some(0),
            // An estimate that did not come true is none.
            ProgressBasis::Estimate => {
                self.ends_at.map(|end| end.0.saturating_sub(now.0)).filter(|left| *left > 0)
            }
            ProgressBasis::Steps => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::tests::told;

    #[test]
    fn the_basis_of_an_end_is_reported_with_it() {
        let steps: [(&str, &[&str]); 3] = [("a", &[]), ("b", &["a"]), ("c", &["b"])];
        let mut earlier = told(&steps);
        earlier.takes("a", 1_000).takes("b", 4_000).takes("c", 2_000);
        let one = History::of([earlier.view.clone()]);
        let three = History::of([earlier.view.clone(), earlier.view.clone(), earlier.view.clone()]);
        let mut run = told(&steps);
        run.takes("a", 900).begins("b").after(1_000);
        let unknown = run.progress(&History::default());
        assert_eq!((unknown.done, unknown.total, unknown.basis), (1, 3, ProgressBasis::Steps));
        assert_eq!((unknown.runs, unknown.remaining_ms(run.now())), (0, None));
        let seen = run.progress(&three);
        assert_eq!((seen.basis, seen.runs), (ProgressBasis::Estimate, 3));
        assert_eq!(seen.remaining_ms(run.now()), Some(5_000));
        assert_eq!(run.progress(&one).runs, 1);
        // As long as all goes as before, the end stays where it is.
        run.after(2_000);
        assert_eq!(run.progress(&three).ends_at, seen.ends_at);
        // What takes longer than ever moves it, and what should be over tells nothing.
        run.after(10_000);
        assert_eq!(run.progress(&three).remaining_ms(run.now()), Some(2_000));
        assert_eq!(seen.remaining_ms(run.now()), None);
        run.takes("b", 13_000).begins("c").after(9_000);
        assert_eq!(run.progress(&three).basis, ProgressBasis::Steps);
        run.takes("c", 9_000);
        let over = run.progress(&three);
        assert_eq!((over.done, over.basis, over.remaining_ms(run.now())), (3, ProgressBasis::Exact, Some(0)));
    }

    #[test]
    fn a_run_that_is_over_has_nothing_left_to_do() {
        let mut run = told(&[("a", &[]), ("b", &["a"])]);
        let seen = run.ends().progress(&History::default());
        assert_eq!((seen.done, seen.total, seen.basis), (0, 2, ProgressBasis::Exact));
        let none = told(&[]).progress(&History::default());
        assert_eq!((none.total, none.basis), (0, ProgressBasis::Steps));
    }
}
