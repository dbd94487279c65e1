//! Who is struck by what, and how a run has to end then.

use std::fmt;

use nix::sys::signal::Signal::{self, SIGHUP, SIGINT, SIGKILL, SIGTERM};

use crate::cast::Cast;
use crate::processes::Process;
use crate::workers::Worker;

pub(crate) const SIGNALS: [Signal; 4] = [SIGKILL, SIGTERM, SIGINT, SIGHUP];

/// How the program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// supervisor → guard → core.
    Supervised,
    /// guard → supervisor and core in one.
    Direct,
}

impl Mode {
    pub(crate) const fn flag(self) -> &'static str {
        match self {
            Self::Supervised => "--supervised",
            Self::Direct => "--direct",
        }
    }
}

/// Who is struck. Several are struck at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Supervisor,
    Core,
    Guard,
    SupervisorAndCore,
    SupervisorAndGuard,
    GuardAndCore,
    /// The process the core started, not those below it.
    Worker,
}

/// What happens to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blow {
    Signal(Target, Signal),
    /// The window is closed: under the full screen, or under lines of text.
    ClosedTerminal {
        tui: bool,
    },
}

/// How the started process has to end, and what the record has to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// With this exit code; the record is complete.
    Complete(i32),
    /// With this exit code, and the record breaks off.
    BrokenOff(i32),
    /// By this signal, and the record breaks off.
    Killed,
}

impl Blow {
    /// Every blow there is in a mode. Supervisor, guard and core all at once is not promised, and with `--direct`
    /// these are only two.
    pub(crate) fn all(mode: Mode) -> Vec<Self> {
        use Target::{Core, Guard, GuardAndCore, Supervisor, SupervisorAndCore, SupervisorAndGuard, Worker};
        let targets: &[Target] = match mode {
            Mode::Supervised => {
                &[Supervisor, Core, Guard, SupervisorAndCore, SupervisorAndGuard, GuardAndCore, Worker]
            }
            Mode::Direct => &[Supervisor, Guard, Worker],
        };
        let signals = targets.iter().flat_map(|&target| SIGNALS.map(|signal| Self::Signal(target, signal)));
        let terminals = [true, false].map(|tui| Self::ClosedTerminal { tui });
        signals.chain(terminals).collect()
    }

    /// Strikes. A closed terminal is not done from here.
    pub(crate) fn strike(self, cast: &Cast) {
        let Self::Signal(target, signal) = self else { return };
        let struck: &[&Process] = match target {
            Target::Supervisor => &[&cast.supervisor],
            Target::Core => &[&cast.core],
            Target::Guard => &[&cast.guard],
            Target::SupervisorAndCore => &[&cast.supervisor, &cast.core],
            Target::SupervisorAndGuard => &[&cast.supervisor, &cast.guard],
            Target::GuardAndCore => &[&cast.guard, &cast.core],
            Target::Worker => &[&cast.leader],
        };
        for process in struck {
            process.signal(signal);
        }
    }

    /// Whether the run goes on as if nothing had happened.
    pub(crate) fn is_nothing_to(self, worker: &Worker) -> bool {
        matches!(self, Self::Signal(Target::Worker, signal) if signal != SIGKILL)
            && worker.shrugs_off_all_but_kill()
    }

    pub(crate) fn end(self, mode: Mode) -> End {
        use Target::{Core, Guard, GuardAndCore, Supervisor, SupervisorAndCore, SupervisorAndGuard, Worker};
        let Self::Signal(target, signal) = self else { return End::Complete(128 + SIGHUP as i32) };
        let by_signal = 128 + signal as i32;
        match (mode, target, signal) {
            (_, Worker, _) => End::Complete(1),
            (Mode::Supervised, Supervisor | SupervisorAndCore | SupervisorAndGuard, SIGKILL)
            | (Mode::Direct, Guard, SIGKILL) => End::Killed,
            (Mode::Direct, _, SIGKILL) => End::BrokenOff(by_signal),
            (Mode::Supervised, Core | Guard | GuardAndCore, SIGKILL) => End::Complete(3),
            // A core that is asked to end ends its workers and tells how they ended: the step was cancelled.
            (Mode::Supervised, Core | Guard | GuardAndCore, _) => End::Complete(1),
            (Mode::Supervised, Supervisor | SupervisorAndCore | SupervisorAndGuard, _)
            | (Mode::Direct, _, _) => End::Complete(by_signal),
        }
    }
}

impl fmt::Display for Blow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signal(target, signal) => {
                let target = match target {
                    Target::Supervisor => "supervisor",
                    Target::Core => "core",
                    Target::Guard => "guard",
                    Target::SupervisorAndCore => "supervisor + core",
                    Target::SupervisorAndGuard => "supervisor + guard",
                    Target::GuardAndCore => "guard + core",
                    Target::Worker => "worker",
                };
                write!(f, "{target} {signal}")
            }
            Self::ClosedTerminal { tui: true } => f.write_str("closed terminal, full screen"),
            Self::ClosedTerminal { tui: false } => f.write_str("closed terminal, lines"),
        }
    }
}
