//! What the lines of Claude Code mean.

use std::collections::{BTreeMap, HashSet};

use roboppi_ipc::{ChangeKind, SubAgent, SubAgentStatus, ToolCall, UtcMillis, WaitCause, Waiting};
use serde_json::Value;
use serde_json::value::RawValue;

use super::background::Background;
use super::messages::{Messages, PartKind};
use super::outcome::{Trouble, reported_end};
use super::tasks::Tasks;
use super::usage::ClaudeUsage;
use super::wire::{Block, FileChange, Line, McpServer, Message, PatchHunk, StreamEvent};
use crate::WorkerEnd;
use crate::agent::lenient::{Content, TextOr};
use crate::agent::{
    Agent, AgentTranslator, Hunk, ReportedEnd, created_file_diff, quoted, unanswered, unified_diff, utc,
};

/// The model of messages that Claude Code writes itself.
const SYNTHETIC: &str = "<synthetic>";

/// Questions that are open at most; no session has so many.
const MOST_ASKED: usize = 100;

/// Kinds of usage limits that are told apart; more of them are not warned of.
const MOST_LIMITS: usize = 100;

/// Subtypes of `system` that say nothing of what the agent does. Others come with every version; they are passed over, too.
const QUIET: [&str; 17] = [
    "status",
    "thinking_tokens",
    "task_progress",
    "informational",
    "model_refusal_no_fallback",
    "compact_boundary",
    "microcompact_boundary",
    "local_command",
    "local_command_output",
    "hook_started",
    "hook_progress",
    "hook_response",
    "notification",
    "session_writes_lost",
    "files_persisted",
    "api_metrics",
    "turn_duration",
];

/// Events of the stream of the model that its translation takes into account or need not.
const STREAM_EVENTS: [&str; 8] = [
    "message_start",
    "content_block_start",
    "content_block_delta",
    "content_block_stop",
    "message_delta",
    "message_stop",
    "ping",
    "error",
];

/// Translates one run of Claude Code.
#[derive(Debug)]
pub(super) struct ClaudeTranslator {
    messages: Messages,
    usage: ClaudeUsage,
    tasks: Tasks,
    trouble: Trouble,
    denied: HashSet<String>,
    /// When something in it ends, another turn begins by itself.
    background: Background,
    /// What it was last said to wait for, since it last did something itself.
    reported: Option<Waiting>,
    /// Calls that ask a question and have no answer, each with the note about it.
    asked: BTreeMap<String, String>,
    /// Limits of which most is used, by their kind.
    limits: HashSet<String>,
    /// The last `result` was a success, and no turn has begun since.
    has_succeeded: bool,
    /// Turns that began (`init`) and have no `result` yet. A second one may begin before the first has its own.
    open_turns: u64,
    /// The last line was a `result`, and nothing is known that could follow it.
    is_done: bool,
}

impl ClaudeTranslator {
    pub(super) fn new(is_resumed: bool) -> Self {
        Self {
            messages: Messages::default(),
            usage: ClaudeUsage::new(is_resumed),
            tasks: Tasks::default(),
            trouble: Trouble::default(),
            denied: HashSet::new(),
            background: Background::default(),
            reported: None,
            asked: BTreeMap::new(),
            limits: HashSet::new(),
            has_succeeded: false,
            open_turns: 0,
            is_done: false,
        }
    }

