//! When a client is sent something, and how much: a pure machine.
//!
//! A client that is idle is sent an event at once. After that events are collected for a moment, and a budget limits how many it is
//! sent in a second. An important event does not wait for the moment: it is sent with everything before it.

/// What a client is sent at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientLimits {
    /// Events in a second.
    pub events_per_second: u32,
    /// Events in a frame.
    pub events_per_frame: u32,
    /// Bytes of a frame.
    pub frame_bytes: u32,
    /// Frames with lines of logs in a second.
    pub log_frames_per_second: u32,
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self {
            events_per_second: 50,
            events_per_frame: 20,
            frame_bytes: 64 * 1024,
            log_frames_per_second: 10,
        }
    }
}

impl From<ClientLimits> for crate::api::session::Limits {
    fn from(limits: ClientLimits) -> Self {
        Self {
            events_per_second: limits.events_per_second,
            events_per_frame: limits.events_per_frame,
            frame_bytes: limits.frame_bytes,
            log_frames_per_second: limits.log_frames_per_second,
            line_bytes: crate::api::line::LINE_BYTES,
        }
    }
}

/// Milliseconds for which events are collected after a frame.
const WINDOW: u64 = 50;

/// What there is to send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// Events.
    pub(crate) events: u64,
    /// An important one is among them.
    pub(crate) important: bool,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Send at most so many events, in one frame.
    Send(u32),
    /// Nothing can be sent before this time, in milliseconds.
    Until(u64),
    /// There is nothing to send.
    Idle,
}

const fn clamped(value: u32, most: u32) -> u32 {
    if value == 0 {
        1
    } else if value > most {
        most
    } else {
        value
    }
}

/// The pace of one client. Times are milliseconds of a monotonic clock.
#[derive(Clone, Debug)]
pub(crate) struct Pacing {
    limits: ClientLimits,
    /// Thousandths of an event that may be sent now.
    budget: u64,
    /// When the budget was counted last.
    counted: u64,
    /// When something was sent last.
    sent: Option<u64>,
    /// When lines may be sent next.
    lines_at: u64,
}

impl Pacing {
    pub(crate) fn new(limits: ClientLimits, now: u64) -> Self {
        let limits = Self::possible(limits);
        let budget = u64::from(limits.events_per_second) * 1000;
        Self { limits, budget, counted: now, sent: None, lines_at: 0 }
    }

    const fn possible(limits: ClientLimits) -> ClientLimits {
        ClientLimits {
            events_per_second: clamped(limits.events_per_second, 1_000_000),
            events_per_frame: clamped(limits.events_per_frame, 10_000),
            log_frames_per_second: clamped(limits.log_frames_per_second, 1000),
            ..limits
        }
    }

    /// Goes on with other limits. What is left of the budget stays, as far as they allow.
    pub(crate) fn set_limits(&mut self, limits: ClientLimits, now: u64) {
        self.count(now);
        self.limits = Self::possible(limits);
        self.budget = self.budget.min(u64::from(self.limits.events_per_second) * 1000);
    }

    fn count(&mut self, now: u64) {
        let per_second = u64::from(self.limits.events_per_second);
        let earned = now.saturating_sub(self.counted).saturating_mul(per_second);
        // What was not used in a second is gone.
        self.budget = self.budget.saturating_add(earned).min(per_second * 1000);
        self.counted = self.counted.max(now);
    }

    /// What to do with what is waiting.
    pub(crate) fn turn(&mut self, now: u64, waiting: Waiting) -> Turn {
        if waiting.events == 0 {
            return Turn::Idle;
        }
        self.count(now);
        if self.budget < 1000 {
            let missing = 1000 - self.budget;
            return Turn::Until(now + missing.div_ceil(u64::from(self.limits.events_per_second)));
        }
        let most = u64::from(self.limits.events_per_frame);
        let collected = self.sent.map_or(0, |sent| sent + WINDOW);
        if now < collected && !waiting.important && waiting.events < most {
            return Turn::Until(collected);
        }
        let allowed = (self.budget / 1000).min(most).min(waiting.events);
        Turn::Send(u32::try_from(allowed).unwrap_or(u32::MAX))
    }

    /// So many events were sent.
    pub(crate) fn sent(&mut self, now: u64, events: u32) {
        self.budget = self.budget.saturating_sub(u64::from(events) * 1000);
        self.sent = Some(now);
    }

    /// When lines of logs may be sent.
    pub(crate) const fn lines_at(&self) -> u64 {
        self.lines_at
    }

    /// Lines were sent: they count as one event.
    pub(crate) fn sent_lines(&mut self, now: u64) {
        self.count(now);
        self.budget = self.budget.saturating_sub(1000);
        self.lines_at = now + 1000 / u64::from(self.limits.log_frames_per_second);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MANY: Waiting = Waiting { events: 1000, important: false };
    const ONE: Waiting = Waiting { events: 1, important: false };

    #[test]
    fn an_idle_client_is_sent_an_event_at_once_and_the_next_ones_together() {
        let mut pacing = Pacing::new(ClientLimits::default(), 0);
        assert_eq!(pacing.turn(7, Waiting::default()), Turn::Idle);
        assert_eq!(pacing.turn(7, ONE), Turn::Send(1));
        pacing.sent(7, 1);
        assert_eq!(pacing.turn(8, ONE), Turn::Until(57));
        assert_eq!(
            pacing.turn(8, Waiting { events: 3, important: true }),
            Turn::Send(3),
            "it takes all before it along"
        );
        assert_eq!(
            pacing.turn(8, Waiting { events: 20, important: false }),
            Turn::Send(20),
            "a frame is full"
        );
        assert_eq!(pacing.turn(57, ONE), Turn::Send(1));
    }

    #[test]
    fn the_budget_holds_for_important_events_too() {
        let mut pacing = Pacing::new(ClientLimits::default(), 0);
        let important = Waiting { important: true, ..MANY };
        for _ in 0..2 {
            assert_eq!(pacing.turn(0, important), Turn::Send(20));
            pacing.sent(0, 20);
        }
        assert_eq!(pacing.turn(0, important), Turn::Send(10));
        pacing.sent(0, 10);
        assert_eq!(pacing.turn(0, important), Turn::Until(20));
    }

    #[test]
    fn frames_of_lines_are_spaced() {
        let mut pacing = Pacing::new(ClientLimits::default(), 0);
        assert_eq!(pacing.lines_at(), 0);
        pacing.sent_lines(5);
        assert_eq!(pacing.lines_at(), 105);
    }

    proptest! {
        #[test]
        fn no_second_has_more_than_twice_the_budget_and_a_steady_flow_no_more_than_it(
            steps in prop::collection::vec(1u64..400, 1..200), rate in 1u32..200, frame in 1u32..50,
        ) {
            let limits = ClientLimits { events_per_second: rate, events_per_frame: frame, ..ClientLimits::default() };
            let mut pacing = Pacing::new(limits, 0);
            let (mut now, mut total) = (0, 0);
            for step in steps {
                now += step;
                while let Turn::Send(count) = pacing.turn(now, MANY) {
                    prop_assert!(count >= 1 && count <= frame);
                    pacing.sent(now, count);
                    total += u64::from(count);
                }
                prop_assert!(total <= u64::from(rate) * (now + 1000) / 1000 + 1, "{total} by {now}");
            }
        }
    }
}
