//! What a watcher reports equals a recount of the directory, whatever happened in it.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use proptest::prelude::Rng as _;
use proptest::test_runner::{RngAlgorithm, TestRng};
use roboppi_workspace::{ChangeKind, Limits, News, Report, Settings, Watcher, Workspaces};

/// What is waited for in vain.
const PATIENCE: Duration = Duration::from_secs(60);

fn start(root: &Path, limits: Limits, workspaces: &Workspaces) -> (Watcher, Receiver<News>) {
    let (sender, news) = channel();
    let root = root.canonicalize().unwrap();
    let settings =
        Settings { keep_in: vec![std::env::temp_dir()], skip: vec![root.join("own")], root, limits };
    let watcher = Watcher::start(settings, workspaces, move |news| sender.send(news).is_ok()).unwrap();
    assert_eq!(news.recv_timeout(PATIENCE), Ok(News::Ready));
    watcher.begin();
    (watcher, news)
}

fn report(watcher: &Watcher, news: &Receiver<News>) -> Report {
    watcher.finish(PATIENCE);
    loop {
        if let News::Swept(report) = news.recv_timeout(PATIENCE).expect("a report") {
            return report;
        }
    }
}

/// Content of every file and target of every link, by path.
fn recount(dir: &Path, root: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let kind = path.symlink_metadata().unwrap().file_type();
        let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        if kind.is_dir() {
            recount(&path, root, found);
        } else if kind.is_symlink() {
            found.insert(name, fs::read_link(&path).unwrap().to_str().unwrap().into());
        } else {
            let mut content = fs::read(&path).unwrap();
            content.push(u8::from(path.metadata().unwrap().permissions().mode() & 0o100 != 0));
            found.insert(name, content);
        }
    }
}

fn all(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    recount(root, root, &mut found);
    found
}

struct Chaos {
    rng: TestRng,
    root: PathBuf,
}

impl Chaos {
    fn below(&mut self, most: u32) -> u32 {
        self.rng.next_u32() % most
    }

    fn path(&mut self) -> PathBuf {
        let depth = self.below(3);
        let mut path = self.root.clone();
        for _ in 0..depth {
            path.push(format!("d{}", self.below(3)));
        }
        path.join(format!("f{}", self.below(6)))
    }

    /// One operation, which may fail.
    fn step(&mut self) {
        let (path, other) = (self.path(), self.path());
        let _ = fs::create_dir_all(path.parent().unwrap());
        let _ = match self.below(9) {
            0..=2 => fs::write(&path, format!("line\n{}\n", self.below(4))),
            3 => fs::remove_file(&path),
            4 => fs::rename(&path, &other),
            5 => fs::remove_dir_all(path.parent().unwrap().join("d1")),
            6 => fs::set_permissions(
                &path,
                fs::Permissions::from_mode(if self.below(2) == 0 { 0o755 } else { 0o644 }),
            ),
            // What is written through it must harm nothing.
            7 => symlink(self.root.with_file_name("outside"), &path),
            _ => fs::rename(path.parent().unwrap(), other.with_extension("dir")),
        };
        let _ = fs::create_dir_all(&self.root);
    }
}

#[test]
fn a_report_equals_a_recount() {
    for round in 0..60_u64 {
        let seed = std::env::var("SEED").ok().map_or(round, |seed| seed.parse().unwrap());
        println!("SEED={seed}");
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("w");
        fs::create_dir(&root).unwrap();
        let mut chaos = Chaos { rng: TestRng::from_seed(RngAlgorithm::ChaCha, &bytes), root: root.clone() };
        for _ in 0..40 {
            chaos.step();
        }
        let before = all(&root);
        // Few places for notifications, so that there are rescans.
        let limits = Limits { noticed: 3, ..Limits::default() };
        let (watcher, news) = start(&root, limits, &Workspaces::default());
        for _ in 0..chaos.below(60) {
            chaos.step();
        }
        let after = all(&root);
        let report = report(&watcher, &news);
        assert_eq!(report.missed, None, "seed {seed}");
        let mut expected: BTreeMap<String, ChangeKind> = BTreeMap::new();
        for (name, content) in &before {
            match after.get(name) {
                None => drop(expected.insert(name.clone(), ChangeKind::Deleted)),
                Some(now) if now != content => drop(expected.insert(name.clone(), ChangeKind::Modified)),
                Some(_) => {}
            }
        }
        let new = after.keys().filter(|name| !before.contains_key(*name));
        expected.extend(new.map(|name| (name.clone(), ChangeKind::Added)));
        let found: BTreeMap<_, _> =
            report.changes.iter().map(|change| (change.path.clone(), change.kind)).collect();
        assert_eq!(found, expected, "seed {seed}");
        let has_no_diff = |change: &&roboppi_workspace::FileChange| change.added.is_none();
        assert_eq!(report.changes.iter().find(has_no_diff), None, "seed {seed}");
    }
}

