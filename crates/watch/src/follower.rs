//! Follows one source.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::mem;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use roboppi_attach::{Growing, LocalRun};
use roboppi_ingest::{Emission, Known, Lines, Look, Placed, Report, Translator};
use roboppi_record::{Checkpoint, RecordError, StateRoot};
use roboppi_run::SourceMark;
use uuid::Uuid;

use crate::clock::Clock;
use crate::files::{self, Opened};
use crate::followed::{Followed, OpenFile, PART, read_part};
use crate::runs::{Delivery, Runs};
use crate::saved::Saved;
use crate::status::{Notices, SourceState, SourceStatus};
use crate::{Place, Source, WatchSpec};

/// Parts that are read of a file before the next one has its turn.
const TURN: usize = 8;

/// Bytes of a document.
const DOCUMENT: u64 = 64 * 1024 * 1024;

/// Bytes of a session file that is read from its beginning, though it was there before.
const SESSION: u64 = 16 * 1024 * 1024;

/// How recently a session file must have changed to be followed from before.
const RECENT: i64 = 15 * 60;

/// Time between two checkpoints.
const SAVE: Duration = Duration::from_secs(1);

/// Time between two looks for new session files.
const SCAN: Duration = Duration::from_millis(500);

/// How long a document may be none before that is a problem: half of it may be written.
const TORN: Duration = Duration::from_secs(2);

/// One source, and how far it is.
#[derive(Debug)]
pub(crate) struct Follower {
    source: Source,
    root: StateRoot,
    /// Which runs its records go to, for its checkpoint.
    target: String,
    checkpoint: Option<Checkpoint>,
    asked: Option<Instant>,
    translator: Translator,
    files: BTreeMap<PathBuf, Followed>,
    /// The file of the last line: what waits for further lines is of it.
    reading: Option<String>,
    queue: VecDeque<Delivery>,
    clock: Clock,
    /// There was no checkpoint: what is there already is history.
    is_first: bool,
    is_restored: bool,
    scanned: Option<Instant>,
    saved: Instant,
    is_unsaved: bool,
    failing: Option<String>,
    bytes: u64,
}

impl Follower {
    pub(crate) fn new(spec: &WatchSpec, source: Source) -> Self {
        let translator =
            Translator::new(source.format.clone(), source.categories.clone(), Default::default());
        let target = spec.run.as_ref().and_then(LocalRun::id).map(|id| id.to_string());
        Self {
            root: spec.root.clone(),
            target: target.unwrap_or_default(),
            checkpoint: None,
            asked: None,
            translator,
            files: BTreeMap::new(),
            reading: None,
            queue: VecDeque::new(),
            clock: Clock::start(),
            is_first: true,
            is_restored: false,
            scanned: None,
            saved: Instant::now(),
            is_unsaved: false,
            failing: None,
            bytes: 0,
            source,
        }
    }

    /// Takes the source, unless another process has it.
    pub(crate) fn acquire(&mut self) -> Result<bool, RecordError> {
        if self.checkpoint.is_some() {
            return Ok(true);
        }
        self.asked = Some(Instant::now());
        let path = self.source.place.path();
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        // A file has one checkpoint by whatever way it is named.
        let path = path.canonicalize().unwrap_or(path);
        let name = format!("{}\n{}\n{}", self.source.format.name(), path.display(), self.target);
        let Some(checkpoint) = self.root.checkpoint(&name)? else { return Ok(false) };
        let content = checkpoint.load()?;
        self.checkpoint = Some(checkpoint);
        let saved = content.and_then(|content| serde_json::from_slice::<Saved>(&content).ok());
        if let Some(saved) = saved {
            self.is_first = false;
            self.restore(saved);
        }
        Ok(true)
    }

