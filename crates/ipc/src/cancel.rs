//! The order to end something.

use crate::CancelReason;

/// An order to end a run, a step, an attempt or a worker: why, and how hard.
///
/// One value goes all the way from the key or signal to the process. Orders for the same thing only become more severe, see
/// [`escalate`](Self::escalate).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancel {
    /// Why.
    pub reason: CancelReason,
    /// Kill at once, without TERM and the grace time after it.
    pub force: bool,
}

impl Cancel {
    /// End with TERM, and with KILL only when the grace time is over.
    #[must_use]
    pub const fn graceful(reason: CancelReason) -> Self {
        Self { reason, force: false }
    }

    /// Kill at once.
    #[must_use]
    pub const fn forced(reason: CancelReason) -> Self {
        Self { reason, force: true }
    }

    /// What `later` makes of an earlier order: the more severe of both reasons, and force once it was asked for.
    #[must_use]
    pub fn escalate(self, later: Self) -> Self {
        Self { reason: self.reason.max(later.reason), force: self.force || later.force }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_only_becomes_more_severe() {
        use CancelReason::{Parent, Timeout, User};
        let timeout = Cancel::graceful(Timeout);
        assert_eq!(timeout.escalate(Cancel::graceful(User)), timeout);
        assert_eq!(timeout.escalate(Cancel::forced(User)), Cancel::forced(Timeout));
        assert_eq!(Cancel::forced(User).escalate(Cancel::graceful(Parent)), Cancel::forced(Parent));
    }
}
