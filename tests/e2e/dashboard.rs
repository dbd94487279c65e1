//! All runs on one screen, in a real terminal: those of other processes, whichever began first.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;

use nix::sys::signal::Signal::{SIGKILL, SIGTERM};
use roboppi_terminal::Screen;

use crate::agents::finding;
use crate::env::{OnScreen, TestEnv};
use crate::flow::Flow;

const ENTER: &str = "\r";
const ESC: &str = "\x1b";

/// Ends once the file `end` is there.
const UNTIL_END: &str = "echo the output of it; until [ -e end ]; do sleep 0.02; done";

/// An agent that calls a tool, waits for the file `go`, gets its result, and waits for the file `end`.
const AGENT: &str = r#"#!/usr/bin/env bash
if [ "$1" = --version ]; then echo "2.1.329 (Claude Code)"; exit 0; fi
cat > /dev/null
c='"session_id":"11111111-2222-3333-4444-555555555555","uuid":"u"'
echo "{\"type\":\"system\",\"subtype\":\"init\",\"cwd\":\"$PWD\",\"tools\":[\"Bash\"],\"model\":\"claude-sonnet-4-5\",$c}"
echo "{\"type\":\"assistant\",\"message\":{\"id\":\"m1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-sonnet-4-5\",\"content\":[{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"Bash\",\"input\":{\"command\":\"npm test\"}}],\"stop_reason\":null,\"usage\":{\"input_tokens\":1200,\"output_tokens\":1}},\"parent_tool_use_id\":null,$c}"
until [ -e go ]; do sleep 0.02; done
echo "{\"type\":\"user\",\"message\":{\"role\":\"user\",\"content\":[{\"tool_use_id\":\"t1\",\"type\":\"tool_result\",\"content\":\"7 passed\",\"is_error\":false}]},\"parent_tool_use_id\":null,$c}"
until [ -e end ]; do sleep 0.02; done
echo "{\"total_cost_usd\":0.5,\"usage\":{\"input_tokens\":4800,\"output_tokens\":80},\"type\":\"result\",\"subtype\":\"success\",\"is_error\":false,\"num_turns\":4,\"result\":\"done\",\"terminal_reason\":\"completed\",$c}"
"#;

fn dashboard(env: &TestEnv) -> OnScreen<'_> {
    env.roboppi(["dashboard"]).start_in_terminal(30, 120)
}

fn contents(screen: &OnScreen<'_>) -> String {
    screen.terminal.look(Screen::contents)
}

fn leave(mut screen: OnScreen<'_>) {
    screen.press("q");
    screen.expect_code(0);
    screen.expect_restored_terminal();
}

/// The selected row.
fn selected(screen: &OnScreen<'_>) -> Option<String> {
    screen.terminal.look(|screen| {
        let row = (2..30).find(|row| screen.cell(*row, 10).is_some_and(roboppi_terminal::Cell::inverse))?;
        screen.rows(0, 120).nth(usize::from(row))
    })
}

/// Waits until no line of the screen has a text.
fn wait_until_gone(screen: &OnScreen<'_>, text: &str) {
    screen.wait_until(&format!("no {text:?}"), |screen| !screen.contents().contains(text));
}

#[test]
fn a_run_that_begins_later_appears_and_its_end_is_seen() {
    let env = TestEnv::new();
    let mut screen = dashboard(&env);
    screen.wait_for_text("No runs yet.");
    assert!(screen.terminal.look(Screen::alternate_screen));
    let run = env.run(&Flow::new().with("name: nightly").step("build", UNTIL_END)).start();
    screen.wait_for_text("1 running");
    screen.wait_for_text("● r1");
    screen.wait_for_text("build");
    screen.press("0");
    screen.wait_for_text("the output of it");
    screen.press("1");
    env.write("end", "");
    let _ = run.wait().code(0);
    screen.wait_for_text("✓ r1");
    screen.wait_for_text("0 running");
    leave(screen);
}

