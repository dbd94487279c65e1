//! Events of runs as server-sent events, for programs: `id:` is the cursor, and `Last-Event-ID` is honoured.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use futures::stream;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::run_feed::{Begin, Gap, Next, RunFeed, Start};
use super::runs_feed::RunsFeed;
use crate::app::{App, Counted};
use crate::call::{Answer, Call, Segments};
use crate::feed::{Pacing, Turn, Waiting};
use crate::problem::Problem;

/// Time between two comments that keep a connection open.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// How long a client may take to receive something.
const PATIENCE: Duration = Duration::from_secs(30);

/// Parts that wait for a client.
const WAITING: usize = 2;

/// Streams at a time.
const MOST: u64 = 4096;

type Sender = mpsc::Sender<Bytes>;

/// The client is gone, or too slow.
#[derive(Debug)]
struct Gone;

impl From<Problem> for Gone {
    fn from(_: Problem) -> Self {
        Self
    }
}

/// `GET /api/v1/runs/{run}/stream`.
pub(crate) async fn of_run(
    State(app): State<Arc<App>>,
    Segments(run): Segments<String>,
    call: Call,
    headers: HeaderMap,
) -> Answer {
    let start = Start {
        after: after(&call, &headers),
        last: call.params.value("last", "a number")?,
        since: call.params.value("since", "a time in UTC milliseconds")?,
    };
    let hub = app.run(&run).await?;
    let (feed, begin) =
        RunFeed::open(&app, hub, start, call.params.filter(), app.settings.limits.events_per_second).await?;
    stream_of(&app, move |app, send| async move {
        let _ = run_events(&app, feed, begin, &send).await;
    })
}

/// `GET /api/v1/stream`: the list of runs.
pub(crate) async fn of_all(State(app): State<Arc<App>>, call: Call, headers: HeaderMap) -> Answer {
    let feed = RunsFeed::new(&app, after(&call, &headers));
    stream_of(&app, move |app, send| async move {
        let _ = list_events(&app, feed, &send).await;
    })
}

fn after(call: &Call, headers: &HeaderMap) -> Option<String> {
    let header = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    header.filter(|value| !value.is_empty()).or(call.params.text("after")).map(str::to_owned)
}

fn stream_of<F: Future<Output = ()> + Send + 'static>(
    app: &Arc<App>,
    write: impl FnOnce(Arc<App>, Sender) -> F + Send + 'static,
) -> Answer {
    if app.counters.streams.load(Relaxed) >= MOST {
        return Err(Problem::unavailable("the server has as many streams as it takes"));
    }
    let (send, mut receive) = mpsc::channel(WAITING);
    let app = Arc::clone(app);
    tokio::spawn(async move {
        let counted = Arc::clone(&app);
        let _open = Counted::new(&counted.counters.streams);
        write(app, send).await;
    });
    let body = stream::poll_fn(move |context| {
        receive.poll_recv(context).map(|part| part.map(Ok::<_, std::io::Error>))
    });
    // Proxies that collect an answer would hold the events back.
    let headers = [("content-type", "text/event-stream"), ("x-accel-buffering", "no")];
    let response: Response = (headers, Body::from_stream(body)).into_response();
    Ok(response)
}

async fn send(to: &Sender, text: String) -> Result<(), Gone> {
    timeout(PATIENCE, to.send(text.into())).await.map_err(|_| Gone)?.map_err(|_| Gone)
}

fn message(kind: Option<&str>, id: &str, data: &str) -> String {
    let kind = kind.map_or_else(String::new, |kind| format!("event: {kind}\n"));
    format!("{kind}id: {id}\ndata: {data}\n\n")
}

