//! The list of steps and the tabs on the full screen.

use roboppi_terminal::Screen;

use crate::env::TestEnv;
use crate::flow::Flow;

/// Says that it runs, and ends once the file `end` is there.
const UNTIL_END: &str = "echo > started; echo live output; until [ -e end ]; do sleep 0.02; done";

fn tab_bar(screen: &Screen) -> String {
    let row = screen.rows(0, 200).find(|row| row.contains("2 Logs")).unwrap_or_default();
    row.split_once('│').map_or_else(String::new, |(_, bar)| bar.trim_end().to_owned())
}

#[test]
fn the_screen_opens_on_the_output_of_what_runs_and_keeps_the_tab() {
    let env = TestEnv::new();
    let flow = Flow::new().step("first", "true").step_with("second", UNTIL_END, &["depends_on: [first]"]);
    let mut screen = env.run_in_terminal(&flow).start_in_terminal(24, 100);
    screen.wait_for_text("live output");
    screen.wait_for_text("›⠋ second");
    let before = screen.terminal.look(tab_bar);
    assert!(before.contains("1 Overview  2 Logs  3 Diffs  4 Result  5 Timeline"), "{before}");
    // A chosen tab stays from step to step, and no number moves.
    screen.press("4");
    screen.wait_for_text("is still running");
    screen.press("g");
    screen.wait_for_text("✓ succeeded");
    assert_eq!(screen.terminal.look(tab_bar), before);
    screen.press("6");
    screen.wait_for_text("only steps of agents have the tab Activity");
    screen.press("8");
    screen.wait_for_text("Standard error of the core");
    screen.press("2");
    env.write("end", "");
    screen.wait_for_text("press q to leave");
    screen.press("q");
    screen.expect_code(0);
}

#[test]
fn a_report_of_progress_is_shown_in_words() {
    let env = TestEnv::new();
    let script = format!(
        "echo '::progress percent=33 phase=compile::at 1'; echo ' ::progress::as it is'; {UNTIL_END}"
    );
    let mut screen = env.run_in_terminal(&Flow::of(&script)).start_in_terminal(24, 100);
    screen.wait_for_text("live output");
    screen.terminal.look(|screen| {
        let text = screen.contents();
        assert!(text.contains("  33% compile: at 1"), "{text}");
        assert!(text.contains(" ::progress::as it is") && !text.contains("::progress percent"), "{text}");
    });
    env.write("end", "");
    screen.wait_for_text("press q to leave");
    screen.press("q");
    screen.expect_code(0);
}

#[test]
fn a_step_that_waits_says_for_what_where_its_log_will_be() {
    let env = TestEnv::new();
    let flow = Flow::new().step("first", UNTIL_END).step_with("second", "true", &["depends_on: [first]"]);
    let mut screen = env.run_in_terminal(&flow).start_in_terminal(24, 120);
    screen.wait_for_text("live output");
    screen.press("G");
    screen.wait_for_text("It waits for first.");
    env.write("end", "");
    screen.wait_for_text("press q to leave");
    screen.press("q");
    screen.expect_code(0);
}

#[test]
fn steps_are_filtered_hidden_and_failed_ones_gone_through() {
    let env = TestEnv::new();
    let mut flow = Flow::new();
    for number in 0..60 {
        let script = if number % 20 == 7 { "exit 1" } else { "true" };
        flow = flow.step_with(&format!("step-{number}"), script, &["continue_on_error: true"]);
    }
    let mut screen = env.run_in_terminal(&flow).start_in_terminal(30, 110);
    screen.wait_for_text("press q to leave");
    // Letters are text while the filter is typed.
    screen.press("Fq4");
    screen.wait_for_text("filter: q4");
    screen.press("\x15");
    screen.press("p-4");
    screen.wait_for_text("11 of 60");
    screen.press("\r");
    screen.wait_until("the steps that match", |screen| {
        let text = screen.contents();
        text.contains("step-49") && text.contains("›✓ step-4 ") && !text.contains("step-50")
    });
    screen.press("\x1b");
    screen.wait_for_text("step-3 ");
    screen.press("g");
    for failed in ["›✗ step-7 ", "›✗ step-27 ", "›✗ step-47 ", "›✗ step-7 "] {
        screen.press("n");
        screen.wait_for_text(failed);
    }
    screen.wait_for_text("wrapped to the first step that failed");
    screen.press("N");
    screen.wait_for_text("›✗ step-47 ");
    screen.press("d");
    screen.wait_for_text("3 of 60  done hidden");
    screen.press("Ffailed\r");
    screen.wait_for_text("filter: failed");
    screen.press("q");
    screen.expect_code(0);
}

