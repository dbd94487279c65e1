//! Copies a file or a directory with everything in it, and hashes what it copies.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use roboppi_record::DiskWatch;
use rustix::fs::{FileType, Mode, SeekFrom};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use super::beneath::{Dir, DirId};
use super::placed::Placed;
use super::stop::Limits;
use super::tree_error::{TreeError, special};

/// Bytes between two looks at the order to stop.
const BLOCK: usize = 256 * 1024;

/// Directories in each other. Each is held open, and descriptors are scarce.
const DEEPEST: usize = 128;

/// Bytes that are written before the disk is looked at: what is small does no harm.
const SMALL: u64 = 1024 * 1024;

/// Special files that are named; of others their number is said.
const NAMED: usize = 5;

/// Copies and hashes. The hash is of names, kinds, contents, targets of links, and whether files can be executed: what a
/// copy has as well. Times and owners are not part of it.
pub(super) struct Transfer<'a> {
    limits: &'a Limits,
    disk: DiskWatch,
    hash: Sha256,
    block: Vec<u8>,
    depth: usize,
    /// Bytes of the files so far.
    bytes: u64,
    /// The directory that must not be part of what is copied.
    never: Option<DirId>,
    /// Where it is noted what was made.
    placed: Option<&'a mut Placed>,
    left_out: Vec<(PathBuf, &'static str)>,
    left_out_unnamed: usize,
}

impl<'a> Transfer<'a> {
    pub(super) fn new(limits: &'a Limits, never: Option<DirId>) -> Self {
        Self {
            limits,
            disk: DiskWatch::new(limits.min_free).after(SMALL),
            hash: Sha256::new(),
            block: vec![0; BLOCK],
            depth: 0,
            bytes: 0,
            never,
            placed: None,
            left_out: Vec::new(),
            left_out_unnamed: 0,
        }
    }

    /// The same, and what it makes is noted.
    pub(super) fn noting(self, placed: &'a mut Placed) -> Self {
        Self { placed: Some(placed), ..self }
    }

    /// What a directory holds, into another one.
    pub(super) fn directory(&mut self, from: &Dir, to: Option<&Dir>) -> Result<(), TreeError> {
        if self.never.is_some() && self.never == Some(from.id()?) {
            return Err(TreeError::HoldsContext { path: from.path().to_owned() });
        }
        if self.depth == DEEPEST {
            return Err(TreeError::TooDeep { path: from.path().to_owned(), most: DEEPEST });
        }
        self.depth += 1;
        let mut named = from.list()?;
        named.retain(|(name, kind)| self.is_artifact(from, name, *kind));
        self.begin_directory(named.len());
        for (name, _) in named {
            self.named(from, &name, to.map(|to| (to, name.as_os_str())))?;
        }
        self.depth -= 1;
        Ok(())
    }

    /// A file alone, as the only one of a directory.
    pub(super) fn alone(&mut self, from: &Dir, name: &OsStr, to: &Dir, new: &OsStr) -> Result<(), TreeError> {
        self.begin_directory(1);
        self.text(new.as_bytes());
        self.entry(from, name, Some((to, new)))
    }

    /// Bytes of the files that were read.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The hash of what was copied, and what was left out, in words.
    pub(super) fn finish(self) -> (String, Vec<String>) {
        let digest = self.hash.finalize();
        let hash = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let named = self.left_out.iter();
        let mut words: Vec<_> =
            named.map(|(path, what)| format!("{} is {what} and was left out", path.display())).collect();
        if self.left_out_unnamed > 0 {
            words.push(format!("{} more special files were left out", self.left_out_unnamed));
        }
        (hash, words)
    }

    fn begin_directory(&mut self, entries: usize) {
        self.hash.update(b"d");
        self.hash.update((entries as u64).to_le_bytes());
    }

    fn is_artifact(&mut self, dir: &Dir, name: &OsStr, kind: FileType) -> bool {
        if matches!(kind, FileType::RegularFile | FileType::Directory | FileType::Symlink) {
            return true;
        }
        if self.left_out.len() < NAMED {
            self.left_out.push((dir.at(name), special(kind)));
        } else {
            self.left_out_unnamed += 1;
        }
        false
    }

