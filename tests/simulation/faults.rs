//! What can go wrong in a world, and what is planted into the loops around the machines.

use std::fmt;

/// Something the world does to the machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Fault {
    LateMessages,
    CoreCrashes,
    CoreNeverLasts,
    CoreStopped,
    CoreToldToEnd,
    SlowSpawn,
    SpawnFails,
    IgnoresTerm,
    SlowDeath,
    LeakedPipe,
    Escape,
    ClosesEarly,
    NeverEnds,
    FailingWorkers,
    StepTimeout,
    RunTimeout,
    PeopleAsk,
    StepCancelled,
    StepsWished,
    Paused,
    StaleTimers,
    OutputsFail,
}

impl Fault {
    pub(crate) const ALL: [Self; 22] = [
        Self::LateMessages,
        Self::CoreCrashes,
        Self::CoreNeverLasts,
        Self::CoreStopped,
        Self::CoreToldToEnd,
        Self::SlowSpawn,
        Self::SpawnFails,
        Self::IgnoresTerm,
        Self::SlowDeath,
        Self::LeakedPipe,
        Self::Escape,
        Self::ClosesEarly,
        Self::NeverEnds,
        Self::FailingWorkers,
        Self::StepTimeout,
        Self::RunTimeout,
        Self::PeopleAsk,
        Self::StepCancelled,
        Self::StepsWished,
        Self::Paused,
        Self::StaleTimers,
        Self::OutputsFail,
    ];

    /// How often a world has it, in percent.
    pub(crate) const fn frequency(self) -> u64 {
        match self {
            Self::CoreNeverLasts => 3,
            Self::CoreCrashes | Self::CoreStopped | Self::CoreToldToEnd => 20,
            Self::LateMessages | Self::SpawnFails | Self::Paused | Self::OutputsFail => 30,
            _ => 45,
        }
    }
}

/// The faults of one world.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Weather(u32);

impl Weather {
    pub(crate) const FAIR: Self = Self(0);
    pub(crate) const ANY: Self = Self(u32::MAX);

    pub(crate) const fn has(self, fault: Fault) -> bool {
        self.0 & (1 << fault as u8) != 0
    }

    pub(crate) const fn with(self, fault: Fault) -> Self {
        Self(self.0 | (1 << fault as u8))
    }

    pub(crate) const fn without(self, fault: Fault) -> Self {
        Self(self.0 & !(1 << fault as u8))
    }

    pub(crate) const fn only(self, allowed: Self) -> Self {
        Self(self.0 & allowed.0)
    }
}

impl fmt::Debug for Weather {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(Fault::ALL.iter().filter(|fault| self.has(**fault))).finish()
    }
}

/// A defect planted into the loops around the machines. The machines themselves are those of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// An order to end that comes while the child is being started goes nowhere.
    CancelLostWhileSpawning,
    /// The timer between TERM and KILL is never set.
    NoGraceTimer,
    /// A timer of a state that is over counts as the timer of the present one.
    StaleTimerObeyed,
    /// The time a worker may run is never counted.
    TimeoutForgotten,
    /// The time pipes may stay open is never counted.
    DrainForgotten,
    /// Who is to be killed is asked politely.
    ForceForgotten,
    /// The exit of the leader is taken for the end of its pipes.
    PipesNotDrained,
    /// The end of a job is said twice.
    JobFinishedTwice,
    /// A permit stays in use when its job has ended.
    PermitNotReturned,
    /// The end of the wire is taken for the end of everything the core had started.
    WireTakenForCore,
    /// The order to end an attempt is not passed on.
    OrderForgotten,
    /// The end of a job is not said.
    CompletionForgotten,
    /// Patience with a core ends while the supervisor stands still and can hear nothing.
    DeafPatience,
    /// What a link has heard is forgotten when its core goes before the loop has taken it.
    LastWordsForgotten,
    /// When cores are given up, what came of preparing an attempt is not told.
    KnownEndForgotten,
    /// A core that dies takes the news of it along.
    LossUnheard,
    /// Who asks a second time for the end of an attempt gives a reason of their own.
    ReasonForgotten,
    /// A wait before another attempt that is over ends the present one.
    StaleRetryObeyed,
    /// A signal that ends a worker is taken for its own exit with code 0.
    ExitInvented,
}

impl Bug {
    pub(crate) const ALL: [Self; 19] = [
        Self::CancelLostWhileSpawning,
        Self::NoGraceTimer,
        Self::StaleTimerObeyed,
        Self::PipesNotDrained,
        Self::TimeoutForgotten,
        Self::DrainForgotten,
        Self::ForceForgotten,
        Self::OrderForgotten,
        Self::CompletionForgotten,
        Self::DeafPatience,
        Self::LastWordsForgotten,
        Self::KnownEndForgotten,
        Self::JobFinishedTwice,
        Self::PermitNotReturned,
        Self::WireTakenForCore,
        Self::LossUnheard,
        Self::ReasonForgotten,
        Self::StaleRetryObeyed,
        Self::ExitInvented,
    ];
}
