//! One page about a run.

use std::borrow::Cow;

use roboppi_attach::Liveness;
use roboppi_ipc::{SubAgentStatus, UtcMillis};
use roboppi_record::{Log, RecordError, RecordPart, RecordStore, UNKNOWN_LOSS};
use roboppi_run::{
    ArtifactView, AttemptFilter, AttemptStatus, AttemptView, IterationView, Progress, Role, RunHead, RunMode,
    RunStatus, RunView, StepState, StepView, SubAgentView, missing_words, shell_word, spent_words,
    sub_agent_word,
};
use roboppi_untrusted::{first_words, line};

use crate::logs::recorded_files;
use crate::notable::notable;
use crate::scripted::{is_script, shown};
use crate::units::{Zone, bytes, duration, limit_time};
use crate::{elsewhere, table};

mod object;

/// Lines of a log that are shown where it went wrong.
const TAIL: u64 = 20;

/// Lines of an agent's answer that are shown.
const ANSWER: usize = 40;

/// Bytes of logs that are compared with their sums.
const CHECKED: u64 = 32 * 1024 * 1024;

/// Warnings that are shown.
const WARNINGS: usize = 20;

/// What is wrong with logs: the lengths of all, and of what was written as much as can be looked at without keeping the reader
/// waiting.
#[must_use]
pub fn log_damage(record: &dyn RecordStore, view: &RunView) -> Vec<String> {
    let (mut damage, mut budget) = (Vec::new(), CHECKED);
    for attempt in view.steps.iter().flat_map(|step| &step.attempts) {
        let Some(files) = recorded_files(attempt) else { continue };
        damage.extend(record.attempt_damage(&attempt.of, files, budget));
        budget = budget.saturating_sub(files.log_bytes);
    }
    damage
}

/// A run, as far as a page tells of it.
#[derive(Debug)]
pub struct Page<'a> {
    /// What the run is called.
    pub id: String,
    /// Its record.
    pub record: &'a dyn RecordStore,
    /// What is known of it.
    pub view: &'a RunView,
    /// Whether it lives.
    pub liveness: Liveness,
    /// How far it is.
    pub progress: Progress,
    /// When the page is read.
    pub now: UtcMillis,
    /// The zone of times.
    pub zone: Zone,
}