#[test]
fn what_was_left_behind_is_marked_at_its_step_and_above() {
    let env = TestEnv::new();
    let flow =
        Flow::new().step("holder", "setsid sleep 3333 > /dev/null 2>&1 & echo left").step("other", "true");
    let mut screen = env.run_in_terminal(&flow).start_in_terminal(30, 120);
    screen.wait_for_text("press q to leave");
    screen.wait_for_text("✓!holder");
    screen.wait_for_text("! 1 warning");
    screen.press("g1");
    screen.wait_for_text("! left a process behind, it was ended: sleep 3333");
    screen.press("q");
    screen.expect_code(0);
}

#[test]
fn a_step_that_was_skipped_by_hand_has_not_failed() {
    let env = TestEnv::new();
    let flow = Flow::new().step("first", UNTIL_END).step_with("second", "true", &["depends_on: [first]"]);
    let mut screen = env.run_in_terminal(&flow).start_in_terminal(30, 120);
    env.wait_for_file("started");
    screen.wait_for_text("second");
    screen.press("Gx");
    screen.wait_for_text("Skip step second?");
    // Enter is the answer that changes nothing.
    screen.press("\r");
    screen.wait_until("no question", |screen| !screen.contents().contains("Skip step second?"));
    screen.press("x");
    screen.wait_for_text("Skip step second?");
    screen.press("y");
    screen.wait_for_text("⊘ second");
    screen.press("1");
    screen.wait_for_text("skipped: by the user");
    env.write("end", "");
    screen.wait_for_text("press q to leave");
    assert!(!screen.terminal.look(|screen| screen.contents().contains("allowed to fail")));
    screen.press("q");
    screen.expect_code(0);
    screen.wait_for_text("(1 skipped)");
    assert!(!screen.terminal.look(|screen| screen.contents().contains("allowed")));
}

#[test]
fn the_help_shows_where_one_is_first_and_is_searched() {
    let env = TestEnv::new();
    let mut screen = env.run_in_terminal(&Flow::of(UNTIL_END)).start_in_terminal(30, 110);
    screen.wait_for_text("live output");
    screen.press("\r");
    screen.press("\x1bOP");
    screen.wait_until("the keys of a log first", |screen| {
        let text = screen.contents();
        text.find("Log\n").is_some() || text.lines().any(|line| line.trim_end().ends_with("│Log"))
    });
    // `q` and `x` are letters here.
    screen.press("/qx");
    screen.wait_for_text("0 keys");
    screen.press("\x15");
    screen.press("copy");
    screen.wait_for_text("/copy");
    screen.wait_until("the keys that copy, and no other", |screen| {
        let text = screen.contents();
        text.contains("copy the path of the log") && !text.contains("follow the running step")
    });
    screen.press("\x1b");
    screen.wait_for_text("next match");
    screen.press("\x1bOP");
    screen.wait_for_text("live output");
    screen.end_the_run();
}

#[test]
fn the_timeline_draws_waits_and_its_rows_are_chosen() {
    let env = TestEnv::new();
    let flow = Flow::new()
        .step_with(
            "flaky",
            "[ -e tried ] || { touch tried; exit 1; }",
            &["on_failure: retry", "max_retries: 1"],
        )
        .step_with("after", UNTIL_END, &["depends_on: [flaky]"])
        .step_with("last", "true", &["depends_on: [after]"]);
    let mut screen = env.run_in_terminal(&flow).start_in_terminal(30, 120);
    screen.wait_for_text("live output");
    screen.press("5\r");
    screen.wait_until("the attempts of a step together", |screen| {
        let text = screen.contents();
        let place = |words: &str| text.find(words);
        let order = [place("flaky #1 █"), place("flaky #2 █"), place("›after "), place("last     pending")];
        order.iter().all(Option::is_some) && order.is_sorted()
    });
    screen.press("g");
    screen.wait_for_text("›flaky #1");
    screen.press("j");
    screen.wait_for_text("›flaky #2");
    screen.press("4");
    screen.wait_for_text("✓ succeeded");
    env.write("end", "");
    screen.wait_for_text("press q to leave");
    screen.press("q");
    screen.expect_code(0);
}
