//! The steps and what waits for what.

use std::collections::HashSet;

use ratatui::style::{Modifier, Style};
use ratatui::text::Span;
use roboppi_run::{Dependencies, StepView};

use super::page::Page;
use crate::graph::{self, Graph, Node};
use crate::model::Model;
use crate::{sanitise, text, theme};

/// Rows of a graph that is put before everything else.
const SHORT: usize = 12;

/// The graph on a page of its own, so that it is known how long it is.
pub(super) fn page(model: &Model, columns: u16) -> Page {
    let mut page = Page::new(model.theme, columns);
    lines(model, &mut page);
    page
}

/// Whether it leaves enough room for what comes after it.
pub(super) fn is_short(page: &Page) -> bool {
    page.len() <= SHORT
}

fn lines(model: &Model, page: &mut Page) {
    let steps = &model.view.steps;
    let dependencies = Dependencies::of(steps);
    if dependencies.before.iter().all(Vec::is_empty) {
        // The list of steps says as much.
        return;
    }
    let names: Vec<String> = steps.iter().map(|step| sanitise::clean(step.plan.step.as_str())).collect();
    let widths: Vec<usize> = names.iter().map(|name| text::width(name)).collect();
    let path: HashSet<usize> = model.forecast.path.iter().copied().collect();
    match graph::place(&dependencies, &widths, page.columns()) {
        Some(graph) => drawn(model, &graph, &names, &path, page),
        None => listed(model, &graph::layers(&dependencies), &names, &path, page),
    }
    longest(model, &names, page);
}

fn drawn(model: &Model, graph: &Graph, names: &[String], path: &HashSet<usize>, page: &mut Page) {
    for row in 0..graph.rows {
        let mut nodes: Vec<&Node> = graph.nodes.iter().filter(|node| node.row == row).collect();
        nodes.sort_unstable_by_key(|node| node.column);
        let mut cells = graph.lines.range((row, 0)..=(row, usize::MAX)).peekable();
        let mut spans = Vec::new();
        let mut column = 0;
        let mut until = |end: usize, column: &mut usize, spans: &mut Vec<Span<'static>>| {
            let mut line = String::new();
            while *column < end {
                let here = cells.next_if(|((_, at), _)| at == column);
                line.push_str(here.map_or(" ", |(_, ways)| ways.symbol()));
                *column += 1;
            }
            spans.push(Span::styled(line, model.theme.faint()));
        };
        for node in nodes {
            until(node.column, &mut column, &mut spans);
            let name = text::fit(&names[node.step], node.width.saturating_sub(2));
            column += 2 + text::width(&name);
            spans.extend(label(model, &model.view.steps[node.step], name, path.contains(&node.step)));
        }
        until(graph.columns, &mut column, &mut spans);
        page.parts(spans);
    }
}

/// The steps of each layer, where a graph has no room.
fn listed(model: &Model, layers: &[Vec<usize>], names: &[String], path: &HashSet<usize>, page: &mut Page) {
    let number = layers.len().to_string().len();
    let columns = page.columns();
    for (layer, steps) in layers.iter().enumerate() {
        let mut spans = vec![Span::styled(format!("{:>number$}", layer + 1), model.theme.faint())];
        let mut used = number;
        for step in steps {
            let name = text::fit(&names[*step], columns.saturating_sub(number + 4).min(30));
            let width = 4 + text::width(&name);
            if used + width > columns && used > number {
                page.parts(std::mem::take(&mut spans));
                spans.push(Span::raw(" ".repeat(number)));
                used = number;
            }
            used += width;
            spans.push(Span::raw("  "));
            spans.extend(label(model, &model.view.steps[*step], name, path.contains(step)));
        }
        page.parts(spans);
    }
}

fn label(model: &Model, step: &StepView, name: String, on_path: bool) -> [Span<'static>; 3] {
    let selected = model.selected.as_ref() == Some(&step.plan.step);
    let mut style = Style::new();
    if on_path {
        style = model.theme.strong();
    }
    if selected {
        style = style.add_modifier(Modifier::REVERSED);
    }
    let icon = Span::styled(theme::icon(step.state, model.frame), model.theme.state(step.state));
    [icon, Span::raw(" "), Span::styled(name, style)]
}

/// The path that decides how long the run takes.
fn longest(model: &Model, names: &[String], page: &mut Page) {
    let forecast = &model.forecast;
    if forecast.path.len() < 2 {
        return;
    }
    let path: Vec<&str> = forecast.path.iter().map(|step| names[*step].as_str()).collect();
    let time = text::duration(forecast.path_ms);
    let time = match (model.is_over(), forecast.path_is_expected) {
        (true, _) => time,
        (false, true) => format!("about {time}"),
        (false, false) => format!("{time} so far"),
    };
    page.fact("Critical", &format!("{} ({time})", path.join(" → ")));
}
