//! `roboppi logs` while a run goes on, and what of its lines is shown.

use std::fs;

use nix::sys::signal::Signal::{SIGINT, SIGKILL};

use crate::env::TestEnv;
use crate::flow::Flow;

/// Lets a script wait for files.
const WAIT: &str = "wait_for() { until [ -e $1 ]; do sleep 0.01; done; }; ";

#[test]
fn a_step_is_followed_through_its_attempts_to_the_end_of_the_run() {
    for mode in ["--supervised", "--direct"] {
        let env = TestEnv::new();
        let script = format!(
            "{WAIT} if [ -e seen ]; then echo three; exit 0; fi
             echo one; echo > up; wait_for go; printf two; echo > seen; exit 1"
        );
        let flow = Flow::new()
            .step_with("work", &script, &["on_failure: retry", "max_retries: 1"])
            .step_with("after", &format!("{WAIT} echo not this; wait_for end"), &["depends_on: [work]"]);
        let run = env.run(&flow).arg(mode).start();
        env.wait_for_file("up");
        let following = env.roboppi(["logs", "-f", "-1", "work"]).start();
        following.wait_for_text("one\n");
        env.write("go", "");
        following.wait_for_text("three\n");
        env.write("end", "");
        let _ = run.wait().code(0);
        assert_eq!(following.wait().code(0).text(), "one\ntwo\n==> work#2 <==\nthree\n");
        // The same once it is over, without waiting for anything.
        let after = env.roboppi(["logs", "-f", "-1", "work"]).output().code(0).text();
        assert_eq!(after, "three\n");
    }
}

#[test]
fn all_steps_are_followed_line_by_line() {
    let env = TestEnv::new();
    let flow = Flow::new()
        .step("first", &format!("{WAIT} printf 'half a '; echo > up; wait_for go; echo line"))
        .step("second", &format!("{WAIT} wait_for up; echo whole; wait_for go"));
    let run = env.run(&flow).start();
    env.wait_for_file("up");
    let following = env.roboppi(["logs", "--follow"]).start();
    following.wait_for_text("whole\n");
    env.write("go", "");
    let _ = run.wait().code(0);
    let text = following.wait().code(0).text();
    assert_eq!(text, "==> second <==\nwhole\n==> first <==\nhalf a line\n");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let env = TestEnv::new();
    let run = env.run(&Flow::of(&format!("{WAIT} echo one; echo two; echo > up; wait_for go"))).start();
    env.wait_for_file("up");
    for arguments in ["-f -1 work", "-1 work", "-f", "--timestamps", "--grep ."] {
        let script = format!("$ROBOPPI logs {arguments} | head -n 1; echo ${{PIPESTATUS[0]}}");
        let text = env.shell(&script).output().code(0).text();
        assert!(text.ends_with("\n0\n"), "{arguments}: {text}");
    }
    env.write("go", "");
    let _ = run.wait().code(0);
}

