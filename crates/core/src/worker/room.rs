//! Room for another worker: where the system has none for another process or descriptor, a worker waits for the end of
//! others instead of failing.

use std::cell::{Cell, OnceCell};
use std::fs::File;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit};
use roboppi_ipc::{Cancel, CancelReason};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

use super::WorkerShared;
use crate::WorkerControl;

/// Descriptors that have to be free before a worker starts: its pipes, its record, its socket, and some for all else
/// that is opened here meanwhile.
const DESCRIPTORS: usize = 16;

/// Descriptors that a worker which runs may not have needed yet: its files are opened when there is something to write.
const LATER: usize = 3;

/// More descriptors than this process has without workers, and more than it has for each of them. Below, nothing needs
/// to be tried.
const WITHOUT_WORKERS: usize = 128;
const FOR_EACH: usize = 16;

/// How often room is looked for that nobody announces.
const LOOK: Duration = Duration::from_millis(500);

/// The workers of a core that take room.
#[derive(Debug, Default)]
pub(super) struct Room {
    taken: Cell<usize>,
    freed: Notify,
    /// The limit of open files, which was settled when this process began.
    descriptors: OnceCell<usize>,
}

/// The room of one worker, until it is dropped.
#[derive(Debug)]
pub(super) struct Place(Rc<Room>);

impl Room {
    /// Takes room for a worker that is about to start.
    pub(super) fn enter(self: &Rc<Self>) -> Place {
        self.taken.set(self.taken.get() + 1);
        Place(Rc::clone(self))
    }

    fn descriptors(&self) -> usize {
        *self.descriptors.get_or_init(|| {
            let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(soft, _)| soft);
            usize::try_from(limit).unwrap_or(usize::MAX)
        })
    }

    /// Whether there are enough descriptors for one more worker.
    fn try_descriptors(&self) -> io::Result<()> {
        let taken = self.taken.get();
        if self.descriptors() > WITHOUT_WORKERS + (taken + 1) * FOR_EACH {
            return Ok(());
        }
        let one = File::open("/dev/null")?;
        let needed = DESCRIPTORS + LATER * taken;
        (1..needed).map(|_| one.try_clone()).collect::<io::Result<Vec<_>>>().map(drop)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.taken.set(self.0.taken.get() - 1);
        self.0.freed.notify_waiters();
    }
}

/// What a worker does that finds no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Wait,
    /// Its time is over.
    TimeOut,
    /// Nobody's end can give room, or it was asked to end: the start says what comes of it.
    Try,
}

const fn next(others: usize, asked_to_end: bool, time_is_over: bool) -> Next {
    if asked_to_end || others == 0 {
        Next::Try
    } else if time_is_over {
        Next::TimeOut
    } else {
        Next::Wait
    }
}

/// Waits until there is room for the files of a worker, as long as that makes sense. Says whether it had to.
pub(super) async fn wait_for_descriptors(shared: &WorkerShared, deadline: Option<Instant>) -> bool {
    let mut waited = false;
    while let Err(error) = shared.host.room.try_descriptors() {
        if !wait(shared, deadline, &error).await {
            break;
        }
        waited = true;
    }
    waited
}

/// Waits for the end of another worker after `error`. `false` when there is nothing to wait for, or no time.
pub(super) async fn wait(shared: &WorkerShared, deadline: Option<Instant>, error: &io::Error) -> bool {
    let WorkerShared { state, host, driver, .. } = shared;
    let asked = state.borrow().is_to_end();
    let over = deadline.is_some_and(|deadline| Instant::now() >= deadline);
    match next(host.room.taken.get(), asked, over) {
        Next::Try => return false,
        Next::TimeOut => {
            let timeout = WorkerControl::Cancel(Cancel::graceful(CancelReason::Timeout));
            state.borrow_mut().control(host.clock.now(), timeout);
            return false;
        }
        Next::Wait => {}
    }
    state.borrow_mut().waits_for_room(error);
    shared.news.notify_one();
    tokio::select! {
        () = host.room.freed.notified() => {}
        () = driver.notified() => {}
        () = sleep(LOOK) => {}
        () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {}
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_waiting_only_for_who_can_give_room() {
        assert_eq!(next(1, false, false), Next::Wait);
        assert_eq!(next(0, false, false), Next::Try);
        assert_eq!(next(1, true, false), Next::Try);
        assert_eq!(next(1, false, true), Next::TimeOut);
        assert_eq!(next(1, true, true), Next::Try);
    }

    #[test]
    fn room_is_given_back() {
        let room = Rc::new(Room::default());
        let (one, other) = (room.enter(), room.enter());
        assert_eq!(room.taken.get(), 2);
        drop((one, other));
        assert_eq!(room.taken.get(), 0);
    }
}
