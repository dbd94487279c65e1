//! How a run is ended by people and signals.

use std::time::Duration;

use roboppi_ipc::{Cancel, CancelReason, Mono};

/// Someone asks the run to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShutdownRequest {
    /// SIGINT, or the key that means it.
    Interrupt,
    /// SIGTERM.
    Terminate,
    /// SIGHUP, or the terminal is gone.
    Hangup,
    /// A viewer commands it.
    Command {
        /// Kill at once.
        force: bool,
    },
    /// A viewer commands to leave without waiting for anything.
    Leave,
}

/// What is to be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShutdownEffect {
    /// End everything that runs; nothing new starts.
    Cancel(Cancel),
    /// Stop waiting for anything.
    Leave,
}

/// Decides what repeated requests to end mean: the first ends workers politely, the second kills them,
/// the third leaves at once. A hang-up counts as a first request only, and a command as what it asks for. Only ever gets
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
    Exited,
}

impl ShutdownMachine {
    /// Time within which a second SIGTERM is the first one again.
    pub const SAME_SIGNAL: Duration = Duration::from_millis(500);

    /// Takes a request and says what it leads to, if anything.
    pub fn handle(&mut self, now: Mono, asked: ShutdownRequest) -> Option<ShutdownEffect> {
        if asked == ShutdownRequest::Terminate {
            if self.terminated_at.is_some_and(|before| now.since(before) < Self::SAME_SIGNAL) {
                return None;
            }
            self.terminated_at = Some(now);
        }
        let (reason, code) = match asked {
            ShutdownRequest::Interrupt | ShutdownRequest::Command { .. } | ShutdownRequest::Leave => {
                (CancelReason::User, 130)
            }
            ShutdownRequest::Terminate => (CancelReason::Parent, 143),
            ShutdownRequest::Hangup => (CancelReason::Parent, 129),
        };
        if self.exit_code.is_none() {
            self.exit_code = Some(code);
            self.signal = match asked {
                ShutdownRequest::Terminate => Some("SIGTERM"),
                ShutdownRequest::Hangup => Some("SIGHUP"),
                ShutdownRequest::Interrupt => Some("SIGINT"),
                ShutdownRequest::Command { .. } | ShutdownRequest::Leave => None,
            };
        }
        let next = match (self.stage, asked) {
            (Stage::Exited, _) => return None,
            // A terminal hangs up once, however many notice it, and insists on nothing.
            (Stage::Terminating | Stage::Killing, ShutdownRequest::Hangup) => return None,
            // A command says how far it goes. Any number of viewers may have the same one.
            (Stage::Terminating, ShutdownRequest::Command { force: false })
            | (Stage::Killing, ShutdownRequest::Command { .. }) => {
                return None;
            }
            (_, ShutdownRequest::Leave) | (Stage::Killing, _) => Stage::Exited,
            (Stage::Running, ShutdownRequest::Command { force: true }) | (Stage::Terminating, _) => {
                Stage::Killing
            }
            (Stage::Running, _) => Stage::Terminating,
        };
        self.stage = next;
        match next {
            Stage::Running => None,
            Stage::Terminating => Some(ShutdownEffect::Cancel(Cancel::graceful(reason))),
            Stage::Killing => Some(ShutdownEffect::Cancel(Cancel::forced(reason))),
            Stage::Exited => Some(ShutdownEffect::Leave),
        }
    }

    /// Exit code the first request asks for, `None` when nobody asked.
    #[must_use]
    pub const fn exit_code(&self) -> Option<u8> {
        self.exit_code
    }
}

