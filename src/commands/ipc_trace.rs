//! `ROBOPPI_IPC_TRACE`

use roboppi_ipc::io::Trace;

use crate::terminal;

/// The trace of this process on stderr, if it is asked for.
pub(crate) fn trace() -> Option<Trace> {
    let wanted = std::env::var("ROBOPPI_IPC_TRACE").is_ok_and(|value| value == "1");
    wanted.then(|| Trace::new(std::process::id(), terminal::note))
}
