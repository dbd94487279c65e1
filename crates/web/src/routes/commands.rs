//! Commands to runs, and new runs.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use roboppi_attach::{Answer as OwnerAnswer, AskError, ask_as};
use roboppi_run::{RunCommand, StepPath};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::app::App;
use crate::call::{Answer, Call, Segments, body};
use crate::problem::Problem;

/// The body of `POST /api/v1/runs/{run}/commands`.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Order {
    /// What to do.
    command: Word,
    /// Path of the step; with `cancel` and `kill` the whole run without one.
    #[serde(default)]
    step: Option<String>,
}

/// A command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
enum Word {
    /// Ends the run or the step.
    Cancel,
    /// Kills the workers of the run.
    Kill,
    /// Tries a failed step again.
    Retry,
    /// Skips a step that has not started.
    Skip,
}

/// The answer to a command.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Outcome {
    /// `granted`: what comes of it is in the events of the run.
    outcome: String,
}

/// `POST /api/v1/runs/{run}/commands`.
pub(crate) async fn send(
    State(app): State<Arc<App>>,
    Segments(run): Segments<String>,
    call: Call,
    request: Request,
) -> Answer {
    let order: Order = body(request).await?;
    let hub = app.run(&run).await?;
    let command = command(&order)?;
    if let Some(step) = command.step()
        && hub.look(|view, _, _| view.head.is_some() && view.step(step).is_none())
    {
        return Err(Problem::not_found(format!("the run has no step `{step}`"))
            .hint("GET the run: it lists its steps"));
    }
    app.counters.commands.fetch_add(1, Relaxed);
    let user = call.client.user();
    let words = command.in_words();
    let asked = app.aside(move |_| Ok(ask_as(hub.run(), command, Some(user)))).await?;
    let outcome = match asked {
        Ok(OwnerAnswer::Granted) => "granted".to_owned(),
        Ok(OwnerAnswer::Unknown(other)) => other.tag.as_str().to_owned(),
        Ok(OwnerAnswer::Refused { why }) => return Err(Problem::conflict(format!("cannot {words}: {why}"))),
        Err(error @ (AskError::Over(_) | AskError::Elsewhere { .. } | AskError::NoSocket { .. })) => {
            return Err(Problem::conflict(format!("cannot {words}: {error}")));
        }
        Err(error) => return Err(Problem::unavailable(format!("cannot {words}: {error}"))),
    };
    Ok((StatusCode::ACCEPTED, axum_json(&Outcome { outcome })).into_response())
}

fn command(order: &Order) -> Result<RunCommand, Problem> {
    let step = order
        .step
        .as_deref()
        .map(|step| StepPath::parse(step).map_err(|error| Problem::bad_request(format!("`step`: {error}"))));
    let step = step.transpose()?;
    let needed = |step: Option<StepPath>| {
        step.ok_or_else(|| Problem::bad_request("`step` is missing: the path of a step"))
    };
    Ok(match order.command {
        Word::Cancel => step.map_or(RunCommand::CancelRun { force: false }, RunCommand::CancelStep),
        Word::Kill if step.is_some() => {
            return Err(Problem::bad_request("`kill` is for the whole run").hint("send `cancel` for a step"));
        }
        Word::Kill => RunCommand::CancelRun { force: true },
        Word::Retry => RunCommand::RetryStep(needed(step)?),
        Word::Skip => RunCommand::SkipStep(needed(step)?),
    })
}

fn axum_json(value: &impl Serialize) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], serde_json::to_vec(value).unwrap_or_default())
}

/// `POST /api/v1/workflows/{workflow}/runs`.
pub(crate) async fn start(State(app): State<Arc<App>>, Segments(workflow): Segments<String>) -> Answer {
    let path = app.workflows().find(|(id, _)| *id == workflow).map(|(_, path)| path.clone());
    let path = path.ok_or_else(|| {
        Problem::not_found(format!("no workflow `{workflow}` may be started"))
            .hint("start the server with `--workflow FILE`; GET api/v1/session lists the workflows")
    })?;
    let started = app
        .aside(move |app| {
            let start = Arc::clone(&app.settings.start);
            let id = start(&path).map_err(|why| {
                Problem::conflict(why).hint("`roboppi workflow validate FILE` shows errors")
            })?;
            let handle = app.hubs.root().open_run(
                &roboppi_run::RunId::parse(&id).map_err(|error| Problem::unavailable(error.to_string()))?,
            );
            Ok((id, handle.ok().and_then(|run| run.handle()).map(|handle| handle.to_string())))
        })
        .await?;
    let (id, handle) = started;
    let place = format!("{}/api/v1/runs/{id}", app.settings.base_path);
    let mut fields = json!({"id": id});
    if let Some(handle) = handle {
        fields["handle"] = handle.into();
    }
    Ok((StatusCode::CREATED, [(header::LOCATION, place)], axum_json(&fields)).into_response())
}
