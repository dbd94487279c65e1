//! Runs that are looked at from another pid namespace, under another host name, through another path, by another user.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use nix::sys::signal::Signal::SIGINT;
use serde_json::Value;

use crate::env::{Invocation, TestEnv, before_summary};
use crate::flow::Flow;
use crate::processes::end_marked;

const MODES: [&str; 2] = ["--supervised", "--direct"];

/// A command in a container of its own, as far as names and pids are concerned; `None` where nobody may have one.
#[expect(clippy::print_stderr, reason = "who reads the results should know what was left out")]
fn in_container<'e>(env: &'e TestEnv, host: &str, command: &str) -> Option<Invocation<'e>> {
    let as_user = if nix::unistd::geteuid().is_root() { "" } else { "--map-root-user" };
    let unshare = format!("unshare {as_user} --pid --fork --mount-proc --uts");
    let possible = Command::new("sh").args(["-c", &format!("{unshare} hostname tried")]).output();
    if !possible.is_ok_and(|tried| tried.status.success()) {
        eprintln!("left out: this user cannot make a pid namespace");
        return None;
    }
    Some(env.shell(&format!("exec {unshare} sh -c 'hostname {host}; {command}'")))
}

fn states(text: &str) -> Vec<String> {
    let runs: Value = serde_json::from_str(text).unwrap();
    runs.as_array().unwrap().iter().map(|run| run["state"].as_str().unwrap().to_owned()).collect()
}

fn list(env: &TestEnv) -> Vec<String> {
    states(&env.roboppi(["runs", "--json"]).output().code(0).text())
}

/// A run that goes on in a container.
const LONG: &str = "echo first; echo up > up; while [ ! -e go ]; do sleep 0.01; done; echo last";

#[test]
fn a_live_run_of_another_pid_namespace_is_running_for_everybody() {
    for mode in MODES {
        let env = TestEnv::new();
        env.write("flow.yaml", &Flow::of(LONG).text());
        let command = format!("exec \"$ROBOPPI\" workflow run flow.yaml --no-tui {mode}");
        let Some(inside) = in_container(&env, "c1", &command) else { return };
        let run = inside.start();
        env.wait_for_file("up");

        assert_eq!(list(&env), ["running"], "{mode}");
        let page = env.roboppi(["show", "-1"]).output().code(0).text();
        assert!(page.contains("running for"), "{page}");
        let sibling = in_container(&env, "c2", "\"$ROBOPPI\" runs --json").unwrap();
        assert_eq!(states(&sibling.output().code(0).text()), ["running"], "{mode}");
        let pruned = env.roboppi(["runs", "prune", "--days", "0", "--count", "0"]).output().code(0).text();
        assert!(pruned.contains("0 runs removed"), "{pruned}");
        let refused = env.roboppi(["workflow", "run", "flow.yaml", "--rerun-failed"]).output().code(2).stderr;
        assert!(refused.contains("is going on"), "{refused}");

        let followed = env.roboppi(["logs", "-f", "-1"]).start();
        let attached = env.roboppi(["attach", "-1", "--no-tui", "--stream"]).start();
        followed.wait_for_text("first");
        attached.wait_for_text("first");
        env.write("go", "");
        assert!(followed.wait().code(0).text().contains("last"), "{mode}");
        assert!(attached.wait().code(0).text().contains("last"), "{mode}");
        let _ = run.wait().code(0);
        assert_eq!(list(&env), ["succeeded"], "{mode}");
    }
}

#[test]
fn a_run_of_another_pid_namespace_does_what_it_is_asked() {
    for mode in MODES {
        let env = TestEnv::new();
        env.write("flow.yaml", &Flow::of("echo up > up; sleep 1000").text());
        let command = format!("exec \"$ROBOPPI\" workflow run flow.yaml --no-tui {mode}");
        let Some(inside) = in_container(&env, "c1", &command) else { return };
        let run = inside.start();
        env.wait_for_file("up");
        let _ = env.roboppi(["cancel", "-1", "--wait"]).output().code(0);
        let _ = run.wait().code(130);
        assert_eq!(env.the_run().outcome().as_deref(), Some("cancelled"), "{mode}");
    }
}

