//! The core on the wire: reads requests, runs jobs, writes answers and events.
//!
//! Two loops share one driver: the reader has the machine decide and never waits for the writer, unless the peer reads no
//! answers at all; the writer takes what there is, fairly, and is the only one that encodes.

mod connect;
mod driver;
mod outbox;
mod pace;
mod stdio;
mod writer;

use std::cell::RefCell;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use roboppi_ipc::Cancel;
use roboppi_ipc::io::{Incoming, MessageReader};
use roboppi_worker_adapters::Adapters;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, mpsc};
use tokio::task::LocalSet;
use tokio::time::{sleep_until, timeout};

use crate::{Clock, CoreInput, CoreSettings, Orphans};
use driver::{CoreDriver, look_on};
use writer::WireWriter;

pub use connect::{BadPort, Transport};
pub use stdio::serve_process;

/// Time the last messages may take to be read once everything has ended.
const FAREWELL: Duration = Duration::from_secs(1);

/// What the loops of one core share.
#[derive(Debug)]
struct Served {
    driver: RefCell<CoreDriver>,
    clock: Clock,
    /// There is something to write.
    news: Rc<Notify>,
    /// An answer was written.
    answered: Notify,
    /// There is something to do at the end.
    ending: Notify,
    /// The watchdog has to look on.
    looking: Notify,
}

/// Serves one supervisor until it closes the wire or `stop` asks for the end. All workers have ended, and all
/// they left behind, and all that was to be said is written when this returns, if the supervisor reads.
///
/// In a process that is a child subreaper every orphan that comes to it is thought to be left by a worker.
///
/// The future is not `Send`: it wants a thread, but no more than that. Dropping it kills the workers.
///
/// # Errors
/// When the wire fails while reading.
pub async fn serve<R, W>(
    reader: R,
    writer: W,
    settings: CoreSettings,
    adapters: Adapters,
    stop: mpsc::Receiver<Cancel>,
) -> io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    LocalSet::new().run_until(serve_local(reader, writer, settings, adapters, stop)).await
}

async fn serve_local<R, W>(
    reader: R,
    writer: W,
    settings: CoreSettings,
    adapters: Adapters,
    mut stop: mpsc::Receiver<Cancel>,
) -> io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let clock = Clock::start();
    let trace = settings.trace.clone();
    let news = Rc::new(Notify::new());
    let driver = RefCell::new(CoreDriver::new(settings, adapters, clock, Rc::clone(&news)));
    let served = Rc::new(Served {
        driver,
        clock,
        news,
        answered: Notify::new(),
        ending: Notify::new(),
        looking: Notify::new(),
    });
    CoreDriver::feed(&served, CoreInput::Start);

    let orphans = served.driver.borrow().orphans();
    {
        let orphans = Rc::clone(&orphans);
        tokio::task::spawn_local(async move { orphans.keep_reaping().await });
    }
    let mut writer = WireWriter::new(writer, Rc::clone(&served), trace.clone());
    let mut messages = MessageReader::new(reader).traced(trace);
    let mut writing = pin!(writer.run());
    let mut reading = pin!(read(&served, &mut messages));
    let mut sweeping = pin!(end_leftovers(&served, &orphans));
    let mut looking = pin!(look_on(&served));
    let (mut is_reading, mut is_writing) = (true, true);
    let mut result = Ok(());
    while !served.driver.borrow().is_closed() {
        let kill_due = served.driver.borrow().kill_due();
        tokio::select! {
            end = &mut reading, if is_reading => {
                (is_reading, result) = (false, end);
                CoreDriver::feed(&served, CoreInput::WireClosed);
            }
            // A peer that takes nothing any more has gone.
            () = &mut writing, if is_writing => {
                is_writing = false;
                CoreDriver::feed(&served, CoreInput::WireClosed);
            }
            cancel = next_stop(&mut stop) => CoreDriver::feed(&served, CoreInput::Stop(cancel)),
            () = sleep_until(clock.instant(kill_due.unwrap_or_default())), if kill_due.is_some() => {
                CoreDriver::kill_timer(&served);
            }
            () = &mut sweeping => {}
            () = &mut looking => {}
        }
    }
    if is_writing {
        // A peer that does not read its end is not waited for.
        let _ = timeout(FAREWELL, writing).await;
    }
    result
}

async fn next_stop(stop: &mut mpsc::Receiver<Cancel>) -> Cancel {
    match stop.recv().await {
        Some(cancel) => cancel,
        None => std::future::pending().await,
    }
}

/// Ends what workers have left behind, once the machine asks for it.
async fn end_leftovers(served: &Rc<Served>, orphans: &Orphans) {
    while !served.driver.borrow().is_sweeping() {
        served.ending.notified().await;
    }
    let left = orphans.end_all().await;
    CoreDriver::leftovers_ended(served, left);
}

/// Reads until the end of the wire.
async fn read<R: AsyncRead + Unpin>(served: &Rc<Served>, messages: &mut MessageReader<R>) -> io::Result<()> {
    while let Some(incoming) = messages.next().await? {
        match incoming {
            Incoming::Message(message) => CoreDriver::feed(served, CoreInput::Message(Box::new(message))),
            Incoming::Bad(error) => {
                let why = error.to_string();
                CoreDriver::feed(served, CoreInput::Malformed { request: error.request_id, why });
            }
            Incoming::TooLong { limit } => {
                let why = format!("it is longer than {limit} bytes");
                CoreDriver::feed(served, CoreInput::Malformed { request: None, why });
            }
        }
        while served.driver.borrow().outbox.is_full() {
            served.answered.notified().await;
        }
    }
    Ok(())
}
