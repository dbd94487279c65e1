//! Lists of runs.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use roboppi_attach::{Liveness, RunSummary};
use roboppi_ipc::UtcMillis;
use roboppi_record::{Kept, Reason, RecordPart};
use roboppi_run::{Progress, RunMode, RunOutcome};
use roboppi_untrusted::{first_words, json};
use serde_json::Value;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::style::Ink;
use crate::table;
use crate::units::{ago, bytes, duration};

mod flaky;

pub use flaky::FlakySteps;

/// Runs as a JSON array, each with how far it is at a moment.
#[must_use]
pub fn array(runs: &[(RunSummary, Progress)], now: UtcMillis) -> String {
    let runs: Vec<_> = runs
        .iter()
        .map(|(run, progress)| {
            let manifest = run.manifest.as_ref();
            serde_json::json!({
                "id": run.id,
                "handle": run.handle,
                "name": manifest.map(|manifest| &manifest.name),
                "origin": if is_emitted(run) { "emitted" } else { "workflow" },
                "state": run.liveness.name(),
                "silentSince": run.silent_since,
                "lastSignAt": run.liveness.last_sign(),
                "startedAt": manifest.map(|manifest| manifest.started_at),
                "durationMs": run.duration_ms,
                "stepsDone": run.steps.0,
                "stepsSucceeded": run.succeeded,
                "stepsTotal": run.steps.1,
                "progress": progress_object(progress, now),
                "workspace": manifest.map(|manifest| &manifest.workspace),
                "workflow": manifest.map(|manifest| &manifest.workflow),
                "pinned": run.pinned,
                "importedFrom": run.imported.as_ref().map(|imported| &imported.from.host),
                "record": run.local.record().location(RecordPart::Run),
                "damage": run.damage,
            })
        })
        .collect();
    json(&format!("{:#}\n", serde_json::json!(runs))).into_owned()
}

/// How far a run is, as a JSON object.
pub(crate) fn progress_object(progress: &Progress, now: UtcMillis) -> Value {
    serde_json::json!({
        "done": progress.done,
        "total": progress.total,
        "basis": progress.basis.name(),
        "runs": progress.runs,
        "remainingMs": progress.remaining_ms(now),
    })
}

/// How a list of runs is written.
#[derive(Clone, Debug, Default)]
pub struct ListStyle {
    /// In colours.
    pub colour: bool,
    /// Columns that a row may have; `None` for as many as it takes.
    pub width: Option<usize>,
    /// The home directory, which is written as `~`.
    pub home: Option<PathBuf>,
    /// With whole ids.
    pub long: bool,
    /// Runs that match and are not in the list.
    pub hidden: usize,
}

/// Columns of a name of a workflow, where the width counts.
const NAME: usize = 24;

/// Columns of a workspace at least, before it is left out.
const WORKSPACE: usize = 8;

/// Runs as a table, with what of them is damaged below.
#[must_use]
pub fn list(runs: &[RunSummary], now: UtcMillis, style: &ListStyle) -> String {
    if runs.is_empty() {
        return "There are no runs yet. `roboppi workflow run FILE` makes one.\n".to_owned();
    }
    let mut rows =
        vec![["RUN", "WORKFLOW", "STATE", "STEPS", "STARTED", "TOOK", "WORKSPACE"].map(str::to_owned)];
    rows.extend(runs.iter().map(|run| row(run, now, style)));
    fit(&mut rows, style.width);
    let inks = std::iter::once(Ink::Faint).chain(runs.iter().map(ink));
    let mut text: String =
        table(&rows).lines().zip(inks).map(|(line, ink)| ink.paint(style.colour, line) + "\n").collect();
    for run in runs {
        if let Some(damage) = &run.damage {
            let _ = writeln!(text, "warning: {}: {}", run.short_name(), first_words(damage));
        }
    }
    if style.hidden > 0 {
        let noun = if style.hidden == 1 { "run" } else { "runs" };
        let _ = writeln!(text, "{} more {noun}: `--limit 0` lists all", style.hidden);
    }
    text
}

/// Cuts the workspace, which is the last column, to what is left of the width: it is known best by its end.
fn fit(rows: &mut [[String; 7]], width: Option<usize>) {
    let Some(width) = width else { return };
    let before: usize =
        (0..6).map(|column| rows.iter().map(|row| row[column].width()).max().unwrap_or(0) + 2).sum();
    let left = width.saturating_sub(before);
    for row in rows {
        if left < WORKSPACE {
            row[6].clear();
        } else if row[6].width() > left {
            row[6] = format!("…{}", end_within(&row[6], left - 1));
        }
    }
}

