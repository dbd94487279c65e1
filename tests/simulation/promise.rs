//! What must hold in every world.

use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Promise {
    /// A cancel or a time-out ends within grace, drain and what the world itself takes.
    EndsInTime,
    /// KILL comes after the grace time, a sweep after the drain time, a time-out when the time is over.
    NoForceTooEarly,
    /// Every machine finishes once, every permit has one completion, every request one answer.
    ExactlyOnce,
    /// What is reported of an attempt or a step is what happened.
    Truth,
    /// The pipes are read to their end, or it is said that they were not.
    Drained,
    /// A step shown as running has a living leader, or the news of its end is on the way.
    RunningIsAlive,
    /// Reasons and force only become more severe.
    OnlyMoreSevere,
    /// Permits in use are the jobs that run, never more than the limit, and none at the end.
    Permits,
    /// Nothing starts in a run that is being ended, nothing more than once at a time, nothing too often.
    StartsAllowed,
    /// What is said to be over has nothing left that lives.
    NothingLeft,
    /// Whatever happens, the run comes to its end.
    ComesToAnEnd,
    /// Nothing panics.
    NoPanic,
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EndsInTime => "what is asked to end ends in time",
            Self::NoForceTooEarly => "no force before its time",
            Self::ExactlyOnce => "everything ends exactly once",
            Self::Truth => "what is reported is what happened",
            Self::Drained => "pipes are drained, or said to be open",
            Self::RunningIsAlive => "running means a living leader",
            Self::OnlyMoreSevere => "reasons and force only become more severe",
            Self::Permits => "permits in use are the jobs that run",
            Self::StartsAllowed => "nothing starts that must not",
            Self::NothingLeft => "what is over has left nothing behind",
            Self::ComesToAnEnd => "the run comes to its end",
            Self::NoPanic => "nothing panics",
        })
    }
}

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) promise: Promise,
    pub(crate) detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "broken: {}\n  {}", self.promise, self.detail)
    }
}
