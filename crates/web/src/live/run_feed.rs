//! The events of a run for one client.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::watch;

use crate::api::run::Run;
use crate::app::App;
use crate::feed::{Cursor, Filter, Follower, Found, Hub, Sent, Waiting};
use crate::problem::Problem;

/// Seconds of events that a client may be behind before it is shown a gap.
const PATIENCE: usize = 20;

/// Events of a gap that are read at a time.
const FETCHED: usize = 200;

/// Where a client begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Start {
    /// Behind this cursor.
    pub(crate) after: Option<String>,
    /// With the last events.
    pub(crate) last: Option<usize>,
    /// With the first event since a time in UTC milliseconds.
    pub(crate) since: Option<u64>,
}

/// What a client is given first.
#[derive(Debug)]
pub(crate) enum Begin {
    /// The state of the run.
    Snapshot(Box<Run>),
    /// The events that it has not seen.
    Events,
    /// Too much has happened: what is left out, and the state behind it.
    Gap(Gap, Box<Run>),
}

/// Events that a client was not sent. It can fetch them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) from: Arc<str>,
    pub(crate) to: Arc<str>,
    pub(crate) count: u64,
    pub(crate) reason: &'static str,
}

/// What comes next.
#[derive(Debug)]
pub(crate) enum Next {
    Event(Arc<Sent>, Arc<str>),
    Nothing,
    /// The ring has given it up.
    Lost,
}

/// A client that follows a run.
#[derive(Debug)]
pub(crate) struct RunFeed {
    pub(crate) hub: Arc<Hub>,
    filter: Filter,
    follower: Follower,
    /// Read from the record; before what the follower finds.
    backlog: VecDeque<(Arc<Sent>, Arc<str>)>,
    /// Behind what was sent.
    cursor: Arc<str>,
    most: usize,
    pub(crate) news: watch::Receiver<u64>,
}

impl RunFeed {
    /// # Errors
    /// When the cursor is none of the run, or the record cannot be read.
    pub(crate) async fn open(
        app: &Arc<App>,
        hub: Arc<Hub>,
        start: Start,
        filter: Filter,
        per_second: u32,
    ) -> Result<(Self, Begin), Problem> {
        let most = usize::try_from(per_second).unwrap_or(50).max(10) * PATIENCE;
        let news = hub.news();
        let (run, follower) = hub.snapshot();
        let cursor = Arc::clone(follower.cursor());
        let mut feed = Self { hub, filter, follower, backlog: VecDeque::new(), cursor, most, news };
        let after = match (&start.after, start.last, start.since) {
            (Some(after), _, _) => after.parse::<Cursor>()?,
            (None, None, None) => return Ok((feed, Begin::Snapshot(Box::new(run)))),
            (None, last, since) => feed.cursor_before(app, last, since).await?,
        };
        app.check_cursor(&feed.hub, &after).await?;
        let begin = feed.resume(app, after).await?;
        Ok((feed, begin))
    }

    async fn cursor_before(
        &self,
        app: &Arc<App>,
        last: Option<usize>,
        since: Option<u64>,
    ) -> Result<Cursor, Problem> {
        let last = last.map(|last| last.min(self.most));
        if let (Some(last), None, true) = (last, since, self.filter == Filter::default())
            && let Some(follower) = self.hub.before_latest(last)
        {
            return Ok(follower.cursor().parse()?);
        }
        let (hub, filter) = (Arc::clone(&self.hub), self.filter.clone());
        app.aside(move |_| Ok(hub.cursor_before(&filter, last, since)?)).await
    }

    /// Goes on behind a cursor.
    async fn resume(&mut self, app: &Arc<App>, after: Cursor) -> Result<Begin, Problem> {
        self.cursor = after.to_string().into();
        self.backlog.clear();
        let mut at = after;
        // The ring may go on while the record is read.
        for _ in 0..3 {
            if let Some(follower) = self.hub.follow(&at) {
                self.follower = follower;
                if self.waiting().events > self.most as u64 {
                    break;
                }
                return Ok(Begin::Events);
            }
            let (hub, filter) = (Arc::clone(&self.hub), self.filter.clone());
            let room = self.most.saturating_sub(self.backlog.len());
            let stretch =
                app.aside(move |_| Ok(hub.recorded_after(at)?.read(&filter, room + 1, None))).await?;
            self.backlog.extend(stretch.events);
            if stretch.more || self.backlog.len() > self.most {
                break;
            }
            at = stretch.cursor;
        }
        let (gap, run) = self.skip(app, "more happened than is sent at once").await?;
        Ok(Begin::Gap(gap, run))
    }