    /// Finds the files again that were read before.
    fn restore(&mut self, saved: Saved) {
        let (format, categories) = (self.source.format.clone(), self.source.categories.clone());
        self.translator = Translator::new(format, categories, saved.memory);
        for (path, tail) in saved.files {
            let followed = Followed::restored(&path, tail, saved.at, self.source.format.is_document());
            self.files.insert(path, followed);
        }
        self.is_restored = true;
    }

    /// Looks at all files once. Returns whether there is more to read at once.
    pub(crate) fn look(&mut self, runs: &mut Runs, notices: &mut Notices) -> bool {
        if self.checkpoint.is_none() {
            let is_due = self.asked.is_none_or(|asked| asked.elapsed() >= SAVE);
            match if is_due { self.acquire() } else { Ok(false) } {
                Ok(true) => {}
                Ok(false) => return false,
                Err(error) => {
                    self.fail(format!("cannot be followed: {error}"), notices);
                    return false;
                }
            }
        }
        if mem::take(&mut self.is_restored) {
            // Files may have been found that had no name.
            self.save(notices);
        }
        if !self.deliver(runs, notices) {
            return false;
        }
        let paths = self.paths(notices);
        let mut has_more = false;
        for path in paths {
            has_more |= self.look_at(&path, runs, notices);
            if !self.queue.is_empty() {
                return false;
            }
        }
        self.is_first = false;
        let mut out = Vec::new();
        self.translator.tick(self.clock.now(), &mut out);
        self.is_unsaved |= !out.is_empty();
        let has_ended = out.iter().any(|(report, _)| matches!(report.emission, Emission::Complete { .. }));
        self.enqueue(out);
        if self.deliver(runs, notices) && self.is_unsaved && (has_ended || self.saved.elapsed() >= SAVE) {
            self.save(notices);
        }
        has_more
    }

    /// Ends: what waits is complete, and how far it was read is saved.
    pub(crate) fn finish(&mut self, runs: &mut Runs, notices: &mut Notices) {
        if self.checkpoint.is_none() || !self.queue.is_empty() {
            return;
        }
        // A record of several lines that waits is read again; a session that has ended ends its run.
        let mut out = Vec::new();
        self.translator.finish(&mut out);
        self.enqueue(out);
        if self.deliver(runs, notices) {
            self.save(notices);
        }
    }

    /// Names of its files.
    fn paths(&mut self, notices: &mut Notices) -> Vec<PathBuf> {
        let dir = match &self.source.place {
            Place::File(path) => return vec![path.clone()],
            Place::Sessions(dir) => dir.clone(),
        };
        if self.scanned.is_none_or(|scanned| scanned.elapsed() >= SCAN) {
            self.scanned = Some(Instant::now());
            match files::sessions(&dir) {
                Ok(found) => {
                    let oldest = files::seconds() - RECENT;
                    for (path, meta) in found {
                        use std::os::unix::fs::MetadataExt as _;
                        let is_recent = meta.mtime() >= oldest;
                        if is_recent && !self.files.contains_key(&path) {
                            self.files.insert(path, Followed::default());
                        }
                    }
                    notices.right(&dir);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => notices.problem(&dir, &format!("cannot be read: {error}")),
            }
        }
        self.files.keys().cloned().collect()
    }

    fn look_at(&mut self, path: &Path, runs: &mut Runs, notices: &mut Notices) -> bool {
        let mut followed = self.files.remove(path).unwrap_or_default();
        let has_more = self.look_at_file(path, &mut followed, runs, notices);
        let is_gone = followed.tail.current.is_none() && followed.tail.old.is_empty();
        if !(is_gone && self.source.format.is_session_each()) {
            self.files.insert(path.to_owned(), followed);
        }
        has_more
    }

    fn look_at_file(
        &mut self,
        path: &Path,
        followed: &mut Followed,
        runs: &mut Runs,
        notices: &mut Notices,
    ) -> bool {
        let before = mem::replace(&mut followed.looked, files::seconds());
        match files::stamp(path) {
            Ok(stamp) if followed.stamp == Some(stamp) && followed.torn.is_none() => {
                if self.source.format.is_session_each() {
                    followed.close_idle();
                }
            }
            Ok(stamp) => match files::open(path) {
                Ok(opened) => {
                    followed.stamp = Some(stamp);
                    followed.changed = Some(Instant::now());
                    notices.right(path);
                    self.failing = None;
                    if self.source.format.is_document() {
                        self.document(path, &opened, followed, notices);
                        return false;
                    }
                    self.changed(path, followed, opened, before, notices);
                }
                Err(error) => self.unreadable(path, followed, &error, notices),
            },
            Err(error) => self.unreadable(path, followed, &error, notices),
        }
        self.read(path, followed, runs, notices)
    }

    fn unreadable(&mut self, path: &Path, followed: &mut Followed, error: &io::Error, notices: &mut Notices) {
        followed.stamp = None;
        match error.kind() {
            // It may come later, or come back. The file that had the name is read on.
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                if self.source.format.is_session_each() {
                    followed.tail.old.extend(followed.tail.current.take());
                }
            }
            _ => {
                let text = format!("cannot be read: {error}; it is tried again");
                self.failing = Some(text.clone());
                notices.problem(path, &text);
            }
        }
    }

