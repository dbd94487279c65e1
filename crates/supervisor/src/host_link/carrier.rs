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

use super::first_contact::{self, OwnProgram};
use crate::core_link::StderrTail;

/// How long a carrier may take to end once it is of no use.
const END: Duration = Duration::from_secs(1);

/// A running carrier.
#[derive(Debug)]
pub(super) struct CarrierProcess {
    pub(super) id: CarrierId,
    /// `None` once it was closed.
    pub(super) stdin: Option<ChildStdin>,
    pub(super) stdout: ChildStdout,
    pub(super) decoder: FrameDecoder,
    child: Child,
    stderr: StderrTail,
    reading: JoinHandle<()>,
}

/// The command that runs `roboppi host` on a host. `own` is this program, which is looked for there when `program` names none.
pub(super) fn command(spec: &HostSpec, own: Option<&OwnProgram>) -> Vec<String> {
    match &spec.carrier {
        Carrier::Command(words) => words.clone(),
        Carrier::Ssh(destination) => {
            let remote = match (&spec.program, own) {
                (Some(program), _) => format!("exec {} host", quoted(program)),
                (None, Some(own)) => first_contact::find(own),
                (None, None) => "exec roboppi host".to_owned(),
            };
            ssh(destination, remote)
        }
    }
}

/// A command of `ssh` that asks no questions and has no terminal; a dead connection is noticed within 15 seconds.
pub(super) fn ssh(destination: &str, remote: String) -> Vec<String> {
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
    options.into_iter().map(str::to_owned).chain([destination.to_owned(), remote]).collect()
}

/// A word for the shell of the host.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+~".contains(c);
    if word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

impl CarrierProcess {
    /// Starts a carrier by its command.
    pub(super) fn start(id: CarrierId, words: &[String], secrets: &Secrets) -> io::Result<Self> {
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
        Ok(Self {
            id,
            stdin: Some(stdin),
            stdout,
            decoder: FrameDecoder::default(),
            child,
            stderr: tail,
            reading,
        })
    }

    /// Ends it, and describes how it ended by itself, if it did.
    pub(super) async fn end(self, why: &str) -> CarrierEnd {
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
        CarrierEnd { detail, code, words: words.unwrap_or_default().to_owned() }
    }
}

/// How a carrier ended.
#[derive(Debug)]
pub(super) struct CarrierEnd {
    /// One line for people.
    pub(super) detail: String,
    /// Its exit code, when it ended by itself.
    pub(super) code: Option<i32>,
    /// The last line it wrote to standard error.
    pub(super) words: String,
}

impl CarrierEnd {
    /// Whether it found no program to start.
    pub(super) const fn found_no_program(&self) -> bool {
        matches!(self.code, Some(126 | 127))
    }

    /// Whether the host has no program that can be used, and takes one.
    pub(super) fn needs_program(&self) -> bool {
        self.code == Some(first_contact::NEEDED)
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
