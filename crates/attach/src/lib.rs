//! Reach a run and follow it: snapshot, events, log, wishes.
