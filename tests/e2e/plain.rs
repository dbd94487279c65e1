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
fn a_start_is_printed_when_more_is_asked_for_and_before_any_output() {
    let env = TestEnv::new();
    let flow = Flow::of("echo hello");
    let printed = env.run(&flow).output().code(0).all();
    assert!(!printed.contains("started"), "{printed}");
    let printed = env.run(&flow).args(["-v", "--stream"]).output().code(0).text();
    let (before, _) = printed.split_once("work | hello").expect(&printed);
    assert_eq!(before.matches("work  started\n").count(), 1, "{printed}");
    assert_eq!(printed.matches("started\n").count(), 1, "{printed}");
}

#[test]
fn the_output_of_a_failed_step_is_printed_when_it_fails() {
    let env = TestEnv::new();
    let flow = Flow::of("seq 1 5000; echo the real reason; exit 9")
        .step("other", "until [ -e go ]; do sleep 0.01; done");
    let run = env.run(&flow).start();
    run.wait_for_text("the real reason\n");
    assert!(!env.work().join("go").exists());
    env.write("go", "");
    let printed = run.wait().code(1).all();
    let log = env.the_run().log_path("work", 1);
    assert_eq!(std::fs::read_to_string(&log).unwrap().lines().count(), 5001);

    let lines: Vec<_> = printed.lines().collect();
    let place = |text: &str| lines.iter().position(|line| line.contains(text)).expect(text);
    let (failed, header, reason) = (place("✗ work"), place("--- output of work"), place("| the real reason"));
    assert!(failed < header && header < reason && reason < place("✓ other"), "{printed}");
    assert_eq!(printed.matches("| the real reason").count(), 1, "{printed}");
    assert!(printed.contains(log.to_str().unwrap()), "no {} in\n{printed}", log.display());
    assert!(!printed.contains("\n1\n") && lines.len() < 120, "the tail, not all of it: {}", lines.len());
    // The last lines name it once more.
    let end = lines[place("FAILED: 1 of 2 steps failed")..].join("\n");
    assert!(end.contains("failed   work: exit code 9: the real reason"), "{end}");
    assert!(end.contains("output   roboppi logs r1 work"), "{end}");
}

#[test]
fn the_output_of_failed_steps_is_printed_when_it_is_wanted() {
    let env = TestEnv::new();
    let flow = Flow::of("echo the reason; exit 1").step_with(
        "after",
        "true",
        &["depends_on: [work]", "continue_on_error: true"],
    );
    for (when, at_once, at_end) in
        [("immediate", 1, 0), ("final", 0, 1), ("immediate-final", 1, 1), ("never", 0, 0)]
    {
        let printed = env.run(&flow).args(["--failure-output", when]).output().code(1).all();
        let (before, after) = printed.split_once("- after  skipped").expect(&printed);
        let counts = [before, after].map(|part| part.matches("  | the reason\n").count());
        assert_eq!(counts, [at_once, at_end], "{when}: {printed}");
        assert!(after.contains("failed   work: exit code 1: the reason"), "{when}: {printed}");
    }
    let wrong = env.run(&flow).args(["--failure-output", "later"]).output().code(2).all();
    assert!(wrong.contains("immediate-final"), "{wrong}");
}

#[test]
fn quiet_lines_are_failures_warnings_and_the_outcome() {
    let env = TestEnv::new();
    let flow = Flow::of("echo chatter; echo '::progress percent=1::x'").step("other", "true");
    let printed = env.run(&flow).arg("-q").output().code(0).all();
    assert_eq!(printed.lines().count(), 1, "{printed}");
    assert!(printed.starts_with("SUCCEEDED: 2 steps in "), "{printed}");

    let flow = Flow::of("echo the reason; exit 3")
        .step_with(
            "flaky",
            "[ -e seen ] || { touch seen; exit 1; }",
            &["on_failure: retry", "max_retries: 1"],
        )
        .step("leaves", "setsid sleep 1000 > /dev/null 2>&1 &")
        .step_with("skipped", "true", &["depends_on: [work]"]);
    let printed = env.run(&flow).arg("--quiet").output().code(1).all();
    for line in [
        "✗ work  exit code 3",
        "  | the reason\n",
        "↻ flaky  attempt 1 failed",
        "! leaves  left a process behind",
        "FAILED: 1 of 4 steps failed",
        "failed   work: exit code 3",
        "resume   roboppi workflow run ",
    ] {
        assert!(printed.contains(line), "no {line:?} in\n{printed}");
    }
    for absent in ["Workflow", "✓", "- skipped", "Step ", "workspace"] {
        assert!(!printed.contains(absent), "{absent:?} in\n{printed}");
    }
    let attached = env.roboppi(["attach", "-1", "-q"]).output().code(0).all();
    assert!(attached.contains("✗ work") && !attached.contains('✓'), "{attached}");
    for (with, reason) in [("--output=json", "exclude each other"), ("-v", "cannot be used with")] {
        let refused = env.run(&flow).args(["-q", with]).output().code(2).all();
        assert!(refused.contains(reason), "{with}: {refused}");
    }
}

