//! Decides the life of a mirror: the end of a supervisor, for one host.
//!
//! ```text
//!              Connected              welcome                      Disconnected, silence
//!   Apart ───────────────► Greeting ───────────► Together ─────────────────────────────► Apart
//!                              │ refused: gone          │ End of the core
//!                              ▼                        ▼
//!                            Lost                      Over
//! ```
//!
//! * A host that cannot be reached is apart, whatever the reason, and is tried again: what runs there goes on. Only a keeper that
//!   is gone with all it started is lost, and only the host itself can report that.
//! * What a keeper sends is taken for files that were opened alone, at the place where they end, and once.
//! * Anything that contradicts what was there before ends the carrier, and nothing of it is taken.
//! * [`MirrorEffect::Lost`] or [`MirrorEffect::Over`] comes once, and nothing after it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use roboppi_ipc::Mono;

use crate::lines::{Arrival, Inbox, Item, Outbox};
use crate::{CarrierId, CoreOptions, Expiry, Frame, Hello, Refusal, SessionName, Welcome};

/// The version of the frames.
const PROTOCOL: u32 = 1;

/// What a session is begun with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MirrorSettings {
    /// The work of one run on one host.
    pub session: SessionName,
    /// Number of the keeper, from 1.
    pub epoch: u32,
    /// Time in which the keeper has to answer for the first time. One that never did cannot run anything, so there is nothing to
    /// wait for.
    pub first_contact: Duration,
    /// Time without a frame after which the keeper acts on its own.
    pub lease: Duration,
    /// What it does then.
    pub on_expiry: Expiry,
    /// Time after the end of the lease for which it keeps what is not acknowledged.
    pub hold: Duration,
    /// How its core is started.
    pub core: CoreOptions,
}

/// What a mirror is informed of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MirrorInput {
    /// A carrier was started; whether it reaches the host is not known yet.
    Connected(CarrierId),
    /// Bytes of a carrier have come, which may be a part of a frame: on a slow link a long one takes its time.
    Received(CarrierId),
    /// A frame of a carrier.
    Frame {
        /// The carrier.
        carrier: CarrierId,
        /// The frame.
        frame: Frame,
    },
    /// A carrier has ended, or is of no use.
    Disconnected {
        /// The carrier.
        carrier: CarrierId,
        /// Why, for people.
        detail: String,
    },
    /// A line for the core.
    Line(Vec<u8>),
    /// No more lines for the core: it is to end.
    EndOfLines,
    /// Files of an attempt that is given to the host, with how much of each is there.
    Open(Vec<String>),
    /// Files of an attempt that is over: nothing of them is taken any more.
    Close(Vec<String>),
    /// The host is made ready before its first contact, which takes as long as it takes.
    Preparing,
    /// It is ready: its time for the first contact begins.
    Prepared,
    /// Time has passed.
    Tick,
}

/// What is to be done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MirrorEffect {
    /// Close a carrier, and start another one a little later.
    CloseCarrier {
        /// The carrier.
        carrier: CarrierId,
        /// Why, for people.
        detail: String,
    },
    /// Append to a file of the record.
    Append {
        /// Its name within the run directory.
        file: String,
        /// Where: its end.
        offset: u64,
        /// What.
        content: Vec<u8>,
    },
    /// A file that is named by its content is complete, if that is what its name says.
    Complete(String),
    /// Replace a small file of the record.
    Replace {
        /// Its name within the run directory.
        file: String,
        /// All of it.
        content: Vec<u8>,
    },
    /// A line of the core.
    Line(Vec<u8>),
    /// The keeper answers, for the first time or again.
    Reachable(Welcome),
    /// The host cannot be reached since then, and why.
    Unreachable {
        /// The last sign of life, or the beginning of the session.
        since: Mono,
        /// Why, for people.
        detail: String,
    },
    /// The keeper is gone with all it started.
    Lost(String),
    /// The core has ended, and everything of it is here.
    Over,
}

