//! Reads the index of a log without loading it.

use std::path::PathBuf;

use super::{ENTRY_LEN, Entry, EntryKind, HEADER, HEADER_LEN, Sum};
use crate::read_at::{MemoryFile, ReadAt};
use crate::{RecordError, files};

/// Entries read at once.
const BLOCK_ENTRIES: u64 = 128;

/// What the last entry of a closed log says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct End {
    /// Length of the log.
    pub(crate) offset: u64,
    /// Where the gap begins with which it ends, if it does.
    pub(crate) lost_from: Option<u64>,
}

/// What is wrong with an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// It is not there.
    Missing,
    /// It has not the header of an index.
    Foreign,
    /// One of its entries is not what was written.
    Damaged,
    /// Its last entry does not say where the log ends.
    Unfinished,
}

/// Looks entries up in an index that may grow, be cut anywhere, be damaged, or not be there.
#[derive(Debug)]
pub(crate) struct IndexReader {
    path: PathBuf,
    file: Option<ReadAt>,
    /// The header was read and is ours.
    ours: bool,
    /// Whole entries there are.
    count: u64,
    /// Entry that was found damaged; it and all after it are not used.
    damaged: Option<u64>,
    /// Length of the file.
    len: u64,
    /// Where the log ends, once its writer has closed it.
    end: Option<End>,
    block: Vec<u8>,
    /// Number of the first entry in `block`.
    block_start: u64,
    /// Entry that was found last by its offset: who reads on is near it.
    near: u64,
}

