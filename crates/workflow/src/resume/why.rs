//! Why a step is done, or done again.

use roboppi_run::{StepPath, StepState};

/// Why a step of a run that goes on with an earlier one is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// The earlier run did not have it.
    New,
    /// It did not succeed there.
    DidNotSucceed(StepState),
    /// Somebody asked for it.
    Requested,
    /// What it depends on is done again.
    After(StepPath),
    /// The workflow says something else of it: these keys, as far as that can be told.
    Changed(Vec<&'static str>),
    /// What came of a step it depends on is not what came of it then.
    UpstreamChanged(StepPath),
    /// What it took is not what is there now.
    InputChanged {
        /// Who made it.
        from: StepPath,
        /// What.
        artifact: String,
    },
    /// What it made is there, and is not what it made.
    ArtifactChanged(String),
    /// What it made is not there.
    ArtifactMissing(String),
    /// The earlier run does not say what it was made of.
    NotRecorded,
}

impl Why {
    /// Whether it had succeeded, and is done again because something is not as it was.
    #[must_use]
    pub const fn is_change(&self) -> bool {
        match self {
            Self::New | Self::DidNotSucceed(_) | Self::Requested | Self::After(_) => false,
            Self::Changed(_)
            | Self::UpstreamChanged(_)
            | Self::InputChanged { .. }
            | Self::ArtifactChanged(_)
            | Self::ArtifactMissing(_)
            | Self::NotRecorded => true,
        }
    }

    /// For people, after the name of the step.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::New => "it is new".to_owned(),
            Self::DidNotSucceed(StepState::Incomplete) => "it was not complete".to_owned(),
            Self::DidNotSucceed(StepState::Failed) => "it failed".to_owned(),
            Self::DidNotSucceed(StepState::Pending | StepState::Ready) => "it had not started".to_owned(),
            Self::DidNotSucceed(state @ (StepState::Skipped | StepState::Cancelled | StepState::Lost)) => {
                format!("it was {}", state.name())
            }
            Self::DidNotSucceed(StepState::Unknown(state)) => {
                format!("it was `{state}`, which is not known here")
            }
            Self::DidNotSucceed(_) => "it was not over".to_owned(),
            Self::Requested => "it was requested".to_owned(),
            Self::After(step) => format!("it depends on `{step}`"),
            Self::Changed(keys) if keys.is_empty() => "its definition has changed".to_owned(),
            Self::Changed(keys) => format!("its definition has changed: {}", keys.join(", ")),
            Self::UpstreamChanged(step) => format!("it ran before the present result of `{step}`"),
            Self::InputChanged { from, artifact } => {
                format!("the artifact `{artifact}` of `{from}` has changed since it was used")
            }
            Self::ArtifactChanged(name) => format!("its artifact `{name}` was changed since"),
            Self::ArtifactMissing(name) => format!("its artifact `{name}` is missing"),
            Self::NotRecorded => "the record has no fingerprint of it".to_owned(),
        }
    }
}
