//! What a person can ask of the owner of a run.

use roboppi_ipc::{UnknownTagged, decode_tagged_by};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::StepPath;

/// What a person asks of the owner of a run, tagged by `type` in JSON: `{"type":"retry_step","step":"build"}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunCommand {
    /// `cancel_run`: end the run.
    CancelRun {
        /// `force`: its workers are killed at once.
        force: bool,
    },
    /// `cancel_step`: end one step.
    CancelStep(StepPath),
    /// `retry_step`: try a step again that is over without success. What was skipped because of it waits for it again.
    RetryStep(StepPath),
    /// `skip_step`: leave a step out that has not started. The steps after it go on as if it had succeeded.
    SkipStep(StepPath),
    /// `hang_up`: the terminal the run is shown on is gone.
    HangUp,
    /// `leave_now`: kill everything and do not wait for anything else.
    LeaveNow,
    /// A request of a newer version. It is shown, and never granted.
    Unknown(UnknownTagged),
}

/// A command of a person, tagged by `type`.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "RunCommand"))]
#[serde(tag = "type", rename_all = "snake_case")]
enum Tagged {
    /// End the run.
    CancelRun {
        /// Kill its workers at once.
        #[serde(default)]
        force: bool,
    },
    /// End one step.
    CancelStep {
        /// The step.
        step: StepPath,
    },
    /// Try a step again.
    RetryStep {
        /// The step.
        step: StepPath,
    },
    /// Leave out a step that has not started.
    SkipStep {
        /// The step.
        step: StepPath,
    },
    /// The terminal of the run is gone.
    HangUp,
    /// Kill everything, and wait for nothing else.
    LeaveNow,
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for RunCommand {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        Tagged::schema_name()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Tagged::json_schema(generator)
    }
}

const TYPES: [&str; 6] = ["cancel_run", "cancel_step", "retry_step", "skip_step", "hang_up", "leave_now"];

impl From<Tagged> for RunCommand {
    fn from(tagged: Tagged) -> Self {
        match tagged {
            Tagged::CancelRun { force } => Self::CancelRun { force },
            Tagged::CancelStep { step } => Self::CancelStep(step),
            Tagged::RetryStep { step } => Self::RetryStep(step),
            Tagged::SkipStep { step } => Self::SkipStep(step),
            Tagged::HangUp => Self::HangUp,
            Tagged::LeaveNow => Self::LeaveNow,
        }
    }
}

impl Serialize for RunCommand {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let tagged = match self.clone() {
            Self::CancelRun { force } => Tagged::CancelRun { force },
            Self::CancelStep(step) => Tagged::CancelStep { step },
            Self::RetryStep(step) => Tagged::RetryStep { step },
            Self::SkipStep(step) => Tagged::SkipStep { step },
            Self::HangUp => Tagged::HangUp,
            Self::LeaveNow => Tagged::LeaveNow,
            Self::Unknown(other) => return other.serialize(serializer),
        };
        tagged.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RunCommand {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let known = |object| Tagged::deserialize(object).map(Self::from);
        decode_tagged_by("type", deserializer, &TYPES, known, Self::Unknown)
    }
}

impl RunCommand {
    /// What is asked for, in words that follow "to": `try build again`.
    #[must_use]
    pub fn in_words(&self) -> String {
        match self {
            Self::CancelRun { force: false } => "end the run".to_owned(),
            Self::CancelRun { force: true } => "kill the workers of the run".to_owned(),
            Self::CancelStep(step) => format!("end `{step}`"),
            Self::RetryStep(step) => format!("try `{step}` again"),
            Self::SkipStep(step) => format!("skip `{step}`"),
            Self::HangUp => "end the run, since its terminal is gone".to_owned(),
            Self::LeaveNow => "leave at once".to_owned(),
            Self::Unknown(other) => format!("`{}`, which this version does not know", other.tag),
        }
    }

    /// The step it is about.
    #[must_use]
    pub const fn step(&self) -> Option<&StepPath> {
        match self {
            Self::CancelStep(step) | Self::RetryStep(step) | Self::SkipStep(step) => Some(step),
            Self::CancelRun { .. } | Self::HangUp | Self::LeaveNow | Self::Unknown(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wish_is_read_back_as_it_was_written() {
        let step = || StepPath::from("build");
        for (command, text) in [
            (RunCommand::CancelRun { force: true }, r#"{"type":"cancel_run","force":true}"#),
            (RunCommand::CancelStep(step()), r#"{"type":"cancel_step","step":"build"}"#),
            (RunCommand::RetryStep(step()), r#"{"type":"retry_step","step":"build"}"#),
            (RunCommand::SkipStep(step()), r#"{"type":"skip_step","step":"build"}"#),
            (RunCommand::HangUp, r#"{"type":"hang_up"}"#),
            (RunCommand::LeaveNow, r#"{"type":"leave_now"}"#),
        ] {
            assert_eq!(serde_json::to_string(&command).unwrap(), text);
            assert_eq!(serde_json::from_str::<RunCommand>(text).unwrap(), command);
        }
    }

    #[test]
    fn a_request_of_a_newer_version_is_kept_whole() {
        let text = r#"{"by":{"name":"ann"},"type":"pause"}"#;
        let command: RunCommand = serde_json::from_str(text).unwrap();
        assert_eq!(command.in_words(), "`pause`, which this version does not know");
        assert_eq!(serde_json::to_string(&command).unwrap(), text);
        for bad in [r#"{"type":"cancel_step"}"#, r#"{"step":"a"}"#, r#""pause""#] {
            assert!(serde_json::from_str::<RunCommand>(bad).is_err(), "{bad}");
        }
    }
}
