//! The socket where other processes bring commands for a run.
//!
//! It is for the user alone: in a directory that nobody else can enter, and whoever connects must be a process of the
//! same user. What comes in is bounded: so many visitors at a time and so many a second, one short line from each, and
//! little time for it. Who comes while there is no room waits outside; the run does not.

use std::io;
use std::time::Duration;

use nix::unistd::geteuid;
use roboppi_attach::{Answer, Request, RunCommand};
use roboppi_ipc::{ProcessIdentity, UnknownTagged};
use roboppi_run::RunId;
use thiserror::Error;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

mod place;

pub(crate) use place::ControlPlace;

/// Visitors at a time.
const CLIENTS: usize = 8;

/// Time between two visitors.
const PACE: Duration = Duration::from_millis(10);

/// Time a visitor has to say what it commands, and then to listen to the answer: it knows what it came for.
const PATIENCE: Duration = Duration::from_millis(500);

/// Characters of the name of a user that are recorded.
const LONGEST_USER: usize = 100;

/// Time after which it is tried again when the system has no room for a connection.
const NO_ROOM: Duration = Duration::from_secs(1);

/// A command of another process.
#[derive(Debug)]
pub(crate) struct ControlRequest {
    pub(crate) command: RunCommand,
    /// Who brought it, where the system tells.
    pub(crate) by: Option<ProcessIdentity>,
    /// On whose behalf, as it says.
    pub(crate) user: Option<String>,
    /// Dropped without an answer, it says that the run is over.
    pub(crate) answer: oneshot::Sender<Answer>,
}

/// The socket while it is open. Dropped, it is closed and gone.
#[derive(Debug)]
pub(crate) struct ControlSocket {
    _visits: JoinSet<()>,
    _place: ControlPlace,
}

impl ControlSocket {
    /// Lets visitors in from now on, on the current `LocalSet`. What they command comes out of the receiver.
    pub(crate) fn open(
        mut place: ControlPlace,
        run_id: RunId,
    ) -> io::Result<(Self, mpsc::Receiver<ControlRequest>)> {
        let listener = UnixListener::from_std(place.listener()?)?;
        let (send, received) = mpsc::channel(CLIENTS);
        let mut visits = JoinSet::new();
        visits.spawn_local(receive(listener, run_id, send));
        Ok((Self { _visits: visits, _place: place }, received))
    }
}

async fn receive(listener: UnixListener, run_id: RunId, send: mpsc::Sender<ControlRequest>) {
    let mut visits = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if visits.len() < CLIENTS => match accepted {
                Ok((stream, _)) => {
                    let (run_id, send) = (run_id.clone(), send.clone());
                    visits.spawn_local(async move {
                        // A visitor that breaks off is nobody's loss.
                        let _ = visit(stream, &run_id, &send).await;
                    });
                    sleep(PACE).await;
                }
                Err(_) => sleep(NO_ROOM).await,
            },
            Some(_) = visits.join_next(), if !visits.is_empty() => {}
        }
    }
}

async fn visit(
    mut stream: UnixStream,
    run_id: &RunId,
    send: &mpsc::Sender<ControlRequest>,
) -> io::Result<()> {
    let peer = stream.peer_cred()?;
    if peer.uid() != geteuid().as_raw() {
        return Ok(());
    }
    // A process that cannot be seen from here has the number 0.
    let pid = peer.pid().and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid != 0);
    let by = pid.and_then(|pid| roboppi_process::identity(pid).ok());
    let mut line = Vec::new();
    let mut request = BufReader::new((&mut stream).take(Request::LONGEST as u64));
    timeout(PATIENCE, request.read_until(b'\n', &mut line)).await??;
    let answer = match understood(&line, run_id) {
        Err(error) => Answer::Refused { why: error.to_string() },
        Ok((command, user)) => {
            let (answer, answered) = oneshot::channel();
            let asked = send.send(ControlRequest { command, by, user, answer }).await.is_ok();
            match answered.await {
                Ok(answer) if asked => answer,
                _ => Answer::Refused { why: "the run is over".to_owned() },
            }
        }
    };
    let mut text = serde_json::to_vec(&answer)?;
    text.push(b'\n');
    timeout(PATIENCE, stream.write_all(&text)).await?
}

/// Why a request is refused before the run sees it.
#[derive(Debug, Error)]
enum RequestError {
    #[error("a request is one line of at most {} bytes", Request::LONGEST)]
    NotOneLine,
    #[error("not a request: {0}")]
    Malformed(#[from] serde_json::Error),
    #[error("this is the run {this}, not {requested}")]
    OtherRun { this: RunId, requested: RunId },
    #[error("only the terminal in which the run was started can command that")]
    OwnerOnly,
    #[error("{}", not_known(.0))]
    Unknown(UnknownTagged),
}

/// The command in a line, or why there is none that could be granted.
fn understood(line: &[u8], run_id: &RunId) -> Result<(RunCommand, Option<String>), RequestError> {
    if !line.ends_with(b"\n") {
        return Err(RequestError::NotOneLine);
    }
    let request: Request = serde_json::from_slice(line)?;
    if request.run_id != *run_id {
        return Err(RequestError::OtherRun { this: run_id.clone(), requested: request.run_id });
    }
    let user =
        request.user.map(|user| user.chars().filter(|char| !char.is_control()).take(LONGEST_USER).collect());
    match request.command {
        RunCommand::HangUp | RunCommand::LeaveNow => Err(RequestError::OwnerOnly),
        RunCommand::Unknown(other) => Err(RequestError::Unknown(other)),
        command @ (RunCommand::CancelRun { .. }
        | RunCommand::CancelStep(_)
        | RunCommand::RetryStep(_)
        | RunCommand::SkipStep(_)) => Ok((command, user)),
    }
}

/// Why a request of a later version is refused.
pub(crate) fn not_known(request: &UnknownTagged) -> String {
    format!("this version does not know the request `{}`", request.tag)
}

#[cfg(test)]
mod tests;
