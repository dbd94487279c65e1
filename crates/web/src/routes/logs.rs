//! Logs: by range, by line, by search, and whole.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures::stream;
use roboppi_record::Needle;
use tokio::sync::mpsc;

use crate::api::line::{Line, LogPage};
use crate::app::App;
use crate::call::{Answer, Call, Segments, json};
use crate::feed::Hub;
use crate::logs::{AttemptLog, attempt_of};
use crate::params::Params;
use crate::problem::Problem;

/// Longest line that is given whole, in bytes.
const WHOLE_LINE: usize = 64 * 1024 * 1024;

/// Longest text that is searched for, in bytes.
const LONGEST_NEEDLE: usize = 1000;

/// Parts of a download that wait for the client.
const WAITING: usize = 4;

/// `GET …/attempts/{attempt}/log`.
pub(crate) async fn page(
    State(app): State<Arc<App>>,
    Segments((run, attempt)): Segments<(String, String)>,
    call: Call,
) -> Answer {
    let (from, limit) = range(&call.params)?;
    let hub = app.run(&run).await?;
    let of = attempt_of(&hub, &attempt)?;
    json(&app.aside(move |_| AttemptLog::open(&hub, &of)?.page(from, limit)).await?)
}

fn range(params: &Params) -> Result<(i64, u64), Problem> {
    let from =
        params.value("from", "the number of a line, or a negative one to count from the end")?.unwrap_or(0);
    Ok((from, params.limit("limit", 500, 2000)? as u64))
}

/// `GET /api/v1/runs/{run}/log`: the logs of all attempts, one behind the other in the order of their beginnings.
pub(crate) async fn of_run(
    State(app): State<Arc<App>>,
    Segments(run): Segments<String>,
    call: Call,
) -> Answer {
    let (from, limit) = range(&call.params)?;
    let hub = app.run(&run).await?;
    json(&app.aside(move |_| of_all(&hub, from, limit)).await?)
}

fn of_all(hub: &Hub, from: i64, limit: u64) -> Result<LogPage, Problem> {
    let mut attempts = hub.look(|view, _, _| {
        let attempts = view.steps.iter().flat_map(|step| &step.attempts);
        attempts.map(|attempt| (attempt.started_at, attempt.of.clone())).collect::<Vec<_>>()
    });
    attempts.sort();
    let mut logs = Vec::with_capacity(attempts.len());
    let mut total = 0;
    for (_, of) in attempts {
        let lines = AttemptLog::open(hub, &of)?.total()?;
        total += lines;
        logs.push((of, lines));
    }
    let first = u64::try_from(from).unwrap_or_else(|_| total.saturating_sub(from.unsigned_abs()));
    let (mut skip, mut page) = (first, LogPage::empty(first, total, hub.is_over()));
    for (of, lines) in logs {
        let left = limit - page.lines.len() as u64;
        if skip >= lines || left == 0 {
            skip = skip.saturating_sub(lines);
            continue;
        }
        let before = page.lines.len();
        let mut log = AttemptLog::open(hub, &of)?;
        let part = log.page(i64::try_from(skip).unwrap_or(i64::MAX), left)?;
        let step = of.step.as_str().to_owned();
        page.lines.extend(part.lines.into_iter().map(|line| Line { step: Some(step.clone()), ..line }));
        page.next += (page.lines.len() - before) as u64;
        page.complete &= part.complete;
        page.bytes += part.bytes;
        skip = 0;
    }
    page.cursor = page.next.to_string();
    Ok(page)
}

/// `GET …/log/line/{line}`: a whole line.
pub(crate) async fn line(
    State(app): State<Arc<App>>,
    Segments((run, attempt, line)): Segments<(String, String, u64)>,
) -> Answer {
    let hub = app.run(&run).await?;
    let of = attempt_of(&hub, &attempt)?;
    let (text, is_cut) =
        app.aside(move |_| AttemptLog::open(&hub, &of)?.whole_line(line, WHOLE_LINE)).await?;
    let mut response = plain(text);
    if is_cut {
        let value = axum::http::HeaderValue::from_static("true");
        response.headers_mut().insert("x-roboppi-cut", value);
    }
    Ok(response)
}

