//! What the worker changed.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use roboppi_run::{AttemptView, PatchView};

use super::{Extent, page, put};
use crate::diff_index::{Kinds, LineKind};
use crate::log_pane::LINE_BYTES;
use crate::model::Model;
use crate::{sanitise, text};

pub(super) fn draw(model: &Model, area: Rect, buffer: &mut Buffer) {
    let shown = model.shown_attempt().zip(model.patch_index());
    let Some((attempt, selected)) = shown else {
        let words = match model.shown_attempt() {
            None => "No attempt was made yet, so nothing was changed.",
            Some(_) => {
                "This attempt reported no changes. Commands and some agents change files without saying so."
            }
        };
        for (row, line) in area.rows().zip(text::wrap(words, usize::from(area.width))) {
            put(buffer, row, &Line::styled(line, model.theme.faint()));
        }
        return;
    };
    let patches = &attempt.activity.patches;
    let (head, list, diff) = parts(area, patches.len());
    put(buffer, head, &summary(model, attempt, usize::from(area.width)));
    let rows = usize::from(list.height);
    // The selected one stays in the middle as far as the list has something on both sides.
    let top = selected.saturating_sub(rows / 2).min(patches.len().saturating_sub(rows));
    for (index, (row, patch)) in list.rows().zip(patches.iter().skip(top)).enumerate() {
        put(buffer, row, &file(model, patch, top + index == selected, usize::from(row.width)));
    }
    if let Some(patch) = patches.get(selected) {
        hunks(model, patch, diff, buffer);
    }
}

pub(super) fn extent(model: &Model, area: Rect) -> Extent {
    let Some((attempt, selected)) = model.shown_attempt().zip(model.patch_index()) else {
        return Extent::default();
    };
    let patches = &attempt.activity.patches;
    let (_, _, diff) = parts(area, patches.len());
    let len = patches.get(selected).map_or(0, |patch| model.diffs.of(patch.seq).lines);
    Extent { len, rows: usize::from(diff.height) }
}

/// A line about all, the files, and the diff of one.
fn parts(area: Rect, patches: usize) -> (Rect, Rect, Rect) {
    let files = u16::try_from(patches).unwrap_or(u16::MAX).min((area.height / 3).max(1));
    let head = Rect { height: area.height.min(1), ..area };
    let list = Rect { y: head.bottom(), height: files.min(area.height - head.height), ..area };
    let diff = Rect { y: list.bottom(), height: area.bottom() - list.bottom(), ..area };
    (head, list, diff)
}

fn summary(model: &Model, attempt: &AttemptView, columns: usize) -> Line<'static> {
    let patches = &attempt.activity.patches;
    let (mut added, mut removed) = (0, 0);
    for patch in patches {
        let counts = model.diffs.of(patch.seq);
        added += counts.added;
        removed += counts.removed;
    }
    let files: std::collections::HashSet<_> = patches.iter().map(|patch| &patch.patch.file_path).collect();
    let mut words = format!(
        "{} in {}, +{added} −{removed}",
        text::count(patches.len(), "change"),
        text::count(files.len(), "file")
    );
    if attempt.activity.patches_total > patches.len() as u64 {
        words = format!("the latest {words}; {} in all", attempt.activity.patches_total);
    }
    Line::styled(text::fit(&words, columns), model.theme.strong())
}

fn file(model: &Model, patch: &PatchView, selected: bool, columns: usize) -> Line<'static> {
    let counts = model.diffs.of(patch.seq);
    let (added, removed) = (format!("+{}", counts.added), format!("−{}", counts.removed));
    let room = columns.saturating_sub(4 + added.len() + text::width(&removed));
    let path = text::fit_end(&sanitise::text(&patch.patch.file_path), room);
    let name = if selected { model.theme.strong() } else { ratatui::style::Style::new() };
    Line::from(vec![
        Span::raw(if selected { "› " } else { "  " }),
        Span::styled(path, name),
        Span::raw(" "),
        Span::styled(added, model.theme.good()),
        Span::raw(" "),
        Span::styled(removed, model.theme.bad()),
    ])
}

/// The lines of the diff that are visible. Only those are made safe and drawn.
fn hunks(model: &Model, patch: &PatchView, area: Rect, buffer: &mut Buffer) {
    let rows = usize::from(area.height);
    let top = page::top(model, model.diffs.of(patch.seq).lines, rows);
    let mut kinds = Kinds::default();
    let mut place = area.rows();
    for (index, line) in patch.patch.diff.lines().enumerate().take(top + rows) {
        let kind = kinds.next(line);
        if index < top {
            continue;
        }
        let Some(row) = place.next() else { break };
        let style = match kind {
            LineKind::Head => model.theme.strong(),
            LineKind::Hunk => model.theme.note(),
            LineKind::Added => model.theme.good(),
            LineKind::Removed => model.theme.bad(),
            LineKind::Same => ratatui::style::Style::new(),
        };
        let (line, _) = text::beginning(line, LINE_BYTES);
        let shown = sanitise::styled_line(line.as_bytes(), usize::from(area.width), false);
        put(buffer, row, &Line::styled(shown.plain(), style));
    }
}
