//! A reader that gives only so much.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

/// What may still be read, known to the reader and to whoever allows it.
#[derive(Debug)]
pub(super) struct Allowance {
    /// In all.
    total: Cell<u64>,
    /// Until somebody allows more.
    now: Cell<u64>,
    exceeded: Cell<bool>,
}

/// Reads from another reader as far as it is allowed, and fails beyond that.
#[derive(Debug)]
pub(super) struct Bounded<R> {
    inner: R,
    allowance: Rc<Allowance>,
}

impl Allowance {
    pub(super) fn new(total: u64) -> Rc<Self> {
        Rc::new(Self { total: Cell::new(total), now: Cell::new(0), exceeded: Cell::new(false) })
    }

    /// Allows so many bytes, instead of what is left of the last time.
    pub(super) fn allow(&self, bytes: u64) {
        self.now.set(bytes);
    }

    /// Whether all that was allowed in all was read, and more asked for.
    pub(super) fn is_used_up(&self) -> bool {
        self.exceeded.get() && self.total.get() == 0
    }
}

impl<R: Read> Bounded<R> {
    pub(super) fn new(inner: R, allowance: &Rc<Allowance>) -> Self {
        Self { inner, allowance: Rc::clone(allowance) }
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (total, now) = (self.allowance.total.get(), self.allowance.now.get());
        let most = usize::try_from(total.min(now)).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 && !buffer.is_empty() {
            self.allowance.exceeded.set(true);
            return Err(io::Error::other("a part of it is larger than it may be"));
        }
        let read = self.inner.read(&mut buffer[..most])?;
        self.allowance.total.set(total - read as u64);
        self.allowance.now.set(now - read as u64);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_gives_what_is_allowed_and_no_more() {
        let allowance = Allowance::new(10);
        let mut reader = Bounded::new(io::repeat(7), &allowance);
        let mut buffer = [0; 8];
        assert!(reader.read(&mut buffer).is_err());
        allowance.allow(6);
        assert_eq!(reader.read(&mut buffer).unwrap(), 6);
        assert!(reader.read(&mut buffer).is_err());
        assert!(!allowance.is_used_up());
        allowance.allow(100);
        assert_eq!(reader.read(&mut buffer).unwrap(), 4);
        assert!(reader.read(&mut buffer).is_err());
        assert!(allowance.is_used_up());
    }
}
