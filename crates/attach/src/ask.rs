//! Asks the owner of a run, which is another process.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use roboppi_ipc::{UnknownTagged, decode_tagged_by};
use roboppi_run::{Manifest, RunCommand, RunId, RunMode};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::liveness::{same_kernel, same_pids};
use crate::{Liveness, LocalRun, RunFollower};

/// How long an owner may take to answer. One that is flooded with commands takes them one after the other.
const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes of an answer that are read.
const LONGEST_ANSWER: u64 = 64 * 1024;

/// What is sent to the socket of an owner: one line of JSON, answered by one line with an [`Answer`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// `runId`: the run it is meant for.
    pub run_id: RunId,
    /// `wish`, the name that owners of earlier versions read; `command` is read as well.
    #[serde(rename = "wish", alias = "command")]
    pub command: RunCommand,
    /// `user` on whose behalf it is sent; absent for the user of the process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
}

impl Request {
    /// Bytes a request may have, its end of line included.
    pub const LONGEST: usize = 8 * 1024;
}

/// What an owner answers, tagged by `type` in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", remote = "Self")]
pub enum Answer {
    /// `granted`: it is being done. What comes of it is in the journal.
    Granted,
    /// `refused`: nothing comes of it.
    Refused {
        /// `why`, one line.
        why: String,
    },
    /// An answer of a newer version.
    #[serde(skip)]
    Unknown(UnknownTagged),
}

impl Serialize for Answer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Unknown(other) => other.serialize(serializer),
            known => Self::serialize(known, serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Answer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        decode_tagged_by("type", deserializer, &["granted", "refused"], Self::deserialize, Self::Unknown)
    }
}

/// Why an owner was not asked, or did not answer.
#[derive(Debug, Error)]
pub enum AskError {
    /// Nobody is left to ask.
    #[error("the run is over: {}", .0.name())]
    Over(Liveness),
    /// A socket reaches no further than its machine and what of it can be seen from here.
    #[error(
        "it runs elsewhere (host {host}, pid {pid} there), and its socket cannot be reached from here: {why}; ask \
         where it runs"
    )]
    Elsewhere {
        /// Name of its machine or container.
        host: String,
        /// The owner, as it is numbered there.
        pid: u32,
        /// Why the socket cannot be reached.
        why: String,
    },
    /// A program records itself, and has no supervisor.
    #[error("its program records itself and takes no commands; end the program instead")]
    Emitted,
    /// What the run is cannot be read.
    #[error("{0}")]
    Record(#[from] roboppi_record::RecordError),
    /// The owner has no socket.
    #[error(
        "its owner (pid {pid}) takes no commands from other processes; a signal ends the run: kill {pid}"
    )]
    NoSocket {
        /// The owner.
        pid: u32,
    },
    /// It has one, and cannot be spoken with.
    #[error("its owner (pid {pid}) does not answer at {socket}: {source}")]
    NoAnswer {
        /// The owner.
        pid: u32,
        /// Path of the socket.
        socket: String,
        /// What went wrong.
        source: io::Error,
    },
}

/// Brings a command to the owner of a run and waits ten seconds at the most for its answer.
///
/// # Errors
/// When there is no owner to ask, or it cannot be spoken with.
pub fn ask(run: &LocalRun, command: RunCommand) -> Result<Answer, AskError> {
    ask_as(run, command, None)
}

/// The same on behalf of a user, who is named in the journal of the run.
///
/// # Errors
/// As [`ask`].
pub fn ask_as(run: &LocalRun, command: RunCommand, user: Option<String>) -> Result<Answer, AskError> {
    let liveness = RunFollower::of_journal(run).liveness();
    if !liveness.may_live() {
        return Err(AskError::Over(liveness));
    }
    let manifest = run.run_dir().manifest()?;
    if manifest.mode == RunMode::Emitted {
        return Err(AskError::Emitted);
    }
    let is_here = same_kernel(&manifest) == Some(true) && same_pids(&manifest) != Some(false);
    let Manifest { control, owner, run_id, host, .. } = manifest;
    let elsewhere = |why: String| AskError::Elsewhere { host, pid: owner.pid, why };
    let Some(socket) = control else {
        return Err(if is_here {
            AskError::NoSocket { pid: owner.pid }
        } else {
            elsewhere("it has none".to_owned())
        });
    };
    let request = Request { run_id, command, user };
    speak(&socket, &request).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused if !is_here => {
            elsewhere(format!("{socket}: {source}"))
        }
        _ => AskError::NoAnswer { pid: owner.pid, socket, source },
    })
}

fn speak(socket: &str, request: &Request) -> io::Result<Answer> {
    let mut stream = UnixStream::connect(socket)?;
    if !is_ours(&stream) {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "the socket belongs to another user"));
    }
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = String::new();
    BufReader::new(stream.take(LONGEST_ANSWER)).read_line(&mut answer)?;
    if answer.is_empty() {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it hung up"));
    }
    Ok(serde_json::from_str(&answer)?)
}

/// Whether a process of the same user listens.
#[cfg(target_os = "linux")]
fn is_ours(stream: &UnixStream) -> bool {
    use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
    getsockopt(stream, PeerCredentials).is_ok_and(|peer| peer.uid() == nix::unistd::geteuid().as_raw())
}

/// Whether a process of the same user listens. The directory of the socket, which is the user's alone, says so.
#[cfg(not(target_os = "linux"))]
const fn is_ours(_stream: &UnixStream) -> bool {
    true
}
