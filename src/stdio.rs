//! The standard streams, as everything here reads and writes them.
//!
//! Whether a write waits for room, or a read for input, is a property of the pipe or terminal, not of the process: a sibling that shares it may
//! have made it non-blocking. Then a full pipe is no failure, and the writer waits itself.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// A stream that waits for room, whatever others made of it.
#[derive(Debug)]
pub(crate) struct Waiting<S>(S);

/// Standard input.
pub(crate) fn stdin() -> Waiting<io::Stdin> {
    Waiting(io::stdin())
}

/// Standard output.
pub(crate) fn stdout() -> Waiting<io::Stdout> {
    Waiting(io::stdout())
}

/// Standard error.
pub(crate) fn stderr() -> Waiting<io::Stderr> {
    Waiting(io::stderr())
}

/// Whether standard input has something to read, or its end, within a time.
pub(crate) fn has_input_within(time: Duration) -> bool {
    let stdin = io::stdin();
    let mut fds = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
    let timeout = PollTimeout::try_from(time).unwrap_or(PollTimeout::MAX);
    // What cannot be waited for shows when it is read.
    poll(&mut fds, timeout).map_or(true, |ready| ready > 0)
}

impl<S: AsFd> Waiting<S> {
    /// Does `act` again until it does not fail because it would have to wait. One that fails so has done nothing.
    fn until_ready<T>(
        &mut self,
        ready: PollFlags,
        mut act: impl FnMut(&mut S) -> io::Result<T>,
    ) -> io::Result<T> {
        loop {
            match act(&mut self.0) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let mut fds = [PollFd::new(self.0.as_fd(), ready)];
                    match poll(&mut fds, PollTimeout::NONE) {
                        Ok(_) | Err(Errno::EINTR) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                done => return done,
            }
        }
    }
}

impl<S: Read + AsFd> Read for Waiting<S> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.until_ready(PollFlags::POLLIN, |stream| stream.read(bytes))
    }
}

impl<S: Write + AsFd> Write for Waiting<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.until_ready(PollFlags::POLLOUT, |stream| stream.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.until_ready(PollFlags::POLLOUT, Write::flush)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::OwnedFd;
    use std::thread;

    use nix::fcntl::{FcntlArg, OFlag, fcntl};

    use super::*;

    #[test]
    fn a_pipe_that_somebody_made_non_blocking_gets_everything() {
        let (mut reader, writer) = io::pipe().unwrap();
        fcntl(&writer, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
        let reading = thread::spawn(move || {
            let mut read = Vec::new();
            reader.read_to_end(&mut read).unwrap();
            read
        });
        let sent: Vec<u8> = (0..=255).cycle().take(1_000_000).collect();
        // With a buffer before it, as standard output has.
        let mut stream = io::LineWriter::new(Waiting(File::from(OwnedFd::from(writer))));
        stream.write_all(&sent).unwrap();
        stream.flush().unwrap();
        drop(stream);
        assert!(reading.join().unwrap() == sent);
    }
}
