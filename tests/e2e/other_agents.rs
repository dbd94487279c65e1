//! opencode and Gemini CLI as workers: programs of their names that print what the real ones printed.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use crate::env::{Invocation, TestEnv};

const WRITE_EDIT: &str =
    include_str!("../../crates/worker-adapters/tests/transcripts/opencode/write_edit.jsonl");
const REJECTED: &str = include_str!("../../crates/worker-adapters/tests/transcripts/opencode/rejected.jsonl");
const TEXT: &str = include_str!("../../crates/worker-adapters/tests/transcripts/gemini/text.jsonl");
const SIGTERM: &str = include_str!("../../crates/worker-adapters/tests/transcripts/gemini/sigterm.jsonl");

/// A run of one step by the program `name`, which keeps what it is given, prints `output` and exits with `code`.
fn run<'e>(env: &'e TestEnv, name: &str, output: &str, code: i32) -> Invocation<'e> {
    env.write("output", output);
    let program = env.path(&format!("bin/{name}"));
    fs::create_dir_all(program.parent().unwrap()).unwrap();
    let script = format!(
        "#!/bin/sh\nprintf '%s\\n' \"$@\" > arguments\ncat > prompt\nenv > environment\ncat output\nexit {code}\n"
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let flow = format!(
        "name: agents\nversion: \"1\"\ntimeout: 5m\nsteps:\n  fix:\n    worker: {}\n    capabilities: [READ]\n    \
         model: some/model\n    instructions: Look at this closely.\n",
        name.to_uppercase()
    );
    env.write("flow.yaml", &flow);
    let dirs = [env.path("bin"), "/usr/local/bin".into(), "/usr/bin".into(), "/bin".into()];
    env.roboppi(["workflow", "run", "flow.yaml", "--no-tui"]).env("PATH", std::env::join_paths(dirs).unwrap())
}

/// Facts of the only attempt.
fn result(env: &TestEnv) -> Value {
    env.the_run().events("attempt_finished").pop().unwrap()["result"].take()
}

#[test]
fn an_agent_reads_its_prompt_where_nobody_else_does() {
    for (name, output) in [("opencode", WRITE_EDIT), ("gemini", TEXT)] {
        let env = TestEnv::new();
        let _ = run(&env, name, output, 0).output().code(0);
        assert_eq!(env.read("prompt").trim_end(), "Look at this closely.");
        let arguments = env.read("arguments");
        assert!(!arguments.contains("closely"), "{arguments}");
        assert!(arguments.contains("--model\nsome/model\n"), "{arguments}");
    }
}

#[test]
fn what_opencode_did_is_in_the_record() {
    let env = TestEnv::new();
    let _ = run(&env, "opencode", WRITE_EDIT, 0).output().code(0);
    // Reading is all it may do, and there is nobody to ask for more.
    assert!(env.read("environment").contains("\"edit\":\"deny\""));
    let events = env.the_run().attempt_events("fix", 1);
    let kinds: Vec<_> = events.iter().map(|line| line["event"]["type"].as_str().unwrap()).collect();
    for kind in ["session", "text", "tool_call", "tool_result", "file_changed", "patch", "usage"] {
        assert!(kinds.contains(&kind), "no {kind} in {kinds:?}");
    }
    let details = &result(&env)["details"];
    assert_eq!(details["answer"], "Done. hello.txt was created and edited.");
    assert_eq!(details["usage"]["outputTokens"], 160);
}

#[test]
fn success_is_what_exit_code_and_last_word_agree_on() {
    for (name, output, code, kind) in [
        ("opencode", WRITE_EDIT, 1, "exit_code"),
        ("opencode", REJECTED, 0, "stopped_after_tool_calls"),
        ("gemini", TEXT, 1, "exit_code"),
        ("gemini", SIGTERM, 0, "no_end"),
        ("gemini", &TEXT[..TEXT.len() - 30], 0, "lost_output"),
    ] {
        let env = TestEnv::new();
        let _ = run(&env, name, output, code).output().code(1);
        assert_eq!(result(&env)["details"]["errorKind"], kind, "{name}");
    }
}

#[test]
fn an_agent_whose_interpreter_is_missing_is_not_called_missing() {
    let env = TestEnv::new();
    env.write_program("bin/claude", "#!/opt/gone/bin/node\nconsole.log(1)\n");
    let path = format!("{}:{}", env.work().join("bin").display(), std::env::var("PATH").unwrap());
    let refused = env.roboppi(["run", "--worker", "claude-code", "hi"]).env("PATH", path).output();
    let text = refused.to_string();
    assert!(text.contains("its interpreter `/opt/gone/bin/node` is missing"), "{text}");
    assert!(!text.contains("there is no `claude` in PATH"), "{text}");
}
