//! Facts about the step and the run.

use ratatui::text::{Line, Span};
use roboppi_run::{ArtifactView, AttemptView, RunStatus, StepView};

use super::page::Page;
use super::{graph, wording};
use crate::model::Model;
use crate::{sanitise, text, theme};

/// Warnings shown.
const WARNINGS: usize = 20;

pub(super) fn lines(model: &Model, columns: u16) -> Vec<Line<'static>> {
    let mut page = Page::new(model.theme, columns);
    let mut graph = Some(graph::page(model, columns));
    if let Some(graph) = graph.take_if(|graph| graph::is_short(graph)) {
        page.append(graph);
        page.gap();
    }
    if let Some(step) = model.shown_step() {
        step_facts(model, step, &mut page);
        attempts(model, step, &mut page);
    }
    if let Some(graph) = graph {
        page.heading("Steps");
        page.append(graph);
    }
    run_facts(model, &mut page);
    warnings(model, &mut page);
    page.finish()
}

fn step_facts(model: &Model, step: &StepView, page: &mut Page) {
    let theme = model.theme;
    page.text(step.plan.step.as_str(), theme.strong());
    let mut state = match step.is_queued() {
        true => "◷ queued".to_owned(),
        false => format!("{} {}", theme::icon(step.state, model.frame), step.state.name()),
    };
    if wording::is_allowed_failure(step) {
        state.push_str(" (allowed to fail)");
    }
    let reason = Some(wording::step_reason(model, step)).filter(|reason| !reason.is_empty());
    let flaky = || step.flaky_words().map(|how| format!("flaky: {how}"));
    if let Some(reason) = reason.or_else(flaky) {
        state.push_str(": ");
        state.push_str(&reason);
    }
    page.text(&state, theme.state(step.state));
    for warning in wording::warnings(model, step) {
        page.text(&format!("! {warning}"), theme.attention());
    }
    if let Some(description) = &step.plan.description {
        page.text(description, theme.faint());
    }
    page.gap();
    page.fact("Worker", step.plan.worker.name());
    page.fact_if("Check", step.plan.check.as_ref().map(roboppi_ipc::WorkerKind::name));
    let host = &step.plan.host;
    page.fact_if("Host", Some(host.as_str()).filter(|_| !host.is_here()));
    let depends: Vec<_> = step.plan.depends_on.iter().map(roboppi_run::StepPath::as_str).collect();
    page.fact_if("Depends on", Some(&depends.join(", ")));
    if let Some(ms) = model.step_ms(step) {
        let limit = step.plan.timeout_ms.map(|limit| format!(" of at most {}", text::duration(limit)));
        let took = if step.state.is_final() { text::duration(ms) } else { text::running_duration(ms) };
        page.fact("Duration", &format!("{took}{}", limit.unwrap_or_default()));
    } else if let Some(limit) = step.plan.timeout_ms {
        page.fact("Time limit", &text::duration(limit));
    }
    if let Some(last) = step.iterations.last() {
        let most = last.max_iterations.map(|most| format!(" of at most {most}")).unwrap_or_default();
        page.fact("Iteration", &format!("{}{most}", last.iteration));
        page.fact_if("Repeated", Some(&step.iteration_words(last)));
    }
    if let Some(attempt) = model.shown_attempt() {
        attempt_facts(model, attempt, page);
    }
    if let Some(kept) = &step.kept {
        page.fact("Done by run", kept.run.as_str());
        page.fact("Its log", &wording::log_of_kept(step, kept));
    }
    for ArtifactView { name, path, .. } in &step.artifacts {
        page.fact("Artifact", &format!("{name} → {path}"));
    }
}