    /// Leaves out what has not been sent, and goes on with the present.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub(crate) async fn skip(
        &mut self,
        app: &Arc<App>,
        reason: &'static str,
    ) -> Result<(Gap, Box<Run>), Problem> {
        let from = Arc::clone(&self.cursor);
        let (run, follower) = self.hub.snapshot();
        self.backlog.clear();
        self.follower = follower;
        self.cursor = Arc::clone(self.follower.cursor());
        let to = Arc::clone(&self.cursor);
        let (hub, filter) = (Arc::clone(&self.hub), self.filter.clone());
        let (begin, end): (Cursor, Cursor) = (from.parse()?, to.parse()?);
        let count = app.aside(move |_| Ok(hub.recorded_after(begin)?.count(&filter, &end))).await?;
        Ok((Gap { from, to, count, reason }, Box::new(run)))
    }

    /// Goes on from the record when the ring has given up what comes next.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub(crate) async fn recover(&mut self, app: &Arc<App>) -> Result<Begin, Problem> {
        let cursor: Cursor = self.cursor.parse()?;
        self.resume(app, cursor).await
    }

    /// Whether the client is so far behind that it is shown a gap.
    pub(crate) fn is_too_far_behind(&self) -> bool {
        self.waiting().events > self.most as u64
    }

    pub(crate) fn waiting(&self) -> Waiting {
        let ring = self.hub.waiting(&self.follower);
        let held = self.backlog.iter().take(32).any(|(event, _)| event.important);
        Waiting { events: ring.events + self.backlog.len() as u64, important: ring.important || held }
    }

    /// Behind what was taken.
    pub(crate) fn cursor(&self) -> &Arc<str> {
        &self.cursor
    }

    /// Puts an event back that was taken, and goes back to the cursor before it.
    pub(crate) fn put_back(&mut self, event: Arc<Sent>, cursor: Arc<str>, before: &Arc<str>) {
        self.backlog.push_front((event, cursor));
        self.cursor = Arc::clone(before);
    }

    /// The next event that is wanted.
    pub(crate) fn next(&mut self) -> Next {
        if let Some((event, cursor)) = self.backlog.pop_front() {
            self.cursor = Arc::clone(&cursor);
            return Next::Event(event, cursor);
        }
        loop {
            match self.hub.next(&mut self.follower) {
                Found::Event(event, cursor) => {
                    self.cursor = Arc::clone(&cursor);
                    if self.filter.takes(&event) {
                        return Next::Event(event, cursor);
                    }
                }
                Found::Nothing => return Next::Nothing,
                Found::Lost => return Next::Lost,
            }
        }
    }

    /// A part of a gap from the record, and the cursor behind it; `None` at its end.
    ///
    /// # Errors
    /// When the cursors are none, or the record cannot be read.
    pub(crate) async fn fetch(&self, app: &Arc<App>, from: &Cursor, to: &Cursor) -> Result<Fetched, Problem> {
        let (hub, filter) = (Arc::clone(&self.hub), self.filter.clone());
        let (from, to, before) = (from.clone(), to.clone(), from.to_string().into());
        let stretch =
            app.aside(move |_| Ok(hub.recorded_after(from)?.read(&filter, FETCHED, Some(&to)))).await?;
        Ok(Fetched {
            from: before,
            events: stretch.events.into(),
            behind: stretch.cursor,
            more: stretch.more,
        })
    }
}

/// A part of a gap.
#[derive(Debug)]
pub(crate) struct Fetched {
    /// Before the first of its events.
    pub(crate) from: Arc<str>,
    pub(crate) events: VecDeque<(Arc<Sent>, Arc<str>)>,
    pub(crate) behind: Cursor,
    pub(crate) more: bool,
}
