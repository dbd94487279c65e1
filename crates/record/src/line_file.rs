//! A file of lines that grows by whole lines only.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use memchr::memchr;
use serde::Serialize;

use crate::RecordError;
use crate::disk::Reserve;

/// Appends records as JSON lines: one `write(2)` each, and a line that could not be written whole is taken
/// back.
#[derive(Debug)]
pub(crate) struct LineFile {
    file: File,
    path: PathBuf,
    len: u64,
    /// The file may hold a part of a line after `len`.
    soiled: bool,
    buffer: Vec<u8>,
    /// Lines that are to be written together.
    held: Vec<u8>,
    /// Room for what comes last, when the disk is full.
    reserve: Reserve,
}

impl LineFile {
    /// Continues `file` behind its first `len` bytes.
    pub(crate) fn new(file: File, path: PathBuf, len: u64) -> Self {
        Self {
            file,
            path,
            len,
            soiled: false,
            buffer: Vec::new(),
            held: Vec::new(),
            reserve: Reserve::new(0),
        }
    }

    /// Keeps `bytes` of the disk ahead of its end. The last quarter of them is for [`write_end`](Self::write_end).
    pub(crate) fn reserving(mut self, bytes: u64) -> Self {
        self.reserve = Reserve::new(bytes);
        self.reserve.renew(&self.file, self.len);
        self
    }

    /// Whether the disk had no room at all, though it can be asked for some.
    pub(crate) const fn is_without_room(&self) -> bool {
        self.reserve.is_refused()
    }

    /// Nothing more is written: what was reserved is given back.
    pub(crate) fn release(&mut self) {
        self.reserve.release(&self.file, self.len);
    }

    /// Appends one record.
    pub(crate) fn append<T: Serialize>(&mut self, record: &T) -> Result<(), RecordError> {
        self.encode(record)?;
        self.write_encoded()
    }

    /// Makes the line of a record, for [`write_encoded`](Self::write_encoded), and gives its length.
    pub(crate) fn encode<T: Serialize>(&mut self, record: &T) -> Result<u64, RecordError> {
        self.forget_encoded();
        self.encode_more(record).map(|end| end as u64)
    }

    /// Makes one more line, to be written with those before it, and gives the length of all of them.
    pub(crate) fn encode_more<T: Serialize>(&mut self, record: &T) -> Result<usize, RecordError> {
        let before = self.buffer.len();
        if let Err(source) = serde_json::to_writer(&mut self.buffer, record) {
            self.buffer.truncate(before);
            return Err(RecordError::Encode { path: self.path.clone(), source });
        }
        self.buffer.push(b'\n');
        Ok(self.buffer.len())
    }

    /// Drops the lines that were made.
    pub(crate) fn forget_encoded(&mut self) {
        /// A buffer grown by one large record is given back.
        const KEPT: usize = 64 * 1024;

        self.buffer.clear();
        self.buffer.shrink_to(KEPT);
    }

    /// Puts the line that was made last behind those that wait for [`write_held`](Self::write_held).
    pub(crate) fn hold(&mut self) {
        self.held.extend_from_slice(&self.buffer);
    }

    /// Bytes of the lines that wait.
    pub(crate) const fn held(&self) -> usize {
        self.held.len()
    }

    /// Appends the lines that wait, or none of them.
    pub(crate) fn write_held(&mut self) -> Result<(), RecordError> {
        if self.held.is_empty() {
            return Ok(());
        }
        self.buffer.clear();
        std::mem::swap(&mut self.buffer, &mut self.held);
        self.write_encoded()
    }

    /// Appends the lines that were made, unless there is only room for the end.
    pub(crate) fn write_encoded(&mut self) -> Result<(), RecordError> {
        self.clean()?;
        self.ensure_room()?;
        let end = self.len + self.buffer.len() as u64;
        self.reserve.renew(&self.file, end);
        if self.reserve.is_for_the_end(end) {
            return Err(RecordError::io("write", &self.path)(io::ErrorKind::StorageFull.into()));
        }
        self.write_buffer()
    }

