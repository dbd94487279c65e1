//! Speaks on stderr, and never waits long for somebody to listen.

use std::io::{self, Write};
use std::time::Duration;

use roboppi_ipc::Leaked;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::GuardKind;
use super::report::{GuardReport, cannot_be_ended};
use crate::ExitKind;

/// How long a line may wait for room. Nobody reads it then, and there is more important work.
const PATIENCE: Duration = Duration::from_millis(100);

/// Longest line: a pipe that says it has room takes as much at once.
const ROOM: usize = 4096;

/// Says what a guard does: in lines for a program, or for people and then only what they have to know.
#[derive(Debug)]
pub(super) struct Reporter {
    kind: GuardKind,
}

impl Reporter {
    pub(super) const fn new(kind: GuardKind) -> Self {
        Self { kind }
    }

    /// The child has ended.
    pub(super) fn exited(&self, exit: ExitKind) {
        match self.kind {
            GuardKind::Core => report(&GuardReport::core_exited(exit)),
            GuardKind::Direct => {}
        }
    }

    /// A process that was left has been ended.
    pub(super) fn ended(&self, leaked: Leaked) {
        let Leaked { process, command, .. } = leaked;
        match self.kind {
            GuardKind::Core => report(&GuardReport::Ended { process, command }),
            GuardKind::Direct => {
                print(&format!(
                    "roboppi: ended a process that was left: {} {}\n",
                    process.pid,
                    plain(&command)
                ));
            }
        }
    }

    /// The guard was killed, and everything it guarded was ended.
    pub(super) fn guard_killed(&self, unkillable: Vec<Leaked>) {
        print(
            "roboppi: the guard of this run was killed, so everything that was started was ended at once\n",
        );
        self.done(0, unkillable);
    }

    /// It is over.
    pub(super) fn done(&self, ended: usize, unkillable: Vec<Leaked>) {
        match self.kind {
            GuardKind::Core => {
                report_done(u32::try_from(ended).unwrap_or(u32::MAX), unkillable);
            }
            GuardKind::Direct => {
                for left in unkillable {
                    print(&format!("roboppi: {}\n", plain(&cannot_be_ended(&left))));
                }
            }
        }
    }
}

/// All those that live are named if there is room for them; the others are only missing from the list.
fn report_done(ended: u32, mut unkillable: Vec<Leaked>) {
    loop {
        let line = GuardReport::Done { ended, unkillable: unkillable.clone() }.to_line();
        if line.len() <= ROOM || unkillable.pop().is_none() {
            return print(&line);
        }
    }
}

fn report(report: &GuardReport) {
    print(&report.to_line());
}

/// No command line may draw on a terminal.
fn plain(command: &str) -> String {
    command.chars().map(|char| if char.is_control() { '\u{fffd}' } else { char }).collect()
}

fn print(line: &str) {
    let stderr = io::stderr();
    let patience = Timespec { tv_sec: 0, tv_nsec: PATIENCE.subsec_nanos().into() };
    let mut room = [PollFd::new(&stderr, PollFlags::OUT)];
    if poll(&mut room, Some(&patience)).is_ok_and(|ready| ready > 0) {
        // The last lines of a program that nobody listens to are lost without harm.
        let _ = stderr.lock().write_all(line.as_bytes());
    }
}
