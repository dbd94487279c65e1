//! The sub-agents of an attempt: which there are, how each of them stands, and which item belongs to which.

use std::collections::HashMap;

use roboppi_ipc::{SubAgent, SubAgentStatus, ToolCall, ToolResult, UtcMillis};
use serde_json::Value;

use super::activity::{Activity, ActivityItem};
use super::sub_agent::{SubAgentCounts, SubAgentView};

/// Bytes of a name or a message that are kept.
const TEXT: usize = 1024;

/// Whether a sub-agent of this status does nothing more, unless it is asked again.
const fn is_over(status: SubAgentStatus) -> bool {
    matches!(status, SubAgentStatus::Completed | SubAgentStatus::Failed | SubAgentStatus::Stopped)
}

/// An item in its place in the tree of sub-agents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeRow {
    /// Index of the item among [`Activity::items`].
    pub item: usize,
    /// How many sub-agents it is in.
    pub depth: usize,
    /// Index of the item whose call started the sub-agent that it belongs to, among those that are kept.
    pub within: Option<usize>,
}

impl Activity {
    /// Sub-agents kept.
    pub const SUB_AGENTS: usize = 1000;

    /// The sub-agent of an id.
    #[must_use]
    pub fn sub_agent_of_id(&self, id: &str) -> Option<&SubAgentView> {
        self.agents.iter().rev().find(|agent| agent.id == id)
    }

    /// The sub-agents that the call of an item started.
    pub fn started_by(&self, item: &ActivityItem) -> impl Iterator<Item = &SubAgentView> {
        let seq = item.seq;
        self.agents.iter().filter(move |agent| agent.call == seq)
    }

    /// How many there are of each status.
    #[must_use]
    pub fn sub_agent_counts(&self) -> SubAgentCounts {
        let mut counts = SubAgentCounts::default();
        for agent in &self.agents {
            match agent.status {
                SubAgentStatus::Completed => counts.completed += 1,
                SubAgentStatus::Failed => counts.failed += 1,
                SubAgentStatus::Stopped => counts.stopped += 1,
                SubAgentStatus::Starting | SubAgentStatus::Running | SubAgentStatus::Unknown(_) => {
                    counts.running += 1;
                }
            }
        }
        counts
    }

    /// The items as a tree: those of a sub-agent come behind the call that started it, in their order.
    #[must_use]
    pub fn tree(&self) -> Vec<TreeRow> {
        if self.agents.is_empty() {
            return (0..self.items.len()).map(|item| TreeRow { item, depth: 0, within: None }).collect();
        }
        let by_seq = |seq: u64| self.items.binary_search_by_key(&seq, |item| item.seq).ok();
        let calls: HashMap<&str, usize> =
            self.agents.iter().filter_map(|agent| Some((agent.id.as_str(), by_seq(agent.call)?))).collect();
        let mut within: HashMap<usize, Vec<usize>> = HashMap::new();
        let mut roots = Vec::new();
        for (index, item) in self.items.iter().enumerate() {
            // A call comes before what it starts, so no item is within itself.
            let call =
                item.parent.as_deref().and_then(|parent| calls.get(parent)).filter(|call| **call < index);
            match call {
                Some(call) => within.entry(*call).or_default().push(index),
                None => roots.push(index),
            }
        }
        let mut rows = Vec::with_capacity(self.items.len());
        let mut open: Vec<TreeRow> = roots
            .into_iter()
            .rev()
            .map(|item| TreeRow { item, depth: usize::from(self.items[item].parent.is_some()), within: None })
            .collect();
        while let Some(row) = open.pop() {
            rows.push(row);
            let children = within.remove(&row.item).unwrap_or_default();
            open.extend(children.into_iter().rev().map(|item| TreeRow {
                item,
                depth: row.depth + 1,
                within: Some(row.item),
            }));
        }
        rows
    }

    /// A call begins, which may be one of a sub-agent, or start some.
    pub(super) fn sub_agents_called(&mut self, seq: u64, ts: UtcMillis, call: &ToolCall) {
        if let Some(parent) = &call.parent {
            self.know_parent(parent);
            if let Some(agent) = self.agent_mut(parent) {
                agent.calls += 1;
                agent.latest = Some(seq);
            }
        }
        for reported in &call.agents {
            self.sub_agent_reported(reported, seq, ts, call.parent.as_deref());
        }
    }

    /// A call ended, with the event `seq`. `call` is its item, if that is kept: its number and its parent.
    pub(super) fn sub_agents_returned(
        &mut self,
        call: Option<&(u64, Option<String>)>,
        seq: u64,
        ts: UtcMillis,
        result: &ToolResult,
    ) {
        let parent = call.and_then(|(_, parent)| parent.as_deref());
        if let Some(agent) = parent.and_then(|parent| self.agent_mut(parent))
            && !result.ok
        {
            agent.failures += 1;
        }
        for reported in &result.agents {
            let seq = call.map_or(seq, |(seq, _)| *seq);
            self.sub_agent_reported(reported, seq, ts, parent);
        }
        // Records of earlier versions report no status: the call of a sub-agent ends with it.
        let ended = if result.ok { SubAgentStatus::Completed } else { SubAgentStatus::Failed };
        if result.agents.is_empty()
            && let Some(agent) = self.agent_mut(&result.id)
        {
            (agent.status, agent.ended) = (ended, Some(ts));
        }
    }

