//! The subscriptions of one client, and what is sent for them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use futures::future::{FutureExt as _, select_all};
use serde_json::json;

use super::frames::{self, Batch};
use super::log_feed::LogFeed;
use super::message::{ClientMessage, Subscribe, Topic};
use super::run_feed::{Begin, Fetched, Gap, Next, RunFeed, Start};
use super::runs_feed::RunsFeed;
use crate::app::App;
use crate::feed::{ClientLimits, Cursor, Filter, Pacing, Turn, Waiting};
use crate::logs::attempt_of;
use crate::problem::Problem;

/// Subscriptions of a client.
const SUBSCRIPTIONS: usize = 32;

/// Gaps of a subscription that wait to be fetched.
const FETCHES: usize = 8;

/// Frames that wait to be sent.
type Out = VecDeque<String>;

/// What a client is subscribed to.
#[derive(Debug)]
struct Subscription {
    name: String,
    feed: Feed,
    /// Gaps to fetch: the cursors before and behind.
    fetches: VecDeque<(Cursor, Cursor)>,
    fetched: Option<Fetched>,
    caught_up: bool,
}

#[derive(Debug)]
enum Feed {
    Run(Box<RunFeed>),
    Runs(RunsFeed),
    Log(LogFeed),
}

/// The subscriptions of a client, with its pace.
#[derive(Debug)]
pub(super) struct Connection {
    app: Arc<App>,
    subscriptions: Vec<Subscription>,
    pacing: Pacing,
    limits: ClientLimits,
    /// Which subscription has its turn first.
    turn: usize,
}

impl Connection {
    pub(super) fn new(app: Arc<App>) -> Self {
        let limits = app.settings.limits;
        let pacing = Pacing::new(limits, app.now());
        Self { app, subscriptions: Vec::new(), pacing, limits, turn: 0 }
    }

    fn frame_bytes(&self) -> u32 {
        self.limits.frame_bytes
    }

    /// Does what a message says. What answers it at once is in `out`.
    pub(super) async fn handle(&mut self, message: ClientMessage, out: &mut Out) {
        match message {
            ClientMessage::Ping { t } => out.push_back(json!({"type": "pong", "t": t}).to_string()),
            ClientMessage::Unsubscribe { sub } => self.subscriptions.retain(|known| known.name != sub),
            ClientMessage::Fetch { sub, from, to } => {
                if let Err(problem) = self.fetch(&sub, &from, &to) {
                    out.push_back(frames::error(Some(&sub), &problem));
                }
            }
            ClientMessage::Subscribe(subscribe) => {
                let name = subscribe.sub.clone();
                self.subscriptions.retain(|known| known.name != name);
                if let Err(problem) = self.subscribe(*subscribe, out).await {
                    out.push_back(frames::error(Some(&name), &problem));
                }
            }
        }
    }

    fn fetch(&mut self, sub: &str, from: &str, to: &str) -> Result<(), Problem> {
        let known = self.subscriptions.iter_mut().find(|known| known.name == sub);
        let known = known.filter(|known| matches!(known.feed, Feed::Run(_)));
        let known =
            known.ok_or_else(|| Problem::not_found(format!("there is no subscription `{sub}` to a run")))?;
        let (from, to) = (from.parse()?, to.parse()?);
        if known.fetches.len() >= FETCHES {
            return Err(Problem::conflict(format!("{FETCHES} gaps are being fetched already"))
                .hint("wait for one of them"));
        }
        known.fetches.push_back((from, to));
        Ok(())
    }

    async fn subscribe(&mut self, subscribe: Subscribe, out: &mut Out) -> Result<(), Problem> {
        if self.subscriptions.len() >= SUBSCRIPTIONS {
            return Err(Problem::conflict(format!("a connection has at most {SUBSCRIPTIONS} subscriptions"))
                .hint("unsubscribe from one"));
        }
        let Subscribe { sub: name, topic, run, attempt, after, last, since, from, kinds, tools, limits } =
            subscribe;
        if let Some(wanted) = limits {
            self.limits = wanted.within(self.app.settings.limits);
            self.pacing.set_limits(self.limits, self.app.now());
        }
        let run = run.ok_or_else(|| Problem::bad_request("`run` is missing"));
        let feed = match topic {
            Topic::Runs => {
                let mut feed = RunsFeed::new(&self.app, after);
                if feed.waiting(1).is_none() {
                    out.extend(feed.snapshot(&self.app, &name, self.frame_bytes()).await?);
                }
                Feed::Runs(feed)
            }
            Topic::Run => {
                let hub = self.app.run(&run?).await?;
                let (start, filter) = (Start { after, last, since }, Filter { kinds, tools });
                let (feed, begin) =
                    RunFeed::open(&self.app, hub, start, filter, self.limits.events_per_second).await?;
                self.begin(&name, begin, out);
                Feed::Run(Box::new(feed))
            }
            Topic::Log => {
                let hub = self.app.run(&run?).await?;
                let of = attempt.map(|attempt| attempt_of(&hub, &attempt)).transpose()?;
                Feed::Log(LogFeed::new(hub, of, from))
            }
        };
        let (fetches, fetched) = (VecDeque::new(), None);
        self.subscriptions.push(Subscription { name, feed, fetches, fetched, caught_up: false });
        Ok(())
    }

