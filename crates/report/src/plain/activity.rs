//! The lines about what agents do.

use roboppi_ipc::{ChangeKind, ToolResult, WorkerEvent};
use roboppi_run::{
    Act, Activity, ActivityItem, AttemptRecord, StepPath, ToolUse, missing_words, tool_words, wait_words,
};

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
            match activity.items.iter().rev().find(|item| ends(item, result)) {
                Some(item) => about(activity, item, step, verbose, colour),
                None => Vec::new(),
            }
        }
        WorkerEvent::ToolCall(call) if verbose => {
            let call = words(&tool_words(&call.name, &call.input));
            vec![ActivityLine::Line(format!("{}  {call} …", words(step.as_str())))]
        }
        WorkerEvent::Text(_)
        | WorkerEvent::Thinking(_)
        | WorkerEvent::FileChanged { .. }
        | WorkerEvent::Patch(_)
        | WorkerEvent::Waiting(_)
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
    let within = match (activity.sub_agent(item), &item.parent) {
        (Some(sub_agent), _) => format!("↳ {}: ", words(sub_agent)),
        (None, Some(_)) => "↳ ".to_owned(),
        (None, None) => String::new(),
    };
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
        Act::Tool(tool) => one(call(tool, item, colour)),
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
        Act::Unknown { raw } if verbose => {
            one(format!("prints a line that is not understood: {}", words(raw)))
        }
        Act::Thought(_) | Act::File(_) | Act::Wait(_) | Act::Unknown { .. } => Vec::new(),
    }
}

/// `Bash npm test … ok 12.3s`
fn call(tool: &ToolUse, item: &ActivityItem, colour: bool) -> String {
    let what = words(&tool_words(&tool.name, &tool.input));
    let time = tool.duration_ms(item.ts).map_or(String::new(), |ms| format!(" {}", duration(ms)));
    match &tool.result {
        None => format!("{what} …"),
        Some(outcome) if outcome.result.ok => {
            format!("{what} … {}{time}", Ink::Good.paint(colour, "ok"))
        }
        Some(outcome) => {
            let first_line = outcome.result.preview.lines().find(|line| !line.trim().is_empty());
            let first_line = first_line.map_or(String::new(), |line| format!(": {}", words(line.trim())));
            format!("{what} … {}{time}{first_line}", Ink::Bad.paint(colour, "failed"))
        }
    }
}
