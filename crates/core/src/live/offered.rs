//! An event as the reader gets it.

use roboppi_ipc::{UtcMillis, WorkerEvent};
use roboppi_record::RecordedEvent;

use super::LiveEvent;

/// An event on its way to the reader. One that waited in the event file goes on as it is written there: it is not read, only
/// to be written again.
#[derive(Clone, Debug)]
pub enum Offered {
    /// As it was made.
    Made(LiveEvent),
    /// As it was recorded.
    Recorded(RecordedEvent),
}

impl Offered {
    /// Its number.
    #[must_use]
    pub const fn seq(&self) -> u64 {
        match self {
            Self::Made(event) => event.seq,
            Self::Recorded(event) => event.seq,
        }
    }

    /// When it came.
    #[must_use]
    pub const fn ts(&self) -> UtcMillis {
        match self {
            Self::Made(event) => event.ts,
            Self::Recorded(event) => event.ts,
        }
    }

    /// Length of the attempt's log when it came.
    #[must_use]
    pub const fn at(&self) -> u64 {
        match self {
            Self::Made(event) => event.at,
            Self::Recorded(event) => event.at,
        }
    }

    /// Whether the live plane may drop it. Nothing that is recorded is dropped.
    #[must_use]
    pub const fn may_be_shed(&self) -> bool {
        match self {
            Self::Made(event) => event.event.may_be_shed(),
            Self::Recorded(_) => false,
        }
    }

    /// The event itself. A line of the record that is none is told as one that nobody knows.
    #[must_use]
    pub fn into_event(self) -> LiveEvent {
        match self {
            Self::Made(event) => event,
            Self::Recorded(RecordedEvent { seq, ts, at, event }) => {
                let read = serde_json::from_str(event.get());
                let event = read.unwrap_or_else(|_| WorkerEvent::Unknown { raw: event.get().to_owned() });
                LiveEvent { seq, ts, at, event }
            }
        }
    }
}

impl From<LiveEvent> for Offered {
    fn from(event: LiveEvent) -> Self {
        Self::Made(event)
    }
}
