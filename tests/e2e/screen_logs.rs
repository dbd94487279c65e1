//! Reading logs on the full screen.

use crate::env::TestEnv;
use crate::flow::Flow;

const ESCAPE: &str = "\x1b";

/// The tab with the output of a step.
const LOGS: &str = "2";

#[test]
fn a_million_lines_are_searched_filtered_and_gone_through() {
    let env = TestEnv::new();
    let script = r"seq 1 1000000 | sed 's/^/line /; s/23456$/23456 \x1b[32mneed\x1b[0mle/'
        until [ -e go ]; do sleep 0.01; done; echo 'src/main.c:3:5: error: no such thing' >&2; sleep 1000";
    let mut on_screen = env.run_in_terminal(&Flow::of(script)).start_in_terminal(24, 100);
    on_screen.wait_for_text("work");
    on_screen.press(LOGS);
    // The two streams are separate pipes: what is printed at once may come in any order.
    on_screen.wait_for_text("line 1000000");
    env.write("go", "");
    on_screen.wait_for_text("error: no such thing");
    on_screen.press("\r");
    on_screen.press("/needle\r");
    on_screen.wait_for_text("›line 23456 needle");
    on_screen.wait_for_text("\"needle\" 1 of 10 lines");
    on_screen.press("N");
    on_screen.wait_for_text("›line 923456 needle");
    on_screen.wait_for_text("10 of 10 lines");
    on_screen.press("&");
    on_screen.wait_until("the matches and nothing else", |screen| {
        let text = screen.contents();
        text.contains("line 23456 needle")
            && text.contains("line 823456 needle")
            && !text.contains("line 23457")
    });
    on_screen.press(ESCAPE);
    on_screen.wait_for_text("line 923457");
    on_screen.press(":500000\r");
    on_screen.wait_until("the middle", |screen| {
        let text = screen.contents();
        text.contains("line 500000") && text.contains("paused")
    });
    on_screen.press("S");
    on_screen.press("S");
    on_screen.wait_for_text("stderr only");
    on_screen.wait_for_text("error: no such thing");
    on_screen.press("S");
    on_screen.press("g");
    on_screen.wait_for_text("line 1 ");
    on_screen.press("e");
    on_screen.wait_for_text("!›src/main.c:3:5: error");
    on_screen.end_the_run();
}

#[test]
fn what_a_log_has_lost_is_said_where_it_is_missing() {
    let env = TestEnv::new();
    let script = "seq 1 400000 | sed 's/^/line /'; echo the end";
    let run = env.run_in_terminal(&Flow::of(script)).args(["--log-limit", "1MiB"]);
    let mut on_screen = run.start_in_terminal(24, 100);
    on_screen.wait_for_text("press q to leave");
    on_screen.press(LOGS);
    on_screen.wait_for_text("the end");
    on_screen.press("\r");
    // A line in the part that was given up is where the log goes on; what is missing stands before it, with its size.
    on_screen.press(":150000\r");
    on_screen.wait_for_text("MiB not in the record]");
    on_screen.press("/line 1\r");
    on_screen.wait_for_text("›line 1");
    // Where the hole begins depends on how the output came in, so its size is not the same in every run.
    on_screen.wait_until("how much a search did not see", |screen| {
        let text = screen.contents();
        text.contains("\"line 1\" 1 of ") && text.contains(" MiB not in the record ·")
    });
    on_screen.press("&G");
    on_screen.wait_for_text("only \"line 1\"");
    on_screen.press("q");
    on_screen.expect_code(0);
}

#[test]
fn long_lines_progress_bars_and_other_attempts_are_readable() {
    let env = TestEnv::new();
    let script = r"for n in 1 2 3; do printf '\r%d of 3 done' $n; done; echo
        printf 'begin '; head -c 10000000 /dev/zero | tr '\0' x; echo ' the end of a long line'
        echo last line; [ -e tried ] || { touch tried; exit 1; }";
    let flow = Flow::new().step_with("work", script, &["on_failure: retry", "max_retries: 1"]);
    let mut on_screen = env.run_in_terminal(&flow).start_in_terminal(24, 100);
    on_screen.wait_for_text("press q to leave");
    on_screen.press(LOGS);
    on_screen.press("\r");
    on_screen.wait_until("the log", |screen| {
        let text = screen.contents();
        text.contains("3 of 3 done")
            && !text.contains("2 of 3")
            && text.contains("begin xxx")
            && text.contains("#2")
    });
    on_screen.press("/long line\r");
    on_screen.wait_for_text("the end of a long line");
    on_screen.press("w");
    on_screen.wait_for_text("xxxxxxxx");
    on_screen.press("G");
    on_screen.wait_for_text("last line");
    on_screen.press(":a1\r");
    on_screen.wait_for_text("#1 ");
    on_screen.press(":a3\r");
    on_screen.wait_for_text("work has no attempt 3, only 1 to 2");
    on_screen.press("q");
    on_screen.expect_code(0);
}
