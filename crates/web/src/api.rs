//! The types of the API.
//!
//! They are of the API alone: a change of the record or of a view changes nothing here. Keys are in camel case, times are UTC
//! milliseconds, a key without a value is absent. What is read from the record is free text: a page shows it as text.

pub(crate) mod attempt;
#[cfg(feature = "schema")]
pub(crate) mod event;
pub(crate) mod item;
pub(crate) mod line;
pub(crate) mod run;
pub(crate) mod session;
pub(crate) mod step;
pub(crate) mod text;
