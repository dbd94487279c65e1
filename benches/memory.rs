//! How much memory supervisor and core take on their worst days.
//!
//! `cargo bench --bench memory` runs them all, `cargo bench --bench memory -- line` those whose name contains the word.
//! Unlike a time, a bound of memory does not depend on what else the machine does: a bench fails when one is exceeded.
#![expect(clippy::print_stdout, reason = "a table on standard output is what it is for")]
#![expect(clippy::unwrap_used, reason = "a bench that cannot speak with its core has nothing to measure")]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

const ROBOPPI: &str = env!("CARGO_BIN_EXE_roboppi");
const MIB: usize = 1024 * 1024;

/// Whatever comes over the wire, a core takes no more than this.
const CORE_BOUND: u64 = 32;
/// Whatever a worker writes, supervisor and core take no more than this, each.
const OUTPUT_BOUND: u64 = 40;

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let figures: [(&str, fn() -> bool); 5] = [
        ("lines of 20 MiB", long_lines),
        ("requests and nobody reads", flood),
        ("a hundred scripts of 2 MiB", large_jobs),
        ("a line of 50 MiB from a worker", long_output_line),
        ("2 GiB from a worker", much_output),
    ];
    let mut fine = true;
    for (name, measure) in figures {
        if wanted.is_empty() || wanted.iter().any(|word| name.contains(word.as_str())) {
            println!("\n{name}");
            fine &= measure();
        }
    }
    if !fine {
        std::process::exit(1);
    }
}

fn long_lines() -> bool {
    let mut core = Core::start();
    for end in ["\n", "", "\n"] {
        core.say(&" ".repeat(20 * MIB));
        core.say(end);
    }
    core.settle();
    judge("core", core.peak(), CORE_BOUND)
}

fn flood() -> bool {
    let mut core = Core::start();
    let mut stdin = core.stdin.take().unwrap();
    let writing = thread::spawn(move || {
        let request = r#"{"type":"cancel_job","requestId":"r","jobId":"nobody","reason":""}"#;
        let block = format!("{request}\n").repeat(1_000);
        for _ in 0..500 {
            stdin.write_all(block.as_bytes()).unwrap();
        }
        stdin
    });
    // It stops reading long before the writer is done.
    wait_until_still(&core);
    let fine = judge("core", core.peak(), CORE_BOUND);
    let mut answers = 0;
    let mut line = String::new();
    while answers < 500_000 {
        line.clear();
        assert!(core.stdout.read_line(&mut line).unwrap() > 0, "the core has ended");
        answers += usize::from(line.contains("JOB_NOT_FOUND"));
    }
    core.stdin = Some(writing.join().unwrap());
    fine
}

fn large_jobs() -> bool {
    let mut core = Core::start();
    let script = format!(": {}", "x".repeat(2 * MIB));
    for number in 0..100 {
        core.start_worker(&format!("j{number}"), &script);
        core.wait_for("\"job_completed\"");
    }
    judge("core", core.peak(), CORE_BOUND)
}

fn long_output_line() -> bool {
    run("head -c 52428800 /dev/zero | tr '\\0' x")
}

fn much_output() -> bool {
    run("yes 'a line of a worker that has very much to say' | head -c 2147483648")
}

/// Runs a step, and looks at both processes when it has written everything and not ended yet.
fn run(script: &str) -> bool {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    assert!(Command::new("mkfifo").arg(at("go")).status().unwrap().success());
    let steps = format!(
        "    worker: CUSTOM\n    instructions: |\n      {script}\n      echo > written\n      read -r _ < go\n"
    );
    let flow = format!(
        "name: much\nversion: \"1\"\ntimeout: \"1h\"\nsteps:\n  much:\n{steps}    capabilities: [RUN_COMMANDS]\n"
    );
    fs::write(at("flow.yaml"), flow).unwrap();
    let mut supervisor = Command::new(ROBOPPI)
        .args(["workflow", "run", "flow.yaml", "--no-tui"])
        .env("XDG_STATE_HOME", at("state"))
        .current_dir(dir.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    while !at("written").exists() {
        assert!(supervisor.try_wait().unwrap().is_none(), "the run has ended early");
        thread::sleep(Duration::from_millis(20));
    }
    let guard = children(supervisor.id())[0];
    let core = children(guard)[0];
    let ours = judge("supervisor", peak(supervisor.id()), OUTPUT_BOUND);
    let theirs = judge("core", peak(core), OUTPUT_BOUND);
    fs::write(at("go"), "go\n").unwrap();
    assert!(supervisor.wait().unwrap().success());
    ours && theirs
}

fn judge(what: &str, kib: u64, bound: u64) -> bool {
    let fine = kib <= bound * 1024;
    let verdict = if fine { "kept" } else { "EXCEEDED" };
    println!("  {what:<12} {:>7.1} MiB at most   bound {bound} MiB: {verdict}", kib as f64 / 1024.0);
    fine
}

/// Most memory a process ever took, in KiB.
fn peak(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn children(pid: u32) -> Vec<u32> {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let text = fs::read_to_string(Path::new(&path)).unwrap();
    text.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

fn cpu_ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

fn wait_until_still(core: &Core) {
    let mut before = u64::MAX;
    loop {
        thread::sleep(Duration::from_millis(300));
        let now = cpu_ticks(core.process());
        if now == before {
            return;
        }
        before = now;
    }
}

struct Core {
    guard: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Core {
    fn start() -> Self {
        let mut guard = Command::new(ROBOPPI)
            .arg("core")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let stdin = guard.stdin.take();
        let stdout = BufReader::new(guard.stdout.take().unwrap());
        let mut core = Self { guard, stdin, stdout };
        core.say("{\"type\":\"hello\",\"protocol\":{\"min\":1,\"max\":2}}\n");
        core.wait_for("\"hello\"");
        core
    }

    fn say(&mut self, text: &str) {
        self.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    fn wait_for(&mut self, text: &str) {
        let mut line = String::new();
        while !line.contains(text) {
            line.clear();
            let read = self.stdout.by_ref().read_line(&mut line).unwrap();
            assert!(read > 0, "the core has ended before it said {text}");
        }
    }

    /// Waits until everything that was said is read.
    fn settle(&mut self) {
        self.say("{\"type\":\"heartbeat\",\"timestamp\":1}\n");
        self.wait_for("heartbeat_ack");
    }

    fn start_worker(&mut self, id: &str, script: &str) {
        self.say(&format!(
            concat!(
                r#"{{"type":"request_permit","requestId":"{0}","attemptIndex":0,"job":{{"jobId":"{0}","#,
                r#""type":"WORKER_TASK","priority":{{"value":1,"class":"INTERACTIVE"}},"payload":{{"#,
                r#""workerTaskId":"{0}","workerKind":"CUSTOM","workspaceRef":"/","instructions":"{1}","#,
                r#""capabilities":["READ"],"outputMode":"STREAM","budget":{{"deadlineAt":9007199254740991}}}},"#,
                r#""limits":{{"timeoutMs":600000,"maxAttempts":1}},"context":{{"traceId":"t","correlationId":"c"}}}}}}"#,
                "\n"
            ),
            id, script
        ));
    }

    /// The core itself; what was started is its guard.
    fn process(&self) -> u32 {
        children(self.guard.id())[0]
    }

    fn peak(&self) -> u64 {
        peak(self.process())
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        self.stdin = None;
        let _ = self.guard.wait();
    }
}
