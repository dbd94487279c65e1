//! Starts cores, and connects with them.

use std::rc::Rc;
use std::time::Duration;

use roboppi_ipc::io::{Peer, PeerOptions};
use roboppi_process::forked::Pipes;
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::task::{JoinHandle, spawn_local};
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::child::CoreChild;
use super::connect_error::ConnectError;
use super::drive::{self, LinkSettings};
use super::events::{JobSink, LinkSender};
use super::process::{self, AbortOnDrop, CoreProcess};
use super::transport::{ConnectFailure, Endpoint, accept_core};
use super::{CoreLaunch, CoreProgram, CoreStreams, CoreTransport, ForkedCore};

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
/// many, go straight to `jobs`.
///
/// # Errors
/// When its program cannot be started, or has no way to connect.
pub(crate) fn connect(
    launch: CoreLaunch,
    settings: LinkSettings,
    events: LinkSender,
    jobs: JobSink,
) -> Result<CoreLink, ConnectError> {
    let (streams, child) = match launch {
        CoreLaunch::Connected(streams) => (streams, None),
        CoreLaunch::Program(program) => start(&program, &settings)?,
        CoreLaunch::Forked(core) => take_into_service(*core, &settings)?,
    };
    let LinkSettings { request_timeout, ref trace, .. } = settings;
    let options = PeerOptions { request_timeout, trace: trace.clone() };
    let (peer, driver) = Peer::new(streams.reader, streams.writer, options);
    let stop = CancellationToken::new();
    let task = spawn_local(drive::live(driver, peer.clone(), child, settings, events, jobs, stop.clone()));
    Ok(CoreLink { peer, stop, task })
}

/// Starts the process of a core, and a connection with it.
fn start(
    core: &CoreProgram,
    settings: &LinkSettings,
) -> Result<(CoreStreams, Option<CoreProcess>), ConnectError> {
    let CoreProgram { program, args, transport, .. } = core;
    let place = Endpoint::open(*transport).map_err(ConnectError::Endpoint)?;
    let mut variables = place.as_ref().map(Endpoint::variables).unwrap_or_default();
    variables.push((process::DIAGNOSTICS, settings.diagnostics.clone().into()));
    let mut child = process::start(program, args, variables)
        .map_err(|source| ConnectError::Program { program: program.clone(), source })?;
    info!(pid = child.id(), program = %program.display(), "a core was started");
    trace_start(core, child.id(), place.as_ref(), settings);
    let (Some(stdout), Some(stdin)) = (child.stdout.take(), child.stdin.take()) else {
        return Err(ConnectError::NoPipes);
    };
    let stderr = child.stderr.take().map(|stderr| Box::new(stderr) as _);
    let child = CoreChild::Started(Box::new(child));
    let (ends_at_eof, absence) = (core.ends_at_eof, ConnectFailure::default());
    let mut process = CoreProcess { child, stderr, ends_at_eof, carrying: None, absence };
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

/// Makes a core that was forked before the core of this link.
fn take_into_service(
    core: ForkedCore,
    settings: &LinkSettings,
) -> Result<(CoreStreams, Option<CoreProcess>), ConnectError> {
    let ForkedCore { process, name_diagnostics, program } = core;
    let unusable = |source| ConnectError::Program { program: program.program.clone(), source };
    name_diagnostics(&settings.diagnostics);
    let (Pipes { stdin, stdout, stderr }, process) = process.into_service().map_err(unusable)?;
    info!(pid = process.pid(), "a core was forked");
    trace_start(&program, process.pid(), None, settings);
    let streams = CoreStreams {
        reader: Box::new(Receiver::from_owned_fd(stdout).map_err(unusable)?),
        writer: Box::new(Sender::from_owned_fd(stdin).map_err(unusable)?),
    };
    let stderr = Receiver::from_owned_fd(stderr).map_err(unusable)?;
    let process = CoreProcess {
        child: CoreChild::Forked(process),
        stderr: Some(Box::new(stderr)),
        ends_at_eof: program.ends_at_eof,
        carrying: None,
        absence: ConnectFailure::default(),
    };
    Ok((streams, Some(process)))
}

/// Notes in the trace how a core was started.
fn trace_start(core: &CoreProgram, pid: Option<u32>, place: Option<&Endpoint>, settings: &LinkSettings) {
    let CoreProgram { program, args, ends_at_eof, transport } = core;
    if let Some(trace) = &settings.trace {
        let pid = pid.unwrap_or_default();
        let cmd = program.display();
        let (transport_name, address) = Endpoint::describe(place);
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
}