/// The end of a supervisor, for one host.
#[derive(Debug)]
pub struct MirrorMachine {
    settings: MirrorSettings,
    created: Mono,
    /// The host is made ready: it is not expected to answer.
    preparing: bool,
    heard: Mono,
    sent: Mono,
    /// The keeper has answered once, so it exists or is gone.
    begun: bool,
    carrier: Option<CarrierId>,
    welcomed: bool,
    reported_apart: bool,
    over: bool,
    out: Outbox,
    lines: Inbox,
    files: BTreeMap<String, u64>,
    /// Files that are named by their content, of which not all is here.
    partial: BTreeMap<String, u64>,
    /// Numbers of lines to be sent on this carrier.
    next_line: u64,
    hello_due: bool,
    beat_due: bool,
    line_ack_due: bool,
    /// Of files, each with the latest offset.
    acks: BTreeMap<String, u64>,
    /// Of files that are not taken, which the keeper need not keep.
    ignored: VecDeque<(String, u64)>,
}

impl MirrorMachine {
    /// A session that has not begun.
    #[must_use]
    pub fn new(now: Mono, settings: MirrorSettings) -> Self {
        Self {
            settings,
            created: now,
            preparing: false,
            heard: now,
            sent: now,
            begun: false,
            carrier: None,
            welcomed: false,
            reported_apart: false,
            over: false,
            out: Outbox::default(),
            lines: Inbox::default(),
            files: BTreeMap::new(),
            partial: BTreeMap::new(),
            next_line: 1,
            hello_due: false,
            beat_due: false,
            line_ack_due: false,
            acks: BTreeMap::new(),
            ignored: VecDeque::new(),
        }
    }

    /// Whether the keeper answers at present.
    #[must_use]
    pub const fn is_together(&self) -> bool {
        self.welcomed
    }

    /// Whether another line for the core may be taken.
    #[must_use]
    pub const fn takes_lines(&self) -> bool {
        // The longest line fits once more.
        self.out.bytes() <= roboppi_ipc::DEFAULT_LINE_LIMIT
    }

    /// When the next [`MirrorInput::Tick`] is due.
    #[must_use]
    pub fn deadline(&self) -> Mono {
        let first = (!self.begun && !self.preparing).then(|| self.created + self.settings.first_contact);
        let silence = self.carrier.map(|_| self.heard + self.settings.lease);
        let beat = self.carrier.map(|_| self.sent + self.beat_interval());
        [first, silence, beat].into_iter().flatten().min().unwrap_or(Mono::from_origin(Duration::MAX))
    }

    fn beat_interval(&self) -> Duration {
        self.settings.lease / 4
    }

    /// Takes one input in, and appends what is to be done.
    pub fn handle(&mut self, now: Mono, input: MirrorInput, out: &mut Vec<MirrorEffect>) {
        if self.over {
            return;
        }
        match input {
            MirrorInput::Connected(carrier) => self.connected(now, carrier),
            MirrorInput::Received(carrier) => {
                if self.carrier == Some(carrier) {
                    self.heard = now;
                }
            }
            MirrorInput::Frame { carrier, frame } => {
                if self.carrier == Some(carrier) {
                    self.heard = now;
                    if let Err(detail) = self.frame(frame, out) {
                        self.apart(now, carrier, &detail, out);
                    }
                }
            }
            MirrorInput::Disconnected { carrier, detail } => {
                if self.carrier == Some(carrier) {
                    self.apart(now, carrier, &detail, out);
                }
            }
            MirrorInput::Line(line) => {
                self.out.push(Item::Line(line));
            }
            MirrorInput::EndOfLines => {
                self.out.push(Item::End);
            }
            MirrorInput::Open(files) => {
                for file in files {
                    self.files.entry(file).or_default();
                }
            }
            MirrorInput::Close(files) => {
                for file in files {
                    // What was taken is acknowledged nevertheless.
                    self.files.remove(&file);
                }
            }
            MirrorInput::Preparing => self.preparing = true,
            MirrorInput::Prepared => (self.preparing, self.created) = (false, now),
            MirrorInput::Tick => self.tick(now, out),
        }
    }

    fn connected(&mut self, now: Mono, carrier: CarrierId) {
        self.carrier = Some(carrier);
        self.welcomed = false;
        // The carrier has as much time to reach the host as a silent one has.
        self.heard = now;
        self.sent = now;
        self.hello_due = true;
        (self.beat_due, self.line_ack_due) = (false, false);
        self.acks.clear();
        self.ignored.clear();
    }

    fn tick(&mut self, now: Mono, out: &mut Vec<MirrorEffect>) {
        let silent = now.since(self.heard);
        match self.carrier {
            Some(carrier) if silent >= self.settings.lease => {
                self.apart(now, carrier, &format!("no answer for {} s", silent.as_secs()), out);
            }
            Some(_) if now.since(self.sent) >= self.beat_interval() => {
                self.sent = now;
                self.beat_due = true;
            }
            Some(_) | None => {}
        }
        self.check_first_contact(now, "no answer", out);
    }

