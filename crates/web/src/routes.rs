//! The routes: one module a subject.

use std::sync::Arc;

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::app::App;
use crate::client::{Client, guard};
use crate::live;
use crate::params::Params;
use crate::problem::Problem;

mod activity;
mod commands;
mod events;
mod health;
mod logs;
mod page;
mod runs;
mod session;
mod statistics;

#[cfg(feature = "schema")]
pub(crate) use activity::{ActivityPage, Diffs};
#[cfg(feature = "schema")]
pub(crate) use commands::{Order, Outcome};
pub(crate) use events::check as check_cursor;
#[cfg(feature = "schema")]
pub(crate) use runs::RunPage;
#[cfg(feature = "schema")]
pub(crate) use session::Login;

/// Longest body of a request, in bytes.
const LONGEST_BODY: usize = 64 * 1024;

/// All routes, below the base path.
pub(crate) fn router(app: &Arc<App>) -> Router {
    let attempt = "/api/v1/runs/{run}/attempts/{attempt}";
    let of_attempt = |rest: &str| format!("{attempt}{rest}");
    let routes = Router::new()
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(health::metrics))
        .route("/login", get(session::login))
        .route("/api/v1/session", get(session::show).post(session::begin).delete(session::end))
        .route("/api/v1/openapi.json", get(health::openapi))
        .route("/api/v1/runs", get(runs::list))
        .route("/api/v1/runs/{run}", get(runs::one))
        .route("/api/v1/runs/{run}/events", get(events::page))
        .route("/api/v1/runs/{run}/stream", get(live::sse::of_run))
        .route("/api/v1/stream", get(live::sse::of_all))
        .route("/api/v1/runs/{run}/commands", post(commands::send))
        .route("/api/v1/runs/{run}/log", get(logs::of_run))
        .route(&of_attempt("/activity"), get(activity::page))
        .route(&of_attempt("/blobs/{blob}"), get(activity::blob))
        .route(&of_attempt("/diffs"), get(activity::diffs))
        .route(&of_attempt("/log"), get(logs::page))
        .route(&of_attempt("/log/line/{line}"), get(logs::line))
        .route(&of_attempt("/log/search"), get(logs::search))
        .route(&of_attempt("/log/download"), get(logs::download))
        .route("/api/v1/workflows/{workflow}/runs", post(commands::start))
        .route("/api/v1/stats", get(statistics::stats))
        .route("/api/data", get(statistics::data))
        .route("/api/v1/ws", get(live::socket::open))
        .route("/ws", get(live::legacy::open))
        .fallback(page::file)
        .method_not_allowed_fallback(not_allowed);
    let base = &app.settings.base_path;
    let router = if base.is_empty() {
        routes
    } else {
        let (to, below) = (format!("{base}/"), format!("{base}/"));
        let redirect = move || async move { axum::response::Redirect::permanent(&to) };
        Router::new().route(base, get(redirect)).nest(&below, routes).fallback(outside)
    };
    router.layer(middleware::from_fn_with_state(Arc::clone(app), guard)).with_state(Arc::clone(app))
}

async fn not_allowed() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method not allowed", "the route has no such method")
        .hint("GET api/v1/openapi.json lists the routes")
}

async fn outside() -> Problem {
    Problem::not_found("the path is not below the base path of the server")
}

/// The answer of a route.
pub(crate) type Answer<T = Response> = Result<T, Problem>;

/// An answer in JSON.
pub(crate) fn json(value: &impl Serialize) -> Answer {
    let text = serde_json::to_vec(value).map_err(|error| Problem::unavailable(error.to_string()))?;
    Ok(([("content-type", "application/json")], text).into_response())
}

/// The client and the parameters of a request.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) client: Client,
    pub(crate) params: Params,
}

impl<S: Send + Sync> FromRequestParts<S> for Call {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let client = parts.extensions.get::<Client>().cloned();
        let client = client.ok_or_else(|| Problem::unavailable("the request was not checked"))?;
        Ok(Self { client, params: Params::parse(parts.uri.query())? })
    }
}

/// Parts of the path, decoded.
#[derive(Clone, Debug)]
pub(crate) struct Segments<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Segments<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        let path = path.map_err(|error| Problem::bad_request(format!("the path: {error}")))?;
        Ok(Self(path.0))
    }
}

/// The body of a request, as JSON.
///
/// # Errors
/// When it is too long, or not what is expected.
pub(crate) async fn body<T: DeserializeOwned>(request: Request) -> Answer<T> {
    let too_long = || {
        Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body too large",
            format!("the body has more than {LONGEST_BODY} bytes"),
        )
    };
    let declared = request.headers().get("content-length").and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|declared| declared > LONGEST_BODY as u64) {
        return Err(too_long());
    }
    let bytes: Bytes = to_bytes(request.into_body(), LONGEST_BODY).await.map_err(|_| too_long())?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Problem::bad_request(format!("the body is not the JSON that is expected: {error}")))
}
