//! The terminal view, in a real terminal.

use nix::sys::signal::Signal::SIGTERM;

use crate::env::TestEnv;
use crate::flow::Flow;

const CTRL_C: &str = "\x03";

/// The tab with the output of a step.
const LOGS: &str = "2";

/// Writes a line, waits for the file `go` before the next, and for the file `end` before it ends.
const TWO_LINES: &str = "wait_for() { until [ -e $1 ]; do sleep 0.01; done; }
    echo a line to see; wait_for go; echo the other line; wait_for end";

#[test]
fn steps_and_their_output_appear_while_they_run() {
    for mode in ["--supervised", "--direct"] {
        let env = TestEnv::new();
        let flow =
            Flow::new().step("build", TWO_LINES).step_with("publish", "true", &["depends_on: [build]"]);
        let mut on_screen = env.run_in_terminal(&flow).arg(mode).start_in_terminal(30, 100);
        on_screen.wait_for_text("publish");
        on_screen.press(LOGS);
        on_screen.wait_for_text("a line to see");
        assert!(on_screen.terminal.look(roboppi_terminal::Screen::alternate_screen));
        env.write("go", "");
        on_screen.wait_for_text("the other line");
        env.write("end", "");
        // The final state stays until it is dismissed.
        env.wait_for("the end of the run", || env.the_run().outcome());
        on_screen.wait_for_text("press q to leave");
        on_screen.press("q");
        on_screen.expect_code(0);
        on_screen.expect_restored_terminal();
    }
}

#[test]
fn quitting_a_run_is_asked_about() {
    let env = TestEnv::new();
    let mut on_screen =
        env.run_in_terminal(&Flow::of("echo > started; sleep 1000")).start_in_terminal(24, 80);
    env.wait_for_file("started");
    on_screen.wait_for_text("work");
    on_screen.press("q");
    on_screen.wait_for_text("y yes");
    on_screen.press("n");
    assert_eq!(env.the_run().outcome(), None);
    on_screen.press("q");
    on_screen.press("y");
    env.wait_for("the end of the run", || env.the_run().outcome());
    // The record has it first.
    on_screen.wait_for_text("press q to leave");
    on_screen.press("q");
    on_screen.expect_code(130);
    on_screen.expect_restored_terminal();
    assert_eq!(env.the_run().outcome().as_deref(), Some("cancelled"));
}

#[test]
fn ctrl_c_asks_the_workers_and_a_second_one_kills_them() {
    let env = TestEnv::new();
    let stubborn = "trap 'echo > asked' TERM; echo > started; while :; do sleep 0.05 || true; done";
    let mut on_screen =
        env.run_in_terminal(&Flow::of(stubborn)).args(["--grace", "1h"]).start_in_terminal(24, 80);
    env.wait_for_file("started");
    on_screen.wait_for_text("work");
    on_screen.press(CTRL_C);
    env.wait_for_file("asked");
    on_screen.press(CTRL_C);
    env.wait_for("the end of the run", || env.the_run().outcome());
    assert_eq!(env.the_run().exit_code("work"), Some(137));
    // The record has it first.
    on_screen.wait_for_text("press q to leave");
    on_screen.press("q");
    on_screen.expect_code(130);
    on_screen.expect_restored_terminal();
}

#[test]
fn a_signal_restores_the_terminal() {
    for mode in ["--supervised", "--direct"] {
        let env = TestEnv::new();
        let flow = Flow::of("echo > started; sleep 1000");
        let mut on_screen = env.run_in_terminal(&flow).arg(mode).start_in_terminal(24, 80);
        env.wait_for_file("started");
        on_screen.wait_for_text("work");
        on_screen.process().signal(SIGTERM);
        on_screen.expect_code(143);
        on_screen.expect_restored_terminal();
    }
}

#[test]
fn the_terminal_is_usable_afterwards() {
    let env = TestEnv::new();
    env.write("flow.yaml", &Flow::of("true").text());
    let script = "before=$(stty -g); $ROBOPPI workflow run flow.yaml --tui; [ \"$before\" = \"$(stty -g)\" ] && echo same";
    let mut on_screen = env.shell(script).start_in_terminal(24, 80);
    on_screen.wait_for_text("press q to leave");
    on_screen.press("q");
    on_screen.wait_for_text("same");
    on_screen.expect_code(0);
}

