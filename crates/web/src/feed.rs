//! The events of runs, for many clients.
//!
//! Each run that is looked at has a [`Hub`]: one thread reads its record, folds one view, and writes each event once into a
//! [`Ring`]. A client is a place in the ring and a [`Cursor`]; what the ring has given up it reads from the record.

mod cursor;
mod hub;
mod hubs;
mod pacing;
mod record_events;
mod ring;
mod runs;
mod written;

#[cfg(test)]
pub(crate) use cursor::Place;
pub(crate) use cursor::{BadCursor, Cursor};
pub(crate) use hub::Hub;
pub(crate) use hubs::{Hubs, OpenError};
pub use pacing::ClientLimits;
pub(crate) use pacing::{Pacing, Turn, Waiting};
pub(crate) use record_events::{Filter, RecordEvents, Stretch};
pub(crate) use ring::{Follower, Found, Sent};
pub(crate) use runs::{RHYTHM, RunChanges, RunList, Watcher};
