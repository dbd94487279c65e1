//! Changes of files in the workspace of a worker: from its [`Watcher`], which has a thread of its own, into events.

use std::env::temp_dir;
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use roboppi_ipc::{
    ChangeCause, ChangeKind, Mono, Patch, ToolCall, WorkerEvent, WorkerTask, WorkspaceChange,
    WorkspaceChanges,
};
use roboppi_workspace as workspace;
use roboppi_workspace::{Cause, Limits, News, Report, Settings, Watcher, Workspaces};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::seen_files::SeenFiles;
use super::state::State;
use super::{AbortOnDrop, WorkerOptions, WorkerShared};

/// Messages of a watcher that wait. Its thread waits for room.
const NEWS: usize = 4;
/// Time that a worker waits for its workspace to be read.
const READY: Duration = Duration::from_secs(2);
/// Time for the sweep after a request to end the worker.
const SWEEP_OF_CANCELLED: Duration = Duration::from_millis(500);
/// Time for the diffs beyond that of the sweep.
const MARGIN: Duration = Duration::from_secs(1);
/// Files that are events of their own.
const EVENTS: usize = 500;
/// Diffs that are events of their own, and bytes of all of them. All are in the record.
const PATCHES: usize = 100;
const PATCH_BYTES: usize = 256 * 1024;
/// Depth of the input of a tool in which paths are searched, and their longest text.
const INPUT_DEPTH: usize = 4;
const LONGEST_PATH: usize = 4096;

/// The files of one worker, while it runs.
pub(super) struct Files {
    news: JoinHandle<Option<Report>>,
    _news: AbortOnDrop,
    limit: Duration,
}

/// Directories of roboppi itself that may be in a workspace.
pub(super) fn own_dirs(task: &WorkerTask, options: &WorkerOptions) -> Vec<PathBuf> {
    let context = task.env.get("ROBOPPI_CONTEXT_DIR").map(PathBuf::from);
    let record = record_dir(options);
    let runs =
        record.as_deref().and_then(Path::parent).filter(|runs| runs.file_name() == Some(OsStr::new("runs")));
    let runs = runs.map(Path::to_owned);
    context.into_iter().chain(runs).chain(record).collect()
}

fn record_dir(options: &WorkerOptions) -> Option<PathBuf> {
    let target = options.record.as_ref()?;
    Some(options.record_dir.clone().unwrap_or_else(|| PathBuf::from(&target.dir)))
}

impl Files {
    /// Reads the workspace, and returns when the worker may start.
    pub(super) async fn watch(
        shared: &Rc<WorkerShared>,
        dir: &Path,
        own_dirs: Vec<PathBuf>,
        options: &WorkerOptions,
        workspaces: &Workspaces,
    ) -> Option<Self> {
        let root = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
        let limits = Limits::default();
        let skip = own_dirs.into_iter().map(|own| own.canonicalize().unwrap_or(own)).collect();
        let keep_in = record_dir(options).into_iter().chain([temp_dir()]).collect();
        let (ready, is_ready) = oneshot::channel();
        let (news, received) = mpsc::channel(NEWS);
        let mut ready = Some(ready);
        let notify = move |message| match message {
            News::Ready => ready.take().is_none_or(|ready| ready.send(()).is_ok()),
            message => news.blocking_send(message).is_ok(),
        };
        let started = Watcher::start(Settings { root, skip, keep_in, limits }, workspaces, notify);
        let watcher = match started {
            Ok(watcher) => watcher,
            Err(error) => {
                let missed = Some(format!("the workspace could not be watched: {error}"));
                shared.state.borrow_mut().files.report = Some(Report { missed, ..Report::default() });
                return None;
            }
        };
        let is_to_end = async {
            while !shared.state.borrow().is_to_end() {
                shared.driver.notified().await;
            }
        };
        tokio::select! {
            _ = is_ready => {}
            () = sleep(READY) => {}
            () = is_to_end => {}
        }
        // The driver looks for itself at what it was notified of.
        shared.driver.notify_one();
        watcher.begin();
        let files = SeenFiles { watcher: Some(watcher), given: dir.to_owned(), ..SeenFiles::default() };
        shared.state.borrow_mut().files = files;
        let news = tokio::task::spawn_local(follow(Rc::clone(shared), received));
        Some(Self { _news: AbortOnDrop(news.abort_handle()), news, limit: limits.sweep })
    }

