//! Values for tests.

use roboppi_ipc::Job;
use serde_json::json;

/// A job that runs `true`.
pub(crate) fn job(id: &str) -> Job {
    serde_json::from_value(json!({
        "jobId": id,
        "type": "WORKER_TASK",
        "priority": {"value": 1, "class": "INTERACTIVE"},
        "payload": {
            "workerTaskId": format!("task-{id}"),
            "workerKind": "CUSTOM",
            "workspaceRef": "/",
            "instructions": "true",
            "capabilities": [],
            "outputMode": "STREAM",
            "budget": {"deadlineAt": 4_000_000_000_000_u64},
        },
        "limits": {"timeoutMs": 60_000, "maxAttempts": 1},
        "context": {"traceId": "t", "correlationId": "c"},
    }))
    .expect("the fixture is a job")
}
