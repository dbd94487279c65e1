//! What agents are given beside their task: it arrives as each of them takes it, or is refused before anything starts.

use std::fs;

use crate::env::{Invocation, TestEnv};

const CLAUDE: &str = include_str!("fake_claude.sh");
const OPENCODE: &str =
    include_str!("../../crates/worker-adapters/tests/transcripts/opencode/write_edit.jsonl");
const GEMINI: &str = include_str!("../../crates/worker-adapters/tests/transcripts/gemini/text.jsonl");
const CODEX: &str = r#"{"type":"thread.started","thread_id":"t-1"}
{"type":"turn.started"}
{"type":"item.completed","item":{"id":"i0","type":"agent_message","text":"Done."}}
{"type":"turn.completed","usage":{"input_tokens":10,"cached_input_tokens":0,"output_tokens":2}}
"#;

/// A place with all four agents: each prints what the real one printed, and keeps its arguments in `NAME.args`.
fn with_agents() -> TestEnv {
    let env = TestEnv::new();
    for (name, output) in [("codex", CODEX), ("opencode", OPENCODE), ("gemini", GEMINI)] {
        let output = env.write(&format!("{name}.jsonl"), output);
        keeper(&env, &format!("bin/{name}"), name, &format!("cat {}", output.display()));
    }
    let fake = env.write_program("fake_claude", CLAUDE);
    keeper(&env, "bin/claude", "claude", &format!("exec {}", fake.display()));
    env
}

/// A program that keeps its arguments, and then does as it is told.
fn keeper(env: &TestEnv, path: &str, name: &str, then: &str) {
    let args = env.work().join(format!("{name}.args"));
    env.write_program(path, &format!("#!/bin/sh\nprintf '%s\\n' \"$@\" > {}\n{then}\n", args.display()));
}

fn finding<'e>(env: &TestEnv, command: Invocation<'e>) -> Invocation<'e> {
    let dirs = [env.work().join("bin"), "/usr/local/bin".into(), "/usr/bin".into(), "/bin".into()];
    command.env("PATH", std::env::join_paths(dirs).unwrap())
}

fn run<'e>(env: &'e TestEnv, worker: &str, more: &[&str]) -> Invocation<'e> {
    let command = ["run", "--worker", worker, "--no-tui", "says-args"];
    finding(env, env.roboppi(command.iter().chain(more)))
}

fn arguments(env: &TestEnv, name: &str) -> Vec<String> {
    env.read(&format!("{name}.args")).lines().map(str::to_owned).collect()
}

/// Whether these arguments follow each other.
fn holds(arguments: &[String], part: &[&str]) -> bool {
    arguments.windows(part.len()).any(|window| window == part)
}

/// A workflow of one agent step with these keys.
fn flow(env: &TestEnv, worker: &str, keys: &[&str]) {
    let keys: String = keys.iter().map(|key| format!("    {key}\n")).collect();
    let text = format!(
        "name: agents\nversion: \"1\"\ntimeout: 5m\nsteps:\n  fix:\n    worker: {worker}\n    capabilities: [EDIT]\n    \
         instructions: says-args\n{keys}"
    );
    env.write("flow.yaml", &text);
}

fn run_flow(env: &TestEnv) -> Invocation<'_> {
    finding(env, env.roboppi(["workflow", "run", "flow.yaml", "--no-tui"]))
}

#[test]
fn arguments_reach_every_agent_as_they_are_before_those_of_roboppi() {
    let env = with_agents();
    for (worker, name, own) in [
        ("claude-code", "claude", "--print"),
        ("codex", "codex", "--json"),
        ("gemini", "gemini", "--output-format"),
        ("opencode", "opencode", "--thinking"),
    ] {
        let more = ["--arg", "--title", "--arg", "two  words; $HOME *", "--arg=--x=y"];
        let _ = run(&env, worker, &more).output().code(0);
        let found = arguments(&env, name);
        assert!(holds(&found, &["--title", "two  words; $HOME *", "--x=y"]), "{found:?}");
        let place = |word: &str| found.iter().position(|argument| argument == word).unwrap();
        assert!(place("--title") < place(own), "{found:?}");
    }
}

