//! The supervisor process: it owns a run.
//!
//! [`PreparedRun`] sets up the record of a run, so that viewers can follow before anything happens, and
//! [`PreparedRun::execute`] runs it: `runner` drives the run machine, `core_link` speaks with the core,
//! `recorder` writes every event down before it is published. Viewers follow what is published through
//! [`PreparedRun::source`]; this crate knows no terminal and no text view.
//!
//! Everything acting runs on one current-thread runtime.

pub mod artifacts;
mod branches;
mod clock;
mod commit;
mod context_dir;
mod control;
mod convert;
mod core_link;
mod error;
mod event_snapshots;
mod host_link;
mod kept;
mod kinds;
pub mod machine;
mod names;
mod prepare;
mod received;
mod recorder;
mod resume;
mod run_clock;
mod runner;
mod secrets;
mod settings;
mod shutdown;
mod sign_of_life;
mod signals;
mod site;
mod snapshots;
mod spans;

pub use core_link::{
    CoreLaunch, CoreProgram, CoreStreams, CoreTransport, ForkedCore, HeartbeatSettings, LinkEvent, Loss,
    Restart, RestartPolicy, machine as link_machine,
};
pub use error::StartError;
pub use host_link::{AskedHost, ask_host};
pub use kept::Resume;
pub use kinds::NeededKinds;
pub use prepare::PreparedRun;
pub use runner::RunEnd;
pub use secrets::{RunSecrets, SecretsError};
pub use settings::{RunSettings, SpanSettings, WorkflowFile};
pub use shutdown::{ShutdownEffect, ShutdownMachine, ShutdownRequest};
pub use signals::{SignalEvent, Signals};
