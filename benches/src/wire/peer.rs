//! A process at the other end of two pipes: a core, or `cat` to compare with.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

pub(crate) struct Peer {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    line: String,
}

impl Peer {
    /// The built core, greeted.
    pub(crate) fn core(program: &str) -> Self {
        let mut core = Self::start(Command::new(program).arg("core"));
        core.say(r#"{"type":"hello","protocol":{"min":1,"max":2},"capabilities":[],"version":"bench"}"#);
        core.wait_for(r#""type":"hello""#);
        core
    }

    pub(crate) fn cat() -> Self {
        Self::start(&mut Command::new("cat"))
    }

    pub(crate) fn shell(script: &str) -> Self {
        Self::start(Command::new("sh").args(["-c", script]))
    }

    fn start(command: &mut Command) -> Self {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let stdin = child.stdin.take();
        let stdout = BufReader::with_capacity(64 * 1024, child.stdout.take().unwrap());
        Self { child, stdin, stdout, line: String::new() }
    }

    /// Asks for a permit, and returns when the worker is alive.
    pub(crate) fn start_worker(&mut self, id: &str, script: &str) {
        self.say(&format!(
            r#"{{"type":"request_permit","requestId":"p{id}","attemptIndex":0,"job":{}}}"#,
            job(id, script)
        ));
        self.wait_for(r#""type":"worker_started""#);
    }

    pub(crate) fn say(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    pub(crate) fn read(&mut self) -> &str {
        self.line.clear();
        assert!(self.stdout.read_line(&mut self.line).unwrap() > 0, "the peer has ended");
        &self.line
    }

    pub(crate) fn wait_for(&mut self, text: &str) {
        while !self.read().contains(text) {}
    }

    /// Its two ends, to be used by two threads.
    pub(crate) fn split(&mut self) -> (ChildStdin, &mut BufReader<ChildStdout>) {
        (self.stdin.take().unwrap(), &mut self.stdout)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // The end of its input ends a core and all it started.
        self.stdin = None;
        let _ = self.child.wait();
    }
}

pub(crate) fn job(id: &str, script: &str) -> String {
    format!(
        concat!(
            r#"{{"jobId":"{0}","type":"WORKER_TASK","priority":{{"value":1,"class":"INTERACTIVE"}},"#,
            r#""payload":{{"workerTaskId":"t{0}","workerKind":"CUSTOM","workspaceRef":"/","#,
            r#""instructions":"{1}","capabilities":["READ"],"outputMode":"STREAM","#,
            r#""budget":{{"deadlineAt":9007199254740991}},"roboppi":{{"timeoutMs":600000}}}},"#,
            r#""limits":{{"timeoutMs":600000,"maxAttempts":1}},"context":{{"traceId":"t","correlationId":"c"}}}}"#
        ),
        id, script
    )
}
