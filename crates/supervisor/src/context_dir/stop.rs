//! What roboppi does itself obeys the limits of work.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::tree_error::TreeError;

/// Tells work on another thread to stop at its next block.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    pub(crate) fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// An error when it was told to stop.
    pub(super) fn check(&self, path: &Path) -> Result<(), TreeError> {
        if self.is_stopped() {
            return Err(TreeError::Stopped { path: path.to_owned() });
        }
        Ok(())
    }
}

/// The limits of what is copied and read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Limits {
    pub(crate) stop: Stop,
    /// Bytes of the disk that are to stay free; 0 for no limit.
    pub(crate) min_free: u64,
}