#[test]
fn a_slow_step_is_reported_once_with_the_times_of_the_record() {
    let env = TestEnv::new();
    let flow = Flow::of("until [ -e go ]; do sleep 0.01; done").step("quick", "true");
    let run = env.run(&flow).args(["--slow-after", "200ms"]).start();
    run.wait_for_text("… work  slow: running for 200ms");
    env.write("go", "");
    let printed = run.wait().code(0).all();
    let slow = |printed: &str| -> Vec<String> {
        printed.lines().filter(|line| line.contains("slow:")).map(str::to_owned).collect()
    };
    let live = slow(&printed);
    assert_eq!(live.len(), 1, "{printed}");
    for command in [&["attach"][..], &["replay", "--speed", "max"]] {
        let later = env.roboppi(command).args(["--no-tui", "--slow-after", "200ms"]).output().code(0).all();
        assert_eq!(slow(&later), live, "{command:?}");
    }
    let never = env.roboppi(["attach", "--no-tui", "--slow-after", "0s"]).output().code(0).all();
    assert!(slow(&never).is_empty(), "{never}");
}

#[test]
fn progress_is_printed_in_words() {
    let env = TestEnv::new();
    let script = "echo '::progress percent=33 phase=compile::at 1'; echo '::progressive::no'; \
                  echo ' ::progress::no'; echo '::progress::on stderr' >&2; exit 1";
    let flow = Flow::of(script);
    let printed = env.run(&flow).output().code(1).all();
    assert!(printed.contains("s  work  33% compile: at 1\n"), "{printed}");
    assert!(!printed.contains("::progress percent"), "{printed}");
    let others = [" ::progress::no\n", "::progressive::no\n", "::progress::on stderr\n"];
    let streamed = env.run(&flow).arg("--stream").output().code(1).all();
    assert!(streamed.contains("work | 33% compile: at 1\n"), "{streamed}");
    assert!(!streamed.contains("::progress percent"), "{streamed}");
    for other in others {
        assert!(printed.contains(other) && streamed.contains(other), "{other}: {streamed}");
    }
    // A program gets the bytes, a reader at a terminal the words.
    let bytes = env.roboppi(["logs", "work"]).output().code(0).text();
    assert!(bytes.contains("::progress percent=33 phase=compile::at 1\n"), "{bytes}");
    let mut screen = env.roboppi(["logs", "work"]).start_in_terminal(24, 80);
    screen.expect_code(0);
    screen.wait_for_text("33% compile: at 1");
    let shown = env.roboppi(["show"]).output().code(0).text();
    assert!(shown.contains("  | 33% compile: at 1\n") && !shown.contains("::progress percent"), "{shown}");
}

#[test]
fn the_log_of_a_ci_system_has_colours_and_a_file_has_none() {
    let env = TestEnv::new();
    env.write("flow.yaml", &Flow::of("true").text());
    let run = "$ROBOPPI workflow run flow.yaml";
    for (variable, value) in [
        ("GITHUB_ACTIONS", "true"),
        ("GITLAB_CI", "true"),
        ("BUILDKITE", "true"),
        ("TEAMCITY_VERSION", "2026.1"),
        ("TF_BUILD", "True"),
    ] {
        let script = format!("{run} | cat");
        let piped = env.shell(&script).env("CI", "true").env(variable, value).output().code(0).text();
        assert!(piped.contains(ESCAPE), "{variable}: {piped:?}");
    }
    let ci = |script: &str| {
        env.shell(script).env("CI", "true").env("GITHUB_ACTIONS", "true").output().code(0).text()
    };
    for script in [
        format!("{run} > file; cat file"),
        format!("NO_COLOR=1 {run} | cat"),
        format!("{run} --color never | cat"),
        format!("GITHUB_ACTIONS=false {run} | cat"),
        format!("{run} > file; $ROBOPPI runs | cat"),
    ] {
        let printed = ci(&script);
        assert!(!printed.contains(ESCAPE) && !printed.is_empty(), "{script}: {printed:?}");
    }
}

#[test]
fn times_are_local_unless_utc_is_asked_for() {
    let env = TestEnv::new();
    let _ = env.run(&Flow::of("echo line")).output().code(0);
    for command in [&["show"][..], &["events"], &["logs", "-t"]] {
        let there = || env.roboppi(command).env("TZ", "JST-9");
        let local = there().output().code(0).text();
        assert!(local.contains("+09:00") && !local.contains("Z "), "{command:?}: {local}");
        let utc = there().arg("--utc").output().code(0).text();
        assert!(!utc.contains("+09:00") && utc.contains('Z'), "{command:?}: {utc}");
    }
    let json = env.roboppi(["events", "--json"]).env("TZ", "JST-9").output().code(0).text();
    assert_eq!(json, env.roboppi(["events", "--json"]).env("TZ", "UTC").output().code(0).text());
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
