//! What a program reports, as a line of JSON.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One report of a program, tagged by `type` in JSON. Names with `-` in place of `_` are read as well, and unknown fields are
/// ignored.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "snake_case")]
pub enum Emission {
    /// It started.
    Start {
        /// `name` of the run.
        #[serde(default)]
        name: Option<String>,
        /// `steps` that it is going to do.
        #[serde(default)]
        steps: Vec<String>,
    },
    /// It works; with a text, this is what it reports of it.
    Activity {
        /// `text`.
        #[serde(default, alias = "message")]
        text: String,
        /// `step` it belongs to.
        #[serde(default)]
        step: Option<String>,
    },
    /// A thought of an agent.
    Thinking {
        /// `text`.
        text: String,
        /// `step` it belongs to.
        #[serde(default)]
        step: Option<String>,
    },
    /// It called a tool.
    #[serde(alias = "tool-call")]
    ToolCall {
        /// `id` that pairs the call with its result.
        id: String,
        /// `tool`: the name.
        #[serde(alias = "name")]
        tool: String,
        /// `input` of the tool.
        #[serde(default)]
        input: Value,
        /// `parent`: the call that made this one.
        #[serde(default)]
        parent: Option<String>,
        /// `step` it belongs to.
        #[serde(default)]
        step: Option<String>,
    },
    /// A tool call ended.
    #[serde(alias = "tool-result")]
    ToolResult {
        /// `id` of the call.
        id: String,
        /// `ok`: whether the tool achieved its purpose.
        #[serde(default = "yes")]
        ok: bool,
        /// `text` of the result.
        #[serde(default, alias = "result")]
        text: String,
        /// `duration_ms`, if known.
        #[serde(default)]
        duration_ms: Option<u64>,
        /// `step` it belongs to.
        #[serde(default)]
        step: Option<String>,
    },
    /// A step began or ended.
    Step(StepUpdate),
    /// How far it is.
    Progress {
        /// `message`.
        #[serde(default, alias = "text")]
        message: String,
        /// `percent`, 0 to 100.
        #[serde(default)]
        percent: Option<f64>,
        /// `phase`: what the message is about.
        #[serde(default)]
        phase: Option<String>,
        /// `step` it belongs to.
        #[serde(default)]
        step: Option<String>,
    },
    /// It measured something.
    Metric {
        /// `name`.
        name: String,
        /// `value`.
        value: f64,
        /// `unit`.
        #[serde(default)]
        unit: String,
        /// `step` it belongs to.
        #[serde(default)]
        step: Option<String>,
    },
    /// What it used so far, in total.
    Usage(Figures),
    /// The session of an agent.
    Session {
        /// `id`.
        id: String,
        /// `model`.
        #[serde(default)]
        model: Option<String>,
    },
    /// It waits for something outside.
    Waiting {
        /// `why`.
        why: String,
        /// `permission`: a person has to allow something.
        #[serde(default)]
        permission: bool,
    },
    /// Something went wrong, and it goes on.
    Error {
        /// `message`.
        #[serde(alias = "text")]
        message: String,
        /// `step` it belongs to.
        #[serde(default)]
        step: Option<String>,
    },
    /// It ended.
    Complete {
        /// `outcome`; success when it is absent.
        #[serde(default)]
        outcome: Ending,
        /// `detail`, for people.
        #[serde(default, alias = "message")]
        detail: Option<String>,
    },
    /// A line that is no report.
    #[serde(skip)]
    Unknown {
        /// The line.
        raw: String,
    },
}

/// A change of a step.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct StepUpdate {
    /// `step`, or `name`: which one.
    #[serde(alias = "name")]
    pub step: String,
    /// `state`: absent when it begins.
    #[serde(default, alias = "status")]
    pub state: Option<Ending>,
    /// `detail`, for people.
    #[serde(default)]
    pub detail: Option<String>,
    /// `duration_ms`; by default the time since its beginning.
    #[serde(default)]
    pub duration_ms: Option<u64>,
}

