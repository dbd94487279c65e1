//! What the lines of Codex mean.

use std::collections::HashMap;

use roboppi_ipc::{
    ChangeKind, ErrorClass, PlanItem, PlanStatus, SubAgent, SubAgentStatus, ToolCall, Usage, WaitCause,
    Waiting,
};
use serde_json::{Value, json};

use super::trouble::trouble;
use super::wire::{Item, Line, Tokens};
use crate::agent::{Agent, AgentError, AgentTranslator, ReportedEnd};

/// What a notice about a request that is made again begins with.
const RETRY: &str = "Reconnecting... ";

/// Translates one run of Codex.
#[derive(Debug)]
pub(super) struct CodexTranslator {
    /// Tool calls it may make.
    most_calls: Option<f64>,
    calls: f64,
    /// The thread is an older one. Codex counts the tokens of the whole thread and does not say how many those of
    /// earlier processes were; nothing is better than counting them twice.
    is_resumed: bool,
    /// The last word that was not about a request made again.
    last_error: Option<String>,
    is_done: bool,
    /// Sub-agents with what they were sent for.
    agents: HashMap<String, String>,
}

/// Sub-agents that are known at most; no session has so many.
const MOST_AGENTS: usize = 1000;

/// Characters of a task or a message of a sub-agent.
const SHORT: usize = 200;

impl CodexTranslator {
    pub(super) fn new(most_calls: Option<f64>, is_resumed: bool) -> Self {
        let agents = HashMap::new();
        Self { most_calls, calls: 0.0, is_resumed, last_error: None, is_done: false, agents }
    }

    fn begins(&mut self, item: &Item<'_>, agent: &mut Agent<'_>) {
        let Some((name, input)) = tool(item) else { return };
        let id = item.id.as_deref().unwrap_or_default().to_owned();
        if agent.open_tool(&id).is_some() {
            return;
        }
        self.calls += 1.0;
        let sender = item.sender_thread_id.as_deref();
        let parent = sender.filter(|sender| self.agents.contains_key(*sender)).map(str::to_owned);
        let agents = self.states(item);
        agent.tool_call(ToolCall::new(id, name, input).with_parent(parent).with_agents(agents));
        if let Some(most) = self.most_calls.filter(|most| self.calls > *most) {
            let message = format!("it was to make at most {most} tool calls, and began another one");
            agent.stop(AgentError::new(ErrorClass::NonRetryable, "max_steps", message));
        }
    }

    fn ends(&mut self, item: &Item<'_>, raw: &str, agent: &mut Agent<'_>) {
        let id = item.id.as_deref().unwrap_or_default();
        let text = item.text.as_deref().unwrap_or_default();
        match item.kind.as_deref().unwrap_or_default() {
            "agent_message" => agent.text(Some(id.to_owned()), text, None),
            "reasoning" => agent.thinking(Some(id.to_owned()), text, None),
            "todo_list" => plan(item, agent),
            // A warning: what failed says `turn.failed`.
            "error" => agent.note(item.message.as_deref().unwrap_or_default()),
            _ if tool(item).is_none() => agent.unknown(raw),
            _ => {
                // Some calls have no beginning of their own.
                self.begins(item, agent);
                let ok = item.status.as_deref().is_none_or(|status| status == "completed");
                let agents = self.states(item);
                agent.tool_result_with(id, ok, returned(item), None, agents);
                if ok {
                    for change in &item.changes {
                        let action = match change.kind.as_deref() {
                            Some("add") => ChangeKind::Created,
                            Some("delete") => ChangeKind::Deleted,
                            _ => ChangeKind::Modified,
                        };
                        agent.file_changed(change.path.as_deref().unwrap_or_default(), action, Some(id));
                    }
                }
            }
        }
    }

