//! A server, and small clients for it.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use serde_json::Value;
use tungstenite::client::{ClientRequestBuilder, client};
use tungstenite::protocol::Message;
use tungstenite::{Error, WebSocket};

use super::{SIGKILL, SIGTERM};
use crate::env::{Running, TestEnv};

/// The token of operators.
pub(super) const TOKEN: &str = "the token of operators";

/// What never comes is waited for so long.
const PATIENCE: Duration = Duration::from_secs(90);

/// A server that was started.
pub(super) struct Served<'e> {
    running: Running<'e>,
    authority: String,
    link: String,
}

/// An answer.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Reply {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: Vec<_> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let body = bytes[end + 4..].to_vec();
        let chunked = headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked");
        Self { status, headers, body: if chunked { unchunked(&body) } else { body } }
    }
}

fn unchunked(mut bytes: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(end) = bytes.windows(2).position(|window| window == b"\r\n") {
        let len = usize::from_str_radix(std::str::from_utf8(&bytes[..end]).unwrap(), 16).unwrap();
        whole.extend(&bytes[end + 2..end + 2 + len]);
        bytes = &bytes[end + 4 + len..];
        if len == 0 {
            break;
        }
    }
    whole
}

impl<'e> Served<'e> {
    /// Starts a server with the known token.
    pub(super) fn start(env: &'e TestEnv, arguments: &[&str]) -> Self {
        let file = env.write("token", TOKEN);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let mut all = vec!["--token-file", file.to_str().unwrap()];
        all.extend(arguments);
        Self::start_with_link(env, &all)
    }

    /// Starts a server that makes its own token.
    pub(super) fn start_with_link(env: &'e TestEnv, arguments: &[&str]) -> Self {
        let running = env.roboppi(["serve", "--bind", "127.0.0.1:0"]).args(arguments).start();
        running.wait_for_text("http://127.0.0.1:");
        let line = env.wait_for("the link", || {
            running.printed().lines().next().map(str::to_owned).filter(|line| line.starts_with("http"))
        });
        let rest = line.strip_prefix("http://").unwrap();
        let (authority, link) = rest.split_once('/').unwrap();
        Self { running, authority: authority.to_owned(), link: format!("/{link}") }
    }

    pub(super) fn authority(&self) -> &str {
        &self.authority
    }

    /// The path that was printed.
    pub(super) fn link(&self) -> String {
        self.link.clone()
    }

    pub(super) fn bearer(&self) -> String {
        format!("Bearer {TOKEN}")
    }

    /// A request with the token.
    pub(super) fn own(&self, method: &str, path: &str, body: &str) -> Reply {
        self.request(method, path, &[("Authorization", &self.bearer())], body)
    }

    pub(super) fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let mut stream = TcpStream::connect(&self.authority).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut head =
            format!("{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
        if !headers.iter().any(|(name, _)| *name == "Host") {
            head += &format!("Host: {}\r\n", self.authority);
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        stream.write_all(format!("{head}\r\n{body}").as_bytes()).unwrap();
        let mut answer = Vec::new();
        // A body that is refused may not be read to its end.
        let read = stream.read_to_end(&mut answer);
        assert!(read.is_ok() || !answer.is_empty(), "{method} {path}: {read:?}");
        Reply::parse(&answer)
    }

    pub(super) fn socket(&self) -> Socket {
        let mut socket = self.socket_with("/api/v1/ws", &[("Authorization", &self.bearer())]).unwrap();
        let welcome = socket.json().unwrap();
        assert_eq!(welcome["type"], "welcome", "{welcome}");
        socket
    }

    pub(super) fn socket_with(&self, path: &str, headers: &[(&str, &str)]) -> Result<Socket, String> {
        let uri = format!("ws://{}{path}", self.authority).parse().unwrap();
        let mut request = ClientRequestBuilder::new(uri);
        for (name, value) in headers {
            request = request.with_header(*name, *value);
        }
        let stream = TcpStream::connect(&self.authority).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        client(request, stream).map(|(socket, _)| Socket(socket)).map_err(|error| error.to_string())
    }

    /// Asks the server to end.
    pub(super) fn end(self) {
        self.running.signal(SIGTERM);
        self.running.wait().code(0).text();
    }

    pub(super) fn kill(self) {
        self.running.signal(SIGKILL);
        let _ = self.running.wait();
    }
}

/// A WebSocket.
pub(super) struct Socket(WebSocket<TcpStream>);

impl Socket {
    pub(super) fn say(&mut self, text: &str) {
        // The server may have closed it.
        let _ = self.0.send(Message::text(text));
    }

    /// The next frame, and its length; `None` at the end.
    pub(super) fn frame(&mut self) -> Option<(Value, usize)> {
        loop {
            match self.0.read() {
                Ok(Message::Text(text)) => return Some((serde_json::from_str(&text).unwrap(), text.len())),
                Ok(Message::Close(_)) | Err(Error::ConnectionClosed | Error::AlreadyClosed) => return None,
                Ok(_) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    pub(super) fn json(&mut self) -> Option<Value> {
        self.frame().map(|(frame, _)| frame)
    }

    /// The next frame of a type.
    pub(super) fn json_of(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.json().unwrap_or_else(|| panic!("no frame of type {kind}"));
            if frame["type"] == kind {
                return frame;
            }
        }
    }

    /// Takes all frames up to the end, and returns the code with which the server closes, if it came.
    pub(super) fn read_until_closed(&mut self, mut take: impl FnMut(Value)) -> Option<u16> {
        loop {
            match self.0.read() {
                Ok(Message::Text(text)) => take(serde_json::from_str(&text).unwrap()),
                Ok(Message::Close(frame)) => return frame.map(|frame| frame.code.into()),
                Ok(_) => {}
                Err(_) => return None,
            }
        }
    }

    /// The code with which the server closes.
    pub(super) fn closed(&mut self) -> Option<u16> {
        loop {
            match self.0.read() {
                Ok(Message::Close(frame)) => return frame.map(|frame| frame.code.into()),
                Ok(_) => {}
                Err(_) => return None,
            }
        }
    }
}

/// Numbers that look random (SplitMix64).
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % limit as u64).unwrap()
    }
}