    /// Something of a sub-agent came whose call does not say that it starts one.
    pub(super) fn know_parent(&mut self, parent: &str) {
        if self.sub_agent_of_id(parent).is_some() {
            return;
        }
        let is_its_call = |item: &&std::sync::Arc<ActivityItem>| {
            item.tool().is_some_and(|tool| tool.id == parent && tool.result.is_none())
        };
        let Some(item) = self.items.iter().rev().find(is_its_call).cloned() else { return };
        let description = item.tool().and_then(|tool| tool.input.get("description")).and_then(Value::as_str);
        let reported =
            SubAgent::new(parent, SubAgentStatus::Running).with_name(description.map(str::to_owned));
        self.sub_agent_reported(&reported, item.seq, item.ts, item.parent.as_deref());
    }

    fn sub_agent_reported(&mut self, reported: &SubAgent, call: u64, ts: UtcMillis, parent: Option<&str>) {
        if let Some(agent) = self.agent_mut(&reported.id) {
            // A sub-agent that is closed after its work is done has done it.
            let is_closed =
                agent.status == SubAgentStatus::Completed && reported.status == SubAgentStatus::Stopped;
            if !is_closed {
                let was_over = is_over(agent.status);
                agent.status = reported.status;
                agent.ended = match (is_over(reported.status), was_over) {
                    (true, true) => agent.ended,
                    (true, false) => Some(ts),
                    (false, _) => None,
                };
            }
            agent.message = reported.message.as_deref().map(kept).or_else(|| agent.message.take());
            if let Some(name) = reported.name.as_deref().filter(|_| agent.name.is_empty()) {
                agent.name = kept(name);
            }
            return;
        }
        self.agents_total += 1;
        if self.agents.len() == Self::SUB_AGENTS {
            // One that is at work is kept as long as there are others.
            let oldest = self.agents.iter().position(|agent| is_over(agent.status)).unwrap_or(0);
            self.agents.remove(oldest);
        }
        self.agents.push(SubAgentView {
            id: reported.id.clone(),
            name: reported.name.as_deref().map(kept).unwrap_or_default(),
            parent: parent.map(str::to_owned),
            call,
            started: ts,
            status: reported.status,
            message: reported.message.as_deref().map(kept),
            ended: is_over(reported.status).then_some(ts),
            calls: 0,
            failures: 0,
            latest: None,
        });
    }

    fn agent_mut(&mut self, id: &str) -> Option<&mut SubAgentView> {
        self.agents.iter_mut().rev().find(|agent| agent.id == id)
    }
}

fn kept(text: &str) -> String {
    text[..text.floor_char_boundary(TEXT)].to_owned()
}

#[cfg(test)]
mod tests {
    use roboppi_ipc::{AgentText, Progress, RemarkLevel, WorkerEvent};
    use serde_json::json;

    use super::*;
    use crate::AttemptRecord;

    fn activity(events: impl IntoIterator<Item = WorkerEvent>) -> Activity {
        let mut activity = Activity::default();
        for (seq, event) in (0..).zip(events) {
            activity.apply(&AttemptRecord { seq, ts: UtcMillis(1000 + seq * 10), at: seq, event });
        }
        activity
    }

    fn sends(id: &str, name: &str, parent: Option<&str>) -> WorkerEvent {
        let agents = vec![SubAgent::new(id, SubAgentStatus::Running).with_name(Some(name.to_owned()))];
        let call = ToolCall::new(id, "Agent", json!({ "description": name }));
        WorkerEvent::ToolCall(call.with_parent(parent.map(str::to_owned)).with_agents(agents))
    }

    fn ends(id: &str, status: SubAgentStatus) -> WorkerEvent {
        let ok = status == SubAgentStatus::Completed;
        WorkerEvent::ToolResult(ToolResult::new(id, ok, "").with_agents(vec![SubAgent::new(id, status)]))
    }

    fn call(id: &str, parent: &str) -> WorkerEvent {
        let call = ToolCall::new(id, "Bash", json!({ "command": id }));
        WorkerEvent::ToolCall(call.with_parent(Some(parent.to_owned())))
    }

    fn returned(id: &str, ok: bool) -> WorkerEvent {
        WorkerEvent::ToolResult(ToolResult::new(id, ok, "x"))
    }

