//! The wire on paper: what must be understood for ever, how we write it, and `docs/protocol/`.
//!
//! `UPDATE_DOCS=1 cargo test --test protocol` writes the generated pages anew.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod fixtures;
mod future;
mod hosts;
mod json;
mod pages;
mod reference;
mod samples;
mod schema;
