//! Drives the mirror of a host: starts carriers, carries frames, and writes what comes.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use roboppi_hosts::{CarrierId, Frame, MirrorEffect, MirrorInput};
use roboppi_ipc::{DEFAULT_LINE_LIMIT, Frame as LineFrame, LineFramer};
use roboppi_redact::Secrets;
use roboppi_workflow::HostSpec;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, ReadHalf, WriteHalf, split};
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{info, warn};

use super::Mirror;
use super::carrier::{CarrierEnd, CarrierProcess, command};
use super::first_contact::OwnProgram;
use super::install::{install, own_program};
use crate::core_link::{HostFailure, LinkEvent, LinkSender};

/// Wait before the second carrier; doubled with each one that follows, up to the longest.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Wait before a record that could not be written is tried again.
const DISK_WAIT: Duration = Duration::from_secs(1);
/// Bytes of a buffer for the carrier, from which no more frames are put into it.
const BUFFER: usize = 128 * 1024;
/// How long the keeper may take to close its carrier, when all is over.
const GOODBYE: Duration = Duration::from_secs(2);

/// Drives one session on a host.
pub(super) struct Driver {
    mirror: Rc<Mirror>,
    spec: HostSpec,
    from_link: ReadHalf<DuplexStream>,
    to_link: Option<WriteHalf<DuplexStream>>,
    framer: LineFramer,
    events: LinkSender,
    failure: HostFailure,
    secrets: Secrets,
    /// This program, when the host needs it.
    own: Option<&'static OwnProgram>,
    carrier: Option<CarrierProcess>,
    /// The program is on its way to the host.
    installing: Option<JoinHandle<Result<String, String>>>,
    /// It has arrived.
    is_installed: bool,
    last_carrier: u64,
    wait: Duration,
    connect_at: Instant,
    out: Vec<u8>,
    effects: VecDeque<MirrorEffect>,
    /// The record could not be written, and is tried again then.
    retry_at: Option<Instant>,
    /// The link has closed: the core is to end.
    ending_since: Option<Instant>,
    /// The host could not be reached since then.
    apart_since: Option<Instant>,
    reached: bool,
    over: bool,
}

/// What the driver waits for.
enum News {
    FromLink(Option<Vec<u8>>),
    FromCarrier(Option<Vec<u8>>),
    Written(usize),
    WriteFailed,
    Installed(Result<String, String>),
    Time,
    Changed,
}

impl Driver {
    pub(super) fn new(
        mirror: Rc<Mirror>,
        spec: HostSpec,
        far: DuplexStream,
        events: LinkSender,
        failure: HostFailure,
        secrets: Secrets,
    ) -> Self {
        let (from_link, to_link) = split(far);
        Self {
            mirror,
            spec,
            from_link,
            to_link: Some(to_link),
            framer: LineFramer::new(DEFAULT_LINE_LIMIT),
            events,
            failure,
            secrets,
            own: None,
            carrier: None,
            installing: None,
            is_installed: false,
            last_carrier: 0,
            wait: FIRST_WAIT,
            connect_at: Instant::now(),
            out: Vec::new(),
            effects: VecDeque::new(),
            retry_at: None,
            ending_since: None,
            apart_since: None,
            reached: false,
            over: false,
        }
    }

    pub(super) async fn run(mut self) {
        self.own = own_program(&self.spec).await;
        while !self.over && !self.is_given_up() {
            if self.carrier.is_none() && self.installing.is_none() && Instant::now() >= self.connect_at {
                self.connect().await;
            }
            self.fill();
            self.perform().await;
            if self.over {
                break;
            }
            match self.news().await {
                News::FromLink(bytes) => self.link_has_sent(bytes.as_deref()),
                News::FromCarrier(bytes) => self.carrier_has_sent(bytes.as_deref()),
                News::Written(count) => drop(self.out.drain(..count)),
                News::WriteFailed => self.out.clear(),
                News::Installed(installed) => self.installed(installed),
                News::Time => self.input(MirrorInput::Tick),
                News::Changed => {}
            }
            self.perform().await;
        }
        if let Some(installing) = self.installing.take() {
            installing.abort();
        }
        if let Some(mut link) = self.to_link.take() {
            let _ = link.shutdown().await;
        }
        if let Some(mut carrier) = self.carrier.take() {
            // What waits is the last acknowledgement; the keeper closes when it has it.
            let _ = timeout(GOODBYE, async {
                if let Some(stdin) = &mut carrier.stdin {
                    let _ = stdin.write_all(&self.out).await;
                }
                let mut rest = [0; 1024];
                while let Ok(1..) = carrier.stdout.read(&mut rest).await {}
            })
            .await;
            carrier.end("over").await;
        }
    }

    /// Whether the core was to end, and the host is away for so long that it has ended by its lease.
    fn is_given_up(&self) -> bool {
        if self.ending_since.is_some() && !self.reached {
            // Nothing was given to it.
            return true;
        }
        let (Some(ending), Some(apart)) = (self.ending_since, self.apart_since) else { return false };
        let given_up = ending.max(apart).elapsed() >= self.spec.lease;
        if given_up {
            let detail = "the run does not wait for it any longer".to_owned();
            self.events.send(LinkEvent::Unreachable { detail });
        }
        given_up
    }

