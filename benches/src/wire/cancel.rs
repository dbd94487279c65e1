//! How long it takes until a cancelled worker is gone.

use std::time::Instant;

use super::peer::Peer;
use crate::support::{Cache, Figure, Measurement, Row, Times, at_most};

const ANSWERED: Row = at_most("answered", 2.0, "ms");
const COMPLETED: Row = at_most("the worker is gone", 5.0, "ms");

/// Cancels `sleep 600` again and again.
pub(super) const CANCEL: Figure = Figure {
    name: "cancel",
    compared: "a job with `sleep 600` is cancelled: until the answer, and until its result",
    cache: Cache::Unconcerned,
    rows: &[ANSWERED, COMPLETED],
    measure: cancel,
};

fn cancel(measurement: &mut Measurement<'_>) {
    let mut core = Peer::core(measurement.program());
    let (mut answered, mut completed) = (Vec::new(), Vec::new());
    for round in 0..measurement.scaled(200) {
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
    for (row, times) in [(ANSWERED, answered), (COMPLETED, completed)] {
        let times = Times::new(times);
        measurement.note_times(row.name, &times);
        measurement.put_times(&row, &times);
    }
}
