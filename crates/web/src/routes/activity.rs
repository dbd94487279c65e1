//! What workers did: their events, large values, and changes of files.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::extract::State;
use axum::response::IntoResponse;
use roboppi_ipc::WorkerEvent;
use roboppi_record::{RecordError, RecordStore};
use roboppi_run::AttemptRef;
use serde::Serialize;

use crate::api::item::{Item, PAGE_TEXT};
use crate::api::text::cut;
use crate::app::App;
use crate::call::{Answer, Call, Segments, json};
use crate::logs::attempt_of;
use crate::problem::Problem;

/// Bytes of diffs in one answer, about.
const DIFFS: usize = 4 * 1024 * 1024;

/// Bytes of items in one answer, about.
const ITEMS: usize = 4 * 1024 * 1024;

/// A part of what a worker did.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct ActivityPage {
    /// The items, oldest first.
    items: Vec<Item>,
    /// Number of the first item.
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<u64>,
    /// Number of the last item.
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<u64>,
    /// There are more: behind the last one with `after`, otherwise before the first one.
    more: bool,
    /// Items there are.
    total: u64,
}

/// `GET …/attempts/{attempt}/activity`: with `after` what comes behind an item, otherwise the latest items, or those before
/// `before`.
pub(crate) async fn page(
    State(app): State<Arc<App>>,
    Segments((run, attempt)): Segments<(String, String)>,
    call: Call,
) -> Answer {
    let limit = call.params.limit("limit", 200, 1000)?;
    let after = call.params.value::<u64>("after", "the number of an item")?;
    let before = call.params.value::<u64>("before", "the number of an item")?;
    let hub = app.run(&run).await?;
    let of = attempt_of(&hub, &attempt)?;
    let page = app
        .aside(move |_| {
            let events = hub.record().events(&of)?;
            let mut page = ActivityPage::default();
            let (mut items, mut bytes) = (VecDeque::new(), 0);
            for record in events {
                let record = match record {
                    Ok(record) => record,
                    Err(RecordError::BadJson { .. }) => continue,
                    Err(error) => return Err(error.into()),
                };
                let Some(item) = Item::of(&record, PAGE_TEXT) else { continue };
                page.total += 1;
                let size = |item: &Item| serde_json::to_string(item).map_or(0, |text| text.len());
                if let Some(after) = after {
                    if item.seq <= after {
                        continue;
                    }
                    if items.len() >= limit || bytes > ITEMS {
                        page.more = true;
                        continue;
                    }
                    bytes += size(&item);
                    items.push_back(item);
                } else if before.is_none_or(|before| item.seq < before) {
                    bytes += size(&item);
                    items.push_back(item);
                    while items.len() > limit || (bytes > ITEMS && items.len() > 1) {
                        bytes -= items.pop_front().map_or(0, |item| size(&item));
                        page.more = true;
                    }
                }
            }
            page.items = items.into();
            page.first = page.items.first().map(|item| item.seq);
            page.last = page.items.last().map(|item| item.seq);
            Ok(page)
        })
        .await?;
    json(&page)
}

/// `GET …/attempts/{attempt}/blobs/{blob}`: a large value of an item, whole.
pub(crate) async fn blob(
    State(app): State<Arc<App>>,
    Segments((run, attempt, name)): Segments<(String, String, String)>,
    call: Call,
) -> Answer {
    let hub = app.run(&run).await?;
    attempt_of(&hub, &attempt)?;
    let none = || Problem::not_found("the record has no such value, or it is damaged");
    // The name of a value is its hash.
    if name.is_empty() || name.len() > 128 || !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(none());
    }
    let bytes = {
        let name = name.clone();
        app.aside(move |_| Ok(hub.record().blob(&name)?)).await?.ok_or_else(none)?
    };
    let kind = if call.params.flag("inline") { "inline" } else { "attachment" };
    let disposition = format!("{kind}; filename=\"{name}.txt\"");
    let headers =
        [("content-type", "text/plain; charset=utf-8"), ("content-disposition", disposition.as_str())];
    Ok((headers, bytes).into_response())
}

/// Changes of files.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Diffs {
    /// Changes, in the order in which they were made.
    pub(crate) files: Vec<Diff>,
    /// Diffs that are left out, because there are too many bytes of them.
    #[serde(rename = "leftOut", skip_serializing_if = "is_zero")]
    pub(crate) left_out: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
const fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// A change of a file.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Diff {
    /// Number of its event.
    seq: u64,
    /// Path of the file.
    path: String,
    /// `created`, `modified` or `deleted`.
    change: String,
    /// The change, in the unified form; absent when it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    diff: Option<String>,
    /// The diff is cut.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    cut: bool,
    /// Id of the tool call that did it.
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<String>,
    /// Lines that were added.
    added: usize,
    /// Lines that were removed.
    removed: usize,
}

/// `GET …/attempts/{attempt}/diffs`.
pub(crate) async fn diffs(
    State(app): State<Arc<App>>,
    Segments((run, attempt)): Segments<(String, String)>,
) -> Answer {
    let hub = app.run(&run).await?;
    let of = attempt_of(&hub, &attempt)?;
    json(&app.aside(move |_| read_diffs(hub.record().as_ref(), &of)).await?)
}

/// The changes that the events of an attempt tell. Reads the record.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn read_diffs(record: &dyn RecordStore, of: &AttemptRef) -> Result<Diffs, Problem> {
    let mut diffs = Diffs::default();
    let mut bytes = 0;
    for record in record.events(of)? {
        let Ok(record) = record else { continue };
        match record.event {
            WorkerEvent::Patch(patch) => {
                if bytes >= DIFFS {
                    diffs.left_out += 1;
                    continue;
                }
                let (text, is_cut) = cut(&patch.diff, DIFFS - bytes);
                bytes += text.len();
                let (added, removed) = changed_lines(&patch.diff);
                // What was said of the change without its diff is in one entry with it.
                let change =
                    diffs.files.iter().rposition(|file| file.path == patch.file_path && file.diff.is_none());
                let change = change.map(|index| diffs.files.remove(index));
                diffs.files.push(Diff {
                    seq: record.seq,
                    path: patch.file_path,
                    change: change.as_ref().map_or_else(|| "modified".to_owned(), |file| file.change.clone()),
                    diff: Some(text.to_owned()),
                    cut: is_cut,
                    cause: change.and_then(|file| file.cause),
                    added,
                    removed,
                });
            }
            WorkerEvent::FileChanged { path, action, by, seen: _ } => {
                let known = diffs.files.iter_mut().rev().find(|file| file.path == path);
                match known {
                    Some(known) if known.cause.is_none() && known.diff.is_some() => {
                        known.change = action.name().to_owned();
                        known.cause = by;
                    }
                    _ => diffs.files.push(Diff {
                        seq: record.seq,
                        path,
                        change: action.name().to_owned(),
                        diff: None,
                        cut: false,
                        cause: by,
                        added: 0,
                        removed: 0,
                    }),
                }
            }
            _ => {}
        }
    }
    Ok(diffs)
}

/// Lines that a diff adds and removes. What stands before its first hunk names files.
fn changed_lines(diff: &str) -> (usize, usize) {
    let lines = || diff.lines().skip_while(|line| !line.starts_with("@@"));
    let count = |sign: char| lines().filter(|line| line.starts_with(sign)).count();
    (count('+'), count('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_are_no_changed_lines() {
        let diff = "--- a/x\n+++ b/x\n@@ -1,2 +1,3 @@\n a\n-b\n+c\n+++d\n";
        assert_eq!(changed_lines(diff), (2, 1));
    }
}
