//! What an AI agent gets that calls the program.

use crate::env::TestEnv;
use crate::flow::Flow;

/// A long run of which one step fails.
fn long_flow() -> Flow {
    let mut flow = Flow::new();
    for step in 0..60 {
        flow = flow.step(&format!("step-{step}"), "true");
    }
    let failing = "seq 1 500; printf 'error[E0308]: mismatched types\\n  --> src/lib.rs:10:5\\n'; echo 'b.c:3: error: no b'; exit 101";
    flow.step_with("check", failing, &["depends_on: [step-0]"])
}

/// About as many as a model counts.
fn tokens(text: &str) -> usize {
    text.len().div_ceil(4)
}

#[test]
fn an_agent_gets_a_tenth_of_the_lines_with_what_it_needs() {
    let env = TestEnv::new();
    let full = env.run(&long_flow()).output().code(1).all();
    let concise = env.run(&long_flow()).env("AI_AGENT", "claude-code").output().code(1).all();
    assert!(tokens(&concise) * 10 <= tokens(&full), "{} of {}\n{concise}", tokens(&concise), tokens(&full));
    let lines: Vec<_> = concise.lines().collect();
    assert!(lines[0].starts_with("FAILED: 1 of 61 steps failed in "), "{concise}");
    assert_eq!(lines[1], "check: exit code 101: b.c:3: error: no b", "{concise}");
    assert_eq!(lines[2..4], ["  src/lib.rs:10:5: mismatched types", "  b.c:3: no b"], "{concise}");
    assert!(lines.contains(&"  | 500") && lines.contains(&"  | b.c:3: error: no b"), "{concise}");
    assert!(concise.contains("  log: roboppi logs r2 check\n"), "{concise}");
    let next = lines.last().unwrap().strip_prefix("next: ").expect(&concise);
    // What it is to do next works as it is.
    let again = env.shell(&next.replacen("roboppi", "\"$ROBOPPI\"", 1)).env("AI_AGENT", "claude-code");
    let again = again.output().code(1).text();
    assert!(again.starts_with("FAILED: 1 of 61 steps failed in "), "{again}");
}

#[test]
fn a_success_is_one_line() {
    let env = TestEnv::new();
    let printed = env.run(&Flow::of("echo chatter")).env("CLAUDECODE", "1").output().code(0).all();
    assert!(printed.starts_with("SUCCEEDED: 1 step in ") && printed.lines().count() == 1, "{printed}");
}

#[test]
fn many_failures_are_named_and_few_described() {
    let env = TestEnv::new();
    let mut flow = Flow::new();
    for step in 0..40 {
        flow =
            flow.step(&format!("step-{step}"), "yes 'a rather long line of output' | head -n 5000; exit 1");
    }
    let printed = env.run(&flow).args(["--report", "concise"]).output().code(1).text();
    assert!(printed.len() < 8 * 1024, "{}", printed.len());
    assert!(printed.contains("also failed: step-5, ") && printed.contains(" and 15 more\n"), "{printed}");
}

#[test]
fn the_report_is_what_was_asked_for() {
    let env = TestEnv::new();
    let flow = Flow::of("echo chatter");
    let run = |arguments: &[&str], variables: &[(&str, &str)]| {
        let run = env.run(&flow).args(arguments.iter().copied());
        let run = variables.iter().fold(run, |run, (name, value)| run.env(name, value));
        run.output().code(0).all()
    };
    let agent = [("AI_AGENT", "x"), ("GITHUB_ACTIONS", "true")];
    let is_concise = |text: &str| text.lines().count() == 1 && text.starts_with("SUCCEEDED");
    assert!(is_concise(&run(&[], &agent)));
    assert!(is_concise(&run(&["--report", "concise"], &[])));
    assert!(!is_concise(&run(&["--report", "full"], &agent)));
    assert!(run(&["--stream"], &agent).contains("work | chatter"));
    assert!(run(&["--ci", "github"], &agent).contains("::group::"));
    assert!(run(&["--output", "json"], &agent).starts_with('{'));
    let refused = env.run(&flow).args(["--report", "concise", "--output", "json"]).output().code(2).stderr;
    assert!(refused.contains("--output json and --report exclude each other"), "{refused}");
    env.run(&flow).args(["--report", "concise", "--tui"]).output().code(2);
}

#[test]
fn an_agent_gets_no_screen() {
    let env = TestEnv::new();
    env.write("flow.yaml", &Flow::of("true").text());
    let run = || env.roboppi(["workflow", "run", "flow.yaml"]).env("CURSOR_AGENT", "1");
    let mut on_screen = run().env("TERM", "dumb").start_in_terminal(24, 80);
    on_screen.expect_code(0);
    on_screen.wait_for_text("SUCCEEDED");
    let written = String::from_utf8_lossy(&on_screen.terminal.written()).into_owned();
    assert!(!written.contains("\u{1b}[?1049h") && !written.contains("Workflow"), "{written:?}");
    // A terminal that shows a screen is one of a person, whose editor may have set the variable.
    let mut on_screen = run().without_env("CI").env("ROBOPPI_HOLD", "never").start_in_terminal(24, 80);
    on_screen.expect_code(0);
    let written = String::from_utf8_lossy(&on_screen.terminal.written()).into_owned();
    assert!(written.contains("\u{1b}[?1049h"), "{written:?}");
}

#[test]
fn warnings_come_after_errors_and_are_called_so() {
    let env = TestEnv::new();
    let script =
        "for n in 1 2 3 4 5; do echo \"a.c:$n:1: warning: w$n\"; done; echo 'b.c:3: error: no b'; exit 1";
    let printed = env.run(&Flow::of(script)).args(["--report", "concise"]).output().code(1).text();
    let lines: Vec<_> = printed.lines().skip(2).take(6).collect();
    assert_eq!(lines[..2], ["  b.c:3: no b", "  a.c:1:1: warning: w1"], "{printed}");
    assert_eq!(lines[5], "  and 1 more place", "{printed}");
}

#[test]
fn hostile_output_stays_text() {
    let env = TestEnv::new();
    let flow = Flow::of("printf '::error::x\\n\\033]0;title\\007\\033[31mred\\n'; exit 1");
    let printed = env.run(&flow).args(["--report", "concise"]).output().code(1).text();
    assert!(!printed.contains('\u{1b}') && !printed.contains('\u{7}'), "{printed:?}");
    assert!(printed.contains("\n  | ::error::x\n  | red\n"), "{printed}");
}
