//! A run as a row of a list.

use std::sync::Arc;

use roboppi_ipc::{UtcMillis, WaitCause};
use roboppi_run::{
    AttemptStatus, AttemptView, Progress, RunHandle, RunId, RunMode, RunOutcome, RunStatus, RunView,
    StepState, StepView,
};

use crate::words::{current_words, failure_words, short};

/// Agents of a run that are listed.
const AGENTS: usize = 64;

/// Requests to a person that are listed.
const REQUESTS: usize = 16;

/// A run as a list shows it. Bounded, whatever the run does.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRow {
    /// The run.
    pub id: RunId,
    /// Its short name, if it has one.
    pub handle: Option<RunHandle>,
    /// Name of the workflow, or of the program that records itself.
    pub name: String,
    /// Path of the workflow file; empty when there is none.
    pub workflow: String,
    /// Where the steps work.
    pub workspace: String,
    /// Name of the machine on which it was started; empty when it is not known.
    pub host: String,
    /// What starts its workers; absent when that is not known.
    pub mode: Option<RunMode>,
    /// Where its record came from.
    pub origin: Origin,
    /// Its state.
    pub state: RowState,
    /// Why it is in that state, in a sentence.
    pub detail: Option<String>,
    /// Until when a usage limit holds because of which it failed or waits.
    pub limit_until: Option<UtcMillis>,
    /// When it began.
    pub started_at: Option<UtcMillis>,
    /// When it ended.
    pub finished_at: Option<UtcMillis>,
    /// When something of it was recorded last, as far as that is known.
    pub last_at: Option<UtcMillis>,
    /// Milliseconds it took; absent while it is under way.
    pub duration_ms: Option<u64>,
    /// Its steps.
    pub steps: StepNumbers,
    /// How far it is, and when it may end, as long as it is followed.
    pub progress: Option<Progress>,
    /// Percentage that the worker of its only running step reports.
    pub percent: Option<f64>,
    /// What it does now.
    pub current: Option<Current>,
    /// What waits for a person, the longest wait first.
    pub needs_you: Vec<NeedsYou>,
    /// Attempts of agents that are under way.
    pub agents: Vec<AgentRow>,
    /// What its agents used; absent when no worker reported any use.
    pub usage: Option<Usage>,
    /// It is kept when old runs are removed.
    pub pinned: bool,
    /// What is damaged in its record.
    pub damage: Option<String>,
}

/// Where the record of a run came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// This machine.
    #[default]
    Local,
    /// Another machine, as an archive.
    Imported,
    /// No record: made up to show what a screen looks like.
    Demo,
}

/// The state of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RowState {
    /// Its record does not say.
    #[default]
    Unknown,
    /// Its owner is alive.
    Running,
    /// It is being ended.
    Ending,
    /// It is over.
    Finished(RunOutcome),
    /// Its owner is gone, and it recorded no end.
    Lost,
    /// Whether its owner is alive cannot be determined here.
    Elsewhere,
}

impl RowState {
    /// The word for people and programs.
    #[must_use]
    pub const fn name(&self) -> &str {
        match self {
            Self::Unknown => "unknown",
            Self::Running => "running",
            Self::Ending => "ending",
            Self::Finished(outcome) => outcome.name(),
            Self::Lost => "lost",
            Self::Elsewhere => "elsewhere",
        }
    }

    /// Whether more may be recorded.
    #[must_use]
    pub const fn may_live(self) -> bool {
        matches!(self, Self::Running | Self::Ending | Self::Elsewhere)
    }

    /// Whether it ended without success, other than by request.
    #[must_use]
    pub const fn has_failed(self) -> bool {
        matches!(
            self,
            Self::Lost | Self::Finished(RunOutcome::Failed | RunOutcome::TimedOut | RunOutcome::Lost)
        )
    }
}

/// Numbers of steps by their states.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StepNumbers {
    /// All of them.
    pub total: usize,
    /// Those that succeeded, in this run or in an earlier one.
    pub succeeded: usize,
    /// Those with an attempt under way, or between two.
    pub running: usize,
    /// Those that failed and were not allowed to, or were lost.
    pub failed: usize,
    /// Those that ended in another way: skipped, cancelled, or failed as they were allowed to.
    pub other: usize,
}

