//! The first line: whether all is well, readable at a glance.

use ratatui::text::Line;

use super::super::cells::Cells;
use super::super::model::Model;
use crate::text;

pub(super) fn title(model: &Model, columns: usize) -> Line<'static> {
    let theme = model.theme;
    let summary = model.shown().summary(model.midnight());
    let mut cells = Cells::new(columns);
    if model.demo {
        cells.text("DEMO, all of this is made up", theme.attention());
        cells.text(" · ", theme.faint());
    } else {
        cells.text("roboppi · ", theme.faint());
    }
    if summary.needs_you > 0 {
        let verb = if summary.needs_you == 1 { "needs" } else { "need" };
        cells.text(&format!("{} {verb} you", summary.needs_you), theme.attention());
        cells.text(" · ", theme.faint());
    }
    cells.text(&format!("{} running", summary.running), theme.strong());
    let failed = format!(" · {} failed today", summary.failed);
    cells.text(&failed, if summary.failed > 0 { theme.bad() } else { theme.faint() });
    if let Some(cost) = summary.cost_usd {
        let bound = if summary.is_lower_bound { "at least " } else { "" };
        cells.text(&format!(" · {bound}{} today", roboppi_run::dollars(cost)), theme.faint());
    }
    let time: String = text::clock(model.now, &model.zone).chars().take(5).collect();
    let host = format!("host {} · {time}", model.settings.host);
    let room = cells.left().saturating_sub(text::width(&host) + 1);
    if let Some(words) = followed(model).into_iter().find(|words| text::width(words) <= room) {
        cells.text(&words, theme.faint());
    }
    cells.right(&host, theme.faint());
    cells.finish()
}

/// Files that are followed, at first in full. What is wrong with one is in the footer.
fn followed(model: &Model) -> Vec<String> {
    match model.followed.as_slice() {
        [] => Vec::new(),
        [only] => {
            let name = crate::sanitise::clean(&only.name);
            vec![format!(" · {name} {}", crate::sanitise::clean(&only.words)), format!(" · follows {name}")]
        }
        files => vec![format!(" · follows {} files", files.len())],
    }
}

/// What the person chose that leaves something out: said at any time, so that no one takes it for all.
pub(super) fn choice(model: &Model) -> String {
    let mut words = Vec::new();
    if model.frozen.is_some() {
        words.push(match model.unseen() {
            0 => "paused".to_owned(),
            new => format!("paused, {new} new"),
        });
    }
    if let Some(category) = model.category {
        words.push(category.name().to_owned());
    }
    if let Some(only) = &model.only {
        let name = model.board.row(only).map_or_else(|| only.to_string(), |row| row.short_name());
        words.push(format!("only {name}"));
    }
    if model.filter.is_active() && !model.filter.is_typed() {
        words.push(format!("/{}", crate::sanitise::clean(model.filter.text())));
    }
    if model.shown().events.is_cleared() {
        words.push("cleared".to_owned());
    }
    words.join(" · ")
}
