//! Agents as workers, with a program that prints what Claude Code prints: seen as they work, told truly, and ended
//! whatever they do.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::env::{Invocation, TestEnv};
use crate::processes::Process;

const FAKE: &str = include_str!("fake_claude.sh");

/// A place with a `claude`.
pub(crate) fn with_claude() -> TestEnv {
    let env = TestEnv::new();
    let program = env.path("bin/claude");
    fs::create_dir(program.parent().unwrap()).unwrap();
    fs::write(&program, FAKE).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    env
}

/// The command, with the fake first in its path.
pub(crate) fn finding<'e>(env: &TestEnv, command: Invocation<'e>) -> Invocation<'e> {
    let dirs = [env.path("bin"), "/usr/local/bin".into(), "/usr/bin".into(), "/bin".into()];
    command.env("PATH", std::env::join_paths(dirs).unwrap())
}

/// A workflow of one agent step, with more lines of it.
pub(crate) fn flow(env: &TestEnv, instructions: &str, lines: &[&str]) {
    let lines: String = lines.iter().map(|line| format!("    {line}\n")).collect();
    let text = format!(
        "name: agents\nversion: \"1\"\ntimeout: 5m\nsteps:\n  fix:\n    worker: CLAUDE_CODE\n    \
         capabilities: [READ, EDIT, RUN_TESTS]\n    instructions: {instructions}\n{lines}"
    );
    env.write("flow.yaml", &text);
}

pub(crate) fn run<'e>(env: &'e TestEnv, instructions: &str, lines: &[&str]) -> Invocation<'e> {
    flow(env, instructions, lines);
    finding(env, env.roboppi(["workflow", "run", "flow.yaml", "--no-tui"]))
}

/// Result of the only attempt.
pub(crate) fn result(env: &TestEnv) -> Value {
    let journal = fs::read_to_string(env.the_run().dir.join("journal.jsonl")).unwrap();
    let records = journal.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut events = records.map(|record| record["event"].clone());
    events.find(|event| event["type"] == "attempt_finished").unwrap()["result"].clone()
}

#[test]
fn lines_say_what_an_agent_does_while_it_does_it() {
    let env = with_claude();
    let text = run(&env, "fix it", &[]).output().code(0).text();
    let place = |words: &str| text.find(words).unwrap_or_else(|| panic!("no {words:?} in\n{text}"));
    let order =
        ["fix | I run the **tests**.", "fix  Bash npm test … ok", "fix  Edit ", "fix | All tests pass."];
    let places: Vec<_> = order.iter().map(|words| place(words)).collect();
    assert!(places.is_sorted(), "{text}");
    place("fix  Bash npm run lint … failed");
    place("Exit code 2");
    place("used     $0.0144, 4.8k in, 80 out, 1.6k cached, 4 turns");
    assert!(!text.contains("\"type\""), "lines for programs are not for people\n{text}");

    let result = result(&env);
    assert_eq!(result["status"], "SUCCEEDED");
    assert_eq!(result["details"]["answer"], "All tests pass.");
    assert_eq!(result["details"]["sessionId"], "11111111-2222-3333-4444-555555555555");
    let page = env.roboppi(["show"]).output().code(0).text();
    for words in ["claude-sonnet-4-5", "3 calls, 1 of them failed", "$0.0144", "  | All tests pass."] {
        assert!(page.contains(words), "no {words:?} in\n{page}");
    }
}

#[test]
fn programs_get_every_event_and_the_output_line_by_line_is_readable() {
    let env = with_claude();
    let text = run(&env, "fix it", &[]).args(["--output", "json"]).output().code(0).text();
    let kinds: Vec<String> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|line| line.get("attempt").is_some())
        .map(|line| line["event"]["type"].as_str().unwrap().to_owned())
        .collect();
    for kind in ["session", "text", "tool_call", "tool_result", "file_changed", "patch", "usage"] {
        assert!(kinds.iter().any(|found| found == kind), "no {kind} in {kinds:?}");
    }
    let streamed = run(&env, "fix it", &[]).arg("--stream").output().code(0).text();
    assert!(streamed.contains("Bash npm test … ok") && !streamed.contains("\"type\""), "{streamed}");
}

