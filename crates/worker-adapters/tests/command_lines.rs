//! The commands that adapters make of tasks.

use roboppi_ipc::{AgentSetup, Capability, JobOptions, TaskBudget, UtcMillis, WorkerTask};
use roboppi_worker_adapters::{
    Arg, ClaudeAdapter, CodexAdapter, GeminiAdapter, OpenCodeAdapter, WorkerAdapter,
};

/// A task with what most tests change.
fn task(adapter: &dyn WorkerAdapter, capabilities: &[Capability], default_args: &[&str]) -> WorkerTask {
    WorkerTask::new("t", adapter.describe().kind, "/ws", "fix the tests", TaskBudget::new(UtcMillis(0)))
        .with_default_args(default_args.iter().map(|arg| (*arg).to_owned()).collect())
        .with_capabilities(capabilities.to_vec())
}

/// A command as one would type it, and what is said about it.
fn line(adapter: &dyn WorkerAdapter, task: &WorkerTask) -> String {
    let spec = match adapter.plan(task) {
        Ok(spec) => spec,
        Err(error) => return format!("cannot plan: {error}"),
    };
    let mut words: Vec<String> = spec.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    words.extend(spec.programs);
    words.extend(spec.args.into_iter().map(|arg| match arg {
        Arg::Text(text) => text,
        Arg::File(name) => format!("<{name}>"),
    }));
    let mut line = words.join(" ");
    for warning in spec.warnings {
        line.push_str("\n  ! ");
        line.push_str(&warning);
    }
    line
}

fn lines(adapter: &dyn WorkerAdapter, tasks: impl IntoIterator<Item = WorkerTask>) -> String {
    tasks.into_iter().map(|task| line(adapter, &task)).collect::<Vec<_>>().join("\n")
}

