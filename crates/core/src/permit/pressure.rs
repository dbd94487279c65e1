//! How loaded the core is.

use std::time::Duration;

use roboppi_ipc::Mono;

use super::PressureSettings;

/// Time in which a figure that is not renewed loses half of its weight. Old figures must not refuse for ever.
const HALF_LIFE: Duration = Duration::from_secs(5);
/// Jobs that wait, as a full load.
const FULL_QUEUE: f64 = 1_000.0;
/// Milliseconds a job waits for its worker, as a full load.
const FULL_LATENCY_MS: f64 = 10_000.0;
/// Permits held, as a full load: so many times the number that can be held at a time.
const FULL_PERMITS: f64 = 10.0;

/// What is done about a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Response {
    Accept,
    Degrade,
    Defer,
    Reject,
}

/// Figures of the load: the queue of the supervisor as it reports it, and how long workers took to start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pressure {
    settings: PressureSettings,
    queue: Fading,
    latency: Fading,
}

/// A figure that fades.
#[derive(Clone, Copy, Debug, Default)]
struct Fading {
    value: f64,
    at: Mono,
}

impl Fading {
    fn now(&self, now: Mono) -> f64 {
        let lives = now.since(self.at).as_secs_f64() / HALF_LIFE.as_secs_f64();
        self.value * 0.5_f64.powf(lives)
    }

    /// The larger of what is left and `value`.
    fn raise(&mut self, now: Mono, value: f64) {
        *self = Self { value: value.max(self.now(now)), at: now };
    }
}

impl Pressure {
    pub(super) fn new(settings: PressureSettings) -> Self {
        Self { settings, queue: Fading::default(), latency: Fading::default() }
    }

    /// The supervisor says how many jobs wait, and how long the oldest does. Numbers of a stranger: what is no
    /// number counts as none.
    pub(super) fn queue(&mut self, now: Mono, depth: f64, oldest_ms: f64) {
        let sane = |number: f64| if number.is_finite() { number.max(0.0) } else { 0.0 };
        self.queue = Fading { value: sane(depth), at: now };
        self.latency = Fading { value: sane(oldest_ms), at: now };
    }

    /// A worker took so long to start.
    pub(super) fn latency(&mut self, now: Mono, took: Duration) {
        self.latency.raise(now, took.as_secs_f64() * 1_000.0);
    }

    /// Milliseconds jobs wait for their workers.
    pub(super) fn lag_ms(&self, now: Mono) -> f64 {
        self.latency.now(now)
    }

    pub(super) fn response(&self, now: Mono, active: u32, limit: u32) -> Response {
        let permits = f64::from(active) / (FULL_PERMITS * f64::from(limit.max(1)));
        let queue = self.queue.now(now) / FULL_QUEUE;
        let latency = self.latency.now(now) / FULL_LATENCY_MS;
        let load = permits.max(queue).max(latency);
        let PressureSettings { reject, defer, degrade } = self.settings;
        match load {
            load if load >= reject => Response::Reject,
            load if load >= defer => Response::Defer,
            load if load >= degrade => Response::Degrade,
            _ => Response::Accept,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_reported_once_fades() {
        let at = |seconds| Mono::from_origin(Duration::from_secs(seconds));
        let mut pressure = Pressure::new(PressureSettings::default());
        assert_eq!(pressure.response(at(0), 10, 10), Response::Accept, "a full house is no overload");
        pressure.queue(at(0), 0.0, 10_000.0);
        let seen: Vec<_> = [0, 2, 4, 6].map(|second| pressure.response(at(second), 0, 10)).into();
        assert_eq!(seen, [Response::Reject, Response::Defer, Response::Degrade, Response::Accept]);
        pressure.queue(at(7), 1_000.0, f64::NAN);
        assert_eq!(pressure.response(at(7), 0, 10), Response::Reject);
        pressure.queue(at(8), -1.0, f64::INFINITY);
        assert_eq!(pressure.response(at(8), 0, 10), Response::Accept);
        pressure.latency(at(9), Duration::from_secs(8));
        pressure.latency(at(9), Duration::from_millis(1));
        assert_eq!(pressure.response(at(9), 0, 10), Response::Defer, "one quick worker hides no slow one");
    }
}
