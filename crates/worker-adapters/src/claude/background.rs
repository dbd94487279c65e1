//! What goes on beside the turns of Claude Code: sub-agents, shells and monitors in the background, and wake-ups.
//!
//! A turn that is over is no end while any of them is to begin another one. Work counts: a sub-agent, a monitor of limited
//! time, a wake-up. A shell, or a monitor without a limit, may be a server that nobody waits for.

use std::collections::HashMap;

use roboppi_ipc::{UtcMillis, WaitCause, Waiting};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::wire::Line;
use crate::agent::lenient::{count, flag};
use crate::agent::{AgentError, quoted};

/// Tasks and calls that are known at most; no session has so many.
const MOST: usize = 1000;

/// Everything beside the turns.
#[derive(Debug, Default)]
pub(super) struct Background {
    /// Each with its id, in the order of their beginnings.
    tasks: Vec<(String, Task)>,
    /// Calls that begin something of their own kind, by their id.
    calls: HashMap<String, Call>,
    /// The calls of sub-agents that work, by the id of their task.
    agents: HashMap<String, String>,
    wake_up: Option<WakeUp>,
    /// A task has ended since the last turn, so the next one may be about that.
    has_ended: bool,
    /// Work that came to nothing, and that no turn has dealt with.
    lost: Option<String>,
    /// Commands that were ended, and that no turn has dealt with.
    ended: Vec<String>,
    /// Jobs that end with the session.
    scheduled: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Task {
    kind: Kind,
    name: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A sub-agent, or a later kind of work.
    Work,
    /// A monitor that has an end.
    Monitor,
    /// A command, for which nothing is known to wait.
    Shell,
}

impl Kind {
    const fn noun(self) -> &'static str {
        match self {
            Self::Work => "sub-agent",
            Self::Monitor => "monitor",
            Self::Shell => "command",
        }
    }
}