#[test]
fn tool_calls_of_an_agent_in_another_process_appear_live() {
    for dashboard_is_first in [true, false] {
        let env = TestEnv::new();
        let program = env.path("bin/claude");
        fs::create_dir(program.parent().unwrap()).unwrap();
        fs::write(&program, AGENT).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let agent = || {
            let arguments = ["run", "--worker", "claude-code", "--no-tui", "fix it"];
            finding(&env, env.roboppi(arguments)).start()
        };
        let early = dashboard_is_first.then(|| dashboard(&env));
        if let Some(screen) = &early {
            screen.wait_for_text("No runs yet.");
        }
        let run = agent();
        env.wait_for("the call", || {
            let run = env.runs().pop()?;
            let files = fs::read_dir(run.dir.join("steps/agent")).ok()?;
            let text = |path| String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
            files.flatten().any(|file| text(file.path()).contains("npm test")).then_some(())
        });
        let mut screen = early.unwrap_or_else(|| dashboard(&env));
        screen.wait_for_text("Bash npm test");
        screen.press("2");
        screen.wait_for_text("tool.call");
        env.write("go", "");
        screen.wait_for_text("Bash npm test: ok");
        screen.press("6");
        screen.wait_for_text("claude-sonnet-4-5");
        screen.wait_for_text("last seen");
        env.write("end", "");
        let _ = run.wait().code(0);
        screen.press("4");
        screen.wait_for_text("1 calls");
        screen.wait_for_text("100.0 %");
        screen.press("7");
        screen.wait_for_text("$0.50");
        screen.press("5");
        screen.wait_for_text("succeeded");
        leave(screen);
    }
}

#[test]
fn a_run_is_opened_and_left_again_at_the_same_row() {
    let env = TestEnv::new();
    for name in ["first", "second", "third"] {
        let _ = env.run(&Flow::new().with(&format!("name: {name}")).step("one", "true")).output().code(0);
    }
    let live = env.run(&Flow::new().with("name: live").step("work", UNTIL_END)).start();
    let mut screen = dashboard(&env);
    screen.wait_for_text("1 running");
    screen.wait_for_text("first");
    // What runs did that are over is there, too.
    screen.press("2");
    screen.wait_for_text("step: succeeded");
    screen.press("1");
    // The second row: the latest of those that are over.
    screen.press("j");
    let before = env.wait_for("a selected row", || selected(&screen).filter(|row| row.contains("third")));
    screen.press(ENTER);
    screen.wait_for_text("succeeded in");
    screen.press(ESC);
    screen.wait_for_text("2 Events");
    let after = env.wait_for("the same row", || selected(&screen).filter(|row| row.contains("third")));
    let name = |row: &str| row.chars().take(20).collect::<String>();
    assert_eq!(name(&before), name(&after));
    // A live run, by the other key.
    screen.press("g");
    screen.press(ENTER);
    screen.wait_for_text("the output of it");
    screen.press("q");
    screen.wait_for_text("2 Events");
    env.write("end", "");
    let _ = live.wait().code(0);
    screen.wait_for_text("0 running");
    leave(screen);
}

#[test]
fn a_killed_run_is_lost() {
    let env = TestEnv::new();
    let run = env.run(&Flow::of("echo > started; sleep 1000")).start();
    env.wait_for_file("started");
    let screen = dashboard(&env);
    screen.wait_for_text("1 running");
    run.signal(SIGKILL);
    let _ = run.wait().signal(SIGKILL);
    screen.wait_for_text("! r1");
    screen.wait_for_text("lost");
    screen.wait_for_text("0 running");
    leave(screen);
    env.wait_until_nothing_is_left();
}

#[test]
fn filters_pause_mark_and_clear_change_the_view_and_no_record() {
    let env = TestEnv::new();
    let screen = dashboard(&env);
    screen.wait_for_text("No runs yet.");
    let flow = Flow::new().step("alpha", "true").step_with("beta", "exit 3", &["depends_on: [alpha]"]);
    let _ = env.run(&flow).output().code(1);
    let mut screen = screen;
    screen.press("2");
    screen.wait_for_text("run.finished");
    screen.wait_for_text("alpha");
    screen.press("m");
    screen.wait_for_text("marked at");
    screen.press("/beta\r");
    wait_until_gone(&screen, "alpha");
    screen.wait_for_text("/beta");
    screen.press(ESC);
    screen.wait_for_text("alpha");
    // Only what concerns runs.
    screen.press("f");
    wait_until_gone(&screen, "step.state");
    screen.wait_for_text("run.finished");
    screen.press(ESC);
    screen.wait_for_text("step.state");
    screen.press("p");
    screen.wait_for_text("paused");
    let _ = env.run(&Flow::of("true")).output().code(0);
    screen.wait_for_text(" new");
    assert!(!contents(&screen).contains("r2"), "{}", contents(&screen));
    screen.press("p");
    screen.wait_for_text("r2");
    let journals =
        || env.runs().iter().map(|run| fs::read(run.dir.join("journal.jsonl")).unwrap()).collect::<Vec<_>>();
    let before = journals();
    screen.press("c");
    wait_until_gone(&screen, "run.finished");
    assert_eq!(journals(), before);
    screen.press("C");
    screen.wait_for_text("run.finished");
    screen.press("3");
    screen.wait_for_text("Category");
    screen.press("1");
    screen.press("/failed\r");
    wait_until_gone(&screen, "✓ r2");
    screen.wait_for_text("beta: ");
    leave(screen);
}

