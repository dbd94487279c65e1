//! What the lines of opencode mean.
//!
//! It has no line that says how it ended: the last `step_finish` says why the model stopped, and an `error` that it
//! failed. Whatever comes after a `step_finish` takes back what that said.

use roboppi_ipc::{
    ChangeKind, ErrorClass, PlanItem, PlanStatus, SubAgent, SubAgentStatus, ToolCall, Usage, WorkerTask,
};
use serde_json::Value;

use super::wire::{Failure, Line, Part, State};
use crate::agent::{
    Agent, AgentError, AgentTranslator, LimitTime, ReportedEnd, class_of_http_status, created_file_diff,
    meaning_of, sum_of_usage, unanswered,
};
use crate::{ExitKind, WorkerEnd};

/// Items of a plan that are shown.
const MOST_ITEMS: usize = 500;

/// The tool opencode puts in the place of one that does not exist.
const INVALID: &str = "invalid";

/// Translates one run of opencode.
#[derive(Debug, Default)]
pub(super) struct OpenCodeTranslator {
    /// The model that was asked for; opencode does not name it.
    model: Option<String>,
    turns: u64,
    most_turns: Option<u64>,
    used: Usage,
    /// Texts of the step that is being done, which together are an answer.
    answer: String,
    /// The last text, when the stream broke off in it: its part, and what had come.
    broken_off: Option<(String, String)>,
    last_text: Option<(String, String)>,
    /// Why the model stopped, when nothing has come since.
    stopped: Option<String>,
    /// An `error` came; nothing after it makes it undone.
    has_failed: bool,
}

impl OpenCodeTranslator {
    pub(super) fn new(task: &WorkerTask) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "saturates, which is meant"
        )]
        let most_turns = task.budget.max_steps.map(|steps| steps.max(1.0) as u64);
        Self { model: task.model.clone(), most_turns, ..Self::default() }
    }

    /// Work goes on: what the last step said of its end is not the last word.
    fn goes_on(&mut self, agent: &mut Agent<'_>) {
        self.stopped = None;
        if !self.has_failed {
            agent.report_end(ReportedEnd::Nothing);
        }
    }

    fn text(&mut self, part: &Part<'_>, agent: &mut Agent<'_>) {
        let (id, text) = (part.id.as_deref().unwrap_or_default(), part.text.as_deref().unwrap_or_default());
        let mut id = id.to_owned();
        // A stream that broke off is asked for again, and the text then comes a second time as another part.
        if let Some((broken, begun)) = self.broken_off.take()
            && text.starts_with(&begun)
        {
            id = broken;
        }
        if !self.answer.is_empty() {
            self.answer.push('\n');
        }
        self.answer.push_str(text);
        agent.text(Some(id.clone()), text, None);
        agent.answer(&self.answer);
        self.last_text = Some((id, text.to_owned()));
    }

    fn tool(&mut self, part: &Part<'_>, agent: &mut Agent<'_>) {
        let Some(state) = &part.state else { return };
        let (Some(id), Some(tool)) = (&part.call, &part.tool) else { return };
        let is_invalid = tool == INVALID;
        // The model's own name for the tool that does not exist.
        let asked = state.input.get("tool").and_then(Value::as_str).filter(|_| is_invalid);
        let name = asked.unwrap_or(tool);
        let is_sub_agent = tool == "task";
        let described = state.input.get("description").and_then(Value::as_str).map(str::to_owned);
        let sub_agent = |status| SubAgent::new(id.to_string(), status).with_name(described.clone());
        let of = |status| if is_sub_agent { vec![sub_agent(status)] } else { Vec::new() };
        let call = ToolCall::new(id.to_string(), name.to_owned(), state.input.clone());
        agent.tool_call(call.with_agents(of(SubAgentStatus::Running)));
        let exit = state.metadata.as_ref().and_then(|metadata| metadata.exit);
        let did = state.status.as_deref() == Some("completed") && !is_invalid;
        let error = state.error.as_deref();
        let content = error.or(state.output.as_deref()).unwrap_or_default();
        let took = state.time.and_then(|time| time.end?.checked_sub(time.start?));
        let ok = did && exit.is_none_or(|code| code == 0.0);
        let ended = if ok { SubAgentStatus::Completed } else { SubAgentStatus::Failed };
        agent.tool_result_with(id, ok, content.to_owned(), took, of(ended));
        if tool == "question" && !ok {
            agent.warn(&unanswered(&state.input));
        }
        if let Some(reason) = error.filter(|reason| is_denial(reason)) {
            agent.denied(name, reason.split(" Here are some").next().unwrap_or(reason));
        }
        if did {
            changes(id, tool, state, agent);
        }
    }

    fn step_finish(&mut self, part: &Part<'_>, agent: &mut Agent<'_>) {
        self.turns += 1;
        let tokens = part.tokens.unwrap_or_default();
        let cache = tokens.cache.unwrap_or_default();
        let thought = tokens.reasoning.unwrap_or(0);
        let step = Usage::new(tokens.input.unwrap_or(0), tokens.output.unwrap_or(0).saturating_add(thought))
            .with_cache_read_tokens(cache.read.unwrap_or(0))
            .with_cache_write_tokens(cache.write.unwrap_or(0))
            .with_cost_usd(part.cost)
            .with_turns(Some(1));
        self.used = sum_of_usage(self.used, step);
        self.used.cost_usd = self.used.cost_usd.map(without_rounding_dust);
        agent.usage(self.used);
        let reason = part.reason.as_deref().unwrap_or("unknown");
        self.stopped = Some(reason.to_owned());
        if self.is_done() {
            agent.report_end(ReportedEnd::Done);
        }
        if reason == "unknown" {
            self.broken_off = self.last_text.take();
        }
        if reason == "tool-calls"
            && let Some(most) = self.most_turns
            && self.turns >= most
        {
            let message = format!("it used all of its {most} turns, and wanted to continue");
            agent.stop(AgentError::new(ErrorClass::NonRetryable, "max_turns", message));
        }
    }

    fn failed(&mut self, failure: &Failure<'_>, agent: &mut Agent<'_>) {
        if !self.has_failed {
            self.has_failed = true;
            agent.report_end(ReportedEnd::Failed(error(failure)));
        }
    }
}

