//! How a process ended.

use std::fmt;

use crate::signal_name;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExitKind {
    /// It returned this code, 0 to 255.
    Code(i32),
    /// The signal of this number ended it.
    Signal(i32),
}

impl ExitKind {
    /// One number as a shell gives it: the code, or 128 plus the number of the signal.
    #[must_use]
    pub const fn code(self) -> i32 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128 + signal,
        }
    }

    /// The signal, when it was one.
    #[must_use]
    pub const fn signal(self) -> Option<i32> {
        match self {
            Self::Code(_) => None,
            Self::Signal(signal) => Some(signal),
        }
    }
}

impl fmt::Display for ExitKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => match signal_name(*signal) {
                Some(name) => write!(f, "signal {signal} ({name})"),
                None => write!(f, "signal {signal}"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_code_and_signal_as_a_shell_does() {
        assert_eq!(ExitKind::Code(7).code(), 7);
        assert_eq!(ExitKind::Signal(9).code(), 137);
        assert_eq!((ExitKind::Code(9).signal(), ExitKind::Signal(9).signal()), (None, Some(9)));
        assert_eq!(ExitKind::Signal(9).to_string(), "signal 9 (SIGKILL)");
        assert_eq!(ExitKind::Signal(40).to_string(), "signal 40");
        assert_eq!(ExitKind::Code(0).to_string(), "exit code 0");
    }
}
