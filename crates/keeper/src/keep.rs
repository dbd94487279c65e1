//! Drives a keeper: takes what happens one by one, gives it to the machine, and performs what that asks for.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use roboppi_hosts::{CarrierId, Frame, Hello, KeeperEffect, KeeperInput, KeeperMachine, Outgoing, Refusal};
use roboppi_ipc::{JobId, Mono};
use roboppi_record::SpoolFiles;
use tokio::net::UnixListener;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{info, warn};

use crate::carriers::{CarrierNews, Carriers, Received};
use crate::core::{Core, CoreNews, home};
use crate::place::KeeperPlace;
use crate::report::boot_id;
use crate::rewrite::{self, AboutJob};

/// How long a keeper without a greeting is there.
const FIRST_CARRIER: Duration = Duration::from_secs(30);
/// Bytes of a buffer for a carrier, from which no more frames are put into it.
const BUFFER: usize = 128 * 1024;

/// What a keeper is started with.
#[derive(Debug)]
pub struct KeepSettings {
    /// Its place, which it has cleared.
    pub place: KeeperPlace,
    /// The lock of the place.
    pub lock: File,
    /// The program whose command `core` is the core.
    pub program: PathBuf,
    /// The version of this program.
    pub version: String,
}

/// Keeps a session to its end. Must be called within a `LocalSet` of a current-thread runtime, in a process with a session of its
/// own.
///
/// # Errors
/// When the socket cannot be made.
pub async fn keep(settings: KeepSettings) -> io::Result<()> {
    settings.place.clear()?;
    let listener = UnixListener::bind(settings.place.socket())?;
    settings.place.protect_socket()?;
    let mut carriers = Carriers::new(listener);
    let first = timeout(FIRST_CARRIER, first_greeting(&mut carriers)).await;
    if let Ok((carrier, hello)) = first {
        match Keeper::begin(settings, carriers, &hello) {
            Ok(mut keeper) => {
                keeper.handle(KeeperInput::Attached { carrier, hello });
                keeper.run().await;
                keeper.settings.place.remove();
            }
            Err(failed) => {
                let (settings, mut carriers, detail) = *failed;
                let frame = Frame::Refused { reason: Refusal::Unusable, detail };
                let mut frame = Some(frame);
                carriers.send(carrier, |buffer| {
                    if let Some(frame) = frame.take() {
                        frame.encode(buffer);
                    }
                });
                carriers.close(carrier);
                settings.place.remove();
                // What was sent is on its way before the process ends.
                let _ = timeout(FIRST_CARRIER, carriers.news()).await;
            }
        }
    } else {
        settings.place.remove();
    }
    Ok(())
}

/// The first greeting on any carrier.
async fn first_greeting(carriers: &mut Carriers) -> (CarrierId, Box<Hello>) {
    loop {
        match carriers.news().await {
            CarrierNews::Received(carrier, Received::Frame(Frame::Hello(hello))) => return (carrier, hello),
            CarrierNews::Received(carrier, _) => carriers.close(carrier),
            CarrierNews::Drained => {}
        }
    }
}

struct Keeper {
    settings: KeepSettings,
    machine: KeeperMachine,
    carriers: Carriers,
    core: Core,
    files: SpoolFiles,
    home: PathBuf,
    /// Jobs that have not ended, and the bases of their files.
    jobs: HashMap<JobId, String>,
    /// Large values that are known.
    blobs: HashSet<String>,
    /// When their directory had changed last, as it was read last.
    blobs_read: Option<SystemTime>,
    origin: Instant,
    finished: bool,
}

impl Keeper {
    /// Starts the core. The error has what is needed to report it.
    fn begin(
        settings: KeepSettings,
        carriers: Carriers,
        hello: &Hello,
    ) -> Result<Self, Box<(KeepSettings, Carriers, String)>> {
        let home = home();
        let core = match Core::start(&settings.program, &hello.core, &home, &settings.lock) {
            Ok(core) => core,
            Err(error) => {
                let detail = format!("the core {} cannot be started: {error}", settings.program.display());
                return Err(Box::new((settings, carriers, detail)));
            }
        };
        info!(session = %hello.session, epoch = hello.epoch, "the keeper begins");
        Ok(Self {
            machine: KeeperMachine::new(Mono::ZERO, hello, settings.version.clone(), boot_id()),
            files: SpoolFiles::at(settings.place.spool()),
            settings,
            carriers,
            core,
            home,
            jobs: HashMap::new(),
            blobs: HashSet::new(),
            blobs_read: None,
            origin: Instant::now(),
            finished: false,
        })
    }

