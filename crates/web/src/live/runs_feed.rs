//! The list of runs for one client.

use std::sync::Arc;

use serde_json::Value;
use tokio::sync::watch;

use super::frames;
use crate::app::App;
use crate::feed::{RunChanges, RunList, Watcher};
use crate::problem::Problem;

/// Runs of a snapshot. Older ones are read page by page.
const NEWEST: usize = 200;

/// A client that follows the list of runs.
#[derive(Debug)]
pub(crate) struct RunsFeed {
    list: Arc<RunList>,
    _watcher: Watcher,
    cursor: String,
    pub(crate) news: watch::Receiver<u64>,
}

impl RunsFeed {
    /// Begins behind a cursor.
    pub(crate) fn new(app: &App, after: Option<String>) -> Self {
        let list = Arc::clone(&app.list);
        Self { _watcher: list.watch(), news: list.news(), list, cursor: after.unwrap_or_default() }
    }

    pub(crate) fn cursor(&self) -> &str {
        &self.cursor
    }

    /// Changes that were not sent; `None` when the list must be given anew.
    pub(crate) fn waiting(&self, most: usize) -> Option<Vec<(Arc<str>, String)>> {
        match self.list.changes(&self.cursor, most) {
            RunChanges::Changes(changes) => Some(changes),
            RunChanges::Anew => None,
        }
    }

    /// The list, in frames.
    ///
    /// # Errors
    /// When the directory of runs cannot be read.
    pub(crate) async fn snapshot(
        &mut self,
        app: &Arc<App>,
        sub: &str,
        most: u32,
    ) -> Result<Vec<String>, Problem> {
        let (rows, cursor) = app
            .aside(|app| {
                let (rows, cursor) = app.list.rows(app.time())?;
                Ok((app.list.in_full(&rows[..rows.len().min(NEWEST)]), cursor))
            })
            .await?;
        self.cursor.clone_from(&cursor);
        Ok(frames::of_runs(sub, &rows, &cursor, most))
    }

    /// Takes changes as sent.
    pub(crate) fn go_behind(&mut self, changes: &[(Arc<str>, String)]) {
        if let Some((_, cursor)) = changes.last() {
            self.cursor.clone_from(cursor);
        }
    }

    /// A frame with changes, as many as fit. Returns how many those are.
    pub(crate) fn batch(&mut self, sub: &str, changes: &[(Arc<str>, String)], most: u32) -> (String, u32) {
        let from = self.cursor.clone();
        let (mut events, mut bytes): (Vec<String>, usize) = (Vec::new(), 0);
        for (body, cursor) in changes {
            let event = format!("{{\"cursor\":\"{cursor}\",{}", &body[1..]);
            if bytes + event.len() + 300 > most as usize && !events.is_empty() {
                break;
            }
            bytes += event.len() + 1;
            events.push(event);
            self.cursor.clone_from(cursor);
        }
        let (name, to) = (Value::from(sub), &self.cursor);
        let frame = format!(
            r#"{{"type":"batch","sub":{name},"from":"{from}","to":"{to}","events":[{}]}}"#,
            events.join(",")
        );
        (frame, u32::try_from(events.len()).unwrap_or(u32::MAX))
    }
}
