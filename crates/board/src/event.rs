//! An event as a line.

use std::sync::Arc;

use roboppi_ipc::{ChangeKind, CoreEvent, Gap, ToolResult, UtcMillis, WorkerEvent, WorkerStatus};
use roboppi_run::{
    Act, ActivityItem, AttemptPhase, AttemptRecord, AttemptRef, JournalRecord, RunEvent, RunId, RunOutcome,
    RunRecord, RunStatus, RunView, StepPath, StepState, dollars, missing_words, progress_words, tokens,
    tool_summary, wait_words,
};

use crate::Category;
use crate::words::{call_words, first_line, short};

/// One event of a run as a line of a list. Its texts are those of the record, shortened, and not safe to print.
#[derive(Clone, Debug, PartialEq)]
pub struct EventRow {
    /// Its number on the board that has it, from 1; 0 before that.
    pub number: u64,
    /// When it was recorded.
    pub at: UtcMillis,
    /// The run.
    pub run: RunId,
    /// What to call the run.
    pub run_name: Arc<str>,
    /// The step.
    pub step: Option<Arc<str>>,
    /// What it is about.
    pub category: Category,
    /// Its kind: `tool.result`. It begins with the word of the category.
    pub kind: &'static str,
    /// What it reason.
    pub text: String,
    /// It reports a failure.
    pub failed: bool,
    /// The states between which it is a transition.
    pub transition: Option<(String, String)>,
}

/// What an event reason, before it is known of which run it is.
struct Line {
    step: Option<Arc<str>>,
    category: Category,
    kind: &'static str,
    text: String,
    failed: bool,
    transition: Option<(String, String)>,
}

impl Line {
    const fn new(category: Category, kind: &'static str, text: String) -> Self {
        Self { step: None, category, kind, text, failed: false, transition: None }
    }

    fn of_step(mut self, step: &str) -> Self {
        self.step = Some(short(step).into());
        self
    }

    const fn failed(mut self, failed: bool) -> Self {
        self.failed = failed;
        self
    }

    fn between(mut self, from: &str, to: &str) -> Self {
        self.transition = Some((from.to_owned(), to.to_owned()));
        self
    }
}

impl EventRow {
    /// The line of a record; `None` of one that tells nothing new to a person. `view` is the view of the run before the record.
    #[must_use]
    pub fn of(run: &RunId, run_name: &Arc<str>, record: &RunRecord, view: &RunView) -> Option<Self> {
        let (at, line) = match record {
            RunRecord::Journal(record) => (record.ts, of_journal(record, view)?),
            RunRecord::Attempt(of, record) => {
                (record.ts, of_attempt(of, record, view)?.of_step(of.step.as_str()))
            }
        };
        Some(Self::with(run, run_name, at, line))
    }

    /// The line of what an agent did before it was followed, from its view.
    #[must_use]
    pub fn of_item(run: &RunId, run_name: &Arc<str>, of: &AttemptRef, item: &ActivityItem) -> Option<Self> {
        let line = match &item.what {
            Act::Text(text) => Line::new(Category::Text, "text", first_line(&text.text)),
            Act::Thought(text) => Line::new(Category::Text, "text.thought", first_line(&text.text)),
            Act::Tool(tool) => {
                let words = call_words(item)?;
                match &tool.result {
                    None => Line::new(Category::Tool, "tool.call", words),
                    Some(outcome) => {
                        let failed = !outcome.result.ok;
                        Line::new(Category::Tool, "tool.result", result_words(&words, &outcome.result))
                            .failed(failed)
                    }
                }
            }
            Act::File(change) => {
                Line::new(Category::File, "file.changed", file_words(&change.path, change.action))
            }
            Act::Wait(wait) => Line::new(Category::Progress, "progress.wait", short(&wait.waiting.why)),
            Act::Remark(text) => Line::new(Category::Error, "error.warning", first_line(text)),
            Act::Unknown { raw } => Line::new(Category::Other, "other", first_line(raw)),
            Act::Missing { events, at_least } => {
                Line::new(Category::Error, "error.gap", missing_words(*events, *at_least))
            }
        };
        Some(Self::with(run, run_name, item.ts, line.of_step(of.step.as_str())))
    }

    /// The line that reports that the owner of a run is gone.
    #[must_use]
    pub fn lost(run: &RunId, run_name: &Arc<str>, at: UtcMillis) -> Self {
        let text = "its owner is gone and recorded no end".to_owned();
        let line = Line::new(Category::Run, "run.lost", text).failed(true).between("running", "lost");
        Self::with(run, run_name, at, line)
    }

    fn with(run: &RunId, run_name: &Arc<str>, at: UtcMillis, line: Line) -> Self {
        let Line { step, category, kind, text, failed, transition } = line;
        let (run, run_name) = (run.clone(), Arc::clone(run_name));
        Self { number: 0, at, run, run_name, step, category, kind, text, failed, transition }
    }
}