    fn begin(&self, name: &str, begin: Begin, out: &mut Out) {
        match begin {
            Begin::Events => {}
            Begin::Snapshot(run) => out.extend(frames::of_run(name, *run, self.frame_bytes())),
            Begin::Gap(gap, run) => {
                self.app.counters.gaps.fetch_add(1, Relaxed);
                out.push_back(gap_frame(name, &gap));
                out.extend(frames::of_run(name, *run, self.frame_bytes()));
            }
        }
    }

    /// Puts into `out` what may be sent now, at most about a frame of each subscription. Returns when to look again, on the
    /// clock of the server; `None` when only news can change anything.
    pub(super) async fn pump(&mut self, out: &mut Out) -> Option<u64> {
        let mut again: Option<u64> = None;
        let count = self.subscriptions.len();
        for index in 0..count {
            let index = (self.turn + index) % count;
            let at = match self.pump_one(index, out).await {
                Ok(at) => at,
                Err(problem) => {
                    // The subscription is over; its state at the client stays.
                    let name = self.subscriptions[index].name.clone();
                    out.push_back(frames::error(Some(&name), &problem));
                    self.subscriptions.remove(index);
                    return Some(self.app.now());
                }
            };
            again = match (again, at) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            };
        }
        self.turn = self.turn.wrapping_add(1);
        again
    }

    async fn pump_one(&mut self, index: usize, out: &mut Out) -> Result<Option<u64>, Problem> {
        match &self.subscriptions[index].feed {
            Feed::Run(_) => self.pump_run(index, out).await,
            Feed::Runs(_) => self.pump_runs(index, out).await,
            Feed::Log(_) => self.pump_log(index, out).await,
        }
    }

    async fn pump_log(&mut self, index: usize, out: &mut Out) -> Result<Option<u64>, Problem> {
        let now = self.app.now();
        let most = self.frame_bytes();
        let Subscription { name, feed: Feed::Log(feed), .. } = &mut self.subscriptions[index] else {
            return Ok(None);
        };
        if !feed.is_waiting() {
            return Ok(None);
        }
        let at = self.pacing.lines_at();
        if now < at {
            return Ok(Some(at));
        }
        if let Some(frame) = feed.frame(&self.app, name, most).await? {
            out.push_back(frame);
            self.pacing.sent_lines(now);
            return Ok(Some(self.pacing.lines_at()));
        }
        Ok(None)
    }

    async fn pump_runs(&mut self, index: usize, out: &mut Out) -> Result<Option<u64>, Problem> {
        let now = self.app.now();
        let most = self.frame_bytes();
        let Subscription { name, feed: Feed::Runs(feed), caught_up, .. } = &mut self.subscriptions[index]
        else {
            return Ok(None);
        };
        let Some(changes) = feed.waiting(self.limits.events_per_second as usize * 20) else {
            out.extend(feed.snapshot(&self.app, name, most).await?);
            return Ok(Some(now));
        };
        if changes.is_empty() && !*caught_up {
            *caught_up = true;
            out.push_back(json!({"type": "caughtUp", "sub": name, "cursor": feed.cursor()}).to_string());
        }
        match self.pacing.turn(now, Waiting { events: changes.len() as u64, important: false }) {
            Turn::Idle => Ok(None),
            Turn::Until(at) => Ok(Some(at)),
            Turn::Send(count) => {
                let (frame, sent) = feed.batch(name, &changes[..changes.len().min(count as usize)], most);
                out.push_back(frame);
                self.pacing.sent(now, sent);
                self.app.counters.events.fetch_add(u64::from(sent), Relaxed);
                Ok(Some(now))
            }
        }
    }

    async fn pump_run(&mut self, index: usize, out: &mut Out) -> Result<Option<u64>, Problem> {
        let now = self.app.now();
        let most = self.frame_bytes();
        let app = Arc::clone(&self.app);
        let Subscription { name, feed: Feed::Run(feed), fetches, fetched, caught_up } =
            &mut self.subscriptions[index]
        else {
            return Ok(None);
        };
        let fetching = Self::load(&app, feed, fetches, fetched).await?;
        if feed.is_too_far_behind() {
            let (gap, run) = feed.skip(&app, "the client is too slow for the events of the run").await?;
            let name = name.clone();
            self.begin(&name, Begin::Gap(gap, run), out);
            return Ok(Some(now));
        }
        let live = feed.waiting();
        let waiting = Waiting { events: live.events + fetching, important: live.important };
        if live.events == 0 && !*caught_up {
            *caught_up = true;
            out.push_back(json!({"type": "caughtUp", "sub": name, "cursor": &**feed.cursor()}).to_string());
        }
        let count = match self.pacing.turn(now, waiting) {
            Turn::Idle => return Ok(None),
            Turn::Until(at) => return Ok(Some(at)),
            Turn::Send(count) => count,
        };
        // The present comes before the past.
        if live.events > 0 {
            let from = Arc::clone(feed.cursor());
            let mut batch = Batch::new(most);
            let (mut lost, mut to) = (false, Arc::clone(&from));
            while batch.len() < count {
                match feed.next() {
                    Next::Event(event, cursor) if batch.has_room(&event, &cursor) => {
                        batch.push(&event, &cursor);
                        to = cursor;
                    }
                    Next::Event(event, cursor) => {
                        feed.put_back(event, cursor, &to);
                        break;
                    }
                    Next::Nothing => break,
                    Next::Lost => {
                        lost = true;
                        break;
                    }
                }
            }
            if batch.len() > 0 {
                out.push_back(batch.frame(name, &from, feed.cursor(), false));
                self.pacing.sent(now, batch.len());
                app.counters.events.fetch_add(u64::from(batch.len()), Relaxed);
            }
            if lost {
                let begin = feed.recover(&app).await?;
                let name = name.clone();
                self.begin(&name, begin, out);
            }
            return Ok(Some(now));
        }
        if let Some(part) = fetched {
            let (frame, sent) = fetched_frame(part, name, count, most);
            out.push_back(frame);
            self.pacing.sent(now, sent);
            app.counters.events.fetch_add(u64::from(sent), Relaxed);
            return Ok(Some(now));
        }
        Ok(None)
    }

    /// Reads the next part of a gap that is to be fetched. Returns how many of its events wait.
    async fn load(
        app: &Arc<App>,
        feed: &RunFeed,
        fetches: &mut VecDeque<(Cursor, Cursor)>,
        fetched: &mut Option<Fetched>,
    ) -> Result<u64, Problem> {
        if fetched.as_ref().is_some_and(|part| part.events.is_empty()) {
            *fetched = None;
        }
        while fetched.is_none() {
            let Some((from, to)) = fetches.pop_front() else { return Ok(0) };
            let part = feed.fetch(app, &from, &to).await?;
            if part.more {
                fetches.push_front((part.behind.clone(), to));
            }
            *fetched = (!part.events.is_empty()).then_some(part);
        }
        Ok(fetched.as_ref().map_or(0, |part| part.events.len() as u64))
    }

    /// Waits until there may be something to send.
    pub(super) async fn news(&mut self) {
        let news = self.subscriptions.iter_mut().map(|subscription| match &mut subscription.feed {
            Feed::Run(feed) => changed(&mut feed.news).boxed(),
            Feed::Runs(feed) => changed(&mut feed.news).boxed(),
            Feed::Log(feed) => feed.changed().boxed(),
        });
        let news: Vec<_> = news.collect();
        if news.is_empty() {
            return std::future::pending().await;
        }
        select_all(news).await;
    }
}

/// Waits for a change. One that can come no more never does.
async fn changed(news: &mut tokio::sync::watch::Receiver<u64>) {
    if news.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn gap_frame(name: &str, gap: &Gap) -> String {
    let Gap { from, to, count, reason } = gap;
    json!({"type": "gap", "sub": name, "from": &**from, "to": &**to, "count": count, "reason": reason})
        .to_string()
}

fn fetched_frame(part: &mut Fetched, name: &str, count: u32, most: u32) -> (String, u32) {
    let mut batch = Batch::new(most);
    let (from, mut to) = (Arc::clone(&part.from), Arc::clone(&part.from));
    while batch.len() < count {
        let Some((event, cursor)) = part.events.front() else { break };
        if !batch.has_room(event, cursor) {
            break;
        }
        batch.push(event, cursor);
        to = Arc::clone(cursor);
        part.events.pop_front();
    }
    part.from = Arc::clone(&to);
    (batch.frame(name, &from, &to, true), batch.len())
}