    /// What a call reports of sub-agents.
    fn states(&mut self, item: &Item<'_>) -> Vec<SubAgent> {
        let is_spawn = item.tool.as_deref() == Some("spawn_agent");
        let mut states = Vec::new();
        for (id, state) in &item.agents_states {
            let Some(status) = status_of(state.status.as_deref().unwrap_or_default()) else { continue };
            if is_spawn && self.agents.len() < MOST_AGENTS {
                let prompt = item.prompt.as_deref().map(short);
                self.agents.entry(id.clone()).or_insert_with(|| prompt.unwrap_or_default());
            }
            let name = self.agents.get(id).filter(|name| !name.is_empty()).cloned();
            let message = state.message.as_deref().filter(|message| !message.is_empty()).map(short);
            states.push(SubAgent::new(&**id, status).with_name(name).with_message(message));
        }
        // One whose status is not reported has begun at least.
        for id in item.receiver_thread_ids.iter().filter(|_| is_spawn) {
            if !states.iter().any(|state| state.id == *id) && item.status.as_deref() == Some("completed") {
                let name = item.prompt.as_deref().map(short);
                states.push(SubAgent::new(&**id, SubAgentStatus::Starting).with_name(name));
            }
        }
        states
    }

    fn goes_on(&mut self, agent: &mut Agent<'_>) {
        self.is_done = false;
        agent.report_end(ReportedEnd::Nothing);
    }
}

impl AgentTranslator for CodexTranslator {
    type Line<'a> = Line<'a>;

    fn line(&mut self, line: Line<'_>, raw: &str, agent: &mut Agent<'_>) {
        let item = line.item.as_ref();
        match (line.kind.as_deref(), item) {
            (Some("thread.started"), _) => {
                if let Some(id) = &line.thread_id {
                    agent.session(id, None, None);
                }
            }
            (Some("turn.started"), _) => self.goes_on(agent),
            (Some("item.started"), Some(item)) if item.kind.as_deref() == Some("todo_list") => {
                plan(item, agent);
            }
            (Some("item.started"), Some(item)) => self.begins(item, agent),
            (Some("item.updated"), Some(item)) => plan(item, agent),
            (Some("item.completed"), Some(item)) => self.ends(item, raw, agent),
            (Some("turn.completed"), _) => {
                if let Some(tokens) = line.usage.filter(|_| !self.is_resumed) {
                    agent.usage(usage(tokens));
                }
                agent.report_end(ReportedEnd::Done);
                self.is_done = true;
            }
            (Some("turn.failed"), _) => {
                let message = line.error.as_ref().and_then(|error| error.message.as_deref());
                let message = message.or(self.last_error.as_deref());
                agent.report_end(ReportedEnd::Failed(trouble(message.unwrap_or_default())));
                self.is_done = true;
            }
            (Some("error"), _) => {
                let message = line.message.as_deref().unwrap_or_default();
                match message.strip_prefix(RETRY) {
                    Some(why) => agent.waiting(retry(why)),
                    // The last word before `turn.failed`, which says it again. Alone it decides nothing.
                    None => self.last_error = Some(message.to_owned()),
                }
            }
            _ => agent.unknown(raw),
        }
    }

    fn is_done(&self) -> bool {
        self.is_done
    }
}

/// Status of a sub-agent by the word of Codex. `None` of one that does not exist.
fn status_of(word: &str) -> Option<SubAgentStatus> {
    Some(match word {
        "pending_init" => SubAgentStatus::Starting,
        "running" => SubAgentStatus::Running,
        "completed" => SubAgentStatus::Completed,
        "errored" | "failed" => SubAgentStatus::Failed,
        "interrupted" | "shutdown" => SubAgentStatus::Stopped,
        "not_found" | "" => return None,
        other => SubAgentStatus::from_name(other),
    })
}

/// A text on one line and shortened.
fn short(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SHORT) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// Name and input of an item that is a tool call.
fn tool(item: &Item<'_>) -> Option<(String, Value)> {
    let text = |text: &Option<std::borrow::Cow<'_, str>>| text.as_deref().unwrap_or_default().to_owned();
    Some(match item.kind.as_deref()? {
        "command_execution" => ("shell".to_owned(), json!({ "command": command(&text(&item.command)) })),
        "file_change" => {
            let changes = item.changes.iter();
            let changes: Vec<Value> = changes
                .map(|change| json!({ "path": change.path.as_deref(), "kind": change.kind.as_deref() }))
                .collect();
            ("apply_patch".to_owned(), json!({ "changes": changes }))
        }
        "mcp_tool_call" => {
            let input =
                item.arguments.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
            (format!("mcp__{}__{}", text(&item.server), text(&item.tool)), input)
        }
        "collab_tool_call" => {
            let agents: Vec<&str> = item.receiver_thread_ids.iter().map(String::as_str).collect();
            (text(&item.tool), json!({ "prompt": item.prompt.as_deref(), "agents": agents }))
        }
        "web_search" => ("web_search".to_owned(), json!({ "query": text(&item.query) })),
        _ => return None,
    })
}

