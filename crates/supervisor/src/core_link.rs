//! The connection to a core: its process, its words, and whether it still answers.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use roboppi_process::forked::Forked;
use tokio::io::{AsyncRead, AsyncWrite};

mod child;
mod connect_error;
mod drive;
mod events;
mod heartbeat;
mod link;
pub mod machine;
mod peer_check;
mod process;
mod restart;
mod stderr;
mod transport;

pub(crate) use drive::{HostFailure, LinkSettings};
pub use events::LinkEvent;
pub(crate) use events::{JobReport, LinkReceiver, LinkSender, link_events};
pub use heartbeat::HeartbeatSettings;
pub(crate) use link::{CoreLink, connect};
pub use restart::{Loss, Restart, RestartPolicy};
pub(crate) use stderr::StderrTail;
pub use transport::CoreTransport;

/// Where the core is.
#[derive(Debug)]
pub enum CoreLaunch {
    /// A program that is started. Lost, it gets a successor.
    Program(CoreProgram),
    /// A process that was forked from this one, and waits. Lost, it gets a successor.
    Forked(Box<ForkedCore>),
    /// A core in this process, at the other end of a pipe in memory.
    Connected(CoreStreams),
}

/// A program that is a core.
#[derive(Clone, Debug)]
pub struct CoreProgram {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Whether it ends by itself when its stdin closes, as ours does; others get a signal as well.
    pub ends_at_eof: bool,
    /// How it is spoken with.
    pub transport: CoreTransport,
}

/// A core of this program, forked before there was a run for it.
pub struct ForkedCore {
    /// Its process.
    pub process: Forked,
    /// Tells it where its diagnostics go.
    pub name_diagnostics: Box<dyn FnOnce(&Path)>,
    /// What it is, had it been started; and what follows it.
    pub program: CoreProgram,
}

impl fmt::Debug for ForkedCore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForkedCore").field("process", &self.process).finish_non_exhaustive()
    }
}

/// Both directions of a connection.
pub struct CoreStreams {
    /// What the core says.
    pub reader: Box<dyn AsyncRead + Unpin>,
    /// What it is told.
    pub writer: Box<dyn AsyncWrite + Unpin>,
}

impl fmt::Debug for CoreStreams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CoreStreams")
    }
}