    async fn connect(&mut self) {
        self.last_carrier += 1;
        let id = CarrierId(self.last_carrier);
        self.out.clear();
        self.input(MirrorInput::Connected(id));
        let words = command(&self.spec, self.own);
        match CarrierProcess::start(id, &words, &self.secrets) {
            Ok(carrier) => {
                info!(carrier = id.0, "a carrier was started");
                self.carrier = Some(carrier);
            }
            Err(error) => {
                let program = words.first().map(String::as_str).unwrap_or_default();
                let detail = format!("{program} cannot be started: {error}");
                self.input(MirrorInput::Disconnected { carrier: id, detail: detail.clone() });
                if self.reached {
                    self.perform().await;
                } else {
                    // Another try would only fail in the same way.
                    self.effects.clear();
                    self.end(detail);
                }
            }
        }
    }

    fn input(&mut self, input: MirrorInput) {
        let mut effects = Vec::new();
        self.mirror.machine.borrow_mut().handle(self.mirror.now(), input, &mut effects);
        self.effects.extend(effects);
    }

    /// Puts what is to be sent into the buffer. What is acknowledged there must be in the record, so nothing may wait for that.
    fn fill(&mut self) {
        let Some(carrier) = self.carrier.as_ref().map(|carrier| carrier.id) else { return };
        let mut effects = Vec::new();
        while self.out.len() < BUFFER && self.effects.is_empty() {
            let next = self.mirror.machine.borrow_mut().next(self.mirror.now(), carrier, &mut effects);
            self.effects.extend(effects.drain(..));
            let Some(frame) = next else { return };
            frame.encode(&mut self.out);
        }
    }

    async fn news(&mut self) -> News {
        let deadline = self.mirror.machine.borrow().deadline();
        let mut time = self.mirror.origin + deadline.since_origin().min(Duration::from_secs(86_400 * 365));
        if self.carrier.is_none() && self.installing.is_none() {
            time = time.min(self.connect_at);
        }
        if let (Some(ending), Some(apart)) = (self.ending_since, self.apart_since) {
            time = time.min(ending.max(apart) + self.spec.lease);
        }
        if let Some(at) = self.retry_at {
            time = time.min(at);
        }
        let takes_lines = self.ending_since.is_none() && self.mirror.machine.borrow().takes_lines();
        // What came before is not in the record yet.
        let takes_frames = self.effects.is_empty();
        let mut buffer = vec![0; 64 * 1024];
        let mut lines = vec![0; 64 * 1024];
        let (has_carrier, has_output) = (self.carrier.is_some(), !self.out.is_empty());
        let is_installing = self.installing.is_some();
        let installing = &mut self.installing;
        let (mut stdin, mut stdout) = match &mut self.carrier {
            Some(carrier) => (carrier.stdin.as_mut(), Some(&mut carrier.stdout)),
            None => (None, None),
        };
        // None of them may keep another one from its turn, however much comes.
        tokio::select! {
            count = async { match stdout.as_mut() {
                Some(stdout) => stdout.read(&mut buffer).await.unwrap_or_default(),
                None => std::future::pending().await,
            } }, if has_carrier && takes_frames => {
                buffer.truncate(count);
                News::FromCarrier(Some(buffer).filter(|buffer| !buffer.is_empty()))
            }
            written = async { match stdin.as_mut() {
                Some(stdin) => stdin.write(&self.out).await,
                None => std::future::pending().await,
            } }, if has_carrier && has_output => match written {
                Ok(count) => News::Written(count),
                // Its end is seen where it is read.
                Err(_) => News::WriteFailed,
            },
            count = self.from_link.read(&mut lines), if takes_lines => {
                lines.truncate(count.unwrap_or_default());
                News::FromLink(Some(lines).filter(|lines| !lines.is_empty()))
            }
            ended = async { match installing.as_mut() {
                Some(installing) => installing.await,
                None => std::future::pending().await,
            } }, if is_installing => {
                News::Installed(ended.unwrap_or_else(|error| Err(error.to_string())))
            }
            () = self.mirror.changed.notified() => News::Changed,
            () = sleep_until(time) => News::Time,
        }
    }

    fn link_has_sent(&mut self, bytes: Option<&[u8]>) {
        let Some(bytes) = bytes else {
            self.ending_since = Some(Instant::now());
            return self.input(MirrorInput::EndOfLines);
        };
        let mut lines = Vec::new();
        self.framer.push(bytes, |frame| {
            // Requests that are too long were refused before.
            if let LineFrame::Line(line) = frame {
                lines.push(line.to_vec());
            }
        });
        lines.into_iter().for_each(|line| self.input(MirrorInput::Line(line)));
    }

