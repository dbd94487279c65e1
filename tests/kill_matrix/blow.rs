//! Who is struck by what, and how a run has to end then.

use std::{fmt, fs};

use nix::sys::signal::Signal::{self, SIGHUP, SIGINT, SIGKILL, SIGSTOP, SIGTERM};
use nix::sys::signal::killpg;
use nix::unistd::Pid;

use crate::cast::Cast;
use crate::env::TestEnv;
use crate::processes::Process;
use crate::workers::Worker;

pub(crate) const SIGNALS: [Signal; 4] = [SIGKILL, SIGTERM, SIGINT, SIGHUP];

/// How the program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// supervisor → guard → core.
    Supervised,
    /// front → guard → supervisor and core in one.
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
    /// The process that a shell has started, with `--direct`.
    Front,
    SupervisorAndCore,
    SupervisorAndGuard,
    GuardAndCore,
    FrontAndSupervisor,
    FrontAndGuard,
    /// The process the core started, not those below it.
    Worker,
}

/// Who is struck because of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ByName {
    /// `pkill -9 roboppi`
    Pkill,
    /// `pkill -9 -f roboppi`
    PkillF,
    /// `killall -9 roboppi`
    Killall,
}

/// What happens to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blow {
    Signal(Target, Signal),
    /// SIGKILL to everybody a command finds by name. It is done here by the rule of the command, among the processes
    /// of one test.
    Named(ByName),
    /// SIGKILL to the job of the shell: `kill -9 %1`, `kill -9 -PGID`.
    Job,
    /// SIGSTOP to the job, as Ctrl-Z stops it, and then SIGKILL.
    StoppedJob,
    /// SIGSTOP, and SIGKILL once that was seen.
    StopThenKill(Target),
    /// SIGKILL to one after the other, in a run with a grace time of an hour: whoever waits for anything waits too
    /// long. `None` stands for nobody.
    InTurn(Target, Option<Target>),
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
    /// By SIGKILL, and the record breaks off.
    Killed,
    /// By SIGKILL, and the record is complete with this exit code.
    KilledInFront(i32),
    /// It may have come to an end before the last of its processes was struck. The record can be read.
    Somehow,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Complete(code) => write!(f, "exit code {code}, record complete"),
            Self::BrokenOff(code) => write!(f, "exit code {code}, record breaks off"),
            Self::Killed => f.write_str("killed, record breaks off"),
            Self::KilledInFront(code) => write!(f, "killed, record complete with {code}"),
            Self::Somehow => f.write_str("killed, or over before"),
        }
    }
}

impl Blow {
    /// Every blow there is in a mode, but for all three processes of ours at once by their pids: nobody is left then who
    /// could end anything.
    pub(crate) fn all(mode: Mode) -> Vec<Self> {
        use Target::{
            Core, Front, FrontAndGuard, FrontAndSupervisor, Guard, GuardAndCore, Supervisor,
            SupervisorAndCore, SupervisorAndGuard, Worker,
        };
        let targets: &[Target] = match mode {
            Mode::Supervised => {
                &[Supervisor, Core, Guard, SupervisorAndCore, SupervisorAndGuard, GuardAndCore, Worker]
            }
            Mode::Direct => &[Supervisor, Guard, Front, Worker],
        };
        let signals = targets.iter().flat_map(|&target| SIGNALS.map(|signal| Self::Signal(target, signal)));
        let terminals = [true, false].map(|tui| Self::ClosedTerminal { tui });
        let names = [ByName::Pkill, ByName::PkillF, ByName::Killall].map(Self::Named);
        let stopped: &[Target] = match mode {
            Mode::Supervised => &[Supervisor, Core, Guard],
            Mode::Direct => &[Supervisor, Guard],
        };
        let in_turn: &[(Target, Option<Target>)] = match mode {
            Mode::Supervised => &[
                (SupervisorAndCore, None),
                (SupervisorAndGuard, None),
                (GuardAndCore, None),
                (Core, Some(Guard)),
                (Core, Some(Supervisor)),
                (Supervisor, Some(Core)),
                (Supervisor, Some(Guard)),
            ],
            Mode::Direct => &[
                (FrontAndSupervisor, None),
                (SupervisorAndGuard, None),
                (FrontAndGuard, None),
                (Supervisor, Some(Guard)),
                (Supervisor, Some(Front)),
                (Front, Some(Supervisor)),
                (Front, Some(Guard)),
            ],
        };
        signals
            .chain(terminals)
            .chain(names)
            .chain([Self::Job, Self::StoppedJob])
            .chain(stopped.iter().map(|&target| Self::StopThenKill(target)))
            .chain(in_turn.iter().map(|&(first, then)| Self::InTurn(first, then)))
            .collect()
    }

