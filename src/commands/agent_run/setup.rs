//! What an agent is given beside its task, as keys of its step.

use std::env;
use std::path::Path;

use roboppi_ipc::{AgentOption, WorkerKind};
use roboppi_process::{find_program, is_program};
use serde_json::{Map, Value, json};

use super::args::SetupArgs;
use crate::exit::Failure;

/// The keys of the step. What the agent has no option for is refused, and paths are made absolute: those of a command line are
/// relative to the current directory.
pub(super) fn keys(args: &SetupArgs, kind: WorkerKind) -> Result<Map<String, Value>, Failure> {
    let mut keys = Map::new();
    let directories =
        args.add_dir.iter().map(|dir| absolute("--add-dir", dir)).collect::<Result<Vec<_>, _>>()?;
    let file = args.mcp_config.as_deref().map(|file| absolute("--mcp-config", file)).transpose()?;
    let program = args.program.as_deref().map(program).transpose()?;
    for (option, name, value) in [
        (AgentOption::Program, "--program", program.map(|program| json!(program))),
        (AgentOption::McpConfig, "--mcp-config", file.map(|file| json!(file))),
        (AgentOption::AddDirs, "--add-dir", (!directories.is_empty()).then(|| json!(directories))),
        (
            AgentOption::AppendSystemPrompt,
            "--append-system-prompt",
            args.append_system_prompt.as_ref().map(|text| json!(text)),
        ),
        (AgentOption::MaxCost, "--max-cost", args.max_cost.map(|cost| json!(cost))),
        (AgentOption::MaxTokens, "--max-tokens", args.max_tokens.map(|tokens| json!(tokens))),
    ] {
        let Some(value) = value else { continue };
        if let Some(instead) = option.instead_with(kind) {
            let message = match option {
                AgentOption::MaxCost => {
                    format!("{name} cannot be kept: {kind} does not report what it costs")
                }
                _ => format!("{name} is not possible: {kind} has no option for it"),
            };
            return Err(Failure::usage(message).hint(instead));
        }
        keys.insert(option.key().to_owned(), value);
    }
    if let Some(file) = args.mcp_config.as_deref()
        && !file.is_file()
    {
        return Err(Failure::usage(format!("--mcp-config: there is no file {}", file.display())));
    }
    if let Some(dir) = args.add_dir.iter().find(|dir| !dir.is_dir()) {
        return Err(Failure::usage(format!("--add-dir: there is no directory {}", dir.display())));
    }
    if !args.args.is_empty() {
        keys.insert("defaultArgs".to_owned(), json!(args.args));
    }
    Ok(keys)
}

/// A path as the worker is to find it, wherever it is started.
fn absolute(option: &str, path: &Path) -> Result<String, Failure> {
    let absolute = std::path::absolute(path)
        .map_err(|error| Failure::usage(format!("{option} {}: {error}", path.display())))?;
    absolute
        .into_os_string()
        .into_string()
        .map_err(|path| Failure::usage(format!("{option}: {} is not UTF-8", Path::new(&path).display())))
}

/// The program of the agent: a path, or the name of one that is there.
fn program(program: &Path) -> Result<String, Failure> {
    let shown = program.display();
    if program.as_os_str().as_encoded_bytes().contains(&b'/') {
        if is_program(program) {
            return absolute("--program", program);
        }
        let why = if program.exists() { "is not an executable file" } else { "does not exist" };
        return Err(Failure::usage(format!("--program: {shown} {why}")));
    }
    let current =
        env::current_dir().map_err(|error| Failure::usage(format!("the current directory: {error}")))?;
    let path = env::var_os("PATH").unwrap_or_default();
    let name = program.to_str().filter(|_| find_program(program.as_os_str(), &path, &current).is_some());
    name.map(str::to_owned).ok_or_else(|| {
        let failure = Failure::usage(format!("--program: there is no `{shown}` in PATH"));
        if is_program(program) { failure.hint(&format!("the file here is ./{shown}")) } else { failure }
    })
}
