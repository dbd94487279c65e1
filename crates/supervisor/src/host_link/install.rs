//! Copies the program to a host that has none, over a connection of its own.

use std::io::{self, Read as _};
use std::time::Duration;

use roboppi_hosts::CarrierId;
use roboppi_redact::Secrets;
use roboppi_workflow::{Carrier, HostSpec};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::carrier::{CarrierEnd, CarrierProcess, ssh};
use super::first_contact::{self, OwnProgram};

/// How long it may take, on a slow link.
const LIMIT: Duration = Duration::from_secs(15 * 60);
/// Bytes of the path that is printed at most.
const PATH_LIMIT: u64 = 4096;

/// This program, when a host needs it: one that is reached with `ssh`, without a `program` of its own.
pub(super) async fn own_program(spec: &HostSpec) -> Option<&'static OwnProgram> {
    if spec.program.is_some() || matches!(spec.carrier, Carrier::Command(_)) {
        return None;
    }
    // Without it, the one in `PATH` is used.
    spawn_blocking(OwnProgram::read).await.ok()?.ok()
}

/// Copies the program to a host whose carrier ended so. Returns where it is there.
pub(super) async fn install(
    spec: &HostSpec,
    own: &OwnProgram,
    end: &CarrierEnd,
    secrets: &Secrets,
) -> Result<String, String> {
    first_contact::check_machine(&end.words)?;
    let Carrier::Ssh(destination) = &spec.carrier else { return Err(end.detail.clone()) };
    let words = ssh(destination, first_contact::install(own));
    let failed = |error: io::Error| format!("the program cannot be copied: {error}");
    let mut carrier = CarrierProcess::start(CarrierId(0), &words, secrets).map_err(failed)?;
    let mut content = OwnProgram::open().map_err(failed)?;
    let copied = timeout(LIMIT, async {
        let mut buffer = vec![0; 64 * 1024];
        // It is a file of this machine, whose pages are in memory.
        while let count @ 1.. = content.read(&mut buffer)? {
            let Some(stdin) = &mut carrier.stdin else { break };
            if stdin.write_all(&buffer[..count]).await.is_err() {
                // What is wrong there is in its last words.
                break;
            }
        }
        // The end of the program.
        drop(carrier.stdin.take());
        let mut path = Vec::new();
        (&mut carrier.stdout).take(PATH_LIMIT).read_to_end(&mut path).await.map(|_| path)
    })
    .await;
    let end = carrier.end("the program cannot be copied").await;
    let path = copied.ok().and_then(Result::ok).map(|path| String::from_utf8_lossy(&path).trim().to_owned());
    match path {
        Some(path) if end.code == Some(0) && !path.is_empty() => Ok(path),
        _ => Err(end.detail),
    }
}
