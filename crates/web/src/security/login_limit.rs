//! How often a client may try to log in: a pure machine.

use std::collections::HashMap;
use std::net::IpAddr;

/// Failed attempts in a minute.
const ATTEMPTS: usize = 5;

/// A minute, in milliseconds.
const MINUTE: u64 = 60_000;

/// Addresses that are counted one by one. Beyond those, all others are counted as one.
const ADDRESSES: usize = 4096;

/// Failed attempts of the last minute, by the address of the client. Times are milliseconds of a monotonic clock.
#[derive(Debug, Default)]
pub(crate) struct LoginLimit {
    failed: HashMap<Option<IpAddr>, Vec<u64>>,
}

impl LoginLimit {
    /// How long an address must wait before its next attempt, in milliseconds; `None` when it need not.
    pub(crate) fn wait(&mut self, now: u64, address: IpAddr) -> Option<u64> {
        let failed = self.failed.get_mut(&Some(address)).map(|failed| recent(failed, now));
        let others = self.failed.get_mut(&None).map(|failed| recent(failed, now));
        // Whoever has no count of its own shares one.
        let counted = failed.or(others.filter(|_| self.failed.len() > ADDRESSES))?;
        let (count, oldest) = counted;
        (count >= ATTEMPTS).then(|| (oldest + MINUTE).saturating_sub(now).max(1))
    }

    /// An attempt of an address failed.
    pub(crate) fn failed(&mut self, now: u64, address: IpAddr) {
        if self.failed.len() >= ADDRESSES && !self.failed.contains_key(&Some(address)) {
            self.failed.retain(|_, failed| recent(failed, now).0 > 0);
        }
        let is_full = self.failed.len() >= ADDRESSES && !self.failed.contains_key(&Some(address));
        let key = if is_full { None } else { Some(address) };
        let failed = self.failed.entry(key).or_default();
        failed.push(now);
        let excess = failed.len().saturating_sub(ATTEMPTS);
        failed.drain(..excess);
    }
}

/// Forgets what is older than a minute. Returns how many are left, and the oldest of them.
fn recent(failed: &mut Vec<u64>, now: u64) -> (usize, u64) {
    failed.retain(|at| at + MINUTE > now);
    (failed.len(), failed.first().copied().unwrap_or(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const OTHER: IpAddr = IpAddr::V6(std::net::Ipv6Addr::LOCALHOST);

    #[test]
    fn after_five_failures_an_address_waits_for_the_rest_of_the_minute() {
        let mut limit = LoginLimit::default();
        for attempt in 0..5 {
            assert_eq!(limit.wait(attempt, ONE), None);
            limit.failed(attempt * 1000, ONE);
        }
        assert_eq!(limit.wait(10_000, ONE), Some(50_000));
        assert_eq!(limit.wait(10_000, OTHER), None);
        assert_eq!(limit.wait(60_000, ONE), None, "the first one is a minute ago");
        limit.failed(60_000, ONE);
        assert_eq!(limit.wait(60_000, ONE), Some(1000));
    }

    #[test]
    fn many_addresses_take_no_more_room_than_some() {
        let mut limit = LoginLimit::default();
        let address = |number: u32| IpAddr::V4(number.into());
        for number in 0..20_000 {
            limit.failed(1, address(number));
        }
        assert!(limit.failed.len() <= ADDRESSES + 1);
        assert!(limit.wait(2, address(19_999)).is_some(), "it shares a count");
        assert_eq!(limit.wait(2, address(7)), None, "it has its own");
        limit.failed(100_000, OTHER);
        assert!(limit.failed.len() <= 2, "the rest is forgotten");
    }
}