    fn apart(&mut self, now: Mono, carrier: CarrierId, detail: &str, out: &mut Vec<MirrorEffect>) {
        self.carrier = None;
        self.welcomed = false;
        out.push(MirrorEffect::CloseCarrier { carrier, detail: detail.to_owned() });
        if self.begun && !std::mem::replace(&mut self.reported_apart, true) {
            out.push(MirrorEffect::Unreachable { since: self.heard, detail: detail.to_owned() });
        }
        self.check_first_contact(now, detail, out);
    }

    /// A keeper that has never answered is not waited for any longer than that.
    fn check_first_contact(&mut self, now: Mono, detail: &str, out: &mut Vec<MirrorEffect>) {
        let is_expected = !self.begun && !self.over && !self.preparing;
        if is_expected && now.since(self.created) >= self.settings.first_contact {
            self.lose(detail, out);
        }
    }

    fn lose(&mut self, detail: &str, out: &mut Vec<MirrorEffect>) {
        self.over = true;
        if let Some(carrier) = self.carrier.take() {
            out.push(MirrorEffect::CloseCarrier { carrier, detail: detail.to_owned() });
        }
        out.push(MirrorEffect::Lost(detail.to_owned()));
    }

    /// Takes a frame of the present carrier. The error ends the carrier.
    fn frame(&mut self, frame: Frame, out: &mut Vec<MirrorEffect>) -> Result<(), String> {
        match frame {
            Frame::Welcome(welcome) if !self.welcomed => self.welcome(welcome, out),
            Frame::Refused { reason, detail } => self.refused(reason, &detail, out),
            Frame::Unknown => Ok(()),
            _ if !self.welcomed => Err("it sends frames before its welcome".to_owned()),
            Frame::Beat => Ok(()),
            Frame::Line { seq, line } => match self.lines.arrived(seq, false) {
                Arrival::Next => {
                    self.line_ack_due = true;
                    out.push(MirrorEffect::Line(line));
                    Ok(())
                }
                Arrival::Repeated => Ok(()),
                Arrival::Misplaced => Err(format!("line {seq} does not follow {}", self.lines.received())),
            },
            Frame::End { seq } => match self.lines.arrived(seq, true) {
                Arrival::Next => {
                    self.line_ack_due = true;
                    Ok(())
                }
                Arrival::Repeated => Ok(()),
                Arrival::Misplaced => Err(format!("line {seq} does not follow {}", self.lines.received())),
            },
            Frame::LineAck { seq } => {
                let is_known = self.out.acknowledge(seq);
                self.next_line = self.next_line.max(self.out.acknowledged() + 1);
                if is_known { Ok(()) } else { Err(format!("line {seq} was never sent, and is acknowledged")) }
            }
            Frame::RecordChunk { file, offset, content, last } if is_named_by_content(&file) => {
                self.part(file, offset, content, last, out)
            }
            Frame::RecordChunk { file, offset, content, last: _ } => self.chunk(file, offset, &content, out),
            Frame::RecordFile { file, content } => {
                if self.files.contains_key(&file) {
                    out.push(MirrorEffect::Replace { file, content });
                }
                Ok(())
            }
            Frame::Welcome(_) | Frame::Hello(_) | Frame::RecordAck { .. } | Frame::Ask | Frame::Report(_) => {
                Err("it sends frames that a keeper does not send".to_owned())
            }
        }
    }

    fn welcome(&mut self, welcome: Welcome, out: &mut Vec<MirrorEffect>) -> Result<(), String> {
        if !self.out.acknowledge(welcome.acked) {
            return Err(format!("line {} was never sent, and is acknowledged", welcome.acked));
        }
        (self.welcomed, self.begun, self.reported_apart) = (true, true, false);
        self.next_line = self.out.acknowledged() + 1;
        out.push(MirrorEffect::Reachable(welcome));
        Ok(())
    }

    fn refused(&mut self, reason: Refusal, detail: &str, out: &mut Vec<MirrorEffect>) -> Result<(), String> {
        // Without the sign that its tree is gone, a keeper that refuses is one that cannot be reached.
        if reason == Refusal::Gone || (reason == Refusal::Unusable && !self.begun) {
            self.lose(detail, out);
            return Ok(());
        }
        Err(format!("it refuses: {detail}"))
    }

