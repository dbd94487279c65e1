//! How a run is ended by people and signals.

use std::time::Duration;

use roboppi_ipc::{CancelReason, Mono};

/// Someone asks the run to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// SIGINT, or the key that means it.
    Interrupt,
    /// SIGTERM.
    Terminate,
    /// SIGHUP, or the terminal is gone.
    Hangup,
    /// A viewer wishes it.
    Wish {
        /// Kill at once.
        force: bool,
    },
    /// A viewer wishes to leave without waiting for anything.
    Leave,
}

/// What is to be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShutdownEffect {
    /// End everything that runs; nothing new starts.
    Cancel {
        /// Why.
        reason: CancelReason,
        /// Kill at once.
        force: bool,
    },
    /// Stop waiting for anything.
    Leave,
}

/// Decides what repeated requests to end mean: the first ends workers politely, the second kills them,
/// the third leaves at once. A hang-up counts as a first request only, and a wish as what it asks for. Only ever gets
/// more severe.
///
/// A SIGTERM within [`SAME_SIGNAL`](Self::SAME_SIGNAL) of another is the same request: what signals a process and then its
/// group, as `timeout` does, or a group in which another process passes it on, is not asking twice.
#[derive(Clone, Copy, Debug, Default)]
pub struct ShutdownMachine {
    stage: Stage,
    exit_code: Option<u8>,
    signal: Option<&'static str>,
    /// When the last SIGTERM came that counted.
    terminated_at: Option<Mono>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    #[default]
    Running,
    Terminating,
    Killing,
    Left,
}

impl ShutdownMachine {
    /// Time within which a second SIGTERM is the first one again.
    pub const SAME_SIGNAL: Duration = Duration::from_millis(500);

    /// Takes a request and says what it leads to, if anything.
    pub fn handle(&mut self, now: Mono, asked: Asked) -> Option<ShutdownEffect> {
        if asked == Asked::Terminate {
            if self.terminated_at.is_some_and(|before| now.since(before) < Self::SAME_SIGNAL) {
                return None;
            }
            self.terminated_at = Some(now);
        }
        let (reason, code) = match asked {
            Asked::Interrupt | Asked::Wish { .. } | Asked::Leave => (CancelReason::User, 130),
            Asked::Terminate => (CancelReason::Parent, 143),
            Asked::Hangup => (CancelReason::Parent, 129),
        };
        if self.exit_code.is_none() {
            self.exit_code = Some(code);
            self.signal = match asked {
                Asked::Terminate => Some("SIGTERM"),
                Asked::Hangup => Some("SIGHUP"),
                Asked::Interrupt | Asked::Wish { .. } | Asked::Leave => None,
            };
        }
        let next = match (self.stage, asked) {
            (Stage::Left, _) => return None,
            // A terminal hangs up once, however many notice it, and insists on nothing.
            (Stage::Terminating | Stage::Killing, Asked::Hangup) => return None,
            // A wish says how far it goes. Any number of viewers may have the same one.
            (Stage::Terminating, Asked::Wish { force: false }) | (Stage::Killing, Asked::Wish { .. }) => {
                return None;
            }
            (_, Asked::Leave) | (Stage::Killing, _) => Stage::Left,
            (Stage::Running, Asked::Wish { force: true }) | (Stage::Terminating, _) => Stage::Killing,
            (Stage::Running, _) => Stage::Terminating,
        };
        self.stage = next;
        match next {
            Stage::Running => None,
            Stage::Terminating => Some(ShutdownEffect::Cancel { reason, force: false }),
            Stage::Killing => Some(ShutdownEffect::Cancel { reason, force: true }),
            Stage::Left => Some(ShutdownEffect::Leave),
        }
    }

    /// Exit code the first request asks for, `None` when nobody asked.
    #[must_use]
    pub const fn exit_code(&self) -> Option<u8> {
        self.exit_code
    }
}

