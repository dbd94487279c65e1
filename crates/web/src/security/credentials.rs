//! Tokens and passwords.

use argon2::Argon2;
use argon2::password_hash::{PasswordVerifier, phc::PasswordHash};
use sha2::{Digest, Sha256};
use thiserror::Error;
use zeroize::Zeroizing;

use super::{Totp, equal, random_text};
use crate::api::session::Role;

/// Shortest token or password that is taken, in bytes.
const SHORTEST: usize = 12;

/// A token or a password, as far as it must be known to recognise it.
#[derive(Clone, Debug)]
pub struct Secret(Kind);

#[derive(Clone, Debug)]
enum Kind {
    /// Its SHA-256.
    Plain([u8; 32]),
    /// A hash by Argon2, in the form of PHC.
    Argon2(String),
}

/// Why a credential cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum BadCredentials {
    /// It can be guessed.
    #[error("it has {0} characters, and must have at least {SHORTEST}")]
    TooShort(usize),
    /// It looks like a hash, and is none.
    #[error("it begins like a hash of Argon2, and is none: {0}")]
    BadHash(String),
}

impl Secret {
    /// A secret from a text, or from its hash, as `$argon2id$v=19$…`.
    ///
    /// # Errors
    /// When it is too short, or no hash.
    pub fn new(text: &str) -> Result<Self, BadCredentials> {
        let text = text.trim();
        if text.starts_with("$argon2") {
            PasswordHash::new(text).map_err(|error| BadCredentials::BadHash(error.to_string()))?;
            return Ok(Self(Kind::Argon2(text.to_owned())));
        }
        if text.len() < SHORTEST {
            return Err(BadCredentials::TooShort(text.len()));
        }
        Ok(Self(Kind::Plain(Sha256::digest(text.as_bytes()).into())))
    }

    /// Whether a text is the secret. Of a hash this takes as long as the hash wants.
    fn is(&self, text: &str) -> bool {
        match &self.0 {
            Kind::Plain(hash) => equal(hash, &Sha256::digest(text.as_bytes())),
            Kind::Argon2(hash) => PasswordHash::new(hash)
                .is_ok_and(|hash| Argon2::default().verify_password(text.as_bytes(), &hash).is_ok()),
        }
    }
}

/// What lets a client in.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    tokens: Vec<(Role, Secret)>,
    passwords: Vec<(Role, Secret)>,
    totp: Option<Totp>,
}

impl Credentials {
    /// Adds a token.
    pub fn add_token(&mut self, role: Role, secret: Secret) {
        self.tokens.push((role, secret));
    }

    /// Adds a password.
    pub fn add_password(&mut self, role: Role, secret: Secret) {
        self.passwords.push((role, secret));
    }

    /// Wants a code of an authenticator with every password.
    pub fn set_totp(&mut self, totp: Totp) {
        self.totp = Some(totp);
    }

    /// Adds a new token and returns it.
    pub fn add_automatic_token(&mut self, role: Role) -> Zeroizing<String> {
        let token = Zeroizing::new(random_text());
        self.tokens.push((role, Secret(Kind::Plain(Sha256::digest(token.as_bytes()).into()))));
        token
    }

    /// Whether nobody could be let in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty() && self.passwords.is_empty()
    }

    /// How a person logs in.
    pub(crate) const fn login(&self) -> &'static str {
        match (self.passwords.is_empty(), self.totp.is_some()) {
            (true, _) => "token",
            (false, false) => "password",
            (false, true) => "password+totp",
        }
    }

    /// The role of a token.
    pub(crate) fn of_token(&self, token: &str) -> Option<Role> {
        role_of(&self.tokens, token)
    }

    /// The role of a password. Takes time.
    pub(crate) fn of_password(&self, password: &str) -> Option<Role> {
        role_of(&self.passwords, password)
    }

    pub(crate) const fn totp(&self) -> Option<&Totp> {
        self.totp.as_ref()
    }
}

/// All are compared, so that the time tells nothing.
fn role_of(secrets: &[(Role, Secret)], text: &str) -> Option<Role> {
    secrets
        .iter()
        .fold(None, |found, (role, secret)| if secret.is(text) { found.max(Some(*role)) } else { found })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_recognised_and_the_greater_role_counts() {
        let mut credentials = Credentials::default();
        assert!(credentials.is_empty());
        credentials.add_token(Role::Reader, Secret::new("a token of twelve\n").unwrap());
        credentials.add_token(Role::Operator, Secret::new("another long token").unwrap());
        assert_eq!(credentials.of_token("a token of twelve"), Some(Role::Reader));
        assert_eq!(credentials.of_token("another long token"), Some(Role::Operator));
        assert_eq!(credentials.of_token("a token of twelvE"), None);
        assert_eq!(credentials.of_password("a token of twelve"), None, "a token is no password");
        let automatic = credentials.add_automatic_token(Role::Operator);
        assert_eq!((credentials.of_token(&automatic), automatic.len()), (Some(Role::Operator), 64));
    }

    #[test]
    fn a_hash_of_argon2_is_a_password() {
        // `printf 'correct horse' | argon2 saltsaltsalt -id -t 1 -k 64 -p 1 -e`, computed by the same crate.
        let mut out = [0; 32];
        let params = argon2::Params::new(64, 1, 1, Some(32)).unwrap();
        let argon = Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
        argon.hash_password_into(b"correct horse", b"saltsaltsalt", &mut out).unwrap();
        let base64 = |bytes: &[u8]| data_encoding::BASE64_NOPAD.encode(bytes);
        let hash = format!("$argon2id$v=19$m=64,t=1,p=1${}${}", base64(b"saltsaltsalt"), base64(&out));
        let mut credentials = Credentials::default();
        credentials.add_password(Role::Operator, Secret::new(&hash).unwrap());
        assert_eq!(credentials.of_password("correct horse"), Some(Role::Operator));
        assert_eq!(credentials.of_password("correct horsf"), None);
    }

    #[test]
    fn what_can_be_guessed_is_refused() {
        assert_eq!(Secret::new(" short ").unwrap_err(), BadCredentials::TooShort(5));
        assert!(matches!(Secret::new("$argon2id$nonsense"), Err(BadCredentials::BadHash(_))));
    }
}
