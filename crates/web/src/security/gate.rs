//! The rules for each request: a pure decision.

use crate::api::session::Role;

/// What a route does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RouteKind {
    /// Says whether the server is there: for programs that start and watch it.
    Probe,
    /// Files of the page, which tell nothing of any run.
    Page,
    /// Lets a client in.
    Login,
    /// Reads.
    Read,
    /// Ends the own session.
    Own,
    /// Changes something.
    Change,
}

/// The client, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// It shows nothing.
    Anonymous,
    /// It shows a credential that is none, or one that is over.
    Wrong,
    /// A program with a token.
    Token(Role),
    /// A browser in a session; whether the request has the text that only its page knows.
    Session(Role, bool),
}

/// What a request says.
#[derive(Clone, Debug)]
pub(crate) struct RequestFacts {
    pub(crate) kind: RouteKind,
    /// `Host` is one of the server.
    pub(crate) host_is_own: bool,
    /// `Origin` is the server; `None` without one.
    pub(crate) origin_is_own: Option<bool>,
    pub(crate) client: Known,
    /// Nobody may change anything.
    pub(crate) read_only: bool,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Called by a foreign name.
    ForeignHost,
    /// Sent by a page of another site.
    ForeignOrigin,
    /// Without a credential.
    NotLoggedIn,
    /// With a wrong one.
    WrongCredential,
    /// A reader wants to change something.
    NotAllowed,
    /// The server is for reading only.
    ReadOnly,
    /// Not sent by the page of the session.
    NotFromPage,
}

/// Decides whether a request is answered.
pub(crate) fn decide(facts: &RequestFacts) -> Result<(), Refusal> {
    if facts.kind == RouteKind::Probe {
        return Ok(());
    }
    if !facts.host_is_own {
        return Err(Refusal::ForeignHost);
    }
    if facts.origin_is_own == Some(false) {
        return Err(Refusal::ForeignOrigin);
    }
    if matches!(facts.kind, RouteKind::Page | RouteKind::Login) {
        return Ok(());
    }
    let (role, is_from_page) = match facts.client {
        Known::Anonymous => return Err(Refusal::NotLoggedIn),
        Known::Wrong => return Err(Refusal::WrongCredential),
        // No browser adds a token by itself.
        Known::Token(role) => (role, true),
        Known::Session(role, from_page) => (role, from_page),
    };
    match facts.kind {
        RouteKind::Own | RouteKind::Change if !is_from_page => Err(Refusal::NotFromPage),
        RouteKind::Change if facts.read_only => Err(Refusal::ReadOnly),
        RouteKind::Change if role < Role::Operator => Err(Refusal::NotAllowed),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(kind: RouteKind, client: Known) -> RequestFacts {
        RequestFacts { kind, host_is_own: true, origin_is_own: None, client, read_only: false }
    }

    #[test]
    fn every_route_but_pages_and_probes_needs_a_credential() {
        for kind in [RouteKind::Read, RouteKind::Own, RouteKind::Change] {
            assert_eq!(decide(&facts(kind, Known::Anonymous)), Err(Refusal::NotLoggedIn));
            assert_eq!(decide(&facts(kind, Known::Wrong)), Err(Refusal::WrongCredential));
            assert_eq!(decide(&facts(kind, Known::Session(Role::Operator, true))), Ok(()));
        }
        for kind in [RouteKind::Probe, RouteKind::Page, RouteKind::Login] {
            assert_eq!(decide(&facts(kind, Known::Anonymous)), Ok(()));
        }
    }

    #[test]
    fn a_foreign_host_or_origin_is_refused_whatever_the_credential() {
        for kind in [RouteKind::Page, RouteKind::Login, RouteKind::Read, RouteKind::Change] {
            let own = facts(kind, Known::Session(Role::Operator, true));
            let host = RequestFacts { host_is_own: false, ..own.clone() };
            assert_eq!(decide(&host), Err(Refusal::ForeignHost));
            let origin = RequestFacts { origin_is_own: Some(false), ..own };
            assert_eq!(decide(&origin), Err(Refusal::ForeignOrigin));
        }
    }

    #[test]
    fn only_an_operator_changes_something_and_a_browser_only_from_the_page() {
        let change = |client| facts(RouteKind::Change, client);
        assert_eq!(decide(&change(Known::Token(Role::Operator))), Ok(()));
        assert_eq!(decide(&change(Known::Token(Role::Reader))), Err(Refusal::NotAllowed));
        assert_eq!(decide(&change(Known::Session(Role::Operator, false))), Err(Refusal::NotFromPage));
        assert_eq!(decide(&change(Known::Session(Role::Reader, true))), Err(Refusal::NotAllowed));
        let read_only = RequestFacts { read_only: true, ..change(Known::Token(Role::Operator)) };
        assert_eq!(decide(&read_only), Err(Refusal::ReadOnly));
    }
}
