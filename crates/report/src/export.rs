//! What of a run is written for other programs.

mod junit;
pub mod otlp;
mod step;
mod trace;

pub use junit::JUnit;
pub use step::StepOutput;
pub use trace::Trace;
