//! Lists of runs.

use std::fmt::Write as _;

use roboppi_attach::RunSummary;
use roboppi_ipc::UtcMillis;
use roboppi_record::{Kept, Reason, RecordPart};
use roboppi_untrusted::{first_words, json};

use crate::table;
use crate::units::{ago, bytes, duration};

/// Runs as a JSON array.
#[must_use]
pub fn array(runs: &[RunSummary]) -> String {
    let runs: Vec<_> = runs
        .iter()
        .map(|run| {
            let manifest = run.manifest.as_ref();
            serde_json::json!({
                "id": run.id,
                "name": manifest.map(|manifest| &manifest.name),
                "state": run.liveness.name(),
                "lastSignAt": run.liveness.last_sign(),
                "startedAt": manifest.map(|manifest| manifest.started_at),
                "durationMs": run.duration_ms,
                "stepsDone": run.steps.0,
                "stepsTotal": run.steps.1,
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

/// Runs as a table, with what of them is damaged below.
#[must_use]
pub fn list(runs: &[RunSummary], now: UtcMillis) -> String {
    if runs.is_empty() {
        return "There are no runs yet. `roboppi workflow run FILE` makes one.\n".to_owned();
    }
    let mut rows =
        vec![["RUN", "WORKFLOW", "STATE", "STEPS", "STARTED", "TOOK", "WORKSPACE"].map(str::to_owned)];
    rows.extend(runs.iter().map(|run| row(run, now)));
    let mut text = table(&rows);
    for run in runs {
        if let Some(damage) = &run.damage {
            let _ = writeln!(text, "warning: {}: {}", run.id, first_words(damage));
        }
    }
    text
}

fn row(run: &RunSummary, now: UtcMillis) -> [String; 7] {
    let manifest = run.manifest.as_ref();
    let unknown = || "?".to_owned();
    let sign = run.liveness.last_sign();
    let sign = sign.map_or_else(String::new, |sign| format!(", last sign of life {} ago", ago(now, sign)));
    let imported = if run.imported.is_some() { ", imported" } else { "" };
    let pinned = if run.pinned { ", pinned" } else { "" };
    [
        run.id.to_string(),
        manifest.map_or_else(unknown, |manifest| first_words(&manifest.name)),
        format!("{}{sign}{imported}{pinned}", run.liveness.name()),
        format!("{}/{}", run.steps.0, run.steps.1),
        manifest.map_or_else(unknown, |manifest| format!("{} ago", ago(now, manifest.started_at))),
        run.duration_ms.map_or_else(|| "–".to_owned(), duration),
        manifest.map_or_else(unknown, |manifest| first_words(&manifest.workspace)),
    ]
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
