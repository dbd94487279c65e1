//! Decides the life of a keeper.
//!
//! ```text
//!                 lease over (kill), hold over, End of the supervisor, superseded
//!   Serving ─────────────────────────────────────────────────────────────────────► Ending
//!      │ CoreClosed                                                                   │ CoreClosed
//!      ▼                                                                              ▼
//!   Closed ◄──────────────────────────────────────────────────────────────────────────┘
//!      │ everything acknowledged, or hold over
//!      ▼
//!   Finished
//! ```
//!
//! * The latest carrier counts. One that comes takes the place of the one before, which may be dead without a sign.
//! * Bytes of the record come before the lines that the core wrote after them, on every carrier.
//! * A frame of the present carrier renews the lease. Its end is measured from the last one.
//! * [`KeeperEffect::CloseCore`] and [`KeeperEffect::Finish`] come once each.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use roboppi_ipc::Mono;

use crate::lines::{Arrival, Inbox, Item, Outbox};
use crate::{CHUNK_LIMIT, CarrierId, Expiry, Frame, Hello, Refusal, SessionName, Welcome};

/// Bytes of a part of a file that is sent at once: acknowledgements and beats are not far behind one on a slow link.
const PART: usize = CHUNK_LIMIT / 4;

/// Bytes of lines that wait for the supervisor, above which no more are taken from the core: that leaves output out of
/// its live plane then, with a gap, and records as before.
const LINES_LIMIT: usize = 4 * 1024 * 1024;

/// What a keeper is informed of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeeperInput {
    /// A carrier has come, with this greeting.
    Attached {
        /// The carrier.
        carrier: CarrierId,
        /// Its first frame.
        hello: Box<Hello>,
    },
    /// A frame of a carrier.
    Frame {
        /// The carrier.
        carrier: CarrierId,
        /// The frame.
        frame: Frame,
    },
    /// A carrier has ended.
    Detached(CarrierId),
    /// The core has written a line.
    CoreLine(Vec<u8>),
    /// The core and all it started have ended.
    CoreClosed,
    /// A file of the spool has this length now. Before the line that the core wrote after it.
    Grown {
        /// Its name within the spool.
        file: String,
        /// Its length in bytes.
        len: u64,
    },
    /// A file of the spool that is named by its content is complete, with this length.
    Whole {
        /// Its name within the spool.
        file: String,
        /// Its length in bytes.
        len: u64,
    },
    /// A small file of the spool has this content now.
    Replaced {
        /// Its name within the spool.
        file: String,
        /// All of it.
        content: Vec<u8>,
    },
    /// A file of the spool cannot be read: no more of it is sent.
    Unreadable(String),
    /// Time has passed.
    Tick,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeeperEffect {
    /// Close a carrier, once what was sent on it is on its way.
    CloseCarrier(CarrierId),
    /// Write a line to the core.
    ToCore(Vec<u8>),
    /// Close the input of the core, which ends it with all it started.
    CloseCore,
    /// Nothing is left to do: remove the spool and exit.
    Finish {
        /// Everything was acknowledged; else its time has passed.
        complete: bool,
    },
}

/// What is to be sent next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// A frame.
    Frame(Frame),
    /// A part of a file of the spool, as a [`Frame::RecordChunk`].
    Chunk {
        /// Its name within the spool.
        file: String,
        /// Where the part begins.
        offset: u64,
        /// Its length.
        len: usize,
        /// It is the last one of a file that is named by its content.
        last: bool,
    },
}

/// A file of the spool.
#[derive(Clone, Debug, Default)]
struct SpoolFile {
    len: u64,
    sent: u64,
    acknowledged: u64,
    /// It is complete, and named by its content.
    is_whole: bool,
    /// Of a small file that is replaced as a whole.
    content: Option<Vec<u8>>,
}

