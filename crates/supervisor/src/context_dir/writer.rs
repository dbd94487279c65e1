//! Writes metadata files away from the thread that runs the steps: making a file may wait for the disk.

use std::ffi::OsStr;
use std::io::Write;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

use roboppi_run::StepPath;
use rustix::fs::Mode;

use super::root::Root;
use super::tree_error::TreeError;

/// Files that may wait. When there are more, whoever adds one waits for the disk, as if it wrote the file.
const WAITING: usize = 1_024;

/// A thread that writes files, each whole or not at all.
#[derive(Debug)]
pub(super) struct MetadataWriter {
    root: Arc<Root>,
    thread: Option<(SyncSender<Unwritten>, JoinHandle<Vec<String>>)>,
    problems: Vec<String>,
}

#[derive(Debug)]
struct Unwritten {
    /// The step in whose directory it is; in the context directory itself without one.
    step: Option<StepPath>,
    name: &'static str,
    text: Vec<u8>,
}

impl MetadataWriter {
    pub(super) fn start(root: Arc<Root>) -> Self {
        let (sender, files) = sync_channel::<Unwritten>(WAITING);
        let place = Arc::clone(&root);
        let write_all = move || {
            files.iter().filter_map(|file| file.write(&place).err()).map(|error| problem(&error)).collect()
        };
        let thread = Builder::new().name("metadata".to_owned()).spawn(write_all).ok();
        Self { root, thread: thread.map(|thread| (sender, thread)), problems: Vec::new() }
    }

    pub(super) fn write(&mut self, step: Option<&StepPath>, name: &'static str, text: Vec<u8>) {
        let file = Unwritten { step: step.cloned(), name, text };
        let left = match &self.thread {
            Some((sender, _)) => sender.send(file).err().map(|unsent| unsent.0),
            None => Some(file),
        };
        let failed = left.and_then(|file| file.write(&self.root).err());
        self.problems.extend(failed.as_ref().map(problem));
    }

    /// Waits until everything is written and says what could not be.
    pub(super) fn finish(&mut self) -> Vec<String> {
        let mut problems = std::mem::take(&mut self.problems);
        if let Some((sender, thread)) = self.thread.take() {
            drop(sender);
            problems.extend(thread.join().unwrap_or_default());
        }
        problems
    }
}

fn problem(error: &TreeError) -> String {
    format!("metadata cannot be written: {error}")
}

impl Unwritten {
    /// A reader never sees half a file.
    fn write(&self, root: &Root) -> Result<(), TreeError> {
        let whole = root.dir()?;
        let step = self.step.as_ref().map(|step| root.step(step)).transpose()?;
        let dir = step.as_ref().unwrap_or(&*whole);
        let unfinished = unfinished(self.name, std::process::id());
        let unfinished = OsStr::new(&unfinished);
        let path = dir.at(OsStr::new(self.name));
        // As any file a person would make there.
        let mut file = dir.create(unfinished, Mode::from_raw_mode(0o666))?;
        file.write_all(&self.text).map_err(TreeError::io(&path))?;
        dir.rename(unfinished, dir, OsStr::new(self.name))
    }
}

/// The name of a file until it is whole.
fn unfinished(name: &str, pid: u32) -> String {
    format!(".{name}.{pid}")
}

/// Whether a name is that of the file `whole` before it was.
pub(super) fn is_unfinished(name: &str, whole: &str) -> bool {
    let pid = name.strip_prefix('.').and_then(|name| name.strip_prefix(whole)?.strip_prefix('.'));
    pid.is_some_and(|pid| !pid.is_empty() && pid.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn half_a_file_is_known_by_its_name() {
        assert!(is_unfinished(&unfinished("_meta.json", 7), "_meta.json"));
        for other in ["_meta.json", "._meta.json", "._meta.json.", "._meta.json.x", "._resolved.json.7"] {
            assert!(!is_unfinished(other, "_meta.json"), "{other}");
        }
    }

    #[test]
    fn files_are_there_when_it_has_finished_and_problems_are_said() {
        let dir = tempfile::tempdir().unwrap();
        let root = Arc::new(Root::open(dir.path().join("context"), true).unwrap());
        let mut writer = MetadataWriter::start(Arc::clone(&root));
        let names = ["0.json", "1.json", "2.json", "3.json", "4.json", "5.json", "6.json"];
        for number in 0..3_000 {
            writer.write(None, names[number % 7], number.to_string().into_bytes());
        }
        writer.write(Some(&"step".into()), "of-a-step.json", Vec::new());
        fs::write(root.path().join("file"), "").unwrap();
        writer.write(Some(&"file".into()), "a.json", Vec::new());
        let problems = writer.finish();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].contains("context/file: Not a directory"), "{problems:?}");
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 9);
        assert!(root.path().join("step/of-a-step.json").exists());
    }
}
