//! What other programs report of themselves.
//!
//! A program reports [`Emission`]s: that it started, called a tool, finished a step. [`entries`] makes them the records of a run, which is
//! then shown like any other. [`claude`] and [`codex`] read what those programs hand to their hooks.
//!
//! Bytes come in and events go out: which file they are of, and when, is the business of the callers.

pub mod claude;
pub mod codex;
mod emission;
mod entries;

pub use emission::{Emission, Ending, Figures, StepUpdate};
pub use entries::{EMITTED, Entry, MAIN_STEP, Refused, entries};