impl ShutdownMachine {
    /// The signal that was the first request, if that was one.
    #[must_use]
    pub const fn signal(&self) -> Option<&'static str> {
        self.signal
    }

    /// The same, if it is why the run ends for this reason: a SIGINT is a user's.
    #[must_use]
    pub fn signal_for(&self, reason: CancelReason) -> Option<&'static str> {
        self.signal.filter(|signal| match reason {
            CancelReason::Parent => *signal != "SIGINT",
            CancelReason::User => *signal == "SIGINT",
            _ => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [ShutdownRequest; 6] = [
        ShutdownRequest::Interrupt,
        ShutdownRequest::Terminate,
        ShutdownRequest::Hangup,
        ShutdownRequest::Command { force: false },
        ShutdownRequest::Command { force: true },
        ShutdownRequest::Leave,
    ];

    #[test]
    fn a_signal_that_comes_by_two_ways_is_one_request() {
        let at = |millis| Mono::from_origin(Duration::from_millis(millis));
        let mut machine = ShutdownMachine::default();
        let ends = Some(ShutdownEffect::Cancel(Cancel::graceful(CancelReason::Parent)));
        let kills = Some(ShutdownEffect::Cancel(Cancel::forced(CancelReason::Parent)));
        assert_eq!(machine.handle(at(0), ShutdownRequest::Terminate), ends);
        assert_eq!(machine.handle(at(3), ShutdownRequest::Terminate), None);
        assert_eq!(machine.handle(at(400), ShutdownRequest::Terminate), None);
        assert_eq!(machine.handle(at(503), ShutdownRequest::Terminate), kills);
        // A person at the terminal may be as quick as they like.
        assert_eq!(machine.handle(at(504), ShutdownRequest::Interrupt), Some(ShutdownEffect::Leave));
    }

    #[test]
    fn the_first_request_ends_the_second_kills_the_third_leaves() {
        let mut table = String::new();
        for first in ALL {
            for second in ALL {
                let mut machine = ShutdownMachine::default();
                let short = |effect: Option<ShutdownEffect>| match effect {
                    None => "-".to_owned(),
                    Some(ShutdownEffect::Cancel(Cancel { reason, force })) => {
                        format!("{}({})", if force { "kill" } else { "end" }, reason.name())
                    }
                    Some(ShutdownEffect::Leave) => "leave".to_owned(),
                };
                let steps: Vec<String> = [(0, first), (1, second), (2, ShutdownRequest::Interrupt)]
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
        Interrupt, Command { force: false }: end(user) - kill(user) exit 130
        Interrupt, Command { force: true }: end(user) kill(user) leave exit 130
        Interrupt, Leave: end(user) leave - exit 130
        Terminate, Interrupt: end(parent) kill(user) leave exit 143
        Terminate, Terminate: end(parent) kill(parent) leave exit 143
        Terminate, Hangup: end(parent) - kill(user) exit 143
        Terminate, Command { force: false }: end(parent) - kill(user) exit 143
        Terminate, Command { force: true }: end(parent) kill(user) leave exit 143
        Terminate, Leave: end(parent) leave - exit 143
        Hangup, Interrupt: end(parent) kill(user) leave exit 129
        Hangup, Terminate: end(parent) kill(parent) leave exit 129
        Hangup, Hangup: end(parent) - kill(user) exit 129
        Hangup, Command { force: false }: end(parent) - kill(user) exit 129
        Hangup, Command { force: true }: end(parent) kill(user) leave exit 129
        Hangup, Leave: end(parent) leave - exit 129
        Command { force: false }, Interrupt: end(user) kill(user) leave exit 130
        Command { force: false }, Terminate: end(user) kill(parent) leave exit 130
        Command { force: false }, Hangup: end(user) - kill(user) exit 130
        Command { force: false }, Command { force: false }: end(user) - kill(user) exit 130
        Command { force: false }, Command { force: true }: end(user) kill(user) leave exit 130
        Command { force: false }, Leave: end(user) leave - exit 130
        Command { force: true }, Interrupt: kill(user) leave - exit 130
        Command { force: true }, Terminate: kill(user) leave - exit 130
        Command { force: true }, Hangup: kill(user) - leave exit 130
        Command { force: true }, Command { force: false }: kill(user) - leave exit 130
        Command { force: true }, Command { force: true }: kill(user) - leave exit 130
        Command { force: true }, Leave: kill(user) leave - exit 130
        Leave, Interrupt: leave - - exit 130
        Leave, Terminate: leave - - exit 130
        Leave, Hangup: leave - - exit 130
        Leave, Command { force: false }: leave - - exit 130
        Leave, Command { force: true }: leave - - exit 130
        Leave, Leave: leave - - exit 130
        ");
    }
}
