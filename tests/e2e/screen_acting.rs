//! What one can do to a run from its full screen.

use crate::env::TestEnv;
use crate::flow::Flow;

const CTRL_C: &str = "\x03";

/// Says that it runs, and ends once the file `end` is there.
const UNTIL_END: &str = "echo > started; until [ -e end ]; do sleep 0.02; done";

#[test]
fn a_failed_step_is_tried_again_while_the_run_goes_on() {
    let env = TestEnv::new();
    let flow = Flow::new().step("long", UNTIL_END).step("flaky", "[ -e good ]").step_with(
        "after",
        "echo > ran",
        &["depends_on: [flaky]"],
    );
    let mut on_screen = env.run_in_terminal(&flow).start_in_terminal(30, 120);
    on_screen.wait_for_text("✗ flaky");
    env.write("good", "");
    on_screen.press("gjr");
    on_screen.wait_for_text("✓ flaky");
    env.wait_for_file("ran");
    env.write("end", "");
    on_screen.wait_for_text("press q to leave");
    on_screen.press("q");
    on_screen.expect_code(0);
    assert_eq!(env.the_run().state("after"), "succeeded");
}

#[test]
fn after_the_end_the_key_says_how_to_go_on() {
    let env = TestEnv::new();
    let mut on_screen = env.run_in_terminal(&Flow::of("false")).start_in_terminal(24, 160);
    on_screen.wait_for_text("press q to leave");
    on_screen.press("r");
    on_screen.wait_for_text("flow.yaml --resume ");
    on_screen.press("q");
    on_screen.expect_code(1);
}

#[test]
fn a_step_that_waits_is_skipped_and_the_ones_after_it_go_on() {
    let env = TestEnv::new();
    let flow = Flow::new()
        .step("long", UNTIL_END)
        .step_with("middle", "touch ran-middle", &["depends_on: [long]"])
        .step_with("last", "touch ran-last", &["depends_on: [middle]"]);
    let mut on_screen = env.run_in_terminal(&flow).start_in_terminal(30, 100);
    env.wait_for_file("started");
    on_screen.wait_for_text("middle");
    on_screen.press("gjx");
    on_screen.wait_for_text("Skip step middle?");
    on_screen.press("y");
    on_screen.wait_for_text("⊘ middle");
    env.write("end", "");
    on_screen.wait_for_text("press q to leave");
    on_screen.press("q");
    on_screen.expect_code(0);
    assert!(env.work().join("ran-last").exists() && !env.work().join("ran-middle").exists());
}

#[test]
fn one_step_is_ended_and_the_others_go_on() {
    let env = TestEnv::new();
    let flow = Flow::new().step("first", "echo > first; sleep 1000").step("second", UNTIL_END);
    let mut on_screen = env.run_in_terminal(&flow).start_in_terminal(30, 100);
    env.wait_for_file("first");
    env.wait_for_file("started");
    on_screen.wait_for_text("second");
    on_screen.press("gx");
    on_screen.wait_for_text("End step first?");
    on_screen.press("y");
    on_screen.wait_for_text("■ first");
    env.write("end", "");
    on_screen.wait_for_text("✓ second");
    on_screen.wait_for_text("press q to leave");
    on_screen.press("q");
    assert_eq!(env.the_run().state("second"), "succeeded");
    on_screen.expect_restored_terminal();
}

#[test]
fn who_keeps_a_run_from_ending_is_named() {
    let env = TestEnv::new();
    let stubborn = "trap 'echo > asked' TERM; echo $$ > started; while :; do sleep 0.05 || true; done";
    let flow = Flow::new().step("polite", "sleep 1000").step("stubborn", stubborn);
    let mut on_screen = env.run_in_terminal(&flow).args(["--grace", "1h"]).start_in_terminal(24, 160);
    let pid = env.wait_for_file("started");
    on_screen.wait_for_text("stubborn");
    on_screen.press(CTRL_C);
    env.wait_for_file("asked");
    on_screen.wait_for_text(&format!("waiting for stubborn (pid {}, TERM sent, ", pid.trim()));
    on_screen.press(CTRL_C);
    on_screen.wait_for_text("press q to leave");
    on_screen.press("q");
    on_screen.expect_code(130);
}

#[test]
fn how_long_it_takes_is_said_when_earlier_runs_tell() {
    let env = TestEnv::new();
    let flow = Flow::new().step("long", UNTIL_END).step_with("last", "sleep 0.05", &["depends_on: [long]"]);
    for told in [false, true] {
        let mut on_screen = env.run_in_terminal(&flow).start_in_terminal(24, 120);
        env.wait_for_file("started");
        on_screen.wait_for_text("long");
        if told {
            on_screen.wait_for_text("s left");
        }
        env.write("end", "");
        on_screen.wait_for_text("press q to leave");
        on_screen.press("q");
        on_screen.expect_code(0);
        let written = String::from_utf8_lossy(&on_screen.terminal.written()).into_owned();
        assert_eq!(written.contains(" left"), told);
        for file in ["started", "end"] {
            std::fs::remove_file(env.work().join(file)).unwrap();
        }
    }
}

#[test]
fn what_stays_on_the_terminal_is_short_and_without_output() {
    let env = TestEnv::new();
    let mut flow = Flow::new().step("noisy", "for i in $(seq 500); do echo line $i of it; done; exit 3");
    for number in 0..40 {
        flow = flow.step(&format!("step-{number}"), "true");
    }
    let mut on_screen = env.run_in_terminal(&flow).start_in_terminal(40, 120);
    on_screen.wait_for_text("press q to leave");
    on_screen.press("q");
    on_screen.expect_code(1);
    on_screen.wait_for_text("FAILED: 1 of 41 steps failed");
    let left = on_screen.terminal.look(roboppi_terminal::Screen::contents);
    assert!(left.contains("noisy") && left.contains("and 40 other steps"), "{left}");
    assert!(left.contains("roboppi logs ") && !left.contains("line 499"), "{left}");
    assert!(left.trim_end().lines().count() < 15, "{left}");
}
