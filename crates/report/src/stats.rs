//! Statistics over runs, in every form in which they are printed.

mod json;
mod prometheus;
mod pyjama;
mod subject;
mod text;

pub use json::object;
pub use prometheus::exposition;
pub use pyjama::metrics;
pub use subject::Subject;
pub use text::{TextStyle, redrawn, text};

#[cfg(test)]
mod tests;
