//! The states a person sees.

use roboppi_ipc::value_enum;

value_enum! {
    /// Where a step is.
    pub enum StepState {
        /// `pending`: waits for the steps it depends on.
        Pending = "pending",
        /// `ready`: may start, waits for a free slot.
        Ready = "ready",
        /// `starting`: an attempt was handed to the core, its worker is not alive yet.
        Starting = "starting",
        /// `running`: its worker is alive.
        Running = "running",
        /// `retrying`: an attempt failed, the next one waits for its time.
        Retrying = "retrying",
        /// `ending`: its worker is being ended.
        Ending = "ending",
        /// `succeeded`.
        Succeeded = "succeeded",
        /// `incomplete`: its last iteration was not complete either, and the workflow goes on nevertheless. Counts as success.
        Incomplete = "incomplete",
        /// `failed`.
        Failed = "failed",
        /// `skipped`: never started.
        Skipped = "skipped",
        /// `cancelled`: ended because it was asked to.
        Cancelled = "cancelled",
        /// `lost`: its core died, the outcome is unknown.
        Lost = "lost",
    }
}

impl StepState {
    /// Whether it is known to be over. It changes again only when a person asks for the step to be tried again.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(
            self,
            Self::Succeeded | Self::Incomplete | Self::Failed | Self::Skipped | Self::Cancelled | Self::Lost
        )
    }

    /// Whether an attempt of it is known to be under way.
    #[must_use]
    pub const fn is_active(self) -> bool {
        matches!(self, Self::Starting | Self::Running | Self::Ending)
    }
}

value_enum! {
    /// How a run ended.
    pub enum RunOutcome {
        /// `succeeded`: no step failed, or those that did were allowed to.
        Succeeded = "succeeded",
        /// `failed`: a step failed.
        Failed = "failed",
        /// `cancelled`: a person or a signal ended it.
        Cancelled = "cancelled",
        /// `timed_out`: its own time was over.
        TimedOut = "timed_out",
        /// `lost`: the core could not be started or died.
        Lost = "lost",
    }
}
