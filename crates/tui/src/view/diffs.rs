//! What the worker changed.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use roboppi_run::AttemptView;

use super::{Extent, put};
use crate::diff_pane::{DiffRow, Diffs, FileDiff, Heading, Hunk, Kinds, LineKind, heading_of};
use crate::model::Model;
use crate::{sanitise, text};

/// Bytes of a line that are looked at. A screen shows a few hundred columns.
const LINE_BYTES: usize = 16 * 1024;

pub(super) fn draw(model: &Model, area: Rect, buffer: &mut Buffer) {
    let Some((attempt, diffs)) = diffs(model) else {
        let words = match model.shown_attempt() {
            None => "No attempt was made yet, so nothing was changed.".to_owned(),
            Some(attempt) => no_diff(attempt),
        };
        let lines = words.lines().flat_map(|line| text::wrap(line, usize::from(area.width)));
        for (row, line) in area.rows().zip(lines) {
            put(buffer, row, &Line::styled(line, model.theme.faint()));
        }
        return;
    };
    let undiffed = undiffed(attempt, usize::from(area.width));
    let (head, list, body) = parts(area, diffs.files.len(), undiffed.is_some());
    put(
        buffer,
        Rect { height: head.height.min(1), ..head },
        &summary(model, attempt, &diffs, usize::from(area.width)),
    );
    if let (Some(words), Some(row)) = (undiffed, head.rows().nth(1)) {
        put(buffer, row, &Line::styled(words, model.theme.note()));
    }
    let current = diffs.current();
    let file = current.as_ref().and_then(|heading| file_of(&diffs, heading)).unwrap_or(0);
    let rows = usize::from(list.height);
    // The selected one stays in the middle as far as the list has something on both sides.
    let top = file.saturating_sub(rows / 2).min(diffs.files.len().saturating_sub(rows));
    for (index, (row, shown)) in list.rows().zip(diffs.files.iter().skip(top)).enumerate() {
        let mark = if top + index == file { "› " } else { "  " };
        put(buffer, row, &file_line(model, shown, mark, top + index == file, usize::from(row.width)));
    }
    let top = super::top(model, diffs.len(), usize::from(body.height));
    let mut lines = HunkLines::default();
    for (row, shown) in body.rows().zip(diffs.from(top)) {
        let is_current = heading_of(&shown).is_some_and(|heading| Some(&heading) == current.as_ref());
        let columns = usize::from(row.width);
        let line = match shown {
            DiffRow::File(file) => {
                let folded = diffs.is_folded(&Heading::File(file.path.to_owned()));
                file_line(model, file, mark(folded), is_current, columns)
            }
            DiffRow::Hunk(patch, number, hunk) => {
                let folded = diffs.is_folded(&Heading::Hunk(patch.seq, number));
                let head = patch.patch.diff[hunk.at..].lines().next().unwrap_or_default();
                let more =
                    if folded { format!("  ({})", text::count(hunk.lines, "line")) } else { String::new() };
                let head = text::fit(&(safe(head, columns) + &more), columns.saturating_sub(2));
                Line::from(vec![Span::raw(mark(folded)), Span::styled(head, model.theme.note())])
            }
            DiffRow::Line(patch, hunk, at) => {
                let (line, kind) = lines.at(&patch.patch.diff, patch.seq, hunk, at);
                let style = match kind {
                    LineKind::Head => model.theme.strong(),
                    LineKind::Hunk => model.theme.note(),
                    LineKind::Added => model.theme.good(),
                    LineKind::Removed => model.theme.bad(),
                    LineKind::Same => Style::new(),
                };
                Line::styled(safe(line, columns), style)
            }
        };
        put(buffer, row, &line);
        if is_current {
            buffer.set_style(row, model.theme.selected());
        }
    }
}

pub(super) fn extent(model: &Model, area: Rect) -> Extent {
    let Some((attempt, diffs)) = diffs(model) else { return Extent::default() };
    let has_undiffed = !attempt.activity.undiffed.is_empty();
    let (_, _, body) = parts(area, diffs.files.len(), has_undiffed);
    Extent { len: diffs.len(), rows: usize::from(body.height) }
}

/// The row that is gone to as long as nobody scrolled: that of the latest change.
pub(super) fn latest(model: &Model) -> usize {
    diffs(model).and_then(|(_, diffs)| diffs.current().map(|heading| diffs.row_of(&heading))).unwrap_or(0)
}

/// Why there is no diff: of files that changed none was told, or no change was told at all.
fn no_diff(attempt: &AttemptView) -> String {
    let paths: Vec<String> = attempt.activity.undiffed.iter().map(|path| sanitise::clean(path)).collect();
    if paths.is_empty()
        && attempt.activity.workspace.as_ref().is_some_and(|found| found.complete && found.changes == 0)
    {
        return "No file of the workspace changed.".to_owned();
    }
    if paths.is_empty() {
        return "This attempt reported no changes. Commands and some agents change files without reporting it.".to_owned();
    }
    format!("Changed, no diff told:\n  {}", paths.join("\n  "))
}

fn diffs(model: &Model) -> Option<(&AttemptView, Diffs<'_>)> {
    let attempt = model.shown_attempt().filter(|attempt| !attempt.activity.patches.is_empty())?;
    Some((attempt, Diffs::of(&model.diffs, attempt)))
}

