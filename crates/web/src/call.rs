//! What a route is given, and what it answers.

use axum::body::{Bytes, to_bytes};
use axum::extract::{FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::client::Client;
use crate::params::Params;
use crate::problem::Problem;

/// Longest body of a request, in bytes.
const LONGEST_BODY: usize = 64 * 1024;

/// The answer of a route.
pub(crate) type Answer<T = Response> = Result<T, Problem>;

/// An answer in JSON.
pub(crate) fn json(value: &impl Serialize) -> Answer {
    let text = serde_json::to_vec(value).map_err(|error| Problem::unavailable(error.to_string()))?;
    Ok(([("content-type", "application/json")], text).into_response())
}

/// The client and the parameters of a request.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) client: Client,
    pub(crate) params: Params,
}

impl<S: Send + Sync> FromRequestParts<S> for Call {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let client = parts.extensions.get::<Client>().cloned();
        let client = client.ok_or_else(|| Problem::unavailable("the request was not checked"))?;
        Ok(Self { client, params: Params::parse(parts.uri.query())? })
    }
}

/// Parts of the path, decoded.
#[derive(Clone, Debug)]
pub(crate) struct Segments<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Segments<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        let path = path.map_err(|error| Problem::bad_request(format!("the path: {error}")))?;
        Ok(Self(path.0))
    }
}

/// The body of a request, as JSON.
///
/// # Errors
/// When it is too long, or not what is expected.
pub(crate) async fn body<T: DeserializeOwned>(request: Request) -> Answer<T> {
    let too_long = || {
        Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body too large",
            format!("the body has more than {LONGEST_BODY} bytes"),
        )
    };
    let declared =
        request.headers().get("content-length").and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|declared| declared > LONGEST_BODY as u64) {
        return Err(too_long());
    }
    let bytes: Bytes = to_bytes(request.into_body(), LONGEST_BODY).await.map_err(|_| too_long())?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Problem::bad_request(format!("the body is not the JSON that is expected: {error}")))
}
