//! Which core, and how it is started.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use roboppi_core::mask::SocketPlace;
use roboppi_core::{CoreSettings, GateSettings};
use roboppi_process::is_program;
use roboppi_supervisor::{CoreLaunch, CoreProgram, CoreStreams, CoreTransport, RunSettings};
use roboppi_worker_adapters::Adapters;
use tokio::sync::mpsc;

use super::early_core::{EarlyCore, transport};
use crate::cores::OtherCore;
use crate::options::HowArgs;

/// Bytes that may wait between the two halves of a process with `--direct`.
const PIPE: usize = 64 * 1024;

/// The core to use: another one, our own as a process, or our own in this process.
pub(super) fn launch(
    args: &HowArgs,
    settings: &RunSettings,
    other: Option<OtherCore>,
    sockets: Option<&SocketPlace>,
    early: Option<EarlyCore>,
) -> CoreLaunch {
    if args.direct {
        return CoreLaunch::Connected(in_this_process(settings, sockets));
    }
    let transport = transport();
    let program = match other {
        Some(OtherCore { entry, mut args }) if is_script(&entry) => {
            args.insert(0, entry.into());
            guarded("bun".into(), args, settings, transport)
        }
        Some(OtherCore { entry, args }) => guarded(entry, args, settings, transport),
        None => CoreProgram {
            program: own_program(),
            args: core_arguments(settings),
            ends_at_eof: true,
            transport,
        },
    };
    match early {
        Some(early) => CoreLaunch::Forked(Box::new(early.into_launch(program))),
        None => CoreLaunch::Program(program),
    }
}

/// A core of somebody else, under a guard of ours: it may not know that it has to end with its wire.
fn guarded(
    program: PathBuf,
    args: Vec<OsString>,
    settings: &RunSettings,
    transport: CoreTransport,
) -> CoreProgram {
    if !is_there(&program) {
        // Starting it fails at once, and says why.
        return CoreProgram { program, args, ends_at_eof: false, transport };
    }
    let mut guarded: Vec<OsString> = vec!["guard".into()];
    guarded.extend(patience(settings));
    guarded.extend(["--".into(), program.into()]);
    guarded.extend(args);
    CoreProgram { program: own_program(), args: guarded, ends_at_eof: false, transport }
}

/// Whether a program can be found and started.
fn is_there(program: &Path) -> bool {
    if program.components().count() > 1 {
        return is_program(program);
    }
    env::var_os("PATH").is_some_and(|path| env::split_paths(&path).any(|dir| is_program(&dir.join(program))))
}

/// This program, also when its file was replaced while it runs.
fn own_program() -> PathBuf {
    match env::current_exe() {
        Ok(path) if path.exists() => path,
        Ok(_) | Err(_) => "/proc/self/exe".into(),
    }
}

fn core_arguments(settings: &RunSettings) -> Vec<OsString> {
    let mut arguments =
        vec!["core".into(), "--concurrency".into(), settings.concurrency().to_string().into()];
    arguments.extend(patience(settings));
    arguments
}

fn patience(settings: &RunSettings) -> [OsString; 4] {
    let millis = |time: Duration| format!("{}ms", time.as_millis().max(1));
    ["--grace".to_owned(), millis(settings.longest_grace()), "--drain".to_owned(), millis(settings.drain)]
        .map(OsString::from)
}

fn is_script(entry: &Path) -> bool {
    let extension = entry.extension().map(OsString::from).unwrap_or_default().to_ascii_lowercase();
    ["ts", "js", "tsx", "jsx"].iter().any(|script| extension == *script)
}

fn in_this_process(settings: &RunSettings, sockets: Option<&SocketPlace>) -> CoreStreams {
    let (near, far) = tokio::io::duplex(PIPE);
    let (core_reader, core_writer) = tokio::io::split(far);
    let core = CoreSettings {
        gate: GateSettings::with_concurrency(settings.concurrency()),
        grace: settings.grace,
        drain: settings.drain,
        version: settings.version.clone(),
        sockets: sockets.map(|place| place.path().to_owned()),
        ..CoreSettings::default()
    };
    tokio::task::spawn_local(async move {
        // Signals come to the supervisor half; this half ends when its pipe closes.
        let (_signals, stop) = mpsc::channel(1);
        // How it ends is seen at the other end of the pipe.
        let _ = roboppi_core::server::serve(core_reader, core_writer, core, Adapters::builtin(), stop).await;
    });
    let (reader, writer) = tokio::io::split(near);
    CoreStreams { reader: Box::new(reader), writer: Box::new(writer) }
}