/// The files that changed beside those with a diff, in one line.
fn undiffed(attempt: &AttemptView, columns: usize) -> Option<String> {
    let paths = &attempt.activity.undiffed;
    let named: Vec<String> = paths.iter().map(|path| sanitise::clean(path)).collect();
    let count = paths.len();
    (count > 0).then(|| {
        text::fit(
            &format!("{} changed, no diff told: {}", text::count(count, "file"), named.join(", ")),
            columns,
        )
    })
}

/// A line about all and one about files without a diff, the files where there is room for a list, and the changes.
fn parts(area: Rect, files: usize, has_undiffed: bool) -> (Rect, Rect, Rect) {
    let listed = if files > 1 && area.height >= 10 { files } else { 0 };
    let listed = u16::try_from(listed).unwrap_or(u16::MAX).min(area.height / 3);
    let head = Rect { height: area.height.min(1 + u16::from(has_undiffed)), ..area };
    let list = Rect { y: head.bottom(), height: listed, ..area };
    let body = Rect { y: list.bottom(), height: area.bottom() - list.bottom(), ..area };
    (head, list, body)
}

fn file_of(diffs: &Diffs<'_>, heading: &Heading) -> Option<usize> {
    diffs.files.iter().position(|file| match heading {
        Heading::File(path) => file.path == path,
        Heading::Hunk(seq, _) => file.patches.iter().any(|patch| patch.seq == *seq),
    })
}

fn summary(model: &Model, attempt: &AttemptView, diffs: &Diffs<'_>, columns: usize) -> Line<'static> {
    let added: usize = diffs.files.iter().map(|file| file.added).sum();
    let removed: usize = diffs.files.iter().map(|file| file.removed).sum();
    let changes = attempt.activity.patches.len();
    let mut words = format!(
        "{} in {}, +{added} −{removed}",
        text::count(changes, "change"),
        text::count(diffs.files.len(), "file")
    );
    if attempt.activity.patches_total > changes as u64 {
        let all = attempt.activity.counted(attempt.activity.patches_total);
        words = format!("the latest {words}; {all} in all");
    } else if attempt.activity.counts_are_lower_bounds() {
        words = format!("at least {words}");
    }
    if let Some(found) = &attempt.activity.workspace {
        let files = text::count(usize::try_from(found.changes).unwrap_or(usize::MAX), "file");
        words += &format!("; {files} changed in all");
        if let Some(missed) = &found.missed {
            words += &format!(", not complete: {}", sanitise::clean(missed));
        }
    }
    Line::styled(text::fit(&words, columns), model.theme.strong())
}

fn file_line(
    model: &Model,
    file: &FileDiff<'_>,
    mark: &'static str,
    strong: bool,
    columns: usize,
) -> Line<'static> {
    let (added, removed) = (format!("+{}", file.added), format!("−{}", file.removed));
    let seen =
        if file.patches.iter().all(|patch| patch.patch.seen) { " (not reported by the worker)" } else { "" };
    let room = columns.saturating_sub(4 + added.len() + text::width(&removed) + seen.len());
    let path = text::fit_end(&sanitise::clean(file.path), room);
    Line::from(vec![
        Span::raw(mark),
        Span::styled(path, if strong { model.theme.strong() } else { Style::new() }),
        Span::raw(" "),
        Span::styled(added, model.theme.good()),
        Span::raw(" "),
        Span::styled(removed, model.theme.bad()),
        Span::styled(seen, model.theme.faint()),
    ])
}

const fn mark(folded: bool) -> &'static str {
    if folded { "▸ " } else { "▾ " }
}

fn safe(line: &str, columns: usize) -> String {
    let (line, _) = text::beginning(line, LINE_BYTES);
    sanitise::styled_line(line.as_bytes(), columns, false).plain()
}

/// Walks through the lines of hunks. What a line is depends on those before it, so each hunk is gone through
/// from its beginning, but only once while its lines are asked for in turn.
#[derive(Default)]
struct HunkLines {
    /// Which hunk, the number of the next line, where that is, and what is known before it.
    place: Option<(u64, usize, usize, usize, Kinds)>,
}

impl HunkLines {
    fn at<'a>(&mut self, diff: &'a str, seq: u64, hunk: Hunk, wanted: usize) -> (&'a str, LineKind) {
        let wanted = wanted + usize::from(hunk.has_head);
        let (_, _, mut number, mut from, mut kinds) = self
            .place
            .filter(|(of, at, number, ..)| (*of, *at) == (seq, hunk.at) && *number <= wanted)
            .unwrap_or((seq, hunk.at, 0, hunk.at, Kinds::default()));
        loop {
            let rest = diff.get(from..).unwrap_or_default();
            let end = memchr::memchr(b'\n', rest.as_bytes()).unwrap_or(rest.len());
            let line = rest[..end].trim_end_matches('\r');
            let kind = kinds.next(line);
            from += end + 1;
            number += 1;
            if number > wanted || rest.is_empty() {
                self.place = Some((seq, hunk.at, number, from, kinds));
                return (line, kind);
            }
        }
    }
}