/// What is sent in which order.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    File(String, u64),
    Small(String),
    Item(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CoreState {
    Serving,
    Ending,
    Closed,
}

/// The life of a keeper.
#[derive(Debug)]
pub struct KeeperMachine {
    session: SessionName,
    epoch: u32,
    version: String,
    boot_id: Option<String>,
    lease: Duration,
    hold: Duration,
    expiry: Expiry,
    core: CoreState,
    heard: Mono,
    expired: bool,
    superseded: bool,
    finished: bool,
    carrier: Option<CarrierId>,
    lines: Inbox,
    out: Outbox,
    files: BTreeMap<String, SpoolFile>,
    plan: VecDeque<Step>,
    welcome: Option<Frame>,
    line_ack_due: bool,
    beat_due: bool,
    /// What carriers are told that are not taken.
    refusals: BTreeMap<CarrierId, Frame>,
}

impl KeeperMachine {
    /// A keeper that was begun by `hello`. Its lease begins now.
    #[must_use]
    pub fn new(now: Mono, hello: &Hello, version: String, boot_id: Option<String>) -> Self {
        Self {
            session: hello.session.clone(),
            epoch: hello.epoch,
            version,
            boot_id,
            lease: Duration::from_millis(hello.lease_ms),
            hold: Duration::from_millis(hello.hold_ms),
            expiry: hello.on_expiry,
            core: CoreState::Serving,
            heard: now,
            expired: false,
            superseded: false,
            finished: false,
            carrier: None,
            lines: Inbox::default(),
            out: Outbox::default(),
            files: BTreeMap::new(),
            plan: VecDeque::new(),
            welcome: None,
            line_ack_due: false,
            beat_due: false,
            refusals: BTreeMap::new(),
        }
    }

    /// Whether another line of the core may be taken.
    #[must_use]
    pub const fn takes_lines(&self) -> bool {
        self.out.bytes() < LINES_LIMIT
    }

    /// Whether the lease has expired.
    #[must_use]
    pub const fn has_expired(&self) -> bool {
        self.expired
    }

    /// When the next [`KeeperInput::Tick`] is due.
    #[must_use]
    pub fn deadline(&self) -> Mono {
        if self.expired { self.heard + self.lease + self.hold } else { self.heard + self.lease }
    }

    /// Takes one input in, and appends what is to be done.
    pub fn handle(&mut self, now: Mono, input: KeeperInput, out: &mut Vec<KeeperEffect>) {
        if self.finished {
            return;
        }
        match input {
            KeeperInput::Attached { carrier, hello } => self.attached(now, carrier, &hello, out),
            KeeperInput::Frame { carrier, frame } => {
                if self.carrier == Some(carrier) {
                    self.heard = now;
                    self.frame(carrier, frame, out);
                }
            }
            KeeperInput::Detached(carrier) => {
                self.refusals.remove(&carrier);
                if self.carrier == Some(carrier) {
                    self.carrier = None;
                }
            }
            KeeperInput::CoreLine(line) => self.push(Item::Line(line)),
            KeeperInput::CoreClosed => {
                if self.core != CoreState::Closed {
                    self.core = CoreState::Closed;
                    self.push(Item::End);
                }
            }
            KeeperInput::Grown { file, len } => self.grown(file, len),
            KeeperInput::Whole { file, len } => {
                if !self.files.contains_key(&file) {
                    self.files.insert(file.clone(), SpoolFile { is_whole: true, ..SpoolFile::default() });
                    self.grown(file, len);
                }
            }
            KeeperInput::Replaced { file, content } => self.replaced(file, content),
            KeeperInput::Unreadable(file) => {
                self.plan.retain(|step| !matches!(step, Step::File(name, _) if *name == file));
                self.files.remove(&file);
            }
            KeeperInput::Tick => {}
        }
        self.check_time(now, out);
        self.check_end(out);
    }

    fn attached(&mut self, now: Mono, carrier: CarrierId, hello: &Hello, out: &mut Vec<KeeperEffect>) {
        if let Some((reason, detail)) = self.unfit(hello) {
            self.refusals.insert(carrier, Frame::Refused { reason, detail });
            out.push(KeeperEffect::CloseCarrier(carrier));
            if hello.session == self.session && hello.epoch > self.epoch {
                self.superseded = true;
                self.close_core(out);
            }
            return;
        }
        self.heard = now;
        self.out.acknowledge(hello.acked);
        if let Some(before) = self.carrier.replace(carrier) {
            out.push(KeeperEffect::CloseCarrier(before));
        }
        self.welcome = Some(Frame::Welcome(Welcome {
            acked: self.lines.received(),
            version: self.version.clone(),
            boot_id: self.boot_id.clone(),
            expired: self.expired,
        }));
        (self.line_ack_due, self.beat_due) = (false, false);
        // Files that the supervisor does not name are of attempts that are over for it.
        self.files.retain(|name, file| {
            hello.files.contains_key(name) || (file.is_whole && file.acknowledged < file.len)
        });
        for (name, file) in &mut self.files {
            file.acknowledged = hello.files.get(name).copied().unwrap_or_default();
            file.sent = file.acknowledged;
        }
        self.plan.clear();
        // A hole is known before the zeros in it.
        let small = self.files.iter().filter(|(_, file)| file.content.is_some());
        // What was begun is completed first, so that one large value is under way at a time.
        let is_begun = |file: &SpoolFile| file.is_whole && file.sent > 0;
        let large = |begun: bool| {
            let rest = self.files.iter().filter(|(_, file)| file.len > file.sent);
            rest.filter(move |(_, file)| is_begun(file) == begun)
        };
        let large = large(true).chain(large(false));
        self.plan.extend(small.map(|(name, _)| Step::Small(name.clone())));
        self.plan.extend(large.map(|(name, file)| Step::File(name.clone(), file.len)));
        self.plan.extend((self.out.acknowledged() + 1..=self.out.last()).map(Step::Item));
    }

    /// Why a greeting is not one for this keeper.
    fn unfit(&self, hello: &Hello) -> Option<(Refusal, String)> {
        let Hello { session, epoch, acked, files, .. } = hello;
        if *session != self.session {
            Some((Refusal::Gone, format!("this keeper has no session {session}")))
        } else if *epoch < self.epoch {
            Some((Refusal::Superseded, format!("epoch {epoch} is over, this is {}", self.epoch)))
        } else if *epoch > self.epoch || self.superseded {
            Some((Refusal::Superseded, format!("epoch {} ends for a later one", self.epoch)))
        } else if *acked > self.out.last() {
            let last = self.out.last();
            Some((Refusal::Malformed, format!("line {acked} is acknowledged, the last one is {last}")))
        } else {
            let beyond = self.files.iter().find(|(name, file)| {
                file.content.is_none() && files.get(*name).is_some_and(|offset| *offset > file.len)
            });
            beyond.map(|(name, file)| {
                (Refusal::Malformed, format!("{name} has {} bytes, and more are acknowledged", file.len))
            })
        }
    }

    fn frame(&mut self, carrier: CarrierId, frame: Frame, out: &mut Vec<KeeperEffect>) {
        let is_sound = match frame {
            Frame::Line { seq, line } => match self.lines.arrived(seq, false) {
                Arrival::Next => {
                    self.line_ack_due = true;
                    if self.core == CoreState::Serving {
                        out.push(KeeperEffect::ToCore(line));
                    }
                    true
                }
                Arrival::Repeated => true,
                Arrival::Misplaced => false,
            },
            Frame::End { seq } => match self.lines.arrived(seq, true) {
                Arrival::Next => {
                    self.line_ack_due = true;
                    self.close_core(out);
                    true
                }
                Arrival::Repeated => true,
                Arrival::Misplaced => false,
            },
            Frame::LineAck { seq } => self.out.acknowledge(seq),
            Frame::RecordAck { file, offset } => {
                if let Some(known) = self.files.get_mut(&file) {
                    known.acknowledged = known.acknowledged.max(offset.min(known.sent));
                }
                true
            }
            Frame::Beat => {
                self.beat_due = true;
                true
            }
            Frame::Unknown => true,
            // Those of a keeper, and those that come before it.
            Frame::Ask
            | Frame::Report(_)
            | Frame::Hello(_)
            | Frame::Welcome(_)
            | Frame::Refused { .. }
            | Frame::RecordChunk { .. }
            | Frame::RecordFile { .. } => false,
        };
        if !is_sound {
            self.carrier = None;
            out.push(KeeperEffect::CloseCarrier(carrier));
        }
    }

    fn push(&mut self, item: Item) {
        if let Some(seq) = self.out.push(item) {
            self.plan.push_back(Step::Item(seq));
        }
    }

    fn grown(&mut self, name: String, len: u64) {
        let file = self.files.entry(name.clone()).or_default();
        if len <= file.len {
            return;
        }
        file.len = len;
        match self.plan.back_mut() {
            Some(Step::File(last, up_to)) if *last == name => *up_to = len,
            _ => self.plan.push_back(Step::File(name, len)),
        }
    }

    fn replaced(&mut self, name: String, content: Vec<u8>) {
        let file = self.files.entry(name.clone()).or_default();
        if file.content.as_ref() != Some(&content) {
            file.content = Some(content);
            self.plan.push_back(Step::Small(name));
        }
    }

    /// What a carrier is to be sent next. Ask again after each; `None` when there is nothing for now.
    pub fn next(&mut self, carrier: CarrierId) -> Option<Outgoing> {
        if let Some(refusal) = self.refusals.remove(&carrier) {
            return Some(Outgoing::Frame(refusal));
        }
        if self.carrier != Some(carrier) {
            return None;
        }
        if let Some(welcome) = self.welcome.take() {
            return Some(Outgoing::Frame(welcome));
        }
        if std::mem::take(&mut self.line_ack_due) {
            return Some(Outgoing::Frame(Frame::LineAck { seq: self.lines.received() }));
        }
        if std::mem::take(&mut self.beat_due) {
            return Some(Outgoing::Frame(Frame::Beat));
        }
        loop {
            match self.plan.front()? {
                Step::File(name, up_to) => {
                    let up_to = *up_to;
                    if let Some(file) = self.files.get_mut(name).filter(|file| file.sent < up_to) {
                        let offset = file.sent;
                        let len = usize::try_from(up_to - offset).unwrap_or(PART).min(PART);
                        file.sent += len as u64;
                        let last = file.is_whole && file.sent == file.len;
                        let file = name.clone();
                        return Some(Outgoing::Chunk { file, offset, len, last });
                    }
                    self.plan.pop_front();
                }
                Step::Small(_) => {
                    let Some(Step::Small(file)) = self.plan.pop_front() else { continue };
                    if let Some(content) = self.files.get(&file).and_then(|known| known.content.clone()) {
                        return Some(Outgoing::Frame(Frame::RecordFile { file, content }));
                    }
                }
                Step::Item(seq) => {
                    let seq = *seq;
                    self.plan.pop_front();
                    match self.out.get(seq) {
                        Some(Item::Line(line)) => {
                            return Some(Outgoing::Frame(Frame::Line { seq, line: line.clone() }));
                        }
                        Some(Item::End) => return Some(Outgoing::Frame(Frame::End { seq })),
                        None => {}
                    }
                }
            }
        }
    }

    fn check_time(&mut self, now: Mono, out: &mut Vec<KeeperEffect>) {
        let silent = now.since(self.heard);
        if silent < self.lease {
            return;
        }
        if let Some(carrier) = self.carrier.take() {
            // It is dead, and has no sign of it.
            out.push(KeeperEffect::CloseCarrier(carrier));
        }
        self.expired = true;
        let is_over = silent >= self.lease.saturating_add(self.hold);
        if self.expiry != Expiry::FinishThenHold || is_over {
            self.close_core(out);
        }
        if is_over && self.core == CoreState::Closed {
            self.finished = true;
            out.push(KeeperEffect::Finish { complete: false });
        }
    }

    fn check_end(&mut self, out: &mut Vec<KeeperEffect>) {
        let is_mirrored =
            || self.files.values().all(|file| file.content.is_some() || file.acknowledged >= file.len);
        let is_complete = self.out.is_complete() && is_mirrored();
        let is_over = self.core == CoreState::Closed && (is_complete || self.superseded);
        if is_over && !self.finished {
            self.finished = true;
            out.push(KeeperEffect::Finish { complete: is_complete });
        }
    }

    fn close_core(&mut self, out: &mut Vec<KeeperEffect>) {
        if self.core == CoreState::Serving {
            self.core = CoreState::Ending;
            out.push(KeeperEffect::CloseCore);
        }
    }
}
