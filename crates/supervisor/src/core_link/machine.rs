//! Decides the life of one link to a core: greeting, protocol, signs of life, loss.
//!
//! ```text
//!                first message, a protocol in common and all kinds of workers
//!  Greeting ───────────────────────────────────────► Open
//!     │                                               │
//!     │ first message, no protocol in common          │
//!     │ Closed, ProcessExited, silence                │ Closed, ProcessExited, silence
//!     ▼                                               ▼
//!  Closing ◄──────────────────────────────────────────┘      Stop, in Greeting or Open: Stopping
//!     │ ProcessEnded                                              │ ProcessEnded
//!     ▼                                                           ▼
//!   Over, with Lost                                             Over
//! ```
//!
//! * [`LinkEvent::Ready`] comes at most once, before everything that the core says. A core of protocol 1 does not greet:
//!   its first answer fixes the protocol.
//! * What is no message is ignored, and reported once. Only the end of a job that cannot be read counts as its end: nobody
//!   would say it again.
//! * [`LinkEvent::WireClosed`] comes before [`LinkEvent::Lost`], and both only when the link was not stopped. In between
//!   the core, its guard and all they started come to their end.
//! * Any message is a sign of life. Time in which this process did not run does not count against the core.
//! * Nothing that comes after the wire was closed is heard.

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::fmt::Write as _;
use std::rc::Rc;

use roboppi_ipc::{
    CAPABILITY_JOB_WARNINGS, CAPABILITY_LOG_GREW, CAPABILITY_MASK, CAPABILITY_RESOURCES, CoreEvent,
    CoreEventMessage, Dialect, Hello, JobCompleted, Leaked, Message, Mono,
};
use roboppi_process::guard::{cannot_be_ended, pid_of_left};

use super::heartbeat::{Beat, Heartbeat};
use super::restart::Loss;
use super::{HeartbeatSettings, LinkEvent};
use crate::kinds::NeededKinds;

/// What can happen to a link.
#[derive(Clone, Debug, PartialEq)]
pub enum LinkInput {
    /// There is a wire.
    Connected,
    /// The core said something.
    Message(Message),
    /// The core said something that is no message.
    Malformed {
        /// What is wrong with it.
        detail: String,
        /// The job whose end it was meant to tell, as far as that can be read.
        ended: Option<JobCompleted>,
    },
    /// A heartbeat is due.
    Beat,
    /// The wire has closed, and what is known of why.
    Closed {
        /// For people.
        detail: String,
    },
    /// There never was a wire: another core would not be reached either.
    Unreached {
        /// Why, for people.
        detail: String,
    },
    /// The process of the core has ended, and what it wrote last was read.
    ProcessExited,
    /// The run is over: the core is not needed any more.
    Stop,
    /// The core is gone with all it started.
    ProcessEnded(ProcessEnd),
}

/// What a core has left behind.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProcessEnd {
    /// How its process ended; `None` for a core without a process of its own.
    pub exit: Option<ProcessExit>,
    /// The last lines of its stderr.
    pub last_words: Option<String>,
    /// Processes that were left, and were ended.
    pub ended: Vec<Leaked>,
    /// Processes that cannot be ended.
    pub unkillable: Vec<Leaked>,
}

