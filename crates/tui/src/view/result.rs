//! How the attempt ended.

use ratatui::text::Line;
use roboppi_ipc::{Usage, WorkerResult, WorkerStatus, signal_name};
use roboppi_run::AttemptStatus;

use super::page::Page;
use super::wording;
use crate::model::Model;
use crate::text;

pub(super) fn lines(model: &Model, columns: u16) -> Vec<Line<'static>> {
    let mut page = Page::new(model.theme, columns);
    let faint = model.theme.faint();
    let Some(step) = model.shown_step() else {
        page.text("No step is selected.", faint);
        return page.finish();
    };
    match model.shown_attempt().map(|attempt| (attempt, &attempt.status)) {
        None => {
            page.text(&format!("No attempt was made; the step is {}.", step.state.name()), faint);
            page.text(&wording::step_reason(model, step), faint);
        }
        Some((attempt, AttemptStatus::Started | AttemptStatus::Phase(_))) => {
            page.text(&format!("{} is still running; it has no result yet.", attempt.of), faint);
            page.fact("Now", &wording::attempt_status(model, attempt));
        }
        Some((attempt, AttemptStatus::Finished { result, log_bytes })) => {
            page.text(&attempt.of.to_string(), model.theme.strong());
            facts(model, result, *log_bytes, &mut page);
            page.fact_if("Continue", step.session_command(attempt).as_deref());
            made(model, result, &mut page);
        }
    }
    page.finish()
}

fn facts(model: &Model, result: &WorkerResult, log_bytes: u64, page: &mut Page) {
    let (status, style) = match result.status {
        WorkerStatus::Succeeded => ("✓ succeeded".to_owned(), model.theme.good()),
        WorkerStatus::Failed => ("✗ failed".to_owned(), model.theme.bad()),
        WorkerStatus::Cancelled => ("■ cancelled".to_owned(), model.theme.bad()),
        WorkerStatus::Unknown(word) => (format!("◇ {word}"), model.theme.bad()),
    };
    page.styled_fact("Status", &status, style);
    if let Some(code) = result.exit_code {
        page.fact("Exit code", &code.to_string());
    }
    let details = result.details.as_deref();
    if let Some(details) = details {
        if let Some(signal) = details.signal {
            let killed = if details.killed { " (it had to be killed)" } else { "" };
            let name = signal_name(signal).map_or_else(|| signal.to_string(), str::to_owned);
            page.fact("Signal", &format!("{name}{killed}"));
        } else if details.killed {
            page.fact("Signal", "it had to be killed");
        }
        if let Some(reason) = details.cancel_reason {
            page.fact("Ended by", reason.name());
        }
        page.fact_if("Error", details.error.as_deref());
        page.fact_if("Waited for", details.waited_for.as_deref());
        let limit = details.retry_at.map(|at| wording::limit_time(model, at));
        page.fact_if("Limit until", limit.as_deref());
        page.fact_if("Error code", details.error_kind.as_deref());
    }
    if let Some(class) = result.error_class {
        page.fact("Failure", &wording::failure_kind(class));
    }
    page.fact("Duration", &text::duration(result.duration_ms));
    if let Some(used) = details.and_then(|details| details.resources) {
        page.fact("CPU", &wording::processor(&used));
        page.fact_if("Memory", Some(&wording::memory(&used)));
    }
    page.fact("Log", &text::bytes(log_bytes));
    if let Some(tokens) = result.cost.estimated_tokens {
        page.fact("Tokens", &format!("about {tokens}"));
    }
    if let Some(details) = details {
        if let Some(spent) = &details.usage {
            page.fact("Usage", &usage(spent));
        }
        if let Some(turns) = details.turns {
            page.fact("Turns", &turns.to_string());
        }
        page.fact_if("Model", details.model.as_deref());
        page.fact_if("Session", details.session_id.as_deref());
    }
}

fn made(model: &Model, result: &WorkerResult, page: &mut Page) {
    let details = result.details.as_deref();
    if let Some(answer) = details.and_then(|details| details.answer.as_deref()) {
        page.heading("Answer");
        page.text(answer, ratatui::style::Style::new());
    }
    let leaked = details.map_or(&[][..], |details| &details.leaked);
    if !leaked.is_empty() {
        page.heading("Processes left behind, and ended");
        for leaked in leaked {
            page.text(&format!("pid {} {}", leaked.process.pid, leaked.command), model.theme.busy());
        }
    }
    let denials = details.map_or(&[][..], |details| &details.denials);
    if !denials.is_empty() {
        page.heading("Refused");
        for denial in denials {
            page.text(denial, ratatui::style::Style::new());
        }
    }
    let notes = details.map_or(&[][..], |details| &details.notes);
    if !notes.is_empty() {
        page.heading("Notes");
        for note in notes {
            page.text(note, model.theme.busy());
        }
    }
    if !result.artifacts.is_empty() {
        page.heading("Artifacts");
        for artifact in &result.artifacts {
            page.fact(&crate::sanitise::clean(&artifact.artifact_type), &artifact.reference);
        }
    }
    if !result.observations.is_empty() {
        page.heading("Reported");
        for observation in &result.observations {
            page.gap();
            if let Some(command) = &observation.command {
                page.text(&format!("$ {command}"), model.theme.strong());
            }
            if let Some(summary) = &observation.summary {
                page.text(summary, ratatui::style::Style::new());
            }
            for file in &observation.files_changed {
                page.text(&format!("changed {file}"), model.theme.faint());
            }
        }
    }
}

/// `12345 in, 678 out, 900 from cache, $0.12`.
pub(super) fn usage(usage: &Usage) -> String {
    let mut words = format!("{} in, {} out", usage.input_tokens, usage.output_tokens);
    if usage.cache_read_tokens > 0 {
        words.push_str(&format!(", {} from cache", usage.cache_read_tokens));
    }
    if usage.cache_write_tokens > 0 {
        words.push_str(&format!(", {} to cache", usage.cache_write_tokens));
    }
    if let Some(cost) = usage.cost_usd.filter(|cost| cost.is_finite()) {
        words.push_str(&format!(", ${cost:.4}"));
    }
    words
}
