//! Places for a record that are none, or cease to be one. The run goes on, and the user is told once.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::env::{TestEnv, before_summary};
use crate::flow::Flow;
use crate::run_files::RunFiles;

#[test]
fn a_record_that_is_removed_while_it_is_written_ends_and_the_run_does_not() {
    for mode in ["--supervised", "--direct"] {
        let env = TestEnv::new();
        let script = "echo before; echo up > up; while [ ! -e go ]; do sleep 0.01; done; seq 1 20000; echo done > done";
        let flow = Flow::of(script).step_with("between", "echo more", &["depends_on: [work]"]).step_with(
            "after",
            "echo after; echo ran > ran",
            &["depends_on: [between]"],
        );
        let running = env.run(&flow).arg(mode).start();
        env.wait_for_file("up");
        // A file may be made while they are removed.
        let dir = env.the_run().dir;
        env.wait_for("an end of the directory", || fs::remove_dir_all(&dir).ok());
        env.write("go", "");
        let printed = running.wait().code(0).all();
        assert_eq!((env.read("done"), env.read("ran")), ("done\n".into(), "ran\n".into()));
        assert_eq!(before_summary(&printed).matches("is incomplete").count(), 1, "{mode}: {printed}");
        assert!(env.runs().is_empty(), "nobody makes it again");
    }
}

/// A small file system of its own; `None` where nobody may have one.
pub(crate) struct Small(pub(crate) PathBuf);

impl Small {
    fn mount(at: PathBuf) -> Option<Self> {
        Self::of_size(at, "256k")
    }

