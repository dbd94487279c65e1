//! `GET /ws`: the message names of AgentGate, for pages that were written for it. A work order is a run.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::run_feed::{Begin, Next, RunFeed, Start};
use super::socket::{Close, GARBAGE, LONGEST_MESSAGE, close, refuse, send};
use crate::api::text::shortened;
use crate::app::{App, Counted};
use crate::call::Call;
use crate::feed::{Filter, Pacing, Turn};
use crate::problem::Problem;

mod translate;

use translate::{Reported, translate};

/// Longest preview of a result, in bytes.
const PREVIEW: usize = 500;

/// What a client says.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
enum Request {
    Subscribe {
        work_order_id: String,
        #[serde(default)]
        filters: Filters,
        /// So many events of the past.
        #[serde(default)]
        replay_count: Option<usize>,
        /// The events since a time of ISO 8601.
        #[serde(default)]
        replay_since: Option<String>,
    },
    Unsubscribe {
        work_order_id: String,
    },
    Ping,
}

/// Which messages are wanted.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "that is the shape of the message")]
pub(super) struct Filters {
    include_tool_calls: bool,
    include_tool_results: bool,
    include_output: bool,
    include_file_changes: bool,
    include_progress: bool,
}

impl Default for Filters {
    fn default() -> Self {
        Self {
            include_tool_calls: true,
            include_tool_results: true,
            include_output: true,
            include_file_changes: true,
            include_progress: true,
        }
    }
}

impl Filters {
    fn takes(self, kind: &str) -> bool {
        match kind {
            "agent_tool_call" => self.include_tool_calls,
            "agent_tool_result" => self.include_tool_results,
            "agent_output" => self.include_output,
            "file_changed" => self.include_file_changes,
            "progress_update" => self.include_progress,
            _ => true,
        }
    }
}

struct Order {
    id: String,
    feed: RunFeed,
    filters: Filters,
    reported: Reported,
}

pub(crate) async fn open(State(app): State<Arc<App>>, call: Call, upgrade: WebSocketUpgrade) -> Response {
    let refusal = call.client.refusal;
    let upgrade = upgrade.max_message_size(LONGEST_MESSAGE).max_frame_size(LONGEST_MESSAGE);
    upgrade.on_upgrade(move |socket| async move {
        if let Some(refusal) = refusal {
            let frame = error(app.time().0, "UNAUTHORIZED", &Problem::from(refusal).detail);
            return refuse(socket, refusal, frame).await;
        }
        let counters = Arc::clone(&app);
        let _open = Counted::new(&counters.counters.sockets);
        serve(&app, socket).await;
    })
}

