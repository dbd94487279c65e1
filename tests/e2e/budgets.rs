//! Steps that write more than anybody wants to keep.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use crate::env::{TestEnv, before_summary};
use crate::flow::Flow;
use crate::run_files::RunFiles;

const MIB: u64 = 1024 * 1024;

/// Bytes that the files of a step take on the disk.
fn on_disk(run: &RunFiles, step: &str) -> u64 {
    let entries = fs::read_dir(run.dir.join("steps").join(step)).unwrap();
    entries.map(|entry| entry.unwrap().metadata().unwrap().blocks() * 512).sum()
}

#[test]
fn of_a_flood_the_beginning_and_the_end_are_kept() {
    let env = TestEnv::new();
    // 45 MB in numbered lines.
    let flow = Flow::of("seq 5600000");
    let printed = env.run(&flow).args(["--log-limit", "2MiB"]).output().code(0).all();
    let run = env.the_run();
    assert!(on_disk(&run, "work") <= 2 * MIB + 64 * 1024, "{}", on_disk(&run, "work"));
    let told =
        "its output has reached 2 MiB, the limit of its log: only the beginning and the end of that are kept";
    assert_eq!(before_summary(&printed).matches(told).count(), 1, "{printed}");
    let shown = env.roboppi(["logs", "-1", "work"]).output().code(0);
    let text = shown.text();
    assert!(text.starts_with("1\n2\n3\n"));
    assert!(text.ends_with("5599999\n5600000\n"), "{}", &text[text.len() - 40..]);
    let missing: u64 = 43_688_896 - text.len() as u64;
    assert!(shown.stderr.contains(&format!("{missing} bytes of ")), "{} of {missing}", shown.stderr);
}

#[test]
fn the_logs_of_a_run_share_a_limit() {
    let env = TestEnv::new();
    let write = "seq 500000; echo end";
    let flow = Flow::of(write).step_with("second", write, &["depends_on: [work]"]).step_with(
        "third",
        write,
        &["depends_on: [second]"],
    );
    let printed =
        env.run(&flow).args(["--log-limit", "4MiB", "--run-log-limit", "8MiB"]).output().code(0).all();
    let told = "third  its output has reached the limit of all logs of the run, 8 MiB: only the beginning";
    let lines = before_summary(&printed);
    assert_eq!(lines.matches("has reached").count(), lines.matches(told).count(), "{printed}");
    assert_eq!(before_summary(&printed).matches(told).count(), 1, "{printed}");
    let run = env.the_run();
    let all: u64 = ["work", "second", "third"].map(|step| on_disk(&run, step)).iter().sum();
    assert!(all <= 8 * MIB + 256 * 1024, "{all}");
    assert_eq!(run.text("work", 1).len(), 3_388_899);
    let third = env.roboppi(["logs", "-1", "third"]).output().code(0).text();
    assert!(third.starts_with("1\n2\n") && third.ends_with("500000\nend\n"));
}

#[test]
fn a_log_may_be_kept_whole_or_end_its_worker() {
    let env = TestEnv::new();
    let flow = Flow::of("seq 500000; echo ran > ran");
    let printed = env.run(&flow).args(["--log-limit", "1M", "--log-over", "warn"]).output().code(0).all();
    assert!(printed.contains("it is kept whole"), "{printed}");
    assert_eq!(env.the_run().text("work", 1).len(), 3_388_895);
    fs::remove_file(env.work().join("ran")).unwrap();

    let endless = Flow::of("yes; echo ran > ran");
    let printed = env.run(&endless).args(["--log-limit", "1M", "--log-over", "kill"]).output().code(1).all();
    assert!(printed.contains("the worker is ended"), "{printed}");
    assert!(!env.work().join("ran").exists());
    let run = env.runs().pop().unwrap();
    assert_eq!(run.events("attempt_finished")[0]["result"]["details"]["cancelReason"], "budget");
    assert!(on_disk(&run, "work") <= MIB + 64 * 1024);
}

