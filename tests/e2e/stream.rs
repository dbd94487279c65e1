//! `--stream`: every line as it happens.

use crate::env::TestEnv;
use crate::flow::Flow;

/// The lines of a step: those with its name in front.
fn lines_of<'a>(printed: &'a str, step: &str) -> Vec<&'a str> {
    let prefix = format!("{step} | ");
    printed.lines().filter_map(|line| line.strip_prefix(&prefix)).collect()
}

#[test]
fn nothing_is_lost_on_the_way() {
    for mode in ["--supervised", "--direct"] {
        let env = TestEnv::new();
        let printed = env.run(&Flow::of("seq 1 200000")).args(["--stream", mode]).output().code(0).text();
        let log = env.the_run().text("work", 1);
        assert_eq!(log.lines().count(), 200_000);
        let streamed = lines_of(&printed, "work");
        let first_wrong = streamed.iter().zip(log.lines()).position(|(shown, written)| *shown != written);
        assert_eq!((first_wrong, streamed.len()), (None, 200_000), "{mode}");
    }
}

#[test]
fn a_line_appears_while_its_step_runs() {
    let env = TestEnv::new();
    let script = "echo first; until [ -e go ]; do sleep 0.01; done; echo second";
    let running = env.run(&Flow::of(script)).arg("--stream").start();
    running.wait_for_text("work | first");
    env.write("go", "");
    let printed = running.wait().code(0).text();
    assert_eq!(lines_of(&printed, "work"), ["first", "second"]);
}

#[test]
fn lines_of_steps_side_by_side_stay_whole() {
    let env = TestEnv::new();
    let mut flow = Flow::new();
    for step in ["a", "b", "c"] {
        flow = flow
            .step(step, &format!("for n in $(seq 1 3000); do echo {step} $n and the rest of the line; done"));
    }
    let printed = env.run(&flow).arg("--stream").output().code(0).text();
    for step in ["a", "b", "c"] {
        let lines = lines_of(&printed, step);
        assert_eq!(lines.len(), 3000);
        for (index, line) in lines.iter().enumerate() {
            assert_eq!(*line, format!("{step} {} and the rest of the line", index + 1));
        }
    }
}

#[test]
fn a_last_line_without_its_end_is_shown() {
    let env = TestEnv::new();
    let printed = env.run(&Flow::of("echo one; printf two")).arg("--stream").output().code(0).text();
    assert_eq!(lines_of(&printed, "work"), ["one", "two"]);
}

#[test]
fn without_stdio_no_output_is_shown() {
    let env = TestEnv::new();
    let flow = Flow::of("echo secret");
    let printed = env.run(&flow).args(["--stream", "--stream-stdio", "off"]).output().code(0).all();
    assert!(!printed.contains("secret"), "{printed}");
    // What is not shown is recorded all the same.
    assert!(env.the_run().text("work", 1).contains("secret\n"));
}

#[test]
fn a_question_is_shown_while_it_waits_for_an_answer() {
    let env = TestEnv::new();
    let script =
        "printf 'Continue? [y/N] '; until [ -e go ]; do sleep 0.01; done; echo; printf half; printf ' end'";
    let running = env.run(&Flow::of(script)).arg("--stream").start();
    running.wait_for_text("work | Continue? [y/N]");
    let following = env.roboppi(["logs", "-f", "--timestamps"]).start();
    following.wait_for_text("Continue? [y/N]");
    env.write("go", "");
    let printed = running.wait().code(0).text();
    assert_eq!(lines_of(&printed, "work"), ["Continue? [y/N] ", "half end"]);
    let followed = following.wait().code(0).text();
    let texts: Vec<_> =
        followed.lines().filter_map(|line| line.split_once("Z ")).map(|(_, text)| text).collect();
    assert_eq!(texts, ["Continue? [y/N] ", "half end"], "{followed}");
}

#[test]
fn a_line_that_matches_until_it_goes_on_takes_nothing_from_the_next_one() {
    let env = TestEnv::new();
    let script = "printf done; until [ -e go ]; do sleep 0.01; done; echo ' (3 s)'; echo next done";
    let running = env.run(&Flow::of(script)).start();
    env.wait_for("the run", || env.runs().first()?.events("attempt_started").first().cloned());
    let following = env.roboppi(["logs", "work", "-f", "--grep", "done$"]).start();
    following.wait_for_text("done");
    env.write("go", "");
    let _ = running.wait().code(0);
    assert_eq!(following.wait().code(0).text(), "done\nnext done\n");
}