/// The command itself: it comes wrapped into a shell and its quotes.
fn command(wrapped: &str) -> String {
    let inner = wrapped.split_once("sh -lc ").filter(|(shell, _)| !shell.contains(' ')).map(|(_, rest)| rest);
    let Some(inner) = inner else { return wrapped.to_owned() };
    match inner.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        Some(quoted) if !quoted.contains('\'') => quoted.to_owned(),
        Some(_) => wrapped.to_owned(),
        None if inner.contains(['\'', '"', ' ']) => wrapped.to_owned(),
        None => inner.to_owned(),
    }
}

fn returned(item: &Item<'_>) -> String {
    let mut content = String::new();
    if let Some(code) = item.exit_code.filter(|code| *code != 0.0) {
        content = format!("Exit code {code}\n");
    }
    content.push_str(item.aggregated_output.as_deref().unwrap_or_default());
    if let Some(result) = &item.result {
        let texts: Vec<&str> = result.content.iter().filter_map(|content| content.text.as_deref()).collect();
        content.push_str(&texts.join("\n"));
    }
    let states = item.agents_states.iter().map(|(id, state)| {
        let message = state.message.as_deref().map_or(String::new(), |message| format!(": {message}"));
        format!("agent {id} {}{message}", state.status.as_deref().unwrap_or("unknown"))
    });
    content.push_str(&states.collect::<Vec<_>>().join("\n"));
    if let Some(message) = item.error.as_ref().and_then(|error| error.message.as_deref()) {
        content.push_str(message);
    }
    content
}

fn plan(item: &Item<'_>, agent: &mut Agent<'_>) {
    if item.kind.as_deref() != Some("todo_list") {
        return;
    }
    let items = item.items.iter().map(|todo| {
        PlanItem::new(
            todo.text.as_deref().unwrap_or_default().to_owned(),
            if todo.completed { PlanStatus::Completed } else { PlanStatus::Pending },
        )
    });
    agent.plan(items.collect());
}

fn retry(why: &str) -> Waiting {
    let is_limit = trouble(why).class == ErrorClass::RetryableRateLimit;
    // `2/5 (what went wrong)`.
    let counted = why.split_once(' ').and_then(|(tries, cause)| {
        let (attempt, of) = tries.split_once('/')?;
        let cause = cause.strip_prefix('(')?.strip_suffix(')')?;
        Some(format!("the request failed ({}), try {attempt} of {of}", short_cause(cause)))
    });
    let words = counted.unwrap_or_else(|| {
        format!("the request failed, try {why}").replace("try waiting for", "it waits for the")
    });
    Waiting::new(words).with_cause(Some(if is_limit { WaitCause::RateLimit } else { WaitCause::Retry }))
}

/// The status of the last answer says it all.
fn short_cause(cause: &str) -> &str {
    cause.strip_prefix("exceeded retry limit, last status: ").unwrap_or(cause)
}

/// Input without what came from the cache.
fn usage(tokens: Tokens) -> Usage {
    let cached = tokens.cached_input_tokens.unwrap_or(0);
    Usage::new(tokens.input_tokens.unwrap_or(0).saturating_sub(cached), tokens.output_tokens.unwrap_or(0))
        .with_cache_read_tokens(cached)
        .with_cache_write_tokens(tokens.cache_write_input_tokens.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_without_its_shell() {
        for (wrapped, shown) in [
            ("/bin/bash -lc 'echo a; exit 3'", "echo a; exit 3"),
            ("/usr/bin/zsh -lc ls", "ls"),
            ("bash -lc 'it'\\''s'", "bash -lc 'it'\\''s'"),
            ("make test", "make test"),
            ("run sh -lc ls", "run sh -lc ls"),
        ] {
            assert_eq!(command(wrapped), shown);
        }
    }
}
