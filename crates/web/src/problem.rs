//! Errors of the API (RFC 9457).

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use roboppi_record::RecordError;
use serde::Serialize;

use crate::api::text::shortened;
use crate::feed::{BadCursor, OpenError};
use crate::security::Refusal;

/// What went wrong, and what to do.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Problem {
    /// `about:blank`: the title says what it is.
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    /// In a few words.
    pub(crate) title: &'static str,
    /// Status of the answer.
    pub(crate) status: u16,
    /// What happened.
    pub(crate) detail: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hint: Option<String>,
    /// How to log in: `token`, `password` or `password+totp`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) login: Option<&'static str>,
    #[serde(skip)]
    pub(crate) retry_after: Option<u64>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, title: &'static str, detail: impl Into<String>) -> Self {
        let detail = roboppi_untrusted::words(&shortened(&detail.into(), 2000));
        Self {
            kind: "about:blank",
            title,
            status: status.as_u16(),
            detail,
            hint: None,
            login: None,
            retry_after: None,
        }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad request", detail)
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not found", detail)
    }

    pub(crate) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "not possible now", detail)
    }

    /// The record cannot be read, or the owner does not answer.
    pub(crate) fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "not available", detail).hint("try again in a moment")
    }

    pub(crate) fn too_many(wait_ms: u64) -> Self {
        let seconds = wait_ms.div_ceil(1000);
        let detail =
            format!("too many failed attempts to log in from this address; the next one in {seconds} s");
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "too many attempts", detail);
        Self { retry_after: Some(seconds), ..problem }
            .hint("wait, then log in with the printed link or the password")
    }

    pub(crate) fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, self.json()).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let forbidden = |detail: &str| Self::new(StatusCode::FORBIDDEN, "forbidden", detail);
        let login = |detail: &str| {
            Self::new(StatusCode::UNAUTHORIZED, "not logged in", detail)
                .hint("open the link that `roboppi serve` printed, or send `Authorization: Bearer TOKEN`")
        };
        match refusal {
            Refusal::ForeignHost => forbidden("the request calls the server by a name that is not its own")
                .hint("start it with `--allow-host NAME` for each name by which it is reached"),
            Refusal::ForeignOrigin => forbidden("the request comes from a page of another site")
                .hint("behind a proxy, start the server with `--allow-host NAME` for its name"),
            Refusal::NotLoggedIn => login("the request has no credential"),
            Refusal::WrongCredential => login("the credential is wrong, or its session is over"),
            Refusal::NotAllowed => forbidden("a reader cannot change anything").hint("log in as an operator"),
            Refusal::ReadOnly => forbidden("this server is for reading only")
                .hint("start it without `--read-only` to send commands"),
            Refusal::NotFromPage => forbidden("the header X-Roboppi-Csrf is missing or wrong")
                .hint("read `csrf` of GET api/v1/session, and send it with each change"),
        }
    }
}

impl From<BadCursor> for Problem {
    fn from(error: BadCursor) -> Self {
        Self::bad_request(error.to_string()).hint("take the cursor of an answer as it is, or leave it out")
    }
}

impl From<RecordError> for Problem {
    fn from(error: RecordError) -> Self {
        match &error {
            RecordError::RunNotFound { text, .. } => {
                Self::not_found(format!("there is no run `{text}`")).hint("GET api/v1/runs lists the runs")
            }
            RecordError::AmbiguousRun { text, .. } => {
                Self::not_found(format!("several runs begin with `{text}`")).hint("send more of the id")
            }
            _ => Self::unavailable(format!("the record cannot be read: {error}")),
        }
    }
}

impl From<OpenError> for Problem {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Record(error) => error.into(),
            OpenError::Thread(error) => Self::unavailable(format!("no thread can be started: {error}")),
        }
    }
}
