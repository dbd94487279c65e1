//! Which file a name leads to, and from where it is read.
//!
//! A file is known by its device, its inode and its first bytes: an inode alone is given to another file once a file is removed.

use std::time::Duration;

use roboppi_ipc::Mono;
use serde::{Deserialize, Serialize};

/// First bytes of a file by which it is known.
pub const HEAD: usize = 256;

/// Files without their name that are read on, for programs that still write to them.
const OLD_FILES: usize = 8;

/// How long a file without its name is read on after its last byte.
const QUIET: Duration = Duration::from_secs(60);

/// A file as it is now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Its device.
    pub dev: u64,
    /// Its inode.
    pub ino: u64,
    /// Its length.
    pub len: u64,
    /// Its first bytes, at most [`HEAD`].
    pub head: Vec<u8>,
}

/// A file that is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// Its name among all files that were ever read.
    pub name: String,
    dev: u64,
    ino: u64,
    /// Number and checksum of its first bytes.
    head: (usize, u64),
    /// All lines before this position are reported.
    pub offset: u64,
    /// When it was seen to grow last.
    #[serde(skip)]
    grew: Option<(Mono, u64)>,
}

impl Known {
    /// A file that is read from a position.
    #[must_use]
    pub fn new(name: String, seen: &Seen, offset: u64) -> Self {
        let head = (seen.head.len(), checksum(&seen.head));
        Self { name, dev: seen.dev, ino: seen.ino, head, offset, grew: None }
    }

    /// Whether it is this file.
    #[must_use]
    pub fn is(&self, seen: &Seen) -> bool {
        self.has_inode(seen) && self.has_head(seen)
    }

    fn has_inode(&self, seen: &Seen) -> bool {
        (self.dev, self.ino) == (seen.dev, seen.ino)
    }

    fn has_head(&self, seen: &Seen) -> bool {
        seen.head.get(..self.head.0).is_some_and(|head| checksum(head) == self.head.1)
    }
}

/// What a name leads to now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// No file. One that was there is read on.
    Absent,
    /// The file that was there.
    Same,
    /// The first file.
    Created,
    /// Another file. The one before has another name, or none, and is read on.
    Replaced,
    /// The file that was there became shorter, or begins differently: what was written before that and not read is gone.
    Truncated,
}

/// The files that a name leads to, one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tail {
    /// The file of the name.
    pub current: Option<Known>,
    /// Files that had the name, oldest first.
    pub old: Vec<Known>,
}

impl Tail {
    /// Looks at the file of the name. `name` is for one that is new.
    pub fn look(&mut self, seen: Option<&Seen>, name: impl FnOnce() -> String) -> Look {
        let Some(seen) = seen else { return Look::Absent };
        if let Some(known) = self.current.as_mut().filter(|known| known.has_inode(seen)) {
            if known.has_head(seen) && seen.len >= known.offset {
                known.head = (seen.head.len(), checksum(&seen.head));
                return Look::Same;
            }
            // What is left of it was read before, if it is the same.
            let offset = if known.has_head(seen) { seen.len } else { 0 };
            *known = Known::new(name(), seen, offset);
            return Look::Truncated;
        }
        let before = self.current.take();
        let back = self.old.iter().position(|known| known.is(seen)).map(|at| self.old.remove(at));
        let look = if before.is_some() { Look::Replaced } else { Look::Created };
        self.old.extend(before);
        self.current = Some(back.unwrap_or_else(|| Known::new(name(), seen, 0)));
        look
    }

    /// Files that are read no more, because nothing was written to them for a while. `len_of` is the length of a file, if it is open.
    pub fn retire(&mut self, now: Mono, len_of: impl Fn(&Known) -> Option<u64>) -> Vec<Known> {
        let mut retired = Vec::new();
        let excess = self.old.len().saturating_sub(OLD_FILES);
        for (index, mut known) in std::mem::take(&mut self.old).into_iter().enumerate() {
            let len = len_of(&known);
            let (since, _) = match known.grew {
                Some((since, before)) if Some(before) == len => (since, before),
                _ => *known.grew.insert((now, len.unwrap_or_default())),
            };
            if index < excess || len.is_none() || now.since(since) >= QUIET {
                retired.push(known);
            } else {
                self.old.push(known);
            }
        }
        retired
    }
}

/// FNV-1a.
fn checksum(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(ino: u64, text: &str) -> Seen {
        let head = text.as_bytes()[..text.len().min(HEAD)].to_vec();
        Seen { dev: 1, ino, len: text.len() as u64, head }
    }

    fn look(tail: &mut Tail, file: Option<&Seen>) -> Look {
        tail.look(file, || "new".into())
    }

    #[test]
    fn a_file_is_its_inode_and_its_beginning() {
        let mut tail = Tail::default();
        assert_eq!(look(&mut tail, None), Look::Absent);
        assert_eq!(look(&mut tail, Some(&seen(7, ""))), Look::Created);
        assert_eq!(look(&mut tail, Some(&seen(7, "one\n"))), Look::Same);
        tail.current.as_mut().unwrap().offset = 4;
        // Renamed, and another file made.
        assert_eq!(look(&mut tail, None), Look::Absent);
        assert_eq!(look(&mut tail, Some(&seen(8, "two\n"))), Look::Replaced);
        assert_eq!((tail.old.len(), tail.old[0].offset, tail.current.as_ref().unwrap().offset), (1, 4, 0));
        // Renamed back.
        assert_eq!(look(&mut tail, Some(&seen(7, "one\nmore\n"))), Look::Replaced);
        assert_eq!(tail.current.as_ref().unwrap().offset, 4);
        // Copied and truncated: shorter, then longer than before.
        assert_eq!(look(&mut tail, Some(&seen(7, ""))), Look::Truncated);
        assert_eq!(tail.current.as_ref().unwrap().offset, 0);
        assert_eq!(look(&mut tail, Some(&seen(7, "three\n"))), Look::Same);
        assert_eq!(look(&mut tail, Some(&seen(7, "a much longer line\n"))), Look::Truncated);
        // Cut in the middle: the rest was read.
        let long = "a line\n".repeat(100);
        look(&mut tail, Some(&seen(9, &long)));
        tail.current.as_mut().unwrap().offset = 700;
        assert_eq!(look(&mut tail, Some(&seen(9, &long[..350]))), Look::Truncated);
        assert_eq!(tail.current.as_ref().unwrap().offset, 350);
    }

    #[test]
    fn files_without_a_name_are_read_for_a_while() {
        let at = |seconds| Mono::from_origin(Duration::from_secs(seconds));
        let mut tail = Tail::default();
        for ino in 0..20 {
            look(&mut tail, Some(&seen(ino, "x\n")));
        }
        assert_eq!(tail.old.len(), 19);
        assert_eq!(tail.retire(at(1), |_| Some(2)).len(), 11, "there are too many");
        assert!(tail.retire(at(60), |_| Some(2)).is_empty());
        assert!(tail.retire(at(61), |_| Some(3)).is_empty(), "they grew");
        assert_eq!(tail.retire(at(121), |_| Some(3)).len(), 8);
        let text = serde_json::to_string(&tail).unwrap();
        assert_eq!(serde_json::from_str::<Tail>(&text).unwrap(), tail);
    }
}