    /// The file of a name has changed, or is another one. `before` is when it was looked at before.
    fn changed(
        &mut self,
        path: &Path,
        followed: &mut Followed,
        opened: Opened,
        before: i64,
        notices: &mut Notices,
    ) {
        let look = followed.tail.look(Some(&opened.seen), || Uuid::now_v7().simple().to_string());
        let Some(known) = &mut followed.tail.current else { return };
        match look {
            Look::Absent | Look::Same => {}
            Look::Created if self.is_first => known.offset = self.begin(&opened),
            Look::Created | Look::Replaced => {}
            Look::Truncated => {
                self.translator.counts().truncated += 1;
                let text = "became shorter: what was written before that and not read yet is missing";
                notices.note(path, text.to_owned());
                let message = format!("{} {text}", path.display());
                let session = self.translator.last_session().cloned().unwrap_or_default();
                let emission = Emission::Error { message, step: None };
                let report = Report { session, at: None, emission, worker: None };
                // Before the first line of what is new.
                let mark = SourceMark { from: format!("{}-cut", known.name), pos: 0, part: 0 };
                self.queue.push_back(Delivery { report, mark: Some(mark) });
            }
        }
        if look != Look::Same {
            self.is_unsaved = true;
        }
        let (begin, name) = (known.offset, known.name.clone());
        let olds: Vec<_> = followed.tail.old.iter().map(|known| known.name.as_str()).collect();
        followed.open.retain(|open, _| *open == name || olds.contains(&open.as_str()));
        followed.open.entry(name).or_insert_with(|| OpenFile { file: opened.file, lines: Lines::at(begin) });
        if look == Look::Replaced {
            followed.adopt_missed(path, before);
        }
        if matches!(look, Look::Created | Look::Replaced | Look::Truncated) {
            self.save_with(path, followed, notices);
        }
    }

    /// From where a file is read that was there before it was followed for the first time.
    fn begin(&self, opened: &Opened) -> u64 {
        let len = opened.seen.len;
        if self.source.format.is_session_each() && len <= SESSION {
            return 0;
        }
        let Some(from) = len.checked_sub(self.source.backlog).filter(|from| *from > 0) else { return 0 };
        // The first whole line. The byte before may end one.
        let mut part = vec![0; usize::try_from(self.source.backlog + 1).unwrap_or(PART).min(PART)];
        let read = files::read_at(&opened.file, &mut part, from - 1).unwrap_or_default();
        let line = part[..read].iter().position(|byte| *byte == b'\n');
        line.map_or(len, |end| from + end as u64)
    }

