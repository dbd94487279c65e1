//! The core of a run, forked before anything is known of that run: it gets ready beside whatever its supervisor has to do
//! first, and is not loaded from its file again.

use std::env;
use std::io::{self, PipeReader, PipeWriter, Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use roboppi_core::GateSettings;
use roboppi_core::server::Transport;
use roboppi_process::forked::{Fork, Forked, fork};
use roboppi_supervisor::{CoreProgram, CoreTransport, ForkedCore, RunSettings};

use crate::commands::core::{self, CoreStart};
use crate::cores::Cores;
use crate::exit::Failure;
use crate::options::HowArgs;

/// Variables that are for a core which is started by its path.
const OF_STARTED_CORES: [&str; 5] = [
    "ROBOPPI_IPC_SOCKET_PATH",
    "ROBOPPI_IPC_SOCKET_HOST",
    "ROBOPPI_IPC_SOCKET_PORT",
    "ROBOPPI_SUPERVISED_IPC_TRANSPORT",
    "ROBOPPI_LOG_FILE",
];

/// Bytes of an order: three numbers.
const ORDER: usize = 3 * size_of::<u64>();

/// A process that becomes the core of this run when it is told to, and ends without a word when it is not.
#[derive(Debug)]
pub(crate) struct EarlyCore {
    /// Closed before the process is waited for: its end tells a process without settings that it is not needed.
    orders: PipeWriter,
    process: Forked,
}

/// Who goes on.
#[derive(Debug)]
pub(crate) enum Begun {
    /// The supervisor, with a core if it can have one of this kind.
    Supervisor(Option<EarlyCore>),
    /// The core, which has ended.
    Core(Result<ExitCode, Failure>),
}

impl EarlyCore {
    /// Forks a core if this run will have a process of this program as its core. No thread and nothing that is removed
    /// when it is dropped may exist yet: there are two of it then.
    pub(crate) fn fork(args: &HowArgs, cores: &Cores) -> Begun {
        if args.direct || !cores.are_all_ours() || transport() != CoreTransport::Stdio {
            return Begun::Supervisor(None);
        }
        let Ok((settings, orders)) = io::pipe() else { return Begun::Supervisor(None) };
        match fork(c"roboppi core", &OF_STARTED_CORES) {
            // It is started by its path later, and says then what is wrong.
            Err(_) => Begun::Supervisor(None),
            Ok(Fork::Here(process)) => Begun::Supervisor(Some(Self { orders, process })),
            Ok(Fork::There) => {
                drop(orders);
                Begun::Core(become_core(settings))
            }
        }
    }

    /// Tells it what its settings are: it gets ready now. `None` when it cannot be told.
    pub(super) fn begin(mut self, settings: &RunSettings) -> Option<Self> {
        let millis = |time: Duration| u64::try_from(time.as_millis().max(1)).unwrap_or(u64::MAX);
        let numbers =
            [settings.concurrency().into(), millis(settings.longest_grace()), millis(settings.drain)];
        let order: Vec<u8> = numbers.into_iter().flat_map(u64::to_le_bytes).collect();
        self.orders.write_all(&order).is_ok().then_some(self)
    }

    /// The core for the link to it. `program` is what it would be had it been started.
    pub(super) fn into_launch(self, program: CoreProgram) -> ForkedCore {
        let Self { mut orders, process } = self;
        let name_diagnostics = move |path: &Path| {
            // Without it there are no diagnostics of the core, as without a file for them.
            let _ = orders.write_all(path.as_os_str().as_bytes());
        };
        ForkedCore { process, name_diagnostics: Box::new(name_diagnostics), program }
    }
}

/// How the supervisor speaks with its core.
pub(super) fn transport() -> CoreTransport {
    env::var("ROBOPPI_SUPERVISED_IPC_TRANSPORT")
        .map_or_else(|_| CoreTransport::default(), |name| CoreTransport::from_name(&name))
}

/// The life of the forked process.
fn become_core(mut settings: PipeReader) -> Result<ExitCode, Failure> {
    let mut order = [0; ORDER];
    if settings.read_exact(&mut order).is_err() {
        return Ok(ExitCode::SUCCESS);
    }
    let (numbers, _) = order.as_chunks::<{ size_of::<u64>() }>();
    let [concurrency, grace, drain] = [0, 1, 2].map(|place: usize| u64::from_le_bytes(numbers[place]));
    let concurrency = u32::try_from(concurrency).unwrap_or(u32::MAX);
    let start = CoreStart {
        gate: GateSettings::with_concurrency(concurrency),
        grace: Duration::from_millis(grace),
        drain: Duration::from_millis(drain),
        awaits_hello: false,
    };
    core::serve(&Transport::Stdio, start, Some(settings))
}