#[test]
fn a_run_whose_socket_is_not_here_says_where_it_is_asked() {
    let env = TestEnv::new();
    env.write("flow.yaml", &Flow::of("echo up > up; sleep 1000").text());
    let command = "exec \"$ROBOPPI\" workflow run flow.yaml --no-tui";
    let Some(inside) = in_container(&env, "c1", command) else { return };
    let run = inside.start();
    env.wait_for_file("up");
    for socket in fs::read_dir(env.path("runtime/roboppi")).unwrap() {
        fs::remove_file(socket.unwrap().path()).unwrap();
    }
    let refused = env.roboppi(["cancel", "-1"]).output().code(1).stderr;
    assert!(
        refused.contains("it runs elsewhere (host c1, pid ") && refused.contains("ask where"),
        "{refused}"
    );
    end_marked(env.mark());
    let _ = run.wait();
    env.wait_until_nothing_is_left();
}

#[test]
fn a_run_that_was_killed_in_one_container_is_lost_in_the_next_one() {
    for mode in MODES {
        let env = TestEnv::new();
        env.write("flow.yaml", &Flow::of("echo up >> up; [ -e go ] || sleep 1000").text());
        let command = format!("exec \"$ROBOPPI\" workflow run flow.yaml --no-tui {mode}");
        let Some(inside) = in_container(&env, "c1", &command) else { return };
        let run = inside.start();
        env.wait_for_file("up");
        end_marked(env.mark());
        let _ = run.wait_somehow();
        env.wait_until_nothing_is_left();

        let next = |command: &str| in_container(&env, "c2", command).unwrap().output();
        assert_eq!(states(&next("\"$ROBOPPI\" runs --json").code(0).text()), ["lost"], "{mode}");
        let followed = next("\"$ROBOPPI\" logs -f -1").code(0).stderr;
        assert!(followed.contains("the run is lost"), "{followed}");
        let over = next("\"$ROBOPPI\" cancel -1").code(1).stderr;
        assert!(over.contains("the run is over: lost"), "{over}");
        env.write("go", "");
        let _ = next("\"$ROBOPPI\" workflow run flow.yaml --no-tui --rerun-failed").code(0);
        assert_eq!(env.read("up"), "up\nup\n", "{mode}");
        let _ = env.roboppi(["runs", "prune", "--count", "0"]).output().code(0);
        assert!(env.runs().is_empty(), "{mode}");
    }
}

/// Makes the record of a run that was killed one of another machine, of which no lock tells.
fn move_elsewhere(run: &Path, without_lock: bool) {
    let path = run.join("run.json");
    let mut manifest: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    manifest["host"] = "far".into();
    manifest["bootId"] = "00000000-0000-0000-0000-000000000000".into();
    manifest.as_object_mut().unwrap().remove("ownerLock");
    if without_lock {
        // As an earlier version left it.
        manifest.as_object_mut().unwrap().remove("pidNamespace");
        fs::remove_file(run.join("lock")).unwrap();
    }
    fs::write(path, manifest.to_string()).unwrap();
    let journal = fs::read_to_string(run.join("journal.jsonl")).unwrap();
    let cut: String =
        journal.split_inclusive('\n').filter(|line| !line.contains("\"run_finished\"")).collect();
    fs::write(run.join("journal.jsonl"), cut).unwrap();
}

