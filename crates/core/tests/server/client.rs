//! A supervisor made of lines of JSON.

use std::collections::{BTreeSet, VecDeque};
use std::future::Future;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use roboppi_core::CoreSettings;
use roboppi_core::server::serve;
use roboppi_ipc::{Cancel, ProcessIdentity};
use roboppi_process::is_alive;
use roboppi_worker_adapters::Adapters;
use serde_json::{Value, json};
use tokio::io::{
    AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, Lines, ReadHalf, WriteHalf, duplex, split,
};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, LocalSet};
use tokio::time::timeout;

/// The one limit of every wait. Nothing is measured with it.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs a test on one thread, and ends whatever it started.
pub(crate) fn run<F: Future<Output = ()>>(test: impl FnOnce() -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(LocalSet::new().run_until(async { timeout(LIMIT, test()).await.expect("in time") }));
}

/// Kills the worker groups it was told of, should they still be there.
#[derive(Default)]
struct Guard(Vec<ProcessIdentity>);

impl Drop for Guard {
    fn drop(&mut self) {
        for process in &self.0 {
            if is_alive(*process) {
                let _ = killpg(Pid::from_raw(process.pid.cast_signed()), Signal::SIGKILL);
            }
        }
    }
}

/// The client's end for writing.
pub(crate) struct Sender(WriteHalf<DuplexStream>);

impl Sender {
    pub(crate) async fn send(&mut self, message: Value) {
        self.send_line(&message.to_string()).await;
    }

    async fn send_line(&mut self, line: &str) {
        self.0.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }
}

pub(crate) struct Client {
    lines: Option<Lines<BufReader<ReadHalf<DuplexStream>>>>,
    writer: Option<Sender>,
    unread: VecDeque<Value>,
    running: BTreeSet<String>,
    serving: JoinHandle<std::io::Result<()>>,
    pub(crate) stop: mpsc::Sender<Cancel>,
    guard: Guard,
}

impl Client {
    /// A core and a client that has said hello.
    pub(crate) async fn connect(settings: CoreSettings) -> Self {
        let mut client = Self::connect_old(settings).await;
        client.send(json!({"type": "hello", "protocol": {"min": 1, "max": 2}, "version": "test"})).await;
        client
    }

    /// A core and a client that has said nothing.
    pub(crate) async fn connect_old(settings: CoreSettings) -> Self {
        let (near, far) = duplex(64 * 1024);
        let (reader, writer) = split(far);
        let (stop, stops) = mpsc::channel(4);
        let serving = tokio::task::spawn_local(serve(reader, writer, settings, Adapters::builtin(), stops));
        let (reader, writer) = split(near);
        let mut client = Self {
            lines: Some(BufReader::new(reader).lines()),
            writer: Some(Sender(writer)),
            unread: VecDeque::new(),
            running: BTreeSet::new(),
            serving,
            stop,
            guard: Guard::default(),
        };
        let hello = client.next("hello").await;
        assert_eq!(hello["protocol"], json!({"min": 1, "max": 2}));
        client
    }

    pub(crate) async fn send(&mut self, message: Value) {
        self.send_line(&message.to_string()).await;
    }

    pub(crate) async fn send_line(&mut self, line: &str) {
        self.writer.as_mut().expect("the wire is open").send_line(line).await;
    }

    pub(crate) fn take_writer(&mut self) -> Sender {
        self.writer.take().expect("the wire is open")
    }

    pub(crate) fn give_writer(&mut self, writer: Sender) {
        self.writer = Some(writer);
    }

    /// Asks for a permit, which runs the job.
    pub(crate) async fn start(&mut self, job: &Value) {
        let request = format!("permit-{}", job["jobId"]);
        self.send(json!({"type": "request_permit", "requestId": request, "job": job, "attemptIndex": 0}))
            .await;
    }

    pub(crate) async fn cancel(&mut self, job_id: &str, reason: &str) {
        let request = format!("cancel-{job_id}");
        self.send(json!({"type": "cancel_job", "requestId": request, "jobId": job_id, "reason": reason}))
            .await;
    }

    async fn line(&mut self) -> Option<Value> {
        let line = self.lines.as_mut().expect("reading").next_line().await.unwrap()?;
        let message: Value = serde_json::from_str(&line).unwrap();
        self.check_order(&message);
        if message["event"]["type"] == "worker_started" {
            self.guard.0.push(serde_json::from_value(message["event"]["process"].clone()).unwrap());
        }
        Some(message)
    }

