//! Runs.

use std::sync::OnceLock;

use roboppi_attach::{Liveness, LocalRun, RunSummary};
use roboppi_ipc::UtcMillis;
use roboppi_run::{
    CoreStatus, History, Progress, ProgressBasis, RunCommand, RunOutcome, RunStatus, RunView, StepState,
    StepView, ending_words,
};
use serde::Serialize;

use super::step::{Step, needs_a_person, tool, wait};
use super::text::shortened;

/// Steps that are named in `current`.
const NAMED: usize = 3;

/// A run in a list.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct RunRow {
    /// Its id.
    pub(crate) id: String,
    /// Its short name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) handle: Option<String>,
    /// Name of the workflow.
    pub(crate) name: String,
    /// Path of the workflow file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) workflow: Option<String>,
    /// Where its steps work.
    pub(crate) workspace: String,
    /// Where it is: `unknown`, `running`, `ending`, `succeeded`, `failed`, `cancelled`, `timedOut`, `lost`, `elsewhere`. Later
    /// versions may have other words.
    pub(crate) state: String,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
    /// Who starts its workers: `supervised` or `direct`.
    pub(crate) mode: String,
    /// When it began.
    pub(crate) started_at: u64,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) finished_at: Option<u64>,
    /// How long it took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) duration_ms: Option<u64>,
    /// Its steps.
    pub(crate) counts: StepNumbers,
    /// How far it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) progress: Option<RunProgress>,
    /// Steps that go on only when a person does something.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) needs_you: Vec<NeedsYou>,
    /// Cost, as far as workers tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cost_usd: Option<f64>,
    /// Tokens read and written, without those from caches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tokens: Option<u64>,
    /// Host where it runs or ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) host: Option<String>,
    /// `local` or `imported`.
    pub(crate) origin: &'static str,
    /// What it does now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) current: Option<String>,
    /// The command that goes on with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_command: Option<String>,
}

/// Numbers of steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct StepNumbers {
    /// All.
    pub(crate) total: usize,
    /// Over.
    pub(crate) done: usize,
    /// Under way.
    pub(crate) running: usize,
    /// Failed, those that were allowed to included.
    pub(crate) failed: usize,
    /// Skipped.
    pub(crate) skipped: usize,
    /// Not started.
    pub(crate) waiting: usize,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct RunProgress {
    /// Percentage of the steps that are over.
    pub(crate) percent: f64,
    /// Steps that are over.
    pub(crate) done: usize,
    /// All steps.
    pub(crate) total: usize,
    /// What the end is based on: `exact`, nothing is left to do; `steps`, no end is known; `estimate`, by earlier runs.
    pub(crate) basis: &'static str,
    /// Earlier runs of the workflow that the end is estimated from; 0 unless it is.
    pub(crate) runs: u32,
    /// Milliseconds until the end when this was sent; null when that is not known.
    pub(crate) remaining_ms: Option<u64>,
    /// When it ends, by the estimate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ends_at: Option<u64>,
}

impl PartialEq for RunProgress {
    /// That time passes is no change: what is left is compared by its end.
    fn eq(&self, other: &Self) -> bool {
        let of = |of: &Self| (of.done, of.total, of.basis, of.runs, of.ends_at);
        of(self) == of(other)
    }
}

/// A step that goes on only when a person does something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct NeedsYou {
    /// Path of the step.
    pub(crate) step: String,
    /// Why.
    pub(crate) why: String,
    /// Since when.
    pub(crate) since: u64,
}

/// A run with its steps.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Run {
    /// As in the list.
    #[serde(flatten)]
    pub(crate) row: RunRow,
    /// Where artifacts go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) context_dir: Option<String>,
    /// Attempts at a time.
    pub(crate) concurrency: u32,
    /// Time limit.
    pub(crate) timeout_ms: u64,
    /// Id of the run that it goes on with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) resumes: Option<String>,
    /// The latest commands of people, oldest first.
    pub(crate) commands: Vec<Command>,
    /// The latest warnings, oldest first.
    pub(crate) warnings: Vec<Warning>,
    /// Warnings there were in all.
    pub(crate) warnings_total: u64,
    /// Its cores.
    pub(crate) cores: Vec<Core>,
    /// Steps, in the order of the file.
    pub(crate) steps: Vec<Step>,
    /// The position in the events of the run of which this is the state.
    pub(crate) cursor: String,
}

