//! Reading logs on the full screen.

use crate::env::TestEnv;
use crate::flow::Flow;

const CTRL_C: &str = "\x03";
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
    on_screen.press(CTRL_C);
    on_screen.wait_for_text("press q to leave");
    on_screen.press("q");
    on_screen.expect_code(130);
    on_screen.expect_restored_terminal();
}
