//! Reads a packed log at any place.

use std::fs::File;
use std::io;

use super::{ENTRY, FRAME, SEEKABLE, SKIPPABLE, TABLE_FOOT, TABLE_HEAD};
use crate::read_at::read_full_at;

/// Bytes a frame of another writer may hold.
const LARGEST: u32 = 16 * 1024 * 1024;

/// Knows where each frame is, and keeps the one that was read last.
#[derive(Debug)]
pub(crate) struct PackedReader {
    file: File,
    /// Where each frame begins, in the log and in the file; one more for the end.
    places: Vec<Place>,
    /// Number of the frame in `block`.
    current: Option<usize>,
    block: Vec<u8>,
    packed: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Place {
    log: u64,
    file: u64,
}

impl PackedReader {
    pub(crate) fn open(file: File) -> io::Result<Self> {
        let size = file.metadata()?.len();
        let foot_at = size.checked_sub(TABLE_FOOT).ok_or_else(damaged)?;
        let mut foot = [0; TABLE_FOOT as usize];
        read_exact(&file, &mut foot, foot_at)?;
        let (count, descriptor) = (word(&foot, 0), foot[4]);
        // Checksums in the table are a choice that nobody here makes; the frames have their own.
        if word(&foot, 5) != SEEKABLE || descriptor != 0 {
            return Err(damaged());
        }
        let len = u64::from(count) * ENTRY;
        let table_at = foot_at.checked_sub(len + TABLE_HEAD).ok_or_else(damaged)?;
        let mut table = vec![0; usize::try_from(len + TABLE_HEAD).map_err(|_| damaged())?];
        read_exact(&file, &mut table, table_at)?;
        if word(&table, 0) != SKIPPABLE || u64::from(word(&table, 4)) != len + TABLE_FOOT {
            return Err(damaged());
        }
        let mut places = vec![Place::default()];
        let mut end = Place::default();
        for entry in table[TABLE_HEAD as usize..].chunks_exact(ENTRY as usize) {
            let (packed, plain) = (word(entry, 0), word(entry, 4));
            if plain == 0 || plain > LARGEST || packed > 2 * LARGEST {
                return Err(damaged());
            }
            end = Place { log: end.log + u64::from(plain), file: end.file + u64::from(packed) };
            places.push(end);
        }
        if end.file != table_at {
            return Err(damaged());
        }
        Ok(Self { file, places, current: None, block: Vec::with_capacity(FRAME), packed: Vec::new() })
    }

    /// Length of the log in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.places.last().map_or(0, |end| end.log)
    }

    /// Where the frame ends that holds the byte at `offset`.
    pub(crate) fn frame_end(&self, offset: u64) -> u64 {
        let next = self.places.partition_point(|place| place.log <= offset);
        self.places.get(next).map_or(self.len(), |place| place.log)
    }

    /// Fills `bytes` with the log from `offset` on.
    pub(crate) fn read_exact_at(&mut self, mut bytes: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            let number = self.places.partition_point(|place| place.log <= offset).saturating_sub(1);
            self.load(number)?;
            let from = usize::try_from(offset - self.places[number].log).map_err(|_| damaged())?;
            let have = self.block.get(from..).filter(|have| !have.is_empty()).ok_or_else(damaged)?;
            let count = have.len().min(bytes.len());
            let (now, later) = bytes.split_at_mut(count);
            now.copy_from_slice(&have[..count]);
            (bytes, offset) = (later, offset + count as u64);
        }
        Ok(())
    }

    fn load(&mut self, number: usize) -> io::Result<()> {
        if self.current == Some(number) {
            return Ok(());
        }
        self.current = None;
        let (Some(begin), Some(end)) = (self.places.get(number), self.places.get(number + 1)) else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        let length = |len: u64| usize::try_from(len).map_err(|_| damaged());
        let plain = length(end.log - begin.log)?;
        self.packed.resize(length(end.file - begin.file)?, 0);
        read_exact(&self.file, &mut self.packed, begin.file)?;
        self.block.clear();
        self.block.reserve(plain);
        let unpacked = zstd_safe::decompress(&mut self.block, &self.packed);
        if unpacked.map_err(|code| unreadable(zstd_safe::get_error_name(code)))? != plain {
            return Err(damaged());
        }
        self.current = Some(number);
        Ok(())
    }
}

fn read_exact(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    let read = read_full_at(file, bytes, offset)?;
    if read == bytes.len() { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|bytes| bytes.first_chunk()).map_or(0, |word| u32::from_le_bytes(*word))
}

fn damaged() -> io::Error {
    unreadable("its table of frames is damaged")
}

fn unreadable(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the packed log is damaged: {why}"))
}
