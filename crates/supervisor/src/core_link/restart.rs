//! Whether a lost core gets a successor.

use std::collections::VecDeque;
use std::time::Duration;

use roboppi_ipc::Mono;

/// Successors within [`WINDOW`].
const LIMIT: usize = 5;
/// Time over which successors are counted.
const WINDOW: Duration = Duration::from_secs(60);
/// Wait before the first successor; doubled with each one that follows within the window.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// How a core was lost, as far as it tells what would become of another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// It could not be started.
    NotStarted,
    /// It speaks no protocol that is known here.
    Unfit,
    /// It ended by itself before its first word.
    Silent,
    /// It was there, or was killed before it could be.
    Gone,
}

/// What follows a loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// Start a successor after this time.
    After(Duration),
    /// It would only be lost again.
    GiveUp,
}

/// Decides about successors: at most five within a minute, with growing waits, and none where each would end as the lost
/// one did.
#[derive(Clone, Debug, Default)]
pub struct RestartPolicy {
    started: VecDeque<Mono>,
}

impl RestartPolicy {
    /// A core was lost.
    pub fn lost(&mut self, now: Mono, loss: Loss) -> Restart {
        if loss != Loss::Gone {
            return Restart::GiveUp;
        }
        self.started.retain(|start| now.since(*start) < WINDOW);
        if self.started.len() >= LIMIT {
            return Restart::GiveUp;
        }
        let doublings = u32::try_from(self.started.len()).unwrap_or(u32::MAX);
        self.started.push_back(now);
        Restart::After(FIRST_WAIT.saturating_mul(2_u32.saturating_pow(doublings)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Mono {
        Mono::from_origin(Duration::from_millis(millis))
    }

    #[test]
    fn five_successors_a_minute_with_growing_waits() {
        let mut policy = RestartPolicy::default();
        let waits: Vec<Restart> = (0..6).map(|loss| policy.lost(at(loss * 1_000), Loss::Gone)).collect();
        let after = |millis| Restart::After(Duration::from_millis(millis));
        assert_eq!(waits, [after(100), after(200), after(400), after(800), after(1_600), Restart::GiveUp]);
    }

    #[test]
    fn what_would_end_as_before_has_no_successor() {
        for loss in [Loss::NotStarted, Loss::Unfit, Loss::Silent] {
            assert_eq!(RestartPolicy::default().lost(at(0), loss), Restart::GiveUp);
        }
    }

    #[test]
    fn a_loss_now_and_then_is_always_made_good() {
        let mut policy = RestartPolicy::default();
        for loss in 0..100 {
            assert_eq!(policy.lost(at(loss * 61_000), Loss::Gone), Restart::After(FIRST_WAIT));
        }
    }
}
