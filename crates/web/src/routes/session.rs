//! Logging in and out.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::api::session::{Role, Session, WorkflowEntry};
use crate::app::App;
use crate::call::{Answer, Call, body, json};
use crate::client::{Client, cookie_name};
use crate::problem::Problem;

/// The body of `POST /api/v1/session`: a token or a password.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Login {
    /// The token.
    #[serde(default)]
    token: Option<String>,
    /// The password.
    #[serde(default)]
    password: Option<String>,
    /// The code of an authenticator, with a password.
    #[serde(default)]
    totp: Option<String>,
}

/// `GET /login?token=T`: the link that is printed.
pub(crate) async fn login(State(app): State<Arc<App>>, call: Call, headers: HeaderMap) -> Response {
    let Some(token) = call.params.text("token").map(str::to_owned) else {
        return to_page(&app, None);
    };
    let login = Login { token: Some(token), password: None, totp: None };
    match let_in(&app, &call.client, login, &headers).await {
        Ok(cookie) => to_page(&app, Some(cookie)),
        Err(problem) => problem.into_response(),
    }
}

/// Leads to the page. The token is in no URL after this.
fn to_page(app: &App, cookie: Option<HeaderValue>) -> Response {
    let place = format!("{}/", app.settings.base_path);
    let mut response = (StatusCode::SEE_OTHER, [(header::LOCATION, place)]).into_response();
    response.headers_mut().extend(cookie.map(|cookie| (header::SET_COOKIE, cookie)));
    response
}

/// `POST /api/v1/session`.
pub(crate) async fn begin(State(app): State<Arc<App>>, call: Call, request: Request) -> Answer {
    let headers = request.headers().clone();
    let login: Login = body(request).await?;
    let cookie = let_in(&app, &call.client, login, &headers).await?;
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response())
}

async fn let_in(app: &Arc<App>, client: &Client, login: Login, headers: &HeaderMap) -> Answer<HeaderValue> {
    let address = client.address;
    let waits = app.login_limit().wait(app.now(), address);
    if let Some(wait) = waits {
        return Err(Problem::too_many(wait));
    }
    // An attempt counts as failed until it has succeeded, so that none is made beside it meanwhile.
    let role = app.aside(move |app| Ok(role_of(app, &login))).await?;
    let Some(role) = role else {
        app.counters.failed_logins.fetch_add(1, Relaxed);
        app.login_limit().failed(app.now(), address);
        return Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            "not logged in",
            "the token, the password or the code is wrong",
        )
        .hint("open the link that `roboppi serve` printed"));
    };
    app.counters.logins.fetch_add(1, Relaxed);
    let session = app.sessions().begin(app.now(), role);
    Ok(set_cookie(app, &session.cookie, is_secure(app, headers)))
}

fn role_of(app: &App, login: &Login) -> Option<Role> {
    let credentials = &app.settings.credentials;
    if let Some(token) = &login.token {
        return credentials.of_token(token.trim());
    }
    let role = credentials.of_password(login.password.as_deref()?)?;
    let Some(totp) = credentials.totp() else { return Some(role) };
    let mut used = app.totp_used();
    let step = totp.step_of(login.totp.as_deref()?, app.time().0, *used)?;
    *used = Some(step);
    Some(role)
}

/// Whether the browser reaches the server by TLS.
fn is_secure(app: &App, headers: &HeaderMap) -> bool {
    let forwarded = || headers.get("x-forwarded-proto").is_some_and(|value| value.as_bytes() == b"https");
    app.settings.tls.is_some() || (app.settings.trust_forwarded && forwarded())
}

fn set_cookie(app: &App, value: &str, secure: bool) -> HeaderValue {
    let (name, path) = (cookie_name(app), &app.settings.base_path);
    let secure = if secure { "; Secure" } else { "" };
    let text = format!("{name}={value}; Path={path}/; HttpOnly; SameSite=Strict{secure}");
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
}

/// `DELETE /api/v1/session`.
pub(crate) async fn end(State(app): State<Arc<App>>, call: Call, headers: HeaderMap) -> Response {
    if let Some(cookie) = &call.client.cookie {
        app.sessions().end(cookie);
    }
    let gone = set_cookie(&app, "; Max-Age=0", is_secure(&app, &headers));
    (StatusCode::NO_CONTENT, [(header::SET_COOKIE, gone)]).into_response()
}

/// `GET /api/v1/session`.
pub(crate) async fn show(State(app): State<Arc<App>>, call: Call) -> Answer {
    let role = call.client.role.unwrap_or(Role::Reader);
    let role = if app.settings.read_only { Role::Reader } else { role };
    let workflows = app.workflows().map(|(id, path)| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        WorkflowEntry { id, name }
    });
    json(&Session {
        role,
        csrf: call.client.csrf.clone(),
        version: app.settings.version.clone(),
        host: app.settings.host.clone(),
        limits: app.settings.limits.into(),
        workflows: if role == Role::Operator { workflows.collect() } else { Vec::new() },
    })
}