/// A command of a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Command {
    /// When it was answered.
    pub(crate) at: u64,
    /// The person, when that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<String>,
    /// `cancel`, `kill`, `retry`, `skip`, or the word of a later version.
    pub(crate) command: String,
    /// Path of the step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) step: Option<String>,
    /// `granted`, or why it was refused.
    pub(crate) outcome: String,
}

/// Something a person should know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Warning {
    /// When.
    pub(crate) at: u64,
    /// `warning`.
    pub(crate) code: &'static str,
    /// What.
    pub(crate) text: String,
    /// Path of the step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) step: Option<String>,
}

/// The core of a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Core {
    /// The host.
    pub(crate) host: String,
    /// `absent`, `alive` or `lost`.
    pub(crate) state: &'static str,
    /// Its pid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pid: Option<u32>,
    /// How it was lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
}

/// What is known of a run beside its events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RunFacts {
    /// Id by the name of its directory.
    pub(crate) id: String,
    /// Its short name here.
    pub(crate) handle: Option<String>,
    /// Host where it runs or ran.
    pub(crate) host: Option<String>,
    /// It came from another machine.
    pub(crate) imported: bool,
    /// What earlier runs of its workflow tell, once that was read.
    pub(crate) earlier: OnceLock<History>,
}

impl RunFacts {
    /// What a run on this machine is. Reads its manifest.
    pub(crate) fn of(run: &LocalRun) -> Self {
        let record = run.record();
        let name = run.name();
        let id = run.id().map_or_else(|| name.clone(), |id| id.to_string());
        Self {
            handle: (name != id).then_some(name),
            id,
            host: record.manifest().ok().map(|manifest| manifest.host),
            imported: record.is_imported(),
            earlier: OnceLock::new(),
        }
    }
}

impl RunRow {
    /// A run by its events, at a moment.
    pub(crate) fn of(facts: &RunFacts, view: &RunView, liveness: Liveness, now: UtcMillis) -> Self {
        let head = view.head.as_ref();
        let text = |text: fn(&roboppi_run::RunHead) -> &String| head.map(text).cloned().unwrap_or_default();
        let spent = view.spent();
        let (finished_at, duration_ms) = match &view.status {
            RunStatus::Finished { at, duration_ms, .. } => (Some(at.0), Some(*duration_ms)),
            _ => (None, None),
        };
        let (state, detail) = state_of(view, liveness);
        let steps = numbers(view);
        Self {
            id: facts.id.clone(),
            handle: facts.handle.clone(),
            name: text(|head| &head.name),
            workflow: Some(text(|head| &head.workflow)).filter(|file| !file.is_empty()),
            workspace: text(|head| &head.workspace),
            state,
            detail,
            mode: head.map_or_else(String::new, |head| head.mode.name().to_owned()),
            started_at: head.map_or(0, |head| head.started_at.0),
            finished_at,
            duration_ms,
            counts: steps,
            progress: progress(&of_view(facts, view, liveness, now), now),
            needs_you: if liveness.may_live() { needs(view) } else { Vec::new() },
            cost_usd: spent.and_then(|spent| spent.usage.cost_usd),
            tokens: spent.map(|spent| spent.usage.input_tokens.saturating_add(spent.usage.output_tokens)),
            host: facts.host.clone(),
            origin: if facts.imported { "imported" } else { "local" },
            current: liveness.may_live().then(|| current(view)).flatten(),
            next_command: view.resume_command().filter(|_| !facts.imported),
        }
    }