fn of_journal(record: &JournalRecord, view: &RunView) -> Option<Line> {
    let line = match &record.event {
        RunEvent::RunStarted { name, steps, .. } => {
            let steps = if steps.len() == 1 { "1 step".to_owned() } else { format!("{} steps", steps.len()) };
            Line::new(Category::Run, "run.started", short(&format!("{name}, {steps}"))).between("", "running")
        }
        RunEvent::CoreLost { detail, .. } => {
            Line::new(Category::Error, "error.core_lost", first_line(detail)).failed(true)
        }
        RunEvent::CoreReport { event, .. } => return of_core(event),
        RunEvent::StepChanged { step, state, detail, allowed_to_fail, .. } => {
            return of_step_state(view, step, *state, detail.as_deref(), *allowed_to_fail);
        }
        RunEvent::PlanExtended { nodes } => {
            let steps = if nodes.len() == 1 { "step" } else { "steps" };
            Line::new(Category::Run, "run.plan", format!("{} more {steps}", nodes.len()))
        }
        RunEvent::IterationStarted { step, iteration, detail, .. } => {
            let why =
                detail.as_deref().map_or_else(String::new, |detail| format!(": {}", first_line(detail)));
            Line::new(Category::Step, "step.iteration", short(&format!("iteration {iteration}{why}")))
                .of_step(step.as_str())
        }
        RunEvent::AttemptStarted { of, .. } if of.attempt > 1 => {
            Line::new(Category::Step, "step.attempt", format!("attempt {}", of.attempt))
                .of_step(of.step.as_str())
        }
        RunEvent::AttemptPhase { of, phase: AttemptPhase::WaitingPermit { detail } } => {
            Line::new(Category::Step, "step.queued", first_line(detail)).of_step(of.step.as_str())
        }
        RunEvent::AttemptFinished { of, result, .. } if result.status != WorkerStatus::Succeeded => {
            let error =
                result.details.as_deref().and_then(|details| details.error.as_deref()).map(first_line);
            let words = error.or_else(|| result.exit_words()).unwrap_or_else(|| "did not succeed".to_owned());
            let text = format!("attempt {}: {words}", of.attempt);
            Line::new(Category::Step, "step.attempt_failed", short(&text))
                .of_step(of.step.as_str())
                .failed(true)
        }
        RunEvent::ArtifactCollected { step, name, .. } => {
            Line::new(Category::File, "file.artifact", short(name)).of_step(step.as_str())
        }
        RunEvent::ValuesSet { step, values } => {
            let names = values.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            let line = Line::new(Category::Run, "run.values", short(&names));
            match step {
                Some(step) => line.of_step(step.as_str()),
                None => line,
            }
        }
        RunEvent::Command { command, refused, .. } => {
            let text = match refused {
                Some(why) => format!("{}, refused: {}", command.in_words(), first_line(why)),
                None => command.in_words().to_string(),
            };
            Line::new(Category::Run, "run.command", short(&text)).failed(refused.is_some())
        }
        RunEvent::RunEnding { reason, .. } => {
            Line::new(Category::Run, "run.ending", reason.name().to_owned()).between(state_of(view), "ending")
        }
        RunEvent::RunFinished { outcome, detail, .. } => of_end(view, *outcome, detail.as_deref()),
        RunEvent::Warning { message, step } => {
            let line = Line::new(Category::Error, "error.warning", first_line(message));
            match step {
                Some(step) => line.of_step(step.as_str()),
                None => line,
            }
        }
        RunEvent::Unknown { raw } => Line::new(Category::Other, "other", first_line(raw)),
        RunEvent::CoreStarted { .. }
        | RunEvent::AttemptStarted { .. }
        | RunEvent::AttemptPhase { .. }
        | RunEvent::AttemptFinished { .. } => return None,
    };
    Some(line)
}

fn of_step_state(
    view: &RunView,
    step: &StepPath,
    state: StepState,
    detail: Option<&str>,
    allowed_to_fail: bool,
) -> Option<Line> {
    let before = view.step(step).map(|step| step.state);
    if before == Some(state) {
        return None;
    }
    let text = match detail.filter(|detail| !detail.is_empty()) {
        Some(detail) => short(&format!("{state}: {}", first_line(detail))),
        None => state.to_string(),
    };
    let failed = matches!(state, StepState::Failed | StepState::Lost) && !allowed_to_fail;
    let from = before.map_or_else(String::new, |before| before.to_string());
    let line = Line::new(Category::Step, "step.state", text).of_step(step.as_str());
    Some(line.failed(failed).between(&from, state.name()))
}

fn of_end(view: &RunView, outcome: RunOutcome, detail: Option<&str>) -> Line {
    let text = match detail {
        Some(detail) => short(&format!("{outcome}: {}", first_line(detail))),
        None => outcome.to_string(),
    };
    let failed = matches!(outcome, RunOutcome::Failed | RunOutcome::TimedOut | RunOutcome::Lost);
    Line::new(Category::Run, "run.finished", text).failed(failed).between(state_of(view), outcome.name())
}

const fn state_of(view: &RunView) -> &'static str {
    match view.status {
        RunStatus::Unknown => "",
        RunStatus::Running => "running",
        RunStatus::Ending { .. } => "ending",
        RunStatus::Finished { .. } => "finished",
    }
}