impl StepNumbers {
    /// Steps that are over.
    #[must_use]
    pub const fn done(&self) -> usize {
        self.succeeded + self.failed + self.other
    }

    /// Steps that have not begun.
    #[must_use]
    pub const fn waiting(&self) -> usize {
        self.total.saturating_sub(self.done()).saturating_sub(self.running)
    }
}

/// What a run does now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Current {
    /// The step.
    pub step: String,
    /// What it is at: a tool call, its progress, what it waits for; empty when only that it runs is known.
    pub words: String,
    /// When that began.
    pub since: UtcMillis,
    /// Until when it waits, if that is known.
    pub until: Option<UtcMillis>,
}

/// A request to a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeedsYou {
    /// The step that waits.
    pub step: String,
    /// For what.
    pub why: String,
    /// Since when.
    pub since: UtcMillis,
}

/// An attempt of an agent that is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentRow {
    /// The step.
    pub step: String,
    /// Kind of the worker.
    pub worker: String,
    /// Its model, once it reported it.
    pub model: Option<String>,
    /// When the attempt began.
    pub started_at: UtcMillis,
    /// When it was last heard of.
    pub last_seen: UtcMillis,
    /// What it is at.
    pub words: String,
    /// Tool calls so far.
    pub tool_calls: u64,
    /// It waits for a person.
    pub needs_you: bool,
}

/// What agents used.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// Tokens read and written, without those of the cache.
    pub tokens: u64,
    /// Cost in US dollars, as far as it was reported.
    pub cost_usd: Option<f64>,
    /// Attempts reported no cost, so that the cost is a lower bound.
    pub is_lower_bound: bool,
}

impl RunRow {
    /// The row of a run of which only the id is known.
    #[must_use]
    pub const fn new(id: RunId) -> Self {
        Self {
            id,
            handle: None,
            name: String::new(),
            workflow: String::new(),
            workspace: String::new(),
            host: String::new(),
            mode: None,
            origin: Origin::Local,
            state: RowState::Unknown,
            detail: None,
            limit_until: None,
            started_at: None,
            finished_at: None,
            last_at: None,
            duration_ms: None,
            steps: StepNumbers { total: 0, succeeded: 0, running: 0, failed: 0, other: 0 },
            progress: None,
            percent: None,
            current: None,
            needs_you: Vec::new(),
            agents: Vec::new(),
            usage: None,
            pinned: false,
            damage: None,
        }
    }

    /// What to call the run in a command: its handle, or else its id.
    #[must_use]
    pub fn short_name(&self) -> String {
        self.handle.map_or_else(|| self.id.to_string(), |handle| handle.to_string())
    }

    /// Takes over what a view of the run has. `state` is the state of a run whose record has no end.
    pub fn take_view(&mut self, view: &RunView, state: RowState) {
        if let Some(head) = &view.head {
            self.handle = head.handle.or(self.handle);
            self.name = short(&head.name);
            self.workflow = short(&head.workflow);
            self.workspace = short(&head.workspace);
            self.mode = Some(head.mode);
            self.started_at = Some(head.started_at);
        }
        self.state = state;
        self.detail = failure_words(view);
        (self.finished_at, self.duration_ms) = (None, None);
        match &view.status {
            RunStatus::Finished { outcome, duration_ms, at, detail, .. } => {
                self.state = RowState::Finished(*outcome);
                self.finished_at = Some(*at);
                self.duration_ms = Some(*duration_ms);
                self.detail = self.detail.take().or_else(|| detail.as_deref().map(short));
            }
            RunStatus::Ending { .. } if state == RowState::Running => self.state = RowState::Ending,
            RunStatus::Unknown | RunStatus::Running | RunStatus::Ending { .. } => {}
        }
        self.steps = numbers(view);
        self.limit_until = view.steps.iter().filter_map(|step| step.limit_until).max();
        self.last_at = last_at(view).max(self.started_at);
        self.usage = view.spent().map(|spent| Usage {
            tokens: spent.usage.input_tokens.saturating_add(spent.usage.output_tokens),
            cost_usd: spent.usage.cost_usd,
            is_lower_bound: spent.without_cost > 0,
        });
        self.take_steps(view);
    }

