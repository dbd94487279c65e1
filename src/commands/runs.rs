//! `roboppi runs`

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use roboppi_attach::RunSummary;
use roboppi_ipc::UtcMillis;
use roboppi_record::{Kept, Reason, RecordError, Retention, StateRoot};
use roboppi_report::style::duration;
use roboppi_untrusted as untrusted;
use serde_json::json;

use crate::cli::{PruneArgs, RunsArgs, RunsCommand};
use crate::commands::{out, record};
use crate::exit::Failure;
use crate::terminal;

pub(crate) fn run(args: &RunsArgs) -> Result<ExitCode, Failure> {
    let root = record::root()?;
    match &args.command {
        None => list(&root, args.json),
        Some(RunsCommand::Prune(prune_args)) => prune(&root, prune_args),
        Some(RunsCommand::Pin { run }) => pin(&root, run, true),
        Some(RunsCommand::Unpin { run }) => pin(&root, run, false),
    }
}

fn list(root: &StateRoot, as_json: bool) -> Result<ExitCode, Failure> {
    let now = record::now();
    let runs = RunSummary::all(root, now).map_err(Failure::own)?;
    let text = if as_json { as_array(&runs) } else { as_table(&runs, now) };
    out::print(&text)
}

fn as_array(runs: &[RunSummary]) -> String {
    let runs: Vec<_> = runs
        .iter()
        .map(|run| {
            let manifest = run.manifest.as_ref();
            json!({
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
                "record": run.dir.path(),
                "damage": run.damage,
            })
        })
        .collect();
    untrusted::json(&format!("{:#}\n", json!(runs))).into_owned()
}

fn as_table(runs: &[RunSummary], now: UtcMillis) -> String {
    if runs.is_empty() {
        return "There are no runs yet. `roboppi workflow run FILE` makes one.\n".to_owned();
    }
    let mut rows =
        vec![["RUN", "WORKFLOW", "STATE", "STEPS", "STARTED", "TOOK", "WORKSPACE"].map(str::to_owned)];
    rows.extend(runs.iter().map(|run| {
        let manifest = run.manifest.as_ref();
        let started = manifest.map(|manifest| manifest.started_at);
        let pinned = if run.pinned { ", pinned" } else { "" };
        let imported = if run.imported.is_some() { ", imported" } else { "" };
        let sign = run.liveness.last_sign();
        let sign = sign.map_or_else(String::new, |sign| {
            format!(", last sign of life {} ago", record::ago(now.0.saturating_sub(sign.0)))
        });
        let state = format!("{}{sign}{imported}{pinned}", run.liveness.name());
        [
            run.id.to_string(),
            manifest.map_or_else(|| "?".to_owned(), |manifest| terminal::plain(&manifest.name)),
            state,
            format!("{}/{}", run.steps.0, run.steps.1),
            started.map_or_else(
                || "?".to_owned(),
                |at| format!("{} ago", record::ago(now.0.saturating_sub(at.0))),
            ),
            run.duration_ms.map_or_else(|| "–".to_owned(), duration),
            manifest.map_or_else(|| "?".to_owned(), |manifest| terminal::plain(&manifest.workspace)),
        ]
    }));
    let mut text = terminal::table(&rows);
    for run in runs {
        if let Some(damage) = &run.damage {
            let _ = writeln!(text, "warning: {}: {}", run.id, terminal::plain(damage));
        }
    }
    text
}

fn prune(root: &StateRoot, args: &PruneArgs) -> Result<ExitCode, Failure> {
    let day = Duration::from_secs(24 * 60 * 60);
    let retention = Retention { age: day.saturating_mul(args.days), count: args.count, bytes: args.size };
    let mut text = String::new();
    let mut failed = None;
    let (mut removed, mut freed) = (0_u32, 0_u64);
    let Expired { runs, of_others } = expired(root, &retention).map_err(Failure::own)?;
    for (run, reason) in runs {
        let _ = writeln!(text, "{}  {}  {}", run.id, record::bytes(run.bytes), reason.text());
        if !args.dry_run
            && let Err(error) = root.remove(&run.id)
        {
            failed.get_or_insert(error);
            continue;
        }
        (removed, freed) = (removed + 1, freed + run.bytes);
    }
    let verb = if args.dry_run { "would be removed" } else { "removed" };
    let noun = if removed == 1 { "run" } else { "runs" };
    let _ = writeln!(text, "{removed} {noun} {verb}, {}", record::bytes(freed));
    if of_others > 0 {
        let noun = if of_others == 1 { "run of another user was" } else { "runs of other users were" };
        let _ = writeln!(text, "{of_others} {noun} left alone");
    }
    out::print(&text)?;
    failed.map_or(Ok(ExitCode::SUCCESS), |error| Err(Failure::own(error)))
}

/// What [`expired`] found.
pub(crate) struct Expired {
    /// The runs that go, and why.
    pub(crate) runs: Vec<(Kept, Reason)>,
    /// Runs of other users, which neither go nor count.
    pub(crate) of_others: usize,
}

/// The runs of this user that go.
pub(crate) fn expired(root: &StateRoot, retention: &Retention) -> Result<Expired, RecordError> {
    let now = record::now();
    let (own, others): (Vec<_>, Vec<_>) =
        RunSummary::all(root, now)?.into_iter().partition(|run| run.dir.is_of_this_user());
    let kept = own.into_iter().map(|run| Kept {
        began: run.manifest.as_ref().map_or(now, |manifest| manifest.started_at),
        bytes: run.dir.on_disk().unwrap_or_default(),
        stays: run.pinned || run.liveness.may_live(),
        id: run.id,
        needs: run.origins,
    });
    Ok(Expired { runs: retention.expired(now, kept.collect()), of_others: others.len() })
}

fn pin(root: &StateRoot, text: &str, pinned: bool) -> Result<ExitCode, Failure> {
    let id = root.resolve(text).map_err(Failure::usage)?;
    root.open_run(&id).and_then(|run| run.pin(pinned)).map_err(Failure::own)?;
    let verb = if pinned { "is kept for good" } else { "may be removed when its time comes" };
    out::print(&format!("{id} {verb}\n"))
}
