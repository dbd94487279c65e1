//! The process of a core: start it, end it, say how it ended.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use roboppi_process::guard::GuardReport;
use roboppi_process::inherited;
use tokio::io::AsyncRead;
use tokio::process::{Child, Command};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::child::CoreChild;
use super::transport::ConnectFailure;

/// Variables that would send a core to another transport than ours.
const TRANSPORT: [&str; 4] = [
    "ROBOPPI_IPC_SOCKET_PATH",
    "ROBOPPI_IPC_SOCKET_HOST",
    "ROBOPPI_IPC_SOCKET_PORT",
    "ROBOPPI_SUPERVISED_IPC_TRANSPORT",
];

/// Tells a core which file its diagnostics go to.
pub(super) const DIAGNOSTICS: &str = "ROBOPPI_LOG_FILE";

/// The process of a core, and what carries the bytes to and from its socket.
pub(super) struct CoreProcess {
    pub(super) child: CoreChild,
    /// What it complains, until that is read.
    pub(super) stderr: Option<Box<dyn AsyncRead + Unpin>>,
    pub(super) ends_at_eof: bool,
    pub(super) carrying: Option<AbortOnDrop>,
    /// Why it never connected.
    pub(super) absence: ConnectFailure,
}

/// A task that ends with the value.
pub(super) struct AbortOnDrop(pub(super) AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Starts a core in a session of its own, so that a Ctrl-C in the terminal reaches the supervisor alone.
/// `variables` say where it is to connect.
pub(super) fn start(
    program: &Path,
    args: &[OsString],
    variables: Vec<(&str, OsString)>,
) -> io::Result<Child> {
    let mut command = std::process::Command::new(program);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for name in TRANSPORT {
        command.env_remove(name);
    }
    command.env_remove(DIAGNOSTICS);
    command.envs(variables);
    roboppi_process::lead_a_session(&mut command);
    inherited::pass_on_ignored(&mut command);
    Command::from(command).spawn()
}

/// Ends a core whose stdin is closed: waits for `patience`, then TERM, then KILL. What is signalled is its
/// guard, which ends the core and all it started.
pub(super) async fn end(child: &mut CoreChild, patience: Duration, ends_at_eof: bool) -> Option<ExitStatus> {
    // One that was stopped sees nothing of all this.
    signal(child, Signal::SIGCONT);
    if !ends_at_eof {
        signal(child, Signal::SIGTERM);
    }
    if let Ok(status) = timeout(patience, child.wait()).await {
        return status.ok();
    }
    signal(child, Signal::SIGTERM);
    if let Ok(status) = timeout(patience, child.wait()).await {
        return status.ok();
    }
    signal(child, Signal::SIGKILL);
    child.wait().await.ok()
}

fn signal(child: &CoreChild, signal: Signal) {
    if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()) {
        let _ = kill(Pid::from_raw(pid), signal);
    }
}

/// Exit code or signal of a core: as its guard reports it, else as the system does.
fn end_of(status: ExitStatus, reports: &[GuardReport]) -> (Option<i32>, Option<i32>) {
    let reported = reports.iter().find_map(|report| match report {
        GuardReport::CoreExited { code, signal } => Some((*code, *signal)),
        GuardReport::Ended { .. } | GuardReport::Done { .. } => None,
    });
    reported.unwrap_or((status.code(), status.signal()))
}

/// Whether a core left by itself, and was not killed.
pub(super) fn left(status: ExitStatus, reports: &[GuardReport]) -> bool {
    end_of(status, reports).0.is_some()
}

/// How a core ended, for people.
pub(super) fn describe(status: ExitStatus, reports: &[GuardReport]) -> String {
    match end_of(status, reports) {
        (Some(code), _) => format!("exited with code {code}"),
        (None, Some(number)) => match Signal::try_from(number) {
            Ok(signal) => format!("was ended by {}", signal.as_str()),
            Err(_) => format!("was ended by signal {number}"),
        },
        (None, None) => "ended".to_owned(),
    }
}
