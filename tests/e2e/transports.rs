//! Sockets in place of pipes, and what can be seen of the wire.

use std::fs;
use std::io::Read as _;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;

use nix::sys::signal::Signal::{SIGINT, SIGKILL};

use crate::env::TestEnv;
use crate::flow::Flow;

const TRANSPORT: &str = "ROBOPPI_SUPERVISED_IPC_TRANSPORT";

/// Sockets that are left in the directories for such things.
fn sockets(env: &TestEnv) -> Vec<String> {
    let entries = ["tmp", "runtime"].map(|dir| fs::read_dir(env.path(dir)).unwrap()).into_iter().flatten();
    let names = entries.map(|entry| entry.unwrap().file_name());
    names.filter_map(|name| name.into_string().ok()).filter(|name| name.starts_with("roboppi-ipc-")).collect()
}

#[test]
fn a_run_over_a_socket_is_a_run() {
    for transport in ["socket", "tcp", "stdio", "pigeon"] {
        let env = TestEnv::new();
        let flow = Flow::of("env | grep -cE '^ROBOPPI_(IPC_SOCKET|SUPERVISED)' > leaked || true; echo fine")
            .step_with("after", "echo after", &["depends_on: [work]"]);
        // What is inherited is for somebody else.
        let run = env.run(&flow).env(TRANSPORT, transport).env("ROBOPPI_IPC_SOCKET_PATH", "/nowhere");
        let printed = run.env("ROBOPPI_IPC_TRACE", "1").output().code(0);
        assert_eq!(env.the_run().text("work", 1), "fine\n");
        assert_eq!(env.read("leaked"), "0\n", "{transport}");
        let name = if transport == "pigeon" { "stdio" } else { transport };
        assert!(
            printed.stderr.contains(&format!("[IPC][spawn] impl=roboppi transport={name} core pid=")),
            "{}",
            printed.stderr
        );
        assert!(sockets(&env).is_empty());
    }
}

#[test]
fn only_its_own_core_gets_in() {
    for transport in ["socket", "tcp"] {
        let env = TestEnv::new();
        // A core that takes its time.
        let script = "#!/bin/sh\nwhile ! [ -e go ]; do sleep 0.01; done & echo \"$ROBOPPI_IPC_SOCKET_PATH$ROBOPPI_IPC_SOCKET_PORT\" > place; wait; exec \"$ROBOPPI\"\n";
        let core = env.write("late-core", script);
        fs::set_permissions(&core, fs::Permissions::from_mode(0o700)).unwrap();
        let run = env.run(&Flow::of("echo fine")).arg("--core").arg(core).env(TRANSPORT, transport);
        let running = run.env("ROBOPPI", env!("CARGO_BIN_EXE_roboppi")).start();
        let place = env.wait_for_file("place").trim().to_owned();
        let mut said = Vec::new();
        // Who has come to the wrong place is told nothing.
        if transport == "socket" {
            assert!(place.starts_with(env.path("runtime").to_str().unwrap()), "{place}");
            let dir = Path::new(&place).parent().unwrap();
            assert_eq!(fs::metadata(dir).unwrap().permissions().mode() & 0o777, 0o700);
            let _ = UnixStream::connect(&place).unwrap().read_to_end(&mut said);
        } else {
            let _ = TcpStream::connect(format!("127.0.0.1:{place}")).unwrap().read_to_end(&mut said);
        }
        assert!(said.is_empty(), "{transport}: {}", String::from_utf8_lossy(&said));
        env.write("go", "");
        let _ = running.wait().code(0);
        assert_eq!(env.the_run().text("work", 1), "fine\n");
        assert!(sockets(&env).is_empty());
    }
}

