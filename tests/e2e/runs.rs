//! The list of runs, and what becomes of old ones.

use std::fs;
use std::path::Path;

use nix::sys::signal::Signal::SIGKILL;
use serde_json::Value;

use crate::env::TestEnv;
use crate::flow::Flow;
use crate::processes::Process;

fn list(env: &TestEnv) -> Vec<Value> {
    let text = env.roboppi(["runs", "--json"]).output().code(0).text();
    serde_json::from_str::<Value>(&text).unwrap().as_array().unwrap().clone()
}

/// Makes a copy of a run that seems to have begun long ago.
fn older_copy(env: &TestEnv, number: u32) -> String {
    let run = env.runs().pop().unwrap();
    let id = format!("00000000-0000-7000-8000-{number:012}");
    let copy = run.dir.parent().unwrap().join(&id);
    copy_dir(&run.dir, &copy);
    let manifest = fs::read_to_string(copy.join("run.json")).unwrap();
    let own = run.dir.file_name().unwrap().to_str().unwrap().to_owned();
    let mut manifest: Value = serde_json::from_str(&manifest.replace(&own, &id)).unwrap();
    manifest["startedAt"] = 1_000.into();
    fs::write(copy.join("run.json"), manifest.to_string()).unwrap();
    id
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn runs_are_listed_newest_first_with_how_they_are() {
    let env = TestEnv::new();
    let none = env.roboppi(["runs"]).output().code(0).text();
    assert!(none.contains("There are no runs yet"), "{none}");
    assert!(list(&env).is_empty());

    let _ = env.run(&Flow::of("true").step_with("after", "true", &["depends_on: [work]"])).output().code(0);
    let _ = env.run(&Flow::of("exit 3")).output().code(1);
    let killed = env.run(&Flow::of("echo up > up; sleep 1000")).start();
    env.wait_for_file("up");
    killed.signal(SIGKILL);
    let _ = killed.wait().signal(SIGKILL);
    env.wait_until_nothing_is_left();
    let live = env.run(&Flow::of("echo up > up-again; sleep 1000")).start();
    env.wait_for_file("up-again");

    let runs = list(&env);
    let states: Vec<_> = runs.iter().map(|run| run["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["running", "lost", "failed", "succeeded"]);
    assert_eq!((&runs[3]["stepsDone"], &runs[3]["stepsTotal"]), (&2.into(), &2.into()));
    assert_eq!(runs[3]["name"], "flow");
    let table = env.roboppi(["ls"]).output().code(0).text();
    let lines: Vec<_> = table.lines().collect();
    assert_eq!(lines.len(), 5, "{table}");
    for (line, run) in lines[1..].iter().zip(&runs) {
        assert!(
            line.starts_with(run["handle"].as_str().unwrap())
                && line.contains(run["state"].as_str().unwrap()),
            "{line}"
        );
    }
    live.signal(nix::sys::signal::Signal::SIGINT);
    let _ = live.wait().code(130);
}

#[test]
fn old_runs_are_removed_and_live_and_pinned_ones_are_not() {
    let env = TestEnv::new();
    let _ = env.run(&Flow::of("true")).output().code(0);
    let old: Vec<String> = (1..=3).map(|number| older_copy(&env, number)).collect();
    let pinned = env.roboppi(["runs", "pin", &old[1]]).output().code(0).text();
    assert!(pinned.contains("is kept for good"), "{pinned}");

    let planned = env.roboppi(["runs", "prune", "--dry-run"]).output().code(0).text();
    assert!(planned.contains("2 runs would be removed") && planned.contains("too old"), "{planned}");
    assert_eq!(list(&env).len(), 4);
    let done = env.roboppi(["runs", "prune"]).output().code(0).text();
    assert!(done.contains("2 runs removed"), "{done}");
    let left: Vec<_> = list(&env).iter().map(|run| run["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!((left.len(), left.contains(&old[1])), (2, true));

    let live = env.run(&Flow::of("echo up > up; sleep 1000")).start();
    env.wait_for_file("up");
    let done = env.roboppi(["runs", "prune", "--count", "0", "--size", "0"]).output().code(0).text();
    assert!(done.contains("1 run removed"), "{done}");
    assert_eq!(list(&env).len(), 2, "the live one and the pinned one");
    live.signal(nix::sys::signal::Signal::SIGINT);
    let _ = live.wait().code(130);
    let _ = env.roboppi(["runs", "unpin", &old[1]]).output().code(0);
    let _ = env.roboppi(["runs", "prune", "--count=0"]).output().code(0);
    assert!(list(&env).is_empty());
}

#[test]
fn a_new_run_removes_what_is_too_old() {
    let env = TestEnv::new();
    let _ = env.run(&Flow::of("true")).output().code(0);
    let old = older_copy(&env, 1);
    let marker = env.path("state/roboppi/.housekeeping");
    env.wait_for("the first round", || marker.exists().then_some(()));
    fs::remove_file(&marker).unwrap();
    // It lasts until the old run is gone.
    let gone = env.path("state/roboppi/runs").join(&old);
    let script = format!("while [ -e {} ]; do sleep 0.01; done", gone.display());
    let _ = env.run(&Flow::of(&script)).output().code(0);
}

#[test]
fn what_is_damaged_is_listed_and_said() {
    let env = TestEnv::new();
    let _ = env.run(&Flow::of("true")).output().code(0);
    let run = env.the_run();
    let journal = fs::read_to_string(run.dir.join("journal.jsonl")).unwrap();
    fs::write(run.dir.join("run.json"), "{\"format\": 99}").unwrap();
    fs::write(run.dir.join("journal.jsonl"), &journal[..journal.len() - 40]).unwrap();
    fs::create_dir(run.dir.parent().unwrap().join("../runs/not-a-run")).unwrap();
    let shown = env.roboppi(["runs"]).output().code(0).text();
    assert!(shown.contains("lost") && shown.contains("warning: ") && shown.contains("format 99"), "{shown}");
    for hostile in ["../x", "/etc", "..", "", "%2e"] {
        let refused = env.roboppi(["runs", "pin", hostile]).output().code(2).all();
        assert!(refused.contains("no run"), "{refused}");
    }
    assert!(Process::marked(env.mark()).is_empty());
}

#[test]
fn what_is_shown_is_the_same_with_a_snapshot_without_one_and_with_a_damaged_one() {
    let env = TestEnv::new();
    let _ = env.run(&Flow::of("echo a word; exit 3")).output().code(1);
    let run = env.the_run();
    let shown = || {
        let logs = env.roboppi(["logs", "-1"]).output().code(0).text();
        assert!(logs.contains("a word"), "{logs}");
        (env.roboppi(["runs", "--json"]).output().code(0).text(), logs)
    };
    let without = shown();
    let record = roboppi_record::RunDir::at(run.dir.clone());
    assert!(roboppi_record::SnapshotWriter::new(record.clone()).every(1).check().unwrap());
    let seq = record.view().unwrap().from_snapshot().expect("it begins with the snapshot");
    assert_eq!(shown(), without);
    let snapshot = run.dir.join(format!("snapshots/{seq}.json"));
    let text = fs::read_to_string(&snapshot).unwrap();
    fs::write(&snapshot, text.replace("failed", "FAILED")).unwrap();
    assert_eq!(shown(), without);
    fs::write(&snapshot, "").unwrap();
    assert_eq!(shown(), without);
}

#[test]
fn a_new_run_packs_the_logs_of_those_that_are_over() {
    let env = TestEnv::new();
    let _ = env.run(&Flow::of("seq 1 40000; echo small is not beautiful >&2")).output().code(0);
    let _ = env.run(&Flow::of("echo too short")).output().code(0);
    let path = |run: &str| {
        let text = env.roboppi(["logs", "--path", run]).output().code(0).text();
        std::path::PathBuf::from(text.trim_end())
    };
    let read = || env.roboppi(["logs", "-2"]).output().code(0).text();
    let (long, short) = (path("-2"), path("-1"));
    let before = read();
    assert!(before.contains("\n39999\n") && before.contains("beautiful"));

    // As if it had been long ago.
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(3_600);
    for log in [&long, &short] {
        fs::File::options().append(true).open(log).unwrap().set_modified(long_ago).unwrap();
    }
    let _ = fs::remove_file(env.path("state/roboppi/.housekeeping"));
    let script = format!("while [ -e {} ]; do sleep 0.01; done; seq 1 40000", long.display());
    let _ = env.run(&Flow::of(&script)).output().code(0);
    let (last, short_now) = (path("-1"), path("-2"));
    assert!(last.exists() && last.extension().unwrap() == "log", "{}", last.display());
    assert_eq!(short_now, short);
    let packed = path("-3");
    assert_eq!(packed, long.with_extension("log.zst"));
    assert!(fs::metadata(&packed).unwrap().len() * 2 < before.len() as u64);
    assert_eq!(env.roboppi(["logs", "-3"]).output().code(0).text(), before);
    let tail = env.roboppi(["logs", "-3", "--tail", "2"]).output().code(0).text();
    assert!(tail.contains("40000") && !tail.contains("39998"), "{tail}");
}

#[test]
fn a_run_has_a_handle_that_every_command_takes_and_prints() {
    let env = TestEnv::new();
    let first = env.run(&Flow::of("echo one; exit 3")).output().code(1).all();
    assert!(first.contains("run        r1 (") && first.contains("--resume r1\n"), "{first}");
    let _ = env.run(&Flow::of("echo two")).output().code(0);
    let handles: Vec<_> = list(&env).iter().map(|run| run["handle"].as_str().unwrap().to_owned()).collect();
    assert_eq!(handles, ["r2", "r1"]);

    let text = |arguments: &[&str]| env.roboppi(arguments.iter().copied()).output().code(0).text();
    assert_eq!((text(&["logs", "r1"]), text(&["logs", "r2"])), ("one\n".to_owned(), "two\n".to_owned()));
    assert!(text(&["show", "r1"]).contains("r1 ("), "{}", text(&["show", "r1"]));
    assert!(text(&["runs", "pin", "r1"]).starts_with("r1 "));
    assert!(text(&["events", "r2"]).contains("succeeded"));
    for unknown in ["r0", "r3", "r01", "R1"] {
        let refused = env.roboppi(["show", unknown]).output().code(2).all();
        assert!(refused.contains(&format!("no run `{unknown}`")), "{refused}");
    }
    let again = env.run(&Flow::of("echo one; exit 3")).args(["--resume", "r1"]).output().code(1).all();
    assert!(again.contains("--resume r3\n"), "{again}");
}

#[test]
fn the_last_run_is_the_one_that_began_last_and_none_that_was_imported() {
    let env = TestEnv::new();
    let _ = env.run(&Flow::of("echo first")).output().code(0);
    let _ = env.roboppi(["export", "-1", "-o", "run.tar.zst"]).output().code(0);
    let _ = env.roboppi(["import", "run.tar.zst", "--as", "zcopy"]).output().code(0);
    let _ = env.run(&Flow::of("echo second")).output().code(0);
    let _ = env.roboppi(["import", "run.tar.zst", "--as", "zzz"]).output().code(0);

    assert_eq!(env.roboppi(["logs", "-1"]).output().code(0).text(), "second\n");
    assert_eq!(env.roboppi(["logs", "-2"]).output().code(0).text(), "first\n");
    let third = env.roboppi(["logs", "-3"]).output().code(2).all();
    assert!(third.contains("no run `-3`"), "{third}");
    // Handles are those of this machine, whatever the record says.
    assert_eq!(env.roboppi(["logs", "r2"]).output().code(0).text(), "first\n");
    let shown = env.roboppi(["show", "zcopy"]).output().code(0).text();
    assert!(shown.contains("r2 ("), "{shown}");
}

#[test]
fn what_ends_something_names_it_and_does_not_guess_between_two() {
    let env = TestEnv::new();
    let nothing = env.roboppi(["cancel"]).output().code(2).all();
    assert!(nothing.contains("no run is live"), "{nothing}");
    let one = env.run(&Flow::of("echo up > up; sleep 1000").with("name: one")).start();
    env.wait_for_file("up");
    let other = env.run(&Flow::of("echo up > up-too; sleep 1000").with("name: two")).start();
    env.wait_for_file("up-too");
    for arguments in
        [vec!["cancel"], vec!["cancel", "-1"], vec!["skip", "-1", "work"], vec!["retry", "-2", "work"]]
    {
        let refused = env.roboppi(&arguments).output().code(2).all();
        assert!(
            refused.contains("2 runs are live") && refused.contains("r1 ") && refused.contains("r2 "),
            "{refused}"
        );
    }
    let done = env.roboppi(["cancel", "r1", "--wait"]).output().code(0).text();
    assert!(done.contains("r1 (") && done.contains("end"), "{done}");
    let _ = one.wait().code(130);
    let done = env.roboppi(["cancel", "--wait"]).output().code(0).text();
    assert!(done.contains("r2 ("), "{done}");
    let _ = other.wait().code(130);
}

#[test]
fn runs_are_chosen_by_state_workflow_workspace_and_age() {
    let env = TestEnv::new();
    let _ = env.run(&Flow::of("true")).output().code(0);
    let _ = env.run(&Flow::of("exit 1")).output().code(1);
    let old = older_copy(&env, 7);
    let handles = |options: &[&str]| {
        let text = env.roboppi([&["runs", "--json"], options].concat()).output().code(0).text();
        let runs: Vec<Value> = serde_json::from_str(&text).unwrap();
        runs.iter().map(|run| run["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let all = handles(&[]);
    assert_eq!((all.len(), all.last()), (3, Some(&old)), "by the time at which they began");
    assert_eq!(handles(&["--state", "succeeded"]), all[1..2]);
    assert_eq!(handles(&["--state", "failed", "--state", "lost", "--limit", "1"]), all[..1]);
    assert_eq!(handles(&["--before", "30d"]), all[2..]);
    assert_eq!(handles(&["--since", "1h"]), all[..2]);
    assert_eq!(handles(&["--workflow", "flow"]), all);
    assert_eq!(handles(&["--workflow", "flow.yaml"]), all);
    assert_eq!(handles(&["--workspace", "."]), all);
    assert!(handles(&["--workflow", "other"]).is_empty() && handles(&["-w", "/"]).is_empty());
    let none = env.roboppi(["runs", "--state", "running"]).output().code(0).text();
    assert_eq!(none, "No run matches.\n");
    let one = env.roboppi(["runs", "-n", "1"]).output().code(0).text();
    assert!(one.contains("2 more runs") && one.lines().count() == 3, "{one}");
}

#[test]
fn a_list_fits_the_terminal() {
    let env = TestEnv::new();
    let name = "a-name-that-is-longer-than-any-list-of-runs-has-room-for";
    let _ = env.run(&Flow::of("true").with(&format!("name: {name}"))).output().code(0);
    let mut on_screen = env.roboppi(["runs"]).start_in_terminal(24, 60);
    on_screen.wait_for_text("r1 ");
    on_screen.expect_code(0);
    let shown = on_screen.terminal.look(roboppi_terminal::Screen::contents);
    let lines: Vec<&str> = shown.lines().filter(|line| !line.trim().is_empty()).collect();
    assert_eq!(lines.len(), 2, "{shown}");
    assert!(lines[1].starts_with("r1 ") && lines[1].contains('…') && !shown.contains(name), "{shown}");
    let long = env.roboppi(["runs", "--long"]).output().code(0).text();
    assert!(long.contains(name) && long.contains(&env.work().display().to_string()), "{long}");
}

#[test]
fn runs_are_removed_by_name_and_never_a_live_one() {
    let env = TestEnv::new();
    let _ = env.run(&Flow::of("true").step_with("after", "exit 1", &["depends_on: [work]"])).output().code(1);
    let _ = env
        .run(&Flow::of("true").step_with("after", "exit 1", &["depends_on: [work]"]))
        .arg("--rerun-failed")
        .output()
        .code(1);
    let live = env.run(&Flow::of("echo up > up; sleep 1000")).start();
    env.wait_for_file("up");
    let refused = |runs: &[&str], why: &str| {
        let text = env.roboppi([&["runs", "rm"], runs].concat()).output().code(1).all();
        assert!(text.contains(why), "{text}");
    };
    refused(&["r3"], "a live run is not removed");
    refused(&["r1"], "that r2 flow kept");
    refused(&["r1", "r2", "r3"], "a live run is not removed");
    assert_eq!(list(&env).len(), 3, "all of them, or none");
    let _ = env.roboppi(["runs", "pin", "r2"]).output().code(0);
    refused(&["r1", "r2"], "is pinned");
    let gone = env.roboppi(["runs", "rm", "--force", "r1", "r2", "r1"]).output().code(0).text();
    assert!(gone.starts_with("removed r1 flow (") && gone.lines().count() == 2, "{gone}");
    let _ = env.roboppi(["show", "r1"]).output().code(2);
    live.signal(nix::sys::signal::Signal::SIGINT);
    let _ = live.wait().code(130);
    let _ = env.run(&Flow::of("true")).output().code(0);
    let handles: Vec<_> = list(&env).iter().map(|run| run["handle"].as_str().unwrap().to_owned()).collect();
    assert_eq!(handles, ["r4", "r3"], "no handle is used twice");
}