/// `GET …/log/search`.
pub(crate) async fn search(
    State(app): State<Arc<App>>,
    Segments((run, attempt)): Segments<(String, String)>,
    call: Call,
) -> Answer {
    let params = &call.params;
    let text =
        params.text("q").ok_or_else(|| Problem::bad_request("`q` is missing: what is searched for"))?;
    if text.len() > LONGEST_NEEDLE {
        return Err(Problem::bad_request(format!("`q` has more than {LONGEST_NEEDLE} bytes")));
    }
    let needle = match (params.flag("regex"), params.flag("case")) {
        (true, true) => Needle::pattern(text),
        (true, false) => Needle::pattern(&format!("(?i){text}")),
        (false, true) => Ok(Needle::text(text)),
        (false, false) => Ok(Needle::smart_case(text)),
    };
    let needle =
        needle.map_err(|error| Problem::bad_request(format!("`q` is no regular expression: {error}")))?;
    let from = params.value::<u64>("from", "the number of a line")?.unwrap_or(0);
    let limit = params.limit("limit", 100, 1000)?;
    let hub = app.run(&run).await?;
    let of = attempt_of(&hub, &attempt)?;
    json(&app.aside(move |_| AttemptLog::open(&hub, &of)?.search(&needle, from, limit)).await?)
}

/// Form of a download.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Text,
    Json,
    Raw,
}

/// `GET …/log/download`.
pub(crate) async fn download(
    State(app): State<Arc<App>>,
    Segments((run, attempt)): Segments<(String, String)>,
    call: Call,
) -> Answer {
    let (format, kind, extension) = match call.params.text("format").unwrap_or("text") {
        "text" => (Format::Text, "text/plain; charset=utf-8", "txt"),
        "json" => (Format::Json, "application/json", "json"),
        "raw" => (Format::Raw, "application/octet-stream", "log"),
        other => {
            return Err(Problem::bad_request(format!(
                "`format` is `{other}`, and must be text, json or raw"
            )));
        }
    };
    let hub = app.run(&run).await?;
    let of = attempt_of(&hub, &attempt)?;
    let plain = |char: char| if char.is_ascii_alphanumeric() || "-_.".contains(char) { char } else { '_' };
    let name: String = format!("{run}-{attempt}").chars().map(plain).take(100).collect();
    let mut log = {
        let hub = Arc::clone(&hub);
        app.aside(move |_| AttemptLog::open(&hub, &of)).await?
    };
    let (send, mut receive) = mpsc::channel::<Result<Bytes, std::io::Error>>(WAITING);
    tokio::task::spawn_blocking(move || {
        if let Err(problem) = write(&mut log, format, &send) {
            // The answer has begun: it breaks off, so that nobody takes it for whole.
            let _ = send.blocking_send(Err(std::io::Error::other(problem.detail)));
        }
    });
    let body = Body::from_stream(stream::poll_fn(move |context| receive.poll_recv(context)));
    let disposition = format!("attachment; filename=\"{name}.{extension}\"");
    Ok(([("content-type", kind), ("content-disposition", &disposition)], body).into_response())
}

fn write(
    log: &mut AttemptLog,
    format: Format,
    send: &mpsc::Sender<Result<Bytes, std::io::Error>>,
) -> Result<(), Problem> {
    /// Bytes that are sent at a time.
    const PART: usize = 64 * 1024;
    let mut part: Vec<u8> = Vec::new();
    let flush = |part: &mut Vec<u8>| send.blocking_send(Ok(std::mem::take(part).into())).is_ok();
    match format {
        Format::Raw => return log.each_piece(|bytes| send.blocking_send(Ok(bytes.into())).is_ok()),
        Format::Text => log.each_line(|line| {
            match &line.gap {
                Some(gap) => part.extend(format!("[{} bytes are not in the record]", gap.bytes).bytes()),
                None => part.extend(roboppi_untrusted::line(line.text.as_bytes(), false).bytes()),
            }
            part.push(b'\n');
            part.len() < PART || flush(&mut part)
        })?,
        Format::Json => {
            part.push(b'[');
            let mut first = true;
            log.each_line(|line| {
                if !std::mem::take(&mut first) {
                    part.extend(b",\n");
                }
                part.extend(serde_json::to_vec(&line).unwrap_or_default());
                part.len() < PART || flush(&mut part)
            })?;
            part.extend(b"]\n");
        }
    }
    flush(&mut part);
    Ok(())
}

fn plain(text: String) -> Response {
    ([("content-type", "text/plain; charset=utf-8")], text).into_response()
}