    fn chunk(
        &mut self,
        file: String,
        offset: u64,
        content: &[u8],
        out: &mut Vec<MirrorEffect>,
    ) -> Result<(), String> {
        let end = offset.saturating_add(content.len() as u64);
        let Some(have) = self.files.get_mut(&file) else {
            /// Files that are not taken, of which a keeper is informed; one that names more lies.
            const MOST: usize = 1024;
            if self.ignored.len() < MOST {
                self.ignored.push_back((file, end));
            }
            return Ok(());
        };
        if offset > *have {
            return Err(format!("{file} has {have} bytes, and bytes from {offset} are sent"));
        }
        if end > *have {
            let known = usize::try_from(*have - offset).unwrap_or(usize::MAX).min(content.len());
            let new = content[known..].to_vec();
            out.push(MirrorEffect::Append { file: file.clone(), offset: *have, content: new });
            *have = end;
        }
        self.acks.insert(file, *have);
        Ok(())
    }

    /// A part of a file that is named by its content: any may come, because none can be taken for another one.
    fn part(
        &mut self,
        file: String,
        offset: u64,
        content: Vec<u8>,
        last: bool,
        out: &mut Vec<MirrorEffect>,
    ) -> Result<(), String> {
        /// Such files under way, and the length of one. A keeper sends one after the other.
        const MOST: usize = 4;
        const LONGEST: u64 = 64 * 1024 * 1024;
        let have = self.partial.get(&file).copied().unwrap_or_default();
        let end = offset.saturating_add(content.len() as u64);
        if offset != have || end > LONGEST || (self.partial.len() >= MOST && have == 0) {
            return Err(format!("{file} has {have} bytes, and bytes from {offset} to {end} are sent"));
        }
        out.push(MirrorEffect::Append { file: file.clone(), offset, content });
        if last {
            self.partial.remove(&file);
            out.push(MirrorEffect::Complete(file.clone()));
        } else {
            self.partial.insert(file.clone(), end);
        }
        self.acks.insert(file, end);
        Ok(())
    }

    /// What a carrier is to be sent next. Ask again after each; `None` when there is nothing for now. What was appended to the
    /// record before this is asked is acknowledged here, so it must be there.
    pub fn next(&mut self, now: Mono, carrier: CarrierId, out: &mut Vec<MirrorEffect>) -> Option<Frame> {
        if self.carrier != Some(carrier) || self.over {
            return None;
        }
        let next = self.next_of(out);
        if next.is_some() {
            self.sent = now;
        }
        next
    }

    fn next_of(&mut self, out: &mut Vec<MirrorEffect>) -> Option<Frame> {
        if std::mem::take(&mut self.hello_due) {
            return Some(Frame::Hello(Box::new(self.hello())));
        }
        if !self.welcomed {
            return None;
        }
        if let Some((file, offset)) = self.acks.pop_first().or_else(|| self.ignored.pop_front()) {
            return Some(Frame::RecordAck { file, offset });
        }
        if std::mem::take(&mut self.line_ack_due) {
            if self.lines.has_ended() {
                // The last word of this end: the keeper goes when it has it.
                self.over = true;
                out.push(MirrorEffect::Over);
            }
            return Some(Frame::LineAck { seq: self.lines.received() });
        }
        if std::mem::take(&mut self.beat_due) {
            return Some(Frame::Beat);
        }
        let seq = self.next_line;
        let frame = match self.out.get(seq)? {
            Item::Line(line) => Frame::Line { seq, line: line.clone() },
            Item::End => Frame::End { seq },
        };
        self.next_line += 1;
        Some(frame)
    }

    fn hello(&self) -> Hello {
        let MirrorSettings { session, epoch, lease, on_expiry, hold, core, .. } = &self.settings;
        let millis = |time: &Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Hello {
            protocol: PROTOCOL,
            session: session.clone(),
            epoch: *epoch,
            begin: !self.begun,
            acked: self.lines.received(),
            files: self.files.iter().chain(&self.partial).map(|(file, have)| (file.clone(), *have)).collect(),
            lease_ms: millis(lease),
            on_expiry: *on_expiry,
            hold_ms: millis(hold),
            core: core.clone(),
        }
    }
}

/// Whether a file of the record is named by the SHA-256 of its content.
fn is_named_by_content(file: &str) -> bool {
    let is_hash =
        |name: &str| name.len() == 64 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    file.strip_prefix("blobs/").is_some_and(is_hash)
}
