//! Tokens and money: of the attempt, the step and the run.

use ratatui::text::Line;
use roboppi_ipc::Usage;
use roboppi_run::{Spent, dollars};

use super::page::Page;
use crate::model::Model;
use crate::text;

pub(super) fn lines(model: &Model, columns: u16) -> Vec<Line<'static>> {
    let mut page = Page::new(model.theme, columns);
    let Some(step) = model.shown_step() else { return page.finish() };
    if let Some(attempt) = model.shown_attempt() {
        page.heading("This attempt");
        match attempt.usage() {
            Some(usage) => facts(&usage, "", &mut page),
            None => page.text("Its worker has not reported its usage.", model.theme.faint()),
        }
        let activity = &attempt.activity;
        page.fact("Time", &text::duration(model.attempt_ms(attempt)));
        if activity.tool_calls > 0 {
            let calls = activity.counted(activity.tool_calls);
            page.fact("Calls", &format!("{calls}, {} failed", activity.tool_failures));
        }
        page.fact_if("Model", activity.session.as_ref().and_then(|session| session.model.as_deref()));
        page.fact_if("Session", activity.session.as_ref().map(|session| session.id.as_str()));
        page.fact_if("Version", activity.session.as_ref().and_then(|session| session.version.as_deref()));
    }
    if let Some(spent) = step.spent().filter(|spent| spent.attempts > 1) {
        total("All attempts of the step", &spent, &mut page);
    }
    if let Some(spent) = model.view.spent() {
        total("The run", &spent, &mut page);
    }
    page.finish()
}

fn total(heading: &str, spent: &Spent, page: &mut Page) {
    page.heading(heading);
    let at_least = if spent.without_cost > 0 { "at least " } else { "" };
    facts(&spent.usage, at_least, page);
    if spent.without_cost > 0 {
        let attempts = text::count(spent.without_cost as usize, "attempt");
        page.fact("Unknown", &format!("the cost of {attempts}"));
    }
}

fn facts(usage: &Usage, at_least: &str, page: &mut Page) {
    let cost =
        usage.cost_usd.filter(|cost| cost.is_finite()).map(|cost| format!("{at_least}{}", dollars(cost)));
    page.fact("Cost", cost.as_deref().unwrap_or("not reported"));
    for (label, tokens) in [
        ("Read", usage.input_tokens),
        ("Written", usage.output_tokens),
        ("From cache", usage.cache_read_tokens),
        ("To cache", usage.cache_write_tokens),
    ] {
        page.fact(label, &format!("{tokens} tokens"));
    }
    if let Some(turns) = usage.turns {
        page.fact("Turns", &turns.to_string());
    }
}