/// How something ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// `succeeded`, also `ok`, `success` or `completed`.
    #[default]
    #[serde(alias = "ok", alias = "success", alias = "completed")]
    Succeeded,
    /// `failed`, also `error`.
    #[serde(alias = "error", alias = "failure")]
    Failed,
    /// `cancelled`.
    #[serde(alias = "canceled")]
    Cancelled,
    /// `skipped`; of a run the same as `cancelled`.
    Skipped,
    /// `timed_out`.
    #[serde(alias = "timed-out", alias = "timeout")]
    TimedOut,
    /// `lost`: the outcome is unknown.
    Lost,
}

/// Tokens and cost, in total.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Figures {
    /// `input_tokens`.
    pub input_tokens: u64,
    /// `output_tokens`.
    pub output_tokens: u64,
    /// `cache_read_tokens`.
    pub cache_read_tokens: u64,
    /// `cost_usd`.
    pub cost_usd: Option<f64>,
}

const fn yes() -> bool {
    true
}

/// A call that is over: the call and its result.
pub(crate) fn tool_use(
    id: String,
    tool: String,
    ok: bool,
    text: String,
    step: Option<String>,
) -> [Emission; 2] {
    [
        Emission::ToolCall { id: id.clone(), tool, input: Value::Null, parent: None, step: step.clone() },
        Emission::ToolResult { id, ok, text, duration_ms: None, step },
    ]
}

impl Emission {
    /// Reads a line. One that is no report is [`Emission::Unknown`], with the reason.
    #[must_use]
    pub fn read(line: &str) -> (Self, Option<String>) {
        match serde_json::from_str(line) {
            Ok(emission) => (emission, None),
            Err(error) => (Self::Unknown { raw: line.to_owned() }, Some(format!("not a report: {error}"))),
        }
    }

    /// The step it names.
    pub(crate) fn step(&self) -> Option<&str> {
        match self {
            Self::Activity { step, .. }
            | Self::Thinking { step, .. }
            | Self::ToolCall { step, .. }
            | Self::ToolResult { step, .. }
            | Self::Progress { step, .. }
            | Self::Metric { step, .. }
            | Self::Error { step, .. } => step.as_deref(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_in_both_spellings() {
        let call = |text: &str| match Emission::read(text).0 {
            Emission::ToolCall { id, tool, input, .. } => (id, tool, input.to_string()),
            other => panic!("{other:?}"),
        };
        let expected = ("1".to_owned(), "Bash".to_owned(), r#"{"command":"ls"}"#.to_owned());
        assert_eq!(call(r#"{"type":"tool-call","id":"1","name":"Bash","input":{"command":"ls"}}"#), expected);
        assert_eq!(
            call(r#"{"type":"tool_call","id":"1","tool":"Bash","input":{"command":"ls"},"more":1}"#),
            expected
        );
        let ok = |text: &str| matches!(Emission::read(text), (Emission::ToolResult { ok: true, .. }, None));
        assert!(
            ok(r#"{"type":"tool_result","id":"1"}"#) && !ok(r#"{"type":"tool_result","id":"1","ok":false}"#)
        );
        for (word, ending) in
            [("ok", Ending::Succeeded), ("error", Ending::Failed), ("timed_out", Ending::TimedOut)]
        {
            let text = format!(r#"{{"type":"complete","outcome":"{word}"}}"#);
            assert_eq!(Emission::read(&text), (Emission::Complete { outcome: ending, detail: None }, None));
        }
    }

    #[test]
    fn a_line_that_is_no_report_is_kept() {
        for line in
            ["", "{", "[]", "null", r#"{"type":"dance"}"#, r#"{"type":"metric","name":"a"}"#, "\u{1b}[2J"]
        {
            let (kept, why) = Emission::read(line);
            assert_eq!(kept, Emission::Unknown { raw: line.to_owned() });
            assert!(why.is_some_and(|why| why.starts_with("not a report: ")), "{line}");
        }
    }
}
