//! Runs: the list, and one of them.

use std::sync::Arc;

use axum::extract::State;
use serde::Serialize;

use crate::api::run::{Run, RunRow};
use crate::app::App;
use crate::call::{Answer, Call, Segments, json};
use crate::problem::Problem;

/// The answer of `GET /api/v1/runs`.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct RunPage {
    /// Runs, newest first.
    runs: Vec<Arc<RunRow>>,
    /// The value of `after` for the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    /// Runs that were asked for, on all pages.
    total: usize,
    /// Runs that may go on, among all.
    live: usize,
    /// Runs among all with steps that go on only when a person does something.
    needs_you: usize,
}

/// `GET /api/v1/runs`.
pub(crate) async fn list(State(app): State<Arc<App>>, call: Call) -> Answer {
    let params = call.params;
    let limit = params.limit("limit", 50, 500)?;
    let states = params.list("state");
    let (workflow, text) = (params.text("workflow").map(str::to_owned), params.text("q").map(str::to_owned));
    let after = params.text("after").map(str::to_owned);
    let page = app
        .aside(move |app| {
            let (rows, _) = app.list.rows(app.time())?;
            let wanted = |row: &&Arc<RunRow>| {
                let of_state = states.is_empty() || states.contains(&row.state);
                let of_workflow = workflow
                    .as_ref()
                    .is_none_or(|workflow| row.name == *workflow || row.workflow.as_ref() == Some(workflow));
                of_state && of_workflow && text.as_ref().is_none_or(|text| row.matches(text))
            };
            let found: Vec<_> = rows.iter().filter(wanted).cloned().collect();
            // The cursor is the id of the last run of a page: runs that begin meanwhile come before it.
            let from = match after {
                None => 0,
                Some(after) => {
                    let place = rows.iter().position(|row| row.id == after);
                    let place = place.ok_or_else(|| {
                        Problem::bad_request(
                            "`after` is no cursor of this list: the run is not there any more",
                        )
                        .hint("begin again without `after`")
                    })?;
                    let behind: std::collections::HashSet<&str> =
                        rows[..=place].iter().map(|row| row.id.as_str()).collect();
                    found.iter().take_while(|row| behind.contains(row.id.as_str())).count()
                }
            };
            let shown = &found[from..(from + limit).min(found.len())];
            let next = (from + shown.len() < found.len()).then(|| shown.last().map(|row| row.id.clone()));
            Ok(RunPage {
                runs: app.list.in_full(shown),
                next: next.flatten(),
                total: found.len(),
                live: rows.iter().filter(|row| row.is_live()).count(),
                needs_you: rows.iter().filter(|row| !row.needs_you.is_empty()).count(),
            })
        })
        .await?;
    json(&page)
}

/// `GET /api/v1/runs/{run}`.
pub(crate) async fn one(State(app): State<Arc<App>>, Segments(run): Segments<String>) -> Answer {
    let hub = app.run(&run).await?;
    let now = app.time();
    json(&hub.look(|view, liveness, cursor| Run::of(hub.facts(), view, liveness, now, cursor.to_string())))
}
