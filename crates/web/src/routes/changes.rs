//! Real changes of the files of a workspace.

use std::sync::Arc;

use axum::extract::State;
use axum::response::IntoResponse;
use roboppi_ipc::ChangeKind;
use roboppi_record::AttemptChanges;
use serde::Serialize;

use crate::app::App;
use crate::call::{Answer, Call, Segments, json};
use crate::feed::Hub;
use crate::logs::attempt_of;
use crate::problem::Problem;

/// The files that an attempt changed.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Changes {
    /// These are all changes.
    complete: bool,
    /// Why they are not all.
    missed: Option<String>,
    /// Another step had the same files at the same time; its changes are among these.
    shared: bool,
    /// Changes by path.
    changes: Vec<Change>,
}

/// A file that is not what it was before the attempt.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Change {
    /// Path relative to the workspace.
    path: String,
    /// `added`, `modified` or `deleted`.
    kind: String,
    /// `tool`: a tool call names the file at the time of the change; `other`: anything else.
    cause: String,
    /// Lines that were added.
    added: Option<u64>,
    /// Lines that were removed.
    removed: Option<u64>,
    /// Length of the file at the end.
    bytes: Option<u64>,
    /// There is a diff.
    diff: bool,
}

/// `GET …/attempts/{attempt}/changes`.
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Segments((run, attempt)): Segments<(String, String)>,
) -> Answer {
    let hub = app.run(&run).await?;
    let found = app.aside(move |_| read(&hub, &attempt)).await?;
    let changes = found.changes.iter().map(|change| Change {
        path: change.path.clone(),
        kind: if change.action == ChangeKind::Created { "added" } else { change.action.name() }.to_owned(),
        cause: change.cause.name().to_owned(),
        added: change.added,
        removed: change.removed,
        bytes: change.bytes,
        diff: found.diff(change).is_some(),
    });
    let changes = changes.collect();
    json(&Changes { complete: found.missed.is_none(), missed: found.missed, shared: found.shared, changes })
}

/// `GET …/attempts/{attempt}/changes/diff?path=…`: the unified diff of one file.
pub(crate) async fn diff(
    State(app): State<Arc<App>>,
    Segments((run, attempt)): Segments<(String, String)>,
    call: Call,
) -> Answer {
    let Some(path) = call.params.text("path").map(str::to_owned) else {
        return Err(Problem::bad_request("the parameter `path` is missing")
            .hint("give a path from the list of changes"));
    };
    let hub = app.run(&run).await?;
    let text = app
        .aside(move |_| {
            let found = read(&hub, &attempt)?;
            let change =
                found.of(&path).ok_or_else(|| Problem::not_found("the attempt did not change this file"))?;
            let diff = found
                .diff(change)
                .ok_or_else(|| Problem::not_found("the record has no diff of this file"))?;
            Ok(diff.to_owned())
        })
        .await?;
    Ok(([("content-type", "text/plain; charset=utf-8")], text).into_response())
}

fn read(hub: &Hub, attempt: &str) -> Result<AttemptChanges, Problem> {
    let of = attempt_of(hub, attempt)?;
    let (view, may_go_on) = hub.look(|view, liveness, _| (view.attempt(&of).cloned(), liveness.may_live()));
    let view = view.ok_or_else(|| Problem::not_found("the attempt is gone"))?;
    let record = hub.record();
    Ok(AttemptChanges::read(record.as_ref(), &view, may_go_on)?)
}
