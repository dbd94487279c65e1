//! What must not be seen in a list of processes.

use roboppi_ipc::{SecretText, WorkerTask};

use super::{Transcript, Violation};
use crate::{Arg, WorkerAdapter};

/// Begins every planted secret.
const MARK: &str = "kit-secret-0b5e";
/// The planted prompt.
const PROMPT: &str = "kit-prompt-7f21 of some words";

/// Plans a task whose secrets and prompt are marked, and looks for the marks among the arguments. A plan that refuses
/// such a task shows nothing.
pub(super) fn search_for(adapter: &dyn WorkerAdapter, transcript: &Transcript) -> Result<(), Violation> {
    let mut task = transcript.task.clone();
    plant(&mut task);
    if let Some(argument) = find(adapter, &task, MARK) {
        return Err(Violation::SecretInArguments { argument });
    }
    if !transcript.prompt_is_argument {
        let mut task = transcript.task.clone();
        PROMPT.clone_into(&mut task.instructions);
        if find(adapter, &task, PROMPT).is_some() {
            return Err(Violation::PromptInArguments);
        }
    }
    Ok(())
}

fn plant(task: &mut WorkerTask) {
    let names =
        ["ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY", "API_KEY", "TOKEN"];
    task.env.extend(names.map(|name| (name.to_owned(), String::new())));
    let mut secrets = Vec::new();
    for (number, value) in task.env.values_mut().enumerate() {
        *value = format!("{MARK}-{number}");
        secrets.push(SecretText::new(value.clone()));
    }
    task.roboppi.get_or_insert_default().redact.extend(secrets);
}

fn find(adapter: &dyn WorkerAdapter, task: &WorkerTask, mark: &str) -> Option<String> {
    let spec = adapter.plan(task).ok()?;
    let args = spec.args.into_iter().filter_map(|arg| match arg {
        Arg::Text(text) => Some(text),
        Arg::File(_) => None,
    });
    spec.programs.into_iter().chain(args).find(|argument| argument.contains(mark))
}
