//! What a core can be told when it starts.

use std::path::PathBuf;
use std::time::Duration;

use roboppi_ipc::io::Trace;
use roboppi_process::Limits;
use roboppi_redact::Secrets;

use crate::live::LiveLimits;
use crate::{GateSettings, Variables};

/// Settings of a core.
#[derive(Clone, Debug)]
pub struct CoreSettings {
    /// When permits are refused.
    pub gate: GateSettings,
    /// Time between TERM and KILL of a worker, unless its job says otherwise.
    pub grace: Duration,
    /// Time a worker's pipes may stay open after its exit, unless its job says otherwise.
    pub drain: Duration,
    /// How long an agent may do nothing at all, unless its job says otherwise; `None` means for ever.
    pub idle: Option<Duration>,
    /// Jobs known at a time, running or not. More are refused.
    pub max_jobs: usize,
    /// Bounds of what waits to be sent, per job.
    pub live: LiveLimits,
    /// Whether it says hello only after its peer did, because those who start a core so may know no hello and take the
    /// first line for the answer to their first request.
    pub awaits_hello: bool,
    /// `version` in the hello.
    pub version: String,
    /// Where the sockets of attempts are made ([`SocketPlace`](crate::mask::SocketPlace)); without it workers have
    /// none.
    pub sockets: Option<PathBuf>,
    /// The environment of the core, of which workers are given what their jobs allow.
    pub variables: Variables,
    /// Who is told of every message.
    pub trace: Option<Trace>,
    /// Values to hide; without it those of `variables` ([`secrets_of`](crate::worker::secrets_of)).
    pub secrets: Option<Secrets>,
}

impl Default for CoreSettings {
    fn default() -> Self {
        let Limits { grace, drain, timeout: _ } = Limits::default();
        Self {
            gate: GateSettings::default(),
            grace,
            drain,
            idle: Some(Duration::from_secs(15 * 60)),
            max_jobs: 1024,
            live: LiveLimits::default(),
            awaits_hello: false,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            sockets: None,
            variables: Variables::of_this_process(),
            trace: None,
            secrets: None,
        }
    }
}
