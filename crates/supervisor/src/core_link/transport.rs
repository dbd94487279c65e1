//! Sockets to speak with a core over. We listen, the core connects.

use std::cell::RefCell;
use std::ffi::OsString;
use std::fs::Permissions;
use std::io;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use nix::errno::Errno;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional, duplex, split};
use tokio::net::{TcpListener, UnixListener};
use tokio::time::timeout;

use super::CoreStreams;
use super::peer_check::{is_core_at_port, is_core_at_socket};

/// Bytes that may wait on their way to or from the socket.
const PIPE: usize = 64 * 1024;

/// How a core that is a process of its own is spoken with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CoreTransport {
    /// Its standard streams.
    #[default]
    Stdio,
    /// A Unix socket in a directory of its own; where there can be none, as [`Tcp`](Self::Tcp).
    Socket,
    /// A TCP connection on this host.
    Tcp,
}

impl CoreTransport {
    /// The transport a value of `ROBOPPI_SUPERVISED_IPC_TRANSPORT` asks for: `socket`, `tcp`, and for anything
    /// else the standard streams.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        match name.trim().to_ascii_lowercase().as_str() {
            "socket" => Self::Socket,
            "tcp" => Self::Tcp,
            _ => Self::Stdio,
        }
    }
}

/// A place where one core may connect, once.
#[derive(Debug)]
pub(super) enum Endpoint {
    /// The directory goes with the value.
    Unix {
        listener: UnixListener,
        dir: TempDir,
    },
    Tcp {
        listener: TcpListener,
        port: u16,
    },
}

impl Endpoint {
    /// A place for this transport; `None` when it needs none, or when there can be none here.
    pub(super) fn open(transport: CoreTransport) -> io::Result<Option<Self>> {
        match transport {
            CoreTransport::Stdio => Ok(None),
            CoreTransport::Tcp => Self::tcp().map(Some),
            CoreTransport::Socket => match Self::unix() {
                Ok(place) => Ok(Some(place)),
                // No sockets here. What is left is worse, and works.
                Err(error) if has_no_sockets(&error) => Ok(Self::tcp().ok()),
                Err(error) => Err(error),
            },
        }
    }

    fn unix() -> io::Result<Self> {
        let place = std::env::var_os("XDG_RUNTIME_DIR").filter(|dir| !dir.is_empty()).map(PathBuf::from);
        // There may be no such directory, or its name may be too long for a socket.
        match place.map(|place| Self::unix_in(&place)) {
            Some(Ok(place)) => Ok(place),
            Some(Err(_)) | None => Self::unix_in(&std::env::temp_dir()),
        }
    }

    fn unix_in(place: &Path) -> io::Result<Self> {
        let private = Permissions::from_mode(0o700);
        let dir = tempfile::Builder::new().prefix("roboppi-ipc-").permissions(private).tempdir_in(place)?;
        let listener = UnixListener::bind(dir.path().join("core.sock"))?;
        Ok(Self::Unix { listener, dir })
    }

    fn tcp() -> io::Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        Ok(Self::Tcp { listener: TcpListener::from_std(listener)?, port })
    }

    /// What tells the core where it is.
    pub(super) fn variables(&self) -> Vec<(&'static str, OsString)> {
        match self {
            Self::Unix { dir, .. } => vec![("ROBOPPI_IPC_SOCKET_PATH", dir.path().join("core.sock").into())],
            Self::Tcp { port, .. } => vec![
                ("ROBOPPI_IPC_SOCKET_HOST", Ipv4Addr::LOCALHOST.to_string().into()),
                ("ROBOPPI_IPC_SOCKET_PORT", port.to_string().into()),
            ],
        }
    }

    /// Its name and address, for people.
    pub(super) fn describe(place: Option<&Self>) -> (&'static str, String) {
        match place {
            None => ("stdio", String::new()),
            Some(Self::Unix { dir, .. }) => ("socket", format!(" socket={}/core.sock", dir.path().display())),
            Some(Self::Tcp { port, .. }) => ("tcp", format!(" addr={}:{port}", Ipv4Addr::LOCALHOST)),
        }
    }

    /// Waits for the process `core`; anybody else is turned away.
    async fn accept(self, core: u32) -> io::Result<Box<dyn Socket>> {
        match self {
            Self::Unix { listener, dir: _dir } => loop {
                let (stream, _) = listener.accept().await?;
                if is_core_at_socket(&stream, core) {
                    return Ok(Box::new(stream));
                }
            },
            Self::Tcp { listener, .. } => loop {
                let (stream, _) = listener.accept().await?;
                if is_core_at_port(&stream, core) {
                    // Small messages must not wait for each other.
                    let _ = stream.set_nodelay(true);
                    return Ok(Box::new(stream));
                }
            },
        }
    }
}

trait Socket: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket for S {}

fn has_no_sockets(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw);
    matches!(
        errno,
        Some(
            Errno::EPERM
                | Errno::EACCES
                | Errno::ENOTSUP
                | Errno::EAFNOSUPPORT
                | Errno::EPROTONOSUPPORT
                | Errno::ENOSYS
                | Errno::EINVAL
                | Errno::ENAMETOOLONG
        )
    ) || error.kind() == io::ErrorKind::InvalidInput
}

/// Why nobody came, should nobody come.
pub(super) type ConnectFailure = Rc<RefCell<Option<String>>>;

/// A connection that will be there when the process `core` has come to `place` within `limit`, and else closes.
/// The future carries the bytes, and must run for as long.
pub(super) fn accept_core(
    place: Endpoint,
    core: u32,
    limit: Duration,
    absence: ConnectFailure,
) -> (CoreStreams, impl Future<Output = ()>) {
    let (near, mut far) = duplex(PIPE);
    let (reader, writer) = split(near);
    let carrying = async move {
        let problem = match timeout(limit, place.accept(core)).await {
            Ok(Ok(mut socket)) => {
                // How it ended is seen by who reads and writes.
                let _ = copy_bidirectional(&mut far, &mut socket).await;
                return;
            }
            Ok(Err(error)) => format!("it could not connect: {error}"),
            Err(_) => format!("it has not connected within {} ms", limit.as_millis()),
        };
        absence.borrow_mut().replace(problem);
    };
    (CoreStreams { reader: Box::new(reader), writer: Box::new(writer) }, carrying)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_two_names_are_other_transports() {
        for (name, transport) in [
            ("socket", CoreTransport::Socket),
            (" TCP ", CoreTransport::Tcp),
            ("stdio", CoreTransport::Stdio),
            ("unix", CoreTransport::Stdio),
            ("", CoreTransport::Stdio),
        ] {
            assert_eq!(CoreTransport::from_name(name), transport, "{name:?}");
        }
    }

    #[tokio::test]
    async fn a_socket_is_for_its_owner_and_goes_with_its_place() {
        let Some(Endpoint::Unix { listener, dir }) = Endpoint::open(CoreTransport::Socket).unwrap() else {
            panic!("there are sockets here");
        };
        let path = dir.path().to_owned();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        drop(Endpoint::Unix { listener, dir });
        assert!(!path.exists());
    }
}
