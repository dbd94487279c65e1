//! The routes: one module a subject.

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware;
use axum::routing::{get, post};

use crate::app::App;
use crate::client::guard;
use crate::live;
use crate::problem::Problem;

mod activity;
mod changes;
mod commands;
mod events;
mod health;
mod logs;
mod page;
mod runs;
mod session;
mod statistics;

pub(crate) use activity::read_diffs;
#[cfg(feature = "schema")]
pub(crate) use activity::{ActivityPage, Diffs};
#[cfg(feature = "schema")]
pub(crate) use changes::Changes;
#[cfg(feature = "schema")]
pub(crate) use commands::{Order, Outcome};
#[cfg(feature = "schema")]
pub(crate) use runs::RunPage;
#[cfg(feature = "schema")]
pub(crate) use session::Login;

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
        .route("/api/v1/runs/{run}/log/line/{line}", get(logs::line_of_run))
        .route("/api/v1/runs/{run}/log/search", get(logs::search_run))
        .route("/api/v1/runs/{run}/log/download", get(logs::download_run))
        .route(&of_attempt("/activity"), get(activity::page))
        .route(&of_attempt("/blobs/{blob}"), get(activity::blob))
        .route(&of_attempt("/diffs"), get(activity::diffs))
        .route(&of_attempt("/changes"), get(changes::list))
        .route(&of_attempt("/changes/diff"), get(changes::diff))
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
