//! One worker's side of the talk: inputs and effects of a session.

use std::time::Duration;

use roboppi_ipc::{CancelReason, ExitKind, Mono, OutputStream, WorkerEvent, WorkerResult};
use serde_json::Value;

use crate::{OutputDigest, WallTime};

/// Translates for one worker, from its start to its end.
///
/// Promises: exactly one [`SessionEffect::Result`], at the latest in answer to [`SessionInput::Exit`];
/// no event and no result after it; no panic, whatever the worker prints.
pub trait WorkerSession: Send {
    /// Takes one input at the time `now` and adds what follows from it to `out`.
    fn handle(&mut self, now: Mono, input: SessionInput<'_>, out: &mut Vec<SessionEffect>);
}

/// What a session is told.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SessionInput<'a> {
    /// The worker is alive. First of all, once.
    Started,
    /// A line the filter let through, without its newline. The last one may have had none.
    Line(OutputStream, &'a [u8]),
    /// A line was longer than the limit and was skipped; the log has it.
    LongLine(OutputStream),
    /// A timer the session set has run out.
    Timer(TimerId),
    /// The worker is to end; the ladder begins after [`CommandSpec::soft_stop`](crate::CommandSpec::soft_stop).
    Cancel(CancelReason),
    /// The answer to a question of the session.
    Reply(HostReply),
    /// The worker has ended and all its output was given. Last of all, once.
    Exit(WorkerEnd<'a>),
}

/// What a session asks for.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum SessionEffect {
    /// The worker did something.
    Event(WorkerEvent),
    /// Write this to the worker's standard input.
    Stdin(Vec<u8>),
    /// Close the worker's standard input after what was written.
    CloseStdin,
    /// Set a timer; one of the same id is replaced.
    SetTimer(TimerId, Duration),
    /// Set a timer that runs out once the worker has done nothing for that time: no output, no processor time of it and all
    /// below it, no file written. It takes the place of the idle limit where that is longer. One of the same id is replaced.
    SetQuietTimer(TimerId, Duration),
    /// Ask the host; the answer comes as [`SessionInput::Reply`].
    Ask(HostRequest),
    /// End the worker by the ladder: with a reason it was cut short, without one its work is done and
    /// it would not leave by itself.
    End(Option<CancelReason>),
    /// How it ended. Once.
    Result(WorkerResult),
}

/// Names a timer of one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimerId(pub u32);

/// Pairs a question with its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AskId(pub u64);

/// A question to the host.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct HostRequest {
    /// Comes back with the answer.
    pub id: AskId,
    /// What is asked.
    pub question: HostQuestion,
}

impl HostRequest {
    /// A question, and the id of its answer.
    #[must_use]
    pub const fn new(id: AskId, question: HostQuestion) -> Self {
        Self { id, question }
    }
}

/// What a worker wants of its host.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum HostQuestion {
    /// May this tool be used?
    Permission {
        /// The tool, in the worker's words.
        tool: String,
        /// What it would be given.
        input: Value,
        /// What can be answered, as the worker named it.
        options: Vec<String>,
    },
    /// What is in this file?
    ReadFile {
        /// Absolute path.
        path: String,
    },
    /// Write this file.
    WriteFile {
        /// Absolute path.
        path: String,
        /// All of its new content.
        content: String,
    },
}

/// The answer to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HostReply {
    /// Of the question.
    pub id: AskId,
    /// What is answered.
    pub answer: HostAnswer,
}

impl HostReply {
    /// The answer to the question of that id.
    #[must_use]
    pub const fn new(id: AskId, answer: HostAnswer) -> Self {
        Self { id, answer }
    }
}

/// What a host says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HostAnswer {
    /// One of the options of a permission.
    Chosen(String),
    /// The content of a file.
    Content(String),
    /// It was done.
    Done,
    /// No, and why.
    Refused(String),
}

/// Everything a result is made of.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct WorkerEnd<'a> {
    /// How the process ended.
    pub exit: ExitKind,
    /// The beginning and the end of its output.
    pub output: &'a OutputDigest,
    /// Why it was ended before its own end, if it was.
    pub cancelled: Option<CancelReason>,
    /// Whether KILL was needed.
    pub killed: bool,
    /// From start to end.
    pub duration: Duration,
    /// The time of day at its end, where the core gives one.
    pub wall: Option<WallTime>,
    /// Some of its output may not have been given: that something is missing in it means nothing.
    pub partial: bool,
}

impl<'a> WorkerEnd<'a> {
    /// The end of a worker that was neither cancelled nor killed by the core.
    #[must_use]
    pub const fn new(exit: ExitKind, output: &'a OutputDigest, duration: Duration) -> Self {
        Self { exit, output, cancelled: None, killed: false, duration, wall: None, partial: false }
    }

    /// Sets why the core ended it, if it did.
    #[must_use]
    pub const fn with_cancelled(mut self, cancelled: Option<CancelReason>) -> Self {
        self.cancelled = cancelled;
        self
    }

    /// Sets the time of day at its end.
    #[must_use]
    pub const fn with_wall(mut self, wall: Option<WallTime>) -> Self {
        self.wall = wall;
        self
    }

    /// Sets whether KILL was needed.
    #[must_use]
    pub const fn with_killed(mut self, killed: bool) -> Self {
        self.killed = killed;
        self
    }

    /// Sets whether some of its output may not have been given.
    #[must_use]
    pub const fn with_partial(mut self, partial: bool) -> Self {
        self.partial = partial;
        self
    }
}
