//! Starts cores, and connects with them.

use std::rc::Rc;
use std::time::Duration;

use roboppi_ipc::io::{Peer, PeerOptions};
use tokio::task::{JoinHandle, spawn_local};
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::connect_error::ConnectError;
use super::drive::{self, LinkSettings};
use super::events::LinkSender;
use super::process::{self, AbortOnDrop, CoreProcess};
use super::transport::{ConnectFailure, Endpoint, accept_core};
use super::{CoreLaunch, CoreProgram, CoreStreams, CoreTransport};

/// How long a core may take to connect.
const CONNECT_TIME: Duration = Duration::from_secs(15);

/// A started core.
#[derive(Debug)]
pub(crate) struct CoreLink {
    pub(crate) peer: Peer,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl CoreLink {
    /// Closes the wire, which tells the core to end, and waits until it has.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        drop(self.peer);
        let _ = self.task.await;
    }
}

/// Connects to a core. What it says comes over `events`; its `job_event`s, of which there may be very
/// many, go straight to `job_event`.
///
/// # Errors
/// When its program cannot be started, or has no way to connect.
pub(crate) fn connect(
    launch: CoreLaunch,
    settings: LinkSettings,
    events: LinkSender,
    job_event: Box<dyn FnMut(roboppi_ipc::JobEvent)>,
) -> Result<CoreLink, ConnectError> {
    let (streams, child) = match launch {
        CoreLaunch::Connected(streams) => (streams, None),
        CoreLaunch::Program(program) => start(&program, &settings)?,
    };
    let LinkSettings { request_timeout, ref trace, .. } = settings;
    let options = PeerOptions { request_timeout, trace: trace.clone() };
    let (peer, driver) = Peer::new(streams.reader, streams.writer, options);
    let stop = CancellationToken::new();
    let task =
        spawn_local(drive::live(driver, peer.clone(), child, settings, events, job_event, stop.clone()));
    Ok(CoreLink { peer, stop, task })
}

/// Starts the process of a core, and a connection with it.
fn start(
    core: &CoreProgram,
    settings: &LinkSettings,
) -> Result<(CoreStreams, Option<CoreProcess>), ConnectError> {
    let CoreProgram { program, args, ends_at_eof, transport } = core;
    let place = Endpoint::open(*transport).map_err(ConnectError::Endpoint)?;
    let mut variables = place.as_ref().map(Endpoint::variables).unwrap_or_default();
    variables.push((process::DIAGNOSTICS, settings.diagnostics.clone().into()));
    let mut child = process::start(program, args, variables)
        .map_err(|source| ConnectError::Program { program: program.clone(), source })?;
    info!(pid = child.id(), program = %program.display(), "a core was started");
    if let Some(trace) = &settings.trace {
        let pid = child.id().unwrap_or_default();
        let cmd = program.display();
        let (transport_name, address) = Endpoint::describe(place.as_ref());
        if *transport == CoreTransport::Socket && transport_name != "socket" {
            trace.note("fallback", &format!("there can be no socket here: transport={transport_name}"));
        }
        // Of a core of somebody else the last argument is what was asked for.
        let entry =
            args.last().filter(|_| !ends_at_eof).map_or(program.as_os_str(), |entry| entry.as_os_str());
        let entry = entry.display();
        let args: Vec<_> = args.iter().map(|arg| arg.to_string_lossy()).collect();
        let args = args.join(" ");
        trace.note(
            "spawn",
            &format!(
                "impl=roboppi transport={transport_name} core pid={pid} cmd={cmd} args={args} entry={entry}{address}"
            ),
        );
    }
    let (Some(stdout), Some(stdin)) = (child.stdout.take(), child.stdin.take()) else {
        return Err(ConnectError::NoPipes);
    };
    let mut process =
        CoreProcess { child, ends_at_eof: *ends_at_eof, carrying: None, absence: ConnectFailure::default() };
    let Some(place) = place else {
        return Ok((CoreStreams { reader: Box::new(stdout), writer: Box::new(stdin) }, Some(process)));
    };
    let limit = settings.request_timeout.min(CONNECT_TIME);
    // One that has ended already will not come.
    let core = process.child.id().unwrap_or_default();
    let (streams, carrying) = accept_core(place, core, limit, Rc::clone(&process.absence));
    // As long as its pipes are open the core, and its guard, know that we are there.
    process.carrying = Some(AbortOnDrop(
        spawn_local(async move {
            carrying.await;
            drop((stdout, stdin));
        })
        .abort_handle(),
    ));
    Ok((streams, Some(process)))
}
