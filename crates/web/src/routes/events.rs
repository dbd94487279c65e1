//! Events of a run, page by page: also for clients that cannot keep a connection.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::call::{Answer, Call, Segments};
use crate::feed::{Cursor, Stretch};
use crate::problem::Problem;

/// `GET /api/v1/runs/{run}/events`.
pub(crate) async fn page(State(app): State<Arc<App>>, Segments(run): Segments<String>, call: Call) -> Answer {
    let limit = call.params.limit("limit", 200, 2000)?;
    let filter = call.params.filter();
    let after = cursor(call.params.text("after"))?;
    let to = call.params.text("to").map(str::parse::<Cursor>).transpose()?;
    let since = call.params.value::<u64>("since", "a time in UTC milliseconds")?;
    let last = call.params.value::<usize>("last", "a number")?;
    if last.is_some_and(|last| last > 10_000) {
        return Err(Problem::bad_request("`last` is more than 10000"));
    }
    let hub = app.run(&run).await?;
    app.check_cursor(&hub, &after).await?;
    let stretch = app
        .aside(move |_| {
            let after = match (last, since) {
                (None, None) => after,
                _ => hub.cursor_before(&filter, last, since)?,
            };
            Ok(hub.recorded_after(after)?.read(&filter, limit, to.as_ref()))
        })
        .await?;
    Ok(answer(&stretch))
}

/// A cursor; the beginning without one.
///
/// # Errors
/// When the text is none.
fn cursor(text: Option<&str>) -> Result<Cursor, Problem> {
    Ok(text.map(str::parse).transpose()?.unwrap_or_default())
}

fn answer(stretch: &Stretch) -> Response {
    let events: Vec<_> = stretch.events.iter().map(|(event, cursor)| event.with_cursor(cursor)).collect();
    let text = format!(
        r#"{{"events":[{}],"cursor":"{}","more":{}}}"#,
        events.join(","),
        stretch.cursor,
        stretch.more
    );
    ([("content-type", "application/json")], text).into_response()
}
