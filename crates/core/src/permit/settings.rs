//! When permits are refused.

use std::time::Duration;

/// Bounds of the permit gate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GateSettings {
    /// Permits held at a time.
    pub concurrency: u32,
    /// Permits for agent workers within a second. Plain commands are bounded by `concurrency` alone.
    pub per_second: u32,
    /// Money agent workers may cost in all, in US dollars. `None` for no bound.
    pub max_cost: Option<f64>,
    /// When the core counts as loaded.
    pub pressure: PressureSettings,
    /// When the workers of a kind count as broken.
    pub breaker: BreakerSettings,
}

impl GateSettings {
    /// The defaults, with another number of permits.
    #[must_use]
    pub fn with_concurrency(concurrency: u32) -> Self {
        Self { concurrency, ..Self::default() }
    }
}

impl Default for GateSettings {
    fn default() -> Self {
        Self {
            concurrency: 10,
            per_second: 50,
            max_cost: None,
            pressure: PressureSettings::default(),
            breaker: BreakerSettings::default(),
        }
    }
}

/// Loads, from 0 for idle to 1 for full, from which on something is done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PressureSettings {
    /// Permits are refused.
    pub reject: f64,
    /// Permits are put off.
    pub defer: f64,
    /// Permits are given, with half of the cost they ask for.
    pub degrade: f64,
}

impl Default for PressureSettings {
    fn default() -> Self {
        Self { reject: 1.0, defer: 0.75, degrade: 0.5 }
    }
}

/// When a breaker opens, and how it closes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerSettings {
    /// Failures in a row that open it.
    pub failures: u32,
    /// Time it stays open before one worker is tried.
    pub reset: Duration,
    /// Tries that may fail before it opens again.
    pub tries: u32,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self { failures: 5, reset: Duration::from_secs(30), tries: 3 }
    }
}