    /// Reads what is new in the files of a name.
    fn read(&mut self, path: &Path, followed: &mut Followed, runs: &mut Runs, notices: &mut Notices) -> bool {
        let names: Vec<_> =
            followed.tail.old.iter().chain(&followed.tail.current).map(|known| known.name.clone()).collect();
        for name in names {
            for turn in 0..TURN {
                let Some(open) = followed.open.get_mut(&name) else { break };
                let mut part = Vec::new();
                match read_part(open, &mut part) {
                    Ok(0) => break,
                    Ok(read) => self.bytes += read as u64,
                    Err(error) => {
                        notices.problem(path, &format!("cannot be read: {error}; it is tried again"));
                        break;
                    }
                }
                self.lines(path, &name, open, &part);
                followed.note_progress(&name, self.uncommitted(&name));
                if !self.deliver(runs, notices) {
                    return false;
                }
                if turn + 1 == TURN {
                    return true;
                }
            }
        }
        self.retire(path, followed);
        false
    }

    fn lines(&mut self, path: &Path, name: &str, open: &mut OpenFile, part: &[u8]) {
        let mut out = Vec::new();
        if self.reading.as_deref() != Some(name) {
            self.translator.flush(&mut out);
            self.enqueue(mem::take(&mut out));
            self.reading = Some(name.to_owned());
        }
        let mut lines = Vec::new();
        open.lines.take(part, &mut lines);
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let now = self.clock.now();
        for line in &lines {
            self.translator.line(now, &stem, line, &mut out);
        }
        self.enqueue(out);
        self.is_unsaved = true;
    }

    /// Position of the record of a file that waits for further lines.
    fn uncommitted(&self, name: &str) -> Option<u64> {
        self.translator.begin_of_pending().filter(|_| self.reading.as_deref() == Some(name))
    }

    /// Stops reading files without a name that are written no more. Half a line at their end is kept as it is.
    fn retire(&mut self, path: &Path, followed: &mut Followed) {
        let is_gone = self.source.format.is_session_each();
        let open = &followed.open;
        let len_of = |known: &Known| {
            let open = open.get(&known.name)?;
            open.file.metadata().ok().map(|meta| meta.len())
        };
        let mut retired = followed.tail.retire(self.clock.now(), len_of);
        if is_gone {
            retired.append(&mut followed.tail.old);
        }
        for known in retired {
            let Some(mut open) = followed.open.remove(&known.name) else { continue };
            let Some(rest) = open.lines.rest() else { continue };
            let mut out = Vec::new();
            if self.reading.as_deref() != Some(&known.name) {
                self.translator.flush(&mut out);
                self.enqueue(mem::take(&mut out));
                self.reading = Some(known.name.clone());
            }
            self.translator.bad(rest.at, &rest.text, &mut out);
            self.enqueue(out);
            self.is_unsaved = true;
        }
        let _ = path;
    }

    /// Reads a document that has changed.
    fn document(&mut self, path: &Path, opened: &Opened, followed: &mut Followed, notices: &mut Notices) {
        let mut content = vec![0; usize::try_from(opened.seen.len.min(DOCUMENT)).unwrap_or_default()];
        let read = match files::read_at(&opened.file, &mut content, 0) {
            Ok(read) => read,
            Err(error) => {
                return notices.problem(path, &format!("cannot be read: {error}; it is tried again"));
            }
        };
        self.bytes += read as u64;
        let mut out = Vec::new();
        match self.translator.document(&String::from_utf8_lossy(&content[..read]), &mut out) {
            Ok(()) => {
                followed.torn = None;
                followed.tail.look(Some(&opened.seen), || "document".to_owned());
            }
            Err(why) => {
                let since = *followed.torn.get_or_insert_with(Instant::now);
                if since.elapsed() >= TORN {
                    // Until it is written again.
                    followed.torn = None;
                    self.translator.bad_document();
                    let text = format!("is no file of this format: {why}");
                    self.failing = Some(text.clone());
                    notices.problem(path, &text);
                }
            }
        }
        self.reading = Some("document".to_owned());
        self.is_unsaved |= !out.is_empty();
        self.enqueue(out);
    }