#[test]
fn where_nothing_tells_a_run_is_elsewhere_and_left_alone() {
    for without_lock in [false, true] {
        let env = TestEnv::new();
        let _ = env.run(&Flow::of("echo hello; echo ran >> ran; [ -e fixed ]")).output().code(1);
        let run = env.the_run();
        move_elsewhere(&run.dir, without_lock);

        assert_eq!(list(&env), ["elsewhere"]);
        let runs: Value =
            serde_json::from_str(&env.roboppi(["runs", "--json"]).output().code(0).text()).unwrap();
        assert!(runs[0]["lastSignAt"].as_u64().is_some(), "{runs}");
        let table = env.roboppi(["runs"]).output().code(0).text();
        assert!(table.contains("elsewhere, last sign of life "), "{table}");
        let page = env.roboppi(["show", "-1"]).output().code(0).text();
        assert!(
            page.contains("elsewhere") && page.contains("on far) is still alive cannot be determined"),
            "{page}"
        );

        let pruned = env.roboppi(["runs", "prune", "--days", "0", "--count", "0"]).output().code(0).text();
        assert!(pruned.contains("0 runs removed"), "{pruned}");
        let asked = env.roboppi(["cancel", "-1"]).output().code(1).stderr;
        assert!(asked.contains("it runs elsewhere (host far, "), "{asked}");

        for command in ["logs", "events"] {
            let followed = env.roboppi([command, "-f", "-1"]).start();
            followed.wait_for_text("until its record ends");
            followed.signal(SIGINT);
            let said = followed.wait().signal(SIGINT);
            assert_eq!(said.stderr.matches("the run is elsewhere").count(), 1, "{command}: {}", said.stderr);
        }
        let attached = env.roboppi(["attach", "-1", "--no-tui"]).start();
        attached.wait_for_text("the run is elsewhere");
        // It says how it ended after all.
        let finished = r#"{"type":"run_finished","outcome":"failed","exitCode":1,"durationMs":5}"#;
        let record = format!("{{\"seq\":1000,\"ts\":1000,\"event\":{finished}}}\n");
        let whole = fs::read(run.dir.join("journal.jsonl")).unwrap();
        let mut journal = fs::File::options().append(true).open(run.dir.join("journal.jsonl")).unwrap();
        std::io::Write::write_all(&mut journal, record.as_bytes()).unwrap();
        let _ = attached.wait().code(0);
        assert_eq!(list(&env), ["failed"]);

        fs::write(run.dir.join("journal.jsonl"), whole).unwrap();
        env.write("fixed", "");
        let resume = ["workflow", "run", "flow.yaml", "--no-tui", "--rerun-failed"];
        let refused = env.roboppi(resume).output().code(2).stderr;
        assert!(refused.contains("may not be over") && refused.contains("--force"), "{refused}");
        assert_eq!(env.read("ran"), "ran\n");
        let forced = env.roboppi(resume).arg("--force").output().code(0).all();
        assert!(forced.contains("because of --force"), "{forced}");
        assert_eq!(env.read("ran"), "ran\nran\n");
    }
}

#[test]
fn an_attached_screen_says_that_a_run_is_elsewhere() {
    let env = TestEnv::new();
    let _ = env.run(&Flow::of("echo hello")).output().code(0);
    move_elsewhere(&env.the_run().dir, false);
    let mut screen = env.roboppi(["attach", "-1", "--tui"]).start_in_terminal(24, 100);
    screen.wait_for_text("? elsewhere");
    screen.press("q");
    screen.expect_code(0);
}

#[test]
fn every_spelling_of_a_workflow_file_finds_its_runs() {
    let env = TestEnv::new();
    env.write("a/flow.yaml", &Flow::of("echo kept >> kept").step("test", "[ -e ../fixed ]").text());
    symlink("a", env.path("work/linked")).unwrap();
    symlink("a/flow.yaml", env.path("work/link.yaml")).unwrap();
    let _ = env.roboppi(["workflow", "run", "a/flow.yaml", "--no-tui", "-w", "a"]).output().code(1);
    for file in ["linked/flow.yaml", "link.yaml", "a/../a/flow.yaml", "linked/../link.yaml"] {
        for place in [&[][..], &["-w", "linked"], &["-w", "a/../a"]] {
            let command = ["workflow", "run", file, "--no-tui", "--rerun-failed"];
            let _ = env.roboppi(command).args(place).output().code(1);
            assert_eq!(env.read("a/kept"), "kept\n", "{file} {place:?}");
        }
    }
    env.write("b/flow.yaml", &Flow::of("true").text());
    let none = env.roboppi(["workflow", "run", "b/flow.yaml", "--rerun-failed"]).output().code(2).stderr;
    assert!(none.contains("there is no run of"), "{none}");
}

/// What is in a directory: names, owners, modes and contents.
fn everything(dir: &Path) -> Vec<String> {
    let mut places = crate::run_files::walk(dir);
    places.sort();
    let line = |path: &Path| {
        let meta = fs::symlink_metadata(path).unwrap();
        let content = if meta.is_file() { fs::read(path).unwrap() } else { Vec::new() };
        let hash = roboppi_record::fingerprint(&content);
        format!("{} {} {:o} {hash}", path.display(), meta.uid(), meta.permissions().mode())
    };
    places.iter().map(|path| line(path)).collect()
}

