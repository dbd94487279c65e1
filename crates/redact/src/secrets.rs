//! The set of values that must not be seen.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use zeroize::Zeroizing;

use crate::SHORTEST;
use crate::matcher::Matchers;
use crate::spellings::{spellings, without_line_end};

/// Values that a set holds at most. A command that asks for more to be masked is told no: each further group of
/// values makes every stream slower.
pub const MOST_VALUES: usize = 1000;

/// Bytes that all values of a set have together at most. Each byte is looked for in some twenty spellings.
pub const MOST_BYTES: usize = 256 * 1024;

/// What became of a value that was to be hidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a value that is not taken will be seen"]
pub enum Taken {
    /// It is hidden from now on.
    Added,
    /// It was hidden already.
    Known,
    /// It has fewer than [`SHORTEST`] bytes (line ends at its end not counted) and is **not** hidden.
    TooShort,
    /// The set holds [`MOST_VALUES`] values or would hold more than [`MOST_BYTES`]; this one is **not** hidden.
    Full,
}

/// The values that must not be seen, shared by all streams of one run. Clones are the same set.
///
/// Values are wiped from memory when the last clone and the last [`Redactor`](crate::Redactor) are gone, except for
/// windows of eight bytes that the searcher copies. `Debug` shows names and counts, never values.
#[derive(Clone, Default)]
pub struct Secrets {
    shared: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    /// Counts the growth of the set, so that a stream sees without a lock that nothing changed.
    version: AtomicU64,
    set: RwLock<Set>,
}

#[derive(Default)]
struct Set {
    values: Vec<Hidden>,
    bytes: usize,
    too_short: BTreeSet<String>,
    left_out: BTreeSet<String>,
    matchers: Arc<Matchers>,
}

/// A value with the names it is known by.
struct Hidden {
    value: Zeroizing<Vec<u8>>,
    names: BTreeSet<String>,
}

impl Set {
    fn take(&mut self, name: &str, value: &[u8]) -> Taken {
        let value = without_line_end(value);
        if value.len() < SHORTEST {
            self.too_short.insert(name.to_owned());
            return Taken::TooShort;
        }
        if let Some(known) = self.values.iter_mut().find(|known| known.value.as_slice() == value) {
            known.names.insert(name.to_owned());
            return Taken::Known;
        }
        if self.values.len() >= MOST_VALUES || self.bytes + value.len() > MOST_BYTES {
            self.left_out.insert(name.to_owned());
            return Taken::Full;
        }
        self.bytes += value.len();
        let names = BTreeSet::from([name.to_owned()]);
        self.values.push(Hidden { value: Zeroizing::new(value.to_vec()), names });
        Taken::Added
    }

    /// Makes the last `new` values searched for as well.
    fn compile(&mut self, new: usize) {
        if new > 0 {
            let patterns =
                |values: &[Hidden]| values.iter().flat_map(|hidden| spellings(&hidden.value)).collect();
            let mut matchers = Matchers::clone(&self.matchers);
            matchers.grow(&self.values, new, patterns);
            self.matchers = Arc::new(matchers);
        }
    }
}