#[test]
fn a_worker_that_asks_nobody_for_ever_is_told_once() {
    for mode in ["--supervised", "--direct"] {
        let env = TestEnv::new();
        let script = "for i in 1 2 3; do yes 'Overwrite? [y/n]' | head -c 3000000; echo; done";
        let printed = env.run(&Flow::of(script)).arg(mode).output().code(0).all();
        let said = "it prints the same 17 bytes again and again";
        assert_eq!(before_summary(&printed).matches(said).count(), 1, "{printed}");
        let warnings = env.the_run().events("warning");
        assert_eq!((warnings.len(), &warnings[0]["step"]), (1, &"work".into()), "{warnings:?}");
        let shown = env.roboppi(["show"]).output().code(0).all();
        assert!(shown.contains(&format!("work: {said}")) && shown.contains("Overwrite?"), "{shown}");
        let events = env.roboppi(["events", "--json", "--kind", "warning"]).output().code(0).text();
        assert!(events.contains(said), "{events}");
    }
}

#[test]
fn a_disk_that_is_nearly_full_stops_the_record_and_not_the_run() {
    let env = TestEnv::new();
    let flow = Flow::of("echo unrecorded; echo ran > ran");
    let printed = env.run(&flow).args(["--min-free", "1000000T"]).output().code(0).all();
    assert_eq!(before_summary(&printed).matches("are to stay free").count(), 1, "{printed}");
    assert_eq!(env.read("ran"), "ran\n");
    assert_eq!(env.the_run().state("work"), "succeeded");
}

#[test]
fn sizes_that_are_none_are_refused() {
    let env = TestEnv::new();
    for bad in ["", "much", "1.2.3G", "5 parsecs", "-1"] {
        let flag = format!("--log-limit={bad}");
        let refused = env.run(&Flow::of("true")).arg(flag).output().code(2).all();
        assert!(refused.contains("--log-limit"), "{refused}");
    }
}

/// The most that a process ever had resident, in KiB.
fn peak(pid: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn a_worker_at_full_speed_takes_its_share_of_the_disk_and_no_more_memory() {
    for mode in ["--supervised", "--direct"] {
        let env = TestEnv::new();
        // Lines that differ, so that it is no repetition, and an end that is known byte by byte.
        let script = "pids=\"$PPID $(ps -o ppid= -p $(ps -o ppid= -p $PPID))\"\n\
            seq 1000000 3000000; echo $pids > first; while [ ! -e go ]; do sleep 0.01; done\n\
            seq 1000000 30000000; seq 10000 21000; echo $pids > second; while [ ! -e end ]; do sleep 0.01; done";
        let running = env.run(&Flow::of(script)).args([mode, "--log-limit", "8MiB"]).start();
        let pids = env.wait_for_file("first");
        // The core, and its supervisor, which is the same process with `--direct`.
        let pids: Vec<&str> = pids.split_whitespace().take(if mode == "--direct" { 1 } else { 2 }).collect();
        let before: Vec<u64> = pids.iter().map(|pid| peak(pid)).collect();
        env.write("go", "");
        env.wait_for_file("second");
        let after: Vec<u64> = pids.iter().map(|pid| peak(pid)).collect();
        env.write("end", "");
        let _ = running.wait().code(0);
        for (before, after) in before.iter().zip(&after) {
            assert!(*after <= before + 8 * 1024, "{mode}: from {before} to {after} KiB");
        }
        let run = env.the_run();
        assert!(on_disk(&run, "work") <= 8 * MIB + 64 * 1024, "{}", on_disk(&run, "work"));
        let log = env.roboppi(["logs", "-1", "work"]).output().code(0).stdout;
        let end: String = (10_000..=21_000).map(|number| format!("{number}\n")).collect();
        assert!(end.len() > 64 * 1024 && log.ends_with(end.as_bytes()), "{mode}: the end is there");
    }
}