    fn system(&mut self, line: &Line<'_>, agent: &mut Agent<'_>) {
        match line.subtype.as_deref() {
            Some("init") => {
                let version = line.claude_code_version.as_deref();
                self.usage.version(version.unwrap_or_default());
                if let Some(id) = &line.session_id {
                    agent.session(id, line.model.as_deref(), version);
                }
                self.has_succeeded = false;
                for server in &line.mcp_servers {
                    mcp_trouble(server, agent);
                }
                // A turn begins, also after a `result`.
                self.open_turns += 1;
                self.background.turn_begins(false);
                self.goes_on(agent);
            }
            Some("api_retry") => self.retry(line, agent),
            Some("permission_denied") => {
                let reason = if let TextOr::Text(reason) = &line.message { reason } else { "" };
                self.denied(line.tool_use_id.as_deref(), line.tool_name.as_deref(), reason, agent);
            }
            Some("status") if line.status.as_deref() == Some("compacting") => {
                agent.waiting(
                    Waiting::new("it shortens what it remembers of the conversation")
                        .with_cause(Some(WaitCause::Other)),
                );
            }
            Some("background_tasks_changed") => self.background.changed(line),
            Some("task_started") => self.background.started(line),
            Some("task_notification") => {
                let id = line.task_id.as_deref().unwrap_or_default();
                let status = line.status.as_deref().unwrap_or_default();
                let summary = line.summary.as_deref();
                self.background.updated(id, status, summary);
                self.sub_agent_ended(id, status, summary, agent);
            }
            Some("task_updated") => {
                let patch = line.patch.as_ref();
                let status = patch.and_then(|patch| patch.status.as_deref()).unwrap_or_default();
                let why = patch.and_then(|patch| patch.error.as_deref());
                let id = line.task_id.as_deref().unwrap_or_default();
                self.background.updated(id, status, why);
                // Its report comes with the notification; one that was killed may have none.
                if matches!(status, "failed" | "killed" | "stopped") {
                    self.sub_agent_ended(id, status, why, agent);
                }
            }
            Some(subtype) if !QUIET.contains(&subtype) => agent.unfamiliar("system subtype", subtype),
            _ => {}
        }
    }

    /// A sub-agent in the background has ended.
    fn sub_agent_ended(&mut self, task: &str, status: &str, summary: Option<&str>, agent: &mut Agent<'_>) {
        let Some(call) = self.background.take_call(task) else { return };
        let ended = match status {
            "completed" => SubAgentStatus::Completed,
            "killed" | "stopped" => SubAgentStatus::Stopped,
            _ => SubAgentStatus::Failed,
        };
        let summary = summary.unwrap_or_default().to_owned();
        let agents = vec![SubAgent::new(&*call, ended)];
        agent.tool_result_with(&call, ended == SubAgentStatus::Completed, summary, None, agents);
    }

    fn goes_on(&mut self, agent: &mut Agent<'_>) {
        self.is_done = false;
        self.reported = None;
        agent.report_end(ReportedEnd::Nothing);
    }

