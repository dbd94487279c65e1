//! Works an activity out of the events of one attempt.

use std::sync::Arc;

use roboppi_ipc::{
    AgentText, ChangeKind, Gap, LOGS_TRUNCATED, Patch, PlanItem, PlanStatus, Progress, ToolCall, ToolResult,
    UtcMillis, Waiting, WorkerEvent,
};

use super::activity::{Act, Activity, ActivityItem, FileChange, PatchView, ToolOutcome, ToolUse, Wait};
use crate::AttemptRecord;

impl Activity {
    pub(super) fn apply(&mut self, record: &AttemptRecord) {
        match &record.event {
            // Output and partial text are live only.
            WorkerEvent::Stdout(_)
            | WorkerEvent::Stderr(_)
            | WorkerEvent::LogGrew(_)
            | WorkerEvent::TextDelta(_)
            | WorkerEvent::ThinkingDelta(_)
            | WorkerEvent::Resources(_) => {}
            WorkerEvent::Gap(gap) => self.miss(record, gap),
            // A note for people who look on. It tells nothing of how far the work is.
            WorkerEvent::Progress(progress) if progress.message == LOGS_TRUNCATED => {}
            recorded => {
                if self.last_seq.is_none_or(|last| record.seq > last) {
                    self.last_seq = Some(record.seq);
                    self.events += 1;
                    self.last_at = Some(record.ts);
                    self.apply_recorded(record, recorded);
                }
            }
        }
    }

    /// Counts recorded events that are missing, once.
    fn miss(&mut self, record: &AttemptRecord, gap: &Gap) {
        if gap.recorded == 0 || gap.to_seq <= self.missing_to {
            return;
        }
        self.missing_to = gap.to_seq;
        self.events_missing = self.events_missing.saturating_add(gap.recorded);
        self.last_seq = self.last_seq.max(gap.to_seq.checked_sub(1));
        self.add(record, None, Act::Missing { events: gap.recorded, at_least: gap.at_least });
    }

    fn apply_recorded(&mut self, record: &AttemptRecord, event: &WorkerEvent) {
        if !matches!(event, WorkerEvent::Waiting(_))
            && self.waiting.take_if(|waiting| event.ends_wait(waiting)).is_some()
        {
            self.wait_is_over(record.ts);
        }
        match event {
            WorkerEvent::Progress(Progress { message, level: Some(_), .. }) => self.remark(record, message),
            WorkerEvent::Progress(progress) => self.progress = Some(progress.clone()),
            WorkerEvent::Plan { items } => self.plan(items),
            WorkerEvent::Usage(usage) => self.usage = Some(*usage),
            WorkerEvent::Session(session) => self.session = Some(session.clone()),
            WorkerEvent::Text(text) => self.add_text(record, text, Act::Text),
            WorkerEvent::Thinking(text) => self.add_text(record, text, Act::Thought),
            WorkerEvent::ToolCall(call) => self.call(record, call),
            WorkerEvent::ToolResult(result) => self.result(record, result),
            WorkerEvent::WorkspaceChanges(found) => self.workspace = Some(found.clone()),
            WorkerEvent::FileChanged { path, action, by, seen } => {
                self.file_changed(record, path, *action, by.clone(), *seen);
            }
            WorkerEvent::Patch(patch) => self.patched(record, patch),
            WorkerEvent::Waiting(waiting) => self.wait(record, waiting),
            WorkerEvent::Unknown { raw } => {
                self.unknown += 1;
                let raw = raw[..raw.floor_char_boundary(Self::UNKNOWN_BYTES)].to_owned();
                self.add(record, None, Act::Unknown { raw });
            }
            WorkerEvent::Stdout(_)
            | WorkerEvent::Stderr(_)
            | WorkerEvent::LogGrew(_)
            | WorkerEvent::TextDelta(_)
            | WorkerEvent::ThinkingDelta(_)
            | WorkerEvent::Resources(_)
            | WorkerEvent::Gap(_) => {}
        }
    }

    fn remark(&mut self, record: &AttemptRecord, message: &str) {
        if self.remarks.len() < Self::REMARKS && !self.remarks.iter().any(|known| known == message) {
            self.remarks.push(message.to_owned());
            self.add(record, None, Act::Remark(message.to_owned()));
        }
    }