    fn stand(activity: &Activity) -> Vec<String> {
        let line = |agent: &SubAgentView| {
            let SubAgentView { name, status, ended, calls, failures, .. } = agent;
            format!("{name} {} {calls}/{failures} {:?}", status.name(), ended.map(|ended| ended.0))
        };
        activity.agents.iter().map(line).collect()
    }

    fn tree(activity: &Activity) -> Vec<String> {
        let row = |row: TreeRow| {
            let item = &activity.items[row.item];
            let id = item.tool().map_or("-", |tool| tool.id.as_str());
            format!("{}{id}", "  ".repeat(row.depth))
        };
        activity.tree().into_iter().map(row).collect()
    }

    #[test]
    fn interleaved_sub_agents_are_a_tree() {
        let activity = activity([
            sends("a", "scout A", None),
            sends("b", "scout B", None),
            call("b1", "b"),
            call("a1", "a"),
            sends("c", "scout C", Some("a")),
            returned("b1", false),
            call("c1", "c"),
            ends("b", SubAgentStatus::Stopped),
            returned("c1", true),
            ends("c", SubAgentStatus::Completed),
            WorkerEvent::ToolCall(ToolCall::new("m1", "Bash", json!({}))),
        ]);
        assert_eq!(tree(&activity), ["a", "  a1", "  c", "    c1", "b", "  b1", "m1"]);
        assert_eq!(
            stand(&activity),
            [
                "scout A running 2/0 None",
                "scout B stopped 1/1 Some(1070)",
                "scout C completed 1/0 Some(1090)"
            ]
        );
        let counts = SubAgentCounts { running: 1, completed: 1, failed: 0, stopped: 1 };
        assert_eq!(activity.sub_agent_counts(), counts);
        assert_eq!(counts.words(false).unwrap(), "3 sub-agents: 1 running, 1 done, 1 stopped");
    }

    #[test]
    fn sub_agents_of_their_own_ids_stand_as_last_reported() {
        let spawn = ToolCall::new("i1", "spawn_agent", json!({ "prompt": "look" }));
        let state = |status| vec![SubAgent::new("B", status).with_name(Some("look".into()))];
        let reports = |id: &str, status| {
            WorkerEvent::ToolResult(ToolResult::new(id, true, "").with_agents(state(status)))
        };
        let wait = |id: &str| WorkerEvent::ToolCall(ToolCall::new(id, "wait", json!({})));
        let mut events = vec![WorkerEvent::ToolCall(spawn), reports("i1", SubAgentStatus::Starting)];
        assert_eq!(stand(&activity(events.clone())), ["look starting 0/0 None"]);
        events.extend([wait("i2"), reports("i2", SubAgentStatus::Completed)]);
        assert_eq!(stand(&activity(events.clone())), ["look completed 0/0 Some(1030)"]);
        events.extend([wait("i3"), reports("i3", SubAgentStatus::Stopped)]);
        assert_eq!(stand(&activity(events.clone())), ["look completed 0/0 Some(1030)"], "it was closed");
        events.extend([wait("i4"), reports("i4", SubAgentStatus::Running)]);
        assert_eq!(stand(&activity(events.clone())), ["look running 0/0 None"], "it was asked again");
        let activity = activity(events);
        assert_eq!(activity.started_by(&activity.items[0]).count(), 1);
    }

    #[test]
    fn records_of_earlier_versions_have_sub_agents_too() {
        let task = WorkerEvent::ToolCall(ToolCall::new("t", "Task", json!({ "description": "review" })));
        let text = WorkerEvent::Text(AgentText::new("I look.").with_parent(Some("t".into())));
        let activity = activity([task, text, call("u", "t"), returned("u", true), returned("t", false)]);
        assert_eq!(stand(&activity), ["review failed 1/0 Some(1040)"]);
        assert_eq!(tree(&activity), ["t", "  -", "  u"]);
    }

    #[test]
    fn the_number_of_sub_agents_is_bounded_and_those_at_work_are_kept() {
        let many = (0..2000).flat_map(|number| {
            let id = number.to_string();
            let end = (number != 3).then(|| ends(&id, SubAgentStatus::Completed));
            std::iter::once(sends(&id, "x", None)).chain(end)
        });
        let activity = activity(many);
        assert_eq!((activity.agents.len(), activity.agents_total), (Activity::SUB_AGENTS, 2000));
        assert_eq!(activity.agents[0].id, "3");
    }

    #[test]
    fn a_remark_is_none_of_the_progress_and_is_kept_once() {
        let remark =
            |text: &str| WorkerEvent::Progress(Progress::new(text).with_level(Some(RemarkLevel::Warning)));
        let progress = WorkerEvent::Progress(Progress::new("half"));
        let activity = activity([progress, remark("no server"), remark("no server"), remark("no trust")]);
        assert_eq!(activity.remarks, ["no server", "no trust"]);
        assert_eq!(activity.items.len(), 2);
        assert_eq!(activity.progress.unwrap().message, "half");
    }
}
