//! Which job a warning of a core is about: beside its text, or for older peers inside it.

use crate::{CoreEvent, JobId};

/// The ability of a supervisor to take the job of a warning beside its text.
pub const CAPABILITY_JOB_WARNINGS: &str = "job_warnings";

impl CoreEvent {
    /// The event as a peer without [`CAPABILITY_JOB_WARNINGS`] is given it: a warning begins with `job ID: `.
    #[must_use]
    pub fn with_job_in_text(self) -> Self {
        match self {
            Self::Warning { job_id: Some(job_id), message } => {
                Self::Warning { job_id: None, message: format!("job {job_id}: {message}") }
            }
            other => other,
        }
    }

    /// The event of a core that gives the job inside the text, with the job beside it. Whether there is such a job is for the
    /// caller to find out: the text may come from another author.
    #[must_use]
    pub fn with_job_from_text(self) -> Self {
        match self {
            Self::Warning { job_id: None, message } => {
                let of_job = message.strip_prefix("job ").and_then(|rest| rest.split_once(": "));
                match of_job.map(|(job, text)| (JobId::new(job), text.to_owned())) {
                    Some((job_id, message)) => Self::Warning { job_id: Some(job_id), message },
                    None => Self::Warning { job_id: None, message },
                }
            }
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warning(job: Option<&str>, message: &str) -> CoreEvent {
        CoreEvent::Warning { job_id: job.map(Into::into), message: message.to_owned() }
    }

    #[test]
    fn the_job_of_a_warning_goes_into_the_text_and_comes_out_of_it() {
        for (job, message, text) in [
            (None, "the disk is full", "the disk is full"),
            (Some("j-1"), "it waits", "job j-1: it waits"),
            (Some("j-1"), "a: b: c", "job j-1: a: b: c"),
        ] {
            assert_eq!(warning(job, message).with_job_in_text(), warning(None, text));
            assert_eq!(warning(None, text).with_job_from_text(), warning(job, message));
        }
        assert_eq!(warning(Some("a"), "job b: c").with_job_from_text(), warning(Some("a"), "job b: c"));
    }
}