    fn named(&mut self, from: &Dir, name: &OsStr, to: Option<(&Dir, &OsStr)>) -> Result<(), TreeError> {
        self.text(name.as_bytes());
        self.entry(from, name, to)
    }

    fn entry(&mut self, from: &Dir, name: &OsStr, to: Option<(&Dir, &OsStr)>) -> Result<(), TreeError> {
        self.limits.stop.check(&from.at(name))?;
        match from.kind(name)? {
            Some(FileType::Directory) => {
                let source = from.enter(name)?;
                let copy = to.map(|(to, name)| to.make(name)).transpose()?;
                self.directory(&source, copy.as_ref())
            }
            Some(FileType::Symlink) => {
                // Never followed: it is copied as it is, wherever it leads.
                let target = from.target(name)?;
                self.hash.update(b"l");
                self.text(target.as_bytes());
                let Some((to, name)) = to else { return Ok(()) };
                to.link(name, &target)?;
                self.note(to, name)
            }
            Some(FileType::RegularFile) => self.file(from, name, to),
            Some(kind) => Err(TreeError::Special { path: from.at(name), what: special(kind) }),
            None => Err(TreeError::of(from.at(name))(Errno::NOENT)),
        }
    }

    fn file(&mut self, from: &Dir, name: &OsStr, to: Option<(&Dir, &OsStr)>) -> Result<(), TreeError> {
        let source = from.read(name)?;
        let path = from.at(name);
        let metadata = source.metadata().map_err(TreeError::io(&path))?;
        let mode = metadata.permissions().mode();
        self.hash.update(if mode & 0o111 == 0 { b"f" } else { b"x" });
        let Some((to, new)) = to else { return self.content(&source, metadata.size(), None, &path) };
        // For its owner alone until it is finished.
        let copy = to.create(new, Mode::RUSR | Mode::WUSR)?;
        let copied = to.at(new);
        self.content(&source, metadata.size(), Some((&copy, &copied)), &path)?;
        // Whoever owned the original may not own the copy, so it does not lend its owner's rights.
        let mode = Mode::from_raw_mode(mode as rustix::fs::RawMode & 0o777);
        rustix::fs::fchmod(&copy, mode).map_err(TreeError::of(copied))?;
        self.note(to, new)
    }

    fn note(&mut self, to: &Dir, name: &OsStr) -> Result<(), TreeError> {
        self.placed.as_mut().map_or(Ok(()), |placed| placed.note(to, name))
    }

    /// As many bytes as the file had at first: it may grow for ever. Holes stay holes.
    fn content(
        &mut self,
        source: &File,
        len: u64,
        to: Option<(&File, &Path)>,
        path: &Path,
    ) -> Result<(), TreeError> {
        let mut at = 0;
        while at < len {
            let data = next_data(source, at, len);
            self.zeros(data.start - at, path)?;
            let (end, is_cut) = self.data(source, data, to, path)?;
            at = end;
            if is_cut {
                break;
            }
        }
        if let Some((to, copied)) = to {
            to.set_len(at).map_err(TreeError::io(copied))?;
        }
        self.hash.update(at.to_le_bytes());
        self.bytes = self.bytes.saturating_add(at);
        Ok(())
    }

