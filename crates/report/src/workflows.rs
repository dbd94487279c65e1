//! Lists of workflow files.

use std::path::PathBuf;

use roboppi_attach::RunSummary;
use roboppi_ipc::UtcMillis;
use roboppi_untrusted::{first_words, json};

use crate::runs::sign;
use crate::style::Ink;
use crate::table;
use crate::units::ago;

/// A workflow file.
#[derive(Debug)]
pub struct Listed<'r> {
    /// Its path, as it can be typed.
    pub file: PathBuf,
    /// Its name and the number of its steps, or how many errors it has.
    pub content: Result<(String, usize), usize>,
    /// The last run of it.
    pub last: Option<&'r RunSummary>,
}

/// Workflow files as a JSON array.
#[must_use]
pub fn array(files: &[Listed<'_>]) -> String {
    let files: Vec<_> = files
        .iter()
        .map(|listed| {
            let content = listed.content.as_ref().ok();
            let last = listed.last.map(|run| {
                serde_json::json!({
                    "id": run.id,
                    "handle": run.handle,
                    "state": run.liveness.name(),
                    "startedAt": run.manifest.as_ref().map(|manifest| manifest.started_at),
                    "durationMs": run.duration_ms,
                })
            });
            serde_json::json!({
                "file": listed.file,
                "name": content.map(|(name, _)| name),
                "steps": content.map(|(_, steps)| steps),
                "errors": listed.content.as_ref().err().copied().unwrap_or(0),
                "lastRun": last,
            })
        })
        .collect();
    json(&format!("{:#}\n", serde_json::json!(files))).into_owned()
}

/// Workflow files as a table.
#[must_use]
pub fn list(files: &[Listed<'_>], now: UtcMillis, colour: bool) -> String {
    let mut rows = vec![["FILE", "NAME", "STEPS", "LAST RUN", "STARTED"].map(str::to_owned)];
    rows.extend(files.iter().map(|listed| {
        let (name, steps) = match &listed.content {
            Ok((name, steps)) => (first_words(name), steps.to_string()),
            Err(errors) => (format!("{errors} error{}", if *errors == 1 { "" } else { "s" }), "–".to_owned()),
        };
        let last = listed
            .last
            .map(|run| format!("{} {} {}", sign(run.liveness), run.liveness.name(), run.short_name()));
        let started =
            listed.last.and_then(|run| Some(format!("{} ago", ago(now, run.manifest.as_ref()?.started_at))));
        let none = || "–".to_owned();
        [
            first_words(&listed.file.display().to_string()),
            name,
            steps,
            last.unwrap_or_else(none),
            started.unwrap_or_else(none),
        ]
    }));
    let inks = std::iter::once(Ink::Faint);
    let inks =
        inks.chain(files.iter().map(|listed| if listed.content.is_err() { Ink::Bad } else { Ink::Plain }));
    table(&rows).lines().zip(inks).map(|(line, ink)| ink.paint(colour, line) + "\n").collect()
}
