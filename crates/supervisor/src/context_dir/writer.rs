//! Writes metadata files away from the thread that runs the steps: making a file may wait for the disk.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

/// Files that may wait. When there are more, whoever adds one waits for the disk, as if it wrote the file.
const WAITING: usize = 1_024;

/// A thread that writes files, each whole or not at all.
#[derive(Debug, Default)]
pub(super) struct MetadataWriter {
    thread: Option<(SyncSender<Unwritten>, JoinHandle<Vec<String>>)>,
    problems: Vec<String>,
}

#[derive(Debug)]
struct Unwritten {
    path: PathBuf,
    text: Vec<u8>,
}

impl MetadataWriter {
    pub(super) fn start() -> Self {
        let (sender, files) = sync_channel::<Unwritten>(WAITING);
        let write_all = move || files.iter().filter_map(|file| file.write().err()).collect();
        let thread = Builder::new().name("metadata".to_owned()).spawn(write_all).ok();
        Self { thread: thread.map(|thread| (sender, thread)), problems: Vec::new() }
    }

    pub(super) fn write(&mut self, path: PathBuf, text: Vec<u8>) {
        let file = Unwritten { path, text };
        let left = match &self.thread {
            Some((sender, _)) => sender.send(file).err().map(|unsent| unsent.0),
            None => Some(file),
        };
        if let Some(Err(problem)) = left.map(|file| file.write()) {
            self.problems.push(problem);
        }
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

impl Unwritten {
    fn write(&self) -> Result<(), String> {
        replace(&self.path, &self.text)
            .map_err(|error| format!("{} cannot be written: {error}", self.path.display()))
    }
}

/// A reader never sees half a file.
fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension(format!("json.{}", std::process::id()));
    fs::write(&unfinished, text)?;
    fs::rename(&unfinished, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_there_when_it_has_finished_and_problems_are_said() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = MetadataWriter::start();
        for number in 0..3_000 {
            writer.write(dir.path().join(format!("{}.json", number % 7)), number.to_string().into_bytes());
        }
        writer.write(dir.path().join("absent/a.json"), Vec::new());
        let problems = writer.finish();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].contains("absent/a.json"), "{problems:?}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 7);
    }
}
