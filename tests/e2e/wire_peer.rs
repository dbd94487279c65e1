//! The other end of a core's wire. It knows nothing but lines of JSON.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use serde_json::{Value, json};

use crate::env::TestEnv;
use crate::wait::LIMIT;

pub(crate) struct WirePeer {
    writer: Box<dyn Write>,
    lines: Receiver<String>,
    unread: VecDeque<Value>,
}

impl WirePeer {
    pub(crate) fn new(reader: impl Read + Send + 'static, writer: impl Write + 'static) -> Self {
        let (tell, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(reader).lines() {
                let Ok(line) = line else { return };
                if tell.send(line).is_err() {
                    return;
                }
            }
        });
        Self { writer: Box::new(writer), lines, unread: VecDeque::new() }
    }

    pub(crate) fn say(&mut self, message: &Value) {
        self.say_line(&message.to_string());
    }

    pub(crate) fn say_line(&mut self, line: &str) {
        self.say_bytes(format!("{line}\n").as_bytes());
    }

    pub(crate) fn say_bytes(&mut self, bytes: &[u8]) {
        self.writer.write_all(bytes).unwrap();
        self.writer.flush().unwrap();
    }

    /// Asks for a permit, which runs the job.
    pub(crate) fn start(&mut self, job: &Value) {
        let request = format!("permit {}", job["jobId"]);
        self.say(&json!({"type": "request_permit", "requestId": request, "job": job, "attemptIndex": 0}));
    }

    /// The next message that is wanted; the others stay for later. The hello is the one line that an old runner
    /// does not know, and ignores.
    pub(crate) fn next(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.unread.iter().position(&wanted) {
            return self.unread.remove(at).unwrap();
        }
        loop {
            let Ok(line) = self.lines.recv_timeout(LIMIT) else {
                let last: Vec<_> = self.unread.iter().rev().take(20).collect();
                panic!("the core did not say {what}; unread, last first: {last:#?}");
            };
            let message: Value =
                serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
            if message["type"] == "hello" {
                continue;
            }
            if wanted(&message) {
                return message;
            }
            self.unread.push_back(message);
        }
    }

    /// How a job has ended.
    pub(crate) fn completed(&mut self, job: &str) -> Value {
        self.next(&format!("the end of {job}"), |message| {
            message["type"] == "job_completed" && message["jobId"] == job
        })
    }
}

/// A job that runs a script.
pub(crate) fn job(env: &TestEnv, id: &str, script: &str) -> Value {
    json!({
        "jobId": id,
        "type": "WORKER_TASK",
        "priority": {"value": 1, "class": "INTERACTIVE"},
        "payload": {
            "workerTaskId": format!("task-{id}"),
            "workerKind": "CUSTOM",
            "workspaceRef": env.work(),
            "instructions": script,
            "capabilities": ["READ"],
            "outputMode": "STREAM",
            "budget": {"deadlineAt": 4_000_000_000_000_u64},
        },
        "limits": {"timeoutMs": 60_000, "maxAttempts": 1},
        "context": {"traceId": "t", "correlationId": "c"},
    })
}
