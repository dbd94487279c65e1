//! How an agent ended: what its core reports, and what its own lines add to that.
//!
//! | the core reports | the lines report | status | reason and class |
//! |---|---|---|---|
//! | succeeded | a failure, and nothing is missing after it | failed | of the lines |
//! | succeeded | anything else | succeeded | |
//! | failed | a failure | failed | of the lines |
//! | failed | none, but standard error has words with a meaning | failed | by these words |
//! | failed | none | failed | of the core; the reason is its exit |
//! | anything else | | as reported | |
//!
//! What is missing in the lines is never a failure: such a core drops lines, cuts them, or sends none.

use roboppi_ipc::{ResultDetails, WorkerResult, WorkerStatus};
use roboppi_worker_adapters::agent::is_of_exit_alone;

/// The result that the lines of an agent allow.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) result: WorkerResult,
    /// Something is missing after the last of them.
    pub(super) ends_with_gap: bool,
}

/// The result of the core, with what the lines add to it.
pub(super) fn refine(reported: WorkerResult, reading: Reading) -> WorkerResult {
    let Reading { result: read, ends_with_gap } = reading;
    let mut result = reported;
    let read_details = read.details.map(|details| *details).unwrap_or_default();
    let has_failed = read.status == WorkerStatus::Failed;
    let is_overruled = result.status == WorkerStatus::Succeeded && has_failed && !ends_with_gap;
    if is_overruled {
        result.status = WorkerStatus::Failed;
    }
    let is_explained = has_failed && result.status == WorkerStatus::Failed;
    let kind = read_details.error_kind.clone();
    if is_explained && (is_overruled || !kind.as_deref().is_some_and(is_of_exit_alone)) {
        result.error_class = read.error_class.or(result.error_class);
    }
    for artifact in read.artifacts {
        if !result.artifacts.iter().any(|known| known.reference == artifact.reference) {
            result.artifacts.push(artifact);
        }
    }
    if result.observations.is_empty() {
        result.observations = read.observations;
    }
    result.cost.estimated_tokens = result.cost.estimated_tokens.or(read.cost.estimated_tokens);
    let details: &mut ResultDetails = result.details.get_or_insert_default();
    details.answer = details.answer.take().or(read_details.answer);
    details.session_id = details.session_id.take().or(read_details.session_id);
    details.model = details.model.take().or(read_details.model);
    details.turns = details.turns.or(read_details.turns);
    details.usage = details.usage.or(read_details.usage);
    details.denials.extend(read_details.denials);
    details.notes.extend(read_details.notes);
    details.waited_for = details.waited_for.take().or(read_details.waited_for);
    if is_explained {
        details.retry_at = details.retry_at.or(read_details.retry_at);
        details.error = details.error.take().or(read_details.error);
        details.error_kind = details.error_kind.take().or(kind);
    }
    result
}

#[cfg(test)]
mod tests {
    use roboppi_ipc::ErrorClass;

    use super::*;

    fn of(status: WorkerStatus, class: Option<ErrorClass>) -> WorkerResult {
        WorkerResult::of_status(status).with_error_class(class)
    }

    fn read(status: WorkerStatus, class: Option<ErrorClass>, kind: &str) -> WorkerResult {
        let kind = Some(kind.to_owned()).filter(|kind| !kind.is_empty());
        let details = ResultDetails::default().with_error_kind(kind.clone()).with_error(kind);
        of(status, class).with_details(details)
    }

    #[test]
    fn every_pair_of_reports() {
        use ErrorClass::{NonRetryable, RetryableRateLimit, RetryableTransient};
        use WorkerStatus::{Cancelled, Failed, Succeeded};
        let limit = || read(Failed, Some(RetryableRateLimit), "rate_limit");
        let exit = || read(Failed, Some(NonRetryable), "exit_code");
        let rows: Vec<String> = [
            (of(Succeeded, None), read(Succeeded, None, ""), false),
            (of(Succeeded, None), limit(), false),
            (of(Succeeded, None), limit(), true),
            (of(Failed, Some(NonRetryable)), limit(), true),
            (of(Failed, Some(RetryableTransient)), exit(), false),
            (of(Failed, Some(NonRetryable)), read(Succeeded, None, ""), false),
            (of(Cancelled, Some(RetryableTransient)), read(Cancelled, Some(RetryableTransient), ""), false),
            (of(WorkerStatus::Unknown(roboppi_ipc::Word::new("LATER")), None), limit(), false),
        ]
        .into_iter()
        .map(|(reported, read, ends_with_gap)| {
            let pair = format!("{} + {}", reported.status.name(), read.status.name());
            let result = refine(reported, Reading { result: read, ends_with_gap });
            let kind = result.details.and_then(|details| details.error_kind);
            format!("{pair} -> {} {:?} {kind:?}", result.status.name(), result.error_class)
        })
        .collect();
        insta::assert_snapshot!(rows.join("\n"), @r#"
        SUCCEEDED + SUCCEEDED -> SUCCEEDED None None
        SUCCEEDED + FAILED -> FAILED Some(RetryableRateLimit) Some("rate_limit")
        SUCCEEDED + FAILED -> SUCCEEDED None None
        FAILED + FAILED -> FAILED Some(RetryableRateLimit) Some("rate_limit")
        FAILED + FAILED -> FAILED Some(RetryableTransient) Some("exit_code")
        FAILED + SUCCEEDED -> FAILED Some(NonRetryable) None
        CANCELLED + CANCELLED -> CANCELLED Some(RetryableTransient) None
        LATER + FAILED -> LATER None None
        "#);
    }
}
