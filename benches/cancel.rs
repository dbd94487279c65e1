//! How long it takes until a cancelled worker is gone, as seen from the other end of the wire.
//!
//! `cargo bench --bench cancel`. Speaks with the built core over its stdin and stdout, cancels `sleep 600`, and
//! prints the time to the answer and to the completion. Goals are judged and printed; nothing fails.
#![expect(clippy::print_stdout, reason = "a table on standard output is what it is for")]
#![expect(clippy::unwrap_used, reason = "a bench that cannot speak with its core has nothing to measure")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

const ROUNDS: usize = 200;

fn main() {
    let mut core = Core::start();
    let (mut answered, mut completed) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        core.start_worker(round);
        let asked = Instant::now();
        core.say(&format!(
            r#"{{"type":"cancel_job","requestId":"c{round}","jobId":"j{round}","reason":"user"}}"#
        ));
        core.wait_for(r#""type":"job_cancelled""#);
        answered.push(asked.elapsed());
        core.wait_for(r#""type":"job_completed""#);
        completed.push(asked.elapsed());
    }
    println!("\ncancel of `sleep 600`, {ROUNDS} rounds");
    report("answered", &mut answered, Duration::from_millis(2));
    report("completed", &mut completed, Duration::from_millis(5));
}

fn report(what: &str, times: &mut [Duration], goal: Duration) {
    times.sort_unstable();
    let at = |share: usize| times[(times.len() - 1) * share / 100];
    let verdict = if at(50) < goal { "reached" } else { "missed" };
    println!(
        "  {what:<10} p50 {:>7.3} ms  p95 {:>7.3} ms  max {:>7.3} ms   goal p50 < {} ms: {verdict}",
        millis(at(50)),
        millis(at(95)),
        millis(at(100)),
        goal.as_millis(),
    );
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

struct Core {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Core {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_roboppi"))
            .arg("core")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut core = Self { child, stdin, stdout };
        core.say(r#"{"type":"hello","protocol":{"min":1,"max":2},"capabilities":[],"version":"bench"}"#);
        core
    }

    /// Returns when the worker is alive.
    fn start_worker(&mut self, round: usize) {
        let job = format!(
            concat!(
                r#"{{"jobId":"j{0}","type":"WORKER_TASK","priority":{{"value":1,"class":"INTERACTIVE"}},"#,
                r#""payload":{{"workerTaskId":"t{0}","workerKind":"CUSTOM","workspaceRef":"/","#,
                r#""instructions":"exec sleep 600","capabilities":["READ"],"outputMode":"STREAM","#,
                r#""budget":{{"deadlineAt":9007199254740991}},"roboppi":{{"timeoutMs":600000}}}},"#,
                r#""limits":{{"timeoutMs":600000,"maxAttempts":1}},"context":{{"traceId":"t","correlationId":"c"}}}}"#
            ),
            round
        );
        self.say(&format!(
            r#"{{"type":"request_permit","requestId":"p{round}","attemptIndex":0,"job":{job}}}"#
        ));
        self.wait_for(r#""type":"worker_started""#);
    }

    fn say(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(line.as_bytes()).unwrap();
        stdin.write_all(b"\n").unwrap();
    }

    fn wait_for(&mut self, text: &str) {
        let mut line = String::new();
        while !line.contains(text) {
            line.clear();
            assert!(self.stdout.read_line(&mut line).unwrap() > 0, "the core ended before it said {text}");
        }
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        // The end of its input ends the core and all it started.
        self.stdin = None;
        let _ = self.child.wait();
    }
}