impl ShutdownMachine {
    /// The signal that was the first request, if that was one and no person typed it.
    #[must_use]
    pub const fn signal(&self) -> Option<&'static str> {
        self.signal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Asked; 6] = [
        Asked::Interrupt,
        Asked::Terminate,
        Asked::Hangup,
        Asked::Wish { force: false },
        Asked::Wish { force: true },
        Asked::Leave,
    ];

    #[test]
    fn a_signal_that_comes_by_two_ways_is_one_request() {
        let at = |millis| Mono::from_origin(Duration::from_millis(millis));
        let mut machine = ShutdownMachine::default();
        let ends = Some(ShutdownEffect::Cancel { reason: CancelReason::Parent, force: false });
        let kills = Some(ShutdownEffect::Cancel { reason: CancelReason::Parent, force: true });
        assert_eq!(machine.handle(at(0), Asked::Terminate), ends);
        assert_eq!(machine.handle(at(3), Asked::Terminate), None);
        assert_eq!(machine.handle(at(400), Asked::Terminate), None);
        assert_eq!(machine.handle(at(503), Asked::Terminate), kills);
        // A person at the terminal may be as quick as they like.
        assert_eq!(machine.handle(at(504), Asked::Interrupt), Some(ShutdownEffect::Leave));
    }

    #[test]
    fn the_first_request_ends_the_second_kills_the_third_leaves() {
        let mut table = String::new();
        for first in ALL {
            for second in ALL {
                let mut machine = ShutdownMachine::default();
                let short = |effect: Option<ShutdownEffect>| match effect {
                    None => "-".to_owned(),
                    Some(ShutdownEffect::Cancel { reason, force: false }) => {
                        format!("end({})", reason.name())
                    }
                    Some(ShutdownEffect::Cancel { reason, force: true }) => {
                        format!("kill({})", reason.name())
                    }
                    Some(ShutdownEffect::Leave) => "leave".to_owned(),
                };
                let steps: Vec<String> = [(0, first), (1, second), (2, Asked::Interrupt)]
                    .map(|(second, asked)| {
                        short(machine.handle(Mono::from_origin(Duration::from_secs(second)), asked))
                    })
                    .into();
                let code = machine.exit_code().unwrap();
                table.push_str(&format!("{first:?}, {second:?}: {} exit {code}\n", steps.join(" ")));
            }
        }
        insta::assert_snapshot!(table, @r"
        Interrupt, Interrupt: end(user) kill(user) leave exit 130
        Interrupt, Terminate: end(user) kill(parent) leave exit 130
        Interrupt, Hangup: end(user) - kill(user) exit 130
        Interrupt, Wish { force: false }: end(user) - kill(user) exit 130
        Interrupt, Wish { force: true }: end(user) kill(user) leave exit 130
        Interrupt, Leave: end(user) leave - exit 130
        Terminate, Interrupt: end(parent) kill(user) leave exit 143
        Terminate, Terminate: end(parent) kill(parent) leave exit 143
        Terminate, Hangup: end(parent) - kill(user) exit 143
        Terminate, Wish { force: false }: end(parent) - kill(user) exit 143
        Terminate, Wish { force: true }: end(parent) kill(user) leave exit 143
        Terminate, Leave: end(parent) leave - exit 143
        Hangup, Interrupt: end(parent) kill(user) leave exit 129
        Hangup, Terminate: end(parent) kill(parent) leave exit 129
        Hangup, Hangup: end(parent) - kill(user) exit 129
        Hangup, Wish { force: false }: end(parent) - kill(user) exit 129
        Hangup, Wish { force: true }: end(parent) kill(user) leave exit 129
        Hangup, Leave: end(parent) leave - exit 129
        Wish { force: false }, Interrupt: end(user) kill(user) leave exit 130
        Wish { force: false }, Terminate: end(user) kill(parent) leave exit 130
        Wish { force: false }, Hangup: end(user) - kill(user) exit 130
        Wish { force: false }, Wish { force: false }: end(user) - kill(user) exit 130
        Wish { force: false }, Wish { force: true }: end(user) kill(user) leave exit 130
        Wish { force: false }, Leave: end(user) leave - exit 130
        Wish { force: true }, Interrupt: kill(user) leave - exit 130
        Wish { force: true }, Terminate: kill(user) leave - exit 130
        Wish { force: true }, Hangup: kill(user) - leave exit 130
        Wish { force: true }, Wish { force: false }: kill(user) - leave exit 130
        Wish { force: true }, Wish { force: true }: kill(user) - leave exit 130
        Wish { force: true }, Leave: kill(user) leave - exit 130
        Leave, Interrupt: leave - - exit 130
        Leave, Terminate: leave - - exit 130
        Leave, Hangup: leave - - exit 130
        Leave, Wish { force: false }: leave - - exit 130
        Leave, Wish { force: true }: leave - - exit 130
        Leave, Leave: leave - - exit 130
        ");
    }
}