    /// Takes the last look, when the worker and all its processes have ended.
    pub(super) async fn sweep(self, shared: &WorkerShared, cancelled: bool) {
        let limit = if cancelled { SWEEP_OF_CANCELLED } else { self.limit };
        if let Some(watcher) = &shared.state.borrow().files.watcher {
            watcher.finish(limit);
        }
        let report = timeout(limit + MARGIN, self.news).await.ok().and_then(Result::ok).flatten();
        let mut state = shared.state.borrow_mut();
        state.files.watcher = None;
        state.files.report = Some(report.unwrap_or_else(|| Report {
            missed: Some("the workspace could not be read again in time".to_owned()),
            ..Report::default()
        }));
    }
}

async fn follow(shared: Rc<WorkerShared>, mut news: mpsc::Receiver<News>) -> Option<Report> {
    while let Some(message) = news.recv().await {
        match message {
            News::Ready => {}
            News::Changed(changes) => {
                let now = shared.host.clock.now();
                let mut state = shared.state.borrow_mut();
                for change in changes {
                    state.file_seen(now, change.path, kind(change.kind));
                }
                state.flush_events(now);
                shared.news.notify_one();
            }
            News::Swept(report) => return Some(report),
        }
    }
    None
}

impl State {
    /// Lets the watcher know which files the agent says that it changes.
    pub(super) fn report_to_watcher(&self, event: &WorkerEvent) {
        let Some(watcher) = &self.files.watcher else { return };
        let now = self.utc_ms();
        let path = |path: &str| absolute(watcher.root(), &self.files.given, path);
        match event {
            WorkerEvent::ToolCall(call) => {
                let paths = named_paths(call).into_iter().filter_map(path).collect();
                watcher.reported(|reported| reported.call(&call.id, paths, now));
            }
            WorkerEvent::ToolResult(result) => watcher.reported(|reported| reported.result(&result.id, now)),
            WorkerEvent::FileChanged { path: of, .. } | WorkerEvent::Patch(Patch { file_path: of, .. }) => {
                if let Some(path) = path(of) {
                    watcher.reported(|reported| reported.changed(path, now));
                }
            }
            _ => {}
        }
    }

    /// A file has changed, and the agent did not report it.
    fn file_seen(&mut self, now: Mono, path: String, action: ChangeKind) {
        if self.files.announced.len() < EVENTS && self.files.announced.insert(path.clone()) {
            self.found_event(now, WorkerEvent::FileChanged { path, action, by: None, seen: true });
        }
    }

    /// Records what was found at the end.
    pub(super) fn record_changes(&mut self, now: Mono) {
        let Some(report) = self.files.report.take() else { return };
        let Report { changes, missed, shared } = report;
        let count = changes.len() as u64;
        let (mut list, mut diffs) = (String::new(), String::new());
        let (mut patches, mut patch_bytes) = (0, 0);
        for mut change in changes {
            if let Some(diff) = &mut change.diff {
                self.redact(diff);
            }
            if !change.reported {
                self.file_seen(now, change.path.clone(), kind(change.kind));
                if let Some(diff) = change
                    .diff
                    .as_ref()
                    .filter(|diff| patches < PATCHES && patch_bytes + diff.len() <= PATCH_BYTES)
                {
                    (patches, patch_bytes) = (patches + 1, patch_bytes + diff.len());
                    let patch = Patch::new(change.path.as_str(), diff.as_str()).with_seen(true);
                    self.found_event(now, WorkerEvent::Patch(patch));
                }
            }
            self.redact(&mut change.path);
            let line = line_of(&change, diffs.len() as u64);
            diffs.extend(change.diff);
            list.extend(serde_json::to_string(&line).ok().map(|line| line + "\n"));
        }
        let mut blob = |content: &str| match content {
            "" => (None, true),
            content => self.put_aside(content.as_bytes()).map_or((None, false), |name| (Some(name), true)),
        };
        let ((list, has_list), (diffs, has_diffs)) = (blob(&list), blob(&diffs));
        let no_room = match (has_list, has_diffs) {
            (false, _) => Some("the record has no room for the list"),
            (true, false) => Some("the record has no room for the diffs"),
            (true, true) => None,
        };
        let missed: Vec<_> = missed.into_iter().chain(no_room.map(str::to_owned)).collect();
        let found = WorkspaceChanges::default()
            .with_complete(missed.is_empty())
            .with_missed((!missed.is_empty()).then(|| missed.join("; ")))
            .with_changes(count)
            .with_shared(shared)
            .with_list(list)
            .with_diffs(diffs);
        self.found_event(now, WorkerEvent::WorkspaceChanges(found));
        self.flush_events(now);
    }
}

