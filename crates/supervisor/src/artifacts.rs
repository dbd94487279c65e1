//! The artifacts of a run, for those who look at it later or from another process.
//!
//! A reader changes nothing in the context directory, and follows no link there: every name on the way to an artifact is
//! entered by itself.

pub use crate::context_dir::artifact_reader::{ArtifactReader, FoundArtifact, ReadError};