    fn retry(&mut self, line: &Line<'_>, agent: &mut Agent<'_>) {
        self.messages.abandon(line.parent_tool_use_id.as_deref(), agent);
        self.trouble.no_answer = line.error_status.is_none();
        let word = line.error.as_deref().unwrap_or("unknown");
        let status = line.error_status.map_or("no answer".to_owned(), |status| format!("HTTP {status}"));
        let attempt = match (line.attempt, line.max_retries) {
            (Some(attempt), Some(of)) => format!(", try {attempt} of {of}"),
            _ => String::new(),
        };
        let is_limit = line.error_status == Some(429) || word == "rate_limit";
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "cut on purpose")]
        let delay_ms = line.retry_delay_ms.filter(|delay| *delay >= 0.0).map(|delay| delay as u64);
        agent.waiting(
            Waiting::new(format!("the request failed ({status}, {word}){attempt}"))
                .with_cause(Some(if is_limit { WaitCause::RateLimit } else { WaitCause::Retry }))
                .with_delay_ms(delay_ms),
        );
    }

    fn denied(&mut self, id: Option<&str>, tool: Option<&str>, reason: &str, agent: &mut Agent<'_>) {
        let is_new = id.is_none_or(|id| self.denied.insert(id.to_owned()));
        if let Some(question) = id.and_then(|id| self.asked.remove(id)) {
            agent.warn(&question);
        }
        if is_new {
            agent.denied(tool.unwrap_or("a tool"), reason);
        }
    }

    fn stream(&mut self, event: &StreamEvent<'_>, parent: Option<&str>, agent: &mut Agent<'_>) {
        let kind = event.kind.as_deref().unwrap_or_default();
        if !STREAM_EVENTS.contains(&kind) {
            agent.unfamiliar("stream event", kind);
        }
        self.messages.stream(event, parent, agent);
        let tokens = event.usage.or(event.message.as_ref().and_then(|message| message.usage));
        if let Some(tokens) = tokens
            && let Some(id) = self.messages.current(parent)
        {
            agent.usage(self.usage.answer(id, tokens, parent.is_none()));
        }
        // The `result` of a turn waits for sub-agents.
        let stop = event.delta.as_ref().and_then(|delta| delta.stop_reason.as_deref());
        if stop == Some("end_turn") && parent.is_none() {
            self.report_waiting(agent);
        }
    }

    fn report_waiting(&mut self, agent: &mut Agent<'_>) {
        let waiting = self.background.waiting();
        if let Some(waiting) = waiting.clone().filter(|_| waiting != self.reported) {
            agent.waiting(waiting);
        }
        self.reported = waiting;
    }

    fn assistant(&mut self, line: &Line<'_>, agent: &mut Agent<'_>) {
        let TextOr::Object(message) = &line.message else { return };
        let parent = line.parent_tool_use_id.as_deref();
        if line.is_api_error_message || message.model.as_deref() == Some(SYNTHETIC) {
            self.trouble.word = line.error.as_deref().map(str::to_owned);
            return;
        }
        self.trouble = Trouble::default();
        if parent.is_none() {
            self.background.agent_goes_on();
            self.reported = None;
        }
        let id = message.id.as_deref().unwrap_or_default();
        match &message.content {
            Content::Absent => {}
            Content::Text(text) => {
                let id = self.messages.whole(id, PartKind::Text, parent);
                agent.text(Some(id), text, parent);
            }
            Content::Blocks(blocks) => {
                for block in blocks {
                    self.handle_block(id, block, parent, agent);
                }
            }
        }
        if let Some(tokens) = message.usage {
            agent.usage(self.usage.answer(id, tokens, parent.is_none()));
        }
    }

    fn handle_block(
        &mut self,
        message: &str,
        block: &Block<'_>,
        parent: Option<&str>,
        agent: &mut Agent<'_>,
    ) {
        let kind = block.kind.as_deref().unwrap_or_default();
        match kind {
            "text" => {
                let id = self.messages.whole(message, PartKind::Text, parent);
                agent.text(Some(id), block.text.as_deref().unwrap_or_default(), parent);
            }
            "thinking" => {
                let id = self.messages.whole(message, PartKind::Thinking, parent);
                agent.thinking(Some(id), block.thinking.as_deref().unwrap_or_default(), parent);
            }
            "tool_use" | "server_tool_use" | "mcp_tool_use" => {
                self.messages.whole(message, PartKind::Other, parent);
                let id = block.id.as_deref().unwrap_or_default().to_owned();
                let name = block.name.as_deref().unwrap_or_default().to_owned();
                let input = value(block.input);
                self.tasks.call(&id, &name, &input, parent, agent);
                self.background.call(&id, &name, &input);
                if name == "AskUserQuestion" && self.asked.len() < MOST_ASKED {
                    self.asked.insert(id.clone(), unanswered(&input));
                }
                let agents = started_by(&id, &name, &input);
                let parent = parent.map(str::to_owned);
                agent.tool_call(ToolCall::new(id, name, input).with_parent(parent).with_agents(agents));
            }
            _ => {
                if kind != "redacted_thinking" && !kind.ends_with("tool_result") {
                    agent.unfamiliar("content block", kind);
                }
                self.messages.whole(message, PartKind::Other, parent);
                self.returned(block, None, agent);
            }
        }
    }

    fn user(&mut self, line: &Line<'_>, agent: &mut Agent<'_>) {
        let TextOr::Object(Message { content: Content::Blocks(blocks), .. }) = &line.message else { return };
        let structured = if blocks.len() == 1 { line.tool_use_result } else { None };
        for block in blocks {
            self.returned(block, structured, agent);
        }
    }

    /// A block that is the result of a call, of whichever kind of tool.
    fn returned(&mut self, block: &Block<'_>, structured: Option<&RawValue>, agent: &mut Agent<'_>) {
        let kind = block.kind.as_deref().unwrap_or_default();
        let Some(id) = block.tool_use_id.as_deref().filter(|_| kind.ends_with("tool_result")) else { return };
        let ok = !block.is_error;
        let content = plain(&block.content);
        if ok {
            self.tasks.returned(id, structured, agent);
            self.background.returned(id, structured);
        }
        let is_sub_agent = agent.open_tool(id).is_some_and(is_sub_agent);
        if ok && is_sub_agent {
            self.background.launched(id, structured);
        }
        if ok && self.background.is_at_work(id) {
            return;
        }
        match self.asked.remove(id) {
            Some(question) if !ok => agent.warn(&question),
            _ => {}
        }
        let ended = if ok { SubAgentStatus::Completed } else { SubAgentStatus::Failed };
        let agents = if is_sub_agent { vec![SubAgent::new(id, ended)] } else { Vec::new() };
        agent.tool_result_with(id, ok, content, None, agents);
        if ok && let Some(structured) = structured {
            file_change(id, structured, agent);
        }
    }

    fn result(&mut self, line: &Line<'_>, agent: &mut Agent<'_>) {
        if self.has_succeeded && is_of_no_work(line) {
            let what = line.errors.first().map_or("error_during_execution", String::as_str);
            return agent
                .note(&format!("after its success it reported an error of no turn: {}", quoted(what)));
        }
        self.messages.abandon(None, agent);
        for denial in &line.permission_denials {
            self.denied(denial.tool_use_id.as_deref(), denial.tool_name.as_deref(), "not allowed", agent);
        }
        agent.usage(self.usage.result(line));
        let end = reported_end(line, &self.trouble);
        self.has_succeeded = end == ReportedEnd::Done;
        if end == ReportedEnd::Done
            && let Some(answer) = &line.result
        {
            agent.answer(answer);
        }
        self.open_turns = self.open_turns.saturating_sub(1);
        let is_last = self.open_turns == 0 && line.queued_turn_count.unwrap_or(0) == 0;
        agent.report_end(if is_last || end != ReportedEnd::Done { end } else { ReportedEnd::Nothing });
        self.is_done = is_last;
        if is_last {
            self.report_waiting(agent);
        }
    }

    fn rate_limit(&mut self, line: &Line<'_>, agent: &mut Agent<'_>) {
        let Some(limit) = &line.rate_limit_info else { return };
        let kind = limit.rate_limit_type.as_deref().unwrap_or_default();
        // It comes with each request, and with another percentage each time.
        let is_warning =
            limit.status.as_deref() == Some("allowed_warning") && self.limits.len() < MOST_LIMITS;
        if is_warning && self.limits.insert(kind.to_owned()) {
            let used = limit.utilization.map_or("most".to_owned(), |used| format!("{:.0} %", used * 100.0));
            let of = match limit.rate_limit_type.as_deref() {
                Some("five_hour") => "for 5 hours",
                Some(week) if week.starts_with("seven_day") => "for the week",
                _ => "of the subscription",
            };
            let resets = limit.resets_at.map_or(String::new(), |at| format!("; it is reset at {}", utc(at)));
            agent.warn(&format!("{used} of the limit {of} is used{resets}"));
        }
        if limit.status.as_deref() == Some("rejected") {
            agent.waiting(
                Waiting::new("the limit of the subscription is reached")
                    .with_cause(Some(WaitCause::RateLimit))
                    .with_until(limit.resets_at.map(|seconds| UtcMillis(seconds.saturating_mul(1000)))),
            );
        }
    }
}

