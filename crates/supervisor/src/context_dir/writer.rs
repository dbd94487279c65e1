//! Writes metadata files away from the thread that runs the steps: making a file may wait for the disk.

use std::ffi::OsStr;
use std::io::Write;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, LazyLock};
use std::thread::{Builder, JoinHandle};

use roboppi_run::StepPath;
use rustix::fs::Mode;

use super::beneath::Dir;
use super::root::Root;
use super::step_place::make_step;
use super::tree_error::TreeError;

/// Batches of files that may wait. When there are more, whoever adds one waits for the disk, as if it wrote the files.
const WAITING: usize = 1_024;

/// A thread that writes files, each whole or not at all.
#[derive(Debug)]
pub(super) struct MetadataWriter {
    root: Arc<Root>,
    thread: Option<(SyncSender<Batch>, JoinHandle<Vec<String>>)>,
    /// What was added and is not on its way.
    added: Batch,
    problems: Vec<String>,
}

/// Files that are written together.
type Batch = Vec<Unwritten>;

#[derive(Debug)]
struct Unwritten {
    /// The step in whose directory it is; in the context directory itself without one.
    step: Option<StepPath>,
    /// One file has all of them.
    names: &'static [&'static str],
    text: Vec<u8>,
}

impl MetadataWriter {
    pub(super) fn start(root: Arc<Root>) -> Self {
        let (sender, batches) = sync_channel::<Batch>(WAITING);
        let place = Arc::clone(&root);
        let write_all = move || batches.iter().flat_map(|files| write_all(&files, &place)).collect();
        let thread = Builder::new().name("metadata".to_owned()).spawn(write_all).ok();
        let thread = thread.map(|thread| (sender, thread));
        Self { root, thread, added: Vec::new(), problems: Vec::new() }
    }

    /// Adds a file to those that [`write`](Self::write) writes.
    pub(super) fn add(&mut self, step: Option<&StepPath>, names: &'static [&'static str], text: Vec<u8>) {
        self.added.push(Unwritten { step: step.cloned(), names, text });
    }

    /// Has the files written that were added.
    pub(super) fn write(&mut self) {
        if self.added.is_empty() {
            return;
        }
        let files = std::mem::take(&mut self.added);
        let left = match &self.thread {
            Some((sender, _)) => sender.send(files).err().map(|unsent| unsent.0),
            None => Some(files),
        };
        self.problems.extend(left.iter().flat_map(|files| write_all(files, &self.root)));
    }

    /// Waits until everything is written and says what could not be.
    pub(super) fn finish(&mut self) -> Vec<String> {
        self.write();
        let mut problems = std::mem::take(&mut self.problems);
        if let Some((sender, thread)) = self.thread.take() {
            drop(sender);
            problems.extend(thread.join().unwrap_or_default());
        }
        problems
    }
}

/// Says what could not be written.
fn write_all(files: &[Unwritten], root: &Root) -> Vec<String> {
    let failed = files.iter().filter_map(|file| file.write(root).err());
    failed.map(|error| format!("metadata cannot be written: {error}")).collect()
}

impl Unwritten {
    /// A reader never sees half a file.
    fn write(&self, root: &Root) -> Result<(), TreeError> {
        let whole = root.dir()?;
        let step = self.step.as_ref().map(|step| make_step(&whole, step)).transpose()?;
        let dir = step.as_ref().unwrap_or(&*whole);
        let [name, others @ ..] = self.names else { return Ok(()) };
        let unfinished_name = unfinished(name);
        self.write_at(dir, &unfinished_name)?;
        for other in others {
            let between = unfinished(other);
            if !dir.name_again(OsStr::new(&unfinished_name), OsStr::new(other), OsStr::new(&between))? {
                self.write_at(dir, &between)?;
                dir.rename(OsStr::new(&between), dir, OsStr::new(other))?;
            }
        }
        dir.rename(OsStr::new(&unfinished_name), dir, OsStr::new(name))
    }

