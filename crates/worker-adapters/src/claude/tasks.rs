//! The to-do list Claude Code keeps: all at once with `TodoWrite`, or one by one with `TaskCreate` and `TaskUpdate`.

use std::collections::HashMap;

use roboppi_ipc::{PlanItem, PlanStatus};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::agent::Agent;

/// Tasks a list has at most.
const MOST_TASKS: usize = 500;

/// The list as it is.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    /// Each with its id.
    tasks: Vec<(String, PlanItem)>,
    /// Calls that have not returned.
    open: HashMap<String, Change>,
}

#[derive(Debug)]
enum Change {
    Create(String),
    Update { id: String, status: Option<String>, text: Option<String> },
}

impl Tasks {
    /// The agent calls a tool. The list of a sub-agent is its own and not shown.
    pub(super) fn call(
        &mut self,
        id: &str,
        tool: &str,
        input: &Value,
        parent: Option<&str>,
        agent: &mut Agent<'_>,
    ) {
        if parent.is_some() || self.open.len() >= MOST_TASKS {
            return;
        }
        let text = |key: &str| input.get(key).and_then(Value::as_str).map(str::to_owned);
        match tool {
            "TodoWrite" => {
                let items = input.get("todos").and_then(Value::as_array).into_iter().flatten();
                agent.plan(items.filter_map(todo).take(MOST_TASKS).collect());
            }
            "TaskCreate" => {
                let subject = text("subject").unwrap_or_default();
                self.open.insert(id.to_owned(), Change::Create(subject));
            }
            "TaskUpdate" => {
                if let Some(task) = text("taskId") {
                    let (status, text) = (text("status"), text("subject"));
                    self.open.insert(id.to_owned(), Change::Update { id: task, status, text });
                }
            }
            _ => {}
        }
    }

    /// A call has done what it was to do.
    pub(super) fn returned(&mut self, call: &str, structured: Option<&RawValue>, agent: &mut Agent<'_>) {
        match self.open.remove(call) {
            None => return,
            Some(Change::Create(text)) => {
                let result: Value =
                    structured.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
                let Some(id) = result.pointer("/task/id").and_then(Value::as_str) else { return };
                if self.tasks.len() < MOST_TASKS {
                    self.tasks.push((id.to_owned(), PlanItem::new(text, PlanStatus::Pending)));
                }
            }
            Some(Change::Update { id, status, text }) => {
                if status.as_deref() == Some("deleted") {
                    self.tasks.retain(|(known, _)| *known != id);
                } else if let Some((_, item)) = self.tasks.iter_mut().find(|(known, _)| *known == id) {
                    item.status = status.as_deref().and_then(plan_status).unwrap_or(item.status);
                    item.text = text.unwrap_or_else(|| item.text.clone());
                }
            }
        }
        agent.plan(self.tasks.iter().map(|(_, item)| item.clone()).collect());
    }
}

fn todo(item: &Value) -> Option<PlanItem> {
    let text = item.get("content")?.as_str()?.to_owned();
    let status = item.get("status").and_then(Value::as_str).and_then(plan_status);
    Some(PlanItem::new(text, status.unwrap_or(PlanStatus::Pending)))
}

fn plan_status(word: &str) -> Option<PlanStatus> {
    match word {
        "pending" => Some(PlanStatus::Pending),
        "in_progress" => Some(PlanStatus::InProgress),
        "completed" | "cancelled" => Some(PlanStatus::Completed),
        _ => None,
    }
}
