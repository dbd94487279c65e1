//! What a session knows of its agent, and the events that follow from what it learns.

use std::collections::HashMap;

use roboppi_ipc::{
    AgentDelta, AgentText, Artifact, ChangeKind, ErrorClass, Mono, Observation, Patch, PlanItem, Progress,
    RemarkLevel, SessionInfo, SubAgent, ToolCall, ToolResult, Usage, UtcMillis, WaitCause, Waiting,
    WorkerEvent, WorkerResult, WorkerStatus,
};

use super::end::{Ending, judge, was_ended};
use super::failures::trust_lines;
use super::limit_time::LimitEnd;
use super::{AgentError, Calls, LimitTime, ReportedEnd, UsageTotals, terminal};
use crate::{SessionEffect, WorkerEnd, stderr_observation, verdict};

/// Lines nobody understands that become events. More are counted.
const MOST_UNKNOWN: u64 = 100;
/// Files, denials and notes a result names.
const MOST_NAMED: usize = 1000;

/// Everything a result is made of.
#[derive(Debug, Default)]
pub(super) struct Facts {
    session: Option<SessionInfo>,
    calls: Calls<String>,
    totals: UsageTotals,
    answer: Option<String>,
    files: Vec<String>,
    file_kinds: HashMap<String, ChangeKind>,
    denials: Vec<String>,
    notes: Vec<String>,
    plan: Vec<PlanItem>,
    unknown: u64,
    /// What translators know nothing of, and pass over. Looked at when recordings are compared with an adapter.
    #[cfg(any(test, feature = "conformance"))]
    pub(crate) unfamiliar: Vec<String>,
    pub(super) too_long: u64,
    /// Lines about trust on standard error.
    pub(super) trust_lines: usize,
    /// Lines with bytes for a terminal, which were left out.
    pub(super) with_terminal_bytes: u64,
    pub(super) reported: ReportedEnd,
    pub(super) stopped: Option<AgentError>,
    pub(super) let_go: bool,
    /// Because of something it had left running.
    pub(super) has_left_running: bool,
    /// Whether it was only to leave when it was asked to end.
    pub(super) was_done: Option<bool>,
    /// What it waits for.
    waiting: Option<Waiting>,
    /// When the last limit is over of which a line told with its time.
    limit: Option<UtcMillis>,
    /// The last line of standard output is JSON that broke off.
    pub(super) broken: bool,
}

/// What a translator reports to while it reads a line.
#[derive(Debug)]
pub struct Agent<'a> {
    pub(super) now: Mono,
    pub(super) facts: &'a mut Facts,
    pub(super) out: &'a mut Vec<SessionEffect>,
}

