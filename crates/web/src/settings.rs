//! What the server is started with.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use roboppi_record::StateRoot;
use thiserror::Error;

pub use crate::api::session::Role;
use crate::feed::ClientLimits;
use crate::security::{Credentials, HostNames};

/// Starts a workflow as a run that goes on without the server. Returns the id of the run, or why there is none.
pub type StartWorkflow = Arc<dyn Fn(&Path) -> Result<String, String> + Send + Sync>;

/// Everything the server is told.
#[derive(Clone)]
pub struct Settings {
    /// Where it listens.
    pub bind: SocketAddr,
    /// The path below which it is reached, as `/x`; empty for none.
    pub base_path: String,
    /// What lets clients in.
    pub credentials: Credentials,
    /// A password or a token was chosen by a person.
    pub chosen_credential: bool,
    /// Certificate and key.
    pub tls: Option<TlsFiles>,
    /// Names by which it is reached.
    pub hosts: HostNames,
    /// Nobody may change anything.
    pub read_only: bool,
    /// `X-Forwarded-For` and `X-Forwarded-Proto` of a proxy are believed.
    pub trust_forwarded: bool,
    /// What a client is sent at most.
    pub limits: ClientLimits,
    /// Where the runs are.
    pub root: StateRoot,
    /// Workflows that may be started.
    pub workflows: Vec<PathBuf>,
    /// How they are started.
    pub start: StartWorkflow,
    /// Version of the program.
    pub version: String,
    /// Name of this host.
    pub host: String,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("bind", &self.bind)
            .field("base_path", &self.base_path)
            .finish_non_exhaustive()
    }
}

/// Files of TLS, in the form of PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate with its chain.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// Settings with which the server would not be safe, or could not work.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum BadSettings {
    /// Anybody in the network could read along.
    #[error(
        "{0} is reached from other machines, and without TLS every machine on the way could read and change what is sent"
    )]
    NoTls(SocketAddr),
    /// The automatic token is for one person on one machine.
    #[error("{0} is reached from other machines, and no password or token was set")]
    NoCredential(SocketAddr),
    /// Nobody could log in.
    #[error("no token and no password is set, so no login would succeed")]
    NoLogin,
    /// The base path is none.
    #[error("`{0}` is no base path: it begins with `/`, and has letters, digits, `-`, `_`, `.` and `/` only")]
    BasePath(String),
}

impl Settings {
    /// Checks them, and gives the base path its form.
    ///
    /// # Errors
    /// When the server would not be safe, or could not work.
    pub fn checked(mut self) -> Result<Self, BadSettings> {
        if !self.bind.ip().is_loopback() {
            if self.tls.is_none() {
                return Err(BadSettings::NoTls(self.bind));
            }
            if !self.chosen_credential {
                return Err(BadSettings::NoCredential(self.bind));
            }
        }
        if self.credentials.is_empty() {
            return Err(BadSettings::NoLogin);
        }
        let path = self.base_path.trim_end_matches('/');
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte);
        let is_good = path.is_empty()
            || (path.starts_with('/')
                && path.bytes().all(plain)
                && path.split('/').skip(1).all(|part| !part.is_empty() && part != "." && part != ".."));
        if !is_good {
            return Err(BadSettings::BasePath(self.base_path));
        }
        self.base_path = path.to_owned();
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(bind: &str) -> Settings {
        let mut credentials = Credentials::default();
        credentials.add_automatic_token(Role::Operator);
        Settings {
            bind: bind.parse().unwrap(),
            base_path: String::new(),
            credentials,
            chosen_credential: false,
            tls: None,
            hosts: HostNames::default(),
            read_only: false,
            trust_forwarded: false,
            limits: ClientLimits::default(),
            root: StateRoot::at("/nowhere".into()),
            workflows: Vec::new(),
            start: Arc::new(|_| Err(String::new())),
            version: String::new(),
            host: String::new(),
        }
    }

    #[test]
    fn other_machines_need_tls_and_a_credential_that_was_chosen() {
        assert!(settings("127.0.0.1:0").checked().is_ok() && settings("[::1]:0").checked().is_ok());
        let outside = settings("0.0.0.0:80");
        assert!(matches!(outside.clone().checked(), Err(BadSettings::NoTls(_))));
        let tls = Some(TlsFiles { certificate: "c".into(), key: "k".into() });
        let outside = Settings { tls, ..outside };
        assert!(matches!(outside.clone().checked(), Err(BadSettings::NoCredential(_))));
        assert!(Settings { chosen_credential: true, ..outside }.checked().is_ok());
        let without = Settings { credentials: Credentials::default(), ..settings("127.0.0.1:0") };
        assert_eq!(without.checked().unwrap_err(), BadSettings::NoLogin);
    }

    #[test]
    fn a_base_path_has_one_form() {
        for (given, path) in [("", ""), ("/", ""), ("/x/", "/x"), ("/a/b", "/a/b")] {
            let settings = Settings { base_path: given.to_owned(), ..settings("127.0.0.1:0") };
            assert_eq!(settings.checked().unwrap().base_path, path);
        }
        for bad in ["x", "/a b", "/../x", "//x", "/{x}", "/x?y"] {
            let settings = Settings { base_path: bad.to_owned(), ..settings("127.0.0.1:0") };
            assert!(matches!(settings.checked(), Err(BadSettings::BasePath(_))), "{bad}");
        }
    }
}