/// The end of a text that takes no more than `width` columns.
fn end_within(text: &str, width: usize) -> &str {
    let mut start = text.len();
    let mut taken = 0;
    for (at, char) in text.char_indices().rev() {
        taken += char.width().unwrap_or(0);
        if taken > width {
            break;
        }
        start = at;
    }
    &text[start..]
}

const fn ink(run: &RunSummary) -> Ink {
    match run.liveness {
        Liveness::Live => Ink::Strong,
        Liveness::Finished(RunOutcome::Succeeded) => Ink::Plain,
        Liveness::Finished(RunOutcome::Failed | RunOutcome::TimedOut) => Ink::Bad,
        Liveness::Finished(RunOutcome::Cancelled) => Ink::Faint,
        Liveness::Finished(_) | Liveness::Lost | Liveness::Elsewhere { .. } => Ink::Caution,
    }
}

pub(crate) const fn sign(liveness: Liveness) -> &'static str {
    match liveness {
        Liveness::Live => "●",
        Liveness::Finished(RunOutcome::Succeeded) => "✓",
        Liveness::Finished(RunOutcome::Failed | RunOutcome::TimedOut) => "✗",
        Liveness::Finished(RunOutcome::Cancelled) => "■",
        Liveness::Finished(_) | Liveness::Lost => "!",
        Liveness::Elsewhere { .. } => "?",
    }
}

fn row(run: &RunSummary, now: UtcMillis, style: &ListStyle) -> [String; 7] {
    let manifest = run.manifest.as_ref();
    let unknown = || "?".to_owned();
    let last = run.liveness.last_sign();
    let last = last.map_or_else(String::new, |last| format!(", last sign of life {} ago", ago(now, last)));
    let imported = if run.imported.is_some() { ", imported" } else { "" };
    let emitted = if is_emitted(run) { ", emitted" } else { "" };
    let silent =
        run.silent_since.map_or_else(String::new, |since| format!(", silent for {}", ago(now, since)));
    let pinned = if run.pinned { ", pinned" } else { "" };
    let name = match run.handle {
        Some(handle) if style.long => format!("{handle} {}", run.id),
        _ => run.short_name(),
    };
    [
        name,
        manifest.map_or_else(unknown, |manifest| shortened(&first_words(&manifest.name), style)),
        format!("{} {}{last}{silent}{emitted}{imported}{pinned}", sign(run.liveness), run.liveness.name()),
        format!("{}/{}", run.succeeded, run.steps.1),
        manifest.map_or_else(unknown, |manifest| format!("{} ago", ago(now, manifest.started_at))),
        run.duration_ms.map_or_else(|| "–".to_owned(), duration),
        manifest.map_or_else(unknown, |manifest| below_home(&first_words(&manifest.workspace), style)),
    ]
}

/// Whether its program records itself.
fn is_emitted(run: &RunSummary) -> bool {
    run.manifest.as_ref().is_some_and(|manifest| manifest.mode == RunMode::Emitted)
}

fn shortened(name: &str, style: &ListStyle) -> String {
    if style.width.is_none() || name.width() <= NAME {
        return name.to_owned();
    }
    let mut cut = String::new();
    for char in name.chars() {
        if cut.width() + char.width().unwrap_or(0) >= NAME {
            break;
        }
        cut.push(char);
    }
    cut + "…"
}

fn below_home(path: &str, style: &ListStyle) -> String {
    let below = style.home.as_deref().and_then(|home| Path::new(path).strip_prefix(home).ok());
    below.map_or_else(
        || path.to_owned(),
        |below| if below.as_os_str().is_empty() { "~".to_owned() } else { format!("~/{}", below.display()) },
    )
}

/// What was removed, or would be.
#[derive(Debug, Default)]
pub struct Pruned {
    /// The runs that are too old, too many or too large, and why.
    pub expired: Vec<(Kept, Reason)>,
    /// How many of them are removed, and how many bytes they had.
    pub removed: (u32, u64),
    /// Runs of other users, which were left alone.
    pub of_others: usize,
    /// Nothing was removed.
    pub dry_run: bool,
}

/// A line for each run, and the sum.
#[must_use]
pub fn pruned(pruned: &Pruned) -> String {
    let mut text = String::new();
    for (run, reason) in &pruned.expired {
        let _ = writeln!(text, "{}  {}  {}", run.id, bytes(run.bytes), reason.text());
    }
    let (removed, freed) = pruned.removed;
    let verb = if pruned.dry_run { "would be removed" } else { "removed" };
    let noun = if removed == 1 { "run" } else { "runs" };
    let _ = writeln!(text, "{removed} {noun} {verb}, {}", bytes(freed));
    if pruned.of_others > 0 {
        let noun = if pruned.of_others == 1 { "run of another user was" } else { "runs of other users were" };
        let _ = writeln!(text, "{} {noun} left alone", pruned.of_others);
    }
    text
}
