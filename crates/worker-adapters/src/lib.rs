//! One translator per worker program, the trait they share, and the registry.
//!
//! An adapter turns a [`WorkerTask`](roboppi_ipc::WorkerTask) into a command line ([`CommandSpec`]) and
//! what the program says into [`WorkerEvent`](roboppi_ipc::WorkerEvent)s and one
//! [`WorkerResult`](roboppi_ipc::WorkerResult). It does nothing itself: it reads no clock, touches no
//! file and starts no process. Pipes, deadlines and the ladder that ends a worker exist once, in the
//! core, so an adapter cannot get them wrong.
//!
//! # Writing an adapter
//!
//! A coding agent that prints JSON lines needs an [`agent::AgentTranslator`] in an [`agent::AgentSession`].
//! Any other program that prints lines and ends implements [`LineTranslator`] (one function for a line,
//! one for the end) and wraps it in a [`LineSession`]. A program that is spoken to (it asks, and waits
//! for answers on its standard input) implements [`WorkerSession`] itself.
//!
//! Test the adapter with recorded output and the kit of the feature `conformance`. `docs/adapters` is a
//! tutorial.

mod adapter;
pub mod agent;
mod claude;
mod codex;
mod command;
#[cfg(feature = "conformance")]
pub mod conformance;
mod custom;
mod description;
mod digest;
#[cfg(feature = "conformance")]
pub mod drift;
mod gemini;
mod lines;
mod opencode;
mod outcome;
mod registry;
mod relayed;
mod scanner;
mod session;
mod translation;
mod wall_time;

pub use adapter::{PlanError, WorkerAdapter};
pub use claude::ClaudeAdapter;
pub use codex::CodexAdapter;
pub use command::{Arg, CommandSpec, LineFilter, ReportFiles, StdinPlan, StreamPlan, TempFile};
pub use custom::{CustomAdapter, parse_progress};
pub use description::WorkerDescription;
pub use digest::{HEAD_BYTES, OutputDigest, StreamDigest, TAIL_BYTES};
pub use gemini::GeminiAdapter;
pub use lines::{LineSession, LineTranslator};
pub use opencode::OpenCodeAdapter;
pub use outcome::{classify_output, excerpt, stderr_observation, verdict};
pub use registry::Adapters;
pub use relayed::{RelayedLine, relayed_line};
pub use roboppi_ipc::ExitKind;
pub use scanner::LINE_LIMIT;
pub use session::{
    AskId, HostAnswer, HostQuestion, HostReply, HostRequest, SessionEffect, SessionInput, TimerId, WorkerEnd,
    WorkerSession,
};
pub use translation::Translation;
pub use wall_time::WallTime;
