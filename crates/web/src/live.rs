//! Events as they happen: WebSockets and event streams.

mod connection;
mod frames;
pub(crate) mod legacy;
mod log_feed;
mod message;
mod run_feed;
mod runs_feed;
pub(crate) mod socket;
pub(crate) mod sse;
