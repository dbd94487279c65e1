//! The core of a keeper: its process, its lines, its end.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use roboppi_hosts::CoreOptions;
use roboppi_ipc::{DEFAULT_LINE_LIMIT, Frame as LineFrame, LineFramer};
use roboppi_process::lead_a_session;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio::task::spawn_local;
use tokio::time::Instant;

/// Lines of the core that may wait to be taken; it leaves output out of its live plane when they are not.
const LINES: usize = 64;
/// Lines for the core that may wait to be written. A core that does not read so many is of no use.
const INPUT: usize = 4_096;
/// Time a core may need beyond grace and drain to end.
const MARGIN: Duration = Duration::from_secs(5);

/// A core, and the guard that is its parent.
#[derive(Debug)]
pub(crate) struct Core {
    child: Child,
    input: Option<mpsc::Sender<Vec<u8>>>,
    lines: mpsc::Receiver<Vec<u8>>,
    /// Everything it wrote was taken.
    is_silent: bool,
    has_exited: bool,
    patience: Duration,
    /// When it is ended by force, and how.
    force_at: Option<(Instant, Signal)>,
}

/// News of a core.
#[derive(Debug)]
pub(crate) enum CoreNews {
    /// It has written a line.
    Line(Vec<u8>),
    /// It has ended, with all it started.
    Closed,
    /// Nothing yet.
    Nothing,
}

impl Core {
    /// Starts a core. Its standard error is the `lock` of the place, which is free when neither it nor its guard is left.
    pub(crate) fn start(program: &Path, options: &CoreOptions, dir: &Path, lock: &File) -> io::Result<Self> {
        let millis = |millis: u64| format!("{}ms", millis.max(1));
        let mut command = std::process::Command::new(program);
        command
            .args(["core", "--concurrency", &options.concurrency.max(1).to_string()])
            .args(["--grace", &millis(options.grace_ms), "--drain", &millis(options.drain_ms)])
            .envs(&options.env)
            .current_dir(dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(lock.try_clone()?);
        for name in ["ROBOPPI_IPC_SOCKET_PATH", "ROBOPPI_IPC_SOCKET_PORT", "ROBOPPI_LOG_FILE"] {
            command.env_remove(name);
        }
        lead_a_session(&mut command);
        let mut child = Command::from(command).spawn()?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        let (input, to_write) = mpsc::channel(INPUT);
        let (read, lines) = mpsc::channel(LINES);
        spawn_local(write(stdin, to_write));
        spawn_local(read_lines(stdout, read));
        let patience = Duration::from_millis(options.grace_ms.saturating_add(options.drain_ms)) + MARGIN;
        let input = Some(input);
        Ok(Self { child, input, lines, is_silent: false, has_exited: false, patience, force_at: None })
    }

    /// Writes a line to it. `false` when it does not read.
    pub(crate) fn send(&mut self, line: Vec<u8>) -> bool {
        self.input.as_ref().is_none_or(|input| input.try_send(line).is_ok())
    }

    /// Closes its input, which ends it with all it started. By force, if it does not.
    pub(crate) fn close(&mut self) {
        if self.input.take().is_some() {
            self.force_at = Some((Instant::now() + self.patience, Signal::SIGTERM));
        }
    }

    /// Waits for its news. Lines are left where they are unless they are `wanted`. Dropping the future loses nothing.
    pub(crate) async fn news(&mut self, wanted: bool) -> CoreNews {
        if self.is_silent && self.has_exited {
            return std::future::pending().await;
        }
        tokio::select! {
            biased;
            line = self.lines.recv(), if wanted && !self.is_silent => match line {
                Some(line) => return CoreNews::Line(line),
                None => self.is_silent = true,
            },
            _ = self.child.wait(), if !self.has_exited => self.has_exited = true,
            () = force(self.force_at), if self.force_at.is_some() && !self.has_exited => self.force(),
        }
        if self.is_silent && self.has_exited { CoreNews::Closed } else { CoreNews::Nothing }
    }

    fn force(&mut self) {
        let Some((_, signal)) = self.force_at else { return };
        if let Some(pid) = self.child.id().and_then(|pid| i32::try_from(pid).ok()) {
            // What is signalled is its guard, which ends the core and all it started.
            let _ = kill(Pid::from_raw(pid), signal);
        }
        self.force_at = Some((Instant::now() + self.patience, Signal::SIGKILL));
    }
}

async fn force(at: Option<(Instant, Signal)>) {
    match at {
        Some((at, _)) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

async fn write(mut stdin: ChildStdin, mut lines: mpsc::Receiver<Vec<u8>>) {
    while let Some(mut line) = lines.recv().await {
        line.push(b'\n');
        // A core that has closed its input is seen by its end.
        if stdin.write_all(&line).await.is_err() {
            return;
        }
    }
}

async fn read_lines(mut stdout: ChildStdout, lines: mpsc::Sender<Vec<u8>>) {
    let mut framer = LineFramer::new(DEFAULT_LINE_LIMIT);
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = stdout.read(&mut buffer).await {
        let mut found = Vec::new();
        framer.push(&buffer[..count], |frame| {
            // A line that is too long is left out, as the supervisor would.
            if let LineFrame::Line(line) = frame {
                found.push(line.to_vec());
            }
        });
        for line in found {
            if lines.send(line).await.is_err() {
                return;
            }
        }
    }
}

/// The directory from which relative workspaces are found.
pub(crate) fn home() -> PathBuf {
    std::env::var_os("HOME").filter(|home| !home.is_empty()).map_or_else(|| PathBuf::from("/"), PathBuf::from)
}
