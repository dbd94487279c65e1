//! What sessions of coding agents share.
//!
//! An agent prints one JSON object a line. An adapter for one describes its lines as a type, says what each of them
//! means ([`AgentTranslator`]), and leaves the rest to [`AgentSession`]: the prompt, lines that nobody understands,
//! calls paired with their results, totals that never fall, files counted once, and what an end means.

mod arguments;
mod calls;
mod diff;
mod end;
mod facts;
mod failures;
mod json;
pub mod lenient;
mod limit_time;
mod session;
mod terminal;
mod totals;
#[cfg(feature = "conformance")]
mod unfamiliar;
mod words;

pub use arguments::Arguments;
pub use calls::Calls;
pub use diff::{Hunk, created_file_diff, unified_diff};
pub use end::{AgentError, ReportedEnd, class_of_http_status, is_of_exit_alone};
pub use facts::Agent;
pub use failures::meaning_of;
pub use json::with_repaired_text;
pub use limit_time::LimitTime;
pub use session::{AFTER_END, AgentSession, AgentTranslator};
pub use totals::{UsageTotals, sum_of_usage};
#[cfg(feature = "conformance")]
pub(crate) use unfamiliar::unknown_parts;
pub use words::{quoted, unanswered, utc};
