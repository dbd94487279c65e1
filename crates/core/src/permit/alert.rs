//! What the gate tells people of.

use std::time::Duration;

use roboppi_ipc::{EscalationAction, EscalationDetails, EscalationScope, EscalationSeverity, UtcMillis};

use super::Alarm;

/// Something that keeps workers from starting, or has ceased to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Alert {
    /// Workers of a kind failed so often in a row that no new ones start for a while.
    Isolated {
        /// The kind.
        provider: String,
        /// Failures in a row.
        failures: u32,
        /// Until one is tried.
        reset: Duration,
    },
    /// Several kinds of workers fail.
    ManyIsolated {
        /// The kinds.
        providers: Vec<String>,
    },
    /// The watchdog sees something worse, or better, than before.
    Alarm {
        /// What it sees.
        alarm: Alarm,
        /// The figures that are high.
        reason: String,
    },
}

impl Alert {
    /// The content of an `escalation`.
    #[must_use]
    pub fn event(&self, timestamp: UtcMillis) -> EscalationDetails {
        use {EscalationAction as Action, EscalationScope as Scope, EscalationSeverity as Severity};
        let (scope, action, target, severity, reason) = match self {
            Self::Isolated { provider, failures, reset } => {
                let reason = format!(
                    "its workers failed {failures} times in a row: no new ones for {} s, then one is tried",
                    reset.as_secs()
                );
                (Scope::WorkerKind, Action::Isolate, provider.as_str(), Severity::Error, reason)
            }
            Self::ManyIsolated { providers } => {
                let reason = format!("workers of several kinds fail: {}", providers.join(", "));
                (Scope::Global, Action::Notify, SYSTEM, Severity::Fatal, reason)
            }
            Self::Alarm { alarm, reason } => {
                let (action, severity, does) = match alarm {
                    Alarm::Calm => (Action::Notify, Severity::Warning, "all is well again"),
                    Alarm::Shed => (Action::Notify, Severity::Warning, "agents of batch jobs wait"),
                    Alarm::Throttle => (Action::Notify, Severity::Error, "one agent a second may start"),
                    Alarm::CircuitOpen => (Action::Stop, Severity::Error, "no agents start"),
                    Alarm::Escalation => {
                        (Action::Stop, Severity::Fatal, "no agents start, and it needs a person")
                    }
                };
                let separator = if reason.is_empty() { "" } else { ": " };
                (Scope::Global, action, SYSTEM, severity, format!("{reason}{separator}{does}"))
            }
        };
        EscalationDetails { scope, action, target: target.to_owned(), reason, timestamp, severity }
    }
}

/// Target of what concerns all workers.
const SYSTEM: &str = "system";