#[test]
fn arguments_that_would_keep_an_agent_from_being_followed_are_left_out_and_that_is_told() {
    let env = with_agents();
    for (worker, name, arguments_given, told) in [
        ("claude-code", "claude", &["--output-format", "text", "--bg", "-p"][..], "`--bg` is left out"),
        ("codex", "codex", &["--json", "--help"], "`--help` is left out"),
        ("gemini", "gemini", &["--acp", "-o", "text"], "`--acp` is left out"),
        ("opencode", "opencode", &["--format=default", "--version"], "`--format default` is left out"),
    ] {
        let more: Vec<String> = arguments_given.iter().map(|arg| format!("--arg={arg}")).collect();
        let more: Vec<&str> = more.iter().map(String::as_str).collect();
        let text = run(&env, worker, &more).output().code(0).all();
        assert!(text.contains(told), "{text}");
        let found = arguments(&env, name);
        for gone in ["--bg", "--help", "--acp", "--version", "text", "default", "--format=default"] {
            assert!(!found.iter().any(|argument| argument == gone), "{gone} in {found:?}");
        }
        let doubled = |word: &str| found.iter().filter(|argument| *argument == word).count() > 1;
        assert!(!doubled("--json") && !doubled("--output-format") && !doubled("--print"), "{found:?}");
    }
}

#[test]
fn a_session_that_is_asked_for_wins_over_arguments() {
    let env = with_agents();
    let more = ["--resume", "mine", "--arg=--resume", "--arg=theirs", "--arg=--continue"];
    let _ = run(&env, "claude-code", &more).output().code(0);
    let found = arguments(&env, "claude");
    assert!(holds(&found, &["--resume", "mine"]), "{found:?}");
    assert!(!found.iter().any(|argument| argument == "theirs" || argument == "--continue"), "{found:?}");
}

#[test]
fn paths_of_the_command_line_are_relative_to_the_current_directory() {
    let env = with_agents();
    env.write("mcp.json", "{}");
    for dir in ["lib", "other", "place"] {
        fs::create_dir(env.work().join(dir)).unwrap();
    }
    let (file, lib, other) = (env.work().join("mcp.json"), env.work().join("lib"), env.work().join("other"));
    let (file, lib, other) = (file.to_str().unwrap(), lib.to_str().unwrap(), other.to_str().unwrap());
    let dirs = ["--add-dir", "lib", "--add-dir", "other", "-w", "place"];
    let prompt = ["--append-system-prompt", "-Say \"no\"."];

    let more = [&dirs[..], &prompt, &["--mcp-config", "mcp.json"]].concat();
    let _ = run(&env, "claude-code", &more).output().code(0);
    let found = arguments(&env, "claude");
    for part in [
        ["--mcp-config", file],
        ["--add-dir", lib],
        ["--add-dir", other],
        ["--append-system-prompt", "-Say \"no\"."],
    ] {
        assert!(holds(&found, &part), "no {part:?} in {found:?}");
    }

    let _ = run(&env, "codex", &[&dirs[..], &prompt].concat()).output().code(0);
    let found = arguments(&env, "codex");
    for part in
        [["--add-dir", lib], ["--add-dir", other], ["-c", "developer_instructions=\"-Say \\\"no\\\".\""]]
    {
        assert!(holds(&found, &part), "no {part:?} in {found:?}");
    }

    let _ = run(&env, "gemini", &dirs).output().code(0);
    let found = arguments(&env, "gemini");
    assert!(holds(&found, &["--include-directories", lib, "--include-directories", other]), "{found:?}");
}

#[test]
fn an_agent_that_reports_its_cost_at_its_end_only_keeps_the_budget_itself() {
    let env = with_agents();
    let more = ["--max-cost", "0.5", "--arg=--max-budget-usd", "--arg=9"];
    let _ = run(&env, "claude-code", &more).output().code(0);
    let found = arguments(&env, "claude");
    assert!(holds(&found, &["--max-budget-usd", "0.5"]) && !found.contains(&"9".to_owned()), "{found:?}");
}