    fn add_text(&mut self, record: &AttemptRecord, text: &AgentText, as_what: fn(AgentText) -> Act) {
        if let Some(parent) = &text.parent {
            self.know_parent(parent);
        }
        // A stream that broke off is asked for again, and the same part then comes as a whole.
        let what = as_what(text.clone());
        if let Some(last) = self.items.back_mut()
            && goes_on_with(&last.what, &what)
        {
            self.weight -= last.weight();
            Arc::make_mut(last).what = what;
            self.weight += last.weight();
            return self.keep_within_bounds();
        }
        self.add(record, text.parent.clone(), what);
    }

    fn call(&mut self, record: &AttemptRecord, call: &ToolCall) {
        self.tool_calls += 1;
        self.sub_agents_called(record.seq, record.ts, call);
        let ToolCall { id, name, input, blob, parent, .. } = call.clone();
        self.add(record, parent, Act::Tool(ToolUse { id, name, input, blob, result: None }));
    }

    fn result(&mut self, record: &AttemptRecord, result: &ToolResult) {
        self.tool_failures += u64::from(!result.ok);
        let outcome = ToolOutcome { result: result.clone(), ts: record.ts };
        // An id may be used again; the latest call without a result is meant.
        let call = self
            .items
            .iter_mut()
            .rev()
            .find(|item| item.is_running() && item.tool().is_some_and(|tool| tool.id == result.id));
        let its = call.as_deref().map(|call| (call.seq, call.parent.clone()));
        let Some(call) = call else {
            self.sub_agents_returned(its.as_ref(), record.seq, record.ts, result);
            let (id, name, input) = (result.id.clone(), String::new(), serde_json::Value::Null);
            let tool = ToolUse { id, name, input, blob: None, result: Some(outcome) };
            return self.add(record, None, Act::Tool(tool));
        };
        if let Act::Tool(tool) = &mut Arc::make_mut(call).what {
            self.weight += outcome.result.preview.len();
            tool.result = Some(outcome);
        }
        self.sub_agents_returned(its.as_ref(), record.seq, record.ts, result);
        self.keep_within_bounds();
    }

    fn file_changed(
        &mut self,
        record: &AttemptRecord,
        path: &str,
        action: ChangeKind,
        by: Option<String>,
        seen: bool,
    ) {
        let has_diff = || self.patches.iter().any(|patch| patch.patch.file_path == path);
        if self.undiffed.len() < Self::PATCHES
            && !self.undiffed.iter().any(|known| known == path)
            && !has_diff()
        {
            self.undiffed.push(path.to_owned());
        }
        if let Some(change) = self.last_change(path)
            && change.action.is_none()
        {
            (change.action, change.by) = (Some(action), by);
            return;
        }
        let change = FileChange { path: path.to_owned(), action: Some(action), by, patch: None, seen };
        let parent = change.by.as_deref().and_then(|by| self.parent_of(by));
        self.add(record, parent, Act::File(change));
    }

    fn patched(&mut self, record: &AttemptRecord, patch: &Patch) {
        self.patches_total += 1;
        self.undiffed.retain(|path| *path != patch.file_path);
        if self.patches.len() == Self::PATCHES {
            self.patches.remove(0);
        }
        let (seq, ts) = (record.seq, record.ts);
        self.patches.push(PatchView { seq, ts, patch: Arc::new(patch.clone()) });
        if let Some(change) = self.last_change(&patch.file_path)
            && change.patch.is_none()
        {
            change.patch = Some(seq);
            return;
        }
        let change = FileChange {
            path: patch.file_path.clone(),
            action: None,
            by: None,
            patch: Some(seq),
            seen: patch.seen,
        };
        self.add(record, None, Act::File(change));
    }

    /// The latest item, if it is a change of that file: a change and its diff come one after the other.
    fn last_change(&mut self, path: &str) -> Option<&mut FileChange> {
        let last = self.items.back_mut()?;
        if !matches!(&last.what, Act::File(change) if change.path == path) {
            return None;
        }
        match &mut Arc::make_mut(last).what {
            Act::File(change) => Some(change),
            _ => None,
        }
    }

