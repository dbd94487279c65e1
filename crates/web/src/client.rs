//! The client of a request, and whether the request is answered.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::api::session::Role;
use crate::app::App;
use crate::problem::Problem;
use crate::security::{Known, Refusal, RequestFacts, RouteKind, decide};

/// The header with which a page proves that it is the one of the session.
pub(crate) const CSRF: &str = "x-roboppi-csrf";

/// The client of a request that is answered.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) role: Option<Role>,
    pub(crate) address: IpAddr,
    /// What its page sends with changes; absent of a program.
    pub(crate) csrf: Option<String>,
    /// Value of its cookie.
    pub(crate) cookie: Option<String>,
    /// Why a socket is not let in: it is told so after the upgrade.
    pub(crate) refusal: Option<Refusal>,
}

impl Client {
    /// Names the client in the journal of a run.
    pub(crate) fn user(&self) -> String {
        let role = if self.role == Some(Role::Operator) { "operator" } else { "reader" };
        format!("{role}@{}", self.address)
    }
}

/// Checks each request before it comes to its route, and completes each answer.
pub(crate) async fn guard(
    State(app): State<Arc<App>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    app.counters.requests.fetch_add(1, Relaxed);
    let path = request.uri().path();
    let path = path.strip_prefix(app.settings.base_path.as_str()).unwrap_or(path).to_owned();
    let kind = route_kind(request.method(), &path);
    let checked = check(&app, peer, request.headers(), kind);
    let is_socket = is_upgrade(request.headers());
    let mut response = match checked {
        Ok(client) => {
            request.extensions_mut().insert(client);
            next.run(request).await
        }
        Err((refusal, mut client)) if is_socket && kind == RouteKind::Read => {
            client.refusal = Some(refusal);
            request.extensions_mut().insert(client);
            next.run(request).await
        }
        Err((refusal, client)) => {
            let waits = (refusal == Refusal::WrongCredential)
                .then(|| app.login_limit().wait(app.now(), client.address))
                .flatten();
            let mut problem = waits.map_or_else(|| Problem::from(refusal), Problem::too_many);
            if problem.status == 401 {
                problem.login = Some(app.settings.credentials.login());
            }
            problem.into_response()
        }
    };
    let status = response.status();
    if status.is_client_error() {
        app.counters.client_errors.fetch_add(1, Relaxed);
    } else if status.is_server_error() {
        app.counters.server_errors.fetch_add(1, Relaxed);
    }
    add_headers(response.headers_mut(), app.settings.tls.is_some());
    response
}

/// Whether a request wants to become a WebSocket.
fn is_upgrade(headers: &HeaderMap) -> bool {
    let wanted = headers.get(header::UPGRADE).and_then(|value| value.to_str().ok());
    wanted.is_some_and(|value| value.eq_ignore_ascii_case("websocket"))
}

/// What a route does. What is not known to be public needs a credential.
fn route_kind(method: &Method, path: &str) -> RouteKind {
    let reads = matches!(*method, Method::GET | Method::HEAD);
    let is_api = path.starts_with("/api") || matches!(path, "/ws" | "/metrics");
    match path {
        "/healthz" | "/readyz" if reads => RouteKind::Probe,
        "/login" if reads => RouteKind::Login,
        "/api/v1/session" if method == Method::POST => RouteKind::Login,
        "/api/v1/session" if method == Method::DELETE => RouteKind::Own,
        _ if reads && !is_api => RouteKind::Page,
        _ if reads => RouteKind::Read,
        _ => RouteKind::Change,
    }
}

