//! Work that blocks, away from the thread that serves everything else.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tokio::sync::oneshot;

/// Does `work` on a thread of its own, so that nobody waits for it but who awaits the answer. Where the system has no
/// room for another thread it is done here and now. There is no answer when it panics.
///
/// Threads of a runtime would be shared, but asking for the first of them panics when there is no room.
pub fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> oneshot::Receiver<T> {
    let (answer, answered) = oneshot::channel();
    let act = move || {
        // Who does not wait any more does not need it.
        let _ = answer.send(work());
    };
    let act = Arc::new(Mutex::new(Some(act)));
    let theirs = Arc::clone(&act);
    let started = thread::Builder::new().name("aside".to_owned()).spawn(move || act_once(&theirs));
    if started.is_err() {
        act_once(&act);
    }
    answered
}

fn act_once(act: &Mutex<Option<impl FnOnce()>>) {
    let act = act.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(act) = act {
        act();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_comes_unless_the_work_panics() {
        assert_eq!(aside(|| 7).await, Ok(7));
        assert!(aside(|| -> u8 { panic!("of the test") }).await.is_err());
    }
}
