//! The supervisor process: core link, runner, event bus, sinks.
