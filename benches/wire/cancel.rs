//! How long it takes until a cancelled worker is gone.

use std::time::{Duration, Instant};

use crate::peer::Peer;
use crate::times::Times;

const ROUNDS: usize = 200;

/// Cancels `sleep 600` again and again.
pub(crate) fn cancel() {
    let mut core = Peer::core();
    let (mut answered, mut completed) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        core.start_worker(&format!("j{round}"), "exec sleep 600");
        let asked = Instant::now();
        core.say(&format!(
            r#"{{"type":"cancel_job","requestId":"c{round}","jobId":"j{round}","reason":"user"}}"#
        ));
        core.wait_for(r#""type":"job_cancelled""#);
        answered.push(asked.elapsed());
        core.wait_for(r#""type":"job_completed""#);
        completed.push(asked.elapsed());
    }
    let answered = Times::new(answered);
    answered.print("answered");
    answered.judge(50, Duration::from_millis(2));
    let completed = Times::new(completed);
    completed.print("worker gone, completed");
    completed.judge(50, Duration::from_millis(5));
}