fn attempt_facts(model: &Model, attempt: &AttemptView, page: &mut Page) {
    page.fact("Attempt", &wording::attempt_status(model, attempt));
    let activity = &attempt.activity;
    if let Some(progress) = &activity.progress {
        let mut words = String::new();
        if let Some(percent) = progress.percent.filter(|percent| percent.is_finite()) {
            let (done, left) = wording::bar(percent / 100.0, 20);
            words.push_str(&format!("{done}{left} {:.0}% ", percent.clamp(0.0, 100.0)));
        }
        if let Some(phase) = &progress.phase {
            words.push_str(&format!("{phase}: "));
        }
        words.push_str(&progress.message);
        if let Some(basis) = &progress.basis {
            words.push_str(&format!(" ({basis})"));
        }
        page.fact("Progress", &words);
    }
    if let Some(used) = attempt.resources() {
        page.fact("CPU", &wording::processor(&used));
        page.fact_if("Memory", Some(&wording::memory(&used)));
    }
    if let Some(waiting) = &activity.waiting {
        let until = waiting.until.map(|until| format!(" until {}", wording::time_of_day(model, until)));
        let left =
            wording::wait_left(model, activity).map_or(String::new(), |left| format!(" ({left} left)"));
        page.styled_fact(
            "Waits for",
            &format!("{}{}{left}", waiting.why, until.unwrap_or_default()),
            model.theme.busy(),
        );
    }
    page.fact_if("Resumes", attempt.resumed_session.as_deref());
    if let Some(session) = &activity.session {
        let model_name = session.model.as_ref().map(|name| format!(" · {name}")).unwrap_or_default();
        page.fact("Session", &format!("{}{model_name}", session.id));
    }
    if let Some(usage) = &activity.usage {
        page.fact("Tokens", &super::result::usage(usage));
    }
    page.fact_if("Continue", model.shown_step().and_then(|step| step.session_command(attempt)).as_deref());
    page.fact_if("Sub-agents", activity.sub_agent_counts().words(attempt.finished_at.is_some()).as_deref());
    if activity.tool_calls > 0 {
        page.fact("Tool calls", &activity.counted(activity.tool_calls));
    }
    if activity.patches_total > 0 {
        page.fact("Changes", &activity.counted(activity.patches_total));
    }
    let bytes = format!("{} in ", text::bytes(attempt.log_bytes()));
    let room = page.value_columns().saturating_sub(text::width(&bytes)).max(8);
    let path = text::fit_end(&sanitise::clean(&model.log_path(attempt)), room);
    page.fact("Log", &format!("{bytes}{path}"));
}

fn attempts(model: &Model, step: &StepView, page: &mut Page) {
    if step.attempts.len() < 2 {
        return;
    }
    page.heading("Attempts");
    let shown = model.attempt_index();
    for (index, attempt) in step.attempts.iter().enumerate() {
        let words = format!(
            "{} {} · {}",
            wording::attempt_name(attempt),
            wording::attempt_status(model, attempt),
            text::duration(model.attempt_ms(attempt)),
        );
        let words = text::fit(&words, page.columns() - 4);
        page.parts(vec![
            Span::raw(if Some(index) == shown { "› " } else { "  " }),
            wording::attempt_icon(model, attempt),
            Span::raw(" "),
            Span::raw(words),
        ]);
    }
}

fn run_facts(model: &Model, page: &mut Page) {
    let Some(head) = &model.view.head else { return };
    page.heading("Run");
    page.fact("Run", &head.full_name());
    page.fact_if("Resumes", head.resumes.as_ref().map(roboppi_run::RunId::as_str));
    page.fact_if("Workflow", Some(&head.workflow));
    page.fact("Workspace", &head.workspace);
    page.fact_if("Artifacts", Some(&head.context_dir).filter(|_| head.has_file()).map(String::as_str));
    page.fact("Started", &text::date(head.started_at, &model.zone));
    page.fact("Time limit", &text::duration(head.timeout_ms));
    page.fact("At a time", &text::count(head.concurrency as usize, "step"));
    if let RunStatus::Finished { exit_code, detail, at, .. } = &model.view.status {
        page.fact("Ended", &text::date(*at, &model.zone));
        page.fact("Exit code", &exit_code.to_string());
        page.fact_if("Why", detail.as_deref());
        page.fact_if("Resume", model.view.resume_command().as_deref());
    }
}

fn warnings(model: &Model, page: &mut Page) {
    let warnings = &model.view.warnings;
    if warnings.is_empty() {
        return;
    }
    page.heading(&text::count(usize::try_from(model.view.warnings_total).unwrap_or(usize::MAX), "warning"));
    for warning in warnings.iter().skip(warnings.len().saturating_sub(WARNINGS)) {
        let about = warning.step.as_ref().map(|step| format!("{}: ", sanitise::clean(step.as_str())));
        let words = format!(
            "{} {}{}",
            wording::time_of_day(model, warning.ts),
            about.unwrap_or_default(),
            warning.message
        );
        page.text(&words, model.theme.busy());
    }
}
