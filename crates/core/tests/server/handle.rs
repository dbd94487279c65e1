//! The handle of a worker, without a wire.

use std::rc::Rc;

use futures::StreamExt;
use roboppi_core::worker::{WorkerHost, WorkerNotice, WorkerOptions, start_worker};
use roboppi_core::{Clock, CoreSettings, Variables};
use roboppi_ipc::{CancelReason, Job, JobId, WorkerEvent, WorkerStatus, WorkerTask};
use roboppi_process::is_alive;
use roboppi_worker_adapters::Adapters;
use tokio::sync::Notify;

use crate::client::{job, run};

fn task(script: &str) -> WorkerTask {
    let job: Job = serde_json::from_value(job("a", script)).unwrap();
    job.worker_task().unwrap()
}

fn start(script: &str) -> roboppi_core::worker::WorkerHandle {
    let (task, clock) = (task(script), Clock::start());
    let options = WorkerOptions::for_task(&task, &CoreSettings::default(), None, clock.utc());
    let adapter = Adapters::builtin().get(task.worker_kind);
    start_worker(
        &WorkerHost::new(clock, Variables::of_this_process()),
        JobId::new("a"),
        adapter,
        task,
        options,
        Rc::new(Notify::new()),
    )
}

#[test]
fn it_has_events_and_a_result() {
    run(|| async {
        let handle = start("echo one; sleep 0.05; echo ::progress::two; exit 4");
        let events: Vec<WorkerEvent> = handle.events().map(|event| event.event).collect().await;
        assert!(events.iter().any(|event| matches!(event, WorkerEvent::Stdout(o) if o.data == "one\n")));
        assert!(matches!(events.last(), Some(WorkerEvent::Progress(p)) if p.message == "two"));
        let outcome = handle.result().await;
        assert_eq!((outcome.result.status, outcome.result.exit_code), (WorkerStatus::Failed, Some(4)));
    });
}

#[test]
fn it_can_be_cancelled_at_any_time() {
    run(|| async {
        let before = start("sleep 1000");
        before.cancel(CancelReason::User);
        let outcome = before.result().await;
        assert_eq!(outcome.result.status, WorkerStatus::Cancelled);
        assert!(!outcome.started, "what was cancelled before it ran is never started");
        let running = start("echo ready; sleep 1000");
        running.events().next().await;
        running.cancel(CancelReason::Budget);
        let result = running.result().await.result;
        assert_eq!(result.details.unwrap().cancel_reason, Some(CancelReason::Budget));
        running.cancel(CancelReason::User);
    });
}

#[test]
fn nothing_outlives_its_last_handle() {
    run(|| async {
        let handle = start("trap '' TERM; echo ready; while :; do sleep 1000; done");
        handle.events().next().await;
        let Some(WorkerNotice::Started(worker)) = handle.take_notice() else { panic!("not started") };
        assert!(is_alive(worker));
        drop(handle);
        while is_alive(worker) {
            tokio::task::yield_now().await;
        }
    });
}
