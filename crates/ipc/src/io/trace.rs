//! One line of text for each message that crosses a wire, for people who look for what went wrong between two
//! processes.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use serde::Deserialize;

/// Prints who said what. Never what is in it: instructions and environments are nobody's business.
#[derive(Clone)]
pub struct Trace {
    pid: u32,
    print: Arc<dyn Fn(&str) + Send + Sync>,
}

/// Which way a message goes, as seen by the process that traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Sent,
    Received,
}

/// As much of a message as is printed. Whatever else is wrong with it, somebody sees that it came.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Head {
    #[serde(rename = "type")]
    kind: String,
    request_id: Option<String>,
    job_id: Option<String>,
    job: Named,
    permit: Named,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Named {
    job_id: Option<String>,
}

impl Trace {
    /// Traces the wire of the process `pid`; `print` is given lines without a newline.
    pub fn new(pid: u32, print: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self { pid, print: Arc::new(print) }
    }

    /// Something about the wire that is no message: `what` and its `facts`.
    pub fn note(&self, what: &str, facts: &str) {
        (self.print)(&format!("[IPC][{what}] {facts}"));
    }

    /// Messages that are sent, a line each.
    pub fn sent(&self, lines: &[u8]) {
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            self.line(Direction::Sent, line);
        }
    }

    /// A line that was received.
    pub(super) fn received(&self, line: &[u8]) {
        self.line(Direction::Received, line);
    }

    fn line(&self, direction: Direction, line: &[u8]) {
        let head: Head = serde_json::from_slice(line).unwrap_or_default();
        let way = match direction {
            Direction::Sent => "tx",
            Direction::Received => "rx",
        };
        // What a stranger calls its message must not look like another line, or like more than a name.
        let plain = |text: &str| text.chars().filter(char::is_ascii_graphic).take(200).collect::<String>();
        let kind = if head.kind.is_empty() { "?".to_owned() } else { plain(&head.kind) };
        let mut text = format!("[IPC][{way}] pid={} type={kind}", self.pid);
        let job_id = head.job_id.or(head.job.job_id).or(head.permit.job_id);
        for (name, value) in [("requestId", head.request_id), ("jobId", job_id)] {
            if let Some(value) = value {
                let _ = write!(text, " {name}={}", plain(&value));
            }
        }
        if direction == Direction::Sent {
            let _ = write!(text, " bytes={}", line.len());
        }
        (self.print)(&text);
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace").field("pid", &self.pid).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn a_line_names_the_message_and_nothing_in_it() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&seen);
        let trace = Trace::new(7, move |line| into.lock().unwrap().push(line.to_owned()));
        let submit = b"{\"type\":\"submit_job\",\"requestId\":\"r\",\"job\":{\"jobId\":\"j\",\"payload\":\"secret\"}}\n";
        trace.sent(&[&submit[..], b"{\"type\":\"heartbeat\",\"timestamp\":1}\n"].concat());
        trace.received(b"{\"type\":\"ack\",\"requestId\":\"r\",\"jobId\":\"j\"}");
        trace.received(b"{\"type\":\"od\\nd\",\"requestId\":7}");
        trace.received(b"nonsense");
        trace.note("spawn", "transport=stdio");
        insta::assert_snapshot!(seen.lock().unwrap().join("\n"), @"
        [IPC][tx] pid=7 type=submit_job requestId=r jobId=j bytes=77
        [IPC][tx] pid=7 type=heartbeat bytes=35
        [IPC][rx] pid=7 type=ack requestId=r jobId=j
        [IPC][rx] pid=7 type=?
        [IPC][rx] pid=7 type=?
        [IPC][spawn] transport=stdio
        ");
    }
}
