//! The files of the page, which are in the program.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::assets;
use crate::params::percent_decoded;
use crate::problem::Problem;

/// A file of the page. Places within the page that are no files get the page itself, which shows them.
pub(crate) async fn file(State(app): State<Arc<App>>, uri: Uri) -> Response {
    let path = uri.path().strip_prefix(app.settings.base_path.as_str()).unwrap_or(uri.path());
    let Some(path) = percent_decoded(path.trim_start_matches('/')) else {
        return Problem::bad_request("the path is not percent-encoded UTF-8").into_response();
    };
    if path.starts_with("api/") || path == "api" {
        return Problem::not_found("there is no such route")
            .hint("GET api/v1/openapi.json lists the routes")
            .into_response();
    }
    if let Some(asset) = assets::find(&path) {
        let mut response = ([(header::CONTENT_TYPE, asset.kind)], asset.bytes).into_response();
        // The names of these files change with their content.
        if path.starts_with("assets/") {
            let value = HeaderValue::from_static("public, max-age=31536000, immutable");
            response.headers_mut().insert(header::CACHE_CONTROL, value);
        }
        return response;
    }
    if path.rsplit('/').next().is_some_and(|name| name.contains('.')) && path != "index.html" {
        return Problem::not_found("the page has no such file").into_response();
    }
    let base = format!("{}/", app.settings.base_path);
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], assets::index(&base)).into_response()
}
