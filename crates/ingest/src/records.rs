//! Files of JSON lines, and lines that a pattern describes.

use regex::Regex;
use serde_json::{Map, Value};

use crate::emission::{Emission, Ending, StepUpdate, tool_use};
use crate::{Session, Stamp};

/// What a line is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Record {
    pub(crate) session: Session,
    pub(crate) at: Option<Stamp>,
    pub(crate) emissions: Vec<Emission>,
}

/// Names of the fields of a log of JSON lines, in the order in which they are looked for.
const TIMES: [&str; 5] = ["timestamp", "time", "ts", "@timestamp", "asctime"];
const LEVELS: [&str; 4] = ["level", "severity", "levelname", "lvl"];
const MESSAGES: [&str; 4] = ["message", "msg", "event", "text"];

/// Reads a line of JSON: a report, or a record of a log. `None` of anything else.
pub(crate) fn json(text: &str) -> Option<Record> {
    let Value::Object(fields) = serde_json::from_str(text).ok()? else { return None };
    let first = |names: &[&str]| names.iter().find_map(|name| fields.get(*name));
    let at = first(&TIMES).and_then(|time| match time {
        Value::String(text) => Stamp::read(text),
        number => number.as_f64().and_then(Stamp::of_number),
    });
    let session =
        Session::of(word(&fields, "session").or_else(|| word(&fields, "session_id")).unwrap_or_default());
    if fields.contains_key("type")
        && let (emission, None) = Emission::read(text)
    {
        return Some(Record { session, at, emissions: vec![emission] });
    }
    let level = LEVELS.iter().find_map(|name| word(&fields, name)).unwrap_or_default();
    let message = MESSAGES.iter().find_map(|name| word(&fields, name)).unwrap_or_else(|| text.to_owned());
    Some(Record { session, at, emissions: vec![log(&level, message, None)] })
}

fn word(fields: &Map<String, Value>, name: &str) -> Option<String> {
    fields.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// A record of a log as a report.
pub(crate) fn log(level: &str, message: String, step: Option<String>) -> Emission {
    let phase = (!level.is_empty()).then(|| level.to_owned());
    Emission::Progress { message, percent: None, phase, step }
}

/// Groups that a pattern may have.
pub(crate) const GROUPS: [&str; 7] = ["time", "level", "message", "session", "step", "tool", "status"];

/// Reads a line by a pattern; `None` where it does not match. `pos` is its position.
pub(crate) fn matched(pattern: &Regex, text: &str, pos: u64) -> Option<Record> {
    let found = pattern.captures(text)?;
    let group = |name: &str| found.name(name).map(|group| group.as_str()).filter(|text| !text.is_empty());
    let session = Session::of(group("session").unwrap_or_default());
    let at = group("time").and_then(|time| {
        let number = || time.parse().ok().and_then(Stamp::of_number);
        Stamp::read(time).or_else(number)
    });
    let step = group("step").map(str::to_owned);
    let status = group("status");
    let ending =
        status.and_then(|status| serde_json::from_value::<Ending>(status.to_lowercase().into()).ok());
    let message = || group("message").unwrap_or(text).to_owned();
    let emissions = match (group("tool"), &step) {
        (Some(tool), _) => {
            let ok = !matches!(ending, Some(ending) if ending != Ending::Succeeded);
            tool_use(format!("{tool}@{pos}"), tool.to_owned(), ok, message(), step).into()
        }
        (None, Some(step)) if status.is_some() => {
            let step = step.clone();
            vec![Emission::Step(StepUpdate { step, state: ending, detail: None, duration_ms: None })]
        }
        _ => vec![log(group("level").unwrap_or_default(), message(), step)],
    };
    Some(Record { session, at, emissions })
}
