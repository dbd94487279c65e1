//! `roboppi mask`: a step that comes by a secret has it hidden.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal::SIGKILL;

use crate::env::TestEnv;
use crate::flow::Flow;
use crate::processes::Process;
use crate::secrets::files_with;

/// Makes the value `hunter2-hunter2` as a command would that asks a vault: it is in no file and no command line.
const MAKE: &str = "half=hunter2; made=\"$half-$half\"";

/// Directories for sockets of attempts. Those of runs are elsewhere.
fn in_runtime(env: &TestEnv) -> Vec<PathBuf> {
    let mut places: Vec<_> =
        fs::read_dir(env.path("runtime")).unwrap().map(|entry| entry.unwrap().path()).collect();
    places
        .retain(|place| place.file_name().is_some_and(|name| name.to_string_lossy().starts_with("roboppi-")));
    places
}

#[test]
fn a_step_hides_a_value_and_it_is_nowhere_from_then_on() {
    for mode in ["--supervised", "--direct"] {
        for view in [&["--stream"][..], &["--output", "json"], &[]] {
            let env = TestEnv::new();
            let script = format!(
                "{MAKE}; printf %s \"$made\" | \"$ROBOPPI\" mask\n\
                 echo \"it is $made\"; echo \"::progress::with $made\"; echo \"$made\" | base64; echo \"$made\" >&2"
            );
            // The name of a file is told by the supervisor, which knows of the value only from the core.
            let after = format!("{MAKE}; mkdir -p out; echo x > \"out/$made.txt\"");
            let last = format!("{MAKE}; echo \"still $made\"; false");
            let outputs = ["depends_on: [work]", "outputs: [{name: found, path: out}]"];
            let flow = Flow::of(&script).step_with("after", &after, &outputs).step_with(
                "last",
                &last,
                &["depends_on: [after]"],
            );
            let run = env.run(&flow).arg(mode).args(view).env("ROBOPPI", env!("CARGO_BIN_EXE_roboppi"));
            let shown = run.output().code(1).all();
            let files = env.the_run();
            assert_eq!(files.text("last", 1), "still ***\n", "{mode}");
            assert!(files.text("work", 1).starts_with("it is ***\n"), "{}", files.text("work", 1));
            for spelling in ["hunter2-hunter2", "aHVudGVyMi1odW50ZXIy"] {
                assert!(!shown.contains(spelling), "{mode} {view:?}: {shown}");
                assert_eq!(files_with(&env.path("state"), spelling), [""; 0], "{mode}");
            }
            assert_eq!(in_runtime(&env), Vec::<PathBuf>::new(), "{mode}: nothing is left of the sockets");
        }
    }
}

#[test]
fn a_key_of_several_lines_is_hidden_line_by_line() {
    let env = TestEnv::new();
    env.write("key", "-----BEGIN KEY-----\nline-one-of-it\r\nline-two-of-it\n-----END KEY-----\n");
    let script = "\"$ROBOPPI\" mask < key; cat key; tail -2 key";
    let run = env.run(&Flow::of(script)).env("ROBOPPI", env!("CARGO_BIN_EXE_roboppi"));
    let _ = run.output().code(0);
    let log = env.the_run().text("work", 1);
    assert!(!log.contains("of-it") && log.contains("***"), "{log}");
}

#[test]
fn what_is_not_hidden_is_said_and_fails_the_step() {
    let env = TestEnv::new();
    let script = "printf 1234567 | \"$ROBOPPI\" mask && echo hidden; \
        printf '' | \"$ROBOPPI\" mask && echo hidden; \
        head -c 70000 /dev/zero | \"$ROBOPPI\" mask && echo hidden; \
        \"$ROBOPPI\" mask visible-to-all && echo hidden; \
        printf short | \"$ROBOPPI\" mask; echo went on";
    let run = env.run(&Flow::of(script)).env("ROBOPPI", env!("CARGO_BIN_EXE_roboppi"));
    let _ = run.output().code(1);
    let log = env.the_run().text("work", 1);
    assert_eq!(log.matches("less than 8 bytes and is NOT hidden").count(), 3, "{log}");
    assert!(log.contains("more than 64 KiB and is NOT hidden"), "{log}");
    assert!(log.contains("printf %s \"$VALUE\" | roboppi mask"), "{log}");
    assert!(!log.contains("visible-to-all"), "a value is never repeated: {log}");
    assert!(!log.contains("hidden\nhidden") && !log.contains("went on"), "{log}");
}

#[test]
fn outside_of_a_step_there_is_nothing_to_hide_a_value_in() {
    let env = TestEnv::new();
    let refused = env.roboppi(["mask"]).stdin("a long enough value").output().code(2).all();
    assert!(refused.contains("ROBOPPI_SOCKET is not set"), "{refused}");
    let dead = env.path("dead.sock");
    drop(UnixListener::bind(&dead).unwrap());
    let refused = env.roboppi(["mask"]).env("ROBOPPI_SOCKET", &dead).stdin("a long enough value");
    let refused = refused.output().code(3).all();
    assert!(refused.contains("dead.sock") && refused.contains("NOT hidden"), "{refused}");
}

