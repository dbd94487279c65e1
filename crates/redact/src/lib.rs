//! Takes secrets out of byte streams and texts.
//!
//! [`Secrets`] is the set of values that must not be seen; it may grow while streams are read. A [`Redactor`] stands
//! in one stream and puts [`MARKER`] in the place of every value, whichever of the usual encodings it comes in and
//! however the stream is cut into pieces. [`looks_secret`] tells from the name of a variable whether its value is
//! one to hide. What is promised to people, and what not, is on the page `docs/secrets.md`.
//!
//! The crate does no I/O and reads no clock.

mod event;
mod mask;
mod matcher;
mod name;
mod redactor;
mod secrets;
mod spellings;
mod text;
mod walk;

pub use event::EventRedaction;
pub use mask::LONGEST_MASK;
pub use name::looks_secret;
pub use redactor::Redactor;
pub use secrets::{MOST_BYTES, MOST_VALUES, Secrets, Taken};

/// What is seen where a secret was. Any run of secrets that overlap or touch becomes one marker. It has no
/// character with a meaning in JSON, so a JSON string stays one.
pub const MARKER: &str = "***";

/// Bytes that a value must have to be hidden. Shorter ones would be found in half of all words.
pub const SHORTEST: usize = 8;
