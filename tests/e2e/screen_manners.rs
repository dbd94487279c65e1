//! How the full screen behaves towards the terminal and whoever else uses it.

use nix::sys::signal::Signal::{SIGCONT, SIGTSTP};
use roboppi_terminal::Screen;

use crate::env::{OnScreen, TestEnv};
use crate::flow::Flow;
use crate::processes::Process;

const CTRL_C: &str = "\x03";
const CTRL_Z: &str = "\x1a";

/// Says its pid, prints one line, and another one once the file `go` is there.
const TWO_LINES: &str = "echo $$ > started; echo the first line;
    while [ ! -e go ]; do sleep 0.02; done; echo the second line; while :; do sleep 0.1; done";

fn start<'e>(env: &'e TestEnv, mode: &str) -> (OnScreen<'e>, i32) {
    let run = env.run_in_terminal(&Flow::of(TWO_LINES)).args([mode, "--grace", "300ms"]);
    let on_screen = run.start_in_terminal(24, 100);
    on_screen.wait_for_text("work");
    let worker = env.wait_for_file("started").trim().parse().unwrap();
    (on_screen, worker)
}

fn end(env: &TestEnv, mut on_screen: OnScreen<'_>) {
    on_screen.press(CTRL_C);
    env.wait_for("the end of the run", || env.the_run().outcome());
    on_screen.wait_for_text("press q to leave");
    on_screen.press("q");
    on_screen.expect_code(130);
    on_screen.expect_restored_terminal();
}

fn is_stopped(pid: i32) -> bool {
    Process::of(pid).is_some_and(|process| process.state == 'T')
}

#[test]
fn the_terminal_is_lent_while_a_run_stands_still() {
    for mode in ["--supervised", "--direct"] {
        for by_key in [true, false] {
            let env = TestEnv::new();
            let (mut on_screen, worker) = start(&env, mode);
            let program = on_screen.process();
            if by_key {
                on_screen.press(CTRL_Z);
            } else {
                program.signal(SIGTSTP);
            }
            env.wait_for("everybody to stand still", || {
                (is_stopped(worker) && is_stopped(program.pid)).then_some(())
            });
            on_screen.expect_restored_terminal();
            env.write("go", "");
            // A shell continues the whole group.
            nix::sys::signal::killpg(nix::unistd::Pid::from_raw(program.pid), SIGCONT).unwrap();
            on_screen.wait_until("the screen again", Screen::alternate_screen);
            on_screen.press("2");
            on_screen.wait_for_text("the second line");
            end(&env, on_screen);
        }
    }
}

#[test]
fn a_run_is_seen_as_lines_and_as_a_screen_again() {
    let env = TestEnv::new();
    let (mut on_screen, _) = start(&env, "--supervised");
    on_screen.press("s");
    on_screen.wait_until("lines", |screen| {
        !screen.alternate_screen() && screen.contents().contains("work | the first line")
    });
    env.write("go", "");
    on_screen.wait_for_text("work | the second line");
    on_screen.press("s");
    on_screen.wait_until("the screen", |screen| {
        screen.alternate_screen() && screen.hide_cursor() && screen.contents().contains("1 Overview")
    });
    // The end of the run is said among the lines, and the keys are signals there.
    on_screen.press("s");
    on_screen.wait_until("lines again", |screen| !screen.alternate_screen());
    on_screen.press(CTRL_C);
    on_screen.wait_for_text("the run is over; s shows the screen again");
    on_screen.press("s");
    on_screen.wait_for_text("press q to leave");
    on_screen.press("q");
    on_screen.expect_code(130);
    on_screen.expect_restored_terminal();
}

#[test]
fn the_end_of_a_long_run_is_told_where_that_is_wanted() {
    for (arguments, told) in
        [(&["--notify-after", "10ms"][..], true), (&["--no-notify"], false), (&[], false)]
    {
        let env = TestEnv::new();
        let run = env.run_in_terminal(&Flow::of("sleep 0.05")).args(arguments).env("TERM", "xterm-kitty");
        let mut on_screen = run.start_in_terminal(24, 80);
        on_screen.wait_for_text("press q to leave");
        on_screen.press("q");
        on_screen.expect_code(0);
        on_screen.expect_restored_terminal();
        let written = String::from_utf8_lossy(&on_screen.terminal.written()).into_owned();
        assert_eq!(
            written.matches("\x1b]9;flow: succeeded after ").count(),
            usize::from(told),
            "{arguments:?}"
        );
        assert!(!written.contains("\x1b[2J"), "the screen was cleared");
    }
}

#[test]
fn a_console_without_unicode_gets_none() {
    let env = TestEnv::new();
    let run = env.run_in_terminal(&Flow::of("true")).env("TERM", "linux").env("NO_COLOR", "1");
    let mut on_screen = run.start_in_terminal(24, 80);
    on_screen.wait_for_text("press q to leave");
    on_screen.wait_for_text("+ work");
    assert!(on_screen.terminal.look(|screen| screen.contents().is_ascii()));
    on_screen.press("q");
    on_screen.expect_code(0);
}

#[test]
fn in_the_background_the_terminal_is_left_alone() {
    let env = TestEnv::new();
    env.write("flow.yaml", &Flow::of(TWO_LINES).text());
    let script = "set -m; $ROBOPPI workflow run flow.yaml --tui --grace 300ms
        until [ -e started ]; do sleep 0.02; done; bg %1 > /dev/null
        echo the shell is in front; read line; echo it got $line; fg %1 > /dev/null; echo ended with $?";
    let mut on_screen = env.shell(script).start_in_terminal(24, 100);
    on_screen.wait_for_text("Overview");
    env.wait_for_file("started");
    on_screen.press(CTRL_Z);
    on_screen.wait_for_text("the shell is in front");
    on_screen.press("my line\r");
    on_screen.wait_until("the screen, once it is in front", |screen| {
        screen.alternate_screen() && screen.contents().contains("Overview")
    });
    on_screen.press(CTRL_C);
    on_screen.wait_for_text("press q to leave");
    on_screen.press("q");
    on_screen.wait_for_text("ended with 130");
    on_screen.wait_for_text("it got my line");
    on_screen.expect_code(0);
    on_screen.expect_restored_terminal();
}
