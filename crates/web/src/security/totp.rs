//! Codes of an authenticator (RFC 6238: SHA-1, 6 digits, 30 seconds).

use data_encoding::BASE32_NOPAD;
use hmac::{Hmac, Mac};
use sha1::Sha1;
use thiserror::Error;

use super::equal;

/// Seconds for which a code is good.
const STEP: u64 = 30;

/// Shortest secret, in bytes.
const SHORTEST: usize = 10;

/// The secret that an authenticator shares with the server.
#[derive(Clone)]
pub struct Totp(Vec<u8>);

impl std::fmt::Debug for Totp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Totp")
    }
}

/// A text that is no secret of an authenticator.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("it must be base32 (A to Z, 2 to 7) of at least {SHORTEST} bytes")]
pub struct BadTotp;

impl Totp {
    /// A secret in base32, as authenticators show it.
    ///
    /// # Errors
    /// When it is none.
    pub fn new(text: &str) -> Result<Self, BadTotp> {
        let plain: String =
            text.chars().filter(|char| !char.is_whitespace() && !"-=".contains(*char)).collect();
        let secret = BASE32_NOPAD.decode(plain.to_ascii_uppercase().as_bytes()).map_err(|_| BadTotp)?;
        if secret.len() < SHORTEST { Err(BadTotp) } else { Ok(Self(secret)) }
    }

    /// The step of which a code is, when it is one of now, of the one before, or of the next one, and later than `used`: a code
    /// is good once.
    pub(crate) fn step_of(&self, code: &str, now_ms: u64, used: Option<u64>) -> Option<u64> {
        let now = now_ms / 1000 / STEP;
        let code: String = code.chars().filter(|char| !char.is_whitespace()).collect();
        let steps = now.saturating_sub(1)..=now + 1;
        steps
            .filter(|step| equal(self.code(*step).as_bytes(), code.as_bytes()))
            .find(|step| used.is_none_or(|used| *step > used))
    }

    fn code(&self, step: u64) -> String {
        let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(&self.0) else { return String::new() };
        mac.update(&step.to_be_bytes());
        let hash = mac.finalize().into_bytes();
        let at = usize::from(hash[19] & 0xf);
        let word = [hash[at] & 0x7f, hash[at + 1], hash[at + 2], hash[at + 3]];
        format!("{:06}", u32::from_be_bytes(word) % 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_the_standard() {
        // RFC 6238, appendix B: the secret is `12345678901234567890`; the last six digits.
        let totp = Totp::new("GEZD GNBV GY3T QOJQ GEZDGNBVGY3TQOJQ").unwrap();
        for (seconds, code) in [(59, "287082"), (1_111_111_109, "081804"), (20_000_000_000, "353130")] {
            assert_eq!(totp.step_of(code, seconds * 1000, None), Some(seconds / 30), "{seconds}");
        }
    }

    #[test]
    fn a_code_is_good_once_and_for_a_minute_at_the_most() {
        let totp = Totp::new("GEZDGNBVGY3TQOJQ").unwrap();
        let (now, step) = (3_000_000, 100);
        let code = totp.code(step);
        assert_eq!(totp.step_of(&code, now, None), Some(step));
        assert_eq!(totp.step_of(&code, now, Some(step)), None, "it was used");
        assert_eq!(totp.step_of(&code, now + 60_000, None), None, "it is over");
        assert_eq!(totp.step_of("", now, None), None);
    }

    #[test]
    fn what_is_no_secret_is_refused() {
        for bad in ["", "GEZD", "GEZDGNBVGY3TQOJ1", "äöü"] {
            assert!(Totp::new(bad).is_err(), "{bad}");
        }
    }
}