    /// A run of which only the summary was read.
    pub(crate) fn of_summary(run: &RunSummary) -> Self {
        let manifest = run.manifest.as_ref();
        let (done, total) = run.steps;
        let started_at = manifest.map_or(0, |manifest| manifest.started_at.0);
        let over = !run.liveness.may_live();
        let steps = StepNumbers {
            total,
            done,
            failed: 0,
            running: 0,
            skipped: 0,
            waiting: total.saturating_sub(done),
        };
        let text =
            |text: fn(&roboppi_run::Manifest) -> &String| manifest.map(text).cloned().unwrap_or_default();
        Self {
            id: run.id.to_string(),
            handle: run.handle.map(|handle| handle.to_string()),
            name: text(|manifest| &manifest.name),
            workflow: Some(text(|manifest| &manifest.workflow)).filter(|file| !file.is_empty()),
            workspace: text(|manifest| &manifest.workspace),
            state: word(run.liveness).to_owned(),
            detail: run.damage.as_deref().map(|damage| shortened(damage, 1000)),
            mode: manifest.map_or_else(String::new, |manifest| manifest.mode.name().to_owned()),
            started_at,
            finished_at: run.duration_ms.filter(|_| over).map(|duration| started_at.saturating_add(duration)),
            duration_ms: run.duration_ms.filter(|_| over),
            counts: steps,
            progress: progress(&of_steps(done, total, run.liveness), UtcMillis(0)),
            needs_you: Vec::new(),
            cost_usd: None,
            tokens: None,
            host: manifest.map(|manifest| manifest.host.clone()),
            origin: if run.imported.is_some() { "imported" } else { "local" },
            current: None,
            next_command: None,
        }
    }

    /// Whether the run may go on.
    pub(crate) fn is_live(&self) -> bool {
        matches!(self.state.as_str(), "running" | "ending" | "elsewhere" | "unknown")
    }

    /// Whether a text is in one of its names.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        let names = [
            Some(&self.id),
            self.handle.as_ref(),
            Some(&self.name),
            self.workflow.as_ref(),
            Some(&self.workspace),
        ];
        names.into_iter().flatten().any(|name| name.to_lowercase().contains(&text))
    }
}

/// How a run is, in a word.
const fn word(liveness: Liveness) -> &'static str {
    match liveness {
        Liveness::Live => "running",
        Liveness::Finished(RunOutcome::Succeeded) => "succeeded",
        Liveness::Finished(RunOutcome::Failed) => "failed",
        Liveness::Finished(RunOutcome::Cancelled) => "cancelled",
        Liveness::Finished(RunOutcome::TimedOut) => "timedOut",
        Liveness::Finished(RunOutcome::Lost) | Liveness::Lost => "lost",
        Liveness::Finished(RunOutcome::Unknown(_)) => "unknown",
        Liveness::Elsewhere { .. } => "elsewhere",
    }
}

fn state_of(view: &RunView, liveness: Liveness) -> (String, Option<String>) {
    match (&view.status, liveness) {
        (RunStatus::Finished { outcome, detail, .. }, _) => {
            let state = match outcome {
                RunOutcome::Unknown(word) => word.as_str().to_owned(),
                known => word(Liveness::Finished(*known)).to_owned(),
            };
            (state, detail.clone())
        }
        (_, Liveness::Lost) => ("lost".to_owned(), Some("its owner is gone and recorded no end".to_owned())),
        (_, Liveness::Elsewhere { .. }) => ("elsewhere".to_owned(), None),
        (RunStatus::Ending { reason, signal, .. }, _) => {
            ("ending".to_owned(), Some(ending_words(*reason, signal.as_deref())))
        }
        (RunStatus::Running, _) => ("running".to_owned(), None),
        (RunStatus::Unknown, liveness) => (word(liveness).to_owned(), None),
    }
}

fn numbers(view: &RunView) -> StepNumbers {
    let counts = view.counts();
    StepNumbers {
        total: view.steps.len(),
        done: view.steps.iter().filter(|step| step.state.is_final()).count(),
        running: counts.active,
        failed: counts.failed,
        skipped: counts.skipped,
        waiting: counts.waiting,
    }
}

/// How far a run is by its events. Only one that may go on has an end to come.
fn of_view(facts: &RunFacts, view: &RunView, liveness: Liveness, now: UtcMillis) -> Progress {
    let nothing = History::default();
    let earlier = facts.earlier.get().filter(|_| liveness.may_live());
    Progress::of(view, earlier.unwrap_or(&nothing), now)
}

/// How far a run is of which only its summary is known.
fn of_steps(done: usize, total: usize, liveness: Liveness) -> Progress {
    let is_over = matches!(liveness, Liveness::Finished(_));
    let basis = if is_over { ProgressBasis::Exact } else { ProgressBasis::Steps };
    Progress { done, total, basis, ..Progress::default() }
}

