//! Where the supervisor is.

use std::io;
use std::path::PathBuf;
use std::pin::Pin;

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

/// The host when only a port is given.
const DEFAULT_HOST: &str = "127.0.0.1";

pub(super) type Reader = Pin<Box<dyn AsyncRead>>;
pub(super) type Writer = Pin<Box<dyn AsyncWrite>>;

/// How a core and its supervisor speak. With a socket it is the supervisor that listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// The standard streams of the core.
    Stdio,
    /// A Unix socket, of this path.
    Unix(PathBuf),
    /// A TCP connection.
    Tcp {
        /// Name or address.
        host: String,
        /// Port, not 0.
        port: u16,
    },
}

/// `ROBOPPI_IPC_SOCKET_PORT` is no port.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("Invalid ROBOPPI_IPC_SOCKET_PORT: \"{text}\": it must be a number from 1 to 65535")]
pub struct BadPort {
    /// What it is.
    text: String,
}

/// Both directions of a connection.
pub(super) struct Connection {
    pub(super) reader: Reader,
    pub(super) writer: Writer,
}

impl Transport {
    /// What the environment asks for: `ROBOPPI_IPC_SOCKET_PORT`, with `ROBOPPI_IPC_SOCKET_HOST`, else
    /// `ROBOPPI_IPC_SOCKET_PATH`, else the standard streams. What is empty counts as absent.
    ///
    /// # Errors
    /// When the port is none.
    pub fn from_env(get: impl Fn(&str) -> Option<String>) -> Result<Self, BadPort> {
        let get = |name| get(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        if let Some(text) = get("ROBOPPI_IPC_SOCKET_PORT") {
            let port = text.parse().ok().filter(|port| *port != 0).ok_or(BadPort { text })?;
            let host = get("ROBOPPI_IPC_SOCKET_HOST").unwrap_or_else(|| DEFAULT_HOST.to_owned());
            return Ok(Self::Tcp { host, port });
        }
        Ok(get("ROBOPPI_IPC_SOCKET_PATH").map_or(Self::Stdio, |path| Self::Unix(path.into())))
    }

    /// Connects; there is nothing to connect to with the standard streams.
    pub(super) async fn connect(&self) -> io::Result<Option<Connection>> {
        let because = |place: String| {
            move |error: io::Error| {
                io::Error::new(error.kind(), format!("the supervisor cannot be reached at {place}: {error}"))
            }
        };
        Ok(match self {
            Self::Stdio => None,
            Self::Unix(path) => {
                let place = path.display().to_string();
                let (reader, writer) = UnixStream::connect(path).await.map_err(because(place))?.into_split();
                Some(Connection { reader: Box::pin(reader), writer: Box::pin(writer) })
            }
            Self::Tcp { host, port } => {
                let place = format!("{host}:{port}");
                let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(because(place))?;
                // Small messages must not wait for each other.
                let _ = stream.set_nodelay(true);
                let (reader, writer) = stream.into_split();
                Some(Connection { reader: Box::pin(reader), writer: Box::pin(writer) })
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_decides_and_a_port_wins() {
        let of = |path: &'static str, host: &'static str, port: &'static str| {
            Transport::from_env(move |name| {
                Some(match name {
                    "ROBOPPI_IPC_SOCKET_PATH" => path.to_owned(),
                    "ROBOPPI_IPC_SOCKET_HOST" => host.to_owned(),
                    _ => port.to_owned(),
                })
            })
        };
        let tcp = |host: &str, port| Ok(Transport::Tcp { host: host.to_owned(), port });
        assert_eq!(of(" ", "host", ""), Ok(Transport::Stdio));
        assert_eq!(of(" /s ", "", ""), Ok(Transport::Unix("/s".into())));
        assert_eq!(of("/s", "", " 80 "), tcp(DEFAULT_HOST, 80));
        assert_eq!(of("", " ::1 ", "65535"), tcp("::1", 65535));
        for bad in ["0", "65536", "-1", "eighty", "8 0"] {
            let error = of("/s", "", bad).unwrap_err().to_string();
            assert!(error.starts_with(&format!("Invalid ROBOPPI_IPC_SOCKET_PORT: \"{bad}\"")), "{error}");
        }
    }
}