impl AgentTranslator for OpenCodeTranslator {
    type Line<'a> = Line<'a>;

    fn line(&mut self, line: Line<'_>, raw: &str, agent: &mut Agent<'_>) {
        if let Some(session) = &line.session {
            agent.session(session, self.model.as_deref(), None);
        }
        let part = line.part.as_ref();
        match (line.kind.as_deref(), part, &line.error) {
            (Some("step_start"), _, _) => {
                self.goes_on(agent);
                self.answer.clear();
            }
            (Some("text"), Some(part), _) => {
                self.goes_on(agent);
                self.text(part, agent);
            }
            (Some("reasoning"), Some(part), _) => {
                self.goes_on(agent);
                let id = part.id.as_deref().map(str::to_owned);
                agent.thinking(id, part.text.as_deref().unwrap_or_default(), None);
            }
            (Some("tool_use"), Some(part), _) => {
                self.goes_on(agent);
                self.tool(part, agent);
            }
            (Some("step_finish"), Some(part), _) => self.step_finish(part, agent),
            (Some("error"), _, Some(failure)) => self.failed(failure, agent),
            (Some("error"), _, None) => self.failed(&Failure::default(), agent),
            _ => agent.unknown(raw),
        }
    }

    fn is_done(&self) -> bool {
        self.stopped.as_deref() == Some("stop") && !self.has_failed
    }

    fn ended(&mut self, end: &WorkerEnd<'_>, agent: &mut Agent<'_>) {
        if self.has_failed || end.exit != ExitKind::Code(0) {
            return;
        }
        if let Some(error) = self.stopped.as_deref().and_then(stopped_for) {
            agent.report_end(ReportedEnd::Failed(error));
        }
    }
}