#[test]
fn hostile_names_reach_no_terminal() {
    let env = TestEnv::new();
    let name = r#"name: "evil\x1b]0;owned\x07\x1b[31mred\u202egnp""#;
    let script = "printf '\\033]0;title\\007\\n'; until [ -e end ]; do sleep 0.02; done";
    let run = env.run(&Flow::new().with(name).step("work", script)).start();
    let mut screen = dashboard(&env);
    screen.wait_for_text("evil");
    screen.press("2");
    screen.wait_for_text("run.started");
    screen.press("8");
    screen.wait_for_text("workflow evil");
    env.write("end", "");
    let _ = run.wait().code(0);
    let written = String::from_utf8_lossy(&screen.terminal.written()).into_owned();
    for hostile in ["\x1b]0;", "owned\x07", "\u{202e}"] {
        assert!(!written.contains(hostile), "{hostile:?} was written");
    }
    leave(screen);
}

#[test]
fn any_size_is_drawn_and_signals_restore_the_terminal() {
    let env = TestEnv::new();
    let _ = env.run(&Flow::of("true")).output().code(0);
    let mut screen = dashboard(&env);
    screen.wait_for_text("✓ r1");
    for tab in "1234567890?".chars() {
        screen.press(&tab.to_string());
        for (rows, cols) in [(40, 160), (12, 40), (5, 20), (3, 10), (1, 1), (2, 300), (30, 100)] {
            screen.terminal.resize(rows, cols).unwrap();
        }
    }
    screen.press("?1");
    screen.wait_until("something in the last line of 30", |screen| {
        screen.size().0.get() == 30 && !screen.rows(0, 100).last().unwrap_or_default().trim().is_empty()
    });
    screen.wait_for_text("✓ r1");
    screen.process().signal(SIGTERM);
    screen.expect_code(143);
    screen.expect_restored_terminal();
}

#[test]
fn sixty_live_runs_of_other_processes_are_followed_at_once() {
    const RUNS: usize = 60;
    let env = TestEnv::new();
    let screen = dashboard(&env);
    screen.wait_for_text("No runs yet.");
    env.write("flow.yaml", &Flow::of(UNTIL_END).text());
    let runs: Vec<_> = (0..RUNS)
        .map(|_| env.roboppi(["workflow", "run", "flow.yaml", "--no-tui", "--direct"]).start())
        .collect();
    screen.wait_for_text(&format!("{RUNS} running"));
    env.write("end", "");
    for run in runs {
        let _ = run.wait().code(0);
    }
    screen.wait_for_text("0 running");
    leave(screen);
}

#[test]
fn a_demo_reports_that_it_is_one_and_records_nothing() {
    let env = TestEnv::new();
    let mut screen = env.roboppi(["dashboard", "--demo"]).start_in_terminal(30, 120);
    screen.wait_for_text("DEMO, all of this is made up");
    screen.press("2");
    screen.wait_for_text("tool.result");
    screen.press(ENTER);
    screen.wait_for_text("has no record to open");
    leave(screen);
    assert!(env.runs().is_empty());
}

#[test]
fn roboppi_alone_shows_live_runs_in_a_terminal_and_its_help_elsewhere() {
    let env = TestEnv::new();
    let mut help = env.roboppi::<&str>([]).start_in_terminal(40, 100);
    help.wait_for_text("output of the last run");
    help.expect_code(2);
    let run = env.run(&Flow::of(UNTIL_END)).start();
    env.wait_for("the run", || env.runs().pop());
    let screen = env.roboppi::<&str>([]).start_in_terminal(30, 120);
    screen.wait_for_text("1 running");
    leave(screen);
    env.write("end", "");
    let _ = run.wait().code(0);
    let refused = env.roboppi(["dashboard"]).output().code(2).all();
    assert!(refused.contains("needs a terminal") && refused.contains("roboppi runs"), "{refused}");
}