impl AgentTranslator for ClaudeTranslator {
    type Line<'a> = Line<'a>;

    fn line(&mut self, line: Line<'_>, raw: &str, agent: &mut Agent<'_>) {
        let parent = line.parent_tool_use_id.as_deref();
        match line.kind.as_deref() {
            Some("stream_event") => {
                if let Some(event) = &line.event {
                    self.stream(event, parent, agent);
                }
            }
            Some("assistant") => self.assistant(&line, agent),
            Some("user") => self.user(&line, agent),
            Some("system") => self.system(&line, agent),
            Some("result") => self.result(&line, agent),
            Some("command_lifecycle") => {
                if line.state.as_deref() == Some("started") && line.wakeup_source.is_some() {
                    self.background.turn_begins(true);
                    self.goes_on(agent);
                }
            }
            Some("rate_limit_event") => self.rate_limit(&line, agent),
            Some(
                "auth_status"
                | "tool_progress"
                | "tool_use_summary"
                | "active_goal"
                | "compact_progress"
                | "os_notification"
                | "response_length"
                | "session_notice"
                | "set_expanded_view"
                | "set_in_progress_tool_use_ids"
                | "streamlined_text"
                | "streamlined_tool_use_summary"
                | "tombstone"
                | "transcript_mirror"
                | "prompt_suggestion"
                | "keep_alive"
                | "control_request"
                | "control_response"
                | "control_cancel_request",
            ) => {}
            _ => agent.unknown(raw),
        }
    }

    fn is_done(&self) -> bool {
        self.is_done && !self.background.is_awaited()
    }