impl Page<'_> {
    /// What failed and why, the steps, what agents said, times and files.
    #[must_use]
    pub fn text(&self) -> String {
        let parts = [
            self.head(),
            self.trouble(),
            self.steps(),
            self.hosts(),
            self.iterations(),
            self.flaky(),
            self.agents(),
            self.warnings(),
            self.times(),
            self.files(),
            self.resume(),
        ];
        let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        parts.join("\n")
    }

    /// What it is and how it stands.
    fn head(&self) -> String {
        let name = self.view.head.as_ref().map_or_else(|| "?".to_owned(), |head| first_words(&head.name));
        let took = match &self.view.status {
            RunStatus::Finished { duration_ms, exit_code, .. } => {
                format!(" in {}, exit code {exit_code}", duration(*duration_ms))
            }
            RunStatus::Unknown | RunStatus::Running | RunStatus::Ending { .. } => self.since_start(),
        };
        let id = self.view.head.as_ref().map_or_else(|| self.id.clone(), RunHead::full_name);
        let mode = self.view.head.as_ref().map(|head| head.mode);
        let emitted = if mode == Some(RunMode::Emitted) { " (emitted by its program)" } else { "" };
        format!("Run {id} of {name}{emitted}: {}{took}\n", self.liveness.name())
    }

    fn since_start(&self) -> String {
        let started = self.view.head.as_ref().map(|head| head.started_at);
        started.filter(|_| self.liveness == Liveness::Live).map_or_else(String::new, |started| {
            format!(" for {}", duration(self.now.0.saturating_sub(started.0)))
        })
    }

    /// What failed, and why.
    fn trouble(&self) -> String {
        let mut text = String::new();
        match &self.view.status {
            _ if self.liveness == Liveness::Lost && self.record.is_imported() => {
                let live = self.record.imported().is_some_and(|imported| imported.from.live);
                text += if live {
                    "\nIt was going on when it was exported. Its outcome is on the host it came from.\n"
                } else {
                    "\nIts owner was gone when it was exported, and recorded no end.\n"
                };
            }
            _ if let Some(elsewhere) = elsewhere(self.record, self.liveness, self.now) => {
                text += &format!("\nWhat is known: {elsewhere}.\n");
            }
            _ if self.liveness == Liveness::Lost
                && let Some(limit) =
                    self.record.manifest().ok().and_then(|manifest| manifest.silent_after_ms) =>
            {
                text += &format!(
                    "\nIts program has reported nothing for more than {}, and recorded no end.\n",
                    duration(limit)
                );
            }
            _ if self.liveness == Liveness::Lost => {
                let owner =
                    self.record.manifest().ok().map(|manifest| format!(" (pid {})", manifest.owner.pid));
                let owner = owner.unwrap_or_default();
                text += &format!("\nIts owner{owner} is gone and recorded no end.\n");
            }
            RunStatus::Finished { detail: Some(detail), .. } => {
                text += &format!("\n{}\n", first_words(detail));
            }
            RunStatus::Finished { .. }
            | RunStatus::Unknown
            | RunStatus::Running
            | RunStatus::Ending { .. } => {}
        }
        // What failed the run first, then what it could do without.
        let bad = |step: &&StepView| matches!(self.state(step), "failed" | "lost" | "cancelled");
        for step in self.view.steps().filter(bad).filter(|step| !step.allowed_to_fail) {
            self.failure(step, &mut text);
        }
        for step in self.view.steps().filter(bad).filter(|step| step.allowed_to_fail) {
            self.failure(step, &mut text);
        }
        text.trim_start_matches('\n').to_owned()
    }

    fn failure(&self, step: &StepView, text: &mut String) {
        let name = first_words(step.plan.step.as_str());
        let allowed = if step.is_excused_failure() { " (it was allowed to)" } else { "" };
        let why = self.why(step);
        let why = if why.is_empty() { String::new() } else { format!(": {}", first_words(&why)) };
        text.push_str(&format!("\n{name} {}{allowed}{why}\n", self.state(step)));
        let Some(attempt) = step.attempts.last() else { return };
        // The log of an agent is for programs; what it said comes below.
        if step.is_agent_in(&attempt.of) {
            return;
        }
        let is_script = is_script(step, &attempt.of);
        match self.record.log(&attempt.of).and_then(|mut log| last_lines(log.as_mut(), is_script)) {
            Ok(lines) if lines.is_empty() => text.push_str("  it wrote nothing\n"),
            Ok(lines) => {
                for bytes in lines {
                    text.push_str(format!("  | {}", line(&bytes, false)).trim_end());
                    text.push('\n');
                }
                let run = self.view.head.as_ref().map_or_else(|| self.id.clone(), RunHead::short_name);
                text.push_str(&format!("  all of it: roboppi logs {run} {}\n", shell_word(&name)));
            }
            Err(error) => text.push_str(&format!("  {}\n", first_words(&error.to_string()))),
        }
    }

    fn steps(&self) -> String {
        if self.view.steps.is_empty() {
            return "No step is recorded.\n".to_owned();
        }
        let mut rows = vec![["STEP", "STATE", "TOOK", "ATTEMPTS", "STARTED", "WHY"].map(str::to_owned)];
        rows.extend(self.view.steps.iter().map(|step| {
            [
                first_words(step.plan.step.as_str()),
                if self.liveness == Liveness::Live && step.is_queued() { "queued" } else { self.state(step) }
                    .to_owned(),
                self.took(step),
                step.attempts_at_work().to_string(),
                step.started_at.map_or_else(|| "–".to_owned(), |at| self.zone.format(at)),
                first_words(&self.why(step)),
            ]
        }));
        match self.resources() {
            None => table(&rows),
            Some(used) => {
                let with_used =
                    rows.into_iter().zip(used).map(|([step, state, took, rest @ ..], [cpu, memory])| {
                        let [attempts, started, why] = rest;
                        [step, state, took, cpu, memory, attempts, started, why]
                    });
                table(&with_used.collect::<Vec<_>>())
            }
        }
    }

    /// How long a step took, or has taken so far.
    fn took(&self, step: &StepView) -> String {
        let is_live = self.liveness == Liveness::Live && !step.state.is_final();
        let so_far = || Some(self.now.0.saturating_sub(step.started_at.filter(|_| is_live)?.0));
        step.duration_ms.or_else(so_far).map_or_else(|| "–".to_owned(), duration)
    }

    /// Processor time and peak memory of each step below their headings, of all its attempts; `None` when none is known.
    fn resources(&self) -> Option<Vec<[String; 2]>> {
        let used = |step: &StepView| {
            let all = step.attempts.iter().filter_map(AttemptView::resources);
            all.map(|used| (used.cpu_ms, used.peak_memory_bytes))
                .reduce(|(cpu, peak), (more, other)| (cpu.saturating_add(more), peak.max(other)))
        };
        let used: Vec<_> = self.view.steps().map(used).collect();
        used.iter().any(Option::is_some).then(|| {
            let none = || ["–", "–"].map(str::to_owned);
            let peak = |peak: Option<u64>| peak.map_or_else(|| "–".to_owned(), bytes);
            let rows = used
                .into_iter()
                .map(|used| used.map_or_else(none, |(cpu, most)| [duration(cpu), peak(most)]));
            std::iter::once(["CPU", "MEMORY"].map(str::to_owned)).chain(rows).collect()
        })
    }

    /// Which steps work on other hosts.
    fn hosts(&self) -> String {
        let far = self.view.steps().filter(|step| !step.plan.host.is_here());
        let line = |step: &StepView| format!("{} on the host {}", step.plan.step, step.plan.host);
        far.map(|step| format!("{}\n", first_words(&line(step)))).collect()
    }

    /// Which steps were repeated, and why.
    fn iterations(&self) -> String {
        let mut text = String::new();
        for step in &self.view.steps {
            for begun in &step.iterations {
                let IterationView { iteration, max_iterations, .. } = begun;
                let most = max_iterations.map_or_else(String::new, |most| format!(" of {most}"));
                let mut why = step.iteration_words(begun);
                if !why.is_empty() {
                    why.insert_str(0, ": ");
                }
                let line = format!("{} iteration {iteration}{most}{why}", step.plan.step);
                text.push_str(&format!("{}\n", first_words(&line)));
            }
        }
        text
    }

    /// Which steps passed on a retry only.
    fn flaky(&self) -> String {
        let lines = self.view.flaky_steps().filter_map(|step| {
            Some(format!("flaky: {}: {}\n", first_words(step.plan.step.as_str()), step.flaky_words()?))
        });
        lines.collect()
    }

    /// The state, as far as it can still be true.
    fn state<'a>(&self, step: &'a StepView) -> &'a str {
        let unfinished = step.state.is_active() || step.state == StepState::Retrying;
        if unfinished && self.liveness == Liveness::Lost { "lost" } else { step.state.name() }
    }

    /// Why a step is as it is.
    fn why(&self, step: &StepView) -> String {
        let attempt = step.attempts.last();
        let result = match attempt.map(|attempt| &attempt.status) {
            Some(AttemptStatus::Finished { result, .. }) => Some(result),
            Some(AttemptStatus::Started | AttemptStatus::Phase(_)) | None => None,
        };
        let error = result.and_then(|result| result.details.as_ref()?.error.clone());
        let exit = || result.filter(|_| step.state == StepState::Failed)?.exit_words();
        let waits = || self.view.permit_wait(attempt?).filter(|_| self.liveness.may_live());
        let reason = step.reason(limit_time).map(Cow::into_owned);
        reason.or(error).or_else(exit).or_else(waits).unwrap_or_default()
    }

    /// What agents said, and what it took.
    fn agents(&self) -> String {
        let mut text = String::new();
        for (step, attempt) in self.view.steps().flat_map(last_of_agents) {
            let result = match &attempt.status {
                AttemptStatus::Finished { result, .. } => result.details.as_deref(),
                AttemptStatus::Started | AttemptStatus::Phase(_) => None,
            };
            let activity = &attempt.activity;
            let session = activity.session.as_ref();
            let mut rows = Vec::new();
            let mut row = |name: &str, value: Option<String>| {
                rows.extend(value.map(|value| [format!("  {name}"), first_words(&value)]));
            };
            row("agent", Some(step.worker_of(&attempt.of).name().to_owned()));
            row("model", result.and_then(|result| result.model.clone()).or_else(|| session?.model.clone()));
            row(
                "session",
                result.and_then(|result| result.session_id.clone()).or_else(|| Some(session?.id.clone())),
            );
            row("go on", step.session_command(attempt));
            row("resumes", attempt.resumed_session.as_deref().map(str::to_owned));
            row(
                "limit",
                result.and_then(|result| result.retry_at).map(|at| format!("until {}", limit_time(at))),
            );
            // It is that of all its attempts.
            let spent = step.spent().filter(|_| attempt.of.role == step.plan.role || !step.is_agent());
            row("used", spent.map(|spent| spent_words(&spent)));
            let (calls, failed) = (activity.tool_calls, activity.tool_failures);
            let calls_words = || format!("{} calls, {failed} of them failed", activity.counted(calls));
            row("tools", (calls > 0).then(calls_words));
            let missing = activity.events_missing;
            row("missing", (missing > 0).then(|| missing_words(missing, false)));
            row("plan", activity.plan_done().map(|(done, all)| format!("{done} of {all} steps done")));
            sub_agents(attempt, self.now, &mut row);
            row("files", self.files_words(attempt));
            for path in activity.undiffed.iter().take(UNDIFFED) {
                row("changed", Some(format!("{path} (no diff told)")));
            }
            for denial in result.into_iter().flat_map(|result| &result.denials) {
                row("refused", Some(denial.clone()));
            }
            let notes = result.map_or(&activity.remarks, |result| &result.notes);
            for note in notes {
                row("note", Some(note.clone()));
            }
            let role = if attempt.of.role == step.plan.role { "" } else { " check" };
            text += &format!("{}{role}\n{}", first_words(step.plan.step.as_str()), table(&rows));
            if let Some(answer) = result.and_then(|result| result.answer.as_deref()) {
                let lines: Vec<_> = answer.trim_end().lines().collect();
                for answer in lines.iter().take(ANSWER) {
                    text += &format!("  | {}", line(answer.as_bytes(), false));
                    text.push('\n');
                }
                if let Some(more) = lines.len().checked_sub(ANSWER).filter(|more| *more > 0) {
                    text += &format!("  … {more} more lines\n");
                }
            }
        }
        text
    }

    /// What else should be known.
    /// How many files of the workspace changed, and whether these are all.
    fn files_words(&self, attempt: &AttemptView) -> Option<String> {
        let Some(found) = &attempt.activity.workspace else {
            let is_open = !matches!(attempt.status, AttemptStatus::Finished { .. });
            let is_lost = is_open && self.liveness == Liveness::Lost;
            return is_lost
                .then(|| "changes not complete: roboppi ended before the files were compared".to_owned());
        };
        let many = if found.changes == 1 { "1 file".to_owned() } else { format!("{} files", found.changes) };
        let shared = if found.shared { "; another step had the same files" } else { "" };
        let missed =
            found.missed.as_ref().map_or_else(String::new, |missed| format!("; not complete: {missed}"));
        Some(format!("{many} of the workspace changed{shared}{missed}"))
    }

    fn warnings(&self) -> String {
        let all = notable(self.view);
        let mut text = String::new();
        for note in all.first(WARNINGS) {
            text.push_str(&format!("warning: {}\n", first_words(&note.to_string())));
        }
        match all.beside(WARNINGS) {
            0 => {}
            1 => text.push_str("1 more warning is in the record\n"),
            more => text.push_str(&format!("{more} more warnings are in the record\n")),
        }
        text
    }

    fn times(&self) -> String {
        let mut rows = Vec::new();
        if let Some(head) = &self.view.head {
            rows.push(["began".to_owned(), self.zone.format(head.started_at)]);
            rows.extend(head.resumes.as_ref().map(|run| ["goes on with".to_owned(), run.to_string()]));
        }
        if let RunStatus::Finished { at, duration_ms, .. } = &self.view.status {
            rows.push(["ended".to_owned(), self.zone.format(*at)]);
            rows.push(["took".to_owned(), duration(*duration_ms)]);
        }
        if let Some(imported) = self.record.imported() {
            let (host, exported) =
                (first_words(&imported.from.host), self.zone.format(imported.from.exported_at));
            rows.push(["from".to_owned(), format!("{host}, as it was at {exported}")]);
        }
        table(&rows)
    }

    fn files(&self) -> String {
        let mut rows = Vec::new();
        let mut row = |name: &str, path: &str| rows.push([name.to_owned(), first_words(path)]);
        if let Some(head) = &self.view.head {
            if head.has_file() {
                row("workflow", &head.workflow);
            }
            row("workspace", &head.workspace);
            if head.has_file() {
                row("context", &head.context_dir);
            }
        }
        if let Some(place) = self.record.location(RecordPart::Run) {
            row("record", &place.display().to_string());
        }
        for step in &self.view.steps {
            for ArtifactView { name, path, .. } in &step.artifacts {
                row(&format!("artifact {}", first_words(name)), path);
            }
            if let Some(kept) = &step.kept {
                let log = format!("{}.log of run {}", kept.attempt.base(), kept.run);
                row(&format!("log of {}", first_words(step.plan.step.as_str())), &log);
            }
            for attempt in &step.attempts {
                row(
                    &format!("log of {}", first_words(&attempt.of.to_string())),
                    &format!("{}.log", attempt.base()),
                );
            }
        }
        table(&rows)
    }

    /// How to go on with it.
    fn resume(&self) -> String {
        let command = self.resume_command();
        command.map_or_else(String::new, |command| format!("Go on with it: {}\n", first_words(&command)))
    }
}

