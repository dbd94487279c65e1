//! The runs that are followed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use roboppi_attach::LocalRun;
use roboppi_record::{RecordError, StateRoot};
use roboppi_run::RunId;

use super::Hub;

/// Runs that are kept although nobody looks at them, for the next one who does.
const KEPT: usize = 32;

/// For how long.
const IDLE: Duration = Duration::from_secs(60);

/// Follows each run once, as long as it is looked at.
#[derive(Debug)]
pub(crate) struct Hubs {
    root: StateRoot,
    hubs: Mutex<HashMap<RunId, (Arc<Hub>, Instant)>>,
}

/// Why a run cannot be followed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// There is none.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// No thread can be started.
    #[error("no thread can be started: {0}")]
    Thread(#[from] std::io::Error),
}

impl Hubs {
    pub(crate) fn new(root: StateRoot) -> Self {
        Self { root, hubs: Mutex::default() }
    }

    pub(crate) const fn root(&self) -> &StateRoot {
        &self.root
    }

    /// The run that a text names: an id, a handle, or the beginning of an id. Reads directories, so it is not for the thread
    /// of the runtime.
    ///
    /// # Errors
    /// When there is no such run, or it cannot be followed.
    pub(crate) fn get(&self, text: &str) -> Result<Arc<Hub>, OpenError> {
        let id = self.root.resolve(text)?;
        self.of(&id)
    }

    /// The run of an id.
    ///
    /// # Errors
    /// As above.
    pub(crate) fn of(&self, id: &RunId) -> Result<Arc<Hub>, OpenError> {
        let run = LocalRun::open(&self.root, id)?;
        let now = Instant::now();
        let mut hubs = self.hubs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((hub, used)) = hubs.get_mut(id) {
            *used = now;
            return Ok(Arc::clone(hub));
        }
        hubs.retain(|_, (hub, used)| Arc::strong_count(hub) > 1 || now.duration_since(*used) < IDLE);
        let mut idle: Vec<_> = hubs
            .iter()
            .filter(|(_, (hub, _))| Arc::strong_count(hub) == 1)
            .map(|(id, (_, used))| (*used, id.clone()))
            .collect();
        idle.sort();
        for (_, id) in idle.iter().take(idle.len().saturating_sub(KEPT - 1)) {
            hubs.remove(id);
        }
        let hub = Hub::open(run)?;
        hubs.insert(id.clone(), (Arc::clone(&hub), now));
        Ok(hub)
    }

    /// Runs that are followed now.
    pub(crate) fn count(&self) -> usize {
        self.hubs.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}
