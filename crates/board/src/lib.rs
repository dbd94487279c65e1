//! All runs at one glance.
//!
//! A [`RunRow`] is what a list shows of a run, made of its view or of what is remembered of it. An [`EventRow`] is one event of any run
//! as a line. [`Board`] keeps the rows of all runs and the latest events in bounded memory, whatever the runs do; it takes
//! [`Change`]s, which come from records or from [`Demo`].

mod board;
mod category;
mod change;
mod demo;
mod event;
mod output;
mod rings;
mod row;
mod words;

pub use board::{Board, Summary};
pub use category::Category;
pub use change::Change;
pub use demo::Demo;
pub use event::EventRow;
pub use output::OutputLine;
pub use rings::{EventFilter, Events};
pub use row::{AgentRow, Current, NeedsYou, Origin, RowState, RunRow, StepNumbers, Usage};
