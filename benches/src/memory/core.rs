//! A core, driven over its stdin and stdout by somebody who says too much or reads too little.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::thread;
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use crate::support::{MIB, Peaks, Place, descendants, peaks, wait_for};

/// What a peer that speaks protocol 2 says first.
pub(crate) const HELLO: &str =
    r#"{"type":"hello","protocol":{"min":1,"max":2},"capabilities":[],"version":"bench"}"#;

struct Core {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    line: String,
}

impl Core {
    fn start(place: &Place, hello: Option<&str>) -> Self {
        let mut command = place.roboppi(&["core"]);
        command.env("TMPDIR", place.dir()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        let mut core = Self { child, stdin, stdout, line: String::new() };
        if let Some(hello) = hello {
            core.say(hello.as_bytes());
        }
        core
    }

    fn stdin(&mut self) -> &mut ChildStdin {
        self.stdin.as_mut().unwrap()
    }

    fn say(&mut self, line: &[u8]) {
        self.stdin().write_all(line).unwrap();
        self.stdin().write_all(b"\n").unwrap();
    }

    fn read(&mut self) -> &str {
        self.line.clear();
        assert!(self.stdout.read_line(&mut self.line).unwrap() > 0, "the core has ended");
        &self.line
    }

    /// Everything that was said so far has been taken.
    fn is_healthy(&mut self) {
        self.say(br#"{"type":"heartbeat","timestamp":1}"#);
        while !self.read().contains("heartbeat_ack") {}
    }

    fn peaks(&self) -> Peaks {
        peaks(self.child.id(), &["guard", "core"])
    }

    fn sleeps(&self) -> bool {
        descendants(self.child.id()).iter().all(|pid| {
            let status = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            status.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('S'))
        })
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        // The end of its input ends a core and all it started, once its last words are read.
        self.stdin = None;
        let _ = std::io::copy(&mut self.stdout, &mut std::io::sink());
        let _ = self.child.wait();
    }
}

/// One line of this length, which is no message.
pub(crate) fn line(place: &Place, hello: Option<&str>, length: u64) -> Peaks {
    let mut core = Core::start(place, hello);
    std::io::copy(&mut std::io::repeat(b' ').take(length), core.stdin()).unwrap();
    core.say(b"the end");
    core.is_healthy();
    core.peaks()
}

/// A message that is just short enough to be read.
pub(crate) fn longest_line(place: &Place) -> Peaks {
    let mut core = Core::start(place, Some(HELLO));
    let job = job(place, "long", &format!(": {}", "x".repeat(10 * MIB as usize - 1000)));
    core.say(format!(r#"{{"type":"submit_job","requestId":"r","job":{job}}}"#).as_bytes());
    while !core.read().contains(r#""type":"ack""#) {}
    core.peaks()
}

/// Requests until the core takes no more, because none of its answers is read.
pub(crate) fn unread_answers(place: &Place) -> Peaks {
    let mut core = Core::start(place, Some(HELLO));
    core.is_healthy();
    let request = b"{\"type\":\"cancel_job\",\"requestId\":\"r\",\"jobId\":\"nobody\",\"reason\":\"\"}\n";
    let requests = request.repeat(1000);
    fcntl(core.stdin(), FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
    let mut at = 0;
    let mut stuck = 0;
    wait_for("a core that reads no more", || {
        loop {
            match core.stdin().write(&requests[at..]) {
                Ok(count) => (at, stuck) = ((at + count) % requests.len(), 0),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}"),
            }
        }
        stuck = if core.sleeps() { stuck + 1 } else { 0 };
        stuck == 20
    });
    core.peaks()
}

/// Very many very short lines that are no messages.
pub(crate) fn unread_malformed(place: &Place) -> Peaks {
    let mut core = Core::start(place, Some(HELLO));
    let lines = b"7\n".repeat(64 * 1024);
    for _ in 0..64 {
        core.stdin().write_all(&lines).unwrap();
    }
    let peaks = core.peaks();
    core.is_healthy();
    peaks
}

/// A worker that writes far more than is read, which is nothing.
pub(crate) fn unread_flood(place: &Place, hello: Option<&str>) -> Peaks {
    let mut core = Core::start(place, hello);
    let flood = job(place, "flood", "yes some words in a line | head -c 268435456; touch flooded");
    core.say(ask(&flood).as_bytes());
    place.wait_for_file("flooded");
    let peaks = core.peaks();
    while !core.read().contains("job_completed") {}
    core.is_healthy();
    peaks
}

/// 100 jobs, as many at a time as a core permits.
pub(crate) fn long_instructions(place: &Place) -> Peaks {
    const JOBS: usize = 100;
    const AT_ONCE: usize = 10;
    let text = "x".repeat(2 * MIB as usize);
    let mut core = Core::start(place, Some(HELLO));
    let (mut begun, mut running, mut ended) = (0, 0, 0);
    while ended < JOBS {
        while running < AT_ONCE && begun < JOBS {
            begun += 1;
            running += 1;
            core.say(ask(&job(place, &begun.to_string(), &format!("sleep 0.1; : {text}"))).as_bytes());
        }
        let line = core.read();
        let (refused, completed) = (line.contains("permit_rejected"), line.contains("job_completed"));
        if completed {
            assert!(line.contains(r#""outcome":"succeeded""#), "{line}");
            (running, ended) = (running - 1, ended + 1);
        } else if refused {
            // Too many in a second. Another one comes instead.
            (running, begun) = (running - 1, begun - 1);
            thread::sleep(Duration::from_millis(100));
        }
    }
    core.is_healthy();
    core.peaks()
}

fn ask(job: &str) -> String {
    format!(r#"{{"type":"request_permit","requestId":"r","attemptIndex":0,"job":{job}}}"#)
}

fn job(place: &Place, id: &str, script: &str) -> String {
    let mut job = String::new();
    let _ = write!(
        job,
        concat!(
            r#"{{"jobId":"{}","type":"WORKER_TASK","priority":{{"value":1,"class":"INTERACTIVE"}},"#,
            r#""payload":{{"workerTaskId":"t","workerKind":"CUSTOM","workspaceRef":"{}","#,
            r#""instructions":"{}","capabilities":["READ"],"outputMode":"STREAM","#,
            r#""budget":{{"deadlineAt":9007199254740991}}}},"#,
            r#""limits":{{"timeoutMs":600000,"maxAttempts":1}},"context":{{"traceId":"t","correlationId":"c"}}}}"#
        ),
        id,
        place.path("").display(),
        script
    );
    job
}
