//! `roboppi show`.

use std::fs;

use nix::sys::signal::Signal::{SIGINT, SIGKILL};

use crate::env::TestEnv;
use crate::flow::Flow;

fn show(env: &TestEnv, arguments: &[&str]) -> String {
    env.roboppi(["show"]).args(arguments).output().code(0).text()
}

#[test]
fn what_failed_comes_first_and_then_everything_else() {
    let env = TestEnv::new();
    let flow = Flow::new()
        .step("build", "echo fine")
        .step_with("hopeless", "echo may fail; exit 7", &["continue_on_error: true"])
        .step_with(
            "test it",
            "for n in $(seq 100); do echo line $n; done; echo it is broken >&2; exit 3",
            &["depends_on: [build]"],
        )
        .step_with("publish", "true", &["depends_on: [test it]"]);
    let _ = env.run(&flow).output().code(1);
    let page = show(&env, &[]);
    let id = env.the_run().dir.file_name().unwrap().to_str().unwrap().to_owned();
    assert!(page.starts_with(&format!("Run r1 ({id}) of flow: failed in ")), "{page}");
    let place = |text: &str| page.find(text).unwrap_or_else(|| panic!("no {text:?} in\n{page}"));
    let order = [
        "exit code 1",
        "test it failed",
        "  | it is broken\n",
        "  all of it: roboppi logs r1 'test it'",
        "hopeless failed (it was allowed to)",
        "STEP ",
        "publish ",
        "began ",
        "record ",
        "steps/build/i1-a1.log",
    ];
    let places: Vec<_> = order.iter().map(|text| place(text)).collect();
    assert!(places.is_sorted(), "{places:?}\n{page}");
    assert!(!page.contains("line 1\n") && page.contains("line 100\n"), "{page}");
    for same in [&["-1"][..], &[&id], &[&id[..30]]] {
        assert_eq!(show(&env, same), page);
    }
    let cut = env.shell("$ROBOPPI show | head -n 1; echo ${PIPESTATUS[0]}").output().code(0).text();
    assert!(cut.ends_with("\n0\n"), "{cut}");
}

#[test]
fn a_live_and_a_lost_run_are_told_apart() {
    let env = TestEnv::new();
    let none = env.roboppi(["show"]).output().code(2);
    assert!(none.stderr.contains("no run"), "{}", none.stderr);
    let run = env.run(&Flow::of("echo up > up; sleep 1000")).start();
    env.wait_for_file("up");
    env.wait_for("the step that runs", || (env.the_run().state("work") == "running").then_some(()));
    let page = show(&env, &[]);
    assert!(page.contains("flow: running for ") && page.contains("work  running"), "{page}");
    run.signal(SIGKILL);
    let _ = run.wait().signal(SIGKILL);
    env.wait_until_nothing_is_left();
    let page = show(&env, &[]);
    assert!(page.contains("flow: lost") && page.contains("is gone and recorded no end"), "{page}");
    assert!(!page.contains("running"), "{page}");
    let again = env.run(&Flow::of("echo > up-again; sleep 1000")).start();
    env.wait_for_file("up-again");
    again.signal(SIGINT);
    let _ = again.wait().code(130);
    let page = show(&env, &["-1"]);
    assert!(page.contains("flow: cancelled in ") && page.contains("work cancelled"), "{page}");
}

#[test]
fn what_is_damaged_is_said_and_the_rest_is_shown() {
    let env = TestEnv::new();
    let _ = env.run(&Flow::of(r"printf 'red \033[31m\n'; exit 1")).output().code(1);
    assert!(!show(&env, &[]).contains('\u{1b}'));
    let dir = env.the_run().dir;
    fs::write(dir.join("run.json"), "{").unwrap();
    let journal = fs::read_to_string(dir.join("journal.jsonl")).unwrap();
    let (_, rest) = journal.split_once('\n').unwrap();
    fs::write(dir.join("journal.jsonl"), format!("{rest}half")).unwrap();
    // Without its first record nobody knows the steps; the end is still known.
    let printed = env.roboppi(["show"]).output().code(0);
    assert!(printed.text().contains("failed in ") && printed.text().contains("record "), "{}", printed.all());
    fs::write(dir.join("journal.jsonl"), "").unwrap();
    assert!(show(&env, &[]).contains("lost"));
    fs::remove_file(dir.join("journal.jsonl")).unwrap();
    assert!(show(&env, &[]).contains("No step is recorded"));
    for hostile in ["../x", "/etc", "", "-7"] {
        let refused = env.roboppi(["show", hostile]).output().code(2).all();
        assert!(refused.contains("no run"), "{refused}");
    }
}