impl Secrets {
    /// A set of these (name, value) pairs. [`too_short`](Self::too_short) and
    /// [`left_out`](Self::left_out) tell afterwards which were not taken.
    pub fn new<N: AsRef<str>, V: AsRef<[u8]>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let mut set = Set::default();
        for (name, value) in pairs {
            // A short one is remembered by its name.
            let _taken = set.take(name.as_ref(), value.as_ref());
        }
        set.compile(set.values.len());
        let shared = Inner { version: AtomicU64::new(0), set: RwLock::new(set) };
        Self { shared: Arc::new(shared) }
    }

    /// Hides one more value in everything that the streams have not handed out yet.
    pub fn add(&self, name: &str, value: &[u8]) -> Taken {
        let mut set = self.shared.set.write().unwrap_or_else(PoisonError::into_inner);
        let taken = set.take(name, value);
        if taken == Taken::Added {
            set.compile(1);
            self.shared.version.fetch_add(1, Ordering::Release);
        }
        taken
    }

    /// Number of different values that are hidden.
    #[must_use]
    pub fn len(&self) -> usize {
        self.read().values.len()
    }

    /// Whether nothing is hidden.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values that were added after the first `known` ones, to tell them to somebody who has those.
    #[must_use]
    pub fn values_from(&self, known: usize) -> Vec<Zeroizing<Vec<u8>>> {
        self.read().values.iter().skip(known).map(|hidden| hidden.value.clone()).collect()
    }

    /// The names by which hidden values are known, in order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let set = self.read();
        let names: BTreeSet<_> = set.values.iter().flat_map(|hidden| &hidden.names).collect();
        names.into_iter().cloned().collect()
    }

    /// The names of the values that a text holds as they are, in order.
    #[must_use]
    pub fn names_in(&self, text: &str) -> Vec<String> {
        let set = self.read();
        let held = |hidden: &&Hidden| memchr::memmem::find(text.as_bytes(), &hidden.value).is_some();
        let names: BTreeSet<_> = set.values.iter().filter(held).flat_map(|hidden| &hidden.names).collect();
        names.into_iter().cloned().collect()
    }

    /// The names of values that are not hidden because they are too short, in order.
    #[must_use]
    pub fn too_short(&self) -> Vec<String> {
        self.read().too_short.iter().cloned().collect()
    }

    /// The names of values that are not hidden because the set was full, in order.
    #[must_use]
    pub fn left_out(&self) -> Vec<String> {
        self.read().left_out.iter().cloned().collect()
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Set> {
        self.shared.set.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn version(&self) -> u64 {
        self.shared.version.load(Ordering::Acquire)
    }

    pub(crate) fn matchers(&self) -> Arc<Matchers> {
        Arc::clone(&self.read().matchers)
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = self.read();
        let names: BTreeSet<_> = set.values.iter().flat_map(|hidden| &hidden.names).collect();
        f.debug_struct("Secrets")
            .field("values", &set.values.len())
            .field("patterns", &set.matchers.len())
            .field("names", &names)
            .field("too_short", &set.too_short)
            .field("left_out", &set.left_out)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_learns_what_is_not_hidden() {
        let secrets =
            Secrets::new([("LONG", "long enough"), ("SHORT", "short\n"), ("TWIN", "long enough\n")]);
        assert_eq!(secrets.len(), 1);
        assert_eq!(secrets.names(), ["LONG", "TWIN"]);
        assert_eq!(secrets.too_short(), ["SHORT"]);
        assert_eq!(secrets.add("X", b"1234567"), Taken::TooShort);
        assert_eq!(secrets.add("X", b"12345678"), Taken::Added);
        assert_eq!(secrets.clone().add("Y", b"12345678"), Taken::Known);
        assert_eq!(secrets.too_short(), ["SHORT", "X"]);
    }

    #[test]
    fn it_makes_no_difference_when_a_value_comes() {
        let values: Vec<String> = (0..70).map(|at| format!("value-{at:06}-of-many")).collect();
        let text = values.join(" and ");
        for before in [0, 1, 20, 69] {
            let secrets = Secrets::new(values[..before].iter().map(|value| ("N", value)));
            for value in &values[before..] {
                assert_eq!(secrets.add("N", value.as_bytes()), Taken::Added);
                assert_eq!(secrets.redact_str(value), "***");
            }
            assert_eq!(secrets.redact_str(&text), ["***"; 70].join(" and "));
            // Beginnings of early and of late ones wait.
            for value in [&values[0], &values[69]] {
                let mut redactor = crate::Redactor::new(&secrets);
                let mut out = Vec::new();
                redactor.push(&value.as_bytes()[..12], &mut out);
                redactor.push(&value.as_bytes()[12..], &mut out);
                redactor.finish(&mut out);
                assert_eq!(out, b"***");
            }
        }
    }

    #[test]
    fn a_flood_of_masks_has_an_end() {
        let secrets = Secrets::new((0..MOST_VALUES).map(|at| ("N", format!("value-{at:06}"))));
        assert_eq!(secrets.len(), MOST_VALUES);
        assert_eq!(secrets.add("MORE", b"one more value"), Taken::Full);
        assert_eq!(secrets.left_out(), ["MORE"]);
        assert_eq!(secrets.add("N", b"value-000000"), Taken::Known);
    }

    #[test]
    fn large_values_have_an_end_too() {
        let secrets = Secrets::new([("FITS", vec![b'x'; MOST_BYTES - 8]), ("LARGE", vec![b'y'; 9])]);
        assert_eq!(secrets.left_out(), ["LARGE"]);
        assert_eq!(secrets.redact_str("yyyyyyyyy"), "yyyyyyyyy");
    }

    #[test]
    fn debug_shows_no_value() {
        let secrets = Secrets::new([("A", "canary0canary"), ("B", "tiny")]);
        let mut redactor = crate::Redactor::new(&secrets).with_masks();
        redactor.push(b"x canary0cana", &mut Vec::new());
        let mut masking = crate::Redactor::new(&secrets).with_masks();
        masking.push(b"::add-mask::canary0", &mut Vec::new());
        let shown = format!("{secrets:?} {secrets:#?} {redactor:?} {masking:?}");
        assert!(!shown.contains("canary") && !shown.contains("tiny") && !shown.contains("99, 97"), "{shown}");
        assert!(shown.contains("patterns: 4"), "{shown}");
    }
}