    fn carrier_has_sent(&mut self, bytes: Option<&[u8]>) {
        let Some(carrier) = &mut self.carrier else { return };
        let id = carrier.id;
        let mut frames: Vec<Frame> = Vec::new();
        let failed = match bytes {
            None => Some("the connection has closed".to_owned()),
            Some(bytes) => {
                carrier.decoder.push(bytes);
                loop {
                    match carrier.decoder.next_frame() {
                        Ok(Some(frame)) => frames.push(frame),
                        Ok(None) => break None,
                        Err(error) => break Some(format!("it does not speak as a keeper does: {error}")),
                    }
                }
            }
        };
        self.input(MirrorInput::Received(id));
        frames.into_iter().for_each(|frame| self.input(MirrorInput::Frame { carrier: id, frame }));
        if let Some(detail) = failed {
            self.input(MirrorInput::Disconnected { carrier: id, detail });
        }
    }

    /// Performs what the machine asks for, in its order, as far as that is possible now.
    async fn perform(&mut self) {
        if self.retry_at.is_some_and(|at| Instant::now() < at) {
            return;
        }
        self.retry_at = None;
        while let Some(effect) = self.effects.pop_front() {
            match effect {
                MirrorEffect::Append { file, offset, content } => {
                    let written = self.mirror.writer.borrow_mut().append(&file, offset, &content);
                    if let Err(error) = written {
                        warn!(error = &error as &dyn std::error::Error, "the mirror cannot be written");
                        self.effects.push_front(MirrorEffect::Append { file, offset, content });
                        self.retry_at = Some(Instant::now() + DISK_WAIT);
                        return;
                    }
                }
                MirrorEffect::Complete(file) => {
                    let written = self.mirror.writer.borrow_mut().complete(&file);
                    if let Err(error) = written {
                        warn!(error = &error as &dyn std::error::Error, "a large value is not kept");
                    }
                }
                MirrorEffect::Replace { file, content } => {
                    let written = self.mirror.writer.borrow_mut().replace(&file, &content);
                    if let Err(error) = written {
                        warn!(error = &error as &dyn std::error::Error, "the mirror cannot be written");
                    }
                }
                MirrorEffect::Line(mut line) => {
                    line.push(b'\n');
                    if let Some(link) = &mut self.to_link {
                        // A link that has closed needs nothing more.
                        let _ = link.write_all(&line).await;
                    }
                }
                MirrorEffect::CloseCarrier { detail, .. } => self.close_carrier(&detail).await,
                MirrorEffect::Reachable(welcome) => {
                    self.wait = FIRST_WAIT;
                    if let Some(since) = self.apart_since.take() {
                        let (after, expired) = (since.elapsed(), welcome.expired);
                        self.events.send(LinkEvent::Reachable { after, expired });
                    }
                    self.reached = true;
                }
                MirrorEffect::Unreachable { since, detail } => {
                    self.apart_since = Some(self.mirror.origin + since.since_origin());
                    self.events.send(LinkEvent::Unreachable { detail });
                }
                MirrorEffect::Lost(detail) => self.end(detail),
                MirrorEffect::Over => self.end("its core has ended".to_owned()),
            }
        }
    }

    fn end(&mut self, detail: String) {
        self.failure.set(detail, self.reached);
        self.over = true;
    }

    async fn close_carrier(&mut self, detail: &str) {
        self.out.clear();
        let Some(carrier) = self.carrier.take() else { return };
        let end = carrier.end(detail).await;
        info!(detail = end.detail, "a carrier has ended");
        if !self.reached
            && end.needs_program()
            && let Some(own) = self.own
        {
            self.effects.clear();
            return self.begin_install(own, end);
        }
        if end.found_no_program() && !self.reached {
            // Another try would only fail in the same way.
            self.effects.clear();
            self.effects.push_back(MirrorEffect::Lost(end.detail));
            return;
        }
        for effect in &mut self.effects {
            // The carrier knows more of it than the machine.
            if let MirrorEffect::Unreachable { detail: why, .. } | MirrorEffect::Lost(why) = effect {
                why.clone_from(&end.detail);
            }
        }
        self.connect_at = Instant::now() + self.wait;
        self.wait = (self.wait * 2).min(LONGEST_WAIT);
    }

    /// Copies the program to the host, while the run goes on.
    fn begin_install(&mut self, own: &'static OwnProgram, end: CarrierEnd) {
        if self.is_installed {
            // It was copied, and is not found.
            return self.end(end.detail);
        }
        self.input(MirrorInput::Preparing);
        let (spec, secrets) = (self.spec.clone(), self.secrets.clone());
        self.installing = Some(spawn_local(async move { install(&spec, own, &end, &secrets).await }));
    }

    fn installed(&mut self, installed: Result<String, String>) {
        self.installing = None;
        match installed {
            Ok(path) => {
                self.is_installed = true;
                let bytes = self.own.map_or(0, |own| own.bytes);
                self.events.send(LinkEvent::Installed { path, bytes });
                self.input(MirrorInput::Prepared);
                self.connect_at = Instant::now();
            }
            Err(detail) => self.end(detail),
        }
    }
}
