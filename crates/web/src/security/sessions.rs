//! The sessions of browsers: a pure machine. The value of a cookie is kept as its hash only.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use super::random_text;
use crate::api::session::Role;

/// Milliseconds after which a session ends that is not used.
const IDLE: u64 = 12 * 60 * 60 * 1000;

/// Milliseconds after which any session ends.
const LONGEST: u64 = 7 * 24 * 60 * 60 * 1000;

/// Sessions at a time. The one that was not used for the longest time gives way.
const MOST: usize = 1024;

/// Where a browser was let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) role: Role,
    /// What a page adds to requests that change something.
    pub(crate) csrf: String,
    begun: u64,
    used: u64,
}

/// A session that has begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewSession {
    /// Value of its cookie.
    pub(crate) cookie: String,
}

/// All sessions. Times are milliseconds of a monotonic clock.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    sessions: HashMap<[u8; 32], Session>,
}

fn key(cookie: &str) -> [u8; 32] {
    Sha256::digest(cookie.as_bytes()).into()
}

impl Sessions {
    /// Begins one.
    pub(crate) fn begin(&mut self, now: u64, role: Role) -> NewSession {
        self.sessions.retain(|_, session| session.is_good(now));
        if self.sessions.len() >= MOST
            && let Some(oldest) =
                self.sessions.iter().min_by_key(|(_, session)| session.used).map(|(key, _)| *key)
        {
            self.sessions.remove(&oldest);
        }
        let cookie = random_text();
        self.sessions.insert(key(&cookie), Session { role, csrf: random_text(), begun: now, used: now });
        NewSession { cookie }
    }

    /// The session of a cookie, which is used by that.
    pub(crate) fn of(&mut self, now: u64, cookie: &str) -> Option<Session> {
        let session = self.sessions.get_mut(&key(cookie)).filter(|session| session.is_good(now))?;
        session.used = session.used.max(now);
        Some(session.clone())
    }

    /// Ends the session of a cookie.
    pub(crate) fn end(&mut self, cookie: &str) {
        self.sessions.remove(&key(cookie));
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.sessions.len()
    }
}

impl Session {
    const fn is_good(&self, now: u64) -> bool {
        now < self.used.saturating_add(IDLE) && now < self.begun.saturating_add(LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_ends_when_it_is_idle_or_old_or_ended() {
        let mut sessions = Sessions::default();
        let cookie = sessions.begin(0, Role::Reader).cookie;
        assert_eq!(sessions.of(1, &cookie).unwrap().role, Role::Reader);
        assert!(sessions.of(1, "another").is_none());
        assert!(sessions.of(1 + IDLE, &cookie).is_none());
        let cookie = sessions.begin(0, Role::Operator).cookie;
        let mut now = 0;
        while now < LONGEST {
            assert!(sessions.of(now, &cookie).is_some(), "{now}");
            now += IDLE - 1;
        }
        assert!(sessions.of(now, &cookie).is_none());
        let cookie = sessions.begin(now, Role::Operator).cookie;
        sessions.end(&cookie);
        assert!(sessions.of(now, &cookie).is_none());
    }

    #[test]
    fn there_are_no_more_than_some() {
        let mut sessions = Sessions::default();
        let first = sessions.begin(0, Role::Reader).cookie;
        for now in 1..=MOST as u64 {
            sessions.begin(now, Role::Reader);
        }
        assert_eq!(sessions.len(), MOST);
        assert!(sessions.of(MOST as u64, &first).is_none());
    }
}
