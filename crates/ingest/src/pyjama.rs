//! The file in which agents of Pyjama share what they do.
//!
//! It is written again as a whole with each change, so what is new in it follows from what was reported before.

use std::collections::BTreeMap;

use roboppi_ipc::UtcMillis;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::emission::{Emission, Ending, StepUpdate, tool_use};
use crate::{Report, Session, Stamp};

/// Agents that are remembered.
const AGENTS: usize = 4_096;

/// What was reported of the file before.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Pyjama {
    agents: BTreeMap<String, Agent>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Agent {
    /// `start-time` of the execution that was reported.
    start: u64,
    is_over: bool,
    /// Number and end of each step that was reported.
    steps: Vec<bool>,
    /// Time of the last entry of the activity log, and how many of that time were reported.
    logged: (u64, u32),
    seen: u64,
}

/// What the file has.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Metrics {
    agents: Map<String, Value>,
    recent_logs: Vec<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Shown {
    status: Option<String>,
    start_time: Option<u64>,
    last_seen: Option<u64>,
    end_time: Option<u64>,
    steps: Vec<Step>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Step {
    step_id: String,
    status: Option<String>,
    start_time: Option<u64>,
    end_time: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Logged {
    timestamp: u64,
    agent_id: String,
    tool: String,
    status: String,
}

/// One report with what distinguishes it among those of the agent.
pub(crate) type Marked = (Report, Option<(u64, u32)>);

impl Pyjama {
    /// What is new in the file. `Err` of what is no whole file: half of it may be written.
    pub(crate) fn read(&mut self, text: &str) -> Result<Vec<Marked>, String> {
        let fields: Map<String, Value> = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let metrics = Metrics::deserialize(Value::Object(fields)).map_err(|error| error.to_string())?;
        let mut out = Vec::new();
        for (id, shown) in &metrics.agents {
            // A field of another kind hides the agent, and no other one.
            let shown = Shown::deserialize(shown).unwrap_or_default();
            self.begin(id, &shown, &mut out);
        }
        self.logs(&metrics.recent_logs, &mut out);
        for (id, shown) in &metrics.agents {
            let shown = Shown::deserialize(shown).unwrap_or_default();
            self.end(id, &shown, &mut out);
        }
        Ok(out)
    }

    fn agent(&mut self, id: &str) -> &mut Agent {
        if !self.agents.contains_key(id) && self.agents.len() >= AGENTS {
            let oldest = self.agents.iter().min_by_key(|(_, agent)| agent.seen).map(|(id, _)| id.clone());
            oldest.map(|id| self.agents.remove(&id));
        }
        self.agents.entry(id.to_owned()).or_default()
    }

    fn begin(&mut self, id: &str, shown: &Shown, out: &mut Vec<Marked>) {
        let agent = self.agent(id);
        let start = shown.start_time.unwrap_or_default();
        let is_another = start != 0 && start != agent.start;
        if is_another {
            // Entries of the log that were reported are not reported again.
            *agent = Agent { start, logged: agent.logged, ..Agent::default() };
            let begin = Emission::Start { name: None, steps: Vec::new() };
            out.push((report(id, Some(start), begin), Some((start, 0))));
        }
        if !agent.is_over && shown.last_seen.is_some_and(|seen| seen > agent.seen) {
            agent.seen = shown.last_seen.unwrap_or_default();
            let alive = Emission::Activity { text: String::new(), step: None };
            out.push((report(id, shown.last_seen, alive), None));
        }
        if agent.is_over {
            return;
        }
        for (at, step) in shown.steps.iter().enumerate() {
            let update = |state| {
                Emission::Step(StepUpdate {
                    step: step.step_id.clone(),
                    state,
                    detail: None,
                    duration_ms: step
                        .end_time
                        .zip(step.start_time)
                        .map(|(end, start)| end.saturating_sub(start)),
                })
            };
            if agent.steps.len() == at {
                agent.steps.push(false);
                out.push((report(id, step.start_time, update(None)), None));
            }
            if let (Some(ending), Some(is_over @ false)) =
                (ending(step.status.as_deref()), agent.steps.get_mut(at))
            {
                *is_over = true;
                out.push((report(id, step.end_time, update(Some(ending))), None));
            }
        }
    }

    fn logs(&mut self, logs: &[Value], out: &mut Vec<Marked>) {
        let mut at: BTreeMap<String, (u64, u32)> = BTreeMap::new();
        for entry in logs {
            let Ok(entry) = Logged::deserialize(entry) else { continue };
            if entry.agent_id.is_empty() {
                continue;
            }
            let number = at.entry(entry.agent_id.clone()).or_insert((entry.timestamp, 0));
            *number =
                if number.0 == entry.timestamp { (number.0, number.1 + 1) } else { (entry.timestamp, 1) };
            let number = *number;
            let agent = self.agent(&entry.agent_id);
            if number <= agent.logged {
                continue;
            }
            agent.logged = number;
            let ok = !matches!(ending(Some(&entry.status)), Some(ending) if ending != Ending::Succeeded);
            let call_id = format!("{}@{}.{}", entry.tool, number.0, number.1);
            for (emission, part) in tool_use(call_id, entry.tool, ok, entry.status, None).into_iter().zip(0..)
            {
                let mark = (number.0, 2 * number.1 + part);
                out.push((report(&entry.agent_id, Some(entry.timestamp), emission), Some(mark)));
            }
        }
    }

    fn end(&mut self, id: &str, shown: &Shown, out: &mut Vec<Marked>) {
        let agent = self.agent(id);
        let Some(outcome) = ending(shown.status.as_deref()).filter(|_| !agent.is_over) else { return };
        agent.is_over = true;
        let failed = shown.steps.iter().any(|step| ending(step.status.as_deref()) == Some(Ending::Failed));
        // It completes in any case, also when one of its steps failed.
        let (outcome, detail) = match outcome {
            Ending::Succeeded if failed => (Ending::Failed, Some("one of its steps failed".to_owned())),
            outcome => (outcome, None),
        };
        let complete = Emission::Complete { outcome, detail };
        out.push((report(id, shown.end_time.or(shown.last_seen), complete), None));
    }
}

/// How something ended; `None` while it is running.
fn ending(status: Option<&str>) -> Option<Ending> {
    match status? {
        "running" | "pending" | "" => None,
        word => Some(serde_json::from_value(word.into()).unwrap_or(Ending::Lost)),
    }
}

fn report(id: &str, at: Option<u64>, emission: Emission) -> Report {
    let at = at.filter(|at| *at > 0).map(|at| Stamp::Utc(UtcMillis(at)));
    Report { session: Session::of(id), at, emission, worker: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(found: &[Marked]) -> Vec<String> {
        let word = |(report, _): &Marked| {
            let id = &report.session.id;
            match &report.emission {
                Emission::Start { .. } => format!("{id} starts"),
                Emission::Step(update) => format!("{id} {} {:?}", update.step, update.state),
                Emission::ToolCall { tool, .. } => format!("{id} {tool}"),
                Emission::ToolResult { ok, .. } => format!("{id} {ok}"),
                Emission::Complete { outcome, .. } => format!("{id} {outcome:?}"),
                Emission::Activity { .. } => format!("{id} lives"),
                other => panic!("{other:?}"),
            }
        };
        found.iter().map(word).collect()
    }

    #[test]
    fn what_is_new_is_reported_once() {
        let mut pyjama = Pyjama::default();
        let one = r#"{"agents":{"a":{"status":"running","start-time":1000,"last-seen":1500,"steps":[{"step-id":"s","status":"running","start-time":1100}]}},
            "recent-logs":[{"timestamp":1200,"agent-id":"a","tool":"write-file","status":"ok"},{"timestamp":1200,"agent-id":"a","tool":"read-files","status":"error"}],
            "global":{"count":1}}"#;
        let found = words(&pyjama.read(one).unwrap());
        assert_eq!(
            found,
            ["a starts", "a lives", "a s None", "a write-file", "a true", "a read-files", "a false"]
        );
        assert!(pyjama.read(one).unwrap().is_empty());
        let two = r#"{"agents":{"a":{"status":"completed","start-time":1000,"last-seen":1900,"end-time":1900,"steps":[{"step-id":"s","status":"ok","start-time":1100,"end-time":1300}]},
            "b":{"status":"completed","start-time":5,"steps":[{"step-id":"x","status":"error"}]},"odd":7},
            "recent-logs":[{"timestamp":1200,"agent-id":"a","tool":"read-files","status":"error"},{"timestamp":1300,"agent-id":"a","tool":"llm-call","status":"ok"},{"timestamp":1}]}"#;
        assert_eq!(
            words(&pyjama.read(two).unwrap()),
            [
                "a lives",
                "a s Some(Succeeded)",
                "b starts",
                "b x None",
                "b x Some(Failed)",
                "a llm-call",
                "a true",
                "a Succeeded",
                "b Failed"
            ]
        );
        // The same agent runs again; half of a file is no file; the file is removed and begins again.
        let three = r#"{"agents":{"a":{"status":"running","start-time":3000}}}"#;
        assert_eq!(words(&pyjama.read(three).unwrap()), ["a starts"]);
        for half in ["", "{", &one[..60], "[]", "null", "7"] {
            assert!(pyjama.read(half).is_err(), "{half}");
        }
        assert!(pyjama.read("{}").unwrap().is_empty());
        let duplicate =
            r#"{"agents":{"a":{"start-time":3000,"status":"running"},"a":{"status":"completed"}}}"#;
        assert_eq!(words(&pyjama.read(duplicate).unwrap()), ["a Succeeded"]);
    }
}
