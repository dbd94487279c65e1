//! Every command that reads a run, on every kind of run there may be.

use std::fs;
use std::path::Path;

use nix::sys::signal::Signal::SIGKILL;

use crate::env::TestEnv;
use crate::flow::Flow;

/// Commands that show a run, and what follows its name.
const SHOWING: [(&[&str], &[&str]); 7] = [
    (&["show"], &[]),
    (&["logs"], &[]),
    (&["events"], &[]),
    (&["attach", "--no-tui"], &[]),
    (&["replay", "--no-tui", "--speed", "max"], &[]),
    (&["export", "-o", "run.tar.zst"], &[]),
    (&["export", "--format", "html", "-o", "run.html"], &[]),
];

/// Commands that ask a run for something.
const ASKING: [(&[&str], &[&str]); 3] = [(&["cancel"], &[]), (&["retry"], &["work"]), (&["skip"], &["work"])];

fn words<'a>((before, after): (&[&'a str], &[&'a str]), run: &'a str) -> Vec<&'a str> {
    before.iter().copied().chain([run]).chain(after.iter().copied()).collect()
}

fn all() -> impl Iterator<Item = (&'static [&'static str], &'static [&'static str])> {
    SHOWING.into_iter().chain(ASKING)
}

#[test]
fn runs_that_are_not_there() {
    let env = TestEnv::new();
    let none = env.roboppi(["runs"]).output().code(0).text();
    assert!(none.contains("no runs yet"), "{none}");
    assert_eq!(env.roboppi(["ls", "--json"]).output().code(0).text().trim(), "[]");
    let names = ["-7", "../x", "/etc", "..", "", "%2e%2e", "x y", "\u{1b}[31m"];
    let refuse = |name: &str| {
        for command in all() {
            let said = env.roboppi(words(command, name)).output().code(2).all();
            assert!(said.contains("no run") && !said.contains('\u{1b}'), "{command:?} {name}: {said}");
        }
    };
    ["-1", "0"].iter().chain(&names).for_each(|name| refuse(name));
    let _ = env.run(&Flow::of("echo one")).output().code(0);
    names.iter().for_each(|name| refuse(name));
}

#[test]
fn a_run_that_goes_on() {
    let env = TestEnv::new();
    let run = env.run(&Flow::of("echo one; echo > up; until [ -e go ]; do sleep 0.01; done")).start();
    env.wait_for_file("up");
    let listed = env.roboppi(["runs"]).output().code(0).text();
    assert!(listed.contains("running") && listed.contains("0/1"), "{listed}");
    for command in [&["show"][..], &["logs"], &["events"]] {
        let shown = env.roboppi(command).output().code(0).text();
        assert!(!shown.is_empty(), "{command:?}");
    }
    let refused = env.roboppi(["replay", "--no-tui"]).output().code(1).all();
    assert!(refused.contains("attach"), "{refused}");
    env.write("go", "");
    let _ = run.wait().code(0);
    let listed = env.roboppi(["runs"]).output().code(0).text();
    assert!(listed.contains("succeeded") && listed.contains("1/1"), "{listed}");
}

/// A run whose owner was killed while its step was at work.
fn killed(env: &TestEnv) -> std::path::PathBuf {
    let run = env.run(&Flow::of("echo one; echo > up; sleep 1000")).start();
    env.wait_for_file("up");
    env.wait_for("the log", || (env.the_run().text("work", 1) == "one\n").then_some(()));
    run.signal(SIGKILL);
    let _ = run.wait().signal(SIGKILL);
    env.wait_until_nothing_is_left();
    env.the_run().dir
}

/// Every command says what is wrong and shows the rest.
fn says(env: &TestEnv, wrong: &str) {
    let listed = env.roboppi(["runs"]).output().code(0).text();
    assert!(listed.contains("lost") && listed.contains(wrong), "{listed}");
    for command in SHOWING.into_iter().filter(|(before, _)| before[0] != "export") {
        let printed = env.roboppi(words(command, "-1")).output().code(0);
        let rest = if command.0[0] == "logs" { "one" } else { "work" };
        assert!(printed.all().contains(rest), "{command:?}: {}", printed.all());
        assert!(printed.stderr.contains(wrong), "{command:?}: {}", printed.stderr);
    }
    for command in ASKING {
        let refused = env.roboppi(words(command, "-1")).output().code(1).all();
        assert!(refused.contains("lost"), "{command:?}: {refused}");
    }
}

#[test]
fn a_run_that_is_half_written() {
    let env = TestEnv::new();
    let journal = killed(&env).join("journal.jsonl");
    let text = fs::read(&journal).unwrap();
    fs::write(&journal, [&text[..], b"{\"seq\":99,\"ts\":1,\"ev"].concat()).unwrap();
    says(&env, "ends in the middle of a line");
}

