//! The lines about what agents do.

use roboppi_ipc::{ChangeKind, Progress, SubAgentStatus, ToolResult, UtcMillis, WorkerEvent};
use roboppi_run::{
    Act, Activity, ActivityItem, AttemptRecord, StepPath, SubAgentView, ToolUse, missing_words,
    sub_agent_word, tool_words, wait_words,
};

use super::lines::warning;

use crate::style::Ink;
use crate::units::{duration, time_of_day};
use roboppi_untrusted::{line, words};

/// Lines of one text that are shown.
const TEXT_LINES: usize = 40;

/// A line, and whether it is a part of what the agent says rather than what is said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ActivityLine {
    /// Of the agent's own text.
    Text(String),
    /// About it.
    Line(String),
}

/// What is to be said about an event. `activity` is what is known with it.
pub(super) fn event(
    activity: &Activity,
    record: &AttemptRecord,
    step: &StepPath,
    verbose: bool,
    colour: bool,
) -> Vec<ActivityLine> {
    match &record.event {
        WorkerEvent::ToolResult(result) => {
            let mut lines = match activity.items.iter().rev().find(|item| ends(item, result)) {
                Some(item) => about(activity, item, step, verbose, colour),
                None => Vec::new(),
            };
            lines.extend(sub_agents_ended(activity, result, record.ts, step, colour));
            lines
        }
        WorkerEvent::ToolCall(call) if verbose => {
            let call = words(&tool_words(&call.name, &call.input));
            vec![ActivityLine::Line(format!("{}  {call} …", words(step.as_str())))]
        }
        WorkerEvent::ToolCall(call) if !call.agents.is_empty() => match activity.items.back() {
            Some(item) if item.seq == record.seq => {
                let (step, within) = (words(step.as_str()), within(activity, item));
                let begun = activity.started_by(item).map(|agent| {
                    ActivityLine::Line(format!("{step}  {within}sub-agent {} starts", name_of(agent)))
                });
                begun.collect()
            }
            _ => Vec::new(),
        },
        WorkerEvent::Text(_)
        | WorkerEvent::Thinking(_)
        | WorkerEvent::FileChanged { .. }
        | WorkerEvent::Patch(_)
        | WorkerEvent::Waiting(_)
        | WorkerEvent::Progress(Progress { level: Some(_), .. })
        | WorkerEvent::Gap(_)
        | WorkerEvent::Unknown { .. } => match activity.items.back() {
            // One that continues another one changes it.
            Some(item) if item.seq == record.seq => about(activity, item, step, verbose, colour),
            Some(item) if matches!(item.what, Act::Wait(_) | Act::Text(_) | Act::Thought(_)) => {
                about(activity, item, step, verbose, colour)
            }
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

fn ends(item: &ActivityItem, result: &ToolResult) -> bool {
    item.tool().is_some_and(|tool| {
        tool.id == result.id && tool.result.as_ref().is_some_and(|outcome| outcome.result == *result)
    })
}

/// What is to be said about a thing that is over, or just happened; of a sub-agent it is said which one.
pub(super) fn about(
    activity: &Activity,
    item: &ActivityItem,
    step: &StepPath,
    verbose: bool,
    colour: bool,
) -> Vec<ActivityLine> {
    let name = words(step.as_str());
    let within = within(activity, item);
    let one = |text: String| vec![ActivityLine::Line(format!("{name}  {within}{text}"))];
    match &item.what {
        // What sub-agents say is for the agent that sent them.
        Act::Text(_) if item.parent.is_some() && !verbose => Vec::new(),
        Act::Text(text) => {
            let mut lines: Vec<_> = text
                .text
                .trim_end()
                .lines()
                .map(|text| ActivityLine::Text(line(text.as_bytes(), colour)))
                .collect();
            let more = lines.len().saturating_sub(TEXT_LINES);
            if more > 0 {
                lines.truncate(TEXT_LINES);
                lines.push(ActivityLine::Text(format!("… {more} more lines")));
            }
            lines
        }
        Act::Thought(thought) if verbose => {
            let first = thought.text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
            one(Ink::Faint.paint(colour, &format!("thinks: {}", words(first))))
        }
        Act::Tool(tool) => one(call(activity, tool, item, colour)),
        Act::File(change) if verbose || change.by.is_none() => {
            let action = match change.action {
                Some(ChangeKind::Created) => "created",
                Some(ChangeKind::Deleted) => "deleted",
                Some(ChangeKind::Modified) | None => "changed",
                Some(ChangeKind::Unknown(ref word)) => word.as_str(),
            };
            one(format!("{action} {}", words(&change.path)))
        }
        // A service that is away for long is told of now and then.
        Act::Wait(wait) if wait.times.is_power_of_two() => {
            let delay = wait.waiting.delay_ms.map_or(String::new(), |ms| format!(", {}", duration(ms)));
            let waits = words(&wait_words(&wait.waiting, time_of_day));
            one(Ink::Caution.paint(colour, &format!("{waits}{delay}")))
        }
        Act::Missing { events, at_least } => {
            one(Ink::Caution.paint(colour, &format!("… {}", missing_words(*events, *at_least))))
        }
        Act::Remark(text) => vec![ActivityLine::Line(warning(Some(step.as_str()), text, colour))],
        Act::Unknown { raw } if verbose => {
            one(format!("prints a line that is not understood: {}", words(&unknown_words(raw))))
        }
        Act::Thought(_) | Act::File(_) | Act::Wait(_) | Act::Unknown { .. } => Vec::new(),
    }
}

/// Whose item it is: `↳ scout 1: `, of a sub-agent of it `↳ scout 1 › scout 2: `; empty for the agent itself.
fn within(activity: &Activity, item: &ActivityItem) -> String {
    const DEEPEST: usize = 4;

    let Some(mut parent) = item.parent.as_deref() else { return String::new() };
    let mut names: Vec<String> = activity.sub_agent(item).map(words).into_iter().collect();
    while let Some(above) = activity.sub_agent_of_id(parent).and_then(|agent| agent.parent.as_deref())
        && names.len() < DEEPEST
    {
        parent = above;
        names.extend(activity.sub_agent_of_id(parent).map(name_of));
    }
    names.reverse();
    if names.is_empty() { "↳ ".to_owned() } else { format!("↳ {}: ", names.join(" › ")) }
}

fn name_of(agent: &SubAgentView) -> String {
    words(if agent.name.is_empty() { &agent.id } else { &agent.name })
}

/// Sub-agents that have ended although the call that reports it is not their own.
fn sub_agents_ended(
    activity: &Activity,
    result: &ToolResult,
    ts: UtcMillis,
    step: &StepPath,
    colour: bool,
) -> Vec<ActivityLine> {
    let ended = result.agents.iter().filter(|reported| reported.id != result.id).filter_map(|reported| {
        let agent = activity.sub_agent_of_id(&reported.id).filter(|agent| agent.ended == Some(ts))?;
        let ink = if agent.status == SubAgentStatus::Completed { Ink::Good } else { Ink::Bad };
        let word = ink.paint(colour, &sub_agent_word(agent.status, false));
        let message =
            agent.message.as_deref().map_or(String::new(), |message| format!(": {}", words(message)));
        let (step, name) = (words(step.as_str()), name_of(agent));
        let took = duration(agent.duration_ms(ts));
        Some(ActivityLine::Line(format!("{step}  sub-agent {name} … {word} {took}{message}")))
    });
    ended.collect()
}

/// What is said of a line that is not understood: its kind where it is one of a protocol, never the whole of that.
pub(super) fn unknown_words(raw: &str) -> String {
    let Some(start) = raw.find('{') else { return raw.to_owned() };
    let kind = serde_json::from_str::<serde_json::Value>(&raw[start..]).ok();
    let kind = kind.as_ref().and_then(|value| value.get("type")).and_then(serde_json::Value::as_str);
    kind.map_or_else(|| "see the log".to_owned(), |kind| format!("type {kind:?}, see the log"))
}

/// `Bash npm test … ok 12.3s`
fn call(activity: &Activity, tool: &ToolUse, item: &ActivityItem, colour: bool) -> String {
    let what = words(&tool_words(&tool.name, &tool.input));
    let time = tool.duration_ms(item.ts).map_or(String::new(), |ms| format!(" {}", duration(ms)));
    let agent = activity.started_by(item).find(|agent| agent.id == tool.id);
    let calls = match agent.map(|agent| agent.calls) {
        None | Some(0) => String::new(),
        Some(1) => ", 1 call".to_owned(),
        Some(calls) => format!(", {calls} calls"),
    };
    match &tool.result {
        None => format!("{what} …"),
        Some(outcome) if outcome.result.ok => {
            format!("{what} … {}{time}{calls}", Ink::Good.paint(colour, "ok"))
        }
        Some(outcome) => {
            let first_line = outcome.result.preview.lines().find(|line| !line.trim().is_empty());
            let first_line = first_line.map_or(String::new(), |line| format!(": {}", words(line.trim())));
            let is_stopped = agent.is_some_and(|agent| agent.status == SubAgentStatus::Stopped);
            let word = if is_stopped { "stopped" } else { "failed" };
            format!("{what} … {}{time}{calls}{first_line}", Ink::Bad.paint(colour, word))
        }
    }
}
