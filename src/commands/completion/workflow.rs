//! Steps of the workflow file that was typed.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap_complete::engine::CompletionCandidate;
use roboppi_workflow::{WorkerKinds, parse_with};

use super::is_offered;
use crate::commands::workflow_file::{ReadArgs, is_workflow_name, load, named_or_default};
use crate::terminal::plain;

/// Bytes of a file that is read while a person waits for a word.
const READ: u64 = 1024 * 1024;

/// Steps of the file of the line, or of the one that is run when none is named, each with its description.
pub(crate) fn steps(typed: &OsStr) -> Vec<CompletionCandidate> {
    let Some(typed) = typed.to_str() else { return Vec::new() };
    let named = file_in(env::args_os());
    let Ok(file) = named_or_default(named.as_deref()) else { return Vec::new() };
    steps_of(&file, typed)
}

fn steps_of(file: &Path, typed: &str) -> Vec<CompletionCandidate> {
    // A person waits for the word, and a pipe may have no other end.
    if !file.is_file() {
        return Vec::new();
    }
    let Ok(loaded) = load(file, &ReadArgs { strict: false, max_file_size: READ }) else { return Vec::new() };
    let Some(workflow) = parse_with(loaded.text(), &WorkerKinds::any()).workflow else { return Vec::new() };
    let steps = workflow.steps.iter().filter(|(name, _)| is_offered(name.as_str(), typed));
    let candidates = steps.enumerate().map(|(order, (name, step))| {
        let help = step.description.as_ref().and_then(|text| Some(plain(text.lines().next()?).into()));
        CompletionCandidate::new(name.as_str()).help(help).display_order(Some(order))
    });
    candidates.collect()
}

/// The workflow file among the words of the line.
fn file_in(words: impl Iterator<Item = OsString>) -> Option<PathBuf> {
    let line = words.skip_while(|word| word != "--").skip(2);
    let mut files = line
        .filter(|word| word.to_str().is_some_and(|word| !word.starts_with('-') && is_workflow_name(word)));
    files.next().map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_found_among_the_words() {
        let file = |line: &str| file_in(line.split(' ').map(OsString::from));
        assert_eq!(file("roboppi -- roboppi workflow run a/b.yml --from x"), Some("a/b.yml".into()));
        assert_eq!(file("roboppi -- roboppi workflow run --from bu c.yaml"), Some("c.yaml".into()));
        assert_eq!(file("roboppi -- roboppi workflow run --from bu"), None);
        assert_eq!(file("roboppi workflow run a.yaml"), None);
    }

    #[test]
    fn steps_of_a_file_are_offered_in_its_order() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.yaml");
        let text = "name: a\nversion: \"1\"\ntimeout: 1m\nsteps:\n  \
                    test: {worker: SCRIBE, capabilities: [READ], instructions: x, description: \"Look\\nmore\"}\n  \
                    build: {worker: CUSTOM, capabilities: [READ], instructions: x}\n  \
                    tidy: {worker: CUSTOM, capabilities: [READ], instructions: x}\n";
        std::fs::write(&file, text).unwrap();
        let offered = |typed: &str| -> Vec<String> {
            let words = steps_of(&file, typed);
            words.iter().map(|word| word.get_value().to_string_lossy().into_owned()).collect()
        };
        assert_eq!(offered("t"), ["test", "tidy"]);
        assert_eq!(offered(""), ["test", "build", "tidy"]);
        assert_eq!(steps_of(&file, "te")[0].get_help().map(ToString::to_string).as_deref(), Some("Look"));
        assert!(
            steps_of(&dir.path().join("none.yaml"), "").is_empty() && steps_of(dir.path(), "").is_empty()
        );
    }
}