#[test]
fn an_agent_is_given_what_it_needs_and_nothing_that_confuses_it() {
    let env = with_claude();
    let lines = ["model: opus", "max_steps: 7", "max_command_time: 90s"];
    let _ = run(&env, "says-args of mine", &lines).output().code(0);
    let args = env.read("args.txt");
    for pair in ["--model\nopus\n", "--max-turns\n7\n", "--output-format\nstream-json\n"] {
        assert!(args.contains(pair), "no {pair:?} in {args}");
    }
    assert!(!args.contains("of mine"), "the prompt is in a list of processes: {args}");
    assert_eq!(env.read("prompt.txt"), "says-args of mine");

    let head = "environment: { block: [\"AWS_*\"] }\n";
    flow(&env, "says-env", &lines);
    let text = env.read("flow.yaml").replace("steps:\n", &format!("{head}steps:\n"));
    env.write("flow.yaml", &text);
    let around = [("CLAUDECODE", "1"), ("CLAUDE_CODE_ENTRYPOINT", "cli"), ("AWS_KEY", "x"), ("EDITOR", "vi")];
    let command = finding(&env, env.roboppi(["workflow", "run", "flow.yaml", "--no-tui"]));
    let command = around.iter().fold(command, |command, (name, value)| command.env(name, value));
    let _ = command.output().code(0);
    let given = env.read("env.txt");
    let value =
        |name: &str| given.lines().find_map(|line| line.strip_prefix(&format!("{name}="))).map(str::to_owned);
    for name in ["CLAUDECODE", "CLAUDE_CODE_ENTRYPOINT", "AWS_KEY", "ROBOPPI_IPC_SOCKET_PATH"] {
        assert_eq!(value(name), None, "{name}");
    }
    assert_eq!(value("AI_AGENT").as_deref(), Some("roboppi"));
    assert_eq!(value("EDITOR").as_deref(), Some("vi"));
    assert_eq!(value("BASH_MAX_TIMEOUT_MS").as_deref(), Some("90000"));
    let temporary = value("TMPDIR").unwrap();
    assert!(!fs::exists(&temporary).unwrap(), "{temporary} is left");
}

/// Every way to hang that ends by doing nothing.
#[test]
fn an_agent_that_does_nothing_is_ended() {
    for behaviour in ["falls-silent", "asks-permission", "tries-for-ever"] {
        let env = with_claude();
        let text = run(&env, behaviour, &["idle: 400ms"]).output().code(1).all();
        assert!(text.contains("it did nothing for 400 ms"), "{behaviour}\n{text}");
        let result = result(&env);
        assert_eq!(result["status"], "FAILED", "{behaviour}");
        assert_eq!(result["details"]["errorKind"], "idle", "{behaviour}: {result}");
        assert_eq!(result["details"]["cancelReason"], "timeout", "{behaviour}");
        env.wait_until_nothing_is_left();
    }
}

#[test]
fn an_agent_that_floods_is_ended_when_its_time_is_over() {
    let env = with_claude();
    let _ = run(&env, "floods", &["timeout: 2s"]).args(["--log-limit", "2MiB"]).output().code(1);
    let result = result(&env);
    assert_eq!(
        (&result["status"], &result["details"]["cancelReason"]),
        (&"FAILED".into(), &"timeout".into())
    );
    let log = fs::metadata(env.the_run().dir.join("steps/fix/i1-a1.log")).unwrap();
    assert!(std::os::unix::fs::MetadataExt::blocks(&log) * 512 < 4 * 1024 * 1024);
    env.wait_until_nothing_is_left();
}

#[test]
fn an_exit_code_of_0_without_a_result_is_no_success() {
    for behaviour in ["dies", "cut-off"] {
        let env = with_claude();
        let _ = run(&env, behaviour, &[]).output().code(1);
        assert_eq!(result(&env)["status"], "FAILED", "{behaviour}");
    }
}

#[test]
fn an_agent_that_stays_after_its_result_has_succeeded_and_is_ended() {
    let env = with_claude();
    let _ = run(&env, "lingers", &[]).output().code(0);
    assert_eq!(result(&env)["status"], "SUCCEEDED");
    env.wait_until_nothing_is_left();
}

#[test]
fn what_an_agent_leaves_behind_is_ended_and_told() {
    let env = with_claude();
    let _ = run(&env, "leaves-children", &[]).output().code(0);
    let leaked = result(&env)["details"]["leaked"].to_string();
    assert!(leaked.contains("sleep 1000"), "{leaked}");
    env.wait_until_nothing_is_left();
}

