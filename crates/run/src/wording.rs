//! Short words for what agents do, the same in every view.

use std::borrow::Cow;

use roboppi_ipc::{CancelReason, Progress, SubAgentStatus, ToolCall, UtcMillis, WaitCause, Waiting};
use serde_json::Value;

use crate::{Activity, ActivityItem, Spent, StepView, SubAgentCounts};

/// Fields of a tool's input that say what the call is about, the most telling first.
const TELLING: [&str; 12] = [
    "command",
    "cmd",
    "file_path",
    "filePath",
    "absolute_path",
    "path",
    "notebook_path",
    "pattern",
    "query",
    "url",
    "description",
    "prompt",
];

/// Longest summary, in characters.
const LONGEST: usize = 200;

/// What a worker waits for, with the time of day until which it does: `waits until 05:03: the limit is reached`; of one whose
/// turn is over `done, waits for background task "npm run dev"`.
#[must_use]
pub fn wait_words(waiting: &Waiting, clock: impl FnOnce(UtcMillis) -> String) -> String {
    let until = waiting.until.map_or(String::new(), |until| format!(" until {}", clock(until)));
    if waiting.cause == Some(WaitCause::Background) {
        format!("done, waits{until} for {}", waiting.why)
    } else {
        format!("waits{until}: {}", waiting.why)
    }
}

/// How far a worker is, as it reports it: `33% compile: at 1`.
#[must_use]
pub fn progress_words(progress: &Progress) -> String {
    let percent = progress.percent.filter(|percent| percent.is_finite());
    let percent = percent.map(|percent| format!("{:.0}%", percent.clamp(0.0, 100.0)));
    let head: Vec<&str> = percent.as_deref().into_iter().chain(progress.phase.as_deref()).collect();
    let head = head.join(" ");
    let basis = progress.basis.as_ref().map_or(String::new(), |basis| format!(" ({basis})"));
    match (head.is_empty(), progress.message.is_empty()) {
        (true, true) => format!("progress{basis}"),
        (true, false) => format!("{}{basis}", progress.message),
        (false, true) => format!("{head}{basis}"),
        (false, false) if progress.phase.is_some() => format!("{head}: {}{basis}", progress.message),
        (false, false) => format!("{head} {}{basis}", progress.message),
    }
}

/// How a sub-agent stands, in a word; `is_over`: its attempt has ended, so one that reported no end has none.
#[must_use]
pub fn sub_agent_word(status: SubAgentStatus, is_over: bool) -> String {
    match status {
        SubAgentStatus::Starting | SubAgentStatus::Running if is_over => "no end reported".to_owned(),
        SubAgentStatus::Completed => "done".to_owned(),
        other => other.name().to_owned(),
    }
}

impl SubAgentCounts {
    /// `40 sub-agents: 3 running, 36 done, 1 failed`; `None` without any.
    #[must_use]
    pub fn words(&self, is_over: bool) -> Option<String> {
        let Self { running, completed, failed, stopped } = *self;
        let all = running + completed + failed + stopped;
        let running_word = if is_over { "without a reported end" } else { "running" };
        let parts = [(running, running_word), (completed, "done"), (failed, "failed"), (stopped, "stopped")];
        let parts = parts.into_iter().filter(|(count, _)| *count > 0);
        let parts: Vec<String> = parts.map(|(count, word)| format!("{count} {word}")).collect();
        let noun = if all == 1 { "sub-agent" } else { "sub-agents" };
        (all > 0).then(|| format!("{all} {noun}: {}", parts.join(", ")))
    }
}

impl StepView {
    /// Why it is where it is. With the usage limit that it waits for, or has failed because of, at its local time:
    /// `waits until 05:03 for the limit of CLAUDE_CODE`, `limit until 05:03, longer than --limit-wait 6h: exit code 1`.
    #[must_use]
    pub fn reason(&self, clock: impl FnOnce(UtcMillis) -> String) -> Option<Cow<'_, str>> {
        let detail = self.detail.as_deref();
        let Some(until) = self.limit_until else {
            let iterations = || self.iterations_words().map(Cow::Owned);
            return detail.map(Cow::Borrowed).or_else(iterations);
        };
        let (until, detail) = (clock(until), detail.unwrap_or("its agent"));
        Some(Cow::Owned(if self.state.is_final() {
            format!("limit until {until}, {detail}")
        } else {
            format!("waits until {until} for the limit of {detail}")
        }))
    }
}

