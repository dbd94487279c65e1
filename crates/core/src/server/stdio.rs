//! The core as a process: its wire, its standard streams, its signals.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::pin::Pin;
use std::task::{Context, Poll};

use nix::sys::signal::Signal as NixSignal;
use nix::unistd::{dup2_stdin, dup2_stdout};
use roboppi_ipc::{Cancel, CancelReason};
use roboppi_process::HeardSignal;
use roboppi_worker_adapters::Adapters;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, duplex};
use tokio::net::UnixStream;
use tokio::net::unix::pipe;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::connect::{Connection, Reader, Transport, Writer};
use super::serve;
use crate::CoreSettings;

/// Bytes read at a time where reading needs a thread.
const CHUNK: usize = 64 * 1024;

/// Serves the supervisor until it closes the wire, or TERM, INT or HUP comes; a second signal kills the
/// workers.
///
/// From here on the wire belongs to the core alone: file descriptor 1 is standard error, so that no
/// `println!` of any library gets between two messages, and file descriptor 0 is empty.
///
/// # Errors
/// When the supervisor cannot be reached, the standard streams cannot be taken over, or the wire fails while
/// reading.
pub async fn serve_process(
    transport: &Transport,
    settings: CoreSettings,
    adapters: Adapters,
) -> io::Result<()> {
    let connection = transport.connect().await?;
    let (input, output) = take_standard_streams()?;
    let (reader, writer) = match connection {
        Some(Connection { reader, writer }) => (reader, writer),
        None => (open_reader(input)?, open_writer(output)?),
    };
    let (sender, stop) = mpsc::channel(2);
    let mut term = signal(SignalKind::terminate())?;
    let mut int = HeardSignal::unless_ignored(NixSignal::SIGINT)?;
    let mut hup = HeardSignal::unless_ignored(NixSignal::SIGHUP)?;
    let signals = async move {
        let mut cancel = Cancel::graceful(CancelReason::Parent);
        loop {
            tokio::select! {
                _ = term.recv() => {}
                () = int.recv() => {}
                () = hup.recv() => {}
            }
            // Nobody listens any more, or more than enough was asked: either way there is nothing to do.
            let _ = sender.try_send(cancel);
            cancel.force = true;
        }
    };
    tokio::select! {
        result = serve(reader, writer, settings, adapters, stop) => result,
        () = signals => Ok(()),
    }
}

/// Moves the standard streams aside.
fn take_standard_streams() -> io::Result<(OwnedFd, OwnedFd)> {
    let input = io::stdin().as_fd().try_clone_to_owned()?;
    let output = io::stdout().as_fd().try_clone_to_owned()?;
    dup2_stdout(io::stderr())?;
    dup2_stdin(File::open("/dev/null")?)?;
    Ok((input, output))
}

fn open_reader(fd: OwnedFd) -> io::Result<Reader> {
    let file = File::from(fd);
    let kind = file.metadata()?.file_type();
    if kind.is_fifo() {
        return Ok(Box::pin(pipe::Receiver::from_file(file)?));
    }
    if kind.is_socket() {
        return Ok(Box::pin(socket(file)?));
    }
    Ok(Box::pin(read_in_thread(file)?))
}

fn open_writer(fd: OwnedFd) -> io::Result<Writer> {
    let file = File::from(fd);
    let kind = file.metadata()?.file_type();
    if kind.is_fifo() {
        return Ok(Box::pin(pipe::Sender::from_file(file)?));
    }
    if kind.is_socket() {
        return Ok(Box::pin(socket(file)?));
    }
    Ok(Box::pin(BlockingWriter(file)))
}

/// Some runtimes give their children sockets for pipes.
fn socket(file: File) -> io::Result<UnixStream> {
    let socket = std::os::unix::net::UnixStream::from(OwnedFd::from(file));
    socket.set_nonblocking(true)?;
    UnixStream::from_std(socket)
}

/// A terminal or a file has no other way to be read. The thread stays in its `read` and dies with the
/// process.
fn read_in_thread(mut file: File) -> io::Result<impl AsyncRead> {
    let (near, mut far) = duplex(CHUNK);
    let (chunks, mut incoming) = mpsc::channel::<Vec<u8>>(1);
    std::thread::Builder::new().name("wire".to_owned()).spawn(move || {
        let mut buffer = vec![0; CHUNK];
        while let Ok(count) = file.read(&mut buffer)
            && count > 0
            && chunks.blocking_send(buffer[..count].to_vec()).is_ok()
        {}
    })?;
    tokio::spawn(async move {
        while let Some(chunk) = incoming.recv().await {
            if far.write_all(&chunk).await.is_err() {
                break;
            }
        }
    });
    Ok(near)
}

/// Writes to a terminal or a file, which take what they are given at once.
struct BlockingWriter(File);

impl AsyncWrite for BlockingWriter {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.0.write(bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.0.flush())
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
