//! When the full screen stays after the end of a run, and what is left on the terminal then.

use roboppi_terminal::Screen;

use crate::env::{Invocation, OnScreen, TestEnv};
use crate::flow::Flow;

/// Ends once the file `end` is there.
const UNTIL_END: &str = "echo at work; until [ -e end ]; do sleep 0.02; done";

/// On the screen, with the default of a person.
fn on_screen<'e>(env: &'e TestEnv, flow: &Flow) -> Invocation<'e> {
    env.run_in_terminal(flow).without_env("ROBOPPI_HOLD")
}

fn left(on_screen: &OnScreen<'_>) -> String {
    on_screen.terminal.look(Screen::contents)
}

#[test]
fn a_screen_without_keys_leaves_by_itself_when_the_run_has_succeeded() {
    for mode in ["--supervised", "--direct"] {
        let env = TestEnv::new();
        let mut screen = on_screen(&env, &Flow::of("echo fine")).arg(mode).start_in_terminal(24, 100);
        screen.expect_code(0);
        screen.expect_restored_terminal();
        screen.wait_for_text("SUCCEEDED: 1 step in ");
    }
}

#[test]
fn a_person_who_reads_is_not_thrown_out() {
    let env = TestEnv::new();
    let mut screen = on_screen(&env, &Flow::of(UNTIL_END)).start_in_terminal(24, 100);
    screen.wait_for_text("at work");
    screen.press("t");
    env.write("end", "");
    screen.wait_for_text("press q to leave");
    assert!(screen.terminal.look(Screen::alternate_screen));
    screen.press("q");
    screen.expect_code(0);
}

#[test]
fn a_failure_stays_and_any_key_keeps_it() {
    let env = TestEnv::new();
    let mut screen = on_screen(&env, &Flow::of("echo it is broken; exit 3")).start_in_terminal(24, 120);
    screen.wait_for_text("any key stays");
    screen.wait_for_text("it is broken");
    screen.press("j");
    screen.wait_for_text("press q to leave");
    screen.press("q");
    screen.expect_code(1);
    screen.wait_for_text("--resume r1");
    assert!(!left(&screen).contains("--- output of"), "the person has seen it: {}", left(&screen));
}

#[test]
fn whoever_ends_the_run_is_back_in_the_shell_with_the_way_to_go_on() {
    for keys in ["\x03", "qy"] {
        let env = TestEnv::new();
        let mut screen = on_screen(&env, &Flow::of("echo at work; sleep 1000")).start_in_terminal(24, 100);
        screen.wait_for_text("at work");
        for key in keys.chars() {
            screen.press(&key.to_string());
        }
        screen.expect_code(130);
        screen.expect_restored_terminal();
        screen.wait_for_text("CANCELLED");
        screen.wait_for_text("--resume r1");
    }
}

#[test]
fn what_is_asked_for_holds() {
    for (hold, script, code) in [("never", "echo it is broken; exit 3", 1), ("always", "true", 0)] {
        for by in ["option", "variable"] {
            let env = TestEnv::new();
            let run = on_screen(&env, &Flow::of(script));
            let run = match by {
                "option" => run.env("ROBOPPI_HOLD", "nonsense").args(["--hold", hold]),
                _ => run.env("ROBOPPI_HOLD", hold),
            };
            let mut screen = run.start_in_terminal(24, 100);
            if hold == "always" {
                screen.wait_for_text("press q to leave");
                screen.press("q");
            }
            screen.expect_code(code);
            // A screen that was never used leaves what lines would have.
            if hold == "never" {
                screen.wait_for_text("--- output of work");
                screen.wait_for_text("--resume r1");
            }
        }
    }
}

#[test]
fn the_end_of_the_keyboard_is_the_end_of_the_screen() {
    // Ctrl-D as a program hands it on whose own input has ended: before and after the screen has the terminal.
    for early in [true, false] {
        let env = TestEnv::new();
        let run = on_screen(&env, &Flow::of(&format!("{UNTIL_END}; exit 3"))).args(["--hold", "always"]);
        let mut screen = run.start_in_terminal(24, 100);
        if !early {
            screen.wait_for_text("at work");
        }
        screen.press("\x04");
        env.write("end", "");
        screen.expect_code(1);
        screen.expect_restored_terminal();
        screen.wait_for_text("FAILED: 1 of 1 step failed");
    }
}

#[test]
fn under_script_without_input_nothing_waits() {
    let env = TestEnv::new();
    env.write("good.yaml", &Flow::of("echo fine").text());
    env.write("bad.yaml", &Flow::of("exit 3").text());
    let script = "command -v script > /dev/null || exit 99
        for flow in good bad; do
            script -qec \"$ROBOPPI workflow run $flow.yaml --tui\" /dev/null < /dev/null > $flow.out; echo $?
        done";
    let run = env.shell(script).without_env("ROBOPPI_HOLD").env("TERM", "xterm");
    let outcome = run.output();
    if outcome.has_code(99) {
        return;
    }
    assert_eq!(outcome.code(0).text(), "0\n1\n");
    assert!(env.read("good.out").contains("SUCCEEDED"), "{}", env.read("good.out"));
    assert!(env.read("bad.out").contains("FAILED"), "{}", env.read("bad.out"));
}

#[test]
fn a_viewer_of_another_process_stays_until_it_is_left() {
    let env = TestEnv::new();
    let _ = env.run(&Flow::of("true")).output().code(0);
    let attach = || env.roboppi(["attach", "--tui"]).without_env("ROBOPPI_HOLD");
    let mut screen = attach().start_in_terminal(24, 100);
    screen.wait_for_text("press q to leave");
    screen.press("q");
    screen.expect_code(0);
    let mut screen = attach().args(["--hold", "never"]).start_in_terminal(24, 100);
    screen.expect_code(0);
    screen.expect_restored_terminal();
}

#[test]
fn from_lines_one_leaves_after_the_end() {
    let env = TestEnv::new();
    let mut screen = on_screen(&env, &Flow::of(UNTIL_END)).start_in_terminal(24, 100);
    screen.wait_for_text("at work");
    screen.press("s");
    screen.wait_until("lines", |screen| !screen.alternate_screen());
    env.write("end", "");
    screen.wait_for_text("s shows the screen again, q leaves");
    screen.press("q");
    screen.expect_code(0);
    screen.wait_for_text("SUCCEEDED: 1 step in ");
}