    fn enqueue(&mut self, out: Vec<Placed>) {
        let from = self.reading.clone().unwrap_or_default();
        let delivery = |(report, place): Placed| Delivery {
            mark: place.map(|(pos, part)| SourceMark { from: from.clone(), pos, part }),
            report,
        };
        self.queue.extend(out.into_iter().map(delivery));
    }

    /// Records what was read. Says whether all of it is recorded.
    fn deliver(&mut self, runs: &mut Runs, notices: &mut Notices) -> bool {
        if self.queue.is_empty() {
            return true;
        }
        match runs.deliver(&self.source, &mut self.queue) {
            Ok((refused, why)) => {
                self.translator.counts().refused += refused;
                if let Some(why) = why {
                    let text = format!("has records that cannot be in a run: {why}");
                    notices.problem(&self.source.place.path().join("."), &text);
                }
                if mem::take(&mut self.failing).is_some() {
                    notices.right(self.source.place.path());
                }
                true
            }
            Err(why) => {
                self.fail(why, notices);
                false
            }
        }
    }

    fn fail(&mut self, why: String, notices: &mut Notices) {
        notices.problem(self.source.place.path(), &why);
        self.failing = Some(why);
    }

    /// Saves the names of files before anything of them is recorded. The files of one name are taken out.
    fn save_with(&mut self, path: &Path, followed: &mut Followed, notices: &mut Notices) {
        self.files.insert(path.to_owned(), mem::take(followed));
        self.save(notices);
        *followed = self.files.remove(path).unwrap_or_default();
    }

    fn save(&mut self, notices: &mut Notices) {
        let Some(checkpoint) = &self.checkpoint else { return };
        let pending = self.translator.begin_of_pending().zip(self.reading.as_deref());
        let tails = self.files.iter().map(|(path, followed)| (path.clone(), followed.committed(pending)));
        let saved =
            Saved { at: files::seconds(), files: tails.collect(), memory: self.translator.memory().clone() };
        self.saved = Instant::now();
        let written = serde_json::to_vec(&saved).map_err(|error| error.to_string());
        match written.and_then(|content| checkpoint.save(&content).map_err(|error| error.to_string())) {
            Ok(()) => self.is_unsaved = false,
            Err(error) => {
                let text = format!("how far it was read cannot be saved: {error}");
                notices.problem(self.source.place.path(), &text);
            }
        }
    }

    /// The record cannot be written.
    pub(crate) fn is_stuck(&self) -> bool {
        !self.queue.is_empty()
    }

    /// What may change.
    pub(crate) fn growing(&self, growing: &mut Growing) {
        let place = self.source.place.path();
        if let Place::Sessions(dir) = &self.source.place {
            growing.dirs.push(dir.clone());
        }
        growing.dirs.push(files::existing_ancestor(place));
        let path = std::iter::once(place).filter(|_| self.files.is_empty());
        for path in self.files.keys().map(PathBuf::as_path).chain(path) {
            growing.files.push(path.to_owned());
            growing.dirs.extend(path.parent().map(Path::to_owned));
        }
    }

    pub(crate) fn status(&self) -> SourceStatus {
        let is_there = self.files.values().any(|followed| followed.tail.current.is_some());
        let state = match (&self.failing, &self.checkpoint) {
            (Some(why), _) => SourceState::Failing(why.clone()),
            (None, None) => SourceState::Elsewhere,
            (None, Some(_)) if is_there => SourceState::Followed,
            (None, Some(_)) => SourceState::Absent,
        };
        SourceStatus {
            path: self.source.place.path().to_owned(),
            format: self.source.format.name(),
            state,
            counts: self.translator.memory().counts,
            bytes: self.bytes,
        }
    }
}
