//! Remembers what was found out about runs, so that counting and listing many costs a look at each and not its record.
//!
//! The file lies beside the runs, belongs to none of them, and may be removed at any time.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use roboppi_record::{RecordError, RunDir, StateRoot};
use roboppi_run::RunId;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Runs that are read on one thread; more of them are worth another one.
const ALONE: usize = 32;

/// Threads that read runs.
const THREADS: usize = 8;

/// What can be found out about a run from its record alone.
pub(crate) trait Finding: Clone + Serialize + DeserializeOwned + Send + Sync {
    /// The file in which it is remembered.
    const FILE: &'static str;

    /// Version of the file. Another one is as none.
    const FORMAT: u32;

    /// Finds it out.
    fn of(dir: &RunDir) -> Self;

    /// Whether it stays as it is as long as the files of the run do.
    fn is_settled(&self) -> bool;
}

/// What is remembered of all runs.
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound = "F: Finding")]
pub(crate) struct Memory<F> {
    format: u32,
    runs: HashMap<RunId, Remembered<F>>,
    #[serde(skip)]
    changed: bool,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(bound = "F: Finding")]
struct Remembered<F> {
    stamps: Stamps,
    facts: Arc<F>,
}

/// What tells that neither journal nor manifest was touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamps {
    journal: Stamp,
    manifest: Stamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    inode: u64,
    len: u64,
    /// Seconds and nanoseconds.
    changed: (i64, i64),
}

impl Stamps {
    pub(crate) fn of(dir: &RunDir) -> Option<Self> {
        Some(Self { journal: Stamp::of(&dir.journal_path())?, manifest: Stamp::of(&dir.manifest_path())? })
    }
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let meta = fs::metadata(path).ok()?;
        Some(Self { inode: meta.ino(), len: meta.len(), changed: (meta.ctime(), meta.ctime_nsec()) })
    }
}

/// What was found out about a run, and the stamps to remember it by.
enum Found<F> {
    /// What is remembered holds.
    Same,
    /// This does; without stamps it may still change.
    New(Arc<F>, Option<Stamps>),
}

impl<F: Finding> Memory<F> {
    /// What is remembered; nothing when that cannot be read.
    pub(crate) fn read(root: &StateRoot) -> Self {
        let text = root.read_derived(F::FILE).unwrap_or_default();
        let read: Option<Self> = serde_json::from_slice(&text).ok();
        let nothing = || Self { format: F::FORMAT, runs: HashMap::new(), changed: false };
        read.filter(|read| read.format == F::FORMAT).unwrap_or_else(nothing)
    }

    /// The findings of all runs, remembered or found out. What is remembered of other runs is forgotten.
    pub(crate) fn of_all(&mut self, runs: &[(RunDir, RunId)]) -> Vec<Arc<F>> {
        let found = self.inspect_all(runs);
        let mut known = std::mem::take(&mut self.runs);
        let mut all = Vec::with_capacity(found.len());
        for ((_, id), found) in runs.iter().zip(found) {
            let old = known.remove(id);
            let now = match (found, old) {
                (Found::Same, Some(old)) => old,
                (Found::New(facts, Some(stamps)), _) => {
                    self.changed = true;
                    Remembered { stamps, facts }
                }
                (Found::New(facts, None), old) => {
                    self.changed |= old.is_some();
                    all.push(facts);
                    continue;
                }
                // A run is there once, and is the same only as one that is remembered.
                (Found::Same, None) => continue,
            };
            all.push(Arc::clone(&now.facts));
            self.runs.insert(id.clone(), now);
        }
        self.changed |= !known.is_empty();
        all
    }

    /// Remembers what was found out about a run that was not looked at with all others.
    pub(crate) fn put(&mut self, id: RunId, stamps: Stamps, facts: Arc<F>) {
        self.changed = true;
        self.runs.insert(id, Remembered { stamps, facts });
    }

    /// Takes what `less` gives in place of what is remembered.
    pub(crate) fn shrink(&mut self, less: impl Fn(&F) -> Option<F>) {
        for known in self.runs.values_mut() {
            if let Some(less) = less(&known.facts) {
                known.facts = less.into();
                self.changed = true;
            }
        }
    }

    /// Forgets all other runs.
    pub(crate) fn keep(&mut self, runs: &HashSet<RunId>) {
        let before = self.runs.len();
        self.runs.retain(|id, _| runs.contains(id));
        self.changed |= self.runs.len() != before;
    }

    /// Remembers it for the next time.
    pub(crate) fn write(&mut self, root: &StateRoot) -> Result<(), RecordError> {
        if !self.changed {
            return Ok(());
        }
        let text = serde_json::to_vec(self).unwrap_or_default();
        root.write_derived(F::FILE, &text)?;
        self.changed = false;
        Ok(())
    }

