//! `escalation`: what keeps workers from starting.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::UtcMillis;

/// `escalation`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Escalation {
    /// `event`: what happened. Content of another shape, of a foreign core, is passed on as it is.
    #[cfg_attr(feature = "schema", schemars(with = "EscalationDetails"))]
    pub event: EscalationEvent,
}

/// What an escalation says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum EscalationEvent {
    /// What this version knows.
    Described(Box<EscalationDetails>),
    /// Something else, from a foreign core, kept as it came.
    Other(Value),
}

/// Something keeps workers from starting, or has ceased to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EscalationDetails {
    /// `scope`: the workers it concerns.
    pub scope: EscalationScope,
    /// `action`: what the core does.
    pub action: EscalationAction,
    /// `target`: a kind of worker, or `system`.
    pub target: String,
    /// `reason`: readable message.
    pub reason: String,
    /// `timestamp`: the core's clock.
    pub timestamp: UtcMillis,
    /// `severity`: its severity.
    pub severity: EscalationSeverity,
}

value_enum! {
    /// `scope` of an escalation.
    pub enum EscalationScope {
        /// `GLOBAL`: all workers.
        Global = "GLOBAL",
        /// `WORKER_KIND`: workers of one kind.
        WorkerKind = "WORKER_KIND",
    }
}

value_enum! {
    /// `action` of an escalation.
    pub enum EscalationAction {
        /// `NOTIFY`: nothing beyond this message.
        Notify = "NOTIFY",
        /// `ISOLATE`: no workers of this kind start for a while.
        Isolate = "ISOLATE",
        /// `STOP`: no agents start.
        Stop = "STOP",
    }
}

value_enum! {
    /// `severity` of an escalation.
    pub enum EscalationSeverity {
        /// `warning`: agents may have to wait.
        Warning = "warning",
        /// `error`: some do not start.
        Error = "error",
        /// `fatal`: it needs a person.
        Fatal = "fatal",
    }
}

impl EscalationEvent {
    /// In words, for people.
    #[must_use]
    pub fn summary(&self) -> String {
        match self {
            Self::Described(details) => format!("{}: {}", details.target, details.reason),
            Self::Other(event) => match (event["target"].as_str(), event["reason"].as_str()) {
                (Some(target), Some(reason)) => format!("{target}: {reason}"),
                _ => event.to_string(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_as_described_is_kept_as_it_came() {
        for (line, summary) in [
            (
                r#"{"scope":"GLOBAL","action":"STOP","target":"system","reason":"too much","timestamp":1,"severity":"fatal"}"#,
                "system: too much",
            ),
            (r#"{"reason":"of an older core","target":"system"}"#, "system: of an older core"),
            (r#"{"what":[1,2.5,null]}"#, r#"{"what":[1,2.5,null]}"#),
            (r#""a text""#, r#""a text""#),
        ] {
            let event: EscalationEvent = serde_json::from_str(line).unwrap();
            assert_eq!(event.summary(), summary);
            assert_eq!(serde_json::to_string(&event).unwrap(), line);
            assert_eq!(matches!(event, EscalationEvent::Described(_)), line.contains("scope"));
        }
    }
}