/// Words for events that are missing in their place: how many, and why.
#[must_use]
pub fn missing_words(events: u64, at_least: bool) -> String {
    if at_least {
        return "output is missing here: the core left out an unknown amount".to_owned();
    }
    let (noun, verb) = if events == 1 { ("event", "is") } else { ("events", "are") };
    format!("{events} {noun} {verb} not in the record")
}

impl Activity {
    /// The name of the sub-agent that did it, as the call that sent it describes it. `None` of what the agent itself did.
    #[must_use]
    pub fn sub_agent(&self, item: &ActivityItem) -> Option<&str> {
        let parent = item.parent.as_deref()?;
        if let Some(agent) = self.sub_agent_of_id(parent) {
            return Some(agent.name.as_str()).filter(|name| !name.is_empty());
        }
        let call = self.items.iter().rev().filter_map(|item| item.tool()).find(|tool| tool.id == parent)?;
        call.input.get("description").and_then(Value::as_str)
    }

    /// A count of this activity for people: `12`, or `at least 12` when events are missing.
    #[must_use]
    pub fn counted(&self, count: impl std::fmt::Display) -> String {
        if self.counts_are_lower_bounds() { format!("at least {count}") } else { count.to_string() }
    }
}

/// A tool call in one line: its name and what it is about, `Bash npm test`.
#[must_use]
pub fn tool_summary(call: &ToolCall) -> String {
    tool_words(&call.name, &call.input)
}

/// The same of a name and an input.
#[must_use]
pub fn tool_words(name: &str, input: &Value) -> String {
    let about = match input {
        // The beginning of an input that is too long.
        Value::String(text) if text.starts_with('{') => telling_of_beginning(text),
        Value::String(text) => Some(text.clone()),
        Value::Object(fields) => {
            TELLING.iter().find_map(|name| fields.get(*name)).and_then(words_of).or_else(|| {
                let words = fields.values().find_map(words_of);
                words.filter(|_| fields.len() == 1)
            })
        }
        _ => None,
    };
    match about.as_deref().map(one_line).filter(|about| !about.is_empty()) {
        Some(about) if name.is_empty() => about,
        Some(about) => format!("{name} {about}"),
        None => name.to_owned(),
    }
}

/// The telling text of an object that breaks off: that of the first field known for it that is there.
fn telling_of_beginning(text: &str) -> Option<String> {
    TELLING.iter().find_map(|name| {
        let (_, rest) = text.split_once(&format!("\"{name}\""))?;
        let rest = rest.trim_start().strip_prefix(':')?.trim_start();
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<String>();
        match values.next() {
            Some(Ok(value)) => Some(value),
            _ => rest.strip_prefix('"').map(|cut| format!("{}…", cut.replace("\\n", " "))),
        }
    })
}

fn words_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(items) => {
            let words: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
            words.map(|words| words.join(" "))
        }
        _ => None,
    }
}

/// A text in one line, its white space single, and not too long.
fn one_line(text: &str) -> String {
    let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = line.char_indices().nth(LONGEST) {
        line.truncate(end);
        line.push('…');
    }
    line
}

/// Why a run is being ended.
#[must_use]
pub fn ending_words(reason: CancelReason, signal: Option<&str>) -> String {
    let words = match (&reason, signal) {
        (_, Some("SIGHUP")) => "its terminal was closed (SIGHUP)",
        (_, Some("SIGINT")) => "cancelled by Ctrl-C (SIGINT)",
        (_, Some(signal)) => return format!("it received {signal}"),
        (CancelReason::FailFast, None) => "a step failed (--fail-fast)",
        (CancelReason::User, None) => "cancelled by the user",
        (CancelReason::Timeout, None) => "its time limit was reached (`timeout`)",
        (CancelReason::Budget, None) => "its budget is used up",
        (CancelReason::Parent, None) => "its parent requested it",
        (CancelReason::Lost, None) => "the core is lost",
        (CancelReason::Unknown(word), None) => word.as_str(),
    };
    words.to_owned()
}

/// Why a step was ended that did not end by itself.
#[must_use]
pub fn cancel_words(reason: CancelReason) -> Cow<'static, str> {
    Cow::Borrowed(match reason {
        CancelReason::FailFast => "another step had failed (--fail-fast)",
        CancelReason::User => "by the user",
        CancelReason::Timeout => "the time limit was reached",
        CancelReason::Budget => "a budget is spent",
        CancelReason::Parent => "the run was ended",
        CancelReason::Lost => "the core was lost",
        CancelReason::Unknown(word) => return Cow::Owned(word.as_str().to_owned()),
    })
}