    /// Appends what was made last, into the room that is kept for it if need be.
    pub(crate) fn write_end(&mut self) -> Result<(), RecordError> {
        self.clean()?;
        self.ensure_room()?;
        self.write_buffer()
    }

    /// Makes sure that several lines have room before one of them is written: a reader may have seen the first when there is
    /// none for the last, and it is taken back.
    fn ensure_room(&mut self) -> Result<(), RecordError> {
        let is_several = memchr(b'\n', &self.buffer).is_some_and(|first| first + 1 < self.buffer.len());
        if !is_several {
            return Ok(());
        }
        let room = self.reserve.ensure(&self.file, self.len, self.buffer.len() as u64);
        room.map_err(RecordError::io("write", &self.path))
    }

    fn write_buffer(&mut self) -> Result<(), RecordError> {
        // `write_all` is one call of the system unless that call takes a part only.
        if let Err(error) = self.file.write_all(&self.buffer) {
            self.soiled = true;
            // When this fails as well, it is tried again before the next line.
            let _ = self.clean();
            return Err(RecordError::io("write", &self.path)(error));
        }
        self.len += self.buffer.len() as u64;
        Ok(())
    }

    /// Takes the lines that were made.
    pub(crate) fn take_encoded(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.buffer)
    }

    /// Takes lines that were made before for those that were made last.
    pub(crate) fn set_encoded(&mut self, lines: &[u8]) {
        self.buffer.clear();
        self.buffer.extend_from_slice(lines);
    }

    /// Cuts off what an append that failed has left, so that no line is glued to it.
    fn clean(&mut self) -> Result<(), RecordError> {
        if self.soiled {
            self.file.set_len(self.len).map_err(RecordError::io("cut", &self.path))?;
            self.soiled = false;
            self.reserve.forget();
        }
        Ok(())
    }

    /// Length of the whole lines in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Waits until the lines are on the medium.
    pub(crate) fn sync(&self) -> Result<(), RecordError> {
        self.file.sync_data().map_err(RecordError::io("sync", &self.path))
    }

    /// The same open file, for another thread.
    pub(crate) fn handle(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// The open file.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// As if the disk were full from now on. Gives where the room ends; 0 when there is none.
    #[cfg(test)]
    pub(crate) const fn stop_reserving(&mut self) -> u64 {
        self.reserve.stop_here()
    }

    /// Writes to another file from now on, and gives back the one it wrote to.
    #[cfg(test)]
    pub(crate) fn swap(&mut self, file: File) -> File {
        std::mem::replace(&mut self.file, file)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_line_that_failed_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lines");
        let mut lines = LineFile::new(crate::files::create_append(&path).unwrap(), path.clone(), 0);
        lines.append(&"one").unwrap();

        // A part of the line reached the file, and it cannot be cut off yet.
        let good = lines.file.try_clone().unwrap();
        lines.file = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let error = lines.append(&"two").unwrap_err();
        assert!(matches!(error, RecordError::Io { action: "write", .. }), "{error}");
        assert_eq!(lines.len(), 6);
        fs::write(&path, "\"one\"\n\"tw").unwrap();
        assert!(lines.append(&"three").is_err());

        lines.file = good;
        lines.append(&"four").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "\"one\"\n\"four\"\n");
        assert_eq!(lines.len(), 13);
    }

    #[test]
    fn on_a_full_disk_the_last_of_the_room_is_for_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lines");
        let mut lines =
            LineFile::new(crate::files::create_append(&path).unwrap(), path.clone(), 0).reserving(4096);
        if lines.stop_reserving() == 0 {
            // The file system cannot do this.
            return;
        }
        while lines.append(&"an event").is_ok() {}
        assert!((2_900..=3_072).contains(&lines.len()), "three quarters of it: {}", lines.len());
        lines.encode(&"the end").unwrap();
        lines.write_end().unwrap();
        lines.release();
        assert!(fs::read_to_string(&path).unwrap().ends_with("\n\"the end\"\n"));
    }
}
