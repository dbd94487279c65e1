//! The core over its real standard streams. This program is both: with `serve` it is the core.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use roboppi_core::CoreSettings;
use roboppi_core::server::{Transport, serve_process};
use roboppi_process::is_alive;
use roboppi_worker_adapters::Adapters;
use serde_json::{Value, json};

fn main() {
    if std::env::args().any(|arg| arg == "serve") {
        return serve();
    }
    the_wire_is_nothing_but_messages();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        a_signal_ends_the_workers_and_the_core(signal);
    }
    the_end_of_standard_input_ends_the_workers_and_the_core();
    sockets_will_do();
    a_file_will_do();
    a_flood_needs_little_memory();
}

/// The core, in a program with a library that prints.
fn serve() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let chatter = async {
        loop {
            print_like_a_library();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    runtime.block_on(async {
        tokio::select! {
            biased;
            served = serve_process(&Transport::Stdio, CoreSettings::default(), Adapters::builtin()) => {
                served.expect("it is served");
            }
            () = chatter => {}
        }
    });
}

#[expect(clippy::print_stdout, reason = "that is what is to be harmless")]
fn print_like_a_library() {
    println!("progress of some library");
    std::io::stdout().flush().expect("standard output is somewhere");
}

/// Ends the core when a test gives up.
struct Core(Child);

impl Drop for Core {
    fn drop(&mut self) {
        // Politely first: it knows its workers, this program does not.
        let _ = kill(Pid::from_raw(self.0.id().cast_signed()), Signal::SIGTERM);
        for _ in 0..1000 {
            if !matches!(self.0.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn core(stdin: Stdio, stdout: Stdio) -> Core {
    let program = std::env::current_exe().expect("this program has a path");
    // Under `nohup`, and in the background of a script, some signals are ignored, and a core keeps what its parent ignored.
    let mut command = Command::new("env");
    command
        .arg("--default-signal=TERM,INT,HUP")
        .arg(program)
        .arg("serve")
        .stdin(stdin)
        .stdout(stdout)
        .stderr(Stdio::piped());
    Core(command.spawn().expect("the core starts"))
}

fn request(script: &str) -> String {
    let job = json!({
        "jobId": "a",
        "type": "WORKER_TASK",
        "priority": {"value": 1, "class": "INTERACTIVE"},
        "payload": {
            "workerTaskId": "a",
            "workerKind": "CUSTOM",
            "workspaceRef": "/",
            "instructions": script,
            "capabilities": [],
            "outputMode": "STREAM",
            "budget": {"deadlineAt": 4_000_000_000_000_u64},
        },
        "limits": {"timeoutMs": 600_000, "maxAttempts": 1},
        "context": {"traceId": "t", "correlationId": "c"},
    });
    let hello = json!({"type": "hello", "protocol": {"min": 1, "max": 2}});
    let ask = json!({"type": "request_permit", "requestId": "r", "job": job, "attemptIndex": 0});
    format!("{hello}\n{ask}\n")
}

/// Reads messages until one fits; every line must be one.
fn find(wire: &mut impl BufRead, wanted: impl Fn(&Value) -> bool) -> Value {
    loop {
        let mut line = String::new();
        let count = wire.read_line(&mut line).expect("the wire can be read");
        assert!(count > 0, "the wire ended");
        let message = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not a message: {line:?}"));
        if wanted(&message) {
            return message;
        }
    }
}

fn worker_of(wire: &mut impl BufRead) -> roboppi_ipc::ProcessIdentity {
    let started = find(wire, |message| message["event"]["type"] == "worker_started");
    find(wire, |message| message["event"]["type"] == "stdout");
    serde_json::from_value(started["event"]["process"].clone()).expect("an identity")
}

fn exit_of(core: &mut Core) -> ExitStatus {
    core.0.wait().expect("the core can be waited for")
}

fn the_wire_is_nothing_but_messages() {
    let mut core = core(Stdio::piped(), Stdio::piped());
    let mut stdin = core.0.stdin.take().expect("a pipe");
    let mut wire = BufReader::new(core.0.stdout.take().expect("a pipe"));
    stdin.write_all(request("echo hi; sleep 0.1").as_bytes()).expect("the core reads");
    let hello = find(&mut wire, |_| true);
    assert_eq!(hello["type"], "hello");
    assert_eq!(hello["process"]["pid"], json!(core.0.id()));
    assert_eq!(hello["limits"]["concurrency"], json!(10));
    let completed = find(&mut wire, |message| message["type"] == "job_completed");
    assert_eq!(completed["outcome"], "succeeded");
    drop(stdin);
    let mut rest = String::new();
    wire.read_to_string(&mut rest).expect("the wire can be read");
    assert!(exit_of(&mut core).success());
    let mut printed = String::new();
    core.0.stderr.take().expect("a pipe").read_to_string(&mut printed).expect("it can be read");
    assert!(printed.contains("progress of some library"), "what is printed goes to standard error");
}

fn a_signal_ends_the_workers_and_the_core(signal: Signal) {
    let mut core = core(Stdio::piped(), Stdio::piped());
    let mut stdin = core.0.stdin.take().expect("a pipe");
    let mut wire = BufReader::new(core.0.stdout.take().expect("a pipe"));
    stdin.write_all(request("echo ready; sleep 1000").as_bytes()).expect("the core reads");
    let worker = worker_of(&mut wire);
    kill(Pid::from_raw(core.0.id().cast_signed()), signal).expect("the core is there");
    let completed = find(&mut wire, |message| message["type"] == "job_completed");
    assert_eq!(completed["result"]["details"]["cancelReason"], "parent");
    assert!(exit_of(&mut core).success(), "{signal}");
    assert!(!is_alive(worker), "{signal}");
}

fn the_end_of_standard_input_ends_the_workers_and_the_core() {
    let mut core = core(Stdio::piped(), Stdio::piped());
    let mut stdin = core.0.stdin.take().expect("a pipe");
    let mut wire = BufReader::new(core.0.stdout.take().expect("a pipe"));
    stdin.write_all(request("echo ready; sleep 1000").as_bytes()).expect("the core reads");
    let worker = worker_of(&mut wire);
    drop(stdin);
    assert!(exit_of(&mut core).success());
    assert!(!is_alive(worker));
}

/// Some runtimes give their children sockets.
fn sockets_will_do() {
    let (near, far) = UnixStream::pair().expect("a pair of sockets");
    let far_too = far.try_clone().expect("a second descriptor");
    let mut core = core(Stdio::from(OwnedFd::from(far)), Stdio::from(OwnedFd::from(far_too)));
    let mut wire = BufReader::new(near.try_clone().expect("a second descriptor"));
    (&near).write_all(request("echo hi").as_bytes()).expect("the core reads");
    let completed = find(&mut wire, |message| message["type"] == "job_completed");
    assert_eq!(completed["outcome"], "succeeded");
    near.shutdown(std::net::Shutdown::Write).expect("it can be closed");
    assert!(exit_of(&mut core).success());
}

/// The end of a file is the end of the wire: what runs is ended.
fn a_file_will_do() {
    let dir = tempfile::tempdir().expect("a directory");
    let (requests, answers) = (dir.path().join("in"), dir.path().join("out"));
    std::fs::write(&requests, request("sleep 1000")).expect("it can be written");
    let open = std::fs::File::open(&requests).expect("it can be read");
    let made = std::fs::File::create(&answers).expect("it can be made");
    let mut core = core(open.into(), made.into());
    assert!(exit_of(&mut core).success());
    let answers = std::fs::read(&answers).expect("it can be read");
    let completed = find(&mut answers.as_slice(), |message| message["type"] == "job_completed");
    assert_eq!(completed["outcome"], "cancelled");
}

/// Nobody reads while the worker floods, and then somebody reads it all.
fn a_flood_needs_little_memory() {
    const MIB: u64 = 1024 * 1024;
    let size = 256 * MIB;
    let dir = tempfile::tempdir().expect("a directory");
    let (flooded, go_on) = (dir.path().join("flooded"), dir.path().join("go-on"));
    let mut core = core(Stdio::piped(), Stdio::piped());
    let mut stdin = core.0.stdin.take().expect("a pipe");
    let mut wire = BufReader::new(core.0.stdout.take().expect("a pipe"));
    let script = format!(
        "head -c {size} /dev/zero; touch {}; until [ -e {} ]; do sleep 0.01; done; echo newest; exec sleep 1000",
        flooded.display(),
        go_on.display()
    );
    stdin.write_all(request(&script).as_bytes()).expect("the core reads");
    wait_for(|| flooded.exists());
    find(&mut wire, |message| message["event"]["type"] == "gap");
    std::fs::write(&go_on, "").expect("it can be written");
    let newest = find(&mut wire, |message| {
        message["event"]["data"].as_str().is_some_and(|data| data.ends_with("newest\n"))
    });
    assert_eq!(newest["at"].as_u64(), Some(size + "newest\n".len() as u64), "all of it went through");
    let most = high_water(core.0.id());
    assert!(most <= 40 * MIB, "the core took {} KiB", most / 1024);
    drop(stdin);
    assert!(exit_of(&mut core).success());
}

/// Waits for something that is not said on the wire.
fn wait_for(condition: impl Fn() -> bool) {
    for _ in 0..60_000 {
        if condition() {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("it did not happen in a minute");
}

/// The most memory a process ever had, in bytes.
fn high_water(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the core is there");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("the kernel says it");
    let kib: u64 = line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number");
    kib * 1024
}
