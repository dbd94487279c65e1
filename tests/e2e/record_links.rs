//! Links and special files in a record: nobody put them there who writes records, and no reader follows them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::env::TestEnv;
use crate::flow::Flow;

const SECRET: &str = "the-secret-of-somebody-else";

/// Everything that reads a record, with a run in place of `RUN`.
const READERS: [&[&str]; 17] = [
    &["logs", "-1"],
    &["logs", "-1", "work"],
    &["logs", "-1", "--tail", "5"],
    &["logs", "-1", "-f"],
    &["logs", "-1", "--grep", "e"],
    &["logs", "-1", "--timestamps"],
    &["show", "-1"],
    &["events", "-1", "--workers"],
    &["events", "-1", "--json"],
    &["export", "-1", "-o", "run.tar.zst"],
    &["export", "-1", "work", "-o", "work.txt"],
    &["export", "-1", "work", "--format", "json", "-o", "work.json"],
    &["export", "-1", "--format", "perfetto", "-o", "trace.json"],
    &["attach", "-1", "--no-tui", "--stream", "-v"],
    &["replay", "-1", "--no-tui", "--stream", "--speed", "max"],
    &["runs"],
    &["runs", "prune", "--dry-run"],
];

/// Has everybody read a record, and insists that nobody tells what is behind a link.
fn nobody_tells(env: &TestEnv, what: &str) {
    for reader in READERS {
        for written in ["run.tar.zst", "work.txt", "work.json", "trace.json"] {
            let _ = fs::remove_file(env.path("work").join(written));
        }
        let running = env.roboppi(reader).start();
        let printed = running.wait_somehow();
        let mut told = vec![printed];
        for written in ["work.txt", "work.json", "trace.json"] {
            told.extend(fs::read(env.path("work").join(written)).ok());
        }
        if let Ok(archive) = fs::File::open(env.path("work/run.tar.zst")) {
            told.push(zstd::decode_all(archive).unwrap());
        }
        for told in told {
            let told = String::from_utf8_lossy(&told);
            assert!(!told.contains(SECRET), "{what}: {reader:?}: {told}");
        }
    }
}

fn replace(path: &Path, by: impl FnOnce(&Path)) {
    let _ = fs::remove_file(path).or_else(|_| fs::remove_dir_all(path));
    by(path);
}

#[test]
fn no_reader_follows_a_link_out_of_a_record() {
    let env = TestEnv::new();
    let secret = env.path("home/secret");
    fs::create_dir_all(secret.join("work")).unwrap();
    let journal =
        format!("{{\"seq\":1,\"ts\":1,\"event\":{{\"type\":\"warning\",\"message\":\"{SECRET}\"}}}}\n");
    for name in ["file", "journal.jsonl", "run.json", "workflow.yaml", "core.stderr"] {
        fs::write(secret.join(name), &journal).unwrap();
    }
    for name in ["i1-a1.log", "i1-a1.events.jsonl", "i1-a1.idx"] {
        fs::write(secret.join("work").join(name), &journal).unwrap();
    }
    let places = [
        ("steps/work/i1-a1.log", "work/i1-a1.log"),
        ("steps/work/i1-a1.events.jsonl", "work/i1-a1.events.jsonl"),
        ("steps/work/i1-a1.idx", "work/i1-a1.idx"),
        ("steps/work/i1-a1.hole", "work/i1-a1.idx"),
        ("steps/work", "work"),
        ("steps", ""),
        ("journal.jsonl", "journal.jsonl"),
        ("workflow.yaml", "file"),
        ("core.stderr", "core.stderr"),
        ("run.json", "run.json"),
        ("imported.json", "file"),
        ("snapshots", ""),
        ("blobs", ""),
        ("lock", "file"),
    ];
    for (name, target) in places {
        let _ = env.run(&Flow::of("echo ::progress::half; echo e; exit 1")).output().code(1);
        let run = env.runs().pop().unwrap();
        replace(&run.dir.join(name), |path| symlink(secret.join(target), path).unwrap());
        nobody_tells(&env, name);
        if name == "steps/work/i1-a1.log" || name == "steps/work" {
            let said = env.roboppi(["logs", "-1"]).output().code(3).stderr;
            assert!(said.contains("is a symbolic link or a special file"), "{said}");
            let said = env.roboppi(["export", "-1", "-o", "run.tar.zst"]).output().code(3).stderr;
            assert!(said.contains("not in it: ") && said.contains("no part of a record"), "{said}");
            let said = env.roboppi(["export", "-1", "work"]).output().code(3).stderr;
            assert!(said.contains("is a symbolic link or a special file"), "{said}");
        }
        fs::remove_dir_all(&run.dir).unwrap();
    }
    // A run that is a link is none.
    symlink(&secret, env.path("state/roboppi/runs/00000000-0000-7000-8000-000000000001")).unwrap();
    let none = env.roboppi(["logs", "00000000-0000-7000-8000-000000000001"]).output().code(2).stderr;
    assert!(none.contains("no run"), "{none}");
}

#[test]
fn a_pipe_in_a_record_makes_nobody_wait() {
    let env = TestEnv::new();
    for name in ["steps/work/i1-a1.log", "journal.jsonl", "run.json", "workflow.yaml", "lock"] {
        let _ = env.run(&Flow::of("echo e; exit 1")).output().code(1);
        let run = env.runs().pop().unwrap();
        replace(&run.dir.join(name), |path| mkfifo(path, Mode::S_IRWXU).unwrap());
        nobody_tells(&env, name);
        fs::remove_dir_all(&run.dir).unwrap();
    }
}

#[test]
fn a_step_directory_that_becomes_a_link_is_not_written_through() {
    for mode in ["--supervised", "--direct"] {
        let env = TestEnv::new();
        let flow = Flow::of("echo e; echo up > up; while [ ! -e go ]; do sleep 0.01; done").step_with(
            "after",
            "echo through",
            &["depends_on: [work]"],
        );
        let running = env.run(&flow).arg(mode).start();
        env.wait_for_file("up");
        let run = env.the_run();
        env.wait_for("a log of the first step", || run.log_path("work", 1).exists().then_some(()));
        let outside = env.path("home/outside");
        fs::create_dir(&outside).unwrap();
        symlink(&outside, run.dir.join("steps/after")).unwrap();
        env.write("go", "");
        let said = running.wait().code(0).all();
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0, "{mode}");
        assert!(said.contains("is incomplete"), "{mode}: {said}");
    }
}

#[test]
fn a_run_directory_that_becomes_a_link_is_not_written_through() {
    for mode in ["--supervised", "--direct"] {
        let env = TestEnv::new();
        let flow = Flow::of("echo up > up; while [ ! -e go ]; do sleep 0.01; done").step_with(
            "after",
            "echo through",
            &["depends_on: [work]"],
        );
        let running = env.run(&flow).arg(mode).start();
        env.wait_for_file("up");
        let run = env.the_run();
        let outside = env.path("home/outside");
        fs::create_dir(&outside).unwrap();
        fs::rename(&run.dir, env.path("home/moved")).unwrap();
        symlink(&outside, &run.dir).unwrap();
        env.write("go", "");
        let _ = running.wait().code(0);
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0, "{mode}");
    }
}
