//! What a terminal tells: bytes, its size, its end.

use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::OwnedFd;
use std::thread;

use ratatui::layout::Size;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::{editor_has_terminal, is_in_front, size_of};

/// Something a terminal told.
#[derive(Debug)]
pub(crate) enum TerminalEvent {
    /// Keys, as bytes.
    Input(Vec<u8>),
    Resize(Size),
    /// The process was stopped and goes on; what is on the screen is not known.
    Continued,
    /// There is no terminal any more.
    Gone(io::Error),
}

/// Events of a terminal as they happen. Listening ends when this is dropped.
#[derive(Debug)]
pub(crate) struct TerminalEvents {
    receiver: mpsc::Receiver<TerminalEvent>,
    /// Its closing wakes the reading thread.
    _wake: Option<PipeWriter>,
}

/// Events that may wait. Keys beyond wait in the terminal.
const WAITING: usize = 64;

/// Time between two looks whether the terminal is ours again.
const AWAY: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

impl TerminalEvents {
    /// Listens to a terminal. To be called inside a runtime.
    pub(crate) fn listen(input: OwnedFd, output: OwnedFd) -> io::Result<Self> {
        let (sender, receiver) = mpsc::channel(WAITING);
        let (woken, wake) = io::pipe()?;
        let keys = sender.clone();
        // Terminals cannot be waited for without blocking on every system, and the descriptor is shared with
        // whoever started this process, so it is not made non-blocking either.
        thread::Builder::new().name("tui-keys".to_owned()).spawn(move || read(&input, &woken, &keys))?;
        let mut resized = signal(SignalKind::window_change())?;
        let mut continued = signal(SignalKind::from_raw(Signal::CONT.as_raw()))?;
        tokio::spawn(async move {
            loop {
                let event = tokio::select! {
                    Some(()) = resized.recv() => match size_of(&output) {
                        Some(size) => TerminalEvent::Resize(size),
                        None => continue,
                    },
                    Some(()) = continued.recv() => TerminalEvent::Continued,
                    () = sender.closed() => return,
                };
                if sender.send(event).await.is_err() {
                    return;
                }
            }
        });
        Ok(Self { receiver, _wake: Some(wake) })
    }

    /// Events from somewhere else.
    #[cfg(test)]
    pub(crate) fn scripted(receiver: mpsc::Receiver<TerminalEvent>) -> Self {
        Self { receiver, _wake: None }
    }

    /// Waits for the next event. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> TerminalEvent {
        match self.receiver.recv().await {
            Some(event) => event,
            None => TerminalEvent::Gone(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// Reads until the terminal ends or nobody listens.
fn read(input: &OwnedFd, woken: &PipeReader, keys: &mpsc::Sender<TerminalEvent>) {
    loop {
        let event = match read_some(input, woken) {
            Ok(None) => return,
            Ok(Some(bytes)) => TerminalEvent::Input(bytes),
            Err(error) => TerminalEvent::Gone(error),
        };
        let last = matches!(event, TerminalEvent::Gone(_));
        if keys.blocking_send(event).is_err() || last {
            return;
        }
    }
}

/// Waits for bytes; `None` when nobody listens any more. The end of a terminal is an error.
fn read_some(input: &OwnedFd, woken: &PipeReader) -> io::Result<Option<Vec<u8>>> {
    loop {
        let mut fds = [PollFd::new(input, PollFlags::IN), PollFd::new(woken, PollFlags::IN)];
        match poll(&mut fds, None) {
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
            Ok(_) if !fds[1].revents().is_empty() => return Ok(None),
            Ok(_) => {}
        }
        if !is_in_front(input) || editor_has_terminal() {
            // Those keys are for somebody else, and whoever reads them in the background is stopped.
            let mut fds = [PollFd::new(woken, PollFlags::IN)];
            let _ = poll(&mut fds, Some(&AWAY));
            continue;
        }
        let mut bytes = vec![0; 1024];
        match rustix::io::read(input, &mut bytes) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                bytes.truncate(count);
                return Ok(Some(bytes));
            }
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn terminal() -> (PipeWriter, TerminalEvents) {
        let (reader, writer) = io::pipe().unwrap();
        let output = std::fs::File::open("/dev/null").unwrap();
        (writer, TerminalEvents::listen(reader.into(), output.into()).unwrap())
    }

    #[tokio::test]
    async fn bytes_come_as_they_are_typed_and_the_end_is_told() {
        let (mut writer, mut events) = terminal();
        for typed in [b"jk".as_slice(), b"q"] {
            writer.write_all(typed).unwrap();
            assert!(matches!(events.next().await, TerminalEvent::Input(bytes) if bytes == typed));
        }
        drop(writer);
        assert!(matches!(events.next().await, TerminalEvent::Gone(_)));
    }

    #[tokio::test]
    async fn nobody_reads_the_terminal_after_the_events_are_dropped() {
        let (mut writer, events) = terminal();
        drop(events);
        // The reading end is closed by the thread when it ends.
        while writer.write_all(b"x").is_ok() {
            tokio::task::yield_now().await;
        }
    }
}