impl IndexReader {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self {
            path,
            file: None,
            ours: false,
            count: 0,
            damaged: None,
            len: 0,
            end: None,
            block: Vec::new(),
            block_start: 0,
            near: 0,
        }
    }

    /// An index that is in no file.
    pub(crate) fn in_memory(index: MemoryFile) -> Self {
        Self { file: Some(ReadAt::Memory(index)), ..Self::new(PathBuf::new()) }
    }

    /// Looks how many entries there are now.
    pub(crate) fn refresh(&mut self) -> Result<(), RecordError> {
        if self.file.is_none() {
            self.file = files::open_read(&self.path)?.map(ReadAt::Disk);
        }
        let Some(file) = &self.file else { return Ok(()) };
        let len = file.len().map_err(RecordError::io("read", &self.path))?;
        if !self.ours {
            let mut header = [0; HEADER_LEN];
            file.read_full_at(&mut header, 0).map_err(RecordError::io("read", &self.path))?;
            self.ours = header == HEADER;
        }
        let entries = len.saturating_sub(HEADER_LEN as u64) / ENTRY_LEN as u64;
        self.count = if self.ours { entries.min(self.damaged.unwrap_or(u64::MAX)) } else { 0 };
        if len != self.len {
            self.len = len;
            self.end = self.find_end()?;
        }
        Ok(())
    }

    fn find_end(&mut self) -> Result<Option<End>, RecordError> {
        let Some(last) = self.count.checked_sub(1) else { return Ok(None) };
        // Read again: it may have been half written.
        self.block.clear();
        let Some(end) = self.load(last)?.filter(|entry| entry.kind == EntryKind::End) else {
            return Ok(None);
        };
        let before = match last.checked_sub(1) {
            Some(before) => self.load(before)?.filter(|entry| entry.kind == EntryKind::Lost),
            None => None,
        };
        Ok(Some(End { offset: end.offset, lost_from: before.map(|lost| lost.offset) }))
    }

    /// Where the log ends, once its writer has closed it.
    pub(crate) const fn end(&self) -> Option<End> {
        self.end
    }

    /// Whether its writer made sums, and says where the log ends when it closes it.
    pub(crate) fn has_sums(&mut self) -> Result<bool, RecordError> {
        Ok(self.entry(0)?.is_some_and(|first| first.sum != Sum::NONE))
    }

    /// What is wrong with it, as far as was found out; with `is_over` nothing is being written any more.
    pub(crate) fn problem(&mut self, is_over: bool) -> Result<Option<Problem>, RecordError> {
        if self.file.is_none() {
            return Ok(Some(Problem::Missing));
        }
        if !self.ours {
            return Ok(Some(Problem::Foreign));
        }
        if is_over && self.damaged.is_none() && self.end.is_none() {
            // Nobody is in the midst of an entry.
            let whole = self.len.saturating_sub(HEADER_LEN as u64).is_multiple_of(ENTRY_LEN as u64);
            let last_is_bad = self.count > 0 && self.load(self.count - 1)?.is_none();
            if last_is_bad {
                self.find_damage(self.count)?;
            } else if !whole || self.count == 0 {
                return Ok(Some(Problem::Damaged));
            }
        }
        if self.damaged.is_some() {
            return Ok(Some(Problem::Damaged));
        }
        let unfinished = is_over && self.end.is_none() && self.has_sums()?;
        Ok(unfinished.then_some(Problem::Unfinished))
    }

    /// The last entry for which `holds` is true; `holds` must be true for a beginning of the entries only.
    pub(crate) fn last_where(
        &mut self,
        holds: impl Fn(&Entry) -> bool,
    ) -> Result<Option<(u64, Entry)>, RecordError> {
        'search: loop {
            let (mut low, mut high, mut found) = (0, self.count, None);
            while low < high {
                let middle = low + (high - low) / 2;
                let Some(entry) = self.entry(middle)? else { continue 'search };
                if holds(&entry) {
                    found = Some((middle, entry));
                    low = middle + 1;
                } else {
                    high = middle;
                }
            }
            return Ok(found);
        }
    }

    /// The entry that speaks for `offset`, and the one behind it.
    pub(crate) fn around(&mut self, offset: u64) -> Result<(Option<Entry>, Option<Entry>), RecordError> {
        for number in [self.near, self.near + 1] {
            let (entry, next) = (self.entry(number)?, self.entry(number + 1)?);
            if entry.is_some_and(|entry| entry.offset <= offset)
                && next.is_some_and(|next| next.offset > offset)
            {
                self.near = number;
                return Ok((entry, next));
            }
        }
        loop {
            let found = self.last_where(|entry| entry.offset <= offset)?;
            let count = self.count;
            let next = self.entry(found.map_or(0, |(number, _)| number + 1))?;
            if count == self.count {
                self.near = found.map_or(0, |(number, _)| number);
                return Ok((found.map(|(_, entry)| entry), next));
            }
        }
    }

    /// The entry of a number. `None` behind the last one, or when it turns out to be damaged; then there are
    /// fewer entries afterwards.
    pub(crate) fn entry(&mut self, number: u64) -> Result<Option<Entry>, RecordError> {
        if number >= self.count {
            return Ok(None);
        }
        let entry = self.load(number)?;
        if entry.is_none() {
            self.stop_at_damage(number)?;
        }
        Ok(entry)
    }

    fn stop_at_damage(&mut self, known: u64) -> Result<(), RecordError> {
        if known + 1 == self.count {
            // It may be half written only: look again at the next refresh.
            self.count = known;
            self.block.clear();
            return Ok(());
        }
        self.find_damage(known)
    }

    fn find_damage(&mut self, known: u64) -> Result<(), RecordError> {
        let mut first = 0;
        while first < known && self.load(first)?.is_some() {
            first += 1;
        }
        self.damaged = Some(first);
        self.count = first;
        if self.end.is_none() {
            self.end = self.find_end()?;
        }
        Ok(())
    }

    fn load(&mut self, number: u64) -> Result<Option<Entry>, RecordError> {
        if let Some(entry) = self.cached(number) {
            return Ok(Entry::decode(entry));
        }
        let Some(file) = &self.file else { return Ok(None) };
        self.block_start = number - number % BLOCK_ENTRIES;
        let at = HEADER_LEN as u64 + self.block_start * ENTRY_LEN as u64;
        self.block.resize(BLOCK_ENTRIES as usize * ENTRY_LEN, 0);
        let read = file.read_full_at(&mut self.block, at);
        self.block.truncate(read.as_ref().map_or(0, |read| read - read % ENTRY_LEN));
        read.map_err(RecordError::io("read", &self.path))?;
        Ok(self.cached(number).and_then(Entry::decode))
    }

    fn cached(&self, number: u64) -> Option<&[u8; ENTRY_LEN]> {
        let index = usize::try_from(number.checked_sub(self.block_start)?).ok()?;
        self.block.get(index.checked_mul(ENTRY_LEN)?..)?.first_chunk()
    }
}
