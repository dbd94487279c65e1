//! What the lines of Gemini CLI mean.

use roboppi_ipc::{
    ChangeKind, ErrorClass, PlanItem, PlanStatus, SubAgent, SubAgentStatus, ToolCall, Usage, WaitCause,
    Waiting, WorkerTask,
};
use serde_json::Value;

use super::outcome::{of_error_line, of_exit, of_result};
use super::speech::Speech;
use super::wire::{Failure, Line, Stats};
use crate::agent::{Agent, AgentError, AgentTranslator, ReportedEnd};
use crate::{ExitKind, WorkerEnd};

/// What a line on standard error begins with that tells of a request that is made again.
pub(super) const ATTEMPT: &str = "Attempt ";

/// Items of a plan that are shown.
const MOST_ITEMS: usize = 500;
/// Calls whose files are remembered until they return.
const MOST_OPEN: usize = 10_000;

/// Translates one run of Gemini CLI.
#[derive(Debug, Default)]
pub(super) struct GeminiTranslator {
    model: Option<String>,
    speech: Speech,
    turns: u64,
    most_turns: Option<u64>,
    /// The model is at it: the next thing it says belongs to the same turn.
    in_turn: bool,
    /// Files and plans of calls that have not returned.
    open: Vec<(String, Change)>,
    /// An `error` line came.
    error: Option<AgentError>,
    /// The `result` line, with the message of its error.
    result: Option<Result<(), Option<(String, String)>>>,
}

#[derive(Debug)]
enum Change {
    File(String),
    Plan(Vec<PlanItem>),
}

impl GeminiTranslator {
    pub(super) fn new(task: &WorkerTask) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "saturates, which is meant"
        )]
        let most_turns = task.budget.max_steps.map(|steps| steps.max(1.0) as u64);
        Self { model: task.model.clone(), most_turns, ..Self::default() }
    }

    /// The model says something. Its turns are not told: one begins with what it says after all calls have returned.
    fn speaks(&mut self, agent: &mut Agent<'_>) {
        self.result = None;
        agent.report_end(ReportedEnd::Nothing);
        if std::mem::replace(&mut self.in_turn, true) {
            return;
        }
        self.turns += 1;
        if let Some(most) = self.most_turns
            && self.turns > most
        {
            let message = format!("it used all the {most} turns it was given, and went on");
            agent.stop(AgentError::new(ErrorClass::NonRetryable, "max_turns", message));
        }
    }

    fn call(&mut self, line: &Line<'_>, agent: &mut Agent<'_>) {
        let (Some(id), Some(name)) = (&line.tool_id, &line.tool_name) else { return };
        self.speaks(agent);
        self.speech.end(agent);
        if let Some(change) = change_of(name, &line.parameters)
            && self.open.len() < MOST_OPEN
        {
            self.open.push((id.to_string(), change));
        }
        let agents = sub_agent(id, name, line.parameters.get("agent_name"), SubAgentStatus::Running);
        let call = ToolCall::new(id.to_string(), name.to_string(), line.parameters.clone());
        agent.tool_call(call.with_agents(agents));
    }

    fn call_returned(&mut self, line: &Line<'_>, agent: &mut Agent<'_>) {
        let Some(id) = line.tool_id.as_deref() else { return };
        let Some(tool) = agent.open_tool(id).map(str::to_owned) else { return };
        let failure = line.error.as_ref();
        let message = failure.and_then(|failure| failure.message.as_deref());
        let ok = line.status.as_deref() == Some("success");
        let content = line.output.as_deref().or(message).unwrap_or_default();
        let ended = if ok { SubAgentStatus::Completed } else { SubAgentStatus::Failed };
        agent.tool_result_with(id, ok, content.to_owned(), None, sub_agent(id, &tool, None, ended));
        if failure.and_then(|failure| failure.kind.as_deref()).is_some_and(is_denial) {
            agent.denied(&tool, message.unwrap_or_default());
        }
        let change = self.open.iter().position(|(open, _)| open == id).map(|at| self.open.swap_remove(at).1);
        match change.filter(|_| ok) {
            // It does not say whether the file was there before.
            Some(Change::File(path)) => agent.file_changed(&path, ChangeKind::Modified, Some(id)),
            Some(Change::Plan(items)) => agent.plan(items),
            None => {}
        }
        if agent.open_calls() == 0 {
            self.in_turn = false;
        }
    }

    fn result(&mut self, line: &Line<'_>, agent: &mut Agent<'_>) {
        self.speech.end(agent);
        // It says 0 when it has not counted, as after a failed request.
        if let Some(stats) = line.stats.filter(|stats| stats.total_tokens.is_some_and(|total| total > 0)) {
            agent.usage(usage(stats, self.turns));
        }
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let error = line.error.as_ref();
        let ended = if line.status.as_deref() == Some("success") {
            Ok(())
        } else {
            Err(error.map(|error| (text(error.kind.as_deref()), text(error.message.as_deref()))))
        };
        if ended.is_ok() {
            agent.report_end(ReportedEnd::Done);
        }
        self.result = Some(ended);
    }
}

/// The sub-agent that a call starts. What it does is not in the output.
fn sub_agent(id: &str, tool: &str, name: Option<&Value>, status: SubAgentStatus) -> Vec<SubAgent> {
    if tool != "invoke_agent" {
        return Vec::new();
    }
    let name = name.and_then(Value::as_str).map(str::to_owned);
    vec![SubAgent::new(id, status).with_name(name)]
}

