//! Moves the bytes: messages over any pair of byte streams.
//!
//! [`MessageReader`] is what both sides read with. [`Peer`] is the asking side: it numbers requests, waits
//! for their answers and hands everything else on.

mod peer;
mod reader;
mod trace;

pub use peer::{Peer, PeerDriver, PeerEvent, PeerOptions, RequestError};
pub use reader::{Incoming, MessageReader};
pub use trace::Trace;
