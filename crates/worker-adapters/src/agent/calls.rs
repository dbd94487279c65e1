//! Tool calls that have begun and not ended.

use std::collections::HashMap;

use roboppi_ipc::Mono;

/// Calls that are open at most; no agent has so many. More are not told of.
const OPEN_CALLS: usize = 10_000;

/// Pairs results with calls by their id, and measures the time between them.
#[derive(Debug)]
pub struct Calls<T> {
    open: HashMap<String, (Mono, T)>,
}

impl<T> Default for Calls<T> {
    fn default() -> Self {
        Self { open: HashMap::new() }
    }
}

impl<T> Calls<T> {
    /// A call begins; `note` is given back at its end. False when a call of that id is open already (its line
    /// came twice), or too many are.
    pub fn begin(&mut self, id: &str, now: Mono, note: T) -> bool {
        let is_new = !self.open.contains_key(id) && self.open.len() < OPEN_CALLS;
        if is_new {
            self.open.insert(id.to_owned(), (now, note));
        }
        is_new
    }

    /// The note of an open call.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&T> {
        self.open.get(id).map(|(_, note)| note)
    }

    /// A call ends: its milliseconds and its note, when its beginning was seen.
    pub fn end(&mut self, id: &str, now: Mono) -> Option<(u64, T)> {
        let (begun, note) = self.open.remove(id)?;
        let took = now.since(begun).as_millis();
        Some((u64::try_from(took).unwrap_or(u64::MAX), note))
    }

    /// How many are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.len()
    }
}