    /// What the steps do that are under way.
    fn take_steps(&mut self, view: &RunView) {
        (self.current, self.percent) = (None, None);
        self.needs_you.clear();
        self.agents.clear();
        if !self.state.may_live() {
            return;
        }
        let active: Vec<&StepView> = view.steps().filter(|step| is_under_way(step.state)).collect();
        // The one that began last tells most of what goes on.
        let latest = active.iter().max_by_key(|step| step.changed_at);
        self.current = latest.map(|step| Current {
            step: short(step.plan.step.as_str()),
            words: current_words(step),
            since: step.attempts.last().map_or(step.changed_at, |attempt| attempt.started_at),
            until: open_attempt(step)
                .and_then(|attempt| attempt.activity.waiting.as_ref()?.until)
                .or(step.limit_until),
        });
        if let [only] = active.as_slice() {
            self.percent =
                only.attempts.last().and_then(|attempt| attempt.activity.progress.as_ref()?.percent);
        }
        for (step, attempt) in active.iter().filter_map(|step| Some((*step, open_attempt(step)?))) {
            self.take_attempt(step, attempt);
        }
        self.needs_you.sort_by_key(|request| request.since);
    }

    fn take_attempt(&mut self, step: &StepView, attempt: &AttemptView) {
        let activity = &attempt.activity;
        let waiting =
            activity.waiting.as_ref().filter(|waiting| waiting.cause == Some(WaitCause::Permission));
        let last_seen = activity.last_at.unwrap_or(attempt.status_at).max(attempt.status_at);
        if let Some(waiting) = waiting.filter(|_| self.needs_you.len() < REQUESTS) {
            let step = short(step.plan.step.as_str());
            self.needs_you.push(NeedsYou { step, why: short(&waiting.why), since: last_seen });
        }
        let is_agent = step.is_agent() || self.mode.is_some_and(|mode| mode.name() == "emitted");
        if is_agent && self.agents.len() < AGENTS {
            self.agents.push(AgentRow {
                step: short(step.plan.step.as_str()),
                worker: step.plan.worker.name().to_owned(),
                model: activity.session.as_ref().and_then(|session| session.model.as_deref()).map(short),
                started_at: attempt.started_at,
                last_seen,
                words: current_words(step),
                tool_calls: activity.tool_calls,
                needs_you: waiting.is_some(),
            });
        }
    }

    /// The same, to be sent.
    #[must_use]
    pub fn shared(self) -> Arc<Self> {
        Arc::new(self)
    }
}

const fn is_under_way(state: StepState) -> bool {
    state.is_active() || matches!(state, StepState::Retrying)
}

fn open_attempt(step: &StepView) -> Option<&AttemptView> {
    step.attempts.last().filter(|attempt| !matches!(attempt.status, AttemptStatus::Finished { .. }))
}

fn numbers(view: &RunView) -> StepNumbers {
    let mut numbers = StepNumbers { total: view.steps.len(), ..StepNumbers::default() };
    for step in view.steps() {
        match step.state {
            StepState::Succeeded => numbers.succeeded += 1,
            StepState::Failed | StepState::Lost if !step.is_excused_failure() => numbers.failed += 1,
            state if is_under_way(state) => numbers.running += 1,
            state if state.is_final() => numbers.other += 1,
            _ => {}
        }
    }
    numbers
}

/// When something was recorded last.
fn last_at(view: &RunView) -> Option<UtcMillis> {
    let attempts = view.steps().flat_map(|step| &step.attempts);
    let signs = attempts.flat_map(|attempt| [Some(attempt.status_at), attempt.activity.last_at]);
    let changes = view.steps().map(|step| Some(step.changed_at));
    let ended = match view.status {
        RunStatus::Finished { at, .. } => Some(at),
        _ => None,
    };
    signs.chain(changes).flatten().chain(ended).max()
}
