//! The process that carries bytes to a host.

use std::io;
use std::process::Stdio;
use std::time::Duration;

use std::os::unix::process::CommandExt as _;

use roboppi_hosts::{CarrierId, FrameDecoder};
use roboppi_process::end_with_starter;
use roboppi_redact::Secrets;
use roboppi_workflow::{Carrier, HostSpec};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::timeout;

use crate::core_link::StderrTail;

/// How long a carrier may take to end once it is of no use.
const END: Duration = Duration::from_secs(1);

/// A running carrier.
#[derive(Debug)]
pub(super) struct CarrierProcess {
    pub(super) id: CarrierId,
    pub(super) stdin: ChildStdin,
    pub(super) stdout: ChildStdout,
    pub(super) decoder: FrameDecoder,
    child: Child,
    stderr: StderrTail,
    reading: JoinHandle<()>,
}

/// The command that runs `roboppi host` on a host.
pub(super) fn command(spec: &HostSpec) -> Vec<String> {
    match &spec.carrier {
        Carrier::Command(words) => words.clone(),
        Carrier::Ssh(destination) => {
            // No questions, no terminal; a dead connection is noticed within 15 seconds.
            let options = [
                "ssh",
                "-T",
                "-o",
                "BatchMode=yes",
                "-o",
                "ServerAliveInterval=5",
                "-o",
                "ServerAliveCountMax=3",
                "-o",
                "ConnectTimeout=10",
                "--",
            ];
            let remote = format!("exec {} host", quoted(&spec.program));
            options.into_iter().map(str::to_owned).chain([destination.clone(), remote]).collect()
        }
    }
}

/// A word for the shell of the host.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+~".contains(c);
    if word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

impl CarrierProcess {
    /// Starts the carrier of a host.
    pub(super) fn start(id: CarrierId, spec: &HostSpec, secrets: &Secrets) -> io::Result<Self> {
        let words = command(spec);
        let (program, args) = words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let mut command = std::process::Command::new(program);
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A Ctrl-C in the terminal is for this process alone.
        command.process_group(0);
        end_with_starter(&mut command);
        let mut child = Command::from(command).kill_on_drop(true).spawn()?;
        let streams = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = streams else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        let tail = StderrTail::default();
        let reading = spawn_local(tail.clone().keep(stderr, None, secrets.clone()));
        Ok(Self { id, stdin, stdout, decoder: FrameDecoder::default(), child, stderr: tail, reading })
    }

    /// Ends it, and describes how it ended by itself, if it did; and whether it found no program to start.
    pub(super) async fn end(self, why: &str) -> (String, bool) {
        let Self { stdin, stdout, mut child, stderr, reading, .. } = self;
        drop((stdin, stdout));
        let status = match timeout(END, child.wait()).await {
            Ok(status) => status.ok(),
            Err(_) => {
                let _ = child.kill().await;
                None
            }
        };
        let _ = timeout(END, reading).await;
        let words = stderr.last_words();
        let words = words.as_deref().and_then(|words| words.lines().last()).map(str::trim);
        let code = status.and_then(|status| status.code());
        let detail = match (code, words) {
            (_, Some(words)) => format!("{why}: {words}"),
            (Some(code), None) if code != 0 => format!("{why}: it exited with code {code}"),
            _ => why.to_owned(),
        };
        (detail, matches!(code, Some(126 | 127)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_one_word_for_a_shell() {
        assert_eq!(quoted("~/.cargo/bin/roboppi"), "~/.cargo/bin/roboppi");
        assert_eq!(quoted("/opt/my tools/it's"), r"'/opt/my tools/it'\''s'");
        assert_eq!(quoted("a;reboot"), "'a;reboot'");
    }
}
