//! The carriers of a keeper: connections to its socket.

use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;

use nix::unistd::geteuid;
use roboppi_hosts::{CarrierId, Frame, FrameDecoder};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Notify, mpsc};
use tokio::task::{AbortHandle, spawn_local};

/// Frames that may wait to be taken, of all carriers; their senders wait then.
const FRAMES: usize = 64;
/// Buffers that may wait to be written to a carrier.
const BUFFERS: usize = 2;

/// What comes from a carrier.
#[derive(Debug)]
pub(crate) enum Received {
    Frame(Frame),
    /// It has ended, or has sent what is no frame.
    End,
}

/// The carriers there are.
#[derive(Debug)]
pub(crate) struct Carriers {
    listener: UnixListener,
    last: u64,
    writers: BTreeMap<CarrierId, Writer>,
    sender: mpsc::Sender<(CarrierId, Received)>,
    received: mpsc::Receiver<(CarrierId, Received)>,
    drained: Rc<Notify>,
}

#[derive(Debug)]
struct Writer {
    buffers: mpsc::Sender<Vec<u8>>,
    reading: AbortHandle,
}

/// What happened on the socket.
#[derive(Debug)]
pub(crate) enum CarrierNews {
    Received(CarrierId, Received),
    /// There may be room to send.
    Drained,
}

impl Carriers {
    pub(crate) fn new(listener: UnixListener) -> Self {
        let (sender, received) = mpsc::channel(FRAMES);
        let drained = Rc::new(Notify::new());
        Self { listener, last: 0, writers: BTreeMap::new(), sender, received, drained }
    }

    /// Waits for the next frame, and takes new carriers meanwhile. Dropping the future loses nothing.
    pub(crate) async fn news(&mut self) -> CarrierNews {
        loop {
            tokio::select! {
                biased;
                Some((carrier, received)) = self.received.recv() => return CarrierNews::Received(carrier, received),
                () = self.drained.notified() => return CarrierNews::Drained,
                accepted = self.listener.accept() => {
                    if let Ok((stream, _)) = accepted && is_of_this_user(&stream) {
                        self.begin(stream);
                    }
                }
            }
        }
    }

    fn begin(&mut self, stream: UnixStream) {
        self.last += 1;
        let id = CarrierId(self.last);
        let (reader, writer) = stream.into_split();
        let (buffers, to_write) = mpsc::channel(BUFFERS);
        spawn_local(write(writer, to_write, Rc::clone(&self.drained)));
        let reading = spawn_local(read(id, reader, self.sender.clone())).abort_handle();
        self.writers.insert(id, Writer { buffers, reading });
    }

    /// Sends what `fill` gives as long as there is room; it appends to an empty buffer, or leaves it empty.
    pub(crate) fn send(&self, carrier: CarrierId, mut fill: impl FnMut(&mut Vec<u8>)) {
        let Some(writer) = self.writers.get(&carrier) else { return };
        while let Ok(room) = writer.buffers.try_reserve() {
            let mut buffer = Vec::new();
            fill(&mut buffer);
            if buffer.is_empty() {
                return;
            }
            room.send(buffer);
        }
    }

    pub(crate) fn ids(&self) -> Vec<CarrierId> {
        self.writers.keys().copied().collect()
    }

    /// Closes a carrier once it has what was sent.
    pub(crate) fn close(&mut self, carrier: CarrierId) {
        if let Some(Writer { buffers, reading }) = self.writers.remove(&carrier) {
            reading.abort();
            drop(buffers);
        }
    }
}

fn is_of_this_user(stream: &UnixStream) -> bool {
    stream.peer_cred().is_ok_and(|peer| peer.uid() == geteuid().as_raw())
}

async fn read(id: CarrierId, mut reader: OwnedReadHalf, sender: mpsc::Sender<(CarrierId, Received)>) {
    let mut decoder = FrameDecoder::default();
    let mut buffer = vec![0; 64 * 1024];
    'reading: loop {
        match reader.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(count) => decoder.push(&buffer[..count]),
        }
        loop {
            match decoder.next_frame() {
                Ok(Some(frame)) => {
                    if sender.send((id, Received::Frame(frame))).await.is_err() {
                        return;
                    }
                }
                Ok(None) => break,
                Err(_) => break 'reading,
            }
        }
    }
    let _ = sender.send((id, Received::End)).await;
}

async fn write(mut writer: OwnedWriteHalf, mut buffers: mpsc::Receiver<Vec<u8>>, drained: Rc<Notify>) {
    let written: io::Result<()> = async {
        while let Some(buffer) = buffers.recv().await {
            writer.write_all(&buffer).await?;
            drained.notify_one();
        }
        writer.shutdown().await
    }
    .await;
    // Its reader sees the end, too.
    drop(written);
}