impl Agent<'_> {
    /// When the line came.
    #[must_use]
    pub const fn now(&self) -> Mono {
        self.now
    }

    /// An event that needs no book-keeping.
    pub fn event(&mut self, event: WorkerEvent) {
        self.facts.waiting.take_if(|waiting| event.ends_wait(waiting));
        self.out.push(SessionEffect::Event(event));
    }

    /// The agent's session became known, or more of it.
    pub fn session(&mut self, id: &str, model: Option<&str>, version: Option<&str>) {
        let known = self.facts.session.as_ref();
        let or_known = |new: Option<&str>, known: Option<&String>| new.map(str::to_owned).or(known.cloned());
        let info = SessionInfo::new(id)
            .with_model(or_known(model, known.and_then(|known| known.model.as_ref())))
            .with_version(or_known(version, known.and_then(|known| known.version.as_ref())));
        if known != Some(&info) {
            self.facts.session = Some(info.clone());
            self.event(WorkerEvent::Session(info));
        }
    }

    /// A whole text of the agent. One without a parent is its answer until another one comes.
    pub fn text(&mut self, id: Option<String>, text: &str, parent: Option<&str>) {
        if parent.is_none() {
            self.answer(text);
        }
        let (text, parent) = (text.to_owned(), parent.map(str::to_owned));
        self.event(WorkerEvent::Text(AgentText::new(text).with_id(id).with_parent(parent)));
    }

    /// A whole thought.
    pub fn thinking(&mut self, id: Option<String>, text: &str, parent: Option<&str>) {
        let (text, parent) = (text.to_owned(), parent.map(str::to_owned));
        self.event(WorkerEvent::Thinking(AgentText::new(text).with_id(id).with_parent(parent)));
    }

    /// A piece of a text.
    pub fn text_delta(&mut self, id: &str, delta: &str, parent: Option<&str>) {
        self.event(WorkerEvent::TextDelta(piece(id, delta, parent)));
    }

    /// A piece of a thought.
    pub fn thinking_delta(&mut self, id: &str, delta: &str, parent: Option<&str>) {
        self.event(WorkerEvent::ThinkingDelta(piece(id, delta, parent)));
    }

    /// Pieces of a text that will never be whole: they are void.
    pub fn abandon_text(&mut self, id: &str, parent: Option<&str>) {
        self.event(WorkerEvent::TextDelta(piece(id, "", parent).with_restart(true)));
    }

    /// Pieces of a thought that will never be whole: they are void.
    pub fn abandon_thinking(&mut self, id: &str, parent: Option<&str>) {
        self.event(WorkerEvent::ThinkingDelta(piece(id, "", parent).with_restart(true)));
    }

    /// What the result's answer is, when it is not the last text.
    pub fn answer(&mut self, text: &str) {
        self.facts.answer = Some(text.to_owned());
    }

    /// A tool call begins. One that was told already is not told again.
    pub fn tool_call(&mut self, call: ToolCall) {
        if self.facts.calls.begin(&call.id, self.now, call.name.clone()) {
            self.event(WorkerEvent::ToolCall(call));
        }
    }

    /// The tool of a call that is open.
    #[must_use]
    pub fn open_tool(&self, id: &str) -> Option<&str> {
        self.facts.calls.get(id).map(String::as_str)
    }

    /// How many calls are open.
    #[must_use]
    pub fn open_calls(&self) -> usize {
        self.facts.calls.open()
    }

    /// A tool call ends with all that it returned. `took_ms` is what the agent says; without it the time between the
    /// two lines counts. The result of a call that is not open is none: it was told already.
    pub fn tool_result(&mut self, id: &str, ok: bool, content: String, took_ms: Option<u64>) {
        self.tool_result_with(id, ok, content, took_ms, Vec::new());
    }

    /// The same of a call whose result reports the status of sub-agents.
    pub fn tool_result_with(
        &mut self,
        id: &str,
        ok: bool,
        content: String,
        took_ms: Option<u64>,
        agents: Vec<SubAgent>,
    ) {
        let Some((measured, _)) = self.facts.calls.end(id, self.now) else { return };
        let bytes = content.len() as u64;
        let duration_ms = Some(took_ms.unwrap_or(measured));
        let id = id.to_owned();
        self.event(WorkerEvent::ToolResult(
            ToolResult::new(id, ok, content)
                .with_bytes(bytes)
                .with_duration_ms(duration_ms)
                .with_agents(agents),
        ));
    }

    /// A file was made, changed or removed.
    pub fn file_changed(&mut self, path: &str, action: ChangeKind, by: Option<&str>) {
        let facts = &mut *self.facts;
        let is_new = !facts.file_kinds.contains_key(path);
        if is_new && facts.files.len() < MOST_NAMED {
            facts.files.push(path.to_owned());
            facts.file_kinds.insert(path.to_owned(), action);
        }
        let (path, by) = (path.to_owned(), by.map(str::to_owned));
        self.event(WorkerEvent::FileChanged { path, action, by, seen: false });
    }

    /// A change of a file, as a unified diff.
    pub fn patch(&mut self, file_path: &str, diff: String) {
        self.event(WorkerEvent::Patch(Patch::new(file_path, diff)));
    }

    /// What the agent means to do. The same again is not told.
    pub fn plan(&mut self, items: Vec<PlanItem>) {
        if items != self.facts.plan {
            self.facts.plan.clone_from(&items);
            self.event(WorkerEvent::Plan { items });
        }
    }

    /// What has been used in all. Totals never fall; the same again is not told.
    pub fn usage(&mut self, total: Usage) {
        self.facts.totals.reach(total);
        if let Some(usage) = self.facts.totals.news() {
            self.event(WorkerEvent::Usage(usage));
        }
    }

    /// The agent waits.
    pub fn waiting(&mut self, waiting: Waiting) {
        self.event(WorkerEvent::Waiting(waiting.clone()));
        if waiting.cause == Some(WaitCause::RateLimit) {
            self.facts.limit = waiting.until.or(self.facts.limit);
        }
        self.facts.waiting = Some(waiting);
    }

    /// A call was refused. Goes into the result; the same again does not.
    pub fn denied(&mut self, tool: &str, reason: &str) {
        let denial = if reason.is_empty() { tool.to_owned() } else { format!("{tool}: {reason}") };
        add_once(&mut self.facts.denials, denial);
    }

    /// Something worth reading in the result; the same again is not.
    pub fn note(&mut self, text: &str) {
        add_once(&mut self.facts.notes, text.to_owned());
    }

    /// A note that is shown at once, too: the work goes on, and something is missing or about to run out.
    pub fn warn(&mut self, text: &str) {
        if add_once(&mut self.facts.notes, text.to_owned()) {
            let remark = Progress::new(text).with_level(Some(RemarkLevel::Warning));
            self.out.push(SessionEffect::Event(WorkerEvent::Progress(remark)));
        }
    }

    /// A line nobody understands.
    pub fn unknown(&mut self, line: &str) {
        self.facts.unknown += 1;
        if self.facts.unknown <= MOST_UNKNOWN {
            self.event(WorkerEvent::Unknown { raw: line.to_owned() });
        }
    }

    /// A part of a line that is passed over and was never seen: `kind` is what it is, `name` what it calls itself. Nothing
    /// comes of it here; `drift` lists it.
    pub fn unfamiliar(&mut self, kind: &str, name: &str) {
        #[cfg(any(test, feature = "conformance"))]
        self.facts.unfamiliar.push(format!("{kind} `{name}`"));
        let _ = (kind, name);
    }

    /// What the agent says about its end. It may still take it back, by saying something else or by going on.
    pub fn report_end(&mut self, reported: ReportedEnd) {
        self.facts.reported = reported;
    }

    /// Takes back that the work is done, if that was said.
    pub fn instead_of_done(&mut self, error: AgentError) {
        if self.facts.reported == ReportedEnd::Done {
            self.facts.reported = ReportedEnd::Failed(error);
        }
    }

    /// Ends the agent because of a limit that it does not keep itself.
    pub fn stop(&mut self, limit: AgentError) {
        if self.facts.stopped.is_none() {
            self.facts.stopped = Some(limit);
            self.out.push(SessionEffect::End(Some(roboppi_ipc::CancelReason::Budget)));
        }
    }
}

