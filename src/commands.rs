//! One file a command.

pub(crate) mod agent_run;
pub(crate) mod attach;
pub(crate) mod completion;
pub(crate) mod completions;
pub(crate) mod control;
pub(crate) mod core;
pub(crate) mod doctor;
pub(crate) mod events;
pub(crate) mod export;
pub(crate) mod guard;
mod guarded;
mod housekeeping;
pub(crate) mod import;
pub(crate) mod init;
mod ipc_trace;
pub(crate) mod logs;
pub(crate) mod mask;
pub(crate) mod out;
pub(crate) mod record;
pub(crate) mod replay;
pub(crate) mod runs;
mod screen;
pub(crate) mod show;
pub(crate) mod workers;
pub(crate) mod workflow_file;
pub(crate) mod workflow_run;
pub(crate) mod workflow_validate;