    /// Whether a run that is struck so has a grace time of an hour.
    pub(crate) const fn waits_for_an_hour(self) -> bool {
        matches!(self, Self::InTurn(..))
    }

    /// Strikes. A closed terminal is not done from here.
    pub(crate) fn strike(self, env: &TestEnv, cast: &Cast) {
        match self {
            Self::Signal(target, signal) => send(target, signal, cast),
            Self::Named(by_name) => {
                let ours = Process::marked(env.mark());
                for process in ours.iter().filter(|process| by_name.finds(process)) {
                    process.signal(SIGKILL);
                }
            }
            Self::Job => kill_job(cast, SIGKILL),
            Self::StoppedJob => {
                kill_job(cast, SIGSTOP);
                wait_for_stop(env, &cast.front);
                kill_job(cast, SIGKILL);
            }
            Self::StopThenKill(target) => {
                send(target, SIGSTOP, cast);
                struck(target, cast).iter().for_each(|process| wait_for_stop(env, process));
                send(target, SIGKILL, cast);
            }
            Self::InTurn(first, then) => {
                send(first, SIGKILL, cast);
                if let Some(then) = then {
                    for process in struck(first, cast) {
                        env.wait_for("the end of the first", || is_gone(process).then_some(()));
                    }
                    send(then, SIGKILL, cast);
                }
            }
            Self::ClosedTerminal { .. } => {}
        }
    }

    /// Whether the run goes on as if nothing had happened.
    pub(crate) fn is_nothing_to(self, worker: &Worker) -> bool {
        matches!(self, Self::Signal(Target::Worker, signal) if signal != SIGKILL)
            && worker.shrugs_off_all_but_kill()
    }

    pub(crate) fn end(self, mode: Mode) -> End {
        use Target::{
            Core, Front, FrontAndGuard, FrontAndSupervisor, Guard, GuardAndCore, Supervisor,
            SupervisorAndCore, SupervisorAndGuard, Worker,
        };
        let (target, signal) = match self {
            Self::Signal(target, signal) => (target, signal),
            Self::StopThenKill(target) => (target, SIGKILL),
            Self::ClosedTerminal { .. } => return End::Complete(128 + SIGHUP as i32),
            // One after the other, and the guard may be faster: it asks the program to end.
            Self::Named(_) if mode == Mode::Direct => return End::Somehow,
            Self::Named(_) | Self::Job | Self::StoppedJob => return End::Killed,
            Self::InTurn(_, Some(_)) => return End::Somehow,
            Self::InTurn(target, None) => (target, SIGKILL),
        };
        let by_signal = 128 + signal as i32;
        match (mode, target, signal) {
            (_, Worker, _) => End::Complete(1),
            (Mode::Supervised, Supervisor | SupervisorAndCore | SupervisorAndGuard, SIGKILL) => End::Killed,
            // The program is asked to end, in whatever way a terminal that closes would not.
            (Mode::Direct, Front, SIGKILL) => End::KilledInFront(128 + SIGTERM as i32),
            (Mode::Direct, FrontAndGuard | FrontAndSupervisor, SIGKILL) => End::Somehow,
            (Mode::Direct, _, SIGKILL) => End::BrokenOff(by_signal),
            (Mode::Supervised, Core | Guard | GuardAndCore, SIGKILL) => End::Complete(3),
            // A core that is asked to end ends its workers and tells how they ended: the step was cancelled.
            (Mode::Supervised, Core | Guard | GuardAndCore, _) => End::Complete(1),
            _ => End::Complete(by_signal),
        }
    }
}

