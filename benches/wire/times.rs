//! Many times of the same thing.

use std::time::Duration;

pub(crate) struct Times(Vec<Duration>);

impl Times {
    pub(crate) fn new(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    /// The time that `percent` of all do not exceed.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        self.0[(self.0.len() - 1) * percent / 100]
    }

    pub(crate) fn print(&self, what: &str) {
        let [p50, p95, p99, max] = [50, 95, 99, 100].map(|percent| micros(self.percentile(percent)));
        println!("  {what:<24} p50 {p50:>9.1} µs  p95 {p95:>9.1} µs  p99 {p99:>9.1} µs  max {max:>9.1} µs");
    }

    /// Says whether a percentile is within its goal.
    pub(crate) fn judge(&self, percent: usize, goal: Duration) {
        let verdict = if self.percentile(percent) <= goal { "reached" } else { "missed" };
        println!("  goal p{percent} ≤ {} µs: {verdict}", goal.as_micros());
    }
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
