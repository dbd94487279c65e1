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
    let waited = " while it waited: the request failed (429 Too Many Requests), try 2 of 5";
    assert!(text.contains("timed out after 1s500ms (`timeout`), ") && text.contains(waited), "{text}");
    assert!(!text.contains("code 143: A feature"), "{text}");
    assert!(text.contains("! agent  A feature is young."), "the note is told as one\n{text}");
    assert!(text.contains("roboppi run --worker codex-cli --resume 01a1f952-8971 \"Go on.\""), "{text}");
}

#[test]
fn a_harmless_note_is_no_reason_either_where_nothing_is_known() {
    let env = TestEnv::new();
    let text = codex(&env, &[THREAD, NOTE, TURN], &["--timeout", "1500ms"]).output().code(1).all();
    assert!(
        ["exit code 143", "killed by SIGTERM"]
            .iter()
            .any(|how| text.contains(&format!("timed out after 1s500ms (`timeout`), {how}  "))),
        "{text}"
    );
}

#[test]
fn an_agent_that_fails_on_a_screen_leaves_the_reason_its_session_and_how_to_go_on() {
    let env = with_claude();
    let command = finding(&env, env.roboppi(["run", "--worker", "claude-code", "dies"]));
    let mut on_screen = command.without_env("ROBOPPI_HOLD").start_in_terminal(30, 160);
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
fn what_an_agent_had_to_do_without_is_told_when_it_happens() {
    let env = with_claude();
    let text = run(&env, "has-trouble", &[]).output().code(0).text();
    let (before, summary) = text.split_once("SUCCEEDED").unwrap();
    for remark in ["the MCP server \"github\" could", "92 % of the limit", "this workspace is not trusted"] {
        assert_eq!(before.matches(remark).count(), 1, "{remark:?} once in\n{before}");
        // Standard error has a pipe of its own.
        let is_live = before.find(remark) < before.find("I could not.");
        assert!(is_live || remark.contains("trusted"), "{remark:?} live in\n{before}");
        assert_eq!(summary.matches(remark).count(), 1, "{remark:?} once in the summary\n{summary}");
    }
    let shown = env.roboppi(["show"]).output().code(0).text();
    assert!(shown.contains("the MCP server \"linear\" wants a login"), "{shown}");
    let events = env.roboppi(["events", "--workers", "--json"]).output().code(0).text();
    assert!(events.contains(r#""level":"warning""#), "{events}");
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
    assert!(text.contains("fix  sub-agent scout 1 starts"), "{text}");
    assert!(text.contains("agents   2 sub-agents: 2 done"), "{text}");
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
    on_screen.press("3");
    on_screen.wait_for_text("Changed, no diff told:");
    on_screen.wait_for_text("/ws/hello.txt");
    on_screen.press("q");
    on_screen.expect_code(0);
}

#[test]
fn a_question_that_nobody_answers_is_told_with_the_success() {
    let env = with_claude();
    let text = run(&env, "asks-a-person", &[]).output().code(0).text();
    let note = "asked a question that was not answered: \"Which database?\"";
    assert!(text.contains(&format!("! fix  {note}")), "{text}");
    assert!(text.contains(&format!("note     {note}")), "{text}");
    assert_eq!(result(&env)["details"]["notes"][0], note);
}

#[test]
fn an_error_of_no_turn_after_a_success_does_not_undo_it() {
    let env = with_claude();
    let text = run(&env, "ends-oddly", &[]).output().code(0).text();
    assert!(text.contains("after its success it reported an error of no turn"), "{text}");
    assert_eq!(result(&env)["details"]["answer"], "All done.");
}

#[test]
fn how_to_go_on_with_an_agent_is_at_the_end_of_its_lines() {
    let env = with_claude();
    let command = env.roboppi(["run", "--worker", "claude-code", "--no-tui", "surveys"]);
    env.write("go", "");
    let text = finding(&env, command).output().code(0).all();
    assert!(text.contains("session  11111111-2222-3333-4444-555555555555"), "{text}");
    let go_on =
        "go on    roboppi run --worker claude-code --resume 11111111-2222-3333-4444-555555555555 \"Go on.\"";
    assert_eq!(text.matches(go_on).count(), 1, "{text}");
}

#[test]
fn forty_sub_agents_are_a_line_each_on_the_screen_and_counted_at_the_end() {
    let env = with_claude();
    env.write(
        "flow.yaml",
        "name: f\nversion: \"1\"\ntimeout: 5m\nsteps:\n  fix:\n    worker: CLAUDE_CODE\n    capabilities: [READ]\n    \
         instructions: surveys\n",
    );
    let command = finding(&env, env.roboppi(["workflow", "run", "flow.yaml", "--tui"]));
    let mut on_screen = command.start_in_terminal(60, 120);
    on_screen.wait_for_text("40 sub-agents: 40 running");
    on_screen.wait_for_text("Agent part 40 › Bash grep 40");
    env.write("go", "");
    on_screen.wait_for_text("40 sub-agents: 39 done, 1 stopped");
    on_screen.wait_for_text("press q to leave");
    on_screen.press("q");
    on_screen.wait_for_text("agents   40 sub-agents: 39 done, 1 stopped");
    on_screen.expect_code(0);
    let shown = env.roboppi(["show"]).output().code(0).text();
    assert!(shown.contains("part 7 stopped") && shown.contains("and 30 more"), "{shown}");
}

#[test]
fn sub_agents_of_codex_are_told_by_what_they_were_sent_for() {
    let env = TestEnv::new();
    let spawn = |event: &str, agents: &str, states: &str| {
        format!(
            r#"{{"type":"item.{event}","item":{{"id":"i1","type":"collab_tool_call","tool":"spawn_agent","sender_thread_id":"A","receiver_thread_ids":[{agents}],"prompt":"look around","agents_states":{{{states}}},"status":"completed"}}}}"#
        )
    };
    let (begun, spawned) =
        (spawn("started", "", ""), spawn("completed", r#""B""#, r#""B":{"status":"pending_init"}"#));
    let waited = spawned
        .replace("i1", "i2")
        .replace("spawn_agent", "wait")
        .replace(r#"{"status":"pending_init"}"#, r#"{"status":"completed","message":"it is round"}"#);
    let lines = [THREAD, TURN, &begun, &spawned, &waited, r#"{"type":"turn.completed"}"#].join("\n");
    env.write_program("bin/codex", &format!("#!/bin/sh\ncat > /dev/null\ncat <<'X'\n{lines}\nX\n"));
    let dirs = [env.work().join("bin"), "/usr/local/bin".into(), "/usr/bin".into(), "/bin".into()];
    let command = env.roboppi(["run", "--worker", "codex", "--no-tui", "fix it"]);
    let text = command.env("PATH", std::env::join_paths(dirs).unwrap()).output().code(0).all();
    assert!(text.contains("spawn_agent look around … ok"), "{text}");
    assert!(text.contains("agent  sub-agent look around … done"), "{text}");
    assert!(text.contains(": it is round"), "{text}");
    assert!(text.contains("agents   1 sub-agent: 1 done"), "{text}");
    assert!(!text.contains('{'), "no JSON of the protocol\n{text}");
}

#[test]
fn a_report_of_gemini_on_a_failure_is_kept_without_secrets() {
    let env = TestEnv::new();
    let line = r#"{"type":"result","status":"error","error":{"type":"unknown","message":"[API Error: terminated]"}}"#;
    let report = r#"{"error":"terminated","key":"s3cret-0123456789"}"#;
    env.write_program(
        "bin/gemini",
        &format!(
            "#!/bin/sh\ncat > /dev/null\necho '{report}' > \"$TMPDIR/gemini-client-error-1.json\"\necho no > \"$TMPDIR/other.json\"\n\
             echo '{line}'\nexit 1\n"
        ),
    );
    let dirs = [env.work().join("bin"), "/usr/local/bin".into(), "/usr/bin".into(), "/bin".into()];
    let command = env.roboppi(["run", "--worker", "gemini", "--no-tui", "fix it"]);
    let command =
        command.env("PATH", std::env::join_paths(dirs).unwrap()).env("MY_TOKEN", "s3cret-0123456789");
    let text = command.output().code(1).all();
    assert!(text.contains("its report gemini-client-error-1.json is kept in the record as blobs/"), "{text}");
    let result = result(&env);
    assert_eq!(result["errorClass"], "RETRYABLE_NETWORK");
    let artifacts = result["artifacts"].as_array().unwrap();
    let kept = artifacts.iter().find(|artifact| artifact["type"] == "report").unwrap();
    let kept = std::fs::read_to_string(env.the_run().dir.join(kept["ref"].as_str().unwrap())).unwrap();
    assert!(kept.contains("terminated") && !kept.contains("s3cret"), "{kept}");
}

/// Plays every recording of an agent, with the program `name`.
fn lines_of_recordings(agent: &str, name: &str) {
    let folder =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/worker-adapters/tests/transcripts");
    let mut recordings: Vec<_> =
        std::fs::read_dir(folder.join(agent)).unwrap().map(|entry| entry.unwrap().path()).collect();
    recordings.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    assert!(recordings.len() > 10, "{recordings:?}");
    recordings.sort();
    let env = TestEnv::new();
    env.write_program(
        &format!("bin/{name}"),
        "#!/bin/sh\n[ \"$1\" = --version ] && exit\ncat > /dev/null\ncat \"$RECORDING\"\n",
    );
    let dirs = [env.work().join("bin"), "/usr/local/bin".into(), "/usr/bin".into(), "/bin".into()];
    for recording in recordings {
        let command = env.roboppi([
            "run",
            "--worker",
            name,
            "--no-tui",
            "--verbose",
            "--timeout",
            "20s",
            "--env-pass",
            "RECORDING",
            "fix it",
        ]);
        let command = command.env("PATH", std::env::join_paths(&dirs).unwrap()).env("RECORDING", &recording);
        let outcome = command.output();
        let code = outcome.exit_code();
        let text = outcome.code(code).all();
        for line in text.lines() {
            let protocol =
                ["{\"type\"", "\"type\":\"", "\"session_id\":", "\"sessionID\":", "\"parent_tool_use_id\""];
            // What a tool printed, or the answer of a service, may be anything.
            assert!(!protocol.iter().any(|part| line.contains(part)), "{}: {line}", recording.display());
        }
    }
}

#[test]
fn no_line_about_claude_code_is_json() {
    lines_of_recordings("claude", "claude");
}

#[test]
fn no_line_about_other_agents_is_json() {
    for (agent, name) in [("codex", "codex"), ("gemini", "gemini"), ("opencode", "opencode")] {
        lines_of_recordings(agent, name);
    }
}