    fn parent_of(&self, tool: &str) -> Option<String> {
        let of_tool = |item: &&Arc<ActivityItem>| item.tool().is_some_and(|known| known.id == tool);
        self.items.iter().rev().find(of_tool)?.parent.clone()
    }

    fn wait(&mut self, record: &AttemptRecord, waiting: &Waiting) {
        self.waiting = Some(waiting.clone());
        if let Some(last) = self.items.back_mut()
            && let Act::Wait(Wait { over: None, waiting: before, .. }) = &last.what
            && before.cause == waiting.cause
        {
            if let Act::Wait(wait) = &mut Arc::make_mut(last).what {
                self.weight = self.weight + waiting.why.len() - wait.waiting.why.len();
                (wait.waiting, wait.last) = (waiting.clone(), record.ts);
                wait.times += 1;
            }
            return;
        }
        self.wait_is_over(record.ts);
        let wait = Wait { waiting: waiting.clone(), times: 1, last: record.ts, over: None };
        self.add(record, None, Act::Wait(wait));
    }

    fn wait_is_over(&mut self, ts: UtcMillis) {
        let open = |item: &&mut Arc<ActivityItem>| matches!(item.what, Act::Wait(Wait { over: None, .. }));
        if let Some(last) = self.items.iter_mut().rev().find(open)
            && let Act::Wait(wait) = &mut Arc::make_mut(last).what
        {
            wait.over = Some(ts);
        }
    }

    /// A plan is progress that was counted and not guessed.
    fn plan(&mut self, items: &[PlanItem]) {
        self.plan = items.to_vec();
        let Some((done, all)) = self.plan_done() else { return };
        let now = items.iter().find(|item| item.status == PlanStatus::InProgress);
        #[expect(clippy::cast_precision_loss, reason = "plans have few steps")]
        let percent = 100.0 * done as f64 / all as f64;
        self.progress = Some(
            Progress::new(now.map(|item| item.text.clone()).unwrap_or_default())
                .with_percent(Some(percent))
                .with_basis(Some("steps".to_owned())),
        );
    }

    fn add(&mut self, record: &AttemptRecord, parent: Option<String>, what: Act) {
        let item = ActivityItem { seq: record.seq, ts: record.ts, at: record.at, parent, what };
        self.items_total += 1;
        self.weight += item.weight();
        self.items.push_back(Arc::new(item));
        self.keep_within_bounds();
    }

    /// Gives up the oldest items; those that run are kept as long as there are others, because what comes
    /// belongs to them.
    fn keep_within_bounds(&mut self) {
        while self.items.len() > Self::ITEMS || (self.weight > Self::ITEM_BYTES && self.items.len() > 1) {
            let oldest = self.items.iter().position(|item| !item.is_running()).unwrap_or(0);
            // Never the one that came last.
            let oldest = if oldest + 1 == self.items.len() { 0 } else { oldest };
            if let Some(item) = self.items.remove(oldest) {
                self.gave_up(&item);
            }
        }
    }

    /// Gives up the items that are `gone`.
    pub(super) fn give_up_where(&mut self, gone: impl Fn(&ActivityItem) -> bool) {
        let mut items = std::mem::take(&mut self.items);
        items.retain(|item| {
            let gone = gone(item);
            if gone {
                self.gave_up(item);
            }
            !gone
        });
        self.items = items;
    }

    fn gave_up(&mut self, item: &ActivityItem) {
        self.weight -= item.weight();
        self.last_given_up = self.last_given_up.max(Some(item.seq));
    }

    /// Makes the latest item one that has not come yet.
    pub(super) fn take_back_last(&mut self) {
        if let Some(item) = self.items.pop_back() {
            self.weight -= item.weight();
            self.items_total -= 1;
        }
    }
}

/// Whether a text is another one of the same part, or more of it.
fn goes_on_with(before: &Act, now: &Act) -> bool {
    let ((Act::Text(before), Act::Text(now)) | (Act::Thought(before), Act::Thought(now))) = (before, now)
    else {
        return false;
    };
    before.id.is_some() && before.id == now.id && now.text.starts_with(&before.text)
}