#[test]
fn lines_are_chosen_and_dated() {
    let env = TestEnv::new();
    let flow = Flow::new()
        .step_with(
            "work",
            "[ -e seen ] || { echo > seen; echo early; exit 1; }
             # Each stream waits for the other one, so the order of arrival is known.
             arrived() { until [ \"$(tail -n 1 $XDG_STATE_HOME/roboppi/runs/*/steps/work/i1-a2.log 2>/dev/null)\" = $1 ]; do sleep 0.01; done; }
             echo apple; arrived apple; echo pear >&2; arrived pear; echo banana; printf apricot",
            &["on_failure: retry", "max_retries: 1"],
        )
        .step_with("other", "echo almond", &["depends_on: [work]"]);
    let _ = env.run(&flow).output().code(0);
    let logs =
        |arguments: &str| env.roboppi(["logs"]).args(arguments.split_whitespace()).output().code(0).text();

    assert_eq!(logs("work"), "apple\npear\nbanana\napricot");
    assert_eq!(logs("work --tail 2"), "banana\napricot\n");
    assert_eq!(logs("work --tail 0"), "");
    assert_eq!(logs("work --stream stderr"), "pear\n");
    assert_eq!(logs("work --stream stdout --tail 1"), "apricot\n");
    assert_eq!(logs("work --grep ^a.*t$"), "apricot\n");
    assert_eq!(logs("-1 --grep ^a"), "==> work#2 <==\napple\napricot\n==> other <==\nalmond\n");
    assert_eq!(
        logs("work --all"),
        "early\n==> work#2 <==\napple\npear\nbanana\napricot".replacen("early", "==> work <==\nearly", 1)
    );
    assert_eq!(logs("work --attempt 1 --grep ."), "early\n");
    assert_eq!(logs("work --since 1h"), "apple\npear\nbanana\napricot\n");
    assert_eq!(logs("work --since 2999-01-01T00:00:00Z"), "");
    let dated = logs("work --timestamps");
    for (line, word) in dated.lines().zip(["apple", "pear", "banana", "apricot"]) {
        let (time, text) = line.split_once(' ').unwrap();
        assert_eq!(text, word);
        assert!(time.len() == "2026-01-31T12:00:00.000Z".len() && time.starts_with("20"), "{line}");
    }
    for wrong in
        ["work --grep (", "work --since soon", "work --tail -1", "work --attempt 7 -f", "absent --all"]
    {
        let _ = env.roboppi(["logs"]).args(wrong.split_whitespace()).output().code(2);
    }
}

#[test]
fn following_ends_when_the_owner_is_gone() {
    let env = TestEnv::new();
    let run = env.run(&Flow::of("echo one; echo > up; sleep 1000")).start();
    env.wait_for_file("up");
    let following = env.roboppi(["logs", "-f", "work"]).start();
    following.wait_for_text("one\n");
    run.signal(SIGKILL);
    let _ = run.wait().signal(SIGKILL);
    let printed = following.wait().code(0);
    assert_eq!(printed.text(), "one\n");
    assert!(printed.stderr.contains("lost"), "{}", printed.stderr);
    env.wait_until_nothing_is_left();
}

#[test]
fn a_follower_that_dies_does_not_touch_the_run() {
    let env = TestEnv::new();
    let run = env.run(&Flow::of(&format!("{WAIT} echo one; echo > up; wait_for go"))).start();
    env.wait_for_file("up");
    for signal in [SIGKILL, SIGINT] {
        let following = env.roboppi(["logs", "-f"]).start();
        following.wait_for_text("one\n");
        following.signal(signal);
        let _ = following.wait().signal(signal);
    }
    env.write("go", "");
    let _ = run.wait().code(0);
    assert_eq!(env.the_run().outcome().as_deref(), Some("succeeded"));
}

#[test]
fn a_follower_that_is_told_to_look_for_itself_asks_nobody() {
    let env = TestEnv::new();
    let script = format!("{WAIT} echo one; echo > up; wait_for go; echo two; wait_for end");
    let run = env.run(&Flow::of(&script)).start();
    env.wait_for_file("up");
    let following = env.roboppi(["logs", "-f"]).env("ROBOPPI_POLL", "1").start();
    following.wait_for_text("one\n");
    env.write("go", "");
    following.wait_for_text("two\n");
    let open = format!("/proc/{}/fd", following.process().unwrap().pid);
    let links = fs::read_dir(open).unwrap().filter_map(|fd| fs::read_link(fd.unwrap().path()).ok());
    let notices: Vec<_> = links.filter(|link| link.to_string_lossy().contains("inotify")).collect();
    assert!(notices.is_empty(), "{notices:?}");
    env.write("end", "");
    let _ = run.wait().code(0);
    assert_eq!(following.wait().code(0).text(), "==> work <==\none\ntwo\n");
}

#[test]
fn what_is_damaged_is_said_and_the_rest_is_shown() {
    let env = TestEnv::new();
    let _ = env.run(&Flow::of("echo one")).output().code(0);
    let path = env.the_run().dir.join("journal.jsonl");
    let journal = fs::read_to_string(&path).unwrap();
    let finished = journal.lines().position(|line| line.contains("attempt_finished")).unwrap();
    let mut lines: Vec<_> = journal.lines().collect();
    lines[finished] = "what is this?";
    fs::write(&path, lines.join("\n")).unwrap();
    for arguments in [&["logs", "work"][..], &["logs", "work", "-f"], &["logs", "-1", "--tail", "5"]] {
        let printed = env.roboppi(arguments).output().code(0);
        assert_eq!(printed.text(), "one\n", "{arguments:?}");
        let place = format!("journal.jsonl:{}: ", finished + 1);
        assert!(printed.stderr.contains(&place), "{arguments:?}: {}", printed.stderr);
    }
    for hostile in ["../x", "/etc", "", "%2e", "-7"] {
        let refused = env.roboppi(["logs", "-f", hostile]).output().code(2).all();
        assert!(refused.contains("no run"), "{refused}");
    }
}
