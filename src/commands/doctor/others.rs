//! Programs that roboppi does not start: whether their files can be followed, and whether their hooks report.

use std::env;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use roboppi_report::doctor::{Check, Health};
use roboppi_run::units::age;
use roboppi_watch::Source;
use serde_json::Value;

use super::Finding;

const AREA: &str = "other programs";

/// The command of a hook that reports.
const HOOK: &str = "roboppi emit claude-hook";

pub(super) fn look() -> Vec<Finding> {
    let Some(home) = env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from) else {
        return Vec::new();
    };
    let sources = [
        ("victor", Source::victor(&home)),
        ("pyjama", Source::pyjama(&home)),
        ("claude", Source::claude(&home)),
    ];
    let files = sources.iter().filter_map(|(name, source)| file(name, source.place.path()));
    files.chain(hooks(&home)).map(Finding::from).collect()
}

/// A file of a source that has a name; `None` where that program has left none.
fn file(name: &str, path: &Path) -> Option<Check> {
    let shown = path.display();
    let changed = match changed(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        Err(error) => {
            let check = Check::ok(AREA, name, format!("{shown} cannot be read: {error}"));
            return Some(check.but(Health::Warning, format!("`roboppi watch {name}` needs to read it")));
        }
        Ok(changed) => changed,
    };
    let passed = SystemTime::now().duration_since(changed).unwrap_or_default().as_millis();
    let passed = age(u64::try_from(passed).unwrap_or(u64::MAX));
    let check = Check::ok(AREA, name, format!("{shown}, changed {passed} ago"));
    Some(check.but(
        Health::Note,
        format!("`roboppi watch {name}` records it, `roboppi dashboard --watch {name}` shows it"),
    ))
}

/// When something that can be read changed.
fn changed(path: &Path) -> io::Result<SystemTime> {
    let metadata = path.metadata()?;
    if metadata.is_dir() {
        fs::read_dir(path)?;
    } else {
        File::open(path)?;
    }
    metadata.modified()
}

/// The hooks of Claude Code; `None` where it was never used.
fn hooks(home: &Path) -> Option<Check> {
    const NAME: &str = "hooks of claude";

    let dirs = [home.join(".claude"), PathBuf::from(".claude")];
    if !dirs.iter().any(|dir| dir.is_dir()) {
        return None;
    }
    let files =
        dirs.iter().flat_map(|dir| ["settings.json", "settings.local.json"].map(|file| dir.join(file)));
    let mut events: Vec<String> = files.flat_map(|file| reported(&file)).collect();
    events.sort_unstable();
    events.dedup();
    Some(if events.is_empty() {
        let advice = "its sessions record themselves with the hooks of docs/emit.md";
        Check::ok(AREA, NAME, "none reports to roboppi").but(Health::Note, advice)
    } else {
        Check::ok(AREA, NAME, format!("{} events report: {}", events.len(), events.join(", ")))
    })
}

/// Events of a settings file whose hooks report.
fn reported(file: &Path) -> Vec<String> {
    let settings: Option<Value> = fs::read(file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let hooks = settings.as_ref().and_then(|settings| settings["hooks"].as_object());
    let reports = |matchers: &Value| {
        let hooks =
            matchers.as_array().into_iter().flatten().filter_map(|matcher| matcher["hooks"].as_array());
        hooks.flatten().any(|hook| hook["command"].as_str().is_some_and(|command| command.contains(HOOK)))
    };
    let events = hooks.into_iter().flatten().filter(|(_, matchers)| reports(matchers));
    events.map(|(event, _)| event.clone()).collect()
}