fn progress(progress: &Progress, now: UtcMillis) -> Option<RunProgress> {
    let percent = progress.done.checked_mul(100)?.checked_div(progress.total)?;
    Some(RunProgress {
        percent: f64::from(u32::try_from(percent).unwrap_or(100)),
        done: progress.done,
        total: progress.total,
        basis: progress.basis.name(),
        runs: progress.runs,
        remaining_ms: progress.remaining_ms(now),
        ends_at: progress.ends_at.map(|end| end.0),
    })
}

fn needs(view: &RunView) -> Vec<NeedsYou> {
    let attempts = view.steps.iter().filter_map(|step| Some((step, step.attempts.last()?)));
    let waits = attempts.filter(|(_, attempt)| needs_a_person(attempt)).filter_map(|(step, attempt)| {
        let wait = wait(attempt)?;
        Some(NeedsYou { step: step.plan.step.as_str().to_owned(), why: wait.why, since: wait.since })
    });
    waits.take(100).collect()
}

/// What a run does, in a line: the steps under way, and the tool of an agent.
fn current(view: &RunView) -> Option<String> {
    let active: Vec<&StepView> = view
        .steps
        .iter()
        .map(AsRef::as_ref)
        .filter(|step| step.state.is_active() || step.state == StepState::Retrying)
        .collect();
    let words = |step: &&StepView| {
        let tool = step.attempts.last().and_then(tool);
        let tool = tool.map(|tool| match tool.argument {
            Some(argument) => format!(": {} {}", tool.name, shortened(&argument, 80)),
            None => format!(": {}", tool.name),
        });
        format!("{}{}", step.plan.step, tool.unwrap_or_default())
    };
    let mut line = active.iter().take(NAMED).map(words).collect::<Vec<_>>().join(", ");
    if active.len() > NAMED {
        line.push_str(&format!(" and {} more", active.len() - NAMED));
    }
    (!line.is_empty()).then_some(line)
}

impl Run {
    pub(crate) fn of(
        facts: &RunFacts,
        view: &RunView,
        liveness: Liveness,
        now: UtcMillis,
        cursor: String,
    ) -> Self {
        let head = view.head.as_ref();
        Self {
            row: RunRow::of(facts, view, liveness, now),
            context_dir: head.map(|head| head.context_dir.clone()).filter(|dir| !dir.is_empty()),
            concurrency: head.map_or(0, |head| head.concurrency),
            timeout_ms: head.map_or(0, |head| head.timeout_ms),
            resumes: head.and_then(|head| head.resumes.as_ref()).map(ToString::to_string),
            commands: view.commands.iter().map(Command::of).collect(),
            warnings: view
                .warnings
                .iter()
                .map(|warning| Warning::of(warning.ts, &warning.message, warning.step.as_ref()))
                .collect(),
            warnings_total: view.warnings_total,
            cores: view.cores.iter().map(|(host, core)| Core::of(host.as_str(), core)).collect(),
            steps: view.steps().map(|step| Step::of(step, liveness)).collect(),
            cursor,
        }
    }
}

impl Command {
    pub(crate) fn of(view: &roboppi_run::CommandView) -> Self {
        let word = match &view.command {
            RunCommand::CancelRun { force: false } | RunCommand::CancelStep(_) => "cancel",
            RunCommand::CancelRun { force: true } => "kill",
            RunCommand::RetryStep(_) => "retry",
            RunCommand::SkipStep(_) => "skip",
            _ => "other",
        };
        Self {
            at: view.ts.0,
            user: view.user.clone(),
            command: word.to_owned(),
            step: view.command.step().map(|step| step.as_str().to_owned()),
            outcome: view.refused.as_ref().map_or_else(|| "granted".to_owned(), |why| shortened(why, 1000)),
        }
    }
}

impl Warning {
    pub(crate) fn of(at: UtcMillis, message: &str, step: Option<&roboppi_run::StepPath>) -> Self {
        let step = step.map(|step| step.as_str().to_owned());
        Self { at: at.0, code: "warning", text: shortened(message, 4096), step }
    }
}

impl Core {
    fn of(host: &str, core: &roboppi_run::CoreView) -> Self {
        let (state, detail) = match &core.status {
            CoreStatus::Absent => ("absent", None),
            CoreStatus::Alive => ("alive", None),
            CoreStatus::Lost { detail } => ("lost", Some(shortened(detail, 1000))),
        };
        Self { host: host.to_owned(), state, pid: core.process.map(|process| process.pid), detail }
    }
}
