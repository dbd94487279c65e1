//! Which step and which attempts a person means.

use roboppi_ipc::UtcMillis;
use serde::{Deserialize, Serialize};

use super::{AttemptView, RunView, StepView};
use crate::{AttemptRef, Role, StepPath};

/// One iteration of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IterationView {
    /// Its number, from 2.
    pub iteration: u32,
    /// How many the step may have; `None` without a limit.
    pub max_iterations: Option<u32>,
    /// When it began.
    pub started_at: UtcMillis,
    /// Why the one before was not enough, for people.
    pub detail: Option<String>,
}

/// Which attempts of a step are meant: those that have every number and role that is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AttemptFilter {
    /// Of this iteration.
    pub iteration: Option<u32>,
    /// With this role.
    pub role: Option<Role>,
    /// With this number.
    pub attempt: Option<u32>,
}

impl AttemptFilter {
    /// Whether an attempt is meant.
    #[must_use]
    pub fn matches(&self, of: &AttemptRef) -> bool {
        self.iteration.is_none_or(|iteration| of.iteration == iteration)
            && self.role.is_none_or(|role| of.role == role)
            && self.attempt.is_none_or(|attempt| of.attempt == attempt)
    }

    /// A number without a role counts what does the work of the step.
    fn of(mut self, step: &StepView) -> Self {
        if self.attempt.is_some() {
            self.role.get_or_insert(step.plan.role);
        }
        self
    }

    /// Whether all attempts are meant.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl RunView {
    /// The step a text names, and which of its attempts: `build`, `build/i2`, `build/a1`, `build/check`,
    /// `build/i2/check/a1`, and attempts as they are shown: `build#2`, `build@2/check#1`. The path of a step comes before a
    /// reference that looks the same.
    #[must_use]
    pub fn find_step<'a>(&self, text: &'a str) -> Option<(&StepView, AttemptFilter)> {
        let step = |text: &'a str| self.step(&StepPath::from(text));
        if let Some(step) = step(text) {
            return Some((step, AttemptFilter::default()));
        }
        [by_parts(text), as_shown(text)]
            .into_iter()
            .flatten()
            .find_map(|(path, filter)| step(path).map(|step| (step, filter.of(step))))
    }
}

impl StepView {
    /// Iterations that are kept of a step.
    pub const ITERATIONS: usize = 200;

    /// The iteration it is in, or was in last, from 1.
    #[must_use]
    pub fn iteration(&self) -> u32 {
        self.iterations.last().map_or(1, |last| last.iteration)
    }

    /// The latest attempt that is meant. Of an iteration alone that is one that did the work, if it has any.
    #[must_use]
    pub fn last_attempt(&self, filter: AttemptFilter) -> Option<&AttemptView> {
        let latest =
            |filter: AttemptFilter| self.attempts.iter().rev().find(|attempt| filter.matches(&attempt.of));
        let is_iteration = filter.iteration.is_some() && filter.role.is_none();
        let work = AttemptFilter { role: Some(self.plan.role), ..filter };
        is_iteration.then(|| latest(work)).flatten().or_else(|| latest(filter))
    }

    /// The latest attempt that did the work of the step.
    #[must_use]
    pub fn last_work(&self) -> Option<&AttemptView> {
        self.last_attempt(AttemptFilter { role: Some(self.plan.role), ..AttemptFilter::default() })
    }

    /// The attempt of this number in the latest iteration that has one.
    #[must_use]
    pub fn attempt_number(&self, number: u32) -> Option<&AttemptView> {
        self.last_attempt(AttemptFilter { attempt: Some(number), ..AttemptFilter::default() }.of(self))
    }
}

/// `build/i2/check/a1`. The words of roles are known, so that nothing else is taken off a path.
fn by_parts(text: &str) -> Option<(&str, AttemptFilter)> {
    let (mut path, mut filter) = (text, AttemptFilter::default());
    if let Some((rest, number)) = last_part(path, |part| number(part.strip_prefix('a')?)) {
        (path, filter.attempt) = (rest, Some(number));
    }
    if let Some((rest, role)) = last_part(path, role) {
        (path, filter.role) = (rest, Some(role));
    }
    if let Some((rest, number)) = last_part(path, |part| number(part.strip_prefix('i')?)) {
        (path, filter.iteration) = (rest, Some(number));
    }
    (path != text).then_some((path, filter))
}