impl Facts {
    pub(super) fn result(&mut self, end: &WorkerEnd<'_>) -> WorkerResult {
        let mut result = verdict(end);
        let reported = std::mem::take(&mut self.reported);
        let ending = Ending {
            end,
            reported,
            stopped: self.stopped.take(),
            let_go: self.let_go,
            was_done: self.was_done.unwrap_or(false),
            broken: self.broken,
        };
        let (status, error) = judge(ending);
        result.status = status;
        result.error_class = match (&error, status) {
            (Some(error), _) => Some(error.class),
            (None, WorkerStatus::Succeeded) => None,
            (None, _) => Some(ErrorClass::RetryableTransient),
        };
        let usage = self.totals.total();
        let tokens = usage.map(|usage| usage.input_tokens.saturating_add(usage.output_tokens));
        result.cost = result.cost.with_estimated_tokens(tokens);
        result.artifacts = self.files.iter().map(|path| changed_file(path)).collect();
        self.observe(end, error.as_ref(), &mut result.observations);
        let details = result.details.get_or_insert_default();
        let session = self.session.take();
        let (id, model) = session.map(|SessionInfo { id, model, .. }| (id, model)).unzip();
        details.answer = self.answer.take();
        details.session_id = id;
        details.model = model.flatten();
        details.turns = usage.and_then(|usage| usage.turns);
        details.usage = usage;
        details.denials = std::mem::take(&mut self.denials);
        let waiting =
            self.waiting.take().filter(|_| end.cancelled.is_some() && status != WorkerStatus::Succeeded);
        details.waited_for = waiting.map(|waiting| waiting.why);
        details.retry_at = error.as_ref().and_then(|error| self.limit_end(error, end));
        details.notes = self.remarks(end);
        details.error = error.as_ref().map(|error| error.message.clone());
        details.error_kind = error.map(|error| error.kind);
        result
    }