    /// Holds for every conversation: a permit, then events, then one completion, then nothing.
    fn check_order(&mut self, message: &Value) {
        let id = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        match message["type"].as_str() {
            Some("permit_granted") => {
                self.running.insert(id(&message["permit"]["jobId"]));
            }
            Some("job_event") => {
                assert!(self.running.contains(&id(&message["jobId"])), "not while it runs: {message}");
            }
            Some("job_completed") => {
                assert!(self.running.remove(&id(&message["jobId"])), "it did not run: {message}");
            }
            _ => {}
        }
    }

    /// The next message for which `wanted` holds; the others stay to be read later.
    pub(crate) async fn find(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        if let Some(found) = self.unread.iter().position(&wanted) {
            return self.unread.remove(found).unwrap();
        }
        loop {
            let Some(message) = self.line().await else {
                panic!("the wire ended; unread: {:#?}", self.unread);
            };
            if wanted(&message) {
                return message;
            }
            self.unread.push_back(message);
        }
    }

    /// The next message of a type.
    pub(crate) async fn next(&mut self, kind: &str) -> Value {
        self.find(|message| message["type"] == kind).await
    }

    /// Everything about a job up to its completion, which is the last one.
    pub(crate) async fn until_completed(&mut self, job_id: &str) -> Vec<Value> {
        let of_job = |message: &Value| {
            message["jobId"] == job_id
                || message["event"]["jobId"] == job_id
                || message["permit"]["jobId"] == job_id
        };
        let mut all = Vec::new();
        loop {
            let message = self.find(of_job).await;
            let is_last = message["type"] == "job_completed";
            all.push(message);
            if is_last {
                return all;
            }
        }
    }

    /// The next thing a worker printed that holds `text`.
    pub(crate) async fn output(&mut self, text: &str) -> Value {
        self.find(|message| message["event"]["data"].as_str().is_some_and(|data| data.contains(text))).await
    }

    pub(crate) async fn worker(&mut self) -> ProcessIdentity {
        let started = self.find(|message| message["event"]["type"] == "worker_started").await;
        serde_json::from_value(started["event"]["process"].clone()).unwrap()
    }

    /// Lets go of the client's end for writing.
    pub(crate) async fn close(&mut self) {
        self.take_writer().0.shutdown().await.unwrap();
    }

    /// Lets go of both ends, without a word.
    pub(crate) fn vanish(&mut self) {
        self.writer = None;
        self.lines = None;
    }

    /// Closes the wire and checks that the core goes.
    pub(crate) async fn done(mut self) {
        self.close().await;
        self.end().await;
    }

    /// Waits for something that is not said on the wire, without reading a line.
    pub(crate) async fn until(&self, condition: impl Fn() -> bool) {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Whether such a message was read and not asked for.
    pub(crate) fn has_unread(&self, wanted: impl Fn(&Value) -> bool) -> bool {
        self.unread.iter().any(wanted)
    }

    /// Reads to the end of the wire, and waits for the core to return.
    pub(crate) async fn end(mut self) -> Vec<Value> {
        let mut rest: Vec<Value> = self.unread.drain(..).collect();
        while let Some(message) = self.line().await {
            rest.push(message);
        }
        self.core_returned().await;
        assert!(self.running.is_empty(), "never completed: {:?}", self.running);
        rest
    }

    pub(crate) async fn core_returned(&mut self) {
        (&mut self.serving).await.unwrap().unwrap();
    }
}

/// A job that runs a shell script.
pub(crate) fn job(id: &str, script: &str) -> Value {
    json!({
        "jobId": id,
        "type": "WORKER_TASK",
        "priority": {"value": 1, "class": "INTERACTIVE"},
        "payload": {
            "workerTaskId": id,
            "workerKind": "CUSTOM",
            "workspaceRef": "/",
            "instructions": script,
            "capabilities": [],
            "outputMode": "STREAM",
            "budget": {"deadlineAt": 4_000_000_000_000_u64},
        },
        "limits": {"timeoutMs": 600_000, "maxAttempts": 1},
        "context": {"traceId": "t", "correlationId": "c"},
    })
}

/// Text of all output events of a stream.
pub(crate) fn text(messages: &[Value], stream: &str) -> String {
    let of_stream = messages.iter().filter(|message| message["event"]["type"] == stream);
    of_stream.filter_map(|message| message["event"]["data"].as_str()).collect()
}

/// Kinds of messages, and of the events in them.
pub(crate) fn kinds(messages: &[Value]) -> Vec<String> {
    let kind = |message: &Value| {
        let event = &message["event"]["type"];
        let kind = if event.is_string() { event } else { &message["type"] };
        kind.as_str().unwrap_or_default().to_owned()
    };
    messages.iter().map(kind).collect()
}
