//! Who may do what: credentials, sessions, and the rules that each request is held to.

mod credentials;
mod gate;
mod hosts;
mod login_limit;
mod sessions;
mod totp;

pub use credentials::{BadCredentials, Credentials, Secret};
pub(crate) use gate::{Known, Refusal, RequestFacts, RouteKind, decide};
pub use hosts::HostNames;
pub(crate) use login_limit::LoginLimit;
pub(crate) use sessions::Sessions;
pub use totp::{BadTotp, Totp};

/// 244 random bits as text.
pub(crate) fn random_text() -> String {
    let half = || uuid::Uuid::new_v4().simple().to_string();
    half() + &half()
}

/// Whether two texts of bytes are equal, in a time that does not depend on where they differ.
pub(crate) fn equal(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |sum, (one, other)| sum | (one ^ other)) == 0
}
