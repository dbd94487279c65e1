//! How many permits were given within the last second.

use std::collections::VecDeque;
use std::time::Duration;

use roboppi_ipc::Mono;

const WINDOW: Duration = Duration::from_secs(1);

/// Times of the permits of the last second; never more than the limit.
#[derive(Clone, Debug)]
pub(super) struct Rate {
    limit: usize,
    given: VecDeque<Mono>,
}

impl Rate {
    pub(super) fn new(limit: u32) -> Self {
        Self { limit: limit as usize, given: VecDeque::new() }
    }

    pub(super) fn advance(&mut self, now: Mono) {
        while self.given.front().is_some_and(|given| now.since(*given) >= WINDOW) {
            self.given.pop_front();
        }
    }

    pub(super) fn has_room(&self) -> bool {
        self.given.len() < self.limit
    }

    /// Nothing was given within the last second.
    pub(super) fn is_empty(&self) -> bool {
        self.given.is_empty()
    }

    pub(super) fn give(&mut self, now: Mono) {
        self.given.push_back(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_moves_on() {
        let at = |millis| Mono::from_origin(Duration::from_millis(millis));
        let mut rate = Rate::new(2);
        rate.give(at(0));
        rate.give(at(600));
        assert!(!rate.has_room());
        rate.advance(at(999));
        assert!(!rate.has_room());
        rate.advance(at(1_000));
        assert!(rate.has_room());
        assert!(!Rate::new(0).has_room());
    }
}