fn of_core(event: &CoreEvent) -> Option<Line> {
    match event {
        CoreEvent::Leaked { leaked, .. } => {
            let text = format!("outlived its worker and was terminated: {}", leaked.command);
            Some(Line::new(Category::Error, "error.leaked", short(&text)).failed(true))
        }
        CoreEvent::Warning { message, .. } => {
            Some(Line::new(Category::Error, "error.warning", first_line(message)))
        }
        CoreEvent::Unknown { raw } => Some(Line::new(Category::Other, "other", first_line(raw))),
        CoreEvent::WorkerStarted { .. } | CoreEvent::WorkerEnding { .. } | CoreEvent::Permits { .. } => None,
    }
}

fn of_attempt(of: &AttemptRef, record: &AttemptRecord, view: &RunView) -> Option<Line> {
    let line = match &record.event {
        WorkerEvent::Progress(progress) => {
            let is_remark = progress.level.is_some();
            let (category, kind) =
                if is_remark { (Category::Error, "error.warning") } else { (Category::Progress, "progress") };
            Line::new(category, kind, short(&progress_words(progress)))
        }
        WorkerEvent::Patch(patch) => {
            let line = |sign: char, twice: &str| {
                let lines =
                    patch.diff.lines().filter(|line| line.starts_with(sign) && !line.starts_with(twice));
                lines.count()
            };
            let text = format!("{} +{} -{}", patch.file_path, line('+', "+++"), line('-', "---"));
            Line::new(Category::File, "file.patch", short(&text))
        }
        WorkerEvent::Text(text) => Line::new(Category::Text, "text", first_line(&text.text)),
        WorkerEvent::Thinking(text) => Line::new(Category::Text, "text.thought", first_line(&text.text)),
        WorkerEvent::Plan { items } => {
            let done = items.iter().filter(|item| item.status == roboppi_ipc::PlanStatus::Completed).count();
            Line::new(Category::Progress, "progress.plan", format!("{done} of {} done", items.len()))
        }
        WorkerEvent::ToolCall(call) => Line::new(Category::Tool, "tool.call", short(&tool_summary(call))),
        WorkerEvent::ToolResult(result) => {
            let tool = view.attempt(of).and_then(|attempt| attempt.activity.tool(&result.id));
            let words =
                tool.map_or_else(String::new, |tool| roboppi_run::tool_words(&tool.name, &tool.input));
            Line::new(Category::Tool, "tool.result", result_words(&words, result)).failed(!result.ok)
        }
        WorkerEvent::FileChanged { path, action, .. } => {
            Line::new(Category::File, "file.changed", file_words(path, Some(*action)))
        }
        WorkerEvent::Usage(usage) => {
            let cost = usage.cost_usd.map_or_else(String::new, |cost| format!("{}, ", dollars(cost)));
            let text =
                format!("{cost}{} in, {} out", tokens(usage.input_tokens), tokens(usage.output_tokens));
            Line::new(Category::Metric, "metric.usage", text)
        }
        WorkerEvent::Session(session) => {
            let model = session.model.as_deref().unwrap_or("session");
            Line::new(Category::Model, "model.session", short(&format!("{model} {}", session.id)))
        }
        WorkerEvent::Waiting(waiting) => {
            let mut waiting = waiting.clone();
            waiting.until = None;
            Line::new(Category::Progress, "progress.wait", short(&wait_words(&waiting, |_| String::new())))
        }
        WorkerEvent::Gap(gap) => return of_gap(*gap),
        WorkerEvent::Unknown { raw } => Line::new(Category::Other, "other", first_line(raw)),
        WorkerEvent::Stdout(_)
        | WorkerEvent::Stderr(_)
        | WorkerEvent::LogGrew(_)
        | WorkerEvent::TextDelta(_)
        | WorkerEvent::ThinkingDelta(_)
        | WorkerEvent::Resources(_)
        | WorkerEvent::WorkspaceChanges(_) => return None,
    };
    Some(line)
}

fn of_gap(gap: Gap) -> Option<Line> {
    let text = missing_words(gap.recorded, gap.at_least);
    (gap.recorded > 0).then(|| Line::new(Category::Error, "error.gap", text).failed(true))
}

/// `Bash npm test: ok, 1.2s`.
fn result_words(call: &str, result: &ToolResult) -> String {
    let outcome = if result.ok { "ok" } else { "failed" };
    let took =
        result.duration_ms.map_or_else(String::new, |ms| format!(", {}", roboppi_run::units::duration(ms)));
    let reason = first_line(&result.preview);
    let reason = if result.ok || reason.is_empty() { String::new() } else { format!(": {reason}") };
    let call = if call.is_empty() { "(unknown)" } else { call };
    short(&format!("{call}: {outcome}{took}{reason}"))
}

fn file_words(path: &str, action: Option<ChangeKind>) -> String {
    short(&action.map_or_else(|| path.to_owned(), |action| format!("{} {path}", action.name())))
}
