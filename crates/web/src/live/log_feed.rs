//! The lines of a log for one client.

use std::sync::Arc;

use roboppi_run::AttemptRef;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::api::line::{Line, LogPage};
use crate::api::text::cut;
use crate::app::App;
use crate::feed::Hub;
use crate::logs::{AttemptLog, Part, RunLog, is_renumbered};
use crate::problem::Problem;

/// Lines of a frame.
const LINES: u64 = 500;

/// Lines of the past without another number.
const TAIL: i64 = -200;

/// A client that follows a log.
#[derive(Debug)]
pub(crate) struct LogFeed {
    hub: Arc<Hub>,
    /// The attempt; without one the log is that of the run.
    of: Option<AttemptRef>,
    /// Where the logs of attempts were in that of the run.
    parts: Vec<Part>,
    /// The next line.
    next: i64,
    /// Length of the log, and whether it was over, when it was read last.
    seen: Option<(u64, bool)>,
    /// There are lines that were not sent.
    more: bool,
    pub(crate) news: watch::Receiver<u64>,
    over: watch::Receiver<u64>,
}

impl LogFeed {
    pub(crate) fn new(hub: Arc<Hub>, of: Option<AttemptRef>, from: Option<i64>) -> Self {
        let (news, over) = (hub.log_news(), hub.news());
        Self { hub, of, parts: Vec::new(), next: from.unwrap_or(TAIL), seen: None, more: true, news, over }
    }

    /// Whether there may be something to send.
    pub(crate) fn is_waiting(&mut self) -> bool {
        let changed = self.news.has_changed().unwrap_or(false) || self.over.has_changed().unwrap_or(false);
        if changed {
            self.news.mark_unchanged();
            self.over.mark_unchanged();
            self.more = true;
        }
        self.more
    }

    /// Waits until the log may have changed.
    pub(crate) async fn changed(&mut self) {
        let changed = tokio::select! {
            changed = self.news.changed() => changed,
            changed = self.over.changed() => changed,
        };
        if changed.is_err() {
            return std::future::pending().await;
        }
        self.more = true;
    }

    /// Reads the next lines. Returns whether those that the client has have other numbers.
    async fn page(&mut self, app: &Arc<App>) -> Result<(LogPage, bool), Problem> {
        let (hub, from) = (Arc::clone(&self.hub), self.next);
        if let Some(of) = self.of.clone() {
            let page = app.aside(move |_| AttemptLog::open(&hub, &of)?.page(from, LINES)).await?;
            return Ok((page, false));
        }
        let before = std::mem::take(&mut self.parts);
        let (page, parts, renumbered) = app
            .aside(move |_| {
                let log = RunLog::open(&hub)?;
                let next = u64::try_from(from).unwrap_or(0);
                let renumbered = is_renumbered(&before, log.parts(), next);
                let page = log.page(if renumbered { TAIL } else { from }, LINES)?;
                Ok((page, log.into_parts(), renumbered))
            })
            .await?;
        self.parts = parts;
        Ok((page, renumbered))
    }

    /// The next frame; `None` when there is nothing new.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub(crate) async fn frame(
        &mut self,
        app: &Arc<App>,
        sub: &str,
        most: u32,
    ) -> Result<Option<String>, Problem> {
        let (page, renumbered) = self.page(app).await?;
        let now = (page.bytes, page.complete);
        let is_same =
            self.seen == Some(now) && page.next == page.total && u64::try_from(self.next) == Ok(page.next);
        let repeats_open_line = self.seen == Some(now) && page.lines.len() == 1 && page.lines[0].open;
        if !renumbered && (is_same || repeats_open_line) {
            self.more = false;
            return Ok(None);
        }
        let room = (most as usize).saturating_sub(400);
        let (mut lines, mut bytes, mut next, mut left) = (Vec::new(), 0, page.from, false);
        let behind = page.next;
        for line in page.lines {
            let (number, is_open) = (line.n, line.open);
            let text = line_json(line, room);
            if bytes + text.len() + 1 > room && !lines.is_empty() {
                left = true;
                break;
            }
            bytes += text.len() + 1;
            lines.push(text);
            // A line that may go on is sent again.
            next = if is_open { number } else { number + 1 };
        }
        if !left && !lines.is_empty() && next != behind && next + 1 != behind {
            // Behind what was given up.
            next = behind;
        }
        self.more = left || behind < page.total;
        self.next = i64::try_from(next).unwrap_or(i64::MAX);
        self.seen = if self.more { None } else { Some(now) };
        let (sub, gaps) = (Value::from(sub), json!(page.gaps));
        let gaps = if gaps.as_array().is_none_or(Vec::is_empty) || gaps.to_string().len() > 300 {
            String::new()
        } else {
            format!(r#","gaps":{gaps}"#)
        };
        let renumbered = if renumbered { r#","renumbered":true"# } else { "" };
        Ok(Some(format!(
            r#"{{"type":"lines","sub":{sub}{renumbered},"from":{},"total":{},"bytes":{},"complete":{}{gaps},"lines":[{}]}}"#,
            page.from,
            page.total,
            page.bytes,
            page.complete && !self.more,
            lines.join(",")
        )))
    }
}

/// A line that fits into a frame.
fn line_json(mut line: Line, room: usize) -> String {
    let text = serde_json::to_string(&line).unwrap_or_default();
    if text.len() <= room {
        return text;
    }
    line.cut = line.cut.or(Some(line.text.len() as u64));
    line.text = cut(&line.text, room / 8).0.to_owned();
    serde_json::to_string(&line).unwrap_or_default()
}