    /// Looks at all runs, on several threads when there are many.
    fn inspect_all(&self, runs: &[(RunDir, RunId)]) -> Vec<Found<F>> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let threads = (runs.len() / ALONE).clamp(1, cores.min(THREADS));
        let next = AtomicUsize::new(0);
        let work = || {
            let mut found = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some((dir, id)) = runs.get(index) else { return found };
                found.push((index, inspect(dir, self.runs.get(id))));
            }
        };
        let mut found = thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
            let mut found = work();
            for other in others {
                match other.join() {
                    Ok(more) => found.extend(more),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            found
        });
        found.sort_unstable_by_key(|(index, _)| *index);
        found.into_iter().map(|(_, found)| found).collect()
    }
}

/// What is known of a run. What may still change has no stamps.
fn inspect<F: Finding>(dir: &RunDir, known: Option<&Remembered<F>>) -> Found<F> {
    // The stamps first: what changes meanwhile is read again the next time.
    let stamps = Stamps::of(dir);
    if known.is_some_and(|known| Some(known.stamps) == stamps) {
        return Found::Same;
    }
    let facts = F::of(dir);
    let stamps = stamps.filter(|_| facts.is_settled());
    Found::New(facts.into(), stamps)
}

#[cfg(test)]
mod tests {
    use roboppi_ipc::UtcMillis;
    use roboppi_record::JournalWriter;
    use roboppi_run::RunEvent;

    use super::*;
    use crate::RunSummary;

    const FILE: &str = "runs.cache";
    use crate::file::tests::{FINISHED, manifest, started};

    /// So many runs that are over.
    fn runs(root: &StateRoot, count: usize) -> Vec<RunDir> {
        let make = |number: usize| {
            let id = RunId::parse(&format!("run-{number:04}")).unwrap();
            let run = root.create_run(&id).unwrap();
            run.write_manifest(&manifest(roboppi_ipc::ProcessIdentity { pid: 1, start_time: 0 })).unwrap();
            let mut journal = JournalWriter::create(&run).unwrap();
            journal.append(UtcMillis(1), started(2)).unwrap();
            journal.append(UtcMillis(2), FINISHED).unwrap();
            run
        };
        (0..count).map(make).collect()
    }

    fn list(root: &StateRoot) -> Vec<String> {
        let runs = RunSummary::all(root, UtcMillis(9)).unwrap();
        runs.iter().map(|run| format!("{} {:?} {:?}", run.id, run.liveness, run.damage)).collect()
    }

    #[test]
    fn what_is_remembered_is_what_would_be_found_out() {
        let dir = tempfile::tempdir().unwrap();
        let root = StateRoot::at(dir.path().to_owned());
        let made = runs(&root, 3 * ALONE);
        let cache = dir.path().join(FILE);
        let forgotten = || {
            let _ = fs::remove_file(&cache);
            list(&root)
        };
        let first = list(&root);
        assert_eq!(first.len(), made.len());
        assert!(first[0].starts_with("run-0095 Finished(Succeeded) None"), "{}", first[0]);
        let written = fs::metadata(&cache).unwrap().ino();
        assert_eq!(list(&root), first);
        assert_eq!(fs::metadata(&cache).unwrap().ino(), written, "nothing new is not written");

        // A run that changes, one that is gone, one that is damaged, and a cache that is malformed.
        let mut journal = fs::OpenOptions::new().append(true).open(made[5].journal_path()).unwrap();
        std::io::Write::write_all(&mut journal, b"malformed\n").unwrap();
        assert!(list(&root).iter().any(|run| run.contains("run-0005") && run.contains("journal.jsonl:3")));
        root.remove(&RunId::parse("run-0006").unwrap()).unwrap();
        fs::write(made[7].manifest_path(), "{").unwrap();
        assert_eq!(list(&root), forgotten());
        assert_eq!(list(&root).len(), made.len() - 1);
        for malformed in ["", "{", "[]", "{\"format\":7,\"runs\":{}}", "{\"format\":2,\"runs\":{\"../x\":1}}"]
        {
            fs::write(&cache, malformed).unwrap();
            assert_eq!(list(&root), forgotten());
        }
    }

    #[test]
    fn a_list_is_shown_where_nothing_can_be_remembered() {
        let dir = tempfile::tempdir().unwrap();
        let root = StateRoot::at(dir.path().to_owned());
        let made = runs(&root, 2);
        fs::create_dir(dir.path().join(FILE)).unwrap();
        assert_eq!(list(&root).len(), made.len());
        // A run that goes on is looked at each time.
        let id = RunId::parse("run-0002").unwrap();
        let run = root.create_run(&id).unwrap();
        let me = roboppi_process::identity(std::process::id()).unwrap();
        run.write_manifest(&manifest(me)).unwrap();
        let mut journal = JournalWriter::create(&run).unwrap();
        journal.append(UtcMillis(1), started(2)).unwrap();
        fs::remove_dir(dir.path().join(FILE)).unwrap();
        assert!(list(&root)[0].contains("Live"));
        journal.append(UtcMillis(2), RunEvent::Warning { message: "m".into(), step: None }).unwrap();
        journal.append(UtcMillis(3), FINISHED).unwrap();
        assert!(list(&root)[0].contains("Finished"));
    }
}
