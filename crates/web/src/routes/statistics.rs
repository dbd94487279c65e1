//! Statistics.

use std::sync::Arc;

use axum::extract::State;
use axum::response::IntoResponse;
use roboppi_ipc::UtcMillis;
use roboppi_report::stats::{Subject, metrics, object};
use roboppi_stats::{RunFigures, Selection};
use serde_json::{Value, json};

use crate::app::App;
use crate::call::{Answer, Call};
use crate::problem::Problem;

/// `GET /api/v1/stats`: the same JSON as `roboppi stats --json`.
pub(crate) async fn stats(State(app): State<Arc<App>>, call: Call) -> Answer {
    let since = call.params.value::<u64>("since", "a time in UTC milliseconds")?.map(UtcMillis);
    let until = call.params.value::<u64>("until", "a time in UTC milliseconds")?.map(UtcMillis);
    let workflow = call.params.text("workflow").map(str::to_owned);
    let selection = Selection { since, until };
    let text = app.aside(move |app| count(app, &selection, workflow.as_deref(), false)).await?;
    Ok(([("content-type", "application/json")], text).into_response())
}

/// `GET /api/data`: the same figures in the shape of another dashboard, whose file `roboppi stats --format pyjama` writes.
pub(crate) async fn data(State(app): State<Arc<App>>) -> Answer {
    let text = app.aside(|app| count(app, &Selection::default(), None, true)).await?;
    let file: Value = serde_json::from_str(&text).unwrap_or_default();
    crate::call::json(&in_shape(&file, app.time().0))
}

fn count(app: &App, selection: &Selection, workflow: Option<&str>, as_file: bool) -> Result<String, Problem> {
    let mut statistics = app.statistics();
    statistics.update()?;
    let takes = |run: &RunFigures| workflow.is_none_or(|name| run.name == name || run.workflow == name);
    let statistic = statistics.totals(selection, &takes);
    let subject = Subject { statistic: &statistic, selection, workflow, now: app.time() };
    Ok(if as_file { metrics(&subject) } else { object(&subject, false) })
}

/// The answer that the pages of that dashboard expect, from its file.
fn in_shape(file: &Value, now: u64) -> Value {
    let part = |name: &str, empty: Value| file.get(name).cloned().unwrap_or(empty);
    let number = |value: &Value, name: &str| value.get(name).and_then(Value::as_f64).unwrap_or(0.0);
    let mut global = part("global", json!({}));
    let (count, success) = (number(&global, "count"), number(&global, "success"));
    let duration = number(&global, "total-duration");
    let ratio = |one: f64, other: f64| if other > 0.0 { one / other } else { 0.0 };
    if let Value::Object(global) = &mut global {
        global.entry("error").or_insert(json!(0));
        global.insert("success-rate".to_owned(), json!(ratio(success, count)));
        global.insert("avg-duration-ms".to_owned(), json!(ratio(duration, count)));
        global.insert("throughput".to_owned(), json!(ratio(count * 1000.0, duration)));
    }
    let agents = part("agents", json!({}));
    json!({
        "agents": agents,
        "specs": part("specs", json!({})),
        "metrics": {"global": global, "tools": part("tools", json!({})), "agents": agents},
        "recent-logs": part("recent-logs", json!([])),
        "hooks": {"registered": {}},
        "timestamp": now,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_follow_from_the_file() {
        let file = json!({"agents": {"a": {}}, "global": {"count": 4, "success": 3, "total-duration": 2000}});
        let shaped = in_shape(&file, 7);
        let global = &shaped["metrics"]["global"];
        assert_eq!(
            (&global["success-rate"], &global["avg-duration-ms"], &global["throughput"]),
            (&json!(0.75), &json!(500.0), &json!(2.0))
        );
        assert_eq!((&shaped["timestamp"], &shaped["hooks"]["registered"]), (&json!(7), &json!({})));
        assert_eq!(
            in_shape(&Value::Null, 7)["metrics"]["global"],
            json!({"error": 0, "success-rate": 0.0, "avg-duration-ms": 0.0, "throughput": 0.0})
        );
    }
}
