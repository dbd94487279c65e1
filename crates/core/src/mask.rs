//! Hiding a value from now on: what a worker says on the socket of its attempt.
//!
//! Each attempt has a socket of its own while it lasts, named by [`SOCKET`] in the environment of its worker, for the owner
//! of the core alone. The next attempt may get the same one, and it is gone with the core. A client writes `mask <length>`, a newline and the bytes of the value, and
//! reads one line, the [`Verdict`]. It comes when the value is in force: nothing that the core hands out afterwards,
//! to a file or to the wire, has it.

mod client;
mod server;

use std::fmt;

use roboppi_redact::Taken;

pub use client::{MaskError, mask};
pub use server::SocketPlace;
pub(crate) use server::{MaskSocket, Sockets};

/// The variable that tells a worker where the socket of its attempt is.
pub const SOCKET: &str = "ROBOPPI_SOCKET";

/// Bytes of the longest value, as of one that is masked by a line of output.
pub const LONGEST_VALUE: usize = roboppi_redact::LONGEST_MASK;

/// The word that begins a request.
const MASK: &[u8] = b"mask ";

/// Bytes of the longest first line of a request, newline included.
const LONGEST_HEAD: usize = 32;

/// What became of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// `hidden`: from now on it is hidden.
    Hidden,
    /// `too-short`: it has fewer than 8 bytes and stays visible.
    TooShort,
    /// `too-long`: it has more than [`LONGEST_VALUE`] bytes and stays visible.
    TooLong,
    /// `full`: as much is hidden as can be; this value stays visible.
    Full,
    /// `not-understood`: this was no request that the core knows.
    NotUnderstood,
}

impl Verdict {
    const ALL: [Self; 5] = [Self::Hidden, Self::TooShort, Self::TooLong, Self::Full, Self::NotUnderstood];

    /// The word on the socket.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Hidden => "hidden",
            Self::TooShort => "too-short",
            Self::TooLong => "too-long",
            Self::Full => "full",
            Self::NotUnderstood => "not-understood",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.word() == word)
    }
}

impl From<Taken> for Verdict {
    fn from(taken: Taken) -> Self {
        match taken {
            Taken::Added | Taken::Known => Self::Hidden,
            Taken::TooShort => Self::TooShort,
            Taken::Full => Self::Full,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
