//! What was seen to happen: a simulation that never meets a danger proves nothing about it.

use std::fmt;

macro_rules! seen {
    ($($name:ident),* $(,)?) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Seen {
            $($name),*
        }

        impl Seen {
            pub(crate) const ALL: &[Self] = &[$(Self::$name),*];
        }
    };
}

seen! {
    RunSucceeded,
    RunFailed,
    RunCancelled,
    RunTimedOut,
    RunLost,
    Left,
    AttemptSucceeded,
    AttemptFailed,
    AttemptTimedOut,
    AttemptCancelled,
    AttemptLost,
    Retried,
    RetriedAfterLoss,
    StepCancelled,
    StepRetried,
    StepSkipped,
    SkippedWaitAgain,
    WishRefused,
    PermitRefused,
    PermitRefusedByEndingCore,
    WithdrawnWithoutPermit,
    CancelledBeforeCore,
    CancelledBeforeStart,
    CancelledWhileSpawning,
    SpawnFailed,
    ExitedWhileAsked,
    TrappedTermAndReturnedZero,
    KilledAfterGrace,
    KilledByForce,
    Swept,
    PipesLeftOpen,
    Paused,
    StoodStill,
    CancelledWhilePaused,
    StaleChildTimer,
    StaleRunTimer,
    CoreDied,
    CoreHung,
    CoreWokeUp,
    CoreToldToEnd,
    CoreReplaced,
    CoresGivenUp,
    WordsLostWithTheWire,
    CompletionLost,
    LostWhileStarting,
    OutputsFailed,
}

/// How often each was seen.
#[derive(Clone)]
pub(crate) struct Story([u64; Seen::ALL.len()]);

impl Default for Story {
    fn default() -> Self {
        Self([0; Seen::ALL.len()])
    }
}

impl Story {
    pub(crate) fn saw(&mut self, seen: Seen) {
        self.0[seen as usize] += 1;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (sum, more) in self.0.iter_mut().zip(other.0) {
            *sum += more;
        }
    }

    pub(crate) fn count(&self, seen: Seen) -> u64 {
        self.0[seen as usize]
    }
}

impl fmt::Debug for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(Seen::ALL.iter().map(|seen| (seen, self.count(*seen)))).finish()
    }
}
