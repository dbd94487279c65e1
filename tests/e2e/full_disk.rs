//! A disk that is full, for a while or for good: what the record says is what happened.

use std::fs;
use std::path::Path;

use crate::env::{Printed, TestEnv, before_summary};
use crate::flow::Flow;
use crate::hostile_state::Small;
use crate::run_files::RunFiles;

/// Fills a file system to its last byte.
fn filled(dir: &Path) -> String {
    let dir = dir.display();
    format!(
        "dd if=/dev/zero of={dir}/filler bs=64k 2>/dev/null || true; \
         head -c 5000000 /dev/zero >> {dir}/filler 2>/dev/null || true; "
    )
}

/// Prints a line, and waits until it is recorded.
fn first(state: &Path) -> String {
    let log = format!("{}/roboppi/runs/*/steps/*/*.log", state.display());
    format!("echo first; until grep -qs first {log}; do sleep 0.01; done; ")
}

fn the_run(state: &Path) -> RunFiles {
    let runs: Vec<_> =
        fs::read_dir(state.join("roboppi/runs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let [dir] = &runs[..] else { panic!("one run: {runs:?}") };
    RunFiles { dir: dir.clone() }
}

/// What `roboppi logs` says is missing.
fn missing(printed: &Printed) -> u64 {
    let said = printed.stderr.lines().filter(|line| line.ends_with("were not recorded"));
    said.map(|line| line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()).sum()
}

#[test]
fn a_disk_that_stays_full_takes_no_truth() {
    for mode in ["--supervised", "--direct"] {
        let env = TestEnv::new();
        let Some(small) = Small::of_size(env.path("small"), "2m") else {
            eprintln!("left out: this user may not mount anything");
            return;
        };
        let script =
            format!("{}{} seq 1 100000 | tee said | cat; cat said >&2", first(&small.0), filled(&small.0));
        let flow = Flow::of(&script).step_with("after", "echo after", &["depends_on: [work]"]);
        let state = |run: crate::env::Invocation<'_>| run.env("XDG_STATE_HOME", &small.0).output();
        let _ = state(env.run(&flow).args([mode, "--min-free", "0"]).env("TMPDIR", env.path("tmp"))).code(0);

        // The end of the run had its room.
        let run = the_run(&small.0);
        assert_eq!(run.outcome().as_deref(), Some("succeeded"), "{mode}");
        assert_eq!((run.state("work"), run.state("after")), ("succeeded".into(), "succeeded".into()));
        let logs = state(env.roboppi(["logs", "-1", "work"])).code(0);
        let said = env.read("said").len() as u64;
        assert_eq!(logs.stdout.len() as u64 + missing(&logs), "first\n".len() as u64 + 2 * said, "{mode}");
        assert!(
            logs.stdout.starts_with(b"first\n") && !logs.stdout.contains(&0),
            "no byte that nobody wrote"
        );
        assert!(missing(&logs) > 0 && logs.stderr.lines().count() < 10, "{}", logs.stderr);
        let runs = state(env.roboppi(["runs"])).code(0).text();
        assert!(runs.contains("succeeded") && runs.contains("2/2"), "{runs}");
    }
}

#[test]
fn a_disk_that_is_full_for_a_while_leaves_a_gap_that_is_told() {
    for mode in ["--supervised", "--direct"] {
        let env = TestEnv::new();
        let Some(small) = Small::of_size(env.path("small"), "2m") else { return };
        let script = format!(
            "{}{} seq 1 50000 | tee said; rm {}/filler; until echo room > {}/room; do sleep 0.01; done 2>/dev/null; \
             echo last",
            first(&small.0),
            filled(&small.0),
            small.0.display(),
            small.0.display()
        );
        let flow = Flow::of(&script);
        let state = |run: crate::env::Invocation<'_>| run.env("XDG_STATE_HOME", &small.0).output();
        let _ = state(env.run(&flow).args([mode, "--min-free", "0"])).code(0);
        let logs = state(env.roboppi(["logs", "-1", "work"])).code(0);
        let all = "first\n".len() + env.read("said").len() + "last\n".len();
        assert_eq!(logs.stdout.len() as u64 + missing(&logs), all as u64, "{mode}: {}", logs.stderr);
        assert!(logs.stdout.starts_with(b"first\n") && logs.stdout.ends_with(b"last\n"), "{mode}");
        assert!(missing(&logs) > 0 && !logs.stdout.contains(&0), "{}", logs.stderr);
    }
}

/// Many steps, so that the journal is longer than the room that is kept for it.
fn long(fill: &str, count: usize) -> Flow {
    let flow = (1..count).fold(Flow::of(fill), |flow, number| {
        let before = if number == 1 { "work".to_owned() } else { format!("s{}", number - 1) };
        flow.step_with(&format!("s{number}"), "true", &[&format!("depends_on: [{before}]")])
    });
    flow.with("concurrency: 1")
}

#[test]
fn what_does_not_fit_is_kept_and_written_when_there_is_room_again() {
    let env = TestEnv::new();
    let Some(small) = Small::of_size(env.path("small"), "1m") else { return };
    // So little is free at the beginning that the journal gets less room than it will need.
    fs::write(small.0.join("before"), vec![0; 1000 * 1024]).unwrap();
    let free = format!("rm {0}/before {0}/filler", small.0.display());
    let flow = long(&filled(&small.0), 120).step_with("free", &free, &["depends_on: [s119]"]);
    let flow = flow.step_with("last", "true", &["depends_on: [free]"]);
    let run = env.run(&flow).args(["--min-free", "0"]).env("XDG_STATE_HOME", &small.0);
    let printed = run.output().code(0).all();
    assert_eq!(before_summary(&printed).matches("the record is not being written").count(), 1, "{printed}");
    let run = the_run(&small.0);
    let journal = run.journal();
    for (index, record) in journal.iter().enumerate() {
        assert_eq!(record["seq"], index + 1, "not one is missing, and in order");
    }
    assert_eq!(journal.last().unwrap()["event"]["type"], "run_finished");
    assert_eq!(run.state("s60"), "succeeded");
}

#[test]
fn a_record_without_room_for_all_of_a_run_has_its_end_and_says_what_is_missing() {
    let env = TestEnv::new();
    let Some(small) = Small::of_size(env.path("small"), "64k") else { return };
    let flow = long(&filled(&small.0), 120);
    let run = env.run(&flow).args(["--min-free", "0"]).env("XDG_STATE_HOME", &small.0);
    let printed = run.output().code(0).all();
    assert!(printed.contains("the record of this run is incomplete"), "{printed}");
    let run = the_run(&small.0);
    assert_eq!(run.outcome().as_deref(), Some("succeeded"));
    let told = run.events("warning");
    assert!(
        told.iter().any(|event| event["message"].as_str().unwrap().contains("could not be recorded")),
        "{told:?}"
    );
    let runs = env.roboppi(["runs"]).env("XDG_STATE_HOME", &small.0).output().code(0).text();
    assert!(runs.contains("succeeded"), "{runs}");
}

#[test]
fn a_record_that_cannot_be_begun_leaves_no_half_of_itself() {
    let env = TestEnv::new();
    let Some(small) = Small::of_size(env.path("small"), "64k") else { return };
    // Room for one file, and then for two.
    for left in [0, 4096, 8192] {
        let filler = small.0.join("filler");
        fs::create_dir_all(small.0.join("roboppi/runs")).unwrap();
        let _ = fs::write(&filler, vec![0; 64 * 1024]);
        let len = fs::metadata(&filler).unwrap().len();
        fs::File::options().write(true).open(&filler).unwrap().set_len(len - left).unwrap();
        let run = env.run(&Flow::of("echo x")).args(["--min-free", "0"]).env("XDG_STATE_HOME", &small.0);
        let printed = run.output().code(0).all();
        assert!(printed.contains("the record of this run is in "), "{left}: {printed}");
        assert_eq!(fs::read_dir(small.0.join("roboppi/runs")).unwrap().count(), 0, "{left}");
        fs::remove_file(filler).unwrap();
    }
}

#[test]
fn a_limit_on_the_size_of_files_is_a_full_disk() {
    let env = TestEnv::new();
    env.write("flow.yaml", &Flow::of("seq 1 100000; echo done > done").text());
    // The signal that comes with the error is ignored here, whatever the program does of itself.
    let script = "trap '' XFSZ; ulimit -f 100; exec \"$ROBOPPI\" workflow run flow.yaml --no-tui --direct";
    let printed = env.shell(script).output().code(0).all();
    assert!(printed.contains("the record of a worker is incomplete"), "{printed}");
    let run = env.the_run();
    assert_eq!(run.outcome().as_deref(), Some("succeeded"));
    let logs = env.roboppi(["logs", "-1", "work"]).output().code(0);
    let finished = &run.events("attempt_finished")[0];
    assert_eq!(logs.stdout.len() as u64 + missing(&logs), finished["logBytes"].as_u64().unwrap());
    assert!(!logs.stdout.contains(&0) && missing(&logs) > 0, "{}", logs.stderr);
}
