//! Whether the server is well, and what it is.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use roboppi_report::stats::{Subject, exposition};
use roboppi_stats::Selection;

use crate::app::App;
use crate::call::Answer;
use crate::problem::Problem;

/// The API, as OpenAPI describes it; generated from the types.
const OPENAPI: &str = include_str!("../../openapi.json");

/// `GET /healthz`: the server answers.
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: it can read the runs.
pub(crate) async fn readyz(State(app): State<Arc<App>>) -> Answer<&'static str> {
    app.aside(|app| app.hubs.root().runs().map_err(Problem::from)).await?;
    Ok("ready\n")
}

/// `GET /api/v1/openapi.json`.
pub(crate) async fn openapi() -> Response {
    ([("content-type", "application/json")], OPENAPI).into_response()
}

/// `GET /metrics`: the runs, and the server itself, for Prometheus.
pub(crate) async fn metrics(State(app): State<Arc<App>>) -> Answer {
    let text = app
        .aside(|app| {
            let mut statistics = app.statistics();
            statistics.update()?;
            let selection = Selection::default();
            let statistic = statistics.totals(&selection, &|_| true);
            let now = app.time();
            Ok(exposition(&Subject { statistic: &statistic, selection: &selection, workflow: None, now }))
        })
        .await?;
    Ok(([("content-type", "text/plain; version=0.0.4; charset=utf-8")], text + &own(&app)).into_response())
}

fn own(app: &App) -> String {
    let counters = &app.counters;
    let rows: [(&str, &str, &str, &AtomicU64); 12] = [
        ("requests_total", "counter", "Requests", &counters.requests),
        ("client_errors_total", "counter", "Answers with a status of 400 to 499", &counters.client_errors),
        ("server_errors_total", "counter", "Answers with a status of 500 or more", &counters.server_errors),
        ("logins_total", "counter", "Logins", &counters.logins),
        ("failed_logins_total", "counter", "Failed attempts to log in", &counters.failed_logins),
        ("sockets", "gauge", "WebSockets that are open", &counters.sockets),
        ("streams", "gauge", "Event streams that are open", &counters.streams),
        ("bad_messages_total", "counter", "Messages of WebSockets that were none", &counters.bad_messages),
        ("frames_total", "counter", "Frames that were sent", &counters.frames),
        ("events_total", "counter", "Events that were sent", &counters.events),
        ("gaps_total", "counter", "Gaps that clients were shown", &counters.gaps),
        (
            "slow_clients_total",
            "counter",
            "WebSockets that were closed because they were too slow",
            &counters.too_slow,
        ),
    ];
    let mut text = String::new();
    for (name, kind, help, counter) in rows {
        let value = counter.load(Relaxed);
        let _ = write!(
            text,
            "# HELP roboppi_serve_{name} {help}\n# TYPE roboppi_serve_{name} {kind}\nroboppi_serve_{name} {value}\n"
        );
    }
    let _ = write!(
        text,
        "# HELP roboppi_serve_sessions Sessions of browsers\n# TYPE roboppi_serve_sessions gauge\nroboppi_serve_sessions {}\n\
         # HELP roboppi_serve_followed_runs Runs that are followed\n# TYPE roboppi_serve_followed_runs gauge\n\
         roboppi_serve_followed_runs {}\n",
        app.sessions().len(),
        app.hubs.count(),
    );
    text
}
