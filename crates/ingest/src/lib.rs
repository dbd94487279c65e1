//! What other programs report of themselves.
//!
//! A program reports [`Emission`]s: that it started, called a tool, finished a step. [`entries`] makes them the records of a run, which is
//! then shown like any other. [`claude`] and [`codex`] read what those programs hand to their hooks. A [`Translator`] makes [`Report`]s
//! of the lines of a foreign file, which [`Lines`] finds, and [`Tail`] decides which file and which part of it is read next.
//!
//! Bytes come in and events go out: which file they are of, and when, is the business of the callers.

pub mod claude;
pub mod codex;
mod emission;
mod entries;
mod format;
mod lines;
mod literal;
mod pyjama;
mod records;
mod report;
mod session_file;
mod stamp;
mod tail;
mod victor;

pub use emission::{Emission, Ending, Figures, StepUpdate};
pub use entries::{EMITTED, Entry, MAIN_STEP, Refused, entries};
pub use format::{Format, FormatError, Memory, PYJAMA, Placed, Translator, VICTOR};
pub use lines::{LONGEST_LINE, Line, Lines};
pub use literal::{Literal, literal};
pub use report::{Counts, Report, Session};
pub use stamp::Stamp;
pub use tail::{HEAD, Known, Look, Seen, Tail};
