//! What the gate tells people of.

use std::time::Duration;

use serde_json::{Value, json};

use super::Alarm;
use roboppi_ipc::UtcMillis;

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
    pub fn event(&self, timestamp: UtcMillis) -> Value {
        let (scope, action, target, severity, reason) = match self {
            Self::Isolated { provider, failures, reset } => {
                let reason = format!(
                    "its workers failed {failures} times in a row: no new ones for {} s, then one is tried",
                    reset.as_secs()
                );
                ("WORKER_KIND", "ISOLATE", provider.as_str(), "error", reason)
            }
            Self::ManyIsolated { providers } => {
                let reason = format!("workers of several kinds fail: {}", providers.join(", "));
                ("GLOBAL", "NOTIFY", SYSTEM, "fatal", reason)
            }
            Self::Alarm { alarm, reason } => {
                let (action, severity, does) = match alarm {
                    Alarm::Calm => ("NOTIFY", "warning", "all is well again"),
                    Alarm::Shed => ("NOTIFY", "warning", "agents of batch jobs wait"),
                    Alarm::Throttle => ("NOTIFY", "error", "one agent a second may start"),
                    Alarm::CircuitOpen => ("STOP", "error", "no agents start"),
                    Alarm::Escalation => ("STOP", "fatal", "no agents start, and it needs a person"),
                };
                let separator = if reason.is_empty() { "" } else { ": " };
                ("GLOBAL", action, SYSTEM, severity, format!("{reason}{separator}{does}"))
            }
        };
        json!({
            "scope": scope,
            "action": action,
            "target": target,
            "reason": reason,
            "timestamp": timestamp,
            "severity": severity,
        })
    }
}

/// Target of what concerns all workers.
const SYSTEM: &str = "system";