#[derive(Clone, Debug)]
enum Call {
    Shell(String),
    Monitor { name: String, has_end: bool },
    WakeUp(String),
    Job(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct WakeUp {
    until: UtcMillis,
    reason: String,
}

impl Background {
    /// A call of a tool that may begin something.
    pub(super) fn call(&mut self, id: &str, tool: &str, input: &Value) {
        let text = |key: &str| input.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let is_set = |key: &str| input.get(key).and_then(Value::as_bool).unwrap_or(false);
        let call = match tool {
            "Bash" if is_set("run_in_background") => Call::Shell(text("command")),
            "Monitor" => Call::Monitor { name: text("description"), has_end: !is_set("persistent") },
            "ScheduleWakeup" => Call::WakeUp(text("reason")),
            "CronCreate" => Call::Job(format!("{} ({})", quoted(&text("prompt")), text("cron"))),
            _ => return,
        };
        if self.calls.len() < MOST {
            self.calls.insert(id.to_owned(), call);
        }
    }

    /// A call has done what it was to do.
    pub(super) fn returned(&mut self, id: &str, structured: Option<&RawValue>) {
        let read = || structured.and_then(|raw| serde_json::from_str::<Scheduled>(raw.get()).ok());
        match self.calls.get(id) {
            Some(Call::WakeUp(reason)) => {
                let Scheduled { scheduled_for, .. } = read().unwrap_or_default();
                // One that was called off is scheduled for nothing.
                self.wake_up = scheduled_for
                    .filter(|at| *at > 0)
                    .map(|at| WakeUp { until: UtcMillis(at), reason: reason.clone() });
            }
            Some(Call::Job(name)) if !read().unwrap_or_default().durable && self.scheduled.len() < MOST => {
                self.scheduled.push(name.clone());
            }
            _ => {}
        }
    }

    /// `task_started`.
    pub(super) fn started(&mut self, line: &Line<'_>) {
        // One in the foreground belongs to a call that is open.
        if line.is_backgrounded != Some(false)
            && let Some(id) = line.task_id.as_deref()
        {
            let kind = line.task_type.as_deref().unwrap_or_default();
            let (name, call) = (line.description.as_deref(), line.tool_use_id.as_deref());
            self.begin(id, kind, name.unwrap_or_default(), call);
            if let Some(call) = call.filter(|_| kind == "local_agent" && self.agents.len() < MOST) {
                self.agents.insert(id.to_owned(), call.to_owned());
            }
        }
    }

    /// Whether a call is that of a sub-agent which works: what was returned says only that it began.
    pub(super) fn is_at_work(&self, call: &str) -> bool {
        self.agents.values().any(|known| known == call)
    }

    /// What a call of a sub-agent returned. It may say that the sub-agent works in the background before that has a line of
    /// its own.
    pub(super) fn launched(&mut self, call: &str, structured: Option<&RawValue>) {
        let launched = structured.and_then(|raw| serde_json::from_str::<Launched>(raw.get()).ok());
        let Launched { is_async, agent_id } = launched.unwrap_or_default();
        if is_async && !agent_id.is_empty() && !self.is_at_work(call) && self.agents.len() < MOST {
            self.agents.insert(agent_id, call.to_owned());
        }
    }

    /// The call of a sub-agent that has ended, once.
    pub(super) fn take_call(&mut self, id: &str) -> Option<String> {
        self.agents.remove(id)
    }

    /// `background_tasks_changed`: all there are.
    pub(super) fn changed(&mut self, line: &Line<'_>) {
        let is_listed = |id: &str| line.tasks.iter().any(|task| task.task_id.as_deref() == Some(id));
        self.tasks.retain(|(id, _)| is_listed(id));
        for task in &line.tasks {
            if let Some(id) = task.task_id.as_deref() {
                let kind = task.task_type.as_deref().unwrap_or_default();
                self.begin(id, kind, task.description.as_deref().unwrap_or_default(), None);
            }
        }
    }

    fn begin(&mut self, id: &str, kind: &str, description: &str, call: Option<&str>) {
        let kind = if kind == "local_bash" { Kind::Shell } else { Kind::Work };
        let mut task = Task { kind, name: description.to_owned() };
        match call.and_then(|call| self.calls.get(call)) {
            Some(Call::Shell(command)) => task.name.clone_from(command),
            Some(Call::Monitor { name, has_end }) => {
                let kind = if *has_end { Kind::Monitor } else { Kind::Shell };
                task = Task { kind, name: name.clone() };
            }
            _ => {}
        }
        match self.tasks.iter().position(|(known, _)| known == id) {
            // The list names it first, and knows less.
            Some(at) if call.is_some() => self.tasks[at].1 = task,
            Some(_) => {}
            None if self.tasks.len() < MOST => self.tasks.push((id.to_owned(), task)),
            None => {}
        }
    }

    /// `task_updated` and `task_notification`: a task has a new state.
    pub(super) fn updated(&mut self, id: &str, status: &str, why: Option<&str>) {
        if !matches!(status, "completed" | "failed" | "killed" | "stopped") {
            return;
        }
        let Some(at) = self.tasks.iter().position(|(known, _)| known == id) else { return };
        let (_, task) = self.tasks.remove(at);
        self.has_ended = true;
        if task.kind == Kind::Shell {
            if matches!(status, "killed" | "stopped") {
                self.ended.push(task.name);
            }
        } else if status != "completed" {
            let why = why.filter(|why| !why.is_empty()).map_or(String::new(), |why| format!(": {why}"));
            let (noun, name) = (task.kind.noun(), quoted(&task.name));
            let was = if status == "failed" { "failed" } else { "was stopped before it was done" };
            self.lost = Some(format!("its {noun} {name} {was}{why}"));
        }
    }

    /// A turn begins. `woken`: Claude Code says that a wake-up began it.
    pub(super) fn turn_begins(&mut self, woken: bool) {
        if woken || !self.has_ended {
            self.wake_up = None;
        }
        self.has_ended = false;
        self.agent_goes_on();
    }

    /// The agent itself said or did something: it knows what has happened.
    pub(super) fn agent_goes_on(&mut self) {
        self.lost = None;
        self.ended.clear();
    }

    /// Whether another turn is to follow.
    pub(super) fn is_awaited(&self) -> bool {
        self.wake_up.is_some() || self.tasks.iter().any(|(_, task)| task.kind != Kind::Shell)
    }

    /// Whether there are commands that nothing is known to wait for.
    pub(super) const fn has_any(&self) -> bool {
        !self.tasks.is_empty()
    }

    /// What an agent waits for that has ended its turn. `None` when that is nothing.
    pub(super) fn waiting(&self) -> Option<Waiting> {
        let tasks = self.names();
        let mut why = match tasks.as_slice() {
            [] => String::new(),
            [name] => format!("background task {name}"),
            tasks => format!("{} background tasks: {}", tasks.len(), tasks.join(", ")),
        };
        if let Some(WakeUp { reason, .. }) = &self.wake_up {
            why.push_str(if why.is_empty() {
                "its scheduled wake-up"
            } else {
                ", and its scheduled wake-up"
            });
            if !reason.is_empty() {
                why.push_str(&format!(" ({reason})"));
            }
        }
        let until = self.wake_up.as_ref().map(|wake_up| wake_up.until);
        (!why.is_empty()).then(|| Waiting::new(why).with_cause(Some(WaitCause::Background)).with_until(until))
    }

    fn names(&self) -> Vec<String> {
        self.tasks.iter().map(|(_, task)| quoted(&task.name)).collect()
    }

    /// Work that came to nothing, while it can still be dealt with.
    pub(super) fn lost(&self) -> Option<AgentError> {
        self.lost.clone().map(|lost| lost_work(format!("{lost}; no turn of the agent followed")))
    }

    /// The agent has ended: work that is open now will never be done.
    pub(super) fn unfinished(&self) -> Option<AgentError> {
        let open = self.tasks.iter().find(|(_, task)| task.kind != Kind::Shell);
        let task =
            open.map(|(_, task)| format!("its {} {} was not done", task.kind.noun(), quoted(&task.name)));
        let wake_up = self.wake_up.as_ref().map(|wake_up| {
            let reason = &wake_up.reason;
            format!(
                "its scheduled wake-up{} had not come",
                if reason.is_empty() { String::new() } else { format!(" ({reason})") }
            )
        });
        let unfinished = task.or(wake_up)?;
        Some(lost_work(format!("it ended although {unfinished}")))
    }

    /// What is worth a remark once the agent has ended.
    pub(super) fn remarks(&self) -> Vec<String> {
        let shells =
            self.tasks.iter().filter(|(_, task)| task.kind == Kind::Shell).map(|(_, task)| &task.name);
        let left = shells.chain(&self.ended);
        let left = left.map(|name| format!("left running when its work was done, and ended: {name}"));
        let jobs = self.scheduled.iter();
        left.chain(jobs.map(|job| format!("its session ended, and with it the job it had scheduled: {job}")))
            .collect()
    }
}

fn lost_work(message: String) -> AgentError {
    AgentError::new(roboppi_ipc::ErrorClass::RetryableTransient, "background_lost", message)
}

/// The structured result of a tool that schedules something.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Scheduled {
    /// Milliseconds of UTC.
    #[serde(deserialize_with = "count")]
    scheduled_for: Option<u64>,
    /// It outlives the session.
    #[serde(deserialize_with = "flag")]
    durable: bool,
}

/// The structured result of a tool that starts a sub-agent.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Launched {
    #[serde(deserialize_with = "flag")]
    is_async: bool,
    agent_id: String,
}

#[cfg(test)]
mod tests;