fn check(
    app: &App,
    peer: SocketAddr,
    headers: &HeaderMap,
    kind: RouteKind,
) -> Result<Client, (Refusal, Client)> {
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text(&header::HOST).unwrap_or_default();
    let origin = headers.get(header::ORIGIN).map(|value| value.to_str().unwrap_or("null"));
    let cookie = cookie(headers, &cookie_name(app)).map(str::to_owned);
    let mut client =
        Client { role: None, address: address(app, peer, headers), csrf: None, cookie, refusal: None };
    let known = known(app, headers, &mut client, kind);
    client.role = match known {
        Known::Token(role) | Known::Session(role, _) => Some(role),
        Known::Anonymous | Known::Wrong => None,
    };
    let facts = RequestFacts {
        kind,
        host_is_own: app.settings.hosts.allows(host),
        origin_is_own: origin.map(|origin| app.settings.hosts.is_own(origin, host)),
        client: known,
        read_only: app.settings.read_only,
    };
    match decide(&facts) {
        Ok(()) => Ok(client),
        Err(refusal) => Err((refusal, client)),
    }
}

/// What the client shows.
fn known(app: &App, headers: &HeaderMap, client: &mut Client, kind: RouteKind) -> Known {
    let now = app.now();
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let token = value.to_str().ok().and_then(|value| value.strip_prefix("Bearer "));
        let mut limit = app.login_limit();
        if limit.wait(now, client.address).is_some() {
            return Known::Wrong;
        }
        return match token.and_then(|token| app.settings.credentials.of_token(token.trim())) {
            Some(role) => Known::Token(role),
            None => {
                if !matches!(kind, RouteKind::Probe | RouteKind::Page) {
                    app.counters.failed_logins.fetch_add(1, Relaxed);
                    limit.failed(now, client.address);
                }
                Known::Wrong
            }
        };
    }
    let Some(cookie) = &client.cookie else { return Known::Anonymous };
    let Some(session) = app.sessions().of(now, cookie) else { return Known::Wrong };
    let sent = headers.get(CSRF).and_then(|value| value.to_str().ok());
    let is_from_page = sent.is_some_and(|sent| sent == session.csrf);
    client.csrf = Some(session.csrf);
    Known::Session(session.role, is_from_page)
}

/// The address of the client. That a proxy names counts only if it is trusted.
fn address(app: &App, peer: SocketAddr, headers: &HeaderMap) -> IpAddr {
    let forwarded = || {
        let value = headers.get("x-forwarded-for")?.to_str().ok()?;
        value.rsplit(',').next()?.trim().parse().ok()
    };
    let forwarded = if app.settings.trust_forwarded { forwarded() } else { None };
    forwarded.unwrap_or_else(|| peer.ip())
}

/// The name of the cookie: browsers give cookies of one port to the others of a host.
pub(crate) fn cookie_name(app: &App) -> String {
    format!("roboppi_session_{}", app.settings.bind.port())
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let values = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs = values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(known, _)| *known == name).map(|(_, value)| value)
}

/// What every answer has: nothing of another site, nothing inline, in no frame.
fn add_headers(headers: &mut HeaderMap, tls: bool) {
    let fixed = [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
             connect-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'self'; form-action 'self'; \
             frame-ancestors 'none'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), microphone=(), geolocation=(), payment=()",
        ),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if tls {
        let value = HeaderValue::from_static("max-age=31536000");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, value);
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_to_be_public_needs_a_credential() {
        let kind = |method: Method, path: &str| route_kind(&method, path);
        assert_eq!(kind(Method::GET, "/healthz"), RouteKind::Probe);
        assert_eq!(kind(Method::POST, "/healthz"), RouteKind::Change);
        assert_eq!(kind(Method::GET, "/runs/r1"), RouteKind::Page);
        assert_eq!(kind(Method::GET, "/api/v1/anything"), RouteKind::Read);
        assert_eq!(kind(Method::GET, "/metrics"), RouteKind::Read);
        assert_eq!(kind(Method::GET, "/ws"), RouteKind::Read);
        assert_eq!(kind(Method::POST, "/api/v1/session"), RouteKind::Login);
        assert_eq!(kind(Method::DELETE, "/api/v1/session"), RouteKind::Own);
        assert_eq!(kind(Method::PUT, "/anything"), RouteKind::Change);
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=1; roboppi_session_8080=x; b=2"));
        assert_eq!(cookie(&headers, "roboppi_session_8080"), Some("x"));
        assert_eq!(cookie(&headers, "roboppi_session_80"), None);
    }
}