#[test]
fn limits_are_stated_and_never_invent_a_change() {
    let dir = tempfile::tempdir().unwrap();
    for number in 0..50 {
        let sub = dir.path().join(format!("d{}", number % 5));
        fs::create_dir_all(&sub).unwrap();
        fs::write(sub.join(number.to_string()), "x").unwrap();
    }
    let limits = Limits { files: 20, ..Limits::default() };
    let (watcher, news) = start(dir.path(), limits, &Workspaces::default());
    let found = report(&watcher, &news);
    assert_eq!(
        (found.changes.len(), found.missed.as_deref()),
        (0, Some("the workspace has more than 20 files"))
    );

    let limits = Limits { changes: 3, diffs_bytes: 60, file_bytes: 100, ..Limits::default() };
    let (watcher, news) = start(dir.path(), limits, &Workspaces::default());
    for number in 0..10 {
        fs::write(
            dir.path().join(format!("n{number}")),
            if number == 0 { "y".repeat(200) } else { "y\n".into() },
        )
        .unwrap();
    }
    let found = report(&watcher, &news);
    assert_eq!(found.missed.as_deref(), Some("7 changes are over the limit of a report"));
    let diffs: Vec<_> = found.changes.iter().map(|change| (change.added, change.diff.is_some())).collect();
    assert_eq!(diffs, [(None, false), (Some(1), true), (Some(1), false)], "{:?}", found.changes);
}

#[test]
fn what_is_ignored_or_of_roboppi_is_left_aside() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    for sub in ["own", "a/b", ".git/info", "target"] {
        fs::create_dir_all(at(sub)).unwrap();
    }
    fs::write(at(".gitignore"), "target/\n*.log\n/top\n").unwrap();
    fs::write(at("a/.gitignore"), "!keep.log\nb/\n").unwrap();
    fs::write(at(".git/info/exclude"), "excluded\n").unwrap();
    let (watcher, news) = start(dir.path(), Limits::default(), &Workspaces::default());
    for name in [
        "own/x",
        "a/b/x",
        ".git/x",
        "target/x",
        "x.log",
        "a/x.log",
        "a/keep.log",
        "top",
        "a/top",
        "excluded",
        "plain",
    ] {
        fs::write(at(name), "x").unwrap();
    }
    let found: Vec<_> = report(&watcher, &news).changes.into_iter().map(|change| change.path).collect();
    assert_eq!(found, ["a/keep.log", "a/top", "plain"]);
}

#[test]
fn a_change_is_announced_while_the_worker_runs() {
    let dir = tempfile::tempdir().unwrap();
    let (watcher, news) = start(dir.path(), Limits::default(), &Workspaces::default());
    fs::create_dir_all(dir.path().join("new/deep")).unwrap();
    fs::write(dir.path().join("new/deep/file"), "x").unwrap();
    let News::Changed(changes) = news.recv_timeout(PATIENCE).expect("a notification") else {
        panic!("no change")
    };
    assert_eq!((changes.len(), changes[0].path.as_str()), (1, "new/deep/file"));
    watcher.reported(|reported| reported.changed(dir.path().canonicalize().unwrap().join("reported"), 0));
    fs::write(dir.path().join("reported"), "x").unwrap();
    let found = report(&watcher, &news);
    let reported: Vec<_> = found.changes.iter().map(|change| change.reported).collect();
    assert_eq!(reported, [false, true]);
}

#[test]
fn a_directory_that_is_not_there_is_stated() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("w");
    fs::create_dir(&root).unwrap();
    let (watcher, news) = start(&root, Limits::default(), &Workspaces::default());
    fs::remove_dir(&root).unwrap();
    let found = report(&watcher, &news);
    assert!(found.changes.is_empty());
    // The directory is still open, and empty.
    assert_eq!(found.missed, None);
    let (sender, news) = channel();
    let settings = Settings { root, skip: Vec::new(), keep_in: Vec::new(), limits: Limits::default() };
    let watcher =
        Watcher::start(settings, &Workspaces::default(), move |news| sender.send(news).is_ok()).unwrap();
    let found = report(&watcher, &news);
    assert!(found.missed.unwrap().starts_with("the workspace could not be read: "));
}