impl ByName {
    /// `pkill` looks for a part of the name, or of the command line; `killall` for the whole name.
    fn finds(self, process: &Process) -> bool {
        let name = || fs::read_to_string(format!("/proc/{}/comm", process.pid)).unwrap_or_default();
        match self {
            Self::Pkill => name().contains("roboppi"),
            Self::PkillF => process.command.contains("roboppi"),
            Self::Killall => name().trim_end() == "roboppi",
        }
    }
}

fn struck(target: Target, cast: &Cast) -> Vec<&Process> {
    match target {
        Target::Supervisor => vec![&cast.supervisor],
        Target::Core => vec![&cast.core],
        Target::Guard => vec![&cast.guard],
        Target::Front => vec![&cast.front],
        Target::SupervisorAndCore => vec![&cast.supervisor, &cast.core],
        Target::SupervisorAndGuard => vec![&cast.supervisor, &cast.guard],
        Target::GuardAndCore => vec![&cast.guard, &cast.core],
        Target::FrontAndSupervisor => vec![&cast.front, &cast.supervisor],
        Target::FrontAndGuard => vec![&cast.front, &cast.guard],
        Target::Worker => vec![&cast.leader],
    }
}

fn send(target: Target, signal: Signal, cast: &Cast) {
    for process in struck(target, cast) {
        process.signal(signal);
    }
}

/// What was started leads a group, as the job of a shell.
fn kill_job(cast: &Cast, signal: Signal) {
    // It may be gone by now, which is fine.
    let _ = killpg(Pid::from_raw(cast.front.pid), signal);
}

fn wait_for_stop(env: &TestEnv, process: &Process) {
    env.wait_for("somebody who stands still", || {
        Process::of(process.pid).is_none_or(|now| now.state == 'T').then_some(())
    });
}

/// A process that was killed is never seen again, or waits to be reaped by the test.
fn is_gone(process: &Process) -> bool {
    Process::of(process.pid).is_none_or(|now| now.command != process.command)
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Supervisor => "supervisor",
            Self::Core => "core",
            Self::Guard => "guard",
            Self::Front => "front",
            Self::SupervisorAndCore => "supervisor + core",
            Self::SupervisorAndGuard => "supervisor + guard",
            Self::GuardAndCore => "guard + core",
            Self::FrontAndSupervisor => "front + supervisor",
            Self::FrontAndGuard => "front + guard",
            Self::Worker => "worker",
        })
    }
}

impl fmt::Display for Blow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signal(target, signal) => write!(f, "{target} {signal}"),
            Self::Named(ByName::Pkill) => f.write_str("`pkill -9 roboppi`"),
            Self::Named(ByName::PkillF) => f.write_str("`pkill -9 -f roboppi`"),
            Self::Named(ByName::Killall) => f.write_str("`killall -9 roboppi`"),
            Self::Job => f.write_str("`kill -9 %1`, `kill -9 -PGID`"),
            Self::StoppedJob => f.write_str("Ctrl-Z, then `kill -9 %1`"),
            Self::StopThenKill(target) => write!(f, "{target} SIGSTOP, then SIGKILL"),
            Self::InTurn(first, None) => write!(f, "{first} SIGKILL, grace time of an hour"),
            Self::InTurn(first, Some(then)) => {
                write!(f, "{first}, then {then} SIGKILL, grace time of an hour")
            }
            Self::ClosedTerminal { tui: true } => f.write_str("closed terminal, full screen"),
            Self::ClosedTerminal { tui: false } => f.write_str("closed terminal, lines"),
        }
    }
}
