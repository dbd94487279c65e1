//! What is printed without the terminal view.

use crate::env::TestEnv;
use crate::flow::Flow;

const ESCAPE: char = '\u{1b}';

#[test]
fn a_green_run_prints_its_steps_and_not_their_output() {
    let env = TestEnv::new();
    let flow = Flow::of("echo chatter; echo grumble >&2").step_with(
        "later",
        "echo chatter",
        &["depends_on: [work]"],
    );
    let printed = env.run(&flow).output().code(0).all();
    assert!(printed.contains("work") && printed.contains("later"), "{printed}");
    assert!(!printed.contains("chatter") && !printed.contains("grumble"), "{printed}");
    assert!(printed.lines().count() < 20, "a quiet success: {printed}");
}

#[test]
fn a_failure_is_shown_last_with_its_output_and_the_whole_log() {
    let env = TestEnv::new();
    let flow = Flow::of("seq 1 5000; echo the real reason >&2; exit 9").step("other", "true");
    let printed = env.run(&flow).output().code(1).all();
    let log = env.the_run().log_path("work", 1);
    assert_eq!(std::fs::read_to_string(&log).unwrap().lines().count(), 5001);

    let lines: Vec<_> = printed.lines().collect();
    let reason = lines.iter().rposition(|line| line.contains("the real reason")).expect(&printed);
    assert!(lines.len() - reason <= 12, "near the end:\n{printed}");
    assert!(printed.contains(log.to_str().unwrap()), "no {} in\n{printed}", log.display());
    assert!(lines.iter().any(|line| line.trim_end().ends_with("5000")), "the lines before it:\n{printed}");
    assert!(
        !printed.contains("\n1\n") && lines.len() < 120,
        "the tail, not all of it: {} lines",
        lines.len()
    );
    assert!(printed.contains('9'), "the worker's own exit code:\n{printed}");
}

#[test]
fn a_pipe_gets_no_colour_unless_it_is_asked_for() {
    let env = TestEnv::new();
    let flow = Flow::of("true");
    let plain = env.run(&flow).output().code(0).all();
    assert!(!plain.contains(ESCAPE), "{plain:?}");
    let coloured = env.run(&flow).args(["--color", "always"]).output().code(0).all();
    assert!(coloured.contains(ESCAPE), "{coloured:?}");
}

#[test]
fn a_terminal_gets_colour_unless_it_is_refused() {
    let env = TestEnv::new();
    let flow = Flow::of("true");
    let colours = |set: fn(crate::env::Invocation<'_>) -> crate::env::Invocation<'_>| {
        let mut on_screen = set(env.run(&flow)).start_in_terminal(24, 80);
        on_screen.expect_code(0);
        on_screen.wait_for_text("work");
        on_screen.terminal.written().windows(2).any(|pair| pair == b"\x1b[")
    };
    assert!(colours(|run| run), "by default");
    assert!(!colours(|run| run.env("NO_COLOR", "1")), "NO_COLOR");
    assert!(colours(|run| run.env("NO_COLOR", "")), "an empty NO_COLOR is none");
    assert!(!colours(|run| run.args(["--color", "never"])), "--color never");
    assert!(!colours(|run| run.env("TERM", "dumb")), "TERM=dumb");
}

#[test]
fn a_pipe_or_ci_gets_no_terminal_view() {
    let env = TestEnv::new();
    env.write("flow.yaml", &Flow::of("true").text());
    let printed = env.roboppi(["workflow", "run", "flow.yaml"]).output().code(0).all();
    assert!(!printed.contains(ESCAPE), "{printed:?}");

    let run = env.roboppi(["workflow", "run", "flow.yaml"]).env("CI", "true");
    let mut on_screen = run.start_in_terminal(24, 80);
    on_screen.expect_code(0);
    on_screen.wait_for_text("work");
    let written = String::from_utf8_lossy(&on_screen.terminal.written()).into_owned();
    assert!(!written.contains("\x1b[?1049h"), "{written:?}");
}

#[test]
fn step_names_and_output_cannot_command_the_terminal() {
    let env = TestEnv::new();
    let script = r"printf '\033]0;owned\007\033[2Jgone\n'; exit 1";
    let printed = env.run(&Flow::of(script)).output().code(1).all();
    assert!(printed.contains("gone"), "{printed}");
    assert!(!printed.contains(ESCAPE) && !printed.contains('\u{7}'), "{printed:?}");
}