    /// When the limit is over that a failure tells of. What a line or a header gave exactly comes before a sentence.
    fn limit_end(&mut self, error: &AgentError, end: &WorkerEnd<'_>) -> Option<UtcMillis> {
        if error.class != ErrorClass::RetryableRateLimit {
            return None;
        }
        let wall = end.wall?;
        let exact = self.limit.map(|UtcMillis(at)| LimitTime::At(at.into()));
        let time = error.limit.or(exact).or_else(|| LimitTime::of_text(&error.message, wall))?;
        let LimitEnd { at, note } = time.resolve(wall);
        if let Some(note) = note {
            add_once(&mut self.notes, note);
        }
        at
    }

    fn observe(&self, end: &WorkerEnd<'_>, error: Option<&AgentError>, observations: &mut Vec<Observation>) {
        let mut observe = |text: String| observations.push(Observation::text(text));
        if let Some(answer) = self.answer.as_deref().filter(|answer| !answer.is_empty()) {
            observe(answer.to_owned());
        }
        if let Some(error) = error {
            observe(format!("[{}] {}", error.kind, error.message));
        }
        observations.extend(stderr_observation(&end.output.stderr));
    }

    /// What is worth reading and explains no failure.
    fn remarks(&mut self, end: &WorkerEnd<'_>) -> Vec<String> {
        for line in trust_lines(&end.output.stderr.text()) {
            add_once(&mut self.notes, terminal::without(line).into_owned());
        }
        let mut notes = std::mem::take(&mut self.notes);
        // What it left running is named by itself.
        if self.let_go && !self.has_left_running && was_ended(end) {
            notes.push("it did not exit after its work was done, and was terminated".to_owned());
        }
        let lines = |count: u64| {
            if count == 1 { "1 of its lines was".to_owned() } else { format!("{count} of its lines were") }
        };
        if self.unknown > 0 {
            notes.push(format!("{} not understood; see the log", lines(self.unknown)));
        }
        let with_bytes = self.with_terminal_bytes;
        if with_bytes > 0 {
            let noun = if with_bytes == 1 { "line" } else { "lines" };
            notes.push(format!(
                "{with_bytes} {noun} of its output had bytes for a terminal, which were left out"
            ));
        }
        if self.too_long > 0 {
            notes.push(format!("{} too long to be read; see the log", lines(self.too_long)));
        }
        notes
    }
}

fn changed_file(path: &str) -> Artifact {
    Artifact::new("file_change", path)
}

fn piece(id: &str, delta: &str, parent: Option<&str>) -> AgentDelta {
    let (id, parent) = (Some(id.to_owned()), parent.map(str::to_owned));
    AgentDelta::new(delta).with_id(id).with_parent(parent)
}

/// Whether it was added.
fn add_once(list: &mut Vec<String>, text: String) -> bool {
    let is_new = list.len() < MOST_NAMED && !list.contains(&text);
    if is_new {
        list.push(text);
    }
    is_new
}