/// The private files of an attempt go with whoever of ours is left.
#[test]
fn the_files_of_an_attempt_go_when_its_core_is_killed() {
    for (mode, levels) in [
        ("--supervised", &[0][..]),
        ("--supervised", &[0, 1]),
        ("--supervised", &[0, 2]),
        ("--direct", &[0]),
        ("--direct", &[1]),
        ("--direct", &[0, 2]),
    ] {
        let env = with_claude();
        let running = run(&env, "falls-silent", &["idle: 1h"]).args([mode, "--grace", "200ms"]).start();
        let files = || {
            let entries = fs::read_dir(env.path("tmp")).unwrap().map(|entry| entry.unwrap().file_name());
            entries.map(|name| name.into_string().unwrap()).collect::<Vec<_>>()
        };
        env.wait_for("the files of the attempt", || {
            files().iter().any(|name| name.starts_with("roboppi-attempt-")).then_some(())
        });
        let core = env.wait_for("the core", || Process::of(env.runs().first()?.core_pid()?));
        // The core and those above it.
        let guard = Process::of(core.parent).unwrap();
        let front = Process::of(guard.parent).unwrap();
        let ours = [core, guard, front];
        for &level in levels {
            ours[level].signal(Signal::SIGKILL);
        }
        env.wait_until_nothing_is_left();
        let _ = running.wait_somehow();
        assert_eq!(files(), [""; 0], "{mode} {levels:?}");
    }
}

#[test]
fn a_long_result_of_a_tool_is_a_file_of_the_record() {
    let env = with_claude();
    let _ = run(&env, "long-answer", &[]).output().code(0);
    let dir = env.the_run().dir;
    let events = fs::read_to_string(dir.join("steps/fix/i1-a1.events.jsonl")).unwrap();
    let event = events.lines().find(|line| line.contains("tool_result")).unwrap();
    let event = serde_json::from_str::<Value>(event).unwrap()["event"].clone();
    assert_eq!(event["preview"].as_str().unwrap().len(), 500);
    assert_eq!(event["bytes"], 3000);
    let blob = fs::read_to_string(dir.join("blobs").join(event["blob"].as_str().unwrap())).unwrap();
    assert_eq!(blob, "x".repeat(3000));
}

#[test]
fn a_secret_in_what_an_agent_says_and_does_is_in_no_file_of_the_record() {
    const SECRET: &str = "canary-4f1b9c7d2e";
    let env = with_claude();
    let printed = run(&env, "tells-secret", &[]).env("DEPLOY_TOKEN", SECRET).output().code(0).all();
    assert!(!printed.contains(SECRET), "{printed}");
    assert_eq!(result(&env)["details"]["answer"], "it is ***");
    let dir = env.the_run().dir;
    let blobs = fs::read_dir(dir.join("blobs"))
        .unwrap()
        .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap());
    let blobs: Vec<String> = blobs.collect();
    assert!(blobs.len() == 2 && blobs.iter().all(|blob| blob.contains("***")), "{} blobs", blobs.len());
    let mut folders = vec![dir];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let bytes = fs::read(&path).unwrap();
                let hit = bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes());
                assert!(!hit, "{}", path.display());
            }
        }
    }
}

#[test]
fn a_program_that_is_not_there_is_said_with_what_to_do() {
    let env = TestEnv::new();
    flow(&env, "fix it", &[]);
    let command = env.roboppi(["workflow", "run", "flow.yaml", "--no-tui"]).env("PATH", "/usr/bin:/bin");
    let text = command.output().code(1).all();
    assert!(text.contains("npm install -g @anthropic-ai/claude-code"), "{text}");
}

