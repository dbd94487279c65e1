//! What `scribe` printed, and what the adapter makes of it. Each run goes through the kit, which cuts it off everywhere,
//! mixes odd lines into it, and looks for secrets among the arguments.

use roboppi_ipc::{JobOptions, TaskBudget, UtcMillis, WorkerEvent, WorkerStatus, WorkerTask};
use roboppi_worker_adapters::conformance::{Outcome, Transcript, check};
use roboppi_worker_adapters::{Arg, ExitKind, WorkerAdapter};
use scribe_adapter::{SCRIBE, ScribeAdapter};

fn task() -> WorkerTask {
    WorkerTask::new("t", SCRIBE, "/work", "Look at what is here.", TaskBudget::new(UtcMillis(0)))
}

fn checked(stdout: &[u8], exit: ExitKind) -> Outcome {
    let transcript = Transcript::new(task()).stdout(stdout).exit(exit);
    check(&ScribeAdapter, &transcript).unwrap_or_else(|violation| panic!("{violation}"))
}

#[test]
fn a_run_that_is_done() {
    let outcome = checked(include_bytes!("transcripts/done.jsonl"), ExitKind::Code(0));
    let kinds: Vec<_> = outcome
        .events
        .iter()
        .map(|event| match event {
            WorkerEvent::Session(_) => "session",
            WorkerEvent::Text(_) => "text",
            WorkerEvent::ToolCall(_) => "call",
            WorkerEvent::ToolResult(result) if result.ok => "result",
            WorkerEvent::Usage(_) => "usage",
            _ => "something else",
        })
        .collect();
    assert_eq!(kinds, ["session", "text", "call", "result", "usage"]);
    let details = outcome.result.details.expect("agents give details");
    assert_eq!(outcome.result.status, WorkerStatus::Succeeded);
    assert_eq!(details.answer.as_deref(), Some("I read: Look at what is here."));
    assert_eq!(details.session_id.as_deref(), Some("s-1"));
}

#[test]
fn a_run_that_failed() {
    let outcome = checked(include_bytes!("transcripts/failed.jsonl"), ExitKind::Code(1));
    let details = outcome.result.details.expect("agents give details");
    assert_eq!(outcome.result.status, WorkerStatus::Failed);
    assert_eq!(details.error.as_deref(), Some("a command has failed"));
    assert_eq!(details.error_kind.as_deref(), Some("gave_up"));
}

#[test]
fn a_session_goes_on() {
    let resume = JobOptions::default().with_resume(Some("s-1".into()));
    let spec = ScribeAdapter.plan(&task().with_roboppi(Some(resume))).expect("a plan");
    assert_eq!(spec.args, ["--resume", "s-1"].map(Arg::from));
}