#[test]
fn a_run_with_a_line_of_malformed_input() {
    let env = TestEnv::new();
    let journal = killed(&env).join("journal.jsonl");
    let text = fs::read_to_string(&journal).unwrap();
    let mut lines: Vec<_> = text.lines().collect();
    lines.insert(2, "\u{1b}[31mmalformed_input");
    fs::write(&journal, lines.join("\n") + "\n").unwrap();
    says(&env, "journal.jsonl:3: ");
}

#[test]
fn a_run_with_a_number_that_cannot_be() {
    let env = TestEnv::new();
    let journal = killed(&env).join("journal.jsonl");
    let text = fs::read_to_string(&journal).unwrap();
    // Taken for what it says, it would hide all that comes after it.
    fs::write(&journal, text.replacen("\"seq\":2,", "\"seq\":18446744073709551615,", 1)).unwrap();
    says(&env, "journal.jsonl:2: ");
}

#[test]
fn a_run_of_which_nothing_is_recorded() {
    let env = TestEnv::new();
    let dir = killed(&env);
    for left in [&["run.json", "journal.jsonl"][..], &["run.json"], &[]] {
        for name in ["journal.jsonl", "run.json"] {
            let path = dir.join(name);
            let _ = fs::remove_file(&path);
            if left.contains(&name) {
                fs::write(path, "").unwrap();
            }
        }
        // Of a run that was made a moment ago more may be about to be written.
        env.wait_for("the end of its first second", || {
            let said = env.roboppi(["replay", "-1", "--no-tui", "--speed", "max"]).output().to_string();
            (!said.contains("the run is still going on")).then_some(())
        });
        let listed = env.roboppi(["runs"]).output().code(0).text();
        assert!(listed.contains("lost"), "{left:?}: {listed}");
        for command in SHOWING {
            // An export says what of the record is damaged.
            let code = if command.0.starts_with(&["export"]) { 3 } else { 0 };
            let printed = env.roboppi(words(command, "-1")).output().code(code).all();
            assert!(!printed.contains("panicked"), "{left:?}, {command:?}: {printed}");
        }
        let absent = env.roboppi(["logs", "-f", "-1", "work"]).output().code(2).all();
        assert!(absent.contains("none that is recorded"), "{left:?}: {absent}");
        for command in ASKING {
            let refused = env.roboppi(words(command, "-1")).output().code(1).all();
            assert!(refused.contains("lost"), "{left:?}, {command:?}: {refused}");
        }
    }
}

#[test]
fn ten_thousand_runs() {
    const RUNS: usize = 10_000;
    let env = TestEnv::new();
    let _ = env.run(&Flow::of("echo one")).output().code(0);
    let original = env.the_run().dir;
    let id = original.file_name().unwrap().to_str().unwrap().to_owned();
    let read = |name: &str| fs::read_to_string(original.join(name)).unwrap();
    let journal = read("journal.jsonl");
    let (first, last) = (journal.lines().next().unwrap(), journal.lines().last().unwrap());
    let (manifest, journal) = (read("run.json"), format!("{first}\n{last}\n"));
    let runs: &Path = original.parent().unwrap();
    for number in 1..RUNS {
        let copy = format!("{number:05}{}", &id[5..]);
        let dir = runs.join(&copy);
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("run.json"), manifest.replace(&id, &copy)).unwrap();
        fs::write(dir.join("journal.jsonl"), journal.replace(&id, &copy)).unwrap();
    }
    for _ in 0..2 {
        let listed = env.roboppi(["runs", "--limit", "0"]).output().code(0).text();
        assert_eq!(listed.lines().count(), RUNS + 1);
        assert_eq!(listed.matches("succeeded").count(), RUNS);
    }
    let shown = env.roboppi(["show", "0999"]).output().code(2).all();
    assert!(shown.contains("give more of the id"), "{shown}");
    for (before, after) in SHOWING.into_iter().filter(|(before, _)| before[0] != "export") {
        let _ = env.roboppi(words((before, after), "05000")).output().code(0);
    }
    for command in ASKING {
        let refused = env.roboppi(words(command, "05000")).output().code(1).all();
        assert!(refused.contains("the run is over: succeeded"), "{command:?}: {refused}");
    }
    for hostile in ["../x", "/etc", "\u{1b}[31m"] {
        let refused = env.roboppi(["show", hostile]).output().code(2).all();
        assert!(refused.contains("no run") && !refused.contains('\u{1b}'), "{refused}");
    }
}