#[test]
fn root_leaves_the_runs_of_others_alone() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    for mode in MODES {
        let env = TestEnv::new();
        let flow = Flow::of("seq 1 40000");
        let Some(users) = env.run(&flow).without_privileges() else { return };
        let _ = users.output().code(0);
        let run = env.the_run();
        let log = run.log_path("work", 1);
        let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(3_600);
        fs::File::options().append(true).open(&log).unwrap().set_modified(long_ago).unwrap();
        let state = env.path("state/roboppi");
        for derived in [".housekeeping", "runs.cache"] {
            let _ = fs::remove_file(state.join(derived));
        }
        let before = everything(&run.dir);

        // A run of root: it looks after its own, which is done once its marker is there and a round is over.
        let marker = state.join(".housekeeping-0");
        let script = format!("while [ ! -e {} ]; do sleep 0.01; done", marker.display());
        let said = env.run(&Flow::of(&script)).arg(mode).output().code(0).all();
        assert_eq!(before_summary(&said).matches("belongs to another user (uid 65534)").count(), 1, "{said}");
        let pruned = env.roboppi(["runs", "prune", "--count", "0"]).output().code(0).text();
        assert!(
            pruned.contains("1 run removed") && pruned.contains("1 run of another user was left alone"),
            "{pruned}"
        );
        assert_eq!(everything(&run.dir), before);
        assert!(!state.join("runs.cache").exists() && !state.join(".housekeeping").exists());

        // And a run of root is no obstacle to the user.
        let _ = env.run(&Flow::of("echo of root")).arg(mode).output().code(0);
        let as_user = |arguments: &[&str]| env.roboppi(arguments).by_nobody().output().code(0).text();
        assert!(as_user(&["logs", "-1"]).ends_with("\n40000\n"));
        assert!(as_user(&["runs"]).contains("succeeded"));
        // Nor is the marker that root left in an earlier version.
        let marker = state.join(".housekeeping");
        let _ = fs::remove_file(&marker);
        fs::File::create(&marker).unwrap().set_modified(long_ago).unwrap();
        fs::set_permissions(&marker, fs::Permissions::from_mode(0o600)).unwrap();
        let script = format!("while [ \"$(stat -c %u {})\" = 0 ]; do sleep 0.01; done", marker.display());
        let _ = env.run(&Flow::of(&script)).arg(mode).by_nobody().output().code(0);
    }
}

#[test]
fn what_root_makes_first_in_the_home_of_a_user_is_the_users() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let env = TestEnv::new();
    let Some(probe) = env.roboppi(["--version"]).without_privileges() else { return };
    let _ = probe.output().code(0);
    let _ = env.run(&Flow::of("true")).output().code(0);
    assert_eq!(fs::metadata(env.path("state/roboppi/runs")).unwrap().uid(), 65_534);
    assert_eq!(fs::metadata(env.the_run().dir).unwrap().uid(), 0);
    let said = env.roboppi(["workflow", "run", "flow.yaml", "--no-tui"]).by_nobody().output().code(0).all();
    assert!(!said.contains("the record of this run is in"), "{said}");
    assert_eq!(env.runs().len(), 2);
}

#[test]
fn what_a_pinned_run_points_at_stays_with_it() {
    let env = TestEnv::new();
    let flow = Flow::of("echo kept output").step("test", "[ -e fixed ]").step("late", "[ -e later ]");
    let _ = env.run(&flow).output().code(1);
    let rerun = ["workflow", "run", "flow.yaml", "--no-tui", "--rerun-failed"];
    env.write("fixed", "");
    let _ = env.roboppi(rerun).output().code(1);
    env.write("later", "");
    let _ = env.roboppi(rerun).output().code(0);
    let _ = env.roboppi(["runs", "pin", "-1"]).output().code(0);
    let _ = env.run(&Flow::of("echo another")).output().code(0);
    let pruned = env.roboppi(["runs", "prune", "--count", "0"]).output().code(0).text();
    assert!(pruned.contains("1 run removed"), "{pruned}");
    assert_eq!(env.runs().len(), 3, "the pinned one, and the two that did what it kept");
    assert_eq!(env.roboppi(["logs", "-1", "work"]).output().code(0).text(), "kept output\n");

    let first = env.runs()[0].dir.file_name().unwrap().to_str().unwrap().to_owned();
    let told = env.roboppi(["export", "-1", "-o", "run.tar.zst"]).output().code(0).stderr;
    let expected =
        format!("not in it: the logs of work, done by run {first} and kept; `roboppi export {first}`");
    assert!(told.contains(&expected), "{told}");

    let _ = env.roboppi(["runs", "unpin", "-1"]).output().code(0);
    let _ = env.roboppi(["runs", "prune", "--count", "0"]).output().code(0);
    assert!(env.runs().is_empty());
}
