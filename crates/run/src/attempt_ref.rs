//! Which attempt of a step is meant.

use std::fmt;

use roboppi_ipc::value_enum;
use serde::{Deserialize, Serialize};

use crate::StepPath;
use crate::step_path::file_name;

value_enum! {
    /// What an attempt is for.
    pub enum Role {
        /// `work`: it does what the step is there for. Absent in JSON.
        Work = "work",
        /// `check`: it finds out whether the work of the iteration is complete.
        Check = "check",
        /// `cleanup`: it puts in order what the work left, whatever came of that.
        Cleanup = "cleanup",
        /// `manage`: it decides how the run goes on.
        Manage = "manage",
    }
}

impl Role {
    /// Whether it does what the step is there for.
    #[must_use]
    pub const fn is_work(&self) -> bool {
        matches!(self, Self::Work)
    }
}

#[expect(clippy::derivable_impls, reason = "`value_enum!` derives the same for every list of words")]
impl Default for Role {
    fn default() -> Self {
        Self::Work
    }
}

/// One attempt: one try of one iteration of a step, and one job on the wire.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AttemptRef {
    /// `step`.
    pub step: StepPath,
    /// `iteration` of the step, from 1.
    pub iteration: u32,
    /// `role`; absent when it is `work`.
    #[serde(default, skip_serializing_if = "Role::is_work")]
    pub role: Role,
    /// `attempt` of this role within the iteration, from 1.
    pub attempt: u32,
}

impl AttemptRef {
    /// The first attempt of a step.
    #[must_use]
    pub const fn first(step: StepPath) -> Self {
        Self { step, iteration: 1, role: Role::Work, attempt: 1 }
    }

    /// Path of the attempt's files inside the run directory, without extension: `steps/build/i1-a2`,
    /// `steps/build/i2-check-a1`.
    #[must_use]
    pub fn base(&self) -> String {
        let (step, iteration, attempt) = (self.step.path_segment(), self.iteration, self.attempt);
        if self.role.is_work() {
            return format!("steps/{step}/i{iteration}-a{attempt}");
        }
        let mut role = file_name(self.role.name());
        role.truncate(100);
        format!("steps/{step}/i{iteration}-{role}-a{attempt}")
    }
}

impl fmt::Display for AttemptRef {
    /// `build`, `build#2` for a second attempt, `build@3#2` for the second attempt of the third iteration, and
    /// `build@3/check#2` for an attempt with another role than work.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.step.as_str())?;
        if self.iteration > 1 || !self.role.is_work() {
            write!(f, "@{}", self.iteration)?;
        }
        if !self.role.is_work() {
            write!(f, "/{}", self.role)?;
        }
        if self.attempt > 1 {
            write!(f, "#{}", self.attempt)?;
        }
        Ok(())
    }
}
