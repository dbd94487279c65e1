//! Why an agent has not succeeded, how to go on with it, and what is left out of its input and output.

use crate::agents::{finding, result, run, with_claude};
use crate::env::{Invocation, TestEnv};

/// A run of Codex, which prints this and then does nothing.
fn codex<'e>(env: &'e TestEnv, lines: &[&str], arguments: &[&str]) -> Invocation<'e> {
    let lines = lines.join("\n");
    env.write_program(
        "bin/codex",
        &format!("#!/bin/sh\ncat > /dev/null\ncat <<'X'\n{lines}\nX\nexec sleep 1000\n"),
    );
    let command = ["run", "--worker", "codex", "--no-tui", "fix it"];
    let dirs = [env.work().join("bin"), "/usr/local/bin".into(), "/usr/bin".into(), "/bin".into()];
    env.roboppi(command.iter().chain(arguments)).env("PATH", std::env::join_paths(dirs).unwrap())
}

const THREAD: &str = r#"{"type":"thread.started","thread_id":"01a1f952-8971"}"#;
const NOTE: &str =
    r#"{"type":"item.completed","item":{"id":"i0","type":"error","message":"A feature is young."}}"#;
const TURN: &str = r#"{"type":"turn.started"}"#;
const RETRY: &str = r#"{"type":"error","message":"Reconnecting... 2/5 (exceeded retry limit, last status: 429 Too Many Requests)"}"#;

#[test]
fn what_an_agent_waited_for_when_its_time_was_over_is_told_and_no_harmless_note() {
    let env = TestEnv::new();
    let text = codex(&env, &[THREAD, NOTE, TURN, RETRY], &["--timeout", "1500ms"]).output().code(1).all();
    let waited = "out of time while it waited: the request failed (429 Too Many Requests), try 2 of 5";
    assert!(text.contains(waited), "{text}");
    assert!(!text.contains("code 143: A feature"), "{text}");
    assert!(text.contains("! agent  A feature is young."), "the note is told as one\n{text}");
    assert!(text.contains("roboppi run --worker codex-cli --resume 01a1f952-8971 \"Go on.\""), "{text}");
}

#[test]
fn a_harmless_note_is_no_reason_either_where_nothing_is_known() {
    let env = TestEnv::new();
    let text = codex(&env, &[THREAD, NOTE, TURN], &["--timeout", "1500ms"]).output().code(1).all();
    assert!(
        text.contains("out of time (exit code 143)") || text.contains("out of time (killed by SIGTERM)"),
        "{text}"
    );
}

#[test]
fn an_agent_that_fails_on_a_screen_leaves_the_reason_its_session_and_how_to_go_on() {
    let env = with_claude();
    let command = finding(&env, env.roboppi(["run", "--worker", "claude-code", "dies"]));
    let mut on_screen = command.start_in_terminal(30, 160);
    on_screen.expect_code(1);
    on_screen.wait_for_text("the agent has failed: ");
    on_screen.wait_for_text("without reporting the outcome of its work");
    on_screen.wait_for_text("--resume 11111111-2222-3333-4444-555555555555");
    on_screen.expect_restored_terminal();
}

#[test]
fn bytes_for_a_terminal_lose_no_line_and_are_counted() {
    let env = with_claude();
    let text = run(&env, "shouts-at-terminal", &[]).output().code(0).text();
    for said in ["fix | I think.", "fix | I write.", "fix | I am done."] {
        assert!(text.contains(said), "{text}");
    }
    let details = result(&env)["details"].clone();
    assert_eq!(details["sessionId"], "11111111-2222-3333-4444-555555555555");
    assert_eq!(details["notes"][0], "5 lines of its output had bytes for a terminal, which were left out");
}

#[test]
fn instructions_on_standard_input_that_are_not_all_text_are_taken_with_a_note() {
    let env = with_claude();
    let command = env.roboppi(["run", "--worker", "claude-code", "--no-tui", "says-args"]);
    let text = finding(&env, command).stdin(&b"-caf\xe9\n+caf\xc3\xa9\n"[..]).output().code(0).all();
    assert!(text.contains("stdin is not all UTF-8; 1 parts"), "{text}");
    assert_eq!(env.read("prompt.txt"), "says-args\n\n-caf\u{fffd}\n+café");
}

#[test]
fn what_an_agent_had_to_do_without_is_told_at_its_end() {
    let env = with_claude();
    let text = run(&env, "has-trouble", &[]).output().code(0).text();
    for told in [
        "! fix  refused: Bash: not here",
        "! fix  the MCP server \"github\" could not be started, so its tools were not there",
        "! fix  the MCP server \"linear\" wants a login, so its tools were not there",
        "! fix  92 % of the limit for the week is used",
        "! fix  Ignoring permissions.allow: this workspace is not trusted",
    ] {
        assert!(text.contains(told), "no {told:?} in\n{text}");
    }
}

#[test]
fn calls_of_sub_agents_say_whose_they_are_and_a_sub_agent_works_until_it_is_back() {
    let env = with_claude();
    let text = run(&env, "scouts", &[]).output().code(0).text();
    for told in ["fix  ↳ scout 1: Bash ls … ok", "fix  ↳ scout 2: Bash ls … ok"] {
        assert!(text.contains(told), "no {told:?} in\n{text}");
    }
    let place = |words: &str| text.find(words).unwrap_or_else(|| panic!("no {words:?} in\n{text}"));
    assert!(place("↳ scout 1: Bash") < place("fix  Agent scout 1 … ok"), "{text}");
}

#[test]
fn files_that_changed_without_a_diff_are_named_where_diffs_are_shown() {
    let env = TestEnv::new();
    let change = r#"{"type":"item.completed","item":{"id":"i1","type":"file_change","changes":[{"path":"/ws/hello.txt","kind":"add"}],"status":"completed"}}"#;
    let lines = [THREAD, TURN, change, r#"{"type":"turn.completed"}"#].join("\n");
    env.write_program("bin/codex", &format!("#!/bin/sh\ncat > /dev/null\ncat <<'X'\n{lines}\nX\n"));
    env.write(
        "flow.yaml",
        "name: f\nversion: \"1\"\ntimeout: 5m\nsteps:\n  fix:\n    worker: CODEX_CLI\n    capabilities: [EDIT]\n    \
         instructions: x\n",
    );
    let dirs = [env.work().join("bin"), "/usr/local/bin".into(), "/usr/bin".into(), "/bin".into()];
    let command = env.roboppi(["workflow", "run", "flow.yaml", "--tui"]);
    let mut on_screen = command.env("PATH", std::env::join_paths(dirs).unwrap()).start_in_terminal(30, 120);
    on_screen.wait_for_text("press q to leave");
    on_screen.press("4");
    on_screen.wait_for_text("Changed, no diff told:");
    on_screen.wait_for_text("/ws/hello.txt");
    on_screen.press("q");
    on_screen.expect_code(0);
}