    fn write_at(&self, dir: &Dir, name: &str) -> Result<(), TreeError> {
        let name = OsStr::new(name);
        // As any file a person would make there.
        let mut file = dir.create(name, Mode::from_raw_mode(0o666))?;
        file.write_all(&self.text).map_err(TreeError::io(dir.at(name)))
    }
}

/// The name of a file until it is whole.
fn unfinished(name: &str) -> String {
    static OWNER: LazyLock<u32> = LazyLock::new(std::process::id);
    format!(".{name}.{}", *OWNER)
}

/// Whether a name is that of the file `whole` before it was.
pub(super) fn is_unfinished(name: &str, whole: &str) -> bool {
    let pid = name.strip_prefix('.').and_then(|name| name.strip_prefix(whole)?.strip_prefix('.'));
    pid.is_some_and(|pid| !pid.is_empty() && pid.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn half_a_file_is_known_by_its_name() {
        assert!(is_unfinished(&unfinished("_meta.json"), "_meta.json"));
        for other in ["_meta.json", "._meta.json", "._meta.json.", "._meta.json.x", "._resolved.json.7"] {
            assert!(!is_unfinished(other, "_meta.json"), "{other}");
        }
    }

    #[test]
    fn files_are_there_when_it_has_finished_and_problems_are_said() {
        const NAMES: [&[&str]; 7] =
            [&["0.json"], &["1.json"], &["2.json"], &["3.json"], &["4.json"], &["5.json"], &["6.json"]];

        let dir = tempfile::tempdir().unwrap();
        let root = Arc::new(Root::open(dir.path().join("context"), true).unwrap());
        let mut writer = MetadataWriter::start(Arc::clone(&root));
        for number in 0..3_000 {
            writer.add(None, NAMES[number % 7], number.to_string().into_bytes());
            if number % 3 == 0 {
                writer.write();
            }
        }
        writer.add(Some(&"step".into()), &["of-a-step.json"], Vec::new());
        fs::write(root.path().join("file"), "").unwrap();
        writer.add(Some(&"file".into()), &["a.json"], Vec::new());
        let problems = writer.finish();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].contains("context/file: Not a directory"), "{problems:?}");
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 10, "one is .gitignore");
        assert!(root.path().join("step/of-a-step.json").exists());
        assert_eq!(fs::read_to_string(root.path().join("3.json")).unwrap(), "2999");
    }

    #[test]
    fn one_file_has_both_names_and_another_takes_its_place_whole() {
        const NAMES: &[&str] = &["a.json", "b.json"];

        let dir = tempfile::tempdir().unwrap();
        let root = Arc::new(Root::open(dir.path().join("context"), true).unwrap());
        let mut writer = MetadataWriter::start(Arc::clone(&root));
        // What a run that was killed has left, and what somebody else has there.
        fs::create_dir(root.path().join("s")).unwrap();
        for left in [unfinished("a.json"), unfinished("b.json"), "b.json".to_owned()] {
            fs::write(root.path().join("s").join(left), "half").unwrap();
        }
        let opened = fs::File::open(root.path().join("s/b.json")).unwrap();
        writer.add(Some(&"s".into()), NAMES, b"first".to_vec());
        writer.write();
        writer.add(Some(&"s".into()), NAMES, b"second".to_vec());
        assert_eq!(writer.finish(), Vec::<String>::new());
        let files = NAMES.iter().map(|name| root.path().join("s").join(name));
        for file in files {
            assert_eq!(fs::read_to_string(&file).unwrap(), "second");
            assert_eq!(fs::metadata(&file).unwrap().nlink(), 2);
        }
        assert_eq!(fs::read_dir(root.path().join("s")).unwrap().count(), 2);
        assert_eq!(std::io::read_to_string(opened).unwrap(), "half", "it was not written over");
    }
}