#[test]
fn paths_of_a_workflow_are_relative_to_its_workspace() {
    let env = with_agents();
    keeper(&env, "tools/agent", "other", &format!("exec {}", env.work().join("fake_claude").display()));
    fs::create_dir(env.work().join("sub")).unwrap();
    let keys = [
        "workspace: sub",
        "program: tools/agent",
        "mcp_config: mcp.json",
        "add_dirs: [lib, /data]",
        "append_system_prompt: Be brief.",
    ];
    flow(&env, "CLAUDE_CODE", &keys);
    let _ = run_flow(&env).output().code(0);
    let found = arguments(&env, "other");
    let (file, lib) = (env.work().join("mcp.json"), env.work().join("lib"));
    for part in [
        ["--mcp-config", file.to_str().unwrap()],
        ["--add-dir", lib.to_str().unwrap()],
        ["--add-dir", "/data"],
        ["--append-system-prompt", "Be brief."],
    ] {
        assert!(holds(&found, &part), "no {part:?} in {found:?}");
    }
    assert!(!env.work().join("claude.args").exists(), "the one in PATH was started");
}

#[test]
fn another_program_is_started_in_place_of_the_one_in_path() {
    let env = with_agents();
    keeper(&env, "bin/claude-next", "next", &format!("exec {}", env.work().join("fake_claude").display()));
    for program in ["bin/claude-next", "claude-next", "./bin/claude-next"] {
        let _ = run(&env, "claude-code", &["--program", program]).output().code(0);
        fs::remove_file(env.work().join("next.args")).unwrap();
    }
    env.write("notes.txt", "no program");
    for (program, why) in [
        ("no/such/claude", "--program: no/such/claude does not exist"),
        ("./notes.txt", "--program: ./notes.txt is not an executable file"),
        ("bin", "--program: there is no `bin` in PATH"),
        ("claude-of-tomorrow", "--program: there is no `claude-of-tomorrow` in PATH"),
    ] {
        let text = run(&env, "claude-code", &["--program", program]).output().code(2).all();
        assert!(text.contains(why), "{text}");
    }
    assert_eq!(env.runs().len(), 3, "refused before anything starts");
    flow(&env, "CLAUDE_CODE", &["program: gone/claude"]);
    let text = run_flow(&env).output().code(1).all();
    assert!(text.contains("gone/claude") && !text.contains("npm install"), "{text}");
}

#[test]
fn what_an_agent_has_no_option_for_is_refused_before_anything_starts() {
    let env = with_agents();
    env.write("mcp.json", "{}");
    for (worker, options, instead) in [
        ("codex", &["--mcp-config", "mcp.json"][..], "~/.codex/config.toml"),
        ("gemini", &["--mcp-config", "mcp.json"], "gemini mcp add"),
        ("opencode", &["--mcp-config", "mcp.json"], "opencode.json"),
        ("opencode", &["--add-dir", "."], "external_directory"),
        ("opencode", &["--append-system-prompt", "x"], "AGENTS.md"),
        ("gemini", &["--append-system-prompt", "x"], "GEMINI.md"),
        ("codex", &["--max-cost", "1"], "limit its tokens"),
        ("gemini", &["--max-cost", "1"], "limit its tokens"),
        ("codex", &["--max-tokens", "9", "--resume", "s1"], "leave one of them out"),
    ] {
        let text = run(&env, worker, options).output().code(2).all();
        assert!(text.contains(options[0]) && text.contains(instead), "{text}");
        let kind = format!("{}: ", options[0]);
        assert!(!text.contains(&kind), "{text}");
    }
    for (options, why) in [
        (["--mcp-config", "none.json"], "there is no file none.json"),
        (["--add-dir", "none"], "there is no directory none"),
        (["--max-cost", "0"], "a number of US dollars above 0"),
        (["--max-cost", "-1"], "a number of US dollars above 0"),
        (["--max-tokens", "0"], "--max-tokens"),
    ] {
        let text = run(&env, "claude-code", &options).output().code(2).all();
        assert!(text.contains(why), "{text}");
    }
    flow(&env, "GEMINI", &["mcp_config: mcp.json"]);
    let text = run_flow(&env).output().code(2).all();
    assert!(text.contains("flow.yaml:9:5") && text.contains("`GEMINI` has no option for it"), "{text}");
    assert!(env.runs().is_empty());
}
