//! Logs: by range, by line, by search, and whole.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures::stream;
use roboppi_record::Needle;
use tokio::sync::mpsc;

use crate::api::line::Line;
use crate::app::App;
use crate::call::{Answer, Call, Segments, json};
use crate::logs::{AttemptLog, RunLog, attempt_of};
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
    json(&app.aside(move |_| RunLog::open(&hub)?.page(from, limit)).await?)
}

/// `GET /api/v1/runs/{run}/log/line/{line}`: a whole line.
pub(crate) async fn line_of_run(
    State(app): State<Arc<App>>,
    Segments((run, line)): Segments<(String, u64)>,
) -> Answer {
    let hub = app.run(&run).await?;
    Ok(whole(app.aside(move |_| RunLog::open(&hub)?.whole_line(line, WHOLE_LINE)).await?))
}

/// `GET …/log/line/{line}`: a whole line.
pub(crate) async fn line(
    State(app): State<Arc<App>>,
    Segments((run, attempt, line)): Segments<(String, String, u64)>,
) -> Answer {
    let hub = app.run(&run).await?;
    let of = attempt_of(&hub, &attempt)?;
    Ok(whole(app.aside(move |_| AttemptLog::open(&hub, &of)?.whole_line(line, WHOLE_LINE)).await?))
}

fn whole((text, is_cut): (String, bool)) -> Response {
    let mut response = plain(text);
    if is_cut {
        let value = axum::http::HeaderValue::from_static("true");
        response.headers_mut().insert("x-roboppi-cut", value);
    }
    response
}

/// `GET …/log/search`.
pub(crate) async fn search(
    State(app): State<Arc<App>>,
    Segments((run, attempt)): Segments<(String, String)>,
    call: Call,
) -> Answer {
    let (needle, from, limit) = query(&call.params)?;
    let hub = app.run(&run).await?;
    let of = attempt_of(&hub, &attempt)?;
    json(&app.aside(move |_| AttemptLog::open(&hub, &of)?.search(&needle, from, limit)).await?)
}

/// `GET /api/v1/runs/{run}/log/search`.
pub(crate) async fn search_run(
    State(app): State<Arc<App>>,
    Segments(run): Segments<String>,
    call: Call,
) -> Answer {
    let (needle, from, limit) = query(&call.params)?;
    let hub = app.run(&run).await?;
    json(&app.aside(move |_| RunLog::open(&hub)?.search(&needle, from, limit)).await?)
}

/// What is searched for, the first line, and how many are wanted.
fn query(params: &Params) -> Result<(Needle, u64, usize), Problem> {
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
    Ok((needle, from, params.limit("limit", 100, 1000)?))
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
    let format = Format::of(&call.params)?;
    let hub = app.run(&run).await?;
    let of = attempt_of(&hub, &attempt)?;
    let log = {
        let hub = Arc::clone(&hub);
        app.aside(move |_| AttemptLog::open(&hub, &of)).await?
    };
    Ok(streamed(&format!("{run}-{attempt}"), format, move |send| write(log, format, send)))
}

/// `GET /api/v1/runs/{run}/log/download`.
pub(crate) async fn download_run(
    State(app): State<Arc<App>>,
    Segments(run): Segments<String>,
    call: Call,
) -> Answer {
    let format = Format::of(&call.params)?;
    if format == Format::Raw {
        return Err(Problem::bad_request("`format` is `raw`, which is of one attempt")
            .hint("take text or json, or the log of an attempt"));
    }
    let hub = app.run(&run).await?;
    Ok(streamed(&run, format, move |send| {
        let mut lines = Lines::new(format, send);
        RunLog::open(&hub)?.each_line(|line| lines.push(&line))?;
        lines.end();
        Ok(())
    }))
}

impl Format {
    fn of(params: &Params) -> Result<Self, Problem> {
        match params.text("format").unwrap_or("text") {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            "raw" => Ok(Self::Raw),
            other => {
                Err(Problem::bad_request(format!("`format` is `{other}`, and must be text, json or raw")))
            }
        }
    }

    /// The type of the content, and the ending of the file.
    const fn kind(self) -> (&'static str, &'static str) {
        match self {
            Self::Text => ("text/plain; charset=utf-8", "txt"),
            Self::Json => ("application/json", "json"),
            Self::Raw => ("application/octet-stream", "log"),
        }
    }
}

/// The parts of an answer.
type Sender = mpsc::Sender<Result<Bytes, std::io::Error>>;

/// An answer that is written while it is sent.
fn streamed(
    name: &str,
    format: Format,
    write: impl FnOnce(&Sender) -> Result<(), Problem> + Send + 'static,
) -> Response {
    let (kind, extension) = format.kind();
    let plain = |char: char| if char.is_ascii_alphanumeric() || "-_.".contains(char) { char } else { '_' };
    let name: String = name.chars().map(plain).take(100).collect();
    let (send, mut receive) = mpsc::channel(WAITING);
    tokio::task::spawn_blocking(move || {
        if let Err(problem) = write(&send) {
            // The answer has begun: it breaks off, so that nobody takes it for whole.
            let _ = send.blocking_send(Err(std::io::Error::other(problem.detail)));
        }
    });
    let body = Body::from_stream(stream::poll_fn(move |context| receive.poll_recv(context)));
    let disposition = format!("attachment; filename=\"{name}.{extension}\"");
    ([("content-type", kind), ("content-disposition", &disposition)], body).into_response()
}

fn write(mut log: AttemptLog, format: Format, send: &Sender) -> Result<(), Problem> {
    if format == Format::Raw {
        return log.each_piece(|bytes| send.blocking_send(Ok(bytes.into())).is_ok());
    }
    let mut lines = Lines::new(format, send);
    log.each_line(|line| lines.push(&line))?;
    lines.end();
    Ok(())
}

/// Lines as text or JSON, sent in parts.
struct Lines<'a> {
    send: &'a Sender,
    json: bool,
    part: Vec<u8>,
    first: bool,
    /// The step of the last line.
    step: Option<String>,
}

impl<'a> Lines<'a> {
    fn new(format: Format, send: &'a Sender) -> Self {
        let json = format == Format::Json;
        Self { send, json, part: if json { vec![b'['] } else { Vec::new() }, first: true, step: None }
    }

    /// Takes a line. Returns false when the client is gone.
    fn push(&mut self, line: &Line) -> bool {
        /// Bytes that are sent at a time.
        const PART: usize = 64 * 1024;
        let first = std::mem::take(&mut self.first);
        if self.json {
            if !first {
                self.part.extend(b",\n");
            }
            self.part.extend(serde_json::to_vec(line).unwrap_or_default());
        } else {
            if let Some(step) = line.step.as_ref().filter(|step| self.step.as_ref() != Some(*step)) {
                let gap = if first { "" } else { "\n" };
                self.part.extend(format!("{gap}==> {} <==\n", roboppi_untrusted::words(step)).bytes());
                self.step = Some(step.clone());
            }
            match &line.gap {
                Some(gap) => self.part.extend(format!("[{} bytes are not in the record]", gap.bytes).bytes()),
                None => self.part.extend(roboppi_untrusted::line(line.text.as_bytes(), false).bytes()),
            }
            self.part.push(b'\n');
        }
        self.part.len() < PART || self.flush()
    }

    fn flush(&mut self) -> bool {
        self.send.blocking_send(Ok(std::mem::take(&mut self.part).into())).is_ok()
    }

    fn end(mut self) {
        if self.json {
            self.part.extend(b"]\n");
        }
        self.flush();
    }
}

fn plain(text: String) -> Response {
    ([("content-type", "text/plain; charset=utf-8")], text).into_response()
}