/// Sub-agents that are named; those that are done come last.
const SUB_AGENTS: usize = 10;

/// The last attempts of a step at which an agent worked: the one that did its work, and its check.
fn last_of_agents(step: &StepView) -> impl Iterator<Item = (&StepView, &AttemptView)> {
    let checks = step.plan.check.map(|_| Role::Check);
    [Some(step.plan.role), checks].into_iter().flatten().filter_map(move |role| {
        let attempt = step.last_attempt(AttemptFilter { role: Some(role), ..AttemptFilter::default() })?;
        step.is_agent_in(&attempt.of).then_some((step, attempt))
    })
}

/// Changed files without a diff that are named.
const UNDIFFED: usize = 20;

/// The sub-agents of an attempt: how many, and how each of them stands.
fn sub_agents(attempt: &AttemptView, now: UtcMillis, row: &mut dyn FnMut(&str, Option<String>)) {
    let (activity, is_over) = (&attempt.activity, attempt.finished_at.is_some());
    row("agents", activity.sub_agent_counts().words(is_over));
    let mut agents: Vec<&SubAgentView> = activity.agents.iter().collect();
    agents.sort_by_key(|agent| agent.status == SubAgentStatus::Completed);
    for agent in agents.iter().take(SUB_AGENTS) {
        let name = if agent.name.is_empty() { &agent.id } else { &agent.name };
        let word = sub_agent_word(agent.status, is_over);
        let took = duration(agent.duration_ms(attempt.finished_at.unwrap_or(now)));
        let noun = if agent.calls == 1 { "call" } else { "calls" };
        let message = agent.message.as_ref().map_or_else(String::new, |message| format!(": {message}"));
        row("", Some(format!("{name} {word} {took}, {} {noun}{message}", agent.calls)));
    }
    let more = agents.len().saturating_sub(SUB_AGENTS);
    row("", (more > 0).then(|| format!("and {more} more")));
}

fn last_lines(log: &mut dyn Log, is_script: bool) -> Result<Vec<Vec<u8>>, RecordError> {
    log.set_line_cap(1_000);
    let lines = log.tail(TAIL)?;
    Ok(lines
        .iter()
        .map(|line| {
            let cut = if line.truncated { "…" } else { "" };
            let lost = match line.lost {
                0 => String::new(),
                UNKNOWN_LOSS => format!("[{}]", missing_words(line.lost, true)),
                lost => format!("[{lost} bytes are lost]"),
            };
            let bytes = if is_script { shown(line.stream, &line.bytes) } else { (&line.bytes).into() };
            [&*bytes, cut.as_bytes(), lost.as_bytes()].concat()
        })
        .collect())
}
