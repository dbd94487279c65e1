//! The record: run directory, spool, event files, journal.