    pub(crate) fn of_size(at: PathBuf, size: &str) -> Option<Self> {
        fs::create_dir(&at).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size},mode=0700"), "none"])
            .arg(&at)
            .output()
            .is_ok_and(|output| output.status.success());
        mounted.then_some(Self(at))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_ends_the_record_and_not_the_run() {
    for mode in ["--supervised", "--direct"] {
        let env = TestEnv::new();
        let Some(small) = Small::mount(env.path("small")) else {
            eprintln!("left out: this user may not mount anything");
            return;
        };
        let flow = Flow::of("seq 1 200000; echo done > done").step_with(
            "after",
            "echo after; echo ran > ran",
            &["depends_on: [work]"],
        );
        let run = env.run(&flow).args([mode, "--min-free", "0"]).env("XDG_STATE_HOME", &small.0);
        let printed = run.output().code(0).all();
        assert_eq!((env.read("done"), env.read("ran")), ("done\n".into(), "ran\n".into()));
        // Once for what workers write and once for what the supervisor does, should both meet it.
        assert_eq!(before_summary(&printed).matches("is incomplete").count(), 1, "{mode}: {printed}");
        assert!(before_summary(&printed).matches("No space left").count() <= 2, "{mode}: {printed}");
        drop(small);
    }
}

/// Directories of a state that cannot be used, each with who made it what it is.
fn unusable(env: &TestEnv) -> Vec<(&'static str, PathBuf)> {
    let [read_only, foreign, file] = ["read-only", "foreign", "file"].map(|name| env.path(name));
    fs::create_dir(&read_only).unwrap();
    fs::set_permissions(&read_only, fs::Permissions::from_mode(0o500)).unwrap();
    fs::create_dir(&foreign).unwrap();
    fs::write(&file, "in the way").unwrap();
    vec![
        ("read-only", read_only),
        ("foreign", foreign),
        ("file", file),
        ("absent", "/proc/no/such/place".into()),
    ]
}

#[test]
fn without_a_place_for_the_record_there_is_a_temporary_one_and_the_run_goes_on() {
    for mode in ["--supervised", "--direct"] {
        let env = TestEnv::new();
        for (name, place) in unusable(&env) {
            let flow = Flow::of(&format!("echo recorded; echo ran > ran-{name}"));
            let run = env.run(&flow).arg(mode).env("XDG_STATE_HOME", &place);
            let Some(run) = run.without_privileges() else { return };
            if name == "foreign" {
                // Somebody else's, who lets nobody in. For whom it is, it is only read-only.
                let owner = if nix::unistd::geteuid().is_root() { Some(0) } else { None };
                std::os::unix::fs::chown(&place, owner, owner).unwrap();
                fs::set_permissions(&place, fs::Permissions::from_mode(0o500)).unwrap();
            }
            let said = run.output().code(0).all();
            assert_eq!(env.read(&format!("ran-{name}")), "ran\n");
            assert_eq!(
                before_summary(&said).matches("the record of this run is in ").count(),
                1,
                "{mode} {name}: {said}"
            );
            let told = said.split("the record of this run is in ").nth(1).unwrap();
            let dir = PathBuf::from(told.split(": ").next().unwrap());
            let run = RunFiles { dir };
            assert_eq!(
                (run.text("work", 1).as_str(), run.outcome().as_deref()),
                ("recorded\n", Some("succeeded"))
            );
            assert_private(run.dir.ancestors().nth(2).unwrap());
        }
    }
}

/// Insists that a directory and all below it are for their owner alone.
fn assert_private(dir: &Path) {
    let mut places = vec![dir.to_owned()];
    while let Some(place) = places.pop() {
        let metadata = fs::symlink_metadata(&place).unwrap();
        // The mode of a link means nothing: what it leads to has one.
        if metadata.is_symlink() {
            continue;
        }
        let expected = if metadata.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(metadata.permissions().mode() & 0o7777, expected, "{}", place.display());
        if metadata.is_dir() {
            places.extend(fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
}

#[test]
fn everything_of_a_record_is_for_its_owner_alone() {
    for mode in ["--supervised", "--direct"] {
        let env = TestEnv::new();
        let flow =
            Flow::of("echo ::progress::half; seq 100000; echo err >&2; exit 1").step("other", "echo x");
        // A user who shares everything with everybody.
        env.write("flow.yaml", &flow.text());
        let script = format!("umask 0; \"$ROBOPPI\" workflow run flow.yaml --no-tui {mode} --log-limit 1M");
        let _ = env.shell(&script).output().code(1);
        let _ = env.roboppi(["runs", "pin", "-1"]).output().code(0);
        assert_private(&env.path("state/roboppi"));
    }
}

#[test]
fn what_is_no_id_of_a_run_leads_nowhere() {
    let env = TestEnv::new();
    let _ = env.run(&Flow::of("echo x")).output().code(0);
    let run = env.the_run();
    let outside = env.path("state/outside");
    fs::create_dir(&outside).unwrap();
    fs::copy(run.dir.join("run.json"), outside.join("run.json")).unwrap();
    fs::copy(run.dir.join("journal.jsonl"), outside.join("journal.jsonl")).unwrap();
    let absolute = run.dir.display().to_string();
    let id = run.dir.file_name().unwrap().to_str().unwrap().to_owned();
    for bad in [
        "../../outside",
        "..",
        ".",
        "",
        "/",
        &absolute,
        &format!("{id}/../{id}"),
        &format!("{id}/"),
        "*",
        "-0",
        "-99",
        "\u{0}a",
    ] {
        if bad.contains('\0') {
            continue;
        }
        for command in
            [&["logs"][..], &["logs", "-f"], &["show"], &["events"], &["runs", "pin"], &["runs", "unpin"]]
        {
            let said = env.roboppi(command).arg(bad).output().code(2).all();
            assert!(!said.contains("panicked"), "{command:?} {bad:?}: {said}");
        }
    }
    // Neither does the name of a step.
    for bad in ["../work", "../../../outside", "work/../work", ".."] {
        let said = env.roboppi(["logs", "-1", bad]).output().code(2).all();
        assert!(said.contains("has no step"), "{said}");
    }
    assert!(!outside.join("pinned").exists());
}

#[test]
fn links_in_the_directory_of_runs_are_not_followed() {
    let env = TestEnv::new();
    let _ = env.run(&Flow::of("echo x")).output().code(0);
    let run = env.the_run();
    let precious = env.path("precious");
    fs::create_dir(&precious).unwrap();
    fs::write(precious.join("file"), "precious").unwrap();
    // Named like a run from the beginning of time, and like one that is about to go.
    let runs = env.path("state/roboppi/runs");
    let old = "00000000-0000-7000-8000-000000000000";
    symlink(&precious, runs.join(old)).unwrap();
    symlink(&precious, runs.join(format!(".removed-{old}"))).unwrap();
    symlink(&precious, run.dir.join("steps/more")).unwrap();
    let listed = env.roboppi(["runs"]).output().code(0).all();
    assert!(!listed.contains(old), "{listed}");
    let _ = env.roboppi(["show", old]).output().code(2);
    let pruned =
        env.roboppi(["runs", "prune", "--days", "0", "--count", "0", "--size", "0"]).output().code(0).all();
    assert!(pruned.contains("1 run removed"), "{pruned}");
    assert!(!run.dir.exists());
    assert_eq!(fs::read_to_string(precious.join("file")).unwrap(), "precious");
}

#[test]
fn what_a_newer_version_wrote_is_said_to_be_newer_and_left_alone() {
    let env = TestEnv::new();
    let _ = env.run(&Flow::of("echo x")).output().code(0);
    let run = env.the_run();
    // A kind of event that this version does not know, in the middle.
    let journal = fs::read_to_string(run.dir.join("journal.jsonl")).unwrap();
    let newer =
        journal.replacen("\"type\":\"attempt_phase\"", "\"type\":\"attempt_dream\",\"of\":{\"what\":7}", 1);
    assert_ne!(newer, journal);
    let duplicate = newer.replace("\"of\":{\"what\":7},\"of\":", "\"dream\":");
    fs::write(run.dir.join("journal.jsonl"), &duplicate).unwrap();
    let events = env.roboppi(["events"]).output().code(0).all();
    assert!(events.contains("attempt_dream"), "{events}");
    for command in [&["show"][..], &["logs"], &["runs"]] {
        let said = env.roboppi(command).output().code(0).all();
        assert!(!said.contains("warning"), "{command:?}: {said}");
    }

    // A format that this version cannot know.
    let manifest = fs::read_to_string(run.dir.join("run.json")).unwrap();
    fs::write(run.dir.join("run.json"), manifest.replacen("\"format\": 1", "\"format\": 99", 1)).unwrap();
    let listed = env.roboppi(["runs"]).output().code(0).all();
    assert!(listed.contains("has format 99"), "{listed}");
    let before = fs::read(run.dir.join("journal.jsonl")).unwrap();
    for command in [&["show"][..], &["logs"], &["events"]] {
        let said = env.roboppi(command).output();
        let said = said.to_string();
        assert!(!said.contains("panicked"), "{command:?}: {said}");
    }
    let _ = env.roboppi(["runs", "prune"]).output().code(0);
    assert_eq!(fs::read(run.dir.join("journal.jsonl")).unwrap(), before);
}

#[test]
fn two_processes_have_one_run_open_and_neither_harms_the_other() {
    let env = TestEnv::new();
    let script = "seq 1 2000; echo up > up; while [ ! -e go ]; do sleep 0.01; done; seq 2001 4000";
    let running = env.run(&Flow::of(script)).start();
    env.wait_for_file("up");
    let run = env.the_run();
    // Its journal belongs to its supervisor, and whoever wants it learns that.
    let journal = fs::OpenOptions::new().append(true).open(run.dir.join("journal.jsonl")).unwrap();
    assert!(matches!(journal.try_lock(), Err(fs::TryLockError::WouldBlock)));
    let followers = [
        env.roboppi(["logs", "-f", "-1", "work"]).start(),
        env.roboppi(["logs", "-f", "-1", "work"]).start(),
    ];
    let pruned = env.roboppi(["runs", "prune", "--days", "0", "--count", "0"]).output().code(0).all();
    assert!(pruned.contains("0 runs removed"), "{pruned}");
    let _ = env.roboppi(["runs", "pin", "-1"]).output().code(0);
    env.write("go", "");
    let _ = running.wait().code(0);
    let expected: String = (1..=4000).map(|number| format!("{number}\n")).collect();
    for follower in followers {
        assert_eq!(follower.wait().code(0).text(), expected);
    }
    assert_eq!(run.text("work", 1), expected);
    assert!(journal.try_lock().is_ok(), "nobody holds it any more");
}