#[test]
fn opencode() {
    use Capability::{Edit, Mailbox, Read, RunCommands, RunTests};
    let of = |capabilities: &[Capability], args: &[&str]| task(&OpenCodeAdapter, capabilities, args);
    let mut full =
        of(&[Read, Edit, RunCommands], &["--model", "x/y", "-s=old", "--continue", "--title", "t"]);
    full.model = Some("openai/gpt-5".into());
    full.variant = Some("xhigh".into());
    full.roboppi = Some(JobOptions::default().with_resume(Some("ses_1".into())));
    full.budget.max_command_time_ms = Some(60_000.0);
    let mut other = of(&[], &[]);
    other.model = Some("anthropic/claude".into());
    other.variant = Some("xhigh".into());
    let mut empty = of(&[], &[]);
    empty.instructions = " \n".into();
    let tasks = [
        of(&[], &[]),
        of(&[Read], &[]),
        of(&[Edit], &["--auto"]),
        of(&[Read, RunTests, Mailbox], &[]),
        full,
        other,
        of(&[], &["--format", "default", "--interactive"]),
        empty,
    ];
    insta::assert_snapshot!(lines(&OpenCodeAdapter, tasks), @r#"
    OPENCODE_DISABLE_AUTOUPDATE=1 opencode run --format json --thinking
    OPENCODE_DISABLE_AUTOUPDATE=1 OPENCODE_PERMISSION={"bash":"deny","edit":"deny","external_directory":"deny"} opencode run --format json --thinking --auto
    OPENCODE_DISABLE_AUTOUPDATE=1 OPENCODE_PERMISSION={"bash":"deny","edit":"allow","external_directory":"deny"} opencode run --format json --thinking --auto
    OPENCODE_DISABLE_AUTOUPDATE=1 OPENCODE_PERMISSION={"bash":{"*":"deny","bun test*":"allow","cargo test*":"allow","jest*":"allow","npm test*":"allow","pytest*":"allow","roboppi agents*":"allow"},"edit":"deny","external_directory":"deny"} opencode run --format json --thinking --auto
    OPENCODE_DISABLE_AUTOUPDATE=1 OPENCODE_EXPERIMENTAL_BASH_DEFAULT_TIMEOUT_MS=60000 OPENCODE_PERMISSION={"bash":"allow","edit":"allow"} opencode run --format json --title t --thinking --model openai/gpt-5 --variant high --session ses_1 --auto
      ! variant `xhigh` is given to opencode as `high`, as models of OpenAI know it
    OPENCODE_DISABLE_AUTOUPDATE=1 opencode run --format json --thinking --model anthropic/claude --variant xhigh
    OPENCODE_DISABLE_AUTOUPDATE=1 opencode run --format json --thinking
      ! `--format default` is left out: opencode is always run with json, and shown readably
      ! `--interactive` is left out: a step has no keyboard
    cannot plan: its instructions are empty, and opencode does nothing without any
    "#);
}

#[test]
fn gemini() {
    use Capability::{Edit, Read, RunCommands, RunTests, Tasks};
    let of = |capabilities: &[Capability], args: &[&str]| task(&GeminiAdapter, capabilities, args);
    let mut full =
        of(&[Edit, RunCommands], &["-m", "old", "--session-id", "x", "--include-directories", "/lib"]);
    full.model = Some("gemini-2.5-pro".into());
    full.variant = Some("high".into());
    full.roboppi = Some(JobOptions::default().with_resume(Some("latest".into())));
    full.budget.max_command_time_ms = Some(60_000.0);
    let mut long = of(&[], &[]);
    long.instructions = "x".repeat(9 * 1024 * 1024);
    let tasks = [
        of(&[], &[]),
        of(&[Read], &[]),
        of(&[Edit, RunTests], &[]),
        of(&[RunCommands, Tasks], &[]),
        full,
        of(&[Read], &["--approval-mode", "plan"]),
        of(&[Read], &["-o", "json", "-p", "other words"]),
        long,
    ];
    insta::assert_snapshot!(lines(&GeminiAdapter, tasks), @r#"
    GEMINI_CLI_NO_RELAUNCH=true gemini --output-format stream-json --skip-trust
    GEMINI_CLI_NO_RELAUNCH=true gemini --output-format stream-json --skip-trust --approval-mode default
    GEMINI_CLI_NO_RELAUNCH=true gemini --output-format stream-json --skip-trust --approval-mode auto_edit --allowed-tools run_shell_command(npm test) --allowed-tools run_shell_command(bun test) --allowed-tools run_shell_command(jest) --allowed-tools run_shell_command(pytest) --allowed-tools run_shell_command(cargo test)
    GEMINI_CLI_NO_RELAUNCH=true gemini --output-format stream-json --skip-trust --approval-mode default --allowed-tools run_shell_command
    GEMINI_CLI_NO_RELAUNCH=true gemini --include-directories /lib --output-format stream-json --skip-trust --model gemini-2.5-pro --resume latest --approval-mode yolo
      ! `variant` is left out: Gemini CLI has no option for it
      ! `max_command_time` is left out: Gemini CLI has no option for it
    GEMINI_CLI_NO_RELAUNCH=true gemini --approval-mode plan --output-format stream-json --skip-trust
    GEMINI_CLI_NO_RELAUNCH=true gemini --output-format stream-json --skip-trust --approval-mode default
      ! `--output-format json` is left out: Gemini CLI is always run with stream-json, and shown readably
      ! `--prompt` is left out: the prompt is the step's instructions
    cannot plan: its instructions have 9437184 bytes, and Gemini CLI reads no more than 8388608; put them into a file of the workspace and name it
    "#);
}

#[test]
fn claude_code() {
    use Capability::{Edit, Mailbox, Read, RunCommands, RunTests, Tasks};
    let of = |capabilities: &[Capability], args: &[&str]| task(&ClaudeAdapter, capabilities, args);
    let mut full = of(
        &[Read, Edit, RunCommands],
        &["--model=old", "-c", "--max-turns", "3", "--effort", "low", "--add-dir", "/lib"],
    );
    full.model = Some("sonnet".into());
    full.variant = Some("high".into());
    full.roboppi = Some(JobOptions::default().with_resume(Some("s-1".into())));
    full.budget.max_steps = Some(7.9);
    full.budget.max_command_time_ms = Some(60_000.0);
    let mut empty = of(&[], &[]);
    empty.instructions = " \n".into();
    let tasks = [
        of(&[], &[]),
        of(&[Read], &[]),
        of(&[RunTests, Mailbox, Tasks], &[]),
        of(&[Edit], &["--permission-mode", "plan"]),
        full,
        of(&[], &["-p", "--verbose", "--output-format", "json", "--input-format=stream-json"]),
        empty,
    ];
    insta::assert_snapshot!(lines(&ClaudeAdapter, tasks), @r#"
    CLAUDE_CODE_PRINT_BG_WAIT_CEILING_MS=0 DISABLE_AUTOUPDATER=1 claude --print --output-format stream-json --verbose --include-partial-messages
    CLAUDE_CODE_PRINT_BG_WAIT_CEILING_MS=0 DISABLE_AUTOUPDATER=1 claude --print --output-format stream-json --verbose --include-partial-messages --allowedTools Read(./**),Glob(./**),Grep(./**) --disallowedTools Edit,Write,NotebookEdit
    CLAUDE_CODE_PRINT_BG_WAIT_CEILING_MS=0 DISABLE_AUTOUPDATER=1 claude --print --output-format stream-json --verbose --include-partial-messages --allowedTools Bash(npm test:*),Bash(bun test:*),Bash(jest:*),Bash(pytest:*),Bash(cargo test:*),Bash(roboppi agents:*) --disallowedTools Edit,Write,NotebookEdit
    CLAUDE_CODE_PRINT_BG_WAIT_CEILING_MS=0 DISABLE_AUTOUPDATER=1 claude --permission-mode plan --print --output-format stream-json --verbose --include-partial-messages --allowedTools Edit(./**)
    BASH_DEFAULT_TIMEOUT_MS=60000 BASH_MAX_TIMEOUT_MS=60000 CLAUDE_CODE_PRINT_BG_WAIT_CEILING_MS=0 DISABLE_AUTOUPDATER=1 claude --add-dir /lib --print --output-format stream-json --verbose --include-partial-messages --model sonnet --effort high --resume s-1 --max-turns 7 --allowedTools Read(./**),Glob(./**),Grep(./**),Edit(./**),Bash --permission-mode acceptEdits
    CLAUDE_CODE_PRINT_BG_WAIT_CEILING_MS=0 DISABLE_AUTOUPDATER=1 claude --print --output-format stream-json --verbose --include-partial-messages
      ! `--output-format json` is left out: Claude Code is always run with stream-json, and shown readably
      ! `--input-format` is left out: the instructions go to Claude Code as text
    cannot plan: its instructions are empty, and Claude Code does nothing without any
    "#);
}

#[test]
fn codex() {
    use Capability::{Edit, Read, RunCommands};
    let of = |capabilities: &[Capability], args: &[&str]| task(&CodexAdapter, capabilities, args);
    let mut full = of(&[Read, Edit, RunCommands], &["--model=old", "-c", "x=1"]);
    full.model = Some("openai/gpt-5".into());
    full.variant = Some("high".into());
    let mut resumed = of(&[Edit], &[]);
    resumed.roboppi = Some(JobOptions::default().with_resume(Some("t-1".into())));
    let tasks = [
        of(&[], &[]),
        of(&[Read], &[]),
        of(&[Edit], &["--full-auto"]),
        of(&[Edit], &["--ask-for-approval", "never"]),
        of(&[Edit], &["--dangerously-bypass-approvals-and-sandbox"]),
        full,
        resumed,
    ];
    insta::assert_snapshot!(lines(&CodexAdapter, tasks), @r#"
    codex exec --sandbox read-only --cd /ws --json --skip-git-repo-check -
    codex exec --sandbox read-only --cd /ws --json --skip-git-repo-check -
    codex exec --sandbox workspace-write --cd /ws --json --skip-git-repo-check -
      ! Codex no longer has `--full-auto`: it is taken for `--sandbox workspace-write`
    codex exec --sandbox workspace-write --cd /ws --json --skip-git-repo-check -
      ! `--ask-for-approval never` is left out: `codex exec` never asks, and its sandbox stays; only `--dangerously-bypass-approvals-and-sandbox` leaves it out
    codex exec --dangerously-bypass-approvals-and-sandbox --cd /ws --json --skip-git-repo-check -
    codex exec -c x=1 --sandbox workspace-write --model gpt-5 -c model_reasoning_effort="high" --cd /ws --json --skip-git-repo-check -
    codex exec resume -c sandbox_mode="workspace-write" --json --skip-git-repo-check t-1 -
    "#);
}

#[test]
fn what_agents_are_given_beside_their_task() {
    let setup = |dirs: &[&str]| {
        AgentSetup::default().with_add_dirs(dirs.iter().map(|dir| (*dir).to_owned()).collect())
    };
    let with = |mut task: WorkerTask, setup: AgentSetup, resume: Option<&str>| {
        let options = JobOptions::default().with_agent(Some(setup)).with_resume(resume.map(str::to_owned));
        task.roboppi = Some(options);
        task
    };
    let text = Some("Say \"no\".\n-x".to_owned());
    let whole = setup(&["/a", "/b c"]).with_append_system_prompt(text.clone());
    let claude = |args: &[&str]| task(&ClaudeAdapter, &[], args);
    let claude = [
        with(
            claude(&["--append-system-prompt", "theirs", "--mcp-config", "/theirs", "--add-dir", "/c"]),
            whole.clone().with_mcp_config(Some("/mcp.json".into())),
            None,
        ),
        with(claude(&["--version", "--bg"]), AgentSetup::default(), None),
    ];
    let codex = |resume| with(task(&CodexAdapter, &[], &["--help"]), whole.clone(), resume);
    let gemini = |dirs: &[&str]| with(task(&GeminiAdapter, &[], &["--acp"]), setup(dirs), None);
    let lines = [
        lines(&ClaudeAdapter, claude),
        lines(&CodexAdapter, [codex(None), codex(Some("t-1"))]),
        lines(&GeminiAdapter, [gemini(&["/a", "/b"]), gemini(&["/a,b"])]),
        line(&OpenCodeAdapter, &task(&OpenCodeAdapter, &[], &["--help"])),
    ];
    insta::assert_snapshot!(lines.join("\n"), @r#"
        CLAUDE_CODE_PRINT_BG_WAIT_CEILING_MS=0 DISABLE_AUTOUPDATER=1 claude --mcp-config /theirs --add-dir /c --print --output-format stream-json --verbose --include-partial-messages --mcp-config /mcp.json --add-dir /a --add-dir /b c --append-system-prompt Say "no".
        -x
        CLAUDE_CODE_PRINT_BG_WAIT_CEILING_MS=0 DISABLE_AUTOUPDATER=1 claude --print --output-format stream-json --verbose --include-partial-messages
          ! `--bg` is left out: with it Claude Code would not do the task where it can be followed
          ! `--version` is left out: with it Claude Code would not do the task where it can be followed
        codex exec --sandbox read-only --add-dir /a --add-dir /b c -c developer_instructions="Say \"no\".\n-x" --cd /ws --json --skip-git-repo-check -
          ! `--help` is left out: with it Codex would not do the task where it can be followed
        codex exec resume -c sandbox_mode="read-only" -c sandbox_workspace_write.writable_roots=["/a","/b c"] -c developer_instructions="Say \"no\".\n-x" --json --skip-git-repo-check t-1 -
          ! `--help` is left out: with it Codex would not do the task where it can be followed
        GEMINI_CLI_NO_RELAUNCH=true gemini --output-format stream-json --skip-trust --include-directories /a --include-directories /b
          ! `--acp` is left out: with it Gemini CLI would not do the task where it can be followed
        cannot plan: Gemini CLI takes no directory with a comma in its name: /a,b
        OPENCODE_DISABLE_AUTOUPDATE=1 opencode run --format json --thinking
          ! `--help` is left out: with it opencode would not do the task where it can be followed
    "#);
}
