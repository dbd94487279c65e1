//! `roboppi events`.

use std::fs;

use nix::sys::signal::Signal::SIGKILL;
use serde_json::Value;

use crate::env::TestEnv;
use crate::flow::Flow;

fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

#[test]
fn the_lines_are_those_of_the_run_itself() {
    let env = TestEnv::new();
    let flow = Flow::of("echo '::progress percent=42::half of it'; exit 1");
    let printed = env.run(&flow).args(["--output", "json"]).output().code(1).text();
    let live: Vec<_> = printed.lines().filter(|line| !line.starts_with("{\"v\":1,\"attempt\"")).collect();
    let later = env.roboppi(["events", "--json"]).output().code(0).text();
    assert_eq!(later.lines().collect::<Vec<_>>(), live);

    let workers = env.roboppi(["events", "--json", "--workers"]).output().code(0).text();
    let of_work: Vec<_> = lines(&workers).into_iter().filter(|line| line.get("attempt").is_some()).collect();
    assert_eq!(of_work.len(), env.the_run().attempt_events("work", 1).len());
    assert!(of_work.iter().any(|line| line["event"]["message"] == "half of it"), "{workers}");
    // Output is in the log.
    let is_event =
        |line: &&str| line.starts_with("{\"v\":1,\"attempt\"") && !line.contains("\"type\":\"stdout\"");
    for line in printed.lines().filter(is_event) {
        assert!(workers.lines().any(|later| later == line), "{line}\n{workers}");
    }
}

#[test]
fn events_are_chosen_by_kind_and_number() {
    let env = TestEnv::new();
    let _ = env.run(&Flow::of("true")).output().code(0);
    let events =
        |arguments: &str| env.roboppi(["events"]).args(arguments.split_whitespace()).output().code(0).text();
    let all = lines(&events("--json"));
    let seqs: Vec<_> = all.iter().map(|line| line["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=all.len() as u64).collect::<Vec<_>>());
    let rest = lines(&events("--json --after 3"));
    assert_eq!(rest, all[3..]);
    let some = lines(&events("-1 --json --kind run_started --kind run_finished"));
    let kinds: Vec<_> = some.iter().map(|line| line["event"]["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["run_started", "run_finished"]);
    let text = events("--kind run_finished");
    assert!(text.contains("run_finished") && text.contains("succeeded after"), "{text}");
    assert_eq!(events("").lines().count(), all.len());
    assert_eq!(events("--kind absent"), "");
}

#[test]
fn events_are_followed_to_the_end() {
    let env = TestEnv::new();
    let run = env.run(&Flow::of("echo > up; until [ -e go ]; do sleep 0.01; done")).start();
    env.wait_for_file("up");
    let following = env.roboppi(["events", "-f", "--json"]).start();
    following.wait_for_text("attempt_started");
    let cut = env.shell("$ROBOPPI events -f | head -n 1; echo ${PIPESTATUS[0]}").output().code(0).text();
    assert!(cut.ends_with("\n0\n"), "{cut}");
    env.write("go", "");
    let _ = run.wait().code(0);
    let text = following.wait().code(0).text();
    assert_eq!(lines(&text).len(), env.the_run().journal().len());
}

#[test]
fn a_kind_that_is_not_there_is_said_with_those_that_are() {
    let env = TestEnv::new();
    let _ = env.run(&Flow::of("true")).output().code(0);
    let printed = env.roboppi(["events", "--kind", "run_finisched"]).output().code(0);
    assert!(printed.stdout.is_empty(), "{}", printed.text());
    assert!(printed.stderr.contains("attempt_finished, attempt_phase"), "{}", printed.stderr);
    let printed = env.roboppi(["events", "--kind", "run_finished"]).output().code(0);
    assert_eq!((printed.text().lines().count(), printed.stderr.as_str()), (1, ""));
}

#[test]
fn what_is_damaged_is_said_and_the_rest_is_shown() {
    let env = TestEnv::new();
    let none = env.roboppi(["events"]).output().code(2);
    assert!(none.stdout.is_empty() && none.stderr.contains("no run"), "{}", none.stderr);
    let run = env.run(&Flow::of("echo > up; sleep 1000")).start();
    env.wait_for_file("up");
    run.signal(SIGKILL);
    let _ = run.wait().signal(SIGKILL);
    env.wait_until_nothing_is_left();
    let path = env.the_run().dir.join("journal.jsonl");
    let whole = env.the_run().journal().len();
    let journal = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{journal}no record\n{{\"seq\":")).unwrap();
    for arguments in [&["events", "--json"][..], &["events", "--json", "-f"]] {
        let printed = env.roboppi(arguments).output().code(0);
        assert_eq!(lines(&printed.text()).len(), whole);
        let said = &printed.stderr;
        assert!(
            said.contains(&format!("journal.jsonl:{}: ", whole + 1)) && said.contains("middle of a line"),
            "{said}"
        );
    }
    for hostile in ["../x", "/etc", "", "-7"] {
        let refused = env.roboppi(["events", hostile]).output().code(2).all();
        assert!(refused.contains("no run"), "{refused}");
    }
}