/// The sockets that are there now.
fn sockets(env: &TestEnv) -> Vec<PathBuf> {
    let below =
        |dir: &Path| fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    let found: Vec<Vec<PathBuf>> = in_runtime(env).iter().map(|dir| below(dir)).collect();
    found.concat()
}

#[test]
fn each_attempt_has_a_socket_of_its_own_for_as_long_as_it_lasts() {
    for mode in ["--supervised", "--direct"] {
        let env = TestEnv::new();
        let wait = |name: &str| {
            format!("echo \"$ROBOPPI_SOCKET\" > {name}; while [ ! -e go-{name} ]; do sleep 0.01; done")
        };
        let after = ["depends_on: [work]"];
        let flow =
            Flow::of(&wait("one")).step("beside", &wait("two")).step_with("after", &wait("three"), &after);
        let running = env.run(&flow).arg(mode).start();
        let [one, two] = ["one", "two"].map(|name| PathBuf::from(env.wait_for_file(name).trim()));
        assert_ne!(one, two);
        for socket in [&one, &two] {
            let metadata = fs::metadata(socket).unwrap();
            assert!(metadata.file_type().is_socket());
            assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
            let dir = fs::metadata(socket.parent().unwrap()).unwrap();
            assert_eq!(dir.permissions().mode() & 0o777, 0o700);
        }
        env.write("go-one", "");
        let three = PathBuf::from(env.wait_for_file("three").trim());
        assert_eq!(three, one, "it was left to the next attempt");
        assert_eq!(BTreeSet::from_iter(sockets(&env)), BTreeSet::from([one, two]));
        env.write("go-two", "");
        env.write("go-three", "");
        let _ = running.wait().code(0);
        assert_eq!(in_runtime(&env), Vec::<PathBuf>::new(), "{mode}");
    }
}

#[test]
fn who_is_killed_leaves_no_socket() {
    for mode in ["--supervised", "--direct"] {
        for victim in ["core", "guard"] {
            let env = TestEnv::new();
            let script = "echo $PPID $(ps -o ppid= -p $PPID) > pids; exec sleep 600";
            let running = env.run(&Flow::of(script)).arg(mode).start();
            let pids = env.wait_for_file("pids");
            let pids: Vec<i32> = pids.split_whitespace().map(|pid| pid.parse().unwrap()).collect();
            assert!(!sockets(&env).is_empty());
            // The parent of the worker is the core, or the program that has it inside; the next one is the guard.
            let pid = if victim == "core" { pids[0] } else { pids[1] };
            Process::of(pid).unwrap().signal(SIGKILL);
            let _ = running.wait_somehow();
            env.wait_until_nothing_is_left();
            assert_eq!(in_runtime(&env), Vec::<PathBuf>::new(), "{mode}: {victim}");
        }
    }
}

#[test]
fn the_next_core_knows_what_was_hidden_by_the_one_that_was_killed() {
    let env = TestEnv::new();
    let script = format!("{MAKE}; printf %s \"$made\" | \"$ROBOPPI\" mask");
    let twice = format!(
        "{MAKE}; if [ ! -e killed ]; then touch killed; kill -9 $PPID; sleep 600; fi; echo \"again $made\""
    );
    let flow = Flow::of(&script).step_with(
        "after",
        &twice,
        &["depends_on: [work]", "on_failure: retry", "max_retries: 1"],
    );
    let run = env.run(&flow).arg("--stream").env("ROBOPPI", env!("CARGO_BIN_EXE_roboppi"));
    let shown = run.output().code(0).all();
    assert!(shown.contains("again ***") && !shown.contains("hunter2-"), "{shown}");
    assert_eq!(env.the_run().text("after", 2), "again ***\n");
}

#[test]
fn processes_of_other_users_are_not_listened_to() {
    let env = TestEnv::new();
    let script = format!(
        "echo \"$ROBOPPI_SOCKET\" > socket; while [ ! -e go ]; do sleep 0.01; done; {MAKE}; echo \"still $made\""
    );
    let running = env.run(&Flow::of(&script)).start();
    let socket = PathBuf::from(env.wait_for_file("socket").trim());
    // As if whoever made it had been careless with its permissions.
    fs::set_permissions(socket.parent().unwrap(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o666)).unwrap();
    let mask = env.roboppi(["mask"]).env("ROBOPPI_SOCKET", &socket).stdin("hunter2-hunter2");
    let mask = mask.without_privileges();
    // Without privileges to give away, everybody here is the same user.
    if nix::unistd::geteuid().is_root()
        && let Some(mask) = mask
    {
        let refused = mask.output().code(3).all();
        assert!(refused.contains("NOT hidden"), "{refused}");
    }
    env.write("go", "");
    let _ = running.wait().code(0);
    assert_eq!(env.the_run().text("work", 1), "still hunter2-hunter2\n");
}