#[test]
fn an_idle_dashboard_uses_next_to_no_processor_time() {
    let env = TestEnv::new();
    for _ in 0..3 {
        let _ = env.run(&Flow::of("true")).output().code(0);
    }
    let screen = dashboard(&env);
    screen.wait_for_text("✓ r3");
    let ticks = || {
        let pid = screen.terminal.pid().unwrap();
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().map(str::to_owned).collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    };
    let before = ticks();
    // It is left alone for as long as this takes.
    let _ = env.shell("sleep 3").output().code(0);
    let used = ticks() - before;
    // A tick is 10 ms: 6 of them in 3 s are 2 % of a core, of a program that is not optimised.
    assert!(used <= 6, "{used} ticks in 3 s");
    leave(screen);
}

/// A line that a foreign program logs.
fn log(env: &TestEnv, file: &str, text: &str) {
    let mut file = fs::OpenOptions::new().append(true).create(true).open(env.work().join(file)).unwrap();
    writeln!(file, "{{\"msg\":\"{text}\"}}").unwrap();
}

#[test]
fn a_dashboard_follows_a_file_of_another_program_once_and_as_long_as_it_is_open() {
    let env = TestEnv::new();
    let follow = ["dashboard", "--watch", "app.jsonl", "--tab", "events"];
    let mut first = env.roboppi(follow).start_in_terminal(30, 120);
    // It need not be there yet.
    first.wait_for_text("app.jsonl is not there yet");
    log(&env, "app.jsonl", "the first line");
    first.wait_for_text("the first line");
    first.wait_for_text("app.jsonl is followed");
    first.press("1");
    first.wait_for_text("1 running");
    let second = env.roboppi(follow).start_in_terminal(30, 120);
    second.wait_for_text("app.jsonl is followed by another process");
    log(&env, "app.jsonl", "the second line");
    second.wait_for_text("the second line");
    // Whichever follows it goes on where the other one ended.
    leave(first);
    second.wait_for_text("app.jsonl is followed ");
    log(&env, "app.jsonl", "the third line");
    second.wait_for_text("the third line");
    leave(second);
    log(&env, "app.jsonl", "after the end");
    let run = env.the_run();
    let texts: Vec<_> = run
        .attempt_events("main", 1)
        .iter()
        .filter_map(|record| record["event"]["message"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(texts, ["the first line", "the second line", "the third line"]);
    env.wait_until_nothing_is_left();
}

#[test]
fn a_followed_run_ends_when_its_file_reports_it() {
    let env = TestEnv::new();
    let mut screen = env
        .roboppi(["dashboard", "--watch", "agent.jsonl", "other.log", "--format", "jsonl"])
        .start_in_terminal(30, 120);
    screen.wait_for_text("follows 2 files");
    let report = |text: &str| {
        let path = env.work().join("agent.jsonl");
        let mut file = fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
        writeln!(file, "{text}").unwrap();
    };
    report(r#"{"type":"tool_call","id":"1","tool":"Grep","input":{"pattern":"needle"}}"#);
    screen.wait_for_text("Grep needle");
    report(r#"{"type":"tool_result","id":"1","ok":true,"duration_ms":45}"#);
    report(r#"{"type":"complete","outcome":"succeeded"}"#);
    screen.wait_for_text("✓ r1");
    screen.press("4");
    screen.wait_for_text("1 calls");
    leave(screen);
    assert_eq!(env.the_run().outcome().as_deref(), Some("succeeded"));
    env.wait_until_nothing_is_left();
}

#[test]
fn what_cannot_be_followed_is_refused_or_shown() {
    let env = TestEnv::new();
    for (words, expected) in [
        (&["--watch", "app.log"][..], "the format of app.log is not known"),
        (&["--watch", "."], "the format of . is not known"),
        (&["--watch", ".", "--format", "victor"], "is a directory"),
        (&["--format", "victor"], "--watch"),
        (&["--watch", "app.jsonl", "--demo"], "cannot be used with"),
    ] {
        let words = ["dashboard"].iter().chain(words);
        let mut screen = env.roboppi(words).start_in_terminal(30, 120);
        screen.wait_for_text(expected);
        screen.expect_code(2);
    }
    // A name in a directory that is a file.
    env.write("file", "");
    let screen = env.roboppi(["dashboard", "--watch", "file/app.jsonl"]).start_in_terminal(30, 120);
    screen.wait_for_text("app.jsonl ");
    leave(screen);
}
