//! What of a run is written for other programs.

mod step;
mod trace;

pub use step::StepOutput;
pub use trace::Trace;
