//! What a keeper changes in the lines to its core: the record of a job goes into the spool, whatever the supervisor names, and a
//! workspace is found from the home directory.

use std::path::Path;

use roboppi_ipc::JobId;
use serde::Deserialize;
use serde_json::Value;

/// A line for the core, and the job it begins.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rewritten {
    pub(crate) line: Vec<u8>,
    /// The job, and the base of its files.
    pub(crate) job: Option<(JobId, String)>,
}

#[derive(Deserialize)]
struct Head {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(rename = "jobId", default)]
    job_id: Option<JobId>,
}

/// Prepares a line for the core of this host.
pub(crate) fn to_core(line: Vec<u8>, spool: &Path, home: &Path) -> Rewritten {
    let has_job = serde_json::from_slice::<Head>(&line)
        .is_ok_and(|head| matches!(head.kind.as_str(), "submit_job" | "request_permit"));
    let parsed = if has_job { serde_json::from_slice::<Value>(&line).ok() } else { None };
    let Some(mut message) = parsed else { return Rewritten { line, job: None } };
    let mut begun = None;
    if let Some(job) = message.get_mut("job") {
        let id = job.get("jobId").and_then(|id| JobId::deserialize(id).ok());
        if let Some(workspace) = job.pointer_mut("/payload/workspaceRef")
            && let Some(path) = workspace.as_str()
        {
            *workspace = home.join(path).to_string_lossy().into();
        }
        if let Some(record) = job.pointer_mut("/payload/roboppi/record") {
            record["dir"] = spool.to_string_lossy().into();
            let base = record.get("base").and_then(Value::as_str).map(str::to_owned);
            begun = id.zip(base);
        }
    }
    Rewritten { line: serde_json::to_vec(&message).unwrap_or(line), job: begun }
}

/// What a line of the core is about.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct AboutJob {
    pub(crate) job: JobId,
    /// The job has ended, and its record is complete.
    pub(crate) is_end: bool,
}

/// The job whose record a line of the core refers to.
pub(crate) fn from_core(line: &[u8]) -> Option<AboutJob> {
    let Head { kind, job_id } = serde_json::from_slice(line).ok()?;
    let is_end = kind == "job_completed";
    (is_end || kind == "job_event").then_some(AboutJob { job: job_id?, is_end })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(line: &str) -> (String, Option<(JobId, String)>) {
        let Rewritten { line, job } = to_core(line.into(), Path::new("/spool"), Path::new("/home/me"));
        (String::from_utf8(line).unwrap(), job)
    }

    #[test]
    fn records_go_into_the_spool() {
        let (line, job) = rewritten(
            r#"{"type":"submit_job","requestId":"r","job":{"jobId":"j","payload":{"workspaceRef":"project/x","roboppi":{"record":{"dir":"/elsewhere","base":"steps/a/i1-a1"}}}}}"#,
        );
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["job"]["payload"]["workspaceRef"], "/home/me/project/x");
        assert_eq!(value["job"]["payload"]["roboppi"]["record"]["dir"], "/spool");
        assert_eq!(job, Some((JobId::new("j"), "steps/a/i1-a1".to_owned())));
        let absolute = r#"{"type":"request_permit","job":{"jobId":"j","payload":{"workspaceRef":"/srv"}}}"#;
        assert!(rewritten(absolute).0.contains("\"/srv\""));
    }

    #[test]
    fn other_lines_stay_as_they_are() {
        for line in [r#"{"type": "heartbeat",  "timestamp":1}"#, "no json", "", r#"{"type":"submit_job"}"#] {
            let (same, job) = rewritten(line);
            assert_eq!(job, None);
            assert!(same == line || line.contains("submit_job"), "{same}");
        }
    }

    #[test]
    fn lines_about_the_record_of_a_job_are_known() {
        let about =
            |line: &str| from_core(line.as_bytes()).map(|about| (about.job.to_string(), about.is_end));
        assert_eq!(about(r#"{"type":"job_event","jobId":"j"}"#), Some(("j".to_owned(), false)));
        assert_eq!(about(r#"{"type":"job_completed","jobId":"j"}"#), Some(("j".to_owned(), true)));
        assert_eq!(about(r#"{"type":"ack","jobId":"j"}"#), None);
    }
}