    /// Copies a range. Says where it ended, and whether the file did so there as well.
    fn data(
        &mut self,
        source: &File,
        range: std::ops::Range<u64>,
        to: Option<(&File, &Path)>,
        path: &Path,
    ) -> Result<(u64, bool), TreeError> {
        let mut at = range.start;
        while at < range.end {
            self.limits.stop.check(path)?;
            let most = usize::try_from(range.end - at).map_or(BLOCK, |left| left.min(BLOCK));
            let read = match source.read_at(&mut self.block[..most], at) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read.map_err(TreeError::io(path))?,
            };
            if read == 0 {
                return Ok((at, true));
            }
            let bytes = &self.block[..read];
            self.hash.update(bytes);
            if let Some((to, copied)) = to {
                self.disk.check(to, copied, read as u64)?;
                to.write_all_at(bytes, at).map_err(TreeError::io(copied))?;
            }
            at += read as u64;
        }
        Ok((at, false))
    }

    /// A hole, as it is read.
    fn zeros(&mut self, mut len: u64, path: &Path) -> Result<(), TreeError> {
        static ZEROS: [u8; BLOCK] = [0; BLOCK];
        while len > 0 {
            self.limits.stop.check(path)?;
            let some = usize::try_from(len).map_or(BLOCK, |len| len.min(BLOCK));
            self.hash.update(&ZEROS[..some]);
            len -= some as u64;
        }
        Ok(())
    }

    fn text(&mut self, bytes: &[u8]) {
        self.hash.update((bytes.len() as u64).to_le_bytes());
        self.hash.update(bytes);
    }
}

