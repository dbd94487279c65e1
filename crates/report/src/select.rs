//! Finds steps and attempts of a run by what a person calls them.

use std::fmt::{self, Display, Formatter};

use roboppi_run::{AttemptFilter, AttemptView, RunView, StepPath, StepState, StepView};

/// What a person asked for and the run does not have. Names what it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotThere {
    /// No step has this name.
    Step {
        /// The name.
        name: String,
        /// Those there are; see [`steps_in_words`].
        steps: String,
    },
    /// The step has no attempt of this number.
    Attempt {
        /// The step.
        step: String,
        /// The attempt, as it is called behind a step: `3`, `i2/check/a3`.
        wanted: String,
        /// How many it had.
        attempts: usize,
    },
    /// No step has an attempt of this number.
    AnyAttempt {
        /// The number.
        number: u32,
    },
    /// The step had no attempt at all.
    NeverStarted {
        /// The step.
        step: String,
        /// How it is instead.
        state: StepState,
    },
}

impl Display for NotThere {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Step { name, steps } => write!(f, "the run has no step `{name}`\nhint: {steps}"),
            Self::Attempt { step, wanted, attempts } => {
                write!(f, "`{step}` has no attempt {wanted}\nhint: it had {attempts}")
            }
            Self::AnyAttempt { number } => write!(f, "no step of the run has an attempt {number}"),
            Self::NeverStarted { step, state } => {
                write!(f, "`{step}` never started, so it wrote nothing ({})", state.name())
            }
        }
    }
}

impl std::error::Error for NotThere {}

/// A step of a run by its name.
///
/// # Errors
/// When the run has no step of that name.
pub fn step<'a>(view: &'a RunView, name: &str) -> Result<&'a StepView, NotThere> {
    view.step(&name.into()).ok_or_else(|| unknown_step(view, name))
}

/// What a person calls a step or attempts of it, as [`RunView::find_step`] reads it: the step, and which of its attempts are
/// meant. `number` is that of the attempt, when it is given besides.
///
/// # Errors
/// When the run has no such step.
pub fn reference<'a>(
    view: &'a RunView,
    name: &str,
    number: Option<u32>,
) -> Result<(&'a StepView, AttemptFilter), NotThere> {
    let Some((step, mut filter)) = view.find_step(name) else { return Err(unknown_step(view, name)) };
    if let Some(number) = number {
        filter.attempt = Some(number);
        filter.role.get_or_insert(step.plan.role);
    }
    Ok((step, filter))
}

fn unknown_step(view: &RunView, name: &str) -> NotThere {
    NotThere::Step { name: name.to_owned(), steps: steps_in_words(view) }
}

/// The names of the steps of a run: `it has build, test`.
#[must_use]
pub fn steps_in_words(view: &RunView) -> String {
    names_in_words(view.steps.iter().map(|step| &step.plan.step))
}

/// These names, the first 20 of them: `it has build, test`.
#[must_use]
pub fn names_in_words<'a>(names: impl ExactSizeIterator<Item = &'a StepPath>) -> String {
    const LISTED: usize = 20;
    let more = names.len().saturating_sub(LISTED);
    let names: Vec<_> = names.take(LISTED).map(StepPath::as_str).collect();
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    let listed = if names.is_empty() { "none that is recorded".to_owned() } else { names.join(", ") };
    format!("it has {listed}{more}")
}

/// The latest attempt of a step that is meant.
///
/// # Errors
/// When the step has no such attempt.
pub fn attempt(step: &StepView, filter: AttemptFilter) -> Result<&AttemptView, NotThere> {
    step.last_attempt(filter).ok_or_else(|| no_attempt(step, filter))
}

fn no_attempt(step: &StepView, filter: AttemptFilter) -> NotThere {
    let name = step.plan.step.to_string();
    if filter.is_empty() {
        return NotThere::NeverStarted { step: name, state: step.state };
    }
    let iteration = filter.iteration.map(|number| format!("i{number}"));
    let role = filter.role.filter(|role| *role != step.plan.role).map(|role| role.to_string());
    let wanted = match filter.attempt {
        Some(number) if iteration.is_none() && role.is_none() => number.to_string(),
        attempt => {
            let parts = [iteration, role, attempt.map(|number| format!("a{number}"))];
            parts.into_iter().flatten().collect::<Vec<_>>().join("/")
        }
    };
    NotThere::Attempt { step: name, wanted, attempts: step.attempts.len() }
}

/// The attempts a person means: those of one step, or of every step that has one.
///
/// # Errors
/// When there is no such step or attempt.
pub fn attempts<'a>(
    view: &'a RunView,
    name: Option<&str>,
    number: Option<u32>,
) -> Result<Vec<&'a AttemptView>, NotThere> {
    if let Some(name) = name {
        let (step, filter) = reference(view, name, number)?;
        return Ok(vec![attempt(step, filter)?]);
    }
    let latest = |step: &'a StepView| match number {
        Some(number) => step.attempt_number(number),
        None => step.attempts.last(),
    };
    let found: Vec<_> = view.steps().filter_map(latest).collect();
    match number {
        Some(number) if found.is_empty() => Err(NotThere::AnyAttempt { number }),
        _ => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use roboppi_ipc::UtcMillis;
    use roboppi_run::{JournalRecord, RunRecord};

    use super::*;
    use crate::fixtures::{attempt as attempt_of, attempt_started, run_started};

    fn run() -> RunView {
        let mut view = RunView::default();
        let started = [1, 2].map(|number| attempt_started(&attempt_of("build", number)));
        for (seq, event) in [run_started(&[("build", 2), ("test", 1)])].into_iter().chain(started).enumerate()
        {
            let record = JournalRecord { seq: seq as u64 + 1, ts: UtcMillis(0), event };
            view.apply(&RunRecord::Journal(record));
        }
        view
    }

    #[test]
    fn the_last_attempt_is_meant_unless_a_number_is_given() {
        let view = run();
        let numbers = |name, number| {
            attempts(&view, name, number)
                .map(|found| found.iter().map(|one| one.of.attempt).collect::<Vec<_>>())
        };
        assert_eq!(numbers(Some("build"), None), Ok(vec![2]));
        assert_eq!(numbers(Some("build"), Some(1)), Ok(vec![1]));
        assert_eq!(numbers(None, None), Ok(vec![2]));
        assert_eq!(attempts(&RunView::default(), None, None), Ok(Vec::new()));
    }

    #[test]
    fn what_is_not_there_is_named_with_what_is() {
        let view = run();
        let missing = |name, number| attempts(&view, name, number).unwrap_err().to_string();
        assert_eq!(missing(Some("b"), None), "the run has no step `b`\nhint: it has build, test");
        assert_eq!(missing(Some("build"), Some(3)), "`build` has no attempt 3\nhint: it had 2");
        assert_eq!(missing(Some("test"), None), "`test` never started, so it wrote nothing (pending)");
        assert_eq!(missing(None, Some(3)), "no step of the run has an attempt 3");

        let many: Vec<StepPath> = (1..=25).map(|n| StepPath::new(format!("s{n}"))).collect();
        let said = names_in_words(many.iter());
        assert!(said.starts_with("it has s1, s2, ") && said.ends_with("s19, s20 and 5 more"), "{said}");
    }
}
