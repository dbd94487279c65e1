//! A line becomes a message.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::{JobId, Message, RequestId};

/// Why a line is not a message. The peer stays healthy: the line is dropped, or answered if it can be.
#[derive(Debug, Error)]
#[error("{kind}")]
pub struct DecodeError {
    /// What is wrong.
    pub kind: DecodeErrorKind,
    /// `requestId` of the line, when one could be read: the request that waits for a reply.
    pub request_id: Option<RequestId>,
    /// `jobId` of the line, when one could be read: whom it is about.
    pub job_id: Option<JobId>,
}

/// What is wrong with a line.
#[derive(Debug, Error)]
pub enum DecodeErrorKind {
    /// Not one JSON value, or not UTF-8.
    #[error("not JSON: {0}")]
    NotJson(#[source] serde_json::Error),
    /// JSON, but not an object with a string `type`.
    #[error("not an object with a string \"type\"")]
    NotTagged,
    /// A known type with a missing or mistyped field.
    #[error("bad {message_type}: {}", short(source))]
    BadMessage {
        /// `type` of the line.
        message_type: String,
        /// What the decoder says.
        source: serde_json::Error,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    request_id: Option<serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct About {
    job_id: serde_json::Value,
}

/// Decodes one line, without its newline. Spaces and a carriage return around it are allowed; an empty
/// line is `None`.
///
/// # Errors
/// When the line is not a message of the wire.
pub fn decode(line: &[u8]) -> Option<Result<Message, DecodeError>> {
    let line = line.trim_ascii();
    (!line.is_empty()).then(|| decode_line(line))
}

/// How the messages begin of which there are very many, as they are written here.
const JOB_EVENT: &[u8] = br#"{"type":"job_event","#;

fn decode_line(line: &[u8]) -> Result<Message, DecodeError> {
    // One that is not as it should be is looked at like any other.
    if line.starts_with(JOB_EVENT)
        && let Ok(event) = parse(line)
    {
        return Ok(Message::JobEvent(event));
    }
    let envelope: Envelope = serde_json::from_slice(line).map_err(|error| DecodeError {
        kind: if error.is_data() { DecodeErrorKind::NotTagged } else { DecodeErrorKind::NotJson(error) },
        request_id: None,
        job_id: None,
    })?;
    let kind = envelope.kind.as_str();
    let message = match kind {
        "hello" => parse(line).map(Message::Hello),
        "submit_job" => parse(line).map(Message::SubmitJob),
        "ack" => parse(line).map(Message::Ack),
        "request_permit" => parse(line).map(Message::RequestPermit),
        "permit_granted" => parse(line).map(Message::PermitGranted),
        "permit_rejected" => parse(line).map(Message::PermitRejected),
        "cancel_job" => parse(line).map(Message::CancelJob),
        "job_cancelled" => parse(line).map(Message::JobCancelled),
        "pause_job" => parse(line).map(Message::PauseJob),
        "resume_job" => parse(line).map(Message::ResumeJob),
        "job_event" => parse(line).map(Message::JobEvent),
        "job_completed" => parse(line).map(Message::JobCompleted),
        "core_event" => parse(line).map(Message::CoreEvent),
        "mask" => parse(line).map(Message::Mask),
        "escalation" => parse(line).map(Message::Escalation),
        "report_queue_metrics" => parse(line).map(Message::ReportQueueMetrics),
        "heartbeat" => parse(line).map(Message::Heartbeat),
        "heartbeat_ack" => parse(line).map(Message::HeartbeatAck),
        "error" => parse(line).map(Message::Error),
        _ => return Ok(Message::Unknown { kind: envelope.kind }),
    };
    message.map_err(|source| DecodeError {
        kind: DecodeErrorKind::BadMessage { message_type: kind.to_owned(), source },
        request_id: envelope.request_id.as_ref().and_then(|id| id.as_str()).map(RequestId::from),
        job_id: parse::<About>(line).ok().and_then(|about| about.job_id.as_str().map(JobId::from)),
    })
}

/// What an error says, without the megabytes it may quote: the beginning names what is wrong, the end the place.
fn short(error: &serde_json::Error) -> String {
    const HEAD: usize = 160;
    const TAIL: usize = 40;
    let message = error.to_string();
    if message.len() <= HEAD + TAIL {
        return message;
    }
    let (head, tail) = (message.floor_char_boundary(HEAD), message.ceil_char_boundary(message.len() - TAIL));
    format!("{}...{}", &message[..head], &message[tail..])
}

fn parse<T: DeserializeOwned>(line: &[u8]) -> Result<T, serde_json::Error> {
    serde_json::from_slice(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{JobId, WorkerEvent};

    fn error_of(line: &str) -> String {
        decode(line.as_bytes()).unwrap().unwrap_err().to_string()
    }

    #[test]
    fn spaces_and_carriage_returns_are_allowed_and_blank_lines_are_nothing() {
        assert!(decode(b"").is_none());
        assert!(decode(b" \r").is_none());
        let message = decode(b"  {\"type\":\"heartbeat\",\"timestamp\":5}\r").unwrap().unwrap();
        assert_eq!(message.kind(), "heartbeat");
    }

    #[test]
    fn what_is_wrong_is_said() {
        insta::assert_snapshot!(error_of("[1]"), @r#"not an object with a string "type""#);
        insta::assert_snapshot!(error_of("{\"type\":4}"), @r#"not an object with a string "type""#);
        insta::assert_snapshot!(error_of("{"), @"not JSON: EOF while parsing an object at line 1 column 1");
        insta::assert_snapshot!(
            error_of(r#"{"type":"ack","requestId":"r"}"#),
            @"bad ack: missing field `jobId` at line 1 column 30"
        );
    }

    #[test]
    fn a_bad_request_still_names_who_waits() {
        let error = decode(br#"{"type":"cancel_job","requestId":"r7","jobId":1}"#).unwrap().unwrap_err();
        assert_eq!(error.request_id, Some(RequestId::from("r7")));
    }

    #[test]
    fn a_bad_message_still_names_its_job() {
        let error = decode(br#"{"type":"job_completed","jobId":"j7","outcome":5}"#).unwrap().unwrap_err();
        assert_eq!((error.job_id, error.request_id), (Some(JobId::from("j7")), None));
    }

    #[test]
    fn a_long_value_is_not_quoted_in_full() {
        let long = "\u{e9}".repeat(1_000_000);
        let message = error_of(&format!(r#"{{"type":"heartbeat","timestamp":"{long}"}}"#));
        assert!(message.starts_with("bad heartbeat: invalid type: string \"\u{e9}"), "{message}");
        assert!(message.len() < 300 && message.contains(" at line 1 column "), "{message}");
    }

    #[test]
    fn unknown_types_and_fields_are_not_errors() {
        let message = decode(br#"{"type":"novelty","requestId":{"a":1}}"#).unwrap().unwrap();
        assert_eq!(message, Message::Unknown { kind: "novelty".into() });
        let message = decode(br#"{"type":"ack","requestId":"r","jobId":"j","more":[1]}"#).unwrap().unwrap();
        assert!(matches!(message, Message::Ack(ack) if ack.job_id == JobId::from("j")));
    }

    #[test]
    fn an_unknown_event_kind_keeps_its_text() {
        let line = br#"{"type":"job_event","jobId":"j","ts":1,"seq":2,"event":{"type":"hologram","x":1}}"#;
        let Message::JobEvent(event) = decode(line).unwrap().unwrap() else { panic!("not a job_event") };
        assert_eq!(event.event, WorkerEvent::Unknown { raw: r#"{"type":"hologram","x":1}"#.into() });
    }

    #[test]
    fn a_known_event_kind_with_a_wrong_field_is_an_error() {
        let line = r#"{"type":"job_event","jobId":"j","ts":1,"seq":2,"event":{"type":"stdout","data":7}}"#;
        assert!(error_of(line).starts_with("bad job_event: "), "{}", error_of(line));
    }
}