/// The next range with data, at `len` when there is none. A file system that knows no holes has data everywhere.
fn next_data(file: &File, at: u64, len: u64) -> std::ops::Range<u64> {
    match rustix::fs::seek(file, SeekFrom::Data(at)) {
        Ok(start) if start < len => {
            let end = rustix::fs::seek(file, SeekFrom::Hole(start)).unwrap_or(len);
            // Whatever it says, it goes on.
            start..end.clamp(start + 1, len)
        }
        Ok(_) | Err(Errno::NXIO) => len..len,
        Err(_) => at..len,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::symlink;

    use super::*;

    fn hash(dir: &Path) -> String {
        let limits = Limits::default();
        let mut transfer = Transfer::new(&limits, None);
        transfer.directory(&Dir::open(dir).unwrap(), None).unwrap();
        transfer.finish().0
    }

    fn copy(from: &Path, to: &Path) -> Result<(String, Vec<String>), TreeError> {
        let limits = Limits::default();
        let mut transfer = Transfer::new(&limits, None);
        transfer.directory(&Dir::open(from)?, Some(&Dir::open(to)?))?;
        Ok(transfer.finish())
    }

    #[test]
    fn whatever_a_copy_would_have_is_in_the_hash() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("made");
        let mut seen = Vec::new();
        let mut differs = |what: &str| {
            let copied = place.path().join(format!("copy of {what}"));
            fs::create_dir(&copied).unwrap();
            let of_copying = copy(&path, &copied).unwrap().0;
            assert_eq!((hash(&path), hash(&copied)), (of_copying.clone(), of_copying.clone()), "{what}");
            assert!(!seen.contains(&of_copying), "{what} makes no difference");
            seen.push(of_copying);
        };
        fs::create_dir(&path).unwrap();
        differs("an empty directory");
        fs::write(path.join("a"), "one").unwrap();
        differs("a file");
        fs::write(path.join("a"), "two").unwrap();
        differs("a content");
        fs::set_permissions(path.join("a"), Permissions::from_mode(0o755)).unwrap();
        differs("a program");
        fs::rename(path.join("a"), path.join("b")).unwrap();
        differs("a name");
        symlink("b", path.join("c")).unwrap();
        differs("a link");
        fs::create_dir(path.join("d")).unwrap();
        differs("a directory in it");
        fs::rename(path.join("b"), path.join("d/b")).unwrap();
        differs("a place");
        fs::write(path.join(OsStr::from_bytes(b"caf\xe9")), "x").unwrap();
        differs("a name that is no text");
    }

    /// Of one file `a` with the content `two` in a directory: recorded runs hold such hashes.
    #[test]
    fn the_hash_is_the_one_of_earlier_versions() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("a"), "two").unwrap();
        let mut expected = Sha256::new();
        for part in
            [&b"d"[..], &1_u64.to_le_bytes(), &1_u64.to_le_bytes(), b"a", b"f", b"two", &3_u64.to_le_bytes()]
        {
            expected.update(part);
        }
        let expected: String = expected.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hash(place.path()), expected);
    }

    #[test]
    fn holes_stay_holes_and_count_as_zeros() {
        let place = tempfile::tempdir().unwrap();
        let dirs = ["sparse", "full", "copy"].map(|name| place.path().join(name));
        dirs.iter().for_each(|dir| fs::create_dir(dir).unwrap());
        let [sparse, full, copied] = dirs;
        let mib = 1024 * 1024;
        let file = File::create(sparse.join("f")).unwrap();
        file.write_all_at(b"begin", 0).unwrap();
        file.write_all_at(b"end", 20 * mib).unwrap();
        file.set_len(30 * mib).unwrap();
        fs::write(full.join("f"), fs::read(sparse.join("f")).unwrap()).unwrap();
        let (of_copying, _) = copy(&sparse, &copied).unwrap();
        assert_eq!([hash(&sparse), hash(&full), hash(&copied)], [&*of_copying; 3]);
        let blocks = |dir: &Path| fs::metadata(dir.join("f")).unwrap().blocks();
        assert!(blocks(&copied) <= blocks(&sparse) + 512, "{} of {}", blocks(&copied), blocks(&sparse));
        assert_eq!(fs::read(copied.join("f")).unwrap(), fs::read(full.join("f")).unwrap());
    }

    #[test]
    fn special_files_are_left_out_by_name_and_change_nothing() {
        let place = tempfile::tempdir().unwrap();
        let [from, to] = ["from", "to"].map(|name| place.path().join(name));
        [&from, &to].into_iter().for_each(|dir| fs::create_dir(dir).unwrap());
        fs::write(from.join("file"), "x").unwrap();
        let before = hash(&from);
        for number in 0..7 {
            let mode = nix::sys::stat::Mode::S_IRWXU;
            nix::unistd::mkfifo(&from.join(format!("pipe-{number}")), mode).unwrap();
        }
        let (after, words) = copy(&from, &to).unwrap();
        assert_eq!((after, words.len()), (before, 6));
        assert!(words[0].contains("from/pipe-0 is a FIFO"), "{words:?}");
        assert_eq!(words[5], "2 more special files were left out");
        assert_eq!(fs::read_dir(&to).unwrap().count(), 1);
    }

    #[test]
    fn it_stops_where_it_is_and_does_not_go_too_deep() {
        let place = tempfile::tempdir().unwrap();
        File::create(place.path().join("endless")).unwrap().set_len(1 << 40).unwrap();
        let limits = Limits::default();
        limits.stop.stop();
        let mut transfer = Transfer::new(&limits, None);
        let error = transfer.directory(&Dir::open(place.path()).unwrap(), None).unwrap_err();
        assert!(matches!(&error, TreeError::Stopped { path } if path.ends_with("endless")), "{error}");

        let place = tempfile::tempdir().unwrap();
        let deep: PathBuf = std::iter::once(place.path().to_owned())
            .chain(std::iter::repeat_n("d".into(), DEEPEST))
            .collect();
        fs::create_dir_all(deep).unwrap();
        let limits = Limits::default();
        let mut transfer = Transfer::new(&limits, None);
        let error = transfer.directory(&Dir::open(place.path()).unwrap(), None).unwrap_err();
        assert!(matches!(error, TreeError::TooDeep { .. }), "{error}");
    }

    #[test]
    fn a_disk_is_left_to_others_when_it_is_nearly_full() {
        let place = tempfile::tempdir().unwrap();
        let [from, to] = ["from", "to"].map(|name| place.path().join(name));
        [&from, &to].into_iter().for_each(|dir| fs::create_dir(dir).unwrap());
        let limits = Limits { min_free: u64::MAX, ..Limits::default() };
        let copied = |len: usize| {
            fs::write(from.join("file"), vec![1; len]).unwrap();
            let mut transfer = Transfer::new(&limits, None);
            transfer.directory(&Dir::open(&from).unwrap(), Some(&Dir::open(&to).unwrap()))
        };
        copied(1000).unwrap();
        let error = copied(3 * 1024 * 1024).unwrap_err();
        assert!(matches!(error, TreeError::NoRoom(_)) && error.to_string().contains("to/file"), "{error}");
    }
}
