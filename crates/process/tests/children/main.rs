//! Real children of a real shell.

#![expect(clippy::unwrap_used, reason = "the functions of a test may fail like the test")]

mod cancel;
mod life;
mod output;
mod support;