/// Files and plans that a call changed.
fn changes(id: &str, tool: &str, state: &State<'_>, agent: &mut Agent<'_>) {
    let input = |key: &str| state.input.get(key).and_then(Value::as_str);
    let metadata = state.metadata.as_ref();
    match tool {
        "write" => {
            let Some(path) = input("filePath") else { return };
            // Without the word that it was there, what was in it is not known either.
            let is_new = metadata.is_some_and(|metadata| metadata.exists == Value::Bool(false));
            let action = if is_new { ChangeKind::Created } else { ChangeKind::Modified };
            agent.file_changed(path, action, Some(id));
            if let Some(content) = input("content").filter(|_| is_new) {
                agent.patch(path, created_file_diff(path, content));
            }
        }
        "edit" | "multiedit" => {
            let Some(path) = input("filePath") else { return };
            agent.file_changed(path, ChangeKind::Modified, Some(id));
            if let Some(diff) = metadata.and_then(|metadata| metadata.diff.as_deref()) {
                agent.patch(path, without_index(diff).to_owned());
            }
        }
        "todowrite" => {
            let items = state.input.get("todos").and_then(Value::as_array).into_iter().flatten();
            agent.plan(items.filter_map(plan_item).take(MOST_ITEMS).collect());
        }
        _ => {}
    }
}

fn plan_item(item: &Value) -> Option<PlanItem> {
    let text = item.get("content")?.as_str()?.to_owned();
    let status = match item.get("status").and_then(Value::as_str) {
        Some("in_progress") => PlanStatus::InProgress,
        Some("completed" | "cancelled") => PlanStatus::Completed,
        _ => PlanStatus::Pending,
    };
    Some(PlanItem::new(text, status))
}

/// A diff without the two lines some programs put before it.
fn without_index(diff: &str) -> &str {
    match diff.find("--- ") {
        Some(start) if diff.starts_with("Index: ") => &diff[start..],
        _ => diff,
    }
}

fn is_denial(error: &str) -> bool {
    error.contains("rejected permission") || error.contains("rule which prevents you from using")
}

/// Why a model that stopped for this reason, with exit code 0, has not done its work.
fn stopped_for(reason: &str) -> Option<AgentError> {
    let because = |kind: &str, message: &str| Some(AgentError::new(ErrorClass::NonRetryable, kind, message));
    match reason {
        "stop" => None,
        "tool-calls" => because(
            "stopped_after_tool_calls",
            "it stopped after a tool call without an answer, as it does when a permission is refused",
        ),
        "length" => because("length", "its answer was cut by the model's token limit"),
        "content-filter" => {
            because("content_filter", "its answer was blocked by the provider's content filter")
        }
        other => {
            let message = format!("the model's answer broke off (reason `{other}`)");
            Some(AgentError::new(ErrorClass::RetryableTransient, "broken_stream", message))
        }
    }
}

fn error(failure: &Failure<'_>) -> AgentError {
    let data = failure.data.as_ref();
    let name = failure.name.as_deref().unwrap_or("error");
    let message = data.and_then(|data| data.message.as_deref()).unwrap_or(name);
    let class = match data.and_then(|data| data.status) {
        Some(status) => class_of_http_status(status),
        None if is_about_the_network(message) => ErrorClass::RetryableNetwork,
        None => meaning_of(message).map_or(ErrorClass::NonRetryable, |(class, _)| class),
    };
    let headers = data.and_then(|data| data.headers.as_object()).into_iter().flatten();
    let headers = headers.filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)));
    AgentError::new(class, name, message).with_limit(LimitTime::of_headers(&headers))
}

/// Failures to reach a server have no status.
fn is_about_the_network(message: &str) -> bool {
    let message = message.to_lowercase();
    ["unable to connect", "econnrefused", "econnreset", "etimedout", "socket", "fetch failed", "network"]
        .iter()
        .any(|word| message.contains(word))
}

/// Sums of cents without what binary fractions add to them.
fn without_rounding_dust(cost: f64) -> f64 {
    (cost * 1e9).round() / 1e9
}