    async fn run(&mut self) {
        while !self.finished {
            self.pump();
            let deadline = self.origin + self.machine.deadline().since_origin();
            let wanted = self.machine.takes_lines();
            tokio::select! {
                biased;
                news = self.carriers.news() => match news {
                    CarrierNews::Received(carrier, Received::Frame(Frame::Hello(hello))) => {
                        self.handle(KeeperInput::Attached { carrier, hello });
                    }
                    CarrierNews::Received(carrier, Received::Frame(frame)) => {
                        self.handle(KeeperInput::Frame { carrier, frame });
                    }
                    CarrierNews::Received(carrier, Received::End) => {
                        self.handle(KeeperInput::Detached(carrier));
                        self.carriers.close(carrier);
                    }
                    CarrierNews::Drained => {}
                },
                news = self.core.news(wanted) => match news {
                    CoreNews::Line(line) => self.line_of_core(line),
                    CoreNews::Closed => self.core_closed(),
                    CoreNews::Nothing => {}
                },
                () = sleep_until(deadline) => self.handle(KeeperInput::Tick),
            }
        }
    }

    fn handle(&mut self, input: KeeperInput) {
        let mut effects = Vec::new();
        self.machine.handle(Mono::from_origin(self.origin.elapsed()), input, &mut effects);
        for effect in effects {
            match effect {
                KeeperEffect::CloseCarrier(carrier) => {
                    self.pump_to(carrier);
                    self.carriers.close(carrier);
                }
                KeeperEffect::ToCore(line) => self.line_to_core(line),
                KeeperEffect::CloseCore => {
                    info!(expired = self.machine.has_expired(), "the core is to end");
                    self.core.close();
                }
                KeeperEffect::Finish { complete } => {
                    info!(complete, "the keeper ends");
                    self.finished = true;
                }
            }
        }
    }

    fn line_to_core(&mut self, line: Vec<u8>) {
        let rewritten = rewrite::to_core(line, &self.settings.place.spool(), &self.home);
        if let Some((job, base)) = rewritten.job {
            self.jobs.insert(job, base);
        }
        if !self.core.send(rewritten.line) {
            warn!("the core does not read its messages, and is ended");
            self.core.close();
        }
    }

    /// What the core has recorded comes before the line that it wrote after it.
    fn line_of_core(&mut self, line: Vec<u8>) {
        if let Some(AboutJob { job, is_end }) = rewrite::from_core(&line) {
            let base = if is_end { self.jobs.remove(&job) } else { self.jobs.get(&job).cloned() };
            self.look_at_blobs(is_end);
            base.into_iter().for_each(|base| self.look_at(&base));
        }
        self.handle(KeeperInput::CoreLine(line));
    }

    fn core_closed(&mut self) {
        self.look_at_blobs(true);
        for base in std::mem::take(&mut self.jobs).into_values() {
            self.look_at(&base);
        }
        self.handle(KeeperInput::CoreClosed);
    }

    /// Large values come before the lines that name them. Their directory is read when it has changed, and before each result.
    fn look_at_blobs(&mut self, is_end: bool) {
        let changed = self.files.blobs_changed();
        if !is_end && (changed.is_none() || changed == self.blobs_read) {
            return;
        }
        match self.files.blobs() {
            Ok(blobs) => {
                self.blobs_read = changed;
                for (file, len) in blobs {
                    if self.blobs.insert(file.clone()) {
                        self.handle(KeeperInput::Whole { file, len });
                    }
                }
            }
            Err(error) => warn!(error = &error as &dyn std::error::Error, "the spool cannot be read"),
        }
    }

    fn look_at(&mut self, base: &str) {
        match self.files.state(base) {
            Ok(state) => {
                for (file, content) in state.small {
                    self.handle(KeeperInput::Replaced { file, content });
                }
                for (file, len) in state.lens {
                    self.handle(KeeperInput::Grown { file, len });
                }
            }
            Err(error) => warn!(base, error = &error as &dyn std::error::Error, "the spool cannot be read"),
        }
    }

    fn pump(&mut self) {
        for carrier in self.carriers.ids() {
            self.pump_to(carrier);
        }
    }

    fn pump_to(&mut self, carrier: CarrierId) {
        let (machine, files) = (&mut self.machine, &self.files);
        let mut unreadable = Vec::new();
        self.carriers.send(carrier, |buffer| {
            while buffer.len() < BUFFER {
                let frame = match machine.next(carrier) {
                    None => return,
                    Some(Outgoing::Frame(frame)) => frame,
                    Some(Outgoing::Chunk { file, offset, len, last }) => match files.read(&file, offset, len)
                    {
                        Ok(content) => Frame::RecordChunk { file, offset, content, last },
                        Err(error) => {
                            warn!(file, error = &error as &dyn std::error::Error, "the spool cannot be read");
                            unreadable.push(file);
                            return;
                        }
                    },
                };
                frame.encode(buffer);
            }
        });
        for file in unreadable {
            self.handle(KeeperInput::Unreadable(file));
        }
    }
}
