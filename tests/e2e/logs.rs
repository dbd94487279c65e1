//! `roboppi logs`, and that the log of an attempt is what its worker wrote, byte for byte.

use std::fs;

use crate::env::TestEnv;
use crate::flow::Flow;

/// Writes bytes that are no text, an escape code, a zero, and no line break at the end.
const BINARY: &str = r"head -c 300000 /dev/urandom > expected; printf '\377\376\000\033[31m\r\n\nend' >> expected; cat expected";

#[test]
fn the_log_is_what_the_worker_wrote() {
    for mode in ["--supervised", "--direct"] {
        let env = TestEnv::new();
        let _ = env.run(&Flow::of(BINARY)).arg(mode).output().code(0);
        let expected = fs::read(env.work().join("expected")).unwrap();
        assert!(env.the_run().log("work", 1) == expected, "{mode}: the log differs");
        let printed = env.roboppi(["logs", "work"]).output().code(0);
        assert!(printed.stdout == expected, "{mode}: `roboppi logs` differs");
    }
}

#[test]
fn both_streams_are_in_the_log_in_their_order() {
    let env = TestEnv::new();
    // Each line waits until the one before it is in the log, so the order of arrival is known.
    let script = "
        log() { cat $XDG_STATE_HOME/roboppi/runs/*/steps/work/i1-a1.log 2> /dev/null; }
        arrived() { until [ \"$(log | tail -n 1)\" = \"$1\" ]; do sleep 0.01; done; }
        for n in 1 2 3 4 5; do
          echo \"out $n\"; arrived \"out $n\"
          echo \"err $n\" >&2; arrived \"err $n\"
        done";
    let _ = env.run(&Flow::of(script)).output().code(0);
    let expected: String = (1..=5).map(|n| format!("out {n}\nerr {n}\n")).collect();
    assert_eq!(env.the_run().text("work", 1), expected);
}

#[test]
fn a_run_a_step_and_an_attempt_can_be_chosen() {
    let env = TestEnv::new();
    let flow = Flow::new()
        .step_with(
            "flaky",
            "echo try; [ -e seen ] && echo again || { touch seen; exit 1; }",
            &["on_failure: retry", "max_retries: 1"],
        )
        .step("other", "echo other");
    let _ = env.run(&flow).output().code(0);
    let _ = env.run(&Flow::of("echo newest")).output().code(0);
    let oldest = env.runs()[0].dir.file_name().unwrap().to_str().unwrap().to_owned();
    let logs = |arguments: &[&str]| env.roboppi(["logs"]).args(arguments).output().code(0).text();

    assert_eq!(logs(&["work"]), "newest\n");
    assert_eq!(logs(&["-1", "work"]), "newest\n");
    assert_eq!(logs(&["-2", "other"]), "other\n");
    assert_eq!(logs(&[&oldest, "flaky"]), "try\nagain\n");
    assert_eq!(logs(&[&oldest, "flaky", "--attempt", "1"]), "try\n");
    assert_eq!(logs(&[&oldest, "--attempt", "2"]), "try\nagain\n", "of every step that has it");
    for more in [&["--attempt", "3"][..], &["--attempt", "3", "--tail", "1"], &["--attempt", "3", "-f"]] {
        let refused = env.roboppi(["logs", &oldest]).args(more).output().code(2).stderr;
        assert!(refused.contains("no step of the run has an attempt 3"), "{more:?}: {refused}");
    }
    let path = env.runs()[0].log_path("flaky", 2);
    assert_eq!(logs(&[&oldest, "flaky", "--path"]).trim_end(), path.to_str().unwrap());
}

#[test]
fn what_is_not_there_is_said() {
    let env = TestEnv::new();
    let printed = env.roboppi(["logs"]).output().code(2);
    assert!(printed.stderr.contains("there are no runs yet"), "{}", printed.stderr);
    let _ = env.run(&Flow::of("true")).output().code(0);
    let absent = env.roboppi(["logs", "absent"]).output().code(2).stderr;
    assert!(absent.contains("no step of that name") && absent.contains("it has work"), "{absent}");
    let far = env.roboppi(["show", "-9"]).output().code(2).stderr;
    assert!(far.contains("`roboppi runs` lists the runs"), "{far}");
    let requested = env.roboppi(["retry", "-1", "absent"]).output().code(2).stderr;
    assert!(requested.contains("it has work"), "{requested}");
    for arguments in [&["absent"][..], &["-1", "absent"], &["work", "--attempt", "7"], &["-9", "work"]] {
        let printed = env.roboppi(["logs"]).args(arguments).output().code(2);
        assert!(printed.stdout.is_empty() && !printed.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_worker_that_says_nothing_has_an_empty_log() {
    let env = TestEnv::new();
    let _ = env.run(&Flow::of("true")).output().code(0);
    assert_eq!(env.roboppi(["logs", "work"]).output().code(0).text(), "");
}

#[test]
fn a_line_of_forty_megabytes_is_kept_whole() {
    let env = TestEnv::new();
    let _ = env.run(&Flow::of("head -c 40000000 /dev/zero | tr '\\0' x")).output().code(0);
    let log = env.the_run().log("work", 1);
    assert_eq!(log.len(), 40_000_000);
    assert!(log.iter().all(|byte| *byte == b'x'));
}

/// Twice what is read of a line among others, and something to find behind that.
const LONG_LINE: &str = "echo first; head -c 2500000 /dev/zero | tr '\\0' x; echo ' NEEDLE yyy'; echo last";

#[test]
fn a_line_of_megabytes_is_searched_and_shown_whole() {
    let env = TestEnv::new();
    let _ = env.run(&Flow::of(LONG_LINE)).output().code(0);
    let long = format!("{} NEEDLE yyy", "x".repeat(2_500_000));
    for arguments in ["--grep NEEDLE", "--grep ^xx.*yyy$ --tail 1", "--stream stdout --tail 2 --grep x"] {
        let found = env.roboppi(["logs", "work"]).args(arguments.split(' ')).output().code(0);
        assert!(found.text() == format!("{long}\n"), "{arguments}: {} bytes", found.stdout.len());
        assert_eq!(found.stderr, "", "{arguments}");
    }
    let nothing = env.roboppi(["logs", "work", "--grep", "^NEEDLE"]).output().code(0);
    assert_eq!(nothing.all(), "");
    let text = env.roboppi(["export", "-1", "work", "--format", "txt"]).output().code(0).text();
    assert!(text.lines().any(|line| line.ends_with(&long)), "the line is cut");
    let json = env.roboppi(["export", "-1", "work", "--format", "json"]).output().code(0).text();
    let object: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(object["lines"][1]["text"].as_str().map(str::len), Some(long.len()));
    assert_eq!(object["lines"][1]["truncated"], serde_json::Value::Null);
}

#[test]
fn what_is_too_long_to_be_searched_is_said() {
    let env = TestEnv::new();
    let script = "head -c 70000000 /dev/zero | tr '\\0' x; echo NEEDLE";
    let _ = env.run(&Flow::of(script)).output().code(0);
    let found = env.roboppi(["logs", "work", "--grep", "NEEDLE"]).output().code(0);
    assert_eq!(found.text(), "");
    assert!(found.stderr.contains("longer than 64 MiB; the rest was not searched"), "{}", found.stderr);
}