#[test]
fn a_new_size_is_used() {
    let env = TestEnv::new();
    let flow = Flow::new().step("first", "echo > started; sleep 1000").step("second", "sleep 1000");
    let mut on_screen = env.run_in_terminal(&flow).start_in_terminal(24, 80);
    env.wait_for_file("started");
    on_screen.wait_for_text("second");
    for (rows, cols) in [(40, 120), (12, 40), (3, 10), (1, 1), (30, 100)] {
        on_screen.terminal.resize(rows, cols).unwrap();
    }
    on_screen.wait_until("something in the last line of 30", |screen| {
        screen.size().0.get() == 30 && !screen.rows(0, 100).last().unwrap_or_default().trim().is_empty()
    });
    on_screen.wait_for_text("second");
    on_screen.press(CTRL_C);
    env.wait_for("the end of the run", || env.the_run().outcome());
    // The record has it first.
    on_screen.wait_for_text("press q to leave");
    on_screen.press("q");
    on_screen.expect_code(130);
}

#[test]
fn a_closed_terminal_ends_the_run() {
    for mode in ["--supervised", "--direct"] {
        let env = TestEnv::new();
        let flow = Flow::of("echo > started; sleep 1000");
        let mut on_screen =
            env.run_in_terminal(&flow).args(["--grace", "300ms", mode]).start_in_terminal(24, 80);
        env.wait_for_file("started");
        on_screen.wait_for_text("work");
        on_screen.terminal.hang_up();
        env.wait_until_nothing_is_left();
        assert_eq!(env.the_run().outcome().as_deref(), Some("cancelled"));
    }
}

#[test]
fn a_flood_does_not_stop_the_keys() {
    let env = TestEnv::new();
    let mut on_screen = env
        .run_in_terminal(&Flow::of("echo > started; yes"))
        .args(["--grace", "300ms"])
        .start_in_terminal(24, 80);
    env.wait_for_file("started");
    on_screen.wait_for_text("work");
    on_screen.press(CTRL_C);
    env.wait_for("the end of the run", || env.the_run().outcome());
    // The record has it first.
    on_screen.wait_for_text("press q to leave");
    on_screen.press("q");
    on_screen.expect_code(130);
    on_screen.expect_restored_terminal();
}

#[test]
fn output_cannot_command_the_terminal() {
    let env = TestEnv::new();
    let script =
        r"printf '\033[?1049l\033[?25h\033]0;owned\007\033[31mred text\033[0m\n'; echo > started; sleep 1000";
    let mut on_screen = env.run_in_terminal(&Flow::of(script)).start_in_terminal(24, 80);
    env.wait_for_file("started");
    on_screen.press(LOGS);
    on_screen.wait_for_text("red text");
    assert!(on_screen.terminal.look(|screen| screen.alternate_screen() && screen.hide_cursor()));
    let written = on_screen.terminal.written();
    assert!(!written.windows(5).any(|window| window == b"owned"), "a title was set or shown");
    on_screen.press(CTRL_C);
    env.wait_for("the end of the run", || env.the_run().outcome());
    // The record has it first.
    on_screen.wait_for_text("press q to leave");
    on_screen.press("q");
    on_screen.expect_code(130);
}

#[test]
fn progress_is_shown_beside_its_step() {
    let env = TestEnv::new();
    let script =
        "echo '::progress percent=42 phase=link::linking it all'; until [ -e end ]; do sleep 0.01; done";
    let mut on_screen = env.run_in_terminal(&Flow::of(script)).start_in_terminal(30, 100);
    on_screen.wait_for_text("work 42%");
    on_screen.press("1");
    on_screen.wait_for_text("linking it all");
    env.write("end", "");
    on_screen.wait_for_text("press q to leave");
    on_screen.press("q");
    on_screen.expect_code(0);
}

#[test]
fn output_is_hidden_when_it_is_not_to_be_shown() {
    let env = TestEnv::new();
    let script = "echo a secret; until [ -e end ]; do sleep 0.01; done";
    let run = env.run_in_terminal(&Flow::of(script)).args(["--stream-stdio", "off"]);
    let mut on_screen = run.start_in_terminal(30, 100);
    on_screen.wait_for_text("work");
    on_screen.press(LOGS);
    env.wait_for("the secret in the record", || {
        (env.the_run().log("work", 1) == b"a secret\n").then_some(())
    });
    on_screen.wait_for_text("o open log");
    assert!(!on_screen.terminal.look(|screen| screen.contents().contains("a secret")));
    on_screen.press("o");
    on_screen.wait_for_text("a secret");
    env.write("end", "");
    on_screen.wait_for_text("press q to leave");
    on_screen.press("q");
    on_screen.expect_code(0);
}