async fn begin_run(begin: Begin, to: &Sender) -> Result<(), Gone> {
    let (gap, run) = match begin {
        Begin::Events => return Ok(()),
        Begin::Snapshot(run) => (None, run),
        Begin::Gap(gap, run) => (Some(gap), run),
    };
    if let Some(Gap { from, to: behind, count, reason }) = gap {
        let data = json!({"from": &*from, "to": &*behind, "count": count, "reason": reason}).to_string();
        send(to, message(Some("gap"), &behind, &data)).await?;
    }
    let data = serde_json::to_string(&run).unwrap_or_default();
    send(to, message(Some("snapshot"), &run.cursor, &data)).await
}

async fn run_events(app: &Arc<App>, mut feed: RunFeed, begin: Begin, to: &Sender) -> Result<(), Gone> {
    let mut pacing = Pacing::new(app.settings.limits, app.now());
    begin_run(begin, to).await?;
    loop {
        if feed.is_too_far_behind() {
            app.counters.gaps.fetch_add(1, Relaxed);
            let (gap, run) = feed.skip(app, "the client is too slow for the events of the run").await?;
            begin_run(Begin::Gap(gap, run), to).await?;
        }
        match pacing.turn(app.now(), feed.waiting()) {
            Turn::Idle => {
                if feed.hub.is_over() && feed.waiting().events == 0 {
                    let end = message(Some("end"), feed.cursor(), "{}");
                    return send(to, end).await;
                }
                wait(to, &mut feed.news).await?;
            }
            Turn::Until(at) => sleep(Duration::from_millis(at.saturating_sub(app.now()))).await,
            Turn::Send(count) => {
                let (mut text, mut sent, mut lost) = (String::new(), 0, false);
                while sent < count && text.len() < app.settings.limits.frame_bytes as usize / 2 {
                    match feed.next() {
                        Next::Event(event, cursor) => {
                            text += &message(None, &cursor, &event.with_cursor(&cursor));
                            sent += 1;
                        }
                        Next::Nothing => break,
                        Next::Lost => {
                            lost = true;
                            break;
                        }
                    }
                }
                pacing.sent(app.now(), sent);
                app.counters.events.fetch_add(u64::from(sent), Relaxed);
                if sent > 0 {
                    send(to, text).await?;
                }
                if lost {
                    let begin = feed.recover(app).await?;
                    begin_run(begin, to).await?;
                }
            }
        }
    }
}

/// Waits for news. Meanwhile a comment now and then shows that the connection is good.
async fn wait(to: &Sender, news: &mut tokio::sync::watch::Receiver<u64>) -> Result<(), Gone> {
    loop {
        tokio::select! {
            changed = news.changed() => return changed.map_err(|_| Gone),
            () = sleep(HEARTBEAT) => send(to, ":\n\n".to_owned()).await?,
            () = to.closed() => return Err(Gone),
        }
    }
}

async fn list_events(app: &Arc<App>, mut feed: RunsFeed, to: &Sender) -> Result<(), Gone> {
    let mut pacing = Pacing::new(app.settings.limits, app.now());
    loop {
        let Some(changes) = feed.waiting(1000) else {
            for frame in feed.snapshot(app, "", app.settings.limits.frame_bytes).await? {
                send(to, message(Some("snapshot"), feed.cursor(), &frame)).await?;
            }
            continue;
        };
        match pacing.turn(app.now(), Waiting { events: changes.len() as u64, important: false }) {
            Turn::Idle => wait(to, &mut feed.news).await?,
            Turn::Until(at) => sleep(Duration::from_millis(at.saturating_sub(app.now()))).await,
            Turn::Send(count) => {
                let taken = &changes[..changes.len().min(count as usize)];
                let text: String = taken
                    .iter()
                    .map(|(body, cursor)| {
                        message(None, cursor, &format!("{{\"cursor\":\"{cursor}\",{}", &body[1..]))
                    })
                    .collect();
                feed.go_behind(taken);
                pacing.sent(app.now(), u32::try_from(taken.len()).unwrap_or(u32::MAX));
                send(to, text).await?;
            }
        }
    }
}