#[test]
fn where_there_can_be_no_socket_there_is_a_port() {
    let env = TestEnv::new();
    // Too long a name for a socket.
    let dir = env.path("tmp").join("d".repeat(120));
    fs::create_dir(&dir).unwrap();
    let run = env.run(&Flow::of("echo fine")).env("TMPDIR", &dir).env("XDG_RUNTIME_DIR", &dir);
    let printed = run.env(TRANSPORT, "socket").env("ROBOPPI_IPC_TRACE", "1").output().code(0);
    assert!(printed.stderr.contains("[IPC][fallback] there can be no socket here"), "{}", printed.stderr);
    let spawned = printed.stderr.lines().find(|line| line.starts_with("[IPC][spawn]")).unwrap_or_default();
    assert!(spawned.contains("transport=tcp") && spawned.contains(" addr=127.0.0.1:"), "{}", printed.stderr);
    assert_eq!(env.the_run().text("work", 1), "fine\n");
}

#[test]
fn whoever_goes_first_nothing_is_left() {
    for transport in ["socket", "tcp"] {
        for signal in [SIGINT, SIGKILL] {
            let env = TestEnv::new();
            let flow = Flow::of("echo up > up; trap '' TERM; while :; do sleep 0.05; done");
            let running = env.run(&flow).args(["--grace", "50ms"]).env(TRANSPORT, transport).start();
            env.wait_for_file("up");
            running.signal(signal);
            if signal == SIGINT {
                let _ = running.wait().code(130);
            } else {
                let _ = running.wait().signal(SIGKILL);
            }
            env.wait_until_nothing_is_left();
        }
    }
}

#[test]
fn a_core_that_does_not_connect_is_given_up() {
    let env = TestEnv::new();
    let core = env.write("silent", "#!/bin/sh\nexec sleep 1000\n");
    fs::set_permissions(&core, fs::Permissions::from_mode(0o700)).unwrap();
    let run = env.run(&Flow::of("true")).arg("--core").arg(core).args(["--ipc-request-timeout", "50ms"]);
    let printed = run.args(["--grace", "50ms", "--drain", "50ms"]).env(TRANSPORT, "socket").output().code(3);
    assert!(printed.all().contains("has not connected within 50 ms"), "{}", printed.all());
    assert!(sockets(&env).is_empty());
}

#[test]
fn a_core_that_cannot_connect_says_where_and_why() {
    let env = TestEnv::new();
    let printed = env.roboppi(["core"]).env("ROBOPPI_IPC_SOCKET_PATH", "/nowhere/core.sock").output().code(3);
    assert!(printed.stderr.contains("/nowhere/core.sock"), "{}", printed.stderr);
    let printed = env.roboppi(["core"]).env("ROBOPPI_IPC_SOCKET_PORT", "0").output().code(2);
    assert!(printed.stderr.contains("Invalid ROBOPPI_IPC_SOCKET_PORT: \"0\""), "{}", printed.stderr);
}

#[test]
fn the_trace_names_every_message_and_nothing_in_it() {
    let env = TestEnv::new();
    let flow = Flow::of("echo a-secret-word");
    let printed = env.run(&flow).env("ROBOPPI_IPC_TRACE", "1").output().code(0);
    let core = fs::read_to_string(env.the_run().dir.join("core.stderr")).unwrap();
    for (side, sent, received) in [
        (&printed.stderr, "submit_job requestId=", "job_completed"),
        (&core, "permit_granted requestId=", "request_permit requestId="),
    ] {
        let traced: Vec<_> = side.lines().filter(|line| line.starts_with("[IPC]")).collect();
        let has = |way: &str, text: &str| {
            traced.iter().any(|line| line.starts_with(&format!("[IPC][{way}] pid=")) && line.contains(text))
        };
        assert!(has("tx", sent) && has("rx", received), "{traced:#?}");
        assert!(traced.iter().all(|line| !line.contains("a-secret-word")));
        assert!(traced.iter().filter(|line| line.contains("[tx]")).all(|line| line.contains(" bytes=")));
    }
    let plain = env.run(&flow).env("ROBOPPI_IPC_TRACE", "yes").output().code(0);
    assert!(!plain.all().contains("[IPC]"), "only 1 is a yes");
}
