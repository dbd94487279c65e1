//! The connection to another host: the carrier of its bytes, the mirror of its record, and the pipe at whose other end a
//! [`CoreLink`](crate::core_link::CoreLink) speaks with its core as with one of this host.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use roboppi_hosts::{CoreOptions, Expiry, MirrorInput, MirrorMachine, MirrorSettings, SessionName};
use roboppi_ipc::Mono;
use roboppi_record::{MirrorWriter, mirrored_files};
use roboppi_redact::Secrets;
use roboppi_run::HostId;
use roboppi_workflow::{HostSpec, OnLeaseEnd};
use tokio::io::{duplex, split};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::Instant;
use tracing::Instrument;

use crate::core_link::{CoreStreams, HostFailure, LinkSender};

mod ask;
mod carrier;
mod drive;
mod first_contact;
mod install;

pub use ask::{AskedHost, ask_host};

/// Bytes that may wait between the link and the carrier.
const PIPE: usize = 64 * 1024;
/// Time in which a host has to answer for the first time.
const FIRST_CONTACT: Duration = Duration::from_secs(30);
/// Time for which a host keeps results that were not fetched, from the end of its lease.
const HOLD: Duration = Duration::from_secs(3_600);

/// What a connection is made with.
#[derive(Debug)]
pub(crate) struct HostLinkSettings {
    pub(crate) host: HostId,
    pub(crate) spec: HostSpec,
    pub(crate) session: SessionName,
    /// Number of the core of that host, from 1.
    pub(crate) epoch: u32,
    pub(crate) core: CoreOptions,
    pub(crate) writer: MirrorWriter,
    pub(crate) secrets: Secrets,
}

/// A connection to another host.
#[derive(Debug)]
pub(crate) struct HostLink {
    shared: Rc<Mirror>,
    task: JoinHandle<()>,
}

/// The mirror, shared by the driver and the runner.
#[derive(Debug)]
struct Mirror {
    machine: RefCell<MirrorMachine>,
    writer: RefCell<MirrorWriter>,
    /// Something was given to the machine.
    changed: Notify,
    origin: Instant,
}

impl Mirror {
    fn now(&self) -> Mono {
        Mono::from_origin(self.origin.elapsed())
    }
}

impl HostLink {
    /// Begins a session on a host. What becomes known of it comes over `events`; why it ended is in the last value.
    pub(crate) fn begin(settings: HostLinkSettings, events: &LinkSender) -> (Self, CoreStreams, HostFailure) {
        let HostLinkSettings { host, spec, session, epoch, core, writer, secrets } = settings;
        let on_expiry = match spec.on_lease_end {
            OnLeaseEnd::Kill => Expiry::Kill,
            OnLeaseEnd::Finish => Expiry::FinishThenHold,
        };
        let mirror = MirrorSettings {
            session,
            epoch,
            first_contact: FIRST_CONTACT,
            lease: spec.lease,
            on_expiry,
            hold: HOLD,
            core,
        };
        let shared = Rc::new(Mirror {
            machine: RefCell::new(MirrorMachine::new(Mono::ZERO, mirror)),
            writer: RefCell::new(writer),
            changed: Notify::new(),
            origin: Instant::now(),
        });
        let (near, far) = duplex(PIPE);
        let failure = HostFailure::default();
        let driver =
            drive::Driver::new(Rc::clone(&shared), spec, far, events.of(&host), failure.clone(), secrets);
        let span = tracing::info_span!("host", %host);
        let task = spawn_local(driver.run().instrument(span));
        let (reader, writer) = split(near);
        let streams = CoreStreams { reader: Box::new(reader), writer: Box::new(writer) };
        (Self { shared, task }, streams, failure)
    }

    /// An attempt is given to the host: what it sends of its files is taken from now on.
    pub(crate) fn open(&self, base: &str) {
        self.input(base, MirrorInput::Open);
    }

    /// An attempt is over: nothing more of its files is taken.
    pub(crate) fn close(&self, base: &str) {
        self.input(base, MirrorInput::Close);
        self.shared.writer.borrow_mut().close(base);
    }

    fn input(&self, base: &str, input: impl FnOnce(Vec<String>) -> MirrorInput) {
        let mut none = Vec::new();
        // A base that is none has no files.
        let files = mirrored_files(base).unwrap_or_default();
        self.shared.machine.borrow_mut().handle(self.shared.now(), input(files), &mut none);
        self.shared.changed.notify_one();
    }

    /// Waits until the host has nothing left of the session, or cannot be reached.
    pub(crate) async fn ended(self) {
        let _ = self.task.await;
    }
}