/// How the process of a core ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessExit {
    /// It exited, and no signal ended it.
    pub by_itself: bool,
    /// For people, without a subject: `exited with code 3`.
    pub description: String,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum LinkEffect {
    /// Send our greeting.
    Greet(Hello),
    /// Send a heartbeat.
    AskForSignOfLife,
    /// Pass on what is known now.
    Notify(LinkEvent),
    /// Pass on what is known of what the core left behind.
    Report(CoreEvent),
    /// Close the wire, end the core if that does not, then [`LinkInput::ProcessEnded`].
    Close {
        /// It may have ended already, so its status is worth a short wait before it is told to end.
        at_fault: bool,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// No message has come.
    Greeting,
    Open,
    /// The wire is closed; the core is coming to its end.
    Closing {
        reason: String,
        loss: Loss,
    },
    /// The same, because it is not needed any more.
    Stopping,
    Over,
}

/// The life of one link.
#[derive(Debug)]
pub struct LinkMachine {
    state: State,
    /// A message has come, fit or not.
    greeted: bool,
    heartbeat: Heartbeat,
    version: String,
    needed: Rc<NeededKinds>,
    reported_malformed: bool,
    /// Processes of which the core has said that they cannot be ended.
    unkillable: HashSet<u32>,
}

impl LinkMachine {
    /// A link without a wire. `version` is that of this program; the core has to have the kinds of workers that are `needed`; `now` is when the first heartbeat interval begins.
    #[must_use]
    pub fn new(heartbeat: HeartbeatSettings, version: String, needed: Rc<NeededKinds>, now: Mono) -> Self {
        Self {
            state: State::Greeting,
            greeted: false,
            heartbeat: Heartbeat::new(heartbeat, now),
            version,
            needed,
            reported_malformed: false,
            unkillable: HashSet::new(),
        }
    }

    /// Whether the wire is, or is to be, closed.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        !matches!(self.state, State::Greeting | State::Open)
    }

    /// Takes one input in and appends what is to be done.
    pub fn handle(&mut self, now: Mono, input: LinkInput, out: &mut Vec<LinkEffect>) {
        match (&mut self.state, input) {
            (State::Closing { .. } | State::Stopping, LinkInput::ProcessEnded(end)) => self.over(end, out),
            (State::Closing { .. } | State::Stopping | State::Over, _) => {}
            (_, LinkInput::Message(message)) => self.message(message, out),
            (_, LinkInput::Malformed { detail, ended }) => self.malformed(detail, ended, out),
            (_, LinkInput::Beat) => match self.heartbeat.beat(now) {
                Beat::Ask => out.push(LinkEffect::AskForSignOfLife),
                Beat::Hung(silent) => {
                    self.close(format!("it has not answered for {} s", silent.as_secs()), Loss::Gone, out);
                }
            },
            (_, LinkInput::Connected) => {
                let mut hello = Hello::ours(&self.version);
                hello.capabilities.extend(
                    [CAPABILITY_MASK, CAPABILITY_LOG_GREW, CAPABILITY_JOB_WARNINGS, CAPABILITY_RESOURCES]
                        .map(str::to_owned),
                );
                out.push(LinkEffect::Greet(hello));
                // A core of protocol 1 says nothing until it is asked.
                out.push(LinkEffect::AskForSignOfLife);
            }
            (_, LinkInput::Closed { detail }) => self.close(detail, Loss::Gone, out),
            (_, LinkInput::Unreached { detail }) => self.close(detail, Loss::NotStarted, out),
            (_, LinkInput::ProcessExited) => self.close("its process ended".to_owned(), Loss::Gone, out),
            (_, LinkInput::Stop) => {
                self.state = State::Stopping;
                out.push(LinkEffect::Close { at_fault: false });
            }
            (_, LinkInput::ProcessEnded(_)) => {}
        }
    }

    fn message(&mut self, message: Message, out: &mut Vec<LinkEffect>) {
        self.heartbeat.heard();
        if self.state == State::Greeting && !self.agree(&message, out) {
            return;
        }
        match message {
            Message::Hello(_)
            | Message::HeartbeatAck(_)
            | Message::Heartbeat(_)
            | Message::Unknown { .. } => {}
            message => {
                if let Message::CoreEvent(CoreEventMessage {
                    event: CoreEvent::Warning { message, .. },
                    ..
                }) = &message
                {
                    self.unkillable.extend(pid_of_left(message));
                }
                out.push(LinkEffect::Notify(LinkEvent::Message(message)));
            }
        }
    }

    /// The first message fixes the protocol, if there is one in common.
    fn agree(&mut self, first: &Message, out: &mut Vec<LinkEffect>) -> bool {
        self.greeted = true;
        let (dialect, hello) = match first {
            Message::Hello(hello) => (Dialect::agree(hello.protocol), Some(hello.clone())),
            _ => (Ok(Dialect::V1), None),
        };
        match dialect {
            Ok(dialect) => {
                if let Some(detail) = self.needed.lacking(hello.as_ref()) {
                    self.close(detail, Loss::Unfit, out);
                    return false;
                }
                self.state = State::Open;
                let workers = self.needed.foreign(hello.as_ref());
                out.push(LinkEffect::Notify(LinkEvent::Ready { dialect, hello, workers }));
                true
            }
            Err(range) => {
                let detail = format!(
                    "the core speaks protocol {} to {}, this roboppi speaks 1 to 2: use a core of a fitting version",
                    range.min, range.max
                );
                self.close(detail, Loss::Unfit, out);
                false
            }
        }
    }

    fn malformed(&mut self, detail: String, ended: Option<JobCompleted>, out: &mut Vec<LinkEffect>) {
        // A sign of life, but no first message: it says nothing about the protocol.
        self.heartbeat.heard();
        if !std::mem::replace(&mut self.reported_malformed, true) {
            out.push(LinkEffect::Notify(LinkEvent::Malformed { detail }));
        }
        out.extend(ended.map(|ended| LinkEffect::Notify(LinkEvent::Message(Message::JobCompleted(ended)))));
    }

    fn close(&mut self, reason: String, loss: Loss, out: &mut Vec<LinkEffect>) {
        self.state = State::Closing { reason, loss };
        out.push(LinkEffect::Notify(LinkEvent::WireClosed));
        out.push(LinkEffect::Close { at_fault: true });
    }

    fn over(&mut self, end: ProcessEnd, out: &mut Vec<LinkEffect>) {
        let ProcessEnd { exit, last_words, ended, unkillable } = end;
        out.extend(
            ended.into_iter().map(|leaked| LinkEffect::Report(CoreEvent::Leaked { job_id: None, leaked })),
        );
        for left in unkillable.iter().filter(|left| self.unkillable.insert(left.process.pid)) {
            out.push(LinkEffect::Report(CoreEvent::Warning { job_id: None, message: cannot_be_ended(left) }));
        }
        let State::Closing { reason: mut detail, mut loss } = std::mem::replace(&mut self.state, State::Over)
        else {
            return;
        };
        if let Some(exit) = exit {
            if !self.greeted && exit.by_itself {
                loss = Loss::Silent;
            }
            let _ = write!(detail, "; it {}", exit.description);
        }
        if let Some(words) = last_words {
            let _ = write!(detail, "; its last words:\n{words}");
        }
        out.push(LinkEffect::Notify(LinkEvent::Lost { detail, loss }));
    }
}
