//! What holds when a workflow does not say. Beside each value stands what the reference calls it.

use std::time::Duration;

/// Attempts at a time; what the core of the existing program allows.
pub(crate) const CONCURRENCY: (u32, &str) = (10, "10");

/// How long one attempt may take.
pub(crate) const STEP_TIMEOUT: (Duration, &str) = (Duration::from_hours(24), "24h");

/// Where artifacts go, relative to the workspace.
pub(crate) const CONTEXT_DIR: (&str, &str) = ("context", "`context` in the workspace");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse_duration;

    #[test]
    fn the_reference_calls_them_what_they_are() {
        assert_eq!(CONCURRENCY.1, CONCURRENCY.0.to_string());
        assert_eq!(parse_duration(STEP_TIMEOUT.1), Ok(STEP_TIMEOUT.0));
        assert!(CONTEXT_DIR.1.contains(&format!("`{}`", CONTEXT_DIR.0)));
    }
}