/// What a line of standard error tells of a request that is made again:
/// `Attempt 1 failed with status 429. Retrying with backoff... _ApiError: {…}`, or, when the service gave a time, however long,
/// `Attempt 1 failed: You have exhausted your capacity. Retrying after 11608360ms...`.
fn retry(line: &str) -> Option<Waiting> {
    if let Some((what, _)) = line.split_once("Retrying with backoff") {
        let is_limit = what.contains("status 429");
        let cause = if is_limit { WaitCause::RateLimit } else { WaitCause::Retry };
        let why = format!("{}, it tries again", what.trim().trim_end_matches('.').to_lowercase());
        return Some(Waiting::new(why).with_cause(Some(cause)));
    }
    let (what, delay) = line.split_once("Retrying after ")?;
    let (delay, _) = delay.split_once("ms")?;
    let message = what.split_once(": ").map_or(what, |(_, message)| message);
    let why = format!("{}, it tries again", message.trim().trim_end_matches('.'));
    Some(Waiting::new(why).with_cause(Some(WaitCause::RateLimit)).with_delay_ms(delay.parse().ok()))
}

impl AgentTranslator for GeminiTranslator {
    type Line<'a> = Line<'a>;

    fn line(&mut self, line: Line<'_>, raw: &str, agent: &mut Agent<'_>) {
        match (line.kind.as_deref(), line.role.as_deref()) {
            (Some("init"), _) => {
                if let Some(id) = &line.session_id {
                    agent.session(id, line.model.as_deref().or(self.model.as_deref()), None);
                }
            }
            // The prompt, as it was given.
            (Some("message"), Some("user")) => {}
            (Some("message"), Some("assistant")) => {
                self.speaks(agent);
                let piece = line.content.as_deref().unwrap_or_default();
                self.speech.piece(piece, line.timestamp.as_deref(), agent);
            }
            (Some("tool_use"), _) => self.call(&line, agent),
            (Some("tool_result"), _) => self.call_returned(&line, agent),
            (Some("error"), _) => {
                let message = line.message.as_deref().unwrap_or("an error without a message");
                if self.error.is_some() {
                    agent.note(&format!("[error] {message}"));
                }
                self.error.get_or_insert_with(|| of_error_line(message));
            }
            (Some("result"), _) => self.result(&line, agent),
            _ => agent.unknown(raw),
        }
    }

    fn error_line(&mut self, line: &str, agent: &mut Agent<'_>) {
        if let Some(waiting) = retry(line) {
            agent.waiting(waiting);
        }
    }

    fn is_done(&self) -> bool {
        self.result.is_some()
    }

    fn ended(&mut self, end: &WorkerEnd<'_>, agent: &mut Agent<'_>) {
        self.speech.end(agent);
        // What was said last before a failure is not an answer; the text stays in the record.
        let failed = match (self.error.take(), &self.result) {
            (Some(error), _) => Some(error),
            (None, Some(Err(error))) => {
                let failure = error.as_ref().map(|(kind, message)| Failure {
                    kind: Some(kind.as_str().into()),
                    message: Some(message.as_str().into()),
                });
                Some(of_result(failure.as_ref(), end.exit))
            }
            (None, None) if end.exit != ExitKind::Code(0) => of_exit(end.exit),
            (None, Some(Ok(())) | None) => None,
        };
        if let Some(error) = failed {
            agent.report_end(ReportedEnd::Failed(error));
        }
    }
}

/// What a call will have changed when it returns.
fn change_of(tool: &str, parameters: &Value) -> Option<Change> {
    match tool {
        "write_file" | "replace" | "edit" => {
            parameters.get("file_path").and_then(Value::as_str).map(|path| Change::File(path.to_owned()))
        }
        "write_todos" => {
            let items = parameters.get("todos")?.as_array()?;
            Some(Change::Plan(items.iter().filter_map(plan_item).take(MOST_ITEMS).collect()))
        }
        _ => None,
    }
}

fn plan_item(item: &Value) -> Option<PlanItem> {
    let text = item.get("description")?.as_str()?.to_owned();
    let status = match item.get("status").and_then(Value::as_str) {
        Some("in_progress") => PlanStatus::InProgress,
        Some("completed" | "cancelled") => PlanStatus::Completed,
        _ => PlanStatus::Pending,
    };
    Some(PlanItem::new(text, status))
}

fn is_denial(kind: &str) -> bool {
    matches!(kind, "policy_violation" | "permission_denied" | "execution_denied")
}

fn usage(stats: Stats, turns: u64) -> Usage {
    let read = stats.input_tokens.unwrap_or(0);
    let cached = stats.cached.unwrap_or(0);
    // Thoughts are in the total only.
    let written = stats.total_tokens.unwrap_or(0).saturating_sub(read);
    Usage::new(read.saturating_sub(cached), written.max(stats.output_tokens.unwrap_or(0)))
        .with_cache_read_tokens(cached)
        .with_turns(Some(turns))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_is_made_again_is_a_wait() {
        let line = "Attempt 1 failed: You have exhausted your capacity.. Retrying after 11608360ms...";
        let waiting = retry(line).unwrap();
        assert_eq!(waiting.why, "You have exhausted your capacity, it tries again");
        assert_eq!((waiting.cause, waiting.delay_ms), (Some(WaitCause::RateLimit), Some(11_608_360)));
        let waiting = retry("Attempt 2 failed with status 500. Retrying with backoff... x").unwrap();
        assert_eq!(waiting.why, "attempt 2 failed with status 500, it tries again");
        assert_eq!((waiting.cause, waiting.delay_ms), (Some(WaitCause::Retry), None));
        assert_eq!(retry("Attempt 3 failed."), None);
    }
}