/// A number of tokens as people read it: `950`, `1.2k`, `34k`, `1.2M`.
#[must_use]
pub fn tokens(count: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let of = |unit: f64| count as f64 / unit;
    match count {
        0..1_000 => count.to_string(),
        1_000..9_950 => format!("{:.1}k", of(1e3)),
        9_950..999_500 => format!("{:.0}k", of(1e3)),
        _ => format!("{:.1}M", of(1e6)),
    }
}

/// Money as people read it: `$0.0042`, `$1.25`.
#[must_use]
pub fn dollars(cost: f64) -> String {
    if cost > 0.0 && cost < 0.1 { format!("${cost:.4}") } else { format!("${cost:.2}") }
}

/// What was used, in a few words: `$0.0144, 34k in, 1.2k out, 30k cached, 5 turns`.
#[must_use]
pub fn spent_words(spent: &Spent) -> String {
    let at_least = if spent.without_cost > 0 { "at least " } else { "" };
    let usage = &spent.usage;
    let cost = usage.cost_usd.map(|cost| format!("{at_least}{}", dollars(cost)));
    let cached = usage.cache_read_tokens.saturating_add(usage.cache_write_tokens);
    let parts = [
        cost,
        Some(format!("{} in", tokens(usage.input_tokens))),
        Some(format!("{} out", tokens(usage.output_tokens))),
        (cached > 0).then(|| format!("{} cached", tokens(cached))),
        usage.turns.map(|turns| format!("{turns} turn{}", if turns == 1 { "" } else { "s" })),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_call_is_told_by_its_name_and_what_it_is_about() {
        for (name, input, expected) in [
            ("Bash", json!({"command": "npm   test\n --all", "description": "Run"}), "Bash npm test --all"),
            ("Read", json!({"limit": 5, "file_path": "/a/b.rs"}), "Read /a/b.rs"),
            ("shell", json!({"command": ["bash", "-lc", "ls"]}), "shell bash -lc ls"),
            ("mcp__x__echo", json!({"text": "hi"}), "mcp__x__echo hi"),
            ("TodoWrite", json!({"todos": [{"a": 1}]}), "TodoWrite"),
            ("Write", json!("{\"content\": \"x\", \"file_path\": \"/a"), "Write /a…"),
            ("Write", json!("{\"file_path\":\"/a \\\"b\",\"content\":\"c"), "Write /a \"b"),
            ("Other", json!("{\"x\": {\"y\": "), "Other"),
            ("", json!(null), ""),
        ] {
            assert_eq!(tool_words(name, &input), expected);
        }
        assert_eq!(tool_words("Bash", &json!({"command": "x".repeat(900)})).chars().count(), 206);
    }

    #[test]
    fn a_cost_that_not_all_told_is_a_lower_bound() {
        let usage = roboppi_ipc::Usage::new(34_000, 950).with_cost_usd(Some(0.0144)).with_turns(Some(1));
        let spent = Spent { usage, attempts: 2, without_cost: 0 };
        assert_eq!(spent_words(&spent), "$0.0144, 34k in, 950 out, 1 turn");
        assert!(spent_words(&Spent { without_cost: 1, ..spent }).starts_with("at least $0.0144, "));
    }

    #[test]
    fn progress_is_a_percentage_a_phase_and_a_message() {
        let words = |percent, phase: Option<&str>, message: &str| {
            let progress = Progress::new(message).with_percent(percent);
            progress_words(&progress.with_phase(phase.map(str::to_owned)))
        };
        assert_eq!(words(Some(33.4), Some("compile"), "at 1"), "33% compile: at 1");
        assert_eq!(words(Some(100.0), None, "done"), "100% done");
        assert_eq!(words(Some(7.0), Some("link"), ""), "7% link");
        assert_eq!(words(None, Some("link"), "it"), "link: it");
        assert_eq!(words(Some(f64::NAN), None, "half way"), "half way");
        assert_eq!(words(None, None, ""), "progress");
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(
            [0, 999, 1_000, 9_949, 9_950, 34_100, 999_499, 999_500, 12_345_678].map(tokens),
            ["0", "999", "1.0k", "9.9k", "10k", "34k", "999k", "1.0M", "12.3M"]
        );
        assert_eq!([0.0, 0.0042, 0.0999, 1.255].map(dollars), ["$0.00", "$0.0042", "$0.0999", "$1.25"]);
    }
}