    fn has_left_running(&self) -> bool {
        self.background.has_any()
    }

    fn ended(&mut self, end: &WorkerEnd<'_>, agent: &mut Agent<'_>) {
        // What ends a task may be among the lines that are missing.
        let lost = self.background.lost().or_else(|| self.background.unfinished()).filter(|_| !end.partial);
        if let Some(lost) = lost {
            agent.instead_of_done(lost);
        }
        for remark in self.background.remarks() {
            agent.note(&remark);
        }
        // A call without any result was not answered either.
        for (_, question) in std::mem::take(&mut self.asked) {
            agent.note(&question);
        }
    }
}

/// Whether a tool starts a sub-agent.
fn is_sub_agent(tool: &str) -> bool {
    matches!(tool, "Agent" | "Task")
}

/// The sub-agent that a call starts. Its calls name it by the id of this one.
fn started_by(id: &str, tool: &str, input: &Value) -> Vec<SubAgent> {
    if !is_sub_agent(tool) {
        return Vec::new();
    }
    let name = input.get("description").and_then(Value::as_str).map(str::to_owned);
    vec![SubAgent::new(id, SubAgentStatus::Running).with_name(name)]
}

/// Whether a `result` reports an error although nothing was done: no turn, and no cost.
fn is_of_no_work(line: &Line<'_>) -> bool {
    line.subtype.as_deref() == Some("error_during_execution")
        && line.num_turns == Some(0)
        && line.total_cost_usd.is_none_or(|cost| cost == 0.0)
}

/// A server whose tools are not there: the agent may do without, and a person should know.
fn mcp_trouble(server: &McpServer<'_>, agent: &mut Agent<'_>) {
    let name = quoted(server.name.as_deref().unwrap_or_default());
    match server.status.as_deref() {
        Some("failed") => {
            agent.warn(&format!("the MCP server {name} could not be started, so its tools were not there"));
        }
        Some("needs-auth") => {
            agent.warn(&format!("the MCP server {name} wants a login, so its tools were not there"));
        }
        _ => {}
    }
}

/// JSON as a value. It was read once already, so it is JSON.
fn value(raw: Option<&RawValue>) -> Value {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
}

/// The texts of a content; what is no text is named.
fn plain(content: &Content<'_, Block<'_>>) -> String {
    let blocks = match content {
        Content::Absent => return String::new(),
        Content::Text(text) => return text.as_ref().to_owned(),
        Content::Blocks(blocks) => blocks,
    };
    let texts = blocks.iter().map(|block| match (&block.text, block.kind.as_deref()) {
        (Some(text), _) => text.as_ref().to_owned(),
        (None, Some(kind)) => format!("[{kind}]"),
        (None, None) => String::new(),
    });
    texts.collect::<Vec<_>>().join("\n")
}

/// Tells of a change that a tool describes in its structured result.
fn file_change(by: &str, structured: &RawValue, agent: &mut Agent<'_>) {
    // Most results are of other tools, and some of those are large.
    let names_a_change = ["\"structuredPatch\"", "\"notebook_path\""]
        .iter()
        .any(|name| memchr::memmem::find(structured.get().as_bytes(), name.as_bytes()).is_some());
    if !names_a_change {
        return;
    }
    let Ok(change) = serde_json::from_str::<FileChange<'_>>(structured.get()) else { return };
    let Some(path) = change.file_path.as_deref().or(change.notebook_path.as_deref()) else { return };
    if change.kind.as_deref() == Some("create") {
        agent.file_changed(path, ChangeKind::Created, Some(by));
        agent.patch(path, created_file_diff(path, change.content.as_deref().unwrap_or_default()));
        return;
    }
    agent.file_changed(path, ChangeKind::Modified, Some(by));
    if !change.structured_patch.is_empty() {
        let hunks: Vec<Hunk> = change.structured_patch.into_iter().map(hunk).collect();
        agent.patch(path, unified_diff(path, &hunks));
    }
}

fn hunk(hunk: PatchHunk) -> Hunk {
    let PatchHunk { old_start, old_lines, new_start, new_lines, lines } = hunk;
    Hunk {
        old_start: old_start.unwrap_or(0),
        old_lines: old_lines.unwrap_or(0),
        new_start: new_start.unwrap_or(0),
        new_lines: new_lines.unwrap_or(0),
        lines,
    }
}