fn line_of(change: &workspace::FileChange, diff_at: u64) -> WorkspaceChange {
    let cause = match change.cause {
        Cause::Tool => ChangeCause::Tool,
        Cause::Other => ChangeCause::Other,
    };
    let mut line = WorkspaceChange::new(change.path.clone(), kind(change.kind), cause);
    (line.added, line.removed, line.bytes) = (change.added, change.removed, change.bytes);
    line.diff_len = change.diff.as_ref().map(|diff| diff.len() as u64);
    line.diff_at = line.diff_len.map(|_| diff_at);
    line
}

const fn kind(kind: workspace::ChangeKind) -> ChangeKind {
    match kind {
        workspace::ChangeKind::Added => ChangeKind::Created,
        workspace::ChangeKind::Modified => ChangeKind::Modified,
        workspace::ChangeKind::Deleted => ChangeKind::Deleted,
    }
}

/// Paths in the input of a tool that may write them.
fn named_paths(call: &ToolCall) -> Vec<&str> {
    const READS: [&str; 8] = ["read", "view", "cat", "grep", "glob", "list", "ls", "search"];
    let name = call.name.to_ascii_lowercase();
    let mut paths = Vec::new();
    if !READS.iter().any(|reads| name == *reads || name.starts_with(&format!("{reads}_"))) {
        find_paths(&call.input, false, INPUT_DEPTH, &mut paths);
    }
    paths
}

fn find_paths<'a>(value: &'a Value, is_path: bool, depth: usize, paths: &mut Vec<&'a str>) {
    match value {
        Value::String(text) if is_path && !text.is_empty() && text.len() <= LONGEST_PATH => paths.push(text),
        Value::Array(items) if depth > 0 => {
            items.iter().for_each(|item| find_paths(item, is_path, depth - 1, paths));
        }
        Value::Object(fields) if depth > 0 => {
            for (key, value) in fields {
                let key = key.to_ascii_lowercase();
                find_paths(value, key.contains("path") || key.contains("file"), depth - 1, paths);
            }
        }
        _ => {}
    }
}

/// A path of an agent below the directory that is watched; `None` of one elsewhere.
fn absolute(root: &Path, given: &Path, path: &str) -> Option<PathBuf> {
    let path = Path::new(path);
    let path = path.strip_prefix(given).unwrap_or(path);
    let mut clean = root.to_owned();
    for part in root.join(path).strip_prefix(root).ok()?.components() {
        match part {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => {
                clean.pop();
            }
            _ => {}
        }
    }
    clean.starts_with(root).then_some(clean)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_of_tools_that_write_are_found() {
        let call = |name: &str, input| ToolCall::new("t", name, input);
        let edit = call("Edit", json!({"file_path": "/w/a", "old_string": "x", "edits": [{"path": "b"}]}));
        assert_eq!(named_paths(&edit), ["b", "/w/a"]);
        assert!(named_paths(&call("Bash", json!({"command": "touch a"}))).is_empty());
        assert!(named_paths(&call("Read", json!({"file_path": "/w/a"}))).is_empty());
    }

    #[test]
    fn a_path_is_below_the_directory_or_none() {
        let of = |path: &str| absolute(Path::new("/real/w"), Path::new("/link/w"), path);
        for (path, found) in [
            ("a/b", Some("/real/w/a/b")),
            ("/link/w/a", Some("/real/w/a")),
            ("/real/w/./a/../b", Some("/real/w/b")),
            ("/etc/passwd", None),
            ("../x", None),
        ] {
            assert_eq!(of(path), found.map(PathBuf::from), "{path}");
        }
    }
}
