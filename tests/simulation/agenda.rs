//! What is to happen, in the order of the simulated clock.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use roboppi_ipc::Message;
use roboppi_process::machine::Input;
use roboppi_supervisor::ShutdownRequest;
use roboppi_supervisor::machine::attempt::AttemptEpoch;
use roboppi_workflow::RunTimer;

/// Something that is to happen. Numbers are places in the lists of the world.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    // The supervisor.
    Restart,
    ToSupervisor(usize),
    Beat(usize),
    LinkNews,
    LinkEnded(usize),
    InputsPlaced(usize),
    AttemptTimer(usize, AttemptEpoch),
    OutputsCollected(usize),
    RunTimer(RunTimer),
    ShutdownRequest(ShutdownRequest),
    CancelStep(usize),
    RetryStep(usize),
    SkipStep(usize),
    Suspend { millis: u64 },
    Continue,
    // A core.
    CoreUp(usize),
    CoreTold(usize),
    LeftoversEnded(usize),
    CoreExits(usize),
    ToCore(usize),
    Says(usize, Box<Message>),
    WorkerBegins(usize),
    WorkerControl(usize),
    ChildTold(usize, Input),
    // The world itself.
    CoreDies(usize),
    CoreStops { core: usize, millis: u64 },
    Spawns(usize),
    Ends(usize, Cause),
    PipesClose(usize),
    GuardEnds(usize),
    // The promises.
    Due(Due),
}

/// What ends a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    Itself,
    Term,
    Kill,
}

/// The time by which something must have come true.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Due {
    /// The child of a worker has ended. `stopped`: how long its core had been stopped when this was set.
    Child { worker: usize, stopped: u64, why: &'static str },
    /// A worker whose time is over is being ended.
    Timeout { worker: usize, stopped: u64 },
    /// What the supervisor owes an attempt. `stood`: how long it had stood still when this was set;
    /// `patient`: the core was in trouble, and that was taken into account.
    Attempt { attempt: usize, what: Owed, stood: u64, patient: bool },
    /// A core that was told to end is gone.
    CoreGone { core: usize },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owed {
    /// It was asked to end and has ended.
    End,
    /// Its leader is gone, and its step is not shown as running any more.
    News,
}

#[derive(Debug)]
struct Entry {
    at: u64,
    /// Decides between things of the same time; random, so that no order is taken for granted.
    lot: u64,
    number: u64,
    event: Event,
}

impl Entry {
    const fn key(&self) -> (u64, u64, u64) {
        (self.at, self.lot, self.number)
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    /// The greatest is the next one.
    fn cmp(&self, other: &Self) -> Ordering {
        other.key().cmp(&self.key())
    }
}

#[derive(Debug, Default)]
pub(crate) struct Agenda {
    entries: BinaryHeap<Entry>,
    number: u64,
}

impl Agenda {
    pub(crate) fn add(&mut self, at: u64, lot: u64, event: Event) {
        self.number += 1;
        self.entries.push(Entry { at, lot, number: self.number, event });
    }

    pub(crate) fn next(&mut self) -> Option<(u64, Event)> {
        self.entries.pop().map(|entry| (entry.at, entry.event))
    }
}
