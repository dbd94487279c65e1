//! How the call that started a sub-agent is shown: how that stands, what it has done, and what it does.

use ratatui::style::Style;
use roboppi_ipc::SubAgentStatus;
use roboppi_run::{Activity, SubAgentView, sub_agent_word, tool_words};

use crate::model::Model;
use crate::{sanitise, text, theme};

/// Sign, state and style of the call that started this sub-agent: `✓ 21 calls · done 1m12s`.
pub(super) fn state(model: &Model, agent: &SubAgentView) -> (&'static str, String, Style) {
    let ended_at = model.shown_attempt().and_then(|attempt| attempt.finished_at);
    let is_over = ended_at.is_some();
    let took = agent.duration_ms(ended_at.unwrap_or(model.now));
    let word = sub_agent_word(agent.status, is_over);
    let (sign, words, style) = match agent.status {
        SubAgentStatus::Completed => ("✓", format!("{word} {}", text::duration(took)), model.theme.good()),
        SubAgentStatus::Failed => ("✗", format!("{word} {}", text::duration(took)), model.theme.bad()),
        SubAgentStatus::Stopped => ("■", format!("{word} {}", text::duration(took)), model.theme.bad()),
        _ if is_over => ("?", word, model.theme.busy()),
        _ => (
            theme::spinner(model.frame),
            format!("{word} {}", text::running_duration(took)),
            model.theme.busy(),
        ),
    };
    let calls = match (agent.calls, agent.failures) {
        (0, _) => String::new(),
        (1, 0) => "1 call · ".to_owned(),
        (calls, 0) => format!("{calls} calls · "),
        (calls, failed) => format!("{calls} calls, {failed} failed · "),
    };
    (sign, format!("{calls}{words}"), style)
}

/// What a sub-agent at work does, where its items are not shown: ` › Bash npm test`.
pub(super) fn latest(activity: &Activity, agent: &SubAgentView) -> String {
    let item = agent.latest.filter(|_| agent.ended.is_none()).and_then(|seq| {
        let at = activity.items.binary_search_by_key(&seq, |item| item.seq).ok()?;
        activity.items[at].tool()
    });
    item.map_or(String::new(), |tool| format!(" › {}", sanitise::clean(&tool_words(&tool.name, &tool.input))))
}
