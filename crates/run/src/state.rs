//! The states a person sees.

use serde::{Deserialize, Serialize};

/// Where a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// `pending`: waits for the steps it depends on.
    Pending,
    /// `ready`: may start, waits for a free slot.
    Ready,
    /// `starting`: an attempt was handed to the core, its worker is not alive yet.
    Starting,
    /// `running`: its worker is alive.
    Running,
    /// `retrying`: an attempt failed, the next one waits for its time.
    Retrying,
    /// `ending`: its worker is being ended.
    Ending,
    /// `succeeded`.
    Succeeded,
    /// `failed`.
    Failed,
    /// `skipped`: never started.
    Skipped,
    /// `cancelled`: ended because it was asked to.
    Cancelled,
    /// `lost`: its core died, the outcome is unknown.
    Lost,
}

impl StepState {
    /// Whether it is over. It changes again only when a person wishes the step to be tried again.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Skipped | Self::Cancelled | Self::Lost)
    }

    /// Whether an attempt of it is under way.
    #[must_use]
    pub const fn is_active(self) -> bool {
        matches!(self, Self::Starting | Self::Running | Self::Ending)
    }

    /// The word on screen and in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Ready => "ready",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Retrying => "retrying",
            Self::Ending => "ending",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Cancelled => "cancelled",
            Self::Lost => "lost",
        }
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunOutcome {
    /// `succeeded`: no step failed, or those that did were allowed to.
    Succeeded,
    /// `failed`: a step failed.
    Failed,
    /// `cancelled`: a person or a signal ended it.
    Cancelled,
    /// `timed_out`: its own time was over.
    TimedOut,
    /// `lost`: the core could not be started or died.
    Lost,
}

impl RunOutcome {
    /// The word on screen and in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::TimedOut => "timed_out",
            Self::Lost => "lost",
        }
    }
}