#[test]
fn the_answer_goes_to_stdout_and_everything_else_to_stderr() {
    let env = with_claude();
    let ask = |args: &[&str]| finding(&env, env.roboppi(["run", "--worker", "claude-code"]).args(args));
    let printed = ask(&["fix", "it"]).output().code(0);
    assert_eq!(printed.text(), "All tests pass.\n");
    assert_eq!(fs::read_dir(env.work()).unwrap().count(), 0, "nothing is put beside the work");
    assert!(printed.stderr.contains("Bash npm test … ok"), "{}", printed.stderr);

    let printed = ask(&["says-args"]).args(["--resume", "s-1", "--timeout", "60000"]).stdin("more of it");
    assert_eq!(printed.output().code(0).text(), "written\n");
    assert_eq!(env.read("prompt.txt"), "says-args\n\nmore of it");
    assert!(env.read("args.txt").contains("--resume\ns-1\n"));

    let failed = ask(&["dies"]).output().code(1);
    assert_eq!(failed.text(), "");
    // There is no file to go on with but a session, and what is removed with the command is not named.
    assert!(failed.stderr.contains("roboppi run --worker claude-code --resume 1111"), "{}", failed.stderr);
    assert!(!failed.stderr.contains("  resume") && !failed.stderr.contains("context"), "{}", failed.stderr);
    let page = env.roboppi(["show"]).output().code(0).text();
    assert!(!page.contains("workflow ") && !page.contains("context"), "{page}");
    let none = ask(&[]).output().code(2);
    assert!(none.stderr.contains("no instructions were given"), "{}", none.stderr);
    let wrong = env.roboppi(["run", "--worker", "clod", "x"]).output().code(2);
    assert!(wrong.stderr.contains("claude-code"), "{}", wrong.stderr);
    let json = ask(&["fix it", "--output", "json"]).output().code(0).text();
    assert!(json.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{json}");
}

#[test]
fn an_answer_is_exact_in_a_pipe_and_harmless_in_a_terminal() {
    let env = with_claude();
    let ask = || finding(&env, env.roboppi(["run", "--worker", "claude", "answers-in-commands", "--no-tui"]));
    assert_eq!(ask().output().code(0).text(), "\x1b]0;pwned\x07\x1b[2Jfirst\nsecond\n");
    let mut terminal = ask().start_in_terminal(24, 80);
    terminal.wait_for_text("second");
    terminal.expect_code(0);
    let written = String::from_utf8_lossy(&terminal.terminal.written()).into_owned();
    assert!(!written.contains("]0;pwned\x07") && !written.contains("\x1b[2J"), "{written:?}");
}

#[test]
fn quiet_lines_have_the_warnings_and_the_failure_of_an_agent_and_nothing_else() {
    let env = with_claude();
    let text = run(&env, "has-trouble", &[]).arg("-q").output().code(0).text();
    assert!(text.contains("! fix  ") && text.contains("github"), "{text}");
    assert!(!text.contains("fix | ") && !text.contains("✓ fix"), "{text}");

    let env = with_claude();
    let text = run(&env, "dies", &[]).arg("-q").output().code(1).text();
    assert!(text.contains("✗ fix  ") && text.contains("I beg"), "{text}");
    let text = run(&env, "fix it", &[]).arg("-q").output().code(0).text();
    assert!(text.starts_with("SUCCEEDED: 1 step in "), "{text}");
}

#[test]
fn workers_are_listed_with_what_to_do_about_those_that_are_missing() {
    let env = with_claude();
    // One leaves somebody behind who holds its pipe, one never stops talking, and one never says a line.
    env.write_program(
        "bin/codex",
        "#!/bin/sh\nsleep 1000 & (setsid sleep 1000 &) & sleep 0.1; echo codex-cli 1.2.3\n",
    );
    env.write_program("bin/gemini", "#!/bin/sh\nyes 4.5.6\n");
    env.write_program("bin/opencode", "#!/bin/sh\nhead -c 100000 /dev/zero; sleep 1000\n");
    let list = |args: &[&str]| {
        let bins = [env.path("bin"), env.work().join("bin")];
        let dirs = bins.into_iter().chain(["/usr/bin".into(), "/bin".into()]);
        let dirs = std::env::join_paths(dirs).unwrap();
        env.roboppi(["workers"]).args(args).env("PATH", dirs).output().code(0).text()
    };
    let table = list(&[]);
    let claude = table.lines().find(|line| line.starts_with("claude-code")).unwrap();
    assert!(claude.contains("2.1.329") && claude.contains("bin/claude"), "{table}");
    for (worker, version) in [("codex", "codex-cli 1.2.3"), ("gemini", "4.5.6"), ("opencode", "none")] {
        let line = table.lines().find(|line| line.starts_with(worker)).unwrap();
        assert!(line.contains(version), "{table}");
    }
    let shell = table.lines().find(|line| line.contains(" CUSTOM ")).unwrap();
    assert!(shell.starts_with('-') && shell.contains("bash") && shell.contains("version"), "{table}");
    env.wait_until_nothing_is_left();
    let json: Value = serde_json::from_str(&list(&["--json"])).unwrap();
    let claude = json.as_array().unwrap().iter().find(|worker| worker["kind"] == "CLAUDE_CODE").unwrap();
    assert_eq!(claude["found"], true);
    assert_eq!(claude["version"], "2.1.329 (Claude Code)");
}

#[test]
fn the_screen_shows_what_an_agent_does_and_is_about_to_say() {
    let env = with_claude();
    flow(&env, "writes-slowly", &[]);
    let command = finding(&env, env.roboppi(["workflow", "run", "flow.yaml", "--tui"]));
    let mut on_screen = command.start_in_terminal(40, 110);
    for text in ["6 Activity", "I run the tests.", "Bash npm test", "+new", "failed", "Half a sen▌"] {
        on_screen.wait_for_text(text);
    }
    // The result of the last call unfolds.
    on_screen.press("zg");
    on_screen.wait_for_text("7 passed");
    on_screen.press("7");
    on_screen.wait_for_text("This attempt");
    on_screen.press("q");
    on_screen.wait_for_text("y yes");
    on_screen.press("y");
    on_screen.wait_for_text("press q to leave");
    on_screen.press("q");
    on_screen.expect_code(130);
    on_screen.expect_restored_terminal();
}

#[test]
fn everything_an_agent_did_is_reached_from_the_screen() {
    let env = with_claude();
    let _ = run(&env, "does-much", &[]).output().code(0);
    let mut on_screen = env.roboppi(["attach", "--tui"]).start_in_terminal(100, 110);
    on_screen.wait_for_text("thing number 2600");
    on_screen.wait_for_text("the latest of 2601 things · scroll up for earlier ones");
    on_screen.press("\r");
    on_screen.press("g");
    on_screen.wait_for_text("1–500 of 2601 things");
    // What was cut is read as a whole: what the tool was given, and what it gave.
    on_screen.press(">");
    on_screen.press(" ");
    on_screen.wait_for_text("the-end-of-it");
    on_screen.wait_for_text("the-end-of-that");
    on_screen.press(" ");
    // From the end of all, everything is gone through backwards.
    on_screen.press("G");
    on_screen.wait_for_text("the latest of 2601");
    for (words, last) in [("603–1601 of", "thing number 1600"), ("1–602 of", "thing number 601")] {
        loop {
            let before = on_screen.terminal.look(roboppi_terminal::Screen::contents);
            if before.contains(words) {
                break;
            }
            on_screen.press("\x1b[5~");
            on_screen.wait_until("the page before", |screen| {
                let now = screen.contents();
                now != before && !now.contains("Reading what came before")
            });
        }
        on_screen.wait_for_text(last);
    }
    on_screen.press("q");
    on_screen.expect_code(0);
}

#[test]
fn what_is_read_of_an_agent_stays_where_it_is_while_it_does_more() {
    let env = with_claude();
    flow(&env, "does-more-later", &["file_changes: false"]);
    let command = finding(&env, env.roboppi(["workflow", "run", "flow.yaml", "--tui"]));
    let mut on_screen = command.start_in_terminal(40, 110);
    on_screen.wait_for_text("thing number 1200");
    on_screen.wait_for_text("the latest of 1200 things");
    on_screen.press("\r\x1b[5~");
    let things = |screen: &roboppi_terminal::Screen| -> Vec<String> {
        screen.rows(0, 110).filter(|row| row.contains("thing number")).collect()
    };
    on_screen.wait_until("the page before", |screen| {
        !things(screen).is_empty() && !screen.contents().contains("number 1200")
    });
    let read = on_screen.terminal.look(things);
    assert!(read.len() > 10, "{read:#?}");
    env.write("go", "");
    on_screen.wait_for_text("the latest of 1400 things");
    on_screen.wait_for_text("press q to leave");
    assert_eq!(on_screen.terminal.look(things), read);
    on_screen.press("q");
    on_screen.expect_code(0);
}

#[test]
fn the_screen_of_one_agent_gives_way_to_its_answer() {
    let env = with_claude();
    let command = finding(&env, env.roboppi(["run", "--worker", "claude-code", "fix it"]));
    let mut on_screen = command.without_env("ROBOPPI_HOLD").start_in_terminal(24, 80);
    on_screen.expect_code(0);
    on_screen.wait_for_text("All tests pass.");
    on_screen.expect_restored_terminal();
}