/// `build@2/check#1`, as an [`AttemptRef`] is shown. What is not shown is 1, or `work`.
fn as_shown(text: &str) -> Option<(&str, AttemptFilter)> {
    let (path, attempt) = cut(text, '#');
    let (path, role) = match last_part(path, role) {
        Some((rest, role)) => (rest, role),
        None => (path, Role::Work),
    };
    let (path, iteration) = cut(path, '@');
    let filter = AttemptFilter {
        iteration: Some(iteration.unwrap_or(1)),
        role: Some(role),
        attempt: Some(attempt.unwrap_or(1)),
    };
    (path != text).then_some((path, filter))
}

fn cut(text: &str, sign: char) -> (&str, Option<u32>) {
    let parts = text.rsplit_once(sign).and_then(|(rest, digits)| Some((rest, number(digits)?)));
    parts.map_or((text, None), |(rest, number)| (rest, Some(number)))
}

fn last_part<'a, T>(path: &'a str, read: impl FnOnce(&'a str) -> Option<T>) -> Option<(&'a str, T)> {
    let (rest, part) = path.rsplit_once('/')?;
    read(part).map(|value| (rest, value))
}

fn role(word: &str) -> Option<Role> {
    Some(Role::from_name(word)).filter(|role| !matches!(role, Role::Unknown(_)))
}

fn number(digits: &str) -> Option<u32> {
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|number| plain && *number > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Path, iteration, role and attempt.
    type Parts<'a> = (&'a str, Option<u32>, Option<&'static str>, Option<u32>);

    fn parts(text: &str) -> Option<Parts<'_>> {
        let (path, filter) = by_parts(text).or_else(|| as_shown(text))?;
        let role =
            filter.role.map(|role| Role::NAMES[Role::ALL.iter().position(|known| *known == role).unwrap()]);
        Some((path, filter.iteration, role, filter.attempt))
    }

    #[test]
    fn a_reference_is_read_from_its_end() {
        for (text, expected) in [
            ("build/i2", Some(("build", Some(2), None, None))),
            ("build/a3", Some(("build", None, None, Some(3)))),
            ("build/check", Some(("build", None, Some("check"), None))),
            (
                "release/build[os=linux]/i2/check/a1",
                Some(("release/build[os=linux]", Some(2), Some("check"), Some(1))),
            ),
            ("a1/a1", Some(("a1", None, None, Some(1)))),
            ("i2/i2/a1/a1", Some(("i2/i2/a1", None, None, Some(1)))),
            ("build/a1/i2", Some(("build/a1", Some(2), None, None))),
            ("build#2", Some(("build", Some(1), Some("work"), Some(2)))),
            ("build@3#2", Some(("build", Some(3), Some("work"), Some(2)))),
            ("build@3/check", Some(("build@3", None, Some("check"), None))),
            ("build@3/check#2", Some(("build", Some(3), Some("check"), Some(2)))),
            ("build", None),
            ("build/a", None),
            ("build/a0", None),
            ("build/a+1", None),
            ("build/a99999999999", None),
            ("build/manager", None),
            ("build#", None),
            ("#", None),
            ("", None),
        ] {
            assert_eq!(parts(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_shown_of_an_attempt_names_it() {
        for iteration in 1..3 {
            for role in [Role::Work, Role::Check, Role::Manage] {
                for attempt in 1..3 {
                    let of = AttemptRef { step: "a/b[x=1]".into(), iteration, role, attempt };
                    let shown = of.to_string();
                    let (path, filter) = as_shown(&shown).unwrap_or((&shown, AttemptFilter::default()));
                    assert_eq!(path, "a/b[x=1]", "{shown}");
                    assert!(filter.matches(&of), "{shown}: {filter:?}");
                }
            }
        }
    }
}
