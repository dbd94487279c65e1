//! Promises that can be broken.

use roboppi_ipc::BadWorkerKind;
use thiserror::Error;

use crate::PlanError;

/// A broken promise.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Violation {
    /// The adapter has no command for the task.
    #[error("cannot plan the worker: {0}")]
    Plan(#[from] PlanError),
    /// The description is not always the same.
    #[error("it described itself twice, and the two descriptions differ")]
    DescriptionDiffers,
    /// The name of its kind cannot stand in a workflow file.
    #[error("`{name}` {error}")]
    BadKind {
        /// The name.
        name: String,
        /// What is wrong with it.
        error: BadWorkerKind,
    },
    /// A name for the command line cannot be typed as one.
    #[error("`{word}` is no word for a command line: letters, digits and `-`, and no `-` at its beginning")]
    BadWord {
        /// The name.
        word: String,
    },
    /// The command names no program.
    #[error("the command names no program")]
    NoProgram,
    /// Planning is not a function of the task.
    #[error("the same task was planned twice, and the two commands differ")]
    PlanDiffers,
    /// Something secret can be seen by everybody on the machine.
    #[error("a secret of the task is in an argument, where every user of the machine sees it: {argument}")]
    SecretInArguments {
        /// The argument.
        argument: String,
    },
    /// The prompt can be seen by everybody on the machine.
    #[error(
        "the instructions are in an argument, where every user of the machine sees them; give them on standard input or \
         in a file, or state `prompt_is_argument`"
    )]
    PromptInArguments,
    /// Not exactly one result.
    #[error("{scenario}: {count} results, expected one")]
    Results {
        /// What was being done.
        scenario: String,
        /// How many came.
        count: usize,
    },
    /// Something came after the result.
    #[error("{scenario}: an event after the result: {event}")]
    AfterResult {
        /// What was being done.
        scenario: String,
        /// The event.
        event: String,
    },
    /// A cancelled worker was called a success.
    #[error("{scenario}: a cancelled worker has succeeded")]
    CancelledSucceeded {
        /// What was being done.
        scenario: String,
    },
    /// A worker whose output or exit says otherwise was called a success.
    #[error(
        "{scenario}: it has succeeded, though exit code and the worker's own end do not both report success"
    )]
    CutSucceeded {
        /// What was being done.
        scenario: String,
    },
    /// The same bytes in other pieces gave something else.
    #[error("pieces of {piece} bytes: not the same events and result as in one piece")]
    Chunking {
        /// Size of the pieces.
        piece: usize,
    },
    /// Lines that mean nothing meant something.
    #[error("with odd lines between the others: {what} than without them")]
    OddLines {
        /// What differs.
        what: &'static str,
    },
    /// A total became smaller.
    #[error("{scenario}: {total} fell from {from} to {to}")]
    TotalFell {
        /// What was being done.
        scenario: String,
        /// Which one.
        total: &'static str,
        /// Before.
        from: f64,
        /// After.
        to: f64,
    },
    /// A tool result without its call, or the second one of a call.
    #[error("{scenario}: the tool result {id:?} belongs to no call that is open")]
    UnpairedResult {
        /// What was being done.
        scenario: String,
        /// Its id.
        id: String,
    },
    /// Something that only the core makes.
    #[error("{scenario}: a session never makes {event} events for a stream that is shown as it is")]
    NotItsEvent {
        /// What was being done.
        scenario: String,
        /// Kind of the event.
        event: &'static str,
    },
}
