//! Writes what waits, as much at a time as there is.

use std::rc::Rc;

use roboppi_ipc::io::Trace;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::task::yield_now;
use tokio::time::sleep_until;

use super::Served;
use super::driver::CoreDriver;
use super::outbox::Next;

/// Buffer kept between writes; a longer one, made by one long line, is given back.
const KEPT_CAPACITY: usize = 256 * 1024;

/// The only one that writes to the wire.
pub(super) struct WireWriter<W> {
    wire: W,
    served: Rc<Served>,
    buffer: Vec<u8>,
    trace: Option<Trace>,
}

impl<W: AsyncWrite + Unpin> WireWriter<W> {
    pub(super) fn new(wire: W, served: Rc<Served>, trace: Option<Trace>) -> Self {
        Self { wire, served, buffer: Vec::new(), trace }
    }

    /// Runs until nothing will come any more, or the peer does not take it.
    pub(super) async fn run(&mut self) {
        loop {
            if self.served.driver.borrow_mut().outbox.take_opened() {
                // The worker starts when it is its turn: that goes with the answer that lets it start.
                yield_now().await;
            }
            CoreDriver::take_notices(&self.served);
            let next = self.served.driver.borrow_mut().outbox.fill(self.served.clock, &mut self.buffer);
            match next {
                Next::Write => {
                    self.served.answered.notify_one();
                    if let Some(trace) = &self.trace {
                        trace.sent(&self.buffer);
                    }
                    if self.wire.write_all(&self.buffer).await.is_err() || self.wire.flush().await.is_err() {
                        return;
                    }
                    self.buffer.clear();
                    self.buffer.shrink_to(KEPT_CAPACITY);
                }
                Next::End => return,
                Next::Wait(due) => {
                    let wake = self.served.clock.instant(due.unwrap_or_default());
                    tokio::select! {
                        () = self.served.news.notified() => {}
                        () = sleep_until(wake), if due.is_some() => {}
                    }
                }
            }
        }
    }
}
