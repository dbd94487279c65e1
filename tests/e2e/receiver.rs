//! A server on the loopback interface that keeps what it receives.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value.as_str())
    }
}

/// The server. Its threads end with the test.
pub(crate) struct Receiver {
    port: u16,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Receiver {
    /// One that answers with these statuses, the last one again and again. `None` is no answer at all.
    pub(crate) fn answering(statuses: &'static [Option<u16>]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let received = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&received);
        thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let status = statuses[number.min(statuses.len() - 1)];
                let kept = Arc::clone(&kept);
                thread::spawn(move || serve(stream.unwrap(), status, &kept));
            }
        });
        Self { port, received }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub(crate) fn all(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

fn serve(stream: TcpStream, status: Option<u16>, kept: &Mutex<Vec<Received>>) {
    let mut reader = BufReader::new(stream);
    let mut next = || {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0).map(|_| line.trim_end().to_owned())
    };
    let Some(line) = next() else { return };
    let mut headers = Vec::new();
    while let Some(header) = next().filter(|header| !header.is_empty()) {
        let (name, value) = header.split_once(':').unwrap();
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let mut received = Received { line, headers, body: Vec::new() };
    let length = received.header("Content-Length").parse().unwrap_or(0);
    received.body = vec![0; length];
    reader.read_exact(&mut received.body).unwrap();
    kept.lock().unwrap().push(received);
    match status {
        Some(status) => {
            let answer =
                format!("HTTP/1.1 {status} Answer\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}");
            // The other side may have left.
            let _ = reader.get_mut().write_all(answer.as_bytes());
        }
        // Until the other side leaves.
        None => drop(reader.read(&mut [0; 1])),
    }
}
