//! Lists of the programs that do the work.

use std::path::PathBuf;

use roboppi_untrusted::first_words;
use serde_json::json;

use crate::table;

/// A kind of worker, and what is found of its program here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerProgram {
    /// What a person calls it on the command line; empty when it cannot be named there.
    pub word: String,
    /// The kind, as in a workflow.
    pub kind: String,
    /// The name of the product.
    pub name: String,
    /// The program.
    pub command: String,
    /// How to get it.
    pub install: String,
    /// Where it is, if it was found.
    pub path: Option<PathBuf>,
    /// What it says of its version, one line.
    pub version: Option<String>,
}

/// A kind of worker that the configuration file gives to a core.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfiguredWorker {
    /// The kind, as in a workflow.
    pub kind: String,
    /// The program of the core.
    pub core: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
}

/// The core of another author that every run gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenCore {
    /// Its program.
    pub core: PathBuf,
    /// What names it.
    pub by: String,
}

/// The programs, and the kinds that other cores run, as a table.
#[must_use]
pub fn list(
    programs: &[WorkerProgram],
    configured: &[ConfiguredWorker],
    given: Option<&GivenCore>,
) -> String {
    let mut rows = vec![["WORKER", "KIND", "VERSION", "PATH"].map(str::to_owned)];
    for WorkerProgram { word, kind, install, path, version, .. } in programs {
        let place = path
            .as_ref()
            .map_or_else(|| format!("not found; {install}"), |path| first_words(&path.display().to_string()));
        let version = match (path, version) {
            (None, _) => "-".to_owned(),
            (Some(_), None) => "none".to_owned(),
            (Some(_), Some(version)) => version.clone(),
        };
        let word = if word.is_empty() { "-" } else { word };
        rows.push([word.to_owned(), kind.clone(), version, place]);
    }
    for ConfiguredWorker { kind, core, .. } in configured {
        let place = format!("core {}", first_words(&core.display().to_string()));
        rows.push(["-".to_owned(), kind.clone(), "-".to_owned(), place]);
    }
    let mut text = table(&rows);
    if let Some(GivenCore { core, by }) = given {
        let core = first_words(&core.display().to_string());
        text.push_str(&format!("\nEvery run uses the core {core} (set by {by}) and its worker kinds.\n"));
    }
    text
}

/// The programs, and the kinds that other cores run, as a JSON array.
#[must_use]
pub fn array(programs: &[WorkerProgram], configured: &[ConfiguredWorker]) -> String {
    let entry = |program: &WorkerProgram| {
        json!({
            "worker": Some(&program.word).filter(|word| !word.is_empty()),
            "kind": program.kind,
            "name": program.name,
            "command": program.command,
            "found": program.path.is_some(),
            "path": program.path.as_ref().map(|path| path.display().to_string()),
            "version": program.version,
            "install": program.install,
        })
    };
    let of_core = |worker: &ConfiguredWorker| json!({ "kind": worker.kind, "core": worker.core.display().to_string(), "coreArgs": worker.args });
    let entries: Vec<_> = programs.iter().map(entry).chain(configured.iter().map(of_core)).collect();
    format!("{:#}\n", json!(entries))
}