/// A time as ISO 8601 has it.
fn iso(ms: u64) -> String {
    let timestamp = i64::try_from(ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    timestamp.map_or_else(String::new, |timestamp| format!("{timestamp:.3}"))
}

fn message(kind: &str, at: u64, mut fields: Value) -> String {
    fields["type"] = kind.into();
    fields["timestamp"] = iso(at).into();
    fields.to_string()
}

fn error(at: u64, code: &str, text: &str) -> String {
    message("error", at, json!({"code": code, "message": shortened(text, 1000)}))
}

async fn serve(app: &Arc<App>, mut socket: WebSocket) {
    if let Err(why) = talk(app, &mut socket).await {
        close(socket, why).await;
    }
}

async fn talk(app: &Arc<App>, socket: &mut WebSocket) -> Result<(), Close> {
    let mut orders: Vec<Order> = Vec::new();
    let mut pacing = Pacing::new(app.settings.limits, app.now());
    let mut garbage = 0;
    loop {
        let again = pump(app, &mut orders, &mut pacing, socket).await?;
        let pause =
            again.map_or(Duration::from_secs(20), |at| Duration::from_millis(at.saturating_sub(app.now())));
        let news = async {
            let news: Vec<_> = orders.iter_mut().map(|order| Box::pin(order.feed.news.changed())).collect();
            if news.is_empty() {
                return std::future::pending().await;
            }
            let _ = futures::future::select_all(news).await;
        };
        tokio::select! {
            biased;
            message = socket.recv() => {
                let Some(Ok(message)) = message else { return Err(Close::Gone) };
                let Message::Text(text) = message else { continue };
                match serde_json::from_str(&text) {
                    Ok(request) => handle(app, &mut orders, socket, request).await?,
                    Err(why) => {
                        garbage += 1;
                        app.counters.bad_messages.fetch_add(1, Relaxed);
                        let is_json = serde_json::from_str::<Value>(&text).is_ok();
                        let code = if is_json { "INVALID_MESSAGE" } else { "PARSE_ERROR" };
                        send(app, socket, error(app.time().0, code, &why.to_string())).await?;
                        if garbage >= GARBAGE {
                            return Err(Close::Garbage);
                        }
                    }
                }
            }
            () = news => {}
            () = sleep(pause) => {}
        }
    }
}

async fn handle(
    app: &Arc<App>,
    orders: &mut Vec<Order>,
    socket: &mut WebSocket,
    request: Request,
) -> Result<(), Close> {
    let now = app.time().0;
    match request {
        Request::Ping => send(app, socket, message("pong", now, json!({}))).await,
        Request::Unsubscribe { work_order_id: id } => {
            orders.retain(|order| order.id != id);
            send(app, socket, message("unsubscription_confirmed", now, json!({"workOrderId": id}))).await
        }
        Request::Subscribe { work_order_id: id, filters, replay_count, replay_since } => {
            orders.retain(|order| order.id != id);
            let since = replay_since.and_then(|text| text.parse::<jiff::Timestamp>().ok());
            let since = since.and_then(|since| u64::try_from(since.as_millisecond()).ok());
            let start = Start { after: None, last: replay_count, since };
            let opened = match app.run(&id).await {
                Ok(hub) => {
                    let per_second = app.settings.limits.events_per_second;
                    RunFeed::open(app, hub, start, Filter::default(), per_second).await
                }
                Err(problem) => Err(problem),
            };
            match opened {
                Ok((feed, begin)) if orders.len() < 32 => {
                    send(app, socket, message("subscription_confirmed", now, json!({"workOrderId": id})))
                        .await?;
                    if let Begin::Snapshot(run) | Begin::Gap(_, run) = begin {
                        let fields = json!({"workOrderId": id, "status": run.row.state});
                        send(app, socket, message("work_order_updated", now, fields)).await?;
                    }
                    orders.push(Order { id, feed, filters, reported: Reported::default() });
                    Ok(())
                }
                Ok(_) => send(app, socket, error(now, "INTERNAL_ERROR", "too many subscriptions")).await,
                Err(problem) => send(app, socket, error(now, "NOT_FOUND", &problem.detail)).await,
            }
        }
    }
}

/// Sends what may be sent. Returns when to look again.
async fn pump(
    app: &Arc<App>,
    orders: &mut [Order],
    pacing: &mut Pacing,
    socket: &mut WebSocket,
) -> Result<Option<u64>, Close> {
    let mut again = None;
    for order in orders {
        if order.feed.is_too_far_behind() {
            app.counters.gaps.fetch_add(1, Relaxed);
            // The messages have no word for a gap: the client is told the state, and goes on with the present.
            if let Ok((_, run)) = order.feed.skip(app, "").await {
                let fields = json!({"workOrderId": order.id, "status": run.row.state});
                send(app, socket, message("work_order_updated", app.time().0, fields)).await?;
            }
        }
        match pacing.turn(app.now(), order.feed.waiting()) {
            Turn::Idle => {}
            Turn::Until(at) => again = Some(again.map_or(at, |known: u64| known.min(at))),
            Turn::Send(count) => {
                for _ in 0..count {
                    match order.feed.next() {
                        Next::Event(event, _) => {
                            for (kind, at, fields) in
                                translate(&order.id, &event.with_cursor(""), &mut order.reported)
                            {
                                if order.filters.takes(kind) {
                                    send(app, socket, message(kind, at, fields)).await?;
                                }
                            }
                        }
                        Next::Nothing => break,
                        Next::Lost => {
                            let _ = order.feed.recover(app).await;
                            break;
                        }
                    }
                }
                pacing.sent(app.now(), count);
                app.counters.events.fetch_add(u64::from(count), Relaxed);
                again = Some(app.now());
            }
        }
    }
    Ok(again)
}
